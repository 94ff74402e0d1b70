"""`python -m bench.projection [--json]`: two views kept up to date from an embedded ledger, against raw upserts.

Raw is the final rows of each page, made beforehand, by executemany into the same tables with the same pragmas, a
transaction a page: what it lacks is reading the log, decoding, loading and evolving. Tables have their indexes.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import uvloop
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from bench.measure import Measure, interleave, report, scratch_folder
from kernel.codec import Codec, Reader
from kernel.database import Database
from kernel.handling import event_id
from kernel.projection import Projector
from kernel.quantity import business_day_of_us
from kernel.view import Key, View
from ledger.memory import MemoryLedger
from ledger.port import ANY, PAGE_EVENTS_MAX, Append, Draft, Ledger, Recorded
from ledger.sqlite import SqliteLedger

ROUNDS: Final = 5
DEVICES: Final = 30_000
MOVES: Final = 2
SITES: Final = 100
BATCH_DEVICES: Final = 500
WAIT_S_MAX: Final = 300
UPSERT_CARD: Final = (
    "INSERT INTO card_v1 VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (asset_no) DO UPDATE SET"
    " device_class = excluded.device_class, site = excluded.site, container = excluded.container, slot = excluded.slot,"
    " condition = excluded.condition, moves = excluded.moves, recorded_at_us = excluded.recorded_at_us"
)
UPSERT_BALANCE: Final = (
    "INSERT INTO balance_v1 VALUES (?, ?, ?, ?, ?) ON CONFLICT (site, device_class, day) DO UPDATE SET"
    " inflow = excluded.inflow, outflow = excluded.outflow"
)


class Moved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A device went from one site to another. Everything about it is made up."""

    asset_no: str
    device_class: str
    site_before: str
    site: str
    container: str
    slot: int
    condition: str
    occurred_at: str


