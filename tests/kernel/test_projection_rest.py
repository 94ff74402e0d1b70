"""Views give way to work of many commands, but not to whoever waits for them, and not for long."""

import time
from contextlib import asynccontextmanager

import msgspec
import pytest

from kernel.database import Database
from kernel.projection import GIVE_WAY_US_MAX, REST
from ledger.memory import MemoryLedger
from tests.kernel.parcel import Sent
from tests.kernel.parcel_views import CARD
from tests.kernel.projecting import projecting, record, until

TOOK_S = 0.05
PAGES = 6
HOUR_US = 3_600_000_000


class Slow:
    """A view that takes so long for each event, and notes when it took each."""

    def __init__(self):
        self.at_s = []
        self.view = msgspec.structs.replace(CARD, evolve=self._evolve)

    def _evolve(self, row, event, recorded, key):
        self.at_s.append(time.monotonic())
        time.sleep(TOOK_S)
        return CARD.evolve(row, event, recorded, key)

    def rested(self):
        """How often there was a pause as long as a rest."""
        gaps = [later - earlier for earlier, later in zip(self.at_s, self.at_s[1:], strict=False)]
        return sum(gap > REST * TOOK_S for gap in gaps)


@pytest.fixture
async def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'views.sqlite'}")
    yield database
    await database.close()


@asynccontextmanager
async def at_work(database, slow, *, age_us=0):
    """A projector that follows a log by pages of one event, to which every event is so old."""
    ledger = MemoryLedger(clock=lambda: HOUR_US)
    clock = {"clock": lambda: HOUR_US + age_us}
    async with projecting(database, ledger, [slow.view], page_events=1, **clock) as projector:
        await projector.wait_for(await record(ledger, [Sent(parcel="first", place="A", weight_g=10)]), 60)
        slow.at_s.clear()
        yield ledger, projector


async def pages(ledger):
    return await record(ledger, [Sent(parcel=f"p{number}", place="A", weight_g=10) for number in range(PAGES)])


async def test_views_rest_between_pages_while_they_give_way_and_no_longer(database):
    slow = Slow()
    async with at_work(database, slow) as (ledger, projector):
        with projector.giving_way():
            await pages(ledger)
            await until(lambda: len(slow.at_s) == 3)
        rested = slow.rested()
        assert rested == 2
        await until(lambda: len(slow.at_s) == PAGES)
    assert slow.rested() <= rested + 1


async def test_whoever_waits_for_views_that_give_way_is_served_at_once(database):
    slow = Slow()
    async with at_work(database, slow) as (ledger, projector):
        with projector.giving_way():
            position = await pages(ledger)
            await projector.wait_for(position, 60)
            assert projector.position == position
    assert slow.rested() <= 1


async def test_views_that_are_far_behind_do_not_rest(database):
    slow = Slow()
    async with at_work(database, slow, age_us=GIVE_WAY_US_MAX) as (ledger, projector):
        with projector.giving_way():
            await pages(ledger)
            await until(lambda: len(slow.at_s) == PAGES)
    assert slow.rested() == 0
