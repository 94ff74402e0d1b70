"""周转箱: how a container stands, and how many devices are in it. A device is in the container that its own card names,
so what is in one is asked of the cards.

One container whole is read from its own stream, as a shipment is: no rows.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from ledger.port import Recorded
from services.registry import container
from services.registry.container import CONTAINER, UNKNOWN
from services.registry.views.card import CARD
from services.registry.views.consignment import Moment, moment
from services.registry.views.places import CONTAINERS, SITES

EXCEPTIONS_SHOWN: Final = 1_000
"""The latest ones. A container is used for years."""


class ContainerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A container or pallet. `site` has it, or had it last where it is on its way with `shipment`; `unit` is the
    managing unit of that site, None where it was never opened. `devices` are in it, `exceptions` have not followed it
    since it was registered.
    """

    container: str
    device_class: str
    site: str
    shipment: str | None
    seal_no: str | None
    devices: int
    exceptions: int
    version: int
    unit: str | None


class ContainerException(msgspec.Struct, frozen=True, kw_only=True):
    """A device that was to go in or come out and did not, and the code of the refusal that says why."""

    asset_no: str
    code: str
    recorded: Moment


class ContainerWhole(msgspec.Struct, frozen=True, kw_only=True):
    """A container or pallet with its latest exceptions. Its devices are listed where devices are, by its id."""

    container: str
    device_class: str
    site: str
    shipment: str | None
    seal_no: str | None
    devices: int
    exceptions: tuple[ContainerException, ...]
    version: int


def devices_in(connection: Connection, containers: Collection[str]) -> dict[str, int]:
    """How many devices are in each of these; those that hold none are left out."""
    of = CARD.columns.c
    query = select(of.container, func.count()).where(of.container.in_(containers)).group_by(of.container)
    return {str(name): int(devices) for name, devices in connection.execute(query)}


def containers(
    connection: Connection,
    limit: int,
    after: str | None = None,
    *,
    site: str | None = None,
    unit: str | None = None,
    shipment: str | None = None,
    visible: ColumnElement[bool] | None = None,
) -> list[ContainerLine]:
    """By number, those after `after`, at one site, at the sites of one unit, on a shipment, and at sites that are
    `visible`.
    """
    of, sites = CONTAINERS.columns.c, SITES.columns.c
    query = select(CONTAINERS.columns, sites.unit).join(SITES.columns, sites.site == of.site, isouter=True)
    asked = [] if visible is None else [visible]
    for column, value in ((of.site, site), (sites.unit, unit), (of.shipment, shipment)):
        if value is not None:
            asked.append(column == value)
    if after is not None:
        asked.append(of.container > after)
    found = list(connection.execute(query.where(*asked).order_by(of.container).limit(limit)))
    devices = devices_in(connection, [row.container for row in found])
    return [ContainerLine(**row._mapping, devices=devices.get(row.container, 0)) for row in found]  # noqa: SLF001  its public name


def container_whole(
    container_id: str, told: Sequence[tuple[container.Event, Recorded]], devices: int
) -> ContainerWhole:
    """What these events of one container, in their order, tell of it. Raises NotFound where there are none."""
    events = [event for event, _ in told]
    registered = [event for event in events if isinstance(event, container.ContainerRegistered)]
    state = CONTAINER.fold(events)
    if not registered or state.site is None:
        raise UNKNOWN(container_id=container_id)
    exceptions = [event for event in events if isinstance(event, container.ContainerExceptionRecorded)]
    return ContainerWhole(
        container=container_id,
        device_class=registered[-1].device_class,
        site=state.site,
        shipment=state.shipment,
        seal_no=state.seal_no,
        devices=devices,
        exceptions=tuple(
            ContainerException(asset_no=one.asset_no, code=one.code, recorded=moment(one))
            for one in exceptions[-EXCEPTIONS_SHOWN:]
        ),
        version=told[-1][1].version,
    )
