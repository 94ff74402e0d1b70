"""What each command is about, for the policies in policies.cedar: which device, shipment or site, and whose."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, False_, select
from sqlmodel import Session

from kernel.authority import DENIED, Attribute, Policies, Resource
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

DECISIONS_KEPT: Final = 4_096
"""What was decided stays decided: policies are read once, and a principal is all that its token says."""

REPORT: Final = Resource(type="Report", id="registry")


class Access:
    """Asks the policies, and finds what they need to know. A device's unit is the one on record; before it has any,
    the one that the command names or else that its number begins with.
    """

    def __init__(self, policies: Policies, registry: Registry) -> None:
        self._policies: Final = policies
        self._registry: Final = registry
        self._allows: Final = lru_cache(DECISIONS_KEPT)(self._decide)

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
        self.may(principal, "ReadMeter", meter(card.asset_no, card.unit, card.owner, card.maker))

    def may_read_shipment(self, principal: Principal, shipment_id: str, unit: str) -> None:
        """Nothing where this principal may see this shipment, else a refusal raised."""
        self.may(principal, "ReadShipment", shipment(shipment_id, unit))

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
        """For each command: None where the principal may give it, else the refusal.

        Policies speak of a resource's attributes, never of its id, so each combination is decided once.
        """
        decided: dict[tuple[Any, ...], Refusal | None] = {}
        answers = []
        for command, resource in zip(commands, await self._resources(commands), strict=True):
            kind = (type(command), resource.type, *resource.attrs.items())
            if kind not in decided:
                action = type(command).__name__
                allowed = self._allows(principal, action, resource.type, tuple(resource.attrs.items()))
                decided[kind] = None if allowed else self._policies.refusal(principal, action, resource)
            answers.append(decided[kind])
        return answers

    def _decide(self, principal: Principal, action: str, kind: str, attrs: tuple[tuple[str, Attribute], ...]) -> bool:
        return self._policies.decide(principal, action, Resource(type=kind, id="any", attrs=dict(attrs))).allowed

    def shipment_refusal(self, principal: Principal, command: Any, unit: str) -> Refusal | None:
        """`refusals` for one command about a shipment that is known to be this unit's, though the views may not have
        it yet.
        """
        return self._policies.refusal(principal, type(command).__name__, shipment(command.shipment_id, unit))

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


def meter(asset_no: str, unit: str, owner: str = "company", maker: str | None = None) -> Resource:
    """A device, as the policies see it."""
    return Resource(type="Meter", id=asset_no, attrs={"unit": unit, "owner": owner, "maker": maker})


def shipment(shipment_id: str, unit: str) -> Resource:
    """A shipment, as the policies see it."""
    return Resource(type="Shipment", id=shipment_id, attrs={"unit": unit})


def owed_by(unit: str) -> Resource:
    """What a unit still owes, as the policies see it."""
    return Resource(type="Report", id="owed", attrs={"unit": unit})


def _resource(command: Any, units: Mapping[str, Mapping[str, str]]) -> Resource:
    """What a command is about. Its unit is the one on record; before there is any, the one it names itself."""
    own = getattr(command, "unit", None)
    match _CATEGORIES[type(command)]:
        case METER.category:
            number = command.asset_no
            return meter(number, units[METER.category].get(number) or own or unit_of(number.removeprefix("T")))
        case SHIPMENT.category:
            key = command.shipment_id
            if isinstance(command, PrepareShipment):
                return shipment(key, units[SITE.category].get(command.from_site) or command.unit)
            return shipment(key, units[SHIPMENT.category].get(key) or own or "")
        case SITE.category:
            key = command.site_id
            return Resource(type="Site", id=key, attrs={"unit": units[SITE.category].get(key) or own or ""})
        case CONTAINER.category:
            return Resource(type="Container", id=command.container_id)
        case _:
            return Resource(type="Plan", id=command.plan_id, attrs={"unit": command.plan_id[:5]})


_RECORDED: Final[tuple[tuple[Decider[Any], View[Any]], ...]] = ((METER, CARD), (SHIPMENT, SHIPMENTS), (SITE, SITES))
_COMMANDS: Final = {decider.category: frozenset(decider.commands) for decider in DECIDERS}
_CATEGORIES: Final = {command: category for category, commands in _COMMANDS.items() for command in commands}
