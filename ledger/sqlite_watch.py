"""Noticing that another connection, of this process or another, has committed to an embedded ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
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
        self._state = Condition()
        self._waiters = 0
        self._closing = False
        self._thread = Thread(target=self._run, name="ledger-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        with self._state:
            self._waiters += 1
            self._state.notify()
        try:
            yield
        finally:
            with self._state:
                self._waiters -= 1

    def close(self) -> None:
        with self._state:
            self._closing = True
            self._state.notify()
        self._thread.join()

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        seen: object = None
        while self._wanted():
            try:
                connection = connection or connect(self._path, writes=False)
                version: object = connection.pragma("data_version")
            except apsw.Error:
                # Whoever follows is woken to meet the error in its own read.
                connection, version = None, None
            if version is None or version != seen:
                seen = version
                self._changed()
        if connection is not None:
            connection.close()

    def _wanted(self) -> bool:
        """Let the time of a poll pass, then wait until somebody waits; False when asked to close."""
        with self._state:
            self._state.wait_for(lambda: self._closing, timeout=POLL_S)
            self._state.wait_for(lambda: self._closing or self._waiters)
            return not self._closing
