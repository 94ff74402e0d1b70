"""In production no inspection begins by a scheme that the metrologist has not confirmed."""

import pytest
from msgspec.structs import replace

from kernel.handling import Context
from kernel.http_page import Cursors
from kernel.identity_issuer import built_in_verifier, write_keys
from ledger.memory import MemoryLedger
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Registered
from services.registry.vocabulary import Movement
from services.sorting.defaults import default_prices, default_scheme, default_verdict_table
from services.sorting.furnishing import UNCONFIRMED
from services.sorting.inspection.opening import OpenInspection
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable
from tests.given import fresh_id
from tests.sorting.behind import sorting_behind
from tests.sorting.examples import BENCH, DAY, SITE, UNIT, inspected
from tests.sorting.written import written

METER = compose(UNIT, "01", "99990000000001")
SCHEME = default_scheme("single_phase")
PUBLISHED = {"occurred_on": DAY, "version": 1, "why": "合成 synthetic"}


def confirmed(scheme):
    """As a metrologist leaves it who has looked up every limit."""
    norms = []
    for norm in scheme.norms:
        items = [replace(item, limits=tuple(replace(limit, confirmed=True) for limit in item.limits))
                 for item in norm.items]  # fmt: skip
        norms.append(replace(norm, items=tuple(items)))
    return replace(scheme, norms=tuple(norms))


@pytest.fixture(params=[True, False], ids=["production", "trial"])
async def hall(request, tmp_path):
    """Sorting in and out of production, with the rules that come along and one meter at the centre."""
    write_keys(tmp_path / "keys")
    verifier = built_in_verifier(tmp_path / "keys", ["127.0.0.1"])
    ledger = MemoryLedger()
    about = {"occurred_on": DAY, "asset_no": METER}
    await written(
        ledger, REGISTRY_CODEC, f"meter-{METER}",
        Registered(**about, device_class="01", unit=UNIT, owner="company", origin="in_service"),
        Received(**about, shipment="S1", moved=Movement(device_class="01", to_site=SITE)),
    )  # fmt: skip
    async with sorting_behind(tmp_path, ledger, verifier, Cursors(b"c" * 32), production=request.param) as behind:
        await do(behind, PublishScheme(**PUBLISHED, group=SCHEME.group, scheme=SCHEME))
        await do(behind, PublishTable(**PUBLISHED, name="verdict", verdict=default_verdict_table()))
        await do(behind, PublishTable(**PUBLISHED, name="prices", prices=default_prices()))
        yield behind, request.param
    await ledger.close()


async def do(behind, command):
    return await behind.sorting.do(command, Context(command_id=fresh_id(), actor="u-1"))


async def test_an_unconfirmed_scheme_runs_on_trial_only(hall):
    behind, production = hall
    opening = OpenInspection(occurred_on=DAY, asset_no=METER, bench=BENCH, site=SITE, accuracy_class="2")
    if not production:
        await do(behind, opening)
        return
    for command in (opening, inspected(METER, accuracy_class="2")):
        with pytest.raises(UNCONFIRMED.kind) as refused:
            await do(behind, command)
        assert refused.value.code == UNCONFIRMED.code
        assert refused.value.details["limits"] == len(SCHEME.unconfirmed())
    await do(behind, PublishScheme(**PUBLISHED | {"version": 2}, group=SCHEME.group, scheme=confirmed(SCHEME)))
    await do(behind, opening)
