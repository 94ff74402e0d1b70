"""Contract: pages of streams and of the log, filters and following, in every ledger."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.port import (
    ANY,
    FILTER_NAMES_MAX,
    NO_STREAM,
    PAGE_EVENTS,
    PAGE_EVENTS_MAX,
    Append,
    Direction,
    Rejected,
)
from tests.ledger.making import draft, drafts, everything, first_events, one

WAIT_S = 20


async def pages_of(log, stream, **options):
    versions, lengths, start = [], [], options.pop("start", None)
    while True:
        page = await log.read(stream, from_version=start, **options)
        versions += [e.version for e in page.events]
        lengths.append(len(page.events))
        if page.next_from is None:
            return versions, lengths
        start = page.next_from


async def test_a_stream_is_read_in_pages_both_ways(log, named):
    await log.append(one(named("s"), NO_STREAM, 10))
    forwards, backwards = Direction.FORWARDS, Direction.BACKWARDS
    assert await pages_of(log, named("s"), limit=4) == ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 4, 2])
    assert await pages_of(log, named("s"), limit=5, direction=forwards) == (list(range(10)), [5, 5])
    assert await pages_of(log, named("s"), limit=4, direction=backwards) == (list(range(9, -1, -1)), [4, 4, 2])
    assert await pages_of(log, named("s"), limit=4, start=7) == ([7, 8, 9], [3])
    assert await pages_of(log, named("s"), limit=3, start=4, direction=backwards) == ([4, 3, 2, 1, 0], [3, 2])
    assert await pages_of(log, named("s"), limit=1, start=0, direction=backwards) == ([0], [1])
    assert await pages_of(log, named("s"), start=10) == ([], [0])
    assert await pages_of(log, named("s"), start=99, limit=2, direction=backwards) == (list(range(9, -1, -1)), [2] * 5)


async def test_a_stream_that_does_not_exist_is_an_empty_page(log, named):
    for direction in Direction:
        page = await log.read(named("none"), direction=direction)
        assert not page.events
        assert page.next_from is None


async def test_many_streams_at_once(doors, named):
    await doors.log.append([Append(named(f"s{index}"), NO_STREAM, drafts(index)) for index in range(1, 6)])
    read = await doors.other.read_many([named(name) for name in ("s5", "none", "s1", "s3")])
    assert {stream: [e.version for e in page.events] for stream, page in read.items()} == {
        named("s5"): [0, 1, 2, 3, 4],
        named("s1"): [0],
        named("s3"): [0, 1, 2],
    }
    assert not await doors.other.read_many([])


async def test_a_long_stream_among_many_comes_as_its_first_page(log, named):
    await log.append(one(named("long"), NO_STREAM, PAGE_EVENTS + 1))
    page = (await log.read_many([named("long")]))[named("long")]
    assert len(page.events) == PAGE_EVENTS
    assert page.next_from == PAGE_EVENTS
    rest = await log.read(named("long"), from_version=page.next_from)
    assert [e.version for e in rest.events] == [PAGE_EVENTS]
    assert rest.next_from is None


async def test_the_log_is_read_in_pages(doors, named):
    for index in range(10):
        await doors.log.append(one(named(f"s{index % 3}")))
    first = await doors.other.read_all(doors.start, limit=4)
    assert len(first.events) == 4
    assert not first.at_head
    assert first.scanned_to == first.events[-1].position
    rest = await doors.other.read_all(first.scanned_to, limit=6)
    assert len(rest.events) == 6
    assert rest.at_head
    assert rest.scanned_to == await doors.other.head()
    end = await doors.other.read_all(rest.scanned_to)
    assert (list(end.events), end.scanned_to, end.at_head) == ([], rest.scanned_to, True)
    between = await doors.other.read_all(first.events[1].position, limit=1)
    assert between.events[0] == first.events[2]


async def test_beyond_the_head_there_is_nothing(log, named):
    await log.append(one(named("s")))
    far = await log.head() + 1_000
    page = await log.read_all(far)
    assert (list(page.events), page.scanned_to, page.at_head) == ([], far, True)


async def test_filters(doors, named):
    await doors.log.append(
        [
            Append(named("meter-1"), NO_STREAM, [draft(type="t.A"), draft(type="t.B")]),
            Append(named("meter"), NO_STREAM, [draft(type="t.A")]),
            Append(named("site-1"), NO_STREAM, [draft(type="t.A"), draft(type="t.C")]),
            Append(named("meter-2"), NO_STREAM, [draft(type="t.AA")]),
        ]
    )

    async def seen(types=(), prefixes=()):
        events = await everything(doors.other, doors.start, types=types, stream_prefixes=prefixes)
        return [f"{e.stream.removeprefix(named(''))} {e.type}" for e in events]

    assert len(await seen()) == 6
    assert await seen(types=["t.A"]) == ["meter-1 t.A", "meter t.A", "site-1 t.A"]
    assert await seen(types={"t.B", "t.C"}) == ["meter-1 t.B", "site-1 t.C"]
    assert await seen(prefixes=[named("meter-")]) == ["meter-1 t.A", "meter-1 t.B", "meter-2 t.AA"]
    assert await seen(prefixes=[named("meter"), named("meter-")], types=["t.A"]) == ["meter-1 t.A", "meter t.A"]
    assert await seen(prefixes=[named("meter-2"), named("site")]) == ["site-1 t.A", "site-1 t.C", "meter-2 t.AA"]
    assert await seen(prefixes=[""], types=["t.C"]) == ["site-1 t.C"]
    assert await seen(types=["t.None"]) == []
    assert await seen(prefixes=[named("%")]) == []


async def test_a_page_that_lets_nothing_through_still_moves(log, named):
    await log.append(one(named("s"), NO_STREAM, 3))
    page = await log.read_all(types=["test.NeverWritten"])
    assert not page.events
    assert page.scanned_to > 0
    limited = await log.read_all(await log.head() - 1, limit=1, stream_prefixes=[named("t")])
    assert limited.scanned_to == await log.head()


async def test_a_filter_that_lets_little_through_looks_at_a_bounded_stretch(doors, named):
    for index in range(3):
        await doors.log.append(one(named(f"s{index}"), NO_STREAM, 9_000))
    await doors.log.append([Append(named("needle"), NO_STREAM, [draft(type="test.Needle")])])
    page = await doors.other.read_all(doors.start, types=["test.Needle"])
    assert not page.events
    assert doors.start < page.scanned_to < await doors.other.head()
    assert not page.at_head
    assert len(await everything(doors.other, doors.start, types=["test.Needle"])) == 1


NEAR_THE_EDGES = st.text("a\ud7ff\ue000\uffff\U0010ffff", max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(streams=st.lists(NEAR_THE_EDGES.filter(bool), min_size=1, max_size=6, unique=True), prefix=NEAR_THE_EDGES)
async def test_a_prefix_means_what_startswith_means(log, named, streams, prefix):
    start = await log.head()
    await log.append(one(named("before")))
    await log.append([Append(stream, ANY, drafts(1)) for stream in streams])
    events = await everything(log, start, stream_prefixes=[prefix])
    expected = [s for s in [named("before"), *streams] if s.startswith(prefix)]
    assert [e.stream for e in events] == expected


@pytest.mark.parametrize("limit", [0, -1, PAGE_EVENTS_MAX + 1])
async def test_limits_of_pages(log, limit):
    with pytest.raises(Rejected):
        await log.read("s", limit=limit)
    with pytest.raises(Rejected):
        await log.read_all(limit=limit)


async def test_places_and_names_that_cannot_be(log):
    with pytest.raises(Rejected):
        await log.read("s", from_version=-1)
    with pytest.raises(Rejected):
        await log.read("s", from_version=10**30)
    with pytest.raises(Rejected):
        await log.read_all(-1)
    with pytest.raises(Rejected):
        await log.read_all(10**30)
    with pytest.raises(Rejected):
        await log.read("$all")
    with pytest.raises(Rejected):
        await log.read_many(["s", "$$s"])
    with pytest.raises(Rejected):
        await log.read_all(types="test.A")
    with pytest.raises(Rejected):
        await log.read_all(stream_prefixes=[str(index) for index in range(FILTER_NAMES_MAX + 1)])


async def test_as_many_names_in_a_filter_as_are_allowed(log, named):
    await log.append(one(named("s")))
    prefixes = [f"{index}-" for index in range(FILTER_NAMES_MAX - 1)]
    assert (await everything(log, stream_prefixes=[*prefixes, named("s")]))[-1].stream == named("s")
    types = [f"{index}" for index in range(FILTER_NAMES_MAX - 1)]
    assert (await everything(log, types=[*types, "test.Happened"]))[-1].stream == named("s")


async def test_following_catches_up_and_then_waits(doors, named):
    await doors.log.append(one(named("early"), NO_STREAM, 5))
    following = asyncio.create_task(first_events(doors.other.follow(doors.start, limit=2), 8))
    await asyncio.sleep(0.1)
    assert not following.done()
    for index in range(3):
        await doors.log.append(one(named(f"late{index}")))
        await asyncio.sleep(0.02)
    events = await asyncio.wait_for(following, WAIT_S)
    assert events == await everything(doors.log, doors.start)


async def test_following_sees_own_and_foreign_appends(doors, named):
    following = asyncio.create_task(first_events(doors.log.follow(doors.start), 6))
    for index in range(3):
        await asyncio.sleep(0.02)
        await doors.log.append(one(named(f"own{index}")))
        await asyncio.sleep(0.02)
        await doors.other.append(one(named(f"foreign{index}")))
    assert len(await asyncio.wait_for(following, WAIT_S)) == 6


async def test_following_with_a_filter_moves_past_what_it_does_not_want(doors, named):
    pages = doors.log.follow(doors.start, stream_prefixes=[named("wanted")])
    async with aclosing(pages):
        moved = asyncio.create_task(anext(pages))
        await asyncio.sleep(0.02)
        await doors.other.append(one(named("unwanted")))
        page = await asyncio.wait_for(moved, WAIT_S)
        while page.scanned_to < await doors.log.head():
            # Where it was still catching up, it may tell of a place on the way first.
            before = page.scanned_to
            assert not page.events
            page = await asyncio.wait_for(anext(pages), WAIT_S)
            assert page.scanned_to > before
        assert not page.events
        assert page.scanned_to == await doors.log.head()
        wanted = asyncio.create_task(anext(pages))
        await asyncio.sleep(0.02)
        await doors.other.append(one(named("wanted")))
        page = await asyncio.wait_for(wanted, WAIT_S)
        assert [e.stream for e in page.events] == [named("wanted")]


async def test_following_waits_at_the_head_without_empty_pages(doors, named):
    pages = doors.log.follow(await doors.log.head())
    waiting = asyncio.create_task(anext(pages))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await doors.log.append(one(named("s")))
    assert len((await asyncio.wait_for(waiting, WAIT_S)).events) == 1
    await pages.aclose()


async def test_a_cancelled_follower_ends_and_harms_no_other(doors, named):
    cancelled = [asyncio.create_task(first_events(doors.log.follow(doors.start), 99)) for _ in range(5)]
    staying = asyncio.create_task(first_events(doors.log.follow(doors.start), 1))
    await asyncio.sleep(0.05)
    for task in cancelled:
        task.cancel()
    ended = await asyncio.gather(*cancelled, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    await doors.other.append(one(named("s")))
    assert len(await asyncio.wait_for(staying, WAIT_S)) == 1


async def test_a_follower_sees_every_position_in_order_while_many_write(doors, named):
    async def write(index):
        for _ in range(6):
            await (doors.log, doors.other)[index % 2].append(one(named(f"s{index}"), count=1 + index % 3))

    total = sum(6 * (1 + index % 3) for index in range(64))
    following = [asyncio.create_task(first_events(log.follow(doors.start, limit=50), total)) for log in doors[:2]]
    await asyncio.gather(*(write(index) for index in range(64)))
    complete = await everything(doors.log, doors.start)
    for events in await asyncio.wait_for(asyncio.gather(*following), WAIT_S):
        assert events == complete
    assert len(complete) == total
