"""Policies: what follows from an event happens once, whatever the batches, the restarts and the answers."""

import asyncio
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import BUSY, Ask, Context, Metadata
from kernel.moved_log import take_over
from kernel.policy import Policy, command_id, deadline_command_id
from kernel.policy_runner import STALE_TRIES_MAX, Policies
from kernel.policy_store import REFUSALS, REFUSALS_KEPT_US, checkpoint, refused_at, retry, skip
from kernel.refusal import against_rules
from ledger.memory import MemoryLedger
from ledger.port import Sealed, Unavailable, WrongLedger
from tests.given import asked
from tests.kernel.parcel import SENT_ALREADY, Deliver, HandedOn, HandOn, Send, Sent
from tests.kernel.projecting import log_of, until
from tests.kernel.van import CODEC, READER, SEND_PARCELS, Loaded, load, parcels_of, put, sent_of


class Shipped(msgspec.Struct, frozen=True):
    """Another service's public event, as this one reads it."""

    box: str


NOT_NOW = against_rules("parcel.not_now", "现在不行。", "not now")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def fresh_url(request, database_url, tmp_path):
    if database_url.startswith("sqlite"):
        numbers = iter(range(1 << 30))
        return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite'}"
    return request.getfixturevalue("postgres").new_database


@asynccontextmanager
async def running(database, ledger, policies=(SEND_PARCELS,), *, do_many=None, reader=READER, **options):
    """Policies at work. One that has stopped looks often whether it may go on."""
    do_many, options = do_many or parcels_of(ledger).handle_many, {"watch_s": 0.01} | options
    company = Policies(database, ledger, reader, do_many, policies=policies, **options)
    await company.open()
    task = asyncio.create_task(company.run())
    try:
        yield company
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def stands(company, state, name=SEND_PARCELS.name):
    return any(one.name == name and one.state == state for one in company.standing())


async def followed(company, ledger):
    """Wait until all policies have taken everything, also what came of it."""
    await until(lambda: all(one.position == ledger._log[-1].position for one in company.standing()))


def refusals(connection):
    return connection.execute(select(REFUSALS).order_by(REFUSALS.c.position, REFUSALS.c.command)).all()


loads = st.lists(st.lists(st.integers(0, 12).map("p{}".format), max_size=9), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(loads, min_size=1, max_size=3), batch_commands=st.integers(1, 5), page_events=st.integers(1, 4))
def test_each_event_has_its_effect_once(fresh_url, parts, batch_commands, page_events):
    async def scenario():
        database, ledger = Database(fresh_url()), MemoryLedger(position_stride=3)
        first: dict[str, str] = {}
        refused = 0
        for number, part in enumerate(parts):
            for nth, parcels in enumerate(part):
                van = f"v{number}.{nth}"
                await load(ledger, van, parcels)
                for parcel in parcels:
                    refused += parcel in first
                    first.setdefault(parcel, van)
            options = {"batch_commands": batch_commands, "page_events": page_events}
            async with running(database, ledger, **options) as company:
                await followed(company, ledger)
        assert sorted(sent_of(await log_of(ledger))) == sorted(first.items())
        assert [row.code for row in await database.read(refusals)] == [SENT_ALREADY.code] * refused
        await database.close()

    asyncio.run(scenario())


def asks_of(command):
    return [Ask(command, Context(command_id=UUID(int=99), actor="someone"))]


async def test_what_follows_names_its_cause(database):
    ledger = MemoryLedger()
    cause = Metadata(
        correlation_id=UUID(int=7),
        causation_id=UUID(int=8),
        actor="someone",
        command_digest=b"",
        traceparent=TRACEPARENT,
    )
    await load(ledger, "v1", ["p1"], msgspec.json.encode(cause))
    async with running(database, ledger) as company:
        await followed(company, ledger)
    loaded, sent = await log_of(ledger)
    metadata = msgspec.json.decode(sent.metadata, type=Metadata)
    assert metadata.correlation_id == cause.correlation_id
    assert metadata.causation_id == UUID(bytes=loaded.id)
    assert metadata.actor == "policy:parcels_follow_van"
    assert metadata.traceparent.split("-")[1] == TRACEPARENT.split("-")[1]


