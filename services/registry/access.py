"""What each command is about, for the policies in policies.cedar: which device, shipment or site, and whose."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, False_

from kernel.authority import DENIED, Policies, Resource
from kernel.commands import Commands
from kernel.disclosure import Disclosure
from kernel.handling import Permit
from kernel.principal import Principal, Role
from kernel.refusal import Refusal, not_allowed
from kernel.view import View
from services.registry.app import DECIDERS, SERVICE, Registry
from services.registry.asset_number import is_customer_owned, is_well_formed, unit_of
from services.registry.container import (
    CONTAINER,
    DispatchContainer,
    MoveContainer,
    Pack,
    RecordContainerException,
    Unpack,
)
from services.registry.container import UNKNOWN as NO_CONTAINER
from services.registry.disclosed import PARTIES, WHOLE, Circle, disclosed
from services.registry.meter import METER
from services.registry.meter.binding import (
    AdoptIdentity,
    BindIdentity,
    EndTemporaryIdentity,
    KeepTemporaryIdentity,
)
from services.registry.meter.custody import Dispatch, Receive
from services.registry.meter.packing import PlaceInContainer, TakeOutOfContainer
from services.registry.meter.release import ReceiveFromMaker, RecordReplacement
from services.registry.meter.state import NOTHING, UNKNOWN, Meter
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.shipment import (
    SHIPMENT,
    PrepareShipment,
    ReceiveShipment,
    RecordShipmentException,
    Shipment,
    SignHandover,
)
from services.registry.shipment import UNKNOWN as NO_SHIPMENT
from services.registry.site import SITE, STOCKTAKES, RecordStocktake, RecordStocktakeException, Site
from services.registry.views.card import Card

SIGNED_BY_ANOTHER = not_allowed(
    "shipment.signed_by_another",
    "移交单 {shipment_id} 只能由本人签字：signer 须为您自己的代号 {subject}。",
    "{shipment_id} is signed by oneself alone: signer must be your own subject id, {subject}",
)

INSIDE: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    {
        Dispatch,
        Receive,
        AdoptIdentity,
        EndTemporaryIdentity,
        KeepTemporaryIdentity,
        RecordReplacement,
        RecordShipmentException,
        PlaceInContainer,
        TakeOutOfContainer,
        DispatchContainer,
        RecordContainerException,
        RecordStocktakeException,
    }
)
"""Given by policies only: the shipment decides, its devices follow; what came in place of a device says so."""

DRAWS_IN: Final[Mapping[type[msgspec.Struct], Callable[[Any], Iterable[str | None]]]] = {
    BindIdentity: lambda command: (command.bound_to,),
    ReceiveFromMaker: lambda command: (command.replaces,),
    PrepareShipment: lambda command: (line.asset_no for line in command.manifest),
    ReceiveShipment: lambda command: (line.asset_no for line in command.found),
    Pack: lambda command: command.asset_numbers,
    Unpack: lambda command: command.asset_numbers,
    RecordStocktake: lambda command: (one.asset_no for one in command.over),
}
"""Commands that name devices of other streams, which policies then move or write to, and the devices that they name.
What is short in a stocktake is not among them: a site says of itself that a device is not there.
"""

NOT_THEIRS: Final = not_allowed(
    "meter.not_theirs",
    "所列器具有 {devices} 只属其他单位，且不在您单位的库中：{first}。请从清单中移出，由中心仓储登记。",
    "{devices} of the devices named are another unit's and in no store of yours: {first}; leave them out and have the "
    "storekeepers of the centre record them",
)
SAID_AT_ONCE: Final = 10
"""Numbers named in one refusal."""


BOX_NOT_THEIRS: Final = not_allowed(
    "container.not_theirs",
    "周转箱 {container_id} 的记录在其他单位的库中。请核对箱号，或由中心仓储先改记其位置。",
    "container {container_id} is on record in another unit's store; check its number, or have the storekeepers of the "
    "centre put it right first",
)

SHOWN_AT: Final = {
    METER.category: "/v1/meters/{asset_no}/card",
    SHIPMENT.category: "/v1/shipments/{shipment_id}",
    CONTAINER.category: "/v1/containers/{container_id}",
}
"""Where one noun is shown by its key; of the others there are lists."""

REPORT: Final = Resource(type="Report")


class Access:
    """Asks the policies, and finds what they need to know. A device's unit is the one on record, in the log and not in
    a view that may be behind; before it has any, the one that its number begins with, whatever the command says.
    """

    def __init__(self, policies: Policies, registry: Registry, labels: Disclosure | None = None) -> None:
        self._policies: Final = policies
        self._registry: Final = registry
        labels = labels or disclosed()
        # What the labels say is the same for as long as the process runs.
        self._circles: Final = cache(lambda parties: Circle(parties, labels.shown_to(parties)))

    def offered(self) -> Sequence[Commands]:
        """The registry's commands as both doors offer them."""
        return [
            Commands(
                service=SERVICE,
                decider=decider,
                plural=f"{decider.category}s",
                do=self._registry.do,
                do_many=self._registry.do_many,
                permit=self.permit,
                inside=INSIDE,
                may_begin=frozenset({ReceiveUnexpected, MoveContainer}),
                shown_at=SHOWN_AT.get(decider.category),
            )
            for decider in DECIDERS
        ]

    async def require_open(self, *site_ids: str | None) -> None:
        """Nothing where all the sites that are named are open, else a refusal raised."""
        await self._registry.require_open(*site_ids)

    def may(self, principal: Principal, action: str, resource: Resource = REPORT) -> None:
        """Nothing where it is allowed, else a refusal raised."""
        self._policies.authorize(principal, action, resource)

    def reads(self, principal: Principal, card: Card) -> bool:
        """Whether this principal may see this device."""
        return self._policies.decide(principal, "ReadMeter", meter(card.unit, card.owner, card.maker)).allowed

    def may_read(self, principal: Principal, card: Card) -> None:
        """Nothing where this principal may see this device. Else it is as if there were none: that there is one would
        be told by any other refusal.
        """
        if not self.reads(principal, card):
            raise UNKNOWN(asset_no=card.asset_no)

    def circle(self, principal: Principal, card: Card) -> Circle:
        """As what this principal reads this device. Refuses as `may_read` does."""
        self.may_read(principal, card)
        device = meter(card.unit, card.owner, card.maker)
        if self._policies.decide(principal, "ReadWholeMeter", device).allowed:
            return WHOLE
        return self._circles(
            frozenset(party for role, party in PARTIES.items() if self._reads_as(principal, role, device))
        )

    def _reads_as(self, principal: Principal, role: Role, device: Resource) -> bool:
        alone = msgspec.structs.replace(principal, roles=principal.roles & {role})
        return self._policies.decide(alone, "ReadMeter", device).allowed

    def may_read_shipment(self, principal: Principal, shipment_id: str, unit: str) -> None:
        """The same of a shipment."""
        if not self._policies.decide(principal, "ReadShipment", shipment(unit)).allowed:
            raise NO_SHIPMENT(shipment_id=shipment_id)

    async def may_read_container(self, principal: Principal, container_id: str, site_id: str) -> None:
        """The same of a container, which is at this site."""
        site = (await self._registry.sites_now([site_id]))[site_id]
        resource = container(site.unit if site.phase != "none" else None)
        if not self._policies.decide(principal, "ReadContainer", resource).allowed:
            raise NO_CONTAINER(container_id=container_id)

    def may_read_signers(self, principal: Principal, unit: str) -> bool:
        """Whether this principal may know those who signed a shipment by their names."""
        return self._policies.decide(principal, "ReadSigners", shipment(unit)).allowed

    def visible(self, principal: Principal, action: str, resource_type: str, view: View[Any]) -> ColumnElement[bool]:
        """Which rows of a view this principal may see: the same answer as `may` on each of them. Raises DENIED where
        it could be none, whatever there is.
        """
        attributes = {"unit", "owner", "maker"}.intersection(view.row.__struct_fields__)
        columns = {name: view.columns.c[name] for name in attributes}
        rows = self._policies.where(principal, action, resource_type, columns)
        if isinstance(rows, False_):
            raise DENIED(action=action)
        return rows

    async def permit(self, principal: Principal, commands: Sequence[Any]) -> Permit:
        """Judges these commands by what is recorded of each one's own stream, of the sites that it is about, and of the
        devices that it draws in: what policies then do to them is done for this principal.
        """
        boxes = {one.container_id for one in commands if _CATEGORIES[type(one)] == CONTAINER.category}
        packed = await self._registry.containers_now(boxes) if boxes else {}
        signed = {one.shipment_id for one in commands if isinstance(one, SignHandover)}
        shipments = await self._registry.shipments_now(signed) if signed else {}
        named = {site for one in commands for site in _sites_named(one)}
        named.update(box.site for box in packed.values() if box.site is not None)
        named.update(site for one in shipments.values() for site in (one.from_site, one.to_site) if site)
        found = await self._registry.sites_now(named) if named else {}
        sites = {key: site for key, site in found.items() if site.phase != "none"}
        not_theirs = await self._not_theirs(principal, {device for one in commands for device in _drawn_in(one)})
        boxes_not_theirs = await self._boxes_not_theirs(
            principal, {box for one in commands for box in _taken_along(one)}
        )

        def judged(command: Any, state: Any) -> Refusal | None:
            refusal = self._policies.refusal(principal, type(command).__name__, _resource(command, state, sites))
            if refusal is not None:
                return refusal
            if isinstance(command, SignHandover) and command.signer != principal.subject:
                return SIGNED_BY_ANOTHER(shipment_id=command.shipment_id, subject=principal.subject, field="signer")
            if not_theirs and (others := not_theirs.intersection(_drawn_in(command))):
                return NOT_THEIRS(devices=len(others), first=_first(others))
            if boxes_not_theirs and (others := boxes_not_theirs.intersection(_taken_along(command))):
                return BOX_NOT_THEIRS(container_id=min(others))
            return None

        return judged

    async def _not_theirs(self, principal: Principal, asset_nos: Collection[str]) -> frozenset[str]:
        """Those of these devices that this principal's commands may not draw in: neither the device is their unit's nor
        the store where it lies. Who may draw in a device of no unit may draw in any.
        """

        def may(device: Resource) -> bool:
            return self._policies.decide(principal, "DrawInMeter", device).allowed

        if not asset_nos or may(meter("")):
            return frozenset()
        found = await self._registry.meters_now(sorted(asset_nos))
        sites = await self._registry.sites_now({one.site for one in found.values() if one.site is not None})
        devices = {number: found.get(number, NOTHING) for number in asset_nos}
        return frozenset(number for number, device in devices.items() if not may(_where_it_lies(number, device, sites)))

    async def _boxes_not_theirs(self, principal: Principal, container_ids: Collection[str]) -> frozenset[str]:
        """The same of containers. Empty ones go back and forth with nothing written, so that one which is on record at
        the centre, or not at all, may well be at hand: only another unit's store keeps it from being taken along.
        """

        def may(site: Site) -> bool:
            attrs = {"unit": site.unit, "site_kind": site.kind}
            return self._policies.decide(principal, "DrawInContainer", Resource(type="Container", attrs=attrs)).allowed

        if not container_ids or may(Site()):
            return frozenset()
        found = await self._registry.containers_now(container_ids)
        at = {key: box.site for key, box in found.items() if box.site is not None}
        sites = await self._registry.sites_now({*at.values()})
        return frozenset(key for key, site in at.items() if not may(sites[site]))


