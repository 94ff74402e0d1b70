"""What the record has to say to the book of a stocktake. The book is the word of whoever counted: a number that is not
the closing of that day and class is said with the outcome and not refused, since a count that was made is a fact, and
the record may be what is wrong, or not whole yet.

It is judged by the views when everything recorded until now is in them. Where they are further behind than a caller can
wait for, nothing is said: a warning that is wrong is worse than none, and the list of stocktakes shows the difference.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from kernel.device import DeviceClass
from kernel.handling import Ask
from kernel.refusal import CommandWarning, Stale, against_rules, warning_of
from services.registry.admission import AskNow
from services.registry.site import RecordStocktake
from services.registry.views.balance import closings

BOOK_DISAGREES = against_rules(
    "site.book_disagrees",
    "类别 {device_class}：账面填 {book}，而站点 {site_id} 在 {day} 的结存为 {closing}。盘点已记录，请核对账面与记录。",
    "class {device_class}: the book says {book}, and {site_id} closed {day} with {closing} on record; the stocktake is "
    "recorded, check the book against the record",
)

Closings = Mapping[tuple[str, date], Mapping[DeviceClass, int]]
"""By site and day what each class closes with, where there is anything."""


class Counting:
    """Compares books with the balance."""

    def __init__(self, ask_now: AskNow) -> None:
        self._ask_now: Final = ask_now

    async def compared(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each stocktake with what the record says to its book. Raises DatabaseUnavailable."""
        taken = [ask.command for ask in asks if isinstance(ask.command, RecordStocktake)]
        if not taken:
            return asks
        try:
            closed = await self._ask_now(lambda connection: _closed(connection, taken))
        except Stale:
            return asks
        return [
            msgspec.structs.replace(ask, warnings=(*ask.warnings, *found))
            if (found := _disagreements(ask.command, closed))
            else ask
            for ask in asks
        ]


def _closed(connection: Connection, taken: Sequence[RecordStocktake]) -> Closings:
    days: dict[str, set[date]] = {}
    for one in taken:
        days.setdefault(one.site_id, set()).add(one.day)
    return {
        (site, day): standing
        for site, some in days.items()
        for day, standing in closings(connection, site, sorted(some)).items()
    }


def _disagreements(command: Any, closed: Closings) -> list[CommandWarning]:
    if not isinstance(command, RecordStocktake):
        return []
    site, day = command.site_id, command.day
    closing = closed[site, day]
    return [
        warning_of(
            BOOK_DISAGREES(
                device_class=line.device_class,
                book=line.book,
                site_id=site,
                day=day,
                closing=closing.get(line.device_class, 0),
            )
        )
        for line in command.lines
        if line.book != closing.get(line.device_class, 0)
    ]
