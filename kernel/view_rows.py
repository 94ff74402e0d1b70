"""The rows of one table of a view: loaded, written and deleted many at a time, as plain tuples.

The statements are made once. A value passes SQLAlchemy's own conversion where its column has one for this database, and
goes to the driver as it is otherwise.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, Generic, TypeAlias

import msgspec
from sqlalchemy import Column, Connection, Dialect, MetaData, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from kernel.view import Key, Row, View

VALUES_MAX: Final = 30_000
"""Values in one statement: SQLite as Python may bring it takes 32,766."""

_Values: TypeAlias = Sequence[Any]
_Conversions: TypeAlias = Sequence[tuple[int, Callable[[Any], Any]]]


class Misplaced(Exception):
    """A row has another key than the one it was made for."""

    def __init__(self, key: Key, own: Key) -> None:
        super().__init__(f"evolve made for key {key} a row with key {own}")
        self.key = key


class Rows(Generic[Row]):
    """The rows of `view` in the table of this name."""

    def __init__(self, view: View[Row], table_name: str, dialect: Dialect) -> None:
        table = view.columns.to_metadata(MetaData(), name=table_name)
        columns, keys = list(table.columns), list(table.primary_key.columns)
        places = [columns.index(column) for column in keys]
        self._row: Final = view.row
        self._key: Final = _tuple_getter(places)
        self._columns_bind: Final = _to_driver(columns, dialect)
        self._columns_read: Final = _from_driver(columns, dialect)
        self._keys_bind: Final = _to_driver(keys, dialect)
        self._keys_at_once: Final = VALUES_MAX // len(keys)
        self._load: Final = (_by_arrays if dialect.name == "postgresql" else _by_values)(table, dialect)
        self._upsert: Final = _upsert(table, dialect)
        own = [key == bindparam(key.name, type_=key.type) for key in keys]
        self._delete: Final = str(table.delete().where(*own).compile(dialect=dialect))

    def load(self, connection: Connection, keys: Iterable[Key]) -> dict[Key, Row]:
        """The rows there are of these keys. Each key is named once."""
        wanted = _converted(keys, self._keys_bind)
        found: list[_Values] = []
        for start in range(0, len(wanted), self._keys_at_once):
            statement, values = self._load(wanted[start : start + self._keys_at_once])
            found += connection.exec_driver_sql(statement, values).fetchall()
        if self._columns_read:
            found = _converted(found, self._columns_read)
        make, key = self._row, self._key
        return {key(values): make(*values) for values in found}

    def store(self, connection: Connection, rows: dict[Key, Row]) -> None:
        """Insert or replace these rows. Raises Misplaced."""
        if not rows:
            return
        values: list[_Values] = [msgspec.structs.astuple(row) for row in rows.values()]
        for key, own in zip(rows, map(self._key, values), strict=True):
            if own != key:
                raise Misplaced(key, own)
        connection.exec_driver_sql(self._upsert, _converted(values, self._columns_bind))

    def delete(self, connection: Connection, keys: Sequence[Key]) -> None:
        if keys:
            connection.exec_driver_sql(self._delete, _converted(keys, self._keys_bind))


def _tuple_getter(places: Sequence[int]) -> Callable[[_Values], Key]:
    if len(places) > 1:
        return itemgetter(*places)
    (place,) = places
    return lambda values: (values[place],)


def _upsert(table: Table, dialect: Dialect) -> str:
    statement = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    keys = list(table.primary_key.columns)
    whole = (
        statement.on_conflict_do_update(index_elements=keys, set_=others)
        if others
        else statement.on_conflict_do_nothing(index_elements=keys)
    )
    return str(whole.compile(dialect=dialect))


def _by_values(table: Table, _dialect: Dialect) -> Callable[[Sequence[Key]], tuple[str, tuple[Any, ...]]]:
    """SQLite reads a list of values as a table, and joins it by the key: faster than IN, and than JSON."""
    keys = [key.name for key in table.primary_key.columns]
    marks = f"({', '.join('?' * len(keys))})"
    select = (
        f"WITH wanted ({', '.join(keys)}) AS (VALUES {{}})"  # noqa: S608  names of our own tables
        f" SELECT {_listed(table)} FROM wanted CROSS JOIN {table.name} AS kept USING ({', '.join(keys)})"
    )

    def statement(wanted: Sequence[Key]) -> tuple[str, tuple[Any, ...]]:
        return select.format(", ".join([marks] * len(wanted))), tuple([value for key in wanted for value in key])

    return statement


def _by_arrays(table: Table, dialect: Dialect) -> Callable[[Sequence[Key]], tuple[str, tuple[Any, ...]]]:
    """PostgreSQL takes an array for each column of the key: one statement for any number of rows."""
    keys = list(table.primary_key.columns)
    arrays = ", ".join(f"%s::{key.type.compile(dialect)}[]" for key in keys)
    names = ", ".join(key.name for key in keys)
    select = (
        f"SELECT {_listed(table)} FROM unnest({arrays}) AS wanted ({names})"  # noqa: S608  names of our own tables
        f" JOIN {table.name} AS kept USING ({names})"
    )

    def statement(wanted: Sequence[Key]) -> tuple[str, tuple[Any, ...]]:
        return select, tuple([list(column) for column in zip(*wanted, strict=True)])

    return statement


def _listed(table: Table) -> str:
    return ", ".join(f"kept.{column.name}" for column in table.columns)


def _to_driver(columns: Sequence[Column[Any]], dialect: Dialect) -> _Conversions:
    made = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
    return [(place, conversion) for place, conversion in enumerate(made) if conversion]


def _from_driver(columns: Sequence[Column[Any]], dialect: Dialect) -> _Conversions:
    made = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    return [(place, conversion) for place, conversion in enumerate(made) if conversion]


def _converted(rows: Iterable[_Values], conversions: _Conversions) -> list[Any]:
    if not conversions:
        return list(rows)
    converted = []
    for row in rows:
        values = list(row)
        for place, conversion in conversions:
            values[place] = conversion(values[place])
        converted.append(tuple(values))
    return converted
