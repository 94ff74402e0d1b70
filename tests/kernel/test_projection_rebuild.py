"""Views that are new, of a new version, or rebuilt: filled beside those that serve, and switched when complete."""

import msgspec
import pytest
from sqlalchemy import inspect, update
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from kernel.database import Database
from kernel.projection import BUILDING, Projector
from kernel.refusal import Stale
from kernel.view import View
from kernel.view_store import RETIRED_KEPT_US, rebuild, slots
from tests.kernel.parcel_views import BALANCE, CARD, READER, VIEWS, CardTable, balance_keys
from tests.kernel.projecting import (
    all_ready,
    caught_up,
    events_of,
    folded,
    held,
    projecting,
    record,
    slots_are,
    strided_ledger,
)

HISTORY = events_of([(number * 7 % 41, number * 5 % 4) for number in range(200)])
DAY_US = 24 * 3_600 * 1_000_000


class NewTables(SQLModel, registry=registry()):
    """The tables of a newer version of the sample."""


class PlacedCard(msgspec.Struct, frozen=True):
    parcel: str
    places: int


class PlacedCardTable(NewTables, table=True):
    __tablename__ = "card_v2"
    parcel: str = Field(primary_key=True)
    places: int = Field(index=True)


CARD_V2 = View(
    name="card",
    row=PlacedCard,
    table=PlacedCardTable,
    keys=lambda event, _recorded: [(event.parcel,)],
    evolve=lambda row, _event, _recorded, key: PlacedCard(key[0], row.places + 1 if row else 1),
)


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


def table_names(connection):
    return set(inspect(connection).get_table_names())


async def test_a_rebuild_mends_rows_while_all_is_served(database):
    ledger = strided_ledger()
    await record(ledger, HISTORY[:100])
    async with projecting(database, ledger, page_events=3) as projector:
        await caught_up(projector, ledger)
        await database.write(lambda connection: connection.execute(update(CardTable).values(weight_g=999)))
        assert await projector.read(held()) != await folded(ledger)
        await database.write(lambda connection: rebuild(connection, VIEWS, ledger.ledger_id))
        for event in HISTORY[100:]:
            position = await record(ledger, [event])
            found = await projector.read(held(), seen=position)
            assert found["balance"] == (await folded(ledger))["balance"]
        await slots_are(database, all_ready)
        assert await projector.read(held()) == await folded(ledger)
        assert (await projector.progress()).ready
    assert await database.read(table_names) == {"card_v1", "balance_v1", "view_table"}


async def test_indexes_are_there_after_every_generation(database):
    ledger = strided_ledger()
    for _ in range(3):
        async with projecting(database, ledger):
            await slots_are(database, all_ready)
        indexes = await database.read(lambda connection: inspect(connection).get_indexes("card_v1"))
        assert [index["column_names"] for index in indexes] == [["place"]]
        await database.write(lambda connection: rebuild(connection, VIEWS, ledger.ledger_id))


async def test_a_new_version_is_built_beside_the_old_one(database, database_url):
    ledger = strided_ledger()
    await record(ledger, HISTORY)
    newer = Database(database_url)
    async with projecting(database, ledger) as old:
        await caught_up(old, ledger)
        new = Projector(newer, ledger, READER, [CARD_V2, BALANCE])
        await new.open()
        with pytest.raises(Stale, match=BUILDING.code):
            await new.read(held([CARD_V2]))
        async with projecting(newer, ledger, [CARD_V2, BALANCE], page_events=3) as new:
            await record(ledger, HISTORY[:5])
            await caught_up(new, ledger)
            await caught_up(old, ledger)
            assert await new.read(held([CARD_V2, BALANCE])) == await folded(ledger, [CARD_V2, BALANCE])
            assert await old.read(held()) == await folded(ledger)
    await newer.close()


