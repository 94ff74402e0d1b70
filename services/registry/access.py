"""What each command is about, for the policies in policies.cedar: which device, shipment or site, and whose."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, False_, select
from sqlmodel import Session

from kernel.authority import DENIED, Policies, Resource
from kernel.commands import Commands
from kernel.decider import Decider
from kernel.identity import Principal
from kernel.refusal import Refusal
from kernel.view import View
from services.registry.app import DECIDERS, SERVICE, Registry
from services.registry.asset_number import unit_of
from services.registry.container import CONTAINER, MoveContainer
from services.registry.meter import METER
from services.registry.meter.custody import Dispatch, Receive
from services.registry.meter.identity import AdoptIdentity
from services.registry.meter.release import RecordReplacement
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.shipment import SHIPMENT, PrepareShipment, RecordShipmentException
from services.registry.site import SITE
from services.registry.views.card import CARD, Card
from services.registry.views.places import SHIPMENTS, SITES

INSIDE: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    {Dispatch, Receive, AdoptIdentity, RecordReplacement, RecordShipmentException}
)
"""Given by policies only: the shipment decides, its devices follow; what came in place of a device says so."""

SHOWN_AT: Final = {METER.category: "/v1/meters/{asset_no}/card", SHIPMENT.category: "/v1/shipments/{shipment_id}"}
"""Where one noun is shown by its key; of the others there are lists."""

REPORT: Final = Resource(type="Report")


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
                permit=self.refusals,
                inside=INSIDE,
                may_begin=frozenset({ReceiveUnexpected, MoveContainer}),
                shown_at=SHOWN_AT.get(decider.category),
            )
            for decider in DECIDERS
        ]

    def may(self, principal: Principal, action: str, resource: Resource = REPORT) -> None:
        """Nothing where it is allowed, else a refusal raised."""
        self._policies.authorize(principal, action, resource)

    def may_read(self, principal: Principal, card: Card) -> None:
        """Nothing where this principal may see this device, else a refusal raised."""
        self.may(principal, "ReadMeter", meter(card.unit, card.owner, card.maker))

    def may_read_shipment(self, principal: Principal, unit: str) -> None:
        """Nothing where this principal may see this shipment, else a refusal raised."""
        self.may(principal, "ReadShipment", shipment(unit))

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

    async def refusals(self, principal: Principal, commands: Sequence[Any]) -> Sequence[Refusal | None]:
        """For each command: None where the principal may give it, else the refusal."""
        refusal = self._policies.refusal
        return [
            refusal(principal, type(command).__name__, resource)
            for command, resource in zip(commands, await self._resources(commands), strict=True)
        ]

    def shipment_refusal(self, principal: Principal, command: Any, unit: str) -> Refusal | None:
        """`refusals` for one command about a shipment that is known to be this unit's, though the views may not have
        it yet.
        """
        return self._policies.refusal(principal, type(command).__name__, shipment(unit))

    async def _resources(self, commands: Sequence[Any]) -> Sequence[Resource]:
        """What each of the commands is about, and whose: the record's word counts before the command's own."""
        units: dict[str, dict[str, str]] = {}
        for noun, view in _RECORDED:
            asked = {
                getattr(command, noun.key)
                for command in commands
                if type(command) in _COMMANDS[noun.category] and type(command) not in noun.begins
            }
            if noun is SITE:
                # Whoever prepares a shipment takes devices out of a site, and must be allowed to there.
                asked |= {command.from_site for command in commands if isinstance(command, PrepareShipment)}
            units[noun.category] = await self._units(view, asked)
        return [_resource(command, units) for command in commands]

    async def _units(self, view: View[Any], keys: set[str]) -> dict[str, str]:
        """The units on record of these rows."""
        if not keys:
            return {}
        table = view.columns
        (key,) = table.primary_key.columns
        query = select(key, table.c.unit).where(key.in_(keys))

        def asked(session: Session) -> dict[str, str]:
            return {found: unit for found, unit in session.execute(query)}  # noqa: C416  a row is no tuple to mypy

        return await self._registry.ask(asked)


def meter(unit: str, owner: str = "company", maker: str | None = None) -> Resource:
    """A device, as the policies see it."""
    return Resource(type="Meter", attrs={"unit": unit, "owner": owner, "maker": maker})


def shipment(unit: str) -> Resource:
    """A shipment, as the policies see it."""
    return Resource(type="Shipment", attrs={"unit": unit})


def owed_by(unit: str) -> Resource:
    """What a unit still owes, as the policies see it."""
    return Resource(type="Report", attrs={"unit": unit})


def _resource(command: Any, units: Mapping[str, Mapping[str, str]]) -> Resource:
    """What a command is about. Its unit is the one on record; before there is any, the one it names itself."""
    own = getattr(command, "unit", None)
    match _CATEGORIES[type(command)]:
        case METER.category:
            number = command.asset_no
            return meter(units[METER.category].get(number) or own or unit_of(number.removeprefix("T")))
        case SHIPMENT.category:
            key = command.shipment_id
            if isinstance(command, PrepareShipment):
                return shipment(units[SITE.category].get(command.from_site) or command.unit)
            return shipment(units[SHIPMENT.category].get(key) or own or "")
        case SITE.category:
            key = command.site_id
            return Resource(type="Site", attrs={"unit": units[SITE.category].get(key) or own or ""})
        case CONTAINER.category:
            return Resource(type="Container")
        case _:
            return Resource(type="Plan", attrs={"unit": command.plan_id[:5]})


_RECORDED: Final[tuple[tuple[Decider[Any], View[Any]], ...]] = ((METER, CARD), (SHIPMENT, SHIPMENTS), (SITE, SITES))
_COMMANDS: Final = {decider.category: frozenset(decider.commands) for decider in DECIDERS}
_CATEGORIES: Final = {command: category for category, commands in _COMMANDS.items() for command in commands}
