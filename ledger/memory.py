"""A ledger in memory, for tests and trials: gone with the process, held to the same suite as the others."""

import os
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from uuid import UUID

from ledger.following import Growth, follow_pages
from ledger.port import (
    PAGE_EVENTS,
    PAGE_EVENTS_MAX,
    Append,
    Direction,
    Page,
    Receipt,
    Recorded,
    StreamPage,
    Unavailable,
)
from ledger.recording import (
    Clock,
    Key,
    Place,
    check_appends,
    check_from,
    check_limit,
    check_scan,
    check_stream,
    place,
    salts,
    system_time_us,
)


class MemoryLedger:
    """`position_stride`: how far apart positions lie. More than 1 finds those who take positions for a count."""

    def __init__(self, *, position_stride: int = 1, clock: Clock = system_time_us) -> None:
        self._ledger_id = str(UUID(bytes=os.urandom(16), version=4))
        self._stride = position_stride
        self._clock = clock
        self._log: list[Recorded] = []
        self._streams: dict[str, list[Recorded]] = {}
        self._known: dict[Key, Place] = {}
        self._growth = Growth()
        self._closed = False

    @property
    def ledger_id(self) -> str:
        return self._ledger_id

    async def append(self, appends: Sequence[Append]) -> Receipt:
        self._check_open()
        size = check_appends(appends)
        heads = {a.stream: len(self._streams[a.stream]) - 1 for a in appends if a.stream in self._streams}
        keys = ((append.stream, draft.id) for append in appends for draft in append.drafts)
        placed = place(appends, heads, {key: self._known[key] for key in keys if key in self._known})
        if isinstance(placed, Receipt):
            return placed
        recorded_at_us = max(self._clock(), self._log[-1].recorded_at_us if self._log else 0)
        salt = iter(salts(size.events))
        begun = len(self._log)
        for append, first in zip(appends, placed, strict=True):
            stream = self._streams.setdefault(append.stream, [])
            for version, draft in enumerate(append.drafts, first):
                event = Recorded(
                    id=draft.id,
                    stream=append.stream,
                    version=version,
                    position=self._position() + self._stride,
                    type=draft.type,
                    content_type=draft.content_type,
                    data=draft.data,
                    metadata=draft.metadata,
                    recorded_at_us=recorded_at_us,
                    salt=next(salt),
                )
                stream.append(event)
                self._log.append(event)
                self._known[event.stream, event.id] = (event.version, event.position)
        self._growth.announce()
        versions = tuple(first + len(a.drafts) - 1 for a, first in zip(appends, placed, strict=True))
        positions = tuple(event.position for event in self._log[begun:])
        return Receipt(position=self._position(), versions=versions, positions=positions)

    async def read(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        self._check_open()
        check_stream(stream)
        check_from(from_version)
        check_limit(limit)
        return self._page(stream, direction, from_version, limit)

    def _page(self, stream: str, direction: Direction, from_version: int | None, limit: int) -> StreamPage:
        events = self._streams.get(stream, [])
        if direction is Direction.FORWARDS:
            start = from_version or 0
            stop = start + limit
            return StreamPage(events[start:stop], stop if stop < len(events) else None)
        newest = len(events) - 1 if from_version is None else min(from_version, len(events) - 1)
        oldest = max(newest - limit + 1, 0)
        return StreamPage(events[oldest : newest + 1][::-1], oldest - 1 if oldest else None)

    async def read_many(self, streams: Collection[str]) -> Mapping[str, StreamPage]:
        self._check_open()
        for stream in streams:
            check_stream(stream)
        present = [stream for stream in streams if stream in self._streams]
        return {stream: self._page(stream, Direction.FORWARDS, None, PAGE_EVENTS) for stream in present}

    async def read_all(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> Page:
        self._check_open()
        check_scan(after, limit, types, stream_prefixes)
        start = after // self._stride
        scanned = self._log[start : start + PAGE_EVENTS_MAX]
        prefixes = tuple(stream_prefixes)
        events: list[Recorded] = []
        scanned_to = after
        for event in scanned:
            if (not types or event.type in types) and (not prefixes or event.stream.startswith(prefixes)):
                if len(events) == limit:
                    scanned_to = events[-1].position
                    break
                events.append(event)
            scanned_to = event.position
        return Page(events, scanned_to, at_head=scanned_to >= self._position())

    def follow(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> AsyncGenerator[Page, None]:
        async def read_after(position: int) -> Page:
            return await self.read_all(position, limit=limit, types=types, stream_prefixes=stream_prefixes)

        return follow_pages(read_after, after, self._growth)

    async def head(self) -> int:
        self._check_open()
        return self._position()

    async def close(self) -> None:
        self._closed = True
        self._growth.announce()

    def _position(self) -> int:
        return len(self._log) * self._stride

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the ledger is closed")
