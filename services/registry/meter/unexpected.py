"""Here, though nobody expected it, or though its life had ended.

    anywhere           -> Unexpected (held apart) -> UnexpectedAccepted | released to its customer
    sold, written off, -> Reappeared (an alarm: who held it last) and Unexpected
      kept by its maker
    destroyed          -> Reappeared, and nothing else: destroyed is the end

One custodian at a time: whoever reports a device that is on record elsewhere has it, and the record follows the thing.
A number that comes back from destruction is not a device come back but a number on a device, which is then kept under
a temporary identity.
"""

from collections.abc import Sequence
from datetime import date
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, DeviceClass, Reference, SiteId, UnitCode
from kernel.quantity import CivilDate, Happened, Name, Version, refuse_far_days
from kernel.refusal import against_rules
from services.registry.asset_number import is_customer_owned, is_well_formed, unit_of
from services.registry.meter.state import (
    BOUND,
    DESTROYED,
    LEFT_FOR_GOOD,
    OTHER_CLASS,
    AtSite,
    Ended,
    Meter,
    Out,
    Place,
    WithRecycler,
    back_in_hand,
    consented,
    known,
    spoken,
)
from services.registry.vocabulary import EventId, Movement, Owner, ShipmentId

ALREADY_AT_SITE = against_rules(
    "meter.already_at_site",
    "器具 {asset_no} 已在 {site}。",
    "{asset_no} is at {site} already",
)
MOVED_SINCE = against_rules(
    "meter.moved_since",
    "器具 {asset_no} 在 {day} 盘点之后已于 {moved_on} 流转，盘点差异不再改变其记录。请核对其现存位置。",
    "{asset_no} has moved on {moved_on}, after the stocktake of {day}, which does not change its record any more; "
    "look where it is now",
)
NOT_UNEXPECTED = against_rules(
    "meter.not_unexpected",
    "器具 {asset_no} 不是计划外到货。",
    "{asset_no} is not an unexpected arrival",
)
NOT_CUSTOMERS = against_rules(
    "meter.not_customers",
    "器具 {asset_no} 为公司资产，不需用户同意。",
    "{asset_no} belongs to the company; no customer's consent is needed",
)


class Sighting(Happened, frozen=True, kw_only=True):
    """A device is at this site."""

    asset_no: AssetNo
    site: SiteId


class ReceiveUnexpected(Sighting, frozen=True, kw_only=True):
    """计划外到货 A device is here that nobody announced; it is kept apart until that is resolved. `stocktake` is the
    event of the count that found it over: one of a day before the device last moved changes nothing any more.
    """

    device_class: DeviceClass
    shipment: ShipmentId | None = None
    damaged: bool = False
    stocktake: EventId | None = None


class AcceptUnexpected(Happened, frozen=True, kw_only=True):
    """认领计划外到货 Take an unexpected device into ordinary stock, on the ground of a reference."""

    asset_no: AssetNo
    reference: Reference


class RecordConsent(Happened, frozen=True, kw_only=True):
    """用户同意 The customer who owns the device leaves it to the company."""

    asset_no: AssetNo
    reference: Reference


class Unexpected(Happened, frozen=True, kw_only=True):
    """Here, unannounced, held apart. `recorded_as` is where the record had it until now."""

    asset_no: AssetNo
    owner: Owner
    unit: UnitCode
    moved: Movement
    shipment: ShipmentId | None = None
    recorded_as: Name | None = None
    damaged: bool = False
    dismantled_version: Version | None = None


class UnexpectedAccepted(Happened, frozen=True, kw_only=True):
    """In ordinary stock from now on, and received as far as its dismantling is concerned. `counts_on` is the day on
    which the device last moved, where this is dated before that.
    """

    asset_no: AssetNo
    reference: Reference
    site: SiteId
    dismantled_version: Version | None = None
    counts_on: CivilDate | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(counts_on=self.counts_on)


class CustomerConsented(Happened, frozen=True, kw_only=True):
    """The owner leaves the device to the company."""

    asset_no: AssetNo
    reference: Reference


class Reappeared(Happened, frozen=True, kw_only=True):
    """An alarm: a device that was sold, or whose life had ended, is here. `last_holder` answers for it."""

    asset_no: AssetNo
    site: SiteId
    ended_as: Name
    last_holder: Name


