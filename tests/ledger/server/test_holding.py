"""What appends hold before they are recorded: how much of it, and for how long."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc
import pytest
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as v2_streams_pb2

from ledger.memory import MemoryLedger
from ledger.server.access import Grant
from ledger.server.running import Limits, serve

STREAMS = "/event_store.client.streams.Streams/"
SESSION = "/kurrentdb.protocol.v2.streams.StreamsService/AppendSession"
MEBIBYTE = bytes(1_000_000)
SILENT_S = 0.5

Req = streams_pb2.AppendReq
BatchReq = streams_pb2.BatchAppendReq


async def admit(authorization: str | None) -> Grant:
    return Grant(appends=None, carries=authorization == "service")


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[MemoryLedger, grpc.aio.Channel]]:
    ledger = MemoryLedger()
    server = await serve(ledger, "127.0.0.1:0", admit=admit, limits=Limits(**limits))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield ledger, channel
    await server.stop(grace_s=0)


def identifier(stream: str) -> shared_pb2.StreamIdentifier:
    return shared_pb2.StreamIdentifier(stream_name=stream.encode())


def proposed(kind: Any, data: bytes = MEBIBYTE) -> Any:
    metadata = {"type": "T", "content-type": "application/octet-stream"}
    return kind.ProposedMessage(
        id=shared_pb2.UUID(string=str(UUID(bytes=os.urandom(16)))), metadata=metadata, data=data
    )


def appending(stream: str) -> list[Req]:
    """The options, and two events of a megabyte."""
    options = Req.Options(stream_identifier=identifier(stream), any=shared_pb2.Empty())
    return [Req(options=options), *(Req(proposed_message=proposed(Req)) for _ in range(2))]


def batch(stream: str, *, final: bool) -> BatchReq:
    options = BatchReq.Options(stream_identifier=identifier(stream))
    options.any.SetInParent()
    correlation = shared_pb2.UUID(string=str(UUID(bytes=os.urandom(16))))
    events = [proposed(BatchReq) for _ in range(2)]
    return BatchReq(correlation_id=correlation, options=options, proposed_messages=events, is_final=final)


def session(stream: str) -> v2_streams_pb2.AppendRequest:
    schema = v2_streams_pb2.SchemaInfo(name="T", format=v2_streams_pb2.SCHEMA_FORMAT_BYTES)
    record = v2_streams_pb2.AppendRecord(record_id=str(UUID(bytes=os.urandom(16))), data=MEBIBYTE, schema=schema)
    return v2_streams_pb2.AppendRequest(stream=stream, records=[record, record])


def opened(channel: grpc.aio.Channel, name: str, who: str = "somebody") -> Any:
    """A call of Append, BatchAppend or AppendSession."""
    path = SESSION if name == "AppendSession" else STREAMS + name
    make = channel.stream_stream if name == "BatchAppend" else channel.stream_unary
    return make(path, lambda sent: sent.SerializeToString(), None)(metadata=(("authorization", who),))


def unfinished(name: str, stream: str) -> list[Any]:
    return {
        "Append": appending(stream),
        "AppendSession": [session(stream)],
        "BatchAppend": [batch(stream, final=False)],
    }[name]


async def say(call: Any, messages: list[Any]) -> None:
    for message in messages:
        await call.write(message)


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    async with asyncio.timeout(10):
        return await call.code(), await call.details()


async def append(channel: grpc.aio.Channel, stream: str, who: str = "somebody") -> grpc.StatusCode:
    call = opened(channel, "Append", who)
    await say(call, appending(stream))
    await call.done_writing()
    return (await status_of(call))[0]


@pytest.mark.parametrize("name", ["Append", "AppendSession", "BatchAppend"])
async def test_unfinished_appends_of_all_calls_share_one_budget(name):
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    async with serving(held_bytes_max=5_000_000) as (ledger, channel):
        kept = [opened(channel, name) for _ in range(2)]
        for index, call in enumerate(kept):
            await say(call, unfinished(name, f"kept-{index}"))
        # What has been written may not all have come.
        while await append(channel, "other") != exhausted:
            pass
        head = await ledger.head()
        assert await append(channel, "other") == exhausted
        assert await ledger.head() == head
        # Services have a budget to themselves.
        assert await append(channel, "service", "service") == grpc.StatusCode.OK
        for call in kept:
            call.cancel()
        async with asyncio.timeout(10):
            while await append(channel, "other") == exhausted:
                pass
        assert not (await ledger.read("kept-0")).events


async def test_a_refused_append_of_a_batch_leaves_the_others_of_its_call():
    async with serving(held_bytes_max=5_000_000) as (ledger, channel):
        call = opened(channel, "BatchAppend")
        kept = [batch(f"kept-{index}", final=False) for index in range(2)]
        await say(call, [*kept, batch("other", final=True)])
        answer = streams_pb2.BatchAppendResp.FromString(await call.read())
        assert "hold at most 5000000 bytes" in answer.error.message
        for message in kept:
            await call.write(BatchReq(correlation_id=message.correlation_id, is_final=True))
            assert streams_pb2.BatchAppendResp.FromString(await call.read()).HasField("success")
        await call.write(batch("other", final=True))
        assert streams_pb2.BatchAppendResp.FromString(await call.read()).HasField("success")
        await call.done_writing()
        assert (await status_of(call))[0] == grpc.StatusCode.OK
        assert [len((await ledger.read(stream)).events) for stream in ("kept-0", "kept-1", "other")] == [2, 2, 2]


@pytest.mark.parametrize("name", ["Append", "AppendSession", "BatchAppend"])
async def test_an_append_of_which_nothing_more_comes_ends(name):
    async with serving(silent_s_max=SILENT_S) as (ledger, channel):
        call = opened(channel, name)
        await say(call, unfinished(name, "silent"))
        code, details = await status_of(call)
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "Nothing more came of an unfinished append for 0.5 s" in details
        assert await ledger.head() == 0


async def test_who_is_slow_and_who_waits_between_appends_goes_on():
    """A call of many appends is kept open for years."""
    async with serving(silent_s_max=SILENT_S) as (ledger, channel):
        slow, open_long = opened(channel, "Append"), opened(channel, "BatchAppend")
        for message in appending("slow"):
            await slow.write(message)
            await asyncio.sleep(SILENT_S * 0.6)
        await slow.done_writing()
        assert (await status_of(slow))[0] == grpc.StatusCode.OK
        for _ in range(2):
            await open_long.write(batch("long", final=True))
            assert streams_pb2.BatchAppendResp.FromString(await open_long.read()).HasField("success")
            await asyncio.sleep(SILENT_S * 2.5)
        await open_long.done_writing()
        assert (await status_of(open_long))[0] == grpc.StatusCode.OK
        assert [len((await ledger.read(stream)).events) for stream in ("slow", "long")] == [2, 4]


async def test_who_is_refused_says_the_rest_undisturbed():
    """Some clients that are interrupted tell their caller of that, and not of the refusal."""
    async with serving() as (ledger, channel):
        call = opened(channel, "Append")
        stream = shared_pb2.StreamIdentifier(stream_name=b"")
        await call.write(Req(options=Req.Options(stream_identifier=stream, any=shared_pb2.Empty())))
        await asyncio.sleep(0.3)
        await call.write(Req(proposed_message=proposed(Req)))
        await asyncio.sleep(0.1)
        assert not call.done()
        await call.done_writing()
        assert (await status_of(call))[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert await ledger.head() == 0
