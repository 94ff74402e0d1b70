"""Taken out of service under a work order, with its final reading.

    in service -> Dismantled -> FinalReadingRecorded [-> FinalReadingDisputed -> FinalReadingResolved]

A dispute that stands is a hold: nothing that would destroy the evidence. What was disputed is resolved; what was merely
written down wrong, in kilowatt-hours for watt-hours or in the wrong register, is corrected by RecordCorrected, which
names the event (identity.py). A work order may come to the record after the device did: it is then dismantled where it
lies, kept apart as unexpected, and nothing moves. So it is with a device of unreadable number, once, wherever it lies
under its temporary identity: the crew that brought it had a work order.
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal, TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, CountyCode, Reference, SiteId, UnitCode
from kernel.quantity import DemandW, Happened, RatioMicro, ReadingVarh, ReadingWh, Remark, Sha256
from kernel.refusal import against_rules, unreadable
from services.registry.meter.state import AtSite, CameIn, InService, Meter, known, spoken
from services.registry.vocabulary import Arrival, DismantleReason, Movement, Signature, counts_on

NOT_IN_SERVICE = against_rules(
    "meter.not_in_service",
    "器具 {asset_no} 不在运行中（{place}），不能拆回。",
    "{asset_no} is not in service ({place}) and cannot be dismantled",
)
BEFORE_INSTALLED = against_rules(
    "meter.dismantled_before_installed",
    "器具 {asset_no} 于 {installed_on} 安装，不能于 {dismantled_on} 拆回。请核对日期。",
    "{asset_no} was installed on {installed_on} and cannot have been dismantled on {dismantled_on}; check the days",
)
NOT_DISMANTLED = against_rules(
    "meter.not_dismantled",
    "器具 {asset_no} 尚未拆回，不能记录底度。",
    "{asset_no} has not been dismantled; there is no final reading to record",
)
READING_EXISTS = against_rules(
    "meter.reading_exists",
    "器具 {asset_no} 已有底度；如有异议请走争议流程。",
    "{asset_no} has its final reading; dispute it instead of recording another",
)
NO_READING = against_rules(
    "meter.no_reading",
    "器具 {asset_no} 没有底度记录。",
    "{asset_no} has no final reading on record",
)
ALREADY_DISPUTED = against_rules(
    "meter.already_disputed",
    "器具 {asset_no} 的底度争议尚未了结。",
    "the final reading of {asset_no} is in dispute already",
)
NOT_DISPUTED = against_rules(
    "meter.not_disputed",
    "器具 {asset_no} 的底度没有案号为 {case} 的争议。",
    "the final reading of {asset_no} is not in dispute under {case}",
)
READING_EMPTY = unreadable(
    "meter.reading_empty",
    "底度须至少有一项示数或照片。",
    "a reading holds at least one register or a photo",
)
READING_MISSING = unreadable(
    "meter.reading_missing",
    "结论为更正时须给出新的底度，为维持时不得给出。",
    "a dispute resolved by correction gives the corrected reading, one upheld gives none",
)


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """底度 Register values at dismantling: active import in all and by tariff (尖 峰 平 谷), export, reactive, demand.
    At least one of them, or a photo of them. `ratio_micro` multiplies them where the device measures through
    transformers.
    """

    total_wh: ReadingWh | None = None
    sharp_wh: ReadingWh | None = None
    peak_wh: ReadingWh | None = None
    flat_wh: ReadingWh | None = None
    valley_wh: ReadingWh | None = None
    reverse_wh: ReadingWh | None = None
    reactive_varh: ReadingVarh | None = None
    demand_w: DemandW | None = None
    ratio_micro: RatioMicro | None = None
    photo_sha256: Sha256 | None = None
    customer_signature: Signature | None = None


class Dismantle(Happened, frozen=True, kw_only=True):
    """拆回 Take a device out of service under a work order; the unit's store at `site` holds it from now on."""

    asset_no: AssetNo
    work_order: Reference
    unit: UnitCode
    site: SiteId
    reason: DismantleReason
    county: CountyCode | None = None
    reading: Reading | None = None


class RecordFinalReading(Happened, frozen=True, kw_only=True):
    """记录底度 Record the registers as they stood at dismantling."""

    asset_no: AssetNo
    reading: Reading


class DisputeFinalReading(Happened, frozen=True, kw_only=True):
    """底度争议 The customer or a unit disputes the final reading."""

    asset_no: AssetNo
    case: Reference
    ground: Remark


class ResolveFinalReading(Happened, frozen=True, kw_only=True):
    """了结底度争议 The dispute ends: the reading stands, or is corrected."""

    asset_no: AssetNo
    case: Reference
    outcome: Literal["upheld", "corrected"]
    reading: Reading | None = None


class Dismantled(Happened, frozen=True, kw_only=True):
    """Out of service, in the unit's store; or, under `temporary_id`, so before its number was known, and `unexpected`
    where it is kept apart. `arrivals` are those of a device that lay in ordinary stock already, under a
    temporary identity.
    """

    asset_no: AssetNo
    work_order: Reference
    unit: UnitCode
    reason: DismantleReason
    moved: Movement
    county: CountyCode | None = None
    temporary_id: AssetNo | None = None
    unexpected: bool = False
    arrivals: tuple[Arrival, ...] = ()