async def test_going_back_within_a_day_needs_no_rebuild(database):
    ledger, now_us = strided_ledger(), [0]
    clock = lambda: now_us[0]  # noqa: E731  one line says it
    await record(ledger, HISTORY[:100])
    for views in ([CARD, BALANCE], [CARD_V2, BALANCE]):
        async with projecting(database, ledger, views, clock=clock) as projector:
            await caught_up(projector, ledger)
    now_us[0] += RETIRED_KEPT_US
    await record(ledger, HISTORY[100:])
    async with projecting(database, ledger, [CARD_V2, BALANCE], clock=clock) as projector:
        await caught_up(projector, ledger)
    old = Projector(database, ledger, READER, VIEWS, clock=clock)
    await old.open()
    assert [slot.ready for slot in await database.read(lambda connection: slots(connection, VIEWS))] == [True, True]
    async with projecting(database, ledger, clock=clock, page_events=7) as projector:
        await caught_up(projector, ledger)
        assert await projector.read(held()) == await folded(ledger)


async def test_what_was_retired_is_dropped_after_a_day(database):
    ledger, now_us = strided_ledger(), [0]
    await record(ledger, HISTORY[:10])
    for views in ([CARD], [CARD_V2]):
        async with projecting(database, ledger, views, clock=lambda: now_us[0]) as projector:
            await caught_up(projector, ledger)
    assert await database.read(table_names) == {"card_v1", "card_v2", "view_table"}
    now_us[0] += RETIRED_KEPT_US + 1
    await Projector(database, ledger, READER, [CARD_V2], clock=lambda: now_us[0]).open()
    assert await database.read(table_names) == {"card_v2", "view_table"}


async def test_a_view_added_later_catches_up(database):
    ledger = strided_ledger()
    await record(ledger, HISTORY[:150])
    async with projecting(database, ledger, [CARD]) as projector:
        await caught_up(projector, ledger)
    await record(ledger, HISTORY[150:])
    async with projecting(database, ledger, page_events=11) as projector:
        await caught_up(projector, ledger)
        assert await projector.read(held()) == await folded(ledger)


async def test_other_columns_under_the_same_name_are_refused(database):
    class ChangedTables(SQLModel, registry=registry()):
        """The same table, changed."""

    class ChangedTable(ChangedTables, table=True):
        __tablename__ = "card_v2"
        parcel: str = Field(primary_key=True)
        places: str

    ledger = strided_ledger()
    await Projector(database, ledger, READER, [CARD_V2]).open()
    changed = msgspec.structs.replace(CARD_V2, table=ChangedTable)
    with pytest.raises(ValueError, match="new version"):
        await Projector(database, ledger, READER, [changed]).open()


async def test_a_page_that_touches_more_rows_than_a_statement_takes(database):
    """Many keys of two columns for each event."""
    ledger = strided_ledger()
    await record(ledger, HISTORY[:10])

    def keys(event, recorded):
        ((_, day),) = balance_keys(event, recorded)[:1]
        return [(f"{recorded.position}-{number}", day) for number in range(2_000)]

    wide = msgspec.structs.replace(
        BALANCE,
        keys=keys,
        evolve=lambda row, _event, _recorded, key: BALANCE.row(*key, row.inflow + 1 if row else 1, 0),
    )
    async with projecting(database, ledger, [wide]) as projector:
        await caught_up(projector, ledger)
        assert await projector.read(held([wide])) == await folded(ledger, [wide])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "other"}, "other_v1"),
        ({"row": PlacedCard}, "columns"),
        ({"row": msgspec.defstruct("Loose", [("parcel", str), ("places", int)])}, "frozen"),
        (
            {"row": msgspec.defstruct("Named", [("parcel", str), ("places", int)], frozen=True, kw_only=True)},
            "position",
        ),
    ],
)
def test_a_view_that_does_not_fit_its_table_is_refused(change, why):
    with pytest.raises(ValueError, match=why):
        msgspec.structs.replace(CARD, **change)
