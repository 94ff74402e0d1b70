"""A row is accepted where its device followed the shipment; the others are handed back with the reason."""

import pytest

from kernel.spreadsheet.findings import Column
from services.registry.imports.asked import NewImport
from services.registry.imports.following import NOT_YET, Following, Shipped
from services.registry.imports.locating import Sourced
from services.registry.imports.rows import Heading, Row
from services.registry.imports.shipping import Shipments
from services.registry.site import OpenSite
from tests.registry.imports.importing import OPERATOR, UNIT, as_csv, devices_csv, importing, number
from tests.registry.imports.sheets import TODAY

STORE, CENTRE, SHIPMENT = "store-1", "centre", "YJ-99401-0009"
SITES = (
    OpenSite(site_id=STORE, kind="unit_store", name="合成表库", unit=UNIT, occurred_on=TODAY),
    OpenSite(site_id=CENTRE, kind="centre", name="合成中心", unit="99400", occurred_on=TODAY),
)
IN_STORE, IN_SERVICE = [number(1), number(2)], [number(3), number(4), number(5)]


@pytest.fixture
async def started(tmp_path):
    async with importing(tmp_path) as one:
        await one.done(*SITES)
        await one.imported("devices", devices_csv([*IN_STORE, *IN_SERVICE]))
        rows = (f"{asset_no},G{i},到期轮换,2026-01-06,{STORE}" for i, asset_no in enumerate(IN_STORE))
        await one.imported("dismantled", as_csv("资产编号,工单编号,更换原因,拆回日期,库房", *rows))
        yield one


def dispatched():
    rows = (f"{SHIPMENT},2026-01-07,{STORE},{CENTRE},{asset_no}" for asset_no in [*IN_STORE, *IN_SERVICE])
    return as_csv("移交单号,移交日期,发出地点,接收地点,资产编号", *rows)


def received(numbers):
    return as_csv("移交单号,接收日期,资产编号", *(f"{SHIPMENT},2026-01-08,{asset_no}" for asset_no in numbers))


async def test_devices_that_did_not_follow_are_in_the_error_file_with_their_rows_and_reasons(started):
    stands = await started.imported("dispatched", dispatched())
    assert (stands.state, stands.accepted, stands.refused) == ("done", 2, 3)
    errors = await started.errors(stands.import_id)
    assert [line.split(",")[0] for line in errors] == ["4", "5", "6"]
    for line, asset_no in zip(errors, IN_SERVICE, strict=True):
        assert asset_no in line
        assert "meter." in line
        assert "移交单已入账，此器具未随之流转" in line
        assert "this device did not follow it" in line
    again = await started.imported("dispatched", dispatched())
    assert (again.accepted, again.unchanged, again.refused) == (0, 2, 3)
    assert await started.errors(again.import_id) == errors


async def test_a_device_that_is_in_no_row_is_an_exception_on_the_shipment_alone(started):
    await started.imported("dispatched", dispatched())
    stands = await started.imported("received", received(IN_STORE))
    assert (stands.state, stands.accepted, stands.refused) == ("done", 2, 0)
    shipment = await started.registry.consignment(SHIPMENT)
    assert {one.asset_no for one in shipment.exceptions} == set(IN_SERVICE)


async def test_a_shipment_that_lists_another_units_device_is_refused_and_says_which(started):
    theirs, row = number(6, "99402"), f"{SHIPMENT},2026-01-07,{STORE},{CENTRE}"
    await started.imported("devices", devices_csv([theirs], "99402"))
    content = dispatched() + f"{row},{theirs}\n".encode()
    stands = await started.imported("dispatched", content, OPERATOR)
    assert (stands.state, stands.accepted, stands.refused) == ("done", 0, 6)
    errors = await started.errors(stands.import_id, OPERATOR)
    assert all("meter.not_theirs" in line for line in errors)
    assert theirs in errors[0]
    assert (await started.imported("dispatched", dispatched(), OPERATOR)).accepted == 2


async def test_a_preview_waits_for_nobody(started):
    stands = await started.imported("dispatched", dispatched(), dry_run=True)
    assert (stands.state, stands.accepted, stands.refused) == ("done", 5, 0)


async def test_what_does_not_come_in_time_is_said_to_be_on_its_way(started, tmp_path):
    shipments = Shipments(NewImport(kind="received", name="x", bytes=1), tmp_path / "scratch")
    row = Row(7, {"shipment": SHIPMENT, "asset_no": number(1)})
    await shipments.add([Sourced(row, Heading(None, 1, (Column("shipment", "A", "移交单号"),)))])
    following = Following(started.registry, shipments, seconds_max=0.1)
    nowhere_near = await started.ledger.head() + 1_000
    assert not await following.wait(nowhere_near)
    came = await following.look(Shipped(SHIPMENT, nowhere_near, "accepted"))
    assert (came.refused, came.warned) == (0, 1)
    assert [(one.row, one.code) for one in came.found] == [(7, NOT_YET.code)]
    await shipments.close()
