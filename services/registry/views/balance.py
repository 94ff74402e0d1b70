"""站点日结: for each site, class and business day what came in and what went out. Opening is the sum before it."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Row,
    Select,
    case,
    cast,
    func,
    literal,
    null,
    select,
    tuple_,
    union_all,
)
from sqlmodel import Field

from kernel.device import DeviceClass
from kernel.quantity import business_day_of_us
from kernel.view import View
from ledger.port import Recorded
from services.registry.meter import METER
from services.registry.views.places import SITES
from services.registry.views.tables import Tables
from services.registry.vocabulary import MOVED, Movement

BalanceKey: TypeAlias = tuple[str, str, date]


class Balance(msgspec.Struct, frozen=True, gc=False):
    """A business day of one class at one site. `recorded_on` is the business day of its latest entry."""

    site: str
    device_class: str
    day: date
    inflow: int
    outflow: int
    recorded_on: date


class BalanceTable(Tables, table=True):
    """The rows of Balance."""

    __tablename__ = "balance_v1"

    site: str = Field(primary_key=True)
    device_class: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    inflow: int
    outflow: int
    recorded_on: date


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """opening + inflow - outflow = closing. `restated_on`: the figures of the day were changed then, after the day was
    over and the site had begun to keep its record. `unit` is the managing unit of the site, which answers for what is
    there, whatever units the devices are of; None where no such site was opened.
    """

    site: str
    device_class: str
    day: date
    opening: int
    inflow: int
    outflow: int
    closing: int
    restated_on: date | None = None
    unit: str | None = None


_MOVEMENTS: Final[dict[type[msgspec.Struct], tuple[str, ...]]] = {
    event: names
    for event in METER.events
    if (names := tuple(name for name in (*MOVED, "restated") if name in event.__struct_fields__))
}
"""The events that carry movements, and where."""


def movements(event: Any) -> list[Movement]:
    """The movements that an event carries."""
    return [moved for name in _MOVEMENTS[type(event)] if (moved := getattr(event, name)) is not None]


def _counted(event: Any) -> Iterator[tuple[BalanceKey, int, int]]:
    """The days on which an event's movements count, and by how much each inflow and outflow changes. A movement that
    counts on another day than until now is taken from that day again: both are restated.
    """
    for moved in movements(event):
        for day, change in ((moved.on or event.day, 1), (moved.instead_of, -1)):
            if day is None:
                continue
            if moved.from_site is not None:
                yield (moved.from_site, moved.device_class, day), 0, change
            if moved.to_site is not None:
                yield (moved.to_site, moved.device_class, day), change, 0


def keys(event: Any, _recorded: Recorded) -> Iterable[BalanceKey]:
    return {key for key, _, _ in _counted(event)}


def evolve(row: Balance | None, event: Any, recorded: Recorded, key: BalanceKey) -> Balance:
    inflow, outflow = (row.inflow, row.outflow) if row else (0, 0)
    for at, came_in, went_out in _counted(event):
        if at == key:
            inflow += came_in
            outflow += went_out
    return Balance(*key, inflow, outflow, business_day_of_us(recorded.recorded_at_us))


BALANCE: Final = View(
    name="balance", row=Balance, table=BalanceTable, events=tuple(_MOVEMENTS), keys=keys, evolve=evolve
)


def balances(
    connection: Connection,
    first: date,
    last: date,
    site: str | None = None,
    device_class: str | None = None,
    *,
    unit: str | None = None,
    after: BalanceKey | None = None,
    limit: int | None = None,
    visible: ColumnElement[bool] | None = None,
) -> list[BalanceLine]:
    """A line for each site, class and day with a movement from `first` to `last`; what only lay there all the time has
    one line, on `first`. By site, class and day, those after `after`, of
    sites of one unit, and of those that are `visible`.
    """
    of = BALANCE.columns.c
    asked = [of.day <= last]
    if site is not None:
        asked.append(of.site == site)
    if device_class is not None:
        asked.append(of.device_class == device_class)
    sites = SITES.columns.c
    if unit is not None:
        asked.append(of.site.in_(select(sites.site).where(sites.unit == unit)))
    if visible is not None:
        asked.append(of.site.in_(select(sites.site).where(visible)))
    if after is not None:
        asked.append(of.site >= after[0])
    rows = connection.execute(_shown(asked, first, after, limit)).all()
    if not rows:
        return []
    between = tuple_(of.site, of.device_class).between(tuple_(*rows[0][:2]), tuple_(*rows[-1][:2]))
    closing = _closing(connection, *asked, between, of.day < first)
    if after is not None and rows[0][:2] == after[:2]:
        closing |= _closing(connection, of.site == after[0], of.device_class == after[1], of.day <= after[2])
    return [_line(row, closing) for row in rows]


def closings(connection: Connection, site: str, days: Sequence[date]) -> dict[date, dict[DeviceClass, int]]:
    """What the record has at a site at the end of each of these days, which are in order, class by class, where there
    is anything. One query for all: a page may stand for hundreds of days.
    """
    of = BALANCE.columns.c
    query = select(of.day, of.device_class, of.inflow - of.outflow).where(of.site == site, of.day <= days[-1])
    changes = deque(connection.execute(query.order_by(of.day)))
    standing: Counter[DeviceClass] = Counter()
    closings = {}
    for day in days:
        while changes and changes[0][0] <= day:
            _, device_class, change = changes.popleft()
            standing[device_class] += change
        closings[day] = {device_class: number for device_class, number in standing.items() if number}
    return closings


def _shown(
    asked: Sequence[ColumnElement[bool]], first: date, after: BalanceKey | None, limit: int | None
) -> Select[Any]:
    """The days with a movement, and of what had none but lay there the first day."""
    of, sites = BALANCE.columns.c, SITES.columns.c
    days = select(*of).where(*asked, of.day >= first)
    before = func.sum(case((of.day < first, of.inflow - of.outflow), else_=0))
    still = select(of.site, of.device_class, literal(first, Date), literal(0), literal(0), cast(null(), Date))
    still = still.where(*asked).group_by(of.site, of.device_class).having(before != 0, func.max(of.day) < first)
    both = union_all(days, still).subquery()
    key = (both.c.site, both.c.device_class, both.c.day)
    query = select(both, sites.recorded_on.label("began_on"), sites.unit)
    query = query.join(SITES.columns, sites.site == both.c.site, isouter=True).order_by(*key)
    if after is not None:
        query = query.where(tuple_(*key) > after)
    return query if limit is None else query.limit(limit)


def _closing(connection: Connection, *asked: ColumnElement[bool]) -> dict[tuple[str, str], int]:
    """What each class at each site comes to by these days."""
    of = BALANCE.columns.c
    query = select(of.site, of.device_class, func.sum(of.inflow - of.outflow)).where(*asked)
    return {(at, what): int(n) for at, what, n in connection.execute(query.group_by(of.site, of.device_class))}


def _line(row: Row[Any], closing: dict[tuple[str, str], int]) -> BalanceLine:
    """The next line of its site and class, which moves what they close with."""
    at = (row.site, row.device_class)
    opens = closing.get(at, 0)
    closing[at] = opens + row.inflow - row.outflow
    restated = row.recorded_on is not None and row.recorded_on > max(row.day, row.began_on or row.day)
    return BalanceLine(
        site=row.site,
        device_class=row.device_class,
        day=row.day,
        opening=opens,
        inflow=row.inflow,
        outflow=row.outflow,
        closing=closing[at],
        restated_on=row.recorded_on if restated else None,
        unit=row.unit,
    )
