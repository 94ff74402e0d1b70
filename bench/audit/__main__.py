"""`python -m bench.audit [--json]`: how fast the proof log is written.

`BENCH_FOLDER` names the disk that is measured.
"""

import argparse

import uvloop

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
    measures = [
        Measure("fsync_p50_us", fsync_us, "one page made durable on this disk, median"),
        Measure(
            "sequence_per_s",
            per_s,
            f"events of a ledger in SQLite made a proof log, everything durable, {arguments.events:,} events",
            at_least=50_000 if arguments.events >= EVENTS else None,
        ),
    ]
    report("audit", measures, as_json=arguments.json)


if __name__ == "__main__":
    main()
