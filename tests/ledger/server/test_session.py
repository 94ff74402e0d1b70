"""AppendSession and AppendRecords, by kurrentdbclient and with messages of our own."""

import json
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from kurrentdbclient import NewEvent, NewEvents, NewRecord, StreamState, StreamStateCheck
from kurrentdbclient.exceptions import (
    ConsistencyChecksFailedError,
    MultiAppendToSameStreamError,
    RecordMaxSizeExceededError,
    TransactionMaxSizeExceededError,
    WrongCurrentVersionError,
)
from kurrentdbclient.protos.v2.streams import streams_pb2

from ledger.carrying import HEADER, Members, put_on
from ledger.port import ANY, APPEND_BYTES_MAX, EVENT_BYTES_MAX, Append
from tests.ledger.making import drafts
from tests.ledger.server.conftest import Door

SERVICE = "/kurrentdb.protocol.v2.streams.StreamsService/"
JSON_SCHEMA = streams_pb2.SchemaInfo(name="test.Happened", format=streams_pb2.SCHEMA_FORMAT_JSON)
ADDED = {"$schema.name": "test.Happened", "$schema.format": "Json"}


def uuid(number: int) -> UUID:
    return UUID(int=number + 1)


def new(count: int, first: int = 0, **other: object) -> list[NewEvent]:
    return [NewEvent("test.Happened", b"{}", id=uuid(index), **other) for index in range(first, first + count)]


def to(stream: str, events: list[NewEvent], expected: StreamState | int = StreamState.ANY) -> NewEvents:
    return NewEvents(stream, events, expected)


def record(stream: str, number: int, **other: object) -> NewRecord:
    return NewRecord(stream, "test.Happened", b"{}", id=uuid(number), **other)


def wire_record(number: int | None = 1, **other: object) -> streams_pb2.AppendRecord:
    named = {} if number is None else {"record_id": str(uuid(number))}
    return streams_pb2.AppendRecord(**{**named, "schema": JSON_SCHEMA, "data": b"{}", "stream": "thing-1", **other})


def request(*records: streams_pb2.AppendRecord, stream: str = "thing-1", **other: object) -> streams_pb2.AppendRequest:
    return streams_pb2.AppendRequest(stream=stream, records=records or [wire_record()], **other)


async def session(served: Door, *requests: Message, carrying: bool = False) -> streams_pb2.AppendSessionResponse:
    async with grpc.aio.insecure_channel(served.target) as channel:
        call = channel.stream_unary(
            f"{SERVICE}AppendSession",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=streams_pb2.AppendSessionResponse.FromString,
        )
        return await call(iter(requests), metadata=(HEADER,) if carrying else ())


async def records(served: Door, asked: streams_pb2.AppendRecordsRequest) -> streams_pb2.AppendRecordsResponse:
    async with grpc.aio.insecure_channel(served.target) as channel:
        call = channel.unary_unary(
            f"{SERVICE}AppendRecords",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=streams_pb2.AppendRecordsResponse.FromString,
        )
        return await call(asked)


async def lengths(served: Door, *streams: str) -> list[int]:
    return [len((await served.ledger.read(stream)).events) for stream in streams]


async def test_several_streams_are_appended_to_at_once(served: Door):
    position = await served.client.multi_append_to_stream(
        [to("thing-1", new(2), StreamState.NO_STREAM), to("thing-2", new(3), StreamState.NO_STREAM)]
    )
    events = [event async for event in await served.client.read_all()]
    assert [event.stream_name for event in events] == ["thing-1"] * 2 + ["thing-2"] * 3
    assert events[-1].commit_position == position == await served.ledger.head()


async def test_one_stream_elsewhere_than_expected_and_nothing_is_written(served: Door):
    await served.ledger.append([Append("thing-2", ANY, drafts(4))])
    for expected, actual in ((StreamState.NO_STREAM, 3), (1, 3)):
        with pytest.raises(WrongCurrentVersionError) as caught:
            await served.client.multi_append_to_stream([to("thing-1", new(2)), to("thing-2", new(1), expected)])
        error = caught.value
        assert (error.stream_name, error.actual_version, error.expected_version) == ("thing-2", actual, expected)
    with pytest.raises(WrongCurrentVersionError) as caught:
        await served.client.multi_append_to_stream([to("thing-3", new(2), StreamState.EXISTS)])
    assert (caught.value.actual_version, caught.value.expected_version) == (StreamState.NO_STREAM, StreamState.EXISTS)
    assert await lengths(served, "thing-1", "thing-2", "thing-3") == [0, 4, 0]


@pytest.mark.parametrize("expected", [StreamState.NO_STREAM, StreamState.ANY])
async def test_a_session_that_was_recorded_before_is_success(served: Door, expected):
    appends = [to("thing-1", new(2), expected), to("thing-2", new(3), expected)]
    first = await served.client.multi_append_to_stream(appends)
    await served.client.multi_append_to_stream([to("thing-1", new(1, 10))])
    assert await served.client.multi_append_to_stream(appends) == first
    assert await lengths(served, "thing-1", "thing-2") == [3, 3]


