"""A wrong check digit in a file: as the import says, else as its mapping says, else as the registry is set."""

import pytest

from services.registry.asset_number import WRONG_CHECK_DIGIT
from tests.registry.imports.importing import devices_csv, importing, number
from tests.registry.imports.test_running import DISPATCHED, SITES, as_csv, dispatch_row, types
from tests.registry.test_numbering import mistyped

WRONG = mistyped(number(2))
LENIENT = "extends: default\ncheck_digit: warn"


@pytest.mark.parametrize(
    ("setting", "said", "counts"),
    [
        ("warn", {}, (2, 0, 1)),
        ("refuse", {}, (1, 1, 0)),
        ("ignore", {}, (2, 0, 0)),
        ("warn", {"check_digit": "refuse"}, (1, 1, 0)),
        ("refuse", {"check_digit": "warn"}, (2, 0, 1)),
        ("refuse", {"check_digit": "ignore"}, (2, 0, 0)),
        ("refuse", {"mapping": "extends: default"}, (1, 1, 0)),
        ("refuse", {"mapping": LENIENT}, (2, 0, 1)),
        ("warn", {"mapping": LENIENT, "check_digit": "refuse"}, (1, 1, 0)),
    ],
)
async def test_the_setting_holds_where_nothing_else_is_said(tmp_path, setting, said, counts):
    async with importing(tmp_path, check_digit=setting) as started:
        stands = await started.imported("devices", devices_csv([number(1), WRONG]), **said)
        assert (stands.accepted, stands.refused, stands.warned) == counts
        errors = await started.errors(stands.import_id)
        assert [WRONG in line and WRONG_CHECK_DIGIT.code in line for line in errors] == [True] * (counts[1] + counts[2])
        recorded = counts[0] == 2
        assert await types(started, f"meter-{WRONG}") == (["Registered"] if recorded else [])


async def test_what_an_import_lets_pass_no_shipment_of_it_is_refused_for(tmp_path):
    async with importing(tmp_path, check_digit="refuse") as started:
        await started.done(*SITES)
        stands = await started.imported("dispatched", as_csv(DISPATCHED, dispatch_row(WRONG)), check_digit="warn")
        assert (stands.state, stands.warned) == ("done", 1)
        stream = await started.ledger.read("shipment-YJ-99401-0001")
        assert [one.type for one in stream.events][:2] == ["registry.ShipmentPrepared", "registry.ShipmentDispatched"]
