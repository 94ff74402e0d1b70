"""A file of any of the formats, as batches of rows ready to become commands, and of errors that can be mended.

    for part in read(file, "devices", mapping, options):
        match part:
            case Heading(): a table begins
            case Batch():   part.rows, part.errors, part.warnings; part.after is where to go on

What ends the reading as a whole is a Refusal; the batches before it stand.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec

from kernel.refusal import Refusal
from kernel.spreadsheet import Block, Limits, Record, Table
from kernel.spreadsheet.delimited import open_delimited
from kernel.spreadsheet.faults import BAD_POSITION, NO_ROWS
from kernel.spreadsheet.findings import Column, Finding, finding
from kernel.spreadsheet.heading import Bound, Headers
from kernel.spreadsheet.recognise import recognise
from kernel.spreadsheet.wording import BROKEN, clean_code, key_of, written
from services.registry.asset_number import CHECK_DIGIT, CheckDigit, strictest
from services.registry.imports import faults
from services.registry.imports.agreeing import Cells, columns_of, combined, gather
from services.registry.imports.asked import NUMBERS_JUDGED_AS_READ
from services.registry.imports.below import Below, Waiting
from services.registry.imports.converting import Context, Convert, Disagreement, converter, remembering
from services.registry.imports.mapping import KEY, SHIPMENT, Field, Mapping
from services.registry.imports.rows import Batch, Heading, Row, Value
from services.registry.imports.tables.json_lines import open_json_lines

COUNT_DIGITS_MAX: Final = 8
"""A number in the column of asset numbers that is no longer than this may be the count in a row of totals."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`today` bounds dates. of `check_digit` and the mapping's the stricter holds. `after` is a batch's, to go on
    from there.
    """

    today: date
    check_digit: CheckDigit | None = None
    after: str | None = None
    limits: Limits = Limits()


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where to go on: the table, the place and the record in it, what cells looked merged, whether any row was seen,
    which rows may be notes.
    """

    table: int = 0
    place: int = 0
    index: int = 0
    carried: tuple[str, ...] = ()
    seen: bool = False
    below: tuple[Waiting, ...] = ()


def read(file: BinaryIO, kind: str, mapping: Mapping, options: Options) -> Iterator[Heading | Batch]:
    """Headings and batches of a seekable file. Raises Refusal where the file, or the rest of it, cannot be read."""
    headers = Headers(mapping.fields(kind), KEY, mapping.ignored)
    start = _position(options.after)
    seen, after = start.seen, options.after or _written(start)
    for number, table in enumerate(_tables(file, headers, options.limits)):
        if isinstance(table, Batch):
            yield msgspec.structs.replace(table, after=after)
        elif number >= start.table:
            yield _heading(table, headers, mapping)
            here = start if number == start.table else Position(table=number)
            rows = _Normaliser(headers, mapping, options, table, number, refuses=kind in NUMBERS_JUDGED_AS_READ)
            for batch in rows.batches(here, seen=seen):
                seen, after = seen or bool(batch.rows or batch.refused), batch.after
                yield batch
    if not seen:
        raise NO_ROWS()


def _position(after: str | None) -> Position:
    if after is None:
        return Position()
    try:
        return msgspec.json.decode(after, type=Position)
    except msgspec.DecodeError as error:
        raise BAD_POSITION() from error


def _written(position: Position) -> str:
    return msgspec.json.encode(position).decode()


def _tables(file: BinaryIO, headers: Headers[Field], limits: Limits) -> Iterator[Table | Batch]:
    """The tables, each with its number; a sheet that is not read is a warning."""
    match recognise(file):
        case "delimited":
            yield open_delimited(file, headers, limits)
        case "json_lines":
            yield open_json_lines(file, headers, limits)
        case "parquet":
            # pyarrow takes a while to load and memory to keep, so only those who need it do.
            from services.registry.imports.tables.parquet import open_parquet  # noqa: PLC0415  only for those who need it

            yield open_parquet(file, headers, limits)
        case "workbook":
            from kernel.spreadsheet.workbook import SkippedSheet, open_workbook  # noqa: PLC0415  only for those who need it

            for table in open_workbook(file, headers, limits):
                yield _warning(table.sheet, table.refusal) if isinstance(table, SkippedSheet) else table


def _warning(sheet: str, refusal: Refusal) -> Batch:
    warnings = [finding(refusal, 0, sheet=sheet)]
    return Batch([], [], warnings, refused=0, skipped=0, after="", done=0, total=0, sheet=sheet)


def _heading(table: Table, headers: Headers[Field], mapping: Mapping) -> Heading:
    columns = tuple(column for one in table.header.bound for column in one.columns)
    dropped = table.header.dropped
    also = _also(columns, dropped, headers, mapping) if dropped else None
    return Heading(table.sheet, table.header.last + 1, columns, dropped, also)


