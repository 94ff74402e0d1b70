"""Appends to several streams at once: the second protocol's AppendSession and AppendRecords."""

import json

import pytest
from kurrentdbclient import NewEvents, StreamState
from kurrentdbclient.events import NewRecord, StreamStateCheck
from kurrentdbclient.exceptions import (
    ConsistencyChecksFailedError,
    MultiAppendToSameStreamError,
    RecordMaxSizeExceededError,
    TransactionMaxSizeExceededError,
    WrongCurrentVersionError,
)

from tests.ledger.clients.speaking import ids, new

MIB = 1 << 20


def record(stream, data=b"{}", **rest):
    return NewRecord(stream_name=stream, type="test.Happened", data=data, **rest)


async def test_a_session_appends_to_several_streams(client, named):
    one, two, three = named("a"), named("b"), named("c")
    events = {one: [new(), new()], two: [new(content_type="application/octet-stream", data=b"\0\xff")], three: [new()]}
    await client.append_to_stream(three, events=new(), current_version=StreamState.NO_STREAM)
    position = await client.multi_append_to_stream(
        [
            NewEvents(one, events[one], StreamState.NO_STREAM),
            NewEvents(two, events[two], StreamState.ANY),
            NewEvents(three, events[three], 0),
        ]
    )
    assert ids(await client.get_stream(one)) == ids(events[one])
    [binary] = await client.get_stream(two)
    assert (binary.content_type, binary.data) == ("application/octet-stream", b"\0\xff")
    last = (await client.get_stream(three))[-1]
    assert (last.id, last.commit_position, last.stream_position) == (events[three][0].id, position, 1)


async def test_one_stream_needs_no_list(client, named):
    event = new()
    await client.multi_append_to_stream(NewEvents(named("a"), [event], StreamState.NO_STREAM))
    assert ids(await client.get_stream(named("a"))) == [event.id]


async def test_metadata_of_strings_comes_back(client, named):
    members = {"$correlationId": "c-1", "actor": "谁"}
    event = new(metadata=json.dumps(members).encode())
    await client.multi_append_to_stream(NewEvents(named("a"), [event], StreamState.NO_STREAM))
    [read] = await client.get_stream(named("a"))
    assert json.loads(read.metadata).items() >= members.items()


async def test_a_session_is_all_or_nothing(client, named):
    there, fresh = named("there"), named("fresh")
    await client.append_to_stream(there, events=[new(), new()], current_version=StreamState.NO_STREAM)
    for expected, told in ((0, 0), (StreamState.NO_STREAM, StreamState.NO_STREAM), (9, 9)):
        with pytest.raises(WrongCurrentVersionError) as raised:
            await client.multi_append_to_stream(
                [NewEvents(fresh, [new()], StreamState.NO_STREAM), NewEvents(there, [new()], expected)]
            )
        assert raised.value.stream_name == there
        assert (raised.value.expected_version, raised.value.actual_version) == (told, 1)
    with pytest.raises(WrongCurrentVersionError) as raised:
        await client.multi_append_to_stream([NewEvents(fresh, [new()], StreamState.EXISTS)])
    assert (raised.value.expected_version, raised.value.actual_version) == (StreamState.EXISTS, StreamState.NO_STREAM)
    assert await client.get_current_version(fresh) == StreamState.NO_STREAM
    assert await client.get_current_version(there) == 1


async def test_a_session_again_is_the_same_session(client, named):
    events = [
        NewEvents(named("a"), [new(), new()], StreamState.NO_STREAM),
        NewEvents(named("b"), [new()], StreamState.NO_STREAM),
    ]
    position = await client.multi_append_to_stream(events)
    assert await client.multi_append_to_stream(events) == position
    assert await client.get_current_version(named("a")) == 1
    assert await client.get_current_version(named("b")) == 0


async def test_a_session_names_a_stream_once(client, named):
    with pytest.raises(MultiAppendToSameStreamError) as raised:
        await client.multi_append_to_stream(
            [NewEvents(named("a"), [new()], StreamState.ANY), NewEvents(named("a"), [new()], StreamState.ANY)]
        )
    assert raised.value.stream_name == named("a")
    assert await client.get_current_version(named("a")) == StreamState.NO_STREAM


