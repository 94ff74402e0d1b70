"""XLSX by python-calamine, after archive.py has looked into it. Every visible sheet that has a header is read.

Merged cells hold their value in the first of them only; the rows below it take it over, except in the column of the
key, where two rows of one key would be one thing twice.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
import python_calamine as calamine

from kernel.refusal import Refusal
from kernel.spreadsheet import BLOCK_RECORDS_MAX, Block, Limits, Record, Table
from kernel.spreadsheet.archive import Workbook, inspect
from kernel.spreadsheet.faults import BAD_POSITION, DAMAGED, ENCRYPTED, NO_SHEET
from kernel.spreadsheet.heading import HEADER_ROWS_MAX, Header, Headers

ERROR_VALUE: Final = "#ERROR!"


class _Merge(NamedTuple):
    """Merged cells of one column, rows from 0."""

    first: int
    last: int
    column: int


class SkippedSheet(msgspec.Struct, frozen=True):
    """A visible sheet with something on it that is not read, and why."""

    sheet: str
    refusal: Refusal


def open_workbook(
    file: BinaryIO, headers: Headers[Any], limits: Limits, *, percentages: bool = False
) -> Iterator[Table | SkippedSheet]:
    """The tables of a workbook, a sheet in memory at a time. Refuses it where no sheet has a header. `percentages`: a
    number that is shown as 0.12 %, of which the file holds 0.0012, is read as it is shown, "0.12%".
    """
    seen = inspect(file, limits, percentages=percentages)
    file.seek(0)
    with _sound():
        book = calamine.CalamineWorkbook.from_filelike(file)
        metadata = book.sheets_metadata
    parts: Sequence[str | None] = seen.parts if len(seen.parts) == len(metadata) else [None] * len(metadata)
    skipped: list[SkippedSheet] = []
    found = False
    for index, (one, part) in enumerate(zip(metadata, parts, strict=True)):
        if one.typ != calamine.SheetTypeEnum.WorkSheet or one.visible != calamine.SheetVisibleEnum.Visible:
            continue
        with _sound():
            sheet = book.get_sheet_by_index(index)
        if sheet.start is None:
            continue
        try:
            header = headers.find(list(islice(_records(sheet), HEADER_ROWS_MAX)))
        except Refusal as refusal:
            skipped.append(SkippedSheet(one.name, refusal))
            continue
        found = True
        yield _table(sheet, one.name, header, headers.key, seen, part)
    if not found:
        raise skipped[0].refusal if skipped else NO_SHEET()
    yield from skipped


def _table(
    sheet: calamine.CalamineSheet, name: str, header: Header, key: str, seen: Workbook, part: str | None
) -> Table:
    total = (sheet.end or (-1, 0))[0] + 1
    errors = _by_row(seen.error_cells.get(part or "", frozenset()))
    merges = _merges(sheet, header, key)
    percents = _by_row(seen.percent_cells.get(part or "", frozenset()))

    def blocks(place: int, index: int) -> Iterator[Block]:
        if place != index or not 0 <= place <= total:
            raise BAD_POSITION()
        records = enumerate(_filled(_as_shown(_records(sheet), percents), merges, errors))
        while some := list(islice(records, BLOCK_RECORDS_MAX)):
            after = some[-1][0] + 1
            if after > place:
                wanted = [record for number, record in some if number >= place]
                yield Block(after - len(wanted), wanted, after)

    return Table(header, total, blocks, sheet=name, date1904=seen.date1904)


def _records(sheet: calamine.CalamineSheet) -> Iterator[Record]:
    """Rows from the first of the sheet, cells from its first column."""
    left: Record = [""] * (sheet.start or (0, 0))[1]
    with _sound():
        for row in sheet.iter_rows():
            yield [*left, *row] if left else list(row)


def _as_shown(records: Iterator[Record], percents: dict[int, list[int]]) -> Iterator[Record]:
    """Rows with percentages in words. Of a number those 15 digits are meant that a spreadsheet keeps."""
    for number, record in enumerate(records):
        for column in percents.get(number, ()):
            if column < len(record) and isinstance(value := record[column], int | float):
                record[column] = f"{Decimal(format(value, '.15g')) * 100:f}%"
        yield record


def _filled(records: Iterator[Record], merges: list[_Merge], errors: dict[int, list[int]]) -> Iterator[Record]:
    """Rows with the values of merged cells, and with error values, which calamine leaves empty."""
    ahead = deque(merges)
    open_ones: list[tuple[_Merge, Any]] = []
    for number, record in enumerate(records):
        if open_ones:
            open_ones = [(merge, value) for merge, value in open_ones if merge.last >= number]
            if any(record):
                for merge, value in open_ones:
                    record[merge.column] = value
        while ahead and ahead[0].first == number:
            merge = ahead.popleft()
            if merge.column < len(record):
                open_ones.append((merge, record[merge.column]))
        for column in errors.get(number, ()):
            if column < len(record) and record[column] == "":
                record[column] = ERROR_VALUE
        yield record


def _merges(sheet: calamine.CalamineSheet, header: Header, key: str) -> list[_Merge]:
    columns = {index for one in header.bound if one.field != key for index in one.indices}
    return sorted(
        (
            _Merge(first, last, column)
            for (first, column), (last, _) in sheet.merged_cell_ranges or ()
            if last > first > header.last and column in columns
        ),
        key=lambda merge: merge.first,
    )


def _by_row(cells: frozenset[tuple[int, int]]) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, column in cells:
        rows.setdefault(row, []).append(column)
    return rows


@contextmanager
def _sound() -> Iterator[None]:
    """Says in our words what calamine has to say, a panic of its Rust code included."""
    try:
        yield
    except calamine.PasswordError as error:
        raise ENCRYPTED() from error
    except (calamine.CalamineError, ValueError, OverflowError) as error:
        raise DAMAGED(what="XLSX") from error
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise DAMAGED(what="XLSX") from panic
