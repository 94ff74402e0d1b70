"""A platform's data folder moves to a log behind KurrentDB's protocol, where positions are others, and goes on."""

import asyncio
import os
import random

import msgspec
import pytest

from kernel.database import Database
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from ledger.sqlite import SqliteLedger
from services.registry.site import OpenSite
from services.registry.views.card import CARD
from tests.cli.test_backup import meterloop, rows_of
from tests.cli.test_moving import started, url
from tests.cli.test_rebuild import A_SHIPMENT_TOO_EARLY, DISMANTLED, EARLIER, IN_SERVICE, NUMBER
from tests.ledger.clients.serving import Serving
from tests.ledger.making import everything
from tests.registry.imports.importing import UNIT, importing

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def target():
    behind = MemoryLedger(position_stride=7)
    server = await serve(behind, "127.0.0.1:0", admit=admit_everybody)
    yield f"kurrentdb://127.0.0.1:{server.port}?tls=false"
    await server.stop(grace_s=0)


async def done(folder, *words):
    status, said = await meterloop(folder, *words)
    assert status == 0, said
    return said


async def rows(folder):
    """Of all views, but for the position that a card has."""
    database = Database(f"sqlite:///{folder / 'registry.sqlite'}")
    try:
        return {name: found for name, found in (await rows_of(database)).items() if name != "card"}
    finally:
        await database.close()


async def test_policies_repeat_nothing_and_views_show_the_same(tmp_path, target):
    source = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    async with importing(tmp_path) as platform:
        await platform.done(*IN_SERVICE, *A_SHIPMENT_TOO_EARLY)
        await platform.settled()
        before = await platform.events()
        card = await platform.registry.one(CARD, (NUMBER,))
    shown = await rows(tmp_path)
    await done(tmp_path, "ledger", "copy", source, target)
    said = await done(tmp_path, "ledger", "map", source, target)
    assert "devices_follow_shipment" in said
    assert "builds anew" in said
    async with importing(tmp_path, ledger_url=target) as platform:
        await platform.settled()
        assert await rows(tmp_path) == shown
        events = await platform.events()
        assert [(one.stream, one.version, one.id, one.salt) for one in events] == [
            (one.stream, one.version, one.id, one.salt) for one in before
        ]
        found = await platform.registry.one(CARD, (NUMBER,))
        assert found.position == next(one.position for one in reversed(events) if one.stream.endswith(NUMBER))
        assert msgspec.structs.replace(found, position=card.position) == card
        await platform.done(DISMANTLED)
        await platform.done(
            OpenSite(site_id="store-2", kind="unit_store", name="合成表库", unit=UNIT, occurred_on=EARLIER)
        )
        await platform.settled()
        after = await platform.events()
        assert [one.type for one in after[len(before) :]].count("registry.ShipmentExceptionRecorded") == 0
    assert "nothing was changed" in await done(tmp_path, "ledger", "map", source, target)
    # And back, which is another move, into a log that is new.
    shown, back = await rows(tmp_path), url(tmp_path / "back.sqlite")
    await done(tmp_path, "ledger", "copy", target, back)
    assert "devices_follow_shipment" in await done(tmp_path, "ledger", "map", target, back)
    async with importing(tmp_path, ledger_url=back) as platform:
        await platform.settled()
        assert await rows(tmp_path) == shown
        assert [(one.stream, one.version, one.id, one.salt) for one in await platform.events()] == [
            (one.stream, one.version, one.id, one.salt) for one in after
        ]


KILLS = 3


async def test_server_and_copy_are_killed_in_the_middle_and_it_gets_there(tmp_path):
    """Many small appends, for few streams take turns; each time another server, at another address."""
    made, source, behind = random.Random(5), tmp_path / "from.sqlite", tmp_path / "served" / "ledger.sqlite"
    ledger = await SqliteLedger.open(source)
    for _ in range(600):
        streams = [f"meter-{number}" for number in made.sample(range(30), 5)]
        await ledger.append(
            [Append(one, ANY, [Draft(os.urandom(16), "test.Happened", os.urandom(50))]) for one in streams]
        )
    expected = await everything(ledger)
    await ledger.close()
    written = behind.with_name(behind.name + "-wal")
    there = 0
    for round_ in range(KILLS + 1):
        with Serving("--insecure-as", "service", data=behind.parent) as server:
            process = started("ledger", "copy", url(source), server.door.url())
            if round_ == KILLS:
                said, _ = process.communicate()
                assert process.returncode == 0, said
                break
            while not (written.exists() and written.stat().st_size > made.uniform(200_000, 600_000)):
                assert process.poll() is None
                await asyncio.sleep(0.005)
            server.kill()
            process.kill()
            process.communicate()
        copy = await SqliteLedger.open(behind)
        found = await everything(copy)
        await copy.close()
        assert found == expected[: len(found)]
        assert there < len(found) < len(expected)
        there = len(found)
    copy = await SqliteLedger.open(behind)
    assert await everything(copy) == expected
    await copy.close()
