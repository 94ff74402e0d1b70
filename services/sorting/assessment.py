"""三评: what a device's history, its indicators and its value come to. Pure: whatever is known comes in, and the
numbers that come out are in the log beside the sentences that explain them, so that anybody can work them out again.

A sentence is a code and its numbers; the words for it stand in SENTENCES.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Final, Literal

from msgspec import Meta

from kernel.quantity import AmountFen, CivilDate, Code, Count, refuse_far_days
from services.sorting.norms import Fault, Part
from services.sorting.prices import ClassValue
from services.sorting.vocabulary import MassCo2G, Months, SharePpm

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "history.age": (
        "已使用 {age_months} 个月，设计寿命 {life_months} 个月，余 {left_months} 个月。",
        "in use for {age_months} months of a design life of {life_months}; {left_months} are left.",
    ),
    "history.age_unknown": (
        "不知安装或出厂日期，使用年限不明。",
        "neither the day it was installed nor the day it was made is known, so its age is not.",
    ),
    "history.no_prices": ("该类别没有寿命与价值参数。", "there are no parameters of life and value for its class."),
    "history.inspected_before": ("此前已分拣 {rounds} 次。", "it was inspected {rounds} times before."),
    "history.alerts": ("运行期间有 {alerts} 次监测警报。", "there were {alerts} alerts while it was in service."),
    "history.no_alerts_known": (
        "没有监测警报记录可查。",
        "no record of alerts while in service is at hand.",
    ),
    "history.no_curve": ("没有负荷曲线可评估。", "no load curve is at hand."),
    "history.curve": (
        "负荷曲线应有 {points_expected} 点，实有 {points_read} 点；零负荷 {zero_days} 天。",
        "of {points_expected} points of its load curve {points_read} were read; {zero_days} days without load.",
    ),
    "history.overloaded": (
        "过载剂量相当于额定最大电流下 {overload_dose_s} 秒。",
        "its overload dose is that of {overload_dose_s} seconds at the maximum current.",
    ),
    "indicators.no_fault": ("三项检查未发现故障。", "the three inspections found no fault."),
    "indicators.faults": ("发现 {faults} 项故障。", "{faults} faults were found."),
    "indicators.steps_left_out": ("有 {steps} 项检查未执行。", "{steps} inspections were not performed."),
    "indicators.population": (
        "同厂家同批次已检 {inspected} 只，其中 {faulty} 只有相同故障。",
        "of {inspected} inspected of the same maker and batch, {faulty} had the same fault.",
    ),
    "indicators.batch_suspected": (
        "同批次故障率 {share_ppm} ppm，明显高于同类 {expected_ppm} ppm，批次疑似问题。",
        "{share_ppm} ppm of its batch are faulty, markedly more than the {expected_ppm} ppm of its class: suspected.",
    ),
    "value.reuse": (
        "利旧：余值 {worth_fen} 分，减整修 {cost_fen} 分，净 {net_fen} 分。",
        "reuse: worth {worth_fen} fen, less {cost_fen} for making it good, {net_fen} net.",
    ),
    "value.reuse_unknown": ("使用年限不明，不能计算利旧价值。", "its age is not known, so what reuse is worth is not."),
    "value.reuse_none": ("不可修复，没有利旧价值。", "it is beyond repair and has no value in reuse."),
    "value.claim": (
        "理赔：索赔额 {worth_fen} 分，成功率 {odds_ppm} ppm，减办理 {cost_fen} 分，净 {net_fen} 分。",
        "claim: {worth_fen} fen at odds of {odds_ppm} ppm, less {cost_fen} for handling, {net_fen} net.",
    ),
    "value.claim_none": ("没有可理赔的缺陷。", "there is no defect to claim for."),
    "value.scrap": (
        "报废：材料 {worth_fen} 分，减处置 {cost_fen} 分，净 {net_fen} 分。",
        "scrap: materials {worth_fen} fen, less {cost_fen} for handling, {net_fen} net.",
    ),
    "value.no_prices": ("该类别没有价值参数。", "there are no parameters of value for its class."),
}

SUSPECTED_INSPECTED_MIN: Final = 20
"""Of a batch of fewer nothing is said: two faults of five are no finding."""

SUSPECTED_TIMES: Final = 3
"""How many times the share of its class a batch's share of faults is, beside being three standard deviations off."""

_MONTHS_A_YEAR: Final = 12


class Number(Part, frozen=True, kw_only=True):
    """A number of a sentence, by the name that the words give it."""

    name: Code
    value: Annotated[int, Meta(ge=-(2**53), le=2**53)]


class Sentence(Part, frozen=True, kw_only=True):
    """A sentence of SENTENCES, and its numbers."""

    code: Code
    numbers: tuple[Number, ...] = ()

    def words(self) -> tuple[str, str]:
        """It in both languages."""
        known = {one.name: one.value for one in self.numbers}
        zh, en = SENTENCES[self.code]
        return zh.format_map(known), en.format_map(known)


