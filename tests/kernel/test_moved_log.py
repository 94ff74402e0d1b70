"""A database follows its log to where that was moved: policies do nothing twice and pass nothing over, views show what
they showed.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, select

from kernel.database import Database
from kernel.moved_log import Followed, Move, follow, places, take_over
from kernel.policy_runner import Policies
from kernel.policy_store import (
    META,
    RefusedCommand,
    advance,
    checkpoint,
    enrol,
    record_refused,
    refused_at,
    skip,
    stop,
)
from kernel.view_store import slots
from ledger.copying import copy_log
from ledger.mapping import map_positions
from ledger.memory import MemoryLedger
from ledger.port import WrongLedger
from tests.kernel.parcel_views import VIEWS
from tests.kernel.projecting import caught_up, events_of, folded, held, log_of, projecting, record, until
from tests.kernel.van import READER, SEND_PARCELS, load, parcels_of, sent_of

NAME = SEND_PARCELS.name
HISTORY = events_of([(number * 7 % 41, number * 5 % 4) for number in range(120)])
OTHERS = Table("other", MetaData(), Column("id", Text, primary_key=True), Column("at", BigInteger))


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


@asynccontextmanager
async def running(database, ledger, do_many=None):
    do_many = do_many or parcels_of(ledger).handle_many
    company = Policies(database, ledger, READER, do_many, policies=[SEND_PARCELS], batch_commands=3)
    await company.open()
    task = asyncio.create_task(company.run())
    try:
        yield company
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def followed(company, ledger):
    await until(lambda: all(one.position == ledger._log[-1].position for one in company.standing()))


async def moved(database, source, target, views=(), columns=None):
    """The log copied, and the database following it."""
    await copy_log(source, target, told=lambda *_: None)
    return await mapped(database, source, target, views, columns)


async def mapped(database, source, target, views=(), columns=None):
    move = Move(source.ledger_id, target.ledger_id, await source.head())
    wanted = await places(database, columns or {}, move)
    found = await map_positions(source, target, wanted, None, 256, lambda *_: None)
    return await follow(database, views, columns or {}, move, found.position_of, same=found.same)


async def test_a_policy_goes_on_after_the_event_that_it_had_taken(database):
    source, target = MemoryLedger(position_stride=3), MemoryLedger(position_stride=7)
    await load(source, "v1", ["p1", "p2"])
    async with running(database, source) as company:
        await followed(company, source)
    await load(source, "v2", ["p3"])
    assert await moved(database, source, target) == Followed(policies=(NAME,))
    before = len(target._log)
    async with running(database, target) as company:
        await followed(company, target)
        await load(target, "v3", ["p4"])
        await followed(company, target)
    assert len(target._log) == before + 3
    assert sent_of(await log_of(target)) == [("p1", "v1"), ("p2", "v1"), ("p3", "v2"), ("p4", "v3")]


async def test_a_stopped_policy_its_refusals_and_the_half_of_an_event_move_along(database):
    source, target = MemoryLedger(position_stride=3), MemoryLedger(position_stride=7)
    for number in range(5):
        await load(source, f"v{number}", ["p1"])
    await database.create(META)
    refused = RefusedCommand("c-1", NAME, 6, "sample.Loaded", "Send", "parcel.sent", "不行", "no", 1)
    of_a_deadline = RefusedCommand("c-0", "a_clock_policy", 0, "", "Send", "parcel.sent", "不行", "no", 1)
    halted = RefusedCommand("c-2", NAME, 9, "sample.Loaded", "Send", "policy.skipped", "不行", "no", 1)

    def stands(connection):
        stood = enrol(connection, NAME, "sample.Loaded", source.ledger_id)
        advance(connection, stood, 8, 2)
        record_refused(connection, [refused, of_a_deadline])
        stop(connection, checkpoint(connection, NAME), 9, "a fault", 1, halted)

    await database.write(stands)
    await moved(database, source, target)
    stood = await database.read(lambda connection: checkpoint(connection, NAME))
    assert (stood.ledger_id, stood.position, stood.done, stood.stopped_at) == (target.ledger_id, 20, 2, 21)
    assert stood.stopped_why == "a fault"
    assert [one.command_id for one in await at(database, NAME, 14)] == ["c-1"]
    assert await skip(database, NAME)
    assert [one.command_id for one in await at(database, NAME, 21)] == ["c-2"]
    assert [one.command_id for one in await at(database, "a_clock_policy", 0)] == ["c-0"]


async def at(database, name, position):
    return await database.read(lambda connection: refused_at(connection, name, position))


@pytest.mark.parametrize(("stride", "first"), [(1, 0), (3, 0), (7, 0), (7, 3)])
async def test_what_is_done_of_an_event_is_not_asked_again_after_a_move(database, stride, first):
    """Positions of the copy may be as far apart as a KurrentDB's, which are bytes."""
    source, target = MemoryLedger(position_stride=3), MemoryLedger(position_stride=stride)
    for number in range(first):
        await load(source, f"v{number}", ["p0"])
    await load(source, "v", [f"p{number}" for number in range(1, 9)])
    batches = []

    async def do_two_batches(asks):
        batches.append(len(asks))
        if sum(batches) > first + 6:
            await asyncio.Event().wait()
        return await parcels_of(source).handle_many(asks)

    async with running(database, source, do_two_batches):
        await until(lambda: sum(batches) > first + 6)
    assert (await moved(database, source, target)).policies == (NAME,)
    asked = []

    async def do_many(asks):
        asked.extend(ask.command.parcel for ask in asks)
        return await parcels_of(target).handle_many(asks)

    async with running(database, target, do_many) as company:
        await followed(company, target)
    assert asked == ["p7", "p8"]
    assert sorted(parcel for parcel, _ in sent_of(await log_of(target)) if parcel != "p0") == sorted(
        f"p{number}" for number in range(1, 9)
    )


