"""检测批 A run of an automated bench: which device lay at which position. A position holds one device, once, however
often its report is sent.

    RunStarted -> PositionsTaken [-> PositionsFreed] ... -> RunEnded

A position is taken before its device is inspected, and freed where that is refused, so that a mended report can come.
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from kernel.decider import Decider, Part, becomes, members
from kernel.device import AssetNo, SiteId
from kernel.quantity import Count, Happened, Key
from kernel.refusal import against_rules, not_found
from services.sorting.vocabulary import BenchId

POSITIONS_MAX: Final = 5_000
"""Of one run: what a line does in a shift. Each report reads its run anew, be it sent alone."""

UNKNOWN = not_found("run.unknown", "没有检测批 {run_id}。请先开始该批。", "there is no run {run_id}; start it first")
ANOTHER = against_rules(
    "run.another",
    "检测批 {run_id} 是站点 {site} 检测台 {bench} 的。请核对检测台，另一台请使用新的批号。",
    "run {run_id} is of bench {bench} at site {site}; check the bench, and use another run id for another",
)
ENDED = against_rules("run.ended", "检测批 {run_id} 已结束。请开始新的一批。", "run {run_id} has ended; start another")
POSITION_TAKEN = against_rules(
    "run.position_taken",
    "检测批 {run_id} 的表位 {position} 已有器具 {asset_no}。请核对表位号。",
    "position {position} of run {run_id} holds device {asset_no}; check the position",
)
DEVICE_TWICE = against_rules(
    "run.device_twice",
    "器具 {asset_no} 在检测批 {run_id} 的表位 {position} 已报过，不能再占一个表位。",
    "{asset_no} has been reported at position {position} of run {run_id}, and is at no other",
)
TOO_LONG = against_rules(
    "run.too_long",
    "检测批 {run_id} 已有 {most} 个表位，请结束后另起一批。",
    "run {run_id} has {most} positions; end it and start another",
)

RunId: TypeAlias = Key
Position: TypeAlias = Annotated[
    int, Meta(ge=1, le=1_000_000, description="表位号，批内唯一 a position of the run, from 1")
]


class Taken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A device at a position."""

    position: Position
    asset_no: AssetNo


class StartRun(Happened, frozen=True, kw_only=True):
    """开始检测批 A bench begins to report devices by position."""

    run_id: RunId
    bench: BenchId
    site: SiteId


class TakePositions(Happened, frozen=True, kw_only=True):
    """占用表位 These devices lie at these positions of the run, which this bench reports."""

    run_id: RunId
    bench: BenchId
    site: SiteId
    taken: tuple[Taken, ...]


class FreePositions(Happened, frozen=True, kw_only=True):
    """释放表位 What was reported of these was refused."""

    run_id: RunId
    positions: tuple[Position, ...]


class EndRun(Happened, frozen=True, kw_only=True):
    """结束检测批 Nothing more is reported."""

    run_id: RunId


class RunStarted(Happened, frozen=True, kw_only=True):
    """A bench reports devices by position."""

    run_id: RunId
    bench: BenchId
    site: SiteId


class PositionsTaken(Happened, frozen=True, kw_only=True):
    """Devices lie at positions."""

    run_id: RunId
    taken: tuple[Taken, ...]


class PositionsFreed(Happened, frozen=True, kw_only=True):
    """These positions hold no device of which anything was recorded."""

    run_id: RunId
    positions: tuple[Position, ...]


class RunEnded(Happened, frozen=True, kw_only=True):
    """The bench reports no more; so many positions held a device by then."""

    run_id: RunId
    positions: Count


Command: TypeAlias = StartRun | TakePositions | FreePositions | EndRun
Event: TypeAlias = RunStarted | PositionsTaken | PositionsFreed | RunEnded


class Run(msgspec.Struct, frozen=True):
    """Where it is, and what lies at which position, in the order in which they were taken."""

    bench: str | None = None
    site: str = ""
    ended: bool = False
    taken: tuple[Taken, ...] = ()


def decide(command: Command, run: Run) -> Sequence[Event]:
    if isinstance(command, StartRun):
        if run.bench is None:
            return [becomes(command, RunStarted)]
        _of_its_bench(command, run)
        return []
    if run.bench is None:
        raise UNKNOWN(run_id=command.run_id)
    match command:
        case TakePositions():
            return _taken(command, run)
        case FreePositions(positions=positions):
            held = tuple(sorted({*positions} & {one.position for one in run.taken}))
            # After its end nothing is reported there any more, and what it counted stays true.
            return [becomes(command, PositionsFreed, positions=held)] if held and not run.ended else []
        case EndRun():
            return [] if run.ended else [becomes(command, RunEnded, positions=len(run.taken))]


def evolve(run: Run, event: Event) -> Run:
    match event:
        case RunStarted(bench=bench, site=site):
            return Run(bench=bench, site=site)
        case PositionsTaken(taken=taken):
            return msgspec.structs.replace(run, taken=(*run.taken, *taken))
        case PositionsFreed(positions=positions):
            held = tuple(one for one in run.taken if one.position not in positions)
            return msgspec.structs.replace(run, taken=held)
        case RunEnded():
            return msgspec.structs.replace(run, ended=True)


def _of_its_bench(command: StartRun | TakePositions, run: Run) -> None:
    if (run.bench, run.site) != (command.bench, command.site):
        raise ANOTHER(run_id=command.run_id, bench=run.bench, site=run.site, field="bench")


def _taken(command: TakePositions, run: Run) -> list[PositionsTaken]:
    """What is new of it. What was reported just so before is not."""
    _of_its_bench(command, run)
    at = {one.position: one for one in run.taken}
    position_of = {one.asset_no: one.position for one in run.taken}
    new: list[Taken] = []
    for one in command.taken:
        before = at.get(one.position)
        if before == one:
            continue
        if before is not None:
            raise POSITION_TAKEN(run_id=command.run_id, position=one.position, asset_no=before.asset_no)
        if (place := position_of.get(one.asset_no)) is not None:
            raise DEVICE_TWICE(run_id=command.run_id, asset_no=one.asset_no, position=place)
        at[one.position], position_of[one.asset_no] = one, one.position
        new.append(one)
    if new and run.ended:
        raise ENDED(run_id=command.run_id)
    if len(at) > POSITIONS_MAX:
        raise TOO_LONG(run_id=command.run_id, most=POSITIONS_MAX)
    return [becomes(command, PositionsTaken, taken=tuple(new))] if new else []


RUN: Final = Decider(
    category="run",
    initial=Run(),
    key="run_id",
    begins=(StartRun,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
