"""盘点对账: what each stocktake of a site counted, class by class, beside what the record has there that day.

It is read from the site's own stream and has no table: a site is counted a few times a year.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Final, TypeAlias

import msgspec
from sqlalchemy import Connection, func, select

from ledger.port import Recorded
from services.registry.site import Event, StocktakeExceptionRecorded, StocktakeRecorded
from services.registry.views.balance import BALANCE
from services.registry.vocabulary import DeviceClass

EXCEPTIONS_SHOWN: Final = 1_000
"""The latest ones of a site. Each stocktake may have thousands."""


class StocktakeException(msgspec.Struct, frozen=True, kw_only=True):
    """A device that was short or over and did not follow, and the code of the refusal that says why."""

    asset_no: str
    code: str


class StocktakeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One class in a stocktake: the book's number as the stocktake has it, the number counted, the devices short and
    over. `on_record` is the closing of that day in the balance, which has the differences in it: where it is not
    `counted`, the book was another than the record, or something has been recorded for that day since, or devices did
    not follow: `exceptions` of them, of which the latest thousand of a site are shown. A class that lay there on record
    and that nobody counted has a line with nothing counted.
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
    exceptions: int = 0
    exceptions_shown: tuple[StocktakeException, ...] = ()


_Raised: TypeAlias = tuple[StocktakeExceptionRecorded, bool]
"""An exception, and whether it is among those shown."""


def stocktake_lines(connection: Connection, told: Sequence[tuple[Event, Recorded]]) -> list[StocktakeLine]:
    """What these events of one site, in their order, tell of its stocktakes: a line for each class of each, in their
    order, then by class.
    """
    raised = [event for event, _ in told if isinstance(event, StocktakeExceptionRecorded)]
    left: defaultdict[str, list[_Raised]] = defaultdict(list)
    for number, exception in enumerate(raised, EXCEPTIONS_SHOWN - len(raised)):
        left[exception.stocktake].append((exception, number >= 0))
    return [
        line
        for event, recorded in told
        if isinstance(event, StocktakeRecorded)
        for line in _lines(connection, event, recorded.version, left[recorded.id.hex()])
    ]


def _lines(
    connection: Connection, stocktake: StocktakeRecorded, version: int, left: Sequence[_Raised]
) -> list[StocktakeLine]:
    class_of = {one.asset_no: one.device_class for one in (*stocktake.short, *stocktake.over)}
    counted = {line.device_class: (line.book, line.counted) for line in stocktake.lines}
    short = [one.device_class for one in stocktake.short]
    over = [one.device_class for one in stocktake.over]
    closing = _closing(connection, stocktake.site_id, stocktake.day)
    lines = []
    for device_class in sorted({*counted, *short, *over, *closing}):
        book, found = counted.get(device_class, (0, 0))
        of_class = [(one, shown) for one, shown in left if class_of.get(one.asset_no) == device_class]
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
                exceptions=len(of_class),
                exceptions_shown=tuple(
                    StocktakeException(asset_no=one.asset_no, code=one.code) for one, shown in of_class if shown
                ),
            )
        )
    return lines


def _closing(connection: Connection, site: str, day: date) -> dict[DeviceClass, int]:
    """What the record has at a site at the end of a day, class by class, where there is anything."""
    of = BALANCE.columns.c
    closing = func.sum(of.inflow - of.outflow)
    query = select(of.device_class, closing).where(of.site == site, of.day <= day).group_by(of.device_class)
    return {device_class: int(number) for device_class, number in connection.execute(query.having(closing != 0))}
