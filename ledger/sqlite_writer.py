"""The one thread of a process that writes to an embedded ledger.

Appends that arrive while another is being made durable are committed together (group commit): the disk's
synchronisation, which dominates, is paid once for all of them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, TypeAlias

import apsw

from ledger.port import Append, LedgerError, Receipt, Unavailable
from ledger.recording import Clock, place, salts
from ledger.sqlite_file import BUSY_TIMEOUT_MS, connect
from ledger.sqlite_lock import WriterTurn

GROUP_EVENTS_MAX: Final = 10_000
"""Events committed together, so that the first of a group does not wait long for the last."""

CHECKPOINT_PAGES: Final = 4_000
"""Pages of 4 KiB written to the log between two checkpoints: 16 MiB."""

WAL_PAGES_MAX: Final = 16_000
"""From 64 MiB on, wait for readers so that the log can begin anew; their reads are short."""

RESTART_TIMEOUT_MS: Final = 1_000
"""How long a checkpoint waits for them; a backup reads longer, and the log grows meanwhile."""

_INSERT: Final = """
INSERT INTO event (stream, version, type, content_type, recorded_at_us, id, salt, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_HEADS: Final = "SELECT value, (SELECT max(version) FROM event WHERE stream = value) FROM carray(?)"
_KNOWN: Final = "SELECT stream, id, version, position FROM event WHERE stream = ? AND id = ?"
_LAST_RECORDED_AT: Final = "SELECT recorded_at_us FROM event ORDER BY position DESC LIMIT 1"

Outcome: TypeAlias = Receipt | Exception

_log = logging.getLogger(__name__)


class Job:
    """An append under way, and who waits for it."""

    __slots__ = ("appends", "events", "future", "loop")

    def __init__(self, appends: Sequence[Append], events: int, loop: asyncio.AbstractEventLoop) -> None:
        self.appends = appends
        self.events = events
        self.loop = loop
        self.future: asyncio.Future[Receipt] = loop.create_future()


class Writer:
    """`committed` is called on the event loop after each group that added something."""

    def __init__(self, path: Path, turn: WriterTurn, clock: Clock, committed: Callable[[], None]) -> None:
        self._path = path
        self._turn = turn
        self._clock = clock
        self._committed = committed
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._connection: apsw.Connection | None = None
        self._inode = 0
        self._wal_pages = 0
        self._wal_pages_checkpointed = 0
        self._thread = Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._queue.put(job)

    def close(self) -> None:
        """Blocks until what was submitted is written."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            first = self._queue.get()
            if first is None:
                break
            jobs = [first]
            try:
                with self._turn:
                    closing = self._gather(jobs)
                    outcomes = self._commit(jobs)
            except OSError as error:
                outcomes = [Unavailable(f"the lock file cannot be locked: {error}") for _ in jobs]
            self._settle(jobs, outcomes)
            self._checkpoint()
        self._disconnect()

    def _gather(self, jobs: list[Job]) -> bool:
        """Add what has queued up meanwhile; True when asked to close."""
        events = jobs[0].events
        while events < GROUP_EVENTS_MAX:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return False
            if job is None:
                return True
            jobs.append(job)
            events += job.events
        return False

    def _commit(self, jobs: list[Job]) -> list[Outcome]:
        """Write all jobs in one transaction; where that fails, each in its own, so that none suffers for another."""
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            recorded_at_us = connection.execute(_LAST_RECORDED_AT).get or 0
            outcomes: list[Outcome] = []
            for job in jobs:
                recorded_at_us = max(self._clock(), recorded_at_us)
                outcomes.append(_record(connection, job, recorded_at_us))
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, its waiters hear of it and the thread lives on
            self._disconnect()
            if len(jobs) > 1:
                return list(chain.from_iterable(self._commit([job]) for job in jobs))
            return [Unavailable(f"{self._path}: {error}") if isinstance(error, apsw.Error | OSError) else error]
        return outcomes

    def _connected(self) -> apsw.Connection:
        """The writing connection; a new one after an error, or where the file is no longer the one that was opened."""
        inode = self._path.stat().st_ino
        if self._connection is not None and inode != self._inode:
            self._disconnect()
        if self._connection is None:
            self._connection = connect(self._path, writes=True)
            self._connection.set_wal_hook(self._on_commit)
            self._inode = inode
        return self._connection

    def _disconnect(self) -> None:
        """Closing rolls back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(apsw.Error):
                connection.close(force=True)

    def _settle(self, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        grown = any(isinstance(outcome, Receipt) and not outcome.repeated for outcome in outcomes)

        def settle() -> None:
            for job, outcome in zip(jobs, outcomes, strict=True):
                if job.future.done():
                    continue
                if isinstance(outcome, Receipt):
                    job.future.set_result(outcome)
                else:
                    job.future.set_exception(outcome)
            if grown:
                self._committed()

        with contextlib.suppress(RuntimeError):  # the loop was closed while its appends were under way
            jobs[0].loop.call_soon_threadsafe(settle)

    def _on_commit(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the log into the database before it grows long. Done after the waiters were answered."""
        if self._wal_pages < self._wal_pages_checkpointed:
            self._wal_pages_checkpointed = 0
        if self._connection is None or self._wal_pages - self._wal_pages_checkpointed < CHECKPOINT_PAGES:
            return
        self._wal_pages_checkpointed = self._wal_pages
        restart = self._wal_pages >= WAL_PAGES_MAX
        try:
            if restart:
                self._connection.set_busy_timeout(RESTART_TIMEOUT_MS)
            self._connection.wal_checkpoint(
                mode=apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE
            )
            self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        except apsw.BusyError:
            self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        except apsw.Error as error:
            _log.warning("%s: checkpoint failed: %s", self._path, error)
            self._disconnect()


def _record(connection: apsw.Connection, job: Job, recorded_at_us: int) -> Outcome:
    """Look before writing: what is refused has written nothing, so nothing needs undoing for its neighbours."""
    if job.future.cancelled():
        return Unavailable("cancelled before it was written")
    appends = job.appends
    streams = tuple(append.stream for append in appends)
    heads = {stream: head for stream, head in connection.execute(_HEADS, (apsw.carray(streams),)) if head is not None}
    keys = [(append.stream, draft.id) for append in appends if append.stream in heads for draft in append.drafts]
    known = {(row[0], row[1]): (row[2], row[3]) for row in connection.executemany(_KNOWN, keys)} if keys else {}
    try:
        placed = place(appends, heads, known)
    except LedgerError as refused:
        return refused
    if isinstance(placed, Receipt):
        return placed
    connection.executemany(_INSERT, _rows(appends, placed, recorded_at_us, salts(job.events)))
    versions = tuple([first + len(append.drafts) - 1 for append, first in zip(appends, placed, strict=True)])
    return Receipt(position=connection.last_insert_rowid(), versions=versions)


def _rows(
    appends: Sequence[Append], firsts: Sequence[int], recorded_at_us: int, salt: Sequence[bytes]
) -> Iterator[tuple[str, int, str, str, int, bytes, bytes, bytes, bytes]]:
    salting = iter(salt)
    for append, first in zip(appends, firsts, strict=True):
        stream = append.stream
        for version, draft in enumerate(append.drafts, first):
            yield (
                stream,
                version,
                draft.type,
                draft.content_type,
                recorded_at_us,
                draft.id,
                next(salting),
                draft.metadata,
                draft.data,
            )
