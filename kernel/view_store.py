"""Where views are kept: their tables, and for each table how far along the log it is.

A view's table is filled under another name (`card_v1__g3`, its third generation) and takes its own, by which queries
know it, in the transaction in which it is complete. So a table that has its own name is whole, and a missing one is
being built. Its checkpoint is a row of `view_table`, moved in the transaction that writes the rows and only from where
it was read: of two processes that project the same page one does, and the other starts again from what it finds.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.event import listen, remove
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.util import find_tables

from kernel.checkpoint import refuse_beyond, refuse_other_ledger
from kernel.database import lock_schema
from kernel.view import View

RETIRED_KEPT_US: Final = 24 * 3_600 * 1_000_000
"""How long a table outlives its successor's completion: processes of the older version may still serve from it, and
going back to that version within a day costs no rebuild."""

NARROW_COLUMNS_MAX: Final = 8
"""Up to here, and without other indexes, SQLite keeps the rows in the key's own index: 40 % less disk, and as fast.
Wide rows there, or other indexes that then hold the whole key, made upserts more than twice as slow.
"""

META: Final = MetaData()
_TABLES: Final = Table(
    "view_table",
    META,
    Column("name", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("view", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("ledger_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("retired_at_us", BigInteger),
    Column("stopped_at", BigInteger),
    Column("stopped_why", Text),
)
_C: Final = _TABLES.c


class Moved(Exception):
    """Another process moved a view, or asked for a rebuild: look again at how things stand."""


class Slot(msgspec.Struct, frozen=True):
    """One table of a view. Everything up to `position` is in it; only a `ready` one has its own name."""

    name: str
    generation: int
    ready: bool
    ledger_id: str
    position: int

    @property
    def table_name(self) -> str:
        return self.name if self.ready else _building_name(self.name, self.generation)


def enrol(connection: Connection, views: Sequence[View[Any]], ledger_id: str, now_us: int) -> None:
    """Make sure that every view has a table, ready or to be built. Raises WrongLedger, ValueError."""
    lock_schema(connection)
    for view in views:
        name = view.columns.name
        mine = connection.execute(select(_TABLES).where(_C.name == name)).all()
        for row in mine:
            refuse_other_ledger((f"视图 {view.name} ", f"view {view.name}"), row.ledger_id, ledger_id)
        if any(row.shape != view.shape for row in mine):
            raise ValueError(f"{name} has other columns than when it was built: give the table a new version")
        if not mine:
            _begin(connection, view, ledger_id)
        connection.execute(update(_TABLES).where(_C.name == name).values(retired_at_us=None))
        _drop_retired(connection, view, now_us)


def slots(connection: Connection, views: Sequence[View[Any]]) -> list[Slot]:
    """The tables of these views, as they stand."""
    rows = connection.execute(
        select(_C.name, _C.generation, _C.ready, _C.ledger_id, _C.position)
        .where(_C.name.in_([view.columns.name for view in views]))
        .order_by(_C.name, _C.generation)
    )
    return [Slot(*row) for row in rows]


def advance(connection: Connection, moving: Collection[Slot], position: int) -> None:
    """Move checkpoints from where the slots say they are. Until the transaction ends no other process moves them.

    Raises Moved.
    """
    stood = [msgspec.structs.astuple(slot) for slot in moving]
    moved = connection.execute(
        update(_TABLES)
        .where(tuple_(_C.name, _C.generation, _C.ready, _C.ledger_id, _C.position).in_(stood))
        .values(position=position, stopped_at=None, stopped_why=None)
    )
    if moved.rowcount != len(stood):
        raise Moved


def switch(connection: Connection, view: View[Any], slot: Slot, now_us: int) -> None:
    """Let a table that is complete take its own name; the one that had it is gone. Raises Moved."""
    if connection.dialect.name == "postgresql":
        # After those who read now, and before those who come: see `reading`.
        connection.execute(text("LOCK TABLE view_table IN ACCESS EXCLUSIVE MODE"))
    advance(connection, [slot], slot.position)
    for index in sorted(_as_named(view, slot.table_name).indexes, key=lambda one: str(one.name)):
        connection.execute(CreateIndex(index))
    before = select(_C.name).where(_C.name == slot.name, _C.ready)
    if connection.execute(before).first():
        connection.execute(text(f"DROP TABLE {slot.name}"))
        connection.execute(delete(_TABLES).where(_C.name == slot.name, _C.ready))
    connection.execute(text(f"ALTER TABLE {slot.table_name} RENAME TO {slot.name}"))
    connection.execute(update(_TABLES).where(_this(slot)).values(ready=True))
    connection.execute(
        update(_TABLES)
        .where(_C.view == view.name, _C.name != slot.name, _C.retired_at_us.is_(None))
        .values(retired_at_us=now_us)
    )


def stop(connection: Connection, stopped: Sequence[Slot], position: int, why: str) -> None:
    """Leave a note of where and why projecting stopped, for whoever asks the database."""
    for slot in stopped:
        connection.execute(update(_TABLES).where(_this(slot)).values(stopped_at=position, stopped_why=why))


def rebuild(connection: Connection, views: Sequence[View[Any]], ledger_id: str) -> None:
    """Begin a new generation of these views' tables. A running process fills it and switches; the rows there are go on
    serving until then, unless they came from another ledger.
    """
    lock_schema(connection)
    for view in views:
        name = view.columns.name
        for row in connection.execute(select(_TABLES).where(_C.name == name)).all():
            if not row.ready or row.ledger_id != ledger_id:
                table_name = name if row.ready else _building_name(name, row.generation)
                connection.execute(text(f"DROP TABLE {table_name}"))
                connection.execute(delete(_TABLES).where(_C.name == name, _C.generation == row.generation))
        _begin(connection, view, ledger_id)


def places(connection: Connection, source: str, target: str, head: int) -> set[int]:
    """The positions of the ledger `source`, which ends at `head`, that are kept of views. Raises WrongLedger where one
    follows neither this ledger nor `target`, or is beyond the end.
    """
    kept: set[int] = set()
    for row in connection.execute(select(_TABLES).where(_C.ledger_id != target)):
        refuse_other_ledger((f"视图 {row.view} ", f"view {row.view}"), row.ledger_id, source)
        refuse_beyond((f"视图 {row.view} ", f"view {row.view}"), row.position, head)
        kept |= {row.position, row.stopped_at or 0}
    return kept


def move(connection: Connection, source: str, target: str) -> list[str]:
    """Let the views that follow the ledger `source` follow `target`, where every event has the position it had. Returns
    their names.
    """
    moved = update(_TABLES).where(_C.ledger_id == source).values(ledger_id=target).returning(_C.view)
    return sorted(set(connection.execute(moved).scalars()))


def reading(connection: Connection) -> None:
    """Call it before the first query of a transaction that reads views. On PostgreSQL a table that takes another's name
    would otherwise be seen with the rows it had when the transaction began.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE view_table IN ACCESS SHARE MODE"))