def say(code: str, **numbers: int) -> Sentence:
    """A sentence."""
    return Sentence(code=code, numbers=tuple(Number(name=name, value=value) for name, value in numbers.items()))


class LoadFindings(Part, frozen=True, kw_only=True):
    """What the load curve of a device in service shows between two days, and in `cannot_tell` what it cannot. The dose
    is the sum of (I/I_max)^2 over the time above I_max, in seconds at I_max.
    """

    first_on: CivilDate
    last_on: CivilDate
    points_expected: Count
    points_read: Count
    longest_gap_min: Count
    zero_days: Count
    days_read: Count
    overload_dose_s: Count | None = None
    voltage_points_read: Count = 0
    voltage_out_ppm: SharePpm | None = None
    cannot_tell: tuple[Code, ...] = ()

    def __post_init__(self) -> None:
        refuse_far_days(first_on=self.first_on, last_on=self.last_on)


class Known(Part, frozen=True, kw_only=True):
    """What the record says of a device before it was dismantled. `alerts` is None where nobody watched it."""

    made_on: CivilDate | None = None
    installed_on: CivilDate | None = None
    dismantled_on: CivilDate | None = None
    alerts: Count | None = None
    load: LoadFindings | None = None

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


class Population(Part, frozen=True, kw_only=True):
    """How many of the same maker and batch, and of the same class, were inspected, and how many of them were faulty in
    the way that this one is (in any way, where it is not faulty).
    """

    inspected: Count = 0
    faulty: Count = 0
    class_inspected: Count = 0
    class_faulty: Count = 0


class IndicatorFindings(Part, frozen=True, kw_only=True):
    """拆后指标 The faults that were found, against the population."""

    faults: tuple[Code, ...] = ()
    condition: Literal["sound", "repairable", "beyond_repair", "unknown"]
    defect: Literal["none", "original", "other", "undetermined"]
    tampering: bool = False
    population: Population = Population()
    batch: Literal["clear", "suspected"] = "clear"
    said: tuple[Sentence, ...] = ()


class ValueFindings(Part, frozen=True, kw_only=True):
    """处置经济价值 What each disposition brings, net, in fen, and saves, in grams of CO2; None where it cannot be or is
    not known.
    """

    reuse_fen: AmountFen | None = None
    claim_fen: AmountFen | None = None
    scrap_fen: AmountFen | None = None
    reuse_co2_g: MassCo2G = 0
    claim_co2_g: MassCo2G = 0
    scrap_co2_g: MassCo2G = 0
    pays: Literal["reuse", "claim", "scrap", "unknown"] = "unknown"
    said: tuple[Sentence, ...] = ()


def assess_history(known: Known, value: ClassValue | None, rounds_before: int, on: date) -> HistoryFindings:
    """What the record says, on a day. Without parameters for its class its life is not known."""
    said = [] if rounds_before == 0 else [say("history.inspected_before", rounds=rounds_before)]
    said.append(say("history.no_alerts_known") if known.alerts is None else say("history.alerts", alerts=known.alerts))
    said += _load_said(known.load)
    began = known.installed_on or known.made_on
    if value is None:
        return HistoryFindings(known=known, said=(say("history.no_prices"), *said))
    if began is None:
        unknown = say("history.age_unknown")
        return HistoryFindings(known=known, life_months=value.life_months, said=(unknown, *said))
    age = _months_between(began, known.dismantled_on or on)
    left = max(0, value.life_months - age)
    in_warranty = _months_between(known.made_on or began, known.dismantled_on or on) < value.warranty_months
    aged = say("history.age", age_months=age, life_months=value.life_months, left_months=left)
    return HistoryFindings(
        known=known,
        age_months=age,
        life_months=value.life_months,
        left_months=left,
        warranty="inside" if in_warranty else "outside",
        life="enough" if left >= value.life_left_months_min else "short",
        said=(aged, *said),
    )


def assess_indicators(faults: Sequence[Fault], left_out: int, population: Population) -> IndicatorFindings:
    """What the inspections showed. `left_out` of them could not be performed, though they apply."""
    said = [say("indicators.faults", faults=len(faults)) if faults else say("indicators.no_fault")]
    if left_out:
        said.append(say("indicators.steps_left_out", steps=left_out))
    said.append(say("indicators.population", inspected=population.inspected, faulty=population.faulty))
    suspected = _suspected(population)
    if suspected:
        share, expected = (
            _ppm(population.faulty, population.inspected),
            _ppm(population.class_faulty, population.class_inspected),
        )
        said.append(say("indicators.batch_suspected", share_ppm=share, expected_ppm=expected))
    return IndicatorFindings(
        faults=tuple(fault.code for fault in faults),
        condition=_condition(faults, left_out),
        defect=_defect(faults),
        tampering=any(fault.tampering for fault in faults),
        population=population,
        batch="suspected" if suspected else "clear",
        said=tuple(said),
    )