async def test_events_of_no_interest_move_the_checkpoint_now_and_then_however_far_apart_they_are(database):
    """Positions of a KurrentDB are bytes, so how many events have passed they do not say."""
    ledger = MemoryLedger(position_stride=20_000)

    async def where():
        return (await database.read(lambda connection: checkpoint(connection, SEND_PARCELS.name))).position

    async with running(database, ledger, passed_s=3_600.0) as company:
        written_at = set()
        for number in range(20):
            await put(ledger, "sample.Other", b"%d" % number)
            await followed(company, ledger)
            written_at.add(await where())
        assert len(written_at) == 1
        await load(ledger, "v1", ["p1"])
        await followed(company, ledger)
        assert await where() not in written_at
    async with running(database, ledger, passed_s=0.0) as company:
        last = await put(ledger, "sample.Other", b"{}")
        await followed(company, ledger)
        assert await where() == last


async def test_metadata_of_another_writer_is_no_obstacle(database):
    ledger = MemoryLedger()
    await load(ledger, "v1", ["p1"], b"\xff not JSON")
    await load(ledger, "v1", ["p2"], b'{"$correlationId": "not a UUID"}')
    async with running(database, ledger) as company:
        await followed(company, ledger)
    assert len(sent_of(await log_of(ledger))) == 2


def test_ids_of_commands_never_change():
    """What was asked before an update must be recognised after it."""
    assert command_id(UUID(int=1), "a_policy", 0) == UUID("0c4b5da0-1206-59c4-a366-6ce7b3089b0f")
    assert deadline_command_id("a_policy", "p1/2024-03-05") == UUID("b9f12b99-9812-5fb3-b119-389fff13cafc")


async def test_one_event_leads_to_thousands_of_commands_in_bounded_batches(database):
    ledger, taken, asked_at_once = MemoryLedger(), [0], []
    handle_many = parcels_of(ledger).handle_many

    def send_all(event, _recorded):
        for parcel in event.parcels:
            taken[0] += 1
            yield Send(parcel=parcel, place=event.van, weight_g=1)

    async def do_many(asks):
        asked_at_once.append((len(asks), taken[0] - sum(count for count, _ in asked_at_once)))
        if len(asked_at_once) == 4:
            await asyncio.Event().wait()
        return await handle_many(asks)

    policy = Policy(name="parcels_follow_van", when={Loaded: send_all})
    await load(ledger, "v1", [f"p{number}" for number in range(5_000)])
    async with running(database, ledger, [policy], do_many=do_many):
        await until(lambda: len(asked_at_once) == 4)
    assert asked_at_once == [(1_000, 1_000)] * 4
    stood = await database.read(lambda connection: checkpoint(connection, policy.name))
    assert (stood.position, stood.done) == (0, 3_000)
    asked_at_once[:] = [(0, 0)] * 4
    async with running(database, ledger, [policy], do_many=do_many) as company:
        await followed(company, ledger)
    assert sum(count for count, _ in asked_at_once) == 2_000
    assert len(sent_of(await log_of(ledger))) == 5_000


async def test_a_refusal_is_recorded_and_the_rest_goes_on(database):
    ledger = MemoryLedger()
    await load(ledger, "v1", ["p1", "p2"])
    second = await load(ledger, "v2", ["p2", "p3"])
    clock = iter(range(1_000, 2_000))
    async with running(database, ledger, clock=lambda: next(clock)) as company:
        await followed(company, ledger)
        assert not (await company.health()).degraded
    assert sorted(sent_of(await log_of(ledger))) == [("p1", "v1"), ("p2", "v1"), ("p3", "v2")]
    (row,) = await database.read(refusals)
    assert (row.policy, row.position, row.event_type, row.command) == (
        SEND_PARCELS.name,
        second,
        "sample.Loaded",
        "Send",
    )
    assert (row.code, row.zh, row.en) == (
        SENT_ALREADY.code,
        SENT_ALREADY.zh.format(parcel="p2"),
        SENT_ALREADY.en.format(parcel="p2"),
    )


