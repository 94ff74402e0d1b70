"""Who holds a device between sites, and what happens when it is not where it should be, or is where nobody expected it.

    at a site -> Dispatched -> Received | Missing -> Found | LossConfirmed -> WrittenOff
    out       -> Missing (lost where it was sent, or on the way)
    anywhere  -> Unexpected (held apart) -> UnexpectedAccepted | released to its customer
    sold, written off -> Reappeared (an alarm: who held it last) and Unexpected
    destroyed -> Reappeared, and nothing else: destroyed is the end

A number that comes back from destruction is not a device come back but a number on a device, which is then kept under
a temporary identity.

What belongs to a dismantling says so by `dismantled_version`, the version of its Dismantled event, so that the recovery
of a month's cohort is a plain sum over the log.

One custodian at a time: whoever reports a device that is on record elsewhere has it, and the record follows the thing.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.quantity import Happened, Name, Remark
from kernel.refusal import against_rules
from services.registry.asset_number import is_customer_owned, is_well_formed, unit_of
from services.registry.meter.state import (
    BOUND,
    KEPT_APART,
    AtSite,
    Ended,
    InTransit,
    LostFrom,
    Meter,
    MissingFrom,
    Out,
    Place,
    WithRecycler,
    consented,
    known,
    spoken,
    uncertified,
)
from services.registry.vocabulary import (
    AssetNo,
    ContainerId,
    DeviceClass,
    LossCause,
    Movement,
    Owner,
    Reference,
    ShipmentId,
    SiteId,
    UnitCode,
    Version,
)

NOT_AT_SITE = against_rules(
    "meter.not_at_site",
    "器具 {asset_no} 不在 {site}（{place}）。",
    "{asset_no} is not at {site} ({place})",
)
ALREADY_AT_SITE = against_rules(
    "meter.already_at_site",
    "器具 {asset_no} 已在 {site}。",
    "{asset_no} is at {site} already",
)
ALREADY_RECEIVED = against_rules(
    "meter.already_received",
    "器具 {asset_no} 已随移交单 {shipment} 接收。",
    "{asset_no} has been received with shipment {shipment} already",
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
NOT_MISSING = against_rules(
    "meter.not_missing",
    "器具 {asset_no} 未记为缺失（{place}）。",
    "{asset_no} is not on record as missing ({place})",
)
NOT_HERE_TO_MISS = against_rules(
    "meter.not_here_to_miss",
    "器具 {asset_no} 的记录为 {place}，不能在 {where} 记为缺失。",
    "{asset_no} is on record as {place} and cannot be missing from {where}",
)
LOSS_NOT_CONFIRMED = against_rules(
    "meter.loss_not_confirmed",
    "器具 {asset_no} 的丢失尚未认定，不能盘亏核销。",
    "the loss of {asset_no} has not been confirmed; it cannot be written off",
)


class Dispatch(Happened, frozen=True, kw_only=True):
    """发出 The device leaves a site in a shipment."""

    asset_no: AssetNo
    shipment: ShipmentId
    from_site: SiteId
    to_site: SiteId
    container: ContainerId | None = None


class Receive(Happened, frozen=True, kw_only=True):
    """接收 The device has come in. What was not dispatched with this shipment is recorded as unexpected."""

    asset_no: AssetNo
    shipment: ShipmentId
    site: SiteId
    device_class: DeviceClass
    damaged: bool = False


class ReceiveUnexpected(Happened, frozen=True, kw_only=True):
    """计划外到货 A device is here that nobody announced; it is kept apart until that is resolved."""

    asset_no: AssetNo
    site: SiteId
    device_class: DeviceClass
    shipment: ShipmentId | None = None
    damaged: bool = False


class AcceptUnexpected(Happened, frozen=True, kw_only=True):
    """认领计划外到货 Take an unexpected device into ordinary stock, on the ground of a reference."""

    asset_no: AssetNo
    reference: Reference


class RecordConsent(Happened, frozen=True, kw_only=True):
    """用户同意 The customer who owns the device leaves it to the company."""

    asset_no: AssetNo
    reference: Reference


class MarkMissing(Happened, frozen=True, kw_only=True):
    """缺失 The device is not where it should be: not in the shipment, not at the site of a stocktake, or not where it
    was released to under `release`, the reference of its release. One of the three.
    """

    asset_no: AssetNo
    shipment: ShipmentId | None = None
    site: SiteId | None = None
    release: Reference | None = None


class MarkFound(Happened, frozen=True, kw_only=True):
    """找回 A missing device is at this site."""

    asset_no: AssetNo
    site: SiteId
    reference: Reference | None = None


class ConfirmLoss(Happened, frozen=True, kw_only=True):
    """认定丢失 A missing device is lost: why, and which unit answers for it."""

    asset_no: AssetNo
    cause: LossCause
    liable_unit: UnitCode
    finding: Remark | None = None


class WriteOff(Happened, frozen=True, kw_only=True):
    """盘亏核销 A lost device is written off on an approval."""

    asset_no: AssetNo
    approval: Reference


class Store(Happened, frozen=True, kw_only=True):
    """入库 The device has a place within its site."""

    asset_no: AssetNo
    site: SiteId
    location: Name
    container: ContainerId | None = None


class Dispatched(Happened, frozen=True, kw_only=True):
    """In transit."""

    asset_no: AssetNo
    shipment: ShipmentId
    to_site: SiteId
    moved: Movement
    container: ContainerId | None = None


class Received(Happened, frozen=True, kw_only=True):
    """In stock, as announced."""

    asset_no: AssetNo
    shipment: ShipmentId
    moved: Movement
    damaged: bool = False
    dismantled_version: Version | None = None


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
    """In ordinary stock from now on, and received as far as its dismantling is concerned."""

    asset_no: AssetNo
    reference: Reference
    site: SiteId
    dismantled_version: Version | None = None


class CustomerConsented(Happened, frozen=True, kw_only=True):
    """The owner leaves the device to the company."""

    asset_no: AssetNo
    reference: Reference


class Missing(Happened, frozen=True, kw_only=True):
    """Not where it should be. A movement out where a site had counted it."""

    asset_no: AssetNo
    last_site: SiteId
    shipment: ShipmentId | None = None
    moved: Movement | None = None
    dismantled_version: Version | None = None


class Found(Happened, frozen=True, kw_only=True):
    """A missing device is back."""

    asset_no: AssetNo
    moved: Movement
    reference: Reference | None = None
    dismantled_version: Version | None = None


class LossConfirmed(Happened, frozen=True, kw_only=True):
    """Lost: why, and who answers for it."""

    asset_no: AssetNo
    last_site: SiteId
    cause: LossCause
    liable_unit: UnitCode
    finding: Remark | None = None
    dismantled_version: Version | None = None


class WrittenOff(Happened, frozen=True, kw_only=True):
    """The end of a lost device."""

    asset_no: AssetNo
    last_site: SiteId
    approval: Reference
    dismantled_version: Version | None = None


class Stored(Happened, frozen=True, kw_only=True):
    """Its place within the site."""

    asset_no: AssetNo
    site: SiteId
    location: Name
    container: ContainerId | None = None


class Reappeared(Happened, frozen=True, kw_only=True):
    """An alarm: a device that was sold, written off or destroyed is here. `last_holder` answers for it."""

    asset_no: AssetNo
    site: SiteId
    ended_as: Name
    last_holder: Name


Command: TypeAlias = (
    Dispatch
    | Receive
    | ReceiveUnexpected
    | AcceptUnexpected
    | RecordConsent
    | MarkMissing
    | MarkFound
    | ConfirmLoss
    | WriteOff
    | Store
)
Event: TypeAlias = (
    Dispatched
    | Received
    | Unexpected
    | UnexpectedAccepted
    | CustomerConsented
    | Missing
    | Found
    | LossConfirmed
    | WrittenOff
    | Stored
    | Reappeared
)


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    match command:
        case Dispatch():
            at_site(command.asset_no, command.from_site, meter)
            return [becomes(command, Dispatched, moved=meter.moves(None))]
        case Receive():
            return _receive(command, meter)
        case ReceiveUnexpected():
            return _unexpected(command, meter)
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
        case MarkMissing():
            return [_missing(command, meter)]
        case MarkFound(site=site):
            place = known(command.asset_no, meter)
            if not isinstance(place, MissingFrom | LostFrom):
                raise NOT_MISSING(asset_no=command.asset_no, place=spoken(place))
            if place.unexpected:
                return [_displaced(command, meter, place)]
            return [becomes(command, Found, moved=meter.moves(site), **meter.dismantlement)]
        case ConfirmLoss():
            place = known(command.asset_no, meter)
            if not isinstance(place, MissingFrom):
                raise NOT_MISSING(asset_no=command.asset_no, place=spoken(place))
            return [becomes(command, LossConfirmed, last_site=place.last_site, **meter.dismantlement)]
        case WriteOff():
            place = known(command.asset_no, meter)
            if not isinstance(place, LostFrom):
                raise LOSS_NOT_CONFIRMED(asset_no=command.asset_no)
            return [becomes(command, WrittenOff, last_site=place.last_site, **meter.dismantlement)]
        case Store():
            place = known(command.asset_no, meter)
            if meter.site != command.site:
                raise NOT_AT_SITE(asset_no=command.asset_no, site=command.site, place=spoken(place))
            return [becomes(command, Stored)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Dispatched(shipment=shipment, moved=moved):
            return msgspec.structs.replace(meter, place=InTransit(shipment, moved.from_site or ""))
        case Received(moved=moved, shipment=shipment):
            return msgspec.structs.replace(meter, place=AtSite(moved.to_site or ""), arrived_with=shipment)
        case Found(moved=moved):
            # Where a shipment brought it after all, `place` still knows which.
            with_shipment = meter.place.shipment if isinstance(meter.place, MissingFrom) else None
            return msgspec.structs.replace(
                meter,
                place=AtSite(moved.to_site or ""),
                arrived_with=with_shipment or meter.arrived_with,
                preconditions=uncertified(meter),
            )
        case Unexpected():
            return _kept_apart(meter, event)
        case UnexpectedAccepted(site=site):
            return msgspec.structs.replace(meter, place=AtSite(site))
        case CustomerConsented():
            return msgspec.structs.replace(meter, consented=True)
        case Missing(last_site=site, shipment=shipment):
            apart = isinstance(meter.place, AtSite) and meter.place.unexpected
            return msgspec.structs.replace(meter, place=MissingFrom(site, shipment, apart))
        case LossConfirmed(last_site=site):
            apart = isinstance(meter.place, MissingFrom) and meter.place.unexpected
            return msgspec.structs.replace(meter, place=LostFrom(site, apart))
        case WrittenOff(last_site=site):
            return msgspec.structs.replace(meter, place=Ended("written_off", site))
        case Stored() | Reappeared():
            return meter


def at_site(asset_no: str, site: str, meter: Meter) -> AtSite:
    """Refuse unless it is in this site's ordinary stock."""
    place = known(asset_no, meter)
    if not isinstance(place, AtSite) or place.site != site:
        raise NOT_AT_SITE(asset_no=asset_no, site=site, place=spoken(place))
    if place.unexpected:
        raise KEPT_APART(asset_no=asset_no)
    return place


