"""What the adapter makes of servers that are old, away, slow, not the leader, or not what they say."""

import asyncio
import logging
import time
import traceback
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from google.rpc import status_pb2
from kurrentdbclient.protos.kurrent.rpc import errors_pb2 as rpc_errors_pb2
from kurrentdbclient.protos.v1 import gossip_pb2, shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import errors_pb2

from ledger.kurrent import KurrentLedger
from ledger.kurrent_client import Pace
from ledger.open import open_ledger
from ledger.port import ANY, NO_STREAM, Conflict, Rejected, Sealed, Unavailable, WrongLedger
from ledger.server.features import METHOD, SERVICE, SupportedMethods
from tests.ledger.making import everything, first_events, one
from tests.ledger.small_kurrentdb import run_small

STREAMS = "event_store.client.streams.Streams"
GOSSIP = "event_store.client.gossip.Gossip"
SESSIONS = "kurrentdb.protocol.v2.streams.StreamsService"

PASSWORD = "opensesame"

URLS = {
    "another scheme": f"redis://user:{PASSWORD}@localhost:2113",
    "no scheme": f"user:{PASSWORD}@localhost:2113",
    "a file with an option": "sqlite:///ledger.db?mode=ro",
    "no host": f"kurrentdb://user:{PASSWORD}@",
    "an unknown option": f"kurrentdb://user:{PASSWORD}@localhost:2113?tsl=false",
    "a value that cannot be": f"kurrentdb://user:{PASSWORD}@localhost:2113?tls=no",
    "a number that is none": f"kurrentdb://user:{PASSWORD}@localhost:2113?defaultDeadline=long",
    "TLS without a user": "kurrentdb://localhost:2113",
    "a user without a password": "kurrentdb://user@localhost:2113",
    "several names to be found by": f"kurrentdb+discover://user:{PASSWORD}@a:1,b:2",
    "a CA that is not there": f"kurrentdb://user:{PASSWORD}@localhost:2113?tlsCaFile=/nowhere/ca.crt",
}


@pytest.mark.parametrize("why", URLS)
async def test_a_url_that_cannot_be_is_refused_in_both_languages_and_without_its_password(why):
    with pytest.raises(Rejected) as refused:
        await open_ledger(URLS[why])
    said = "".join(traceback.format_exception(refused.value))
    assert PASSWORD not in said
    chinese, _, english = str(refused.value).partition(" / ")
    assert any("\u4e00" <= char <= "\u9fff" for char in chinese)
    assert english


async def test_a_server_that_is_away_is_unavailable_and_its_password_nowhere(caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Unavailable) as away:
        await open_ledger(f"kurrentdb://user:{PASSWORD}@127.0.0.1:1,127.0.0.1:2?tls=false&maxDiscoverAttempts=1")
    with pytest.raises(Unavailable):
        await open_ledger(f"kurrentdb://user:{PASSWORD}@127.0.0.1:1?tls=false")
    assert PASSWORD not in "".join(traceback.format_exception(away.value)) + caplog.text


def answering(answer):
    async def answered(_request, _context):
        return answer

    return grpc.unary_unary_rpc_method_handler(answered)


def supported(version):
    return answering(SupportedMethods(event_store_server_version=version).SerializeToString())


@asynccontextmanager
async def server(services):
    running = grpc.aio.server()
    for name, methods in services.items():
        running.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods)])
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield port
    await running.stop(0)


@pytest.mark.parametrize("version", ["24.10.0", "24.10.5.1234", "23.10.0", "5.0.11", "unreadable", ""])
async def test_a_server_that_is_too_old_is_refused_by_its_version(version):
    async with server({SERVICE: {METHOD: supported(version)}}) as port:
        with pytest.raises(WrongLedger) as refused:
            await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")
    assert (version or "unknown") in str(refused.value)
    assert "25.1" in str(refused.value)


async def test_a_server_that_does_not_know_its_version_is_refused():
    async with server({STREAMS: {}}) as port:
        with pytest.raises(WrongLedger):
            await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")


def identity(content):
    """Answers every read of one event with the first one of `$$meterloop`."""
    event = streams_pb2.ReadResp.ReadEvent.RecordedEvent(
        id=shared_pb2.UUID(string="3f0f6ee0-53a9-4d5d-8a0e-6b0b0d7f7a4b"),
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=b"$$meterloop"),
        metadata={"type": "$metadata", "created": "17000000000000000", "content-type": "application/json"},
        data=content,
    )
    answer = streams_pb2.ReadResp(event=streams_pb2.ReadResp.ReadEvent(event=event, commit_position=0))

    async def read(_request, _context):
        yield answer.SerializeToString()

    return {"Read": grpc.unary_stream_rpc_method_handler(read)}


