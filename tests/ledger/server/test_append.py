"""Appending with kurrentdbclient, and with messages of our own where no client would send such."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import MaximumAppendSizeExceededError, WrongCurrentVersionError
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.port import ANY, APPEND_EVENTS_MAX, EVENT_BYTES_MAX, Append
from tests.ledger.making import drafts
from tests.ledger.server.conftest import Door

Req = streams_pb2.AppendReq
SERVICE = "/event_store.client.streams.Streams/"


def uuid(index: int) -> UUID:
    return UUID(int=index + 1)


def new(count: int, first: int = 0) -> list[NewEvent]:
    return [NewEvent("test.Happened", b"%d" % index, id=uuid(index)) for index in range(first, first + count)]


def options(stream: str = "thing-1", **expected: object) -> streams_pb2.AppendReq:
    identifier = shared_pb2.StreamIdentifier(stream_name=stream.encode())
    return Req(options=Req.Options(stream_identifier=identifier, **(expected or {"any": shared_pb2.Empty()})))


def proposed(index: int = 0, **other: object) -> streams_pb2.AppendReq:
    said = {"type": "test.Happened", "content-type": "application/json"}
    fields = {"id": shared_pb2.UUID(string=str(uuid(index))), "metadata": said, "data": b"{}", **other}
    return Req(proposed_message=Req.ProposedMessage(**fields))


async def append(served: Door, *messages: Message) -> streams_pb2.AppendResp:
    async with grpc.aio.insecure_channel(served.target) as channel:
        call = channel.stream_unary(
            f"{SERVICE}Append",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=streams_pb2.AppendResp.FromString,
        )
        return await call(iter(messages))


async def refused(served: Door, *messages: Message) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await append(served, *messages)
    return caught.value


def trailers(error: grpc.RpcError) -> dict[str, str]:
    return dict(error.trailing_metadata())


async def test_events_come_back_byte_for_byte_at_the_position_told(served: Door):
    events = [
        NewEvent("test.Weighed", b'{"\xff', b"\x00anything", "application/octet-stream", uuid(1)),
        NewEvent("test.Counted", b"{}", b"", "application/json", uuid(2)),
    ]
    position = await served.client.append_to_stream("thing-1", current_version=StreamState.NO_STREAM, events=events)
    page = await served.ledger.read("thing-1")
    kept = [NewEvent(e.type, e.data, e.metadata, e.content_type, UUID(bytes=e.id)) for e in page.events]
    assert [vars(event) for event in kept] == [vars(event) for event in events]
    assert page.events[-1].position == position


async def test_one_event_of_the_client_that_blocks(served: Door):
    """It goes by Append, a list by BatchAppend; the asynchronous client knows only the latter."""

    def blocking() -> tuple[int, list[int]]:
        with KurrentDBClient(f"kurrentdb://{served.target}?tls=false") as client:
            first = client.append_to_stream("thing-1", current_version=StreamState.NO_STREAM, events=new(1)[0])
            client.append_to_stream("thing-1", current_version=0, events=new(2, 1))
            return first, [event.stream_position for event in client.get_stream("thing-1")]

    first, versions = await asyncio.to_thread(blocking)
    assert versions == [0, 1, 2]
    assert first == (await served.ledger.read("thing-1")).events[0].position


@pytest.mark.parametrize(
    ("there", "expected", "told"),
    [
        (0, StreamState.EXISTS, StreamState.NO_STREAM),
        (0, 3, StreamState.NO_STREAM),
        (2, StreamState.NO_STREAM, 1),
        (2, 0, 1),
        (2, 2, 1),
    ],
)
@pytest.mark.parametrize("by", ["Append", "BatchAppend"])
async def test_a_stream_elsewhere_than_expected(served: Door, there, expected, told, by):
    if there:
        await served.ledger.append([Append("thing-1", ANY, drafts(there))])

    def blocking() -> None:
        with KurrentDBClient(f"kurrentdb://{served.target}?tls=false") as client:
            events = new(1)[0] if by == "Append" else new(1)
            client.append_to_stream("thing-1", current_version=expected, events=events)

    with pytest.raises(WrongCurrentVersionError) as caught:
        await asyncio.to_thread(blocking)
    assert (caught.value.actual_version, caught.value.expected_version) == (told, expected)
    assert len((await served.ledger.read("thing-1")).events) == there


@pytest.mark.parametrize("expected", [StreamState.NO_STREAM, StreamState.ANY, 0])
async def test_what_was_recorded_before_is_success_at_its_old_position(served: Door, expected):
    if expected == 0:
        await served.client.append_to_stream("thing-1", current_version=StreamState.NO_STREAM, events=new(1, 100))
    first = await served.client.append_to_stream("thing-1", current_version=expected, events=new(3))
    await served.client.append_to_stream("thing-1", current_version=StreamState.ANY, events=new(1, 50))
    again = await served.client.append_to_stream("thing-1", current_version=expected, events=new(3))
    assert again == first
    assert len((await served.ledger.read("thing-1")).events) == 4 + (expected == 0)


async def test_an_overlap_in_part_is_refused(served: Door):
    await served.client.append_to_stream("thing-1", current_version=StreamState.NO_STREAM, events=new(3))
    with pytest.raises(WrongCurrentVersionError):
        await served.client.append_to_stream("thing-1", current_version=StreamState.ANY, events=new(3, 1))


async def test_the_same_ids_in_another_stream_are_other_events(served: Door):
    for stream in ("thing-1", "thing-2"):
        await served.client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=new(3))
    assert len([event async for event in await served.client.read_all()]) == 6


@pytest.mark.parametrize(
    ("expected", "fits"),
    [("any", True), ("stream_exists", True), ("no_stream", False), (1, True), (0, False), (5, False)],
)
async def test_an_append_of_nothing_finds_out_where_the_stream_is(served: Door, expected, fits):
    await served.ledger.append([Append("thing-1", ANY, drafts(2))])
    said = {"revision": expected} if isinstance(expected, int) else {expected: shared_pb2.Empty()}
    answer = await append(served, options(**said))
    assert answer.WhichOneof("result") == ("success" if fits else "wrong_expected_version")
    if fits:
        assert (answer.success.current_revision, answer.success.WhichOneof("position_option")) == (1, "no_position")
    elsewhere = await append(served, options("thing-2", **said))
    assert elsewhere.WhichOneof("result") == (
        "success" if expected in ("any", "no_stream") else "wrong_expected_version"
    )


async def test_wrong_expected_version_says_it_to_clients_old_and_new(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(2))])
    answer = (await append(served, options(no_stream=shared_pb2.Empty()), proposed())).wrong_expected_version
    assert (answer.current_revision, answer.current_revision_20_6_0) == (1, 1)
    assert (answer.WhichOneof("expected_revision_option"), answer.expected_revision_20_6_0) == (
        "expected_no_stream",
        (1 << 64) - 1,
    )


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [proposed()],
        [proposed(), options()],
        [options(), options()],
        [options(), proposed(), options()],
        [Req()],
        [options(), Req()],
        [options("")],
        [options("\0"), proposed()],
        [options("x" * 201), proposed()],
        [Req(options=Req.Options(stream_identifier=options().options.stream_identifier)), proposed()],
        [Req(options=Req.Options(stream_identifier=shared_pb2.StreamIdentifier(stream_name=b"\xff"), revision=0))],
        [options(revision=1 << 63), proposed()],
        [options(), proposed(id=shared_pb2.UUID())],
        [options(), proposed(id=shared_pb2.UUID(string="not one"))],
        [options(), proposed(id=shared_pb2.UUID(string="00000000-0000-0000-0000-00000000000 "))],
        [options(), proposed(id=None)],
        [options(), proposed(), proposed()],
        [options(), proposed(metadata={"type": "$system", "content-type": "application/json"})],
        [options(), proposed(metadata={"type": "", "content-type": "application/json"})],
        [options(), proposed(metadata={"type": "test.Happened", "content-type": "text/plain"})],
    ],
)
async def test_a_bad_request_is_an_invalid_argument_and_nothing_is_written(served: Door, messages):
    error = await refused(served, *messages)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details()
    assert await served.ledger.head() == 0


@pytest.mark.parametrize("missing", ["type", "content-type"])
async def test_what_every_event_has_to_say_of_itself(served: Door, missing):
    said = {"type": "test.Happened", "content-type": "application/json"}
    del said[missing]
    error = await refused(served, options(), proposed(metadata=said))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert trailers(error)["exception"] == "missing-required-metadata-property"
    assert missing in error.details()


async def test_ids_in_structure_and_as_text_are_the_same(served: Door):
    parts = shared_pb2.UUID.Structured(most_significant_bits=-2, least_significant_bits=258)
    text = "FFFFFFFF-ffff-fffe-0000-000000000102"
    for uuid_of_both in (shared_pb2.UUID(structured=parts), shared_pb2.UUID(string=text)):
        await append(served, options(no_stream=shared_pb2.Empty()), proposed(id=uuid_of_both))
    [event] = (await served.ledger.read("thing-1")).events
    assert str(UUID(bytes=event.id)) == text.lower()


def endless(target: str, message: Message, sent: list[int]) -> grpc.RpcError:
    """What such an append ends with; by the client that blocks, which hears a refusal also while it sends."""

    def messages() -> Iterator[Message]:
        yield options()
        while True:
            sent[0] += 1
            yield message

    with grpc.insecure_channel(target) as channel:
        call = channel.stream_unary(f"{SERVICE}Append", request_serializer=lambda message: message.SerializeToString())
        with pytest.raises(grpc.RpcError) as caught:
            call(messages())
    return caught.value


@pytest.mark.parametrize("data", [b"", b"x" * EVENT_BYTES_MAX])
async def test_an_append_that_does_not_end_is_refused_where_the_limits_are(served: Door, data):
    sent = [0]
    error = await asyncio.to_thread(endless, served.target, proposed(data=data), sent)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert trailers(error)["exception"] == "maximum-append-size-exceeded"
    assert sent[0] < 2 * APPEND_EVENTS_MAX
    assert await served.ledger.head() == 0


async def test_an_event_too_big(served: Door):
    error = await refused(served, options(), proposed(7, data=b"x" * EVENT_BYTES_MAX, custom_metadata=b"x"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    told = trailers(error)
    assert told["exception"] == "maximum-append-event-size-exceeded"
    assert told["event-id"] == str(uuid(7))
    assert int(told["maximum-append-event-size"]) == EVENT_BYTES_MAX
    event = NewEvent("test.Happened", b"x" * (EVENT_BYTES_MAX + 1))
    with pytest.raises(MaximumAppendSizeExceededError):
        await served.client.append_to_stream("thing-1", current_version=StreamState.ANY, events=[event])
    assert await served.ledger.head() == 0


async def test_the_biggest_event_fits(served: Door):
    await append(served, options(), proposed(data=b"x" * (EVENT_BYTES_MAX - 1), custom_metadata=b"y"))
    [event] = (await served.ledger.read("thing-1")).events
    assert len(event.data) == EVENT_BYTES_MAX - 1


async def test_a_message_that_cannot_be_parsed_harms_nobody(served: Door):
    async with grpc.aio.insecure_channel(served.target) as channel:
        for method in (channel.stream_unary(f"{SERVICE}Append"), channel.stream_stream(f"{SERVICE}BatchAppend")):
            call = method(iter([b"\xff\xff\xff"]))
            with pytest.raises(grpc.aio.AioRpcError):
                await call if isinstance(call, grpc.aio.StreamUnaryCall) else await call.read()
    await served.client.append_to_stream("thing-1", current_version=StreamState.NO_STREAM, events=new(1))


async def test_a_caller_who_is_refused_hears_of_it_while_it_still_sends(served: Door):
    """grpc.aio's client may take the end of a call for a failure to send."""
    for _ in range(20):
        error = await refused(served, options("$system"), *[proposed(data=b"x" * 60_000) for _ in range(200)])
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_deadline_that_has_passed_leaves_nothing(served: Door):
    async def slow() -> AsyncIterator[Message]:
        yield options()
        yield proposed()
        await asyncio.sleep(1)

    async with grpc.aio.insecure_channel(served.target) as channel:
        call = channel.stream_unary(f"{SERVICE}Append", request_serializer=lambda message: message.SerializeToString())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(slow(), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.sleep(0.1)
    assert await served.ledger.head() == 0
