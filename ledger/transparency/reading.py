"""From the ledger to entries of the log: a run of commitments, in the ledger's order, after where the log stands."""

import asyncio
from typing import Final, Protocol

import msgspec

from ledger.port import PAGE_EVENTS_MAX, Ledger, Page
from ledger.proof.commitment import entry_of
from ledger.transparency.faults import LEDGER_DIFFERS, LEDGER_SHORTER
from ledger.transparency.layout import MARK_ENTRIES

NOTHING: Final = b""
"""The last commitment of an empty log."""


class Place(Protocol):
    """A place between two entries of the log: how many are before it, and the ledger's position and commitment of the
    last of them.
    """

    @property
    def size(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def commitment(self) -> bytes: ...


class At(msgspec.Struct, frozen=True):
    """A place. The one without arguments is the beginning."""

    size: int = 0
    position: int = 0
    commitment: bytes = NOTHING


class Run(msgspec.Struct, frozen=True):
    """Entries that follow one another, and the place after them. `marks`: the ledger's position of each entry whose
    index is a multiple of MARK_ENTRIES. `at_head`: the ledger held no more.
    """

    entries: list[bytes]
    marks: list[int]
    end: At
    at_head: bool


async def read_run(ledger: Ledger, place: Place, entries_max: int) -> Run:
    """Up to so many entries after this place. Raises LogFault (log.ledger_shorter, log.ledger_differs) where the ledger
    does not have the event that the place says is the last, and what the ledger raises.
    """
    size, position, scanned_to = place.size, place.position, place.position
    entries: list[bytes] = []
    marks: list[int] = []
    at_head = False
    # The last event is read once more: the ledger may have been put in place of another since.
    again = min(size, 1)
    while not at_head and (again or len(entries) < entries_max):
        limit = min(again + entries_max - len(entries), PAGE_EVENTS_MAX)
        page = await ledger.read_all(scanned_to - again, limit=limit)
        found = await asyncio.to_thread(_entries, page)
        if again:
            await _must_be_last(ledger, place, page, found)
        index = size + len(entries)
        marks += [page.events[at].position for at in range(again + -index % MARK_ENTRIES, len(found), MARK_ENTRIES)]
        entries += found[again:]
        position = page.events[-1].position if page.events else position
        scanned_to, at_head, again = max(page.scanned_to, scanned_to), page.at_head, 0
    last = entries[-1] if entries else place.commitment
    return Run(entries, marks, At(size + len(entries), position, last), at_head)


async def _must_be_last(ledger: Ledger, place: Place, page: Page, found: list[bytes]) -> None:
    if not page.events:
        raise LEDGER_SHORTER(head=await ledger.head(), position=place.position, size=place.size)
    if page.events[0].position != place.position or found[0] != place.commitment:
        raise LEDGER_DIFFERS(position=place.position, index=place.size - 1)


def _entries(page: Page) -> list[bytes]:
    return [entry_of(event) for event in page.events]
