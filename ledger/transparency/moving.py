"""Lets a proof log follow its ledger to where that was moved: the same entries, at other positions of another ledger.

Nothing that is signed or published says which ledger it came from, so none of it changes: not the origin, the keys, the
tree, nor a checkpoint. What changes is the sequencer's own: its cursor's ledger and position, and the marks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.transparency.discloser import LOCK as DISCLOSER_LOCK
from ledger.transparency.faults import OTHER_LEDGER
from ledger.transparency.layout import LOCK, MARK_BYTES, MARKS, STORE
from ledger.transparency.lock import SingleWriter
from ledger.transparency.storage import DirectoryStorage
from ledger.transparency.store import Cursor, SequencerStore


class MovingLog:
    """A proof log while its ledger is moved; nobody else writes there."""

    def __init__(self, folder: Path, store: SequencerStore, cursor: Cursor) -> None:
        self._folder: Final = folder
        self._store: Final = store
        self.cursor: Final = cursor

    def require(self, ledger_id: str) -> None:
        """Raises LogFault (log.other_ledger) where the log is of another ledger than this one."""
        if self.cursor.ledger_id != ledger_id:
            raise OTHER_LEDGER(kept=self.cursor.ledger_id, found=ledger_id)

    def move(self, ledger_id: str, position: int, marks: Sequence[int]) -> None:
        """Let the log go on in this ledger, after the event at this position, the last of those that are signed. Done
        again, it does the same. Raises LogFault (log.moved), OSError, apsw.Error.
        """
        data = b"".join([mark.to_bytes(MARK_BYTES, "big") for mark in marks])
        DirectoryStorage(self._folder).put({MARKS: data})
        # At this point the marks are of the new ledger and the cursor of the old one: the sequencer goes on with
        # neither, and this is to be done again.
        self._store.move(self.cursor, ledger_id, position)


@contextmanager
def moving(folder: Path) -> Iterator[MovingLog | None]:
    """The log in this folder, as its single writer; None where there is none. Raises LogFault (log.locked)."""
    if not (folder / STORE).exists():
        yield None
        return
    with _held(folder / LOCK), _held(folder / DISCLOSER_LOCK):
        store = SequencerStore(folder / STORE)
        try:
            cursor = store.cursor()
            yield None if cursor is None else MovingLog(folder, store, cursor)
        finally:
            store.close()


def kept_origin(folder: Path) -> str | None:
    """The name under which the log in this folder has signed; None where it has not. It outlives the ledger's id, of
    which it was made at first, where the log was moved.
    """
    if not (folder / STORE).exists():
        return None
    store = SequencerStore(folder / STORE)
    try:
        cursor = store.cursor()
        return None if cursor is None else cursor.origin
    finally:
        store.close()


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    writer = SingleWriter(lock)
    try:
        yield
    finally:
        writer.close()
