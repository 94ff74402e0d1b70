"""`python -m bench.ledger [--json]`: the embedded ledger against raw SQLite.

Raw is the same table, indexes, triggers and pragmas through the same apsw, in one thread, with rows made beforehand:
what remains to be lost is what the ledger adds. The event loop is uvloop, as in the services, and the garbage collector
is told what they tell it.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import msgspec
import uvloop

from bench.measure import Measure, fsync_p50_us, interleave, report, scratch_folder
from kernel.collector import calm
from ledger.copying import copy_log
from ledger.port import JSON, NO_STREAM, SALT_BYTES, Append, Draft
from ledger.sqlite import SqliteLedger
from ledger.sqlite_file import connect, open_file

ROUNDS: Final = 15
SINGLE_APPENDS: Final = 200
APPENDERS: Final = 64
APPENDS_EACH: Final = 25
BATCHES: Final = 5
BATCH_EVENTS: Final = 1_000
REPLAYED_EVENTS: Final = 50_000
COPIES: Final = 3

_INSERT: Final = """
INSERT INTO event (stream, version, type, content_type, recorded_at_us, id, salt, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SELECT: Final = """
SELECT id, stream, version, position, type, content_type, data, metadata, recorded_at_us, salt
FROM event ORDER BY position"""


class Received(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A typical event; its values are made up."""

    asset_no: str
    site: str
    shipment: str
    container: str
    slot: int
    received_by: str
    condition: str
    reading_wh: int
    occurred_at: str


METADATA: Final = msgspec.json.encode(
    {
        "$correlationId": "0b9b6f5e-5d0c-4a7b-9a54-1f0d5c7f2f10",
        "$causationId": "7f2f1b9e-8c07-4b43-8f0e-2f9f0a1f6a11",
        "actor": "operator-0000000000000001",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "schema": 1,
        "command_digest": "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=",
    }
)


class Typical:
    """Events that differ in their numbers only, made before the clock starts."""

    def __init__(self) -> None:
        self._made = 0

    def appends(self, count: int) -> list[Append]:
        return [Append(stream, NO_STREAM, [draft]) for stream, draft in self._pairs(count)]

    def rows(self, count: int) -> list[tuple[str, int, str, str, int, bytes, bytes, bytes, bytes]]:
        return [
            (stream, 0, draft.type, JSON, 1, draft.id, os.urandom(SALT_BYTES), draft.metadata, draft.data)
            for stream, draft in self._pairs(count)
        ]

    def _pairs(self, count: int) -> Iterator[tuple[str, Draft]]:
        for serial in range(self._made, self._made + count):
            asset_no = f"9900101{serial:014d}0"
            event = Received(
                asset_no=asset_no,
                site="site-centre-hall-01",
                shipment="shipment-00000000-0000-0000-0000-000000000001",
                container=f"container-{serial // 12:08d}",
                slot=serial % 12,
                received_by="operator-0000000000000001",
                condition="intact",
                reading_wh=serial * 1_000,
                occurred_at="2024-03-05T09:30:00+08:00",
            )
            data = msgspec.json.encode(event)
            yield f"meter-{asset_no}", Draft(os.urandom(16), "registry.Received", data, METADATA)
        self._made += count


def begin_log_anew(path: Path) -> None:
    """Copy the write-ahead log into the database. Otherwise whoever writes when it is full pays for those before."""
    connection = connect(path, writes=True)
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    connection.close()


class Raw:
    """SQLite as the ledger sets it up, without the ledger."""

    def __init__(self, path: Path) -> None:
        open_file(path)
        self._path = path
        self.connection = connect(path, writes=True)
        self._typical = Typical()

    async def append_one(self) -> float:
        rows = self._typical.rows(SINGLE_APPENDS)
        begin_log_anew(self._path)
        started = time.perf_counter()
        for row in rows:
            self.connection.execute(_INSERT, row)
        return SINGLE_APPENDS / (time.perf_counter() - started)

    async def append_bulk(self) -> float:
        batches = [self._typical.rows(BATCH_EVENTS) for _ in range(BATCHES)]
        begin_log_anew(self._path)
        started = time.perf_counter()
        for rows in batches:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(_INSERT, rows)
            self.connection.execute("COMMIT")
        return BATCHES * BATCH_EVENTS / (time.perf_counter() - started)

    async def replay(self) -> float:
        started = time.perf_counter()
        deque(self.connection.execute(_SELECT), maxlen=0)
        return REPLAYED_EVENTS / (time.perf_counter() - started)


class Ours:
    """The same through the port."""

    def __init__(self, path: Path, log: SqliteLedger) -> None:
        self._path = path
        self._log = log
        self._typical = Typical()
        self._decoder = msgspec.json.Decoder(Received)

    async def append_one(self) -> float:
        appends = self._typical.appends(SINGLE_APPENDS)
        begin_log_anew(self._path)
        started = time.perf_counter()
        for append in appends:
            await self._log.append([append])
        return SINGLE_APPENDS / (time.perf_counter() - started)

    async def append_concurrently(self) -> float:
        shares = [self._typical.appends(APPENDS_EACH) for _ in range(APPENDERS)]
        begin_log_anew(self._path)

        async def appender(share: list[Append]) -> None:
            for append in share:
                await self._log.append([append])

        started = time.perf_counter()
        await asyncio.gather(*(appender(share) for share in shares))
        return APPENDERS * APPENDS_EACH / (time.perf_counter() - started)

    async def append_bulk(self) -> float:
        batches = [self._typical.appends(BATCH_EVENTS) for _ in range(BATCHES)]
        begin_log_anew(self._path)
        started = time.perf_counter()
        for batch in batches:
            await self._log.append(batch)
        return BATCHES * BATCH_EVENTS / (time.perf_counter() - started)

    async def replay(self) -> float:
        started = time.perf_counter()
        after, at_head, decoded = 0, False, 0
        while not at_head:
            page = await self._log.read_all(after)
            for event in page.events:
                self._decoder.decode(event.data)
            decoded += len(page.events)
            after, at_head = page.scanned_to, page.at_head
        assert decoded == REPLAYED_EVENTS
        return REPLAYED_EVENTS / (time.perf_counter() - started)


async def measure(folder: Path) -> list[Measure]:
    raw = Raw(folder / "raw.db")
    log = await SqliteLedger.open(folder / "ledger.db")
    ours = Ours(folder / "ledger.db", log)
    replayed_raw, replayed_log, replayed = await _replayed(folder)
    fsync_us = fsync_p50_us(folder)
    writing = await interleave(
        {
            "raw one": raw.append_one,
            "one": ours.append_one,
            "concurrent": ours.append_concurrently,
            "raw bulk": raw.append_bulk,
            "bulk": ours.append_bulk,
        },
        ROUNDS,
    )
    reading = await interleave({"raw": replayed_raw.replay, "replay": replayed.replay}, ROUNDS)
    copied = statistics.median([await _copy(folder, replayed_log, number) for number in range(COPIES)])
    event_bytes = (folder / "replayed.db").stat().st_size / REPLAYED_EVENTS
    for connection in (raw.connection, replayed_raw.connection):
        connection.close()
    for ledger in (log, replayed_log):
        await ledger.close()
    return [
        Measure("fsync_p50_us", fsync_us, "one page made durable on this disk, median"),
        Measure(
            "append_one_ratio_raw",
            writing["one"] / writing["raw one"],
            "durable append, one event a call, one writer, against one INSERT a commit",
            at_least=0.6,
        ),
        Measure(
            "append_concurrent_ratio",
            writing["concurrent"] / writing["one"],
            f"{APPENDERS} concurrent appenders against one (asked where fsync p50 >= 100 us)",
            at_least=5 if fsync_us >= 100 else None,
        ),
        Measure(
            "append_bulk_ratio_raw",
            writing["bulk"] / writing["raw bulk"],
            f"atomic batches of {BATCH_EVENTS} appends to new streams, against raw executemany",
            at_least=0.5,
        ),
        Measure(
            "replay_ratio_raw",
            reading["replay"] / reading["raw"],
            "read_all with decoding, against raw SELECT of the same columns",
            at_least=0.5,
        ),
        Measure("append_one_per_s", writing["one"], "events"),
        Measure("append_concurrent_per_s", writing["concurrent"], "events"),
        Measure("append_bulk_per_s", writing["bulk"], "events"),
        Measure("replay_per_s", reading["replay"], "events"),
        Measure("copy_per_s", copied, "events, from one file to another by `copy_log`, all compared at the end"),
        Measure("event_bytes", event_bytes, "of the file, an event, indexes included"),
    ]


async def _copy(folder: Path, log: SqliteLedger, number: int) -> float:
    """After the others: it seals the log."""
    target = await SqliteLedger.open(folder / f"copy-{number}.db")
    started = time.perf_counter()
    done = await copy_log(log, target, told=lambda _step, _here, _whole: None)
    elapsed_s = time.perf_counter() - started
    assert done.events == REPLAYED_EVENTS
    await target.close()
    return REPLAYED_EVENTS / elapsed_s


async def _replayed(folder: Path) -> tuple[Raw, SqliteLedger, Ours]:
    """A log of known length, read by both sides."""
    log = await SqliteLedger.open(folder / "replayed.db")
    typical = Typical()
    for _ in range(REPLAYED_EVENTS // BATCH_EVENTS):
        await log.append(typical.appends(BATCH_EVENTS))
    raw = Raw(folder / "replayed.db")
    return raw, log, Ours(folder / "replayed.db", log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    calm()
    with scratch_folder() as folder:
        report("ledger", uvloop.run(measure(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
