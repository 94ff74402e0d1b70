"""Days and moments in the ways people and spreadsheets write them. The year comes first: nothing is guessed.

A spreadsheet's serial day counts from 1900 with a 29 February 1900 that never was (so 60 is no day, and 61 is 1 March),
or from 1904-01-01 as 0 where the workbook says so (ECMA-376 part 1, 18.17.4.1).
"""

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, TypeAlias

from kernel.quantity import BUSINESS_ZONE
from services.registry.imports.faults import DATE_AMBIGUOUS, DATE_IMPOSSIBLE, NOT_A_DATE

Moment: TypeAlias = date | datetime

_DAY: Final = (
    r"([0-9]{4})(?:-([0-9]{1,2})-|/([0-9]{1,2})/|\.([0-9]{1,2})\.|年 ?([0-9]{1,2}) ?月 ?)([0-9]{1,2}) ?[日号]?"
)
_CLOCK: Final = (
    r"(?:[ T]?(上午|下午)? ?([0-9]{1,2})[:时点] ?(?:([0-9]{1,2})分?(?:[: ]?([0-9]{1,2})(?:\.([0-9]{1,9}))?秒?)?)?"
    r" ?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_WRITTEN: Final = re.compile(_DAY + _CLOCK)
_COMPACT: Final = re.compile(r"([12][0-9]{3})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2}))?")
_SERIAL: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,12})?")
_YEAR_UNSURE: Final = re.compile(r"[0-9]{1,2}[-/.年][0-9]{1,2}[-/.月][0-9]{1,4}日?.*")

_NOON: Final = 12
_SERIAL_MAX: Final = 2_958_465
"""9999-12-31, the last day a spreadsheet knows."""
_FEBRUARY_29_1900: Final = 60


def moment(text: str, *, date1904: bool) -> Moment:
    """The day, or the moment, that a cleaned text names. A moment without a zone is left without."""
    if written := _WRITTEN.fullmatch(text):
        return _written(text, written)
    if compact := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in compact.groups())
        return _made(text, year, month, day, (hour, minute, second) if compact[4] else None)
    if _SERIAL.fullmatch(text):
        return serial_moment(Decimal(text), date1904=date1904)
    raise (DATE_AMBIGUOUS if _YEAR_UNSURE.fullmatch(text) else NOT_A_DATE)()


def serial_moment(serial: int | float | Decimal, *, date1904: bool) -> Moment:  # noqa: PYI041  a float is what a cell holds
    """The day of a spreadsheet's serial number, or the moment where it has a fraction."""
    if isinstance(serial, float) and not math.isfinite(serial):
        raise NOT_A_DATE()
    whole = math.floor(serial)
    if not (0 if date1904 else 1) <= whole <= _SERIAL_MAX:
        raise NOT_A_DATE()
    if date1904:
        day = date(1904, 1, 1)
    elif whole == _FEBRUARY_29_1900:
        raise DATE_IMPOSSIBLE(value=f"1900-02-29 ({serial})")
    else:
        day = date(1899, 12, 31) if whole < _FEBRUARY_29_1900 else date(1899, 12, 30)
    try:
        day += timedelta(days=whole)
    except OverflowError as error:
        raise NOT_A_DATE() from error
    # Seconds are the finest that the fraction of a serial in double precision can be trusted with.
    part_s = round(float(serial - whole) * 86_400)
    if not part_s:
        return day
    return datetime(day.year, day.month, day.day) + timedelta(seconds=part_s)  # noqa: DTZ001  the cell has no zone


def day_of(found: Moment) -> date:
    """The business day: of a moment without a zone, the day it writes."""
    if isinstance(found, datetime):
        return found.astimezone(BUSINESS_ZONE).date() if found.tzinfo else found.date()
    return found


def _written(text: str, match: re.Match[str]) -> Moment:
    year, dashed, slashed, dotted, chinese, day, half, hour, minute, second, fraction, zone = match.groups()
    month = dashed or slashed or dotted or chinese
    if hour is None:
        return _made(text, int(year), int(month), int(day), None)
    hours = int(hour)
    if half:
        if not 1 <= hours <= _NOON:
            raise NOT_A_DATE()
        hours = hours % _NOON + (_NOON if half == "下午" else 0)
    clock = (hours, int(minute or 0), int(second or 0))
    made = _made(text, int(year), int(month), int(day), clock)
    if fraction and isinstance(made, datetime):
        made = made.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    return made.replace(tzinfo=_zone(zone)) if zone and isinstance(made, datetime) else made


def _made(text: str, year: int, month: int, day: int, clock: tuple[int, int, int] | None) -> Moment:
    try:
        if clock is None:
            return date(year, month, day)
        return datetime(year, month, day, *clock)  # noqa: DTZ001  its zone, if it has one, follows
    except (ValueError, OverflowError) as error:
        raise DATE_IMPOSSIBLE(value=text) from error


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 14 or minutes > 59:  # noqa: PLR2004  no place on earth is further from Greenwich
        raise NOT_A_DATE()
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
