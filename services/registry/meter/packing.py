"""In a box at its site, and out of it again.

    at a site -> PlacedInContainer -> TakenOutOfContainer

Which box a device is in is a part of where it is, and nothing else says so: it is in one at most, whatever two people
say at the same time, and whatever moves it takes it out, for where it is has changed.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, ContainerId, SiteId
from kernel.quantity import Happened
from kernel.refusal import against_rules
from services.registry.meter.custody import at_site
from services.registry.meter.state import IN_CONTAINER, AtSite, Meter, known

NOT_IN_CONTAINER = against_rules(
    "meter.not_in_container",
    "器具 {asset_no} 不在周转箱 {container} 中。",
    "{asset_no} is not in container {container}",
)


class PlaceInContainer(Happened, frozen=True, kw_only=True):
    """随箱装入 The device goes into a box at this site."""

    asset_no: AssetNo
    container: ContainerId
    site: SiteId


class TakeOutOfContainer(Happened, frozen=True, kw_only=True):
    """随箱取出 The device comes out of a box."""

    asset_no: AssetNo
    container: ContainerId


class PlacedInContainer(Happened, frozen=True, kw_only=True):
    """In a box."""

    asset_no: AssetNo
    container: ContainerId
    site: SiteId


class TakenOutOfContainer(Happened, frozen=True, kw_only=True):
    """Out of the box, where the box is."""

    asset_no: AssetNo
    container: ContainerId
    site: SiteId


Command: TypeAlias = PlaceInContainer | TakeOutOfContainer
Event: TypeAlias = PlacedInContainer | TakenOutOfContainer


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    match command:
        case PlaceInContainer(asset_no=asset_no):
            place = at_site(asset_no, command.site, meter)
            if place.container is not None:
                raise IN_CONTAINER(asset_no=asset_no, container=place.container)
            return [becomes(command, PlacedInContainer)]
        case TakeOutOfContainer(asset_no=asset_no):
            known(asset_no, meter)
            if meter.container != command.container:
                raise NOT_IN_CONTAINER(asset_no=asset_no, container=command.container)
            return [becomes(command, TakenOutOfContainer, site=meter.site)]


def evolve(meter: Meter, event: Event) -> Meter:
    if not isinstance(meter.place, AtSite):
        return meter
    container = event.container if isinstance(event, PlacedInContainer) else None
    return msgspec.structs.replace(meter, place=msgspec.structs.replace(meter.place, container=container))


PART = Part(members(Command), members(Event), decide, evolve)
