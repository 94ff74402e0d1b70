"""At every door: what policies would do to other devices is refused with the command that asks for it."""

from uuid import UUID

import pytest

from kernel.handling import Context, event_id
from kernel.principal import Role
from services.registry.asset_number import compose
from services.registry.meter.binding import BindIdentity
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import AssignTemporaryIdentity, Register
from services.registry.shipment import Line, PrepareShipment
from services.registry.site import CountLine, Difference, OpenSite, RecordStocktake, RecordStocktakeException
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


async def test_an_exception_of_a_stocktake_does_not_tell_which_numbers_of_others_there_are(entrances):
    nobodys = compose(THEIR, "01", "99999999000048")
    short = tuple(Difference(asset_no=number, device_class="01") for number in (FOREIGN, nobodys, TEMPORARY))
    lines = (CountLine(device_class="01", book=3, counted=0),)
    counted = on(RecordStocktake, site_id=f"S-{OWN}", lines=lines, short=short)
    registry, command_id = entrances.platform.registry, UUID(int=7)
    await registry.do(counted, Context(command_id=command_id, actor="u-1"))
    stocktake = event_id(command_id, 0).hex()
    codes = {FOREIGN: "meter.not_here_to_miss", nobodys: "meter.unknown", TEMPORARY: "meter.not_here_to_miss"}
    left = [
        on(RecordStocktakeException, site_id=f"S-{OWN}", stocktake=stocktake, asset_no=number, code=code)
        for number, code in codes.items()
    ]
    await tell(registry, left)
    for entrance in entrances.all():
        for role, foreign in ((Role.OPERATOR, "meter.unknown"), (Role.STOREKEEPER, "meter.not_here_to_miss")):
            token = entrances.token(role, units=(OWN,))
            answer = await entrance.ask("ListStocktakes", {"site_id": f"S-{OWN}"}, token)
            (line,) = answer.value["items"]
            assert {one["asset_no"]: one["code"] for one in line["exceptions_shown"]} == codes | {FOREIGN: foreign}
