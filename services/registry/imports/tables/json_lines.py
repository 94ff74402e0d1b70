"""NDJSON: one object a line. Keys are headers or fields' names; objects within the object are groups of fields."""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from kernel.refusal import Refusal
from kernel.spreadsheet import BLOCK_RECORDS_MAX, Block, Limits, Record, Table
from kernel.spreadsheet.faults import BAD_POSITION, LINE_TOO_LONG
from kernel.spreadsheet.findings import Column, shown
from kernel.spreadsheet.heading import Bound, Header, Headers
from kernel.spreadsheet.wording import key_of
from services.registry.imports.converting import Disagreement, Measured
from services.registry.imports.faults import NOT_JSON, NUMBER_AS_TEXT, TIME_WITHOUT_ZONE, UNKNOWN_FIELD
from services.registry.imports.mapping import KEY, DateField, Field, InstantField, QuantityField

BLOCK_BYTES: Final = 1 << 16
KEYS_MAX: Final = 10_000
"""Different keys whose meaning is remembered. Beyond them each is looked up again."""
_BOM: Final = b"\xef\xbb\xbf"
_ZONELESS: Final = re.compile(r".*[0-9][T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?")


class _Keys(dict[str, tuple[int, str | None] | None]):
    """The place in a record that a key's value takes, and its unit where that is not the field's own."""

    def __init__(self, headers: Headers[Field]) -> None:
        super().__init__()
        self._headers = headers
        self._places = {name: index for index, name in enumerate(headers.fields)}
        self._numbers = {name for name, field in headers.fields.items() if isinstance(field, QuantityField)}
        self._times = {
            name
            for name, field in headers.fields.items()
            if isinstance(field, DateField) or (isinstance(field, InstantField) and not field.zone)
        }
        self.width = len(self._places)

    def refused(self, found: dict[str, Any]) -> Refusal | None:
        """What the other doors would refuse too, of an object that goes by our fields' names: a key that nothing takes
        is misspelt, and what it says would be lost; a number is no text, a time has its zone. Objects by headers are
        like sheets, whose cells are as people type them and whose other columns are not kept.
        """
        for key, value in _pairs(found):
            if value is None:
                continue
            if key not in self._places and not self._headers.takes(key):
                return UNKNOWN_FIELD(field=key)
            if type(value) is str and value:
                if key in self._numbers:
                    return NUMBER_AS_TEXT(field=key, value=shown(value))
                if key in self._times and _ZONELESS.fullmatch(value.strip()):
                    return TIME_WITHOUT_ZONE(field=key, value=shown(value))
        return None

    def __missing__(self, key: str) -> tuple[int, str | None] | None:
        match = self._headers.match(key)
        place = None if match is None else (self._places[match.field], self._own_unit(match.field, match.unit))
        if len(self) < KEYS_MAX:
            self[key] = place
        return place

    def _own_unit(self, name: str, unit: str | None) -> str | None:
        """The unit that a key says, None where the field's numbers are in it anyway: so two keys compare."""
        field = self._headers.fields[name]
        same = unit is None or (isinstance(field, QuantityField) and key_of(unit) == key_of(field.unit))
        return None if same else unit


def open_json_lines(file: BinaryIO, headers: Headers[Field], limits: Limits) -> Table:
    """The one table of an NDJSON file. Its columns are all fields, whether or not a key for them comes."""
    size = file.seek(0, 2)
    file.seek(0)
    start = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
    keys = _Keys(headers)
    header = _header(file, start, headers)

    def blocks(place: int, index: int) -> Iterator[Block]:
        if not 0 <= place <= size:
            raise BAD_POSITION()
        return _blocks(file, keys, place or start, index, limits)

    return Table(header, size, blocks)


def _header(file: BinaryIO, start: int, headers: Headers[Field]) -> Header:
    """What the first objects show must have the required keys. Later ones may bring others that are known."""
    file.seek(start)
    seen: dict[str, None] = {}
    for line in file.read(BLOCK_BYTES).splitlines()[:BLOCK_RECORDS_MAX]:
        seen.update(dict.fromkeys(key for key, _ in _pairs(_object(line) or {})))
    head = headers.find([list(seen)])
    found = {one.field: one.columns[0].header for one in head.bound}
    bound = tuple(
        Bound(name, (index,), (Column(name, "", found.get(name, name)),), (None,), (0,))
        for index, name in enumerate(headers.fields)
    )
    return Header(-1, -1, bound, tuple(msgspec.structs.replace(one, letter="") for one in head.dropped))


def _blocks(file: BinaryIO, keys: _Keys, place: int, index: int, limits: Limits) -> Iterator[Block]:
    kept = b""
    while True:
        file.seek(place + len(kept))
        read = file.read(BLOCK_BYTES + len(kept))
        ended = len(read) < BLOCK_BYTES + len(kept)
        content = kept + read
        whole = len(content) if ended else content.rfind(b"\n") + 1
        lines = _by_line_feed(content[:whole])
        for begin in range(0, len(lines), BLOCK_RECORDS_MAX):
            some = lines[begin : begin + BLOCK_RECORDS_MAX]
            place += sum(map(len, some))
            yield Block(index, [_record(line, keys) for line in some], place)
            index += len(some)
        if ended:
            return
        kept = content[whole:]
        if len(kept) > limits.line_bytes:
            raise LINE_TOO_LONG(row=index + 1, limit=limits.line_bytes)


def _by_line_feed(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _record(line: bytes, keys: _Keys) -> Record | Refusal:
    """The cells of a line in the order of the fields; [] of an empty line; why it is refused where it is no object, or
    goes by fields' names and has what no door takes.
    """
    if not line.strip():
        return []
    if (found := _object(line)) is None:
        return NOT_JSON()
    if KEY in found and (refused := keys.refused(found)) is not None:
        return refused
    record: Record = [None] * keys.width
    for key, value in _pairs(found):
        if value is None or value == "":
            continue
        if (place := keys[key]) is None:
            continue
        index, unit = place
        cell = Measured(value, unit) if unit is not None else value
        record[index] = cell if record[index] in (None, cell) else Disagreement(record[index], cell)
    return record


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _pairs(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        if type(value) is dict:
            yield from ((f"{key}.{inner}", cell) for inner, cell in value.items())
        else:
            yield key, value
