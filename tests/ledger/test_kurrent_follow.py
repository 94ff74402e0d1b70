"""What a subscription to a KurrentDB says of where the log ends."""

import asyncio

from kurrentdbclient.protos.v1 import streams_pb2

from ledger.kurrent_follow import Inflow
from ledger.kurrent_wire import Filtering

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


def event(position):
    answer = Resp()
    made = answer.event.event
    made.id.string = f"00000000-0000-0000-0000-{position:012}"
    made.stream_identifier.stream_name = b"thing-1"
    made.commit_position = made.prepare_position = made.stream_revision = position
    made.metadata.update({"type": "test.Happened", "created": "10", "content-type": "application/json"})
    made.data = b"{}"
    return answer


def caught_up(position):
    return Resp(caught_up=Resp.CaughtUp(position=Resp.Position(commit_position=position, prepare_position=position)))


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
