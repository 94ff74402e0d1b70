"""器具 Who a device is and where it is, as the registry's events tell it."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import Field

from kernel.quantity import business_day
from kernel.view import View
from ledger.port import Recorded
from services.sorting import foreign
from services.sorting.foreign import NOTHING_SAID, Description
from services.sorting.views.tables import Tables


class DeviceRow(msgspec.Struct, frozen=True):
    """`site` has it, None where it is in service, on its way or out; `apart`: it came unexpectedly. `location` is its
    place within the site, `container` the box it is in there.
    """

    asset_no: str
    device_class: str = ""
    unit: str = ""
    owner: str = "company"
    maker: str | None = None
    batch: str | None = None
    model: str | None = None
    made_on: date | None = None
    installed_on: date | None = None
    comm_address: str | None = None
    dismantled_on: date | None = None
    reason: str | None = None
    site: str | None = None
    apart: bool = False
    location: str | None = None
    container: str | None = None


class DeviceTable(Tables, table=True):
    """The rows of DeviceRow."""

    __tablename__ = "device_v2"

    asset_no: str = Field(primary_key=True)
    device_class: str
    unit: str
    owner: str
    maker: str | None
    batch: str | None
    model: str | None
    made_on: date | None
    installed_on: date | None
    comm_address: str | None
    dismantled_on: date | None
    reason: str | None
    site: str | None = Field(index=True)
    apart: bool
    location: str | None
    container: str | None


class SiteRow(msgspec.Struct, frozen=True):
    """A place that holds devices."""

    site: str
    kind: str
    unit: str
    name: str


class SiteTable(Tables, table=True):
    """The rows of SiteRow."""

    __tablename__ = "site_v2"

    site: str = Field(primary_key=True)
    kind: str
    unit: str
    name: str


def evolve(row: DeviceRow | None, event: Any, _recorded: Recorded, key: tuple[str]) -> DeviceRow:
    now = row or DeviceRow(*key)
    match event:
        case foreign.Registered() | foreign.TemporaryIdentityAssigned() | foreign.IdentityAdopted():
            now = msgspec.structs.replace(now, device_class=event.device_class, unit=event.unit, owner=event.owner)
        case foreign.RecordCorrected():
            now = _corrected(now, event)
        case foreign.Dismantled():
            now = msgspec.structs.replace(now, dismantled_on=_day(event), reason=event.reason, unit=event.unit)
        case foreign.Stored(location=location, container=container):
            return msgspec.structs.replace(now, location=location, container=container)
        case foreign.PlacedInContainer(container=container):
            return msgspec.structs.replace(now, container=container)
        case foreign.TakenOutOfContainer():
            return msgspec.structs.replace(now, container=None)
        case _:
            pass
    if (description := getattr(event, "description", None)) is not None:
        now = _described(now, description)
    if (moved := _moved(event)) is None:
        return now
    return msgspec.structs.replace(
        now,
        device_class=moved.device_class,
        site=moved.to_site if moved.to_site or moved.from_site else now.site,
        apart=isinstance(event, foreign.Unexpected),
        location=None,
        container=None,
    )


def _moved(event: Any) -> foreign.Movement | None:
    if isinstance(event, foreign.RecordCorrected):
        return event.moved_in or event.moved_out
    return getattr(event, "moved", None)


def _described(row: DeviceRow, said: Description) -> DeviceRow:
    """What is said goes before what was known; what is not said stays."""
    if said == NOTHING_SAID:
        return row
    return msgspec.structs.replace(
        row,
        maker=said.maker or row.maker,
        batch=said.arrival_batch or row.batch,
        model=said.model or row.model,
        made_on=said.made_on or row.made_on,
        installed_on=said.installed_on or row.installed_on,
        comm_address=said.comm_address or row.comm_address,
    )


def _corrected(row: DeviceRow, event: foreign.RecordCorrected) -> DeviceRow:
    return msgspec.structs.replace(
        row,
        device_class=event.device_class or row.device_class,
        unit=event.unit or row.unit,
        owner=event.owner or row.owner,
        dismantled_on=event.dismantled_on or row.dismantled_on,
    )


def _day(event: foreign.Dismantled) -> date | None:
    return event.occurred_on or (business_day(datetime.fromisoformat(event.occurred_at)) if event.occurred_at else None)


def _site(_row: SiteRow | None, event: foreign.SiteOpened, _recorded: Recorded, _key: tuple[str]) -> SiteRow:
    return SiteRow(event.site_id, event.kind, event.unit, event.name)


def devices(connection: Connection, asset_nos: Collection[str]) -> dict[str, DeviceRow]:
    """Those of these devices that are on record."""
    table = DEVICES.columns
    query = select(table).where(table.c.asset_no.in_(asset_nos))
    return {row.asset_no: DeviceRow(*row) for row in connection.execute(query)}


def site_kinds(connection: Connection, sites: Collection[str]) -> dict[str, str]:
    """Of what kind each of these sites is that are on record."""
    table = SITES.columns
    query = select(table.c.site, table.c.kind).where(table.c.site.in_(sites))
    return {row.site: row.kind for row in connection.execute(query)}


def _keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.asset_no,),)


DEVICES: Final = View(
    name="device",
    row=DeviceRow,
    table=DeviceTable,
    events=(foreign.Registered, *foreign.MOVES, *foreign.WITHIN, foreign.RecordCorrected),
    keys=_keys,
    evolve=evolve,
)
SITES: Final = View(
    name="site",
    row=SiteRow,
    table=SiteTable,
    events=(foreign.SiteOpened,),
    keys=lambda event, _recorded: ((event.site_id,),),
    evolve=_site,
)
