"""What was read, as the measurements of a step and as the check of identity. Which value fills which item is in
forms.yaml; what a norm does not ask for is left out. Pure: the same reading always fills a form alike.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
from msgspec import Meta

from kernel.device import AssetNo
from kernel.quantity import Code
from kernel.refusal import Contradiction
from kernel.yaml_file import read_yaml
from services.sorting.evaluation import NO_SUCH_ITEM, Measured
from services.sorting.norms import Norm
from services.sorting.reading import faults
from services.sorting.reading.identifiers import Phases
from services.sorting.reading.reader import Reading
from services.sorting.vocabulary import STEPS, Measure, UnitOfMeasure

FILE: Final = Path(__file__).with_name("forms.yaml")
CLOCK_OFFSET: Final = "clock_offset"
_BOUNDS: Final = next(one for one in get_args(Measure) if isinstance(one, Meta))
_FULL_NUMBER: Final = re.compile(r"[0-9]{22}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,13}", re.ASCII)


class Fill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What fills an item: what is read, in this unit, less the sum of others; or a choice."""

    item: Code
    reads: Code | None = None
    less: tuple[Code, ...] = ()
    unit: UnitOfMeasure | None = None
    choice: Code | None = None

    def __post_init__(self) -> None:
        if (self.reads is None) is (self.choice is None) or (self.reads is None) is not (self.unit is None):
            raise Contradiction(
                f"{self.item} 须由带单位的数值或由选项填写",
                f"{self.item} is filled by a value with its unit, or by a choice",
            )


Forms = Mapping[Literal["function"], tuple[Fill, ...]]


class Identity(msgspec.Struct, frozen=True):
    """What the meter says of who it is, in the words of CheckIdentity."""

    barcode: str | None
    held_number: str | None
    comm_address: str | None


def load(path: Path = FILE) -> Forms:
    """The forms by step. Raises ValueError."""
    return read_yaml(path, dict[Literal["function"], tuple[Fill, ...]])


def measured(reading: Reading, norm: Norm, fills: Sequence[Fill]) -> tuple[Measured, ...]:
    """The items of the norm that the reading fills. Refuses one that is not whole, and values beyond what can be
    recorded; a norm whose item has another unit is refused too.
    """
    if not reading.whole:
        raise faults.NOT_WHOLE()
    filled = []
    for fill in fills:
        if (item := norm.item(fill.item)) is None:
            continue
        if fill.choice is not None:
            filled.append(Measured(item=fill.item, choice=fill.choice))
            continue
        if (value := _value(reading, fill)) is None:
            continue
        name = (item.name.zh, item.name.en)
        if item.unit != fill.unit:
            raise faults.OTHER_UNIT(item=name, unit=item.unit or "—", read=fill.unit)
        assert _BOUNDS.ge is not None
        assert _BOUNDS.le is not None
        if not _BOUNDS.ge <= value <= _BOUNDS.le:
            raise faults.BEYOND_BOUNDS(item=name, value=value)
        filled.append(Measured(item=fill.item, value=value))
    return tuple(filled)


def with_additions(norm: Norm, read: Sequence[Measured], said: Sequence[str]) -> tuple[Measured, ...]:
    """The same, and what a person looked at: each `item=choice` or `item=value`. Refuses what was read already."""
    filled = {one.item: one for one in read}
    for one in said:
        code, equals, answer = (part.strip() for part in one.partition("="))
        if not equals or not answer:
            raise faults.NO_SUCH_ADDITION(said=one)
        if (item := norm.item(code)) is None:
            raise NO_SUCH_ITEM(step=STEPS[norm.step], item=code, field="measured")
        if code in filled:
            raise faults.READ_TWICE(item=code)
        if item.unit is None:
            filled[code] = Measured(item=code, choice=answer)
        elif _NUMBER.fullmatch(answer):
            filled[code] = Measured(item=code, value=int(answer))
        else:
            raise faults.NO_SUCH_ADDITION(said=one)
    return tuple(filled.values())


def identity(reading: Reading, scanned: AssetNo | None = None) -> Identity:
    """Its communication address; its number as it was scanned off its label, if it was; and the one that it holds
    itself where that is a whole asset number of 22 digits: many hold nothing or a shorter one.
    """
    if not reading.whole:
        raise faults.NOT_WHOLE()
    address, held = reading.value("comm_address") or reading.address, reading.value("asset_no")
    return Identity(
        barcode=scanned,
        held_number=held if isinstance(held, str) and _FULL_NUMBER.fullmatch(held) else None,
        comm_address=address if isinstance(address, str) else None,
    )


def _value(reading: Reading, fill: Fill) -> int | None:
    """What fills an item; None where any part of it was not to be had."""
    parts = [_number(reading, code) for code in (fill.reads, *fill.less) if code is not None]
    if any(part is None for part in parts):
        return None
    first, *rest = (part for part in parts if part is not None)
    return first - sum(rest)


def _number(reading: Reading, code: str) -> int | None:
    if code == CLOCK_OFFSET:
        return reading.clock.offset_s if reading.clock else None
    value = reading.value(code)
    if isinstance(value, Phases):
        return value.total
    return value if isinstance(value, int) else None
