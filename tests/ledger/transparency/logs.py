"""Proof logs for tests: a ledger, a folder, a clock that is set, and a reader that believes nothing but the proofs."""

import os
from pathlib import Path

from ledger.port import ANY, Append, Draft, Ledger
from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.commitment import entry_of
from ledger.proof.keys import VerifierKey
from ledger.proof.merkle import SubtreeHash, consistency_proof, verify_consistency
from ledger.proof.reading import TrustedTiles, subtree_hashes
from ledger.transparency.keys import KEY_FILE, new_key
from ledger.transparency.layout import CHECKPOINT, CHECKPOINTS, DAYS, KEYS, MARK_ENTRIES, MARKS, notes_in
from ledger.transparency.sequencer import Sequencer
from tests.ledger.making import everything

ORIGIN = "log.example/tests"


class Clock:
    """Microseconds, moved by hand."""

    def __init__(self) -> None:
        self.now_us = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now_us

    def pass_s(self, seconds: float) -> None:
        self.now_us += int(seconds * 1_000_000)


def make_key(folder: Path, name: str = KEY_FILE) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(new_key())
    (folder / name).chmod(0o600)


async def record(ledger: Ledger, count: int) -> None:
    while count > 0:
        drafts = [Draft(os.urandom(16), "test.Happened", os.urandom(20)) for _ in range(min(count, 10_000))]
        await ledger.append([Append("a-stream", ANY, drafts)])
        count -= 10_000


async def sequencer_of(ledger: Ledger, folder: Path, **more) -> Sequencer:
    """The sequencer of the log in `folder`, whose key is made where there is none."""
    if not (folder / "keys" / KEY_FILE).exists():
        make_key(folder / "keys")
    more.setdefault("clock", Clock())
    return await Sequencer.open(ledger, folder / "proof", folder / "keys", origin=ORIGIN, **more)


def published(folder: Path) -> list[Checkpoint]:
    """Every published checkpoint, in order, its signature verified by the keys that the log names."""
    proof = folder / "proof"
    keys = [VerifierKey.parse(line) for line in (proof / KEYS).read_text().splitlines()]
    days = [proof / CHECKPOINTS / day for day in (proof / DAYS).read_text().split()]
    assert sorted([*days, proof / DAYS]) == sorted((proof / CHECKPOINTS).iterdir())
    notes = [note for day in days for note in notes_in(day.read_bytes())]
    assert notes[-1] == (proof / CHECKPOINT).read_bytes()
    return [opened(note, keys).checkpoint for note in notes]


def tree_hashes(folder: Path, size: int) -> SubtreeHash:
    """Hashes of the tree of this size as the tiles say."""
    return subtree_hashes(size, lambda path: _content(folder / "proof" / "log" / path))


async def check(ledger: Ledger, folder: Path) -> list[Checkpoint]:
    """That the log is whole and says the ledger, and that no checkpoint contradicts another. Returns all of them."""
    checkpoints = published(folder)
    newest = checkpoints[-1]
    events = await everything(ledger)
    tiles = TrustedTiles(newest.size, newest.root, lambda path: _content(folder / "proof" / "log" / path))
    entries = [entry for _, bundle in tiles.all_entries() for entry in bundle]
    assert entries == [entry_of(event) for event in events[: newest.size]]
    believed = tree_hashes(folder, newest.size)
    for one in checkpoints:
        proof = consistency_proof(one.size, newest.size, believed)
        verify_consistency(one.size, newest.size, proof, one.root, newest.root)
        assert one.origin == ORIGIN
    assert [one.size for one in checkpoints] == sorted(one.size for one in checkpoints)
    marks = _content(folder / "proof" / MARKS) or b""
    for place, event in enumerate(events[: newest.size : MARK_ENTRIES]):
        assert int.from_bytes(marks[8 * place : 8 * place + 8], "big") == event.position
    return checkpoints


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None
