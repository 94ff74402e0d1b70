"""Two doors to one log, one through the protocol of a KurrentDB and one straight to the file: what is written at either
is the same at both, to the byte. And a door that stays open while the server goes away and comes back.
"""

import asyncio
from contextlib import aclosing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.kurrent import RESUME_PAUSES_S
from ledger.kurrent_follow import PAGE_BYTES_MAX
from ledger.memory import MemoryLedger
from ledger.open import open_ledger
from ledger.port import ANY, EVENT_BYTES_MAX, NO_STREAM, Append, Carried, Conflict, Draft, Unavailable
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from ledger.sqlite import SqliteLedger
from tests.ledger.making import draft, drafts, everything, first_events, one

WAIT_S = 20

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
names = texts.filter(lambda name: not name.startswith("$"))
written = st.builds(
    Draft,
    id=st.binary(min_size=16, max_size=16),
    type=names,
    data=st.binary(max_size=200),
    metadata=st.binary(max_size=200) | texts.map(str.encode),
    content_type=st.sampled_from(["application/json", "application/octet-stream", "application/cbor"]) | names,
)


class Both:
    """A log in a file, a server of it, and a door at each."""

    def __init__(self, file, server, url, door):
        self.file, self.server, self.url, self.door = file, server, url, door

    async def restart_server(self, away_s):
        await self.server.stop(grace_s=0)
        await asyncio.sleep(away_s)
        self.server = await serve(self.file, f"127.0.0.1:{self.server.port}", admit=admit_everybody)


@pytest.fixture
async def both(tmp_path):
    file = await SqliteLedger.open(tmp_path / "ledger.db")
    server = await serve(file, "127.0.0.1:0", admit=admit_everybody)
    url = f"kurrentdb://127.0.0.1:{server.port}?tls=false"
    doors = Both(file, server, url, await open_ledger(url))
    yield doors
    await doors.door.close()
    await doors.server.stop(grace_s=0)
    await file.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(events=st.lists(written, min_size=1, max_size=4, unique_by=lambda event: event.id), through=st.booleans())
async def test_the_same_events_at_both_doors_whichever_they_came_through(both, events, through):
    start = await both.file.head()
    stream = f"s{start}"
    receipt = await (both.door if through else both.file).append([Append(stream, NO_STREAM, events)])
    at_file, at_door = await everything(both.file, start), await everything(both.door, start)
    assert at_door == at_file
    assert [Draft(e.id, e.type, e.data, e.metadata, e.content_type) for e in at_door] == events
    assert receipt.positions == tuple(event.position for event in at_file)
    assert (await both.door.read(stream)).events == at_file


async def test_the_same_name_at_both_doors_and_after_opening_again(both):
    again = await open_ledger(both.url)
    assert both.door.ledger_id == again.ledger_id == both.file.ledger_id
    await again.close()


async def test_what_was_carried_through_one_door_is_the_same_at_the_other(both):
    await both.file.append(one("before"))
    (before,) = await everything(both.file)
    brought = [
        Carried(bytes([n]) * 16, "t.A", b"{}", b"\xff", salt=bytes([n]) * 32, recorded_at_us=before.recorded_at_us + n)
        for n in range(3)
    ]
    receipt = await both.door.append([Append("s", NO_STREAM, brought)])
    events = await everything(both.file, before.position)
    assert [e.salt for e in events] == [draft.salt for draft in brought]
    assert [e.recorded_at_us for e in events] == [draft.recorded_at_us for draft in brought]
    assert await everything(both.door, before.position) == events
    assert not receipt.repeated
    again = await both.door.append([Append("s", NO_STREAM, brought)])
    assert again.repeated
    assert again.positions == receipt.positions


async def test_a_follower_goes_on_where_it_was_when_the_server_comes_back(both):
    await both.file.append(one("before", count=3))
    following = asyncio.create_task(first_events(both.door.follow(), 6))
    filtered = asyncio.create_task(first_events(both.door.follow(stream_prefixes=["after"]), 2))
    await asyncio.sleep(0.2)
    await both.server.stop(grace_s=0)
    await both.file.append(one("meanwhile"))
    await asyncio.sleep(0.3)
    both.server = await serve(both.file, f"127.0.0.1:{both.server.port}", admit=admit_everybody)
    await asyncio.sleep(0.1)
    await both.file.append(one("after", count=2))
    assert await asyncio.wait_for(following, WAIT_S) == await everything(both.file)
    assert [event.stream for event in await asyncio.wait_for(filtered, WAIT_S)] == ["after", "after"]


