"""Subscriptions to the log of a KurrentDB, in pages."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from kurrentdbclient.exceptions import ServiceUnavailableError
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.kurrent_client import raised
from ledger.kurrent_wire import Filtering, is_beside, recorded
from ledger.port import Page, Recorded

SCAN_WINDOWS: Final = 16
"""As many of those does a page of the log look at when a filter lets little through."""

PAGE_BYTES_MAX: Final = 32 << 20
"""Data plus metadata of one page, give or take an event: 4,096 events may be 4 GiB."""

BUFFER_PAGES: Final = 2
"""Pages of events that wait for a reader who is slow. Beyond that the server waits, too."""


class Head:
    """Where the log of a server ends that has records of its own. All subscriptions hear of each event and of each of
    those records, and who cannot tell which it was asks; so they ask here, and one question answers all of them.
    """

    def __init__(self, asked: Callable[[], Awaitable[int]]) -> None:
        self._asked: Final = asked
        self._turn: Final = asyncio.Lock()
        self._known = self._begun = self._answered = 0

    async def beyond(self, position: int) -> int:
        """The position of the log's last event as it was after this was called, or a lesser one that is not before
        `position`.
        """
        # What is being asked already may be answered by what was so before.
        before = self._begun
        async with self._turn:
            if self._known < position and self._answered <= before:
                self._begun += 1
                self._known = max(self._known, await self._asked())
                self._answered = self._begun
        return self._known


class Inflow:
    """What a subscription brings: events, and how far the server has looked. A task of its own takes it in, and stops
    while nobody takes it out. The log reached at least to `head` before it began. `head_now`: a server that has records
    of its own tells of places beyond the log's last event, and so has to be asked where that is, by `Head.beyond`;
    None: it has none.
    A server that falls behind again does not say so: where the log ends is known when it says that it has caught up, or
    tells how far it has looked, and not by events.
    """

    def __init__(
        self,
        call: "grpc.aio.UnaryStreamCall[Any, streams_pb2.ReadResp]",
        filtering: Filtering,
        after: int,
        limit: int,
        head: int,
        head_now: Callable[[int], Awaitable[int]] | None,
    ) -> None:
        self._call: Final = call
        self._filtering: Final = filtering
        self._limit: Final = limit
        self._head, self._head_now = head, head_now
        self._events: deque[Recorded] = deque()
        self._bytes = 0
        self._after = self._reached = after
        self._live = self._looked_on = False
        self._end = -1
        self._ended: Exception | None = None
        self._changed: Final = asyncio.Event()
        self._room: Final = asyncio.Event()
        self._task: Final = asyncio.create_task(self._take_in())

    async def page(self) -> Page:
        """The next page. While it catches up that is a full one, or one from a stretch that is long enough; then
        whatever is there.
        """
        while not (self._reached > self._after if self._live else self._full() or self._looked_on):
            await self._wait()
        return self._page()

    async def page_until_caught_up(self) -> Page | None:
        """The same; None once there is nothing more to catch up with."""
        while not (self._live or self._full() or self._looked_on):
            await self._wait()
        return self._page() if self._reached > self._after else None

    async def stop(self, why: Exception | None = None) -> None:
        """Whoever waits for a page is told why."""
        self._ended = why
        self._changed.set()
        self._call.cancel()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _take_in(self) -> None:
        try:
            with raised():
                while True:
                    while len(self._events) > BUFFER_PAGES * self._limit or self._bytes > PAGE_BYTES_MAX:
                        self._room.clear()
                        await self._room.wait()
                    answer = await self._call.read()
                    if not isinstance(answer, streams_pb2.ReadResp):
                        break
                    await self._hear(answer)
                    self._changed.set()
            why: Exception = ServiceUnavailableError("the subscription has ended")
        except Exception as error:  # noqa: BLE001 - told to whoever takes the pages
            why = error
        self._ended = self._ended or why
        self._changed.set()

    async def _hear(self, answer: streams_pb2.ReadResp) -> None:
        match answer.WhichOneof("content"):
            case "event":
                event = recorded(answer.event)
                if event.position > self._reached and not is_beside(event.stream, event.type):
                    self._reached = event.position
                    if self._filtering.lets(event):
                        self._events.append(event)
                        self._bytes += len(event.data) + len(event.metadata)
            case "checkpoint":
                await self._look_on(answer.checkpoint.commit_position)
                self._looked_on = self._reached > self._after
            case "caught_up":
                await self._look_on(max(answer.caught_up.position.commit_position, self._head))
                self._live, self._end = True, self._reached
            case "fell_behind":
                self._live = False
            case _:
                pass

    async def _look_on(self, position: int) -> None:
        """The server has looked at everything up to this position."""
        if self._head_now is not None:
            if position > self._head:
                self._head = await self._head_now(position)
            if self._live and position < self._head:
                return  # perhaps a place of the server's own; it tells of the head in a moment
            position = min(position, self._head)
        self._reached = max(self._reached, position)

    async def _wait(self) -> None:
        if self._ended is not None:
            raise self._ended
        self._changed.clear()
        await self._changed.wait()

    def _full(self) -> bool:
        """Whether there is more than one page holds."""
        return len(self._events) > self._limit or self._bytes > PAGE_BYTES_MAX

    def _page(self) -> Page:
        events: list[Recorded] = []
        page_bytes = 0
        while self._events and len(events) < self._limit and page_bytes <= PAGE_BYTES_MAX:
            event = self._events.popleft()
            page_bytes += len(event.data) + len(event.metadata)
            events.append(event)
        self._bytes -= page_bytes
        self._room.set()
        self._looked_on = False
        self._after = events[-1].position if self._events else self._reached
        at_end = not events or self._after == self._end
        return Page(events, self._after, at_head=self._live and not self._events and at_end)
