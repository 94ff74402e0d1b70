"""What every checkpoint is held against when it is taken up: the ledger it is of, and how far that ledger goes.

A checkpoint of another ledger, or beyond the end of this one, would let everything behind it pass unseen: nothing goes
on from there until somebody says `rebuild`, or for a log that was moved `ledger map`, on purpose. `whose` names what
follows, in both languages.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, bindparam, select, update

from ledger.port import WrongLedger

Words: TypeAlias = tuple[str, str]

VIEWS: Final[Words] = ("视图", "the views")


def refuse_other_ledger(whose: Words, followed: str, opened: str) -> None:
    """Raises WrongLedger where these are two ledgers, by their ids."""
    if followed != opened:
        zh, en = whose
        raise WrongLedger(
            f"{zh}跟随的是另一台账 {followed}，现在打开的是 {opened}。"
            "台账若已搬迁，请先运行 ledger map，否则运行 rebuild。"
            f" / {en} followed ledger {followed}, and this is {opened}; if the log was moved, run `ledger map` first,"
            " if not `rebuild`"
        )


def refuse_beyond(whose: Words, position: int, head: int) -> None:
    """Raises WrongLedger where the ledger ends before the position."""
    if position > head:
        zh, en = whose
        raise WrongLedger(
            f"{zh}已到达位置 {position}，台账却止于 {head}：台账缺失其后的事件。请先运行 rebuild。"
            f" / {en} reached position {position}, and the ledger ends at {head}: it has lost what came after;"
            " run `rebuild` first"
        )


def move_columns(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    position_of: Callable[[int], int],
    where: ColumnElement[bool],
) -> None:
    """In place of the positions in these columns put those that they are now, in all rows of which this is so."""
    keys = list(table.primary_key.columns)
    found = connection.execute(select(*keys, *(table.c[name] for name in names)).where(where)).all()
    rows = []
    for row in found:
        places = {f"to_{name}": None if (at := getattr(row, name)) is None else position_of(at) for name in names}
        rows.append({f"of_{key.name}": getattr(row, key.name) for key in keys} | places)
    if rows:
        statement = update(table).where(*(key == bindparam(f"of_{key.name}") for key in keys))
        connection.execute(statement.values({name: bindparam(f"to_{name}") for name in names}), rows)
