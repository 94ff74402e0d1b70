"""Files of every format made from rows, and what reading them gives. Every number here is made up: unit 99401."""

import io
from datetime import date, datetime

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from services.registry import asset_number
from services.registry.imports import mapping
from services.registry.imports.reading import Options, read
from services.registry.imports.rows import Batch, Heading

TODAY = date(2025, 6, 1)
DEFAULT = mapping.load()


def wall(*parts):
    """A moment as a clock on the wall shows it, without a zone: what a cell holds."""
    return datetime(*parts)  # noqa: DTZ001  that is the point


def number(serial, unit="99401"):
    return asset_number.compose(unit, "01", f"{serial:014d}")


def as_csv(rows, *, encoding="utf-8", separator=",", line_end="\n"):
    """CSV as a spreadsheet writes it: quoted where that is needed."""

    def cell(value):
        text = "" if value is None else str(value)
        needs = any(mark in text for mark in (separator, '"', "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if needs else text

    return line_end.join(separator.join(map(cell, row)) for row in rows).encode(encoding)


def as_xlsx(rows, *, sheets=None, options=None, decorate=None):
    """A workbook. Cells are text, numbers or dates as given; `sheets` gives several by name."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, **(options or {})}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, content in (sheets or {"台账": rows}).items():
            sheet = book.add_worksheet(name)
            for r, row in enumerate(content):
                for c, value in enumerate(row):
                    if isinstance(value, date):
                        sheet.write_datetime(r, c, value, day)
                    elif isinstance(value, str):
                        sheet.write_string(r, c, value)
                    elif value is not None:
                        sheet.write(r, c, value)
            if decorate:
                decorate(book, sheet)
    return target.getvalue()


def as_ndjson(rows):
    header, *data = rows
    lines = ({key: value for key, value in zip(header, row, strict=False) if value is not None} for row in data)
    return b"\n".join(msgspec.json.encode(line) for line in lines)


def as_parquet(rows, *, row_group_size=1000):
    header, *data = rows
    columns = list(zip(*data, strict=True)) or [() for _ in header]
    table = pa.Table.from_arrays([pa.array(list(column)) for column in columns], names=list(header))
    target = io.BytesIO()
    pq.write_table(table, target, row_group_size=row_group_size)
    return target.getvalue()


class Result:
    """All that came of reading."""

    def __init__(self, parts):
        self.headings = [part for part in parts if isinstance(part, Heading)]
        self.batches = [part for part in parts if isinstance(part, Batch)]
        self.rows = [row for batch in self.batches for row in batch.rows]
        self.values = [row.values for row in self.rows]
        self.errors = [error for batch in self.batches for error in batch.errors]
        self.warnings = [warning for batch in self.batches for warning in batch.warnings]
        self.skipped = sum(batch.skipped for batch in self.batches)
        self.refused = sum(batch.refused for batch in self.batches)

    @property
    def codes(self):
        return [error.code for error in self.errors]


def result_of(content, kind="devices", *, mapping=DEFAULT, today=TODAY, **options):
    return Result(list(read(io.BytesIO(content), kind, mapping, Options(today=today, **options))))


def with_fields(kind, text):
    """The default mapping with fields of a kind added or changed, in YAML."""
    lines = "\n".join(f"    {line}" for line in text.strip().splitlines())
    return mapping.parse(f"extends: default\nkinds:\n  {kind}:\n{lines}\n".encode())


def shortly(value):
    """A name for an example."""
    return ascii(value)[:40] if isinstance(value, str | float | int | bool | bytes) else None
