"""A service's own database: SQLite by default, PostgreSQL by URL. Everything in it is asked through this page.

One thread writes, one transaction at a time, and a few read; none of it runs on the event loop. Each service declares
its tables on a class of its own, so that tables of several services in one process never meet:

    class Tables(SQLModel, registry=registry()):
        "The tables of this service."

    class CardTable(Tables, table=True): ...

Services may be given the same PostgreSQL: each keeps to a schema of its own name, unless its URL names a search_path.
An SQLite file belongs to the first service that opened it, and refuses another in words.

A write that has returned is durable. A reader sees one state of the whole database until it returns. A Database is
opened after fork, never before.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.schema import CreateSchema

from kernel.refusal import unreadable
from kernel.threads import Threads

try:
    # Its SQLite is past the WAL-reset fault (fixed in 3.51.3) that Python's own build may have.
    import pysqlite3.dbapi2 as _sqlite  # type: ignore[import-untyped]  # the package has no stubs
except ImportError:
    # There is no wheel for every platform.
    import sqlite3 as _sqlite

NOT_STORABLE = unreadable(
    "database.not_storable",
    "内容含有数据库无法表示的字符或数值。",
    "there is a character or a number in it that the database cannot hold",
)

T = TypeVar("T")

SQLITE_DRIVER: Final[ModuleType] = _sqlite

# The driver knows no None: unless it is told, it goes through every protocol there might be, at each one that it binds,
# which takes longer than all else about writing a row.
SQLITE_DRIVER.register_adapter(type(None), lambda nothing: nothing)

READERS_MAX: Final = 4
"""Threads and connections that read: SQLite reads at the speed of a core, so more only queue elsewhere."""

BUSY_MS: Final = 30_000
"""How long a write waits for another process that is writing to the same SQLite file."""

STATEMENT_MS_MAX: Final = 30_000
"""A query of a reader on PostgreSQL that takes longer is cut off."""

CONNECT_S_MAX: Final = 10

UNDEFINED_TABLE: Final = "42P01"
"""PostgreSQL's error code. To know it by its name in the driver that would have to be loaded for SQLite, too."""

WIDE_INTEGER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""int64 on both; on SQLite an INTEGER has 8 bytes anyway, and only a column so called may count by itself."""

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    f"busy_timeout = {BUSY_MS}",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "mmap_size = 0",
    "temp_store = MEMORY",
    "cache_size = -16384",
    f"journal_size_limit = {64 << 20}",
)
_OWNER: Final = Table("database_owner", MetaData(), Column("service", Text, primary_key=True))
"""One row: whose SQLite file it is."""

_SCHEMA_LOCK: Final = 0x4D65_7465_726C_6F6F


class DatabaseUnavailable(Exception):
    """The database cannot do it now: no connection, no room, no answer. Trying again later is safe for a read; a write
    may or may not have been done.
    """


class MissingTable(Exception):
    """A query named a table that is not there."""


class NotOurs(Exception):
    """The file is another service's, whose tables bear the same names."""


class OtherTables(Exception):
    """The tables that are there were made by another version of this program, and are nobody's to rebuild."""


class Database:
    """One database, with its threads. `service` is whose it is; without it whatever the URL leads to is used."""

    def __init__(self, url: str, service: str | None = None, *, readers_max: int = READERS_MAX) -> None:
        parsed = make_url(url)
        self._service: Final = service
        self._schema: str | None = None
        match parsed.get_backend_name():
            case "sqlite" if parsed.database and parsed.database != ":memory:":
                self._writer, self._reader = _sqlite_engines(parsed.database, readers_max)
            case "postgresql":
                if "search_path" not in str(parsed.query.get("options", "")):
                    self._schema = service
                self._writer, self._reader = _postgresql_engines(parsed, readers_max, self._schema)
            case _:
                raise ValueError("a database is sqlite:///path or postgresql://..., and this URL is neither")
        self.dialect: Final = self._writer.dialect
        self._write_thread: Final = Threads("database-write", 1, 1)
        # A server answers several at once; of SQLite's threads each waits for the interpreter that the others hold.
        steady = 1 if self.dialect.name == "sqlite" else readers_max
        self._read_threads: Final = Threads("database-read", steady, readers_max)
        self._idle: Final[list[Connection]] = []

    async def read(self, query: Callable[[Connection], T]) -> T:
        """What `query` returns, asked of one state of the database. Raises DatabaseUnavailable, MissingTable."""
        return await self._read_threads.run(lambda: self._asked(query))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction, and return what it returned; if it raises, nothing of it was done.

        Cancelling the caller does not undo it. Raises DatabaseUnavailable, MissingTable.
        """
        return await self.in_writer(lambda: self.transaction(work))

    async def in_writer(self, function: Callable[[], T]) -> T:
        """Run a function in the thread that writes, where it may call `transaction`."""
        return await self._write_thread.run(function)

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """`write`, for a function that is in the writer's thread already."""
        with _translated(), self._writer.begin() as connection:
            return work(connection)

    async def empty_log(self) -> None:
        """Leave nothing in SQLite's write-ahead log of what rows held earlier. Raises DatabaseUnavailable where a
        reader kept some of it all the time that one waits for it.
        """

        def empty() -> bool:
            connection = self._writer.raw_connection()
            try:
                with _translated():
                    cursor = connection.cursor()
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    ((busy, *_),) = cursor.fetchall()
                    cursor.close()
                    return not busy
            finally:
                connection.close()

        if not await self.in_writer(empty):
            raise DatabaseUnavailable("the write-ahead log is being read")

    async def create(self, metadata: MetaData) -> None:
        """Create the tables that are not there yet. Raises NotOurs, and OtherTables where one is there with other
        columns: what it holds is changed by whoever knows how, never by guessing.
        """
        for table in metadata.tables.values():
            widen(table)

        def create(connection: Connection) -> None:
            lock_schema(connection)
            self._own(connection)
            metadata.create_all(connection)
            _require_same(connection, metadata)

        await self.write(create)

    async def close(self) -> None:
        """Wait for what is under way, then let go of the database. Closing twice is harmless."""

        def close() -> None:
            self._write_thread.close()
            self._read_threads.close()
            for connection in self._idle:
                connection.close()
            self._reader.dispose()
            self._writer.dispose()

        await asyncio.to_thread(close)

    def _own(self, connection: Connection) -> None:
        """Have a place of the service's own, or find that this one is another's."""
        if self._schema is not None:
            # Whether it is there is asked first: to create it takes a right that an operator may keep back.
            there = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            if connection.execute(there, {"name": self._schema}).first() is None:
                connection.execute(CreateSchema(self._schema))
        if self._service is None or connection.dialect.name != "sqlite":
            return
        _OWNER.create(connection, checkfirst=True)
        owner = connection.execute(select(_OWNER.c.service)).scalar()
        if owner is None:
            connection.execute(_OWNER.insert().values(service=self._service))
        elif owner != self._service:
            raise NotOurs(
                f"此数据库文件属于 {owner}，不是 {self._service} 的：请为每个服务设置各自的 DATABASE_URL，"
                f"如 METERLOOP_{self._service.upper()}__DATABASE_URL。"
                f" / this database file is {owner}'s, not {self._service}'s: give each service one of its own, as by"
                f" METERLOOP_{self._service.upper()}__DATABASE_URL"
            )

    def _asked(self, query: Callable[[Connection], T]) -> T:
        """What `query` returns. Connections stay open from one read to the next: to take them from the engine and give
        them back, and to try each one beforehand, took longer than most reads. One that the server has let go of is
        found out by the query, which is then asked again.
        """
        with _translated():
            try:
                return self._asked_once(query)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._asked_once(query)

    def _asked_once(self, query: Callable[[Connection], T]) -> T:
        try:
            connection = self._idle.pop()
        except IndexError:
            # One for each thread at most. Where the server let go of one, SQLAlchemy opens it anew.
            connection = self._reader.connect()
        try:
            with connection.begin():
                return query(connection)
        finally:
            self._idle.append(connection)


