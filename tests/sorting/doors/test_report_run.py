"""A line's reports over gRPC: cut off and resumed, two lines on one run, whatever else goes wrong on the way."""

import asyncio
import itertools

import grpc
import msgspec
import pytest
import pytest_asyncio

from kernel.clock import system_clock_us
from kernel.grpc_messages import message_of, plain_of_message
from kernel.grpc_refusal import refusal_of_error
from kernel.grpc_streaming import WAITING_MAX
from kernel.http_page import Cursors
from kernel.identity_issuer import built_in_verifier, issue, write_keys
from kernel.principal import Principal, Role
from kernel.wire.sorting.v1 import sorting_pb2
from ledger.memory import MemoryLedger
from ledger.port import Unavailable
from services.registry.asset_number import compose
from services.sorting.app import CODEC
from services.sorting.evaluation import Measured
from services.sorting.inspection.verdict import VerdictReached
from services.sorting.reporting import RunReport
from services.sorting.run import RUN, StartRun
from tests.sorting.behind import sorting_behind
from tests.sorting.doors.entrances import SERVICE
from tests.sorting.doors.season import RULES, arrived, tell
from tests.sorting.examples import BENCH, DAY, SITE, UNIT, WHOLE, inspected, performed

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHOD = f"/{SERVICE.full_name}/ReportRun"
REPORT = sorting_pb2.RunReport.DESCRIPTOR
NUMBERS = [compose(UNIT, "01", f"9999000001{serial:04d}") for serial in range(200)]
EACH = 12
"""Devices of one test."""

PATIENCE_S = 60
HOUR_US = 3_600 * 1_000_000
OTHER_FINDINGS = performed(Measured(item="clock_battery", value=3_500))


class Slow(MemoryLedger):
    """Takes its time to append, or dies between a position and its inspection, once it is told to."""

    pause_s = 0.0
    pause_before_freeing_s = 0.0
    dies_between = False

    async def append(self, appends):
        types = {draft.type for one in appends for draft in one.drafts}
        await asyncio.sleep(self.pause_before_freeing_s if "sorting.PositionsFreed" in types else self.pause_s)
        if self.dies_between and "sorting.InspectionOpened" in types:
            raise Unavailable("dies between")
        return await super().append(appends)


class Hall:
    """Sorting behind its gRPC door. Each test has a run and devices of its own."""

    def __init__(self, ledger, behind, keys):
        self.ledger, self.sorting, self.channel, self.keys = ledger, behind.sorting, behind.peer._channel, keys
        self.ahead_us = 0
        self._slices, self._runs = iter(range(0, len(NUMBERS), EACH)), itertools.count(1)

    async def run(self):
        """A run that was started, and a report of each of a dozen devices at its positions."""
        start, run_id = next(self._slices), f"R{next(self._runs)}"
        await tell(self.sorting, [(StartRun(occurred_on=DAY, run_id=run_id, bench=BENCH, site=SITE),)])
        return [
            RunReport(run_id=run_id, position=at, found=inspected(number))
            for at, number in enumerate(NUMBERS[start : start + EACH], 1)
        ]

    def call(self, sent=None, *, roles=(Role.SERVICE,), subject="line-1", token=None, timeout_s=PATIENCE_S):
        """A call of ReportRun; where nothing is `sent` one writes to it."""
        token = issue(self.keys, Principal(subject=subject, roles=frozenset(roles))) if token is None else token
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return self.channel.stream_stream(METHOD)(sent, metadata=metadata, timeout=timeout_s)

    async def say(self, reports, **more):
        """The answers to all of these."""
        return [told(body) async for body in self.call(bodies(reports), **more)]

    async def verdicts(self, reports):
        """How many verdicts there are on each of the devices."""
        counts = []
        for report in reports:
            events = await self.sorting.events_of(report.found.asset_no)
            counts.append(sum(isinstance(event, VerdictReached) for event, _ in events))
        return counts

    async def held(self, run_id):
        """What lies at which position by what is recorded."""
        page = await self.ledger.read(RUN.stream_of(run_id), limit=1_000)
        state = RUN.fold(CODEC.decode(one) for one in page.events)
        return {one.position: one.asset_no for one in state.taken}

    async def is_recorded_once(self, reports):
        assert await self.verdicts(reports) == [1] * len(reports)
        assert await self.held(reports[0].run_id) == {one.position: one.found.asset_no for one in reports}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory):
    folder, ahead = tmp_path_factory.mktemp("hall"), []
    write_keys(folder / "keys")
    verifier = built_in_verifier(
        folder / "keys", ["127.0.0.1"], clock=lambda: system_clock_us() + (ahead[0].ahead_us if ahead else 0)
    )
    ledger = Slow()
    await arrived(ledger, NUMBERS)
    async with sorting_behind(folder, ledger, verifier, Cursors(b"c" * 32)) as behind:
        await tell(behind.sorting, [(one,) for one in RULES])
        ahead.append(Hall(ledger, behind, folder / "keys"))
        yield ahead[0]
    await ledger.close()


