"""Subscriptions of Streams.Read: what there is already, then whatever comes, for as long as the caller listens.

The first message confirms the subscription: what is recorded after a caller has read it is sent. Where the caller has
caught up with the log it is told so, each time again after it had fallen so far behind that it is served from the log's
pages once more.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from ledger.embedded import EmbeddedLedger
from ledger.port import BESIDE, Direction, Recorded, StreamPage
from ledger.recording import system_time_us
from ledger.server.asking import Asked, Edge
from ledger.server.calling import Call
from ledger.server.errors import stopping
from ledger.server.messages import Event, caught_up_with_all, caught_up_with_stream, checkpoint, confirmation
from ledger.server.paging import PageSize, Sight, can_exist
from ledger.server.tail import Tail, Tails

BESIDE_S: Final = 1.0
"""How often streams beside the log are looked at again, of which nobody hears otherwise. They hardly ever change."""


class Subscribing:
    def __init__(self, ledger: EmbeddedLedger) -> None:
        self._ledger: Final = ledger
        self._tails: Final = Tails(ledger)
        self._under_way: Final[set[asyncio.Task[object]]] = set()
        self._ended = False

    def end(self) -> None:
        """Tell all who subscribe, and whoever still comes, to look for another server, or for this one later."""
        self._ended = True
        for task in self._under_way:
            task.cancel()

    async def subscribe(self, asked: Asked, call: Call, sight: Sight, event: Event) -> None:
        """Goes on until the call is cancelled, or all of them are told to end."""
        task = asyncio.current_task()
        assert task is not None
        if self._ended:
            raise stopping()
        self._under_way.add(task)
        try:
            await self._follow(asked, call, sight, event)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            task.uncancel()
            raise stopping() from None
        finally:
            self._under_way.discard(task)

    async def _follow(self, asked: Asked, call: Call, sight: Sight, event: Event) -> None:
        async with self._tails.joined() as tail:
            if asked.stream is None:
                await _ToAll(self._ledger, tail, asked, call, sight, event).run()
            elif asked.stream.startswith(BESIDE):
                await _ToStreamBeside(self._ledger, tail, asked, call, sight, event).run()
            else:
                await _ToStream(self._ledger, tail, asked, call, sight, event).run()


class _ToAll:
    """`_at` is the position up to which everything has been looked at, `_counted` the events since a checkpoint."""

    def __init__(
        self, ledger: EmbeddedLedger, tail: Tail, asked: Asked, call: Call, sight: Sight, event: Event
    ) -> None:
        self._ledger, self._tail, self._call, self._sight, self._event = ledger, tail, call, sight, event
        self._checkpoint_events: Final = asked.checkpoint_events
        self._counted = 0
        self._checkpoint = 0
        self._begin: Final = asked.begin
        self._at = 0

    async def run(self) -> None:
        match self._begin:
            case int():
                self._at = self._begin
            case Edge.START:
                pass
            case Edge.END:
                # The tail may still be on its way there.
                self._at = await self._ledger.head()
        await self._call.write(_confirmation())
        if self._at < self._tail.position:
            await self._catch_up()
        while True:
            await self._call.write(caught_up_with_all(self._at or None, system_time_us()))
            await self._stay()
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Up to where the tail holds everything that follows."""
        size, at_head = PageSize(), False
        while not at_head:
            page = await self._ledger.read_all(self._at, limit=size.events, types=self._sight.types)
            await self._send(page.events)
            size.learn(page.events)
            self._at, at_head = page.scanned_to, page.at_head
        if self._sight.filters and self._at > self._checkpoint:
            await self._send_checkpoint(self._at)

    async def _stay(self) -> None:
        """Send what comes, until the tail has let go of the place where this subscription stands."""
        while True:
            awaited = self._tail.next(None)
            taken = self._tail.take(self._at, None)
            if taken is None:
                return
            await self._send(taken.events)
            self._at = max(self._at, taken.scanned_to)
            if not taken.events:
                await awaited.come.wait()

    async def _send(self, page: Sequence[Recorded]) -> None:
        """Events, and checkpoints as they fall due. Who asks for one after every event is told how far it is where that
        is of use: before the next event that is sent, unless that follows the last one sent, and at the end of those at
        hand.
        """
        visible = [] if self._sight.nothing else self._sight.visible(page)
        passing = await self._sight.passing(visible)
        due = sent = 0
        for recorded, passes in zip(visible, passing, strict=True):
            if passes:
                if due > sent:
                    await self._send_checkpoint(due)
                due, sent = 0, recorded.position
                await self._call.write(self._event(recorded))
            self._counted += 1
            if self._counted == self._checkpoint_events:
                due = recorded.position
                self._counted = 0
            if due and self._checkpoint_events > 1:
                await self._send_checkpoint(due)
                due = 0
        if due:
            await self._send_checkpoint(due)

    async def _send_checkpoint(self, position: int) -> None:
        self._counted, self._checkpoint = 0, position
        await self._call.write(checkpoint(position, system_time_us()))


