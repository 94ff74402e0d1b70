"""Limits that hold for every request of a REST door: length of the query, requests at once, time, size of a body."""

import asyncio
from typing import Final

import msgspec
import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.door import DEADLINE, FAULT, OVERLOADED, STOPPING, TooLarge, WrongMedia
from kernel.http_operations import QUIET
from kernel.http_problem import problem_response
from kernel.refusal import Reason, Refusal
from kernel.telemetry import current_trace_id

BODY_TOO_LARGE = Reason(
    TooLarge, "request.too_large", "内容超过 {limit} 字节的限制。", "the content is over the limit of {limit} bytes"
)
QUERY_TOO_LONG = Reason(
    TooLarge,
    "request.query_too_long",
    "查询串超过 {limit} 字节的限制。",
    "the query is over the limit of {limit} bytes",
)
TOO_MANY_LINES = Reason(
    TooLarge, "request.too_many_lines", "一次最多 {limit} 行。", "at most {limit} lines in one call"
)

COMPRESSED = Reason(
    WrongMedia,
    "request.compressed",
    "不接受压缩过的内容（Content-Encoding），请不压缩直接发送。",
    "content is not read compressed (Content-Encoding); send it as it is",
)

COMMAND_BYTES_MAX: Final = 2 << 20
"""Of one command: the largest that is within the rules, a full manifest, with room for spaces and escapes."""

BULK_BYTES_MAX: Final = 8 << 20
"""Of many commands in one call."""

_LOG: Final = structlog.get_logger("http")


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one door takes."""

    command_bytes_max: int = COMMAND_BYTES_MAX
    bulk_bytes_max: int = BULK_BYTES_MAX
    bulk_lines_max: int = 1_000
    query_bytes_max: int = 8 * 1024
    request_s_max: float = 30.0
    in_flight_max: int = 1_000


class LimitsMiddleware:
    """Holds the limits, and turns what nobody expected into a logged 500 problem.

    The time counts until the answer begins, so that a stream of events may go on.
    """

    def __init__(self, app: ASGIApp, *, limits: HttpLimits) -> None:
        self._app: Final = app
        self._limits: Final = limits
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        limits = self._limits
        if len(scope["query_string"]) > limits.query_bytes_max:
            await _refuse(QUERY_TOO_LONG(limit=limits.query_bytes_max), scope, receive, send)
        elif self._in_flight >= limits.in_flight_max:
            await _refuse(OVERLOADED(), scope, receive, send)
        else:
            self._in_flight += 1
            try:
                await self._within_time(scope, receive, send)
            finally:
                self._in_flight -= 1

    async def _within_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = self._limits.request_s_max
        begun = False
        timer = asyncio.timeout(seconds)

        async def noting_send(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and not begun:
                begun = True
                timer.reschedule(None)
                # What we call JSON is never run as anything else, whatever stands in it.
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        refusal: Refusal
        try:
            async with timer:
                await self._app(scope, receive, noting_send)
        except TimeoutError:
            if begun or not timer.expired():
                raise
            refusal = DEADLINE(seconds=seconds)
        except asyncio.CancelledError:
            # Only a stop that waits no longer cancels a request: its caller is still told, and the task ends here.
            if begun:
                raise
            refusal = STOPPING()
        except ClientDisconnect:
            # Nobody is there to be told. A command is decided when its body is whole; a piece of an upload that came
            # before stays, and the next request goes on after it.
            return
        except Exception:
            _LOG.exception("request failed", path=scope["path"])
            if begun:
                raise
            refusal = FAULT(trace_id=current_trace_id() or "-")
        else:
            return
        await _refuse(refusal, scope, receive, send)


def require_uncompressed(request: Request) -> None:
    """Refuse what would be taken for something else than it is."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise COMPRESSED()


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, or a refusal as soon as it is known to be over the limit, or compressed."""
    require_uncompressed(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BODY_TOO_LARGE(limit=limit)
    parts, total = [], 0
    async for part in request.stream():
        total += len(part)
        if total > limit:
            raise BODY_TOO_LARGE(limit=limit)
        parts.append(part)
    return b"".join(parts)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(Request(scope), refusal)(scope, receive, send)
