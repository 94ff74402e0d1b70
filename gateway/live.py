"""Public events as they happen, as server-sent events that anyone may follow.

An event's id is its number among the public events, counted from 1: it says nothing of how many others there were.
`Last-Event-ID` goes on after that number; without it the stream begins with what happens next, with `0` at the start.
"""

import asyncio
import re
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, cast

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from gateway.standing import Part, of_live
from kernel.door import BadRequest, CannotNow
from kernel.http_openapi import header_parameter
from kernel.readiness import Health
from kernel.refusal import Reason
from ledger.port import Ledger, Page, Recorded

PATH: Final = "/v1/events"
MEDIA: Final = "text/event-stream"
PAGE_EVENTS: Final = 500
FOLLOWERS_MAX: Final = 500
"""Each costs an open connection and, while it catches up, a page of events."""

HEARTBEAT_S: Final = 15.0
"""Proxies close what is silent for half a minute."""

RETRY_MS: Final = 2_000
STILL_HERE: Final = b": still here\n\n"
MARK_EVENTS: Final = 256
"""Whoever goes on after a number is sent there from the mark before it: at most so many events are read for nothing."""

_EVENT_ID: Final = re.compile(r"[0-9]{1,18}")

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


def with_events(document: dict[str, Any]) -> dict[str, Any]:
    """The document with this path. Whoever asks needs no token."""
    last = header_parameter(
        "Last-Event-ID",
        required=False,
        description="Go on after the event of this number; 0 begins with the first. Without it, what happens next.",
        schema={"type": "string", "pattern": "^[0-9]{1,18}$"},
    )
    stream = {"description": "事件流 / server-sent events", "content": {MEDIA: {"schema": {"type": "string"}}}}
    refused = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in (400, 503)}
    operation = {
        "operationId": "FollowEvents",
        "summary": "公开事件流 Public events as they happen",
        "description": "公开事件流 Public events as they happen. An id is a number among the public events.",
        "tags": ["events"],
        "parameters": [last],
        "responses": {"200": stream, **refused},
        "security": [],
    }
    return {**document, "paths": {**document["paths"], PATH: {"get": operation}}}


class Live:
    """Counts the public events from the log, and lets people follow them. `run` must run for anything to move."""

    def __init__(
        self, app: FastAPI, ledger: Ledger, public: frozenset[str], until_draining: Callable[[], Awaitable[None]]
    ) -> None:
        self._until_draining: Final = until_draining
        self._ledger: Final = ledger
        self._types: Final = public
        # The position right before every so many public events: with the count, eight bytes for each of them.
        self._marks: Final = array("q")
        self._count = 0
        self._scanned_to = 0
        self._complete = False
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
        """How many public events are known."""
        return self._count

    @property
    def standing(self) -> Part:
        """For the status page."""
        return of_live(self._count, complete=self._complete, full=self._full)

    @property
    def _full(self) -> bool:
        return self._followers >= FOLLOWERS_MAX

    async def run(self) -> None:
        """Note where the public events are, until cancelled."""
        head = await self._ledger.head()
        self._complete = self._scanned_to >= head
        pages = cast("AsyncIterator[Page]", self._ledger.follow(self._scanned_to, types=self._types))
        async with aclosing(cast("Any", pages)):
            async for page in pages:
                for event in page.events:
                    if self._count % MARK_EVENTS == 0:
                        self._marks.append(event.position - 1)
                    self._count += 1
                self._scanned_to = page.scanned_to
                self._complete = self._complete or page.scanned_to >= head
                moved, self._more = self._more, asyncio.Event()
                moved.set()

    async def health(self) -> Health:
        """For `/readyz`: not ready until all public events that there were at the start are counted; degraded while
        nobody else can follow them.
        """
        if self._complete:
            full = f", {FOLLOWERS_MAX} followers" if self._full else ""
            return Health(ok=True, degraded=self._full, detail=f"{self._count} public events{full}")
        return Health(ok=False, detail=f"{self._count} public events counted, to position {self._scanned_to}")

    async def _follow(self, request: Request) -> StreamingResponse:
        """公开事件流 Public events as they happen."""
        asked = request.headers.get("last-event-id")
        if asked is not None and _EVENT_ID.fullmatch(asked) is None:
            raise BAD_EVENT_ID(last=self._count)
        after = None if asked is None else int(asked)
        if self._full:
            raise TOO_MANY_FOLLOWERS()
        head = 0
        if not self._complete or (after is not None and after > self._count):
            head = await self._ledger.head()
            if after is not None and after > self._count and self._scanned_to >= head:
                raise BAD_EVENT_ID(last=self._count)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(after, head), media_type=MEDIA, headers=headers)

    async def _stream(self, after: int | None, counted_to: int) -> AsyncIterator[bytes]:
        """What is sent. Until the events are counted up to a position nobody knows which is number `after`: whoever
        comes back to a gateway that has just started is kept waiting, for a browser that is refused never comes again.
        """
        self._followers += 1
        draining = asyncio.ensure_future(self._until_draining())
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while self._scanned_to < counted_to and not draining.done():
                if not await self._awaited(self._more, draining):
                    yield STILL_HERE
            if after is not None and after > self._count:
                return
            number, position = self._before(after)
            while not draining.done():
                more = self._more
                while number < self._count:
                    limit = min(PAGE_EVENTS, self._count - number)
                    page = await self._ledger.read_all(position, limit=limit, types=self._types)
                    position = page.scanned_to
                    for event in page.events:
                        number += 1
                        if after is None or number > after:
                            yield _written(number, event)
                if not await self._awaited(more, draining):
                    yield STILL_HERE
        finally:
            draining.cancel()
            self._followers -= 1

    async def _awaited(self, more: asyncio.Event, draining: asyncio.Future[None]) -> bool:
        """Wait until there may be more or the process is on its way out; False where it has been silent for long."""
        moved = asyncio.ensure_future(more.wait())
        either: set[asyncio.Future[Any]] = {moved, draining}
        done, _ = await asyncio.wait(either, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
        moved.cancel()
        return bool(done)

    def _before(self, after: int | None) -> tuple[int, int]:
        """The nearest place in the log that is known at or before the event of this number: its own number there, and
        the position.
        """
        if after is None or after >= self._count:
            return self._count, self._scanned_to
        mark = after // MARK_EVENTS
        return mark * MARK_EVENTS, self._marks[mark]


def _written(number: int, event: Recorded) -> bytes:
    data = {"type": event.type, "recorded_at": event.recorded_at, "data": msgspec.Raw(event.data)}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, event.type.encode(), msgspec.json.encode(data))
