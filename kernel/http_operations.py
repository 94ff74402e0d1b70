"""What those who run a process ask of it: probes and metrics; and the span, metrics and log line of each request."""

import time
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from opentelemetry.metrics import Observation
from opentelemetry.trace import Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.http_openapi import JSON
from kernel.readiness import Readiness
from kernel.telemetry import LATENCY_BOUNDS_S, METER, TRACEPARENT, Telemetry, serving

LIVE: Final = "/livez"
READY: Final = "/readyz"
METRICS: Final = "/metrics"
QUIET: Final = frozenset({LIVE, READY, METRICS})
"""Asked every few seconds by machines: no span, no log line, and never turned away for too many requests."""

NO_TELEMETRY_OF_ITS_OWN: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
}
"""FastAPI would tell paths and queries, which hold ids and cursors, in four spans a request, and count all twice."""

CALLER_LEFT: Final = 499
"""Counted where no answer was sent, since whatever breaks is answered: the caller closed the connection before."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

_DURATION: Final = METER.create_histogram(
    "http.server.request.duration",
    unit="s",
    description="time to answer a REST request",
    explicit_bucket_boundaries_advisory=LATENCY_BOUNDS_S,
)
_IN_FLIGHT: Final[set[object]] = set()
METER.create_observable_up_down_counter(
    "http.server.active_requests",
    [lambda _: [Observation(len(_IN_FLIGHT))]],
    description="REST requests being answered",
)
_TRACEPARENT: Final = TRACEPARENT.encode()
_LOG: Final = structlog.get_logger("http")


def add_operations(app: FastAPI, readiness: Readiness, telemetry: Telemetry | None) -> None:
    """Probes, and metrics where there is telemetry. A gateway keeps its metrics at a door of their own."""

    async def live() -> Response:
        return Response(b'{"live":true}', media_type=JSON)

    async def ready(verbose: Annotated[str | None, Query()] = None) -> Response:
        report = await readiness.report()
        shown = report if verbose is not None else {"ready": report.ready}
        return Response(msgspec.json.encode(shown), 200 if report.ready else 503, media_type=JSON)

    app.add_api_route(LIVE, live, include_in_schema=False)
    app.add_api_route(READY, ready, include_in_schema=False)
    if telemetry is not None:

        async def metrics(request: Request) -> Response:
            body, media = telemetry.exposition(request.headers.get("accept", ""))
            return Response(body, media_type=media)

        app.add_api_route(METRICS, metrics, include_in_schema=False)


def operations_app(readiness: Readiness, telemetry: Telemetry) -> FastAPI:
    """An app of nothing but probes and metrics, for a port that no stranger reaches."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY_OF_ITS_OWN)
    add_operations(app, readiness, telemetry)
    return app


class TelemetryMiddleware:
    """A span, a duration and a log line a request, named by the route and never by what stands in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app: Final = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        status = CALLER_LEFT

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # Anybody may send any word as a method: what is not one of these is not worth a time series of its own.
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        traceparent = next((value for name, value in scope["headers"] if name == _TRACEPARENT), b"")
        begun_ns = time.perf_counter_ns()
        _IN_FLIGHT.add(noting_send)
        with serving(method, traceparent.decode("latin-1"), {"http.request.method": method}) as span:
            try:
                await self._app(scope, receive, noting_send)
            finally:
                seconds = (time.perf_counter_ns() - begun_ns) / 1e9
                route = getattr(scope.get("route"), "path", "unknown")
                _IN_FLIGHT.discard(noting_send)
                labels = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                _DURATION.record(seconds, labels)
                span.update_name(f"{method} {route}")
                span.set_attributes(labels)
                if status >= 500:  # noqa: PLR2004  the class of our own faults
                    span.set_status(Status(StatusCode.ERROR))
                # A question that was answered is counted and not logged: there are thousands, and nothing came of them.
                if method != "GET" or status >= 400:  # noqa: PLR2004  errors from there
                    _LOG.info("request", method=method, route=route, status=status, ms=round(seconds * 1e3, 2))
