"""The result file of a multi-position error bench, CSV or XLSX, one row a position: what it measured of which meter.

A row passes whole or not at all. What is wrong is told by row and column. Errors in percent become millionths exactly;
what is finer than a millionth is refused and nothing is rounded, but for the daily clock error, whose seconds a day are
no whole number of thousand-millionths: that is the nearest one.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, BinaryIO, Final, Literal, get_args

import msgspec
from msgspec import Meta

from kernel.device import AssetNo
from kernel.quantity import Sha256
from kernel.refusal import Reason, Refusal
from kernel.spreadsheet import Limits, Table
from kernel.spreadsheet.delimited import open_delimited
from kernel.spreadsheet.faults import NO_ROWS
from kernel.spreadsheet.findings import Column, Finding, finding
from kernel.spreadsheet.heading import Bound, Headers
from kernel.spreadsheet.recognise import recognise
from kernel.spreadsheet.wording import clean_code, key_of, written
from kernel.spreadsheet.workbook import SkippedSheet, open_workbook
from services.sorting.evaluation import Measured
from services.sorting.inspection.steps import StepReport
from services.sorting.reading import faults
from services.sorting.reading.bench_mapping import ASSET_NO, POSITION, UNIT_KEYS, UNITS, BenchField, BenchMapping
from services.sorting.vocabulary import Measure

ROWS_MAX: Final = 10_000
"""A position has up to four digits, and is there once."""
ROWS_NAMED_MAX: Final = 5
"""Of those that are the same as one that is refused."""
ROUNDED: Final = "ppb"
PIECE_BYTES: Final = 1 << 20

_BOUNDS: Final = next(one for one in get_args(Measure) if isinstance(one, Meta))
_POSITION: Final = re.compile(r"[#＃]?0*([1-9][0-9]{0,3})(?:\.0+)?[#＃号]?")
_NUMBER: Final = re.compile(r"([+-]?[0-9]{1,9}(?:\.[0-9]{0,12})?) ?([^0-9]{0,8})")
ASSET_NO_FORM: Final = re.compile(r"[0-9]{22}|T[0-9]{5}[0-9A-Z]{4,20}", re.ASCII)
_MINUS: Final = str.maketrans({"−": "-", "﹣": "-", "－": "-", "＋": "+", "﹢": "+"})


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What the bench says of the meter at one position. `said`: the bench's own conclusion, which decides nothing."""

    row: int
    sheet: str | None
    position: int
    asset_no: AssetNo
    measured: tuple[Measured, ...]
    accuracy_class: str | None = None
    said: Literal["passed", "failed"] | None = None

    @property
    def report(self) -> StepReport:
        """As the accuracy inspection takes it."""
        return StepReport(measured=self.measured)


class BenchFile(msgspec.Struct, frozen=True):
    """A file read: the positions that pass, what is wrong with cells of others, and columns that fill nothing."""

    sha256: Sha256
    positions: tuple[Position, ...]
    findings: tuple[Finding, ...]
    refused: int
    unused: tuple[Column, ...]


class _Raw(msgspec.Struct, frozen=True):
    """A row that may still be refused for what another holds."""

    position: Position
    at: Mapping[str, tuple[Column, Any]]


def read_bench(file: BinaryIO, mapping: BenchMapping, bench: str | None = None, limits: Limits = Limits()) -> BenchFile:  # noqa: B008  frozen
    """What the file holds; rows of another bench than `bench` are refused. Raises Refusal where nothing can be read."""
    sha256 = sha256_of(file)
    headers = Headers(mapping.fields(), POSITION)
    rows: list[_Raw] = []
    findings: list[Finding] = []
    unused: list[Column] = []
    refused = 0
    for table in _tables(file, headers, limits):
        unused += table.header.dropped
        reader = _Rows(table, headers, mapping, bench)
        for got in reader.rows():
            if isinstance(got, _Raw):
                rows.append(got)
            else:
                findings += got
                refused += 1
            if len(rows) + refused > ROWS_MAX:
                raise faults.BENCH_TOO_LONG(limit=ROWS_MAX)
    if not rows and not refused:
        raise NO_ROWS()
    unique, repeated = _unique(rows)
    findings = sorted((*findings, *repeated), key=lambda one: (one.sheet or "", one.row))
    refused += len(rows) - len(unique)
    return BenchFile(sha256, tuple(unique), tuple(findings), refused, tuple(unused))


