"""Callers that are gone before they have said all of an append: nothing is left of it, and it can come again whole."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as sessions_pb2

from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, Append, Page
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from tests.ledger.making import draft
from tests.ledger.server.asking import READ, kinds, subscription
from tests.ledger.server.conftest import Door

APPEND = "/event_store.client.streams.Streams/Append"
SESSION = "/kurrentdb.protocol.v2.streams.StreamsService/AppendSession"
TIMES = 25


def new_id() -> str:
    return str(UUID(bytes=os.urandom(16)))


def by_append(name: str) -> list[Message]:
    """Three events for one stream."""
    options = streams_pb2.AppendReq.Options(stream_identifier=shared_pb2.StreamIdentifier(stream_name=name.encode()))
    options.no_stream.SetInParent()
    event = streams_pb2.AppendReq.ProposedMessage(
        metadata={"type": "test.Happened", "content-type": "application/json"}, data=b"{}"
    )
    events = [streams_pb2.AppendReq(proposed_message=event) for _ in range(3)]
    for one in events:
        one.proposed_message.id.string = new_id()
    return [streams_pb2.AppendReq(options=options), *events]


def by_session(name: str) -> list[Message]:
    """An event for each of three streams."""
    schema = sessions_pb2.SchemaInfo(format=sessions_pb2.SCHEMA_FORMAT_JSON, name="test.Happened")
    return [
        sessions_pb2.AppendRequest(
            stream=f"{name}-{number}",
            expected_revision=-1,
            records=[sessions_pb2.AppendRecord(record_id=new_id(), schema=schema, data=b"{}")],
        )
        for number in range(3)
    ]


async def cancelled(call: grpc.aio.StreamUnaryCall, _channel: grpc.aio.Channel) -> None:
    call.cancel()


async def connection_lost(_call: grpc.aio.StreamUnaryCall, channel: grpc.aio.Channel) -> None:
    await channel.close()


@pytest.mark.parametrize("end", [cancelled, connection_lost])
@pytest.mark.parametrize(("method", "made"), [(APPEND, by_append), (SESSION, by_session)], ids=["append", "session"])
async def test_an_append_whose_caller_is_gone_before_its_end_leaves_nothing(
    served: Door, method: str, made: Callable[[str], Sequence[Message]], end: Callable
):
    before = await served.ledger.head()
    unfinished = [made(f"x-{number}") for number in range(TIMES)]
    for number, messages in enumerate(unfinished):
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(served.target, options=options) as channel:
            call = channel.stream_unary(method)()
            for message in messages[: 1 + number % len(messages)]:
                await call.write(message.SerializeToString())
            await asyncio.sleep((0, 0.002, 0.01)[number % 3])
            await end(call, channel)
    await asyncio.sleep(0.2)
    assert await served.ledger.head() == before
    async with grpc.aio.insecure_channel(served.target) as channel:
        for messages in unfinished:
            await channel.stream_unary(method)(iter([message.SerializeToString() for message in messages]))
    page = await served.ledger.read_all(before)
    assert len(page.events) == 3 * TIMES


class BreakingDown(MemoryLedger):
    """Cannot be followed once, and not for a reason that the port knows."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 1

    async def follow(self, after: int = 0, **filters: object) -> AsyncGenerator[Page, None]:
        if self.times:
            self.times -= 1
            await asyncio.sleep(0.05)
            raise RuntimeError("broken")
        async for page in super().follow(after, **filters):
            yield page


async def test_subscribers_are_told_when_the_log_cannot_be_followed_whatever_the_reason():
    ledger = BreakingDown()
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody)
    request = streams_pb2.ReadReq(options=subscription()).SerializeToString()

    async def answer(call: grpc.aio.UnaryStreamCall) -> streams_pb2.ReadResp:
        return streams_pb2.ReadResp.FromString(await asyncio.wait_for(call.read(), 20))

    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            broken = channel.unary_stream(READ)(request)
            assert kinds([await answer(broken), await answer(broken)]) == ["confirmation", "caught_up"]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await answer(broken)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            again = channel.unary_stream(READ)(request)
            assert kinds([await answer(again), await answer(again)]) == ["confirmation", "caught_up"]
            await ledger.append([Append("x", NO_STREAM, [draft()]), Append("y", ANY, [draft()])])
            answers = [await answer(again), await answer(again)]
            assert [one.event.event.stream_identifier.stream_name for one in answers] == [b"x", b"y"]
            again.cancel()
    finally:
        await server.stop(grace_s=0)
