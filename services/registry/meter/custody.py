"""From site to site: what was dispatched is received, and has its place in the store.

    at a site -> Dispatched -> Received -> Stored

What does not arrive is missing (missing.py), what arrives without having been dispatched is unexpected (unexpected.py).

What belongs to a dismantling says so by `dismantled_version`, the version of its Dismantled event, so that the recovery
of a month's cohort is a plain sum over the log.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, ContainerId, DeviceClass, SiteId
from kernel.quantity import Happened, Name, Version
from kernel.refusal import against_rules
from services.registry.meter.missing import Found
from services.registry.meter.state import KEPT_APART, OTHER_CLASS, AtSite, InTransit, Meter, MissingFrom, known, spoken
from services.registry.meter.unexpected import Event as UnexpectedEvent
from services.registry.meter.unexpected import Sighting, turned_up
from services.registry.vocabulary import Movement, ShipmentId

NOT_AT_SITE = against_rules(
    "meter.not_at_site",
    "器具 {asset_no} 不在 {site}（{place}）。",
    "{asset_no} is not at {site} ({place})",
)
ALREADY_RECEIVED = against_rules(
    "meter.already_received",
    "器具 {asset_no} 已随移交单 {shipment} 接收。",
    "{asset_no} has been received with shipment {shipment} already",
)
STORED_IN_ANOTHER = against_rules(
    "meter.stored_in_another",
    "器具 {asset_no} 未装入周转箱 {container}；请先装箱。",
    "{asset_no} has not been packed into container {container}; pack it first",
)


class Dispatch(Happened, frozen=True, kw_only=True):
    """发出 The device leaves a site in a shipment, in this container or loose, whatever it was in before, under the
    class that the manifest gives it. Where the record has another, the number may be another's: it does not leave, and
    what arrives is kept apart until somebody has looked.
    """

    asset_no: AssetNo
    shipment: ShipmentId
    from_site: SiteId
    to_site: SiteId
    device_class: DeviceClass
    container: ContainerId | None = None


class Receive(Sighting, frozen=True, kw_only=True):
    """接收 The device has come in, out of whatever it travelled in. What was not dispatched with this shipment is
    recorded as unexpected.
    """

    shipment: ShipmentId
    device_class: DeviceClass
    damaged: bool = False


class Store(Happened, frozen=True, kw_only=True):
    """入库 The device has a place within its site. `container` is said to be sure: the box it is in, if any."""

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


class Stored(Happened, frozen=True, kw_only=True):
    """Its place within the site."""

    asset_no: AssetNo
    site: SiteId
    location: Name
    container: ContainerId | None = None


Command: TypeAlias = Dispatch | Receive | Store
Event: TypeAlias = Dispatched | Received | Stored


def decide(command: Command, meter: Meter) -> Sequence[Event | Found | UnexpectedEvent]:
    match command:
        case Dispatch():
            at_site(command.asset_no, command.from_site, meter)
            if command.device_class != meter.device_class:
                classes = {"listed": command.device_class, "on_record": meter.device_class}
                raise OTHER_CLASS(asset_no=command.asset_no, **classes)
            return [becomes(command, Dispatched, moved=meter.moves(None))]
        case Receive():
            return _receive(command, meter)
        case Store():
            place = known(command.asset_no, meter)
            if meter.site != command.site:
                raise NOT_AT_SITE(asset_no=command.asset_no, site=command.site, place=spoken(place))
            if command.container not in {None, meter.container}:
                raise STORED_IN_ANOTHER(asset_no=command.asset_no, container=command.container)
            return [becomes(command, Stored, container=meter.container)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Dispatched(shipment=shipment, moved=moved):
            return msgspec.structs.replace(meter, place=InTransit(shipment, moved.from_site or ""))
        case Received(moved=moved, shipment=shipment):
            return msgspec.structs.replace(meter, place=AtSite(moved.to_site or ""), arrived_with=shipment)
        case Stored():
            return meter


def at_site(asset_no: str, site: str, meter: Meter) -> AtSite:
    """Refuse unless it is in this site's ordinary stock."""
    place = known(asset_no, meter)
    if not isinstance(place, AtSite) or place.site != site:
        raise NOT_AT_SITE(asset_no=asset_no, site=site, place=spoken(place))
    if place.unexpected:
        raise KEPT_APART(asset_no=asset_no)
    return place


def _receive(command: Receive, meter: Meter) -> Sequence[Event | Found | UnexpectedEvent]:
    moved, shipment = meter.moves(command.site), command.shipment
    if isinstance(meter.place, InTransit) and meter.place.shipment == shipment:
        return [becomes(command, Received, moved=moved, **meter.dismantlement)]
    if isinstance(meter.place, MissingFrom) and meter.place.shipment == shipment:
        return [becomes(command, Found, moved=moved, reference=shipment, **meter.dismantlement)]
    if meter.arrived_with == shipment:
        # The same receipt told again, perhaps long after: the device may be anywhere by now.
        raise ALREADY_RECEIVED(asset_no=command.asset_no, shipment=shipment)
    return turned_up(command, command.device_class, meter)


PART = Part(members(Command), members(Event), decide, evolve)
