"""What reading yields: where the columns are, then batches of rows and of errors. These cross the pipe as they are."""

from typing import Any, Final, TypeAlias

import msgspec

from kernel.refusal import Refusal
from services.registry.imports.wording import written

VALUE_SHOWN_MAX: Final = 200
"""Characters of a refused cell that are kept: enough to find it by, and no more."""

Value: TypeAlias = str | int | bool


class Column(msgspec.Struct, frozen=True, array_like=True):
    """The field that a column fills (none where it is dropped), its letter in a spreadsheet, its header as there."""

    field: str
    letter: str
    header: str


class Heading(msgspec.Struct, frozen=True, tag="heading"):
    """A table begins. `row` is that of its header (0 where the format names columns itself). `dropped` are columns that
    no field takes, by letter and header; their cells are not kept. `also` is the other kind whose required columns are
    here and partly among those.
    """

    sheet: str | None
    row: int
    columns: tuple[Column, ...]
    dropped: tuple[Column, ...] = ()
    also: str | None = None


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


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One accepted row. `number` is what a person sees beside it in the spreadsheet; `values` are plain: text, whole
    numbers, true or false, dates and times as ISO 8601 text, one level of dictionaries where a field has a dot.
    """

    number: int
    values: dict[str, Any]


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """Some rows in their order, and what was wrong with others. Never both of one row: a row passes whole or not.
    Where each row is a command, `rows` is empty and `commands` holds them in MessagePack: see planning.py.

    `errors` refuse their rows, `refused` says how many rows; `warnings` concern rows that pass. `skipped` counts rows
    that are not data: totals, repeated headers, signatures and notes below the table. `after` is where to go on once
    this batch has been dealt with. `done` of `total` (bytes or rows) tells how far the reading is. `lacking` are the
    shipments that refused rows name, each with the number of the first of these; None where such a row does not say
    which.
    """

    rows: list[Row]
    errors: list[Finding]
    warnings: list[Finding]
    refused: int
    skipped: int
    after: str
    done: int
    total: int
    sheet: str | None = None
    commands: bytes = b""
    lacking: list[tuple[str | None, int]] = []


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
