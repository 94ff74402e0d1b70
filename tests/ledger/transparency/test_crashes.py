"""Every step of some rounds fails, before it is done and after; then the log is whole, and says nothing else than
before.
"""

import asyncio
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.memory import MemoryLedger
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.cosignature import cosign
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import consistency_proof, verify_consistency
from ledger.proof.note import Note
from ledger.proof.tiles import bundles_of, tiles_of
from ledger.transparency.keys import LogKeys
from ledger.transparency.layout import CHECKPOINT, CHECKPOINTS, LOCK, STORE, notes_in
from ledger.transparency.lock import SingleWriter
from ledger.transparency.sequencer import Sequencer
from ledger.transparency.storage import DirectoryStorage
from ledger.transparency.store import SequencerStore
from tests.ledger.transparency.faulty import Failed, FaultyDisk, FaultyStore, Steps
from tests.ledger.transparency.logs import ORIGIN, Clock, check, make_key, record, tree_hashes

ROUNDS = (0, 3, 260, 0, 250, 5)
"""Events recorded before each round: over the end of a first tile, of a second, and none."""

SHARES = 8
"""Tests that the points are divided among, so that they run beside one another."""


WITNESS = SignerKey("witness.example/w", KeyType.COSIGNATURE, bytes(32))


class Onlooker:
    """A witness that is never twice told the same: whatever it was shown must be of one tree. No two of its
    cosignatures are alike, so that nothing that was published could be made again.
    """

    def __init__(self) -> None:
        self.shown = []

    async def cosign(self, old_size, note, prove):
        self.shown.append(Checkpoint.parse(Note.parse(note).text))
        verify_consistency(old_size, self.shown[-1].size, prove(old_size), self._root(old_size), self.shown[-1].root)
        return [cosign(Note.parse(note).text, WITNESS, len(self.shown))]

    def _root(self, size):
        return next(one.root for one in reversed(self.shown) if one.size == size)


class Platform:
    """A ledger and its log in a folder, on a disk that fails when told to."""

    def __init__(self, folder, steps):
        self.folder, self.steps = folder, steps
        self.ledger, self.clock, self.onlooker = MemoryLedger(position_stride=2), Clock(), Onlooker()
        self.disk = FaultyDisk(steps)
        self.seen = []
        make_key(folder / "keys")
        self.sequencer = None

    def open(self):
        proof = self.folder / "proof"
        lock = SingleWriter(proof / LOCK)
        store = FaultyStore(proof / STORE, self.steps)
        keys = LogKeys(store, self.folder / "keys", ORIGIN)
        self.sequencer = Sequencer(
            self.ledger, lock, store, DirectoryStorage(proof, self.disk), keys,
            origin=ORIGIN, clock=self.clock, cosigner=self.onlooker,
        )  # fmt: skip

    async def close(self):
        await self.sequencer.close()

    def look(self):
        """What anybody may have read."""
        file = self.folder / "proof" / CHECKPOINT
        if file.exists():
            self.seen.append(file.read_bytes())

    def must_be_durable(self):
        """That what the store says is signed lies on disk, and what it says is published can be read."""
        proof = self.folder / "proof"
        store = SequencerStore(proof / STORE)
        cursor, published = store.cursor(), store.published()
        store.close()
        if cursor is not None:
            for tile in (*tiles_of(cursor.size), *bundles_of(cursor.size)):
                assert (proof / "log" / tile.path).exists() or (proof / "log" / tile.full.path).exists()
        if published is not None and published.settled:
            assert (proof / CHECKPOINT).read_bytes() == published.note
            assert published.note in (proof / CHECKPOINTS / published.day).read_bytes()

    async def rounds(self, recover):
        """All rounds; where one fails, `recover` and do it again."""
        self.open()
        for count in ROUNDS:
            await record(self.ledger, count)
            self.clock.pass_s(9 * 3_600)
            while True:
                try:
                    outcome = await self.sequencer.round(refresh=True)
                except Failed:
                    self.look()
                    await recover(self)
                    # The ledger goes on meanwhile: what was signed is published all the same, and not something larger.
                    await record(self.ledger, 1)
                else:
                    self.look()
                    if outcome.at_head and outcome.published_size == outcome.signed_size:
                        break
        await self.close()


async def tries_again(_platform):
    """An I/O error: the same process goes on."""


async def loses_power(platform):
    """A crash: another process goes on, without some of what was not durable, or with all of it."""
    await platform.close()
    platform.disk.lose_power(random.Random(platform.steps.taken))
    platform.must_be_durable()
    platform.open()


RECOVERIES = {"tries again": tries_again, "loses power": loses_power}


FAILURES = st.tuples(st.integers(1, 60), st.sampled_from(["before", "after"]), st.sampled_from(sorted(RECOVERIES)))


@pytest.mark.timeout(300)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.none() | FAILURES), min_size=1, max_size=8))
def test_whatever_is_recorded_and_wherever_it_fails_the_log_goes_on(rounds):
    async def go_through(folder):
        platform = Platform(folder, Steps())
        recover = tries_again
        platform.open()
        for count, failure in rounds:
            await record(platform.ledger, count)
            platform.clock.pass_s(7 * 3_600)
            if failure is not None:
                # Where the round has fewer steps, it is one of a later round.
                recover = RECOVERIES[failure[2]]
                platform.steps.arm(*failure[:2])
            try:
                await platform.sequencer.round(refresh=True)
            except Failed:
                await recover(platform)
            platform.look()
        platform.steps.arm(0, "before")
        while not (await platform.sequencer.round(refresh=True)).at_head:
            pass
        await platform.close()
        checkpoints = await check(platform.ledger, folder)
        assert checkpoints[-1].size == sum(count for count, _ in rounds)
        assert [one for one in platform.onlooker.shown if one not in checkpoints] == []
        must_be_kept(platform)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(go_through(Path(folder)))


def must_be_kept(platform):
    """That every note that could be read stands in the file of a day."""
    days = sorted((platform.folder / "proof" / CHECKPOINTS).iterdir())
    notes = [note for day in days for note in notes_in(day.read_bytes())]
    assert [note for note in platform.seen if note not in notes] == []


async def number_of_steps(folder):
    platform = Platform(folder, Steps())
    await platform.rounds(tries_again)
    return platform.steps.taken


async def fails_once(folder, at, when, recover):
    folder.mkdir()
    platform = Platform(folder, Steps(at, when))
    await platform.rounds(recover)
    assert platform.steps.failed
    checkpoints = await check(platform.ledger, folder)
    newest = checkpoints[-1]
    assert newest.size == sum(ROUNDS) + 1
    believed = tree_hashes(folder, newest.size)
    must_be_kept(platform)
    for one in platform.onlooker.shown:
        verify_consistency(
            one.size, newest.size, consistency_proof(one.size, newest.size, believed), one.root, newest.root
        )
        assert one in checkpoints, "a checkpoint that was shown to a witness was never published"
    shutil.rmtree(folder)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("recovery", RECOVERIES)
async def test_whatever_step_fails_the_log_is_whole(tmp_path, recovery, share):
    (tmp_path / "counted").mkdir()
    steps = await number_of_steps(tmp_path / "counted")
    assert 2 * steps * len(RECOVERIES) >= 300
    points = [(at, when) for at in range(1, steps + 1) for when in ("before", "after")]
    for at, when in points[share::SHARES]:
        await fails_once(tmp_path / f"{at}-{when}", at, when, RECOVERIES[recovery])
