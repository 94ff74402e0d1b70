"""Stores that fail while views are projected, and events that a view cannot take."""

import asyncio
import threading
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlmodel import select

from kernel.database import Database
from kernel.handling import event_id
from kernel.projection import BEHIND
from kernel.refusal import Stale
from kernel.view_store import slots
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
from tests.given import rows
from tests.kernel.parcel import Delivered, HandedOn, Sent
from tests.kernel.parcel_views import BALANCE, CARD, READER, VIEWS, BalanceTable, CardTable
from tests.kernel.projecting import (
    DONE_S_MAX,
    caught_up,
    events_of,
    folded,
    held,
    log_of,
    projecting,
    record,
    strided_ledger,
    until,
)

HISTORY = events_of([(number * 7 % 41, number * 5 % 4) for number in range(240)])
SENT = Sent(parcel="p1", place="A", weight_g=10)


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


async def whole(database, ledger):
    """Assert that the tables hold what the log says up to their checkpoint; the checkpoint."""

    def standing(connection):
        return {slot.position for slot in slots(connection, VIEWS)}, held()(connection)

    (position,), found = await database.read(standing)
    before = [recorded for recorded in await log_of(ledger) if recorded.position <= position]
    log = [(event, recorded) for recorded in before if (event := READER.decode(recorded)) is not None]
    assert found == {view.name: rows(view, log) for view in VIEWS}
    return position


async def test_a_full_disk_at_every_page_of_the_file(tmp_path):
    """SQLite is given one more page of its file each time it has run out of them."""
    database, ledger = Database(f"sqlite:///{tmp_path / 'views.sqlite'}"), strided_ledger()
    async with projecting(database, ledger) as projector:
        await projector.wait_for(0)
    await record(ledger, events_of([(number % 900, 1 + number % 3) for number in range(1_200)]))
    pages, refused, reached = 1, 0, {0}
    while max(reached) < await ledger.head():
        limit = text(f"PRAGMA max_page_count = {pages}")
        pages = await database.write(lambda connection, limit=limit: connection.execute(limit).scalar()) + 1
        async with projecting(database, ledger, page_events=3) as projector:
            await until(lambda: projector._trouble or projector.position == ledger._log[-1].position)
            refused += projector._trouble is not None and "full" in projector._trouble
        reached.add(await whole(database, ledger))
    assert refused > 5
    await database.close()


def set_read_only(database, switch):
    """As if the file were: root may write to any."""
    connection = database._writer.raw_connection()
    connection.cursor().execute(f"PRAGMA query_only = {switch}").close()
    connection.close()


async def test_a_file_that_may_not_be_written(tmp_path):
    database, ledger = Database(f"sqlite:///{tmp_path / 'views.sqlite'}"), strided_ledger()
    async with projecting(database, ledger) as projector:
        await projector.wait_for(0)
        await database.in_writer(lambda: set_read_only(database, "ON"))
        await record(ledger, HISTORY[:5])
        await until(lambda: projector._trouble)
        progress = await projector.progress()
        assert not progress.ready
        assert "readonly" in progress.trouble
        assert not (await projector.health()).ok
        assert await whole(database, ledger) == 0
        await database.in_writer(lambda: set_read_only(database, "OFF"))
        await caught_up(projector, ledger)
        await until(lambda: projector._trouble is None)
        assert await projector.read(held()) == await folded(ledger)
    await database.close()


async def test_connections_are_cut_and_the_server_falls(postgres):
    database, ledger = Database(postgres.new_database()), strided_ledger()
    async with projecting(database, ledger, page_events=2) as projector:
        await projector.wait_for(0)
        for start in range(0, len(HISTORY), 40):
            await record(ledger, HISTORY[start : start + 40])
            await asyncio.to_thread(postgres.cut_connections)
            await asyncio.sleep(0.01)
            if start % 80 == 0:
                postgres.stop()
                await until(lambda: projector._trouble)
                postgres.start()
        await caught_up(projector, ledger)
        assert await projector.read(held()) == await folded(ledger)
    await database.close()


async def test_two_projectors_do_not_do_it_twice(database, database_url):
    other, ledger = Database(database_url), strided_ledger()
    async with projecting(database, ledger, page_events=3) as one, projecting(other, ledger, page_events=5) as two:
        for event in HISTORY:
            await record(ledger, [event])
        await caught_up(one, ledger)
        await caught_up(two, ledger)
        assert await one.read(held()) == await two.read(held()) == await folded(ledger)
    await other.close()


