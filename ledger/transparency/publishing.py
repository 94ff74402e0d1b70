"""How a signed checkpoint becomes a published one: at its own name, and in the file of its day, once.

The store is told first what is about to be published, so that after a crash the same is carried out again: the file of
the checkpoint is replaced by the same bytes, the file of the day is cut to where it was and added to again. A day is
listed among the days once it has its file.
"""

from typing import Final

import msgspec

from ledger.transparency.faults import FILE_LONGER
from ledger.transparency.layout import CHECKPOINT, CHECKPOINTS, DAYS, day_of_us, days_file, days_in
from ledger.transparency.storage import Storage
from ledger.transparency.store import Published, SequencerStore
from ledger.transparency.tree import partial_folders


class Publisher:
    """Publishes the checkpoints of one log."""

    def __init__(self, storage: Storage, store: SequencerStore) -> None:
        self._storage: Final = storage
        self._store: Final = store

    def resume(self) -> Published | None:
        """The newest published checkpoint, whatever a crash left undone of it done."""
        published = self._store.published()
        if published is None or published.settled:
            return published
        return self._carry_out(published)

    def publish(self, note: bytes, size: int, now_us: int) -> Published:
        """Publish this note of a tree of `size` entries. `resume` must have returned before."""
        before = self._store.published()
        # Days and their files never go back, whatever the clock does.
        at_us = max(now_us, before.published_at_us) if before else now_us
        day = day_of_us(at_us)
        today = before if before and before.day == day else None
        known_bytes = today.day_bytes + len(today.added) if today else 0
        # A store of an earlier moment does not know all that a day's file holds: what is there stays.
        day_bytes = max(known_bytes, self._storage.length(f"{CHECKPOINTS}/{day}"))
        repeated = today is not None and today.note == note
        published = Published(
            size=size,
            note=note,
            published_at_us=at_us,
            day=day,
            day_bytes=day_bytes,
            added=b"" if repeated else (b"\n" if day_bytes else b"") + note,
            swept=before.swept if before else 0,
            settled=False,
        )
        self._store.publish(published)
        return self._carry_out(published)

    def _carry_out(self, published: Published) -> Published:
        # At this point the store says that it is published, and nobody can read it yet.
        self._storage.put({CHECKPOINT: published.note})
        # At this point everybody can, and the day's file may lack it.
        if published.added:
            self._must_be_the_end(published)
            self._storage.extend(f"{CHECKPOINTS}/{published.day}", published.day_bytes, published.added)
            if not published.day_bytes or not self._storage.length(DAYS):
                # At this point there is a day that nobody is told of.
                self._storage.put({DAYS: days_file(days_in(self._storage.names(CHECKPOINTS)))})
        self._storage.drop(partial_folders(published.swept, published.size))
        settled = msgspec.structs.replace(published, swept=published.size, settled=True)
        self._store.publish(settled)
        return settled

    def _must_be_the_end(self, published: Published) -> None:
        name = f"{CHECKPOINTS}/{published.day}"
        found, length = self._storage.length(name), published.day_bytes + len(published.added)
        if found > length:
            raise FILE_LONGER(name=name, found=found, length=length)
