"""A device's life at the gateway, over the registry and sorting: as of a day, as of a position, and for whom."""

import asyncio

import pytest
import pytest_asyncio

from kernel.disclosure import load
from kernel.principal import Role
from services.sorting.inspection.repair_order import OrderRepair
from services.sorting.repair import RestoreKeys
from services.sorting.views.repair import REPAIRS
from tests.gateway.behind import ROOT, behind
from tests.sorting.doors.entrances import Entrances
from tests.sorting.doors.season import RULES, arrived, on, tell
from tests.sorting.doors.who_may import DEVICES, MAKER, OF_MAKER, OF_OTHERS, OF_UNIT, OWN
from tests.sorting.examples import DAY, inspected

pytestmark = pytest.mark.asyncio(loop_scope="module")
LABELS = load(ROOT / "docs" / "disclosure.yaml")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrances(tmp_path_factory):
    """A judged device of one's own unit, and one of one's own make."""
    async with behind(tmp_path_factory.mktemp("timeline")) as platform:
        opened = Entrances(platform)
        for number, (unit, maker) in DEVICES.items():
            await arrived(platform.ledger, [number], unit=unit, maker=maker)
        position = await tell(opened.sorting, [*((one,) for one in RULES), *((inspected(one),) for one in DEVICES)])
        await platform.registry.ask(lambda _connection: None, seen=await platform.ledger.head())
        assert position
        yield opened


async def told(entrances, number, *roles, **asked):
    """The types of a device's events in their order, with their positions; or the code of the refusal."""
    token = entrances.token(*roles, units=(OWN,), organisation=MAKER)
    answer = await entrances.platform.client.get(
        f"/v1/meters/{number}", params=asked, headers={"Authorization": f"Bearer {token}"}
    )
    body = answer.json()
    if answer.status_code != 200:
        return body["code"]
    return [(one["type"], one["position"]) for one in body["timeline"]]


async def test_both_services_tell_in_the_order_of_the_log(entrances):
    whole = await told(entrances, OF_UNIT, Role.AUDITOR)
    types = [kind for kind, _ in whole]
    assert types[:2] == ["registry.Registered", "registry.Received"]
    assert types[2] == "sorting.InspectionOpened"
    assert types[-1] == "sorting.VerdictReached"
    positions = [position for _, position in whole]
    assert positions == sorted(set(positions))


async def test_what_was_done_in_its_repairs_is_part_of_it(entrances):
    order = on(OrderRepair, asset_no=OF_OTHERS, route="no_fault", repairer="CENTRE")
    repair = f"{OF_OTHERS}-1"
    keyed = on(RestoreKeys, repair=repair, reference="KEY-1")
    await tell(entrances.sorting, [(order,)])
    async with asyncio.timeout(30):
        while await entrances.sorting.one(REPAIRS, (repair,)) is None:  # noqa: ASYNC110  a policy begins it in its time
            await asyncio.sleep(0.01)
    await tell(entrances.sorting, [(keyed,)])
    whole = [kind.removeprefix("sorting.") for kind, _ in await told(entrances, OF_OTHERS, Role.AUDITOR)]
    assert whole[-4:] == ["VerdictReached", "RepairOrdered", "RepairBegun", "KeysRestored"]
    pages = []
    path, cursor = f"/v1/inspections/{OF_OTHERS}/life", {}
    while cursor is not None:
        page = await asked(entrances, path, Role.AUDITOR, limit=2, **cursor)
        pages.append([one["position"] for one in page["items"]])
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    positions = [position for page in pages for position in page]
    assert positions == sorted(set(positions))
    assert len(positions) == sum(kind not in {"registry.Registered", "registry.Received"} for kind in whole)


async def test_as_of_a_position_it_ends_there(entrances):
    whole = await told(entrances, OF_UNIT, Role.AUDITOR)
    for nth, (_, position) in enumerate(whole, 1):
        if nth >= 2:
            assert await told(entrances, OF_UNIT, Role.AUDITOR, as_of_position=position) == whole[:nth]
    both = await told(entrances, OF_UNIT, Role.AUDITOR, as_of_position=whole[-1][1], as_of_day=DAY.isoformat())
    assert both == "query.one_time_only"


async def test_as_of_a_day_it_is_what_had_happened_by_then(entrances):
    whole = await told(entrances, OF_UNIT, Role.AUDITOR)
    assert await told(entrances, OF_UNIT, Role.AUDITOR, as_of_day=DAY.isoformat()) == whole
    before = DAY.replace(day=DAY.day - 1).isoformat()
    assert await told(entrances, OF_UNIT, Role.AUDITOR, as_of_day=before) == "meter.not_then"


@pytest.mark.parametrize(
    ("role", "party", "number"), [(Role.OPERATOR, "unit", OF_UNIT), (Role.MANUFACTURER, "manufacturer", OF_MAKER)]
)
async def test_a_party_is_told_what_its_labels_say_and_nothing_else(entrances, role, party, number):
    whole = [one for one in await told(entrances, number, Role.AUDITOR) if one[0].startswith("sorting.")]
    shown = LABELS.shown_to({party})
    seen = [one for one in await told(entrances, number, role) if one[0].startswith("sorting.")]
    assert seen == [one for one in whole if one[0] in shown]
    assert "sorting.VerdictReached" in {kind for kind, _ in seen}
    assert "sorting.HistoryAssessed" in {kind for kind, _ in whole} - {kind for kind, _ in seen}
    (others,) = {OF_UNIT, OF_MAKER} - {number}
    assert await told(entrances, others, role) == "meter.unknown"


async def asked(entrances, path, *roles, **parameters):
    """The answer to a question at the gateway."""
    token = entrances.token(*roles, units=(OWN,), organisation=MAKER)
    answer = await entrances.platform.client.get(path, params=parameters, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("role", "number", "left_out"),
    [(Role.OPERATOR, OF_UNIT, {"history"}), (Role.MANUFACTURER, OF_MAKER, {"history", "value"})],
)
async def test_a_verdict_whole_leaves_out_what_the_labels_keep_from_a_party(entrances, role, number, left_out):
    path = f"/v1/inspections/{number}/verdict"
    whole, shown = await asked(entrances, path, Role.AUDITOR), await asked(entrances, path, role)
    parts = {"history", "indicators", "value"}
    assert all(whole[name] and whole[f"{name}_said"] for name in parts)
    assert {name for name in parts if shown[name] is None} == left_out
    assert {name for name in parts if not shown[f"{name}_said"]} == left_out
    assert shown["verdict"] == whole["verdict"]


async def test_a_row_leaves_out_the_same_and_is_not_found_by_it(entrances):
    path, one = "/v1/inspections", f"/v1/inspections/{OF_MAKER}"
    whole = await asked(entrances, one, Role.AUDITOR)
    shown = await asked(entrances, one, Role.MANUFACTURER)
    hidden = {"bench": "", "site": "", "identity": None, "proposed": None, "review": None}
    assert {name: shown[name] for name in hidden} == hidden
    assert {name: value for name, value in whole.items() if name not in hidden} == {
        name: value for name, value in shown.items() if name not in hidden
    }
    listed = await asked(entrances, path, Role.MANUFACTURER)
    assert [row["asset_no"] for row in listed["items"]] == [OF_MAKER]
    assert listed["items"] == [shown]
    for named in ({"bench": whole["bench"]}, {"site": whole["site"]}):
        token = entrances.token(Role.MANUFACTURER, organisation=MAKER)
        answer = await entrances.platform.client.get(path, params=named, headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["code"] == "access.denied"
