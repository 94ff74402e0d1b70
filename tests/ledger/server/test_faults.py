"""Callers that break the protocol, do not listen, go away or come in numbers; a server that stops."""

import asyncio
import os
import time

import grpc
import psutil
import pytest
from kurrentdbclient import KurrentDBClient
from kurrentdbclient.protos.v1 import gossip_pb2, streams_pb2
from structlog.testing import capture_logs

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append
from ledger.server.access import Grant, NotAdmitted, admit_everybody
from ledger.server.running import Limits, serve
from ledger.sqlite import SqliteLedger
from tests.ledger.making import draft, drafts
from tests.ledger.server.asking import READ, filtering, first, kinds, options, read, reading, revisions, subscription
from tests.ledger.server.conftest import Door

STREAMS = "/event_store.client.streams.Streams"
GOSSIP = "/event_store.client.gossip.Gossip/Read"


async def alive(target: str) -> bool:
    async with grpc.aio.insecure_channel(target) as channel:
        answer = await channel.unary_unary(GOSSIP)(b"", timeout=5)
    [member] = gossip_pb2.ClusterInfo.FromString(answer).members
    return member.is_alive and target.endswith(f":{member.http_end_point.port}")


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05abc", b"\x07" * 64])
async def test_bytes_that_are_no_message_are_the_protocol_s_own_error(served: Door, body):
    async with grpc.aio.insecure_channel(served.target) as channel:
        calls = [
            channel.unary_stream(READ)(body).read(),
            channel.stream_unary(f"{STREAMS}/Append")(iter([body])),
            channel.stream_stream(f"{STREAMS}/BatchAppend")(iter([body])).read(),
            channel.unary_unary(f"{STREAMS}/Delete")(body),
        ]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() == grpc.StatusCode.INTERNAL
            assert "pars" in caught.value.details()
    assert await alive(served.target)


async def test_methods_and_services_that_are_not_there_are_unimplemented(served: Door):
    async with grpc.aio.insecure_channel(served.target) as channel:
        for method in (f"{STREAMS}/Forget", "/event_store.client.other.Other/Read"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(method)(b"")
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_beyond_the_limit_is_refused_and_others_go_on():
    ledger = MemoryLedger()
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody, limits=Limits(request_bytes_max=1 << 20))
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_stream(READ)(bytes(2 << 20)).read()
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await alive(target)
    await server.stop(grace_s=0)


async def test_of_strangers_nothing_is_taken_in():
    """Neither what they say, be it longer than is taken of anybody, nor that they say nothing."""

    async def deny(_authorization: str | None) -> Grant:
        raise NotAdmitted

    limits = Limits(request_bytes_max=1 << 20)
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=deny, limits=limits)
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(target) as channel:
        for call in (
            channel.unary_stream(READ)(bytes(2 << 20)).read(),
            channel.unary_unary(f"{STREAMS}/Delete")(bytes(2 << 20)),
            channel.stream_stream(READ)().read(),
            channel.stream_unary(f"{STREAMS}/Delete")(),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async with asyncio.timeout(10):
                    await call
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        async with asyncio.timeout(10):
            for call in (channel.unary_unary(GOSSIP)(bytes(2 << 20)), channel.stream_unary(GOSSIP)()):
                assert gossip_pb2.ClusterInfo.FromString(await call).members
    await server.stop(grace_s=0)


def tasks() -> set[asyncio.Task[object]]:
    """Those of the server, which runs in the test's own loop, but for the one that waits for the next call."""
    return {task for task in asyncio.all_tasks() if "_request_call" not in repr(task)}


async def come_to(before: set[asyncio.Task[object]]) -> None:
    """Wait until no task is left but these."""
    async with asyncio.timeout(5):
        while left := tasks() - before:
            await asyncio.wait(left, timeout=0.05)


async def test_calls_that_are_cancelled_or_overdue_leave_nothing_behind(served: Door, caplog: pytest.LogCaptureFixture):
    await served.ledger.append([Append("thing-1", ANY, [draft(bytes(100_000)) for _ in range(100)])])
    before = tasks()
    with capture_logs() as logged, caplog.at_level("WARNING"):
        for asked in (options("thing-1"), options(), subscription("thing-1"), subscription(), subscription("other")):
            async with reading(served.target, asked) as call:
                await call.read()
                assert tasks() - before
            await come_to(before)
    assert logged == []
    assert caplog.messages == []
    async with grpc.aio.insecure_channel(served.target) as channel:
        body = streams_pb2.ReadReq(options=subscription()).SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [answer async for answer in channel.unary_stream(READ)(body, timeout=0.3)]
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await come_to(before)


async def test_a_stopping_server_tells_its_subscribers_at_once(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(1))])
    async with reading(served.target, subscription()) as call, reading(served.target, subscription("other")) as other:
        await first(call, 3)
        await first(other, 2)
        begun_s = time.monotonic()
        await served.server.stop(grace_s=30)
        assert time.monotonic() - begun_s < 10
        for ended in (call, other):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ended.read()
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_ledger_that_closes_ends_subscriptions_as_unavailable(served: Door):
    async with reading(served.target, subscription()) as call:
        await first(call, 2)
        await served.ledger.close()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


