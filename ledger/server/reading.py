"""Streams.Read: events of one stream or of all of them, up to a number or for as long as more come."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import msgspec
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.embedded import EmbeddedLedger
from ledger.port import BESIDE, Direction, Recorded
from ledger.server.access import Grant
from ledger.server.asking import Asked, Edge, asked_of
from ledger.server.calling import Call
from ledger.server.errors import access_denied
from ledger.server.filters import Filters
from ledger.server.messages import Event, events, last_stream_position, stream_not_found
from ledger.server.paging import PageSize, Sight, can_exist
from ledger.server.subscribing import Subscribing


class Reading:
    def __init__(self, ledger: EmbeddedLedger) -> None:
        self._ledger: Final = ledger
        self._filters: Final = Filters()
        self._subscribing: Final = Subscribing(ledger)

    def end_subscriptions(self) -> None:
        self._subscribing.end()

    def close(self) -> None:
        self._filters.close()

    async def read(self, request: streams_pb2.ReadReq, call: Call) -> None:
        asked, grant = asked_of(request), call.grant
        _check_access(asked, grant)
        chosen = await self._filters.of(asked.filter) if asked.filter else None
        # Streams beside the log hold what it says of itself: no types that a role may or may not read, and no salts.
        beside = asked.stream is not None and asked.stream.startswith(BESIDE)
        sight = Sight(msgspec.structs.replace(grant, reads=None) if beside else grant, chosen)
        carrying = call.carrying and not beside
        event = events(metadata=grant.metadata, carrying=carrying, structured_ids=asked.structured_ids)
        if asked.count is None:
            await self._subscribing.subscribe(asked, call, sight, event)
        elif asked.stream is None and call.carrying and grant.administers and sight.stream_prefixes == (BESIDE,):
            # $all never shows these. A KurrentDB's does: this is how the adapter asks either which of them there are.
            as_they_are = events(metadata=grant.metadata, carrying=False, structured_ids=asked.structured_ids)
            await _write(call, asked.count, self._all_beside(), sight, as_they_are)
        elif asked.stream is None:
            pages = self._all_backwards(asked, sight) if asked.backwards else self._all_forwards(asked, sight)
            await _write(call, asked.count, pages, sight, event)
        else:
            await self._read_stream(asked.stream, asked, call, sight, event)

    async def _read_stream(self, stream: str, asked: Asked, call: Call, sight: Sight, event: Event) -> None:
        assert asked.count is not None
        seen = False
        if can_exist(stream) and not sight.nothing:
            seen = await _write(call, asked.count, self._stream(stream, asked, sight), sight, event)
            if asked.tells_last if seen else not _whole(asked):
                last = await self._last_visible(stream, asked, sight)
                seen = last is not None
                if last is not None and asked.tells_last:
                    await call.write(last_stream_position(last.version))
        if not seen:
            await call.write(stream_not_found(stream))

    async def _stream(self, stream: str, asked: Asked, sight: Sight) -> AsyncGenerator[Sequence[Recorded], None]:
        direction = Direction.BACKWARDS if asked.backwards else Direction.FORWARDS
        match asked.begin:
            case int():
                from_version: int | None = asked.begin
            case Edge.START if asked.backwards:
                from_version = 0
            case Edge.END if not asked.backwards:
                return
            case _:
                from_version = None
        beside = stream.startswith(BESIDE)
        read = self._ledger.read_beside if beside else partial(self._ledger.read, types=sight.types)
        size, more = PageSize(), True
        while more:
            # The count is of those that are seen: of pages with others it says nothing.
            limit = size.events if sight.left_out_here else min(size.events, asked.count or 1)
            page = await read(stream, direction=direction, from_version=from_version, limit=limit)
            yield page.events
            size.learn(page.events)
            from_version, more = page.next_from, page.next_from is not None

    async def _last_visible(self, stream: str, asked: Asked, sight: Sight) -> Recorded | None:
        """The last event of the stream that the caller sees. None: to the caller there is no such stream."""
        from_end = msgspec.structs.replace(asked, begin=Edge.END, backwards=True, count=1)
        async with aclosing(self._stream(stream, from_end, sight)) as pages:
            async for page in pages:
                for event in sight.visible(page):
                    return event
        return None

    async def _all_beside(self) -> AsyncGenerator[Sequence[Recorded], None]:
        """The events of all streams beside the log, stream by stream."""
        for stream in await self._ledger.streams_beside():
            from_version: int | None = 0
            while from_version is not None:
                page = await self._ledger.read_beside(stream, from_version=from_version)
                yield page.events
                from_version = page.next_from

    async def _all_forwards(self, asked: Asked, sight: Sight) -> AsyncGenerator[Sequence[Recorded], None]:
        if asked.begin is Edge.END or sight.nothing:
            return
        after = max(asked.begin - 1, 0) if isinstance(asked.begin, int) else 0
        size, at_head = PageSize(), False
        while not at_head:
            page = await self._ledger.read_all(
                after, limit=size.events, types=sight.types, stream_prefixes=sight.stream_prefixes
            )
            yield page.events
            size.learn(page.events)
            after, at_head = page.scanned_to, page.at_head

    async def _all_backwards(self, asked: Asked, sight: Sight) -> AsyncGenerator[Sequence[Recorded], None]:
        if asked.begin is Edge.START or sight.nothing:
            return
        before = asked.begin if isinstance(asked.begin, int) else None
        size = PageSize()
        while page := await self._ledger.read_back(before, size.events):
            yield page
            size.learn(page)
            before = page[-1].position


async def _write(
    call: Call, count: int, pages: AsyncGenerator[Sequence[Recorded], None], sight: Sight, event: Event
) -> bool:
    """Send up to `count` events. Whether there were any to be seen."""
    left, seen = count, False
    async with aclosing(pages) as each:
        async for page in each:
            for recorded in await sight.of(page):
                seen = True
                if not left:
                    return seen
                await call.write(event(recorded))
                left -= 1
            if not left:
                return seen
    return seen


def _whole(asked: Asked) -> bool:
    """Whether it is read from the one end to the other, unless the count stops it before."""
    return asked.begin is (Edge.END if asked.backwards else Edge.START)


def _check_access(asked: Asked, grant: Grant) -> None:
    if asked.stream is None and not grant.all_streams:
        raise access_denied()
    if asked.stream is not None and asked.stream.startswith(BESIDE) and not grant.reads_beside:
        raise access_denied()
