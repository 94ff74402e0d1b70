"""留存: while a hold stands, nothing that would destroy evidence: no destruction, no broken seal, no data reset.

Seals live here because breaking one is what a hold forbids first. A seal that was found broken is put on record all the
same: that is evidence too.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, Reference
from kernel.quantity import CivilDate, Code, Happened, Remark, refuse_far_days
from kernel.refusal import against_rules
from services.registry.meter.state import Meter, known, unheld
from services.registry.vocabulary import HoldKind, StandingHold

HOLD_EXISTS = against_rules(
    "meter.hold_exists",
    "器具 {asset_no} 已有编号为 {hold} 的留存。",
    "{asset_no} has a hold {hold} already",
)
NO_SUCH_HOLD = against_rules(
    "meter.no_such_hold",
    "器具 {asset_no} 没有编号为 {hold} 的留存。",
    "{asset_no} has no hold {hold}",
)

HOLD_ENDS_FIRST = against_rules(
    "meter.hold_ends_first",
    "留存的截止日期 {until} 早于其设置日期 {day}。请核对日期。",
    "the hold would end on {until}, before it begins on {day}; check the days",
)
SEALED_ALREADY = against_rules(
    "meter.sealed_already",
    "器具 {asset_no} 上已有封印 {seal_no}。",
    "{asset_no} bears the seal {seal_no} already",
)
NO_SUCH_SEAL = against_rules(
    "meter.no_such_seal",
    "器具 {asset_no} 的记录上没有封印 {seal_no}。请先登记其上的封印。",
    "{asset_no} has no seal {seal_no} on record; put the seals that it bears on record first",
)


class PlaceHold(Happened, frozen=True, kw_only=True):
    """设置留存 Keep the device as it is: why, on whose word, until when (open-ended without a day)."""

    asset_no: AssetNo
    hold: Code
    kind: HoldKind
    reference: Reference
    until: CivilDate | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(until=self.until)


class LiftHold(Happened, frozen=True, kw_only=True):
    """解除留存 The ground of the hold is gone."""

    asset_no: AssetNo
    hold: Code
    reference: Reference


class ApplySeal(Happened, frozen=True, kw_only=True):
    """加封 A seal is put on, or was found on the device and is put on record."""

    asset_no: AssetNo
    seal_no: Code


class RemoveSeal(Happened, frozen=True, kw_only=True):
    """拆封 A seal is taken off, or was found broken."""

    asset_no: AssetNo
    seal_no: Code
    condition: Remark | None = None
    found_broken: bool = False


class HoldPlaced(Happened, frozen=True, kw_only=True):
    """A hold stands."""

    asset_no: AssetNo
    hold: Code
    kind: HoldKind
    reference: Reference
    until: CivilDate | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(until=self.until)


class HoldLifted(Happened, frozen=True, kw_only=True):
    """A hold stands no more."""

    asset_no: AssetNo
    hold: Code
    kind: HoldKind
    reference: Reference


class SealApplied(Happened, frozen=True, kw_only=True):
    """A seal is on."""

    asset_no: AssetNo
    seal_no: Code


class SealRemoved(Happened, frozen=True, kw_only=True):
    """A seal is off, taken off or found broken."""

    asset_no: AssetNo
    seal_no: Code
    condition: Remark | None = None
    found_broken: bool = False


Command: TypeAlias = PlaceHold | LiftHold | ApplySeal | RemoveSeal
Event: TypeAlias = HoldPlaced | HoldLifted | SealApplied | SealRemoved


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    known(command.asset_no, meter)
    match command:
        case PlaceHold(hold=hold):
            if hold in meter.holds:
                raise HOLD_EXISTS(asset_no=command.asset_no, hold=hold)
            if command.until is not None and command.until < command.day:
                raise HOLD_ENDS_FIRST(until=command.until, day=command.day)
            return [becomes(command, HoldPlaced)]
        case LiftHold(hold=hold):
            if hold not in meter.holds:
                raise NO_SUCH_HOLD(asset_no=command.asset_no, hold=hold)
            return [becomes(command, HoldLifted, kind=meter.holds[hold].kind)]
        case ApplySeal(seal_no=seal_no):
            if seal_no in meter.seals:
                raise SEALED_ALREADY(asset_no=command.asset_no, seal_no=seal_no)
            return [becomes(command, SealApplied)]
        case RemoveSeal(seal_no=seal_no, found_broken=found_broken):
            # What was found broken is evidence, on record before or not.
            if not found_broken:
                unheld(command.asset_no, meter)
                if seal_no not in meter.seals:
                    raise NO_SUCH_SEAL(asset_no=command.asset_no, seal_no=seal_no)
            return [becomes(command, SealRemoved)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case HoldPlaced(hold=hold, kind=kind, reference=reference, until=until):
            stands = StandingHold(hold=hold, kind=kind, reference=reference, until=until)
            return msgspec.structs.replace(meter, holds=meter.holds | {hold: stands})
        case HoldLifted(hold=hold):
            return msgspec.structs.replace(meter, holds={k: v for k, v in meter.holds.items() if k != hold})
        case SealApplied(seal_no=seal_no):
            return msgspec.structs.replace(meter, seals=meter.seals | {seal_no})
        case SealRemoved(seal_no=seal_no):
            return msgspec.structs.replace(meter, seals=meter.seals - {seal_no})


PART = Part(members(Command), members(Event), decide, evolve)