def meter(unit: str, owner: str = "company", maker: str | None = None, **named: str | None) -> Resource:
    """A device, as the policies see it; `named` are the units that a command drags in."""
    return Resource(type="Meter", attrs={"unit": unit, "owner": owner, "maker": maker, **named})


def shipment(unit: str, charged: str | None = None) -> Resource:
    """A shipment, as the policies see it."""
    return Resource(type="Shipment", attrs={"unit": unit, "charged": charged})


def container(unit: str | None) -> Resource:
    """A container, as the policies see it: `unit` has the site where it is."""
    return Resource(type="Container", attrs={"unit": unit})


def owed_by(unit: str) -> Resource:
    """What a unit still owes, or what its sites hold, as the policies see it."""
    return Resource(type="Report", attrs={"unit": unit})


def _sites_named(command: Any) -> list[str]:
    """The sites that a command names, beside the one that it may be about."""
    named = [getattr(command, field, None) for field in ("site", "from_site", "to_site")]
    return [site for site in named if site is not None]


def _drawn_in(command: Any) -> Iterable[str]:
    """The devices of other streams that a command names."""
    named = DRAWS_IN.get(type(command))
    return () if named is None else (device for device in named(command) if device is not None)


def _taken_along(command: Any) -> Iterable[str]:
    """The containers that a command names beside its own."""
    if not isinstance(command, PrepareShipment):
        return ()
    return (*command.containers, *(line.container for line in command.manifest if line.container is not None))


