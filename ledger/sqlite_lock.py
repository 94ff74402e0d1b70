"""Whose turn it is to write, among the processes that share a ledger."""

import fcntl
import os
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_SET_AND_WAIT: Final[int | None] = fcntl.F_OFD_SETLKW if sys.platform == "linux" else None


def _first_byte(kind: int) -> bytes:
    """The kernel's struct flock: kind, whence, start, length, process (0 for locks of a description)."""
    return struct.pack("hhqqi", kind, os.SEEK_SET, 0, 1, 0)


_ENTER: Final = _first_byte(fcntl.F_WRLCK)
_LEAVE: Final = _first_byte(fcntl.F_UNLCK)


class WriterTurn:
    """Mutual exclusion with fair hand-over, by one lock file.

    SQLite alone lets waiters poll, and whoever has just committed wins again: others starve for seconds. Here a writer
    first passes a turnstile and then takes the lock, and only inside the lock does it let go of the turnstile. So one
    who has just written finds the turnstile held by whoever waits next, and queues behind.

    The lock is a flock, the turnstile a byte-range lock of the open file description (Linux; elsewhere the kernel's
    own order has to do). Neither belongs to the process, so closing other descriptors of the file harms nothing, two
    ledgers in one process exclude each other too, and a killed process lets go.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        self._turnstile(_ENTER)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        finally:
            self._turnstile(_LEAVE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Also in a forked child, whose copy would otherwise keep the lock of a parent that was killed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _turnstile(self, step: bytes) -> None:
        if _SET_AND_WAIT is not None:
            fcntl.fcntl(self._descriptor, _SET_AND_WAIT, step)
