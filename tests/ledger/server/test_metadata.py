"""Metadata of streams: kept beside the log, unless it would have a stream forget."""

import json

import pytest
from kurrentdbclient import NewEvent, StreamState
from kurrentdbclient.exceptions import AccessDeniedError, WrongCurrentVersionError

from tests.ledger.server.conftest import Door

KEPT = {"$cacheControl": 30, "$acl": {"$r": ["$all"], "$w": "admin"}, "custom": {"a": [1, "电表"]}}


async def test_metadata_is_set_and_read(served: Door):
    assert await served.client.get_stream_metadata("thing-1") == ({}, StreamState.NO_STREAM)
    await served.client.set_stream_metadata("thing-1", metadata={}, current_version=StreamState.NO_STREAM)
    await served.client.set_stream_metadata("thing-1", metadata=KEPT, current_version=0)
    assert await served.client.get_stream_metadata("thing-1") == (KEPT, 1)
    with pytest.raises(WrongCurrentVersionError):
        await served.client.set_stream_metadata("thing-1", metadata={}, current_version=0)


async def test_it_is_kept_byte_for_byte_and_beside_the_log(served: Door):
    data = b' {"custom" :\t1.50 }\n'
    event = NewEvent("$metadata", data, b'{"why":"x"}')
    position = await served.client.append_to_stream("$$thing-1", current_version=StreamState.ANY, events=[event])
    again = await served.client.append_to_stream("$$thing-1", current_version=StreamState.ANY, events=[event])
    assert position == again == await served.ledger.head() == 0
    [kept] = (await served.ledger.read_beside("$$thing-1")).events
    assert (kept.type, kept.data, kept.metadata) == ("$metadata", data, b'{"why":"x"}')
    assert [event async for event in await served.client.read_all()] == []


@pytest.mark.parametrize("key", ["$maxAge", "$maxCount", "$tb"])
@pytest.mark.parametrize("event_type", ["$metadata", "other"])
async def test_a_stream_is_not_truncated(served: Door, key, event_type):
    for data in (json.dumps({**KEPT, key: 1}), "\ufeff" + json.dumps({key: None}), '{"\\u0024' + key[1:] + '":1}'):
        event = NewEvent(event_type, data.encode())
        with pytest.raises(AccessDeniedError):
            await served.client.append_to_stream("$$thing-1", current_version=StreamState.ANY, events=[event])
    assert (await served.ledger.read_beside("$$thing-1")).events == []


LENIENT = [
    b'{"$maxCount":1,}', b'/* */{"$maxCount":1}', b"{'$maxCount':1}", b"{$maxCount:1}", b'{"a":NaN,"$tb":9}',
    '\ufeff{"$maxCount":1}'.encode("utf-16-le"), b'{"$maxCount":1} {}', b"[" * 100_000, b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("event_type", ["$metadata", "other"])
@pytest.mark.parametrize("data", LENIENT, ids=lambda data: ascii(data[:20]))
async def test_what_only_a_lenient_reader_takes_for_metadata_is_refused(served: Door, event_type, data):
    with pytest.raises(AccessDeniedError):
        await served.client.append_to_stream(
            "$$thing-1", current_version=StreamState.ANY, events=[NewEvent(event_type, data)]
        )
    assert (await served.ledger.read_beside("$$thing-1")).events == []


@pytest.mark.parametrize("data", [b"[]", b"1", b'"$tb"', b"null", b" "])
@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
async def test_metadata_is_an_object_whatever_is_said_of_its_content(served: Door, data, content_type):
    event = NewEvent("$metadata", data, content_type=content_type)
    with pytest.raises(AccessDeniedError):
        await served.client.append_to_stream("$$thing-1", current_version=StreamState.ANY, events=[event])


async def test_other_events_beside_may_be_no_json_if_they_say_so(served: Door):
    events = [NewEvent("other", b"\xff", content_type="application/octet-stream"), NewEvent("other", b"[1]")]
    events.append(NewEvent("$metadata", b""))
    await served.client.append_to_stream("$$thing-1", current_version=StreamState.ANY, events=events)
    kept = (await served.ledger.read_beside("$$thing-1")).events
    assert [event.data for event in kept] == [b"\xff", b"[1]", b""]


async def test_streams_of_the_system_are_nobodys(served: Door):
    for stream in ("$settings", "$ce-thing"):
        with pytest.raises(AccessDeniedError):
            await served.client.append_to_stream(
                stream, current_version=StreamState.ANY, events=[NewEvent("test.Happened", b"{}")]
            )
