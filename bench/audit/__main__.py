"""`python -m bench.audit [--json]`: how fast the proof log is written, and how fast it is audited.

`BENCH_FOLDER` names the disk that is measured.
"""

import argparse

import uvloop

from bench.audit import auditing
from bench.audit.sequencing import EVENTS, sequence_per_s
from bench.measure import Measure, fsync_p50_us, report, scratch_folder
from kernel.collector import calm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--events", type=int, default=EVENTS, help="length of the log; the limit holds for the default")
    arguments = parser.parse_args()
    calm()
    with scratch_folder() as folder:
        fsync_us = fsync_p50_us(folder)
        per_s = uvloop.run(sequence_per_s(folder, arguments.events))
        audited = auditing.measure(folder / "audited", arguments.events)
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
    ]
    report("audit", measures, as_json=arguments.json)


if __name__ == "__main__":
    main()
