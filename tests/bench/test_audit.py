"""The benchmark of the proof log runs, small: its figures are those of a start, and mean nothing here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for the supervisor's socket has at most 108 characters."""
    with TemporaryDirectory(prefix="meterloop-") as name:
        yield Path(name)


def test_the_benchmark_says_every_figure_that_is_asked_of_it(folder: Path) -> None:
    small = ("--events", "5000", "--seconds", "1", "--without-10m")
    found = subprocess.run(
        [sys.executable, "-m", "bench.audit", "--json", *small],
        env={**os.environ, "BENCH_FOLDER": str(folder)},
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert found.returncode == 0, found.stderr.decode()
    said = json.loads(found.stdout)
    assert said.keys() == {
        "fsync_p50_us",
        "sequence_per_s",
        "audit_ratio_hash",
        "audit_per_s",
        "audit_rss_mb",
        "provable_p50_s",
        "provable_p99_s",
    }
    assert min(said.values()) > 0
    # Nothing is left of what was measured, nor runs on.
    assert list(folder.iterdir()) == []
