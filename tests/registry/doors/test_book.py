"""The book of a stocktake at every entrance: where it is not what the record says, that is told. The count stands."""

import msgspec
import pytest

from kernel.principal import Role
from services.registry.asset_number import compose
from services.registry.counting import BOOK_DISAGREES
from services.registry.site import CountLine, Difference, RecordStocktake
from tests.doors.entrances import bearer, said
from tests.gateway.behind import behind
from tests.gateway.season import sites, tell
from tests.registry.doors.entrances import Entrances
from tests.registry.stories import DAY, DISMANTLE, REGISTER, STORE, UNIT, about, on

LAY, CAME = (compose(UNIT, "01", f"{serial:014d}") for serial in (99999999000031, 99999999000032))


def put(number):
    """A device into the store, on the day on which it is counted."""
    return [about(REGISTER, number), about(DISMANTLE, number)]


def counted(book, found, **differences):
    lines = (CountLine(device_class="01", book=book, counted=found), CountLine(device_class="02", book=0, counted=0))
    return on(RecordStocktake, site_id=STORE, lines=lines, **differences)


@pytest.fixture
async def entrances(tmp_path):
    async with behind(tmp_path) as platform:
        await tell(platform.registry, [*sites(), *put(LAY)])
        await platform.gateway.describe()
        yield Entrances(platform)


@pytest.fixture
def keeper(entrances):
    return entrances.token(Role.OPERATOR, units=(UNIT,))


def codes(answer):
    return [warning["code"] for warning in answer.value.get("warnings", ())]


async def test_a_book_that_is_not_the_record_is_told_and_told_again_whatever_came_since(entrances, keeper):
    firsts = {}
    for entrance in entrances.all():
        first = firsts[entrance.name] = await entrance.give(counted(3, 3), keeper, key=entrance.name)
        assert first.code is None, (entrance.name, first)
        (warning,) = first.value["warnings"]
        assert warning["code"] == BOOK_DISAGREES.code
        assert "01" in warning["zh"]
        assert "the book says 3" in warning["en"]
        assert f"{STORE} closed {DAY} with 1 on record" in warning["en"]
    await tell(entrances.platform.registry, put(CAME))
    for entrance in entrances.all():
        again = await entrance.give(counted(3, 3), keeper, key=entrance.name)
        assert again.value == firsts[entrance.name].value | {"repeated": True}
        now = await entrance.give(counted(3, 3), keeper, key=f"{entrance.name}-now")
        assert "with 2 on record" in now.value["warnings"][0]["en"]


async def test_a_book_that_is_the_record_is_told_nothing_also_when_its_differences_have_followed(entrances, keeper):
    short = (Difference(asset_no=LAY, device_class="01"),)
    for entrance in entrances.all():
        assert codes(await entrance.give(counted(1, 1), keeper, key=entrance.name)) == []
    missed = counted(1, 0, short=short)
    first = await entrances.rest.give(missed, keeper, key="short")
    again = await entrances.rest.give(missed, keeper, key="short")
    assert (codes(first), codes(again), again.value["repeated"]) == ([], [], True)


async def test_among_many_each_stocktake_has_its_own(entrances, keeper):
    path = entrances.offered.groups[RecordStocktake].bulk_path(RecordStocktake)
    given = [msgspec.to_builtins(one) for one in (counted(1, 1), counted(2, 2))]
    headers = bearer(keeper) | {"Idempotency-Key": "k"}
    right, wrong = said(await entrances.rest.client.post(path, json=given, headers=headers)).value["lines"]
    assert "warnings" not in right
    assert [warning["code"] for warning in wrong["warnings"]] == [BOOK_DISAGREES.code]
