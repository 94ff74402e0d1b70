"""A ledger in memory, for tests and trials: gone with the process, held to the same suite as the others."""

import os
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from uuid import UUID

from ledger.beside import identity_append, seal_draft, seal_in
from ledger.embedded import SCAN_EVENTS_MAX, Check
from ledger.following import Growth, follow_pages
from ledger.port import (
    ANY,
    OWN_STREAM,
    PAGE_EVENTS,
    PAGE_EVENTS_MAX,
    Append,
    Carried,
    Direction,
    Draft,
    Keeper,
    Page,
    Receipt,
    Recorded,
    Sealed,
    StreamPage,
    Unavailable,
)
from ledger.recording import (
    Clock,
    Key,
    Place,
    check_append_beside,
    check_appends,
    check_before,
    check_filter,
    check_from,
    check_limit,
    check_scan,
    check_stream,
    check_stream_beside,
    place,
    receipt,
    runs,
    salts,
    system_time_us,
    time_us,
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
        self._beside: dict[str, list[Recorded]] = {}
        self._growth = Growth()
        self._closed = False
        self._add_beside(identity_append(self._ledger_id))

    @property
    def keeper(self) -> Keeper:
        return Keeper.EMBEDDED

    @property
    def ledger_id(self) -> str:
        return self._ledger_id

    async def append(
        self, appends: Sequence[Append], checks: Sequence[Check] = (), order: Sequence[int] = ()
    ) -> Receipt:
        self._check_open()
        size = check_appends(appends, checks, order)
        self._check_unsealed()
        streams = [*(append.stream for append in appends), *(check.stream for check in checks)]
        heads = {stream: len(self._streams[stream]) - 1 for stream in streams if stream in self._streams}
        keys = ((append.stream, draft.id) for append in appends for draft in append.drafts)
        placed = place(appends, heads, {key: self._known[key] for key in keys if key in self._known}, checks)
        if isinstance(placed, Receipt):
            return placed
        now_us = self._clock()
        salt = iter(salts(size.events))
        begun = len(self._log)
        for name, first, drafts in runs(appends, placed, order):
            stream = self._streams.setdefault(name, [])
            for version, draft in enumerate(drafts, first):
                before_us = self._log[-1].recorded_at_us if self._log else 0
                kept = draft.salt if type(draft) is Carried else next(salt)
                position = self._position() + self._stride
                event = _recorded(draft, name, version, position, time_us(draft, now_us, before_us), kept)
                stream.append(event)
                self._log.append(event)
                self._known[event.stream, event.id] = (event.version, event.position)
        self._growth.announce()
        return receipt(appends, placed, order, [event.position for event in self._log[begun:]])

    async def read(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
    ) -> StreamPage:
        self._check_open()
        check_stream(stream)
        check_from(from_version)
        check_limit(limit)
        check_filter(types)
        events = self._streams.get(stream, [])
        if not types:
            return _page(events, direction, from_version, limit)
        scanned = _page(events, direction, from_version, SCAN_EVENTS_MAX)
        return _narrowed(scanned, direction, limit, types)

    async def read_many(self, streams: Collection[str]) -> Mapping[str, StreamPage]:
        self._check_open()
        for stream in streams:
            check_stream(stream)
        present = [stream for stream in streams if stream in self._streams]
        return {stream: _page(self._streams[stream], Direction.FORWARDS, None, PAGE_EVENTS) for stream in present}

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

    async def read_back(self, before: int | None = None, limit: int = PAGE_EVENTS) -> Sequence[Recorded]:
        self._check_open()
        check_before(before)
        check_limit(limit)
        # As many lie before a position as there are whole strides up to the one just before it.
        stop = len(self._log) if before is None else min(max(before - 1, 0) // self._stride, len(self._log))
        return self._log[max(stop - limit, 0) : stop][::-1]

    async def read_beside(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        self._check_open()
        check_stream_beside(stream)
        check_from(from_version)
        check_limit(limit)
        return _page(self._beside.get(stream, []), direction, from_version, limit)

    async def append_beside(self, append: Append) -> Receipt:
        self._check_open()
        check_append_beside(append)
        self._check_unsealed()
        receipt = self._add_beside(append)
        self._growth.announce()
        return receipt

    async def streams_beside(self) -> Sequence[str]:
        self._check_open()
        return sorted(self._beside)

    async def seal(self, note: bytes) -> int:
        self._check_open()
        append = Append(OWN_STREAM, ANY, [seal_draft(self._ledger_id, note)])
        check_append_beside(append)
        if not seal_in(self._beside[OWN_STREAM]):
            self._add_beside(append)
        return self._position()

    async def close(self) -> None:
        self._closed = True
        self._growth.announce()

    def _add_beside(self, append: Append) -> Receipt:
        stream = self._beside.get(append.stream, [])
        heads = {append.stream: len(stream) - 1} if stream else {}
        ids = {draft.id for draft in append.drafts}
        placed = place([append], heads, {(e.stream, e.id): (e.version, e.position) for e in stream if e.id in ids})
        if isinstance(placed, Receipt):
            return placed
        now_us = self._clock()
        for version, draft in enumerate(append.drafts, placed[0]):
            recorded_at_us = time_us(draft, now_us, stream[-1].recorded_at_us if stream else 0)
            stream.append(_recorded(draft, append.stream, version, self._position(), recorded_at_us, b""))
        self._beside[append.stream] = stream
        positions = (self._position(),) * len(append.drafts)
        return Receipt(position=self._position(), versions=(len(stream) - 1,), positions=positions)

    def _position(self) -> int:
        return len(self._log) * self._stride

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the ledger is closed")

    def _check_unsealed(self) -> None:
        if seal_in(self._beside[OWN_STREAM]):
            raise Sealed(f"the log {self._ledger_id} is sealed")


def _recorded(draft: Draft, stream: str, version: int, position: int, recorded_at_us: int, salt: bytes) -> Recorded:
    return Recorded(
        id=draft.id,
        stream=stream,
        version=version,
        position=position,
        type=draft.type,
        content_type=draft.content_type,
        data=draft.data,
        metadata=draft.metadata,
        recorded_at_us=recorded_at_us,
        salt=salt,
    )


def _page(events: Sequence[Recorded], direction: Direction, from_version: int | None, limit: int) -> StreamPage:
    if direction is Direction.FORWARDS:
        start = from_version or 0
        stop = start + limit
        return StreamPage(events[start:stop], stop if stop < len(events) else None)
    newest = len(events) - 1 if from_version is None else min(from_version, len(events) - 1)
    oldest = max(newest - limit + 1, 0)
    return StreamPage(events[oldest : newest + 1][::-1], oldest - 1 if oldest else None)


def _narrowed(scanned: StreamPage, direction: Direction, limit: int, types: Collection[str]) -> StreamPage:
    events = [event for event in scanned.events if event.type in types]
    if len(events) <= limit:
        return StreamPage(events, scanned.next_from)
    step = 1 if direction is Direction.FORWARDS else -1
    return StreamPage(events[:limit], events[limit - 1].version + step)
