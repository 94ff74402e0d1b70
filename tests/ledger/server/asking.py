"""Streams.Read as no official client would ask it: options put together by hand, bytes, headers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

Options = streams_pb2.ReadReq.Options
Resp = streams_pb2.ReadResp
EMPTY = shared_pb2.Empty()
READ = "/event_store.client.streams.Streams/Read"


def options(stream: str | None = None, /, **given: Any) -> Options:
    """All of a stream, or of the log, from its start; `given` instead of that."""
    made = Options(count=2**63 - 1, no_filter=EMPTY, uuid_option=Options.UUIDOption(string=EMPTY))
    if stream is None:
        made.all.start.SetInParent()
    else:
        made.stream.stream_identifier.stream_name = stream.encode()
        made.stream.start.SetInParent()
    made.MergeFrom(Options(**given))
    return made


def filtering(**given: Any) -> Options.FilterOptions:
    """`stream` or `type`: an expression, or a list of prefixes."""
    made = Options.FilterOptions(max=given.get("max", 4), checkpointIntervalMultiplier=given.get("multiplier", 2))
    for name, field in (("stream", "stream_identifier"), ("type", "event_type")):
        if name in given:
            by = given[name]
            expression = made.Expression(regex=by) if isinstance(by, str) else made.Expression(prefix=by)
            getattr(made, field).CopyFrom(expression)
    return made


def subscription(stream: str | None = None, /, **given: Any) -> Options:
    return options(stream, subscription=Options.SubscriptionOptions(), **given)


@asynccontextmanager
async def reading(target: str, asked: Options, **headers: str) -> AsyncIterator[Any]:
    """The call, under way."""
    async with grpc.aio.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)]) as channel:
        method = channel.unary_stream(READ, lambda sent: sent.SerializeToString(), Resp.FromString)
        metadata = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        call = method(streams_pb2.ReadReq(options=asked), metadata=metadata)
        try:
            yield call
        finally:
            call.cancel()


async def read(target: str, asked: Options, **headers: str) -> list[Resp]:
    """All answers, to the end."""
    async with reading(target, asked, **headers) as call:
        return [answer async for answer in call]


async def first(call: Any, count: int) -> list[Resp]:
    """The next answers of a call under way."""
    return [await call.read() for _ in range(count)]


async def refused(target: str, asked: Options, **headers: str) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(target, asked, **headers)
    return caught.value


def kinds(answers: Sequence[Resp]) -> list[str]:
    return [answer.WhichOneof("content") for answer in answers]


def revisions(answers: Sequence[Resp]) -> list[int]:
    return [answer.event.event.stream_revision for answer in answers if answer.HasField("event")]


def positions(answers: Sequence[Resp]) -> list[int]:
    return [answer.event.commit_position for answer in answers if answer.HasField("event")]
