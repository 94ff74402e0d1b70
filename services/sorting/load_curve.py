"""负荷曲线: what the load curve of a device in service shows, and what it cannot. Pure, in whole numbers.

A curve is points of (seconds since 1970 UTC, value in mA or mV) by phase, in the order in which they were kept. Real
curves have gaps, points twice, clocks that were set: a point belongs to the interval in which it falls, two that
contradict each other in one are both left out, and nothing is put in the place of what is missing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import msgspec

from services.sorting.assessment.history import Limitation, LoadFindings, missing_ppm

Phase: TypeAlias = Literal["A", "B", "C"]
Point: TypeAlias = tuple[int, int]
"""Seconds since 1970-01-01 UTC, and a value in mA or mV."""

Curve: TypeAlias = Mapping[Phase, Sequence[Point]]

DAY_S: Final = 86_400
ZONE_S: Final = 28_800
"""Asia/Shanghai is UTC+8 all year, so that every day has as many intervals."""

MISSING_PPM_MAX: Final = 50_000
"""Above this share of missing points the curve says so. Ours, not of a standard."""

LOAD_STEP_MA: Final = 2_000
LOAD_STEPS_MIN: Final = 30
"""Steps of 2 A: what a resistance is fitted from in the method of differences (reference: 89 of them gave 0.24 ohm
with a standard error of 6 %); below some thirty the error is a tenth and more.
"""

YEAR_DAYS: Final = 365

_EPOCH: Final = date(1970, 1, 1)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a curve is held against. The intervals are those at which points were due, found from the curve where not
    given; `phases` are those of the meter; without days it is all that there is of current, else of voltage.
    """

    interval_s: int | None = None
    voltage_interval_s: int | None = None
    phases: int = 1
    i_max_ma: int | None = None
    voltage_least_mv: int | None = None
    voltage_most_mv: int | None = None
    first_on: date | None = None
    last_on: date | None = None


class _Placed(msgspec.Struct, frozen=True):
    """The points of one phase, by the number of their interval since 1970 in Asia/Shanghai."""

    slots: dict[int, int]
    set_aside: int
    disordered: bool


def interval_of(curve: Curve) -> int | None:
    """The time between points that is most common, the shorter of equals; None where no two points say."""
    between: Counter[int] = Counter()
    for points in curve.values():
        instants = sorted({at for at, _ in points})
        between.update(b - a for a, b in pairwise(instants))
    return min(between, key=lambda s: (-between[s], s)) if between else None


