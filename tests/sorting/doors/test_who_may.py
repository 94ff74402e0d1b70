"""Roles and rows at every entrance to sorting, against the table that is kept beside this file."""

import msgspec
import pytest
import pytest_asyncio

from kernel.principal import Role
from services.sorting.access import INSIDE
from services.sorting.app import DECIDERS
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride, RejectOverride
from services.sorting.repair import ReVerify
from services.sorting.review.drawing import RevealNonce
from services.sorting.review.results import RecordResult
from tests.doors import asking
from tests.doors.asking import ENTRANCES
from tests.doors.entrances import bearer, said
from tests.doors.who_may import MAKER, OWN, asker
from tests.gateway.behind import behind
from tests.sorting.doors.entrances import Entrances, workshop
from tests.sorting.doors.season import EXAMPLES
from tests.sorting.doors.who_may import ASKED, DEVICES, OF_MAKER, OF_OTHERS, OF_UNIT, about_each, repair_of, set_up
from tests.sorting.examples import inspected

SIGNED = {"by", "verifier"}
"""The members of a command that say whose it is."""

of_one_platform = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrances(tmp_path_factory):
    """Of one platform for all: what is asked here is never recorded."""
    async with behind(tmp_path_factory.mktemp("who-may"), sorting_workshop=workshop()) as platform:
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
    lines = [msgspec.to_builtins(inspected(number)) for number in DEVICES]
    own, _ = ASKED.expected()
    head = await entrances.ledger.head()
    for role in Role:
        headers = bearer(asker(entrances, role)) | {"Idempotency-Key": "k"}
        answer = said(await client.post("/v1/inspections/bulk/inspect-at-once", json=lines, headers=headers))
        if answer.code == "access.denied":
            assert (name, answer.status, role in own["InspectAtOnce"]) == ("gateway", 403, False)
            continue
        codes = {line["code"] for line in answer.value["lines"]}
        # Whoever may is told that the devices are judged already, and that a reason is missing.
        assert codes == ({"inspection.reason_missing"} if role in own["InspectAtOnce"] else {"access.denied"}), role
    assert await entrances.ledger.head() == head


@of_one_platform
async def test_what_the_service_gives_itself_has_no_way_in(entrances):
    token = entrances.token(*Role, units=(OWN,), organisation=MAKER)
    for kind in INSIDE:
        many = {"command": kind.__name__, "key": "k", "body": b"[]", "each_line": False}
        assert (await entrances.rpc.call("GiveMany", many, token)).code == "command.unknown"
        assert kind.__name__ not in {method.name for method in entrances.rpc_methods()}
        for entrance in (entrances.rest, entrances.gateway):
            for plural in ("inspections", "repairs", "certificates", "runs"):
                headers = bearer(token) | {"Idempotency-Key": "k"}
                path = f"/v1/{plural}/x/{kind.__name__.lower()}"
                assert said(await entrance.client.post(path, json={}, headers=headers)).code == "http.no_such_path"


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_nobody_signs_for_another(entrances, name):
    """Or one person could propose to overrule a verdict, and confirm it as a second."""
    entrance, head = entrances.named(name), await entrances.ledger.head()
    token = entrances.token(*Role, units=("*",), subject="u-9")
    signed = {kind: one for kind, one in EXAMPLES.items() if kind not in INSIDE and SIGNED & {*kind.__struct_fields__}}
    assert {ProposeOverride, ConfirmOverride, RejectOverride, ReVerify, RecordResult, RevealNonce} <= signed.keys()
    for kind in signed:
        (command, *_) = about_each(kind).values()
        answer = await entrance.give(command, token)
        expected = "repair.verified_by_another" if "verifier" in kind.__struct_fields__ else "verdict.by_another"
        assert answer.code == expected, (kind, answer)
    assert await entrances.ledger.head() == head


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_what_one_may_not_read_is_as_if_it_were_not_there(entrances, name):
    entrance = entrances.named(name)
    maker = entrances.token(Role.MANUFACTURER, organisation=MAKER)
    nobodys = OF_OTHERS[:-3] + "999"
    for question in ("GetInspection", "GetSortingLife", "GetVerdict"):
        there, not_there = [await entrance.ask(question, {"asset_no": one}, maker) for one in (OF_OTHERS, nobodys)]
        assert (there.code, there.status) == (not_there.code, not_there.status) == ("inspection.unknown", there.status)
        assert there.zh.replace(OF_OTHERS, nobodys) == not_there.zh
    operator = entrances.token(Role.OPERATOR, units=(OWN,))
    there, not_there = [
        await entrance.ask("GetRepair", {"repair": repair_of(one)}, operator) for one in (OF_OTHERS, nobodys)
    ]
    assert (there.code, there.status) == (not_there.code, not_there.status) == ("repair.unknown", there.status)


@of_one_platform
@pytest.mark.parametrize("name", ENTRANCES)
async def test_rights_of_several_roles_and_units_add_up(entrances, name):
    entrance = entrances.named(name)
    both = entrances.token(Role.OPERATOR, Role.MANUFACTURER, units=(OWN,), organisation=MAKER)
    for question in ("ListInspections", "ListRepairs"):
        seen = [row["asset_no"] for row in (await entrance.ask(question, {}, both)).value["items"]]
        # What a repair costs is not for makers.
        assert seen == ([OF_UNIT] if question == "ListRepairs" else sorted([OF_UNIT, OF_MAKER]))
        no_unit = entrances.token(Role.OPERATOR)
        assert (await entrance.ask(question, {}, no_unit)).value["items"] == []
    no_maker = entrances.token(Role.MANUFACTURER, units=(OWN,))
    assert (await entrance.ask("ListInspections", {}, no_maker)).code == "access.denied"