class Card(msgspec.Struct, frozen=True, gc=False):
    """Where a device is."""

    asset_no: str
    device_class: str
    site: str
    container: str
    slot: int
    condition: str
    moves: int
    recorded_at_us: int


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What came to a site and left it on a day."""

    site: str
    device_class: str
    day: date
    inflow: int
    outflow: int


class Tables(SQLModel, registry=registry()):
    """The tables measured."""


class CardTable(Tables, table=True):
    __tablename__ = "card_v1"
    asset_no: str = Field(primary_key=True)
    device_class: str
    site: str = Field(index=True)
    container: str = Field(index=True)
    slot: int
    condition: str
    moves: int
    recorded_at_us: int


class BalanceTable(Tables, table=True):
    __tablename__ = "balance_v1"
    site: str = Field(primary_key=True)
    device_class: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    inflow: int
    outflow: int


def evolve_card(row: Card | None, event: Moved, recorded: Recorded, _key: Key) -> Card:
    return Card(
        event.asset_no,
        event.device_class,
        event.site,
        event.container,
        event.slot,
        event.condition,
        row.moves + 1 if row else 1,
        recorded.recorded_at_us,
    )


def balance_keys(event: Moved, recorded: Recorded) -> Sequence[Key]:
    day = business_day_of_us(recorded.recorded_at_us)
    return (event.site_before, event.device_class, day), (event.site, event.device_class, day)


def evolve_balance(row: Balance | None, event: Moved, _recorded: Recorded, key: Key) -> Balance:
    inflow, outflow = (row.inflow, row.outflow) if row else (0, 0)
    site, device_class, day = key
    if site == event.site:
        return Balance(site, device_class, day, inflow + 1, outflow)
    return Balance(site, device_class, day, inflow, outflow + 1)


CARD: Final = View(
    name="card",
    row=Card,
    table=CardTable,
    keys=lambda event, _recorded: ((event.asset_no,),),
    evolve=evolve_card,
    events=(Moved,),
)
BALANCE: Final = View(
    name="balance", row=Balance, table=BalanceTable, keys=balance_keys, evolve=evolve_balance, events=(Moved,)
)
VIEWS: Final[Sequence[View[Any]]] = (CARD, BALANCE)
CODEC: Final = Codec("bench", (Moved,))


class Ours:
    """The projector."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._ledger = ledger
        self._database = Database(f"sqlite:///{folder / 'ours.db'}")
        self._devices = 0

    async def append(self) -> None:
        """Another share of the log, of devices not seen before."""
        for _ in range(DEVICES // BATCH_DEVICES):
            appends = [Append(f"device-{n}", ANY, list(_drafts(n))) for n in self._numbers()]
            await self._ledger.append(appends)

    async def project(self) -> float:
        """Events a second, from opening the views to the end of the log."""
        await self.append()
        started = time.perf_counter()
        await _caught_up(self._database, self._ledger)
        return DEVICES * MOVES / (time.perf_counter() - started)

    def _numbers(self) -> range:
        first, self._devices = self._devices, self._devices + BATCH_DEVICES
        return range(first, self._devices)

    async def close(self) -> None:
        await self._database.close()


class Raw:
    """The same rows, without the projector."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(f"sqlite:///{folder / 'raw.db'}")
        self._log = MemoryLedger()
        self._devices = 0
        self._held: list[dict[Key, Any]] = [{} for _ in VIEWS]

    async def open(self) -> None:
        await _caught_up(self._database, self._log)

    async def upsert(self) -> float:
        pages = [self._final_rows(page) for page in self._pages()]
        started = time.perf_counter()
        for cards, balances in pages:

            def write(session: Session, cards: list[Any] = cards, balances: list[Any] = balances) -> None:
                connection = session.connection()
                connection.exec_driver_sql(UPSERT_CARD, cards)
                connection.exec_driver_sql(UPSERT_BALANCE, balances)

            await self._database.write(write)
        return DEVICES * MOVES / (time.perf_counter() - started)

    def _pages(self) -> Iterator[list[tuple[Moved, Recorded]]]:
        numbers = range(self._devices, self._devices + DEVICES)
        self._devices += DEVICES
        decode = msgspec.json.Decoder(Moved).decode
        log = [(decode(draft.data), _as_recorded(draft)) for number in numbers for draft in _drafts(number)]
        return (log[start : start + PAGE_EVENTS_MAX] for start in range(0, len(log), PAGE_EVENTS_MAX))

    def _final_rows(self, page: list[tuple[Moved, Recorded]]) -> list[list[tuple[Any, ...]]]:
        final = []
        for view, held in zip(VIEWS, self._held, strict=True):
            touched: dict[Key, Any] = {}
            for event, recorded in page:
                for key in view.keys(event, recorded):
                    touched[key] = held[key] = view.evolve(held.get(key), event, recorded, key)
            rows = [msgspec.structs.astuple(row) for row in touched.values()]
            final.append([tuple(str(v) if isinstance(v, date) else v for v in row) for row in rows])
        return final

    async def close(self) -> None:
        await self._database.close()


def _drafts(number: int) -> Iterator[Draft]:
    for move in range(MOVES):
        event = Moved(
            asset_no=f"9900101{number * 7_919 % 100_000_000:014d}0",
            device_class=f"{1 + number % 5:02d}",
            site_before=f"site-{(number + move) % SITES:04d}",
            site=f"site-{(number + move + 1) % SITES:04d}",
            container=f"container-{number // 12:08d}",
            slot=number % 12,
            condition="intact",
            occurred_at="2024-03-05T09:30:00+08:00",
        )
        yield Draft(event_id(UUID(int=number), move), "bench.Moved", msgspec.json.encode(event))


def _as_recorded(draft: Draft) -> Recorded:
    now_us = time.time_ns() // 1_000
    return Recorded(draft.id, "", 0, 0, draft.type, draft.content_type, draft.data, b"", now_us, b"")


async def _caught_up(database: Database, ledger: Ledger) -> None:
    projector = Projector(database, ledger, Reader(CODEC), VIEWS)
    await projector.open()
    following = asyncio.create_task(projector.run())
    await projector.wait_for(await ledger.head(), WAIT_S_MAX)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def measure(folder: Path) -> list[Measure]:
    ledger = await SqliteLedger.open(folder / "ledger.db")
    raw, ours = Raw(folder), Ours(folder, ledger)
    await raw.open()
    figures = await interleave({"raw": raw.upsert, "ours": ours.project}, ROUNDS)
    for opened in (raw, ours, ledger):
        await opened.close()
    return [
        Measure(
            "project_ratio_raw",
            figures["ours"] / figures["raw"],
            "projecting into two views, against raw upserts of the same final rows page by page",
            at_least=0.25,
        ),
        Measure("project_per_s", figures["ours"], "events", at_least=40_000),
        Measure("upsert_per_s", figures["raw"], "events whose final rows were upserted"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    with scratch_folder() as folder:
        report("projection", uvloop.run(measure(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
