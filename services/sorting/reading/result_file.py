"""The results of a review as the institute hands them over, CSV or XLSX, one row a sample: what it found is to be done
with the device, and by which report. A row passes whole or not at all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final

import msgspec

from kernel.device import AssetNo
from kernel.quantity import Sha256
from kernel.refusal import Refusal
from kernel.spreadsheet import Limits, Table
from kernel.spreadsheet.delimited import open_delimited
from kernel.spreadsheet.faults import NO_ROWS
from kernel.spreadsheet.findings import Column, Finding, finding
from kernel.spreadsheet.heading import Bound, Headers
from kernel.spreadsheet.recognise import recognise
from kernel.spreadsheet.wording import clean_code, clean_text, key_of, written
from kernel.spreadsheet.workbook import open_workbook
from services.sorting.reading import faults
from services.sorting.reading.bench_file import ASSET_NO_FORM, sha256_of
from services.sorting.review.state import JUDGED, Judged

ROWS_MAX: Final = 10_000
"""A plan draws a few hundred."""

ASSET_NO: Final = "asset_no"
_WORDS: Final = {key_of(word): name for name, words in JUDGED.items() for word in (name, *words)}
_NOTES: Final = tuple(
    map(key_of, ("合计", "总计", "检定员", "核验员", "审核", "备注", "说明", "total", "note", "notes"))
)


class ResultField(msgspec.Struct, frozen=True):
    """A column, as finding the header needs to know it."""

    headers: tuple[str, ...]
    required: bool = True

    def base_unit(self) -> None:
        """It has none."""

    def takes_unit(self, _unit: str) -> None:
        """What is in brackets is no unit."""


FIELDS: Final[dict[str, ResultField]] = {
    ASSET_NO: ResultField(("资产编号", "资产号", "条形码", "条码", "asset number", "asset no", "bar code")),
    "disposition": ResultField(("复检结果", "复检结论", "结果", "处置", "result", "disposition", "found")),
    "report": ResultField(("报告编号", "复检报告", "报告", "report no", "report number", "report")),
    "why": ResultField(("原因", "说明", "理由", "reason", "why"), required=False),
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the institute found of one sample."""

    row: int
    sheet: str | None
    asset_no: AssetNo
    disposition: Judged
    report: str
    why: str | None = None


class ResultFile(msgspec.Struct, frozen=True):
    """A file read: the rows that pass, and what is wrong with cells of the `refused` others."""

    sha256: Sha256
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    refused: int


def read_results(file: BinaryIO, limits: Limits = Limits()) -> ResultFile:  # noqa: B008  frozen
    """What the file holds. Raises Refusal where nothing can be read."""
    sha256 = sha256_of(file)
    headers = Headers(FIELDS, ASSET_NO)
    results: list[Result] = []
    findings: list[Finding] = []
    refused = 0
    for table in _tables(file, headers, limits):
        for got in _rows(table, headers):
            if isinstance(got, Result):
                results.append(got)
            else:
                findings += got
                refused += 1
        if len(results) + refused > ROWS_MAX:
            raise faults.RESULTS_TOO_MANY(limit=ROWS_MAX)
    if not results and not refused:
        raise NO_ROWS()
    times = Counter(one.asset_no for one in results)
    for one in results:
        if times[one.asset_no] > 1:
            others = [str(other.row) for other in results if other.asset_no == one.asset_no and other is not one]
            column = Column(ASSET_NO, "", ASSET_NO)
            refusal = faults.BENCH_METER_TWICE(rows=", ".join(others))
            findings.append(finding(refusal, one.row, column=column, value=one.asset_no, sheet=one.sheet))
    unique = tuple(one for one in results if times[one.asset_no] == 1)
    findings.sort(key=lambda one: (one.sheet or "", one.row))
    return ResultFile(sha256, unique, tuple(findings), refused + len(results) - len(unique))


def _tables(file: BinaryIO, headers: Headers[ResultField], limits: Limits) -> Iterator[Table]:
    match recognise(file):
        case "delimited":
            yield open_delimited(file, headers, limits)
        case "workbook":
            yield from (table for table in open_workbook(file, headers, limits) if isinstance(table, Table))
        case other:
            raise faults.RESULTS_FORMAT(found=other)


def _rows(table: Table, headers: Headers[ResultField]) -> Iterator[Result | list[Finding]]:
    """Each row, or what is wrong with it; rows that are no data are passed over."""
    bound = {one.field: one for one in table.header.bound}
    for block in table.blocks(0, 0):
        for index, record in enumerate(block.records, block.first):
            if isinstance(record, Refusal):
                yield [finding(record, index + 1, sheet=table.sheet)]
            elif index > table.header.last and _is_data(record, headers, bound[ASSET_NO]):
                yield _row(record, index + 1, bound.values(), table.sheet)


def _is_data(record: Sequence[Any], headers: Headers[ResultField], number: Bound) -> bool:
    """Not empty, no line of totals or remarks below the table, and not the header once more."""
    first = next((key for cell in record if (key := key_of(written(cell)))), "")
    match = headers.match(written(_cell(record, number)))
    return bool(first) and not first.startswith(_NOTES) and not (match and match.field == ASSET_NO)


def _row(record: Sequence[Any], row: int, columns: Iterable[Bound], sheet: str | None) -> Result | list[Finding]:
    found: list[Finding] = []
    values: dict[str, Any] = {}
    for bound in columns:
        cell = _cell(record, bound)
        try:
            values[bound.field] = _value(bound.field, cell)
        except Refusal as refusal:
            found.append(finding(refusal, row, column=bound.columns[0], value=cell, sheet=sheet))
    return found or Result(row=row, sheet=sheet, **values)


def _cell(record: Sequence[Any], bound: Bound) -> Any:
    """The first that is filled of the columns that mean the same."""
    cells = [record[index] for index in bound.indices if index < len(record)]
    return next((cell for cell in cells if written(cell).strip()), "")


def _value(field: str, cell: Any) -> Any:
    """What the cell means. Raises Refusal."""
    text = clean_text(written(cell))
    if not text:
        if FIELDS[field].required:
            raise faults.BENCH_MISSING()
        return None
    if field == ASSET_NO:
        if not isinstance(cell, str):
            raise faults.BENCH_NUMBER_AS_NUMBER()
        number = clean_code(text).upper()
        if not ASSET_NO_FORM.fullmatch(number):
            raise faults.BENCH_ASSET_NO()
        return number
    if field == "disposition":
        if (said := _WORDS.get(key_of(text))) is None:
            raise faults.RESULT_UNKNOWN(words=", ".join(f"{zh} {name}" for name, (zh, _) in JUDGED.items()))
        return said
    return text