NAMED = identity(b'{"ledger_id": "3f0f6ee0-53a9-4d5d-8a0e-6b0b0d7f7a4b"}')


@pytest.mark.parametrize("content", [b"{}", b'{"$maxCount": 3}', b'{"ledger_id": "x"}', b"\xff"])
async def test_a_log_that_something_else_is_said_of_is_another_ledger(content):
    async with server({SERVICE: {METHOD: supported("26.1.0")}, STREAMS: identity(content)}) as port:
        with pytest.raises(WrongLedger):
            await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")


async def test_a_server_that_does_not_answer_in_time_is_unavailable_and_told_of_the_append_once():
    asked = []

    async def hang(requests, _context):
        asked.extend([request async for request in requests])
        await asyncio.sleep(60)

    sessions = {"AppendSession": grpc.stream_unary_rpc_method_handler(hang)}
    services = {SERVICE: {METHOD: supported("26.1.0")}, STREAMS: NAMED, SESSIONS: sessions}
    async with server(services) as port:
        log = await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false&defaultDeadline=1")
        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            await log.append(one("s", NO_STREAM))
        assert 0.9 < time.monotonic() - began_s < 5
        await log.close()
    assert len(asked) == 1


async def test_an_append_that_nobody_waits_for_any_longer_is_waited_for_at_the_close():
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer_late(requests, context):
        [_ async for _ in requests]
        begun.set()
        await asyncio.sleep(0.3)
        ended.set()
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "for no reason", (("exception", "log-sealed"),))

    sessions = {"AppendSession": grpc.stream_unary_rpc_method_handler(answer_late)}
    services = {SERVICE: {METHOD: supported("26.1.0")}, STREAMS: NAMED, SESSIONS: sessions}
    async with server(services) as port:
        log = await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")
        appending = asyncio.create_task(log.append(one("s", NO_STREAM)))
        await begun.wait()
        appending.cancel()
        await asyncio.wait({appending})
        assert not ended.is_set()
        await log.close()
        assert ended.is_set()
        with pytest.raises(Unavailable):
            await log.append(one("s"))
        with pytest.raises(Unavailable):
            await anext(log.follow())
        await log.close()


def no_leader(ports):
    where = (("leader-endpoint-host", "127.0.0.1"), ("leader-endpoint-port", str(ports[1])))
    return grpc.StatusCode.NOT_FOUND, "Leader info available", where


def going_down(_ports):
    return rich(grpc.StatusCode.UNAVAILABLE)


@pytest.mark.parametrize("refusal", [no_leader, going_down])
async def test_a_node_that_is_not_the_leader_sends_the_adapter_to_the_one_that_is(refusal):
    """Two nodes of a cluster during an election: the one that led says so, or only that it is not ready."""
    asked = []

    def node(name, leads):
        async def append(requests, context):
            asked.append(name)
            [_ async for _ in requests]
            if leads():
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "reached", (("exception", "log-sealed"),))
            await context.abort(*refusal(ports))

        async def gossip(_request, _context):
            leader = 1 if asked and refusal is going_down else 0
            members = [
                gossip_pb2.MemberInfo(
                    state=gossip_pb2.MemberInfo.Leader if index == leader else gossip_pb2.MemberInfo.Follower,
                    is_alive=True,
                    http_end_point=gossip_pb2.EndPoint(address="127.0.0.1", port=port),
                )
                for index, port in enumerate(ports)
            ]
            return gossip_pb2.ClusterInfo(members=members).SerializeToString()

        return {
            SERVICE: {METHOD: supported("26.1.0")},
            STREAMS: NAMED,
            GOSSIP: {"Read": grpc.unary_unary_rpc_method_handler(gossip)},
            SESSIONS: {"AppendSession": grpc.stream_unary_rpc_method_handler(append)},
        }

    ports = []
    async with server(node("first", lambda: False)) as first, server(node("second", lambda: True)) as second:
        ports += [first, second]
        log = await open_ledger(f"kurrentdb://127.0.0.1:{first},127.0.0.1:{second}?tls=false")
        with pytest.raises(Exception, match="reached"):
            await log.append(one("s", NO_STREAM))
        assert asked == ["first", "second"]
        await log.close()


async def test_a_lone_node_that_does_not_lead_is_unavailable():
    async def append(requests, context):
        [_ async for _ in requests]
        await context.abort(grpc.StatusCode.NOT_FOUND, "Leader info available")

    sessions = {"AppendSession": grpc.stream_unary_rpc_method_handler(append)}
    services = {SERVICE: {METHOD: supported("26.1.0")}, STREAMS: NAMED, SESSIONS: sessions}
    async with server(services) as port:
        log = await KurrentLedger.open(f"kurrentdb://127.0.0.1:{port}?tls=false")
        with pytest.raises(Unavailable):
            await log.append(one("s", NO_STREAM))
        await log.close()


