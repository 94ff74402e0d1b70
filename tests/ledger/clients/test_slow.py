"""Consumers that stop reading, and subscriptions to which nothing is said for long."""

import asyncio
import os
import time
from contextlib import AsyncExitStack

import grpc
import pytest
from kurrentdbclient import AsyncKurrentDBClient, StreamState
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2, streams_pb2_grpc

from tests.ledger.clients.serving import Serving
from tests.ledger.clients.speaking import new

EVENTS, EVENT_BYTES = 1_200, 50_000
"""60 MB in all."""
CONSUMERS = 12
GROWTH_BYTES_MAX = 120 << 20
"""What the slow consumers may make of the server: a sixth of what it would be if it kept for each what it is owed."""

PATIENT = "TEST_IDLE_SUBSCRIPTIONS" in os.environ
IDLE, PING_MS, IDLE_S = (200, 10_000, 120) if PATIENT else (200, 300, 3)
"""Connections of one subscription each, how often each pings, and how long nothing else is said. Clients ping every ten
seconds; a run that is not patient makes them ping about as often in all.
"""

Options = streams_pb2.ReadReq.Options


def asking_for_all(*, live):
    options = Options(
        all=Options.AllOptions(start=shared_pb2.Empty()),
        no_filter=shared_pb2.Empty(),
        uuid_option=Options.UUIDOption(string=shared_pb2.Empty()),
    )
    if live:
        options.subscription.SetInParent()
    else:
        options.count = 1 << 40
    return streams_pb2.ReadReq(options=options)


def asking_for_stream(stream):
    options = Options(
        stream=Options.StreamOptions(
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=stream), start=shared_pb2.Empty()
        ),
        subscription=Options.SubscriptionOptions(),
        no_filter=shared_pb2.Empty(),
        uuid_option=Options.UUIDOption(string=shared_pb2.Empty()),
    )
    return streams_pb2.ReadReq(options=options)


def channel_to(door, number, *options):
    """A connection of its own: channels of the same options would share one."""
    own = ("meterloop.tests.channel", number)
    return grpc.aio.insecure_channel(door.address, options=[own, ("grpc.max_receive_message_length", -1), *options])


async def first_of(call):
    message = await asyncio.wait_for(call.read(), 20)
    assert message is not grpc.aio.EOF
    return message


async def fill(client, stream):
    for _ in range(EVENTS // 100):
        events = [new(data=os.urandom(EVENT_BYTES)) for _ in range(100)]
        await client.append_to_stream(stream, events=events, current_version=StreamState.ANY)


async def test_slow_consumers_cost_little_and_hold_nobody_up(tmp_path):
    with Serving("--insecure-as", "auditor", data=tmp_path) as server:
        client = AsyncKurrentDBClient(server.door.url())
        await client.connect()
        async with AsyncExitStack() as channels:
            await fill(client, "ext-before")
            assert len([event async for event in await client.read_all()]) == EVENTS
            before = server.rss_bytes()
            calls = []
            for at in range(CONSUMERS):
                channel = await channels.enter_async_context(channel_to(server.door, at))
                call = streams_pb2_grpc.StreamsStub(channel).Read(asking_for_all(live=at % 2 == 0))
                await first_of(call)
                calls.append(call)
            writing = asyncio.create_task(fill(client, "ext-after"))
            slowest_s, grown = 0.0, 0
            while not writing.done():
                began = time.monotonic()
                await client.append_to_stream("ext-prompt", events=[new()], current_version=StreamState.ANY)
                await client.get_stream("ext-prompt", backwards=True, limit=1)
                slowest_s = max(slowest_s, time.monotonic() - began)
                grown = max(grown, server.rss_bytes() - before)
                await asyncio.sleep(0.02)
            await writing
            # Whoever reads on after all is given everything, in order.
            positions = []
            while len(positions) < EVENTS * 2:
                message = await first_of(calls[0])
                if message.HasField("event") and message.event.event.stream_identifier.stream_name != b"ext-prompt":
                    positions.append(message.event.commit_position)
            assert positions == sorted(set(positions))
            grown = max(grown, server.rss_bytes() - before)
            for call in calls:
                call.cancel()
        await client.close()
    assert grown < GROWTH_BYTES_MAX, f"{grown >> 20} MiB"
    assert slowest_s < 5.0


@pytest.mark.timeout(IDLE_S + 120)
async def test_idle_subscriptions_are_not_dropped(door, named):
    stream = named("x").encode()
    pinging = [
        ("grpc.keepalive_time_ms", PING_MS),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    async with AsyncExitStack() as channels:
        calls = []
        for at in range(IDLE):
            channel = await channels.enter_async_context(channel_to(door, at, *pinging))
            calls.append(streams_pb2_grpc.StreamsStub(channel).Read(asking_for_stream(stream)))
        for call in calls:
            assert (await first_of(call)).WhichOneof("content") == "confirmation"
        await asyncio.sleep(IDLE_S)
        assert not [call for call in calls if call.done()]
        client = AsyncKurrentDBClient(door.url())
        await client.connect()
        event = new()
        await client.append_to_stream(named("x"), events=[event], current_version=StreamState.NO_STREAM)
        for call in calls:
            message = await first_of(call)
            while message.WhichOneof("content") != "event":
                message = await first_of(call)
            assert message.event.event.id.string == str(event.id)
            call.cancel()
        await client.close()
