"""Public events as they happen, as server-sent events that anyone may follow.

They come from the public set that is disclosed, not from the log's keeper: whatever is shown here is an entry of the
published proof log, and `index` says which. An event's id is its number among the public events, counted from 1.
`Last-Event-ID` goes on after that number; without it the stream begins with what happens next, with `0` at the start.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.places import Places
from gateway.public_set import PublicSet
from gateway.standing import Part, of_live
from kernel.door import BadRequest, CannotNow
from kernel.http_openapi import header_parameter
from kernel.readiness import Health
from kernel.refusal import Reason
from ledger.proof.commitment import Envelope
from ledger.proof.errors import Malformed

PATH: Final = "/v1/events"
MEDIA: Final = "text/event-stream"
POLL_S: Final = 0.2
"""How often the set is looked at: its head is written once a second at most."""

FOLLOWERS_MAX: Final = 500
"""Each costs an open connection and, while it catches up, the events of a range."""

FOLLOWERS_OF_AN_ADDRESS_MAX: Final = 20
"""Enough for an office behind one address, and few enough that nobody keeps the others out from a handful."""

HEARTBEAT_S: Final = 15.0
"""Proxies close what is silent for half a minute."""

RETRY_MS: Final = 2_000
STILL_HERE: Final = b": still here\n\n"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOG: Final = structlog.get_logger("live")
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

TOO_MANY_OF_AN_ADDRESS = Reason(
    CannotNow,
    "events.too_many_of_an_address",
    "同一地址最多可有 {limit} 个订阅，请先结束其中之一。",
    "at most {limit} may follow the events from one address; end one of them first",
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


class _Following(StreamingResponse):
    """The stream, at a place that is taken before anything is answered and free again whatever ends it."""

    def __init__(self, followers: Places, stream: AsyncIterator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(stream, media_type=MEDIA, headers=headers)
        self._followers: Final = followers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._followers.place_for(scope.get("client")):
            await super().__call__(scope, receive, send)


class Live:
    """Lets people follow the public set. `run` must run for anything to move."""

    def __init__(self, app: FastAPI, folder: Path, until_draining: Callable[[], Awaitable[None]]) -> None:
        self._until_draining: Final = until_draining
        self._set: Final = PublicSet(folder)
        self._counted_to: int | None = None
        self._trouble: str | None = None
        self._more = asyncio.Event()
        self._followers: Final = Places(
            FOLLOWERS_MAX,
            FOLLOWERS_OF_AN_ADDRESS_MAX,
            full=TOO_MANY_FOLLOWERS,
            full_of_address=TOO_MANY_OF_AN_ADDRESS,
        )
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
        return self._set.count

    @property
    def origin(self) -> str | None:
        """The name of the proof log whose set this is; None before anything is disclosed."""
        return self._set.origin

    @property
    def standing(self) -> Part:
        """For the status page."""
        return of_live(self.count, complete=self._complete, full=self._followers.full)

    @property
    def _complete(self) -> bool:
        """Whether all public events that there were at the start are counted."""
        return self._counted_to is not None and self._set.covered >= self._counted_to

    async def run(self) -> None:
        """Count what is disclosed, until cancelled."""
        while True:
            try:
                await self._look()
                self._trouble = None
            except (OSError, Malformed) as error:
                if str(error) != self._trouble:
                    _LOG.warning("the public set cannot be read", error=str(error))
                self._trouble = str(error)
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        stood, more = self._stood, True
        if (head := await asyncio.to_thread(self._set.head)) is not None:
            # Less than there was at the start is there where an older set was put back.
            self._counted_to = min(head.covered, self._counted_to or head.covered)
        while more:
            more = await asyncio.to_thread(self._set.look)
            if self._stood != stood:
                stood = self._stood
                moved, self._more = self._more, asyncio.Event()
                moved.set()

    @property
    def _stood(self) -> tuple[str | None, int, bool]:
        """What those who follow wait for a change of."""
        return self._set.origin, self._set.covered, self._complete

    async def health(self) -> Health:
        """For `/readyz`: not ready until all public events that there were at the start are counted; degraded before
        anything was disclosed, while the set cannot be read, and while nobody else can follow it.
        """
        if self._trouble is not None:
            return Health(ok=True, degraded=True, detail=self._trouble)
        if self._counted_to is None:
            return Health(ok=True, degraded=True, detail="nothing is disclosed yet")
        if self._complete:
            full = f", {FOLLOWERS_MAX} followers" if self._followers.full else ""
            return Health(ok=True, degraded=self._followers.full, detail=f"{self.count} public events{full}")
        return Health(ok=False, detail=f"{self.count} public events counted, to entry {self._set.covered}")

    async def _follow(self, request: Request) -> StreamingResponse:
        """公开事件流 Public events as they happen."""
        asked = request.headers.get("last-event-id")
        if asked is not None and _EVENT_ID.fullmatch(asked) is None:
            raise BAD_EVENT_ID(last=self.count)
        after = None if asked is None else int(asked)
        counted_to = 0
        if after is not None and after > self.count and self._complete:
            head = await asyncio.to_thread(self._set.head)
            counted_to = head.covered if head else 0
            if after > self.count and self._set.covered >= counted_to:
                raise BAD_EVENT_ID(last=self.count)
        return _Following(self._followers, self._stream(after, counted_to))

    async def _stream(self, after: int | None, counted_to: int) -> AsyncIterator[bytes]:
        """What is sent. Until the set is counted up to an entry nobody knows which is number `after`: whoever comes
        back to a gateway that has just started is kept waiting, for a browser that is refused never comes again.
        """
        draining = asyncio.ensure_future(self._until_draining())
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not draining.done():
                more = self._more
                if self._complete and self._set.covered >= counted_to:
                    break
                if not await self._awaited(more, draining):
                    yield STILL_HERE
            if after is not None and after > self.count:
                return
            number = self.count if after is None else after
            while not draining.done():
                more = self._more
                # Where there are fewer than there were, an older set was put back: who comes again is told.
                if number > self.count:
                    return
                while events := await asyncio.to_thread(self._set.after, number):
                    for index, event in events:
                        number += 1
                        yield _written(number, index, event)
                if not await self._awaited(more, draining):
                    yield STILL_HERE
        finally:
            draining.cancel()

    async def _awaited(self, more: asyncio.Event, draining: asyncio.Future[None]) -> bool:
        """Wait until there may be more or the process is on its way out; False where it has been silent for long."""
        moved = asyncio.ensure_future(more.wait())
        either: set[asyncio.Future[Any]] = {moved, draining}
        done, _ = await asyncio.wait(either, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
        moved.cancel()
        return bool(done)


def _written(number: int, index: int, event: Envelope) -> bytes:
    recorded_at = _EPOCH + timedelta(microseconds=event.recorded_at_us)
    data = {"index": index, "type": event.type, "recorded_at": recorded_at, "data": msgspec.Raw(event.data)}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, event.type.encode(), msgspec.json.encode(data))
