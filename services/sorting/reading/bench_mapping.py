"""Which header of an error bench's file fills which item, in which unit: mappings/bench.yaml, or a file of one's own,
which may say `extends: default`.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
import yaml

from kernel.quantity import Code
from kernel.refusal import Contradiction
from kernel.spreadsheet.wording import key_of
from kernel.yaml_file import extended, plain_of_yaml
from services.sorting.reading.faults import BENCH_MAPPING

DEFAULT: Final = Path(__file__).parent / "mappings" / "bench.yaml"
FILE_BYTES_MAX: Final = 64 << 10
POSITION: Final = "position"
ASSET_NO: Final = "asset_no"

BenchUnit: TypeAlias = Literal["ppm", "ppb", "pulse", "urad"]
_DAY_S: Final = 86_400
UNITS: Final[dict[BenchUnit, dict[str, Fraction]]] = {
    "ppm": {"ppm": Fraction(1), "%": Fraction(10**4), "‰": Fraction(10**3)},
    "ppb": {
        "ppb": Fraction(1),
        "ppm": Fraction(10**3),
        "s/d": Fraction(10**9, _DAY_S),
        "秒/天": Fraction(10**9, _DAY_S),
    },
    "pulse": {"pulse": Fraction(1), "pulses": Fraction(1), "imp": Fraction(1), "个": Fraction(1), "次": Fraction(1)},
    "urad": {"urad": Fraction(1), "crad": Fraction(10**4)},
}
"""What one may write, in multiples of the unit that is recorded."""
UNIT_KEYS: Final = {unit: {key_of(name): by for name, by in names.items()} for unit, names in UNITS.items()}

Headers: TypeAlias = Annotated[tuple[str, ...], msgspec.Meta(max_length=200)]


class ItemColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"written_in": "in"}):
    """The column of an item: `unit` as the scheme has it, `in` what a number without a unit is in, `words` by value."""

    unit: BenchUnit
    written_in: str
    headers: Headers = ()
    words: dict[str, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        if key_of(self.written_in) not in UNIT_KEYS[self.unit]:
            units = ", ".join(UNITS[self.unit])
            raise Contradiction(
                f"in：{self.written_in!r} 不是 {units} 之一", f"in: {self.written_in!r} is none of {units}"
            )
        if not all(value.removeprefix("-").isdecimal() for value in self.words):
            raise Contradiction("words：每个词代表一个整数", "words: each stands for a whole number")


class BenchMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole mapping. Cells that are `blanks` hold nothing; rows that begin with `notes` are no data; an item's header
    may have one of the `prefixes` before it.
    """

    position: Headers
    asset_no: Headers
    bench: Headers = ()
    accuracy_class: Headers = ()
    result: Headers = ()
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    blanks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    items: dict[Code, ItemColumn]

    def __post_init__(self) -> None:
        if problem := next(self._problems(), None):
            raise ValueError(problem)

    def fields(self) -> Mapping[str, "BenchField"]:
        """What columns can fill, for kernel.spreadsheet.heading."""
        plain = {name: BenchField(getattr(self, name), name in (POSITION, ASSET_NO)) for name in _PLAIN}
        items = {
            code: BenchField((*item.headers, *_prefixed(self.prefixes, item.headers)), required=False, item=item)
            for code, item in self.items.items()
        }
        return plain | items

    def _problems(self) -> Iterator[str]:
        taken: dict[str, str] = {}
        for name, field in self.fields().items():
            for header in (name, *field.headers):
                if taken.setdefault(key_of(header), name) != name:
                    yield f"header {header!r} is given to {taken[key_of(header)]} and to {name}"
        if both := {*map(key_of, self.passed)} & {*map(key_of, self.failed)}:
            yield f"{', '.join(sorted(both))}: both passed and failed"


_PLAIN: Final = (POSITION, ASSET_NO, "bench", "accuracy_class", "result")


class BenchField:
    """A column as finding the header needs to know it."""

    def __init__(self, headers: tuple[str, ...], required: bool, item: ItemColumn | None = None) -> None:  # noqa: FBT001  the name says it
        self.headers: Final = headers
        self.required: Final = required
        self.item: Final = item

    def base_unit(self) -> str | None:
        """A column called by the item's own code holds its own unit."""
        return self.item.unit if self.item else None

    def takes_unit(self, unit: str) -> bool | None:
        """Whether what a header says in brackets is a unit of the item; None where it is no unit at all."""
        key = key_of(unit)
        if self.item is None or not key:
            return None
        if key in UNIT_KEYS[self.item.unit]:
            return True
        return False if any(key in units for units in UNIT_KEYS.values()) else None


def load(path: Path | None = None) -> BenchMapping:
    """The mapping in a file, or the default one. Refuses what is not exactly as it should be."""
    try:
        content = DEFAULT.read_bytes() if path is None else _read(path)
        document = plain_of_yaml(content)
        if isinstance(document, dict) and document.get("extends") == "default":
            del document["extends"]
            document = extended(plain_of_yaml(DEFAULT.read_bytes()), document)
        return msgspec.convert(document, BenchMapping)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise BENCH_MAPPING(problem=" ".join(str(error).split())) from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"> {FILE_BYTES_MAX} bytes")
    return content


def _prefixed(prefixes: tuple[str, ...], headers: tuple[str, ...]) -> Iterator[str]:
    return (f"{prefix} {header}" for header in headers for prefix in prefixes)