def wire(report):
    return message_of(REPORT, report).SerializeToString()


async def bodies(reports):
    for one in reports:
        yield one if isinstance(one, bytes) else wire(one)


def told(body):
    return plain_of_message(sorting_pb2.RunAnswer.FromString(body))


def codes(answers):
    return [answer.get("code") for answer in answers]


async def waiting_behind(reports, over):
    """These, and then nothing: a client that writes while its call ends would hear of the writing alone."""
    async for body in bodies(reports):
        yield body
    await over.wait()


async def refusal(hall, reports, **more):
    """The status and the code with which a call ends."""
    over = asyncio.Event()
    call = hall.call(waiting_behind(reports, over), **more)
    try:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
    finally:
        over.set()
    return raised.value.code(), refusal_of_error(raised.value).code


async def test_answers_come_in_the_order_of_the_reports(hall):
    reports = await hall.run()
    answers = await hall.say(reports)
    assert [(one["run_id"], one["position"], one["recorded"], one["disposition"]) for one in answers] == [
        (report.run_id, report.position, True, "reuse") for report in reports
    ]
    await hall.is_recorded_once(reports)


async def test_an_unreadable_report_is_refused_alone(hall):
    reports = await hall.run()
    whole = wire(reports[3])
    misspelt = b"\xfa\x06\x01x"
    answers = await hall.say([*reports[:3], b"\xff" * 11, whole[:-5], whole + misspelt, b"", *reports[3:]])
    assert codes(answers[:3] + answers[7:]) == [None] * len(reports)
    assert [one["recorded"] for one in answers[3:7]] == [False] * 4
    for answer in answers[3:7]:
        assert answer["code"].startswith("input."), answer
        assert answer["zh"]
        assert answer["en"]
    await hall.is_recorded_once(reports)


async def test_a_line_that_is_cut_off_goes_on_where_it_was(hall):
    """Nothing twice, nothing lost: what was answered or not, it is all sent again."""
    reports = await hall.run()
    call = hall.call()
    for report in reports[:7]:
        await call.write(wire(report))
    for _ in range(3):
        assert told(await call.read())["recorded"]
    call.cancel()
    again = await hall.say(reports)
    assert codes(again) == [None] * len(reports)
    assert [one.get("repeated", False) for one in again[:3]] == [True] * 3
    assert not any(one.get("repeated", False) for one in again[7:])
    await hall.is_recorded_once(reports)


async def test_what_died_between_a_position_and_its_inspection_goes_on_when_it_is_sent_again(hall):
    reports = await hall.run()
    hall.ledger.dies_between = True
    try:
        assert await refusal(hall, reports) == (grpc.StatusCode.UNAVAILABLE, "ledger.unavailable")
    finally:
        hall.ledger.dies_between = False
    assert await hall.verdicts(reports) == [0] * len(reports)
    again = await hall.say(reports)
    assert codes(again) == [None] * len(reports)
    assert not any(one.get("repeated", False) for one in again)
    await hall.is_recorded_once(reports)


async def test_two_lines_on_one_run_record_each_device_once(hall):
    reports = await hall.run()
    both = await asyncio.gather(hall.say(reports), hall.say(list(reversed(reports))))
    assert [codes(answers) for answers in both] == [[None] * len(reports)] * 2
    for report, other in zip(both[0], reversed(both[1]), strict=True):
        assert report.get("repeated", False) is not other.get("repeated", False)
    await hall.is_recorded_once(reports)


async def test_what_one_line_is_refused_frees_nothing_that_another_records_at_the_same_moment(hall):
    """Both report the same devices at the same positions; what one of them found is refused."""
    reports = await hall.run()
    wrong = [with_found(one, function=performed(Measured(item="nothing", value=1))) for one in reports]
    hall.ledger.pause_before_freeing_s = 0.2
    try:
        refused, recorded = await asyncio.gather(hall.say(wrong), hall.say(reports))
    finally:
        hall.ledger.pause_before_freeing_s = 0.0
    assert not any(one["recorded"] for one in refused)
    assert codes(recorded) == [None] * len(reports)
    await hall.is_recorded_once(reports)


async def test_a_recorded_position_is_not_freed_for_whoever_may_not_record_it(hall):
    first, second, *_ = await hall.run()
    by_two = with_found(first, appearance=msgspec.structs.replace(WHOLE, second="line-1"))
    assert codes(await hall.say([by_two], subject="line-2")) == [None]
    assert codes(await hall.say([by_two])) == ["inspection.second_is_first"]
    assert await hall.held(first.run_id) == {first.position: first.found.asset_no}
    there = msgspec.structs.replace(first, found=second.found)
    assert codes(await hall.say([there])) == ["run.position_taken"]


def with_found(report, **changed):
    """The same report, of something else that was found."""
    return msgspec.structs.replace(report, found=msgspec.structs.replace(report.found, **changed))