def assess_value(
    faults: Sequence[Fault], history: HistoryFindings, indicators: IndicatorFindings, value: ClassValue | None
) -> ValueFindings:
    """What each disposition brings. Fractions of a fen are dropped."""
    if value is None:
        return ValueFindings(said=(say("value.no_prices"),))
    reuse, reuse_said = _reuse(faults, history, indicators, value)
    claim, claim_said = _claim(history, indicators, value)
    scrap = value.material_fen - value.scrap_handling_fen
    scrap_said = say("value.scrap", worth_fen=value.material_fen, cost_fen=value.scrap_handling_fen, net_fen=scrap)
    worth: dict[Literal["reuse", "claim", "scrap", "unknown"], int | None] = {
        "reuse": reuse,
        "claim": claim,
        "scrap": scrap,
    }
    # A device of unknown age that could be used again: what is worth most cannot be said.
    unknown = reuse is None and indicators.condition in ("sound", "repairable")
    return ValueFindings(
        reuse_fen=reuse,
        claim_fen=claim,
        scrap_fen=scrap,
        reuse_co2_g=value.reuse_co2_g,
        claim_co2_g=value.claim_co2_g,
        scrap_co2_g=value.scrap_co2_g,
        pays="unknown" if unknown else max(("reuse", "claim", "scrap"), key=lambda one: _or_least(worth[one])),
        said=(reuse_said, claim_said, scrap_said),
    )


def _reuse(
    faults: Sequence[Fault], history: HistoryFindings, indicators: IndicatorFindings, value: ClassValue
) -> tuple[int | None, Sentence]:
    if indicators.condition == "beyond_repair":
        return None, say("value.reuse_none")
    if history.left_months is None or history.life_months in (None, 0):
        return None, say("value.reuse_unknown")
    assert history.life_months is not None
    worth = value.new_fen * history.left_months // history.life_months
    cost = value.clean_fen + value.re_verify_fen + sum(fault.remedy_cost_fen for fault in faults)
    return worth - cost, say("value.reuse", worth_fen=worth, cost_fen=cost, net_fen=worth - cost)


def _claim(history: HistoryFindings, indicators: IndicatorFindings, value: ClassValue) -> tuple[int | None, Sentence]:
    if indicators.defect != "original" or history.warranty != "inside":
        return None, say("value.claim_none")
    worth = value.new_fen * value.claim_share_ppm // 1_000_000
    net = worth * value.claim_odds_ppm // 1_000_000 - value.claim_handling_fen
    return net, say(
        "value.claim",
        worth_fen=worth,
        odds_ppm=value.claim_odds_ppm,
        cost_fen=value.claim_handling_fen,
        net_fen=net,
    )


def _or_least(amount: int | None) -> int:
    return -(2**62) if amount is None else amount


def _load_said(load: LoadFindings | None) -> Iterable[Sentence]:
    if load is None:
        return [say("history.no_curve")]
    said = [
        say(
            "history.curve",
            points_expected=load.points_expected,
            points_read=load.points_read,
            zero_days=load.zero_days,
        )
    ]
    if load.overload_dose_s:
        said.append(say("history.overloaded", overload_dose_s=load.overload_dose_s))
    return said


def _condition(faults: Sequence[Fault], left_out: int) -> Literal["sound", "repairable", "beyond_repair", "unknown"]:
    remedies = {fault.remedy for fault in faults}
    if "none" in remedies:
        return "beyond_repair"
    if left_out:
        return "unknown"
    return "repairable" if remedies & {"adjust", "repair"} else "sound"


def _defect(faults: Sequence[Fault]) -> Literal["none", "original", "other", "undetermined"]:
    origins = {fault.origin for fault in faults}
    if "original" in origins:
        return "original"
    if "undetermined" in origins:
        return "undetermined"
    return "other" if origins else "none"


def _suspected(population: Population) -> bool:
    """Whether far more of a batch are faulty than of its class: SUSPECTED_TIMES as many, and three standard deviations
    of a binomial count above what would be expected.
    """
    inspected, faulty = population.inspected, population.faulty
    if inspected < SUSPECTED_INSPECTED_MIN or not population.class_inspected:
        return False
    share, whole = population.class_faulty, population.class_inspected
    if faulty * whole <= SUSPECTED_TIMES * inspected * share:
        return False
    # (faulty - n p)^2 > 9 n p (1 - p), with p = share / whole, in whole numbers.
    return (faulty * whole - inspected * share) ** 2 > 9 * inspected * share * (whole - share)


def _ppm(part: int, whole: int) -> int:
    return part * 1_000_000 // whole if whole else 0


def _months_between(first: date, last: date) -> int:
    """Whole months from one day to another, none where the second is before the first."""
    months = (last.year - first.year) * _MONTHS_A_YEAR + last.month - first.month
    return max(0, months - (last.day < first.day))
