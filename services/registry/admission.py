"""What may come to a site: nothing where none was opened, nothing more where it is closed; and when a site may close.

The site is another stream than the command's, of the same service, and is read from the log at the moment of asking:
a view would not know a site that was opened just now. Two things done at one moment are not held against each other: a
device may come to a site in the instant in which it closes, and the balance then shows it there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, func, select

from kernel.folded import Folded
from kernel.handling import Ask
from kernel.refusal import Refusal, against_rules
from services.registry.container import MoveContainer, RegisterContainer
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import AssignTemporaryIdentity
from services.registry.meter.missing import MarkFound
from services.registry.meter.release import ReceiveFromMaker, ReturnSample
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.shipment import PrepareShipment
from services.registry.site import CLOSED, CloseSite, Site
from services.registry.views.balance import BALANCE
from services.registry.views.places import SHIPMENTS

T = TypeVar("T")

NOT_OPENED = against_rules(
    "site.not_opened",
    "站点 {site_id} 从未启用，器具不能存入或发往该处。请核对编号，或由管理员用 `meterloop site open {site_id}` 启用。",
    "site {site_id} was never opened, and holds no devices: check its id, or have an administrator open it by "
    "`meterloop site open {site_id}`",
)
HOLDS_DEVICES = against_rules(
    "site.holds_devices",
    "站点 {site_id} 尚有结存 {devices} 只，不能停用。请先移走，或以盘点、更正理清账面。",
    "site {site_id} still holds {devices} devices and cannot be closed; move them first, or mend the book",
)
AWAITS_SHIPMENT = against_rules(
    "site.awaits_shipment",
    "移交单 {shipment_id} 尚待站点 {site_id} 接收，不能停用。",
    "shipment {shipment_id} is still to come to site {site_id}, which cannot be closed before",
)

COMES_TO: Final[Mapping[type[msgspec.Struct], str]] = {
    Dismantle: "site",
    AssignTemporaryIdentity: "site",
    ReceiveUnexpected: "site",
    MarkFound: "site",
    ReturnSample: "site",
    ReceiveFromMaker: "site",
    PrepareShipment: "to_site",
    RegisterContainer: "site",
    MoveContainer: "site",
}
"""The commands that bring something to a site, and where they name it."""

LEAVES: Final[Mapping[type[msgspec.Struct], str]] = {PrepareShipment: "from_site"}
"""Those that take something out of a site: it must have been opened, and may be closed by now."""


_CONCERNED: Final = frozenset({*COMES_TO, *LEAVES, CloseSite})


class AskNow(Protocol):
    """Asks the views as they are when everything recorded until now is in them. Raises Stale."""

    def __call__(self, query: Callable[[Connection], T]) -> Awaitable[T]: ...


class Admission:
    """Asks the sites' own streams."""

    def __init__(self, sites: Folded[Site], ask_now: AskNow) -> None:
        self._sites: Final = sites
        self._ask_now: Final = ask_now

    async def held_against(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each with what its sites have against it. Raises Stale, ledger.port.Unavailable."""
        if _CONCERNED.isdisjoint({type(ask.command) for ask in asks}):
            return asks
        named = {site for ask in asks for site in _named(ask.command)}
        sites = await self._sites.now(named) if named else {}
        return [await self._held_against(ask, sites) for ask in asks]

    async def require_open(self, *site_ids: str | None) -> None:
        """Nothing where all that are named are open, else a refusal raised."""
        named = [site_id for site_id in site_ids if site_id is not None]
        sites = await self._sites.now(named)
        for site_id in named:
            if (refusal := _shut(site_id, sites[site_id], "site")) is not None:
                raise refusal

    async def _held_against(self, ask: Ask, sites: Mapping[str, Site]) -> Ask:
        command, kind = ask.command, type(ask.command)
        refusal: Refusal | None = None
        if (field := COMES_TO.get(kind)) is not None:
            refusal = _shut(getattr(command, field), sites[getattr(command, field)], field)
        if (field := LEAVES.get(kind)) is not None and sites[getattr(command, field)].phase == "none":
            refusal = refusal or NOT_OPENED(site_id=getattr(command, field), field=field)
        if isinstance(command, CloseSite):
            refusal = await self._ask_now(lambda connection: _still_needed(connection, command.site_id))
        return ask if refusal is None else msgspec.structs.replace(ask, hindrance=refusal)


def _named(command: Any) -> list[str]:
    fields = (COMES_TO.get(type(command)), LEAVES.get(type(command)))
    return [getattr(command, field) for field in fields if field is not None]


def _shut(site_id: str, site: Site, field: str) -> Refusal | None:
    """Why nothing comes there, if so. `field` is where the command says it."""
    match site.phase:
        case "open":
            return None
        case "closed":
            return CLOSED(site_id=site_id, field=field)
        case "none":
            return NOT_OPENED(site_id=site_id, field=field)


def _still_needed(connection: Connection, site_id: str) -> Refusal | None:
    """What is at a site or on its way there."""
    of, shipments = BALANCE.columns.c, SHIPMENTS.columns.c
    number = func.sum(of.inflow - of.outflow)
    held = select(number).where(of.site == site_id).group_by(of.device_class).having(number != 0)
    if devices := sum(abs(int(one)) for one in connection.scalars(held)):
        return HOLDS_DEVICES(site_id=site_id, devices=devices)
    coming = select(shipments.shipment).where(
        shipments.to_site == site_id, shipments.phase.in_(("prepared", "dispatched"))
    )
    shipment = connection.scalars(coming.order_by(shipments.shipment).limit(1)).first()
    return None if shipment is None else AWAITS_SHIPMENT(site_id=site_id, shipment_id=shipment)