async def test_a_record_that_is_too_large_is_named(client, named):
    large = new(data=bytes(MIB + 1))
    with pytest.raises(RecordMaxSizeExceededError) as raised:
        await client.multi_append_to_stream([NewEvents(named("a"), [new(), large], StreamState.ANY)])
    assert (raised.value.stream_name, raised.value.event_id) == (named("a"), large.id)
    assert raised.value.size > raised.value.max_size >= MIB
    with pytest.raises(RecordMaxSizeExceededError) as raised:
        await client.append_records([record(named("a")), record(named("a"), bytes(MIB + 1), id=large.id)])
    assert (raised.value.stream_name, raised.value.event_id) == (named("a"), large.id)
    assert await client.get_current_version(named("a")) == StreamState.NO_STREAM


async def test_a_session_that_is_too_large_is_refused(client, named):
    large = [NewEvents(named(str(at)), [new(data=bytes(MIB - 200))], StreamState.ANY) for at in range(66)]
    with pytest.raises(TransactionMaxSizeExceededError) as raised:
        await client.multi_append_to_stream(large)
    assert raised.value.size > raised.value.max_size >= 16 * MIB
    assert await client.get_current_version(named("0")) == StreamState.NO_STREAM


async def test_records_of_several_streams_in_any_order(client, named):
    one, two = named("a"), named("b")
    records = [record(one), record(two), record(one, b'{"n":2}'), record(two)]
    result = await client.append_records(records)
    assert {(told.stream_name, told.stream_position) for told in result.stream_positions} == {(one, 1), (two, 1)}
    assert ids(await client.get_stream(one)) == [records[0].id, records[2].id]
    assert ids(await client.get_stream(two)) == [records[1].id, records[3].id]
    assert result.commit_position == (await client.get_stream(two))[-1].commit_position
    again = await client.append_records(records)
    assert again.commit_position == result.commit_position
    assert await client.get_current_version(one) == 1


async def test_records_are_appended_where_the_checks_hold(client, named):
    written, looked_at, missing = named("written"), named("looked at"), named("missing")
    await client.append_to_stream(looked_at, events=[new(), new()], current_version=StreamState.NO_STREAM)
    result = await client.append_records(
        record(written),
        checks=[
            StreamStateCheck(looked_at, 1),
            StreamStateCheck(missing, StreamState.NO_STREAM),
            StreamStateCheck(written, StreamState.NO_STREAM),
        ],
    )
    assert [told.stream_position for told in result.stream_positions] == [0]
    await client.append_records(record(written), checks=StreamStateCheck(looked_at, StreamState.EXISTS))
    assert await client.get_current_version(written) == 1


async def test_records_again_are_the_same_whatever_has_become_of_what_was_checked(client, named):
    written, looked_at = named("written"), named("looked at")
    await client.append_to_stream(looked_at, events=new(), current_version=StreamState.NO_STREAM)
    told = {"records": record(written), "checks": [StreamStateCheck(looked_at, 0)]}
    first = await client.append_records(**told)
    await client.append_to_stream(looked_at, events=new(), current_version=0)
    assert await client.append_records(**told) == first


async def test_every_check_that_fails_is_told(client, named):
    written, looked_at, missing, another = named("written"), named("looked at"), named("missing"), named("another")
    await client.append_to_stream(looked_at, events=[new(), new()], current_version=StreamState.NO_STREAM)
    with pytest.raises(ConsistencyChecksFailedError) as raised:
        await client.append_records(
            record(written),
            checks=[
                StreamStateCheck(looked_at, 0),
                StreamStateCheck(another, StreamState.NO_STREAM),
                StreamStateCheck(missing, StreamState.EXISTS),
                StreamStateCheck(written, 3),
            ],
        )
    told = {
        failure.check_index: (
            failure.stream_state_failure.stream_name,
            failure.stream_state_failure.expected_state,
            failure.stream_state_failure.actual_state,
        )
        for failure in raised.value.failures
    }
    assert told == {0: (looked_at, 0, 1), 2: (missing, -4, -1), 3: (written, 3, -1)}
    assert await client.get_current_version(written) == StreamState.NO_STREAM


async def test_ids_may_be_the_same_in_two_streams_of_one_call(client, named):
    same = new().id
    await client.append_records([record(named("a"), id=same), record(named("b"), id=same)])
    assert ids(await client.get_stream(named("a"))) == ids(await client.get_stream(named("b"))) == [same]
