"""The public set on disk, as events with numbers: counted from 1, in the order of the log, those of the set alone.

What is read here is what `/log/disclosed` serves, so that whoever follows events can prove each of them.
"""

from array import array
from bisect import bisect_right
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias

from ledger.proof.commitment import Envelope, decode_envelope
from ledger.proof.disclosure import decode_events
from ledger.transparency.disclosed import PUBLIC, RANGE_ENTRIES, Head, range_name, unpacked

Event: TypeAlias = tuple[int, Envelope]
"""The index of the entry in the log, and the event."""

RANGES_AT_ONCE: Final = 64
"""Counted in one go: whoever wants an event meanwhile waits no longer than that."""

RANGES_KEPT: Final = 4
"""Those who follow are most often in the same place, at the end."""


class PublicSet:
    """Reads files: from any thread. Raises OSError, and Malformed where a file is not that of a set."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._lock: Final = Lock()
        # Of each range that is counted to its end, how many events there are up to that end.
        self._through: Final = array("q")
        self._kept: Final[dict[int, list[Event]]] = {}
        self.origin: str | None = None
        self.covered = 0
        self.count = 0

    def head(self) -> Head | None:
        """How far the set goes now; None where there is none yet."""
        return Head.read(self._folder, PUBLIC)

    def look(self) -> bool:
        """Count what has come, or a part of it. Returns whether there is more to count."""
        with self._lock:
            head = self.head()
            if head is None:
                return False
            if head.origin != self.origin or head.covered < self.covered:
                self._begin_anew(head)
            if head.covered == self.covered:
                return False
            first = self.covered // RANGE_ENTRIES
            until = min(head.covered, (first + RANGES_AT_ONCE) * RANGE_ENTRIES)
            for number in range(first, -(-until // RANGE_ENTRIES)):
                end = min(until, (number + 1) * RANGE_ENTRIES)
                self._count(number, end)
                self.covered = end
            return until < head.covered

    def after(self, number: int) -> list[Event]:
        """Events that follow the one of this number, in order, at least one if there is any: those of its range."""
        with self._lock:
            if number >= self.count:
                return []
            place = bisect_right(self._through, number)
            before = self._through[place - 1] if place else 0
            return self._read(place)[number - before :]

    def _begin_anew(self, head: Head) -> None:
        """Another log, or an older set put back: numbers begin again with what is there."""
        del self._through[:]
        self._kept.clear()
        self.origin, self.covered, self.count = head.origin, 0, 0

    def _count(self, number: int, end: int) -> None:
        """The events of a range up to `end`, of which some may be counted already."""
        before = self._through[-1] if self._through else 0
        self._kept.pop(number, None)
        events = self._read(number, end)
        self.count = before + len(events)
        if end % RANGE_ENTRIES == 0:
            self._through.append(self.count)

    def _read(self, number: int, end: int | None = None) -> list[Event]:
        """The events of a range up to `end`, or to what is covered."""
        if (known := self._kept.get(number)) is not None:
            return known
        begin = number * RANGE_ENTRIES
        until = self.covered if end is None else end
        records = unpacked((self._folder / range_name(PUBLIC, number)).read_bytes())
        found = decode_events(records, begin, begin + RANGE_ENTRIES)
        events = [(index, decode_envelope(envelope)) for index, envelope in found if index < until]
        while len(self._kept) >= RANGES_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[number] = events
        return events
