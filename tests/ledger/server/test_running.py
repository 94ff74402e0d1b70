"""What a client asks before anything else, and what the server does besides answering calls."""

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kurrentdbclient import AsyncKurrentDBClient
from kurrentdbclient.protos.v1 import gossip_pb2

from ledger.kurrent import KurrentLedger
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Unavailable
from ledger.server.access import PEER, Busy, Grant, NotAdmitted, Withdrawal, admit_everybody
from ledger.server.features import METHOD, SERVICE, SupportedMethods
from ledger.server.running import Limits, serve
from tests.ledger.making import drafts
from tests.ledger.server.asking import first, options, read, reading, refused, revisions, subscription
from tests.ledger.server.conftest import Door

HEALTH = health_pb2.HealthCheckResponse


async def nobody(_authorization: str | None) -> Grant:
    raise NotAdmitted


async def members(target: str) -> Sequence[gossip_pb2.MemberInfo]:
    async with grpc.aio.insecure_channel(target) as channel:
        answer = await channel.unary_unary("/event_store.client.gossip.Gossip/Read")(b"")
    return gossip_pb2.ClusterInfo.FromString(answer).members


async def test_a_client_that_discovers_finds_this_server(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(1))])
    client = AsyncKurrentDBClient(f"kurrentdb+discover://{served.target}?tls=false")
    await client.connect()
    [member] = await members(served.target)
    assert (member.state, member.is_alive) == (gossip_pb2.MemberInfo.Leader, True)
    assert f"{member.http_end_point.address}:{member.http_end_point.port}" == served.target
    assert len(await client.get_stream("thing-1")) == 1
    await client.close()


async def test_every_address_is_none_to_connect_to():
    server = await serve(MemoryLedger(), "0.0.0.0:0", admit=admit_everybody)
    [member] = await members(f"127.0.0.1:{server.port}")
    assert member.http_end_point.address not in ("", "0.0.0.0")
    await server.stop(grace_s=0)


async def test_what_the_server_can_do_is_told_to_everybody():
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=nobody)
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(target) as channel:
        answer = SupportedMethods.FromString(await channel.unary_unary(f"/{SERVICE}/{METHOD}")(b""))
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    told = {(method.service_name, method.method_name): list(method.features) for method in answer.methods}
    assert told["event_store.client.streams.streams", "read"] == ["position", "events"]
    assert told["event_store.client.streams.streams", "batchappend"] == ["deadline_duration"]
    assert all(name == name.lower() for names in told for name in names)
    assert answer.event_store_server_version == "26.1.0"
    assert health.status == HEALTH.SERVING
    assert (await refused(target, options())).code() == grpc.StatusCode.UNAUTHENTICATED
    await server.stop(grace_s=0)


async def busy(_authorization: str | None) -> Grant:
    raise Busy("稍后再试。try again shortly")


async def test_who_cannot_be_looked_at_now_is_not_told_that_it_may_not():
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=busy)
    error = await refused(f"127.0.0.1:{server.port}", options())
    assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "稍后再试。try again shortly")
    with pytest.raises(Unavailable):
        await KurrentLedger.open(f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    await server.stop(grace_s=0)


async def test_an_admission_knows_the_address_of_who_calls():
    peers = []

    async def admit(_authorization: str | None) -> Grant:
        peers.append(PEER.get())
        raise NotAdmitted

    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=admit)
    await refused(f"127.0.0.1:{server.port}", options())
    assert peers == ["ipv4:127.0.0.1"]
    await server.stop(grace_s=0)


async def test_two_servers_do_not_share_a_port(served: Door):
    with pytest.raises(OSError, match="cannot listen"):
        await serve(served.ledger, served.target, admit=admit_everybody)


async def answers_or_status(target: str) -> list[int] | grpc.StatusCode:
    try:
        return revisions(await read(target, options()))
    except grpc.aio.AioRpcError as error:
        return error.code()


async def test_calls_beyond_the_limit_are_refused_and_those_under_way_go_on():
    ledger = MemoryLedger()
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody, limits=Limits(calls_max=2))
    target = f"127.0.0.1:{server.port}"
    async with reading(target, subscription()) as one:
        async with reading(target, subscription()) as other:
            await first(one, 2)
            await first(other, 2)
            assert (await refused(target, options())).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            await ledger.append([Append("thing-1", ANY, drafts(1))])
            assert revisions([await one.read(), await other.read()]) == [0, 0]
        # The place becomes free when the server has heard of it.
        async with asyncio.timeout(10):
            answered = await answers_or_status(target)
            while answered == grpc.StatusCode.RESOURCE_EXHAUSTED:
                answered = await answers_or_status(target)
        assert answered == [0]
    await server.stop(grace_s=0)


HOLDERS: dict[str, Withdrawal] = {}


async def known_by_name(authorization: str | None) -> Grant:
    """`service`, or anybody else who says a name, with as many blanks behind it as he likes."""
    if authorization is None:
        raise NotAdmitted
    name = authorization.strip()
    withdrawal = HOLDERS.setdefault(name, Withdrawal())
    return Grant(reads=None, all_streams=True, carries=name == "service", withdrawal=withdrawal)


async def test_strangers_take_nobody_s_place():
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=known_by_name, limits=Limits(calls_max=4))
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watched = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(8)]
        for call in watched:
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await call.read()
            assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED
        # These say nothing and keep their calls open.
        silent = [channel.stream_unary("/event_store.client.streams.Streams/Append")() for _ in range(8)]
        silent += [channel.stream_unary("/event_store.client.gossip.Gossip/Read")() for _ in range(8)]
        for call in silent:
            await call.wait_for_connection()
        assert await read(target, options(), authorization="somebody") is not None
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == HEALTH.SERVING
        for call in silent:
            call.cancel()
    await server.stop(grace_s=0)


async def watching(channel: grpc.aio.Channel, name: str) -> grpc.StatusCode | None:
    """A call kept open by who says this name; what it was refused with."""
    asked = health_pb2.HealthCheckRequest()
    call = health_pb2_grpc.HealthStub(channel).Watch(asked, metadata=(("authorization", name),))
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


async def test_one_caller_leaves_places_to_others_and_all_of_them_leave_the_services_theirs():
    limits = Limits(calls_max=4, calls_each_max=3)
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=known_by_name, limits=limits)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
        spelled = ["one", "one ", "one  ", "one   "]
        assert [await watching(channel, name) for name in spelled] == [None, None, None, exhausted]
        assert [await watching(channel, "other") for _ in range(2)] == [None, exhausted]
        assert [await watching(channel, "service") for _ in range(5)] == [None, None, None, None, exhausted]
    await server.stop(grace_s=0)
