"""Looks into an XLSX file before it is opened for good: is it one, how far does it expand, how far do its sheets reach.

The sizes that a zip directory states are only claims, so every part is really expanded once, a piece at a time, and
while that passes by the cells are looked at: a single stray cell in the last row makes a sheet of 17 thousand million.
"""

import errno
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from kernel.spreadsheet import Limits
from kernel.spreadsheet.faults import (
    COMPRESSED,
    DAMAGED,
    ENCRYPTED,
    EXPANDS_TOO_FAR,
    NOT_XLSX,
    TOO_LARGE,
    TOO_MANY_CELLS,
    TOO_MANY_SHEETS,
)

ENTRIES_MAX: Final = 5_000
PIECE_BYTES: Final = 1 << 18
ERROR_CELLS_MAX: Final = 100_000
SMALL_PART_BYTES_MAX: Final = 4 << 20

_WORKBOOK: Final = "xl/workbook.xml"
_SHEET: Final = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_REFERENCE: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?c\b[^>]*?\br\s*=\s*[\"']\s*([A-Za-z]{1,9})([0-9]{1,9})")
_CELL: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?c[\s/>]")
_ROW: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?row[\s/>]")
_ERROR: Final = re.compile(
    rb"<(?:[A-Za-z0-9_]+:)?c\b[^>]*?\br\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7})[\"'][^>]*?\bt\s*=\s*[\"']e[\"']"
)
_CELL_TAG: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?c\b([^>]*)>")
_PLACE: Final = re.compile(rb"([A-Z]{1,3})([0-9]{1,7})")
_STYLES: Final = "xl/styles.xml"
_FORMAT: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?numFmt\b([^>]*)>")
_QUOTED: Final = re.compile(rb"&quot;.*?&quot;|\".*?\"|\\\\.")
_CELL_FORMATS: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?cellXfs\b.*?</(?:[A-Za-z0-9_]+:)?cellXfs>", re.DOTALL)
_CELL_FORMAT: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?xf\b([^>]*)>")
_PERCENT_FORMATS: Final = frozenset({b"9", b"10"})
"""Those of the built-in formats that show a hundredfold (ECMA-376 part 1, 18.8.30)."""
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_RELATION: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?Relationship\b([^>]*)>")
_ATTRIBUTE: Final = re.compile(rb"([A-Za-z]+)\s*=\s*[\"']([^\"']*)[\"']")
_SHEET_ENTRY: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?sheet\b[^>]*?:id\s*=\s*[\"']([^\"']*)[\"']")
_DATE1904: Final = re.compile(rb"<(?:[A-Za-z0-9_]+:)?workbookPr\b[^>]*?\bdate1904\s*=\s*[\"'](?:1|true)[\"']")
_TAG_MAX: Final = 512
"""Bytes that an opening tag of a cell may have and still be seen whole at the seam of two pieces."""


class Workbook(msgspec.Struct, frozen=True):
    """What was seen. `parts` are the sheets' parts in their order; `error_cells` for each part the places (row, column
    from 0) of error values, `percent_cells` of those that are shown as percentages, where that was asked for.
    """

    date1904: bool
    parts: list[str]
    error_cells: dict[str, frozenset[tuple[int, int]]]
    percent_cells: dict[str, frozenset[tuple[int, int]]]


def inspect(file: BinaryIO, limits: Limits, *, percentages: bool = False) -> Workbook:
    """Refuses what is no XLSX, is damaged, or goes beyond the limits. `percentages`: look for cells shown as such."""
    size = file.seek(0, 2)
    if size > limits.file_bytes:
        raise TOO_LARGE(found=size, limit=limits.file_bytes)
    try:
        with zipfile.ZipFile(file) as archive:
            return _inspected(archive, limits, percentages=percentages)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, KeyError) as error:
        raise DAMAGED(what="XLSX") from error
    except OSError as error:
        # A directory that points nowhere. Any other fault of reading is the disk's, and not said of the file.
        if error.errno != errno.EINVAL:
            raise
        raise DAMAGED(what="XLSX") from error


def _inspected(archive: zipfile.ZipFile, limits: Limits, *, percentages: bool) -> Workbook:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if not any(name.lower() == _WORKBOOK for name in names):
        raise _not_a_workbook(names)
    if len(entries) > ENTRIES_MAX or sum(entry.file_size for entry in entries) > limits.expanded_bytes:
        raise EXPANDS_TOO_FAR(limit=limits.expanded_bytes)
    if any(entry.flag_bits & 1 for entry in entries):
        raise ENCRYPTED()
    sheets = sum(1 for name in names if _SHEET.fullmatch(name))
    if sheets > limits.sheets:
        raise TOO_MANY_SHEETS(found=sheets, limit=limits.sheets)
    left, cells = limits.expanded_bytes, 0
    small: dict[str, bytes] = {}
    errors: dict[str, frozenset[tuple[int, int]]] = {}
    percents: dict[str, frozenset[tuple[int, int]]] = {}
    styles = _percent_styles(archive, limits) if percentages else frozenset()
    for entry in entries:
        if entry.is_dir():
            continue
        extent = _Extent(styles) if _SHEET.fullmatch(entry.filename) else None
        seam = b""
        for piece in _expanded(archive, entry, limits):
            left -= len(piece)
            if left < 0:
                raise EXPANDS_TOO_FAR(limit=limits.expanded_bytes)
            if extent is not None:
                seam = extent.see(seam + piece)
                if cells + extent.cells > limits.cells:
                    raise TOO_MANY_CELLS(found=cells + extent.cells, limit=limits.cells)
            elif entry.filename.lower() in (_WORKBOOK, _RELATIONS):
                small[entry.filename.lower()] = (small.get(entry.filename.lower(), b"") + piece)[:SMALL_PART_BYTES_MAX]
        if extent is not None:
            cells += extent.cells
            errors[entry.filename] = frozenset(extent.errors)
            percents[entry.filename] = frozenset(extent.percents)
    workbook = small.get(_WORKBOOK, b"")
    return Workbook(bool(_DATE1904.search(workbook)), _parts(workbook, small.get(_RELATIONS, b"")), errors, percents)


