"""What was refused, handed back as CSV: row, column, the refused cell, code, reason in both languages.

Nothing else of the row is in it. A cell that a spreadsheet would take for a formula is given a leading apostrophe
(OWASP, CSV injection): what came in from one person's file is opened by another's spreadsheet.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from kernel.spreadsheet.findings import Finding

COLUMNS: Final = ("行 row", "列 column", "值 value", "代码 code", "原因", "reason")

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
