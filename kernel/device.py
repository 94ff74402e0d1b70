"""What every service calls a device by, and the places and papers that go with it: the forms of identifiers, and the
closed list of classes. No rules: what one may do with a device is the business of services.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from kernel.quantity import Key, formed

AssetNo: TypeAlias = Annotated[
    str,
    formed(
        r"([0-9]{22}|T[0-9]{5}[0-9A-Z]{4,20})",
        "资产编号：22 位数字；或临时标识：T、5 位单位代码、4 至 20 位数字或大写字母",
        "an asset number: 22 digits; or a temporary identity: T, the unit's 5 digits, 4 to 20 digits or capitals",
    ),
]
UnitCode: TypeAlias = Annotated[str, formed(r"[0-9]{5}", "管理单位：5 位数字", "a managing unit: 5 digits")]
CountyCode: TypeAlias = Annotated[
    str,
    formed(
        r"[0-9]{6}",
        "区县：6 位行政区划代码（GB/T 2260）",
        "a county: the 6 digits of its administrative division code, GB/T 2260",
    ),
]
SiteId: TypeAlias = Key
ContainerId: TypeAlias = Key
Reference: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=100, description="the number of an order, approval, case or certificate")
]


DeviceClass: TypeAlias = Literal[
    "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "19", "20", "21",
    "23", "24", "31", "32", "33", "34", "35", "36", "37", "41",
]  # fmt: skip
DEVICE_CLASSES: Final[dict[DeviceClass, tuple[str, str]]] = {
    "01": ("单相电能表", "single-phase meter"),
    "02": ("三相电能表", "three-phase meter"),
    "03": ("负荷管理终端", "load management terminal"),
    "04": ("集中器", "concentrator"),
    "05": ("配变监测计量终端", "transformer monitoring terminal"),
    "06": ("互感器 06", "instrument transformer 06"),
    "07": ("互感器 07", "instrument transformer 07"),
    "08": ("互感器 08", "instrument transformer 08"),
    "09": ("互感器 09", "instrument transformer 09"),
    "10": ("厂站终端", "substation terminal"),
    "11": ("通信模块", "communication module"),
    "19": ("智能量测终端", "smart measurement terminal"),
    "20": ("互感器 20", "instrument transformer 20"),
    "21": ("互感器 21", "instrument transformer 21"),
    "23": ("周转箱", "container"),
    "24": ("栈板", "pallet"),
    "31": ("表箱 31", "meter box 31"),
    "32": ("表箱 32", "meter box 32"),
    "33": ("表箱 33", "meter box 33"),
    "34": ("表箱 34", "meter box 34"),
    "35": ("表箱 35", "meter box 35"),
    "36": ("表箱 36", "meter box 36"),
    "37": ("表箱 37", "meter box 37"),
    "41": ("运行封印", "seal"),
}
"""Class codes of the metering production dispatch platform, with the words for them."""

DATA_BEARING: Final[frozenset[DeviceClass]] = frozenset({"01", "02", "03", "04", "05", "10", "11", "19"})
"""待确认 / to be confirmed: the classes that keep a customer's records or keys, and go to no recycler before these are
gone, nor back to a customer before their keys are restored. Modules are among them for the keys of their network.
Transformers, boxes, seals and containers keep nothing.
"""
