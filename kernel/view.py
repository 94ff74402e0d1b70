"""A view: rows kept up to date from events, and the table they are in.

    CARD = View(
        name="card",
        row=Card,
        table=CardTable,          # "card_v1"
        events=members(Event),
        keys=lambda event, recorded: [(event.asset_no,)],
        evolve=evolve_card,
    )

`keys` names the rows an event touches, `evolve(row | None, event, recorded, key) -> row | None` says what becomes of
each: None where there is no row, or is to be none. Both are pure. The table's name ends in its version. A view whose
rows would now come out otherwise from the same log is a new version, and is built anew beside the old one; an event
type that no log holds yet can be added without.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from inspect import Parameter, signature
from types import NoneType
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec
from msgspec.inspect import BoolType, DateType, IntType, LiteralType, StrType, Type, UnionType, type_info
from sqlalchemy import Column, Table
from sqlmodel import SQLModel

from kernel.database import widen
from ledger.port import Recorded

Row = TypeVar("Row", bound=msgspec.Struct)
Key: TypeAlias = tuple[Any, ...]
"""The values of the primary key's columns, in the table's order."""

TABLE_NAME_MAX: Final = 40
"""PostgreSQL cuts names at 63 bytes, and those of indexes and of tables being built are longer."""

_PLAIN: Final[dict[type[Type], type]] = {
    StrType: str,
    LiteralType: str,
    IntType: int,
    BoolType: bool,
    DateType: date,
    msgspec.inspect.NoneType: NoneType,
}


class View(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """See the module. `events` are the classes it looks at, all if none is named.

    `row` is a frozen Struct made by position; its members are the table's columns, in order.
    """

    name: str
    row: type[Row]
    table: type[SQLModel]
    keys: Callable[[Any, Recorded], Iterable[Key]]
    evolve: Callable[[Row | None, Any, Recorded, Key], Row | None]
    events: tuple[type[msgspec.Struct], ...] = ()

    def __post_init__(self) -> None:
        table = self.columns
        if not re.fullmatch(rf"{self.name}_v[0-9]+", table.name) or len(table.name) > TABLE_NAME_MAX:
            raise ValueError(
                f"the table of view {self.name} is named {self.name}_v1 and so on, in at most {TABLE_NAME_MAX} letters,"
                f" not {table.name}"
            )
        by_name = any(one.kind is Parameter.KEYWORD_ONLY for one in signature(self.row).parameters.values())
        if by_name or not self.row.__struct_config__.frozen:
            raise ValueError(f"{self.row.__name__} is not a frozen struct made by position")
        if self.row.__struct_fields__ != tuple(table.columns.keys()):
            raise ValueError(f"{self.row.__name__} and {table.name} differ in their columns or their order")
        if not table.primary_key.columns or any(index.unique for index in table.indexes):
            raise ValueError(f"{table.name} needs a primary key and no other unique index: upserts go by it")
        for field in msgspec.structs.fields(self.row):
            plain_type(field.type)
        widen(table)

    @property
    def columns(self) -> Table:
        """The table as Core knows it."""
        table = self.table.__table__  # type: ignore[attr-defined]  # SQLAlchemy adds it to the class
        assert isinstance(table, Table)
        return table

    @property
    def shape(self) -> str:
        """The table's columns in words, to notice when they changed under the same name."""
        return ", ".join(_described(column) for column in self.columns.columns)


def plain_type(hint: Any) -> type:
    """What a column of this type holds beside None. ValueError for what databases would keep in ways of their own."""
    info = type_info(hint)
    kinds = {_PLAIN.get(type(kind)) for kind in (info.types if isinstance(info, UnionType) else (info,))}
    match [*(kinds - {NoneType})]:
        case [type() as kind]:
            return kind
        case _:
            raise ValueError(f"a column holds text, a whole number, yes or no, or a day, and not {hint}")


def _described(column: Column[Any]) -> str:
    words = [column.name, str(column.type), "" if column.nullable else "not null", "key" if column.primary_key else ""]
    return " ".join(word for word in words if word)
