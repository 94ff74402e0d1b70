"""What can be asked of a meter, from identifiers.yaml, and what the bytes of an answer mean.

DL/T 645-2007, 6.1: digits are packed two in a byte and come lowest first, text too; the highest bit is the sign where a
value has one.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.quantity import BUSINESS_ZONE, Code
from kernel.refusal import Contradiction
from kernel.yaml_file import read_yaml
from services.sorting.reading import faults
from services.sorting.vocabulary import UNITS_OF_MEASURE

Form: TypeAlias = Literal["number", "count", "phases", "digits", "ascii", "date", "time", "event", "bits"]
Group: TypeAlias = Literal["identity", "energy", "clock", "condition", "status", "events"]
GROUPS: Final[dict[Group, tuple[str, str]]] = {
    "identity": ("身份与版本", "identity and versions"),
    "energy": ("电能示值", "energy registers"),
    "clock": ("时钟", "clock"),
    "condition": ("电池、温度与电气量", "batteries, temperature, electrical quantities"),
    "status": ("运行状态字", "status words"),
    "events": ("事件", "events"),
}
FILE: Final = Path(__file__).with_name("identifiers.yaml")
UNITS: Final[Mapping[str, tuple[str, str]]] = {str(unit): words for unit, words in UNITS_OF_MEASURE.items()} | {
    "min": ("分钟", "minutes")
}

_SIGN: Final = 0x80
_CENTURY: Final = 2000
_TIME_BYTES: Final = 6
_PHASE_BYTES: Final = 6
_COUNT_BYTES: Final = 3
_FILLERS: Final = "\x00\xff "
_BLANK: Final = (0x00, 0xFF)


class Identifier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that a meter holds. `bytes` of data; `scale` is what the last digit stands for, in `unit`."""

    code: Code
    di: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{8}$")]
    group: Group
    form: Form
    bytes: Annotated[int, msgspec.Meta(ge=1, le=200)]
    zh: str
    en: str
    unit: str | None = None
    scale: Annotated[int, msgspec.Meta(ge=1)] = 1
    signed: bool = False

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit not in UNITS:
            raise Contradiction(f"{self.code}：没有单位 {self.unit}", f"{self.code}: no unit {self.unit}")
        if (self.unit is None) is (self.form in ("number", "count", "phases")):
            raise Contradiction(
                f"{self.code}：数值须有单位，其他不得有", f"{self.code}: numbers have a unit and nothing else has one"
            )

    @property
    def number(self) -> int:
        """As it is asked for."""
        return int(self.di, 16)


class Period(msgspec.Struct, frozen=True):
    """When an event began and, where that is said, ended; in the meter's own time. None: it never happened."""

    begun: datetime | None
    ended: datetime | None = None


class Phases(msgspec.Struct, frozen=True):
    """How often an event happened and for how many minutes, phase by phase; a single-phase meter has one."""

    counts: tuple[int, ...]
    minutes: tuple[int, ...]

    @property
    def total(self) -> int:
        """Over all phases."""
        return sum(self.counts)


Value: TypeAlias = int | str | Period | Phases
"""Numbers in the unit of the identifier; dates YYMMDD and times hhmmss as their digits."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identifiers: tuple[Identifier, ...]


def load(path: Path = FILE) -> Mapping[str, Identifier]:
    """The identifiers by code, in the order in which they are read. Raises ValueError."""
    listed = read_yaml(path, _File).identifiers
    by_code = {one.code: one for one in listed}
    if len(by_code) != len(listed) or len({one.di for one in listed}) != len(listed):
        raise ValueError(f"{path.name}: a code or an identifier is there twice")
    return by_code


def value_of(identifier: Identifier, data: bytes) -> Value:
    """What the data of an answer means. Refuses what the identifier's form does not allow."""
    if identifier.form == "event":
        return _period(identifier, data)
    if identifier.form == "phases":
        return _phases(identifier, data)
    if len(data) != identifier.bytes:
        raise faults.WRONG_LENGTH(bytes=len(data), wanted=identifier.bytes)
    highest_first = data[::-1]
    if identifier.form == "ascii":
        return _text(highest_first)
    if identifier.form == "bits":
        return highest_first.hex().upper()
    if set(data) == {0xFF}:
        raise faults.BLANK()
    match identifier.form:
        case "digits":
            return _digits(highest_first)
        case "date":
            # The last byte is the day of the week, which meters count from different days.
            return _digits(highest_first[:3])
        case "time":
            return _digits(highest_first)
        case _:
            return _number(identifier, highest_first)


def moment_of(date_digits: str, time_digits: str) -> datetime:
    """YYMMDD and hhmmss as an instant. Refuses what is no time."""
    try:
        digits = date_digits + time_digits
        year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
        return datetime(_CENTURY + year, month, day, hour, minute, second, tzinfo=BUSINESS_ZONE)
    except ValueError as error:
        raise faults.NO_SUCH_TIME(raw=f"{date_digits} {time_digits}") from error


def _number(identifier: Identifier, highest_first: bytes) -> int:
    negative = identifier.signed and bool(highest_first[0] & _SIGN)
    if negative:
        highest_first = bytes([highest_first[0] & ~_SIGN & 0xFF]) + highest_first[1:]
    value = int(_digits(highest_first)) * identifier.scale
    return -value if negative else value


def _digits(highest_first: bytes) -> str:
    digits = highest_first.hex().upper()
    if not digits.isdecimal():
        raise faults.NOT_DECIMAL(raw=digits)
    return digits


def _text(highest_first: bytes) -> str:
    text = highest_first.decode("latin-1").strip(_FILLERS)
    if not text:
        raise faults.BLANK()
    if not text.isascii() or not text.isprintable():
        raise faults.NOT_DECIMAL(raw=highest_first.hex().upper())
    return text


def _period(identifier: Identifier, data: bytes) -> Period:
    """The record of an event begins with its times; the registers behind them are not looked at."""
    if len(data) < identifier.bytes:
        raise faults.WRONG_LENGTH(bytes=len(data), wanted=identifier.bytes)
    times = [_time(data[at : at + _TIME_BYTES]) for at in range(0, identifier.bytes, _TIME_BYTES)]
    return Period(*times)


def _time(data: bytes) -> datetime | None:
    if len(set(data)) == 1 and data[0] in _BLANK:
        return None
    digits = _digits(data[::-1])
    return moment_of(digits[:6], digits[6:])


def _phases(identifier: Identifier, data: bytes) -> Phases:
    if len(data) not in (_PHASE_BYTES, identifier.bytes):
        raise faults.WRONG_LENGTH(bytes=len(data), wanted=identifier.bytes)
    if set(data) == {0xFF}:
        raise faults.BLANK()
    numbers = [int(_digits(data[at : at + _COUNT_BYTES][::-1])) for at in range(0, len(data), _COUNT_BYTES)]
    return Phases(counts=tuple(numbers[0::2]), minutes=tuple(numbers[1::2]))
