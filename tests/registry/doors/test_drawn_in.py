"""At every door: what policies would do to other devices is refused with the command that asks for it."""

import pytest

from kernel.principal import Role
from services.registry.asset_number import compose
from services.registry.meter.binding import BindIdentity
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import AssignTemporaryIdentity, Register
from services.registry.shipment import Line, PrepareShipment
from services.registry.site import CountLine, Difference, OpenSite, RecordStocktake
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import Entrances, workshop
from tests.registry.stories import on

OWN, THEIR = "99401", "99402"
FOREIGN = compose(THEIR, "01", "99999999000031")
TEMPORARY = "T99401AB12"
SITES = [on(OpenSite, site_id=f"S-{unit}", kind="unit_store", name="合成", unit=unit) for unit in (OWN, THEIR)]
TOLD = [
    *SITES,
    on(Register, asset_no=FOREIGN, device_class="01", unit=THEIR),
    on(Dismantle, asset_no=FOREIGN, work_order="WO-1", unit=THEIR, site=f"S-{THEIR}", reason="fault"),
    on(AssignTemporaryIdentity, asset_no=TEMPORARY, device_class="01", unit=OWN, site=f"S-{OWN}"),
]
OVER = (Difference(asset_no=FOREIGN, device_class="01"),)
COUNTED = (CountLine(device_class="01", book=0, counted=1),)
ENDS = {"from_site": f"S-{OWN}", "to_site": f"S-{THEIR}"}
MANIFEST = (Line(asset_no=FOREIGN, device_class="01"),)
NAMING = (
    on(RecordStocktake, site_id=f"S-{OWN}", lines=COUNTED, over=OVER),
    on(BindIdentity, asset_no=TEMPORARY, bound_to=FOREIGN, evidence="合成"),
    on(PrepareShipment, shipment_id="SH-1", unit=OWN, manifest=MANIFEST, **ENDS),
)


@pytest.fixture
async def entrances(tmp_path):
    async with behind(tmp_path, workshop()) as platform:
        await tell(platform.registry, TOLD)
        yield Entrances(platform)


async def test_no_door_takes_a_command_that_draws_in_another_units_device(entrances):
    token = entrances.token(Role.OPERATOR, units=(OWN,))
    head = await entrances.ledger.head()
    for entrance in entrances.all():
        for command in NAMING:
            answer = await entrance.give(command, token)
            assert (answer.code, answer.status) in {("meter.not_theirs", 403), ("meter.not_theirs", None)}, answer
            assert FOREIGN in answer.zh
            assert FOREIGN in answer.en
    assert await entrances.ledger.head() == head


async def test_the_centre_gives_the_same_commands(entrances):
    token = entrances.token(Role.STOREKEEPER)
    for command in NAMING:
        assert (await entrances.rest.give(command, token)).code is None
