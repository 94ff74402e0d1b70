"""Checkpoints that need witnesses, and when the sequencer signs: its run is driven by a clock that is set."""

import asyncio

import pytest

from kernel.clock import system_clock_us
from ledger.memory import MemoryLedger
from ledger.port import Unavailable
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.cosignature import cosign
from ledger.proof.errors import BadSignature, NoQuorum
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import verify_consistency
from ledger.proof.note import Note
from ledger.proof.policy import Policy, satisfied
from ledger.transparency.sequencer import _left_s
from tests.ledger.transparency.logs import Clock, check, published, record, sequencer_of

WITNESSES = [
    SignerKey(f"witness.example/{name}", KeyType.COSIGNATURE, bytes([place]) * 32) for place, name in enumerate("ab", 1)
]
POLICY = Policy.parse(
    "".join(f"witness {name} {key.verifier}\n" for name, key in zip("ab", WITNESSES, strict=True)).encode()
    + b"group both all a b\nquorum both\n"
)


class Witnesses:
    """Those that are up cosign what goes on from what they know; they know what they cosigned."""

    def __init__(self, clock):
        self.clock, self.up, self.asked, self.known = clock, WITNESSES, [], {}

    async def cosign(self, old_size, note, prove):
        text = Note.parse(note).text
        said = Checkpoint.parse(text)
        self.asked.append((old_size, said.size))
        for witness in self.up:
            if before := self.known.get(witness):
                verify_consistency(before.size, said.size, prove(before.size), before.root, said.root)
            self.known[witness] = said
        return [cosign(text, witness, self.clock() // 1_000_000) for witness in self.up]


async def witnessed(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    witnesses = Witnesses(clock)
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock, policy=POLICY, cosigner=witnesses)
    return clock, ledger, witnesses, sequencer


def newest(folder):
    return (folder / "proof/log/checkpoint").read_bytes()


async def test_what_is_published_has_its_quorum(tmp_path):
    _, ledger, witnesses, sequencer = await witnessed(tmp_path)
    await sequencer.round()
    await record(ledger, 300)
    await sequencer.round()
    policy = Policy.parse((tmp_path / "proof/log/policy").read_bytes())
    standing = satisfied(policy, newest(tmp_path))
    assert (standing.checkpoint.size, sorted(standing.cosigned_at_s)) == (300, ["a", "b"])
    assert witnesses.asked == [(0, 0), (0, 300)]
    await check(ledger, tmp_path)
    await sequencer.close()


async def test_without_its_quorum_nothing_is_published_and_nothing_else_is_signed(tmp_path):
    _, ledger, witnesses, sequencer = await witnessed(tmp_path)
    await sequencer.round()
    witnesses.up = WITNESSES[:1]
    for size in (10, 10, 10):
        await record(ledger, size)
        with pytest.raises(NoQuorum):
            await sequencer.round()
    assert published(tmp_path)[-1].size == 0
    # Of the three the first is signed, and stands until the other witness is there again.
    witnesses.up = WITNESSES
    assert (await sequencer.round()).published_size == 10
    assert (await sequencer.round()).published_size == 30
    assert [one.size for one in await check(ledger, tmp_path)] == [0, 10, 30]
    await sequencer.close()


async def test_started_anew_it_publishes_what_was_signed_before(tmp_path):
    clock, ledger, witnesses, sequencer = await witnessed(tmp_path)
    await sequencer.round()
    witnesses.up = []
    await record(ledger, 10)
    with pytest.raises(NoQuorum):
        await sequencer.round()
    await sequencer.close()
    await record(ledger, 10)
    witnesses.up = WITNESSES
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock, policy=POLICY, cosigner=witnesses)
    await sequencer.round()
    await sequencer.round()
    assert [one.size for one in await check(ledger, tmp_path)] == [0, 10, 20]
    await sequencer.close()


async def test_a_checkpoint_that_stands_is_cosigned_anew(tmp_path):
    clock, ledger, _, sequencer = await witnessed(tmp_path)
    await record(ledger, 5)
    await sequencer.round()
    await sequencer.round()
    before = newest(tmp_path)
    clock.pass_s(60)
    await sequencer.round(refresh=True)
    policy = Policy.parse((tmp_path / "proof/log/policy").read_bytes())
    times = [satisfied(policy, note).cosigned_at_s["a"] for note in (before, newest(tmp_path))]
    assert times[1] - times[0] == 60
    assert [one.size for one in published(tmp_path)] == [0, 5, 5]
    await sequencer.close()


async def test_a_cosignature_that_is_none_is_not_published(tmp_path):
    _, ledger, witnesses, sequencer = await witnessed(tmp_path)
    await sequencer.round()

    async def lies(_old_size, _note, _prove):
        return [cosign(b"log.example/other\n1\nAAAA\n", witness, 1) for witness in WITNESSES]

    witnesses.cosign = lies
    await record(ledger, 5)
    with pytest.raises(BadSignature):
        await sequencer.round()
    assert published(tmp_path)[-1].size == 0
    await sequencer.close()


async def until(true):
    while not true():  # noqa: ASYNC110  nobody says so
        await asyncio.sleep(0.01)


async def test_it_follows_the_ledger_and_signs_no_more_than_once_a_second(tmp_path):
    ledger = MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path, clock=system_clock_us)
    task = asyncio.create_task(sequencer.run())
    for _ in range(25):
        await record(ledger, 3)
        await asyncio.sleep(0.1)
    await until(lambda: sequencer.published and sequencer.published.size == 75)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await sequencer.close()
    checkpoints = await check(ledger, tmp_path)
    assert checkpoints[-1].size == 75
    assert 3 <= len(checkpoints) <= 8


async def test_what_passes_by_itself_is_tried_again_and_told(tmp_path):
    class Away(MemoryLedger):
        away = 3

        async def read_all(self, *arguments, **filters):
            if self.away:
                self.away -= 1
                raise Unavailable("for a moment")
            return await super().read_all(*arguments, **filters)

    ledger = Away()
    await record(ledger, 10)
    sequencer = await sequencer_of(ledger, tmp_path, clock=system_clock_us)
    task = asyncio.create_task(sequencer.run())
    await until(lambda: sequencer.trouble)
    assert sequencer.trouble == "Unavailable: for a moment"
    await until(lambda: sequencer.published and sequencer.published.size == 10)
    assert sequencer.trouble is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await sequencer.close()


@pytest.mark.parametrize(("passed_us", "left_s"), [(0, 1), (250_000, 0.75), (1_000_000, 0), (9_000_000, 0), (-5, 1)])
def test_a_pause_is_never_longer_than_its_interval(passed_us, left_s):
    assert _left_s(1_700_000_000_000_000 + passed_us, 1_700_000_000_000_000, 1_000_000) == left_s
