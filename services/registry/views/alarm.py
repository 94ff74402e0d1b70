"""警报: devices that were somewhere they should not have been, and numbers that two devices share."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select, tuple_
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.registry.meter import binding, unexpected
from services.registry.views.card import CARD
from services.registry.views.tables import Tables


class AlarmRow(msgspec.Struct, frozen=True):
    """`kind` is reappeared (its life had ended; `holder` had it last), displaced (on record as `holder` has it) or
    duplicate (a second device, kept under the temporary identity `holder`, seems to bear this number).
    """

    asset_no: str
    version: int
    kind: str
    site: str
    day: date
    holder: str


class AlarmTable(Tables, table=True):
    """The rows of AlarmRow."""

    __tablename__ = "alarm_v1"

    asset_no: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    kind: str = Field(index=True)
    site: str
    day: date
    holder: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm about a device of `unit`. `kind` is reappeared (its life had ended; `holder` had it last), displaced (on
    record as `holder` has it) or duplicate (a second device, kept under the temporary identity `holder`, seems to bear
    this number).
    """

    asset_no: str
    version: int
    kind: str
    site: str
    day: date
    holder: str
    unit: str


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """A communication address that more than one device on record has."""

    comm_address: str
    devices: int


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A device whose custody is open: on its way, missing, lost, or unexpected and not resolved, since `since`.
    `holder` is the site that answers for it meanwhile.
    """

    asset_no: str
    device_class: str
    unit: str
    phase: str
    since: date
    site: str | None = None
    shipment: str | None = None
    holder: str | None = None


def keys(event: Any, recorded: Recorded) -> Iterable[tuple[str, int]]:
    if isinstance(event, unexpected.Unexpected | binding.IdentityAdopted) and event.recorded_as is None:
        return ()
    return ((event.asset_no, recorded.version),)


def evolve(_row: AlarmRow | None, event: Any, _recorded: Recorded, key: tuple[str, int]) -> AlarmRow:
    if isinstance(event, unexpected.Reappeared):
        return AlarmRow(*key, "reappeared", event.site, event.day, event.last_holder)
    if isinstance(event, binding.AdoptionRefused):
        return AlarmRow(*key, "duplicate", event.site, event.day, event.temporary_id)
    return AlarmRow(*key, "displaced", event.moved.to_site, event.day, event.recorded_as)


ALARMS: Final = View(
    name="alarm",
    row=AlarmRow,
    table=AlarmTable,
    events=(unexpected.Reappeared, unexpected.Unexpected, binding.IdentityAdopted, binding.AdoptionRefused),
    keys=keys,
    evolve=evolve,
)


def alarms(
    connection: Connection,
    limit: int,
    after: tuple[date, str, int] | None = None,
    *,
    unit: str | None = None,
    visible: ColumnElement[bool] | None = None,
) -> list[Alarm]:
    """The latest first, those after this day, device and version. An alarm is its device's managing unit's, as it is on
    record now; that unit's are asked for, and those about devices that are `visible`.
    """
    table, cards = ALARMS.columns, CARD.columns
    of = table.c
    query = select(table, cards.c.unit).join(cards, cards.c.asset_no == of.asset_no)
    query = query.order_by(of.day.desc(), of.asset_no, of.version).limit(limit)
    query = query.where(*_limited(unit, visible))
    if after is not None:
        day, *rest = after
        query = query.where(or_(of.day < day, and_(of.day == day, tuple_(of.asset_no, of.version) > rest)))
    return [Alarm(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  its public name


def duplicates(connection: Connection, limit: int, after: tuple[int, str] | None = None) -> list[Duplicate]:
    """Communication addresses shared by several devices, the most shared first, those after this number of devices and
    address. A temporary identity and the number it was bound to are one device.
    """
    of = CARD.columns.c
    address, number = of.comm_address, func.count()
    query = select(address, number).where(address.is_not(None), of.bound_to.is_(None))
    query = query.group_by(address).having(number > 1)
    if after is not None:
        query = query.having(or_(number < after[0], and_(number == after[0], address > after[1])))
    rows = connection.execute(query.order_by(number.desc(), address).limit(limit))
    return [Duplicate(comm_address=shared, devices=devices) for shared, devices in rows]


def custody_gaps(
    connection: Connection,
    before: date,
    limit: int,
    after: tuple[date, str] | None = None,
    *,
    unit: str | None = None,
    visible: ColumnElement[bool] | None = None,
) -> list[Gap]:
    """保管断点: devices that have been between two custodians since before this day, the longest first, those after
    this day and device, of one unit, and those that are `visible`. What is at a site unexpectedly is named as phase
    `unexpected`.
    """
    of = CARD.columns.c
    phase = case((of.unexpected, "unexpected"), else_=of.phase).label("phase")
    is_open = or_(of.phase.in_(("in_transit", "missing", "lost")), of.unexpected)
    query = (
        select(of.asset_no, of.device_class, of.unit, phase, of.since, of.site, of.shipment, of.holder)
        .where(is_open, of.since < before, *_limited(unit, visible))
        .order_by(of.since, of.asset_no)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(of.since, of.asset_no) > after)
    return [Gap(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  its public name


def _limited(unit: str | None, visible: ColumnElement[bool] | None) -> list[ColumnElement[bool]]:
    of_unit = [] if unit is None else [CARD.columns.c.unit == unit]
    return of_unit if visible is None else [*of_unit, visible]
