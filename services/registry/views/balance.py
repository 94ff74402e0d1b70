"""站点日结: for each site, class and business day what came in and what went out. Opening is the sum before it."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import func, select
from sqlmodel import Field, Session

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
    over and the site had begun to keep its record.
    """

    site: str
    device_class: str
    day: date
    opening: int
    inflow: int
    outflow: int
    closing: int
    restated_on: date | None = None


_MOVEMENTS: Final[dict[type[msgspec.Struct], tuple[str, ...]]] = {
    event: names
    for event in METER.events
    if (names := tuple(name for name in MOVED if name in event.__struct_fields__))
}
"""The events that carry movements, and where."""


def movements(event: Any) -> list[Movement]:
    """The movements that an event carries."""
    return [moved for name in _MOVEMENTS[type(event)] if (moved := getattr(event, name)) is not None]


def keys(event: Any, _recorded: Recorded) -> Iterable[BalanceKey]:
    day = event.day
    return {
        (site, moved.device_class, moved.on or day)
        for moved in movements(event)
        for site in (moved.from_site, moved.to_site)
        if site is not None
    }


def evolve(row: Balance | None, event: Any, recorded: Recorded, key: BalanceKey) -> Balance:
    site, device_class, day = key
    inflow, outflow = (row.inflow, row.outflow) if row else (0, 0)
    for moved in movements(event):
        if moved.device_class == device_class:
            inflow += moved.to_site == site
            outflow += moved.from_site == site
    return Balance(site, device_class, day, inflow, outflow, business_day_of_us(recorded.recorded_at_us))


BALANCE: Final = View(
    name="balance", row=Balance, table=BalanceTable, events=tuple(_MOVEMENTS), keys=keys, evolve=evolve
)


def balances(
    session: Session, first: date, last: date, site: str | None = None, device_class: str | None = None
) -> list[BalanceLine]:
    """A line for each site, class and day with a movement from `first` to `last`; what only lay there all the time has
    one line, on `first`. By site, class and day.
    """
    table = BALANCE.columns
    of, sites = table.c, SITES.columns.c
    asked = [of.day <= last]
    if site is not None:
        asked.append(of.site == site)
    if device_class is not None:
        asked.append(of.device_class == device_class)
    before = select(of.site, of.device_class, func.sum(of.inflow - of.outflow)).where(*asked, of.day < first)
    opening = {(at, what): int(n) for at, what, n in session.execute(before.group_by(of.site, of.device_class))}
    moved = select(*of, sites.recorded_on.label("began_on"))
    moved = moved.join(SITES.columns, sites.site == of.site, isouter=True)
    lines: list[BalanceLine] = []
    closing = dict(opening)
    for row in session.execute(moved.where(*asked, of.day >= first).order_by(of.day)):
        day = Balance(*row[:-1])
        at = (day.site, day.device_class)
        opens = closing.get(at, 0)
        closing[at] = opens + day.inflow - day.outflow
        restated = day.recorded_on > max(day.day, row.began_on or day.day)
        lines.append(
            BalanceLine(
                site=day.site,
                device_class=day.device_class,
                day=day.day,
                opening=opens,
                inflow=day.inflow,
                outflow=day.outflow,
                closing=closing[at],
                restated_on=day.recorded_on if restated else None,
            )
        )
    still = opening.keys() - {(line.site, line.device_class) for line in lines}
    lines += [_lay_there(at, of, first, opening[at, of]) for at, of in still if opening[at, of]]
    return sorted(lines, key=lambda line: (line.site, line.device_class, line.day))


def _lay_there(site: str, device_class: str, day: date, number: int) -> BalanceLine:
    return BalanceLine(
        site=site, device_class=device_class, day=day, opening=number, inflow=0, outflow=0, closing=number
    )
