"""What every way of reading shares: how big a page is, and what of it the caller gets to see."""

from collections.abc import Sequence
from typing import Final

from ledger.port import BESIDE, FILTER_NAMES_MAX, PAGE_EVENTS, Recorded, Rejected
from ledger.recording import check_stream, check_stream_beside
from ledger.server.access import Grant
from ledger.server.filters import Filter

PAGE_BYTES: Final = 1 << 20
"""What a page holds, about: so much each call that is being answered keeps in memory."""

FIRST_PAGE_EVENTS: Final = 16
"""Before it is known how big the events are. Even of the biggest, so many fit in memory for many calls."""

PAGE_GROWTH: Final = 8
"""How much longer a page may be than the one before, so that a few small events do not promise that all are."""


class PageSize:
    """How many events to read next, judged by the size of those before."""

    def __init__(self) -> None:
        self.events = FIRST_PAGE_EVENTS

    def learn(self, page: Sequence[Recorded]) -> None:
        if page:
            page_bytes = sum([len(event.data) + len(event.metadata) for event in page])
            fitting = PAGE_BYTES * len(page) // (page_bytes + 1)
            self.events = max(1, min(PAGE_EVENTS, self.events * PAGE_GROWTH, fitting))


class Sight:
    """What a caller gets to see of the log: events of the types it may read, of which its filter lets some through.

    `types` and `stream_prefixes` are for the ledger, to leave out what would not be seen anyway.
    """

    def __init__(self, grant: Grant, chosen: Filter | None) -> None:
        self._grant, self._filter = grant, chosen
        self.filters: Final = chosen is not None
        prefixes = chosen.stream_prefixes if chosen else ()
        self.stream_prefixes: Final = prefixes if len(prefixes) <= FILTER_NAMES_MAX else ()
        types = tuple(grant.reads or ())
        self.types: Final = types if len(types) + len(self.stream_prefixes) <= FILTER_NAMES_MAX else ()

    @property
    def left_out_here(self) -> bool:
        """Whether pages of the ledger hold events that the caller may not read."""
        return self._grant.reads is not None and not self.types

    @property
    def nothing(self) -> bool:
        return self._grant.reads is not None and not self._grant.reads

    def visible(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """Those that the caller may read."""
        if self._grant.reads is None:
            return events
        reads = self._grant.reads
        return [event for event in events if event.type in reads]

    async def passing(self, events: Sequence[Recorded]) -> Sequence[bool]:
        """Whether each of these, which are visible, passes the filter."""
        return [True] * len(events) if self._filter is None else await self._filter.passing(events)

    async def of(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """Those that are visible and pass."""
        visible = self.visible(events)
        if self._filter is None:
            return visible
        passing = await self._filter.passing(visible)
        return [event for event, passes in zip(visible, passing, strict=True) if passes]


def can_exist(stream: str) -> bool:
    """Whether the log, or what stands beside it, could hold a stream of this name at all."""
    try:
        (check_stream_beside if stream.startswith(BESIDE) else check_stream)(stream)
    except Rejected:
        return False
    return True