def _first(numbers: Collection[str]) -> str:
    """As many of them as can be said."""
    more = " …" if len(numbers) > SAID_AT_ONCE else ""
    return ", ".join(sorted(numbers)[:SAID_AT_ONCE]) + more


def _where_it_lies(asset_no: str, device: Meter, sites: Mapping[str, Site]) -> Resource:
    """A device, `held_by` being the unit in whose store it lies."""
    return meter(device.unit or _unit_in(asset_no), held_by=sites[device.site].unit if device.site else None)


def _unit_in(asset_no: str) -> str:
    """The managing unit that a number or a temporary identity begins with."""
    return unit_of(asset_no.removeprefix("T"))


def _names_no_unit(asset_no: str) -> bool:
    """Of a customer's own device the first digits are no managing unit's: whose business it is, is said beside it."""
    return is_well_formed(asset_no) and is_customer_owned(asset_no)


def _resource(command: Any, state: Any, sites: Mapping[str, Site]) -> Resource:
    """What a command is about, `state` being what is recorded of it. What the command says counts only where nothing is
    on record. `sites` are those that are on record.
    """
    own = getattr(command, "unit", None)
    units = {key: site.unit for key, site in sites.items()}
    match _CATEGORIES[type(command)]:
        case METER.category:
            unit = state.unit or (own if _names_no_unit(command.asset_no) else None) or _unit_in(command.asset_no)
            return meter(unit, state.owner, charged=own, held_by=units.get(getattr(command, "site", None) or ""))
        case SHIPMENT.category if isinstance(command, SignHandover):
            return _signed(command, state, sites)
        case SHIPMENT.category:
            sender = units.get(command.from_site) if isinstance(command, PrepareShipment) else None
            return shipment(state.unit or sender or own or "", charged=own)
        case SITE.category | STOCKTAKES.category:
            return Resource(type="Site", attrs={"unit": state.unit or own or ""})
        case CONTAINER.category:
            return container(units.get(state.site or getattr(command, "site", "")))
        case _:
            return Resource(type="Plan", attrs={"unit": command.plan_id[:5]})


def _signed(command: SignHandover, state: Shipment, sites: Mapping[str, Site]) -> Resource:
    """A shipment on which somebody signs for the site of one side."""
    site = sites.get(state.from_site if command.party == "from" else state.to_site)
    signs = {} if site is None else {"signs_unit": site.unit, "signs_kind": site.kind}
    return Resource(type="Shipment", attrs={"unit": state.unit, **signs})


_CATEGORIES: Final = {command: decider.category for decider in DECIDERS for command in decider.commands}
