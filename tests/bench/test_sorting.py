"""The benchmark of sorting runs, small: its figures are those of a start, and mean nothing here."""

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


@pytest.mark.timeout(300)
def test_the_benchmark_says_every_figure_that_is_asked_of_it(folder: Path) -> None:
    small = ("--devices", "60", "--verdicts", "40000", "--seconds", "1")
    found = subprocess.run(
        [sys.executable, "-m", "bench.sorting", "--json", *small],
        env={**os.environ, "BENCH_FOLDER": str(folder)},
        capture_output=True,
        check=False,
        timeout=280,
    )
    assert found.returncode == 0, found.stderr.decode()
    said = json.loads(found.stdout)
    assert said.keys() == {
        "fsync_p50_us",
        "inspections_per_s",
        "verdicts_per_s",
        "scan_p99_ms",
        "scan_p50_ms",
        "redraw_s",
    }
    assert min(said.values()) > 0
    # Nothing is left of what was measured, nor runs on.
    assert list(folder.iterdir()) == []