@contextmanager
def noting_tables(connection: Connection) -> Iterator[set[str]]:
    """The names of the tables that are asked in the block, in whatever way a query names them."""
    asked: set[str] = set()

    def note(_connection: Connection, statement: ClauseElement, *_: object) -> None:
        asked.update(table.name for table in find_tables(statement, check_columns=True) if isinstance(table, Table))

    listen(connection, "before_execute", note)
    try:
        yield asked
    finally:
        remove(connection, "before_execute", note)


def _begin(connection: Connection, view: View[Any], ledger_id: str) -> None:
    """A new table, empty. Its other indexes come when it is full: that is faster."""
    name = view.columns.name
    generation = 1 + max(connection.execute(select(_C.generation).where(_C.name == name)).scalars(), default=0)
    connection.execute(CreateTable(_as_named(view, _building_name(name, generation))))
    connection.execute(
        insert(_TABLES).values(
            name=name,
            generation=generation,
            view=view.name,
            shape=view.shape,
            ready=False,
            ledger_id=ledger_id,
            position=0,
        )
    )


def _drop_retired(connection: Connection, view: View[Any], now_us: int) -> None:
    expired = and_(_C.view == view.name, _C.retired_at_us < now_us - RETIRED_KEPT_US)
    for row in connection.execute(select(_TABLES).where(expired)).all():
        table_name = row.name if row.ready else _building_name(row.name, row.generation)
        connection.execute(text(f"DROP TABLE {table_name}"))
    connection.execute(delete(_TABLES).where(expired))


def _building_name(name: str, generation: int) -> str:
    return f"{name}__g{generation}"


def _this(slot: Slot) -> ColumnElement[bool]:
    return and_(_C.name == slot.name, _C.generation == slot.generation)


def _as_named(view: View[Any], name: str) -> Table:
    """The view's table under another name."""
    table = view.columns.to_metadata(MetaData(), name=name)
    table.dialect_options["sqlite"]["with_rowid"] = bool(table.indexes) or len(table.columns) > NARROW_COLUMNS_MAX
    for i, index in enumerate(sorted(table.indexes, key=lambda one: str(one.name))):
        index.name = quoted_name(f"ix_{name}_{i}", None)
    return table
