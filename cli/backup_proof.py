"""The proof log in a backup: what the sequencer has signed, and every checkpoint that was published until then.

Tiles are not in it: they are made again from the ledger. The store is copied first and says how far the rest goes, so
that a checkpoint published while the backup is under way is in both or in neither.
"""

from pathlib import Path
from typing import Final

from kernel.clock import Clock
from kernel.database_copy import check_sqlite, copy_database
from kernel.keys import OWNER_ONLY, write_file
from ledger.port import LedgerError
from ledger.transparency.keys import LogKeys, new_key
from ledger.transparency.layout import CHECKPOINT, CHECKPOINTS, DAYS, KEYS, POLICY, STORE, days_file, days_in
from ledger.transparency.store import SequencerStore

PROOF: Final = "proof"
"""Where the proof log is in a backup and in a restored data folder."""


def copy_proof(proof: Path, folder: Path) -> None:
    """Copy the proof log into a backup under way; nothing where there is none."""
    if not (proof / STORE).exists():
        return
    target = folder / PROOF
    (target / STORE).parent.mkdir(parents=True)
    copy_database(proof / STORE, target / STORE)
    if (wrong := check_sqlite(target / STORE)) is not None:
        raise LedgerError(f"{proof / STORE} is damaged: {wrong}")
    store = SequencerStore(target / STORE)
    try:
        published = store.published()
    finally:
        store.close()
    for name in (KEYS, POLICY):
        if (proof / name).exists():
            _write(target / name, (proof / name).read_bytes())
    if published is None:
        return
    _write(target / CHECKPOINT, published.note)
    days = [day for day in days_in(file.name for file in (proof / CHECKPOINTS).iterdir()) if day <= published.day]
    for day in days:
        notes = (proof / CHECKPOINTS / day).read_bytes()
        if day == published.day:
            # What follows was published since.
            notes = notes[: published.day_bytes + len(published.added)]
        _write(target / CHECKPOINTS / day, notes)
    _write(target / DAYS, days_file(days))


def renew_key(folder: Path, clock: Clock) -> bool:
    """In a data folder without keys let a new key sign the proof log from now on. Whether there is a log."""
    if not (folder / PROOF / STORE).exists():
        return False
    store = SequencerStore(folder / PROOF / STORE)
    try:
        cursor = store.cursor()
        if cursor is None:
            return False
        keys = LogKeys(store, folder / "keys", cursor.origin)
        write_file(keys.next_file(), new_key(), OWNER_ONLY)
        keys.rotate(clock())
    finally:
        store.close()
    return True


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
