"""What an assessment says: a sentence is a code and its numbers, kept in the log; the words for it stand here.

In the words, money is written in yuan, shares in per cent and long times in days or hours, exactly.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Final

from msgspec import Meta

from kernel.quantity import Code
from services.sorting.norms import Part

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "history.age": (
        "自安装起已使用 {age_months} 个月，设计寿命 {life_months} 个月，余 {left_months} 个月。",
        (
            "in use for {age_months} months since it was installed, of a design life of {life_months}; "
            "{left_months} are left."
        ),
    ),
    "history.age_since_made": (
        "安装日期不明，自出厂起 {age_months} 个月，设计寿命 {life_months} 个月，余 {left_months} 个月。",
        (
            "the day it was installed is not known; it was made {age_months} months ago and its design life is "
            "{life_months}: {left_months} are left."
        ),
    ),
    "history.age_unknown": (
        "不知安装或出厂日期，使用年限不明。",
        "neither the day it was installed nor the day it was made is known, so its age is not.",
    ),
    "history.days_disagree": (
        "出厂、安装、拆回日期先后矛盾，使用年限不明。",
        "the days on which it was made, installed and dismantled contradict each other, so its age is not known.",
    ),
    "history.no_prices": (
        "该类别没有寿命与价值参数，寿命与质保不明。",
        "there are no parameters of life and value for its class, so its life and its warranty are not known.",
    ),
    "history.first_inspection": ("此前没有分拣结论。", "it was never judged before."),
    "history.inspected_before": (
        "此前已有 {rounds} 轮分拣结论，上一轮发现 {faults} 项故障。",
        "it was judged in {rounds} rounds before; the last of them found {faults} faults.",
    ),
    "history.repair_failed": ("此前维修或复检失败。", "a repair of it, or its re-verification, failed before."),
    "history.alerts": ("运行期间有 {alerts} 次监测警报。", "there were {alerts} alerts while it was in service."),
    "history.no_alerts": ("运行期间受监测，没有警报。", "it was watched while in service, and there was no alert."),
    "history.no_alerts_known": (
        "没有监测记录可查，不能说没有警报。",
        "no record of alerts is at hand, which does not say that there were none.",
    ),
    "history.no_curve": ("没有负荷曲线可评估。", "no load curve is at hand."),
    "history.curve": (
        "负荷曲线应有 {points_expected} 点，实有 {points_read} 点；有效 {days_read} 天，其中零负荷 {zero_days} 天。",
        (
            "of {points_expected} points of its load curve {points_read} were read, on {days_read} days, of which "
            "{zero_days} were without load."
        ),
    ),
    "history.overloaded": (
        "过载剂量相当于最大电流 {i_max_ma} 下 {overload_dose_s} 秒。",
        "its overload dose is that of {overload_dose_s} seconds at the maximum current of {i_max_ma}.",
    ),
    "history.not_overloaded": (
        "读到的各点均未超过最大电流 {i_max_ma}。",
        "no point that was read is above the maximum current of {i_max_ma}.",
    ),
    "history.voltage": (
        "电压 {voltage_points_read} 点中有 {voltage_out_ppm} 超出 {voltage_least_mv} 至 {voltage_most_mv}。",
        (
            "of {voltage_points_read} points of voltage {voltage_out_ppm} lie outside {voltage_least_mv} to "
            "{voltage_most_mv}."
        ),
    ),
    "load.arcs": (
        "两点相隔 {interval_s}，看不出电弧。",
        "values {interval_s} apart cannot show arcs.",
    ),
    "load.short_overloads": (
        "两点相隔 {interval_s}，其间的过载看不出。",
        "values {interval_s} apart cannot show an overload between two of them.",
    ),
    "load.no_current": ("没有电流曲线。", "there is no curve of its current."),
    "load.points_missing": (
        "缺 {missing_ppm} 的点，最长连续缺 {longest_gap_min}；缺测期间的情况不明。",
        "{missing_ppm} of its points are missing, for up to {longest_gap_min} on end; of that time nothing is known.",
    ),
    "load.part_of_year": (
        "只有 {days_read} 天的曲线，其余季节的负荷不明。",
        "the curve has {days_read} days; the load in other seasons is not known.",
    ),
    "load.all_zero": (
        "全部电流为零：是没有用电还是没有计量，曲线分不清。",
        "every value of its current is zero; whether nothing was used or nothing was measured, the curve cannot tell.",
    ),
    "load.reversed": (
        "有 {reversed_points} 点电流为负：是反向送电还是接线反向，曲线分不清。",
        (
            "{reversed_points} values of its current are negative; whether power flowed back or it was connected the "
            "wrong way round, the curve cannot tell."
        ),
    ),
    "load.no_i_max": (
        "不知最大电流，不能计算过载剂量。",
        "its maximum current is not known, so there is no overload dose.",
    ),
    "load.dose_at_least": (
        "有缺测，过载剂量只是下限。",
        "points are missing, so its overload dose is at least that.",
    ),
    "load.phases_missing": (
        "三相表只有 {phases} 相曲线，其余相不明。",
        "of its three phases the curve has {phases}; nothing is known of the others.",
    ),
    "load.times_uncertain": (
        "有 {points_set_aside} 点互相矛盾未予采用，或时标乱序、偏离整点：时钟可能被调过，零负荷日与缺口的位置不可靠。",
        (
            "{points_set_aside} points contradict others and are left out, or times are out of order or off the grid: "
            "its clock may have been set, so where gaps and days without load lie is uncertain."
        ),
    ),
    "load.no_voltage": (
        "该期间没有电压曲线，不知电压是否合格。",
        "there is no voltage in the period, so whether it was within its band is not known.",
    ),
    "load.no_voltage_band": (
        "没有给出电压允许范围，不能判断电压是否合格。",
        "no band was given for its voltage, so whether it was within is not known.",
    ),
    "load.voltage_missing": (
        "该期间电压应有 {voltage_points_expected} 点，实有 {voltage_points_read} 点。",
        "of {voltage_points_expected} points of voltage in the period {voltage_points_read} were read.",
    ),
    "load.series_resistance": (
        "同时有电压、电流变化足够大的点只有 {load_steps} 对，不能估计接线端子的串联电阻。",
        (
            "{load_steps} pairs of neighbouring points have voltage and change of current enough: too few to estimate "
            "the series resistance of its terminals."
        ),
    ),
    "indicators.no_fault": ("已做的检查未发现故障。", "the inspections that were performed found no fault."),
    "indicators.faults": ("发现 {faults} 项故障。", "{faults} faults were found."),
    "indicators.steps_left_out": (
        "有 {steps} 项检查未执行，状况不明。",
        "{steps} inspections were not performed, so its condition is not fully known.",
    ),
    "indicators.tampering_not_sought": (
        "没有执行能看出窃电痕迹的检查，有无窃电痕迹不明。",
        "nothing was inspected that could show traces of tampering: whether there are any is not known.",
    ),
    "indicators.defect_not_sought": (
        "没有执行能看出原发缺陷的检查，有无原发缺陷不明。",
        "nothing was inspected that could show a defect of manufacture: whether it has one is not known.",
    ),
    "indicators.batch_unknown": (
        "厂家或批次不明，不能与同批次比较。",
        "its maker or its batch is not known, so it is not held against its batch.",
    ),
    "indicators.population": (
        (
            "同厂家同批次已检 {inspected} 只，其中 {faulty} 只有相同故障；同类已检 {class_inspected} 只，其中 "
            "{class_faulty} 只。"
        ),
        (
            "of {inspected} inspected of the same maker and batch {faulty} had the same fault; of {class_inspected} of "
            "its class, {class_faulty}."
        ),
    ),
    "indicators.population_any": (
        (
            "同厂家同批次已检 {inspected} 只，其中 {faulty} 只有故障；同类已检 {class_inspected} 只，其中 "
            "{class_faulty} 只。"
        ),
        (
            "of {inspected} inspected of the same maker and batch {faulty} were faulty; of {class_inspected} of its "
            "class, {class_faulty}."
        ),
    ),
    "indicators.too_few": (
        "同批次或同类其余已检不足 {inspected_min} 只，不作批次判断。",
        (
            "fewer than {inspected_min} of its batch, or of the rest of its class, were inspected: nothing is said of "
            "its batch."
        ),
    ),
    "indicators.batch_suspected": (
        (
            "同批次故障率 {share_ppm}，同类其余 {expected_ppm}；仅凭偶然，约每 {one_in} 次才见一次，批次疑似问题，"
            "待试验室确认。"
        ),
        (
            "{share_ppm} of its batch are faulty and {expected_ppm} of the rest of its class; by chance alone that is "
            "seen once in {one_in} times or less: its batch is suspected, which the laboratory is to confirm."
        ),
    ),
    "value.reuse": (
        "利旧：余值 {worth_fen}，减整修与检定 {cost_fen}，净 {net_fen}。",
        "reuse: worth {worth_fen}, less {cost_fen} for making it good and verifying it, {net_fen} net.",
    ),
    "value.reuse_unknown": ("使用年限不明，不能计算利旧价值。", "its age is not known, so what reuse is worth is not."),
    "value.reuse_untested": (
        "有检查未执行，不能计算利旧价值。",
        "not every inspection was performed, so what reuse is worth is not known.",
    ),
    "value.reuse_none": ("不可修复，没有利旧价值。", "it is beyond repair and has no value in reuse."),
    "value.claim": (
        "理赔：索赔额 {worth_fen}，成功率 {odds_ppm}，减办理 {cost_fen}，净 {net_fen}。",
        "claim: {worth_fen} at odds of {odds_ppm}, less {cost_fen} for handling, {net_fen} net.",
    ),
    "value.claim_none": ("没有可理赔的原发缺陷。", "there is no defect of manufacture to claim for."),
    "value.claim_untested": (
        "未查明有无原发缺陷，不能计算理赔价值。",
        "whether it has a defect of manufacture is not known, so what a claim is worth is not.",
    ),
    "value.claim_outside": (
        "有原发缺陷，但已过质保期，不能理赔。",
        "it has a defect of manufacture, but is outside its warranty: there is no claim.",
    ),
    "value.claim_unknown": (
        "有原发缺陷，但质保期不明，不能计算理赔价值。",
        "it has a defect of manufacture, but its warranty is not known, so what a claim is worth is not.",
    ),
    "value.scrap": (
        "报废：材料 {worth_fen}，减处置 {cost_fen}，净 {net_fen}。",
        "scrap: materials {worth_fen}, less {cost_fen} for handling, {net_fen} net.",
    ),
    "value.carbon": (
        "减排：利旧 {reuse_co2_g}，理赔 {claim_co2_g}，报废 {scrap_co2_g} 二氧化碳当量。",
        "CO2 saved: {reuse_co2_g} by reuse, {claim_co2_g} by a claim, {scrap_co2_g} by scrap.",
    ),
    "value.carbon_unknown": (
        "该类别的减排量不明，未计算。",
        "how much CO2 a device of its class saves is not known and not counted.",
    ),
    "value.no_prices": ("该类别没有价值参数。", "there are no parameters of value for its class."),
    "value.unconfirmed": (
        "价值参数待确认，以上金额仅供参考。",
        "the parameters of value are to be confirmed, so these amounts are provisional.",
    ),
    "assessment.not_applicable": (
        "方案规定该类器具不做此项评估。",
        "the scheme has no such assessment for this class.",
    ),
}


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
        zh, en = SENTENCES[self.code]
        return tuple(  # type: ignore[return-value]  # one of each language
            text.format_map({one.name: _spoken(one, language) for one in self.numbers})
            for language, text in enumerate((zh, en))
        )


def say(code: str, **numbers: int) -> Sentence:
    """A sentence."""
    if not numbers:
        return _plain(code)
    return Sentence(code=code, numbers=tuple([Number(name=name, value=value) for name, value in numbers.items()]))


@cache
def _plain(code: str) -> Sentence:
    """Half of what is said of a device has no numbers, and is the same for all of them."""
    return Sentence(code=code)


def _spoken(number: Number, language: int) -> str:
    """As people write it, by the unit at the end of its name; a number without one as it is."""
    unit = number.name.rpartition("_")[2]
    return (
        _UNITS[unit](number.value)[language]
        if unit in _UNITS and number.name not in _AS_THEY_ARE
        else str(number.value)
    )


def _decimal(value: int, places: int, least: int = 0) -> str:
    """A whole number of the last place, such as 1234 hundredths, with zeros at its end left out down to `least`."""
    whole, part = divmod(abs(value), 10**places)
    digits = f"{part:0{places}d}".rstrip("0").ljust(least, "0")
    return f"{'-' if value < 0 else ''}{whole}{'.' if digits else ''}{digits}"


def _time(seconds: int) -> tuple[str, str]:
    for length, zh, en in ((86_400, "天", "days"), (3_600, "小时", "hours"), (60, "分钟", "minutes")):
        if seconds >= length and seconds % length == 0:
            count = seconds // length
            return f"{count} {zh}", f"{count} {en if count > 1 else en[:-1]}"
    return f"{seconds} 秒", f"{seconds} seconds"


_UNITS: Final[Mapping[str, Callable[[int], tuple[str, str]]]] = {
    "fen": lambda value: (f"{_decimal(value, 2, 2)} 元", f"{_decimal(value, 2, 2)} yuan"),
    "ppm": lambda value: (f"{_decimal(value, 4)} %",) * 2,
    "g": lambda value: (f"{_decimal(value, 3)} kg",) * 2,
    "ma": lambda value: (f"{_decimal(value, 3)} A",) * 2,
    "mv": lambda value: (f"{_decimal(value, 3)} V",) * 2,
    "min": lambda value: _time(value * 60),
    "s": _time,
}
_AS_THEY_ARE: Final = frozenset({"overload_dose_s", "inspected_min"})
"""Numbers whose name ends like a unit and that are said plainly."""