async def put(ledger, type_name, data):
    draft = Draft(event_id(UUID(int=1), await ledger.head()), type_name, data)
    return (await ledger.append([Append("parcel-odd", ANY, [draft])])).position


@pytest.mark.parametrize(("type_name", "data"), [("sample.Sent", b'{"parcel": 1}'), ("sample.FromTheFuture", b"{}")])
async def test_an_event_that_cannot_be_read_stops_all_views_before_it(database, type_name, data):
    ledger = MemoryLedger()
    async with projecting(database, ledger) as projector:
        await projector.wait_for(0)
        await record(ledger, HISTORY[:10])
        await put(ledger, "other.Happened", b"not even JSON")
        await put(ledger, type_name, data)
        await record(ledger, HISTORY[10:20])
        await until(lambda: len(projector._stopped) == 2)
        progress = await projector.progress()
        assert [(view.name, view.position) for view in progress.views] == [("balance", 11), ("card", 11)]
        assert all(type_name in view.stopped_why for view in progress.views)
        health = await projector.health()
        assert (health.ok, health.degraded, type_name in health.detail) == (True, True, True)
        assert await whole(database, ledger) == 11
        with pytest.raises(Stale, match=BEHIND.code):
            await projector.wait_for(12)


def refuses_to_deliver(row, event, recorded, key):
    if isinstance(event, Delivered):
        raise KeyError("no more")
    return CARD.evolve(row, event, recorded, key)


def balances(connection):
    return connection.execute(select(BalanceTable)).all()


def both_by_join(connection):
    of, cards = BALANCE.columns.c, CARD.columns
    counted = select(of.place).join(cards, cards.c.place == of.place).subquery()
    return connection.execute(select(counted)).all()


BROKEN = msgspec.structs.replace(CARD, evolve=refuses_to_deliver)


@pytest.mark.parametrize(
    "broken",
    [
        BROKEN,
        msgspec.structs.replace(CARD, keys=lambda event, _: [(event.parcel if event.place else None,)]),
        msgspec.structs.replace(
            CARD,
            evolve=lambda row, event, recorded, key: (
                CARD.evolve(row, event, recorded, key) or msgspec.structs.replace(row, parcel="another")
            ),
        ),
    ],
    ids=["evolve raises", "keys raises", "a row under another's key"],
)
async def test_a_view_that_cannot_take_an_event_stops_alone(database, broken):
    ledger = MemoryLedger()
    events = [SENT, HandedOn(parcel="p1", place_before="A", place="B"), Delivered(parcel="p1", place_before="B")]
    async with projecting(database, ledger, [broken, BALANCE]) as projector:
        await projector.wait_for(0)
        await record(ledger, events)
        await until(lambda: projector._stopped)
        await until(lambda: all(cursor.position == 3 for cursor in projector._cursors))
        stopped, going = sorted((await projector.progress()).views, key=lambda view: view.stopped_why is None)
        assert (stopped.name, stopped.position, going.name, going.position) == ("card", 2, "balance", 3)
        cards = await projector.read(lambda connection: connection.execute(select(CardTable)).all())
        assert [card.place for card in cards] == ["B"]
        assert len(await projector.read(balances, seen=3)) == 2
        for query in (both_by_join, lambda connection: connection.execute(select(CardTable)).all()):
            with pytest.raises(Stale, match=BEHIND.code):
                await projector.read(query, seen=3)
        assert await projector.read(both_by_join, seen=2) is not None
    async with projecting(database, ledger) as mended:
        await caught_up(mended, ledger)
        assert await mended.read(held()) == await folded(ledger)


async def test_the_event_loop_goes_on_while_a_view_thinks(database):
    ledger = MemoryLedger()
    thinking, went_on = threading.Event(), threading.Event()

    def slow(row, event, recorded, key):
        thinking.set()
        assert went_on.wait(DONE_S_MAX), "the event loop stood still meanwhile"
        return CARD.evolve(row, event, recorded, key)

    async with projecting(database, ledger, [msgspec.structs.replace(CARD, evolve=slow)]) as projector:
        await record(ledger, [SENT])
        await until(thinking.is_set)
        went_on.set()
        await caught_up(projector, ledger)
        assert not projector._stopped
