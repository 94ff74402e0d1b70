"""Streams.BatchAppend with messages of our own: a call kept open for many appends, as Node's client keeps it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.port import ANY, APPEND_BYTES_MAX, EVENT_BYTES_MAX, Append
from ledger.recording import system_time_us
from ledger.server.access import Grant, admit_everybody
from ledger.server.batching import UNDER_WAY_BYTES_MAX, UNDER_WAY_MAX, UNFINISHED_MAX
from ledger.server.running import Limits, serve
from ledger.sqlite import SqliteLedger
from ledger.sqlite_lock import WriterTurn
from ledger.sqlite_writer import WAITING_MAX
from tests.ledger.making import drafts
from tests.ledger.server.conftest import Door

Req = streams_pb2.BatchAppendReq
Resp = streams_pb2.BatchAppendResp
METHOD = "/event_store.client.streams.Streams/BatchAppend"


def uuid(number: int) -> shared_pb2.UUID:
    return shared_pb2.UUID(string=str(UUID(int=number)))


def options(stream: str = "thing-1", **other: object) -> streams_pb2.BatchAppendReq.Options:
    identifier = shared_pb2.StreamIdentifier(stream_name=stream.encode())
    return Req.Options(**{"stream_identifier": identifier, "any": Empty(), **other})


def events(first: int, count: int = 1, data: bytes = b"{}") -> list[streams_pb2.BatchAppendReq.ProposedMessage]:
    said = {"type": "test.Happened", "content-type": "application/json"}
    numbers = range(first, first + count)
    return [Req.ProposedMessage(id=uuid(number + 1), metadata=said, data=data) for number in numbers]


def request(number: int, first: int | None = None, **other: object) -> streams_pb2.BatchAppendReq:
    fields = {
        "correlation_id": uuid(number),
        "options": options(),
        "proposed_messages": events(number if first is None else first),
        "is_final": True,
        **other,
    }
    return Req(**fields)


@asynccontextmanager
async def opened(served: Door) -> AsyncIterator[grpc.aio.StreamStreamCall]:
    async with grpc.aio.insecure_channel(served.target) as channel:
        method = channel.stream_stream(
            METHOD,
            request_serializer=streams_pb2.BatchAppendReq.SerializeToString,
            response_deserializer=Resp.FromString,
        )
        call = method()
        yield call
        call.cancel()


def kind(answer: streams_pb2.BatchAppendResp) -> str:
    """How it ended: `success`, or the name of the error's details."""
    if answer.WhichOneof("result") == "success":
        return "success"
    return answer.error.details.type_url.rpartition(".")[2]


async def versions(served: Door, stream: str = "thing-1") -> list[int]:
    return [int.from_bytes(event.id, "big") - 1 for event in (await served.ledger.read(stream)).events]


async def test_many_appends_to_one_stream_keep_their_order(served: Door):
    count = 2 * UNDER_WAY_MAX
    async with opened(served) as call:

        async def send() -> None:
            for number in range(count):
                await call.write(request(number))
            await call.done_writing()

        sending = asyncio.create_task(send())
        answers = [answer async for answer in call]
        await sending
    assert sorted(UUID(answer.correlation_id.string).int for answer in answers) == list(range(count))
    assert {kind(answer) for answer in answers} == {"success"}
    assert await versions(served) == list(range(count))
    for answer in answers:
        assert answer.success.current_revision == UUID(answer.correlation_id.string).int
        assert answer.stream_identifier.stream_name == b"thing-1"


async def test_an_append_in_several_messages_is_one_append(served: Door):
    async with opened(served) as call:
        await call.write(request(1, proposed_messages=events(0, 3), is_final=False))
        await call.write(request(2, 10, options=options("thing-2")))
        await call.write(Req(correlation_id=uuid(1), proposed_messages=events(3, 3)))
        assert UUID((await call.read()).correlation_id.string).int == 2
        assert await versions(served) == []
        await call.write(Req(correlation_id=uuid(1), proposed_messages=events(6, 1), is_final=True))
        answer = await call.read()
    assert (kind(answer), answer.success.current_revision) == ("success", 6)
    assert await versions(served) == list(range(7))


async def test_an_append_that_is_never_finished_leaves_nothing(served: Door):
    async with opened(served) as call:
        await call.write(request(1, is_final=False))
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert await served.ledger.head() == 0


