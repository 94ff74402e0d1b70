"""Traces go on through calls and through the log; logs carry their ids and no secret."""

import io
import json
import logging
import re
import subprocess
import sys

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kernel.grpc_client import Peer
from kernel.identity_issuer import issue
from kernel.logs import configure_logs
from kernel.redaction import REDACTED, redacted
from kernel.telemetry import calling, context_of, continuing, current_traceparent
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import CLERK, client, parcel_door, parcel_rpc
from tests.kernel.sample_wire import message

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def exporter():
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return kept


@pytest.fixture
def spans(exporter):
    exporter.clear()
    return lambda: {span.name: span for span in exporter.get_finished_spans()}


def trace_of(span):
    return format(span.context.trace_id, "032x")


async def test_a_rest_request_belongs_to_its_caller_s_trace_and_so_do_its_events(spans, tmp_path):
    ledger = MemoryLedger()
    async with client(parcel_door(ledger, tmp_path), tmp_path) as web:
        answer = await web.post(
            "/v1/parcels/p-secret-1/send",
            json={"place": "A", "weight_g": 1},
            headers={"Idempotency-Key": "k", "traceparent": TRACEPARENT},
        )
        assert answer.status_code == 201
        assert (await web.get("/nowhere")).status_code == 404
    made = spans()
    span = made["POST /v1/parcels/{parcel}/send"]
    assert trace_of(span) == TRACE
    assert span.attributes["http.response.status_code"] == 201
    # One span a request, ours: FastAPI's own would tell paths and queries.
    assert set(made) == {"POST /v1/parcels/{parcel}/send", "GET unknown"}
    assert "p-secret-1" not in str(made)
    (event,) = (await ledger.read_all()).events
    recorded = json.loads(event.metadata)["traceparent"]
    assert recorded.split("-")[1] == TRACE
    with continuing("when_sent_weigh", recorded):
        assert current_traceparent().split("-")[1] == TRACE


async def test_a_call_to_another_service_is_part_of_the_same_trace(spans, tmp_path):
    ledger = MemoryLedger()
    door, port = await parcel_rpc(ledger, tmp_path)
    peer = Peer(f"127.0.0.1:{port}")
    with calling("outer"):
        await peer.call(
            "sample.v1.Parcels/Send",
            message("Send")(parcel="p1", place="A", weight_g=1),
            message("Outcome"),
            authorization=f"Bearer {issue(tmp_path, CLERK)}",
            idempotency_key="k",
        )
    await peer.close()
    await door.stop(1.0)
    found = [span for span in spans().values() if "Send" in span.name or span.name == "outer"]
    assert len({trace_of(span) for span in found}) == 1


@pytest.mark.parametrize(
    "torn", [None, "", "x", "00-0-0-0", TRACEPARENT[:-5], "00-" + "g" * 32 + "-" + "0" * 16 + "-01"]
)
def test_a_torn_traceparent_begins_a_new_trace(torn):
    with trace.get_tracer("test").start_as_current_span("new", context_of(torn)) as span:
        assert format(span.get_span_context().trace_id, "032x") != TRACE


GOES_ON = """
from kernel.telemetry import calling, current_trace_id, current_traceparent, open_telemetry, serving
open_telemetry("sample", "1", {})
for traceparent in (%r, None, None):
    with serving("in", traceparent, {}):
        served = current_trace_id()
        with calling("out"):
            print(served, current_traceparent())
print(current_traceparent())
"""


def test_where_spans_go_nowhere_traces_still_go_on():
    """In a process of its own: providers are set once."""
    said = subprocess.run([sys.executable, "-c", GOES_ON % TRACEPARENT], capture_output=True, text=True, check=True)
    *served, after = said.stdout.splitlines()
    assert served[0] == f"{TRACE} {TRACEPARENT}"
    made = [line.split(" ") for line in served[1:]]
    assert all(re.fullmatch(rf"00-{trace_id}-[0-9a-f]{{16}}-00", sent) for trace_id, sent in made)
    assert len({TRACE, *(trace_id for trace_id, _ in made)}) == 3
    assert after == "None"


JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1LTE3In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "secret",
    [
        {"token": JWT},
        {"headers": {"Authorization": f"Bearer {JWT}", "Cookie": "s=1"}},
        {"said": f"got Bearer {JWT} here"},
        {"said": f"got {JWT}"},
        {"said": ["a", (JWT, {JWT})]},
        {"raw": f"authorization: Bearer {JWT}".encode()},
        {"url": "postgresql://centre:hunter2@db/views"},
        {"said": "cannot connect to postgresql://centre:hunter2@db/views?x=1"},
        {"said": "password=hunter2 refused"},
        {"DATABASE_PASSWORD": "hunter2"},
        {"api_key": "hunter2"},
        {"said": "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"},
        {"error": ValueError("for postgresql://centre:hunter2@db/views")},
    ],
    ids=str,
)
def test_secrets_are_cut_out(secret):
    shown = json.dumps(redacted(secret))
    assert REDACTED in shown
    assert "hunter2" not in shown
    assert "eyJ" not in shown


def test_what_is_no_secret_stays():
    plain = {"event": "request", "route": "/v1/meters/{asset_no}", "ms": 1.5, "url": "https://a/b:1@c", "ok": True}
    assert redacted(plain) == plain


@pytest.fixture
def logged():
    """What is logged, with the configuration as it was put back afterwards."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    configure_logs("sample", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


def test_every_log_line_is_json_with_its_trace_and_without_secrets(logged, exporter):
    assert exporter
    with trace.get_tracer("test").start_as_current_span("one", context_of(TRACEPARENT)):
        structlog.get_logger("ours").info("hello", token=JWT, parcel="p1")
        logging.getLogger("theirs").warning("bad url %s", "http://u:hunter2@host/")
    try:
        int(f"no good: {JWT}")
    except ValueError:
        structlog.get_logger("ours").exception("broke")
        logging.getLogger("theirs").exception("broke there")
    ours, theirs, broke, there = logged()
    assert (ours["event"], ours["parcel"], ours["token"], ours["service"]) == ("hello", "p1", REDACTED, "sample")
    assert ours["trace_id"] == theirs["trace_id"] == TRACE
    assert (ours["level"], theirs["level"], theirs["logger"]) == ("info", "warning", "theirs")
    for line in (broke, there):
        assert "no good: [redacted]" in line["exception"]
    assert "hunter2" not in json.dumps(logged())
    assert "eyJ" not in json.dumps(logged())


async def test_a_request_is_logged_by_its_route_and_a_fault_with_its_id(logged, exporter, tmp_path):
    assert exporter
    ledger = MemoryLedger()
    async with client(parcel_door(ledger, tmp_path), tmp_path) as web:
        await web.get("/v1/parcels/p-secret-1")
        await ledger.close()
        away = await web.get("/v1/parcels/p-secret-1")
    assert (away.status_code, away.json()["code"]) == (503, "ledger.unavailable")
    assert away.headers["retry-after"] == "1"
    lines = [line for line in logged() if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/v1/parcels/{parcel}", 404),
        ("/v1/parcels/{parcel}", 503),
    ]
    assert all(len(line["trace_id"]) == 32 for line in lines)
    assert "p-secret-1" not in json.dumps(logged())
