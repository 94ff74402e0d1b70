"""Whoever tests again finds for itself: by no door, and in no way, does the institute learn how a device was judged."""

import io
import zipfile

import pytest
import pytest_asyncio

from kernel.disclosure import load
from kernel.principal import Role
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.release import PreconditionRecorded, Released
from services.registry.vocabulary import Movement
from services.sorting.inspection.population import JoinPopulation
from tests.gateway.behind import ROOT, behind
from tests.registry.doors.entrances import Entrances as RegistryEntrances
from tests.sorting.doors.entrances import Entrances
from tests.sorting.doors.season import RULES, arrived, begun, tell
from tests.sorting.examples import DAY, SITE, UNIT, inspected
from tests.sorting.written import written

pytestmark = pytest.mark.asyncio(loop_scope="module")
FROZEN, JUDGED, SCRAPPED = (compose(UNIT, "01", f"{serial:014d}") for serial in (71, 72, 73))
"""One that a review has frozen, one that none has yet, and one that went on its way."""

REPAIRS = {FROZEN: "RP-71", JUDGED: "RP-72"}
DAYS = {"first_day": DAY.isoformat(), "last_day": DAY.isoformat()}
COUNTS = {
    "ListQueues": {},
    "ListThroughput": {"day": DAY.isoformat()},
    "ListYield": {"by": "batch", "bench": "B1", "maker": "M01", **DAYS},
    "ListAgreement": DAYS,
    "ListInspectorAgreement": DAYS,
    "ListBacklog": {"on": DAY.isoformat()},
}
NO = {"access.denied", "inspection.unknown", "repair.unknown", "meter.unknown"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory):
    async with behind(tmp_path_factory.mktemp("blind")) as started:
        await arrived(started.ledger, [FROZEN, JUDGED, SCRAPPED])
        sorting = started.sorting.sorting
        await tell(sorting, [(one,) for one in RULES])
        await tell(sorting, [(inspected(one),) for one in (FROZEN, JUDGED)])
        await tell(sorting, [(begun(repair, number),) for number, repair in REPAIRS.items()])
        await tell(sorting, [(JoinPopulation(occurred_on=DAY, asset_no=FROZEN, review="R1"),)])
        out = Movement(device_class="01", from_site=SITE)
        for number, purpose in ((FROZEN, "review"), (SCRAPPED, "materials")):
            about = {"occurred_on": DAY, "asset_no": number, "reference": "合成-1"}
            grounds = PreconditionRecorded(**about, kind="verdict_scrap")
            released = Released(**about, purpose=purpose, moved=out)
            at = await written(started.ledger, REGISTRY_CODEC, f"meter-{number}", grounds, released)
        for service in (sorting, started.registry):
            await service.ask(lambda _connection: None, seen=at)
        await started.disclose()
        started.doors = {"sorting": Entrances(started), "registry": RegistryEntrances(started)}
        yield started


@pytest.fixture(params=["rest", "grpc", "gateway"])
def door(request):
    return request.param


async def asked(platform, service, door, question, role=Role.INSTITUTE, **plain):
    return await platform.doors[service].named(door).ask(question, plain, platform.token(role, organisation="M01"))


@pytest.mark.parametrize("number", [FROZEN, JUDGED], ids=["frozen", "not yet frozen"])
@pytest.mark.parametrize("question", ["GetInspection", "GetSortingLife", "GetVerdict", "GetRepair", "GetForm"])
async def test_of_a_judged_device_the_institute_learns_nothing(platform, door, question, number):
    plain = {"repair": REPAIRS[number]} if question == "GetRepair" else {"asset_no": number}
    knows = Role.METROLOGIST if question == "GetForm" else Role.AUDITOR
    assert (await asked(platform, "sorting", door, question, knows, **plain)).code is None
    assert (await asked(platform, "sorting", door, question, **plain)).code in NO


@pytest.mark.parametrize(("question", "plain"), [("ListInspections", {}), ("ListRepairs", {}), *COUNTS.items()])
async def test_no_list_and_no_count_tells_it(platform, door, question, plain):
    knows = Role.METROLOGIST if question == "ListInspectorAgreement" else Role.AUDITOR
    assert (await asked(platform, "sorting", door, question, knows, **plain)).code is None
    assert (await asked(platform, "sorting", door, question, **plain)).code == "access.denied"


