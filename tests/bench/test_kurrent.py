"""The benchmark of the log over KurrentDB's protocol runs, small: its figures mean nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.kurrent.__main__ import measures

SMALL = ("--rounds", "1", "--events", "1000", "--seconds", "2")


def test_the_benchmark_says_every_figure_that_is_asked_of_it(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "bench.kurrent", "--json", *SMALL],
        env={**os.environ, "BENCH_FOLDER": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert found.returncode == 0, found.stderr.decode()
    said = json.loads(found.stdout)
    assert said.keys() == {
        "fsync_p50_us",
        "append_ratio_empty_rpc",
        "append_per_s",
        "empty_rpc_per_s",
        "append_batch_per_s",
        "read_ratio_empty_stream",
        "read_all_per_s",
        "empty_stream_per_s",
        "live_p99_ms",
        "live_p50_ms",
    }
    assert min(said.values()) > 0
    # Nothing is left of what was measured, nor runs on.
    assert list(tmp_path.iterdir()) == []


def test_every_figure_with_a_limit_says_that_it_is_without_tls_and_users() -> None:
    ones = {"one": 1.0, "batches": 1.0, "all": 1.0, "empty": 1.0}
    told = [one for one in measures(1.0, ones, ones, [1.0] * 999) if (one.at_least or one.at_most) is not None]
    assert len(told) == 5
    for one in told:
        assert "without TLS or users" in one.meaning or one.meaning.startswith("the same")
