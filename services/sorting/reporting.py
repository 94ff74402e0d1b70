"""Reports of an automated line, taken as they come: a position of a run holds one device, once, and its inspection is
recorded once, however often the report is sent.

The position is taken first, then the device is inspected under an id made of the run and the position; where that is
refused the position is freed again, unless the device has been recorded there by another report. A crash between leaves
a position that is taken by a device of which nothing is recorded: the same report sent again goes on from there.

Calls about one run take turns in a process: of two reports of one position the refused one would free what the other
is about to record. Whoever runs several processes sends a run to one of them, as any stream.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from kernel.grpc_streaming import Reports
from kernel.handling import Ask, Context, Outcome, event_id
from kernel.principal import Principal
from kernel.refusal import Refusal
from kernel.telemetry import current_traceparent
from services.sorting.access import BENCH, Access
from services.sorting.app import SERVICE, Sorting
from services.sorting.inspection.at_once import InspectAtOnce
from services.sorting.inspection.verdict import VerdictReached
from services.sorting.run import FreePositions, Position, RunId, Taken, TakePositions

RUNS: Final = uuid.UUID("5be1c3a4-3f0e-5d0a-9b53-6f1d2a8c7e90")
"""Names the ids of what is reported in runs. Never changed: reports sent again would count as new."""


class RunReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """表位报告 What a line found of the device at one position of a run that was started."""

    run_id: RunId
    position: Position
    found: InspectAtOnce


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a report: a disposition (None where the identity did not match and the inspection stopped), or the
    code and the words of its refusal. `repeated`: it had been recorded before.
    """

    run_id: str
    position: int
    recorded: bool
    repeated: bool = False
    disposition: str | None = None
    rule: str | None = None
    code: str | None = None
    zh: str | None = None
    en: str | None = None


class Reporting:
    """Takes reports for whoever may give them."""

    def __init__(self, sorting: Sorting, access: Access) -> None:
        self._sorting: Final = sorting
        self._access: Final = access
        self._turns: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()

    def reports(self) -> Reports:
        """The method of the gRPC door."""
        return Reports(RunReport, self.take, lambda refusal: _refused("", 0, refusal))

    async def take(self, caller: Principal, reports: Sequence[RunReport]) -> list[RunAnswer]:
        """Record each, once. Raises Refusal where the caller may not report at all, ledger.port.Unavailable.

        A report that was recorded and comes again with other words is refused, and its position stays taken.
        """
        self._access.may(caller, "ReportRun", BENCH)
        async with self._turn({report.run_id for report in reports}):
            return await self._taken(caller, reports)

    @asynccontextmanager
    async def _turn(self, run_ids: Collection[str]) -> AsyncIterator[None]:
        """Alone with these runs; in order of name, so that no two calls wait for each other."""
        async with AsyncExitStack() as alone:
            for run_id in sorted(run_ids):
                await alone.enter_async_context(self._turns.setdefault(run_id, asyncio.Lock()))
            yield

    async def _taken(self, caller: Principal, reports: Sequence[RunReport]) -> list[RunAnswer]:
        answers = await self._positions_taken(caller, reports)
        here = [i for i in range(len(reports)) if i not in answers]
        commands = [reports[i].found for i in here]
        permit = await self._access.permit(caller, commands)
        asks = [Ask(reports[i].found, _of_report(caller, reports[i]), permit) for i in here]
        done = await self._sorting.do_many(asks)
        for i, outcome in zip(here, done, strict=True):
            answers[i] = _answer(reports[i], outcome)
        held = {_place(reports[i]) for i in here if answers[i].recorded}
        refused = [reports[i] for i in here if _place(reports[i]) not in held]
        await self._freed(caller, [one for one in refused if not await self._is_recorded(one)])
        return [answers[i] for i in range(len(reports))]

    async def _positions_taken(self, caller: Principal, reports: Sequence[RunReport]) -> dict[int, RunAnswer]:
        """Take the position of each; the answers to those that cannot have theirs."""
        runs: dict[tuple[str, str, str], list[int]] = {}
        for i, report in enumerate(reports):
            runs.setdefault((report.run_id, report.found.bench, report.found.site), []).append(i)
        outcomes = await self._sorting.do_many([_taking(caller, [reports[i] for i in one]) for one in runs.values()])
        refused = [one for one, outcome in zip(runs.values(), outcomes, strict=True) if isinstance(outcome, Refusal)]
        alone = [i for places in refused for i in places]
        # One that cannot have its position keeps the others of its run from theirs: each is asked for by itself.
        each = await self._sorting.do_many([_taking(caller, [reports[i]]) for i in alone])
        return {
            i: _refused(reports[i].run_id, reports[i].position, outcome)
            for i, outcome in zip(alone, each, strict=True)
            if isinstance(outcome, Refusal)
        }

    async def _is_recorded(self, report: RunReport) -> bool:
        """Whether the device was recorded at this position before, by whatever words and by whomever."""
        first = event_id(_named(report), 0)
        return any(recorded.id == first for _, recorded in await self._sorting.events_of(report.found.asset_no))

    async def _freed(self, caller: Principal, refused: Sequence[RunReport]) -> None:
        """Free the positions of these."""
        runs: dict[str, list[RunReport]] = {}
        for report in refused:
            runs.setdefault(report.run_id, []).append(report)
        asks = [
            Ask(
                FreePositions(
                    **reports[0].found.moment, run_id=run_id, positions=tuple(one.position for one in reports)
                ),
                _new(caller),
            )
            for run_id, reports in runs.items()
        ]
        if asks:
            await self._sorting.do_many(asks)


def _place(report: RunReport) -> tuple[str, int]:
    return report.run_id, report.position


def _taking(caller: Principal, reports: Sequence[RunReport]) -> Ask:
    taken = tuple(Taken(position=one.position, asset_no=one.found.asset_no) for one in reports)
    first = reports[0]
    about = {**first.found.moment, "run_id": first.run_id, "bench": first.found.bench, "site": first.found.site}
    return Ask(TakePositions(**about, taken=taken), _new(caller))


def _new(caller: Principal) -> Context:
    """Asked anew each time: a position that was freed is taken again by the same words."""
    command_id = uuid.UUID(bytes=os.urandom(16), version=4)
    return Context(command_id=command_id, actor=caller.subject, traceparent=current_traceparent())


def _of_report(caller: Principal, report: RunReport) -> Context:
    return Context(command_id=_named(report), actor=caller.subject, traceparent=current_traceparent())


def _named(report: RunReport) -> uuid.UUID:
    """The same id whenever it is sent, whoever sends it."""
    return uuid.uuid5(RUNS, msgspec.json.encode((SERVICE, report.run_id, report.position)).decode())


def _answer(report: RunReport, outcome: Outcome | Refusal) -> RunAnswer:
    if isinstance(outcome, Refusal):
        return _refused(report.run_id, report.position, outcome)
    verdict = next((event for event in outcome.events if isinstance(event, VerdictReached)), None)
    return RunAnswer(
        run_id=report.run_id,
        position=report.position,
        recorded=True,
        repeated=outcome.repeated,
        disposition=verdict.disposition if verdict else None,
        rule=verdict.rule if verdict else None,
    )


def _refused(run_id: str, position: int, refusal: Refusal) -> RunAnswer:
    return RunAnswer(run_id=run_id, position=position, recorded=False, code=refusal.code, zh=refusal.zh, en=refusal.en)
