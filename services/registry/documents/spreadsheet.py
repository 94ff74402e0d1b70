"""XLSX as it is handed over: texts stay texts, headers stay in sight, and it prints on A4.

Rows are written through to disk as they come (xlsxwriter's constant memory mode), so a sheet of any length takes the
memory of one row. Every text is written as a string cell: nothing in it is read as a formula, a link or a number.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Final, Self

import msgspec
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from kernel.documents.data import Verification
from kernel.documents.sheet import Fact, Pair, checked_by
from kernel.quantity import CivilDate
from services.registry.documents.refusals import TEXT_TOO_LONG

Value = str | int | float | None

_CELL_TEXT_MAX: Final = 32_767
"""Excel's limit for the text of one cell."""
_FOOT_MAX: Final = 100
"""Excel's limit for a footer is 255 characters, counted with its codes and doubled ampersands."""
_A4: Final = 9
_VALUE_WIDTH: Final = 76
_LINE_POINTS: Final = 17
_TINT: Final = "#F1F3F5"
_RULE: Final = "#B4BAC4"
_FONT: Final = {"font_name": "Microsoft YaHei", "font_size": 10, "valign": "vcenter"}


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a list: its header in both languages, its width in characters, and how its numbers are shown.

    Texts stand left unless `right`; what is not `printed` is there to filter by, and must come after what is.
    """

    zh: str
    en: str
    width: int
    number_format: str = "@"
    right: bool = False
    printed: bool = True


class Workbook:
    """Sheets are written one after the other, each from top to bottom. `content` is there once it is closed."""

    def __init__(self, title: Pair, verification: Verification, dated: CivilDate) -> None:
        self._file = io.BytesIO()
        self._book = xlsxwriter.Workbook(self._file, {"constant_memory": True})
        self._book.set_properties(
            {"title": " ".join(title), "author": "Meterloop", "created": datetime.combine(dated, time.min)}
        )
        # A single ampersand would begin a code of the footer.
        self._foot = checked_by(verification)[:_FOOT_MAX].replace("&", "&&")
        self._title = self._format(bold=True, font_size=16)
        self._name = self._format(bold=True, bg_color=_TINT, border=1, border_color=_RULE, text_wrap=True, indent=1)
        self._text = self._format(border=1, border_color=_RULE, num_format="@", text_wrap=True, indent=1)

    def facts(self, name: str, title: Pair, facts: Iterable[Fact]) -> None:
        """A sheet of names and values, as on the first page of the paper."""
        page = self._sheet(name, landscape=False)
        page.set_column(0, 0, 30)
        page.set_column(1, 1, _VALUE_WIDTH)
        page.set_row(0, 30)
        page.write_string(0, 0, " ".join(title), self._title)
        for row, fact in enumerate(facts, 2):
            page.set_row(row, _LINE_POINTS * _lines(fact.value))
            page.write_string(row, 0, _fitting(" ".join(filter(None, fact.name))), self._name)
            page.write_string(row, 1, _fitting(fact.value), self._text)

    def rows(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        """A list with a frozen header, repeated on every printed page."""
        page = self._sheet(name, landscape=True)
        formats = [self._column_format(column) for column in columns]
        for at, (column, numbers) in enumerate(zip(columns, formats, strict=True)):
            page.set_column(at, at, column.width, numbers)
        page.freeze_panes(1, 0)
        page.repeat_rows(0)
        page.set_row(0, 32)
        for at, column in enumerate(columns):
            page.write_string(0, at, f"{column.zh}\n{column.en}", self._name)
        last = 0
        for last, row in enumerate(rows, 1):
            for at, value in enumerate(row):
                _write(page, last, at, value, formats[at])
        page.autofilter(0, 0, last, len(columns) - 1)
        page.print_area(0, 0, last, sum(column.printed for column in columns) - 1)

    def content(self) -> bytes:
        return self._file.getvalue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._book.close()

    def _sheet(self, name: str, *, landscape: bool) -> Worksheet:
        page = self._book.add_worksheet(name)
        page.set_paper(_A4)
        if landscape:
            page.set_landscape()
        page.fit_to_pages(1, 0)
        page.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        page.set_footer(f"&L&8 {self._foot}&R&8 第 &P 页 / 共 &N 页")
        return page

    def _column_format(self, column: Column) -> Format:
        align = "right" if column.right or column.number_format != "@" else "left"
        return self._format(border=1, border_color=_RULE, num_format=column.number_format, align=align, indent=1)

    def _format(self, **properties: object) -> Format:
        return self._book.add_format({**_FONT, **properties})


def _write(page: Worksheet, row: int, column: int, value: Value, numbers: Format) -> None:
    match value:
        case None:
            page.write_blank(row, column, None, numbers)
        case str():
            page.write_string(row, column, _fitting(value), numbers)
        case _:
            page.write_number(row, column, value, numbers)


def _fitting(text: str) -> str:
    if len(text) > _CELL_TEXT_MAX:
        raise TEXT_TOO_LONG(most=f"{_CELL_TEXT_MAX:,}", length=f"{len(text):,}")
    return text


def _lines(text: str) -> int:
    """How many lines a value takes in its cell; Chinese is twice as wide as what a column's width counts."""
    widths = (sum(1 + (char > "\u2e80") for char in line) for line in text.split("\n"))
    return sum(max(1, -(-width // _VALUE_WIDTH)) for width in widths)
