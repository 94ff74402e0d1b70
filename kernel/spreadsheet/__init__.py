"""Each kind of file as tables of records: cells by column, numbered as a person sees them, a block at a time.

Every module has `open_*`, which refuses a file it cannot read, and gives Tables whose blocks may begin wherever an
earlier block ended.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from kernel.refusal import Refusal
from kernel.spreadsheet.heading import Header

BLOCK_RECORDS_MAX: Final = 1_000
"""Records that are dealt with at once: some milliseconds, and one append."""

Record: TypeAlias = list[Any]
"""Cells by column; empty where a row is. A refusal in place of a record: why a row could not be read."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How large a file may be. CSV and NDJSON are read as they stream by and have no limit but that of a line."""

    line_bytes: int = 4 << 20
    file_bytes: int = 100 << 20
    expanded_bytes: int = 768 << 20
    sheets: int = 200
    cells: int = 6_000_000
    parquet_file_bytes: int = 1 << 30
    row_group_bytes: int = 512 << 20


class Block(msgspec.Struct, frozen=True):
    """Records in their order. `first` counts records from 0; `after` is the place where the next block begins."""

    first: int
    records: Sequence[Record | Refusal]
    after: int


class Table(msgspec.Struct, frozen=True):
    """One table. `blocks(place, index)` begins at a place that a block ended at, with the index of its next record;
    (0, 0) is the beginning, with the header among the records. `total` is in the measure of places. `text_only`: every
    cell is text, as in CSV.
    """

    header: Header
    total: int
    blocks: Callable[[int, int], Iterator[Block]]
    sheet: str | None = None
    encoding: str = "UTF-8"
    date1904: bool = False
    text_only: bool = False
