"""Appends through both Python clients: the one-event form of the synchronous client is the protocol's Append, lists and
everything of the asynchronous client are its BatchAppend.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from kurrentdbclient import NewEvent, StreamState
from kurrentdbclient.exceptions import (
    GrpcDeadlineExceededError,
    InternalError,
    KurrentDBClientError,
    MaximumAppendSizeExceededError,
    NotFoundError,
    WrongCurrentVersionError,
)

from tests.ledger.clients.speaking import ids, new

MIB = 1 << 20


async def test_one_event_and_lists_at_every_expectation(client, named):
    stream = named("orders")
    one, two, three, four, five, six = (new(data=b"%d" % at) for at in range(6))
    positions = [
        await client.append_to_stream(stream, events=one, current_version=StreamState.NO_STREAM),
        await client.append_to_stream(stream, events=[two, three], current_version=0),
        await client.append_to_stream(stream, events=four, current_version=2),
        await client.append_to_stream(stream, events=[five], current_version=StreamState.ANY),
        await client.append_to_stream(stream, events=six, current_version=StreamState.EXISTS),
    ]
    events = await client.get_stream(stream)
    assert ids(events) == ids([one, two, three, four, five, six])
    assert [event.stream_position for event in events] == [0, 1, 2, 3, 4, 5]
    assert positions == [events[at].commit_position for at in (0, 2, 3, 4, 5)], "of an append's last event"
    assert positions == sorted(set(positions))


async def test_any_begins_a_stream(client, named):
    await client.append_to_stream(named("one"), events=new(), current_version=StreamState.ANY)
    await client.append_to_stream(named("list"), events=[new(), new()], current_version=StreamState.ANY)
    assert await client.get_current_version(named("one")) == 0
    assert await client.get_current_version(named("list")) == 1


@pytest.mark.parametrize("form", ["one", "list"])
@pytest.mark.parametrize("expected", [1, StreamState.EXISTS])
async def test_a_stream_that_does_not_exist_is_not_where_it_was_expected(client, named, form, expected):
    stream = named("nothing")
    events = new() if form == "one" else [new(), new()]
    with pytest.raises(WrongCurrentVersionError, match=f"Stream '{stream}' does not exist") as raised:
        await client.append_to_stream(stream, events=events, current_version=expected)
    assert raised.value.stream_name == stream
    assert raised.value.expected_version == expected
    assert raised.value.actual_version == StreamState.NO_STREAM
    with pytest.raises(NotFoundError):
        await client.get_stream(stream)


@pytest.mark.parametrize("form", ["one", "list"])
@pytest.mark.parametrize("expected", [0, 7, StreamState.NO_STREAM])
async def test_a_stream_that_went_on_is_not_where_it_was_expected(client, named, form, expected):
    stream = named("ahead")
    await client.append_to_stream(stream, events=[new(), new()], current_version=StreamState.NO_STREAM)
    events = new() if form == "one" else [new(), new()]
    with pytest.raises(WrongCurrentVersionError) as raised:
        await client.append_to_stream(stream, events=events, current_version=expected)
    assert str(raised.value) == f"Stream position of last event is 1 not {expected}"
    assert (raised.value.stream_name, raised.value.actual_version) == (stream, 1)
    assert raised.value.expected_version == expected
    assert len(await client.get_stream(stream)) == 2


@pytest.mark.parametrize("form", ["one", "list"])
async def test_the_same_ids_again_are_the_same_events(client, named, form):
    stream = named("again")
    first = new() if form == "one" else [new(), new()]
    second = new() if form == "one" else [new(), new(), new()]
    last = 0 if form == "one" else 1
    at = await client.append_to_stream(stream, events=first, current_version=StreamState.NO_STREAM)
    after = await client.append_to_stream(stream, events=second, current_version=last)
    await client.append_to_stream(stream, events=new(), current_version=StreamState.ANY)
    before = ids(await client.get_stream(stream))
    for expected in (StreamState.NO_STREAM, StreamState.ANY, StreamState.EXISTS):
        assert await client.append_to_stream(stream, events=first, current_version=expected) == at
    for expected in (last, StreamState.ANY, StreamState.EXISTS):
        assert await client.append_to_stream(stream, events=second, current_version=expected) == after
    assert ids(await client.get_stream(stream)) == before


async def test_an_append_that_is_a_repetition_in_part_is_refused(client, named):
    stream = named("part")
    one, two, three = new(), new(), new()
    await client.append_to_stream(stream, events=[one, two], current_version=StreamState.NO_STREAM)
    for events in ([one, three], [one, two, three]):
        with pytest.raises(WrongCurrentVersionError):
            await client.append_to_stream(stream, events=events, current_version=StreamState.NO_STREAM)
    assert ids(await client.get_stream(stream)) == ids([one, two])


async def test_ids_are_unique_within_a_stream_and_not_beyond(client, named):
    event = new()
    for name in ("here", "there"):
        await client.append_to_stream(named(name), events=[event], current_version=StreamState.NO_STREAM)
    assert ids(await client.get_stream(named("here"))) == ids(await client.get_stream(named("there"))) == [event.id]


async def test_what_was_written_is_read_byte_for_byte(client, named):
    everything = bytes(range(256))
    event = NewEvent(
        type="测试.事件", data=everything, metadata=everything[::-1], content_type="application/octet-stream",
        id=UUID("01234567-89ab-cdef-0123-456789abcdef"),
    )  # fmt: skip
    empty = new(data=b"", metadata=b"")
    # JSON of an odd spelling: nobody spells it anew.
    odd = new(data=b'{ "a":1.50,\n"a": "\\u00e9" }', metadata=b'{"$correlationId":  "x"}')
    stream = named("流-ünïcode-\N{SMILING FACE WITH SUNGLASSES}/with spaces?#%")
    before = datetime.now(UTC) - timedelta(seconds=1)  # noqa: TID251 - the clock that the server has too
    position = await client.append_to_stream(stream, events=[event, empty, odd], current_version=StreamState.NO_STREAM)
    first, second, third = await client.get_stream(stream)
    assert (first.id, first.type, first.content_type) == (event.id, event.type, "application/octet-stream")
    assert (first.data, first.metadata) == (event.data, event.metadata)
    assert (second.data, second.metadata, second.content_type) == (b"", b"", "application/json")
    assert (third.data, third.metadata) == (odd.data, odd.metadata)
    assert {first.stream_name, second.stream_name} == {stream}
    assert third.commit_position == third.prepare_position == position
    assert first.link is None
    after = datetime.now(UTC) + timedelta(seconds=1)  # noqa: TID251 - as above
    assert before <= first.recorded_at <= second.recorded_at <= third.recorded_at <= after


async def test_random_bytes_of_every_length_come_back(client, named):
    stream = named("bytes")
    events = [new(data=os.urandom(size), metadata=os.urandom(size // 3)) for size in (1, 127, 128, 16_383, 65_536)]
    await client.append_to_stream(stream, events=events, current_version=StreamState.NO_STREAM)
    assert [(event.data, event.metadata) for event in await client.get_stream(stream)] == [
        (event.data, event.metadata) for event in events
    ]


async def test_large_events_and_the_largest(client, named):
    stream = named("large")
    largest = new(data=bytes(MIB - 16), metadata=bytes(16))
    await client.append_to_stream(stream, events=largest, current_version=StreamState.NO_STREAM)
    # More than a message of gRPC's usual 4 MiB.
    await client.append_to_stream(stream, events=[new(data=bytes(MIB)) for _ in range(9)], current_version=0)
    assert [len(event.data) for event in await client.get_stream(stream)] == [MIB - 16, *[MIB] * 9]


async def test_an_event_that_is_too_large_is_refused_and_nothing_of_its_append_is_kept(client, named):
    stream = named("too-large")
    with pytest.raises(MaximumAppendSizeExceededError, match=r"\d+"):
        await client.append_to_stream(
            stream, events=[new(), new(data=bytes(MIB + 1))], current_version=StreamState.NO_STREAM
        )
    with pytest.raises(KurrentDBClientError, match=r"[Mm]ax"):
        await client.append_to_stream(stream, events=new(data=bytes(MIB + 1)), current_version=StreamState.NO_STREAM)
    assert await client.get_current_version(stream) == StreamState.NO_STREAM


async def test_thousands_of_events_in_one_append(client, named):
    stream = named("many")
    events = [new(data=b'{"n":%d}' % at) for at in range(5_000)]
    await client.append_to_stream(stream, events=events, current_version=StreamState.NO_STREAM)
    read = await client.get_stream(stream)
    assert ids(read) == ids(events)
    assert [json.loads(event.data)["n"] for event in read] == list(range(5_000))


async def test_an_append_whose_time_is_up_is_not_made(client, named):
    events = [new(data=bytes(10_000)) for _ in range(1_000)]
    # Where the time is up before a call has begun, Python's asynchronous gRPC has an error of its own.
    with pytest.raises((GrpcDeadlineExceededError, InternalError)):
        await client.append_to_stream(named("x"), events=events, current_version=StreamState.NO_STREAM, timeout=0.001)
    with pytest.raises(NotFoundError):
        await client.get_stream(named("x"))


@pytest.mark.parametrize("stream", ["", "$reserved", "x" * 300])
async def test_a_name_that_no_stream_may_have_is_refused(client, stream):
    for events in (new(), [new()]):
        with pytest.raises(KurrentDBClientError):
            await client.append_to_stream(stream, events=events, current_version=StreamState.ANY)


async def test_a_type_that_no_event_may_have_is_refused(client, named):
    for type_ in ("", "$reserved"):
        for events in (new(type_), [new(type_)]):
            with pytest.raises(KurrentDBClientError):
                await client.append_to_stream(named("types"), events=events, current_version=StreamState.ANY)
    assert await client.get_current_version(named("types")) == StreamState.NO_STREAM
