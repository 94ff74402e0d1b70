"""States of other streams, as they are recorded at the moment of asking."""

import pytest

from kernel.folded import Folded
from kernel.handling import Context, Handling
from ledger.memory import MemoryLedger
from ledger.port import PAGE_EVENTS
from tests.given import fresh_id
from tests.kernel.parcel import CODEC, PARCEL, Deliver, HandOn, Send


@pytest.fixture
async def ledger():
    log = MemoryLedger()
    yield log
    await log.close()


async def done(ledger, *commands):
    handling = Handling(ledger, PARCEL, CODEC)
    for command in commands:
        await handling.handle(command, Context(command_id=fresh_id(), actor="u-1"))


def sent(name):
    return Send(parcel=name, place="A", weight_g=1)


async def test_what_was_recorded_a_moment_ago_is_in_the_state(ledger):
    folded = Folded(ledger, PARCEL, CODEC)
    assert (await folded.now(["p1"]))["p1"] == PARCEL.initial
    await done(ledger, sent("p1"))
    assert (await folded.now(["p1"]))["p1"].place == "A"
    await done(ledger, HandOn(parcel="p1", place="B"), sent("p2"))
    both = await folded.now(["p1", "p2", "p3"])
    assert [both[key].place for key in ("p1", "p2", "p3")] == ["B", "A", None]


async def test_a_stream_of_several_pages_is_read_whole(ledger):
    moves = [HandOn(parcel="p1", place=f"P{number}") for number in range(PAGE_EVENTS + 5)]
    await done(ledger, sent("p1"), *moves)
    folded = Folded(ledger, PARCEL, CODEC)
    assert (await folded.now(["p1"]))["p1"].place == moves[-1].place
    await done(ledger, Deliver(parcel="p1"))
    assert (await folded.now(["p1"]))["p1"].delivered


async def test_what_is_not_kept_is_read_again(ledger):
    await done(ledger, sent("p1"), sent("p2"))
    folded = Folded(ledger, PARCEL, CODEC, kept=1)
    for name in ("p1", "p2", "p1"):
        assert (await folded.now([name]))[name].place == "A"
