"""`meterloop rebuild` builds tables anew and decides nothing: the record says the same before and after."""

import asyncio
from datetime import date

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import Register
from services.registry.shipment import DispatchShipment, Line, PrepareShipment, ReceiveShipment
from services.registry.site import OpenSite
from services.registry.views.card import CARD
from tests.registry.imports.importing import UNIT, importing, number

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
