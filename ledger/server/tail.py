"""The newest events of the log, read once for all who subscribe.

A subscription that has caught up takes what is recorded from here, and sleeps without cost while nothing comes that
concerns it. The tail holds no more than some megabytes: who is too slow finds the place gone where it stood, and goes
back to reading pages of the log.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import structlog

from ledger.port import Ledger, LedgerError, Page, Recorded, Unavailable

HELD_BYTES_MAX: Final = 16 << 20
HELD_EVENTS_MAX: Final = 8_192

TAKEN_EVENTS_MAX: Final = 64
TAKEN_BYTES_MAX: Final = 1 << 20
"""What a subscription takes at once: while it is being sent, the tail cannot let go of it."""

_LOG: Final = structlog.get_logger("ledger.server")


class Taken(NamedTuple):
    """Events, and up to which position there are no others."""

    events: Sequence[Recorded]
    scanned_to: int


class Awaited:
    """Something that a subscription waits for: `come` is set with the first page of which it is part, which began
    after position `after`.
    """

    def __init__(self) -> None:
        self.come: Final = asyncio.Event()
        self.after = 0


class Tail:
    """From where it was begun, everything that the log gets, as long as it is followed and there is room."""

    def __init__(self, ledger: Ledger, after: int) -> None:
        self._ledger: Final = ledger
        self._begins_after = after
        self.position = after
        self._events: list[Recorded] = []
        self._positions: list[int] = []
        self._held_bytes = 0
        self._awaited: Final[WeakValueDictionary[str | None, Awaited]] = WeakValueDictionary()
        self.ended: LedgerError | None = None

    def next(self, stream: str | None) -> Awaited:
        """The next event of this stream; without one, any. To be taken before looking whether it is already here."""
        awaited = self._awaited.get(stream)
        if awaited is None:
            awaited = self._awaited[stream] = Awaited()
        return awaited

    def take(self, after: int, stream: str | None) -> Taken | None:
        """Some of the events after this position, of one stream or of all. None where they are not here any more."""
        if self.ended:
            raise self.ended
        if after < self._begins_after:
            return None
        taken: list[Recorded] = []
        taken_bytes = 0
        for event in self._events[bisect_right(self._positions, after) :]:
            if stream is None or event.stream == stream:
                taken.append(event)
                taken_bytes += _size(event)
                if len(taken) == TAKEN_EVENTS_MAX or taken_bytes >= TAKEN_BYTES_MAX:
                    return Taken(taken, event.position)
        return Taken(taken, max(after, self.position))

    async def follow(self) -> None:
        """Grow with the log until cancelled, or until the log cannot be read, which everybody who waits is told."""
        try:
            async with aclosing(self._ledger.follow(self.position)) as pages:
                async for page in pages:
                    self._add(page)
        except LedgerError as error:
            self.ended = error
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody is to wait for ever
            _LOG.exception("tail ended")
            self.ended = Unavailable(f"the log is not followed any more: {type(error).__name__}")
        else:
            self.ended = Unavailable("the log is not followed any more")
        for awaited in list(self._awaited.values()):
            awaited.come.set()

    def _add(self, page: Page) -> None:
        before, self.position = self.position, page.scanned_to
        for event in page.events:
            self._events.append(event)
            self._positions.append(event.position)
            self._held_bytes += _size(event)
        if self._held_bytes > HELD_BYTES_MAX or len(self._events) > HELD_EVENTS_MAX:
            self._forget()
        for stream in (None, *{event.stream for event in page.events}):
            if awaited := self._awaited.pop(stream, None):
                awaited.after = before
                awaited.come.set()

    def _forget(self) -> None:
        """Let go of the older half, so that this is not done again with every page."""
        at = 0
        while self._held_bytes > HELD_BYTES_MAX // 2 or len(self._events) - at > HELD_EVENTS_MAX // 2:
            self._held_bytes -= _size(self._events[at])
            at += 1
        self._begins_after = self._positions[at - 1]
        del self._events[:at], self._positions[:at]


class Tails:
    """The log's tail, followed while there is anybody whom it concerns."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger: Final = ledger
        self._beginning: Final = asyncio.Lock()
        self._tail: Tail | None = None
        self._following: asyncio.Task[None] | None = None
        self._joined = 0

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[Tail]:
        """A tail that holds whatever is recorded from now on."""
        tail = await self._join()
        try:
            yield tail
        finally:
            await self._leave(tail)

    async def _join(self) -> Tail:
        async with self._beginning:
            if self._tail is None or self._tail.ended:
                self._tail = Tail(self._ledger, await self._ledger.head())
                self._following = asyncio.create_task(self._tail.follow())
                self._joined = 0
            self._joined += 1
            return self._tail

    async def _leave(self, tail: Tail) -> None:
        if tail is not self._tail:
            return
        self._joined -= 1
        if self._joined == 0 and self._following is not None:
            self._tail, following, self._following = None, self._following, None
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def _size(event: Recorded) -> int:
    return len(event.data) + len(event.metadata)