async def test_what_was_refused_is_not_decided_again_when_it_is_taken_up_again(database):
    ledger, decided, told, crash = MemoryLedger(), [], [], [True]
    handle_many = parcels_of(ledger).handle_many

    async def do_many(asks):
        decided.extend(ask.command.parcel for ask in asks)
        return [NOT_NOW() if ask.command.parcel == "p2" and crash else await handle(ask) for ask in asks]

    async def handle(ask):
        (answer,) = await handle_many([ask])
        return answer

    async def on_refused(policy, refused):
        assert policy == SEND_PARCELS.name
        told.extend((ask.command.parcel, code) for ask, code in refused)
        if crash:
            raise TimeoutError("the process ends here, the refusal kept and the checkpoint where it was")

    await load(ledger, "v1", ["p1", "p2", "p3"])
    async with running(database, ledger, do_many=do_many, on_refused=on_refused):
        await until(lambda: told)
    crash.clear()
    decided.clear()
    async with running(database, ledger, do_many=do_many, on_refused=on_refused) as company:
        await followed(company, ledger)
    assert decided == ["p1", "p3"]
    assert set(told) == {("p2", NOT_NOW.code)}
    assert sorted(parcel for parcel, _ in sent_of(await log_of(ledger))) == ["p1", "p3"]


async def test_a_rebuild_leaves_policies_of_the_same_ledger_where_they_are(database):
    ledger = MemoryLedger()
    await load(ledger, "v1", ["p1"])
    async with running(database, ledger) as company:
        await followed(company, ledger)
    before = await database.read(lambda connection: checkpoint(connection, SEND_PARCELS.name))
    assert await take_over(database, {}, ledger.ledger_id, await ledger.head()) == []
    assert await database.read(lambda connection: checkpoint(connection, SEND_PARCELS.name)) == before


async def test_stale_and_unavailable_are_tried_again(database):
    ledger, answers = MemoryLedger(), ["unavailable", "sealed", "stale", "stale"]
    handle_many = parcels_of(ledger).handle_many

    async def do_many(asks):
        if not answers:
            return await handle_many(asks)
        match answers.pop(0):
            case "unavailable":
                raise Unavailable("no")
            case "sealed":
                raise Sealed("no more")
        return [BUSY(stream="parcel-p1"), *(await handle_many(asks[1:]))]

    await load(ledger, "v1", ["p1", "p2"])
    async with running(database, ledger, do_many=do_many) as company:
        await until(lambda: stands(company, "retrying"))
        assert (await company.health()).degraded
        await followed(company, ledger)
        await until(lambda: stands(company, "following"))
    assert sorted(sent_of(await log_of(ledger))) == [("p1", "v1"), ("p2", "v1")]
    assert await database.read(refusals) == []


QUICK_S = (0.001, 0.002)


async def test_what_is_stale_each_time_stops_the_policy_and_is_taken_up_again(database):
    ledger, stuck, tries = MemoryLedger(), {"p2"}, []
    handle_many = parcels_of(ledger).handle_many

    async def do_many(asks):
        tries.append([ask.command.parcel for ask in asks])
        free = [ask for ask in asks if ask.command.parcel not in stuck]
        done = iter(await handle_many(free))
        return [BUSY(stream=ask.command.parcel) if ask.command.parcel in stuck else next(done) for ask in asks]

    await load(ledger, "v1", ["p1", "p2", "p3"])
    async with running(database, ledger, do_many=do_many, retry_s=QUICK_S) as company:
        await until(lambda: stands(company, "stopped"))
        assert len(tries) <= 2 * STALE_TRIES_MAX + 3
        health = await company.health()
        assert health.degraded
        assert BUSY.code in health.detail
        assert sorted(parcel for parcel, _ in sent_of(await log_of(ledger))) == ["p1", "p3"]
        stuck.clear()
        assert await retry(database, SEND_PARCELS.name)
        await followed(company, ledger)
    assert sorted(parcel for parcel, _ in sent_of(await log_of(ledger))) == ["p1", "p2", "p3"]
    assert await database.read(refusals) == []


async def test_refusals_are_kept_for_a_year_and_its_review(database):
    ledger, now_us = MemoryLedger(), [0]
    await load(ledger, "v1", ["p1", "p1"])
    async with running(database, ledger, clock=lambda: now_us[0]) as company:
        await followed(company, ledger)
        now_us[0] = REFUSALS_KEPT_US
        await company.forget_refusals()
        assert len(await database.read(refusals)) == 1
        now_us[0] += 1
        await company.forget_refusals()
        assert await database.read(refusals) == []