async def test_a_checkpoint_in_the_middle_of_no_event_moves_to_the_event_before(database):
    """As where an earlier move left it there, and what was done of the event unknown."""
    source, target = MemoryLedger(position_stride=3), MemoryLedger(position_stride=7)
    for number in range(3):
        await load(source, f"v{number}", ["p1"])
    await database.create(META)
    await database.write(
        lambda connection: advance(connection, enrol(connection, NAME, "sample.Loaded", source.ledger_id), 6, 2)
    )
    await moved(database, source, target)
    stood = await database.read(lambda connection: checkpoint(connection, NAME))
    assert (stood.position, stood.done) == (14, 0)


async def test_views_go_on_where_positions_stay_and_are_built_anew_where_not(database):
    logs = [MemoryLedger(position_stride=stride) for stride in (3, 3, 7)]
    first, second, third = logs
    await record(first, HISTORY)
    async with projecting(database, first) as projector:
        await caught_up(projector, first)
    rows = await database.read(held())
    names = tuple(sorted(view.name for view in VIEWS))
    assert await moved(database, first, second, VIEWS) == Followed(views=names)
    assert await database.read(held()) == rows
    async with projecting(database, second) as projector:
        await caught_up(projector, second)
        assert projector.events_taken == 0
    assert await database.read(held()) == rows
    done = await moved(database, second, third, VIEWS)
    assert sorted(done.rebuilt) == list(names)
    async with projecting(database, third) as projector:
        await caught_up(projector, third)
    assert await database.read(held()) == await folded(third)


async def test_positions_in_other_tables_move_along_once(database):
    source, target = MemoryLedger(position_stride=3), MemoryLedger(position_stride=7)
    await load(source, "v1", ["p1"])
    async with running(database, source) as company:
        await followed(company, source)
    await database.create(OTHERS.metadata)
    rows = [{"id": "a", "at": 3}, {"id": "b", "at": 0}, {"id": "c", "at": None}, {"id": "d", "at": 6}]
    await database.write(lambda connection: connection.execute(insert(OTHERS), rows))
    columns = {OTHERS: ["at"]}
    await moved(database, source, target, columns=columns)
    found = select(OTHERS.c.at).order_by(OTHERS.c.id)
    assert await database.read(lambda connection: list(connection.execute(found).scalars())) == [7, 0, None, 14]
    # Done again, positions of the new log are not taken for some of the old one.
    assert await mapped(database, source, target, columns=columns) == Followed()
    assert await database.read(lambda connection: list(connection.execute(found).scalars())) == [7, 0, None, 14]


@pytest.mark.parametrize(
    ("other", "lost", "expected"),
    [
        (True, 0, [21, 0, None, 21, 21]),
        (False, 0, [3, 0, None, 6, 9]),
        (False, 1, [3, 0, None, 6, 6]),
    ],
    ids=["another ledger", "the same", "the same, without its end"],
)
async def test_positions_in_other_tables_are_of_the_ledger_that_is_taken_over(database, other, lost, expected):
    source, target = MemoryLedger(position_stride=3), MemoryLedger(position_stride=7)
    for number in range(3):
        await load(source, f"v{number}", [])
        await load(target, f"v{number}", [])
    async with running(database, source) as company:
        await followed(company, source)
    await database.create(OTHERS.metadata)
    rows = [{"id": str(nth), "at": at} for nth, at in enumerate([3, 0, None, 6, 9])]
    await database.write(lambda connection: connection.execute(insert(OTHERS), rows))
    ledger = target if other else source
    head = await ledger.head() - 3 * lost
    assert await take_over(database, {OTHERS: ["at"]}, ledger.ledger_id, head) == [NAME] * (other or lost)
    found = select(OTHERS.c.at).order_by(OTHERS.c.id)
    assert await database.read(lambda connection: list(connection.execute(found).scalars())) == expected


async def test_a_database_of_another_ledger_or_beyond_the_end_is_refused_and_left(database):
    source, target, stranger = MemoryLedger(), MemoryLedger(), MemoryLedger()
    await load(source, "v1", ["p1"])
    async with running(database, source) as company:
        await followed(company, source)
    for move in (Move(stranger.ledger_id, target.ledger_id, 9), Move(source.ledger_id, target.ledger_id, 0)):
        with pytest.raises(WrongLedger):
            await places(database, {}, move)
        with pytest.raises(WrongLedger):
            await follow(database, (), {}, move, lambda position: position, same=True)
    stood = await database.read(lambda connection: checkpoint(connection, NAME))
    assert stood.ledger_id == source.ledger_id
    assert await database.read(lambda connection: slots(connection, VIEWS)) == []


async def test_what_has_moved_since_it_was_looked_up_is_not_guessed(database):
    source, target = MemoryLedger(), MemoryLedger()
    await load(source, "v1", ["p1"])
    async with running(database, source) as company:
        await followed(company, source)

    def unknown(position):
        raise KeyError(position)

    move = Move(source.ledger_id, target.ledger_id, await source.head())
    with pytest.raises(KeyError):
        await follow(database, (), {}, move, unknown, same=False)
    assert (await database.read(lambda connection: checkpoint(connection, NAME))).ledger_id == source.ledger_id
