"""The mapping file: which header fills which field, in which unit, from which list. YAML, strictly checked.

A mapping that says `extends: default` adds to the default one, field by field: its headers and names come first,
single values take the place of the default's.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import yaml

from kernel.spreadsheet.wording import key_of
from kernel.yaml_file import LOADER, extended, plain_of_yaml
from services.registry.asset_number import CheckDigit, strictest
from services.registry.imports.faults import KIND_UNKNOWN, MAPPING_INVALID, MAPPING_UNREADABLE

FILE_BYTES_MAX: Final = 64 << 10
"""Five times the default mapping. Read by whoever may import, so no more than takes a moment."""
_DEPTH_MAX: Final = 16
"""Of lists and mappings within each other; a mapping file needs five."""
KEY: Final = "asset_no"
"""The field that every kind has, and without which a row is not one."""
SHIPMENT: Final = "shipment"
"""The field by which rows belong together, of the kinds that have it."""
DEFAULT: Final = Path(__file__).parent / "mappings" / "default.yaml"

Headers: TypeAlias = Annotated[tuple[str, ...], msgspec.Meta(max_length=200)]
Form: TypeAlias = Literal["digits", "unit", "county", "key", "code", "reference"]
Measure: TypeAlias = Literal[
    "energy_wh", "reactive_varh", "demand_w", "ratio_micro", "count", "mass_g", "amount_fen"
]  # fmt: skip

UNITS: Final[dict[str, dict[str, int]]] = {
    "energy_wh": {"Wh": 1, "kWh": 10**3, "MWh": 10**6, "度": 10**3, "千瓦时": 10**3, "兆瓦时": 10**6},
    "reactive_varh": {"varh": 1, "kvarh": 10**3, "Mvarh": 10**6, "千乏时": 10**3, "兆乏时": 10**6},
    "demand_w": {"W": 1, "kW": 10**3, "MW": 10**6, "千瓦": 10**3, "兆瓦": 10**6},
    "ratio_micro": {"millionths": 1, "1": 10**6, "倍": 10**6},
    "count": {"1": 1, "只": 1, "个": 1, "台": 1, "块": 1},
    "mass_g": {"g": 1, "kg": 10**3, "t": 10**6, "克": 1, "千克": 10**3, "公斤": 10**3, "吨": 10**6},
    "amount_fen": {"分": 1, "元": 100, "万元": 10**6, "fen": 1, "yuan": 100, "CNY": 100},
}
"""For each measure the units one may write, in multiples of its whole unit. The first is the whole unit itself."""

UNIT_KEYS: Final = {
    measure: {key_of(name): multiple for name, multiple in units.items()} for measure, units in UNITS.items()
}
_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}(\.[a-z][a-z0-9_]{0,40})?", re.ASCII)


class _Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    headers: Headers = ()
    required: bool = False
    fill_down: bool = False
    """An empty cell takes the value above it, as where cells looked merged before the export."""

    def base_unit(self) -> str | None:
        """The unit of a column that is called by the field's own name: none, but of quantities."""
        return None

    def takes_unit(self, unit: str) -> bool | None:  # noqa: ARG002  of quantities it matters
        """Whether what a header says in brackets is a unit of the field; None where it is no unit at all."""
        return None


class AssetNumberField(_Field, frozen=True, kw_only=True, tag="asset_no"):
    """22 digits. `temporary`: also T and what follows, a temporary identity. `length` restores leading zeros."""

    temporary: bool = False
    length: Literal[22] | None = None
    check_digit: CheckDigit | None = None


class CodeField(_Field, frozen=True, kw_only=True, tag="code"):
    """An identifier. `length` restores leading zeros of what is all digits, and refuses other lengths."""

    form: Form = "code"
    length: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    default: str | None = None


class ChoiceField(_Field, frozen=True, kw_only=True, tag="choice"):
    """One of a list: code to names. The code itself is understood too. `form` lets codes pass that are not listed;
    what is neither is refused, or taken for an empty cell with a warning.
    """

    choices: dict[str, tuple[str, ...]] = {}
    form: Form | None = None
    length: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    default: str | None = None
    unlisted: Literal["refuse", "ignore"] = "refuse"


class FlagField(_Field, frozen=True, kw_only=True, tag="flag"):
    """Yes or no, in words."""

    true_words: tuple[str, ...]
    false_words: tuple[str, ...]
    default: bool | None = None


class TextField(_Field, frozen=True, kw_only=True, tag="text"):
    """Words."""

    length_max: Annotated[int, msgspec.Meta(ge=1, le=2000)] = 200
    default: str | None = None


class DateField(_Field, frozen=True, kw_only=True, tag="date"):
    """A day. Bounds: not before `earliest`, not later than `future_days` after the day of the import."""

    earliest: date = date(1980, 1, 1)
    future_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0


class InstantField(_Field, frozen=True, kw_only=True, tag="instant"):
    """A time of day with its zone, or `zone` where the cells do not say one."""

    zone: Literal["Asia/Shanghai"] | None = None
    earliest: date = date(1980, 1, 1)
    future_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0