@pytest.mark.parametrize(
    "bad",
    [
        Req(correlation_id=uuid(1), proposed_messages=events(0), is_final=True),
        request(1, options=options("")),
        request(1, options=options("x" * 201)),
        request(1, options=Req.Options(stream_identifier=options().stream_identifier)),
        request(1, options=options(stream_position=1 << 63)),
        request(1, proposed_messages=[Req.ProposedMessage(id=uuid(1))]),
        request(1, proposed_messages=[*events(0), *events(0)]),
    ],
)
async def test_a_bad_append_is_refused_alone(served: Door, bad):
    async with opened(served) as call:
        await call.write(bad)
        assert kind(refused := await call.read()) == "BadRequest"
        assert refused.correlation_id == uuid(1)
        message = shared_pb2.BadRequest()
        assert refused.error.details.Unpack(message)
        assert message.message
        await call.write(request(2))
        assert kind(await call.read()) == "success"
    assert await versions(served) == [2]


async def test_the_rest_of_a_refused_append_is_passed_over(served: Door):
    async with opened(served) as call:
        await call.write(request(1, options=options("$system"), is_final=False))
        assert kind(await call.read()) == "AccessDenied"
        await call.write(Req(correlation_id=uuid(1), proposed_messages=events(3)))
        await call.write(Req(correlation_id=uuid(1), proposed_messages=events(4), is_final=True))
        await call.write(request(1))
        assert kind(await call.read()) == "success"
    assert await versions(served) == [1]


async def test_a_stream_elsewhere_than_expected(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(3))])
    expectations = [
        ({"stream_position": 1}, "thing-1"),
        ({"no_stream": Empty()}, "thing-1"),
        ({"stream_exists": Empty()}, "thing-2"),
        ({"stream_position": 0}, "thing-2"),
    ]
    async with opened(served) as call:
        for number, (expected, stream) in enumerate(expectations):
            chosen = options(stream, **expected)
            await call.write(request(number, options=chosen))
            answer = await call.read()
            assert kind(answer) == "WrongExpectedVersion"
            wrong = shared_pb2.WrongExpectedVersion()
            answer.error.details.Unpack(wrong)
            assert wrong.HasField("current_no_stream") == (stream == "thing-2")
            assert wrong.current_stream_revision == (0 if stream == "thing-2" else 2)
            [name] = expected
            assert wrong.WhichOneof("expected_stream_position_option") == (
                "expected_stream_position" if name == "stream_position" else f"expected_{name}"
            )