async def test_a_log_that_was_sealed_elsewhere_is_noticed_in_time_and_whoever_seals_waits_for_it():
    """A KurrentDB takes an append to a sealed log: it is for whoever appends not to send one."""
    running, port, small = await run_small()
    url = f"kurrentdb://127.0.0.1:{port}?tls=false"
    pace = Pace(noticed_s=0.4, append_s=1.0, margin_s=0.1)
    writer, other = [await KurrentLedger.open(url, pace=pace) for _ in range(2)]
    await writer.append(one("s", NO_STREAM))
    began_s = time.monotonic()
    sealing = asyncio.create_task(other.seal(b'{"goes_on": "another"}'))
    while time.monotonic() - began_s < 0.6:
        with suppress(Sealed):
            await writer.append(one("s"))
        await asyncio.sleep(0.02)
    written = len(small.streams["s"])
    for door in (writer, other):
        with pytest.raises(Sealed):
            await door.append(one("s"))
        with pytest.raises(Sealed):
            await door.append_beside(*one("$$s"))
    head = await asyncio.wait_for(sealing, 20)
    assert time.monotonic() - began_s >= 1.4
    assert len(small.streams["s"]) == written
    assert head == small.streams["s"][-1].position == await writer.head()
    late = await open_ledger(url)
    with pytest.raises(Sealed):
        await late.append(one("s"))
    for door in (writer, other, late):
        await door.close()
    await running.stop(0)


async def test_places_that_no_event_has_can_be_read_from_all_the_same():
    """A checkpoint may lie right before an event that could not be taken."""
    running, port, small = await run_small()
    log = await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")
    for index in range(5):
        await log.append(one(f"s{index}", NO_STREAM))
    events = await everything(log)
    third = events[2]
    for after in (third.position - 1, third.position - 7, events[1].position + 1):
        assert (await log.read_all(after)).events == events[2:]
        assert (await log.read_all(after, types=["test.Happened"])).events == events[2:]
        assert await first_events(log.follow(after), 3) == events[2:]
        assert await first_events(log.follow(after, stream_prefixes=["s"]), 3) == events[2:]
    assert {event.position for event in events} < {event.position for event in small.log}
    await log.close()
    await running.stop(0)


async def test_a_restart_at_any_place_that_was_scanned_is_no_shorter_log():
    """Whatever a follower has seen, the head is not before it, though the server's own records lie between."""
    running, port, small = await run_small()
    log = await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")
    pages = log.follow(types=["test.Never"])
    for index in range(5):
        await log.append(one(f"s{index}", NO_STREAM))
        page = await asyncio.wait_for(anext(pages), 20)
        while page.scanned_to < await log.head():
            page = await asyncio.wait_for(anext(pages), 20)
        assert page.scanned_to == await log.head() < small.end
    await pages.aclose()
    await log.close()
    await running.stop(0)


def rich(code, *details):
    """A status as a KurrentDB sends it since 25.1, also where it has nothing to add to the code."""
    status = status_pb2.Status(code=code.value[0], message="refused")
    for one_detail in details:
        status.details.add().Pack(one_detail)
    return code, "refused", (("grpc-status-details-bin", status.SerializeToString()),)


VIOLATION = errors_pb2.ConsistencyViolation(
    stream_state=errors_pb2.ConsistencyViolation.StreamStateViolation(stream="s", expected_state=-1, actual_state=4)
)
FAILED = grpc.StatusCode.FAILED_PRECONDITION
WRONG_VERSION = "Append failed due to WrongExpectedVersion. Stream: s, Expected version: -1, Actual version: 4"

