"""The gRPC door with the same parcels: commands, questions, refusals with their details."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from kernel.door import CannotNow, Unidentified
from kernel.grpc_client import RETRY_TOKENS, Peer
from kernel.grpc_server import RpcDoor
from kernel.identity_issuer import issue
from kernel.principal import Principal
from kernel.readiness import Health, Readiness
from kernel.refusal import AgainstRules, NotAllowed, NotFound, Refusal, Stale
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import CLERK, STRANGER, client, parcel_door, parcel_rpc, parcel_rpc_door
from tests.kernel.sample_wire import message, service


class Open(NamedTuple):
    """A door that is open, and who calls it."""

    door: RpcDoor
    port: int
    peer: Peer
    ledger: MemoryLedger
    token: str
    other: str

    async def send(self, name="p1", key="k1", **more):
        given = {"authorization": self.token, "idempotency_key": key} | more
        return await self.peer.call(
            "sample.v1.Parcels/Send", message("Send")(parcel=name, place="A", weight_g=5), message("Outcome"), **given
        )


def bearer(keys, principal: Principal) -> str:
    return f"Bearer {issue(keys, principal)}"


@pytest.fixture
async def rpc(tmp_path) -> AsyncIterator[Open]:
    ledger = MemoryLedger()
    door, port = await parcel_rpc(ledger, tmp_path)
    peer = Peer(f"127.0.0.1:{port}")
    yield Open(door, port, peer, ledger, bearer(tmp_path, CLERK), bearer(tmp_path, STRANGER))
    await peer.close()
    await door.stop(1.0)
    await ledger.close()


async def test_a_command_is_recorded_and_the_same_again_repeated(rpc):
    told = await rpc.send()
    assert (told.stream, told.version, told.position, told.repeated) == ("parcel-p1", 0, 1, False)
    assert list(told.events) == ["sample.Sent"]
    again = await rpc.send()
    assert again.repeated
    assert await rpc.ledger.head() == 1


async def test_a_sealed_ledger_is_said(rpc):
    await rpc.ledger.seal(b"{}")
    with pytest.raises(CannotNow) as refused:
        await rpc.send()
    assert refused.value.code == "ledger.sealed"


async def test_a_socket_is_answered_at_too_and_taken_over_from_a_killed_process(tmp_path):
    at = tmp_path / "rpc.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(at))
    ledger = MemoryLedger()
    door = parcel_rpc_door(ledger, tmp_path, Readiness())
    port = await door.start("127.0.0.1", 0, f"unix:{at}")
    peers = [Peer(f"unix:{at}"), Peer(f"127.0.0.1:{port}")]
    for peer in peers:
        told = await Open(door, port, peer, ledger, bearer(tmp_path, CLERK), "").send()
        assert told.stream == "parcel-p1"
        await peer.close()
    await door.stop(1.0)
    await ledger.close()


@pytest.mark.parametrize("named", ["{path}", "unix:{quoted}"])
async def test_a_socket_may_lie_at_any_path(tmp_path, named):
    at = tmp_path / "数据 100% a+b?c#d;e"
    at.mkdir()
    quoted = quote(str(at / "s"))
    ledger = MemoryLedger()
    door = parcel_rpc_door(ledger, tmp_path, Readiness())
    port = await door.start("127.0.0.1", 0, named.format(path=at / "s", quoted=quoted))
    assert [path.name for path in at.iterdir() if path.is_socket()] == ["s"]
    peer = Peer(f"unix:{quoted}")
    told = await Open(door, port, peer, ledger, bearer(tmp_path, CLERK), "").send()
    assert told.stream == "parcel-p1"
    await peer.close()
    await door.stop(1.0)
    await ledger.close()


@pytest.mark.parametrize("named", ["127.0.0.1:{port}", "localhost:{port}", "ipv4:127.0.0.1:{port}", "unix:s", "s"])
async def test_what_is_no_path_of_a_socket_opens_no_other_port(tmp_path, named):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ledger = MemoryLedger()
    door = parcel_rpc_door(ledger, tmp_path, Readiness())
    with pytest.raises(ValueError, match="a socket file at an absolute path only"):
        await door.start("127.0.0.1", 0, named.format(port=port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    await ledger.close()


async def test_both_doors_make_the_same_id_of_the_same_request(rpc, tmp_path):
    await rpc.send()
    async with client(parcel_door(rpc.ledger, tmp_path), tmp_path) as web:
        body = {"place": "A", "weight_g": 5}
        again = await web.post("/v1/parcels/p1/send", json=body, headers={"Idempotency-Key": "k1"})
    assert again.json()["repeated"] is True
    assert await rpc.ledger.head() == 1


async def test_questions_are_answered_by_the_same_functions(rpc):
    await rpc.send()
    shown = await rpc.peer.call(
        "sample.v1.Parcels/WhereIs", message("WhereIs")(parcel="p1"), message("ParcelCard"), authorization=rpc.token
    )
    assert (shown.parcel, shown.place, shown.delivered) == ("p1", "A", False)


async def test_a_list_goes_on_by_its_cursor_and_by_no_other(rpc):
    async def page(**asked):
        return await rpc.peer.call("sample.v1.Parcels/Numbers", message("Numbers")(**asked), message("NumberPage"))

    first = await page(odd=True, limit=10)
    assert [row.number for row in first.items] == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    last = await page(odd=True, limit=10, cursor=first.next)
    assert [row.number for row in last.items] == [21, 23, 25]
    assert not last.HasField("next")
    with pytest.raises(Refusal) as refused:
        await page(limit=10, cursor=first.next)
    assert refused.value.code == "request.bad_cursor"


@pytest.mark.parametrize(
    ("more", "kind", "code"),
    [
        ({"authorization": None}, Unidentified, "identity.missing_token"),
        ({"authorization": "Basic abc"}, Unidentified, "identity.not_bearer"),
        ({"idempotency_key": None}, Refusal, "request.no_idempotency_key"),
        ({"idempotency_key": "a b"}, Refusal, "request.bad_idempotency_key"),
        ({"expected_version": 7}, Stale, "command.stale_version"),
    ],
)
async def test_metadata_of_a_command(rpc, more, kind, code):
    with pytest.raises(kind) as refused:
        await rpc.send(**more)
    assert refused.value.code == code
    assert await rpc.ledger.head() == 0


async def test_refusals_come_back_as_they_were(rpc):
    await rpc.send()
    with pytest.raises(AgainstRules) as refused:
        await rpc.send(key="k2")
    assert str(refused.value) == "parcel.sent_already: 包裹 p1 已寄出 / parcel p1 has been sent already"
    with pytest.raises(NotAllowed):
        await rpc.send(key="k3", authorization=rpc.other)
    with pytest.raises(NotFound):
        await rpc.peer.call(
            "sample.v1.Parcels/WhereIs", message("WhereIs")(parcel="p9"), message("ParcelCard"), authorization=rpc.token
        )


async def test_a_status_tells_its_code_both_languages_and_the_field(rpc):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{rpc.port}") as channel:
        call = channel.unary_unary("/sample.v1.Parcels/Send")
        body = message("Send")(parcel="p1", place="A", weight_g=-1).SerializeToString()
        metadata = [("authorization", rpc.token), ("idempotency-key", "k")]
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(body, metadata=metadata, timeout=5)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    info, zh, en, bad = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.LocalizedMessage(),
        error_details_pb2.LocalizedMessage(),
        error_details_pb2.BadRequest(),
    )
    details = rpc_status.from_call(failed.value).details
    assert all(one.Unpack(into) for one, into in zip(details, (info, zh, en, bad), strict=True))
    assert (info.reason, info.domain) == ("input.out_of_range", "meterloop")
    assert (zh.locale, en.locale) == ("zh-CN", "en")
    assert [one.field for one in bad.field_violations] == ["weight_g"]


async def test_a_call_without_a_deadline_is_refused(rpc):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{rpc.port}") as channel:
        call = channel.unary_unary("/sample.v1.Parcels/Send")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"")
    assert "request.no_deadline" in failed.value.details()


async def test_bytes_that_are_no_message_are_refused(rpc):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{rpc.port}") as channel:
        call = channel.unary_unary("/sample.v1.Parcels/Send")
        metadata = [("authorization", rpc.token), ("idempotency-key", "k")]
        for body in (b"\xff" * 20, b"\x0a\x05ab", b"\x0a\x02\xff\xfe"):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call(body, metadata=metadata, timeout=5)
            assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "input.not_proto" in failed.value.details()


async def test_health_says_whether_to_come_here(rpc):
    assert not await rpc.peer.ready(5)
    await rpc.door.say(serving_now=True)
    assert await rpc.peer.ready(5)
    await rpc.door.say(serving_now=False)
    assert not await rpc.peer.ready(5)


async def test_health_names_the_checks_that_are_not_passed(tmp_path):
    ledger, readiness = MemoryLedger(), Readiness()
    found = {
        "ledger": Health(ok=True),
        "views": Health(ok=True, degraded=True, detail="a stopped view"),
        "database": Health(ok=False),
    }

    def check(name):
        async def ask():
            return found[name]

        return ask

    for name in found:
        readiness.add(name, check(name))
    door, port = await parcel_rpc(ledger, tmp_path, readiness)
    peer = Peer(f"127.0.0.1:{port}")
    assert await peer.checks_not_passed(5) is None, "no calls should come here yet"
    await door.say(serving_now=True)
    assert await peer.checks_not_passed(5) == {"views", "database"}
    found |= dict.fromkeys(found, Health(ok=True))
    assert await peer.checks_not_passed(5) == frozenset()
    assert await peer.ready(5)
    await door.stop(1)
    assert await peer.checks_not_passed(0.2) is None
    await peer.close()
    await ledger.close()


async def test_a_peer_that_is_away_is_a_refusal_to_try_again():
    peer = Peer("127.0.0.1:1")
    with pytest.raises(CannotNow) as refused:
        await peer.call("sample.v1.Parcels/Send", message("Send")(), message("Outcome"), timeout_s=3)
    assert refused.value.code == "peer.unavailable"
    await peer.close()


@asynccontextmanager
async def failing(times, code):
    """A call to a server that fails so many times before it answers, and the time left at each asking."""
    asked = []

    async def answer(_: bytes, context) -> bytes:
        asked.append(context.time_remaining())
        if len(asked) <= times:
            await context.abort(code, "away")
        return b""

    handler = grpc.unary_unary_rpc_method_handler(answer)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("sample.v1.Parcels", {"Send": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    peer = Peer(f"127.0.0.1:{port}")

    async def send():
        return await peer.call("sample.v1.Parcels/Send", message("Send")(), message("Outcome"), timeout_s=5)

    try:
        yield send, asked
    finally:
        await peer.close()
        await server.stop(0)


async def test_a_call_that_did_not_get_through_is_tried_again_within_its_deadline():
    async with failing(2, grpc.StatusCode.UNAVAILABLE) as (send, asked):
        await send()
    assert len(asked) == 3
    # The two ends read their clocks apart, so a little more may seem to be left than was given.
    assert all(left_s < 5.5 for left_s in asked)


async def test_a_call_that_was_refused_is_not_tried_again():
    async with failing(1, grpc.StatusCode.FAILED_PRECONDITION) as (send, asked):
        with pytest.raises(Refusal):
            await send()
    assert len(asked) == 1


async def test_the_budget_for_retries_ends_where_nothing_succeeds():
    async with failing(10_000, grpc.StatusCode.UNAVAILABLE) as (send, asked):
        for _ in range(RETRY_TOKENS):
            with pytest.raises(CannotNow):
                await send()
    # Twenty calls would be sixty attempts; ten tokens of twenty are spent on retries, then calls go once.
    assert RETRY_TOKENS < len(asked) <= RETRY_TOKENS + RETRY_TOKENS // 2


async def test_a_method_that_nobody_answers_stops_the_service_before_it_starts(rpc):
    with pytest.raises(ValueError, match=r"Parcels/Send takes Send, which nobody here answers"):
        rpc.door.service(service("Parcels"))


async def test_the_port_of_another_is_not_shared(rpc):
    with pytest.raises(OSError, match="cannot listen"):
        await rpc.door.start("127.0.0.1", rpc.port)