def reappearance(sighting: Happened, meter: Meter) -> list[Reappeared]:
    """The alarm, where a device that was sold, written off or destroyed is seen at the site that a command names."""
    match meter.place:
        case WithRecycler(recycler=recycler, lot=lot):
            ended_as, holder = f"sold in {lot}", recycler
        case Ended(how="destroyed" | "written_off" as how, last_holder=holder):
            ended_as = how
        case _:
            return []
    return [becomes(sighting, Reappeared, ended_as=ended_as, last_holder=holder)]


def _receive(command: Receive, meter: Meter) -> list[Event]:
    moved, shipment = meter.moves(command.site), command.shipment
    if isinstance(meter.place, InTransit) and meter.place.shipment == shipment:
        return [becomes(command, Received, moved=moved, **meter.dismantlement)]
    if isinstance(meter.place, MissingFrom) and meter.place.shipment == shipment:
        return [becomes(command, Found, moved=moved, reference=shipment, **meter.dismantlement)]
    if meter.arrived_with == shipment:
        # The same receipt told again, perhaps long after: the device may be anywhere by now.
        raise ALREADY_RECEIVED(asset_no=command.asset_no, shipment=shipment)
    return _unexpected(command, meter)


def _unexpected(command: Receive | ReceiveUnexpected, meter: Meter) -> list[Event]:
    number = command.asset_no
    alarm = reappearance(command, meter)
    match meter.place:
        case None:
            customers = is_well_formed(number) and is_customer_owned(number)
            who: dict[str, str] = {"owner": "customer" if customers else "company"}
            who["unit"] = unit_of(number.removeprefix("T"))
            moved = Movement(device_class=command.device_class, to_site=command.site)
            return [becomes(command, Unexpected, **who, moved=moved)]
        case Ended(how="destroyed"):
            return [*alarm]
        case Ended(how="bound", last_holder=bound_to):
            raise BOUND(asset_no=number, number=bound_to)
        case AtSite(site=command.site):
            raise ALREADY_AT_SITE(asset_no=number, site=command.site)
        case place:
            return [*alarm, _displaced(command, meter, place)]


