"""Catch-up subscriptions through both Python clients."""

import asyncio
import itertools

import pytest
from kurrentdbclient import StreamState
from kurrentdbclient.exceptions import GrpcDeadlineExceededError

from tests.ledger.clients.speaking import ids, new, take

QUIET_S = 0.3
"""Long enough for what must not come to have come."""


async def append(client, stream, count=1, type_="test.Happened"):
    events = [new(type_) for _ in range(count)]
    await client.append_to_stream(stream, events=events, current_version=StreamState.ANY)
    return ids(events)


async def silent(subscription):
    """Nothing comes. The subscription is of no use after it."""
    with pytest.raises((TimeoutError, StopAsyncIteration)):
        await asyncio.wait_for(anext(subscription), QUIET_S)
    await subscription.stop()


async def test_a_stream_from_its_beginning_and_on(client, named):
    stream = named("x")
    before = await append(client, stream, 3)
    subscription = await client.subscribe_to_stream(stream)
    assert subscription.subscription_id
    assert ids(await take(subscription, 3)) == before
    for _ in range(3):
        now = await append(client, stream, 2)
        await append(client, named("another"))
        events = await take(subscription, 2)
        assert ids(events) == now
    assert [event.stream_position for event in events] == [7, 8]
    await subscription.stop()


async def test_a_stream_after_a_position_and_from_its_end(client, named):
    stream = named("x")
    before = await append(client, stream, 3)
    after = await client.subscribe_to_stream(stream, stream_position=0)
    end = await client.subscribe_to_stream(stream, from_end=True)
    assert ids(await take(after, 2)) == before[1:]
    now = await append(client, stream)
    assert ids(await take(after, 1)) == ids(await take(end, 1)) == now
    await silent(end)
    await after.stop()


async def test_a_stream_that_is_not_there_yet(client, named):
    subscriptions = [
        await client.subscribe_to_stream(named("later")),
        await client.subscribe_to_stream(named("later"), from_end=True),
    ]
    now = await append(client, named("later"), 2)
    for subscription in subscriptions:
        assert ids(await take(subscription, 2)) == now
        await subscription.stop()


async def test_a_stream_says_when_it_has_caught_up(client, named):
    stream = named("x")
    before = await append(client, stream, 3)
    subscription = await client.subscribe_to_stream(stream, include_caught_up=True)
    *events, told = await take(subscription, 4)
    assert ids(events) == before
    assert told.is_caught_up
    assert told.stream_position == 2
    assert told.recorded_at is not None
    now = await append(client, stream)
    assert ids([event for event in await take(subscription, 1) if not event.is_caught_up]) == now
    await subscription.stop()


async def test_the_log_from_a_position_and_on(client, named):
    start = await client.get_commit_position()
    before = await append(client, named("x"), 3)
    # After the position: the event there has been seen.
    first = await client.read_all(commit_position=start + 1, limit=1)
    seen = [event.commit_position async for event in first]
    subscription = await client.subscribe_to_all(commit_position=seen[0])
    assert ids(await take(subscription, 2)) == before[1:]
    now = await append(client, named("y"), 2)
    assert ids(await take(subscription, 2)) == now
    await subscription.stop()


async def test_the_log_from_its_beginning(client, named):
    before = await append(client, named("x"))
    subscription = await client.subscribe_to_all()
    positions = []
    async for event in subscription:
        positions.append(event.commit_position)
        if event.id == before[0]:
            break
    assert positions == sorted(set(positions))
    await subscription.stop()


async def test_the_log_from_its_end(client, named):
    await append(client, named("x"), 3)
    subscription = await client.subscribe_to_all(from_end=True, include_caught_up=True)
    assert (await take(subscription, 1))[0].is_caught_up
    now = await append(client, named("x"))
    assert ids(await take(subscription, 1)) == now
    await subscription.stop()


async def test_the_log_says_when_it_has_caught_up(client, named):
    start = await client.get_commit_position()
    before = await append(client, named("x"), 3)
    subscription = await client.subscribe_to_all(commit_position=start, include_caught_up=True)
    *events, told = await take(subscription, 4)
    assert ids(events) == before
    assert told.is_caught_up
    assert told.commit_position == events[-1].commit_position
    await subscription.stop()


FILTERS = {
    "types": {"filter_include": ["test.Red", "test.Green"]},
    "types excluded": {"filter_exclude": ["test.Blue"]},
    "types by prefix": {"filter_include": ["test.R", "test.G"], "filter_by_prefix": True},
}


