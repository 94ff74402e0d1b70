"""How this house measures: limit and peer in the same run, interleaved, medians; and the disk's fsync beside them,
without which no durable figure means anything.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

_FSYNCS: Final = 300
_PAGE_BYTES: Final = 4_096


class Measure(msgspec.Struct, frozen=True):
    """One line of a report. `at_least` and `at_most`: what it must reach or keep to, if anything is asked of it."""

    key: str
    value: float
    meaning: str
    at_least: float | None = None
    at_most: float | None = None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Where a benchmark writes: `BENCH_FOLDER` if set (the disk to be measured), else a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="meterloop-bench-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        yield Path(folder)


def fsync_p50_us(folder: Path) -> float:
    """Median microseconds to make one page, appended to a file in `folder`, durable."""
    descriptor = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY)
    try:
        elapsed_ns = []
        for _ in range(_FSYNCS):
            os.write(descriptor, b"x" * _PAGE_BYTES)
            started_ns = time.perf_counter_ns()
            os.fdatasync(descriptor)
            elapsed_ns.append(time.perf_counter_ns() - started_ns)
    finally:
        os.close(descriptor)
    return statistics.median(elapsed_ns) / 1_000


async def interleave(cases: Mapping[str, Callable[[], Awaitable[float]]], rounds: int) -> dict[str, float]:
    """The median of each case's own figure over `rounds`, after one round that warms up and does not count. The order
    turns from round to round, so that no case always runs in another's wake.
    """
    figures: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds + 1):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            figure = await cases[name]()
            if turn:
                figures[name].append(figure)
    return {name: statistics.median(values) for name, values in figures.items()}


def report(title: str, measures: Sequence[Measure], *, as_json: bool) -> None:
    """One JSON object with a key a measure, or a table for people."""
    if as_json:
        print(msgspec.json.encode({measure.key: measure.value for measure in measures}).decode())
        return
    table = Table("key", "value", "must reach", "meaning", title=title)
    for measure in measures:
        asked = " ".join(
            f"{sign}{bound:g}"
            for sign, bound in ((">= ", measure.at_least), ("<= ", measure.at_most))
            if bound is not None
        )
        missed = (measure.at_least is not None and measure.value < measure.at_least) or (
            measure.at_most is not None and measure.value > measure.at_most
        )
        value = f"{measure.value:,.2f}" if measure.value < 1_000 else f"{measure.value:,.0f}"
        table.add_row(measure.key, f"[red]{value}[/red]" if missed else value, asked, measure.meaning)
    Console().print(table)
