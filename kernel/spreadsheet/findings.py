"""A column of a table, and what is wrong with one of its cells."""

from typing import Final

import msgspec

from kernel.refusal import Refusal
from kernel.spreadsheet.wording import written

VALUE_SHOWN_MAX: Final = 200
"""Characters of a refused cell that are kept: enough to find it by, and no more."""


class Column(msgspec.Struct, frozen=True, array_like=True):
    """The field that a column fills (none where it is dropped), its letter in a spreadsheet, its header as there."""

    field: str
    letter: str
    header: str


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with one cell, or with a row as a whole (then `column` and `header` are empty)."""

    row: int
    code: str
    zh: str
    en: str
    value: str = ""
    field: str = ""
    column: str = ""
    header: str = ""
    sheet: str | None = None


def finding(
    refusal: Refusal, row: int, *, column: Column | None = None, value: object = "", sheet: str | None = None
) -> Finding:
    """A refusal at its place."""
    return Finding(
        row=row,
        code=refusal.code,
        zh=refusal.zh,
        en=refusal.en,
        value=shown(value),
        field=column.field if column else "",
        column=column.letter if column else "",
        header=column.header if column else "",
        sheet=sheet,
    )


def shown(value: object) -> str:
    """A cell as an error shows it."""
    text = written(value)[: VALUE_SHOWN_MAX + 1].encode("utf-8", "replace").decode()
    return text if len(text) <= VALUE_SHOWN_MAX else text[: VALUE_SHOWN_MAX - 1] + "…"


def letter_of(index: int) -> str:
    """A column's letter: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
