"""盘点对账: what each stocktake of a site counted, class by class, beside what the record has there that day.

It is read from the site's own stream and from that of its exceptions, and has no table: a site is counted a few times a
year.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Final, TypeAlias

import msgspec
from sqlalchemy import Connection

from kernel.device import DeviceClass
from ledger.port import Recorded
from services.registry.site import Event, StocktakeExceptionRecorded, StocktakeRecorded
from services.registry.views.balance import closings

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


def stocktake_lines(
    connection: Connection,
    told: Sequence[tuple[Event | StocktakeExceptionRecorded, Recorded]],
    after: tuple[int, str] | None = None,
    limit: int | None = None,
) -> list[StocktakeLine]:
    """What these events of one site, each kind in its order, tell of its stocktakes: a line for each class of each, by
    version, then by class; at most `limit` of those after the version and the class that are given.
    """
    begin = after or (-1, "")
    taken = [
        (event, recorded)
        for event, recorded in told
        if isinstance(event, StocktakeRecorded) and recorded.version >= begin[0]
    ]
    if not taken:
        return []
    closed = closings(connection, taken[0][0].site_id, sorted({event.day for event, _ in taken}))
    raised = [event for event, _ in told if isinstance(event, StocktakeExceptionRecorded)]
    left: defaultdict[str, list[_Raised]] = defaultdict(list)
    for number, exception in enumerate(raised, EXCEPTIONS_SHOWN - len(raised)):
        left[exception.stocktake].append((exception, number >= 0))
    lines = (
        line
        for event, recorded in taken
        for line in _lines(event, recorded.version, left[recorded.id.hex()], closed[event.day])
        if (line.version, line.device_class) > begin
    )
    return list(islice(lines, limit))


def _lines(
    stocktake: StocktakeRecorded, version: int, left: Sequence[_Raised], closing: Mapping[DeviceClass, int]
) -> list[StocktakeLine]:
    class_of = {one.asset_no: one.device_class for one in (*stocktake.short, *stocktake.over)}
    counted = {line.device_class: (line.book, line.counted) for line in stocktake.lines}
    short = [one.device_class for one in stocktake.short]
    over = [one.device_class for one in stocktake.over]
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
