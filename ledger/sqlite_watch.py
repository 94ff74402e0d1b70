"""Noticing that another connection, of this process or another, has committed to an embedded ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

import apsw

from ledger.sqlite_file import connect

POLL_S: Final = 0.005
"""A poll costs a few microseconds; this is the most that a foreign commit waits to be noticed."""


class CommitWatch:
    """Polls `PRAGMA data_version` on its own connection and in its own thread while somebody waits.

    The number changes with every commit of another connection. Times and sizes of the file would not do: a log that
    begins anew can look the same.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._waiters = 0
        self._wanted = Event()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="ledger-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._waiters += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._waiters -= 1
            if not self._waiters:
                self._wanted.clear()

    def close(self) -> None:
        self._closing.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        seen: object = None
        while not self._closing.is_set():
            self._wanted.wait()
            try:
                connection = connection or connect(self._path, writes=False)
                version: object = connection.pragma("data_version")
            except apsw.Error:
                # Whoever follows is woken to meet the error in its own read.
                connection, version = None, None
            if version is None or version != seen:
                seen = version
                self._changed()
            self._closing.wait(POLL_S)
        if connection is not None:
            connection.close()
