"""A wrong check digit in a file: the strictest of what import, mapping and setting say; on record it never refuses."""

import pytest

from services.registry.asset_number import WRONG_CHECK_DIGIT
from tests.registry.imports.importing import devices_csv, importing, number
from tests.registry.imports.test_running import DISPATCHED, SHIPMENT, SITES, as_csv, dismantled_csv, dispatch_row, types
from tests.registry.test_numbering import mistyped

WRONG = mistyped(number(2))
LENIENT = "extends: default\ncheck_digit: warn"
OF_THE_FIELD = "extends: default\nkinds: {{devices: {{asset_no: {{check_digit: {}}}}}}}"
STRICT = {
    "option": {"check_digit": "refuse"},
    "mapping": {"mapping": "extends: default\ncheck_digit: refuse"},
    "field": {"mapping": "extends: default\nkinds: {dispatched: {asset_no: {check_digit: refuse}}}"},
}


@pytest.mark.parametrize(
    ("setting", "said", "counts"),
    [
        ("warn", {}, (2, 0, 1)),
        ("refuse", {}, (1, 1, 0)),
        ("ignore", {}, (2, 0, 0)),
        ("warn", {"check_digit": "refuse"}, (1, 1, 0)),
        ("refuse", {"check_digit": "warn"}, (1, 1, 0)),
        ("refuse", {"check_digit": "ignore"}, (1, 1, 0)),
        ("warn", {"check_digit": "ignore"}, (2, 0, 1)),
        ("ignore", {"check_digit": "warn"}, (2, 0, 1)),
        ("ignore", {"mapping": LENIENT}, (2, 0, 1)),
        ("refuse", {"mapping": "extends: default"}, (1, 1, 0)),
        ("refuse", {"mapping": LENIENT}, (1, 1, 0)),
        ("refuse", {"mapping": OF_THE_FIELD.format("ignore")}, (1, 1, 0)),
        ("warn", {"mapping": OF_THE_FIELD.format("refuse"), "check_digit": "ignore"}, (1, 1, 0)),
        ("warn", {"mapping": LENIENT, "check_digit": "refuse"}, (1, 1, 0)),
    ],
)
async def test_the_strictest_holds_of_what_is_said(tmp_path, setting, said, counts):
    async with importing(tmp_path, check_digit=setting) as started:
        stands = await started.imported("devices", devices_csv([number(1), WRONG]), **said)
        assert (stands.accepted, stands.refused, stands.warned) == counts
        errors = await started.errors(stands.import_id)
        assert [WRONG in line and WRONG_CHECK_DIGIT.code in line for line in errors] == [True] * (counts[1] + counts[2])
        recorded = counts[0] == 2
        assert await types(started, f"meter-{WRONG}") == (["Registered"] if recorded else [])


async def test_a_device_on_record_is_dismantled_dispatched_and_received_whatever_its_number(tmp_path):
    right = number(1)
    async with importing(tmp_path) as started:
        assert (await started.imported("devices", devices_csv([right, WRONG]))).accepted == 2
    async with importing(tmp_path, check_digit="refuse") as started:
        await started.done(*SITES)
        received = as_csv("移交单号,接收日期,资产编号", *(f"{SHIPMENT},2026-01-08,{one}" for one in (right, WRONG)))
        tables = {
            "dismantled": dismantled_csv([right, WRONG]),
            "dispatched": as_csv(DISPATCHED, dispatch_row(right), dispatch_row(WRONG)),
            "received": received,
        }
        for kind, content in tables.items():
            for dry_run in (True, False):
                stands = await started.imported(kind, content, dry_run=dry_run)
                assert (stands.state, stands.accepted, stands.refused, stands.warned) == ("done", 2, 0, 1), kind
        assert await types(started, f"meter-{WRONG}") == ["Registered", "Dismantled", "Dispatched", "Received"]


@pytest.mark.parametrize(("setting", "said"), [("refuse", {}), *(("warn", how) for how in STRICT.values())])
async def test_a_new_number_that_is_wrong_is_refused_with_its_shipment(tmp_path, setting, said):
    async with importing(tmp_path, check_digit=setting) as started:
        await started.done(*SITES)
        head = await started.ledger.head()
        content = as_csv(DISPATCHED, dispatch_row(number(1)), dispatch_row(WRONG))
        for dry_run in (True, False):
            stands = await started.imported("dispatched", content, dry_run=dry_run, **said)
            assert (stands.state, stands.accepted, stands.refused) == ("done", 0, 2)
            lines = [line.split(",")[:4] for line in await started.errors(stands.import_id)]
            assert ["3", "E 资产编号", WRONG, WRONG_CHECK_DIGIT.code] in lines
        assert await started.ledger.head() == head
