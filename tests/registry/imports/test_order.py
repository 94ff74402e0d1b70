"""Batches under way together are decided and recorded one after the other, and none after one that failed."""

import asyncio

import pytest

from kernel.handling import Ask, Context
from services.registry.app import CODEC
from services.registry.imports.order import NotInTurn, Turn
from services.registry.meter.identity import Register
from tests.given import fresh_id
from tests.registry.imports.importing import UNIT, devices_csv, importing, number
from tests.registry.imports.sheets import TODAY


def turns(count):
    made = [Turn()]
    while len(made) < count:
        made.append(Turn(made[-1]))
    return made


async def test_the_next_is_decided_while_one_is_recorded_and_recorded_after_it():
    said = []
    first, second = turns(2)

    async def batch(name, turn, recorded):
        await turn.to_decide()
        said.append(f"{name} decided")
        await turn.to_record()
        said.append(f"{name} begun")
        await recorded.wait()
        turn.over(recorded=True)

    written = asyncio.Event()
    both = asyncio.gather(batch("second", second, written), batch("first", first, written))
    while len(said) < 3:  # noqa: ASYNC110  nobody says so
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert said == ["first decided", "first begun", "second decided"]
    written.set()
    await both
    assert said[3:] == ["second begun"]


async def test_nothing_is_recorded_after_a_batch_that_failed():
    first, second, third = turns(3)
    first.over(recorded=False)
    with pytest.raises(NotInTurn):
        await second.to_record()
    second.over(recorded=False)
    with pytest.raises(NotInTurn):
        await third.to_record()


async def test_what_is_decided_ahead_of_a_write_that_it_repeats_is_the_same_command(tmp_path):
    """The second call decides on what was there before the first; only its append tells that there is more by now."""
    async with importing(tmp_path, running=False) as idle:
        ids = [fresh_id() for _ in range(3)]

        def asks(serials):
            return [
                Ask(
                    Register(asset_no=number(serial), device_class="01", unit=UNIT, occurred_on=TODAY),
                    Context(command_id=ids[serial], actor="u-1"),
                )
                for serial in serials
            ]

        first, second = turns(2)
        ahead = asyncio.create_task(idle.registry.do_many(asks([1, 2]), turn=second.to_record))
        await second.decided.wait()
        before = await idle.registry.do_many(asks([0, 1]), turn=first.to_record)
        assert not ahead.done()
        first.over(recorded=True)
        after = await ahead
        assert [one.repeated for one in (*before, *after)] == [False, False, True, False]
        assert [one.position for one in (*before, *after)] == [1, 2, 2, 3]
        assert [CODEC.decode(event).asset_no for event in await idle.events()] == [number(i) for i in range(3)]


async def test_a_file_that_is_imported_again_waits_for_nobody(tmp_path):
    looks = []

    def busy():
        looks.append(None)
        return True

    content = devices_csv([number(serial) for serial in range(1_500)])
    async with importing(tmp_path, busy=busy) as started:
        assert (await started.imported("devices", content)).accepted == 1_500
        assert looks
        looks.clear()
        assert (await started.imported("devices", content)).unchanged == 1_500
    assert not looks
