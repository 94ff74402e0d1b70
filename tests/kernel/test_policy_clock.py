"""Clock policies: what is due by a view is asked when its time has come, and done once."""

import asyncio

import pytest
from sqlalchemy import select as select_rows
from sqlmodel import select

from kernel.database import Database
from kernel.handling import BUSY
from kernel.policy import ClockPolicy
from kernel.policy_runner import Policies
from kernel.policy_store import REFUSALS
from kernel.refusal import against_rules
from ledger.memory import MemoryLedger
from tests.kernel.parcel import Deliver, HandOn, Send, Sent
from tests.kernel.parcel_views import CardTable
from tests.kernel.projecting import caught_up, log_of, projecting, record, until
from tests.kernel.van import READER, parcels_of

DUE_US = 1_000_000
NOT_TODAY = against_rules("parcel.not_today", "今天不送", "not today")


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


def overdue(connection, now_us):
    cards = connection.execute(
        select(CardTable).where(CardTable.recorded_at_us <= now_us - DUE_US).order_by(CardTable.parcel)
    )
    return ((f"{card.parcel}/{card.recorded_at_us}", Deliver(parcel=card.parcel)) for card in cards)


OVERDUE = ClockPolicy(name="deliver_when_overdue", every_s=0.01, due=overdue)


async def test_what_is_due_is_done_once_however_often_it_is_asked(database):
    now_us = [0]
    ledger = MemoryLedger(clock=lambda: now_us[0])
    async with projecting(database, ledger) as projector:
        await record(ledger, [Sent(parcel="p1", place="A", weight_g=1)])
        now_us[0] = 500_000
        await record(ledger, [Sent(parcel="p2", place="A", weight_g=1)])
        await caught_up(projector, ledger)
        company = Policies(
            database,
            ledger,
            READER,
            parcels_of(ledger).handle_many,
            clock_policies=[OVERDUE],
            read=projector.read,
            clock=lambda: now_us[0],
        )
        await company.open()
        await company.ask_due()
        assert len(await log_of(ledger)) == 2
        now_us[0] = DUE_US
        await company.ask_due()
        await company.ask_due()
        assert [recorded.stream for recorded in await log_of(ledger)] == ["parcel-p1", "parcel-p2", "parcel-p1"]
        await caught_up(projector, ledger)
        now_us[0] = DUE_US + 500_000
        running = asyncio.create_task(company.run())
        await until(lambda: len(ledger._log) == 4)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [recorded.type for recorded in (await log_of(ledger))[2:]] == ["sample.Delivered", "sample.Delivered"]


async def test_a_refused_deadline_is_one_row_with_its_last_refusal(database):
    now_us = [0]

    async def do_many(asks):
        return [NOT_TODAY() for _ in asks]

    company = Policies(
        database,
        MemoryLedger(),
        READER,
        do_many,
        clock_policies=[
            ClockPolicy(
                name="daily", every_s=1, due=lambda _connection, _now_us: [("d1", HandOn(parcel="p1", place="B"))]
            )
        ],
        clock=lambda: now_us[0],
    )
    await company.open()
    for now_us[0] in (1, 2, 3):
        await company.ask_due()
    (row,) = await database.read(lambda connection: connection.execute(select_rows(REFUSALS)).all())
    assert (row.policy, row.position, row.command, row.code, row.at_us) == ("daily", 0, "HandOn", NOT_TODAY.code, 3)


async def test_a_deadline_that_is_stale_each_time_does_not_hold_up_the_others(database):
    ledger = MemoryLedger()
    handle_many = parcels_of(ledger).handle_many

    async def do_many(asks):
        (ask,) = asks
        return [BUSY(stream="p1")] if ask.command.parcel == "p1" else await handle_many(asks)

    def due(_connection, _now_us):
        return [(parcel, Send(parcel=parcel, place="A", weight_g=1)) for parcel in ("p1", "p2")]

    company = Policies(
        database,
        ledger,
        READER,
        do_many,
        clock_policies=[ClockPolicy(name="daily", every_s=60, due=due)],
        batch_commands=1,
        retry_s=(0.001, 0.002),
    )
    await company.open()
    running = asyncio.create_task(company.run())
    await until(lambda: "stale 12 times" in str(company.standing()[0].why))
    assert (await company.health()).degraded
    assert [recorded.stream for recorded in await log_of(ledger)] == ["parcel-p2"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_query_that_fails_is_reported_and_asked_again_long_before_it_is_time(database):
    faults = [1, 2]

    def due(_connection, _now_us):
        if faults:
            raise KeyError(faults.pop())
        return []

    company = Policies(
        database, MemoryLedger(), READER, None, clock_policies=[ClockPolicy(name="daily", every_s=3_600, due=due)]
    )
    await company.open()
    running = asyncio.create_task(company.run())
    await until(lambda: company.standing()[0].state == "retrying")
    assert (await company.health()).degraded
    await until(lambda: company.standing()[0].state == "following")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert faults == []


async def test_the_pause_after_a_failure_is_short_again_once_it_has_succeeded(database, monkeypatch):
    """What fails now and then in the course of months is asked again as soon as the first time."""
    loop, later, pauses_s = asyncio.get_running_loop(), asyncio.get_running_loop().call_later, []

    def at_once(delay_s, *call, **more):
        task = asyncio.current_task()
        if (
            task is None
            or task.get_name() != "policy daily"
            or call[0] is not asyncio.futures._set_result_unless_cancelled
        ):
            return later(delay_s, *call, **more)
        pauses_s.append(delay_s)
        return later(0, *call, **more)

    outcomes = iter((KeyError, KeyError, KeyError, None, KeyError, KeyError, None))

    def due(_connection, _now_us):
        if (fault := next(outcomes, None)) is not None:
            raise fault
        return []

    # The loop is told how long to sleep: that is the same however busy the machine is, and need not be waited for.
    monkeypatch.setattr(loop, "call_later", at_once)
    company = Policies(
        database, MemoryLedger(), READER, None, clock_policies=[ClockPolicy(name="daily", every_s=3_600, due=due)]
    )
    await company.open()
    running = asyncio.create_task(company.run())
    await until(lambda: len(pauses_s) >= 7)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert pauses_s[:7] == [0.05, 0.1, 0.2, 3_600, 0.05, 0.1, 3_600]
