"""What each command is about, for the policies in policies.cedar: which device, shipment or site, and whose."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from kernel.authority import Policies, Resource, permit_by
from kernel.commands import Commands, Permit
from kernel.decider import Decider
from kernel.identity import Principal
from kernel.view import View
from services.registry.app import DECIDERS, SERVICE, Registry
from services.registry.asset_number import unit_of
from services.registry.container import CONTAINER
from services.registry.meter import METER
from services.registry.meter.custody import Dispatch, Receive
from services.registry.meter.identity import AdoptIdentity
from services.registry.plan import PLAN
from services.registry.shipment import SHIPMENT, RecordShipmentException
from services.registry.site import SITE
from services.registry.views.card import CARD, Card
from services.registry.views.places import SHIPMENTS, SITES

INSIDE: Final[frozenset[type[msgspec.Struct]]] = frozenset({Dispatch, Receive, AdoptIdentity, RecordShipmentException})
"""Given by policies only: the shipment decides, its devices follow."""

REPORT: Final = Resource(type="Report", id="registry")


class Access:
    """Asks the policies, and finds what they need to know. A device's unit is the one on record; before it has any,
    the one that the command names or else that its number begins with.
    """

    def __init__(self, policies: Policies, registry: Registry) -> None:
        self._policies: Final = policies
        self._registry: Final = registry

    def offered(self) -> Sequence[Commands]:
        """The registry's commands as both doors offer them."""
        return [
            Commands(
                service=SERVICE,
                decider=decider,
                plural=f"{decider.category}s",
                do=self._registry.do,
                do_many=self._registry.do_many,
                permit=self._permit(decider),
                inside=INSIDE,
            )
            for decider in DECIDERS
        ]

    def may(self, principal: Principal, action: str, resource: Resource = REPORT) -> None:
        """Nothing where it is allowed, else a refusal raised."""
        self._policies.authorize(principal, action, resource)

    def may_read(self, principal: Principal, card: Card) -> None:
        """Nothing where this principal may see this device, else a refusal raised."""
        self.may(principal, "ReadMeter", meter(card.asset_no, card.unit, card.owner, card.maker))

    def visible(self, principal: Principal, action: str, resource_type: str, view: View[Any]) -> ColumnElement[bool]:
        """Which rows of a view this principal may see: the same answer as `may` on each of them."""
        attributes = {"unit", "owner", "maker"}.intersection(view.row.__struct_fields__)
        columns = {name: view.columns.c[name] for name in attributes}
        return self._policies.where(principal, action, resource_type, columns)

    def _permit(self, decider: Decider[Any]) -> Permit:
        async def known(commands: Sequence[Any]) -> Sequence[Resource]:
            return [_RESOURCES[decider.category](command) for command in commands]

        of_records = {
            METER.category: self._meters,
            SHIPMENT.category: self._shipments,
            SITE.category: self._sites,
        }
        return permit_by(self._policies, of_records.get(decider.category, known))

    async def _meters(self, commands: Sequence[Any]) -> Sequence[Resource]:
        units = await self._units(CARD, {one.asset_no for one in commands if not hasattr(one, "unit")})
        return [
            meter(number, getattr(command, "unit", None) or units.get(number) or unit_of(number.removeprefix("T")))
            for command in commands
            if (number := command.asset_no)
        ]

    async def _shipments(self, commands: Sequence[Any]) -> Sequence[Resource]:
        units = await self._units(SHIPMENTS, {one.shipment_id for one in commands if not hasattr(one, "unit")})
        return [
            Resource(type="Shipment", id=key, attrs={"unit": getattr(command, "unit", None) or units.get(key, "")})
            for command in commands
            if (key := command.shipment_id)
        ]

    async def _sites(self, commands: Sequence[Any]) -> Sequence[Resource]:
        units = await self._units(SITES, {one.site_id for one in commands if not hasattr(one, "unit")})
        return [
            Resource(type="Site", id=key, attrs={"unit": getattr(command, "unit", None) or units.get(key, "")})
            for command in commands
            if (key := command.site_id)
        ]

    async def _units(self, view: View[Any], keys: set[str]) -> dict[str, str]:
        """The units on record of these rows."""
        if not keys:
            return {}
        table = view.columns
        (key,) = table.primary_key.columns
        query = select(key, table.c.unit).where(key.in_(keys))

        def asked(session: Session) -> dict[str, str]:
            return dict(row.tuple() for row in session.execute(query))

        return await self._registry.ask(asked)


def meter(asset_no: str, unit: str, owner: str = "company", maker: str | None = None) -> Resource:
    """A device, as the policies see it."""
    return Resource(type="Meter", id=asset_no, attrs={"unit": unit, "owner": owner, "maker": maker})


def _container(command: Any) -> Resource:
    return Resource(type="Container", id=command.container_id)


def _plan(command: Any) -> Resource:
    return Resource(type="Plan", id=command.plan_id, attrs={"unit": command.plan_id[:5]})


_RESOURCES: Final = {CONTAINER.category: _container, PLAN.category: _plan}
