"""What stands beside a log moves with it, or it is said what does not; and who looks for a whole copy looks there."""

import asyncio

import pytest

from ledger.copying import NotCopied, check_copy, copy_log, is_sealed
from ledger.kurrent import KurrentLedger
from ledger.kurrent_client import Pace
from ledger.mapping import map_positions
from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, Append, Keeper
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from tests.ledger.making import draft, one

LONG_AGO_US = 1_000_000
KEEPS_THE_PORT = {True: Keeper.SERVED, False: Keeper.KURRENTDB}


def silent(*_):
    pass


def metadata(data=b'{"owner":"y"}'):
    return [draft(data, type="$metadata")]


async def of_long_ago():
    """A log with two streams beside it, one of which has a name as a KurrentDB's own have."""
    now_us = iter(range(LONG_AGO_US, 2 * LONG_AGO_US))
    log = MemoryLedger(clock=lambda: next(now_us))
    await log.append(one("s", NO_STREAM, 3))
    await log.append_beside(Append("$$s", NO_STREAM, metadata()))
    await log.append_beside(Append("$$$all", NO_STREAM, metadata()))
    await log.append_beside(Append("$$s", 0, metadata(b"{}")))
    return log


@pytest.fixture(params=KEEPS_THE_PORT.values(), ids=str)
async def over_the_wire(request):
    """A log behind a server that is believed to keep the port, or taken for a KurrentDB."""
    behind = MemoryLedger()
    server = await serve(behind, "127.0.0.1:0", admit=admit_everybody)
    door = await KurrentLedger.open(
        f"kurrentdb://127.0.0.1:{server.port}?tls=false",
        trusting=request.param is Keeper.SERVED,
        pace=Pace(0.1, 2.0, 0.1),
    )
    assert door.keeper is request.param
    yield door, behind
    await door.close()
    await server.stop(grace_s=0)


async def beside(log, stream):
    return [
        (event.id, event.version, event.type, event.data, event.recorded_at_us)
        for event in (await log.read_beside(stream)).events
    ]


class Killed(BaseException):
    """As by a signal."""


class DiesBeside:
    """A door to a ledger whose user is killed at an append beside it."""

    def __init__(self, ledger, after):
        self._ledger, self._left = ledger, after

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def append_beside(self, append):
        if not self._left:
            raise Killed
        self._left -= 1
        return await self._ledger.append_beside(append)


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_copy_without_what_stands_beside_is_none(after):
    source, target = await of_long_ago(), MemoryLedger()
    with pytest.raises(Killed):
        await copy_log(source, DiesBeside(target, after), told=silent)
    assert await is_sealed(source)
    checked = await check_copy(source, target, told=silent)
    assert not checked.whole
    assert checked.reached.left == (False, False)
    assert checked.lacks == (("$$$all", "$$s"), ("$$s",), ("$$s",))[after]
    with pytest.raises(NotCopied) as refused:
        await map_positions(source, target, [1], None, 1, silent)
    assert (refused.value.code, "$$" in refused.value.en) == ("map.not_a_copy", True)
    await copy_log(source, target, told=silent)
    assert (await check_copy(source, target, told=silent)).whole
    assert (await map_positions(source, target, [1], None, 1, silent)).size == 3


async def test_what_was_written_beside_the_copy_since_does_not_matter_to_who_follows():
    source, target = await of_long_ago(), MemoryLedger()
    await copy_log(source, target, told=silent)
    await target.append_beside(Append("$$s", ANY, metadata()))
    await target.append_beside(Append("$$new", ANY, metadata()))
    assert (await map_positions(source, target, [1], None, 1, silent)).size == 3


async def test_something_else_beside_the_copy_is_no_copy():
    source, target = await of_long_ago(), MemoryLedger()
    await copy_log(source, target, told=silent)
    other = MemoryLedger()
    await other.append_beside(Append("$$s", NO_STREAM, metadata()))
    target._beside["$$s"] = other._beside["$$s"]
    with pytest.raises(NotCopied) as refused:
        await map_positions(source, target, [1], None, 1, silent)
    assert refused.value.code == "map.not_a_copy"


async def test_what_stands_beside_keeps_its_time_and_every_name():
    source, target = await of_long_ago(), MemoryLedger()
    done = await copy_log(source, target, told=silent)
    assert (done.beside, done.left_out) == (2, ())
    for stream in ("$$s", "$$$all"):
        assert await beside(target, stream) == await beside(source, stream)
        assert max(at_us for *_, at_us in await beside(target, stream)) < 2 * LONG_AGO_US


async def test_over_the_wire_it_keeps_its_time_where_the_server_keeps_the_port(over_the_wire):
    door, behind = over_the_wire
    source = await of_long_ago()
    await copy_log(source, door, told=silent)
    kept = [at_us < 2 * LONG_AGO_US for *_, at_us in await beside(behind, "$$s")]
    assert kept == [door.keeper is Keeper.SERVED] * 2
    assert (await behind.read_beside("$$s")).events[0].metadata == b""


async def test_only_a_kurrentdbs_own_streams_are_left_out_and_named(over_the_wire):
    door, behind = over_the_wire
    await behind.append(one("s"))
    for stream in ("$$s", "$$$all", "$$$stats-1"):
        await behind.append_beside(Append(stream, NO_STREAM, metadata()))
    target = MemoryLedger()
    done = await asyncio.wait_for(copy_log(door, target, told=silent), 30)
    named = ["$$$all", "$$$stats-1"]
    left_out = named if door.keeper is Keeper.KURRENTDB else []
    assert list(done.left_out) == left_out
    assert await target.streams_beside() == sorted({"$$meterloop", "$$s", *named} - set(left_out))
    assert (await check_copy(door, target, told=silent)).whole


@pytest.mark.parametrize("data", [b'{"$maxCount":1}', b'{"$tb":1,}', b"{'$maxAge':1}", b"\xff"], ids=ascii)
async def test_metadata_by_which_a_server_would_forget_is_not_taken_there(over_the_wire, data):
    door, behind = over_the_wire
    source, target = MemoryLedger(), MemoryLedger()
    await source.append(one("s"))
    await source.append_beside(Append("$$s", NO_STREAM, metadata(data)))
    with pytest.raises(NotCopied) as refused:
        await copy_log(source, door, told=silent)
    assert refused.value.code == "copy.would_forget"
    assert "$$s" in refused.value.zh
    assert "sqlite:///" in refused.value.en
    assert (await behind.head(), await is_sealed(source)) == (0, False)
    # An embedded log goes by no metadata, and takes it as it is.
    assert (await copy_log(source, target, told=silent)).beside == 1
    assert await beside(target, "$$s") == await beside(source, "$$s")