Command: TypeAlias = ReceiveUnexpected | AcceptUnexpected | RecordConsent
Event: TypeAlias = Unexpected | UnexpectedAccepted | CustomerConsented | Reappeared


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    match command:
        case ReceiveUnexpected():
            if command.stocktake is not None and meter.place is not None:
                not_moved_since(command.asset_no, command.day, meter)
                of_its_class(command.asset_no, command.device_class, meter)
            return turned_up(command, command.device_class, meter)
        case AcceptUnexpected():
            place = known(command.asset_no, meter)
            if not (isinstance(place, AtSite) and place.unexpected):
                raise NOT_UNEXPECTED(asset_no=command.asset_no)
            consented(command.asset_no, meter)
            return [becomes(command, UnexpectedAccepted, site=place.site, **meter.dismantlement)]
        case RecordConsent():
            known(command.asset_no, meter)
            if meter.owner != "customer":
                raise NOT_CUSTOMERS(asset_no=command.asset_no)
            return [becomes(command, CustomerConsented)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Unexpected():
            return _kept_apart(meter, event)
        case UnexpectedAccepted(site=site):
            return msgspec.structs.replace(meter, place=AtSite(site))
        case CustomerConsented():
            return msgspec.structs.replace(meter, consented=True)
        case Reappeared():
            return meter


def not_moved_since(asset_no: str, day: date, meter: Meter) -> None:
    """Refuse to have a stocktake of this day move a device that moved on a later one. Counts are entered days later,
    and what became of the device since then is known better.
    """
    if meter.moved_on is not None and meter.moved_on > day:
        raise MOVED_SINCE(asset_no=asset_no, day=day, moved_on=meter.moved_on)


def of_its_class(asset_no: str, listed: DeviceClass, meter: Meter) -> None:
    """Refuse to take a device for another class than that on record."""
    if listed != meter.device_class:
        raise OTHER_CLASS(asset_no=asset_no, listed=listed, on_record=meter.device_class)


def reappearance(sighting: Happened, meter: Meter) -> list[Reappeared]:
    """The alarm, where a device that was sold or whose life had ended is seen at the site that a command names."""
    match meter.place:
        case WithRecycler(recycler=recycler, lot=lot):
            ended_as, holder = f"sold in {lot}", recycler
        case Ended(how=how, last_holder=holder) if how in LEFT_FOR_GOOD:
            ended_as = how
        case _:
            return []
    return [becomes(sighting, Reappeared, ended_as=ended_as, last_holder=holder)]


def turned_up(sighting: Sighting, device_class: DeviceClass, meter: Meter) -> list[Event]:
    """What follows where a device is at the site that a command names, unannounced."""
    number = sighting.asset_no
    alarm = reappearance(sighting, meter)
    match meter.place:
        case None:
            customers = is_well_formed(number) and is_customer_owned(number)
            who: dict[str, str] = {"owner": "customer" if customers else "company"}
            who["unit"] = unit_of(number.removeprefix("T"))
            moved = Movement(device_class=device_class, to_site=sighting.site)
            return [becomes(sighting, Unexpected, **who, moved=moved)]
        case Ended(how=how) if how in DESTROYED:
            return [*alarm]
        case Ended(how="bound", last_holder=bound_to):
            raise BOUND(asset_no=number, number=bound_to)
        case AtSite(site=sighting.site):
            raise ALREADY_AT_SITE(asset_no=number, site=sighting.site)
        case place:
            return [*alarm, displaced(sighting, meter, place)]


def displaced(sighting: Sighting, meter: Meter, place: Place) -> Unexpected:
    """The device is here, whatever the record says, and is kept apart."""
    return becomes(
        sighting,
        Unexpected,
        owner=meter.owner,
        unit=meter.unit,
        moved=meter.moves(sighting.site),
        recorded_as=spoken(place)[1],
        **meter.dismantlement,
    )


def _kept_apart(meter: Meter, event: Unexpected) -> Meter:
    """Nobody knows where it has been: what was cleared or certified before does not count any more."""
    return msgspec.structs.replace(
        back_in_hand(meter),
        device_class=event.moved.device_class,
        unit=event.unit,
        unit_version=meter.version + 1 if meter.place is None else meter.unit_version,
        owner=event.owner,
        identified_in=meter.identified_in | {meter.version + 1},
        place=AtSite(event.moved.to_site or "", unexpected=True),
        new=meter.new and not isinstance(meter.place, Out),
        arrived_with=event.shipment or meter.arrived_with,
    )


PART = Part(members(Command), members(Event), decide, evolve)
