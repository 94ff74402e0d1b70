"""Whatever is sent, the answer is the protocol's own error, and the server goes on for everybody else."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import duration_pb2, empty_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kurrentdbclient import AsyncKurrentDBClient, StreamState
from kurrentdbclient.exceptions import KurrentDBClientError
from kurrentdbclient.protos.v1 import gossip_pb2, persistent_pb2, projections_pb2, shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as session_pb2

from tests.ledger.clients.speaking import new

INVALID = grpc.StatusCode.INVALID_ARGUMENT
MIB = 1 << 20
WITHIN_S = 10.0
RSS_BYTES_MAX = 900 * MIB
"""Of a server whose callers send what is never kept: what its allocator does not give back is a few hundred MiB."""

Options = streams_pb2.ReadReq.Options
FilterOptions = Options.FilterOptions
EMPTY = shared_pb2.Empty()

METHODS = [
    (f"/{service.full_name}/{method.name}", method.client_streaming, method.server_streaming)
    for module in (streams_pb2, gossip_pb2, persistent_pb2, projections_pb2, session_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
] + [("/event_store.client.server_features.ServerFeatures/GetSupportedMethods", False, False)]

OFFERED = {
    "/event_store.client.streams.Streams/Read",
    "/event_store.client.streams.Streams/Append",
    "/event_store.client.streams.Streams/BatchAppend",
    "/kurrentdb.protocol.v2.streams.StreamsService/AppendSession",
    "/kurrentdb.protocol.v2.streams.StreamsService/AppendRecords",
}


@pytest.fixture
async def channel(door) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(door.address, options=[("grpc.max_send_message_length", -1)]) as found:
        yield found


async def status_of(channel, method, messages, *, streams_in=False, streams_out=False, within_s=WITHIN_S):
    """Send these bytes; the status that came, and how many answers before it."""
    kinds = ("stream" if streams_in else "unary", "stream" if streams_out else "unary")
    call = getattr(channel, "_".join(kinds))(method, request_serializer=None, response_deserializer=None)

    async def each():
        for message in messages:
            yield message

    answering = call(each() if streams_in else messages[0], timeout=within_s)
    answers = 0
    try:
        if streams_out:
            async for _ in answering:
                answers += 1
        else:
            await answering
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details(), answers
    return grpc.StatusCode.OK, "", answers


async def still_serves(door, named):
    client = AsyncKurrentDBClient(door.url())
    await client.connect()
    await client.append_to_stream(named("alive"), events=[new()], current_version=StreamState.ANY, timeout=10)
    assert await client.get_stream(named("alive"), timeout=10)
    await client.close()


@pytest.mark.parametrize(("method", "streams_in", "streams_out"), METHODS, ids=[method for method, *_ in METHODS])
async def test_bytes_that_are_no_message(channel, door, named, method, streams_in, streams_out):
    for message in (b"\xff\xff\xff\xff", b"\x0a\xff", b"\x0a\x05abc"):
        code, details, answers = await status_of(
            channel, method, [message], streams_in=streams_in, streams_out=streams_out
        )
        if method in OFFERED:
            # gRPC's own status for a request that cannot be parsed.
            assert (code, answers) == (grpc.StatusCode.INTERNAL, 0), f"{message!r}: {code} {details}"
            assert "Error parsing" in details
        else:
            assert code not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED}, details
    await still_serves(door, named)


async def test_a_method_that_is_not_there(channel, door, named):
    for method in ("/event_store.client.streams.Streams/Erase", "/event_store.client.users.Users/Create", "/x/Y"):
        assert (await status_of(channel, method, [b""]))[0] is grpc.StatusCode.UNIMPLEMENTED
    await still_serves(door, named)


def reading(**rest):
    told = {
        "stream": Options.StreamOptions(
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=b"x"), start=shared_pb2.Empty()
        ),
        "count": 10,
        "no_filter": EMPTY,
        "uuid_option": Options.UUIDOption(string=EMPTY),
    }
    return streams_pb2.ReadReq(options=Options(**{**told, **rest}))


ALL = {"stream": None, "all": Options.AllOptions(start=EMPTY)}
LIVE = {"count": None, "subscription": Options.SubscriptionOptions()}
UNREADABLE = {
    "no options": streams_pb2.ReadReq(),
    "neither a stream nor all": reading(stream=None),
    "neither a count nor a subscription": reading(count=None),
    "neither a filter nor none": reading(no_filter=None, **ALL),
    "a direction there is not": reading(read_direction=7),
    "a subscription backwards": reading(read_direction=Options.Backwards, **LIVE),
    "a subscription to all, backwards": reading(read_direction=Options.Backwards, **ALL, **LIVE),
    "a filter of nothing": reading(no_filter=None, filter=FilterOptions(max=10), **ALL),
    "a stream without a name": reading(stream=Options.StreamOptions(start=EMPTY)),
    "a name that is not UTF-8": reading(
        stream=Options.StreamOptions(
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=b"\xff\xfe"), start=EMPTY
        )
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_reads_that_ask_for_nothing_readable(channel, door, named, case):
    request = UNREADABLE[case].SerializeToString()
    code, details, answers = await status_of(
        channel, "/event_store.client.streams.Streams/Read", [request], streams_out=True
    )
    assert (code, answers) == (INVALID, 0), details
    await still_serves(door, named)


async def test_positions_beyond_everything_are_read(channel, door, named):
    far = (1 << 64) - 1
    x, end = shared_pb2.StreamIdentifier(stream_name=b"x"), Options.Position(commit_position=far, prepare_position=far)
    for request in (
        reading(stream=Options.StreamOptions(stream_identifier=x, revision=far)),
        reading(stream=None, all=Options.AllOptions(position=end)),
        reading(stream=None, all=Options.AllOptions(position=end), read_direction=Options.Backwards, count=far),
    ):
        code, details, _ = await status_of(
            channel, "/event_store.client.streams.Streams/Read", [request.SerializeToString()], streams_out=True
        )
        assert code in {grpc.StatusCode.OK, INVALID}, details
    await still_serves(door, named)


BAD_PATTERNS = ["(", "[a-", "(?P<a", "a{2,1}", ")"]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("pattern", BAD_PATTERNS)
async def test_patterns_that_are_none(door, named, pattern, live):
    client = AsyncKurrentDBClient(door.url())
    await client.connect()
    asking = client.subscribe_to_all if live else client.read_all
    with pytest.raises(KurrentDBClientError, match="INVALID_ARGUMENT"):
        [event async for event in await asking(filter_include=[pattern], timeout=10)]
    await client.close()
    await still_serves(door, named)


CATASTROPHIC = [r"(a+)+", r"(a|aa)+", r"(.*a){25}", r"([a-z]+)*\d"]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
async def test_patterns_that_would_never_end_hold_nobody_up(door, named, pattern):
    client = AsyncKurrentDBClient(door.url())
    await client.connect()
    start = await client.get_commit_position()
    evil = "a" * 60 + "!"
    for at in range(20):
        await client.append_to_stream(named(f"{at}{evil}"), events=[new(evil)], current_version=StreamState.ANY)

    async def one(by_name):
        try:
            told = {"filter_include": [f".*{pattern}"], "filter_by_stream_name": by_name, "timeout": 20}
            return [event async for event in await client.read_all(commit_position=start, **told)]
        except KurrentDBClientError as error:
            return error

    reads = [asyncio.create_task(one(at % 2 == 0)) for at in range(2)]
    slowest_s = 0.0
    while not all(read.done() for read in reads):
        began = time.monotonic()
        await client.append_to_stream(named("prompt"), events=[new()], current_version=StreamState.ANY, timeout=10)
        slowest_s = max(slowest_s, time.monotonic() - began)
        await asyncio.sleep(0.01)
    for read in reads:
        answer = read.result()
        assert isinstance(answer, list) or "INVALID_ARGUMENT" in str(answer), answer
    assert slowest_s < 8.0
    await client.close()
    await still_serves(door, named)


def batch(stream, sizes, *, final=True, at=1, options=True):
    told = streams_pb2.BatchAppendReq.Options(
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=stream.encode()),
        any=empty_pb2.Empty(),
        deadline=duration_pb2.Duration(seconds=60),
    )
    return streams_pb2.BatchAppendReq(
        correlation_id=shared_pb2.UUID(string=str(new().id)) if at is None else uuid_of(at),
        options=told if options else None,
        proposed_messages=[
            streams_pb2.BatchAppendReq.ProposedMessage(
                id=shared_pb2.UUID(string=str(new().id)),
                metadata={"type": "test.Happened", "content-type": "application/json"},
                data=bytes(size),
            )
            for size in sizes
        ],
        is_final=final,
    ).SerializeToString()


def uuid_of(number):
    return shared_pb2.UUID(structured=shared_pb2.UUID.Structured(least_significant_bits=number))


BATCH_APPEND = "/event_store.client.streams.Streams/BatchAppend"


async def test_a_message_beyond_every_limit(channel, door, named):
    for method, streams_in in ((BATCH_APPEND, True), ("/event_store.client.streams.Streams/Append", True)):
        code, details, _ = await status_of(
            channel, method, [bytes(80 * MIB)], streams_in=streams_in, streams_out=method == BATCH_APPEND, within_s=60
        )
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED, details
    await still_serves(door, named)


async def test_an_append_that_goes_on_beyond_every_limit(serving, door, named):
    options = streams_pb2.AppendReq.Options(
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=named("x").encode()), any=EMPTY
    )
    event = streams_pb2.AppendReq.ProposedMessage(
        id=shared_pb2.UUID(string=str(new().id)),
        metadata={"type": "test.Happened", "content-type": "application/json"},
        data=bytes(MIB),
    )
    messages = [streams_pb2.AppendReq(options=options), *[streams_pb2.AppendReq(proposed_message=event)] * 200]
    # While it still sends, Python's asynchronous gRPC hears nothing of a status that has come.
    with grpc.insecure_channel(door.address) as channel:
        append = channel.stream_unary("/event_store.client.streams.Streams/Append", request_serializer=None)
        with pytest.raises(grpc.RpcError) as raised:
            await asyncio.to_thread(append, (message.SerializeToString() for message in messages), timeout=60)
    assert raised.value.code() is INVALID, raised.value.details()
    assert "Maximum Append Size" in raised.value.details()
    assert serving.rss_bytes() < RSS_BYTES_MAX
    await still_serves(door, named)


async def test_appends_that_never_end_are_not_kept(serving, channel, door, named):
    """64 MiB of a call are kept until their end comes; what is refused for being more is answered, and let go."""
    one = batch(named("x"), [MIB] * 8, final=False)
    more = batch(named("x"), [MIB] * 8, final=False, options=False)
    told = await status_of(channel, BATCH_APPEND, [one, *[more] * 30], streams_in=True, streams_out=True, within_s=60)
    assert told == (grpc.StatusCode.OK, "", 1)
    many = [batch(named("x"), [MIB] * 2, final=False, at=at) for at in range(2, 60)]
    told = await status_of(channel, BATCH_APPEND, many, streams_in=True, streams_out=True, within_s=60)
    assert told == (grpc.StatusCode.OK, "", 58 - 32)
    assert serving.rss_bytes() < RSS_BYTES_MAX
    client = AsyncKurrentDBClient(door.url())
    await client.connect()
    assert await client.get_current_version(named("x")) == StreamState.NO_STREAM
    await client.close()
    await still_serves(door, named)


async def test_a_batch_that_makes_no_sense_is_answered_and_others_of_its_call_are_recorded(channel, door, named):
    good = batch(named("x"), [10, 10])
    bad = batch(named("x"), [10], at=2, options=False)
    nameless = batch("", [10], at=3)
    code, details, answers = await status_of(
        channel, BATCH_APPEND, [good, bad, nameless, batch(named("y"), [10], at=4)], streams_in=True, streams_out=True
    )
    assert (code, answers) == (grpc.StatusCode.OK, 4), details
    await still_serves(door, named)


FUZZED = {
    "/event_store.client.streams.Streams/Read": (reading().SerializeToString(), False, True),
    BATCH_APPEND: (batch("fuzz", [3]), True, True),
    "/kurrentdb.protocol.v2.streams.StreamsService/AppendRecords": (
        session_pb2.AppendRecordsRequest(
            records=[session_pb2.AppendRecord(record_id=str(new().id), stream="fuzz", data=b"{}")]
        ).SerializeToString(),
        False,
        False,
    ),
}


@pytest.mark.parametrize("method", FUZZED)
def test_messages_with_bytes_changed(door, method):
    """Whatever comes of it, the server has an answer of its own: never an exception, never silence."""
    message, streams_in, streams_out = FUZZED[method]

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, len(message) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def changed(changes):
        sent = bytearray(message)
        for at, byte in changes:
            sent[at] = byte
        code, details = asyncio.run(ask(bytes(sent)))
        assert code not in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}, details
        assert code is not grpc.StatusCode.INTERNAL or "Error parsing" in details, details

    async def ask(sent):
        async with grpc.aio.insecure_channel(door.address) as channel:
            code, details, _ = await status_of(
                channel, method, [sent], streams_in=streams_in, streams_out=streams_out, within_s=1.0
            )
            return code, details

    changed()
