"""What the public events say of balances, reckoned here and nowhere else: opening + inflow - outflow = closing.

Events that move a device into or out of a site carry the movement: its class, the site that it leaves and the one that
it comes to, the day `on` which it counts where that is not the event's own, and the day `instead_of` which it counted
until now. So balances are a plain sum over the log, in any order.
"""

import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

BUSINESS_ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Business days are those of Asia/Shanghai, which has kept UTC+8 without summer time since 1991."""

Cell: TypeAlias = tuple[str, str, str]
"""A site, a device class and a business day, which is written 2026-03-05."""

Cells: TypeAlias = dict[Cell, list[int]]
"""Inflow and outflow."""


_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Undated(ValueError):
    """An event moves a device and does not say on which day, or what it says is none."""


class Moved(msgspec.Struct, frozen=True, gc=False):
    """A movement as events carry it."""

    device_class: str
    from_site: str | None = None
    to_site: str | None = None
    on: str | None = None
    instead_of: str | None = None


class Said(msgspec.Struct, frozen=True, gc=False):
    """Of an event, what balances need."""

    occurred_on: str | None = None
    occurred_at: datetime | None = None
    moved: Moved | None = None
    moved_out: Moved | None = None
    moved_in: Moved | None = None
    restated: Moved | None = None


SAID: Final = msgspec.json.Decoder(Said)


def moves_of(said: Said) -> list[tuple[str | None, str | None]]:
    """From which site to which the device is moved, in order. A restatement moves nothing, nor does a movement that
    names no site: it says that the device stays where it is.
    """
    return [
        (one.from_site, one.to_site)
        for one in (said.moved, said.moved_out, said.moved_in)
        if one is not None and (one.from_site is not None or one.to_site is not None)
    ]


def moves_anything(said: Said) -> bool:
    """Whether an event has a movement, or the correction of one."""
    return not (said.moved is None and said.restated is None and said.moved_out is None and said.moved_in is None)


def counted() -> defaultdict[Cell, list[int]]:
    """Cells in which nothing is counted yet."""
    return defaultdict(_none)


def _none() -> list[int]:
    return [0, 0]


def add_to(cells: defaultdict[Cell, list[int]], said: Said) -> None:
    """Count what an event moves. Raises Undated."""
    for one in (said.moved, said.moved_out, said.moved_in, said.restated):
        if one is not None:
            day, device_class = _day(one.on or said.occurred_on or _own_day(said)), one.device_class
            if one.to_site is not None:
                cells[one.to_site, device_class, day][0] += 1
            if one.from_site is not None:
                cells[one.from_site, device_class, day][1] += 1
            if one.instead_of is not None:
                _day(one.instead_of)
                if one.to_site is not None:
                    cells[one.to_site, device_class, one.instead_of][0] -= 1
                if one.from_site is not None:
                    cells[one.from_site, device_class, one.instead_of][1] -= 1


def merge(cells: Cells, more: Cells) -> None:
    """Add the second to the first."""
    for cell, (inflow, outflow) in more.items():
        there = cells.setdefault(cell, [0, 0])
        there[0] += inflow
        there[1] += outflow


class Stock(msgspec.Struct, frozen=True, order=True):
    """How many devices of a class a site has at the end of a day."""

    site: str
    device_class: str
    closing: int


def closing(cells: Cells, last: date) -> list[Stock]:
    """What every site has of every class at the end of a day, where it is anything."""
    found: dict[tuple[str, str], int] = {}
    for (site, device_class, day), (inflow, outflow) in cells.items():
        if day <= last.isoformat():
            found[site, device_class] = found.get((site, device_class), 0) + inflow - outflow
    return sorted(Stock(*group, count) for group, count in found.items() if count)


@lru_cache(maxsize=65_536)
def _day(text: str) -> str:
    """A day as events write it. Raises Undated."""
    if not _DAY.fullmatch(text):
        # What the standard library takes for a day is more than that: weeks, and days without hyphens.
        raise Undated(f"no day: {text[:40]!r}")
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise Undated(f"no day: {text[:40]!r}") from error
    return text


def _own_day(said: Said) -> str:
    if said.occurred_at is None:
        raise Undated("an event that moves a device has no day")
    return _business_day(said.occurred_at.astimezone(UTC).replace(microsecond=0))


@lru_cache(maxsize=65_536)
def _business_day(at: datetime) -> str:
    return at.astimezone(BUSINESS_ZONE).date().isoformat()
