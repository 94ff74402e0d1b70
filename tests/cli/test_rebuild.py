"""`meterloop rebuild` builds tables anew and decides nothing: the record says the same before and after."""

import asyncio
from datetime import date

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from ledger.copying import copy_log
from ledger.open import open_ledger
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import Register
from services.registry.shipment import DispatchShipment, Line, PrepareShipment, ReceiveShipment
from services.registry.site import OpenSite
from services.registry.views.card import CARD
from tests.registry.imports.importing import KEEPER, UNIT, devices_csv, importing, number

EARLIER, LATER = date(2026, 3, 1), date(2026, 3, 20)
NUMBER = number(1)
IN_SERVICE = (
    OpenSite(site_id="store-1", kind="unit_store", name="合成表库", unit=UNIT, occurred_on=EARLIER),
    OpenSite(site_id="centre", kind="centre", name="合成中心", unit="99400", occurred_on=EARLIER),
    Register(asset_no=NUMBER, device_class="01", unit=UNIT, occurred_on=EARLIER),
)
A_SHIPMENT_TOO_EARLY = (
    PrepareShipment(
        shipment_id="SH-1",
        from_site="store-1",
        to_site="centre",
        unit=UNIT,
        manifest=(Line(asset_no=NUMBER, device_class="01"),),
        occurred_on=EARLIER,
    ),
    DispatchShipment(shipment_id="SH-1", occurred_on=EARLIER),
    ReceiveShipment(shipment_id="SH-1", found=(), occurred_on=EARLIER),
)
DISMANTLED = Dismantle(asset_no=NUMBER, work_order="WO-1", unit=UNIT, site="store-1", reason="fault", occurred_on=LATER)


@pytest.fixture
def rebuild(tmp_path, monkeypatch):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path))
    return lambda: CliRunner().invoke(app, ["rebuild"])


async def test_a_rebuild_decides_nothing_again(rebuild, tmp_path):
    async with importing(tmp_path) as platform:
        await platform.done(*IN_SERVICE, *A_SHIPMENT_TOO_EARLY)
        await platform.settled()
        await platform.done(DISMANTLED)
        await platform.settled()
        before = await platform.events()
        card = await platform.registry.card(NUMBER)
    assert [one.type for one in before].count("registry.ShipmentExceptionRecorded") == 2
    asked = await asyncio.to_thread(rebuild)
    assert asked.exit_code == 0, asked.output
    async with importing(tmp_path) as platform:
        await platform.settled()
        assert await platform.events() == before
        assert await platform.registry.card(NUMBER) == card
        assert await platform.registry.one(CARD, (NUMBER,)) == card


@pytest.mark.parametrize(
    "begun_at", [1, 1_000_000], ids=["before what this ledger holds", "where a KurrentDB ends, in bytes"]
)
async def test_an_import_cut_off_on_another_ledger_goes_on_at_the_end_of_this_one(
    rebuild, tmp_path, monkeypatch, begun_at
):
    """What this ledger held before is not counted as recorded by the import, and no place is beyond its end."""
    numbers = [number(serial) for serial in range(1, 41)]
    async with importing(tmp_path) as platform:
        await platform.done(*IN_SERVICE[:2])
        assert (await platform.imported("devices", devices_csv(numbers[:15]))).accepted == 15
    async with importing(tmp_path, running=False) as platform:
        cut_off = (await platform.uploaded("devices", devices_csv(numbers))).import_id
        assert await platform.jobs.begin(cut_off, begun_at)
        assert await platform.jobs.advance(cut_off, position=begun_at)
        copied = f"sqlite:///{tmp_path / 'copied.sqlite'}"
        copy = await open_ledger(copied)
        await copy_log(platform.ledger, copy, told=lambda *_: None)
        await copy.close()
    monkeypatch.setenv("LEDGER_URL", copied)
    asked = await asyncio.to_thread(rebuild)
    assert asked.exit_code == 0, asked.output
    async with importing(tmp_path, running=False, ledger_url=copied) as platform:
        assert (await platform.jobs.get(KEEPER, cut_off)).position == await platform.ledger.head()
    async with importing(tmp_path, ledger_url=copied) as platform:
        stands = await platform.over(cut_off)
        assert (stands.state, stands.accepted, stands.unchanged) == ("done", 25, 15)
        assert stands.position <= await platform.ledger.head()