async def test_a_position_holds_one_device_and_a_device_one_position(hall):
    reports = await hall.run()
    first, second, *others = reports
    there = RunReport(run_id=first.run_id, position=first.position, found=second.found)
    elsewhere = RunReport(run_id=first.run_id, position=99, found=first.found)
    answers = await hall.say([first, there, elsewhere, first, second, *others])
    assert codes(answers) == [
        None, "run.position_taken", "run.device_twice", None, None, *[None] * len(others)
    ]  # fmt: skip
    assert answers[3]["repeated"] is True
    await hall.is_recorded_once(reports)


async def test_a_run_takes_the_reports_of_its_own_bench_alone(hall):
    reports = await hall.run()
    strange = msgspec.structs.replace(reports[1], found=msgspec.structs.replace(reports[1].found, bench="B-OTHER"))
    assert codes(await hall.say([reports[0], strange, reports[2]])) == [None, "run.another", None]
    assert await hall.verdicts([strange]) == [0]
    assert await hall.held(reports[0].run_id) == {at: reports[at - 1].found.asset_no for at in (1, 3)}


async def test_what_was_recorded_keeps_its_position_when_it_comes_again_with_other_words(hall):
    reports = await hall.run()
    first, second, *_ = reports
    assert codes(await hall.say([first])) == [None]
    changed = RunReport(run_id=first.run_id, position=1, found=inspected(first.found.asset_no, function=OTHER_FINDINGS))
    assert codes(await hall.say([changed])) == ["command.id_reused"]
    assert await hall.held(first.run_id) == {1: first.found.asset_no}
    there = RunReport(run_id=first.run_id, position=1, found=second.found)
    assert codes(await hall.say([there])) == ["run.position_taken"]


async def test_what_is_refused_leaves_its_position_free_unless_the_same_call_records_it(hall):
    reports = await hall.run()
    first, second, third, *_ = reports
    wrong = RunReport(
        run_id=first.run_id,
        position=1,
        found=inspected(first.found.asset_no, function=performed(Measured(item="nothing", value=1))),
    )
    answers = await hall.say([wrong, first])
    assert answers[0]["recorded"] is False
    assert answers[1]["recorded"] is True
    assert await hall.held(first.run_id) == {1: first.found.asset_no}
    unfound = msgspec.structs.replace(second.found, function=wrong.found.function)
    wrong = msgspec.structs.replace(wrong, position=2, found=unfound)
    assert codes(await hall.say([wrong])) == [answers[0]["code"]]
    instead = RunReport(run_id=first.run_id, position=2, found=third.found)
    assert codes(await hall.say([instead])) == [None]


async def test_who_may_not_report_is_told_so(hall):
    reports = await hall.run()
    head = await hall.ledger.head()
    unauthenticated, denied = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
    assert await refusal(hall, [], token="") == (unauthenticated, "identity.missing_token")
    assert await refusal(hall, [], token="x.y") == (unauthenticated, "identity.malformed")
    assert await refusal(hall, reports[:1], roles=[Role.AUDITOR]) == (denied, "access.denied")
    assert await refusal(hall, [b"\xff"], roles=[Role.AUDITOR]) == (denied, "access.denied")
    no_deadline = grpc.StatusCode.INVALID_ARGUMENT, "request.no_deadline"
    assert await refusal(hall, [], timeout_s=None) == no_deadline
    assert await hall.ledger.head() == head


async def test_a_token_that_runs_out_ends_the_call_between_two_reports(hall):
    reports = await hall.run()
    call = hall.call()
    await call.write(wire(reports[0]))
    assert told(await call.read())["recorded"]
    hall.ahead_us = 48 * HOUR_US
    try:
        await call.write(wire(reports[1]))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
    finally:
        hall.ahead_us = 0
    assert refusal_of_error(raised.value).code == "identity.expired"
    assert await hall.verdicts(reports[:2]) == [1, 0]


async def test_a_slow_log_costs_time_and_no_report(hall):
    """What was under way when time ran out is recorded or is not; sent again, each is there once."""
    reports = await hall.run()
    hall.ledger.pause_s = 0.4
    try:
        status, code = await refusal(hall, reports, timeout_s=0.6)
    finally:
        hall.ledger.pause_s = 0.0
    assert status is grpc.StatusCode.DEADLINE_EXCEEDED, code
    assert codes(await hall.say(reports)) == [None] * len(reports)
    await hall.is_recorded_once(reports)


async def test_who_sends_faster_than_the_log_takes_is_held_back(hall):
    """Beyond what may wait, the flow control of gRPC stops the caller."""
    (report, *_) = await hall.run()
    body, sent, most = wire(report) + b"\xfa\x06\xc0\x3e" + b"x" * 8_000, 0, 8 * WAITING_MAX
    call = hall.call()
    hall.ledger.pause_s = 10.0
    try:
        await call.write(wire(report))
        while sent < most and await writes(call, body):
            sent += 1
    finally:
        hall.ledger.pause_s = 0.0
        call.cancel()
    assert WAITING_MAX < sent < most


async def writes(call, body):
    """Whether the call takes it, or holds its caller back."""
    try:
        await asyncio.wait_for(call.write(body), 2)
    except TimeoutError:
        return False
    return True
