"""A wrong check digit at every entrance: what was done all the same is told with its warning, or it is refused."""

import msgspec
import pytest

from kernel.principal import Role
from services.registry.asset_number import WRONG_CHECK_DIGIT, compose
from services.registry.meter.identity import Register
from services.registry.meter.unexpected import ReceiveUnexpected
from tests.doors.entrances import bearer, said
from tests.gateway.behind import behind
from tests.gateway.season import sites, tell
from tests.registry.doors.entrances import Entrances
from tests.registry.stories import REGISTER, TURN_UP, UNIT, about
from tests.registry.test_numbering import mistyped

CODE = WRONG_CHECK_DIGIT.code
RIGHT = [compose(UNIT, "01", f"{serial:014d}") for serial in range(99999999000031, 99999999000037)]
WRONG = [mistyped(number) for number in RIGHT]


@pytest.fixture
def check_digit(request):
    return getattr(request, "param", "warn")


@pytest.fixture
async def entrances(tmp_path, check_digit):
    async with behind(tmp_path, check_digit=check_digit) as platform:
        await tell(platform.registry, sites())
        await platform.gateway.describe()
        yield Entrances(platform)


@pytest.fixture
def keeper(entrances):
    return entrances.token(Role.STOREKEEPER, Role.OPERATOR, units=(UNIT,))


async def test_a_warning_comes_with_the_answer_and_again_with_the_same_command(entrances, keeper):
    for place, entrance in enumerate(entrances.all()):
        for command in (about(REGISTER, WRONG[2 * place]), about(TURN_UP, WRONG[2 * place + 1])):
            first = await entrance.give(command, keeper)
            assert (first.code, first.status) in {(None, None), (None, 201)}, (entrance.name, first)
            (warning,) = first.value["warnings"]
            assert warning.keys() == {"code", "zh", "en"}
            assert warning["code"] == CODE
            assert command.asset_no in warning["zh"]
            assert command.asset_no in warning["en"]
            again = await entrance.give(command, keeper)
            assert again.value == first.value | {"repeated": True}


async def test_most_answers_have_no_warning(entrances, keeper):
    for place, entrance in enumerate(entrances.all()):
        told = await entrance.give(about(REGISTER, RIGHT[place]), keeper)
        assert told.value["warnings"] == []


@pytest.mark.parametrize("check_digit", ["refuse"], indirect=True)
async def test_where_it_is_set_so_it_is_refused_by_the_code_of_imports(entrances, keeper):
    head = await entrances.ledger.head()
    for entrance in entrances.all():
        for command in (about(REGISTER, WRONG[0]), about(TURN_UP, WRONG[0])):
            refused = await entrance.give(command, keeper)
            assert (refused.code, refused.status) in {(CODE, None), (CODE, 422)}, (entrance.name, refused)
            assert WRONG[0] in refused.zh
    assert await entrances.ledger.head() == head


@pytest.mark.parametrize("check_digit", ["refuse"], indirect=True)
async def test_who_may_not_is_told_so_and_nothing_of_the_number(entrances):
    token = entrances.token(Role.OPERATOR, units=("99402",))
    assert [(await one.give(about(REGISTER, WRONG[0]), token)).code for one in entrances.all()] == ["access.denied"] * 3


@pytest.mark.parametrize("kind", [Register, ReceiveUnexpected])
@pytest.mark.parametrize(
    ("check_digit", "outcomes"),
    [("warn", ["accepted", "accepted"]), ("refuse", ["accepted", "refused"]), ("ignore", ["accepted", "accepted"])],
    indirect=["check_digit"],
)
async def test_among_many_each_line_has_its_own(entrances, keeper, kind, check_digit, outcomes):
    example = {Register: REGISTER, ReceiveUnexpected: TURN_UP}[kind]
    path = entrances.offered.groups[kind].bulk_path(kind)
    for place, client in enumerate((entrances.rest.client, entrances.gateway.client)):
        given = [msgspec.to_builtins(about(example, number)) for number in (RIGHT[place], WRONG[place])]
        headers = bearer(keeper) | {"Idempotency-Key": "k"}
        answers = [said(await client.post(path, json=given, headers=headers)) for _ in range(2)]
        first, again = (answer.value["lines"] for answer in answers)
        assert [line["outcome"] for line in first] == outcomes
        assert [line["outcome"] for line in again] == [one.replace("accepted", "repeated") for one in outcomes]
        for right, wrong in (first, again):
            assert "warnings" not in right
            codes = [warning["code"] for warning in wrong.get("warnings", ())]
            assert codes == ([CODE] if check_digit == "warn" else [])
            assert wrong.get("code") == (CODE if check_digit == "refuse" else None)
