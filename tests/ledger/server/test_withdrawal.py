"""Calls that go on by a grant which is withdrawn end, and tell why; what others have under way does not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import grpc
import msgspec
import pytest
from google.protobuf import empty_pb2
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2, streams_pb2_grpc

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append
from ledger.server.access import OPEN, Grant, NotAdmitted, Withdrawal
from ledger.server.running import serve
from tests.ledger.making import draft, drafts
from tests.ledger.server.asking import first, kinds, options, reading, refused, revisions, subscription

EMPTY = shared_pb2.Empty()
ONE = {"authorization": "one"}


class Door(NamedTuple):
    ledger: MemoryLedger
    target: str
    withdraw: Callable[[], None]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Callers are `one`, whose grant can be withdrawn, and others, whose cannot."""
    withdrawals = {name: Withdrawal() for name in ("one", "other")}

    async def admit(authorization: str | None) -> Grant:
        assert authorization is not None
        return msgspec.structs.replace(OPEN, withdrawal=withdrawals[authorization])

    ledger = MemoryLedger()
    server = await serve(ledger, "127.0.0.1:0", admit=admit)
    yield Door(ledger, f"127.0.0.1:{server.port}", withdrawals["one"].withdraw)
    await server.stop(grace_s=0)
    await ledger.close()


async def ended(call) -> grpc.aio.AioRpcError:
    async def to_the_end() -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(to_the_end(), 30)
    return caught.value


@pytest.mark.parametrize("stream", [None, "thing-1", "$$thing-1", "none-1"])
async def test_a_subscription_ends_and_that_of_another_goes_on(door, stream):
    await door.ledger.append([Append("thing-1", ANY, drafts(1))])
    async with (
        reading(door.target, subscription(stream), authorization="one") as one,
        reading(door.target, subscription(), authorization="other") as other,
    ):
        await first(one, 2)
        assert kinds(await first(other, 3)) == ["confirmation", "event", "caught_up"]
        door.withdraw()
        error = await ended(one)
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "凭证" in error.details()
        assert "withdrawn" in error.details()
        await door.ledger.append([Append("thing-1", ANY, drafts(1))])
        assert revisions([await other.read()]) == [1]


async def test_a_reader_who_does_not_read_is_ended_too(door):
    big = [draft(data=bytes(1 << 20)) for _ in range(24)]
    await door.ledger.append([Append("thing-1", ANY, big)])
    async with reading(door.target, options(), authorization="one") as call:
        await call.read()
        await asyncio.sleep(0.3)
        door.withdraw()
        assert (await ended(call)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_whenever_it_is_withdrawn_the_caller_hears_of_it():
    """Also while the answer begins: a status cannot be sent beside the begin of one that was broken off."""
    loop, withdrawal, turns = asyncio.get_running_loop(), Withdrawal(), 0

    def later(left: int, then: Withdrawal) -> None:
        if left:
            loop.call_soon(later, left - 1, then)
        else:
            then.withdraw()

    async def admit(_authorization: str | None) -> Grant:
        later(turns, withdrawal)
        return msgspec.structs.replace(OPEN, withdrawal=withdrawal)

    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=admit)
    target = f"127.0.0.1:{server.port}"
    for turns in range(40):  # noqa: B007 - admit reads it
        withdrawal = Withdrawal()
        async with reading(target, subscription()) as call:
            assert (await ended(call)).code() is grpc.StatusCode.UNAUTHENTICATED
    await server.stop(grace_s=0)


async def test_nothing_begins_by_a_grant_that_was_withdrawn_meanwhile(door):
    door.withdraw()
    assert (await refused(door.target, options(), **ONE)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_append_that_has_not_come_in_full_is_not_recorded(door):
    async with grpc.aio.insecure_channel(door.target) as channel:
        call = streams_pb2_grpc.StreamsStub(channel).Append(metadata=tuple(ONE.items()))
        stream = shared_pb2.StreamIdentifier(stream_name=b"thing-1")
        made = streams_pb2.AppendReq.Options(stream_identifier=stream, any=EMPTY)
        await call.write(streams_pb2.AppendReq(options=made))
        await asyncio.sleep(0.2)
        door.withdraw()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(call, 30)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await door.ledger.head() == 0


async def test_appends_in_batches_end(door):
    async with grpc.aio.insecure_channel(door.target) as channel:
        call = streams_pb2_grpc.StreamsStub(channel).BatchAppend(metadata=tuple(ONE.items()))
        stream = shared_pb2.StreamIdentifier(stream_name=b"thing-1")
        proposed = streams_pb2.BatchAppendReq.ProposedMessage(
            id=shared_pb2.UUID(string="00000000-0000-0000-0000-000000000001"),
            metadata={"type": "test.Happened", "content-type": "application/json"},
        )
        await call.write(
            streams_pb2.BatchAppendReq(
                correlation_id=shared_pb2.UUID(string="00000000-0000-0000-0000-000000000002"),
                options=streams_pb2.BatchAppendReq.Options(stream_identifier=stream, any=empty_pb2.Empty()),
                proposed_messages=[proposed],
                is_final=True,
            )
        )
        assert (await call.read()).HasField("success")
        door.withdraw()
        assert (await ended(call)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_caller_that_gives_up_at_the_same_time_is_heard_first():
    withdrawal = Withdrawal()

    async def waiting() -> None:
        with withdrawal.ends():
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    withdrawal.withdraw()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    task = asyncio.create_task(waiting())
    with pytest.raises(NotAdmitted):
        await task
