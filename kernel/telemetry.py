"""Traces and metrics of a process, by OpenTelemetry's API. Until `open_telemetry` is called they go nowhere.

Metrics are always at `/metrics` for Prometheus. Traces and metrics also leave by OTLP where the standard variables say
so (OTEL_EXPORTER_OTLP_ENDPOINT, ...). A trace goes on through calls by W3C traceparent, and through the log by the
traceparent in an event's metadata.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, SpanKind, get_current_span
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


class Telemetry:
    """What `open_telemetry` opened. `close` sends what is still under way."""

    def __init__(self, registry: CollectorRegistry, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._registry: Final = registry
        self._tracers: Final = tracers
        self._meters: Final = meters

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics now, and their media type, OpenMetrics where the scraper takes it."""
        encode, media = choose_encoder(accept)
        return encode(self._registry), media

    def close(self) -> None:
        """Send what is left and stop. Takes as long as the collector does, at most some seconds."""
        self._tracers.shutdown()
        self._meters.shutdown()


def open_telemetry(service: str, version: str, environ: Mapping[str, str], *, instance: str = "") -> Telemetry:
    """Make this process's traces and metrics go somewhere. Once a process, before its first request."""
    resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: version, SERVICE_INSTANCE_ID: instance})
    registry = CollectorRegistry()
    readers: list[MetricReader] = [
        PrometheusMetricReader(registry=registry, scope_info_enabled=False, disable_target_info=True)
    ]
    exported = any(environ.get(name) for name in OTLP_VARIABLES)
    # Where spans go nowhere they are not recorded. Their ids are still made, for logs and for events' metadata.
    tracers = TracerProvider(sampler=None if exported else ALWAYS_OFF, resource=resource)
    if exported:
        # Imported only here: they load gRPC's whole client side, which a process without a collector never needs.
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  as said
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  as said

        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    meters = MeterProvider(metric_readers=readers, resource=resource)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    return Telemetry(registry, tracers, meters)


def current_traceparent() -> str | None:
    """The W3C traceparent of the span we are in, for an event's metadata or a call to another service."""
    if not get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(TRACEPARENT)


def current_trace_id() -> str | None:
    """The id of the trace we are in, as hexadecimal."""
    context = get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def context_of(traceparent: str | None) -> Context:
    """The context that a traceparent names; an empty one where it is missing or torn."""
    return _PROPAGATOR.extract({TRACEPARENT: traceparent} if traceparent else {}, context=Context())


@contextmanager
def serving(name: str, traceparent: str | None, attributes: Mapping[str, str | int]) -> Generator[Span]:
    """The span of a request that came in, part of its caller's trace."""
    with TRACER.start_as_current_span(
        name,
        context_of(traceparent),
        SpanKind.SERVER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


@contextmanager
def calling(name: str) -> Generator[Span]:
    """The span of a call to another service."""
    with TRACER.start_as_current_span(name, kind=SpanKind.CLIENT) as span:
        yield span


@contextmanager
def continuing(name: str, traceparent: str | None) -> Generator[Span]:
    """The span of what follows from an event, in the trace that recorded it: for policies, which act on it."""
    with TRACER.start_as_current_span(name, context_of(traceparent), SpanKind.CONSUMER) as span:
        yield span