FILTERS = {"all": {}, "one type": {"types": ["test.Wanted"]}, "one prefix": {"stream_prefixes": ["s1"]}}


async def test_followers_miss_nothing_and_hear_nothing_twice_while_the_connection_is_made_anew(both):
    """It is made anew under them by whatever call finds first that the leader is another, and the server restarts."""
    positions = {name: [] for name in FILTERS}
    heard = asyncio.Condition()

    async def follow(name):
        scanned_to = 0
        async with aclosing(both.door.follow(limit=7, **FILTERS[name])) as pages:
            async for page in pages:
                assert page.scanned_to >= scanned_to
                scanned_to = page.scanned_to
                async with heard:
                    positions[name] += [event.position for event in page.events]
                    heard.notify_all()
                if scanned_to % 3 == 0:
                    await asyncio.sleep(0.01)

    following = [asyncio.create_task(follow(name)) for name in FILTERS]
    for turn in range(20):
        for number in range(10):
            name = "test.Wanted" if number % 4 == turn % 4 else "test.Other"
            await both.file.append([Append(f"s{number % 3}", ANY, [draft(type=name)])])
        await both.door._client.reconnect()
        await asyncio.sleep(0.01 * (turn % 5))
        if turn in (6, 13):
            await both.restart_server(0.2)
    wanted = {name: [event.position for event in await everything(both.file, **FILTERS[name])] for name in FILTERS}
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_S), heard:
            await heard.wait_for(lambda: positions == wanted)
    assert positions == wanted
    for task in following:
        assert not task.done()
        task.cancel()
    await asyncio.wait(following)


async def test_a_follower_that_takes_pages_goes_on_however_often_its_subscription_breaks(both):
    async with aclosing(both.door.follow()) as pages:
        for _ in range(3 * len(RESUME_PAUSES_S)):
            await both.file.append(one("s"))
            page = await asyncio.wait_for(anext(pages), WAIT_S)
            while not page.events:
                page = await asyncio.wait_for(anext(pages), WAIT_S)
            await both.door._client.reconnect()


async def test_a_follower_goes_on_though_the_connection_is_closed_again_before_it_has_begun(both):
    await both.file.append(one("s"))
    following = asyncio.create_task(first_events(both.door.follow(), 2))
    await asyncio.sleep(0.1)
    for _ in range(6):
        await both.door._client.connection._grpc_channel.close()
        await asyncio.sleep(0.05)
    await both.file.append(one("s"))
    assert await asyncio.wait_for(following, WAIT_S) == await everything(both.file)


async def test_a_call_that_looks_for_the_leader_does_not_wait_for_followers(both):
    await both.file.append(one("s"))
    followers = [both.door.follow(), both.door.follow(types=["test.Never"])]
    for pages in followers:
        await asyncio.wait_for(anext(pages), WAIT_S)
    waiting = [asyncio.create_task(anext(pages)) for pages in followers]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(4):
        await both.door._client.reconnect()
    await both.file.append(one("s"))
    for page in await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S):
        assert page.scanned_to == 2
    for pages in followers:
        await pages.aclose()


