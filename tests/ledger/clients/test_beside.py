"""Metadata of streams, which lie beside the log."""

import pytest
from kurrentdbclient import StreamState
from kurrentdbclient.exceptions import AccessDeniedError, WrongCurrentVersionError

from tests.ledger.clients.speaking import new

ACL = {"$r": "$all", "$w": "$admins", "$d": "$admins", "$mw": "$admins", "$mr": "$admins"}


async def test_metadata_is_set_and_read_at_its_versions(client, named):
    stream = named("x")
    assert await client.get_stream_metadata(stream) == ({}, StreamState.NO_STREAM)
    await client.set_stream_metadata(stream, metadata={"foo": "bar"}, current_version=StreamState.NO_STREAM)
    assert await client.get_stream_metadata(stream) == ({"foo": "bar"}, 0)
    told = {"foo": "ü", "$acl": ACL, "$cacheControl": 60, "nested": {"n": [1, None]}}
    await client.set_stream_metadata(stream, metadata=told, current_version=0)
    assert await client.get_stream_metadata(stream) == (told, 1)
    await client.set_stream_metadata(stream, metadata={})
    assert await client.get_stream_metadata(stream) == ({}, 2)
    with pytest.raises(WrongCurrentVersionError):
        await client.set_stream_metadata(stream, metadata=told, current_version=10)
    with pytest.raises(WrongCurrentVersionError):
        await client.set_stream_metadata(stream, metadata=told, current_version=StreamState.NO_STREAM)
    assert await client.get_stream_metadata(stream) == ({}, 2)
    assert await client.get_current_version(stream) == StreamState.NO_STREAM, "the stream itself has no event"


async def test_metadata_of_a_stream_with_events_leaves_them_alone(client, named):
    stream = named("x")
    await client.append_to_stream(stream, events=[new(), new()], current_version=StreamState.NO_STREAM)
    end = await client.get_commit_position()
    await client.set_stream_metadata(stream, metadata={"a": 1})
    assert await client.get_current_version(stream) == 1
    assert await client.get_commit_position() == end
    await client.append_to_stream(stream, events=new(), current_version=1)
    assert len(await client.get_stream(stream)) == 3


async def test_the_metadata_stream_is_read_as_a_stream(client, named):
    for value in ("a", "b", "c"):
        await client.set_stream_metadata(named("x"), metadata={"v": value})
    events = await client.get_stream("$$" + named("x"))
    assert [event.stream_position for event in events] == [0, 1, 2]
    assert {event.type for event in events} == {"$metadata"}
    assert [event.data for event in events] == [b'{"v": "a"}', b'{"v": "b"}', b'{"v": "c"}']
    back = await client.get_stream("$$" + named("x"), backwards=True, limit=1)
    assert back[0].id == events[2].id


async def test_the_same_metadata_event_again_is_the_same(client, named):
    event = new("$metadata", b'{"a": 1}')
    for _ in range(2):
        await client.append_to_stream("$$" + named("x"), events=event, current_version=StreamState.NO_STREAM)
    for _ in range(2):
        await client.append_to_stream("$$" + named("x"), events=[event], current_version=StreamState.ANY)
    assert await client.get_stream_metadata(named("x")) == ({"a": 1}, 0)


@pytest.mark.parametrize("member", ["$maxAge", "$maxCount", "$tb"])
async def test_this_log_does_not_forget(client, named, member):
    stream = named("x")
    await client.append_to_stream(stream, events=[new(), new()], current_version=StreamState.NO_STREAM)
    with pytest.raises(AccessDeniedError):
        await client.set_stream_metadata(stream, metadata={"a": "b", member: 1})
    with pytest.raises(AccessDeniedError):
        await client.append_to_stream(
            "$$" + stream, events=[new("$metadata", b'{"%s": 1}' % member.encode())], current_version=StreamState.ANY
        )
    assert await client.get_stream_metadata(stream) == ({}, StreamState.NO_STREAM)
    assert len(await client.get_stream(stream)) == 2