class _ToStream:
    """`_seen` is the stream's last version that has been looked at, `_shown` that of the last event sent; -1 before."""

    def __init__(
        self, ledger: EmbeddedLedger, tail: Tail, asked: Asked, call: Call, sight: Sight, event: Event
    ) -> None:
        assert asked.stream is not None
        self._stream: Final = asked.stream
        self._begin: Final = asked.begin
        self._read: Callable[..., Awaitable[StreamPage]] = ledger.read
        self._tail, self._call, self._sight, self._event = tail, call, sight, event
        self._seen = self._shown = -1

    async def run(self) -> None:
        there = can_exist(self._stream)
        if there:
            await self._find_begin()
        await self._call.write(_confirmation())
        while there:
            position = self._tail.position
            await self._catch_up()
            revision = None if self._shown < 0 else self._shown
            await self._call.write(caught_up_with_stream(revision, system_time_us()))
            await self._stay(position)
        await self._call.write(caught_up_with_stream(None, system_time_us()))
        await asyncio.Event().wait()

    async def _find_begin(self) -> None:
        match self._begin:
            case int():
                self._seen = self._shown = self._begin
            case Edge.START:
                pass
            case Edge.END:
                last = await self._read(self._stream, direction=Direction.BACKWARDS, limit=1)
                if last.events:
                    self._seen = last.events[0].version
                    self._shown = self._seen if self._sight.visible(last.events) else -1

    async def _catch_up(self) -> None:
        size = PageSize()
        from_version: int | None = self._seen + 1
        while from_version is not None:
            page = await self._read(self._stream, from_version=from_version, limit=size.events)
            await self._send(page.events)
            size.learn(page.events)
            from_version = page.next_from

    async def _stay(self, position: int) -> None:
        """Send what comes after this position, until the tail has let go of it."""
        while True:
            awaited = self._tail.next(self._stream)
            taken = self._tail.take(position, self._stream)
            if taken is None:
                return
            await self._send([event for event in taken.events if event.version > self._seen])
            position = taken.scanned_to
            if not taken.events:
                await awaited.come.wait()
                # Nothing of this stream lies between: the tail may meanwhile have let go of that.
                position = max(position, awaited.after)

    async def _send(self, page: Sequence[Recorded]) -> None:
        for recorded in self._sight.visible(page):
            await self._call.write(self._event(recorded))
            self._shown = recorded.version
        if page:
            self._seen = page[-1].version


class _ToStreamBeside(_ToStream):
    """What is written beside the log passes by its tail."""

    def __init__(
        self, ledger: EmbeddedLedger, tail: Tail, asked: Asked, call: Call, sight: Sight, event: Event
    ) -> None:
        super().__init__(ledger, tail, asked, call, sight, event)
        self._read = ledger.read_beside

    async def _stay(self, _position: int) -> None:
        while True:
            await asyncio.sleep(BESIDE_S)
            await self._catch_up()


def _confirmation() -> bytes:
    return confirmation(str(UUID(bytes=os.urandom(16), version=4)))