def _percent_styles(archive: zipfile.ZipFile, limits: Limits) -> frozenset[bytes]:
    """The styles of cells that show a hundredfold and a percent sign (ECMA-376 part 1, 18.8.10 and 18.8.31)."""
    entry = next((one for one in archive.infolist() if one.filename.lower() == _STYLES), None)
    if entry is None:
        return frozenset()
    said = b""
    for piece in _expanded(archive, entry, limits):
        said += piece
        if len(said) > SMALL_PART_BYTES_MAX:
            raise EXPANDS_TOO_FAR(limit=SMALL_PART_BYTES_MAX)
    formats = set(_PERCENT_FORMATS)
    for given in map(dict, map(_ATTRIBUTE.findall, _FORMAT.findall(said))):
        if b"%" in _QUOTED.sub(b"", given.get(b"formatCode", b"")):
            formats.add(given.get(b"numFmtId", b""))
    cells = _CELL_FORMATS.search(said)
    shown = [dict(_ATTRIBUTE.findall(one)).get(b"numFmtId") for one in _CELL_FORMAT.findall(cells[0] if cells else b"")]
    return frozenset(str(style).encode() for style, number in enumerate(shown) if number in formats)


def _parts(workbook: bytes, relations: bytes) -> list[str]:
    """The parts of the sheets in the workbook's order (ECMA-376 part 1, 18.2.19 and part 2, 9.3)."""
    targets = {}
    for relation in _RELATION.findall(relations):
        given = dict(_ATTRIBUTE.findall(relation))
        targets[given.get(b"Id", b"")] = given.get(b"Target", b"").decode("utf-8", "replace")
    return [
        target[1:] if (target := targets.get(relation_id, "")).startswith("/") else f"xl/{target}"
        for relation_id in _SHEET_ENTRY.findall(workbook)
    ]


def _expanded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits) -> Iterator[bytes]:
    """What an entry really expands to, whatever its directory entry claims."""
    claimed = entry.file_size
    entry.file_size = limits.expanded_bytes + 1
    try:
        with archive.open(entry) as part:
            while piece := part.read(PIECE_BYTES):
                yield piece
    finally:
        entry.file_size = claimed


def _not_a_workbook(names: list[str]) -> Exception:
    first = {name.lower() for name in names}
    if "xl/workbook.bin" in first:
        return NOT_XLSX(what="XLSB")
    if "content.xml" in first:
        return NOT_XLSX(what="ODS")
    if any(name.startswith("word/") for name in first):
        return NOT_XLSX(what="DOCX")
    if "index/document.iwa" in first:
        return NOT_XLSX(what="Numbers")
    return COMPRESSED(what="ZIP")


class _Extent:
    """How far a sheet's cells reach, as its XML passes by."""

    def __init__(self, percent_styles: frozenset[bytes]) -> None:
        self.errors: set[tuple[int, int]] = set()
        self.percents: set[tuple[int, int]] = set()
        self._percent_styles = percent_styles
        self._columns = 0
        self._rows = 0
        self._letters: set[bytes] = set()
        self._unplaced_rows = 0
        self._unplaced_in_row = 0
        self._unplaced = False

    @property
    def cells(self) -> int:
        """The cells of the rectangle that holds them all: what opening the sheet will take."""
        return self._columns * self._rows

    def see(self, piece: bytes) -> bytes:
        """Take in one more piece. Returns what belongs to a tag that the next piece goes on with."""
        cut = piece.rfind(b"<", max(0, len(piece) - _TAG_MAX))
        seam = piece[cut:] if cut >= 0 and b">" not in piece[cut:] else b""
        piece = piece[: len(piece) - len(seam)]
        found = _REFERENCE.findall(piece)
        if found:
            letters = {column for column, _ in found}
            for column in letters - self._letters:
                self._columns = max(self._columns, _column(column))
            self._letters |= letters
            self._rows = max(self._rows, *map(int, {row for _, row in found}))
        opened = sum(1 for _ in _CELL.finditer(piece)) if piece.count(b"<c") + piece.count(b":c") > len(found) else 0
        if opened > len(found) or self._unplaced:
            self._see_unplaced(piece)
        else:
            self._unplaced_rows += len(_ROW.findall(piece))
        if b'"e"' in piece or b"'e'" in piece:
            self.errors.update((int(row) - 1, _column(column) - 1) for column, row in _ERROR.findall(piece))
            if len(self.errors) > ERROR_CELLS_MAX:
                self.errors.clear()
        if self._percent_styles:
            for given in map(dict, map(_ATTRIBUTE.findall, _CELL_TAG.findall(piece))):
                if given.get(b"s") in self._percent_styles and (place := _PLACE.fullmatch(given.get(b"r", b""))):
                    self.percents.add((int(place[2]) - 1, _column(place[1]) - 1))
        return seam

    def _see_unplaced(self, piece: bytes) -> None:
        """Cells without a reference follow one another: rows and the cells of each have to be counted."""
        self._unplaced = True
        for row, part in enumerate(_ROW.split(piece)):
            if row:
                self._unplaced_rows += 1
                self._unplaced_in_row = 0
            self._unplaced_in_row += len(_CELL.findall(part))
            self._columns = max(self._columns, self._unplaced_in_row)
        self._rows = max(self._rows, self._unplaced_rows)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