class FinalReadingRecorded(Happened, frozen=True, kw_only=True):
    """The registers at dismantling."""

    asset_no: AssetNo
    reading: Reading


class FinalReadingDisputed(Happened, frozen=True, kw_only=True):
    """The final reading is in dispute."""

    asset_no: AssetNo
    case: Reference
    ground: Remark


class FinalReadingResolved(Happened, frozen=True, kw_only=True):
    """The dispute has ended."""

    asset_no: AssetNo
    case: Reference
    outcome: Literal["upheld", "corrected"]
    reading: Reading | None = None


Command: TypeAlias = Dismantle | RecordFinalReading | DisputeFinalReading | ResolveFinalReading
Event: TypeAlias = Dismantled | FinalReadingRecorded | FinalReadingDisputed | FinalReadingResolved


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    place = known(command.asset_no, meter)
    match command:
        case Dismantle():
            return _dismantle(command, meter)
        case RecordFinalReading(reading=reading):
            if isinstance(place, InService) or meter.new:
                raise NOT_DISMANTLED(asset_no=command.asset_no)
            return [_final(command, reading, meter)]
        case DisputeFinalReading():
            if meter.reading_version is None:
                raise NO_READING(asset_no=command.asset_no)
            if meter.dispute is not None:
                raise ALREADY_DISPUTED(asset_no=command.asset_no)
            return [becomes(command, FinalReadingDisputed)]
        case ResolveFinalReading(outcome=outcome, reading=reading):
            if meter.dispute != command.case:
                raise NOT_DISPUTED(asset_no=command.asset_no, case=command.case)
            if (outcome == "corrected") is (reading is None):
                raise READING_MISSING()
            if reading is not None:
                legible(reading)
            return [becomes(command, FinalReadingResolved)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Dismantled(moved=moved, unit=unit):
            now = meter.version + 1
            days = meter.dismantled_on | {now: event.day}
            said = {"dismantled_version": now, "dismantled_on": days, "unit": unit, "unit_version": now}
            if event.county is not None:
                said["county_version"] = now
            meter = msgspec.structs.replace(meter, **said)
            if moved.to_site is None:
                return meter
            came = CameIn(moved.device_class, moved.to_site, counts_on(event), meter.moved_on)
            return msgspec.structs.replace(
                meter,
                place=AtSite(moved.to_site, as_dismantled=True),
                dismantlings=meter.dismantlings | {now: came},
            )
        case FinalReadingRecorded():
            return msgspec.structs.replace(meter, reading_version=meter.version + 1)
        case FinalReadingDisputed(case=case):
            return msgspec.structs.replace(meter, dispute=case)
        case FinalReadingResolved(reading=reading):
            read_in = meter.reading_version if reading is None else meter.version + 1
            return msgspec.structs.replace(meter, dispute=None, reading_version=read_in)


def _dismantle(command: Dismantle, meter: Meter) -> Sequence[Event]:
    place = known(command.asset_no, meter)
    not_before(meter.installed_on, command.asset_no, command.day)
    if isinstance(place, InService):
        dismantled = becomes(command, Dismantled, moved=meter.moves(command.site))
    elif isinstance(place, AtSite) and _awaits_work_order(command.asset_no, place, meter):
        stays = Movement(device_class=meter.device_class)
        here = {"unexpected": place.unexpected, "arrivals": meter.along.arrivals}
        dismantled = becomes(command, Dismantled, moved=stays, **here)
    else:
        raise NOT_IN_SERVICE(asset_no=command.asset_no, place=spoken(place))
    return [dismantled] if command.reading is None else [dismantled, _final(command, command.reading, meter)]


def _awaits_work_order(asset_no: str, place: AtSite, meter: Meter) -> bool:
    """Whether it may have come from service without the record's knowing."""
    untold = meter.dismantled_version is None and not meter.new
    return untold and (place.unexpected or asset_no.startswith("T"))


def not_before(installed_on: date | None, asset_no: str, dismantled_on: date) -> None:
    """Refuse a dismantling before the device was installed."""
    if installed_on is not None and dismantled_on < installed_on:
        raise BEFORE_INSTALLED(asset_no=asset_no, installed_on=installed_on, dismantled_on=dismantled_on)


def _final(command: Dismantle | RecordFinalReading, reading: Reading, meter: Meter) -> FinalReadingRecorded:
    if meter.reading_version is not None:
        raise READING_EXISTS(asset_no=command.asset_no)
    legible(reading)
    return becomes(command, FinalReadingRecorded)


def legible(reading: Reading) -> None:
    """Refuse a reading that says nothing of any register."""
    said = msgspec.structs.asdict(reading)
    if all(value is None for name, value in said.items() if name not in ("ratio_micro", "customer_signature")):
        raise READING_EMPTY()


PART = Part(members(Command), members(Event), decide, evolve)