def _also(
    columns: Sequence[Column], dropped: Sequence[Column], headers: Headers[Field], mapping: Mapping
) -> str | None:
    """The other kind, of those that require more, whose required columns are all here and partly dropped. One that
    requires less is no sign: a ledger of what was dismantled has the columns of devices too.
    """
    for kind, fields in mapping.kinds.items():
        other = Headers(fields, KEY, mapping.ignored)
        required, unread = other.required(), other.of(dropped)
        if len(required) > len(headers.required()) and required & unread and required <= unread | other.of(columns):
            return kind
    return None


class _Part:
    """What a block comes to."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []
        self.lacking: dict[str | None, int] = {}
        self.refused = self.skipped = 0

    def refuse(self, row: int, shipment: str | None, found: Iterable[Finding]) -> None:
        self.errors += found
        self.refused += 1
        self.lacking.setdefault(shipment, row)

    def no_notes(self, waited: Iterable[Waiting]) -> None:
        for one in waited:
            self.refuse(one.row, one.shipment, one.found)


class _Normaliser:
    """Turns the records of one table into rows."""

    def __init__(
        self, headers: Headers[Field], mapping: Mapping, options: Options, table: Table, number: int, *, refuses: bool
    ) -> None:
        """`refuses`: whether a number with a wrong check digit may be refused here."""
        self._table: Final = table
        self._number: Final = number
        self._context: Final = Context(
            today=options.today,
            check_digit=strictest(options.check_digit, mapping.check_digit) or CHECK_DIGIT,
            refuses_numbers=refuses,
            blanks=frozenset(clean_code(word).casefold() for word in mapping.blanks),
            date1904=table.date1904,
            encoding=table.encoding,
        )
        self._mapping: Final = mapping
        self._headers: Final = headers
        self._bound: Final = {one.field: one for one in table.header.bound}
        self._width: Final = 1 + max((index for one in self._bound.values() for index in one.indices), default=-1)
        self._key: Final = self._bound[KEY].indices[0]
        self._totals: Final = tuple(key_of(word) for word in mapping.totals)
        self._footers: Final = tuple(key_of(word) for word in mapping.footers)
        self._converts: Final[list[tuple[Bound, Convert]]] = []
        self._flat: Final[list[tuple[str, int, Convert]]] = []
        self._groups: Final[list[tuple[str, list[tuple[str, int, Convert]]]]] = []
        self._compile()
        self._shipment: Final = next((place for place in self._flat if place[0] == SHIPMENT), None)
        self._carried: dict[int, Any] = {}
        self._below: Final = Below(table, mapping.illegible)
        self._prepare: Final[list[Callable[[Record], None]]] = []
        self._told: Final[set[str]] = set()
        filled = [one.indices for one in self._bound.values() if headers.fields[one.field].fill_down]
        if filled:
            self._prepare.append(partial(self._fill_down, filled))
        self._prepare.extend(partial(gather, one.indices) for one in self._bound.values() if len(one.indices) > 1)

    def batches(self, start: Position, *, seen: bool) -> Iterator[Batch]:
        """A batch a block, from a position on, and one more where notes stand below the table."""
        self._carried = dict(zip(self._fill_columns(), start.carried, strict=False))
        self._below.waiting = start.below
        position = start
        for block in self._table.blocks(start.place, start.index):
            batch = self._batch(block)
            seen = seen or bool(batch.rows or batch.refused)
            carried = tuple(written(self._carried.get(column)) for column in self._fill_columns())
            index, waiting = block.first + len(block.records), self._below.waiting
            position = Position(self._number, block.after, index, carried, seen, waiting)
            yield msgspec.structs.replace(batch, after=_written(position))
        if notes := self._below.notes():
            part = _Part()
            part.warnings, part.skipped = notes, len(notes)
            after = _written(msgspec.structs.replace(position, below=()))
            yield msgspec.structs.replace(self._made(part, position.place), after=after)

    def _compile(self) -> None:
        groups: dict[str, list[tuple[str, int, Convert]]] = {}
        for name, field in self._headers.fields.items():
            index, convert = 0, _always(getattr(field, "default", None))
            if bound := self._bound.get(name):
                index, text_only = bound.indices[0], self._table.text_only
                if len(bound.indices) > 1:
                    convert = combined(bound, field, self._context, text_only=text_only)
                    self._converts.append((bound, convert))
                else:
                    convert = converter(name, field, self._context, unit=bound.units[0])
                    self._converts.append((bound, convert))
                    convert = remembering(convert, field, text_only=text_only)
            elif convert("") is None:
                continue
            group, dot, key = name.rpartition(".")
            (groups.setdefault(group, []) if dot else self._flat).append((key, index, convert))
        self._groups.extend(groups.items())

    def _batch(self, block: Block) -> Batch:
        part, below = _Part(), self._below
        first_data, width, prepare = self._table.header.last + 1, self._width, self._prepare
        pending = self._context.warnings
        for index, record in enumerate(block.records, block.first):
            if index < first_data:
                continue
            if not isinstance(record, list):
                part.no_notes(below.none())
                part.refuse(index + 1, None, [finding(record, index + 1, sheet=self._table.sheet)])
                continue
            if not any(record):
                continue
            if len(record) < width:
                record += [""] * (width - len(record))  # noqa: PLW2901  the record is ours
            as_read = record.copy() if prepare else record
            for step in prepare:
                step(record)
            try:
                values = self._values(record)
            except Refusal:
                self._refuse(part, as_read, record, index + 1)
            else:
                if below.waiting:
                    part.no_notes(below.none())
                part.rows.append(Row(index + 1, values))
                if pending:
                    part.warnings += self._warned(index + 1)
            if pending:
                pending.clear()
        return self._made(part, block.after)

    def _refuse(self, part: _Part, as_read: Record, record: Record, row: int) -> None:
        """A record that does not pass: it is no data, it may be a note, or it is refused."""
        found, not_data = self._examined(record, row)
        part.skipped += not_data
        if found:
            shipment = self._shipment_of(record)
            if not self._below.takes(as_read, row, shipment, found):
                part.no_notes(self._below.none())
                part.refuse(row, shipment, found)

    def _made(self, part: _Part, done: int) -> Batch:
        return Batch(
            part.rows,
            part.errors,
            part.warnings,
            part.refused,
            part.skipped,
            "",
            done,
            self._table.total,
            sheet=self._table.sheet,
            lacking=[] if self._shipment is None else list(part.lacking.items()),
        )

    def _shipment_of(self, record: Record) -> str | None:
        """The shipment that a refused record names, None where that cell is what is wrong."""
        if self._shipment is None:
            return None
        _, index, convert = self._shipment
        try:
            value = convert(record[index])
        except Refusal:
            return None
        return None if value is None else str(value)

    def _values(self, record: Record) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, index, convert in self._flat:
            if (value := convert(record[index])) is not None:
                values[key] = value
        for group, members in self._groups:
            inner = {key: value for key, index, convert in members if (value := convert(record[index])) is not None}
            if inner:
                values[group] = inner
        return values

    def _examined(self, record: Record, row: int) -> tuple[list[Finding], int]:
        """What is wrong with a record that does not pass, column by column; or that it is no data at all."""
        cells = [record[one.indices[0]] for one, _ in self._converts]
        if not any(clean_code(written(cell)) for cell in cells):
            return [], 0
        if self._is_no_data(record):
            return [], 1
        found = []
        for (bound, convert), cell in zip(self._converts, cells, strict=True):
            try:
                convert(cell)
            except Refusal as refusal:
                found.append(self._finding(refusal, bound, cell, row))
        return found, 0

    def _is_no_data(self, record: Record) -> bool:
        """A row of totals, a repeated header, or a signature or note below the table. None has an asset number."""
        key = key_of(written(record[self._key]))
        if key.isdigit() and len(key) > COUNT_DIGITS_MAX:
            return False
        words = [text for cell in record if isinstance(cell, str) and (text := key_of(cell))]
        first = words[0] if words else ""
        if any(_begins(word, total) for total in self._totals for word in (key, first)):
            return True
        if any(word in self._totals for word in words):
            return True
        if first.startswith(self._footers) and key in ("", first):
            return True
        match = self._headers.match(written(record[self._key]))
        return match is not None and match.field == KEY

    def _warned(self, row: int) -> Iterator[Finding]:
        """The warnings about a row; that a column is not used is said once."""
        for name, refusal, cell in self._context.warnings:
            if refusal.code == faults.COLUMN_NOT_USED.code:
                if name in self._told:
                    continue
                self._told.add(name)
            field, _, place = name.partition(" ")
            column = self._bound[field].columns[int(place or 0)]
            yield finding(refusal, row, column=column, value=_plain(cell), sheet=self._table.sheet)

    def _finding(self, refusal: Refusal, bound: Bound, cell: Any, row: int) -> Finding:
        column, value = bound.columns[0], _plain(cell)
        if isinstance(cell, Cells):
            column, value = columns_of(bound, cell.at), cell.faulty()
        return finding(refusal, row, column=column, value=value, sheet=self._table.sheet)

    def _fill_columns(self) -> list[int]:
        filled = (one for one in self._bound.values() if self._headers.fields[one.field].fill_down)
        return [index for one in filled for index in one.indices]

    def _fill_down(self, fields: list[tuple[int, ...]], record: Record) -> None:
        if not any(clean_code(written(record[index])) for index in self._bound[KEY].indices):
            return
        for indices in fields:
            if any(clean_code(written(record[index])) for index in indices):
                self._carried.update((index, record[index]) for index in indices)
            else:
                for index in indices:
                    record[index] = self._carried.get(index, "")


def _always(value: Value | None) -> Convert:
    """For a column that is not there at all: its default."""
    return lambda _cell: value


def _plain(cell: Any) -> Any:
    """A cell as an error shows it."""
    value = getattr(cell, "cell", cell)
    return value.rstrip(BROKEN) if isinstance(value, Disagreement) else value


def _begins(word: str, total: str) -> bool:
    """Whether it is a word of totals, alone or with a number or a bracket behind it."""
    return word.startswith(total) and not word[len(total) : len(total) + 1].isalpha()