def sha256_of(file: BinaryIO) -> str:
    """Of the whole file, in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _tables(file: BinaryIO, headers: Headers[BenchField], limits: Limits) -> Iterator[Table]:
    match recognise(file):
        case "delimited":
            tables: Iterable[Table | SkippedSheet] = [open_delimited(file, headers, limits)]
        case "workbook":
            tables = open_workbook(file, headers, limits, percentages=True)
        case other:
            raise faults.BENCH_FORMAT(found=other)
    for table in tables:
        if isinstance(table, Table):
            if not any(headers.fields[one.field].item for one in table.header.bound):
                raise faults.BENCH_NO_ITEMS(row=table.header.last + 1)
            yield table


class _Rows:
    """The rows of one table."""

    def __init__(self, table: Table, headers: Headers[BenchField], mapping: BenchMapping, bench: str | None) -> None:
        self._table: Final = table
        self._headers: Final = headers
        self._mapping: Final = mapping
        self._bench: Final = bench
        self._bound: Final = {one.field: one for one in table.header.bound}
        self._blanks: Final = frozenset({"", *map(key_of, mapping.blanks)})
        self._notes: Final = tuple(map(key_of, mapping.notes))

    def rows(self) -> Iterator[_Raw | list[Finding]]:
        """Each row, or what is wrong with it; rows that are no data are passed over."""
        for block in self._table.blocks(0, 0):
            for index, record in enumerate(block.records, block.first):
                if isinstance(record, Refusal):
                    yield [finding(record, index + 1, sheet=self._table.sheet)]
                elif index > self._table.header.last and self._is_data(record):
                    yield self._row(record, index + 1)

    def _is_data(self, record: Sequence[Any]) -> bool:
        """Not empty, no line of totals, signatures or remarks below the table, and not the header once more. What has
        a position or an asset number is data, whatever is remarked in it.
        """
        position, number = (clean_code(written(self._cell(record, self._bound[name]))) for name in (POSITION, ASSET_NO))
        if _POSITION.fullmatch(position) or ASSET_NO_FORM.fullmatch(number.upper()):
            return True
        first = next((key for cell in record if (key := key_of(written(cell)))), "")
        match = self._headers.match(position)
        header_again = match is not None and match.field == POSITION
        return bool(first) and not first.startswith(self._notes) and not header_again

    def _row(self, record: Sequence[Any], row: int) -> _Raw | list[Finding]:
        found: list[Finding] = []
        values: dict[str, Any] = {}
        at: dict[str, tuple[Column, Any]] = {}
        for name, bound in self._bound.items():
            cell = self._cell(record, bound)
            at[name] = (bound.columns[0], cell)
            try:
                self._agree(record, bound)
                values[name] = self._value(name, bound, cell)
            except Refusal as refusal:
                found.append(finding(refusal, row, column=bound.columns[0], value=cell, sheet=self._table.sheet))
        measured = tuple(
            Measured(item=name, value=value)
            for name, value in values.items()
            if self._headers.fields[name].item and value is not None
        )
        if not found and not measured:
            found.append(finding(faults.BENCH_NOTHING(), row, sheet=self._table.sheet))
        if found:
            return found
        position = Position(
            row=row,
            sheet=self._table.sheet,
            position=values[POSITION],
            asset_no=values[ASSET_NO],
            measured=measured,
            accuracy_class=values.get("accuracy_class"),
            said=values.get("result"),
        )
        return _Raw(position, at)

    def _cell(self, record: Sequence[Any], bound: Bound) -> Any:
        """The first that is filled of the columns that mean the same."""
        cells = [record[index] for index in bound.indices if index < len(record)]
        return next((cell for cell in cells if written(cell).strip()), "")

    def _agree(self, record: Sequence[Any], bound: Bound) -> None:
        """Columns that mean the same say the same, as far as they are filled."""
        if len(bound.indices) > 1:
            said = {key_of(written(record[index])) for index in bound.indices if index < len(record)}
            if len(said - self._blanks) > 1:
                raise faults.BENCH_VALUES_DIFFER(columns=", ".join(one.letter for one in bound.columns))

    def _value(self, name: str, bound: Bound, cell: Any) -> Any:
        """What the cell means; None where it is blank. Raises Refusal."""
        text = clean_code(written(cell).translate(_MINUS))
        if key_of(text) in self._blanks and not (name == "result" and key_of(text)):
            if name in (POSITION, ASSET_NO):
                raise faults.BENCH_MISSING()
            return None
        if item := self._headers.fields[name].item:
            for value, words in item.words.items():
                if key_of(text) in map(key_of, words):
                    return int(value)
            return _quantity(cell, text, item.unit, bound.units[0] or item.written_in)
        return self._plain(name, cell, text)

    def _plain(self, name: str, cell: Any, text: str) -> Any:
        match name:
            case "position":
                if not (number := _POSITION.fullmatch(text)):
                    raise faults.BENCH_POSITION()
                return int(number[1])
            case "asset_no":
                if not isinstance(cell, str):
                    raise faults.BENCH_NUMBER_AS_NUMBER()
                if not ASSET_NO_FORM.fullmatch(text.upper()):
                    raise faults.BENCH_ASSET_NO()
                return text.upper()
            case "bench":
                if self._bench is not None and key_of(text) != key_of(self._bench):
                    raise faults.BENCH_OTHER(found=text, bench=self._bench)
                return text
            case "result":
                for said, words in (("passed", self._mapping.passed), ("failed", self._mapping.failed)):
                    if key_of(text) in map(key_of, words):
                        return said
                raise faults.BENCH_RESULT(words=", ".join((*self._mapping.passed, *self._mapping.failed)))
            case _:
                return text


def _quantity(cell: Any, text: str, unit: Any, written_in: str) -> int:
    """A number with its unit, in the unit that is recorded. Of a float those 15 digits are meant that a spreadsheet
    keeps.
    """
    if isinstance(cell, float):
        text = format(Decimal(format(cell, ".15g")), "f")
    if not (number := _NUMBER.fullmatch(text)):
        raise faults.BENCH_NOT_A_NUMBER()
    said = key_of(number[2]) if number[2].strip() else key_of(written_in)
    if (by := UNIT_KEYS[unit].get(said)) is None:
        raise faults.BENCH_UNIT(unit=number[2], units=", ".join(UNITS[unit]))
    exact = Fraction(number[1]) * by
    if exact.denominator != 1 and unit != ROUNDED:
        raise faults.BENCH_TOO_PRECISE(unit=unit)
    assert _BOUNDS.ge is not None
    assert _BOUNDS.le is not None
    if not _BOUNDS.ge <= (value := round(exact)) <= _BOUNDS.le:
        raise faults.BENCH_NOT_A_NUMBER()
    return value


def _unique(rows: Sequence[_Raw]) -> tuple[list[Position], list[Finding]]:
    """The rows whose position and meter are there once, and what is wrong with the others: nobody can tell which of two
    is right.
    """
    at_position: dict[int, list[int]] = {}
    of_meter: dict[str, list[int]] = {}
    for raw in rows:
        at_position.setdefault(raw.position.position, []).append(raw.position.row)
        of_meter.setdefault(raw.position.asset_no, []).append(raw.position.row)
    unique, found = [], []
    for raw in rows:
        one = raw.position
        same: list[tuple[str, Reason, list[int]]] = [
            (POSITION, faults.BENCH_POSITION_TWICE, at_position[one.position]),
            (ASSET_NO, faults.BENCH_METER_TWICE, of_meter[one.asset_no]),
        ]
        twice = [said for said in same if len(said[2]) > 1]
        for name, reason, alike in twice:
            column, cell = raw.at[name]
            refusal = reason(rows=_named(alike, one.row))
            found.append(finding(refusal, one.row, column=column, value=cell, sheet=one.sheet))
        if not twice:
            unique.append(one)
    return unique, found


def _named(alike: Sequence[int], row: int) -> str:
    """The first of the rows that are the same as this one, and how many more there are. Two sheets may have one row."""
    others = list(islice((one for one in alike if one != row), ROWS_NAMED_MAX)) or [row]
    more = len(alike) - 1 - len(others)
    return ", ".join(map(str, others)) + (f" … +{more}" if more > 0 else "")