def _displaced(command: Receive | ReceiveUnexpected | MarkFound, meter: Meter, place: Place) -> Unexpected:
    return becomes(
        command,
        Unexpected,
        owner=meter.owner,
        unit=meter.unit,
        moved=meter.moves(command.site),
        recorded_as=spoken(place)[1],
        **meter.dismantlement,
    )


def _missing(command: MarkMissing, meter: Meter) -> Missing:
    place = known(command.asset_no, meter)
    wheres = [where for where in (command.shipment, command.site, command.release) if where is not None]
    match place:
        case InTransit(shipment=where, last_site=last_site) if wheres == [command.shipment] == [where]:
            moved = None
        case AtSite(site=last_site) if wheres == [command.site] == [last_site]:
            moved = meter.moves(None)
        case Out(reference=where, last_site=last_site) if wheres == [command.release] == [where]:
            moved = None
        case _:
            raise NOT_HERE_TO_MISS(asset_no=command.asset_no, place=spoken(place), where=", ".join(wheres) or "-")
    return becomes(command, Missing, last_site=last_site, moved=moved, **meter.dismantlement)


def _kept_apart(meter: Meter, event: Unexpected) -> Meter:
    """Nobody knows where it has been: what was cleared or certified before does not count any more."""
    return msgspec.structs.replace(
        meter,
        device_class=event.moved.device_class,
        unit=event.unit,
        unit_version=meter.version + 1 if meter.place is None else meter.unit_version,
        owner=event.owner,
        place=AtSite(event.moved.to_site or "", unexpected=True),
        new=meter.new and not isinstance(meter.place, Out),
        arrived_with=event.shipment or meter.arrived_with,
        preconditions=uncertified(meter),
        data_cleared=False,
    )


PART = Part(members(Command), members(Event), decide, evolve)
