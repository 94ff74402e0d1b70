"""Parcels' histories, projecting them, and what the views then hold, for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
from hypothesis import strategies
from sqlmodel import select

from kernel.database import Database
from kernel.handling import event_id
from kernel.projection import Projector
from kernel.view import View
from kernel.view_store import Slot, slots
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft, Ledger, Recorded
from tests.given import rows
from tests.kernel.parcel import CODEC, Delivered, HandedOn, Sent
from tests.kernel.parcel_views import READER, VIEWS

HOUR_US = 3_600_000_000
DONE_S_MAX = 10


def events_of(steps: Sequence[tuple[int, int]]) -> list[msgspec.Struct]:
    """A history from (parcel, place) pairs: sent where unknown, delivered at place 0, else handed on. A parcel that was
    delivered may be sent again, so that rows come back after they were deleted.
    """
    places: dict[int, str] = {}
    events: list[msgspec.Struct] = []
    for number, place_number in steps:
        parcel, place, before = f"parcel{number}", f"place{place_number}", places.get(number)
        if before is None:
            events.append(Sent(parcel=parcel, place=place, weight_g=number))
        elif place_number == 0:
            events.append(Delivered(parcel=parcel, place_before=before))
        else:
            events.append(HandedOn(parcel=parcel, place_before=before, place=place))
        if before is not None and place_number == 0:
            del places[number]
        else:
            places[number] = place
    return events


histories = strategies.lists(strategies.tuples(strategies.integers(0, 4), strategies.integers(0, 3)), max_size=40).map(
    events_of
)


def hourly_clock() -> Callable[[], int]:
    """A clock that is an hour later each time it is asked, so that a history takes days."""
    hours = iter(range(1, 1 << 30))
    return lambda: next(hours) * HOUR_US


def strided_ledger() -> MemoryLedger:
    return MemoryLedger(position_stride=3, clock=hourly_clock())


async def record(ledger: Ledger, events: Sequence[msgspec.Struct]) -> int:
    """Append the events one after the other; the position of the last."""
    position = await ledger.head()
    for event in events:
        draft = Draft(event_id(UUID(int=position), 0), CODEC.type_of(event), CODEC.encode(event))
        position = (await ledger.append([Append(f"parcel-{event.parcel}", ANY, [draft])])).position
    return position


async def record_together(ledger: Ledger, events: Sequence[msgspec.Struct]) -> None:
    """Append the events in one call, those of each parcel in one run."""
    streams: dict[str, list[Draft]] = {}
    for number, event in enumerate(events):
        draft = Draft(event_id(UUID(int=0), number), CODEC.type_of(event), CODEC.encode(event))
        streams.setdefault(f"parcel-{event.parcel}", []).append(draft)
    await ledger.append([Append(stream, ANY, drafts) for stream, drafts in streams.items()])


async def log_of(ledger: Ledger) -> list[Recorded]:
    found: list[Recorded] = []
    while True:
        page = await ledger.read_all(found[-1].position if found else 0)
        found += page.events
        if page.at_head:
            return found


async def folded(ledger: Ledger, views: Sequence[View] = VIEWS) -> dict[str, dict]:
    """What the views must hold: folded from the whole log, without a database."""
    log = [(CODEC.decode(recorded), recorded) for recorded in await log_of(ledger)]
    return {view.name: rows(view, log) for view in views}


def held(views: Sequence[View] = VIEWS) -> Callable:
    """A query for what the views' tables hold."""

    def query(connection) -> dict[str, dict]:
        return {view.name: rows_in(connection, view) for view in views}

    return query


def rows_in(connection, view: View) -> dict:
    keys = [column.name for column in view.columns.primary_key.columns]
    found = [
        view.row(*(getattr(one, name) for name in view.row.__struct_fields__))
        for one in connection.execute(select(view.table))
    ]
    return {tuple(getattr(row, key) for key in keys): row for row in found}


@asynccontextmanager
async def projecting(
    database: Database, ledger: Ledger, views: Sequence[View] = VIEWS, **options
) -> AsyncIterator[Projector]:
    """A projector at work."""
    projector = Projector(database, ledger, READER, views, **options)
    await projector.open()
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def caught_up(projector: Projector, ledger: Ledger) -> None:
    await projector.wait_for(await ledger.head(), DONE_S_MAX)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, or fail after a while."""
    async with asyncio.timeout(DONE_S_MAX):
        while not condition():  # noqa: ASYNC110  what is waited for is outside this process
            await asyncio.sleep(0.005)


async def slots_are(
    database: Database, condition: Callable[[list[Slot]], object], views: Sequence[View] = VIEWS
) -> None:
    """Wait until the views' tables stand so, whoever brings it about."""
    async with asyncio.timeout(60):
        while True:
            if condition(await database.read(lambda connection: slots(connection, views))):
                return
            await asyncio.sleep(0.002)


def all_ready(found: list[Slot]) -> bool:
    return all(slot.ready for slot in found)