REFUSALS = {
    "another revision": (rich(FAILED, errors_pb2.StreamRevisionConflictErrorDetails(stream="s", actual_revision=4)), 4),
    "a check that fails": (rich(FAILED, errors_pb2.AppendConsistencyViolationErrorDetails(violations=[VIOLATION])), 4),
    "in words": ((FAILED, WRONG_VERSION), 4),
    "a tombstone": (rich(FAILED, errors_pb2.StreamTombstonedErrorDetails(stream="s")), NO_STREAM),
    "a deleted stream": ((FAILED, "Event stream 's' is deleted."), NO_STREAM),
    "too large a record": (
        rich(
            grpc.StatusCode.INVALID_ARGUMENT,
            errors_pb2.AppendRecordSizeExceededErrorDetails(
                stream="s", record_id="3f0f6ee0-53a9-4d5d-8a0e-6b0b0d7f7a4b", size=3, max_size=2
            ),
        ),
        Rejected,
    ),
    "too large an append": (
        rich(grpc.StatusCode.ABORTED, errors_pb2.AppendTransactionSizeExceededErrorDetails(size=3, max_size=2)),
        Rejected,
    ),
    "too large a message": (
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (20000000 vs. 17825792)"),
        Rejected,
    ),
    "a bad argument": ((grpc.StatusCode.INVALID_ARGUMENT, "no"), Rejected),
    "no access": ((grpc.StatusCode.PERMISSION_DENIED, "no"), Rejected),
    "nobody known": ((grpc.StatusCode.UNAUTHENTICATED, "no"), Rejected),
    "a sealed log": ((FAILED, "sealed", (("exception", "log-sealed"),)), Sealed),
    "a fault": ((grpc.StatusCode.UNKNOWN, "Exception was thrown by handler."), Unavailable),
    "a server that stops": ((grpc.StatusCode.UNAVAILABLE, "Server Is Not Ready"), Unavailable),
    "no access, richly": (rich(grpc.StatusCode.PERMISSION_DENIED, rpc_errors_pb2.AccessDeniedErrorDetails()), Rejected),
    "nobody known, richly": (rich(grpc.StatusCode.UNAUTHENTICATED), Rejected),
    "a bad argument, richly": (rich(grpc.StatusCode.INVALID_ARGUMENT), Rejected),
    "a server that stops, richly": (rich(grpc.StatusCode.UNAVAILABLE), Unavailable),
    "a server that is late, richly": (rich(grpc.StatusCode.DEADLINE_EXCEEDED), Unavailable),
    "a server that is busy, richly": (rich(grpc.StatusCode.RESOURCE_EXHAUSTED), Unavailable),
    "a server that is busy": ((grpc.StatusCode.RESOURCE_EXHAUSTED, "busy"), Unavailable),
}


@pytest.mark.parametrize("why", REFUSALS)
async def test_what_a_server_refuses_is_told_as_the_ports_errors(why):
    refusal, told = REFUSALS[why]
    asked = 0

    async def append(requests, context):
        nonlocal asked
        asked += 1
        [_ async for _ in requests]
        await context.abort(*refusal)

    sessions = {"AppendSession": grpc.stream_unary_rpc_method_handler(append)}
    async with server({SERVICE: {METHOD: supported("26.1.0")}, STREAMS: NAMED, SESSIONS: sessions}) as port:
        log = await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")
        with pytest.raises(told if isinstance(told, type) else Conflict) as refused:
            await log.append(one("s", NO_STREAM))
        if isinstance(refused.value, Conflict):
            assert (refused.value.stream, refused.value.expected, refused.value.actual) == ("s", NO_STREAM, told)
        await log.close()
    # What may pass is asked again once, and once more of a new connection.
    assert asked <= (4 if told is Unavailable else 1)


REASONLESS = {
    "plainly": (FAILED, "no"),
    "richly": rich(FAILED),
    "as not found": (grpc.StatusCode.NOT_FOUND, "no"),
    "by breaking it off": rich(grpc.StatusCode.ABORTED),
}


async def refusing_small(refusal, times):
    """A small KurrentDB that refuses as many appends so, and then takes them; what it was asked, and when."""
    running, port, small = await run_small()
    asked_at_s = []

    async def ask(requests, context):
        asked_at_s.append(time.monotonic())
        if len(asked_at_s) <= times:
            [_ async for _ in requests]
            await context.abort(*refusal)
        return await small.append_session(requests, context)

    small.appending = ask
    return running, await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false"), asked_at_s


@pytest.mark.parametrize("how", REASONLESS)
@pytest.mark.parametrize("expected", [NO_STREAM, ANY])
async def test_an_append_refused_for_no_reason_that_can_be_read_is_tried_again(how, expected):
    running, log, asked_at_s = await refusing_small(REASONLESS[how], 3)
    receipt = await log.append(one("s", expected))
    assert receipt.versions == (0,)
    assert not receipt.repeated
    assert len(asked_at_s) == 4
    assert len(await everything(log)) == 1
    await log.close()
    await running.stop(0)


async def test_the_attempts_of_an_append_that_is_refused_for_no_reason_become_rare_and_end():
    running, log, asked_at_s = await refusing_small(REASONLESS["richly"], 1_000)
    with pytest.raises(Unavailable, match="refused"):
        await log.append(one("s", NO_STREAM))
    assert len(asked_at_s) <= 9
    assert asked_at_s[-1] - asked_at_s[0] >= 3
    assert asked_at_s[-1] - asked_at_s[-2] >= 1.5
    await log.close()
    await running.stop(0)