@pytest.mark.parametrize(
    "deadline",
    [
        {"deadline": Duration()},
        {"deadline": Duration(seconds=-5)},
        {"deadline_21_10_0": Timestamp(seconds=1)},
        {"deadline_21_10_0": Timestamp(seconds=system_time_us() // 1_000_000 - 5)},
    ],
)
async def test_a_deadline_that_has_passed_leaves_nothing(served: Door, deadline):
    async with opened(served) as call:
        await call.write(request(1, options=options(**deadline)))
        assert kind(await call.read()) == "Timeout"
    assert await served.ledger.head() == 0


@pytest.mark.parametrize(
    "deadline",
    [
        {"deadline": Duration(seconds=315_576_000_000)},
        {"deadline": Duration(seconds=30)},
        {"deadline_21_10_0": Timestamp(seconds=253_402_300_799)},
        {"deadline_21_10_0": Timestamp(seconds=system_time_us() // 1_000_000 + 3_600)},
    ],
)
async def test_a_deadline_ahead(served: Door, deadline):
    async with opened(served) as call:
        await call.write(request(1, options=options(**deadline)))
        assert kind(await call.read()) == "success"


async def test_a_deadline_passes_while_the_rest_is_awaited(served: Door):
    async with opened(served) as call:
        soon = options(deadline=Duration(nanos=50_000_000))
        await call.write(request(1, options=soon, is_final=False))
        await asyncio.sleep(0.1)
        await call.write(Req(correlation_id=uuid(1), proposed_messages=events(3), is_final=True))
        assert kind(await call.read()) == "Timeout"
    assert await served.ledger.head() == 0


async def test_an_append_beyond_the_limits(served: Door):
    async with opened(served) as call:
        await call.write(request(1, proposed_messages=events(0, data=b"x" * (EVENT_BYTES_MAX + 1))))
        answer = await call.read()
        exceeded = shared_pb2.MaximumAppendSizeExceeded()
        assert answer.error.details.Unpack(exceeded)
        assert exceeded.maxAppendSize == EVENT_BYTES_MAX
        await call.write(request(2, proposed_messages=events(0, 10_001, b"")))
        answer = await call.read()
        assert answer.error.details.Unpack(exceeded)
        assert exceeded.maxAppendSize == APPEND_BYTES_MAX
        await call.write(request(3))
        assert kind(await call.read()) == "success"


async def test_what_a_call_leaves_unfinished_is_bounded_in_bytes(served: Door):
    refused = []
    async with opened(served) as call:
        for number in range(80):
            await call.write(
                request(number, 0, proposed_messages=events(0, data=b"x" * EVENT_BYTES_MAX), is_final=False)
            )
        await call.done_writing()
        refused = [answer async for answer in call]
    assert {kind(answer) for answer in refused} == {"MaximumAppendSizeExceeded"}
    assert len(refused) == 80 - APPEND_BYTES_MAX // EVENT_BYTES_MAX


async def test_what_a_call_leaves_unfinished_is_bounded_in_number(served: Door):
    async with opened(served) as call:
        for number in range(UNFINISHED_MAX + 1):
            await call.write(request(number, is_final=False))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_ledger_that_is_unavailable_ends_the_call(served: Door):
    async with opened(served) as call:
        await call.write(request(1))
        assert kind(await call.read()) == "success"
        await served.ledger.close()
        await call.write(request(2))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_an_append_of_nothing_finds_out_where_the_stream_is(served: Door):
    async with opened(served) as call:
        await call.write(request(1, options=options(no_stream=Empty()), proposed_messages=[]))
        answer = await call.read()
        assert answer.success.WhichOneof("current_revision_option") == "no_stream"
        assert answer.success.WhichOneof("position_option") == "no_position"
        await call.write(request(2, options=options(stream_exists=Empty()), proposed_messages=[]))
        assert kind(await call.read()) == "WrongExpectedVersion"
    assert await served.ledger.head() == 0


async def test_a_consumer_that_does_not_read_holds_up_only_itself(served: Door):
    """It is not read from any more once enough of its appends wait to be answered; others go on."""
    async with opened(served) as slow, opened(served) as other:

        async def send() -> None:
            for number in range(20_000):
                await slow.write(request(number, options=options("thing-2")))

        sending = asyncio.create_task(send())
        await asyncio.sleep(0.5)
        await other.write(request(1))
        assert kind(await asyncio.wait_for(other.read(), 5)) == "success"
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_that_is_gone_and_comes_again_finds_one_copy(served: Door):
    for attempt in range(10):
        async with opened(served) as call:
            await call.write(request(attempt, 0, proposed_messages=events(0, 50), options=options(no_stream=Empty())))
            await asyncio.sleep(0.001 * attempt)
    async with opened(served) as call:
        await call.write(request(99, 0, proposed_messages=events(0, 50), options=options(no_stream=Empty())))
        assert kind(await call.read()) == "success"
    assert await versions(served) == list(range(50))


async def test_more_appends_than_the_ledger_lets_wait_are_all_recorded(tmp_path: Path):
    """Nothing is written as long as somebody else has the turn."""
    path = tmp_path / "ledger.db"
    ledger = await SqliteLedger.open(path)
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody)
    calls = WAITING_MAX // UNDER_WAY_MAX + 2
    elsewhere = WriterTurn(path.with_name("ledger.db-lock"))

    async def append_many(number: int) -> set[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.stream_stream(METHOD, Req.SerializeToString, Resp.FromString)()
            for index in range(UNDER_WAY_MAX):
                await call.write(request(index, options=options(f"thing-{number}")))
            await call.done_writing()
            return {kind(answer) async for answer in call}

    with elsewhere:
        appending = [asyncio.create_task(append_many(number)) for number in range(calls)]
        await asyncio.sleep(2)
    assert await asyncio.gather(*appending) == [{"success"}] * calls
    assert len((await ledger.read("thing-0")).events) == UNDER_WAY_MAX
    elsewhere.close()
    await server.stop(grace_s=0)
    await ledger.close()


async def known(_authorization: str | None) -> Grant:
    return Grant(appends=None)


async def test_no_more_of_a_call_is_read_than_may_be_under_way_in_bytes(tmp_path: Path):
    """While somebody else has the turn: what is read beyond that would be refused, for want of bytes to be held."""
    path = tmp_path / "ledger.db"
    ledger = await SqliteLedger.open(path)
    held = Limits(held_bytes_max=UNDER_WAY_BYTES_MAX + 4 * EVENT_BYTES_MAX)
    server = await serve(ledger, "127.0.0.1:0", admit=known, limits=held)
    elsewhere = WriterTurn(path.with_name("ledger.db-lock"))
    appends = UNDER_WAY_BYTES_MAX // EVENT_BYTES_MAX + 12
    data = bytes(EVENT_BYTES_MAX - 1_000)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.stream_stream(METHOD, Req.SerializeToString, Resp.FromString)()

        async def send() -> None:
            for number in range(appends):
                await call.write(request(number, proposed_messages=events(number, data=data)))
            await call.done_writing()

        with elsewhere:
            sending, reading = asyncio.create_task(send()), asyncio.create_task(call.read())
            # Nothing is answered as long as nothing is written, neither for good nor for bad.
            assert not (await asyncio.wait([reading], timeout=3))[0]
        answers = [await reading, *[await call.read() for _ in range(appends - 1)]]
        await sending
    assert [kind(answer) for answer in answers] == ["success"] * appends
    elsewhere.close()
    await server.stop(grace_s=0)
    await ledger.close()
