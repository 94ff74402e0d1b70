"""Where the registry's views declare their tables, and the two questions that are asked of any of them."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import registry
from sqlmodel import Session, SQLModel

from kernel.view import Key, View

Row = TypeVar("Row", bound=msgspec.Struct)


class Tables(SQLModel, registry=registry()):
    """The tables of the registry's views."""


def one(session: Session, view: View[Row], key: Key) -> Row | None:
    """The row of this key."""
    table = view.columns
    found = session.execute(select(table).where(tuple_(*table.primary_key) == key)).first()
    return None if found is None else view.row(*found)


def page(
    session: Session,
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
    return [view.row(*row) for row in session.execute(query)]