def test_a_policy_of_events_that_nobody_reads_is_refused():
    """Without types to ask for, it would be given every event there is."""
    for when in ({}, {Shipped: lambda _event, _recorded: []}):
        with pytest.raises(ValueError, match="does not read"):
            Policies(None, MemoryLedger(), READER, None, policies=[Policy(name="deaf", when=when)])


def when_handed_on_deliver(event, _recorded):
    return [Deliver(parcel=event.parcel)] if event.place == "home" else []


DELIVER = Policy(name="deliver_at_home", when={HandedOn: when_handed_on_deliver})


@pytest.mark.parametrize("decision", [skip, retry])
async def test_what_cannot_be_read_stops_one_policy_until_told(database, decision):
    ledger = MemoryLedger()
    await load(ledger, "v1", ["p1"])
    bad = await put(ledger, "sample.Loaded", b'{"van": 3}')
    await load(ledger, "v2", ["p2"])
    async with running(database, ledger, [SEND_PARCELS, DELIVER]) as company:
        await until(lambda: stands(company, "stopped"))
        health = await company.health()
        assert health.ok
        assert health.degraded
        assert "sample.Loaded" in health.detail
        await parcels_of(ledger).handle_many(asks_of(HandOn(parcel="p1", place="home")))
        await until(lambda: ledger._log[-1].type == "sample.Delivered")
    stood = await database.read(lambda connection: checkpoint(connection, SEND_PARCELS.name))
    assert (stood.stopped_at, stood.position, stood.done) == (bad, bad - 1, 0)
    assert sent_of(await log_of(ledger)) == [("p1", "v1")]
    stops = []

    def clock():
        # It is asked when the policy stops: this time, for the second time.
        stops.append(bad)
        return 0

    async with running(database, ledger, [SEND_PARCELS, DELIVER], clock=clock) as company:
        await until(lambda: stands(company, "stopped"))
        stops.clear()
        assert await decision(database, SEND_PARCELS.name)
        assert not await decision(database, DELIVER.name)
        if decision is skip:
            await followed(company, ledger)
            assert sent_of(await log_of(ledger)) == [("p1", "v1"), ("p2", "v2")]
        else:
            await until(lambda: stops)
            assert sent_of(await log_of(ledger)) == [("p1", "v1")]


async def test_a_mended_policy_goes_on_in_the_middle_of_the_event(database):
    ledger = MemoryLedger()

    def broken(event, recorded):
        for command in when_all(event, recorded):
            if command.parcel == "p3":
                raise KeyError("p3")
            yield command

    def when_all(event, recorded):
        return SEND_PARCELS.when[Loaded](event, recorded)

    await load(ledger, "v1", ["p1", "p2", "p3", "p4"])
    async with running(database, ledger, [Policy(name=SEND_PARCELS.name, when={Loaded: broken})]) as company:
        await until(lambda: stands(company, "stopped"))
    assert sorted(sent_of(await log_of(ledger))) == [("p1", "v1"), ("p2", "v1")]
    assert await retry(database, SEND_PARCELS.name)
    async with running(database, ledger) as company:
        await followed(company, ledger)
    assert sorted(parcel for parcel, _ in sent_of(await log_of(ledger))) == ["p1", "p2", "p3", "p4"]


async def test_a_command_that_breaks_the_code_is_found_and_the_others_are_done(database):
    ledger = MemoryLedger()
    handle_many = parcels_of(ledger).handle_many

    async def do_many(asks):
        if any(ask.command.parcel == "p3" for ask in asks):
            raise AttributeError("a fault")
        return await handle_many(asks)

    await load(ledger, "v1", ["p1"])
    await load(ledger, "v2", ["p2", "p3", "p4"])
    told = []

    async def on_refused(_policy, refused):
        told.extend((ask.command.parcel, code) for ask, code in refused)

    async with running(database, ledger, do_many=do_many, on_refused=on_refused) as company:
        await until(lambda: stands(company, "stopped"))
        assert sent_of(await log_of(ledger)) == [("p1", "v1"), ("p2", "v2")]
        stood = await database.read(lambda connection: checkpoint(connection, SEND_PARCELS.name))
        assert (stood.stopped_at, stood.position, stood.done) == (2, 1, 1)
        assert "AttributeError: a fault" in stood.stopped_why
        assert await skip(database, SEND_PARCELS.name)
        await load(ledger, "v3", ["p5"])
        await followed(company, ledger)
    assert [parcel for parcel, _ in sent_of(await log_of(ledger))] == ["p1", "p2", "p4", "p5"]
    assert told == [("p3", "policy.skipped")]
    (refused,) = await database.read(lambda connection: refused_at(connection, SEND_PARCELS.name, 2))
    assert "AttributeError: a fault" in refused.zh


