"""Imports as a resource: announced once, uploaded in pieces, cancelled, swept away."""

import asyncio
import os

import pytest

from kernel.database import DatabaseUnavailable
from kernel.refusal import Refusal
from services.registry.imports.asked import NewImport
from services.registry.imports.jobs import OPEN_IMPORTS_MAX, PIECE_BYTES_MAX, SPOOL_US
from tests.registry.imports.importing import KEEPER, OPERATOR, devices_csv, importing, number

CONTENT = devices_csv([number(serial) for serial in range(5)])
NOW_US = 1_770_000_000_000_000


class Hands:
    """A clock that is set by hand."""

    def __init__(self):
        self.us = NOW_US

    def __call__(self):
        return self.us


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
async def idle(tmp_path, clock):
    """Nothing runs the imports."""
    async with importing(tmp_path, running=False, clock=clock) as started:
        yield started


def asked(**more):
    return NewImport(**{"kind": "devices", "name": "合成.csv", "bytes": len(CONTENT)} | more)


async def refused(work):
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value.code


async def test_the_same_key_is_the_same_import_and_for_another_file_it_is_refused(idle):
    first = await idle.jobs.create(KEEPER, asked(), "k")
    assert await idle.jobs.create(KEEPER, asked(), "k") == first
    assert await refused(idle.jobs.create(KEEPER, asked(kind="dismantled"), "k")) == "command.id_reused"
    assert (await idle.jobs.create(OPERATOR, asked(kind="dismantled"), "k")).import_id != first.import_id


async def test_times_are_instants_with_a_zone(idle):
    stands = await idle.announced("devices", CONTENT)
    ended = await idle.jobs.cancel(KEEPER, stands.import_id)
    for time in (stands.created_at, ended.created_at, ended.finished_at):
        assert time.timestamp() * 1e6 == NOW_US
    assert stands.finished_at is None


async def test_a_piece_at_the_wrong_place_too_much_or_too_large_is_refused_and_changes_nothing(idle):
    import_id = (await idle.announced("devices", CONTENT)).import_id
    await idle.jobs.append(KEEPER, import_id, 0, CONTENT[:50])
    for offset, content, code in (
        (0, bytes(50), "import.wrong_offset"),
        (60, CONTENT[60:], "import.wrong_offset"),
        (50, CONTENT, "import.too_much"),
        (50, bytes(PIECE_BYTES_MAX + 1), "import.piece_too_large"),
    ):
        assert await refused(idle.jobs.append(KEEPER, import_id, offset, content)) == code
    assert (await idle.jobs.get(KEEPER, import_id)).bytes_received == 50
    assert (await idle.jobs.append(KEEPER, import_id, 50, CONTENT[50:])).state == "waiting"
    assert idle.jobs.file_path(import_id).read_bytes() == CONTENT
    assert await refused(idle.jobs.append(KEEPER, import_id, len(CONTENT), b"x")) == "import.not_uploading"


async def test_a_piece_that_was_kept_is_answered_as_it_stands_as_often_as_it_comes(idle):
    import_id = (await idle.announced("devices", CONTENT)).import_id
    first = await idle.jobs.append(KEEPER, import_id, 0, CONTENT[:50])
    assert await idle.jobs.append(KEEPER, import_id, 0, CONTENT[:50]) == first
    assert await idle.jobs.append(KEEPER, import_id, 20, CONTENT[20:40]) == first
    last = await idle.jobs.append(KEEPER, import_id, 50, CONTENT[50:])
    assert await idle.jobs.append(KEEPER, import_id, 50, CONTENT[50:]) == last
    assert last.state == "waiting"
    assert idle.jobs.file_path(import_id).read_bytes() == CONTENT
    await idle.jobs.cancel(KEEPER, import_id)
    assert await refused(idle.jobs.append(KEEPER, import_id, 50, CONTENT[50:])) == "import.not_uploading"


async def test_an_import_is_cancelled_as_often_as_it_is_asked(idle):
    import_id = (await idle.announced("devices", CONTENT)).import_id
    cancelled = await idle.jobs.cancel(KEEPER, import_id)
    assert await idle.jobs.cancel(KEEPER, import_id) == cancelled
    assert cancelled.state == "cancelled"


async def test_a_piece_written_and_not_noted_is_written_over(idle):
    import_id = (await idle.announced("devices", CONTENT)).import_id
    await idle.jobs.append(KEEPER, import_id, 0, CONTENT[:50])
    with idle.jobs.file_path(import_id).open("ab") as file:
        file.write(b"left by a process that was killed before it could say so" * 100)
    await idle.jobs.append(KEEPER, import_id, 50, CONTENT[50:])
    assert idle.jobs.file_path(import_id).read_bytes() == CONTENT


async def test_a_piece_that_cannot_be_kept_is_not_noted(idle):
    import_id = (await idle.announced("devices", CONTENT)).import_id
    idle.jobs.file_path(import_id).parent.mkdir(exist_ok=True)
    idle.jobs.file_path(import_id).symlink_to("/dev/full")
    with pytest.raises(DatabaseUnavailable):
        await idle.jobs.append(KEEPER, import_id, 0, CONTENT)
    stands = await idle.jobs.get(KEEPER, import_id)
    assert (stands.state, stands.bytes_received) == ("uploading", 0)


