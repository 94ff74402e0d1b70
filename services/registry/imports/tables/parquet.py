"""Parquet: columns by name, a few rows at a time, only those columns that a field takes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kernel.quantity import BUSINESS_ZONE, instant_of_us
from kernel.spreadsheet import BLOCK_RECORDS_MAX, Block, Limits, Record, Table
from kernel.spreadsheet.faults import BAD_POSITION, DAMAGED, EXPANDS_TOO_FAR, TOO_LARGE, TOO_MANY_CELLS
from kernel.spreadsheet.findings import shown
from kernel.spreadsheet.heading import COLUMNS_MAX, Headers
from services.registry.imports.faults import COLUMNS_UNKNOWN
from services.registry.imports.mapping import KEY, Field

_FAULTS: Final = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError)


class _Opened(NamedTuple):
    """An open file, the rows of each of its groups, the names of all its columns and of those wanted."""

    file: pq.ParquetFile
    sizes: list[int]
    names: list[str]
    wanted: list[str]


def open_parquet(file: BinaryIO, headers: Headers[Field], limits: Limits) -> Table:
    """The one table of a Parquet file."""
    size = file.seek(0, 2)
    if size > limits.parquet_file_bytes:
        raise TOO_LARGE(found=size, limit=limits.parquet_file_bytes)
    file.seek(0)
    try:
        opened = pq.ParquetFile(file, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
        names = opened.schema_arrow.names
        metadata = opened.metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    except _FAULTS as error:
        raise DAMAGED(what="Parquet") from error
    if len(names) > COLUMNS_MAX:
        raise TOO_MANY_CELLS(found=len(names), limit=COLUMNS_MAX)
    if any(group.total_byte_size > limits.row_group_bytes for group in groups):
        raise EXPANDS_TOO_FAR(limit=limits.row_group_bytes)
    header = headers.find([names])
    if KEY in names and (unknown := [name for name in names if not headers.takes(name)]):
        # By our fields' own names it is no sheet of which some columns are wanted: these are misspelt.
        raise COLUMNS_UNKNOWN(columns=", ".join(map(shown, unknown)))
    wanted = [names[index] for one in header.bound for index in one.indices]
    sizes = [group.num_rows for group in groups]

    def blocks(place: int, index: int) -> Iterator[Block]:
        if place != index or not 0 <= place <= sum(sizes):
            raise BAD_POSITION()
        return _blocks(_Opened(opened, sizes, names, wanted), place)

    return Table(headers.bind([(name,) for name in names], -1, -1), sum(sizes), blocks)


def _blocks(opened: _Opened, place: int) -> Iterator[Block]:
    first = 0
    for group, size in enumerate(opened.sizes):
        if first + size > place:
            yield from _group(opened, group, first, place)
        first += size


def _group(opened: _Opened, group: int, first: int, place: int) -> Iterator[Block]:
    batches = opened.file.iter_batches(BLOCK_RECORDS_MAX, row_groups=[group], columns=opened.wanted, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            columns = {name: _cells(batch.column(i)) for i, name in enumerate(batch.schema.names)}
        except _FAULTS as error:
            raise DAMAGED(what="Parquet") from error
        empty = [None] * batch.num_rows
        records: list[Record] = [
            list(cells) for cells in zip(*(columns.get(name, empty) for name in opened.names), strict=True)
        ]
        after = first + batch.num_rows
        if after > place:
            skip = max(place - first, 0)
            yield Block(first + skip, records[skip:], after)
        first = after


def _cells(column: Any) -> list[Any]:
    """Python values. Moments with a zone come as moments in Asia/Shanghai; bytes that are text as text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        values = pc.cast(column, pa.timestamp("us", kind.tz), safe=False)
        if kind.tz is None:
            return list(values.to_pylist())
        ticks = pc.cast(values, pa.int64()).to_pylist()
        return [None if us is None else instant_of_us(us).astimezone(BUSINESS_ZONE) for us in ticks]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return list(pc.cast(column, pa.large_string()).to_pylist())
        except pa.ArrowInvalid:
            return list(column.to_pylist())
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        # No field takes these, and those finer than a microsecond have no Python value.
        return [timedelta() if valid else None for valid in column.is_valid().to_pylist()]
    return list(column.to_pylist())
