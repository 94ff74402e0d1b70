"""One sequencer a proof log, among the processes of a machine."""

import fcntl
import os
from pathlib import Path

from ledger.transparency.faults import LOCKED

OWNER_ONLY = 0o600


class SingleWriter:
    """Held from when it is made until `close`, or until the process is gone, however it went."""

    def __init__(self, path: Path) -> None:
        """Raises LogFault (log.locked) where another has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise LOCKED(lock=path) from None

    def close(self) -> None:
        os.close(self._descriptor)
