"""What is in an embedded ledger's file, and how a file of the version before becomes one of this version.

Version 1 has the log alone. Version 2 adds what stands beside it, and with it the seal.
"""

import os
from typing import Final
from uuid import UUID

import apsw

from ledger.beside import identity_draft
from ledger.port import OWN_STREAM
from ledger.recording import Clock

APPLICATION_ID: Final = 0x4D4C4731
"""`MLG1` in the file's header, as file(1) and other tools read it."""

SCHEMA_VERSION: Final = 2

LOG_ALONE: Final = 1
"""The version that is read as it is in a backup, and in a ledger becomes this one when it is opened."""

_LOG: Final = """
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

_BESIDE: Final = """
CREATE TABLE beside (
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    content_type TEXT NOT NULL,
    recorded_at_us INTEGER NOT NULL,
    id BLOB NOT NULL,
    metadata BLOB NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (stream, version),
    UNIQUE (stream, id)
) STRICT;
CREATE INDEX seal ON beside (stream) WHERE stream = '$$meterloop' AND type = '$sealed';
CREATE TRIGGER beside_is_never_updated BEFORE UPDATE ON beside
BEGIN SELECT RAISE(ABORT, 'what stands beside the log is never updated'); END;
CREATE TRIGGER beside_is_never_deleted BEFORE DELETE ON beside
BEGIN SELECT RAISE(ABORT, 'what stands beside the log is never deleted'); END;
"""

LAST: Final = """
SELECT
    ifnull(max(position), 0),
    ifnull((SELECT recorded_at_us FROM event ORDER BY position DESC LIMIT 1), 0),
    EXISTS (SELECT 1 FROM beside INDEXED BY seal WHERE stream = '$$meterloop' AND type = '$sealed')
FROM event"""
"""Where the log ends, and whether for good: one statement, for every append pays for it. The index has nothing in it
until the log is sealed, so that to ask it costs next to nothing.
"""

_SEALING: Final = """
CREATE TRIGGER IF NOT EXISTS event_is_never_added_to_a_sealed_log BEFORE INSERT ON event
BEGIN SELECT RAISE(ABORT, 'an event is never added to a sealed log'); END;
CREATE TRIGGER IF NOT EXISTS beside_is_never_added_to_a_sealed_log BEFORE INSERT ON beside
BEGIN SELECT RAISE(ABORT, 'nothing is ever added beside a sealed log'); END;
"""

INSERT_BESIDE: Final = """
INSERT INTO beside (stream, version, position, type, content_type, recorded_at_us, id, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def create(connection: apsw.Connection, clock: Clock) -> None:
    """A new ledger in an empty file."""
    connection.pragma("synchronous", "FULL")
    connection.pragma("journal_mode", "wal")
    with connection:
        connection.execute(_LOG)
        ledger_id = UUID(bytes=os.urandom(16), version=4)
        connection.execute("INSERT INTO ledger VALUES (?)", (str(ledger_id),))
        connection.pragma("application_id", APPLICATION_ID)
        _add_beside(connection, clock)


def upgrade(connection: apsw.Connection, clock: Clock) -> None:
    """Bring a file of version 1 to this one. The caller holds the writer's turn, and closes the connection where this
    fails, which takes back what was begun.

    One transaction, the header's version in it: killed at any point, the file is of the one version or the other. Those
    who have it open meanwhile, also with a program that knows version 1 only, read and write the log on.
    """
    connection.pragma("synchronous", "FULL")
    connection.execute("BEGIN IMMEDIATE")
    _add_beside(connection, clock)
    connection.execute("COMMIT")


def refuse_more(cursor: apsw.Cursor) -> None:
    """In the transaction that seals: whoever has the file open is refused by the file itself, also a program that knows
    nothing of seals.
    """
    cursor.execute(_SEALING)


def _add_beside(connection: apsw.Connection, clock: Clock) -> None:
    connection.execute(_BESIDE)
    head = connection.execute("SELECT max(position) FROM event").get or 0
    named = identity_draft(str(connection.execute("SELECT ledger_id FROM ledger").get))
    values = (OWN_STREAM, 0, head, named.type, named.content_type, clock(), named.id, named.metadata, named.data)
    connection.execute(INSERT_BESIDE, values)
    connection.pragma("user_version", SCHEMA_VERSION)
