"""`python -m bench.audit [--json]`: how fast the proof log is written, proven and audited.

`BENCH_FOLDER` names the disk that is measured. The audit of ten times as many events needs some 2 GB of it for a while,
and half of the time; `--without-10m` leaves it out.
"""

import argparse
import statistics
import sys
import time
from typing import Final

import uvloop

from bench.audit import auditing
from bench.audit.proving import APPENDS_PER_S, provable_s
from bench.audit.sequencing import EVENTS, sequence_per_s
from bench.measure import Measure, fsync_p50_us, report, scratch_folder
from kernel.collector import calm

EVENTS_OF_THE_LONG: Final = 10_000_000
PROVEN_S: Final = 60.0
SAID_EVERY_S: Final = 5.0


class Progress:
    """How far it is, for whoever waits."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __call__(self, what: str, done: int, of: int) -> None:
        if time.monotonic() >= self._said_s + SAID_EVERY_S:
            self._said_s = time.monotonic()
            print(f"{what}: {done:,} of {of:,}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--events", type=int, default=EVENTS, help="length of the log; the limit holds for the default")
    parser.add_argument("--seconds", type=float, default=PROVEN_S, help="for how long events are appended and proven")
    parser.add_argument("--without-10m", action="store_true", help="leave out the audit of ten million events")
    arguments = parser.parse_args()
    calm()
    say = Progress()
    with scratch_folder() as folder:
        fsync_us = fsync_p50_us(folder)
        per_s = uvloop.run(sequence_per_s(folder, arguments.events))
        audited = auditing.measure(folder / "audited", arguments.events, say)
    with scratch_folder() as folder:
        took_s = uvloop.run(provable_s(folder.resolve(), arguments.seconds, say))
    whole = arguments.events >= EVENTS
    measures = [
        Measure("fsync_p50_us", fsync_us, "one page made durable on this disk, median"),
        Measure(
            "sequence_per_s",
            per_s,
            f"events of a ledger in SQLite made a proof log, everything durable, {arguments.events:,} events",
            at_least=50_000 if whole else None,
        ),
        Measure(
            "audit_ratio_hash",
            audited.hash_s / audited.audit_s,
            f"an audit from files, all replayed, against SHA-256 of the same bytes, {auditing.JOBS} processes each",
            at_least=0.05 if whole else None,
        ),
        Measure(
            "audit_per_s",
            audited.events / audited.audit_s,
            "the same in events a second",
            at_least=150_000 if whole else None,
        ),
        Measure(
            "audit_rss_mb",
            audited.rss_bytes / 1e6,
            "memory of that audit, all processes, pages that they share counted in each",
            at_most=500 if whole else None,
        ),
        Measure(
            "provable_p50_s",
            statistics.median(took_s),
            f"from an event's append to a published checkpoint with which it is proven, at {APPENDS_PER_S} a second",
        ),
        Measure("provable_p99_s", statistics.quantiles(took_s, n=100)[-1], "the same, 99 of 100 events", at_most=3),
    ]
    if not arguments.without_10m:
        measures.append(_long(say))
    report("audit", measures, as_json=arguments.json)


def _long(say: Progress) -> Measure:
    with scratch_folder() as folder:
        audited = auditing.measure(folder, EVENTS_OF_THE_LONG, say)
    return Measure(
        "audit_rss_10m_mb",
        audited.rss_bytes / 1e6,
        f"memory of an audit of {EVENTS_OF_THE_LONG:,} events, all processes, shared pages counted in each",
        at_most=800,
    )
