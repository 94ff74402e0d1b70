"""`kill -9` at any moment: the views hold exactly what the log says up to their checkpoint, and go on from there."""

import asyncio
import os
import random
from contextlib import aclosing

import pytest
from sqlalchemy import inspect

from kernel.database import Database
from kernel.projection import Projector
from kernel.view_store import rebuild, slots
from ledger.open import open_ledger
from tests.given import rows
from tests.kernel.killable import Killable, die_after
from tests.kernel.parcel import CODEC
from tests.kernel.parcel_views import READER, VIEWS
from tests.kernel.projecting import (
    all_ready,
    caught_up,
    events_of,
    folded,
    held,
    log_of,
    projecting,
    record_together,
    slots_are,
)

SEED = 20240305
CHANCE = random.Random(SEED)
KILLS = int(os.environ.get("TEST_KILLS", "20"))
EVENTS = 3_000
REBUILT_EVENTS = 150
PAGE_EVENTS = 5


class Doomed:
    """A ledger whose process ends a moment after it has given so many pages: a busy machine, which makes a parent late,
    does not move that.
    """

    def __init__(self, ledger, pages):
        self._ledger = ledger
        self._pages = pages

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def follow(self, *arguments, **more):
        async with aclosing(self._ledger.follow(*arguments, **more)) as pages:
            async for page in pages:
                self._pages -= 1
                if self._pages == 0:
                    die_after(CHANCE.uniform(0.00001, 0.004))
                yield page


async def project(ledger_url: str, database_url: str, pages: str = "") -> None:
    """What a child does until it is killed, or has read so many pages."""
    ledger = await open_ledger(ledger_url)
    doomed = Doomed(ledger, int(pages)) if pages else ledger
    projector = Projector(Database(database_url), doomed, READER, VIEWS, page_events=PAGE_EVENTS)
    await projector.open()
    await projector.run()


@pytest.fixture
async def ledger(tmp_path):
    ledger = await open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield ledger
    await ledger.close()


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


def history():
    chance = random.Random(SEED)
    return events_of([(chance.randrange(40), chance.randrange(5)) for _ in range(EVENTS)])


def tables(connection):
    return slots(connection, VIEWS)


def standing(connection):
    """The checkpoints, and what the tables hold, at one moment."""
    return {slot.name: slot.position for slot in tables(connection) if slot.ready}, held()(connection)


async def stands(database, condition):
    """Wait until the tables stand so, and a moment more, to be anywhere in what follows."""
    await slots_are(database, condition)
    await asyncio.sleep(CHANCE.uniform(0, 0.004))


async def test_views_are_whole_after_every_kill(tmp_path, ledger, database, database_url):
    async with projecting(database, ledger) as projector:
        await caught_up(projector, ledger)
    await record_together(ledger, history())
    log = [(CODEC.decode(recorded), recorded) for recorded in await log_of(ledger)]
    seen = {0}
    with Killable(__name__, "project", f"sqlite:///{tmp_path / 'ledger.sqlite'}", database_url) as killable:
        # A child that had nothing left to read would not die: the second half is never reached.
        while max(seen) < EVENTS / 2:
            killable.start(CHANCE.randrange(1, EVENTS // PAGE_EVENTS // KILLS))
            await killable.killed()
            positions, found = await database.read(standing)
            for view in VIEWS:
                reached = positions[view.columns.name]
                expected = rows(view, [(event, recorded) for event, recorded in log if recorded.position <= reached])
                assert found[view.name] == expected, f"seed {SEED}"
            seen.update(positions.values())
    assert len(seen) > KILLS / 4, "the kills did not meet it at work"


async def test_a_rebuild_survives_kills_and_serves_all_along(tmp_path, ledger, database, database_url):
    await record_together(ledger, history()[:REBUILT_EVENTS])
    async with projecting(database, ledger) as projector:
        await caught_up(projector, ledger)
    expected, interrupted = await folded(ledger), 0
    with Killable(__name__, "project", f"sqlite:///{tmp_path / 'ledger.sqlite'}", database_url) as killable:
        for _ in range(KILLS):
            if all(slot.ready for slot in await database.read(tables)):
                await database.write(lambda connection: rebuild(connection, VIEWS, ledger.ledger_id))
            aim = CHANCE.randrange(2 * REBUILT_EVENTS)
            pid = killable.start()
            await stands(database, lambda found, aim=aim: all(slot.ready or slot.position >= aim for slot in found))
            killable.kill(pid)
            assert await database.read(held()) == expected, f"seed {SEED}"
            interrupted += any(not slot.ready for slot in await database.read(tables))
    assert KILLS > interrupted > KILLS / 10, "the kills did not meet it at work"
    async with projecting(database, ledger):
        await stands(database, all_ready)
    assert await database.read(held()) == expected
    assert await database.read(names_there) == {"card_v1", "balance_v1", "view_table"}


def names_there(connection):
    return set(inspect(connection).get_table_names())
