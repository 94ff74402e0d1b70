"""A service's database: durable, one writer, readers that cannot write, tables of one service only."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, insert, select

from kernel.database import SQLITE_DRIVER, Database, DatabaseUnavailable, MissingTable, NotOurs
from kernel.database import OtherTables as TablesOfAnotherVersion
from kernel.quantity import INT64_MAX
from kernel.refusal import Refusal


class OneTables(SQLModel, registry=registry()):
    """The tables of one service."""


class OtherTables(SQLModel, registry=registry()):
    """The tables of another."""


class OneJob(OneTables, table=True):
    __tablename__ = "job"
    number: int | None = Field(default=None, primary_key=True)
    size_bytes: int


class OtherJob(OtherTables, table=True):
    __tablename__ = "job"
    name: str = Field(primary_key=True)


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


def job(size_bytes):
    """What writes one."""
    return lambda connection: connection.execute(insert(OneJob).values(size_bytes=size_bytes))


def sizes(connection):
    return connection.scalars(select(OneJob.size_bytes)).all()


async def test_tables_of_two_services_do_not_meet(database):
    assert set(OneTables.metadata.tables) == set(OtherTables.metadata.tables) == {"job"}
    await database.create(OneTables.metadata)
    await database.create(OneTables.metadata)
    with pytest.raises(DatabaseUnavailable if database.dialect.name == "sqlite" else DBAPIError):
        await database.read(lambda connection: connection.execute(select(OtherJob)).all())


def shared_url(postgres, name):
    """The URL of a database that an operator might give to every service, no schema being named in it."""
    postgres.execute(f"CREATE DATABASE {name}")
    return f"postgresql://postgres@/{name}?host={postgres.folder}"


async def test_services_that_share_a_postgresql_keep_to_their_schemas(postgres):
    url = shared_url(postgres, "shared")
    registry_s, sorting_s = Database(url, "registry"), Database(url, "sorting")
    for database, size in ((registry_s, 1), (sorting_s, 2), (registry_s, 3)):
        await database.create(OneTables.metadata)
        await database.write(job(size))
    assert (sorted(await registry_s.read(sizes)), await sorting_s.read(sizes)) == ([1, 3], [2])
    public = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert await registry_s.read(lambda connection: connection.execute(public).scalar()) == 0
    for database in (registry_s, sorting_s):
        await database.close()


async def test_a_schema_that_is_there_is_used_without_the_right_to_create_one(postgres):
    url = shared_url(postgres, "strict")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE clerk LOGIN")
        connection.execute("CREATE SCHEMA registry AUTHORIZATION clerk")
    database = Database(url.replace("postgres@", "clerk@"), "registry")
    await database.create(OneTables.metadata)
    assert await database.read(sizes) == []
    await database.close()


async def test_a_search_path_in_the_url_is_the_operators_choice(postgres):
    url = postgres.new_database()
    database, plain = Database(url, "registry"), Database(url)
    await database.create(OneTables.metadata)
    assert await plain.read(sizes) == []
    await database.close()
    await plain.close()


async def test_an_sqlite_file_is_one_services(tmp_path):
    url = f"sqlite:///{tmp_path / 'one.sqlite'}"
    for service in ("registry", "registry"):
        database = Database(url, service)
        await database.create(OneTables.metadata)
        await database.close()
    database = Database(url, "sorting")
    with pytest.raises(NotOurs, match="METERLOOP_SORTING__DATABASE_URL"):
        await database.create(OtherTables.metadata)
    await database.close()


async def test_tables_of_another_version_are_refused_and_stay_as_they_are(database):
    await database.create(OtherTables.metadata)
    await database.write(lambda connection: connection.execute(insert(OtherJob).values(name="kept")))
    with pytest.raises(TablesOfAnotherVersion) as refused:
        await database.create(OneTables.metadata)
    for said in ("job", "name", "number, size_bytes", "备份", "back the database up"):
        assert said in str(refused.value)
    assert await database.read(lambda connection: connection.scalars(select(OtherJob.name)).all()) == ["kept"]


async def test_integers_are_64_bits_and_keys_count_by_themselves(database):
    await database.create(OneTables.metadata)
    for size in (INT64_MAX, -INT64_MAX):
        await database.write(job(size))
    assert sorted(await database.read(sizes)) == [-INT64_MAX, INT64_MAX]


async def test_what_the_database_cannot_hold_is_refused_as_such(database):
    def asked(connection):
        return connection.scalar(text("SELECT CAST(:given AS TEXT)"), {"given": "a\0b"})

    if database.dialect.name == "sqlite":
        assert await database.read(asked) == "a\0b"
        return
    with pytest.raises(Refusal) as refused:
        await database.read(asked)
    assert refused.value.code == "database.not_storable"


async def test_a_write_that_raises_leaves_nothing(database):
    await database.create(OneTables.metadata)

    def work(connection):
        job(1)(connection)
        raise KeyError("no")

    with pytest.raises(KeyError):
        await database.write(work)
    assert await database.read(sizes) == []


async def test_a_reader_cannot_write(database):
    await database.create(OneTables.metadata)
    with pytest.raises((DatabaseUnavailable, DBAPIError)):
        await database.read(job(1))
    assert await database.read(sizes) == []


async def test_a_reader_sees_one_state(database):
    """A write in the middle of a read is not seen by the rest of it."""
    await database.create(OneTables.metadata)
    loop = asyncio.get_running_loop()

    def query(connection):
        before = sizes(connection)
        write = database.write(job(1))
        asyncio.run_coroutine_threadsafe(write, loop).result(timeout=30)
        return before, sizes(connection)

    assert await database.read(query) == ([], [])
    assert await database.read(sizes) == [1]


async def test_a_read_whose_connection_was_cut_is_asked_again(postgres):
    database = Database(postgres.new_database(), readers_max=1)
    await database.create(OneTables.metadata)
    await database.write(job(1))
    assert await database.read(sizes) == [1]
    postgres.cut_connections()
    assert await database.read(sizes) == [1]
    await database.close()


async def test_a_missing_table_is_told_apart(database):
    with pytest.raises(MissingTable):
        await database.read(sizes)


async def test_sqlite_syncs_every_commit(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'new' / 'one.sqlite'}")

    def settings(connection):
        return [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")]

    assert await database.write(settings) == [2, "wal"]
    await database.close()


def test_the_sqlite_in_use_is_past_the_wal_reset_fault():
    if SQLITE_DRIVER.__name__ == "sqlite3":
        pytest.skip("there is no wheel of pysqlite3 for this platform")
    assert SQLITE_DRIVER.sqlite_version_info >= (3, 51, 3)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_other_databases_are_refused(url):
    with pytest.raises(ValueError, match="sqlite:///path"):
        Database(url)
