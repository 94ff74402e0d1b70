"""Files of load curves, as metering systems hand them out: rows of meter, phase, time and a current or a voltage.

Columns: `meter`, `time` (without a zone: Asia/Shanghai), `current_a` or `voltage_v` or both, and `phase`, A where there
is none. An empty value is a point that was not read. Other columns are passed over. Plain CSV, or gzipped.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Final, get_args

import msgspec

from cli.connection import USAGE, CannotGoOn
from kernel.quantity import BUSINESS_ZONE, YEAR_MAX, YEAR_MIN
from services.sorting.load_curve import Phase, Point

SUFFIXES: Final = (".csv", ".csv.gz")
MILLI: Final = 3
VALUE_MAX: Final = 10_000_000
"""10 kA or 10 kV: more is no reading of a meter."""

_PHASES: Final = get_args(Phase)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class MeterCurves(msgspec.Struct, frozen=True):
    """The curves of one meter by phase: current in mA, voltage in mV."""

    current: dict[Phase, list[Point]]
    voltage: dict[Phase, list[Point]]

    @property
    def phases(self) -> int:
        """Of the meter: one that has more than phase A has three."""
        return 1 if {*self.current, *self.voltage} <= {"A"} else 3


def curve_files(paths: Iterable[Path]) -> list[Path]:
    """These files, and those in these folders. Raises CannotGoOn where there is none."""
    found = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if one.name.endswith(SUFFIXES)) if path.is_dir() else [path]
        if not inside:
            raise CannotGoOn(f"{path} 内没有 CSV 文件。", f"there is no CSV file in {path}", USAGE)
        found += inside
    return found


def read_curves(files: Sequence[Path]) -> dict[str, MeterCurves]:
    """The curves in these files by meter, in order of name. Raises CannotGoOn, naming the file and line."""
    curves: dict[str, MeterCurves] = {}
    for file in files:
        for line, row in _rows(file):
            try:
                _take(curves, row)
            except (ValueError, InvalidOperation) as wrong:
                raise CannotGoOn(
                    f"{file} 第 {line} 行读不懂：{wrong}。", f"{file} line {line} cannot be read: {wrong}", USAGE
                ) from None
    return dict(sorted(curves.items()))


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8-sig", newline="")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8-sig", newline="")
        ) as lines:
            reader = csv.DictReader(lines)
            columns = set(reader.fieldnames or ())
            if not {"meter", "time"} <= columns or not columns & {"current_a", "voltage_v"}:
                raise CannotGoOn(
                    f"{file} 须有列 meter、time 以及 current_a 或 voltage_v。",
                    f"{file} needs the columns meter, time and current_a or voltage_v",
                    USAGE,
                )
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as wrong:
        raise CannotGoOn(f"读不了 {file}：{wrong}。", f"{file} cannot be read: {wrong}", USAGE) from None


def _take(curves: dict[str, MeterCurves], row: dict[str, str]) -> None:
    meter, phase = row["meter"], row.get("phase") or "A"
    if not meter:
        raise ValueError("meter")
    if phase not in _PHASES:
        raise ValueError(f"phase {phase}")
    at, of = _seconds(row["time"] or ""), curves.get(meter)
    if of is None:
        of = curves[meter] = MeterCurves({}, {})
    for column, curve in (("current_a", of.current), ("voltage_v", of.voltage)):
        if text := row.get(column):
            curve.setdefault(phase, []).append((at, milli(text)))  # type: ignore[arg-type]  # one of Phase, checked


def milli(text: str) -> int:
    """Amperes or volts as thousandths, rounded to the nearest. Raises ValueError, decimal.InvalidOperation."""
    value = Decimal(text.strip())
    if not value.is_finite() or abs(value) > VALUE_MAX // 10**MILLI:
        raise ValueError(text)
    return int(value.scaleb(MILLI).to_integral_value())


@lru_cache(maxsize=100_000)
def _seconds(text: str) -> int:
    """The same few instants stand in the rows of every meter."""
    told = datetime.fromisoformat(text.strip())
    if not YEAR_MIN < told.year < YEAR_MAX:
        raise ValueError(text)
    return ((told if told.tzinfo else told.replace(tzinfo=BUSINESS_ZONE)) - _EPOCH) // _SECOND
