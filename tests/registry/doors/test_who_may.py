"""Roles and rows at every entrance, against the table that is kept beside this file."""

import msgspec
import pytest
import pytest_asyncio

from kernel.principal import Role
from services.registry.access import INSIDE
from services.registry.app import DECIDERS
from services.registry.asset_number import compose
from services.registry.meter.custody import Dispatch
from tests.doors import asking
from tests.doors.asking import ENTRANCES
from tests.doors.entrances import bearer, said
from tests.doors.who_may import MAKER, OWN, asker
from tests.gateway.behind import behind
from tests.registry.doors.entrances import Entrances, workshop
from tests.registry.doors.season import EXAMPLES
from tests.registry.doors.who_may import ASKED, DEVICES, OF_MAKER, OF_OTHERS, OF_UNIT, set_up
from tests.registry.stories import DISMANTLE

IMPORTERS = {Role.OPERATOR, Role.STOREKEEPER, Role.DISPATCHER}
ANNOUNCED = {"kind": "devices", "name": "合成.csv", "bytes": 1}


of_one_platform = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrances(tmp_path_factory):
    """Of one platform for all: what is asked here is never recorded."""
    async with behind(tmp_path_factory.mktemp("who-may"), workshop()) as platform:
        opened = Entrances(platform)
        await set_up(opened)
        yield opened


def test_the_season_has_an_example_of_every_command():
    assert set(EXAMPLES) == {kind for decider in DECIDERS for kind in decider.commands}


def test_the_table_is_whole_and_in_its_own_form():
    asking.whole_and_in_its_own_form(ASKED)


@of_one_platform
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ENTRANCES)
async def test_each_role_may_do_what_the_table_says_and_nothing_else(entrances, name):
    await asking.each_role_may_do_what_the_table_says(ASKED, entrances, name)


@of_one_platform
async def test_the_table_asks_every_question_there_is(entrances):
    asking.everything_is_asked(ASKED, entrances)


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_nobody_is_told_to_come_with_a_token(entrances, name):
    await asking.nobody_is_told_to_come_with_a_token(ASKED, entrances, name)


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_a_token_without_a_role_of_ours_is_nobodys(entrances, name):
    await asking.a_token_without_a_role_is_nobodys(ASKED, entrances, name)


@of_one_platform
@pytest.mark.parametrize("name", ["rest", "gateway"])
async def test_many_at_once_are_let_line_by_line_as_one_at_a_time(entrances, name):
    client = entrances.named(name).client
    lines = [
        msgspec.to_builtins(msgspec.structs.replace(DISMANTLE, asset_no=one, unit=OWN, site=f"S-{OWN}"))
        for one in DEVICES
    ]
    own, _ = ASKED.expected()
    for role in Role:
        headers = bearer(asker(entrances, role)) | {"Idempotency-Key": "k"}
        answer = said(await client.post("/v1/meters/bulk/dismantle", json=lines, headers=headers))
        if answer.code == "access.denied":
            assert (name, answer.status, role in own["Dismantle"]) == ("gateway", 403, False)
            continue
        let = {number for number, line in zip(DEVICES, answer.value["lines"], strict=True) if is_let(line)}
        assert let == {None: set(), "unit": {OF_UNIT}}[own["Dismantle"].get(role)], role


def is_let(line):
    if line.get("code") == "access.denied":
        return False
    assert line["code"] == "meter.not_in_service"
    return True


@of_one_platform
async def test_what_policies_give_has_no_way_in(entrances):
    token = entrances.token(*Role, units=(OWN,), organisation=MAKER)
    for kind in INSIDE:
        example = EXAMPLES[kind]
        many = {"command": kind.__name__, "key": "k", "body": b"[]", "each_line": False}
        assert (await entrances.rpc.call("GiveMany", many, token)).code == "command.unknown"
        assert kind.__name__ not in {method.name for method in entrances.rpc_methods()}
        plural = "meters" if hasattr(example, "asset_no") else "shipments"
        for entrance in (entrances.rest, entrances.gateway):
            path = f"/v1/{plural}/x/{kind.__name__.lower()}"
            headers = bearer(token) | {"Idempotency-Key": "k"}
            answer = said(await entrance.client.post(path, json={}, headers=headers))
            assert answer.code == "http.no_such_path"
    assert Dispatch in INSIDE


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_three_roles_may_import(entrances, name):
    entrance = entrances.named(name)
    let = set()
    for role in Role:
        token = asker(entrances, role)
        if name == "grpc":
            announced = {"key": "k", "announced": msgspec.json.encode(ANNOUNCED).decode()}
            answer = await entrance.call("CreateImport", announced, token)
        else:
            headers = bearer(token) | {"Idempotency-Key": "k"}
            answer = said(await entrance.client.post("/v1/imports", json=ANNOUNCED, headers=headers))
        assert answer.code in {None, "access.denied"}, answer
        let |= {role} if answer.code is None else set()
    assert let == IMPORTERS


@of_one_platform
async def test_whoever_sees_a_card_sees_the_timeline_and_nobody_else(entrances):
    for role in Role:
        headers = bearer(asker(entrances, role))
        for number in DEVICES:
            card = await entrances.platform.client.get(f"/v1/meters/{number}/card", headers=headers)
            life = await entrances.platform.client.get(f"/v1/meters/{number}", headers=headers)
            assert (life.status_code, card.status_code) in {(200, 200), (403, 403), (404, 404)}, role


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_rights_of_several_roles_and_units_add_up(entrances, name):
    entrance = entrances.named(name)
    both = entrances.token(Role.OPERATOR, Role.MANUFACTURER, units=(OWN,), organisation=MAKER)
    seen = [row["asset_no"] for row in (await entrance.ask("ListDevices", {}, both)).value["items"]]
    assert seen == [OF_UNIT, OF_MAKER]
    no_unit = entrances.token(Role.OPERATOR)
    assert (await entrance.ask("ListDevices", {}, no_unit)).value["items"] == []
    assert (await entrance.ask("GetDevice", {"asset_no": OF_UNIT}, no_unit)).code == "meter.unknown"
    no_maker = entrances.token(Role.MANUFACTURER, units=(OWN,))
    assert (await entrance.ask("GetDevice", {"asset_no": OF_OTHERS}, no_maker)).code == "meter.unknown"
    assert (await entrance.ask("ListDevices", {}, no_maker)).code == "access.denied"


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_what_one_may_not_read_is_as_if_it_were_not_there(entrances, name):
    entrance, nobodys = entrances.named(name), compose(OWN, "01", "99999999999999")
    foreign = entrances.token(Role.MANUFACTURER, organisation=MAKER)
    for question in ("GetDevice", "GetLife", "GetAssetPage", "GetProofs"):
        there, not_there = [
            await entrance.ask(question, {"asset_no": number}, foreign) for number in (OF_OTHERS, nobodys)
        ]
        assert (there.code, there.status) == (not_there.code, not_there.status) == ("meter.unknown", there.status)
        assert there.zh.replace(OF_OTHERS, nobodys) == not_there.zh
    then = {"as_of_day": "2020-01-01"}
    assert (await entrance.ask("GetDevice", {"asset_no": OF_OTHERS, **then}, foreign)).code == "meter.unknown"
    operator = entrances.token(Role.OPERATOR, units=("99403",))
    for shipment in (f"SH-{OWN}", "SH-nobodys"):
        assert (await entrance.ask("GetShipment", {"shipment_id": shipment}, operator)).code == "shipment.unknown"
