"""The rows of one table of a view: loaded, written and deleted many at a time, in few statements.

The statements are made once, and values go to the driver as it takes them. SQLite's driver is asked for a page's rows
as one JSON text: it hands over values one by one, and lets other threads in at each row.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import chain
from operator import itemgetter
from typing import Any, Final, Generic, TypeAlias

import msgspec
from sqlalchemy import Connection, Dialect, MetaData, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from kernel.view import Key, Row, View, plain_type

VALUES_MAX: Final = 30_000
"""Values in one statement: SQLite as Python may bring it takes 32,766."""

UPSERT_ROWS: Final = 128
"""Rows in one upsert on SQLite, each statement being a time in which other threads run."""

ROWS_KEPT: Final = 128
"""Tables whose statements stay made: more than a service has views, each as it serves and as it is being built."""

_SQLITE_VALUES: Final[dict[type, Callable[[Any], Any]]] = {date: date.isoformat, bool: int}
"""How SQLAlchemy keeps in SQLite what SQLite has no type for."""

_Values: TypeAlias = Sequence[Any]
_Load: TypeAlias = Callable[[Connection, _Values], Sequence[_Values]]


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
        on_sqlite = dialect.name == "sqlite"
        self._row: Final = view.row
        places = [columns.index(column) for column in keys]
        self._key: Final = _tuple_getter(places)
        self._width, self._key_width = len(columns), len(keys)
        types = [plain_type(field.type) for field in msgspec.structs.fields(view.row)]
        self._conversions: Final = _conversions(types) if on_sqlite else []
        self._key_conversions: Final = _conversions([types[place] for place in places]) if on_sqlite else []
        self._load: Final = _load_as_json(table, view.row) if on_sqlite else _load_by_arrays(table, dialect)
        self._upsert: Final = _upsert(table, dialect)
        self._at_once: Final = min(UPSERT_ROWS, VALUES_MAX // len(columns)) if on_sqlite else 0
        self._upsert_at_once: Final = _upsert_many(self._upsert, len(columns), self._at_once)
        own = [key == bindparam(key.name, type_=key.type) for key in keys]
        self._delete: Final = str(table.delete().where(*own).compile(dialect=dialect))

    def load(self, connection: Connection, keys: Iterable[Key]) -> dict[Key, Row]:
        """The rows there are of these keys. Each key is named once."""
        wanted = _flat(keys, self._key_conversions, self._key_width)
        make, key = self._row, self._key
        return {
            key(values): make(*values)
            for some in _cut(wanted, VALUES_MAX // self._key_width * self._key_width)
            for values in self._load(connection, some)
        }

    def store(self, connection: Connection, rows: dict[Key, Row]) -> None:
        """Insert or replace these rows. Raises Misplaced."""
        tuples = list(map(msgspec.structs.astuple, rows.values()))
        for key, own in zip(rows, map(self._key, tuples), strict=True):
            if own != key:
                raise Misplaced(key, own)
        values = _flat(tuples, self._conversions, self._width)
        whole = len(rows) // self._at_once * self._at_once * self._width if self._at_once else 0
        for many in _cut(values[:whole], self._at_once * self._width):
            connection.exec_driver_sql(self._upsert_at_once, many)
        if rest := _cut(values[whole:], self._width):
            connection.exec_driver_sql(self._upsert, rest)

    def delete(self, connection: Connection, keys: Sequence[Key]) -> None:
        if keys:
            values = _flat(keys, self._key_conversions, self._key_width)
            connection.exec_driver_sql(self._delete, _cut(values, self._key_width))


_MADE: Final[dict[tuple[View[Any], str, str, str], Rows[Any]]] = {}


def rows_of(view: View[Row], table_name: str, dialect: Dialect) -> Rows[Row]:
    """The rows of the view in that table, their statements made once: at a start each table is taken up three times."""
    key = (view, table_name, dialect.name, dialect.driver)
    rows = _MADE.get(key)
    if rows is None:
        if len(_MADE) >= ROWS_KEPT:
            _MADE.clear()
        rows = _MADE[key] = Rows(view, table_name, dialect)
    return rows


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


def _upsert_many(upsert: str, columns: int, rows: int) -> str:
    """The upsert of one row as that of several."""
    marks = f"({', '.join('?' * columns)})"
    return upsert.replace(marks, ", ".join([marks] * rows))


def _load_as_json(table: Table, row: type[msgspec.Struct]) -> _Load:
    """SQLite reads a list of values as a table, and joins it by the key: faster than IN, or than keys in JSON."""
    keys = [key.name for key in table.primary_key.columns]
    names = ", ".join(keys)
    marks = f"({', '.join('?' * len(keys))})"
    select = (
        f"WITH wanted ({names}) AS (VALUES {{}})"  # noqa: S608  names of our own tables
        f" SELECT json_group_array(json_array({_listed(table)}))"
        f" FROM wanted CROSS JOIN {table.name} AS kept USING ({names})"
    )
    types = tuple(field.type for field in msgspec.structs.fields(row))
    # Not strict because a truth value comes as 0 or 1.
    decode = msgspec.json.Decoder(list[tuple[types]], strict=False).decode  # type: ignore[valid-type]  # made from data

    def load(connection: Connection, wanted: _Values) -> Sequence[_Values]:
        statement = select.format(", ".join([marks] * (len(wanted) // len(keys))))
        found: Sequence[_Values] = decode(connection.exec_driver_sql(statement, tuple(wanted)).scalar_one())
        return found

    return load


def _load_by_arrays(table: Table, dialect: Dialect) -> _Load:
    """PostgreSQL takes an array for each column of the key: one statement for any number of rows."""
    keys = list(table.primary_key.columns)
    arrays = ", ".join(f"%s::{key.type.compile(dialect)}[]" for key in keys)
    names = ", ".join(key.name for key in keys)
    select = (
        f"SELECT {_listed(table)} FROM unnest({arrays}) AS wanted ({names})"  # noqa: S608  names of our own tables
        f" JOIN {table.name} AS kept USING ({names})"
    )

    def load(connection: Connection, wanted: _Values) -> Sequence[_Values]:
        values = tuple([list(wanted[place :: len(keys)]) for place in range(len(keys))])
        return connection.exec_driver_sql(select, values).fetchall()

    return load


def _listed(table: Table) -> str:
    return ", ".join(f"kept.{column.name}" for column in table.columns)


def _conversions(types: Sequence[type]) -> Sequence[tuple[int, Callable[[Any], Any]]]:
    return [(place, _SQLITE_VALUES[kind]) for place, kind in enumerate(types) if kind in _SQLITE_VALUES]


def _flat(rows: Iterable[_Values], conversions: Sequence[tuple[int, Callable[[Any], Any]]], width: int) -> _Values:
    """The values of all rows, one after the other, those converted that have to be."""
    values = list(chain.from_iterable(rows))
    for place, conversion in conversions:
        values[place::width] = map(_Once(conversion).__getitem__, values[place::width])
    return tuple(values)


def _cut(values: _Values, width: int) -> list[Any]:
    """The rows of which these are the values."""
    return [values[start : start + width] for start in range(0, len(values), width or 1)]


class _Once(dict[Any, Any]):
    """What values were converted to: most of a page's days are the same few."""

    def __init__(self, conversion: Callable[[Any], Any]) -> None:
        super().__init__({None: None})
        self._conversion = conversion

    def __missing__(self, value: Any) -> Any:
        converted = self[value] = self._conversion(value)
        return converted