def findings(current: Curve, voltage: Curve, asked: Asked) -> LoadFindings | None:
    """What the curves show and what they cannot; None where there is no point in the days asked for. Raises ValueError
    for an interval of which a day does not have a whole number.
    """
    days = _days(current, voltage, asked)
    if days is None:
        return None
    first_on, last_on = days
    within = (_day_number(first_on), _day_number(last_on) + 1)
    interval_s = _whole(asked.interval_s or interval_of(current) or 0)
    voltage_interval_s = _whole(asked.voltage_interval_s or interval_of(voltage) or 0)
    amperes = _by_phase(current, interval_s, within)
    volts = _by_phase(voltage, voltage_interval_s, within)
    count = (within[1] - within[0]) * DAY_S
    slots = range(within[0] * DAY_S // interval_s, within[1] * DAY_S // interval_s) if interval_s else range(0)
    days_read, zero_days = _days_read(amperes, interval_s)
    band = (asked.voltage_least_mv, asked.voltage_most_mv)
    volts_read = [value for placed in volts.values() for value in placed.slots.values()]
    shown = LoadFindings(
        first_on=first_on,
        last_on=last_on,
        points_expected=len(slots) * len(amperes),
        points_read=sum(len(placed.slots) for placed in amperes.values()),
        longest_gap_min=max((_longest_gap(placed, slots) for placed in amperes.values()), default=0) * interval_s // 60,
        zero_days=zero_days,
        days_read=days_read,
        overload_dose_s=_dose(amperes, interval_s, asked.i_max_ma),
        voltage_points_read=len(volts_read),
        voltage_out_ppm=_out_ppm(volts_read, *band),
        interval_s=interval_s,
        phases=len(amperes),
        i_max_ma=asked.i_max_ma,
        voltage_least_mv=asked.voltage_least_mv,
        voltage_most_mv=asked.voltage_most_mv,
        voltage_points_expected=count // voltage_interval_s * len(volts) if voltage_interval_s else 0,
        points_set_aside=sum(placed.set_aside for placed in amperes.values()),
        reversed_points=sum(value < 0 for placed in amperes.values() for value in placed.slots.values()),
        load_steps=sum(
            _load_steps(placed, volts[phase], interval_s, voltage_interval_s)
            for phase, placed in amperes.items()
            if phase in volts
        ),
    )
    uncertain = any(placed.disordered or placed.set_aside for placed in (*amperes.values(), *volts.values()))
    values = (value for placed in amperes.values() for value in placed.slots.values())
    cannot = _cannot_tell(shown, asked, is_zero=not any(values), is_uncertain=uncertain)
    return msgspec.structs.replace(shown, cannot_tell=tuple(cannot))


def daily_peaks(current: Curve) -> list[int | None]:
    """The largest current of each day in any phase, from the first day to the last, in mA; None of a day without."""
    peaks: dict[int, int] = {}
    for points in current.values():
        for at, value in points:
            day = (at + ZONE_S) // DAY_S
            peaks[day] = max(peaks.get(day, 0), abs(value))
    return [peaks.get(day) for day in range(min(peaks), max(peaks) + 1)] if peaks else []


def _days(current: Curve, voltage: Curve, asked: Asked) -> tuple[date, date] | None:
    for curve in (current, voltage):
        instants = [at for points in curve.values() for at, _ in points]
        if instants:
            first, last = asked.first_on or _day(min(instants)), asked.last_on or _day(max(instants))
            return (first, last) if first <= last else None
    return None


def _whole(interval_s: int) -> int:
    if interval_s and DAY_S % interval_s:
        raise ValueError(f"a day has no whole number of intervals of {interval_s} s")
    return interval_s


def _day(at: int) -> date:
    return _EPOCH + timedelta(days=(at + ZONE_S) // DAY_S)


def _day_number(day: date) -> int:
    return (day - _EPOCH).days


def _by_phase(curve: Curve, interval_s: int, within: tuple[int, int]) -> dict[Phase, _Placed]:
    """Phases without a point are not there; nor is anything where no interval is known, of one point alone."""
    return {phase: _placed(points, interval_s, within) for phase, points in curve.items() if points and interval_s}


def _placed(points: Sequence[Point], interval_s: int, within: tuple[int, int]) -> _Placed:
    slots: dict[int, int] = {}
    told: Counter[int] = Counter()
    contradicted: set[int] = set()
    disordered, before = False, None
    offsets: set[int] = set()
    for at, value in points:
        local = at + ZONE_S
        if not within[0] * DAY_S <= local < within[1] * DAY_S:
            continue
        disordered |= before is not None and local < before
        before = local
        slot, offset = divmod(local, interval_s)
        offsets.add(offset)
        told[slot] += 1
        if slots.setdefault(slot, value) != value:
            contradicted.add(slot)
    aside = sum(told[slot] for slot in contradicted)
    agreed = {slot: value for slot, value in slots.items() if slot not in contradicted}
    return _Placed(agreed, aside, disordered or len(offsets) > 1)


def _days_read(amperes: Mapping[Phase, _Placed], interval_s: int) -> tuple[int, int]:
    """Days of which at least half of the points are there, and those of them on which all are zero."""
    if not interval_s:
        return 0, 0
    a_day = DAY_S // interval_s
    read: Counter[int] = Counter()
    loaded = set()
    for placed in amperes.values():
        for slot, value in placed.slots.items():
            read[slot // a_day] += 1
            if value:
                loaded.add(slot // a_day)
    enough = {day for day, points in read.items() if 2 * points >= a_day * len(amperes)}
    return len(enough), len(enough - loaded)


def _longest_gap(placed: _Placed, slots: range) -> int:
    """The most intervals on end without a point."""
    edges = (slots.start - 1, *sorted(placed.slots), slots.stop)
    return max(0, *(b - a - 1 for a, b in pairwise(edges)))


def _dose(amperes: Mapping[Phase, _Placed], interval_s: int, i_max_ma: int | None) -> int | None:
    """A point stands for its interval. Fractions of a second of the whole sum are dropped."""
    if not (amperes and interval_s and i_max_ma):
        return None
    squares = (
        sum(value * value for value in placed.slots.values() if abs(value) > i_max_ma) for placed in amperes.values()
    )
    return max(squares) * interval_s // (i_max_ma * i_max_ma)


def _out_ppm(millivolts: Sequence[int], least: int | None, most: int | None) -> int | None:
    if not millivolts or least is None or most is None:
        return None
    out = sum(not least <= value <= most for value in millivolts)
    return (2_000_000 * out + len(millivolts)) // (2 * len(millivolts))


def _load_steps(amperes: _Placed, volts: _Placed, interval_s: int, voltage_interval_s: int) -> int:
    """Neighbouring points of current with voltage at both, between which the current changes by LOAD_STEP_MA or more.
    Where the two are read at different intervals, neighbours are as far apart as the longer one.
    """
    if not (interval_s and voltage_interval_s):
        return 0
    known = {slot * voltage_interval_s for slot in volts.slots}
    both = {slot * interval_s: value for slot, value in amperes.slots.items() if slot * interval_s in known}
    step_s = max(interval_s, voltage_interval_s)
    return sum(abs(both[at + step_s] - value) >= LOAD_STEP_MA for at, value in both.items() if at + step_s in both)


def _cannot_tell(shown: LoadFindings, asked: Asked, *, is_zero: bool, is_uncertain: bool) -> Iterator[Limitation]:
    if shown.points_read == 0:
        yield "no_current"
    else:
        yield from _of_current(shown, asked, is_zero=is_zero)
    if is_uncertain:
        yield "times_uncertain"
    if shown.voltage_points_read == 0:
        yield "no_voltage"
    else:
        if shown.voltage_out_ppm is None:
            yield "no_voltage_band"
        if _is_missing(shown.voltage_points_read, shown.voltage_points_expected):
            yield "voltage_missing"
    if shown.load_steps < LOAD_STEPS_MIN:
        yield "series_resistance"


def _of_current(shown: LoadFindings, asked: Asked, *, is_zero: bool) -> Iterator[Limitation]:
    yield "arcs"
    yield "short_overloads"
    if missing_ppm(shown) > MISSING_PPM_MAX:
        yield "points_missing"
    if shown.days_read < YEAR_DAYS:
        yield "part_of_year"
    if is_zero:
        yield "all_zero"
    if shown.reversed_points:
        yield "reversed"
    if shown.overload_dose_s is None:
        yield "no_i_max"
    elif shown.points_read < shown.points_expected:
        yield "dose_at_least"
    if shown.phases < asked.phases:
        yield "phases_missing"


def _is_missing(read: int, expected: int) -> bool:
    return (expected - read) * 1_000_000 > MISSING_PPM_MAX * expected
