"""Rows gathered by shipment until the file has been read, in a file of their own: a shipment is known by its last row,
and the last row of a file of any size may belong to the first shipment.

It is scratch: never synced, written when CACHE_BYTES are not enough, gone when it is closed. After a kill the reading
begins anew, and with it this. Every method reads or writes a file, so all of them are for a thread of their own.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from services.registry.imports.locating import Sourced
from services.registry.imports.rows import Heading, Row

CACHE_BYTES: Final = 16 << 20
"""What is held in memory, whatever the file's size: some 50,000 rows."""

_SCHEMA: Final = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -{CACHE_BYTES >> 10};
CREATE TABLE shipment (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, lacking INTEGER);
CREATE TABLE listed (
    shipment INTEGER NOT NULL, asset_no TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (shipment, asset_no)
) WITHOUT ROWID;
CREATE TABLE line (
    at INTEGER PRIMARY KEY, number INTEGER NOT NULL, heading INTEGER NOT NULL, content BLOB NOT NULL
);
BEGIN;
"""
_LIST: Final = "INSERT OR IGNORE INTO listed VALUES (?, ?, ?)"
_KEEP: Final = "INSERT INTO line VALUES (?, ?, ?, ?)"
_THERE: Final = """SELECT number, heading, content FROM listed JOIN line ON line.at = listed.at
    WHERE shipment = ? AND asset_no = ?"""
_FIRST: Final = """SELECT number, heading, content FROM listed JOIN line ON line.at = listed.at
    WHERE shipment = ? ORDER BY listed.at LIMIT 1"""
_LINES: Final = """SELECT number, heading, content, listed.at, asset_no FROM listed JOIN line ON line.at = listed.at
    WHERE shipment = ? AND asset_no > ? ORDER BY asset_no LIMIT ?"""
_NAMED: Final = "INSERT INTO shipment (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id"
_LACK: Final = "UPDATE shipment SET lacking = ? WHERE id = ? AND lacking IS NULL"
_NEXT: Final = """SELECT id, name, (SELECT count(*) FROM listed WHERE shipment = id), lacking FROM shipment
    WHERE id > ? ORDER BY id LIMIT 1"""


class Gathered:
    """The rows of one import. The file is made with the first. Raises OSError where there is no room."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._open: apsw.Connection | None = None
        self._headings: Final[list[Heading]] = []
        self._last: tuple[str, int] | None = None
        self._count = 0
        self._lacking: int | None = None
        self._encode: Final = msgspec.msgpack.Encoder().encode

    def add(self, source: Sourced) -> Sourced | None:
        """Keep a row. The one that its shipment had of this device before, None where it is the first."""
        values = source.row.values
        if not self._headings or self._headings[-1] is not source.heading:
            self._headings.append(source.heading)
        self._count += 1
        with self._asked() as store:
            shipment = self._id(store, values["shipment"])
            key = shipment, values["asset_no"]
            store.execute(_LIST, (*key, self._count))
            if store.changes():
                row = self._count, source.row.number, len(self._headings) - 1, self._encode(values)
                store.execute(_KEEP, row)
                return None
            return self._source(*_found(store, _THERE, key)[0])

    def lack(self, name: str | None, number: int) -> None:
        """Note a refused row by its number: of this shipment, or where None is named of nobody knows which."""
        if name is None:
            self._lacking = number if self._lacking is None else self._lacking
            return
        with self._asked() as store:
            store.execute(_LACK, (number, self._id(store, name)))

    def shipments(self) -> Iterator[tuple[int, str, int, int | None]]:
        """Id, name, number of rows and first refused row of each, in the order of their first rows."""
        after = 0
        while self._open is not None:
            with self._asked() as store:
                found = _found(store, _NEXT, (after,))
            if not found:
                return
            ((after, name, count, lacking),) = found
            yield after, name, count, self._lacking if lacking is None else lacking

    def rows(self, shipment: int, most: int) -> Iterator[list[Sourced]]:
        """The rows of a shipment, so many at a time. Each such part is in the order of the file."""
        after = ""
        while True:
            with self._asked() as store:
                some = _found(store, _LINES, (shipment, after, most))
            if not some:
                return
            after = some[-1][4]
            some.sort(key=itemgetter(3))
            yield [self._source(*found[:3]) for found in some]

    def row(self, name: str, asset_no: str) -> Sourced | None:
        """The row of this device in the shipment of this name."""
        with self._asked() as store:
            found = _found(store, _THERE, (self._id(store, name), asset_no))
        return self._source(*found[0]) if found else None

    def first(self, name: str) -> Sourced:
        """The first row of the shipment of this name, which has one."""
        with self._asked() as store:
            return self._source(*_found(store, _FIRST, (self._id(store, name),))[0])

    def close(self) -> None:
        """Let go of the rows. Closing twice is harmless."""
        if self._open is not None:
            self._open.close()
            self._open = None
            self._path.unlink(missing_ok=True)

    def _id(self, store: apsw.Connection, name: str) -> int:
        # Rows of a shipment mostly stand together.
        if self._last is None or self._last[0] != name:
            ((known,),) = _found(store, _NAMED, (name,))
            self._last = name, known
        return self._last[1]

    def _source(self, number: int, heading: int, content: bytes) -> Sourced:
        values: dict[str, Any] = msgspec.msgpack.decode(content)
        return Sourced(Row(number, values), self._headings[heading])

    @contextmanager
    def _asked(self) -> Iterator[apsw.Connection]:
        try:
            if self._open is None:
                self._open = self._made()
            yield self._open
        except apsw.Error as error:
            raise OSError(f"{self._path}: {error}") from error

    def _made(self) -> apsw.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        store = apsw.Connection(str(self._path))
        _found(store, _SCHEMA)
        return store


def _found(store: apsw.Connection, sql: str, values: Sequence[str | int] = ()) -> list[Any]:
    """All rows, so that no statement is left half done and none after it undone."""
    return store.execute(sql, values).fetchall()
