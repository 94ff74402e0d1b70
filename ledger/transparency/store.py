"""What the sequencer knows of itself: how far it has signed, what it has published, its keys. One SQLite file.

It is kept apart from the tiles on purpose: whatever happens to them, a checkpoint that was signed here is never
contradicted. Every change is one transaction, durable when the call returns (`synchronous=FULL`). Where a call raises,
it is not known whether the change was made: read again before anything else is done.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw
import msgspec

from ledger.transparency.faults import MOVED

APPLICATION_ID: Final = 0x4D4C5331
"""`MLS1` in the file's header."""

SCHEMA_VERSION: Final = 1
OWNER_ONLY: Final = 0o600
BUSY_TIMEOUT_MS: Final = 2_000
"""Others read, and now and then change a key: nothing of it takes long."""


_NEVER_CONTRADICTED: Final = """
CREATE TRIGGER signed_is_never_contradicted BEFORE UPDATE ON signed
WHEN NEW.ledger_id <> OLD.ledger_id OR NEW.origin <> OLD.origin OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'what was signed is never contradicted'); END;
"""

_SCHEMA: Final = f"""
CREATE TABLE signed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    ledger_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    position INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    signed_at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE published (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    note BLOB NOT NULL,
    published_at_us INTEGER NOT NULL,
    day TEXT NOT NULL,
    day_bytes INTEGER NOT NULL,
    added BLOB NOT NULL,
    swept INTEGER NOT NULL,
    settled INTEGER NOT NULL
) STRICT;
CREATE TABLE key (
    number INTEGER PRIMARY KEY,
    file TEXT NOT NULL UNIQUE,
    vkey TEXT NOT NULL UNIQUE,
    since_us INTEGER NOT NULL,
    until_us INTEGER
) STRICT;
CREATE TRIGGER signed_is_never_shortened BEFORE UPDATE ON signed WHEN NEW.size < OLD.size
BEGIN SELECT RAISE(ABORT, 'a log never becomes shorter'); END;
CREATE TRIGGER signed_is_never_forgotten BEFORE DELETE ON signed
BEGIN SELECT RAISE(ABORT, 'what was signed is never forgotten'); END;
{_NEVER_CONTRADICTED}CREATE TRIGGER key_is_never_forgotten BEFORE DELETE ON key
BEGIN SELECT RAISE(ABORT, 'a key of the log is never forgotten'); END;
"""


class Cursor(msgspec.Struct, frozen=True):
    """The largest tree that was signed: of which ledger, under which name, up to which position, with which commitment
    as its last entry (empty where there is none), and the note, signed by the log alone.
    """

    ledger_id: str
    origin: str
    size: int
    position: int
    commitment: bytes
    root: bytes
    note: bytes
    signed_at_us: int


class Published(msgspec.Struct, frozen=True):
    """The newest published checkpoint, with its cosignatures. `day` is the file it stands in, which before it was
    added had `day_bytes`; `added` is what was added, nothing where the same note stood there. Partial tiles are gone
    below `swept` entries. `settled`: all of that has been done.
    """

    size: int
    note: bytes
    published_at_us: int
    day: str
    day_bytes: int
    added: bytes
    swept: int
    settled: bool


class LogKey(msgspec.Struct, frozen=True):
    """A key of the log: the file its private half is in, and when it signs. `until_us`: None for the newest."""

    number: int
    file: str
    vkey: str
    since_us: int
    until_us: int | None