class QuantityField(_Field, frozen=True, kw_only=True, tag="quantity"):
    """A number with a unit. `unit` is what a number without one is in, unless the header says another in brackets."""

    measure: Measure
    unit: str

    def base_unit(self) -> str | None:
        return next(iter(UNITS[self.measure]))

    def takes_unit(self, unit: str) -> bool | None:
        key = key_of(unit)
        if not key or key.isdigit():
            return None
        if key in UNIT_KEYS[self.measure]:
            return True
        return False if any(key in units for units in UNIT_KEYS.values()) else None


Field: TypeAlias = (
    AssetNumberField | CodeField | ChoiceField | FlagField | TextField | DateField | InstantField | QuantityField
)
Fields: TypeAlias = dict[str, Field]


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole mapping. `blanks` are words for an empty cell; rows that begin with `totals` or `footers` are no data;
    columns whose headers are `ignored` are not read. A cell with one of the `illegible` words is no note below a table.
    `check_digit` may be stricter than the registry is set, not laxer.
    """

    check_digit: CheckDigit | None = None
    ignored: tuple[str, ...] = ()
    blanks: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    footers: tuple[str, ...] = ()
    illegible: tuple[str, ...] = ()
    kinds: dict[str, Fields]

    def __post_init__(self) -> None:
        for kind, fields in self.kinds.items():
            if problem := next(_problems(fields), None):
                raise ValueError(f"{kind}: {problem}")

    def fields(self, kind: str) -> Fields:
        """The fields of a kind. Refuses one that the mapping does not have."""
        if kind not in self.kinds:
            raise KIND_UNKNOWN(kind=kind, kinds=", ".join(self.kinds))
        return self.kinds[kind]

    def check_digit_of(self, kind: str) -> CheckDigit | None:
        """What it says, if anything, of the numbers of a kind's devices. Refuses a kind that it does not have."""
        field = self.fields(kind)[KEY]
        return strictest(self.check_digit, field.check_digit if isinstance(field, AssetNumberField) else None)


def load(path: Path | None = None) -> Mapping:
    """The mapping in a file, or the default one. Refuses what is not exactly as it should be."""
    if path is None:
        return msgspec.convert(_default(), Mapping)
    with path.open("rb") as file:
        return parse(file.read(FILE_BYTES_MAX + 1))


def parse(content: bytes) -> Mapping:
    """The same for the file's bytes."""
    if len(content) > FILE_BYTES_MAX:
        raise MAPPING_UNREADABLE(problem=f"> {FILE_BYTES_MAX} bytes")
    try:
        _require_plain(content)
        document = plain_of_yaml(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MAPPING_UNREADABLE(problem=" ".join(str(error).split())) from error
    if isinstance(document, dict) and document.get("extends") == "default":
        del document["extends"]
        document = extended(_default(), document)
    try:
        return msgspec.convert(document, Mapping)
    except msgspec.ValidationError as error:
        raise MAPPING_INVALID(problem=str(error)) from error


def _require_plain(content: bytes) -> None:
    """Refuse, in files from outside, aliases, by which a small file could stand for an endless one, and what is nested
    deeper than the recursion of whoever composes it bears. Events come one after the other, without recursion.
    """
    depth = 0
    for event in yaml.parse(content, LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"aliases (*name) are not allowed here, line {line}")  # noqa: TRY004  no wrong type
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH_MAX:
                raise ValueError(f"more than {_DEPTH_MAX} levels, line {line}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _default() -> Any:
    return plain_of_yaml(DEFAULT.read_bytes())


def _problems(fields: Fields) -> Iterator[str]:
    if not isinstance(fields.get(KEY), AssetNumberField):
        yield f"every kind has a field {KEY} of type asset_no"
    groups = {name.partition(".")[0] for name in fields if "." in name}
    taken: dict[str, str] = {}
    for name, field in fields.items():
        if not _FIELD_NAME.fullmatch(name):
            yield f"{name}: a field's name is in lower case, with at most one dot"
        if name in groups:
            yield f"{name}: is a field and a group of fields"
        if field.required and getattr(field, "default", None) is not None:
            yield f"{name}: is required and has a default"
        for header in (name, *field.headers):
            if not (key := key_of(header)):
                yield f"{name}: header {header!r} has no letter in it"
            if taken.setdefault(key, name) != name:
                yield f"header {header!r} is given to {taken[key]} and to {name}"
        yield from (f"{name}: {problem}" for problem in _field_problems(field))


def _field_problems(field: Field) -> Iterator[str]:
    match field:
        case QuantityField(measure=measure, unit=unit):
            if key_of(unit) not in UNIT_KEYS[measure]:
                yield f"unit {unit!r} is none of {', '.join(UNITS[measure])}"
        case ChoiceField(choices=choices, default=default, form=form):
            if not choices and form is None:
                yield "neither choices nor a form"
            if default is not None and default not in choices and form is None:
                yield f"default {default!r} is not in the list"
            yield from _twice({code: (code, *names) for code, names in choices.items()})
        case FlagField(true_words=yes, false_words=no):
            yield from _twice({"yes": yes, "no": no})
        case _:
            pass


def _twice(names: dict[str, tuple[str, ...]]) -> Iterator[str]:
    taken: dict[str, str] = {}
    for code, words in names.items():
        for word in words:
            if taken.setdefault(key_of(word), code) != code:
                yield f"{word!r} means {taken[key_of(word)]} and {code}"
