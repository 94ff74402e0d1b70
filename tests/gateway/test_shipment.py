"""One shipment whole, through the gateway: what was listed, what became of each device, who signed."""

import pytest

from kernel.principal import Role
from services.registry.shipment import FoundLine, RecordShipmentException, manifest_sha256
from tests.gateway.behind import behind
from tests.gateway.season import (
    CENTRE,
    DAY,
    SHIPMENT,
    STORE,
    UNIT,
    dispatched,
    number,
    prepared,
    received,
    signed,
    sites,
    tell,
)

HERE, DAMAGED, MISSING, STRANGER = (number(serial) for serial in range(1, 5))
PATH = f"/v1/shipments/{SHIPMENT}"


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        await tell(started.registry, sites())
        yield started


async def asked(platform, *roles, units=(), path=PATH):
    return await platform.client.get(path, headers=platform.headers(*roles, units=units))


async def test_before_receipt_nothing_has_become_of_a_device(platform):
    await tell(platform.registry, [prepared([HERE, MISSING], container="box-1")])
    body = (await asked(platform, Role.AUDITOR)).json()
    assert body["phase"] == "prepared"
    assert (body["from_site"], body["to_site"], body["unit"]) == (STORE, CENTRE, UNIT)
    assert body["manifest_sha256"] == manifest_sha256([HERE, MISSING])
    assert body["prepared"]["occurred_on"] == str(DAY)
    assert [(line["asset_no"], line["container"], line["became"]) for line in body["lines"]] == [
        (HERE, "box-1", None),
        (MISSING, "box-1", None),
    ]
    assert body["received"] is None


async def test_after_receipt_every_device_has_its_end(platform):
    exception = RecordShipmentException(shipment_id=SHIPMENT, asset_no=HERE, code="meter.not_at_site", occurred_on=DAY)
    found = [FoundLine(asset_no=HERE), FoundLine(asset_no=DAMAGED, damaged=True), FoundLine(asset_no=STRANGER)]
    await tell(
        platform.registry,
        [
            prepared([HERE, DAMAGED, MISSING]),
            dispatched(),
            received(found),
            signed("from"),
            exception,
            signed("to"),
        ],
    )
    answer = await asked(platform, Role.AUDITOR)
    body = answer.json()
    became = {line["asset_no"]: (line["became"], line["damaged"]) for line in body["lines"]}
    assert became == {
        HERE: ("received", False),
        DAMAGED: ("received", True),
        MISSING: ("missing", False),
        STRANGER: ("unexpected", False),
    }
    assert (body["phase"], body["seal_no"], body["version"]) == ("received", "FY-000123", 5)
    assert [(one["party"], one["signer"]) for one in body["signatures"]] == [
        ("from", "subject-from"),
        ("to", "subject-to"),
    ]
    assert body["exceptions"] == [{"asset_no": HERE, "code": "meter.not_at_site"}]
    recorded = (await platform.ledger.read(f"shipment-{SHIPMENT}")).events
    assert [(one["id"], one["position"], one["type"]) for one in body["events"]] == [
        (one.id.hex(), one.position, one.type) for one in recorded
    ]
    assert {one["event_id"] for one in body["signatures"]} == {recorded[3].id.hex(), recorded[5].id.hex()}
    again = await platform.client.get(
        PATH, headers=platform.headers(Role.AUDITOR) | {"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


async def test_a_shipment_is_for_its_unit_and_for_who_reads_all(platform):
    await tell(platform.registry, [prepared([HERE])])
    assert (await asked(platform, Role.OPERATOR, units=(UNIT,))).status_code == 200
    stranger = await asked(platform, Role.OPERATOR, units=("99402",))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "shipment.unknown")
    maker = await asked(platform, Role.MANUFACTURER)
    assert (maker.status_code, maker.json()["code"]) == (403, "access.denied")


async def test_an_unknown_shipment_is_not_found(platform):
    answer = await asked(platform, Role.AUDITOR, path="/v1/shipments/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "shipment.unknown")
