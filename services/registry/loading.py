"""What is in the containers that a command is about: a shipment takes containers with all that is in them, and leaves
with none that holds more than it lists; a container moves alone only if it is empty.

Devices say which container they are in, so their cards are asked, when they have followed the last packing and are in
the views. Containers that nobody ever packed, such as those on a spreadsheet of old, are not asked about. What is
packed in the instant in which a shipment leaves is not held against it.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection, select

from kernel.handling import Ask
from kernel.refusal import Refusal, against_rules, stale
from ledger.port import Recorded
from services.registry.admission import AskNow
from services.registry.container import MoveContainer, Packed, Unpacked
from services.registry.shipment import MANIFEST_LINES_MAX, DispatchShipment, Line, PrepareShipment, Shipment
from services.registry.views.card import CARD

BEING_PACKED = stale(
    "container.being_packed",
    "周转箱 {container_id} 正在装箱，请稍后重试。",
    "container {container_id} is being packed; try again shortly",
)
NOTHING_TO_SEND = against_rules(
    "container.nothing_to_send",
    "站点 {site} 的周转箱 {container_id} 中没有器具。",
    "there is nothing in container {container_id} at {site}",
)
HOLDS_DEVICES = against_rules(
    "container.holds_devices",
    "周转箱 {container_id} 中有 {site} 的器具（{asset_no}）。请先出箱，或编制移交单发出。",
    "container {container_id} holds devices that are at {site} ({asset_no}); unpack them, or send them by a shipment",
)
TOO_LONG = against_rules(
    "shipment.too_long",
    "移交单 {shipment_id} 连同箱内器具超过 {most} 只。请拆分为多张移交单。",
    "with what is in its containers {shipment_id} has more than {most} devices; make several shipments of it",
)
NOT_ON_THE_LIST = against_rules(
    "shipment.not_on_the_list",
    "{asset_no} 也在周转箱 {container_id} 中，却不在移交单 {shipment_id} 的清单上。请先出箱，或作废后重新编制。",
    "{asset_no} is in container {container_id} too and not on the list of {shipment_id}: unpack it, or cancel the "
    "shipment and prepare it anew",
)


class Inside(msgspec.Struct, frozen=True):
    """A device in a container, at this site."""

    asset_no: str
    device_class: str
    container: str
    site: str


class ToldContainers(Protocol):
    """The events of these containers up to a position, or all."""

    def __call__(
        self, container_ids: Sequence[str], position: int | None
    ) -> Awaitable[Mapping[str, Sequence[tuple[Any, Recorded]]]]: ...


class Loading:
    """Asks the containers' streams and the devices' cards."""

    def __init__(
        self,
        shipments_now: Callable[[Collection[str]], Awaitable[Mapping[str, Shipment]]],
        told: ToldContainers,
        followed: Callable[[int], Awaitable[bool]],
        ask_now: AskNow,
    ) -> None:
        self._shipments_now: Final = shipments_now
        self._told: Final = told
        self._followed: Final = followed
        self._ask_now: Final = ask_now

    async def loaded(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each with what is in its containers, or with what they have against it. Raises Stale,
        ledger.port.Unavailable.
        """
        leaving = {ask.command.shipment_id for ask in asks if isinstance(ask.command, DispatchShipment)}
        shipments = await self._shipments_now(leaving) if leaving else {}
        named = [_containers(ask.command, shipments) for ask in asks]
        if not any(named):
            return asks
        packed = await self._packed({one for some in named for one in some})
        waiting = {one for one, position in packed.items() if not await self._followed(position)}
        inside = await self._ask_now(lambda connection: _inside(connection, packed)) if packed else []
        return [
            _with(ask, boxes, shipments, waiting, inside) if boxes else ask
            for ask, boxes in zip(asks, named, strict=True)
        ]

    async def _packed(self, containers: Iterable[str]) -> dict[str, int]:
        """Those of the containers that were ever packed, and the position of the last time that something was put in or
        taken out.
        """
        told = await self._told(sorted(containers), None)
        found = {
            one: [recorded.position for event, recorded in events if isinstance(event, Packed | Unpacked)]
            for one, events in told.items()
        }
        return {one: positions[-1] for one, positions in found.items() if positions}


def _containers(command: Any, shipments: Mapping[str, Shipment]) -> frozenset[str]:
    match command:
        case PrepareShipment(containers=containers):
            return frozenset(containers)
        case DispatchShipment(shipment_id=shipment_id):
            return frozenset(line.container for line in shipments[shipment_id].manifest if line.container is not None)
        case MoveContainer(container_id=container_id):
            return frozenset({container_id})
        case _:
            return frozenset()


def _inside(connection: Connection, containers: Collection[str]) -> list[Inside]:
    """The devices at a site that are in these containers, box by box."""
    of = CARD.columns.c
    query = select(of.asset_no, of.device_class, of.container, of.site)
    query = query.where(of.container.in_(containers), of.phase == "at_site").order_by(of.container, of.asset_no)
    return [Inside(*row) for row in connection.execute(query)]


def _with(
    ask: Ask,
    containers: Collection[str],
    shipments: Mapping[str, Shipment],
    waiting: Collection[str],
    inside: Sequence[Inside],
) -> Ask:
    command = ask.command
    try:
        if restless := sorted({*waiting} & {*containers}):
            raise BEING_PACKED(container_id=restless[0])
        held = [one for one in inside if one.container in containers]
        match command:
            case PrepareShipment():
                return msgspec.structs.replace(ask, command=_filled(command, held), asked=ask.given)
            case DispatchShipment(shipment_id=shipment_id):
                _all_listed(shipment_id, shipments[shipment_id], held)
            case MoveContainer(site=site):
                _nothing_elsewhere(command.container_id, site, held)
            case _:
                pass
    except Refusal as refusal:
        return msgspec.structs.replace(ask, hindrance=refusal)
    return ask


def _filled(command: PrepareShipment, held: Sequence[Inside]) -> PrepareShipment:
    """The shipment with what is in its containers on its list."""
    here = [one for one in held if one.site == command.from_site]
    if empty := sorted({*command.containers} - {one.container for one in here}):
        raise NOTHING_TO_SEND(container_id=empty[0], site=command.from_site, field="containers")
    listed = {line.asset_no for line in command.manifest}
    more = [
        msgspec.convert(
            {"asset_no": one.asset_no, "device_class": one.device_class, "container": one.container}, type=Line
        )
        for one in here
        if one.asset_no not in listed
    ]
    if len(command.manifest) + len(more) > MANIFEST_LINES_MAX:
        raise TOO_LONG(shipment_id=command.shipment_id, most=MANIFEST_LINES_MAX, field="containers")
    return msgspec.structs.replace(command, manifest=(*command.manifest, *more))


def _all_listed(shipment_id: str, shipment: Shipment, held: Sequence[Inside]) -> None:
    listed = {line.asset_no for line in shipment.manifest}
    for one in held:
        if one.site == shipment.from_site and one.asset_no not in listed:
            raise NOT_ON_THE_LIST(shipment_id=shipment_id, asset_no=one.asset_no, container_id=one.container)


def _nothing_elsewhere(container_id: str, site: str, held: Sequence[Inside]) -> None:
    for one in held:
        if one.site != site:
            raise HOLDS_DEVICES(container_id=container_id, site=one.site, asset_no=one.asset_no)
