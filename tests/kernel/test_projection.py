"""Views follow the log: the same rows whatever the pages, the restarts and the database."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from kernel.database import Database
from kernel.projection import BEHIND, BUILDING, Projector
from kernel.refusal import Stale, Unreadable
from kernel.view_store import rebuild
from ledger.memory import MemoryLedger
from ledger.port import WrongLedger
from tests.kernel.parcel import Delivered, HandedOn, Sent
from tests.kernel.parcel_views import CARD, READER, VIEWS, Card, CardTable
from tests.kernel.projecting import caught_up, events_of, folded, held, histories, projecting, record, strided_ledger

SENT = Sent(parcel="p1", place="A", weight_g=10)


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def fresh_url(request, database_url, tmp_path):
    """Another fresh database for each example of a property."""
    if database_url.startswith("sqlite"):
        numbers = iter(range(1 << 30))
        return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite'}"
    return request.getfixturevalue("postgres").new_database


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(histories, min_size=1, max_size=3), page_events=st.integers(1, 7))
def test_any_pages_and_any_restarts_give_what_a_fold_gives(fresh_url, parts, page_events):
    async def scenario():
        database, ledger = Database(fresh_url()), strided_ledger()
        for events in parts:
            await record(ledger, events)
            async with projecting(database, ledger, page_events=page_events) as projector:
                await caught_up(projector, ledger)
                assert await projector.read(held()) == await folded(ledger)
        await database.close()

    asyncio.run(scenario())


async def test_it_goes_on_as_events_come(database):
    ledger = strided_ledger()
    async with projecting(database, ledger) as projector:
        for event in events_of([(1, 1), (2, 1), (1, 2), (1, 0), (2, 3), (1, 3)]):
            position = await record(ledger, [event])
            await projector.wait_for(position)
            assert await projector.read(held()) == await folded(ledger)


async def test_who_waits_sees_its_write(database):
    ledger = MemoryLedger()
    async with projecting(database, ledger) as projector:
        position = await record(ledger, [SENT])
        cards = await projector.read(lambda connection: connection.execute(select(CardTable)).all(), seen=position)
        assert [card.place for card in cards] == ["A"]


async def test_who_waits_too_long_is_told(database):
    ledger = MemoryLedger()
    async with projecting(database, ledger) as projector:
        await projector.wait_for(0)
    await record(ledger, [SENT])
    resting = Projector(database, ledger, READER, VIEWS)
    await resting.open()
    with pytest.raises(Stale) as refused:
        await resting.read(held(), seen=1, timeout_s=0.05)
    assert (refused.value.code, refused.value.details) == (BEHIND.code, {"reached": 0, "wanted": 1})


async def test_who_waits_for_what_no_event_has_is_told_at_once(database):
    ledger = MemoryLedger()
    async with projecting(database, ledger) as projector:
        position = await record(ledger, [SENT])
        with pytest.raises(Unreadable) as refused:
            await projector.read(held(), seen=position + 1, timeout_s=60)
        assert refused.value.code == "view.no_such_position"


async def test_another_ledger_is_refused_until_a_rebuild(database):
    one, other = MemoryLedger(), MemoryLedger()
    await record(one, [SENT])
    await record(other, events_of([(3, 1), (4, 2)]))
    async with projecting(database, one) as projector:
        await caught_up(projector, one)
    with pytest.raises(WrongLedger, match="rebuild"):
        await Projector(database, other, READER, VIEWS).open()
    await database.write(lambda connection: rebuild(connection, VIEWS, other.ledger_id))
    projector = Projector(database, other, READER, VIEWS)
    await projector.open()
    with pytest.raises(Stale, match=BUILDING.code):
        await projector.read(held())
    async with projecting(database, other) as projector:
        await caught_up(projector, other)
        assert await projector.read(held()) == await folded(other)


async def test_a_ledger_that_lost_events_is_refused(database):
    whole, shorter = MemoryLedger(), MemoryLedger()
    shorter._ledger_id = whole._ledger_id
    await record(whole, [SENT, HandedOn(parcel="p1", place_before="A", place="B")])
    await record(shorter, [SENT])
    async with projecting(database, whole) as projector:
        await caught_up(projector, whole)
    with pytest.raises(WrongLedger, match="rebuild"):
        await Projector(database, shorter, READER, VIEWS).open()


async def test_progress_tells_the_lag(database):
    now_us = [1_000_000]
    ledger = MemoryLedger(clock=lambda: now_us[0])
    projector = Projector(database, ledger, READER, VIEWS, clock=lambda: now_us[0])
    await projector.open()
    await record(ledger, [SENT])
    now_us[0] = 4_000_000
    await record(ledger, [HandedOn(parcel="p1", place_before="A", place="B")])
    now_us[0] = 9_000_000
    behind = await projector.progress()
    assert (behind.head, behind.position, behind.lag_positions, behind.lag_us) == (2, 0, 2, 8_000_000)
    assert not behind.ready
    assert not (await projector.health()).ok
    async with projecting(database, ledger, clock=lambda: now_us[0]) as projector:
        await caught_up(projector, ledger)
        progress = await projector.progress()
        health = await projector.health()
    assert (progress.position, progress.lag_positions, progress.lag_us, progress.ready) == (2, 0, 0, True)
    assert (health.ok, health.degraded, health.detail) == (True, False, "")


async def test_rows_come_back_after_they_were_deleted(database):
    ledger = MemoryLedger()
    await record(ledger, [SENT, Delivered(parcel="p1", place_before="A"), SENT])
    async with projecting(database, ledger, [CARD], page_events=1) as projector:
        await caught_up(projector, ledger)
        cards = (await projector.read(held([CARD])))["card"]
    assert list(cards) == [("p1",)]
    assert isinstance(cards["p1",], Card)