class SequencerStore:
    """One connection, used by one thread at a time. Another process may read, and change keys."""

    def __init__(self, path: Path) -> None:
        """Open the file, made where there is none. Raises OSError, apsw.Error."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
        self._path: Final = path
        self._connection = _connected(path)
        self._broken = False

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _asked(self) -> Iterator[apsw.Connection]:
        """The connection. After an error it is made anew, for nobody knows which locks the one before holds."""
        if self._broken:
            self._connection.close()
            self._connection = _connected(self._path)
            self._broken = False
        try:
            yield self._connection
        except apsw.Error:
            self._broken = True
            raise

    @contextmanager
    def _changed(self) -> Iterator[apsw.Connection]:
        """As above, in one transaction."""
        with self._asked() as connection, connection:
            yield connection

    def cursor(self) -> Cursor | None:
        """How far was signed; None where nothing was."""
        with self._asked() as connection:
            row = connection.execute(
                "SELECT ledger_id, origin, size, position, commitment, root, note, signed_at_us FROM signed"
            ).fetchone()
        return None if row is None else Cursor(*row)

    def begin(self, cursor: Cursor) -> None:
        """The first cursor. Raises LogFault (log.moved) where there is one."""
        with self._changed() as connection:
            connection.execute(
                "INSERT INTO signed VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                msgspec.structs.astuple(cursor),
            )
            _must_have_changed(connection)

    def swap(self, old: Cursor, new: Cursor) -> None:
        """The new cursor in place of the old. Raises LogFault (log.moved) where the old one is not there any more."""
        with self._changed() as connection:
            connection.execute(
                "UPDATE signed SET (ledger_id, origin, size, position, commitment, root, note, signed_at_us) ="
                " (?, ?, ?, ?, ?, ?, ?, ?) WHERE size = ? AND root = ? AND note = ? AND signed_at_us = ?",
                (*msgspec.structs.astuple(new), old.size, old.root, old.note, old.signed_at_us),
            )
            _must_have_changed(connection)

    def move(self, old: Cursor, ledger_id: str, position: int) -> None:
        """Let what was signed be of another ledger, which holds the same events, the last of them at this position.
        Raises LogFault (log.moved) where the old cursor is not there any more.
        """
        with self._changed() as connection:
            # Until the transaction ends nobody else sees the table without it.
            connection.execute("DROP TRIGGER signed_is_never_contradicted")
            connection.execute(
                "UPDATE signed SET (ledger_id, position) = (?, ?)"
                " WHERE ledger_id = ? AND size = ? AND root = ? AND note = ?",
                (ledger_id, position, old.ledger_id, old.size, old.root, old.note),
            )
            _must_have_changed(connection)
            connection.execute(_NEVER_CONTRADICTED)

    def published(self) -> Published | None:
        """The newest published checkpoint; None where there is none."""
        with self._asked() as connection:
            row = connection.execute(
                "SELECT size, note, published_at_us, day, day_bytes, added, swept, settled FROM published"
            ).fetchone()
        if row is None:
            return None
        return msgspec.structs.replace(Published(*row), settled=bool(row[-1]))

    def publish(self, published: Published) -> None:
        """Let this be the newest published checkpoint from now on."""
        with self._changed() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO published VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
                msgspec.structs.astuple(published),
            )

    def log_keys(self) -> list[LogKey]:
        """All keys there ever were, the newest last."""
        with self._asked() as connection:
            rows = connection.execute("SELECT number, file, vkey, since_us, until_us FROM key ORDER BY number")
            return [LogKey(*row) for row in rows]

    def add_key(self, file: str, vkey: str, now_us: int, ending: Mapping[int, int]) -> None:
        """A new key; those before, by their number, sign along until then."""
        with self._changed() as connection:
            for number, until_us in ending.items():
                connection.execute("UPDATE key SET until_us = ? WHERE number = ?", (until_us, number))
            connection.execute(
                "INSERT INTO key (file, vkey, since_us, until_us) VALUES (?, ?, ?, NULL)", (file, vkey, now_us)
            )


def _connected(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.pragma("synchronous", "FULL")
    connection.pragma("journal_mode", "wal")
    connection.pragma("mmap_size", 0)
    with connection:
        if connection.pragma("application_id") != APPLICATION_ID:
            connection.execute(_SCHEMA)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", SCHEMA_VERSION)
    return connection


def _must_have_changed(connection: apsw.Connection) -> None:
    if connection.changes() != 1:
        raise MOVED()
