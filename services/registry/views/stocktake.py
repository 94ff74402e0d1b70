"""盘点对账: what each stocktake of a site counted, class by class, beside what the record has there that day.

It is read from the site's own stream and has no table: a site is counted a few times a year.
"""

from collections.abc import Iterable
from datetime import date

import msgspec
from sqlalchemy import Connection, func, select

from services.registry.site import StocktakeRecorded
from services.registry.views.balance import BALANCE
from services.registry.vocabulary import DeviceClass


class StocktakeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One class in a stocktake: the book's number as the stocktake has it, the number counted, the devices short and
    over. `on_record` is the closing of that day in the balance, which has the differences in it: where it is not
    `counted`, the book was another than the record, or something has been recorded for that day since. A class that lay
    there on record and that nobody counted has a line with nothing counted.
    """

    site: str
    version: int
    day: date
    device_class: DeviceClass
    book: int
    counted: int
    short: int
    over: int
    on_record: int


def stocktake_lines(connection: Connection, told: Iterable[tuple[StocktakeRecorded, int]]) -> list[StocktakeLine]:
    """A line for each class of each stocktake, given with the version of its event; in their order, then by class."""
    return [line for stocktake, version in told for line in _lines(connection, stocktake, version)]


def _lines(connection: Connection, stocktake: StocktakeRecorded, version: int) -> list[StocktakeLine]:
    counted = {line.device_class: (line.book, line.counted) for line in stocktake.lines}
    short = [one.device_class for one in stocktake.short]
    over = [one.device_class for one in stocktake.over]
    closing = _closing(connection, stocktake.site_id, stocktake.day)
    lines = []
    for device_class in sorted({*counted, *short, *over, *closing}):
        book, found = counted.get(device_class, (0, 0))
        lines.append(
            StocktakeLine(
                site=stocktake.site_id,
                version=version,
                day=stocktake.day,
                device_class=device_class,
                book=book,
                counted=found,
                short=short.count(device_class),
                over=over.count(device_class),
                on_record=closing.get(device_class, 0),
            )
        )
    return lines


def _closing(connection: Connection, site: str, day: date) -> dict[DeviceClass, int]:
    """What the record has at a site at the end of a day, class by class, where there is anything."""
    of = BALANCE.columns.c
    closing = func.sum(of.inflow - of.outflow)
    query = select(of.device_class, closing).where(of.site == site, of.day <= day).group_by(of.device_class)
    return {device_class: int(number) for device_class, number in connection.execute(query.having(closing != 0))}
