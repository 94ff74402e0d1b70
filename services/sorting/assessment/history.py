"""拆前履历: a device's age against its life, and what was recorded of it before it was dismantled."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from kernel.quantity import CivilDate, Code, Count, refuse_far_days
from services.sorting.assessment.sentences import Sentence, say
from services.sorting.norms import Part
from services.sorting.prices import ClassValue
from services.sorting.vocabulary import Months, SharePpm

Limitation: TypeAlias = Literal[
    "arcs",
    "short_overloads",
    "no_current",
    "points_missing",
    "part_of_year",
    "all_zero",
    "reversed",
    "no_i_max",
    "dose_at_least",
    "phases_missing",
    "times_uncertain",
    "no_voltage",
    "no_voltage_band",
    "voltage_missing",
    "series_resistance",
]
LIMITATIONS: Final[dict[Limitation, tuple[str, str]]] = {
    "arcs": ("看不出电弧", "arcs do not show"),
    "short_overloads": ("看不出短时过载", "short overloads do not show"),
    "no_current": ("无电流曲线", "no curve of current"),
    "points_missing": ("缺测较多", "many points missing"),
    "part_of_year": ("不足一年", "less than a year"),
    "all_zero": ("电流全为零", "no current at all"),
    "reversed": ("电流有负值", "negative current"),
    "no_i_max": ("最大电流不明", "maximum current not known"),
    "dose_at_least": ("过载剂量为下限", "overload dose at least that"),
    "phases_missing": ("缺相曲线", "phases missing"),
    "times_uncertain": ("时标可疑", "times uncertain"),
    "no_voltage": ("无电压曲线", "no voltage"),
    "no_voltage_band": ("电压范围未给", "no band for the voltage"),
    "voltage_missing": ("电压缺测较多", "much voltage missing"),
    "series_resistance": ("不能估计串联电阻", "no estimate of the series resistance"),
}
"""What a load curve cannot tell, or why. The whole sentence of each is in SENTENCES, as `load.<word>`."""

MilliAmperes: TypeAlias = Annotated[int, Meta(ge=0, le=10_000_000, description="a current in milliamperes")]
DoseS: TypeAlias = Annotated[int, Meta(ge=0, le=10**15, description="an overload dose, in seconds at I_max")]
MilliVolts: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000, description="a voltage in millivolts")]

_MONTHS_A_YEAR: Final = 12
_DAY: Final = timedelta(days=1)


class LoadFindings(Part, frozen=True, kw_only=True):
    """What the load curve of a device in service shows between two days, and in `cannot_tell` what it cannot.

    Points are those of all phases, one every `interval_s`; a day is read where at least half of its points are, and
    without load where all that were read are zero. The dose is the sum of (I/I_max)^2 over the time above I_max, in
    seconds at I_max, of the phase where it is largest. `points_set_aside` contradict others of the same interval.
    `load_steps` are pairs of neighbouring points with voltage between which the current changes enough to show a series
    resistance. `voltage_out_ppm` lie outside the band, whose ends are inside it.
    """

    first_on: CivilDate
    last_on: CivilDate
    points_expected: Count
    points_read: Count
    longest_gap_min: Count
    zero_days: Count
    days_read: Count
    overload_dose_s: DoseS | None = None
    voltage_points_read: Count = 0
    voltage_out_ppm: SharePpm | None = None
    cannot_tell: tuple[Limitation, ...] = ()
    interval_s: Count = 0
    phases: Count = 1
    i_max_ma: MilliAmperes | None = None
    voltage_least_mv: MilliVolts | None = None
    voltage_most_mv: MilliVolts | None = None
    voltage_points_expected: Count = 0
    points_set_aside: Count = 0
    reversed_points: Count = 0
    load_steps: Count = 0

    def __post_init__(self) -> None:
        refuse_far_days(first_on=self.first_on, last_on=self.last_on)

    def contradictions(self) -> Iterator[str]:
        """What cannot be so, in words; nothing where the findings agree with one another."""
        days = (self.last_on - self.first_on).days + 1
        if days < 1:
            yield "last_on < first_on"
        if self.points_read > self.points_expected:
            yield "points_read > points_expected"
        if not self.zero_days <= self.days_read <= max(0, days):
            yield "zero_days <= days_read <= last_on - first_on + 1"
        if self.overload_dose_s is not None and not self.i_max_ma:
            yield "overload_dose_s, i_max_ma"
        if self.voltage_out_ppm is not None and None in (self.voltage_least_mv, self.voltage_most_mv):
            yield "voltage_out_ppm, voltage_least_mv, voltage_most_mv"
        if self.voltage_points_read > self.voltage_points_expected:
            yield "voltage_points_read > voltage_points_expected"
        if len(set(self.cannot_tell)) < len(self.cannot_tell):
            yield "cannot_tell"


class Known(Part, frozen=True, kw_only=True):
    """What the record says of a device before it was dismantled. `alerts` is None where nobody watched it; of its
    earlier inspections, how many reached a verdict, and the faults that the last of them found.
    """

    made_on: CivilDate | None = None
    installed_on: CivilDate | None = None
    dismantled_on: CivilDate | None = None
    alerts: Count | None = None
    load: LoadFindings | None = None
    rounds_judged: Count = 0
    faults_before: tuple[Code, ...] = ()
    repair_failed: bool = False

    def __post_init__(self) -> None:
        refuse_far_days(made_on=self.made_on, installed_on=self.installed_on, dismantled_on=self.dismantled_on)


class HistoryFindings(Part, frozen=True, kw_only=True):
    """拆前履历 Age against life, and what was recorded of it in service."""

    known: Known
    age_months: Months | None = None
    life_months: Months | None = None
    left_months: Months | None = None
    warranty: Literal["inside", "outside", "unknown"] = "unknown"
    life: Literal["enough", "short", "unknown"] = "unknown"
    said: tuple[Sentence, ...] = ()


def assess_history(known: Known, value: ClassValue | None, on: date) -> HistoryFindings:
    """What the record says, on a day. Without parameters for its class its life is not known."""
    recorded = (*_recorded_before(known), *load_said(known.load))
    if value is None:
        return HistoryFindings(known=known, said=(say("history.no_prices"), *recorded))
    began, ended = known.installed_on or known.made_on, known.dismantled_on or on
    if began is None or not _in_order(known, ended):
        unknown = say("history.age_unknown" if began is None else "history.days_disagree")
        return HistoryFindings(known=known, life_months=value.life_months, said=(unknown, *recorded))
    age = months_between(began, ended)
    left = max(0, value.life_months - age)
    aged = say(
        "history.age_since_made" if known.installed_on is None else "history.age",
        age_months=age,
        life_months=value.life_months,
        left_months=left,
    )
    return HistoryFindings(
        known=known,
        age_months=age,
        life_months=value.life_months,
        left_months=left,
        warranty="inside" if months_between(known.made_on or began, ended) < value.warranty_months else "outside",
        life="enough" if left >= value.life_left_months_min else "short",
        said=(aged, *recorded),
    )


def load_said(load: LoadFindings | None) -> tuple[Sentence, ...]:
    """What a load curve shows, and then what it cannot."""
    if load is None:
        return (say("history.no_curve"),)
    return (*_shown(load), *(_cannot(load, limitation) for limitation in load.cannot_tell))


def months_between(first: date, last: date) -> int:
    """Whole months from one day to another, none where the second is before the first. The last day of a month ends
    the month that began on a day which it does not have.
    """
    months = (last.year - first.year) * _MONTHS_A_YEAR + last.month - first.month
    return max(0, months - (last.day < first.day and (last + _DAY).day != 1))


def _in_order(known: Known, ended: date) -> bool:
    """Whether the days can be so: made, then installed, then dismantled."""
    days = [day for day in (known.made_on, known.installed_on, ended) if day is not None]
    return days == sorted(days)


def _recorded_before(known: Known) -> Iterator[Sentence]:
    if known.rounds_judged:
        yield say("history.inspected_before", rounds=known.rounds_judged, faults=len(known.faults_before))
    else:
        yield say("history.first_inspection")
    if known.repair_failed:
        yield say("history.repair_failed")
    if known.alerts is None:
        yield say("history.no_alerts_known")
    else:
        yield say("history.alerts", alerts=known.alerts) if known.alerts else say("history.no_alerts")


def _shown(load: LoadFindings) -> Iterator[Sentence]:
    if load.points_expected:
        yield say(
            "history.curve",
            points_expected=load.points_expected,
            points_read=load.points_read,
            days_read=load.days_read,
            zero_days=load.zero_days,
        )
    if load.overload_dose_s is not None and load.i_max_ma:
        code = "history.overloaded" if load.overload_dose_s else "history.not_overloaded"
        more = {"overload_dose_s": load.overload_dose_s} if load.overload_dose_s else {}
        yield say(code, i_max_ma=load.i_max_ma, **more)
    if load.voltage_out_ppm is not None and load.voltage_least_mv is not None and load.voltage_most_mv is not None:
        yield say(
            "history.voltage",
            voltage_points_read=load.voltage_points_read,
            voltage_out_ppm=load.voltage_out_ppm,
            voltage_least_mv=load.voltage_least_mv,
            voltage_most_mv=load.voltage_most_mv,
        )


def _cannot(load: LoadFindings, limitation: Limitation) -> Sentence:
    if limitation == "points_missing":
        return say("load.points_missing", missing_ppm=missing_ppm(load), longest_gap_min=load.longest_gap_min)
    return say(f"load.{limitation}", **{name: getattr(load, name) for name in _NUMBERS.get(limitation, ())})


def missing_ppm(load: LoadFindings) -> int:
    """The share of its points that were not read, rounded to the nearest millionth."""
    missing, expected = load.points_expected - load.points_read, load.points_expected
    return (2_000_000 * missing + expected) // (2 * expected) if expected else 0


_NUMBERS: Final[dict[Limitation, tuple[str, ...]]] = {
    "arcs": ("interval_s",),
    "short_overloads": ("interval_s",),
    "part_of_year": ("days_read",),
    "reversed": ("reversed_points",),
    "phases_missing": ("phases",),
    "times_uncertain": ("points_set_aside",),
    "voltage_missing": ("voltage_points_expected", "voltage_points_read"),
    "series_resistance": ("load_steps",),
}
