"""A meter read: its address first, then value after value. What cannot be had is named where the value would stand.

A reading is whole when the meter has answered every question, be it that it does not hold a value, or answers with what
means nothing: a damaged meter does so for ever, and what it cannot say a person looks at. It is partial when an answer
stayed away or came damaged, or when the line was lost: then it shows what there is and is submitted nowhere.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from kernel.quantity import BUSINESS_ZONE
from kernel.refusal import Refusal
from services.sorting.reading import faults
from services.sorting.reading.exchange import Exchange
from services.sorting.reading.identifiers import Identifier, Value, moment_of, value_of

SILENT_MAX: Final = 2
"""Values in a row without an answer, after which a meter is given up."""
JUST_MIDNIGHT: Final = "0001"
"""In the first minute of a day the date may have been asked for on the day before."""

_NOTHING_HELD: Final = (faults.UNSUPPORTED, faults.ERROR_REPLY, faults.BLANK)
_MEANS_NOTHING: Final = (faults.NOT_DECIMAL, faults.NO_SUCH_TIME, faults.WRONG_LENGTH)
_ANSWERED: Final = frozenset(reason.code for reason in (*_NOTHING_HELD, *_MEANS_NOTHING))
"""The meter has answered in a whole frame, and there is nothing to be had."""
_LOST: Final = frozenset({faults.LINE_LOST.code, faults.NO_LINE.code})


class Problem(msgspec.Struct, frozen=True):
    """A refusal's code and its words."""

    code: str
    zh: str
    en: str


class Read(msgspec.Struct, frozen=True):
    """One value, or why there is none."""

    identifier: Identifier
    value: Value | None = None
    problem: Problem | None = None


class Clock(msgspec.Struct, frozen=True):
    """The meter's clock, and by how many seconds it is ahead of the reader's."""

    at: datetime
    offset_s: int


class Reading(msgspec.Struct, frozen=True):
    """What was read of a meter. `ended_by`: why the reading was broken off."""

    address: str | None
    read_at: datetime
    reads: tuple[Read, ...]
    clock: Clock | None = None
    ended_by: Problem | None = None

    @property
    def whole(self) -> bool:
        """Whether the meter answered everything."""
        return self.ended_by is None and all(
            read.problem is None or read.problem.code in _ANSWERED for read in self.reads
        )

    def value(self, code: str) -> Value | None:
        """The value of this code, None where it was not read."""
        return next((read.value for read in self.reads if read.identifier.code == code), None)


def read_meter(
    exchange: Exchange,
    identifiers: Mapping[str, Identifier],
    now_us: Callable[[], int],
    watch: Callable[[Read], None] = lambda _read: None,
) -> Reading:
    """Ask for all of these. `now_us` is the reader's clock; `watch` sees every value as it comes. Raises no Refusal:
    what went wrong is in the reading.
    """
    begun_at = _instant(now_us())
    try:
        exchange.introduce()
    except Refusal as refusal:
        return Reading(exchange.address, begun_at, (), ended_by=_problem(refusal))
    reads: list[Read] = []
    clock_at_us, ended_by, silent = 0, None, 0
    for identifier in identifiers.values():
        try:
            read = Read(identifier, value=value_of(identifier, exchange.read(identifier.number)))
            silent = 0
        except Refusal as refusal:
            read = Read(identifier, problem=_problem(refusal))
            if refusal.code in _LOST:
                ended_by = read.problem
                break
            silent = silent + 1 if refusal.code == faults.NO_ANSWER.code else 0
        if identifier.code == "clock_time":
            clock_at_us = now_us()
            reads = _dated_again(exchange, reads, read)
        reads.append(read)
        watch(read)
        if silent == SILENT_MAX:
            ended_by = _problem(faults.GIVEN_UP())
            break
    clock, reads = _clock(reads, clock_at_us)
    return Reading(exchange.address, begun_at, tuple(reads), clock=clock, ended_by=ended_by)


def _dated_again(exchange: Exchange, reads: list[Read], time: Read) -> list[Read]:
    """The same, with the date asked for once more where midnight may have come between date and time."""
    if not isinstance(time.value, str) or time.value[:4] >= JUST_MIDNIGHT:
        return reads
    return [_again(exchange, read) if read.identifier.code == "clock_date" else read for read in reads]


def _again(exchange: Exchange, read: Read) -> Read:
    try:
        return msgspec.structs.replace(read, value=value_of(read.identifier, exchange.read(read.identifier.number)))
    except Refusal as refusal:
        return Read(read.identifier, problem=_problem(refusal))


def _clock(reads: Iterable[Read], at_us: int) -> tuple[Clock | None, list[Read]]:
    """The meter's clock against the reader's, and the reads, with what is wrong with a date and time that are none."""
    by_code = {read.identifier.code: read for read in reads}
    date, time = by_code.get("clock_date"), by_code.get("clock_time")
    clock = None
    if date and time and isinstance(date.value, str) and isinstance(time.value, str):
        try:
            at = moment_of(date.value, time.value)
        except Refusal as refusal:
            by_code["clock_time"] = Read(time.identifier, problem=_problem(refusal))
        else:
            # To the nearest second: the meter's clock shows no less.
            clock = Clock(at, (round(at.timestamp()) * 1_000_000 - at_us + 500_000) // 1_000_000)
    return clock, list(by_code.values())


def _instant(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(BUSINESS_ZONE)


def _problem(refusal: Refusal) -> Problem:
    return Problem(refusal.code, refusal.zh, refusal.en)