async def test_imports_of_others_are_unknown_whatever_one_asks(idle):
    import_id = (await idle.announced("devices", CONTENT)).import_id
    for work in (
        idle.jobs.get(OPERATOR, import_id),
        idle.jobs.append(OPERATOR, import_id, 0, CONTENT),
        idle.jobs.cancel(OPERATOR, import_id),
        idle.jobs.errors(OPERATOR, import_id, 0),
    ):
        assert await refused(work) == "import.unknown"
    assert await idle.jobs.page(OPERATOR, None, 10) == ([], None)


async def test_one_caller_has_so_many_open_imports_and_no_more(idle):
    for _ in range(OPEN_IMPORTS_MAX):
        last = await idle.announced("devices", CONTENT)
    assert await refused(idle.announced("devices", CONTENT)) == "import.too_many"
    await idle.announced("devices", CONTENT, OPERATOR)
    await idle.jobs.cancel(KEEPER, last.import_id)
    await idle.announced("devices", CONTENT)
    every, after = await idle.jobs.page(KEEPER, None, 100)
    assert (len(every), after) == (OPEN_IMPORTS_MAX + 1, None)


@pytest.mark.parametrize("apart_us", [0, 1])
async def test_the_list_is_in_pages_the_newest_first(idle, clock, apart_us):
    announced = []
    for _ in range(5):
        announced.append(await idle.announced("devices", CONTENT))
        clock.us += apart_us
    await idle.announced("devices", CONTENT, OPERATOR)
    found, after, sizes = [], None, []
    while not sizes or after is not None:
        some, after = await idle.jobs.page(KEEPER, after, 2)
        sizes.append(len(some))
        found += some
    assert sizes == [2, 2, 1]
    newest_first = sorted(announced, key=lambda one: one.import_id)
    newest_first.sort(key=lambda one: one.created_at, reverse=True)
    assert found == newest_first


async def test_a_cancelled_import_stays_cancelled_and_its_file_is_gone(idle):
    import_id = (await idle.uploaded("devices", CONTENT)).import_id
    assert await idle.jobs.begin(import_id, 0)
    assert (await idle.jobs.cancel(KEEPER, import_id)).state == "cancelled"
    assert not idle.jobs.file_path(import_id).exists()
    assert not await idle.jobs.advance(import_id, accepted=3)
    await idle.jobs.finish(import_id, "done")
    stands = await idle.jobs.get(KEEPER, import_id)
    assert (stands.state, stands.accepted) == ("cancelled", 3)
    assert await idle.jobs.cancel(KEEPER, import_id) == stands


async def test_an_import_cancelled_before_its_turn_is_not_begun(idle):
    import_id = (await idle.uploaded("devices", CONTENT)).import_id
    await idle.jobs.cancel(KEEPER, import_id)
    assert not await idle.jobs.begin(import_id, 0)
    assert await idle.jobs.next() is None


async def test_what_was_running_comes_first_then_who_waited_longest(idle, clock):
    ids = []
    for _ in range(3):
        ids.append((await idle.uploaded("devices", CONTENT)).import_id)
        clock.us += 1
    await idle.jobs.begin(ids[2], 0)
    order = []
    while (record := await idle.jobs.next()) is not None:
        order.append(record.id)
        await idle.jobs.finish(record.id, "done")
    assert order == [ids[2], ids[0], ids[1]]


async def test_what_has_lain_for_a_week_is_swept_away_but_not_what_still_waits(idle, clock):
    left = (await idle.announced("devices", CONTENT)).import_id
    await idle.jobs.append(KEEPER, left, 0, CONTENT[:50])
    waiting = (await idle.uploaded("devices", CONTENT)).import_id
    over = (await idle.uploaded("devices", CONTENT)).import_id
    await idle.jobs.begin(over, 0)
    idle.jobs.errors_path(over).write_text("x")
    await idle.jobs.finish(over, "done")
    for path in idle.jobs.file_path(left).parent.iterdir():
        os.utime(path, (NOW_US / 1e6, NOW_US / 1e6))
    clock.us += SPOOL_US
    await idle.jobs.sweep()
    assert (await idle.jobs.get(KEEPER, left)).state == "uploading"
    assert idle.jobs.errors_path(over).exists()
    clock.us += 1_000_000
    await idle.jobs.sweep()
    assert (await idle.jobs.get(KEEPER, left)).state == "cancelled"
    assert not idle.jobs.file_path(left).exists()
    assert not idle.jobs.errors_path(over).exists()
    assert (await idle.jobs.get(KEEPER, waiting)).state == "waiting"
    assert idle.jobs.file_path(waiting).exists()


async def test_waiting_ends_when_an_upload_is_complete(idle):
    waiting = asyncio.create_task(idle.jobs.wait(60))
    await asyncio.sleep(0)
    await idle.uploaded("devices", CONTENT)
    async with asyncio.timeout(10):
        await waiting


async def test_who_waits_is_told_how_many_come_before(idle, clock):
    waiting = []
    for caller in (KEEPER, OPERATOR, OPERATOR):
        clock.us += 1
        waiting.append((caller, (await idle.uploaded("devices", CONTENT, caller)).import_id))
    assert [(await idle.jobs.get(*one)).ahead for one in waiting] == [0, 1, 2]
    assert await idle.jobs.begin(waiting[0][1], 0)
    assert [(await idle.jobs.get(*one)).ahead for one in waiting] == [0, 1, 2]
    await idle.jobs.finish(waiting[0][1], "done")
    assert [(await idle.jobs.get(*one)).ahead for one in waiting] == [0, 0, 1]
