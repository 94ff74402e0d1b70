"""Public events as they happen, as server-sent events that anyone may follow.

An event's id is its number among the public events, counted from 1: it says nothing of how many others there were.
`Last-Event-ID` goes on after that number; without it the stream begins with what happens next, with `0` at the start.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, cast

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from kernel.door import BadRequest, CannotNow
from kernel.refusal import Reason
from ledger.port import Ledger, Page, Recorded

PATH: Final = "/v1/events"
PAGE_EVENTS: Final = 500
FOLLOWERS_MAX: Final = 500
"""Each costs an open connection and, while it catches up, a page of events."""

HEARTBEAT_S: Final = 15.0
"""Proxies close what is silent for half a minute."""

RETRY_MS: Final = 2_000

BAD_EVENT_ID = Reason(
    BadRequest,
    "events.bad_last_event_id",
    "Last-Event-ID 须为 0 至 {last} 之间的整数。",
    "Last-Event-ID must be a whole number from 0 to {last}",
)
TOO_MANY_FOLLOWERS = Reason(
    CannotNow,
    "events.too_many_followers",
    "同时订阅的人数已满，请稍后再试。",
    "as many follow the events as can; try again shortly",
)


class Live:
    """Counts the public events from the log, and lets people follow them. `run` must run for anything to move."""

    def __init__(
        self, app: FastAPI, ledger: Ledger, public: frozenset[str], until_draining: Callable[[], Awaitable[None]]
    ) -> None:
        self._until_draining: Final = until_draining
        self._ledger: Final = ledger
        self._types: Final = public
        self._positions: Final = array("q")
        self._more = asyncio.Event()
        self._followers = 0
        app.add_api_route(
            PATH,
            self._follow,
            methods=["GET"],
            name="FollowEvents",
            operation_id="FollowEvents",
            tags=["events"],
            response_class=StreamingResponse,
            response_model=None,
            include_in_schema=False,
        )

    @property
    def count(self) -> int:
        """How many public events there are."""
        return len(self._positions)

    async def run(self) -> None:
        """Note where each public event is, until cancelled."""
        pages = cast("AsyncIterator[Page]", self._ledger.follow(0, types=self._types))
        async with aclosing(cast("Any", pages)):
            async for page in pages:
                self._positions.extend(event.position for event in page.events)
                moved, self._more = self._more, asyncio.Event()
                moved.set()

    async def _follow(self, request: Request) -> StreamingResponse:
        """公开事件流 Public events as they happen."""
        after = self._after(request.headers.get("last-event-id"))
        if self._followers >= FOLLOWERS_MAX:
            raise TOO_MANY_FOLLOWERS()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(after), media_type="text/event-stream", headers=headers)

    def _after(self, last_event_id: str | None) -> int:
        seen = len(self._positions)
        if last_event_id is None:
            return seen
        if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id[:19]) <= seen):
            raise BAD_EVENT_ID(last=seen)
        return int(last_event_id)

    async def _stream(self, after: int) -> AsyncIterator[bytes]:
        self._followers += 1
        draining = asyncio.ensure_future(self._until_draining())
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not draining.done():
                more = asyncio.ensure_future(self._more.wait())
                async for number, event in self._since(after):
                    after = number
                    yield _written(number, event)
                done, _ = await asyncio.wait([more, draining], timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
                if not done:
                    yield b": still here\n\n"
        finally:
            draining.cancel()
            self._followers -= 1

    async def _since(self, after: int) -> AsyncIterator[tuple[int, Recorded]]:
        """The public events that are known and were not sent, with their numbers."""
        while after < len(self._positions):
            before = self._positions[after] - 1
            limit = min(PAGE_EVENTS, len(self._positions) - after)
            page = await self._ledger.read_all(before, limit=limit, types=self._types)
            for event in page.events:
                after += 1
                yield after, event


def _written(number: int, event: Recorded) -> bytes:
    data = {"type": event.type, "recorded_at": event.recorded_at, "data": msgspec.Raw(event.data)}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, event.type.encode(), msgspec.json.encode(data))
