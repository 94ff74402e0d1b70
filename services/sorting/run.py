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

POSITIONS_MAX: Final = 20_000
"""Of one run: what a line does in a shift or two."""

UNKNOWN = not_found("run.unknown", "没有检测批 {run_id}。请先开始该批。", "there is no run {run_id}; start it first")
ANOTHER = against_rules(
    "run.another",
    "检测批 {run_id} 已在检测台 {bench} 开始。请使用新的批号。",
    "run {run_id} was started at bench {bench}; use another run id",
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
Position: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000, description="表位号 a position on the bench, from 1")]


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
    """占用表位 These devices lie at these positions."""

    run_id: RunId
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
    """The bench has reported all its devices, so many."""

    run_id: RunId
    positions: Count


Command: TypeAlias = StartRun | TakePositions | FreePositions | EndRun
Event: TypeAlias = RunStarted | PositionsTaken | PositionsFreed | RunEnded


class Run(msgspec.Struct, frozen=True):
    """Where it is, and what lies at which position."""

    bench: str | None = None
    site: str = ""
    ended: bool = False
    at: dict[int, Taken] = {}
    position_of: dict[str, int] = {}


def decide(command: Command, run: Run) -> Sequence[Event]:
    if isinstance(command, StartRun):
        if run.bench is None:
            return [becomes(command, RunStarted)]
        if (run.bench, run.site) != (command.bench, command.site):
            raise ANOTHER(run_id=command.run_id, bench=run.bench, field="bench")
        return []
    if run.bench is None:
        raise UNKNOWN(run_id=command.run_id)
    match command:
        case TakePositions():
            return _taken(command, run)
        case FreePositions(positions=positions):
            held = tuple(sorted({*positions} & run.at.keys()))
            return [becomes(command, PositionsFreed, positions=held)] if held else []
        case EndRun():
            return [] if run.ended else [becomes(command, RunEnded, positions=len(run.at))]


def evolve(run: Run, event: Event) -> Run:
    match event:
        case RunStarted(bench=bench, site=site):
            return Run(bench=bench, site=site)
        case PositionsTaken(taken=taken):
            at = run.at | {one.position: one for one in taken}
            position_of = run.position_of | {one.asset_no: one.position for one in taken}
            return msgspec.structs.replace(run, at=at, position_of=position_of)
        case PositionsFreed(positions=positions):
            gone = {run.at[position].asset_no for position in positions if position in run.at}
            at = {position: one for position, one in run.at.items() if position not in positions}
            position_of = {asset_no: one for asset_no, one in run.position_of.items() if asset_no not in gone}
            return msgspec.structs.replace(run, at=at, position_of=position_of)
        case RunEnded():
            return msgspec.structs.replace(run, ended=True)


def _taken(command: TakePositions, run: Run) -> list[PositionsTaken]:
    """What is new of it. What was reported just so before is not."""
    new: dict[int, Taken] = {}
    devices: dict[str, int] = {}
    for one in command.taken:
        before = run.at.get(one.position) or new.get(one.position)
        if before == one:
            continue
        if before is not None:
            raise POSITION_TAKEN(run_id=command.run_id, position=one.position, asset_no=before.asset_no)
        if (at := run.position_of.get(one.asset_no) or devices.get(one.asset_no)) is not None:
            raise DEVICE_TWICE(run_id=command.run_id, asset_no=one.asset_no, position=at)
        new[one.position], devices[one.asset_no] = one, one.position
    if new and run.ended:
        raise ENDED(run_id=command.run_id)
    if len(run.at) + len(new) > POSITIONS_MAX:
        raise TOO_LONG(run_id=command.run_id, most=POSITIONS_MAX)
    return [becomes(command, PositionsTaken, taken=tuple(new.values()))] if new else []


RUN: Final = Decider(
    category="run",
    initial=Run(),
    key="run_id",
    begins=(StartRun,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
