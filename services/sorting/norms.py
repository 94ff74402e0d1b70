"""What a scheme is made of: a norm for each of the six steps, its items, their limits, and the faults they show.

All of it is data that a metrologist enters. Values are integers in the unit of their item. A limit says from which
document and clause it comes; one that nobody has confirmed says so, and no such scheme runs in production.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from kernel.device import DeviceClass
from kernel.quantity import AmountFen, Code, Count, Name, Sha256
from kernel.refusal import Contradiction
from services.sorting.vocabulary import (
    INSPECTED,
    STEPS,
    FaultOrigin,
    GroupId,
    Measure,
    Occasion,
    Remedy,
    RuleId,
    Step,
    UnitOfMeasure,
    WaivedIf,
    Words,
)

SchemeVersion: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000, description="a scheme's version, from 1")]


_TO_CONFIRM: Final = re.compile("待[^，。；]*确认|to be confirmed", re.IGNORECASE)


def to_be_confirmed(source: str | None) -> bool:
    """Whether a source says itself that what it stands for is to be confirmed."""
    return source is not None and _TO_CONFIRM.search(source) is not None


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A piece of a scheme."""


class Limit(Part, frozen=True, kw_only=True):
    """What is allowed: from `least` to `most`, both allowed, in the unit of the item; for devices of these accuracy
    classes, or for all. `source` is a document and clause; without `confirmed` it is to be confirmed by the
    metrologist.
    """

    accuracy_classes: tuple[Code, ...] = ()
    least: Measure | None = None
    most: Measure | None = None
    source: Name
    confirmed: bool = False

    def __post_init__(self) -> None:
        if self.least is None and self.most is None:
            raise Contradiction("限值须有下限或上限", "a limit has a least or a most")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise Contradiction(
                f"限值自 {self.least} 至 {self.most}，没有数值可以满足",
                f"a limit from {self.least} to {self.most} allows nothing",
            )


class Choice(Part, frozen=True, kw_only=True):
    """One answer to an item that is looked at rather than measured, and the fault that it shows, if any. `ends_step`:
    nothing more of the step can be done after it, and its other items may be left out.
    """

    code: Code
    name: Words
    fault: Code | None = None
    ends_step: bool = False


class Item(Part, frozen=True, kw_only=True):
    """What is measured (`unit`, the range of the instrument, limits, the fault that a value outside them shows) or
    looked at (`choices`). `photo`: a picture is required with an answer that shows a fault. One that is not `required`
    may be left out. `at`: when it counts, always where nothing is said. On another occasion it may be left out, and
    what it says then goes on record and shows no fault: a counter of events tells what happened before the device was
    sorted, nobody may clear it, and the repair itself adds to it.
    """

    code: Code
    name: Words
    unit: UnitOfMeasure | None = None
    range_least: Measure | None = None
    range_most: Measure | None = None
    limits: tuple[Limit, ...] = ()
    fault: Code | None = None
    choices: tuple[Choice, ...] = ()
    photo: bool = False
    required: bool = True
    at: tuple[Occasion, ...] = ()

    def __post_init__(self) -> None:
        if (self.unit is None) is (not self.choices):
            raise Contradiction(
                f"条目 {self.code} 要么按单位测量，要么有选项",
                f"item {self.code} is either measured in a unit or has choices",
            )
        if self.unit is not None and (self.range_least is None or self.range_most is None or not self.limits):
            raise Contradiction(
                f"条目 {self.code} 须测量：须有仪器量程与限值",
                f"item {self.code} is measured: it needs the instrument's range and a limit",
            )
        if self.unit is not None and self.fault is None:
            raise Contradiction(
                f"条目 {self.code} 没有说明超出限值时显示哪种故障",
                f"item {self.code} does not say which fault a value outside its limits shows",
            )

    def limit(self, accuracy_class: str | None) -> Limit | None:
        """The limit for a device of this accuracy class; None where there is none for it."""
        for limit in self.limits:
            if not limit.accuracy_classes or accuracy_class in limit.accuracy_classes:
                return limit
        return None

    def counts(self, at: Occasion) -> bool:
        """Whether it counts on this occasion."""
        return not self.at or at in self.at


class Waiver(Part, frozen=True, kw_only=True):
    """A rule by which a step may be left out. `condition` is looked up when it is used; where it is in words only, a
    second person agrees that it holds. The appearance is never waived: it is where tampering is seen.
    """

    rule: RuleId
    when: Words
    condition: WaivedIf | None = None


