"""The two questions that are asked of any view: one row by its key, and a page of rows."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, select, tuple_

from kernel.view import Key, View

Row = TypeVar("Row", bound=msgspec.Struct)


def one(connection: Connection, view: View[Row], key: Key) -> Row | None:
    """The row of this key."""
    names = [column.name for column in view.columns.primary_key]
    found = connection.execute(_by_key(view.columns), dict(zip(names, key, strict=True))).first()
    return None if found is None else view.row(*found)


@cache
def _by_key(table: Table) -> Select[Any]:
    """Made once a table: to make it takes longer than to ask it."""
    return select(table).where(*[column == bindparam(column.name) for column in table.primary_key])


def page(
    connection: Connection,
    view: View[Row],
    where: Mapping[str, Any],
    after: Key | None,
    limit: int,
    visible: ColumnElement[bool] | None = None,
) -> list[Row]:
    """Rows by key, those after `after`, whose columns named in `where` hold these values (None asks for any) and that
    are `visible` to who asks.
    """
    table = view.columns
    key = tuple_(*table.primary_key)
    query = select(table).order_by(*table.primary_key).limit(limit)
    for name, value in where.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    if visible is not None:
        query = query.where(visible)
    if after is not None:
        query = query.where(key > after)
    return [view.row(*row) for row in connection.execute(query)]