async def test_a_stream_comes_once_in_a_session(served: Door):
    with pytest.raises(MultiAppendToSameStreamError) as caught:
        await served.client.multi_append_to_stream([to("thing-1", new(1)), to("thing-1", new(1, 1))])
    assert caught.value.stream_name == "thing-1"
    assert await served.ledger.head() == 0


async def test_an_event_too_big(served: Door):
    big = NewEvent("test.Happened", b"x" * (EVENT_BYTES_MAX + 1), id=uuid(7))
    with pytest.raises(RecordMaxSizeExceededError) as caught:
        await served.client.multi_append_to_stream([to("thing-1", new(1)), to("thing-2", [big])])
    error = caught.value
    assert (error.stream_name, error.event_id, error.max_size) == ("thing-2", uuid(7), EVENT_BYTES_MAX)
    assert error.size > EVENT_BYTES_MAX
    assert await served.ledger.head() == 0


async def test_a_session_too_big(served: Door):
    data = b"x" * (EVENT_BYTES_MAX - 1_000)
    streams = [
        to(f"thing-{n}", [NewEvent("test.Happened", data)] * 1) for n in range(APPEND_BYTES_MAX // len(data) + 1)
    ]
    with pytest.raises(TransactionMaxSizeExceededError) as caught:
        await served.client.multi_append_to_stream(streams)
    assert caught.value.max_size == APPEND_BYTES_MAX < caught.value.size
    assert await served.ledger.head() == 0


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([], grpc.StatusCode.FAILED_PRECONDITION),
        ([streams_pb2.AppendRequest(stream="thing-1")], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(stream="")], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(stream="$system")], grpc.StatusCode.PERMISSION_DENIED),
        ([request(stream="$$thing-1")], grpc.StatusCode.PERMISSION_DENIED),
        ([request(expected_revision=-3)], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(expected_revision=-5)], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(wire_record(record_id="not one"))], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(wire_record(schema=None))], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(wire_record(schema=streams_pb2.SchemaInfo(name="x")))], grpc.StatusCode.INVALID_ARGUMENT),
        ([request(wire_record(properties={"x": Value()}))], grpc.StatusCode.INVALID_ARGUMENT),
        (
            [request(wire_record(properties={"x": Value(number_value=float("nan"))}))],
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        ([request(wire_record(1), wire_record(1))], grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_bad_session_is_refused(served: Door, requests, code):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await session(served, *requests)
    assert caught.value.code() is code
    assert await served.ledger.head() == 0


async def test_what_is_not_said_is_any_stream_and_a_fresh_id(served: Door):
    for version in range(2):
        answer = await session(served, request(wire_record(None)))
        [output] = answer.output
        assert (output.stream, output.stream_revision) == ("thing-1", version)
    first, second = (await served.ledger.read("thing-1")).events
    assert first.id != second.id


async def test_properties_are_metadata_as_json(served: Door):
    tree = Value(struct_value=Struct(fields={"a": Value(list_value=ListValue(values=[Value(bool_value=True)]))}))
    properties = {
        "text": Value(string_value="电表"),
        "number": Value(number_value=2.5),
        "whole": Value(number_value=3),
        "none": Value(null_value=0),
        "tree": tree,
    }
    await session(served, request(wire_record(properties=properties)))
    [event] = (await served.ledger.read("thing-1")).events
    expected = {"text": "电表", "number": 2.5, "whole": 3, "none": None, "tree": {"a": [True]}, **ADDED}
    assert json.loads(event.metadata) == expected


@pytest.mark.parametrize(
    ("wire_format", "name", "content_type"),
    [
        (streams_pb2.SCHEMA_FORMAT_JSON, "Json", "application/json"),
        (streams_pb2.SCHEMA_FORMAT_PROTOBUF, "Protobuf", "application/octet-stream"),
        (streams_pb2.SCHEMA_FORMAT_AVRO, "Avro", "application/octet-stream"),
        (streams_pb2.SCHEMA_FORMAT_BYTES, "Bytes", "application/octet-stream"),
    ],
)
async def test_a_schema_is_kept(served: Door, wire_format, name, content_type):
    schema = streams_pb2.SchemaInfo(name="test.Happened", format=wire_format, id="7")
    await session(served, request(wire_record(schema=schema, data=b"\xff")))
    [event] = (await served.ledger.read("thing-1")).events
    assert (event.type, event.content_type, event.data) == ("test.Happened", content_type, b"\xff")
    assert json.loads(event.metadata) == {**ADDED, "$schema.format": name, "$schema.id": "7"}


async def test_the_reserved_members_are_taken_off(served: Door):
    """With the header; without it they are members like any other."""
    salt = bytes(range(32))
    members = json.loads(put_on(Members(salt, b"\xffmetadata", "text/plain", 5)))
    properties = {name: Value(string_value=text) for name, text in members.items()}
    await session(served, request(wire_record(properties=properties)), carrying=True)
    await session(served, request(wire_record(properties=properties), stream="thing-2"))
    [event] = (await served.ledger.read("thing-1")).events
    assert (event.salt, event.metadata, event.content_type, event.recorded_at_us) == (
        salt,
        b"\xffmetadata",
        "text/plain",
        5,
    )
    [plain] = (await served.ledger.read("thing-2")).events
    assert plain.salt != salt
    assert json.loads(plain.metadata) == {**members, **ADDED}


async def test_records_of_several_streams(served: Door):
    result = await served.client.append_records(
        [record("thing-1", 1), record("thing-2", 2), record("thing-1", 3)],
        [StreamStateCheck("thing-1", StreamState.NO_STREAM), StreamStateCheck("thing-9", StreamState.NO_STREAM)],
    )
    assert [(each.stream_name, each.stream_position) for each in result.stream_positions] == [
        ("thing-1", 1),
        ("thing-2", 0),
    ]
    assert result.commit_position == await served.ledger.head()
    events = [event async for event in await served.client.read_all()]
    assert [event.id for event in events] == [uuid(1), uuid(2), uuid(3)]


@pytest.mark.parametrize(
    ("stream", "expected", "actual"),
    [
        ("thing-1", StreamState.NO_STREAM, 2),
        ("thing-1", 1, 2),
        ("thing-2", StreamState.EXISTS, -1),
        ("thing-2", 0, -1),
        ("thing-8", StreamState.NO_STREAM, 1),
        ("thing-9", 4, -1),
        ("thing-9", StreamState.EXISTS, -1),
    ],
)
async def test_a_check_that_fails(served: Door, stream, expected, actual):
    """Of a stream written to (1 and 2) or not (8 and 9)."""
    await served.ledger.append([Append("thing-1", ANY, drafts(3)), Append("thing-8", ANY, drafts(2))])
    checks = [StreamStateCheck("thing-7", StreamState.ANY), StreamStateCheck(stream, expected)]
    with pytest.raises(ConsistencyChecksFailedError) as caught:
        await served.client.append_records([record("thing-1", 1), record("thing-2", 2)], checks)
    [failure] = caught.value.failures
    number = {StreamState.NO_STREAM: -1, StreamState.EXISTS: -4}.get(expected, expected)
    state = failure.stream_state_failure
    assert (failure.check_index, state.stream_name, state.expected_state, state.actual_state) == (
        1,
        stream,
        number,
        actual,
    )
    assert await lengths(served, "thing-1", "thing-2", "thing-8", "thing-9") == [3, 0, 2, 0]


async def test_all_checks_that_fail_are_told_up_to_a_number(served: Door):
    checks = [StreamStateCheck("x" * 190 + f"-{index}", StreamState.EXISTS) for index in range(300)]
    with pytest.raises(ConsistencyChecksFailedError) as caught:
        await served.client.append_records([record("thing-1", 1)], checks)
    assert [failure.check_index for failure in caught.value.failures] == list(range(8))


async def test_of_checks_that_fail_the_sentence_counts_those_that_are_not_listed(served: Door):
    for violated, more in ((8, None), (9, 1), (300, 292)):
        streams = [f"thing-{number}" for number in range(10, 10 + violated)]
        asked = streams_pb2.AppendRecordsRequest(
            records=[wire_record()],
            checks=[
                streams_pb2.ConsistencyCheck(
                    stream_state=streams_pb2.ConsistencyCheck.StreamStateCheck(stream=stream, expected_state=state)
                )
                for stream, state in [("thing-2", -1), *((stream, -4) for stream in streams)]
            ],
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await records(served, asked)
        said = caught.value.details() or ""
        assert ("Not listed" in said) == (more is not None)
        assert more is None or (f"另有 {more} 项" in said and f"Not listed: {more} more" in said)


async def test_records_that_were_recorded_before_are_success_whatever_the_checks_find_now(served: Door):
    asked = ([record("thing-1", 1)], [StreamStateCheck("thing-2", StreamState.NO_STREAM)])
    first = await served.client.append_records(*asked)
    await served.ledger.append([Append("thing-2", ANY, drafts(1))])
    assert await served.client.append_records(*asked) == first


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (streams_pb2.AppendRecordsRequest(), grpc.StatusCode.INVALID_ARGUMENT),
        (streams_pb2.AppendRecordsRequest(records=[wire_record(stream="")]), grpc.StatusCode.INVALID_ARGUMENT),
        (streams_pb2.AppendRecordsRequest(records=[wire_record(stream="$$x")]), grpc.StatusCode.PERMISSION_DENIED),
        (
            streams_pb2.AppendRecordsRequest(records=[wire_record()], checks=[streams_pb2.ConsistencyCheck()]),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            streams_pb2.AppendRecordsRequest(
                records=[wire_record()],
                checks=[
                    streams_pb2.ConsistencyCheck(
                        stream_state=streams_pb2.ConsistencyCheck.StreamStateCheck(
                            stream="thing-1", expected_state=state
                        )
                    )
                    for state in (-1, 4)
                ],
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
    ],
)
async def test_bad_records_are_refused(served: Door, asked, code):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await records(served, asked)
    assert caught.value.code() is code
    assert await served.ledger.head() == 0
