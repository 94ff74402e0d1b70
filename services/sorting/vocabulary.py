"""Sorting's closed lists and the identifiers its commands and events share.

What a province decides for itself (schemes, limits, faults, prices, the decision table) is data and not here.
"""

from typing import Annotated, Final, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from kernel.quantity import Code, Key

Inspected: TypeAlias = Literal["appearance", "function", "accuracy"]
Step: TypeAlias = Literal["appearance", "function", "accuracy", "history", "indicators", "value"]
STEPS: Final[dict[Step, tuple[str, str]]] = {
    "appearance": ("外观检查", "appearance"),
    "function": ("功能检查", "function"),
    "accuracy": ("计量性能检查", "accuracy"),
    "history": ("拆前履历评估", "history before dismantling"),
    "indicators": ("拆后指标评估", "indicators after dismantling"),
    "value": ("处置经济价值评估", "value of disposal"),
}
"""三检三评, in the order in which they end: our reading, for no public definition exists."""

INSPECTED: Final[dict[Inspected, tuple[str, str]]] = {step: STEPS[step] for step in get_args(Inspected)}

Ended: TypeAlias = Literal["performed", "not_possible", "not_applicable", "waived"]
ENDED: Final[dict[Ended, tuple[str, str]]] = {
    "performed": ("已执行", "performed"),
    "not_possible": ("无法执行", "not possible"),
    "not_applicable": ("不适用", "not applicable"),
    "waived": ("按规则免检", "waived by a rule"),
}

Disposition: TypeAlias = Literal["reuse", "claim", "scrap", "hold"]
DISPOSITIONS: Final[dict[Disposition, tuple[str, str]]] = {
    "reuse": ("利旧", "reuse"),
    "claim": ("理赔", "claim"),
    "scrap": ("报废", "scrap"),
    "hold": ("待人工裁定", "hold for a person"),
}

Occasion: TypeAlias = Literal["sorting", "re_verification"]
OCCASIONS: Final[dict[Occasion, tuple[str, str]]] = {
    "sorting": ("分拣", "sorting"),
    "re_verification": ("重新检定", "re-verification"),
}
"""When a device is held against a norm."""

WaivedIf: TypeAlias = Literal["obsolete", "beyond_repair"]
WAIVED_IF: Final[dict[WaivedIf, tuple[str, str]]] = {
    "obsolete": ("淘汰政策包含该器具", "the obsolescence policy covers the device"),
    "beyond_repair": ("前面的检查已发现不可修复的故障", "an earlier step has found a fault beyond repair"),
}
"""Conditions of a waiver that the platform looks up itself."""

FaultOrigin: TypeAlias = Literal["original", "wear", "external", "undetermined"]
FAULT_ORIGINS: Final[dict[FaultOrigin, tuple[str, str]]] = {
    "original": ("原发缺陷", "defect of manufacture"),
    "wear": ("使用损耗", "wear"),
    "external": ("外部原因", "external cause"),
    "undetermined": ("原因未定", "undetermined"),
}

Remedy: TypeAlias = Literal["clean", "adjust", "repair", "none"]
REMEDIES: Final[dict[Remedy, tuple[str, str]]] = {
    "clean": ("清洁", "cleaned"),
    "adjust": ("调整设置", "set right"),
    "repair": ("可维修", "repaired"),
    "none": ("不可修复", "beyond repair"),
}

GroupId: TypeAlias = Key
"""A scheme group, such as single_phase."""

RuleId: TypeAlias = Code
BenchId: TypeAlias = Key
Shift: TypeAlias = Key
Round: TypeAlias = Annotated[
    int, Meta(ge=1, le=1_000, description="第几轮分拣，自 1 起 which inspection of the device, from 1")
]
SharePpm: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000, description="份额，百万分之一 a share in millionths")]
Months: TypeAlias = Annotated[int, Meta(ge=0, le=2_400, description="月数 whole months")]
MassCo2G: TypeAlias = Annotated[
    int, Meta(ge=-1_000_000_000, le=1_000_000_000, description="二氧化碳当量，克 carbon dioxide equivalent in grams")
]
Measure: TypeAlias = Annotated[
    int,
    Meta(
        ge=-1_000_000_000_000,
        le=1_000_000_000_000,
        description="测得值，单位见方案条目 a measured value in the unit of its item in the scheme",
    ),
]
UnitOfMeasure: TypeAlias = Literal[
    "ppm", "ppb", "mv", "ma", "s", "ms", "count", "kohm", "decicelsius", "urad", "pulse", "wh", "millihertz"
]
UNITS_OF_MEASURE: Final[dict[UnitOfMeasure, tuple[str, str]]] = {
    "ppm": ("百万分之一", "millionths"),
    "ppb": ("十亿分之一", "thousand-millionths"),
    "mv": ("毫伏", "millivolts"),
    "ma": ("毫安", "milliamperes"),
    "s": ("秒", "seconds"),
    "ms": ("毫秒", "milliseconds"),
    "count": ("次", "times"),
    "kohm": ("千欧", "kilohms"),
    "decicelsius": ("十分之一摄氏度", "tenths of a degree Celsius"),
    "urad": ("微弧度", "microradians"),
    "pulse": ("脉冲", "pulses"),
    "wh": ("瓦时", "watt-hours"),
    "millihertz": ("毫赫", "millihertz"),
}


class Words(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same in both languages, Chinese first."""

    zh: Annotated[str, Meta(min_length=1, max_length=1000)]
    en: Annotated[str, Meta(min_length=1, max_length=1000)]
