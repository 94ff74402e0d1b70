"""Reads through both Python clients."""

import itertools

import pytest
from kurrentdbclient import StreamState
from kurrentdbclient.exceptions import NotFoundError

from tests.ledger.clients.speaking import ids, new, take


async def written(client, stream, count=5, type_="test.Happened"):
    events = [new(type_, b'{"n":%d}' % at) for at in range(count)]
    await client.append_to_stream(stream, events=events, current_version=StreamState.NO_STREAM)
    return await client.get_stream(stream)


async def test_a_stream_from_anywhere_either_way_and_limited(client, named):
    stream = named("stream")
    events = ids(await written(client, stream))
    for start, limit in itertools.product((None, 0, 2, 4), (None, 1, 2, 5, 100)):
        told = {} if limit is None else {"limit": limit}
        forwards = await client.get_stream(stream, stream_position=start, **told)
        assert ids(forwards) == events[start or 0 :][:limit]
        backwards = await client.get_stream(stream, stream_position=start, backwards=True, **told)
        assert ids(backwards) == events[: 5 if start is None else start + 1][::-1][:limit]


async def test_beyond_the_end_of_a_stream(client, named):
    stream = named("short")
    events = ids(await written(client, stream, 2))
    assert list(await client.get_stream(stream, stream_position=2)) == []
    assert list(await client.get_stream(stream, stream_position=1_000)) == []
    assert ids(await client.get_stream(stream, stream_position=1_000, backwards=True)) == events[::-1]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("start", [None, 1])
@pytest.mark.parametrize("more", [{}, {"limit": 10}])
async def test_a_stream_that_is_not_there(client, named, backwards, start, more):
    with pytest.raises(NotFoundError):
        await client.get_stream(named("none"), backwards=backwards, stream_position=start, **more)
    response = await client.read_stream(named("none"), backwards=backwards, stream_position=start, **more)
    with pytest.raises(NotFoundError):
        await take(response, 1)


async def test_a_stream_is_iterated_and_left_on_the_way(client, named):
    stream = named("long")
    events = ids(await written(client, stream, 3_000))
    response = await client.read_stream(stream)
    assert ids(await take(response, 10)) == events[:10]
    await response.stop()
    whole = await client.read_stream(stream, resolve_links=True)
    assert ids([event async for event in whole]) == events


async def test_versions_and_the_end_of_the_log(client, named):
    assert await client.get_current_version(named("x")) == StreamState.NO_STREAM
    position = await client.append_to_stream(named("x"), events=[new(), new()], current_version=StreamState.NO_STREAM)
    assert await client.get_current_version(named("x")) == 1
    assert await client.get_commit_position() == position
    assert await client.get_commit_position(filter_exclude=[".*"]) == 0
    await client.append_to_stream(named("y"), events=[new()], current_version=StreamState.NO_STREAM)
    assert await client.get_commit_position(filter_include=[named("x")], filter_by_stream_name=True) == position


async def test_the_log_from_anywhere_either_way_and_limited(client, named):
    start = (await written(client, named("before"), 1))[0].commit_position
    a, b = await written(client, named("a"), 3), await written(client, named("b"), 3)
    events = [*a, *b]
    read = [event async for event in await client.read_all(commit_position=start)]
    assert ids(read)[1:] == ids(events), "from a position: the event there is the first"
    assert read[0].commit_position == start
    assert [event.commit_position for event in read] == sorted(event.commit_position for event in read)
    assert ids([event async for event in await client.read_all(commit_position=start, limit=3)]) == ids(read)[:3]
    back = [event async for event in await client.read_all(backwards=True, limit=6)]
    assert ids(back) == ids(events)[::-1]
    # Backwards from a position: the event there is not read any more.
    before = [event async for event in await client.read_all(commit_position=b[0].commit_position, backwards=True)]
    assert ids(before[:4]) == [*ids(a)[::-1], read[0].id]
    assert before[-1].commit_position < before[0].commit_position
    assert [event async for event in await client.read_all(commit_position=start, backwards=True, limit=1)] != [read[0]]


