"""What was refused, handed back as CSV and XLSX: row, column, the refused cell, code, reason in both languages.

Nothing else of the row is in it. A cell that a spreadsheet would take for a formula is given a leading apostrophe
(OWASP, CSV injection): what came in from one person's file is opened by another's spreadsheet.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import xlsxwriter

from services.registry.imports.rows import Finding

COLUMNS: Final = ("行 row", "列 column", "值 value", "代码 code", "原因", "reason")
WIDTHS: Final = (10, 24, 28, 34, 60, 60)
XLSX_ROWS_MAX: Final = 1_000_000
"""A sheet has 1,048,576 rows. What is beyond is in the CSV only, and the last row says so."""

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class ErrorFile:
    """The CSV (UTF-8 with a byte order mark), grown by batches, each durable. Opened again it goes on where it was."""

    def __init__(self, path: Path, *, keep_bytes: int | None = None) -> None:
        """`keep_bytes` is what `add` returned last: what a killed import wrote after that is dropped. None begins."""
        is_new = not keep_bytes or not path.exists()
        if not is_new:
            os.truncate(path, keep_bytes or 0)
        self._file = path.open("w" if is_new else "a", encoding="utf-8-sig" if is_new else "utf-8", newline="")
        self._writer = csv.writer(self._file)
        if is_new:
            self._writer.writerow(COLUMNS)
        self._unnamed_in: Path | None = path.parent if is_new else None

    def add(self, findings: Iterable[Finding]) -> int:
        """Write findings down, durable when this returns. Returns the file's length, to be noted with the position."""
        self._writer.writerows(_cells(finding) for finding in findings)
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._unnamed_in is not None:
            fsync_folder(self._unnamed_in)
            self._unnamed_in = None
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_xlsx(csv_path: Path, xlsx_path: Path, *, rows_max: int = XLSX_ROWS_MAX) -> None:
    """The same as a workbook, every cell as text."""
    with (
        csv_path.open(encoding="utf-8-sig", newline="") as source,
        xlsxwriter.Workbook(
            str(xlsx_path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        ) as book,
    ):
        sheet = book.add_worksheet("错误 errors")
        bold = book.add_format({"bold": True})
        for column, width in enumerate(WIDTHS):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 0)
        for row, cells in enumerate(csv.reader(source)):
            if row > rows_max:
                sheet.write_string(row, 0, "其余见 CSV 文件 / the rest is in the CSV file")
                break
            for column, cell in enumerate(cells):
                if column == 0 and cell.isascii() and cell.isdigit():
                    sheet.write_number(row, column, int(cell))
                else:
                    sheet.write_string(row, column, cell, bold if row == 0 else None)


def _cells(finding: Finding) -> Iterator[str]:
    place = f"{finding.column} {finding.header}".strip()
    if finding.sheet is not None:
        place = f"{finding.sheet}!{place}"
    yield str(finding.row)
    for cell in (place, finding.value, finding.code, finding.zh, finding.en):
        yield harmless(cell)


def harmless(cell: str) -> str:
    """The cell as text to any spreadsheet."""
    return f"'{cell}" if cell[:1] in _FORMULA_STARTS or cell.lstrip()[:1] in _FORMULA_STARTS else cell
