"""Ledger files as the programs made them that knew schema version 1: what is in them, and how those programs wrote.

The statements are of that time and stay as they are.
"""

import os
from pathlib import Path
from typing import Final

import apsw

LEDGER_ID: Final = "8a5a4e6e-3f2b-4f5c-9d0e-1b2c3d4e5f60"
"""Made up."""

RECORDED_AT_US: Final = 1_700_000_000_000_000

_SCHEMA: Final = """
CREATE TABLE ledger (ledger_id TEXT NOT NULL) STRICT;
CREATE TABLE event (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    content_type TEXT NOT NULL,
    recorded_at_us INTEGER NOT NULL,
    id BLOB NOT NULL,
    salt BLOB NOT NULL,
    metadata BLOB NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (stream, version),
    UNIQUE (stream, id)
) STRICT;
CREATE TRIGGER event_is_never_updated BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'an event is never updated'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END;
CREATE TRIGGER ledger_is_never_renamed BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'a ledger is never renamed'); END;
CREATE TRIGGER ledger_is_never_forgotten BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'a ledger is never forgotten'); END;
"""
_INSERT: Final = """
INSERT INTO event (position, stream, version, type, content_type, recorded_at_us, id, salt, metadata, data)
VALUES (?, 's', ?, 'test.Happened', 'application/json', ?, ?, ?, x'', x'7b7d')"""
_HEAD: Final = "SELECT position, recorded_at_us FROM event ORDER BY position DESC LIMIT 1"


def make(path: Path, events: int) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.pragma("synchronous", "FULL")
    connection.pragma("journal_mode", "wal")
    with connection:
        connection.execute(_SCHEMA)
        connection.execute("INSERT INTO ledger VALUES (?)", (LEDGER_ID,))
        connection.pragma("application_id", 0x4D4C4731)
        connection.pragma("user_version", 1)
    for _ in range(events):
        append(connection)
    connection.close()


def append(connection: apsw.Connection) -> None:
    """One event at the end of stream `s`."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        position, recorded_at_us = next(connection.execute(_HEAD), (0, RECORDED_AT_US - 1))
        values = (position + 1, position, recorded_at_us + 1, os.urandom(16), os.urandom(32))
        connection.execute(_INSERT, values)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def is_refused(connection: apsw.Connection) -> bool:
    """Whether such a program refuses the file when it opens it."""
    return bool(connection.pragma("user_version") != 1)
