"""CSV: UTF-8 or GB18030, separated by comma, semicolon or tab, any line ends, read as it streams by.

Neither encoding uses the bytes of a line end within another character, so bytes are cut at line ends before they are
decoded, and a place to go on from is a plain offset.
"""

import csv
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any, BinaryIO, Final

import msgspec

from kernel.refusal import Unreadable
from kernel.spreadsheet import BLOCK_RECORDS_MAX, Block, Limits, Record, Table
from kernel.spreadsheet.faults import (
    BAD_POSITION,
    CELL_TOO_LONG,
    ENCODING_UNKNOWN,
    LINE_TOO_LONG,
    NO_HEADER,
    QUOTE_NOT_CLOSED,
)
from kernel.spreadsheet.heading import HEADER_ROWS_MAX, Header, Headers
from kernel.spreadsheet.wording import BROKEN

BLOCK_BYTES: Final = 1 << 16
SAMPLE_BYTES: Final = 1 << 20
SEPARATORS: Final = (",", "\t", ";")
_BOM: Final = b"\xef\xbb\xbf"
_END_OF_BLOCK: Final = "\0\0"
_FAR_EAST: Final = "\u2e80"
"""Where the writing of China, Korea and Japan begins."""


class _Dialect(msgspec.Struct, frozen=True):
    encoding: str
    separator: str
    start: int
    skipped: int
    """Records before the first that were read away: the `sep=;` line of a spreadsheet."""


def open_delimited(file: BinaryIO, headers: Headers[Any], limits: Limits) -> Table:
    """The one table of a CSV file."""
    size = file.seek(0, 2)
    file.seek(0)
    start = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
    sample = _first_strange(file)
    encoding = "utf-8" if start or _is_utf8(sample) else "gb18030"
    try:
        dialect, header = _separated(file, encoding, start, headers, limits)
    except Unreadable as refusal:
        if refusal.code == NO_HEADER.code and BROKEN in sample.decode(encoding, "replace"):
            raise ENCODING_UNKNOWN() from refusal
        raise

    def blocks(place: int, index: int) -> Iterator[Block]:
        if not 0 <= place <= size:
            raise BAD_POSITION()
        return _blocks(file, dialect, place or dialect.start, index or dialect.skipped, limits)

    return Table(header, size, blocks, encoding=encoding.upper(), text_only=True)


def _first_strange(file: BinaryIO) -> bytes:
    """The first megabyte that has anything but ASCII in it, up to a line end."""
    file.seek(0)
    while (sample := file.read(SAMPLE_BYTES)) and sample.isascii():
        pass
    return sample + file.readline(SAMPLE_BYTES)


def _is_utf8(sample: bytes) -> bool:
    """Whether it is UTF-8, though perhaps damaged here and there.

    Chinese in GB18030 taken for UTF-8 gives damage and letters of two bytes, hardly ever a Chinese character of three.
    The other way round one cannot tell: two characters of UTF-8 are three of GB18030.
    """
    strange = [character for character in sample.decode("utf-8", "replace") if character > "\x7f"]
    chinese = sum(1 for character in strange if character >= _FAR_EAST and character != BROKEN)
    return BROKEN not in strange or 2 * chinese > len(strange)


def _separated(
    file: BinaryIO, encoding: str, start: int, headers: Headers[Any], limits: Limits
) -> tuple[_Dialect, Header]:
    """The separator under which the header fills most fields. A `sep=` line, which spreadsheets write, decides."""
    file.seek(start)
    first = file.readline(64).decode(encoding, "replace").strip().strip('"')
    if first[:4].lower() == "sep=" and first[4:] in ("", *SEPARATORS):
        candidates, skipped, start = [first[4:] or "\t"], 1, file.tell()
    else:
        candidates, skipped = list(SEPARATORS), 0
    heads = []
    for separator in candidates:
        dialect = _Dialect(encoding, separator, start, skipped)
        head = _head(file, dialect, limits)
        best = headers.best(head)
        heads.append((len(best.bound) if best else 0, dialect, head))
    _, dialect, head = max(heads, key=lambda one: one[0])
    header = headers.find(head)
    return dialect, msgspec.structs.replace(header, first=header.first + skipped, last=header.last + skipped)


