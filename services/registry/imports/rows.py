"""What reading yields: where the columns are, then batches of rows and of errors. These cross the pipe as they are."""

from typing import Any, TypeAlias

import msgspec

from kernel.spreadsheet.findings import Column, Finding

Value: TypeAlias = str | int | bool


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