EVENT_BYTES = 64 << 10
EVENTS = 2_000
"""125 MiB of them."""


async def test_who_does_not_read_costs_little_memory_and_nobody_s_time(tmp_path):
    """Of a log of 125 MiB: four calls of every kind that stop after the first answer, while others read and append."""
    ledger = await SqliteLedger.open(tmp_path / "ledger.db")
    data = os.urandom(EVENT_BYTES)
    for start in range(0, EVENTS, 100):
        await ledger.append([Append("big-1", ANY, [draft(data) for _ in range(100)])])
        assert start <= EVENTS
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody)
    target = f"127.0.0.1:{server.port}"
    process = psutil.Process()
    await read(target, options("big-1", count=50))
    before_bytes = process.memory_info().rss
    asked = [options("big-1"), options(), subscription("big-1"), subscription(filter=filtering(type="."))]
    held = [reading(target, one) for one in asked * 4]
    for call in held:
        await (await call.__aenter__()).read()
    waits_s = []
    for index in range(100):
        begun_s = time.monotonic()
        await ledger.append([Append("other-1", ANY, drafts(1))])
        assert revisions(await read(target, options("other-1", count=1))) == [0]
        waits_s.append(time.monotonic() - begun_s)
        if index % 25 == 0:
            assert len(await read(target, options("big-1", count=100))) == 100
    grown_bytes = process.memory_info().rss - before_bytes
    for call in held:
        await call.__aexit__(None, None, None)
    await server.stop(grace_s=0)
    await ledger.close()
    # Both ends of the calls are in this process. Without bounds it would be the log for each call: 2 GiB.
    assert grown_bytes < 256 << 20, f"{grown_bytes >> 20} MiB for {len(held)} calls"
    assert sorted(waits_s)[50] < 0.2


async def test_a_slow_subscriber_of_a_busy_log_goes_back_to_its_pages_and_misses_nothing(served: Door):
    """More than the tail holds is written while the subscriber does not read."""
    data = os.urandom(200_000)
    async with reading(served.target, subscription("big-1")) as call:
        await first(call, 2)
        for _ in range(50):
            await served.ledger.append([Append("big-1", ANY, [draft(data) for _ in range(4)])])
        seen: list[int] = []
        told = 0
        while len(seen) < 200:
            answer = await call.read()
            seen += revisions([answer])
            told += answer.HasField("caught_up")
        assert seen == list(range(200))
        assert kinds([await call.read()]) == ["caught_up"]
        assert told == 0


async def idle_with_pings(served: Door, subscriptions: int, ping_s: float, idle_s: float) -> int:
    """How many of so many idle subscriptions still get what is recorded afterwards."""
    pings = [
        ("grpc.keepalive_time_ms", int(ping_s * 1_000)),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    body = streams_pb2.ReadReq(options=subscription("thing-1")).SerializeToString()
    channels = [grpc.aio.insecure_channel(served.target, options=pings) for _ in range(4)]
    calls = [channels[index % 4].unary_stream(READ)(body) for index in range(subscriptions)]
    for call in calls:
        await call.read()
        await call.read()
    await asyncio.sleep(idle_s)
    await served.ledger.append([Append("thing-1", ANY, drafts(1))])
    answers = await asyncio.gather(*(call.read() for call in calls))
    for channel in channels:
        await channel.close()
    return sum([revisions([streams_pb2.ReadResp.FromString(answer)]) == [0] for answer in answers])


async def test_idle_subscriptions_live_through_pings(served: Door):
    """A server of default settings ends such a connection at the third ping."""
    assert await idle_with_pings(served, subscriptions=20, ping_s=1.0, idle_s=6) == 20


async def test_the_synchronous_client_is_served_beside_the_others(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(300))])

    def read_all() -> list[int]:
        with KurrentDBClient(f"kurrentdb://{served.target}?tls=false") as client:
            return [event.stream_position for event in client.read_all()]

    assert await asyncio.to_thread(read_all) == list(range(300))
