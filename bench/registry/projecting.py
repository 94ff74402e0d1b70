"""Projecting into the balance and card views, against raw upserts of the same rows, page by page.

Both begin with the tables as they serve, indexes and all, and end with the same rows. Raw knows beforehand what every
page leaves in the tables, as values for the driver: what remains to be lost is reading, decoding, finding the rows,
and deciding what becomes of them.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, Table

from bench.measure import Measure, interleave
from bench.registry.history import EVENTS_EACH, FILE_DEVICES, record
from kernel.codec import Reader
from kernel.database import Database
from kernel.projection import Projector
from kernel.view import Key, View
from ledger.port import Recorded
from ledger.sqlite import SqliteLedger
from services.registry.app import CODEC, STREAMS
from services.registry.views.balance import BALANCE
from services.registry.views.card import CARD

ROUNDS: Final = 5
DEVICES: Final = 2 * FILE_DEVICES
VIEWS: Final[tuple[View[Any], ...]] = (CARD, BALANCE)

_Page: TypeAlias = list[tuple[str, list[tuple[Any, ...]]]]
"""Statements, each with the values of its rows."""


class Projecting:
    """A log and, for every round, fresh tables to project it into."""

    def __init__(self, folder: Path, ledger: SqliteLedger, events: int) -> None:
        self._folder, self._ledger, self._events = folder, ledger, events
        self._round = 0

    def fresh(self) -> Path:
        self._round += 1
        path = self._folder / f"round-{self._round}.sqlite"
        shutil.copy(self._folder / "views.sqlite", path)
        return path

    async def project(self) -> float:
        path = self.fresh()
        started = time.perf_counter()
        await project(path, self._ledger)
        return self._events / (time.perf_counter() - started)

    async def upsert(self, pages: Sequence[_Page]) -> float:
        database = Database(f"sqlite:///{self.fresh()}")
        started = time.perf_counter()
        for page in pages:
            await database.write(partial(_write, page))
        took_s = time.perf_counter() - started
        await database.close()
        return self._events / took_s


async def measure(folder: Path) -> list[Measure]:
    ledger = await SqliteLedger.open(folder / "ledger.db")
    await project(folder / "views.sqlite", ledger)
    await record(ledger, 0, DEVICES)
    projecting = Projecting(folder, ledger, DEVICES * EVENTS_EACH)
    pages = await _pages(ledger)
    speed = await interleave({"raw": partial(projecting.upsert, pages), "projected": projecting.project}, ROUNDS)
    await ledger.close()
    return [
        Measure(
            "project_ratio_raw",
            speed["projected"] / speed["raw"],
            "projecting into balance and card views, against raw upserts of the same rows page by page",
            at_least=0.25,
        ),
        Measure("project_per_s", speed["projected"], "events", at_least=40_000),
        Measure("project_raw_per_s", speed["raw"], "events, if their rows were known beforehand"),
    ]


async def project(path: Path, ledger: SqliteLedger) -> None:
    """Bring the views in this file to the end of the log."""
    database = Database(f"sqlite:///{path}")
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    task = asyncio.create_task(projector.run())
    await projector.wait_for(await ledger.head(), 3_600)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


async def _pages(ledger: SqliteLedger) -> list[_Page]:
    """Of each page of the log: statements, and the values that bring the tables to its end."""
    held: dict[str, dict[Key, Any]] = {view.name: {} for view in VIEWS}
    pages: list[_Page] = []
    position, at_head = 0, False
    while not at_head:
        page = await ledger.read_all(position, stream_prefixes=STREAMS)
        position, at_head = page.scanned_to, page.at_head
        touched = [(view, _folded(view, held[view.name], page.events)) for view in VIEWS]
        pages.append([(_upsert(view.columns), _values(rows)) for view, rows in touched if rows])
    return pages


def _folded(view: View[Any], held: dict[Key, Any], events: Sequence[Recorded]) -> dict[Key, msgspec.Struct]:
    """The rows that these events leave otherwise."""
    touched: dict[Key, Any] = {}
    for recorded in events:
        event = CODEC.decode(recorded)
        if type(event) in view.events:
            for key in view.keys(event, recorded):
                touched[key] = held[key] = view.evolve(held.get(key), event, recorded, key)
    return touched


def _values(rows: dict[Key, msgspec.Struct]) -> list[tuple[Any, ...]]:
    """As SQLite keeps them."""
    return [tuple(map(_kept, msgspec.structs.astuple(row))) for row in rows.values()]


def _kept(value: Any) -> Any:
    match value:
        case date():
            return value.isoformat()
        case bool():
            return int(value)
        case _:
            return value


def _upsert(table: Table) -> str:
    keys = [column.name for column in table.primary_key.columns]
    others = [column.name for column in table.columns if not column.primary_key]
    marks = ", ".join("?" * len(table.columns))
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    return f"INSERT INTO {table.name} VALUES ({marks}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


def _write(page: _Page, connection: Connection) -> None:
    for statement, values in page:
        connection.exec_driver_sql(statement, values)
