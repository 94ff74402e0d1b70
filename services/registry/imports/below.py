"""Notes below a table: words alone in their row, or captions to be signed and stamped at, with no data after them.

Whether data comes after them is known at the table's end, so rows that may be notes wait for it, from one batch to the
next. If data comes they were refused rows like any other, which hold their shipment back.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kernel.spreadsheet import Table
from kernel.spreadsheet.findings import Column, Finding, finding, letter_of
from kernel.spreadsheet.wording import clean_code, key_of, written
from services.registry.imports import faults

NOTES_MAX: Final = 20
"""Rows that may wait. So many lone cells are a column of something, and no notes."""

_NUMBER: Final = re.compile(r"[0-9]{7}")
"""As long a run of digits is of a number, however much of it is missing. A day is written with something between."""
_SPACES: Final = re.compile(r"\s+")
_WORDS: Final = re.compile(r"[\u4e00-\u9fff]|[A-Za-z]{2,}\s+[A-Za-z]{2,}")
"""Chinese, or two words. One word of Latin letters may be a number of old, or one misread."""
_CAPTION: Final = re.compile(r".*[：:].*|\s*年\s*月\s*日\s*", re.DOTALL)
"""A cell beside others that asks for something, or for the day. Cells of a device say things without a colon."""


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A row that may be a note: the first cell that it has, and what it is refused with if it is none."""

    row: int
    index: int
    text: str
    shipment: str | None
    found: tuple[Finding, ...]


class Below:
    """Of one table, the rows that may be notes. `illegible` are words that speak of a number that cannot be read."""

    def __init__(self, table: Table, illegible: Iterable[str]) -> None:
        header = table.header
        columns = sum(len(one.indices) for one in header.bound) + len(header.dropped)
        # Objects and columns of a database have no room for notes.
        self._possible: Final = columns > 1 and (table.text_only or table.sheet is not None)
        self._sheet: Final = table.sheet
        self._illegible: Final = tuple(map(key_of, illegible))
        self.waiting: tuple[Waiting, ...] = ()

    def takes(self, cells: Sequence[Any], row: int, shipment: str | None, found: Sequence[Finding]) -> bool:
        """Whether this refused row may be a note, and waits."""
        if not self._possible or len(self.waiting) == NOTES_MAX:
            return False
        filled = [(index, text) for index, cell in enumerate(cells) if clean_code(text := written(cell))]
        if not filled or not all(self._is_prose(text) for _, text in filled):
            return False
        if len(filled) > 1 and not all(_CAPTION.fullmatch(text) for _, text in filled):
            return False
        self.waiting += (Waiting(row, *filled[0], shipment, tuple(found)),)
        return True

    def none(self) -> tuple[Waiting, ...]:
        """Data has come: those that waited are no notes."""
        waited, self.waiting = self.waiting, ()
        return waited

    def notes(self) -> list[Finding]:
        """The table is over: those that waited are notes."""
        return [
            finding(
                faults.NOTE_BELOW(),
                one.row,
                column=Column("", letter_of(one.index), ""),
                value=one.text,
                sheet=self._sheet,
            )
            for one in self.none()
        ]

    def _is_prose(self, text: str) -> bool:
        if _NUMBER.search(_SPACES.sub("", clean_code(text))) or not _WORDS.search(text):
            return False
        key = key_of(text)
        return not any(word in key for word in self._illegible)
