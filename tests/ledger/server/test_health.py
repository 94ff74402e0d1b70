"""gRPC's health service: who may ask, and what it costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ledger.memory import MemoryLedger
from ledger.server.access import OPEN, Busy, Grant, NotAdmitted, Withdrawal
from ledger.server.running import Limits, serve
from tests.ledger.server.asking import first, reading, subscription

HEALTH = "/grpc.health.v1.Health"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
STREAMS = "event_store.client.streams.Streams"
FRIEND = (("authorization", "friend"),)
BIG = bytes(2 << 20)
"""More than the servers of these tests take of anybody."""


@asynccontextmanager
async def serving(withdrawal: Withdrawal | None = None, **limits: Any) -> AsyncIterator[grpc.aio.Channel]:
    async def admit(authorization: str | None) -> Grant:
        if authorization == "hurried":
            raise Busy
        if authorization != "friend":
            raise NotAdmitted
        return msgspec.structs.replace(OPEN, withdrawal=withdrawal)

    limited = Limits(request_bytes_max=1 << 20, **limits)
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=admit, limits=limited)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel
    await server.stop(grace_s=0)


async def answer(call: Any) -> int:
    async with asyncio.timeout(10):
        return health_pb2.HealthCheckResponse.FromString(await call).status


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(10):
            await call
    return caught.value.code()


async def test_strangers_are_told_and_not_listened_to():
    """What they say would be held before anybody knew whose it is: neither how long it is, nor that it never ends."""
    async with serving() as channel:
        assert await answer(channel.unary_unary(f"{HEALTH}/Check")(b"")) == SERVING
        assert await answer(channel.unary_unary(f"{HEALTH}/Check")(BIG)) == SERVING
        assert await answer(channel.stream_unary(f"{HEALTH}/Check")()) == SERVING
        assert await answer(channel.unary_unary(f"{HEALTH}/Check")(b"", metadata=(("authorization", "hurried"),))) == 1
        for call in (channel.unary_stream(f"{HEALTH}/Watch")(BIG), channel.stream_stream(f"{HEALTH}/Watch")()):
            assert await refused(call.read()) is grpc.StatusCode.UNAUTHENTICATED
        assert await refused(channel.stream_unary(f"{HEALTH}/List")()) is grpc.StatusCode.UNIMPLEMENTED


async def test_who_is_admitted_asks_for_a_service():
    async with serving() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", STREAMS, "grpc.health.v1.Health"):
            asked = health_pb2.HealthCheckRequest(service=name)
            assert (await health.Check(asked, metadata=FRIEND)).status == SERVING
            assert (await health.Watch(asked, metadata=FRIEND).read()).status == SERVING
        unknown = health_pb2.HealthCheckRequest(service="none")
        assert await refused(health.Check(unknown, metadata=FRIEND)) is grpc.StatusCode.NOT_FOUND
        assert (await health.Watch(unknown, metadata=FRIEND).read()).status == SERVICE_UNKNOWN


async def test_names_have_a_length():
    async with serving() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        long = health_pb2.HealthCheckRequest(service="x" * 1_024)
        for call in (health.Check(long, metadata=FRIEND), health.Watch(long, metadata=FRIEND).read()):
            assert await refused(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_where_no_place_is_left_it_can_still_be_checked():
    async with serving(calls_max=1) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest()
        watching = health.Watch(asked, metadata=FRIEND)
        await watching.read()
        assert await refused(health.Watch(asked, metadata=FRIEND).read()) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await health.Check(asked, metadata=FRIEND)).status == SERVING
        assert (await health.Check(asked)).status == SERVING
        watching.cancel()


async def test_who_watches_by_a_grant_that_is_withdrawn_hears_of_it():
    withdrawal = Withdrawal()
    async with serving(withdrawal) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watching = [health.Watch(health_pb2.HealthCheckRequest(service=name), metadata=FRIEND) for name in ("", "none")]
        assert [(await call.read()).status for call in watching] == [SERVING, SERVICE_UNKNOWN]
        silent = channel.stream_stream(f"{HEALTH}/Watch")(metadata=FRIEND)
        unary = channel.stream_unary(f"{HEALTH}/Check")(metadata=FRIEND)
        await asyncio.sleep(0.2)
        withdrawal.withdraw()
        for call in (watching[0].read(), watching[1].read(), silent.read(), unary):
            assert await refused(call) is grpc.StatusCode.UNAUTHENTICATED


async def test_who_watches_is_told_of_a_stop_and_does_not_hold_it_up():
    async def admit(_authorization: str | None) -> Grant:
        return OPEN

    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=admit)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        async with asyncio.timeout(10), reading(f"127.0.0.1:{server.port}", subscription()) as subscribed:
            await first(subscribed, 2)
            await server.stop(grace_s=60)
        assert (await watching.read()).status == NOT_SERVING
        assert await refused(watching.read()) is grpc.StatusCode.UNAVAILABLE