def _require_same(connection: Connection, metadata: MetaData) -> None:
    """Find that every table has the columns it is declared with."""
    there = inspect(connection)
    for table in metadata.tables.values():
        found = {column["name"] for column in there.get_columns(table.name, table.schema)}
        declared = set(table.columns.keys())
        if found != declared:
            more, fewer = ", ".join(sorted(found - declared)) or "-", ", ".join(sorted(declared - found)) or "-"
            raise OtherTables(
                f"表 {table.name} 由另一版本的程序建立（多出：{more}；缺少：{fewer}）。请用原来的版本启动，"
                "或备份数据库后按 CHANGELOG.md 中该版本的说明改表。"
                f" / table {table.name} was made by another version of this program (has: {more}; lacks: {fewer}):"
                " start the version that made it, or back the database up and change the table as CHANGELOG.md says"
            )


def lock_schema(connection: Connection) -> None:
    """Keep other processes from changing the schema until this transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})


def widen(table: Table) -> None:
    """Make every integer column 64 bits wide: SQLModel's `int` is 32 bits on PostgreSQL."""
    for column in table.columns:
        if type(column.type) is Integer:
            column.type = WIDE_INTEGER


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == UNDEFINED_TABLE or "no such table" in str(error.orig):
            raise MissingTable(str(error.orig)) from error
        if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
            raise DatabaseUnavailable(str(error.orig)) from error
        if isinstance(error, DataError):
            raise NOT_STORABLE() from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable(str(error)) from error


def _sqlite_engines(path: str, readers_max: int) -> tuple[Engine, Engine]:
    Path(path).parent.mkdir(parents=True, exist_ok=True)

    def engine(size: int, begin: Callable[[Connection], object], *pragmas: str) -> Engine:
        made = create_engine(
            URL.create("sqlite+pysqlite", database=path), module=SQLITE_DRIVER, pool_size=size, max_overflow=0
        )

        def connected(connection: DBAPIConnection, _record: object) -> None:
            # Otherwise the driver would begin transactions by itself, and none for a SELECT.
            connection.isolation_level = None
            cursor = connection.cursor()
            for pragma in (*_PRAGMAS, *pragmas):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        event.listen(made, "connect", connected)
        event.listen(made, "begin", begin)
        return made

    def begin_writing(connection: Connection) -> None:
        # A transaction that reads before it writes must take the lock first: SQLite cannot wait for it in the middle.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_reading(connection: Connection) -> None:
        # It waits for nothing and reads nothing yet, so it cannot fail and needs none of what stands around a query.
        connection.connection.cursor().execute("BEGIN")

    return engine(1, begin_writing), engine(readers_max, begin_reading, "query_only = ON")


def _postgresql_engines(url: URL, readers_max: int, schema: str | None) -> tuple[Engine, Engine]:
    place = {} if schema is None else {"search_path": schema}

    def engine(size: int, isolation: Any, **settings: str) -> Engine:
        given = url.query.get("options", "")
        options = " ".join([str(given), *(f"-c {name}={value}" for name, value in {**place, **settings}.items())])
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            paramstyle="format",
            isolation_level=isolation,
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_S_MAX, "options": options},
        )

    return (
        engine(1, "READ COMMITTED"),
        engine(
            readers_max,
            "REPEATABLE READ",
            default_transaction_read_only="on",
            statement_timeout=str(STATEMENT_MS_MAX),
        ),
    )
