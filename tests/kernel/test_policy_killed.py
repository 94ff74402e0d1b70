"""`kill -9` at any moment of running policies: in the end each event had its effect once."""

import asyncio
import os
import random

import pytest
from sqlalchemy import select

from kernel.database import Database
from kernel.policy_runner import Policies
from kernel.policy_store import REFUSALS, checkpoint
from ledger.open import open_ledger
from tests.kernel.killable import Killable
from tests.kernel.projecting import log_of
from tests.kernel.van import READER, SEND_PARCELS, load, parcels_of, sent_of

SEED = 20240305
CHANCE = random.Random(SEED)
KILLS = int(os.environ.get("TEST_KILLS", "20"))
VANS = 20
PARCELS = 40
BATCH_COMMANDS = 7
"""Small, so that most checkpoints lie in the middle of an event."""


async def policies(ledger_url, database_url):
    ledger = await open_ledger(ledger_url)
    handle_many = parcels_of(ledger).handle_many
    return Policies(
        Database(database_url), ledger, READER, handle_many, policies=[SEND_PARCELS], batch_commands=BATCH_COMMANDS
    )


async def follow(ledger_url: str, database_url: str) -> None:
    """What a child does until it is killed."""
    company = await policies(ledger_url, database_url)
    await company.open()
    await company.run()


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


async def test_each_event_has_its_effect_once_after_all_kills(tmp_path, ledger, database, database_url):
    last = 0
    for number in range(VANS):
        # Every fourth parcel of a van is one that the van before it has taken.
        parcels = [f"p{number - (nth % 4 == 0)}.{nth}" for nth in range(PARCELS)]
        last = await load(ledger, f"v{number}", parcels)
    commands, stood, seen = VANS * PARCELS, (0, 0), set()
    with Killable(__name__, "follow", f"sqlite:///{tmp_path / 'ledger.sqlite'}", database_url) as killable:
        while stood[0] < last:
            ahead = stood[0] * PARCELS + stood[1] + CHANCE.randrange(2 * commands // KILLS)
            aim = min((last, 0), divmod(ahead, PARCELS))
            pid = killable.start()
            stood = await reaches(database, aim)
            await asyncio.sleep(CHANCE.uniform(0, 0.004))
            killable.kill(pid)
            seen.add(stood)
    assert len(seen) > KILLS / 4, "the kills did not meet it at work"
    expected = {f"p{number - (nth % 4 == 0)}.{nth}" for number in range(VANS) for nth in range(PARCELS)}
    sent = [parcel for parcel, _ in sent_of(await log_of(ledger))]
    assert len(sent) == len(set(sent)), f"seed {SEED}"
    assert set(sent) == expected, f"seed {SEED}"
    refused = await database.read(lambda connection: connection.execute(select(REFUSALS)).all())
    assert len(refused) == commands - len(expected), f"seed {SEED}"


async def reaches(database, aim):
    """Wait until the checkpoint is there or further; where it is then."""
    async with asyncio.timeout(60):
        while True:
            try:
                found = await database.read(lambda connection: checkpoint(connection, SEND_PARCELS.name))
            except Exception:  # noqa: BLE001  before the first child created the tables
                found = None
            if found is not None and (found.position, found.done) >= aim:
                return found.position, found.done
            await asyncio.sleep(0.002)
