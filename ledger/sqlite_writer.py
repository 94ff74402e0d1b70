"""The one thread of a process that writes to an embedded ledger.

Appends that arrive while another is being made durable are committed together (group commit): the disk's
synchronisation, which dominates, is paid once for all of them.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import apsw

from ledger.port import APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Receipt, Unavailable
from ledger.recording import Clock, Size
from ledger.sqlite_append import BesideCall, Call, record
from ledger.sqlite_file import BUSY_TIMEOUT_MS, WAL_BYTES_KEPT, connect
from ledger.sqlite_lock import WriterTurn

WAITING_MAX: Final = 4_096
"""Appends that wait to be written; when the disk cannot keep up, more are told so at once."""

TEND_EVERY_S: Final = 1.0

RESTART_TIMEOUT_MS: Final = 1_000
"""How long a log that has grown long waits for its readers before it goes on growing; only a backup reads longer."""

_log = logging.getLogger(__name__)


class Job:
    """An append under way, and who waits for it."""

    __slots__ = ("call", "future", "outcome", "size")

    def __init__(self, call: Call | BesideCall, size: Size, future: asyncio.Future[Receipt]) -> None:
        self.call = call
        self.size = size
        self.future = future
        self.outcome: Receipt | Exception = Unavailable("not written")

    def settle(self) -> None:
        if self.future.done():
            return
        if isinstance(self.outcome, Receipt):
            self.future.set_result(self.outcome)
        else:
            self.future.set_exception(self.outcome)


class Writer:
    """Made on the event loop that submits; `committed` is called there after each group."""

    def __init__(self, path: Path, turn: WriterTurn, clock: Clock, committed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._turn = turn
        self._clock = clock
        self._committed = committed
        self._submitted: list[Job] = []
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._connection: apsw.Connection | None = None
        self._cursor: apsw.Cursor | None = None
        self._inode = 0
        self._tend_at_s = 0.0
        self._thread = Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Handed over when the loop has run what is ready: what one turn of it submits is one group, where the thread,
        woken by the first, would contend with the loop for the interpreter and find that one alone.
        """
        if self._queue.qsize() + len(self._submitted) >= WAITING_MAX:
            raise Unavailable(f"{self._path}: {WAITING_MAX} appends are waiting already")
        if not self._submitted:
            self._loop.call_soon(self._hand_over)
        self._submitted.append(job)

    def _hand_over(self) -> None:
        jobs, self._submitted = self._submitted, []
        for job in jobs:
            self._queue.put(job)

    def close(self) -> None:
        """Blocks until what was submitted is written: in another thread, and begun by the loop after the last that was
        submitted.
        """
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing and (first := self._queue.get()) is not None:
            jobs = [first]
            try:
                with self._turn:
                    closing = self._gather(jobs)
                    if wanted := [job for job in jobs if not job.future.cancelled()]:
                        self._commit(wanted)
            except Exception as error:  # noqa: BLE001 - whatever it is, its waiters hear of it and the thread lives on
                for job in jobs:
                    job.outcome = self._explained(error)
            with contextlib.suppress(RuntimeError):  # the loop was closed while its appends were under way
                self._loop.call_soon_threadsafe(self._answer, jobs)
            # At this point those who wait have their answer; a crash from here on costs them nothing.
            self._tend()
        self._disconnect()

    def _answer(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.settle()
        self._committed()

    def _gather(self, jobs: list[Job]) -> bool:
        """Add what has queued up meanwhile, to the size of one largest call; True when asked to close."""
        events, total_bytes = jobs[0].size
        while events < APPEND_EVENTS_MAX and total_bytes < APPEND_BYTES_MAX and not self._queue.empty():
            job = self._queue.get()
            if job is None:
                return True
            jobs.append(job)
            events += job.size.events
            total_bytes += job.size.total_bytes
        return False

    def _commit(self, jobs: Sequence[Job]) -> None:
        """Write all jobs in one transaction; where that fails, each in its own, so that none suffers for another."""
        try:
            cursor = self._connected()
            cursor.execute("BEGIN IMMEDIATE")
            outcomes: Sequence[Receipt | Exception] = record(cursor, [job.call for job in jobs], self._clock)
            cursor.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - as above
            self._disconnect()
            if len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
                return
            outcomes = [self._explained(error)]
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.outcome = outcome

    def _explained(self, error: Exception) -> Exception:
        return Unavailable(f"{self._path}: {error}") if isinstance(error, apsw.Error | OSError) else error

    def _connected(self) -> apsw.Cursor:
        if self._connection is None or self._cursor is None:
            self._connection = connect(self._path, writes=True)
            with contextlib.suppress(apsw.BusyError):
                # What an append that failed has left in the log may be in the page cache only, and to repeat it would
                # find it there and call it durable. Copied into the database it is, or this fails as well.
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._cursor = self._connection.cursor()
            self._inode = self._path.stat().st_ino
        return self._cursor

    def _disconnect(self) -> None:
        """Closing rolls back what was not committed."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(apsw.Error):
                connection.close(force=True)

    def _tend(self) -> None:
        """Once in a while, see to it that the file is still there and its write-ahead log not overgrown."""
        now_s = time.monotonic()
        if now_s < self._tend_at_s or self._connection is None:
            return
        self._tend_at_s = now_s + TEND_EVERY_S
        try:
            moved = self._path.stat().st_ino != self._inode
            overgrown = not moved and Path(self._connection.filename_wal).stat().st_size > WAL_BYTES_KEPT
        except OSError:
            moved = True
        if moved:
            # What is written from now on would be found by nobody: the next append opens anew, and fails.
            self._disconnect()
        elif overgrown:
            self._restart_log(self._connection)

    def _restart_log(self, connection: apsw.Connection) -> None:
        """Checkpoints in passing leave the log as it is while somebody reads from it; this one waits for them."""
        connection.set_busy_timeout(RESTART_TIMEOUT_MS)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except apsw.Error as error:
            _log.warning("%s: the write-ahead log could not begin anew: %s", self._path, error)
        finally:
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
