"""What a caller may append is a matter of its grant, whichever way it appends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc
import pytest
from kurrentdbclient import (
    AsyncKurrentDBClient,
    NewEvent,
    NewEvents,
    NewRecord,
    StreamState,
    StreamStateCheck,
)
from kurrentdbclient.exceptions import AccessDeniedError, ConsistencyChecksFailedError
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.port import ANY, Append, Ledger
from ledger.server.access import Grant
from ledger.server.running import serve
from tests.ledger.making import drafts

Serving = Callable[[Grant], AbstractAsyncContextManager[str]]
APPEND = "/event_store.client.streams.Streams/Append"


@pytest.fixture
def serving(ledger: Ledger) -> Serving:
    """A server that grants this to everybody; its target."""

    @asynccontextmanager
    async def granting(grant: Grant) -> AsyncIterator[str]:
        async def admit(_authorization: str | None) -> Grant:
            return grant

        server = await serve(ledger, "127.0.0.1:0", admit=admit)
        yield f"127.0.0.1:{server.port}"
        await server.stop(grace_s=0)

    return granting


@asynccontextmanager
async def client_of(target: str) -> AsyncIterator[AsyncKurrentDBClient]:
    client = AsyncKurrentDBClient(f"kurrentdb://{target}?tls=false")
    await client.connect()
    yield client
    await client.close()


def event() -> NewEvent:
    return NewEvent("test.Happened", b"{}")


async def append(target: str, *headers: tuple[str, str], stream: str = "ext-1") -> streams_pb2.AppendResp:
    options = streams_pb2.AppendReq.Options(
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=stream.encode()), any=shared_pb2.Empty()
    )
    proposed = streams_pb2.AppendReq.ProposedMessage(
        id=shared_pb2.UUID(string="00000000-0000-0000-0000-000000000001"),
        metadata={"type": "test.Happened", "content-type": "application/json"},
    )
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.stream_unary(APPEND, streams_pb2.AppendReq.SerializeToString, streams_pb2.AppendResp.FromString)
        messages = [streams_pb2.AppendReq(options=options), streams_pb2.AppendReq(proposed_message=proposed)]
        return await call(iter(messages), metadata=headers)


async def test_appends_go_to_streams_of_the_grant_only(ledger: Ledger, serving: Serving):
    async with serving(Grant(appends=("ext-", "note-"))) as target, client_of(target) as client:
        for stream in ("ext-1", "note-1"):
            await client.append_to_stream(stream, current_version=StreamState.ANY, events=[event()])
        head = await ledger.head()
        for stream in ("meter-1", "ext", "Ext-1", "$$ext-1", "$ext-1"):
            with pytest.raises(AccessDeniedError):
                await client.append_to_stream(stream, current_version=StreamState.ANY, events=[event()])
            with pytest.raises(AccessDeniedError):
                await client.multi_append_to_stream(
                    [NewEvents("ext-1", [event()], StreamState.ANY), NewEvents(stream, [event()], StreamState.ANY)]
                )
            with pytest.raises(AccessDeniedError):
                await client.append_records([NewRecord("ext-1", "a", b"{}"), NewRecord(stream, "a", b"{}")])
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await append(target, stream=stream)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert ("exception", "access-denied") in tuple(caught.value.trailing_metadata())
        assert await ledger.head() == head


async def test_without_a_grant_nothing_is_appended(ledger: Ledger, serving: Serving):
    async with serving(Grant()) as target, client_of(target) as client:
        with pytest.raises(AccessDeniedError):
            await client.append_to_stream("ext-1", current_version=StreamState.ANY, events=[event()])
    assert await ledger.head() == 0


async def test_a_check_tells_nothing_of_streams_that_one_may_not_read(ledger: Ledger, serving: Serving):
    await ledger.append([Append("meter-1", ANY, drafts(2))])
    check = StreamStateCheck("meter-1", StreamState.NO_STREAM)
    some = Grant(reads=frozenset(("test.Happened",)), appends=("ext-",))
    async with serving(some) as target, client_of(target) as client:
        with pytest.raises(AccessDeniedError):
            await client.append_records([NewRecord("ext-1", "a", b"{}")], check)
        await client.append_records([NewRecord("ext-1", "a", b"{}")], StreamStateCheck("ext-9", StreamState.NO_STREAM))
    async with serving(Grant(reads=None, appends=("ext-",))) as target, client_of(target) as client:
        with pytest.raises(ConsistencyChecksFailedError):
            await client.append_records([NewRecord("ext-1", "a", b"{}")], check)


async def test_metadata_of_streams_is_for_administrators(serving: Serving):
    async with serving(Grant(appends=None)) as target, client_of(target) as client:
        with pytest.raises(AccessDeniedError):
            await client.set_stream_metadata("ext-1", metadata={"a": "b"})
    async with serving(Grant(reads=None, metadata=True, administers=True)) as target, client_of(target) as client:
        await client.set_stream_metadata("ext-1", metadata={"a": "b"})
        assert await client.get_stream_metadata("ext-1") == ({"a": "b"}, 0)


async def test_the_reserved_members_are_for_those_who_may_use_them(ledger: Ledger, serving: Serving):
    async with serving(Grant(appends=None)) as target:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await append(target, ("meterloop-ledger", "1"))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert await ledger.head() == 0
        await append(target)
