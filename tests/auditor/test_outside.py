"""What systems outside have written into streams `ext-*`: an audit finds it whole, and is misled by none of it."""

import msgspec
import pytest

from auditor.finding import Fault
from auditor.verdict import FAULT, VERIFIED
from ledger.port import JSON, Recorded
from ledger.proof.disclosure import decode_events, encode_event
from tests.auditor.auditing import audited
from tests.auditor.logs import TrueLog, log_of, packed, put, range_of, read_range, season

MOVED = b'{"occurred_on":"2026-03-05","moved":{"device_class":"01","to_site":"centre"}}'
SUPERVISOR = "supervisor/disclosed"
STRANGE = (
    ("acme.Seen", JSON, b'{"n":1}'),
    ("acme.Seen", JSON, b'{"n":1,"n":2}'),
    ("acme.Seen", JSON, b"not JSON"),
    ("acme.Seen", JSON, b"[" * 100_000),
    ("acme.Seen", "application/octet-stream", bytes(range(256))),
    ("registry.Received", JSON, MOVED),
    ("registry.Received", JSON, b"not JSON"),
    ("registry.Destroyed", JSON, MOVED),
    ("registry.PlanSet", JSON, b'{"plan_id":"forged"}'),
    ("\u4e8b\u4ef6 of anybody", JSON, b""),
)


def outside(last: Recorded) -> list[Recorded]:
    """After the events of a log, the strange ones, in a stream each and in one that is named like a device's."""
    streams = [f"ext-{number}" for number in range(len(STRANGE))] + ["ext-meter-1"] * len(STRANGE)
    versions = [0] * len(STRANGE) + list(range(len(STRANGE)))
    return [
        msgspec.structs.replace(
            last,
            id=(7_000 + number).to_bytes(16),
            stream=stream,
            version=version,
            position=last.position + 1 + number,
            type=kind,
            content_type=content_type,
            data=data,
            metadata=b"",
        )
        for number, (stream, version, (kind, content_type, data)) in enumerate(
            zip(streams, versions, STRANGE * 2, strict=True)
        )
    ]


@pytest.fixture(scope="module")
def log() -> TrueLog:
    events = season(400).events
    return log_of([*events, *outside(events[-1])])


def test_an_audit_verifies_the_log_and_reckons_as_without_it(tmp_path, log):
    season(400).write(tmp_path / "without")
    log.write(tmp_path / "with")
    without, found = audited(tmp_path / "without"), audited(tmp_path / "with")
    assert (without.verdict.status, found.verdict.status) == (VERIFIED, VERIFIED), found.findings
    assert found.events == without.events + 2 * len(STRANGE)
    assert found.balances == without.balances


def test_what_is_left_out_of_it_is_found(tmp_path, log):
    records = list(decode_events(read_range(log.write(tmp_path), SUPERVISOR), 0, 4_096))
    withheld = len(log.events) - 3
    put(tmp_path, range_of(SUPERVISOR), packed(encode_event(*one) for one in records if one[0] != withheld))
    report = audited(tmp_path)
    assert report.verdict.status == FAULT
    assert (Fault.DROPPED, withheld) in {(one.fault, one.index) for one in report.findings}


def test_without_the_name_of_such_a_stream_the_same_events_are_found_wrong(tmp_path, log):
    """That the test above could fail."""
    events = [
        msgspec.structs.replace(one, stream=one.stream.replace("ext-", "odd-")) if one.stream[:4] == "ext-" else one
        for one in log.events
    ]
    log_of(events).write(tmp_path)
    assert Fault.MALFORMED in {one.fault for one in audited(tmp_path).findings}
