"""What a grant lets through, by every way in which one appends and reads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, NewEvent, NewEvents, NewRecord, StreamState
from kurrentdbclient.exceptions import AccessDeniedError, KurrentDBClientError

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
from ledger.server.access import Grant
from ledger.server.running import serve

Client = AsyncKurrentDBClient
OUTSIDER = Grant(reads=frozenset({"own.Open"}), all_streams=True, appends=("ext-",), reserved=("own.",))


@asynccontextmanager
async def let_in(grant: Grant) -> AsyncIterator[tuple[MemoryLedger, Client]]:
    async def admit(_authorization: str | None) -> Grant:
        return grant

    ledger = MemoryLedger(position_stride=7)
    server = await serve(ledger, "127.0.0.1:0", admit=admit)
    client = AsyncKurrentDBClient(uri=f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    await client.connect()
    try:
        yield ledger, client
    finally:
        await client.close()
        await server.stop(grace_s=0)
        await ledger.close()


async def batch(client: Client, stream: str, event_type: str) -> None:
    await client.append_to_stream(stream, current_version=StreamState.ANY, events=[NewEvent(event_type, b"{}")])


async def single(client: Client, stream: str, event_type: str) -> None:
    """The client that blocks appends one event by itself otherwise than many."""

    def append() -> None:
        with KurrentDBClient(uri=client.connection_spec.uri) as blocking:
            blocking.append_to_stream(stream, current_version=StreamState.ANY, events=NewEvent(event_type, b"{}"))

    await asyncio.to_thread(append)


async def session(client: Client, stream: str, event_type: str) -> None:
    events = [NewEvents(stream_name=stream, events=[NewEvent(event_type, b"{}")], current_version=StreamState.ANY)]
    await client.multi_append_to_stream(events=events)


async def records(client: Client, stream: str, event_type: str) -> None:
    await client.append_records(records=[NewRecord(stream, event_type, b"{}")])


@pytest.mark.parametrize("append", [batch, single, session, records])
async def test_one_appends_where_one_may_and_no_reserved_type(append: Callable):
    async with let_in(OUTSIDER) as (ledger, client):
        await append(client, "ext-1", "theirs.Seen")
        for stream, event_type in (("ext-1", "own.Open"), ("ext-1", "own.Closed"), ("meter-1", "theirs.Seen")):
            with pytest.raises(AccessDeniedError):
                await append(client, stream, event_type)
        assert [one.type for one in (await ledger.read_all()).events] == ["theirs.Seen"]


@pytest.mark.parametrize("append", [batch, single, session, records])
async def test_names_have_nothing_that_cannot_be_seen(append: Callable):
    async with let_in(msgspec.structs.replace(OUTSIDER, seen_names=True)) as (ledger, client):
        for stream, event_type in (("ext-\u202e1", "theirs.Seen"), ("ext-1", "theirs\n.Seen")):
            with pytest.raises(KurrentDBClientError, match="invisible characters") as refused:
                await append(client, stream, event_type)
            assert "看不见" in str(refused.value)
        with pytest.raises(AccessDeniedError):
            await append(client, "ext-1", "OWN.Open")
        await append(client, "ext-厂", "theirs.已到货")
        assert await ledger.head() > 0
    async with let_in(Grant(reads=None, appends=None)) as (ledger, client):
        await append(client, "any-\u202e1", "OWN.Open")


async def test_whoever_carries_reads_beside_the_log_and_writes_nothing_there():
    async with let_in(Grant(reads=None, carries=True)) as (ledger, client):
        assert await client.get_stream_metadata("thing-1") == ({}, StreamState.NO_STREAM)
        with pytest.raises(AccessDeniedError):
            await client.set_stream_metadata("thing-1", metadata={"a": 1}, current_version=StreamState.ANY)
        assert await ledger.streams_beside() == ["$$meterloop"]
    async with let_in(OUTSIDER) as (_, client):
        with pytest.raises(AccessDeniedError):
            await client.get_stream_metadata("thing-1")


async def test_one_sees_the_types_that_one_may():
    async with let_in(OUTSIDER) as (ledger, client):
        kinds = ("own.Open", "own.Closed", "theirs.Seen")
        drafts = [Draft(bytes([number]) * 16, kind, b"{}", b'{"a":1}') for number, kind in enumerate(kinds)]
        await ledger.append([Append("a-1", ANY, drafts)])
        [event] = [event async for event in await client.read_all()]
        assert (event.type, event.metadata) == ("own.Open", b"")