async def test_another_version_takes_a_policy_over(database):
    """An older process would pass over the types that only the newer one reacts to."""
    ledger = MemoryLedger()
    newer = Policy(name=SEND_PARCELS.name, when={**SEND_PARCELS.when, **DELIVER.when})
    async with running(database, ledger) as old, running(database, ledger, [newer]) as new:
        await load(ledger, "v1", ["p1"])
        await until(lambda: stands(old, "superseded"))
        await parcels_of(ledger).handle_many(asks_of(HandOn(parcel="p1", place="home")))
        await followed(new, ledger)
        assert not (await old.health()).degraded
    assert ledger._log[-1].type == "sample.Delivered"


async def test_two_processes_of_one_version_do_it_once(database, database_url):
    ledger, other = MemoryLedger(), Database(database_url)
    async with running(database, ledger, batch_commands=3) as one, running(other, ledger, batch_commands=2) as two:
        for number in range(20):
            await load(ledger, f"v{number}", [f"p{number}.{nth}" for nth in range(5)])
        await followed(one, ledger)
        await followed(two, ledger)
    assert len(sent_of(await log_of(ledger))) == len(set(sent_of(await log_of(ledger)))) == 100
    await other.close()


async def test_another_ledger_is_refused_until_a_rebuild_and_then_followed_from_its_end(database):
    one, other = MemoryLedger(), MemoryLedger()
    await load(one, "v1", ["p1"])
    await load(other, "v1", ["p1"])
    async with running(database, one) as company:
        await followed(company, one)
    with pytest.raises(WrongLedger, match="rebuild"):
        await Policies(database, other, READER, parcels_of(other).handle_many, policies=[SEND_PARCELS]).open()
    assert await take_over(database, {}, other.ledger_id, await other.head()) == [SEND_PARCELS.name]
    async with running(database, other) as company:
        await load(other, "v2", ["p2"])
        await followed(company, other)
    assert sent_of(await log_of(other)) == [("p2", "v2")]


async def test_events_of_other_services_are_read_by_their_own_reader(database):
    ledger = MemoryLedger()
    reader = Reader(CODEC, {"other.Shipped": lambda data: Shipped(msgspec.json.decode(data)["box"])})
    policy = Policy(
        name="send_what_was_shipped",
        when={Shipped: lambda event, _recorded: [Send(parcel=event.box, place="there", weight_g=1)]},
    )
    await put(ledger, "other.Shipped", b'{"box": "b1", "more": true}')
    await put(ledger, "other.Unheard", b"whatever")
    async with running(database, ledger, [policy], reader=reader) as company:
        await until(lambda: len(ledger._log) == 3)
        await put(ledger, "other.Shipped", b'{"bix": "b2"}')
        await until(lambda: stands(company, "stopped", policy.name))
        assert "KeyError" in (await company.health()).detail
    assert sent_of(await log_of(ledger)) == [("b1", "there")]


def test_two_policies_of_one_name_are_refused():
    with pytest.raises(ValueError, match="same name"):
        Policies(None, MemoryLedger(), READER, None, policies=[SEND_PARCELS, SEND_PARCELS])


def test_what_a_policy_says_is_tested_without_any_of_this():
    assert asked(SEND_PARCELS, Loaded(van="v", parcels=("p",))) == [Send(parcel="p", place="v", weight_g=1)]
    assert asked(DELIVER, HandedOn(parcel="p", place_before="a", place="b")) == []
    with pytest.raises(KeyError):
        asked(DELIVER, Sent(parcel="p", place="a", weight_g=1))