async def test_the_log_is_read_whole(client, named):
    start = await client.get_commit_position()
    events = ids(await written(client, named("many"), 4_500))
    read = [event async for event in await client.read_all(commit_position=start + 1)]
    assert ids(read) == events
    back = [event async for event in await client.read_all(backwards=True, limit=4_500)]
    assert ids(back) == events[::-1]


async def test_what_lies_beside_the_log_is_not_of_the_log(client, named):
    start = await client.get_commit_position()
    await client.set_stream_metadata(named("x"), metadata={"a": "b"})
    read = await client.read_all(commit_position=start + 1, filter_exclude=())
    assert [event.stream_name async for event in read if event.stream_name.startswith("$$" + named("x"))] == []


FILTERS = {
    "types": ({"filter_include": ["test.Red", "test.Green"]}, "RG"),
    "a type by a pattern": ({"filter_include": [r"test\.R.*"]}, "R"),
    "types excluded": ({"filter_exclude": ["test.Red"]}, "GB"),
    "types by prefix": ({"filter_include": ["test.R", "test.B"], "filter_by_prefix": True}, "RB"),
    "no such type": ({"filter_include": ["test.White"]}, ""),
    "one type, not in a list": ({"filter_include": "test.Red"}, "R"),
    "the end of a type": ({"filter_include": r".*\.Red"}, "R"),
    "half a type": ({"filter_include": ["test"]}, ""),
    "half a type excluded": ({"filter_exclude": ["test", "Red"]}, "RGB"),
    "types excluded by patterns": ({"filter_exclude": [r"\$.+", r".*\.(Red|Green)"]}, "B"),
    "both, of which what is included counts": ({"filter_include": ["test.Red"], "filter_exclude": ["test.Red"]}, "R"),
    "a look ahead": ({"filter_include": [r"test\.(?!Red).*"]}, "GB"),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", FILTERS)
async def test_the_log_by_type(client, named, case, backwards):
    options, expected = FILTERS[case]
    start = await client.get_commit_position()
    kinds = {"R": "test.Red", "G": "test.Green", "B": "test.Blue"}
    order = "RGBBGRRB"
    events = [new(kinds[kind]) for kind in order]
    await client.append_to_stream(named("x"), events=events, current_version=StreamState.NO_STREAM)
    wanted = [event.id for event, kind in zip(events, order, strict=True) if kind in expected]
    if backwards:
        read = await client.read_all(backwards=True, limit=len(wanted) or 1, **options)
        found = [event.id async for event in read if event.commit_position > start]
        assert found == wanted[::-1]
    else:
        read = await client.read_all(commit_position=start + 1, **options)
        assert ids([event async for event in read]) == wanted
        if wanted:
            limited = await client.read_all(commit_position=start + 1, limit=1, **options)
            assert ids([event async for event in limited]) == wanted[:1]


async def test_the_log_by_name_of_stream(client, named):
    start = await client.get_commit_position()
    written_to = {name: (await written(client, named(name), 2)) for name in ("meter-1", "meter-2", "lot-1")}
    prefix = named("")

    async def found(**options):
        read = await client.read_all(commit_position=start + 1, filter_by_stream_name=True, **options)
        return [event.stream_name.removeprefix(prefix) async for event in read]

    assert await found(filter_include=[f"{prefix}meter-.*"]) == ["meter-1", "meter-1", "meter-2", "meter-2"]
    assert await found(filter_include=[named("meter-1")]) == ["meter-1", "meter-1"]
    assert await found(filter_include=[f"{prefix}lot", f"{prefix}meter-2"], filter_by_prefix=True) == [
        "meter-2", "meter-2", "lot-1", "lot-1",
    ]  # fmt: skip
    assert await found(filter_exclude=[f"{prefix}meter-.*"]) == ["lot-1", "lot-1"]
    # As the client makes one pattern of several, only the first is held at the start and the last at the end.
    assert await found(filter_include=[named("meter-1"), named("lot-1")]) == ["meter-1", "meter-1", "lot-1", "lot-1"]
    assert len(written_to) == 3