class Norm(Part, frozen=True, kw_only=True, cache_hash=True):
    """作业规范 How one step is done, and its internal controls. One that is not `applicable` says why in `purpose`. A
    step after the appearance is performed `without_appearance` only where that says so: nobody has judged otherwise
    whether the device may be powered.
    """

    step: Step
    purpose: Words
    applicable: bool = True
    procedure: tuple[Words, ...] = ()
    instruments: tuple[Words, ...] = ()
    items: tuple[Item, ...] = ()
    pass_rule: Words | None = None
    performers: tuple[Literal["inspector", "metrologist", "laboratory"], ...] = ()
    dual_control: bool = False
    photos_min: Count = 0
    waivers: tuple[Waiver, ...] = ()
    safety: tuple[Words, ...] = ()
    without_appearance: bool = False

    def item(self, code: str) -> Item | None:
        """The item of this code."""
        return next((item for item in self.items if item.code == code), None)


class Fault(Part, frozen=True, kw_only=True):
    """故障现象 What an item may show, where it comes from, and what can be done about it at which cost. `tampering`: it
    is evidence, and a person decides. `unsafe_to_power`: function and accuracy cannot be tested after it was found.
    `cost_source` says where the cost comes from, or that it is to be confirmed.
    """

    code: Code
    name: Words
    origin: FaultOrigin
    remedy: Remedy
    remedy_cost_fen: AmountFen = 0
    tampering: bool = False
    unsafe_to_power: bool = False
    cost_source: Name | None = None


class Scheme(Part, frozen=True, kw_only=True):
    """分拣检测方案 One scheme group: the device classes it covers, a norm for each of the six steps, and its faults."""

    group: GroupId
    name: Words
    device_classes: tuple[DeviceClass, ...]
    norms: tuple[Norm, ...]
    faults: tuple[Fault, ...] = ()

    def norm(self, step: str) -> Norm:
        """The norm of this step."""
        for norm in self.norms:
            if norm.step == step:
                return norm
        raise KeyError(step)

    def unconfirmed(self) -> list[tuple[str, str]]:
        """Step and item of every limit that is to be confirmed by the metrologist, and of `faults` each that costs what
        is to be confirmed: by it, too, a device is judged.
        """
        costs = [
            ("faults", fault.code)
            for fault in self.faults
            if fault.remedy_cost_fen and to_be_confirmed(fault.cost_source)
        ]
        return costs + [
            (norm.step, item.code)
            for norm in self.norms
            for item in norm.items
            for limit in item.limits
            if not limit.confirmed
        ]

    def disagreements(self) -> Iterator[str]:
        """What is wrong with it as a whole, in words; nothing where it can be used."""
        if not self.device_classes:
            yield "没有器具类别 it covers no class of devices"
        steps = [norm.step for norm in self.norms]
        if sorted(steps) != sorted(STEPS):
            yield f"每一步恰有一项规范 one norm a step, of {', '.join(STEPS)}; not {', '.join(steps)}"
        for code in _twice(fault.code for fault in self.faults):
            yield f"故障代码重复 fault {code} is there twice"
        known = {fault.code for fault in self.faults}
        for norm in self.norms:
            for code in _twice(item.code for item in norm.items):
                yield f"{norm.step}: 条目重复 item {code} is there twice"
            if norm.applicable and norm.step in INSPECTED and not norm.items:
                yield f"{norm.step}: 没有条目 it has no items"
            if norm.step == "appearance" and norm.waivers:
                yield "appearance: 外观检查不得免检 it is never waived, for it is where tampering is seen"
            for item in norm.items:
                for wrong in _wrong_with(item, known):
                    yield f"{norm.step} {item.code}: {wrong}"


def _wrong_with(item: Item, known: Container[str]) -> Iterator[str]:
    for code in _twice(choice.code for choice in item.choices):
        yield f"选项重复 choice {code} is there twice"
    for fault in (item.fault, *(choice.fault for choice in item.choices)):
        if fault is not None and fault not in known:
            yield f"没有此故障代码 there is no fault {fault}"
    if item.range_least is not None and item.range_most is not None and item.range_least > item.range_most:
        yield f"量程为空 a range from {item.range_least} to {item.range_most} is empty"
    for code in _twice(name for limit in item.limits for name in limit.accuracy_classes or ("*",)):
        yield f"等级 {code} 有两条限值 there are two limits for accuracy class {code}"
    for limit in item.limits:
        if limit.confirmed and to_be_confirmed(limit.source):
            yield f"已确认的限值，出处仍写“待确认” confirmed, but its source says it is to be: {limit.source}"
    if any(not limit.accuracy_classes for limit in item.limits[:-1]):
        yield "不分等级的限值须在最后 a limit for all classes comes last: what follows it never holds"


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


class SchemeRef(Part, frozen=True, kw_only=True):
    """A version of a scheme, as whoever began with it keeps it."""

    group: GroupId
    version: SchemeVersion
    sha256: Sha256


def digest(document: msgspec.Struct) -> str:
    """SHA-256 of the document as JSON, members in order of name, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()
