"""What a device costs as the log grows to 10,000, 100,000 and 1,000,000 of them: time to record and to project its
history, time to read it back, bytes on disk. One log grows through all sizes, and each figure is of the part added
last, so that a cost which grows with what is there already shows in full.
"""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.measure import Measure
from bench.registry.history import EVENTS_EACH, Device, record
from bench.registry.projecting import project
from ledger.sqlite import SqliteLedger

SIZES: Final = (10_000, 100_000, 1_000_000)
READS: Final = 2_000
SEED: Final = 5


async def measure(folder: Path, sizes: Sequence[int] = SIZES) -> list[Measure]:
    log, views = folder / "growing.db", folder / "growing.sqlite"
    ledger = await SqliteLedger.open(log)
    await project(views, ledger)
    measures: list[Measure] = []
    costs_us: list[float] = []
    before = bytes_before = 0
    for devices in sizes:
        added = devices - before
        started = time.perf_counter()
        await record(ledger, before, added)
        recorded = time.perf_counter()
        await project(views, ledger)
        projected = time.perf_counter()
        read_us = await _read_us(ledger, devices)
        held = _bytes(log) + _bytes(views)
        record_us, project_us = (recorded - started) / added * 1e6, (projected - recorded) / added * 1e6
        costs_us.append(record_us + project_us)
        measures += [
            Measure(f"record_us_{devices}", record_us, f"to record a device's {EVENTS_EACH} events, up to {devices:,}"),
            Measure(f"project_us_{devices}", project_us, "to project them"),
            Measure(f"read_us_{devices}", read_us, "to read one device's stream at random"),
            Measure(f"device_bytes_{devices}", (held - bytes_before) / added, "of log and views, a device"),
        ]
        before, bytes_before = devices, held
    await ledger.close()
    grown = f"cost of a device at {sizes[-1]:,} against {sizes[0]:,}: 1 is linear growth"
    return [*measures, Measure("growth_ratio", costs_us[-1] / costs_us[0], grown)]


async def _read_us(ledger: SqliteLedger, devices: int) -> float:
    chosen = random.Random(SEED).choices(range(devices), k=READS)
    streams = [f"meter-{Device(serial).asset_no}" for serial in chosen]
    started = time.perf_counter()
    for stream in streams:
        page = await ledger.read(stream)
        assert len(page.events) == EVENTS_EACH, stream
    return (time.perf_counter() - started) / READS * 1e6


def _bytes(database: Path) -> int:
    """The file without its write-ahead log, whose length says when it was last copied and nothing else."""
    return database.stat().st_size
