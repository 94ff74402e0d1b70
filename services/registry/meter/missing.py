"""Not where it should be, until it is found or its loss is confirmed and written off.

in transit, at a site, out -> Missing -> Found | LossConfirmed -> WrittenOff

That a device is missing or lost is a fact, held or not. To write it off is to look for it no more: while a hold stands,
whoever ordered the hold is told first, and lets go of it.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, DeviceClass, Reference, SiteId, UnitCode
from kernel.quantity import Happened, Remark, Version
from kernel.refusal import against_rules
from services.registry.meter.state import (
    AtSite,
    Ended,
    InTransit,
    LostFrom,
    Meter,
    MissingFrom,
    Out,
    back_in_hand,
    known,
    listed,
    spoken,
)
from services.registry.meter.unexpected import Sighting, Unexpected, displaced, not_moved_since, of_its_class
from services.registry.vocabulary import EventId, LossCause, Movement, ShipmentId

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

LOST_ON_HOLD = against_rules(
    "meter.lost_on_hold",
    "丢失的器具 {asset_no} 仍处于留存（{holds}），不能盘亏核销。请先告知留存的依据单位并解除留存。",
    "{asset_no} is lost while on hold ({holds}) and is not written off; tell who ordered the hold, and lift it first",
)


class MarkMissing(Happened, frozen=True, kw_only=True):
    """缺失 The device is not where it should be: not in the shipment, not at the site of a stocktake, or not where it
    was released to under `release`, the reference of its release. One of the three. `device_class` is what it was
    listed as, and is to be that on record. `stocktake` is the event of the count that found it short: one of a day
    before the device last moved changes nothing any more.
    """

    asset_no: AssetNo
    shipment: ShipmentId | None = None
    site: SiteId | None = None
    release: Reference | None = None
    device_class: DeviceClass | None = None
    stocktake: EventId | None = None


class MarkFound(Sighting, frozen=True, kw_only=True):
    """找回 A missing device is at this site."""

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


Command: TypeAlias = MarkMissing | MarkFound | ConfirmLoss | WriteOff
Event: TypeAlias = Missing | Found | LossConfirmed | WrittenOff


def decide(command: Command, meter: Meter) -> Sequence[Event | Unexpected]:
    place = known(command.asset_no, meter)
    match command:
        case MarkMissing():
            return [_missing(command, meter)]
        case MarkFound(site=site):
            if not isinstance(place, MissingFrom | LostFrom):
                raise NOT_MISSING(asset_no=command.asset_no, place=spoken(place))
            if place.unexpected:
                return [displaced(command, meter, place)]
            return [becomes(command, Found, moved=meter.moves(site), **meter.dismantlement)]
        case ConfirmLoss():
            if not isinstance(place, MissingFrom):
                raise NOT_MISSING(asset_no=command.asset_no, place=spoken(place))
            return [becomes(command, LossConfirmed, last_site=place.last_site, **meter.dismantlement)]
        case WriteOff():
            if not isinstance(place, LostFrom):
                raise LOSS_NOT_CONFIRMED(asset_no=command.asset_no)
            if held := meter.held:
                raise LOST_ON_HOLD(asset_no=command.asset_no, holds=listed(held))
            return [becomes(command, WrittenOff, last_site=place.last_site, **meter.dismantlement)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Missing(last_site=site, shipment=shipment):
            apart = isinstance(meter.place, AtSite) and meter.place.unexpected
            return msgspec.structs.replace(meter, place=MissingFrom(site, shipment, apart))
        case Found(moved=moved):
            # Where a shipment brought it after all, `place` still knows which.
            with_shipment = meter.place.shipment if isinstance(meter.place, MissingFrom) else None
            return msgspec.structs.replace(
                back_in_hand(meter),
                place=AtSite(moved.to_site or ""),
                arrived_with=with_shipment or meter.arrived_with,
            )
        case LossConfirmed(last_site=site):
            apart = isinstance(meter.place, MissingFrom) and meter.place.unexpected
            return msgspec.structs.replace(meter, place=LostFrom(site, apart))
        case WrittenOff(last_site=site):
            return msgspec.structs.replace(meter, place=Ended("written_off", site))


def _missing(command: MarkMissing, meter: Meter) -> Missing:
    place = known(command.asset_no, meter)
    if command.stocktake is not None:
        not_moved_since(command.asset_no, command.day, meter)
    if command.device_class is not None:
        of_its_class(command.asset_no, command.device_class, meter)
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


PART = Part(members(Command), members(Event), decide, evolve)