@pytest.mark.parametrize(("number", "left"), [(FROZEN, ["registry.Released"]), (SCRAPPED, [])], ids=["sample", "other"])
async def test_of_its_life_the_institute_reads_what_left_for_it(platform, door, number, left):
    whole = await asked(platform, "registry", door, "GetLife", Role.AUDITOR, asset_no=number)
    assert {"registry.PreconditionRecorded", "registry.Released"} < {one["type"] for one in whole.value["items"]}
    seen = await asked(platform, "registry", door, "GetLife", asset_no=number)
    assert [one["type"] for one in seen.value["items"]] == left
    # What is proven of it is the same.
    proofs = await asked(platform, "registry", door, "GetProofs", asset_no=number)
    content = proofs.value if door != "grpc" else None
    if content is not None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert len([name for name in archive.namelist() if name.endswith(".tlog-proof")]) == len(left)


async def test_its_whole_way_is_the_same(platform):
    for number, left in ((FROZEN, ["registry.Released"]), (JUDGED, [])):
        answer = await platform.client.get(f"/v1/meters/{number}", headers=platform.headers(Role.INSTITUTE))
        assert [one["type"] for one in answer.json()["timeline"]] == left


async def test_a_card_says_where_a_device_lies_and_not_what_became_of_it(platform, door):
    async def card(number, role=Role.INSTITUTE):
        return (await asked(platform, "registry", door, "GetDevice", role, asset_no=number)).value

    whole, seen = await card(SCRAPPED, Role.AUDITOR), await card(SCRAPPED)
    assert (whole["phase"], whole["purpose"], whole["reference"]) == ("out", "materials", "合成-1")
    assert (seen["phase"], seen.get("purpose"), seen.get("reference"), seen.get("holder")) == ("out", None, None, None)
    assert ((await card(FROZEN))["purpose"], (await card(JUDGED))["site"]) == ("review", SITE)
    for name, value in (("purpose", "materials"), ("phase", "with_recycler"), ("holder", "x")):
        listed = await asked(platform, "registry", door, "ListDevices", **{name: value})
        assert listed.code == "access.denied", name
    rows = (await asked(platform, "registry", door, "ListDevices")).value["items"]
    assert {one["asset_no"]: one.get("purpose") for one in rows} == {FROZEN: "review", JUDGED: None, SCRAPPED: None}


@pytest.mark.parametrize(
    ("question", "plain"),
    [("ListShipments", {}), ("ListAlarms", {}), ("ListHoldsDue", {"by": DAY.isoformat()}), ("GetAssetPage", None)],
)
async def test_neither_do_what_went_together_alarms_holds_and_papers(platform, door, question, plain):
    asks = {"asset_no": FROZEN} if plain is None else plain
    assert (await asked(platform, "registry", door, question, **asks)).code == "access.denied"


async def test_what_is_disclosed_to_supervisors_has_the_verdicts_and_is_not_for_the_institute(platform):
    for name in ("disclosed/head", "disclosed/000.cbor.zst", "metadata/000.cbor.zst"):
        told = {
            role: (await platform.client.get(f"/supervisor/{name}", headers=platform.headers(role))).status_code
            for role in (Role.INSTITUTE, Role.REGULATOR, Role.AUDITOR)
        }
        assert told == {Role.INSTITUTE: 403, Role.REGULATOR: 200, Role.AUDITOR: 200}, name


async def test_no_label_shows_the_institute_an_event_of_sorting_that_not_everybody_reads():
    labels = load(ROOT / "docs" / "disclosure.yaml")
    shown = labels.shown_to({"institute"}) - labels.public
    assert shown == {"registry.Released", "registry.SampleReturned"}
    # Each of these names a device, and how it was judged or ought to be.
    told = {"VerdictReached", "VerdictOverridden", "PopulationJoined", "SampleDrawn", "ResultRecorded", "RepairOrdered"}
    assert not {f"sorting.{name}" for name in told} & labels.public
