"""Rows go into a view's table and come out as they were, whatever they hold and however many they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.orm import registry
from sqlalchemy.schema import CreateTable
from sqlmodel import Field, Session, SQLModel, select

from kernel.database import Database
from kernel.quantity import INT64_MAX
from kernel.view import View, plain_type
from kernel.view_rows import UPSERT_ROWS, Misplaced, Rows


class Tables(SQLModel, registry=registry()):
    """The tables of this test."""


class Thing(msgspec.Struct, frozen=True):
    name: str
    day: date
    whole: int
    said: bool
    word: str | None
    until: date | None
    number: int | None
    maybe: bool | None


class ThingTable(Tables, table=True):
    __tablename__ = "thing_v1"
    name: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    whole: int
    said: bool
    word: str | None
    until: date | None
    number: int | None
    maybe: bool | None


THING = View(
    name="thing",
    row=Thing,
    table=ThingTable,
    keys=lambda event, _recorded: [(event.name, event.day)],
    evolve=lambda row, _event, _recorded, _key: row,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
INT64 = st.integers(-INT64_MAX, INT64_MAX)
THINGS = st.builds(
    Thing,
    TEXT,
    st.dates(),
    INT64,
    st.booleans(),
    st.none() | TEXT | st.sampled_from(["null", "NULL", "true", "1", '"', "\\"]),
    st.none() | st.dates(),
    st.none() | INT64,
    st.none() | st.booleans(),
)
FIRST = Thing("a", date(2026, 1, 1), 0, said=True, word=None, until=None, number=None, maybe=None)


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


def key(thing: Thing) -> tuple[str, date]:
    return thing.name, thing.day


@contextmanager
def table(database: Database) -> Iterator[tuple[Connection, Rows[Thing]]]:
    """An empty table in a transaction, and its rows. Everything is undone in the end."""
    with database._writer.connect() as connection:
        connection.execute(CreateTable(THING.columns))
        yield connection, Rows(THING, THING.columns.name, database.dialect)
        connection.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(THINGS, max_size=12, unique_by=key), st.lists(THINGS, max_size=4, unique_by=key))
@example([FIRST], [msgspec.structs.replace(FIRST, word="null", until=date(1, 1, 1), number=-INT64_MAX, maybe=False)])
async def test_rows_come_back_as_they_were(database, before, after):
    held = {key(thing): thing for thing in before}
    now = {key(thing): thing for thing in after}
    with table(database) as (connection, rows):
        rows.store(connection, held)
        rows.store(connection, now)
        wanted = {*held, *now, ("nobody", date(2026, 1, 1))}
        assert rows.load(connection, wanted) == held | now
        rows.delete(connection, list(now))
        assert rows.load(connection, wanted) == {name: thing for name, thing in held.items() if name not in now}


@pytest.mark.parametrize("number", [1, UPSERT_ROWS - 1, UPSERT_ROWS, 2 * UPSERT_ROWS + 3])
async def test_any_number_of_rows(database, number):
    things = [Thing(f"{n}", date(2026, 1, 1), n, n % 2 == 0, None, None, n, None) for n in range(number)]
    held = {key(thing): thing for thing in things}
    with table(database) as (connection, rows):
        rows.store(connection, held)
        assert rows.load(connection, held) == held


async def test_queries_read_the_values_that_were_written(database):
    """SQLModel reads what these statements wrote, and the other way round."""
    mine = msgspec.structs.replace(FIRST, until=date(2026, 2, 3), maybe=False, word="表")
    with table(database) as (connection, rows), Session(connection) as session:
        rows.store(connection, {key(mine): mine})
        (read,) = session.exec(select(ThingTable).where(ThingTable.until == date(2026, 2, 3), ThingTable.said)).all()
        assert [getattr(read, name) for name in Thing.__struct_fields__] == list(msgspec.structs.astuple(mine))
        read.maybe, read.word = True, None
        session.flush()
        assert rows.load(connection, [key(mine)]) == {key(mine): msgspec.structs.replace(mine, maybe=True, word=None)}


async def test_a_row_under_another_key_is_refused(database):
    with table(database) as (connection, rows), pytest.raises(Misplaced):
        rows.store(connection, {("b", FIRST.day): FIRST})


@pytest.mark.parametrize("hint", [float, bytes, list[str], str | int, None, msgspec.Raw])
def test_a_column_that_databases_keep_each_in_its_own_way_is_refused(hint):
    with pytest.raises(ValueError, match="a column holds"):
        plain_type(hint)
    strange = msgspec.defstruct("Strange", [(name, hint) for name in Thing.__struct_fields__], frozen=True)
    with pytest.raises(ValueError, match="a column holds"):
        View(name="thing", row=strange, table=ThingTable, keys=THING.keys, evolve=THING.evolve)
