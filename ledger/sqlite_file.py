"""The embedded ledger's file: how it is opened, copied and examined.

Only SQLite itself ever opens the database, its -wal or its -shm: closing any other descriptor of them in the same
process would silently drop the locks of every connection in it (POSIX record locks belong to the process).
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias, cast

import apsw

from ledger.port import Rejected, Unavailable, WrongLedger
from ledger.recording import Clock, system_time_us
from ledger.sqlite_schema import APPLICATION_ID, LOG_ALONE, SCHEMA_VERSION, create, upgrade

OWNER_ONLY: Final = 0o600

BUSY_TIMEOUT_MS: Final = 10_000
"""Writers queue on the lock file, so only a foreign tool or a recovery after a crash makes a connection wait."""

WRITER_CACHE_KIB: Final = 16_384
"""So that a full append of small events is not spilled to the log before it is committed."""

CHECKPOINT_PAGES: Final = 4_000
"""The write-ahead log is copied into the database whenever a commit leaves it this long: 16 MiB."""

WAL_BYTES_KEPT: Final = 64 << 20
"""What the log's file shrinks to when it begins anew."""

BACKUP_PAGES: Final = 4_096
"""Pages of one step of a backup, 16 MiB: so often it is told how far it is, and can be broken off."""

Told: TypeAlias = Callable[[int, int], None]
"""Called with how many pages of a backup are there, of how many."""


def connect(path: Path, *, writes: bool) -> apsw.Connection:
    """A connection to a file that is there. Triggers are recursive, or INSERT OR REPLACE would delete past them."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.pragma("synchronous", "FULL")
    connection.pragma("mmap_size", 0)
    connection.pragma("recursive_triggers", value=True)
    if writes:
        connection.pragma("cache_size", -WRITER_CACHE_KIB)
        connection.pragma("journal_size_limit", WAL_BYTES_KEPT)
        connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    else:
        connection.pragma("query_only", value=True)
    return connection


def open_file(path: Path, clock: Clock = system_time_us) -> str:
    """Create the ledger in `path` unless it is there, bring it to this program's version, and return its ledger_id. The
    caller holds the writer's turn.

    Raises WrongLedger where the file is something else or newer than this program, Unavailable where it cannot be
    opened.
    """
    try:
        # The files beside it, such as its -wal, are made with the rights of this one.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"{path} cannot be opened: {error}") from error
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        if _is_empty(connection):
            create(connection, clock)
        return _ledger_id(path, connection, clock)
    except apsw.NotADBError as error:
        raise WrongLedger(f"{path} is not a ledger: {error}") from error
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be opened: {error}") from error
    finally:
        connection.close()


def _is_empty(connection: apsw.Connection) -> bool:
    return not connection.pragma("application_id") and not connection.execute("SELECT 1 FROM sqlite_schema").fetchall()


def _ledger_id(path: Path, connection: apsw.Connection, clock: Clock) -> str:
    version = _version(path, connection)
    if connection.pragma("journal_mode") != "wal":
        raise WrongLedger(f"{path} was taken out of WAL mode by another program")
    if version == LOG_ALONE:
        upgrade(connection, clock)
    return _name(connection)


def _version(path: Path, connection: apsw.Connection) -> int:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise WrongLedger(f"{path} is an SQLite database, but not a ledger")
    version = cast("int", connection.pragma("user_version"))
    if version not in {LOG_ALONE, SCHEMA_VERSION}:
        raise WrongLedger(f"{path} has schema version {version}, this program knows up to {SCHEMA_VERSION}")
    return version


def _name(connection: apsw.Connection) -> str:
    return cast("str", connection.execute("SELECT ledger_id FROM ledger").get)


def back_up(source: Path, target: Path, told: Told = lambda _here, _whole: None) -> None:
    """Through SQLite's backup API and a partial file that gets its name when it is complete and durable.

    The steps are of one state, which the reader holds on to: without it a backup that pauses begins again whenever
    somebody else writes, and on a busy log never ends.
    """
    if target.exists():
        raise Rejected(f"{target} exists, and a backup replaces nothing")
    partial = target.with_name(target.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
        reader = connect(source, writes=False)
        writer = apsw.Connection(str(partial))
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT ledger_id FROM ledger").fetchall()
            with writer.backup("main", reader, "main") as copy:
                while not copy.step(BACKUP_PAGES):
                    told(copy.page_count - copy.remaining, copy.page_count)
        finally:
            writer.close()
            reader.close()
        _synchronise(partial)
        partial.rename(target)
        _synchronise(target.parent)
    except (apsw.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise Unavailable(f"{target} cannot be written: {error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def examine(copy: Path) -> tuple[str, int]:
    """The ledger_id and the last position of a backup, all of which is read and checked; nothing is left beside it.

    Raises WrongLedger where it is no ledger, or a damaged one.
    """
    try:
        # Immutable: nobody writes to it, and the check makes no -wal of its own.
        connection = apsw.Connection(
            f"{copy.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        try:
            said = connection.execute("PRAGMA quick_check(1)").get
            if said != "ok":
                raise WrongLedger(f"{copy} is damaged: {said}")
            _version(copy, connection)
            return _name(connection), connection.execute("SELECT max(position) FROM event").get or 0
        finally:
            connection.close()
    except apsw.Error as error:
        raise WrongLedger(f"{copy} is damaged: {error}") from error


def _synchronise(path: Path) -> None:
    """A file that no connection has open, or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
