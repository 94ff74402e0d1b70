"""What a service's database knows of places in the log, when the log has moved to another ledger.

Policies go on after the same events as before: nothing is asked again, nothing is passed over. Views too, where every
event has kept its position; where not, their rows may hold positions of the log that was, and they are built anew.
Where the log that was is not there to tell which event is which, everything goes on at the end of the one that is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, Table, inspect, select, true, update

from kernel import policy_store, view_store
from kernel.checkpoint import move_columns
from kernel.database import Database, lock_schema
from kernel.view import View

PositionOf: TypeAlias = Callable[[int], int]
"""From a position in the log that was to that of the same event in the log that is. Raises KeyError."""

Columns: TypeAlias = Mapping[Table, Sequence[str]]
"""Columns of a service's own tables that hold positions of the log."""


class Move(msgspec.Struct, frozen=True):
    """From which ledger to which, by their ids, and where the first one ends."""

    source: str
    target: str
    head: int


class Followed(msgspec.Struct, frozen=True):
    """What a database had of the ledger that was: names of policies, of views that go on, and of those built anew."""

    policies: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()


async def places(database: Database, columns: Columns, move: Move) -> set[int]:
    """Every position of the ledger that was which is kept here; none where all have followed already. Raises
    WrongLedger, DatabaseUnavailable.
    """
    await _make_tables(database)
    return await database.read(lambda connection: _places(connection, columns, move))


async def follow(
    database: Database, views: Sequence[View[Any]], columns: Columns, move: Move, position_of: PositionOf, *, same: bool
) -> Followed:
    """Let everything here follow the log, in one transaction; `same`: every event has the position it had. Where it has
    followed already nothing changes. Raises WrongLedger, DatabaseUnavailable; KeyError where something has been written
    since its place was asked for.
    """

    def following(connection: Connection) -> Followed:
        lock_schema(connection)
        kept = _places(connection, columns, move)
        if not kept:
            return Followed()
        if not same:
            for table in _there(connection, columns):
                move_columns(connection, table, columns[table], position_of, true())
        policies = tuple(policy_store.move(connection, move.source, move.target, position_of))
        if same:
            return Followed(policies, views=tuple(view_store.move(connection, move.source, move.target)))
        view_store.rebuild(connection, views, move.target)
        return Followed(policies, rebuilt=tuple(view.name for view in views))

    await _make_tables(database)
    return await database.write(following)


async def take_over(database: Database, columns: Columns, ledger_id: str, head: int) -> list[str]:
    """Let what was on another ledger, or beyond the end of this one, go on at its end: part of `rebuild`. Returns the
    names of the policies that were. So whoever waits for a position that is kept here waits for one that comes, and
    what was recorded before is not taken for what was recorded since. Raises DatabaseUnavailable.
    """

    def taking_over(connection: Connection) -> list[str]:
        strange_after = 0 if policy_store.follow_another(connection, ledger_id) else head
        for table in _there(connection, columns):
            for column in (table.c[name] for name in columns[table]):
                connection.execute(update(table).where(column > strange_after).values({column: head}))
        return policy_store.take_over(connection, ledger_id, head)

    await _make_tables(database)
    return await database.write(taking_over)


async def _make_tables(database: Database) -> None:
    """Those of checkpoints, where nothing has run on this database yet."""
    await database.create(view_store.META)
    await database.create(policy_store.META)


def _places(connection: Connection, columns: Columns, move: Move) -> set[int]:
    of_views = view_store.places(connection, move.source, move.target, move.head)
    of_policies = policy_store.places(connection, move.source, move.target, move.head)
    kept = of_views | of_policies
    if kept:
        for table in _there(connection, columns):
            for name in columns[table]:
                kept |= {at or 0 for at in connection.execute(select(table.c[name]).distinct()).scalars()}
    return kept


def _there(connection: Connection, columns: Columns) -> list[Table]:
    return [table for table in columns if inspect(connection).has_table(table.name)]
