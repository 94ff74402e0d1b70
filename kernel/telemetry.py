"""Traces and metrics of a process, by OpenTelemetry's API. Until `open_telemetry` is called they go nowhere.

Metrics are always at `/metrics` for Prometheus. Traces and metrics also leave by OTLP where the standard variables say
so (OTEL_EXPORTER_OTLP_ENDPOINT, ...). A trace goes on through calls by W3C traceparent, and through the log by the
traceparent in an event's metadata.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

SCOPE: Final = "meterloop"
TRACEPARENT: Final = "traceparent"
OTLP_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
LATENCY_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

TRACER: Final = trace.get_tracer(SCOPE)
METER: Final = metrics.get_meter(SCOPE)

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class _Unrecorded(trace.TracerProvider, trace.Tracer):
    """Where spans go nowhere none is made. A trace's ids alone go on, for logs, events' metadata and other services."""

    def __init__(self) -> None:
        self._ids: Final = RandomIdGenerator()

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self

    def start_span(self, name: str, context: Context | None = None, *_: Any, **__: Any) -> Span:  # noqa: ARG002  the API's
        ours = get_current_span(context).get_span_context()
        if not ours.is_valid:
            ours = SpanContext(self._ids.generate_trace_id(), self._ids.generate_span_id(), is_remote=False)
        return NonRecordingSpan(ours)

    def start_as_current_span(self, name: str, context: Context | None = None, *_: Any, **__: Any) -> Any:
        return use_span(self.start_span(name, context))


class Telemetry:
    """What `open_telemetry` opened. `close` sends what is still under way."""

    def __init__(self, registry: CollectorRegistry, tracers: TracerProvider | None, meters: MeterProvider) -> None:
        self._registry: Final = registry
        self._tracers: Final = tracers
        self._meters: Final = meters

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics now, and their media type, OpenMetrics where the scraper takes it."""
        encode, media = choose_encoder(accept)
        return encode(self._registry), media

    def close(self) -> None:
        """Send what is left and stop. Takes as long as the collector does, at most some seconds."""
        if self._tracers is not None:
            self._tracers.shutdown()
        self._meters.shutdown()


def open_telemetry(service: str, version: str, environ: Mapping[str, str], *, instance: str = "") -> Telemetry:
    """Make this process's traces and metrics go somewhere. Once a process, before its first request."""
    resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: version, SERVICE_INSTANCE_ID: instance})
    registry = CollectorRegistry()
    readers: list[MetricReader] = [
        PrometheusMetricReader(registry=registry, scope_info_enabled=False, disable_target_info=True)
    ]
    tracers = None
    if any(environ.get(name) for name in OTLP_VARIABLES):
        # Imported only here: they load gRPC's whole client side, which a process without a collector never needs.
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  as said
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  as said

        tracers = TracerProvider(resource=resource)
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    meters = MeterProvider(metric_readers=readers, resource=resource)
    trace.set_tracer_provider(tracers or _Unrecorded())
    metrics.set_meter_provider(meters)
    return Telemetry(registry, tracers, meters)


def current_traceparent() -> str | None:
    """The W3C traceparent of the span we are in, for an event's metadata or a call to another service."""
    ours = get_current_span().get_span_context()
    return f"00-{ours.trace_id:032x}-{ours.span_id:016x}-{ours.trace_flags:02x}" if ours.is_valid else None


def current_trace_id() -> str | None:
    """The id of the trace we are in, as hexadecimal."""
    context = get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


@lru_cache(maxsize=1_024)
def context_of(traceparent: str | None) -> Context:
    """The context that a traceparent names; an empty one where it is missing or torn. Contexts do not change, and all
    that one call recorded names the same.
    """
    return _PROPAGATOR.extract({TRACEPARENT: traceparent}, context=Context()) if traceparent else Context()


def serving(name: str, traceparent: str | None, attributes: Mapping[str, str | int]) -> AbstractContextManager[Span]:
    """The span of a request that came in, part of its caller's trace."""
    span = TRACER.start_span(name, context_of(traceparent), SpanKind.SERVER, attributes)
    return use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False)


def calling(name: str) -> AbstractContextManager[Span]:
    """The span of a call to another service."""
    return use_span(TRACER.start_span(name, kind=SpanKind.CLIENT), end_on_exit=True)


def continuing(name: str, traceparent: str | None) -> AbstractContextManager[Span]:
    """The span of what follows from an event, in the trace that recorded it: for policies, which act on it."""
    return use_span(TRACER.start_span(name, context_of(traceparent), SpanKind.CONSUMER), end_on_exit=True)
