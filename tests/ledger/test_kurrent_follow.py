"""What a subscription to a KurrentDB says of where the log ends, and how much of it waits for a slow reader."""

import asyncio
from contextlib import aclosing

import pytest
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.kurrent_follow import PAGE_BYTES_MAX, Head, Inflow
from ledger.kurrent_wire import EXPRESSION_CHARS_MAX, Filtering
from ledger.open import open_ledger
from ledger.port import NO_STREAM
from tests.ledger.making import one
from tests.ledger.small_kurrentdb import run_small

Resp = streams_pb2.ReadResp


class Answers:
    """A call that is answered so, and then goes on without a word."""

    def __init__(self, *answers):
        self.answers = asyncio.Queue()
        self.say(*answers)

    def say(self, *answers):
        for answer in answers:
            self.answers.put_nowait(answer)

    async def read(self):
        return await self.answers.get()

    def cancel(self):
        pass


def event(position, data=b"{}"):
    answer = Resp()
    made = answer.event.event
    made.id.string = f"00000000-0000-0000-0000-{position:012}"
    made.stream_identifier.stream_name = b"thing-1"
    made.commit_position = made.prepare_position = made.stream_revision = position
    made.metadata.update({"type": "test.Happened", "created": "10", "content-type": "application/json"})
    made.data = data
    return answer


def caught_up(position):
    return Resp(caught_up=Resp.CaughtUp(position=Resp.Position(commit_position=position, prepare_position=position)))


def test_a_server_is_asked_for_types_rather_than_for_all_that_a_service_records():
    both = Filtering({"test.Happened", "$own"}, {"thing-", "place-"}).options(1, 1)
    assert both.event_type.regex == "^(?:test\\.Happened)$"
    assert list(Filtering((), {"thing-"}).options(1, 1).stream_identifier.prefix) == ["thing-"]
    many = {f"test.Happened{number:03}" for number in range(EXPRESSION_CHARS_MAX // 16)}
    assert list(Filtering(many, {"thing-"}).options(1, 1).stream_identifier.prefix) == ["thing-"]
    assert list(Filtering(many, {""}).options(1, 1).event_type.prefix) == sorted(many)


async def test_events_after_it_had_caught_up_do_not_say_that_there_are_no_more():
    call = Answers(event(1), caught_up(1))
    inflow = Inflow(call, Filtering((), ()), 0, 100, 0, None)
    page = await inflow.page()
    assert ([one.position for one in page.events], page.at_head) == ([1], True)
    # It fell behind: these are three of many, and nothing tells.
    call.say(event(2), event(3), event(4))
    await asyncio.sleep(0)
    seen = []
    while not seen or seen[-1] < 4:
        page = await inflow.page()
        assert not page.at_head
        seen += [one.position for one in page.events]
    call.say(event(5), caught_up(5))
    while not page.at_head:
        page = await inflow.page()
        assert page.at_head is (page.scanned_to == 5)
    await inflow.stop()


async def test_of_large_events_a_page_or_so_waits_for_a_slow_reader_whatever_their_number():
    large = bytes(4 << 20)
    call = Answers(*(event(position, large) for position in range(1, 31)))
    inflow = Inflow(call, Filtering((), ()), 0, 1_000, 0, None)
    page = await inflow.page()
    for _ in range(100):
        await asyncio.sleep(0)
    held = 30 - call.answers.qsize()
    assert len(page.events) <= held <= 2 * (PAGE_BYTES_MAX // len(large) + 1)
    call.say(caught_up(30))
    positions = [one.position for one in page.events]
    while not page.at_head:
        page = await inflow.page()
        assert sum(len(one.data) for one in page.events) <= PAGE_BYTES_MAX + len(large)
        positions += [one.position for one in page.events]
    assert positions == list(range(1, 31))
    await inflow.stop()


async def test_followers_at_the_head_of_a_kurrentdb_ask_together_where_it_is():
    """Each is told of every event that does not pass, which may be a record of the server's own."""
    followers, events = 10, 50
    running, port, small = await run_small()
    log = await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false")
    reached = dict.fromkeys(range(followers), 0)
    moved = asyncio.Condition()

    async def follow(number):
        async with aclosing(log.follow(types=["test.Never"])) as pages:
            async for page in pages:
                async with moved:
                    reached[number] = page.scanned_to
                    moved.notify_all()

    async def all_reach(position):
        async with asyncio.timeout(20), moved:
            await moved.wait_for(lambda: min(reached.values()) >= position)

    following = [asyncio.create_task(follow(number)) for number in reached]
    await log.append(one("first", NO_STREAM))
    await all_reach(await log.head())
    before = small.heads_asked
    for number in range(events):
        last = await log.append(one(f"s{number}", NO_STREAM))
        await all_reach(last.position)
    assert small.heads_asked - before <= 3 * events
    assert set(reached.values()) == {last.position}
    for task in following:
        task.cancel()
    await asyncio.wait(following)
    await log.close()
    await running.stop(0)


async def test_a_question_for_the_head_answers_those_that_were_there_before_it_began():
    asked = []

    async def ask():
        asked.append(asyncio.get_running_loop().create_future())
        return await asked[-1]

    head = Head(ask)
    first = asyncio.create_task(head.beyond(5))
    await asyncio.sleep(0)
    others = [asyncio.create_task(head.beyond(9)) for _ in range(5)]
    await asyncio.sleep(0)
    asked[0].set_result(5)
    assert await first == 5
    await asyncio.sleep(0)
    # The log may have grown since the first was asked; and this one breaks off.
    assert len(asked) == 2
    asked[1].set_exception(ConnectionError("away"))
    with pytest.raises(ConnectionError):
        await others[0]
    await asyncio.sleep(0)
    asked[2].set_result(7)
    assert await asyncio.gather(*others[1:]) == [7] * 4
    assert len(asked) == 3
    assert await head.beyond(7) == 7
    assert len(asked) == 3