@pytest.mark.parametrize("case", FILTERS)
async def test_the_log_by_type(client, named, case):
    start = await client.get_commit_position()
    kinds = itertools.cycle(["test.Red", "test.Blue", "test.Green", "test.Blue"])
    before = [(kind, *await append(client, named("x"), type_=kind)) for kind in itertools.islice(kinds, 6)]
    subscription = await client.subscribe_to_all(commit_position=start, **FILTERS[case])
    wanted = [id_ for kind, id_ in before if kind != "test.Blue"]
    assert ids(await take(subscription, len(wanted))) == wanted
    await append(client, named("x"), 3, "test.Blue")
    now = await append(client, named("x"), 1, "test.Red")
    assert ids(await take(subscription, 1)) == now
    await subscription.stop()


async def test_the_log_by_name_of_stream(client, named):
    start = await client.get_commit_position()
    by_pattern = await client.subscribe_to_all(
        commit_position=start, filter_include=[named("wanted") + ".*"], filter_by_stream_name=True
    )
    by_prefix = await client.subscribe_to_all(
        commit_position=start, filter_include=[named("wanted")], filter_by_stream_name=True, filter_by_prefix=True
    )
    one = await append(client, named("wanted-1"))
    await append(client, named("other"))
    two = await append(client, named("wanted-2"))
    for subscription in (by_pattern, by_prefix):
        assert ids(await take(subscription, 2)) == one + two
        await subscription.stop()


@pytest.mark.parametrize("live", [False, True], ids=["catching up", "live"])
async def test_checkpoints_say_how_far_a_filter_has_looked(client, named, live):
    start = await client.get_commit_position()
    told = {
        "commit_position": start,
        "filter_include": ["test.Red"],
        "include_checkpoints": True,
        "window_size": 10,
        "checkpoint_interval_multiplier": 2,
    }
    subscription = await client.subscribe_to_all(**told) if live else None
    for _ in range(5):
        await append(client, named("x"), 20, "test.Blue")
    [red] = await append(client, named("x"), 1, "test.Red")
    end = await client.get_commit_position()
    subscription = subscription or await client.subscribe_to_all(**told)
    seen = [await anext(subscription)]
    while seen[-1].is_checkpoint:
        seen.extend(await take(subscription, 1))
    *checkpoints, event = seen
    assert event.id == red
    positions = [checkpoint.commit_position for checkpoint in checkpoints]
    assert len(positions) >= 4
    assert positions == sorted(positions)
    assert start <= positions[0]
    assert positions[-1] < event.commit_position <= end
    await subscription.stop()
    # From a checkpoint one goes on and misses nothing.
    resumed = await client.subscribe_to_all(**{**told, "commit_position": positions[2]})
    following = [await anext(resumed)]
    while following[-1].is_checkpoint:
        following.extend(await take(resumed, 1))
    assert following[-1].id == red
    await resumed.stop()


async def test_no_checkpoint_is_ahead_of_the_log(client, named):
    start = await client.get_commit_position()
    subscription = await client.subscribe_to_all(
        commit_position=start,
        filter_include=["test.Red"],
        include_checkpoints=True,
        include_caught_up=True,
        window_size=1,
        checkpoint_interval_multiplier=1,
    )
    for _ in range(5):
        last = await append(client, named("x"), 1, "test.Blue")
    end = await client.get_commit_position()
    red = await append(client, named("x"), 1, "test.Red")
    seen = []
    while not seen or seen[-1].id != red[0]:
        seen.extend(await take(subscription, 1))
    assert all(told.commit_position <= end for told in seen[:-1])
    assert last
    await subscription.stop()


async def test_a_subscription_that_is_stopped_says_no_more(client, named):
    for subscription in (await client.subscribe_to_all(), await client.subscribe_to_stream(named("x"))):
        await append(client, named("x"))
        await subscription.stop()
        assert await take(subscription, 1) == []


async def test_a_subscription_ends_at_its_deadline(client, named):
    await append(client, named("x"), 3)
    subscription = await client.subscribe_to_stream(named("x"), timeout=1.0)
    assert len(await take(subscription, 3)) == 3
    with pytest.raises(GrpcDeadlineExceededError):
        await take(subscription, 1)


async def test_many_subscriptions_see_the_same(client, named):
    subscriptions = [await client.subscribe_to_stream(named("x")) for _ in range(10)]
    subscriptions += [await client.subscribe_to_all(from_end=True) for _ in range(5)]
    now = await append(client, named("x"), 50)
    for subscription in subscriptions:
        assert ids(await take(subscription, 50)) == now
        await subscription.stop()


async def test_a_subscription_catches_up_with_much_and_goes_on(client, named):
    start = await client.get_commit_position()
    before = await append(client, named("x"), 3_000)
    subscription = await client.subscribe_to_all(commit_position=start)
    assert ids(await take(subscription, 1_500)) == before[:1_500]
    now = await append(client, named("x"), 500)
    assert ids(await take(subscription, 2_000)) == before[1_500:] + now
    await subscription.stop()