def _head(file: BinaryIO, dialect: _Dialect, limits: Limits) -> list[Record]:
    """The first records. A fault below the header is told when the reading comes to it."""
    head: list[Record] = []
    with suppress(Unreadable):
        for block in _blocks(file, dialect, dialect.start, 0, limits):
            head += (record for record in block.records if isinstance(record, list))
            if len(head) >= HEADER_ROWS_MAX:
                break
    return head[:HEADER_ROWS_MAX]


def _blocks(file: BinaryIO, dialect: _Dialect, place: int, index: int, limits: Limits) -> Iterator[Block]:
    """Whole records. One that goes on beyond what was read is read again, with twice as much."""
    wanted = BLOCK_BYTES
    while True:
        file.seek(place)
        content = file.read(wanted)
        ended = len(content) < wanted
        whole = len(content) if ended else _after_last_line(content)
        records, used, hopeless = _parsed(content[:whole], dialect)
        yield from _cut(records, content[:used], dialect, place, index)
        index += len(records)
        place += used
        if hopeless and b'"' not in content[used:whole]:
            raise CELL_TOO_LONG(row=index + 1, limit=csv.field_size_limit())
        if hopeless or (ended and used < len(content)):
            raise QUOTE_NOT_CLOSED(row=index + 1)
        if ended:
            return
        wanted = BLOCK_BYTES if used else 2 * wanted
        if wanted > limits.line_bytes:
            raise LINE_TOO_LONG(row=index + 1, limit=limits.line_bytes)


def _after_last_line(content: bytes) -> int:
    """Where the last line end ends. A final CR does not count: its LF may be yet to come."""
    return max(content.rfind(b"\n"), content.rfind(b"\r", 0, len(content) - 1)) + 1


def _lines(content: bytes, dialect: _Dialect) -> StringIO:
    text = content.decode(dialect.encoding, "replace")
    if not text.endswith(("\n", "\r")):
        text += "\n"
    return StringIO(text + _END_OF_BLOCK, newline="")


def _parsed(content: bytes, dialect: _Dialect) -> tuple[list[Record], int, bool]:
    """The whole records of whole lines, the bytes they take, and whether it is hopeless to read on for more.

    A line of our own is added at the end. Where it comes out as a record of its own, no quotation mark is open.
    """
    if not content:
        return [], 0, False
    try:
        records: list[Record] = list(csv.reader(_lines(content, dialect), delimiter=dialect.separator))
    except csv.Error:
        records = []
    if records and records[-1] == [_END_OF_BLOCK]:
        records.pop()
        return records, len(content), False
    records, ends, hopeless = _one_by_one(content, dialect)
    lines = content.splitlines(keepends=True)
    return records, sum(map(len, lines[: ends[-1] if ends else 0])), hopeless


def _one_by_one(content: bytes, dialect: _Dialect) -> tuple[list[Record], list[int], bool]:
    """The whole records, and after how many lines each of them ends. A cell too long for the csv module is hopeless."""
    reader = csv.reader(_lines(content, dialect), delimiter=dialect.separator)
    records: list[Record] = []
    ends: list[int] = []
    try:
        for record in reader:
            if record[-1:] and record[-1].endswith(_END_OF_BLOCK):
                break
            records.append(record)
            ends.append(reader.line_num)
    except csv.Error:
        return records, ends, True
    return records, ends, False


def _cut(records: list[Record], content: bytes, dialect: _Dialect, place: int, index: int) -> Iterator[Block]:
    """Blocks of not too many records, each with the place where it ends."""
    if len(records) <= BLOCK_RECORDS_MAX:
        if records:
            yield Block(index, records, place + len(content))
        return
    lines = content.splitlines(keepends=True)
    ends = _one_by_one(content, dialect)[1] if b'"' in content else range(1, len(records) + 1)
    begin = 0
    for start in range(0, len(records), BLOCK_RECORDS_MAX):
        some = records[start : start + BLOCK_RECORDS_MAX]
        end = ends[start + len(some) - 1]
        place += sum(map(len, lines[begin:end]))
        begin = end
        yield Block(index + start, some, place)