async def test_a_page_of_large_events_holds_few_of_them():
    behind = MemoryLedger()
    server = await serve(behind, "127.0.0.1:0", admit=admit_everybody)
    door = await open_ledger(f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    large = bytes(EVENT_BYTES_MAX - 100)
    for _ in range(11):
        await behind.append([Append("s", ANY, [draft(large) for _ in range(4)])])
    pages = [await door.read("s")]
    while (next_from := pages[-1].next_from) is not None:
        pages.append(await door.read("s", from_version=next_from))
    assert [event for page in pages for event in page.events] == (await behind.read("s")).events
    read_of_one = pages
    pages = [await door.read_all()]
    while not pages[-1].at_head:
        pages.append(await door.read_all(pages[-1].scanned_to))
    assert [event for page in pages for event in page.events] == await everything(behind)
    for page in [*read_of_one, *pages]:
        assert sum(len(event.data) for event in page.events) <= PAGE_BYTES_MAX + len(large)
    await door.close()
    await server.stop(grace_s=0)
    await behind.close()


async def test_a_follower_is_told_when_the_server_stays_away(both):
    pages = both.door.follow()
    async with aclosing(pages):
        waiting = asyncio.create_task(anext(pages))
        await asyncio.sleep(0.1)
        await both.server.stop(grace_s=0)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, WAIT_S)
    both.server = await serve(both.file, f"127.0.0.1:{both.server.port}", admit=admit_everybody)
    await both.file.append(one("s"))
    assert len(await asyncio.wait_for(first_events(both.door.follow(), 1), WAIT_S)) == 1


async def test_a_follower_of_a_door_that_is_closed_is_told(both):
    waiting = asyncio.create_task(first_events(both.door.follow(), 1))
    await asyncio.sleep(0.1)
    await both.door.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(waiting, WAIT_S)


async def test_appends_go_on_when_the_server_comes_back(both):
    await both.door.append(one("s", NO_STREAM))
    await both.server.stop(grace_s=0)
    call = one("s", 0)
    with pytest.raises(Unavailable):
        await both.door.append(call)
    both.server = await serve(both.file, f"127.0.0.1:{both.server.port}", admit=admit_everybody)
    assert (await both.door.append(call)).versions == (1,)
    assert (await both.door.append(call)).repeated


async def test_nothing_is_lost_or_twice_while_the_server_comes_and_goes(both):
    """Writers repeat what they know nothing of, as the port allows."""
    stop = asyncio.Event()

    async def write(name):
        count = 0
        while not stop.is_set():
            call = [Append(name, count - 1 if count else NO_STREAM, drafts(1)), *one(f"{name}-{count}", NO_STREAM, 2)]
            while True:
                try:
                    await both.door.append(call)
                except Unavailable:
                    await asyncio.sleep(0.05)
                else:
                    break
            count += 1
        return count

    writers = [asyncio.create_task(write(name)) for name in "abcd"]
    for _ in range(3):
        await asyncio.sleep(0.4)
        await both.restart_server(0.1)
    await asyncio.sleep(0.4)
    stop.set()
    counts = await asyncio.wait_for(asyncio.gather(*writers), WAIT_S)
    events = await everything(both.file)
    for name, count in zip("abcd", counts, strict=True):
        assert [e.version for e in events if e.stream == name] == list(range(count))
        assert len([e for e in events if e.stream.startswith(f"{name}-")]) == 2 * count
    assert await everything(both.door) == events


async def test_a_slow_follower_keeps_few_pages_in_memory():
    """The server waits for it, and nobody else waits for the server."""
    behind = MemoryLedger()
    server = await serve(behind, "127.0.0.1:0", admit=admit_everybody)
    door = await open_ledger(f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    for index in range(40):
        await behind.append(
            [Append(f"s{index}", ANY, [Draft(bytes([n]) * 16, "t.A", bytes(100_000)) for n in range(10)])]
        )
    slow = door.follow(limit=5)
    first = await anext(slow)
    await asyncio.sleep(0.3)
    (inflow,) = door._inflows
    assert len(inflow._events) <= 11
    assert len(await asyncio.wait_for(first_events(door.follow(), 400), WAIT_S)) == 400
    rest = await asyncio.wait_for(first_events(slow, 395), WAIT_S)
    assert [*first.events, *rest] == await everything(behind)
    await door.close()
    await server.stop(grace_s=0)
    await behind.close()


async def test_a_conflict_tells_the_same_at_both_doors(both):
    await both.file.append(one("s", NO_STREAM, 3))
    for expected in (NO_STREAM, 0, 1, 7):
        with pytest.raises(Conflict) as at_door:
            await both.door.append([*one("new", NO_STREAM), *one("s", expected)])
        with pytest.raises(Conflict) as at_file:
            await both.file.append([*one("new", NO_STREAM), *one("s", expected)])
        assert str(at_door.value) == str(at_file.value)
