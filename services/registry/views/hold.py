"""留存台账: the holds that stand, and which are due."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, select, tuple_
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.registry.meter import binding, hold
from services.registry.views.card import CARD
from services.registry.views.tables import Tables


class Hold(msgspec.Struct, frozen=True):
    """A hold that stands on a device. Without `until` it has no end of its own."""

    asset_no: str
    hold: str
    kind: str
    reference: str
    placed_on: date
    until: date | None


class HoldTable(Tables, table=True):
    """The rows of Hold."""

    __tablename__ = "hold_v1"

    asset_no: str = Field(primary_key=True)
    hold: str = Field(primary_key=True)
    kind: str
    reference: str
    placed_on: date
    until: date | None = Field(index=True)


def keys(
    event: hold.HoldPlaced | hold.HoldLifted | binding.IdentityBound, _recorded: Recorded
) -> Iterable[tuple[str, str]]:
    if isinstance(event, binding.IdentityBound):
        return [(event.asset_no, stands.hold) for stands in event.holds]
    return ((event.asset_no, event.hold),)


def evolve(_row: Hold | None, event: Any, _recorded: Recorded, key: tuple[str, str]) -> Hold | None:
    if isinstance(event, hold.HoldPlaced):
        return Hold(*key, event.kind, event.reference, event.day, event.until)
    return None


HOLDS: Final = View(
    name="hold",
    row=Hold,
    table=HoldTable,
    events=(hold.HoldPlaced, hold.HoldLifted, binding.IdentityBound),
    keys=keys,
    evolve=evolve,
)


def holds_due(
    connection: Connection,
    by: date,
    limit: int,
    visible: ColumnElement[bool],
    after: tuple[date, str, str] | None = None,
) -> list[Hold]:
    """Holds that end on or before this day on devices that are `visible`, the earliest first, those after this end,
    device and hold.
    """
    table, cards = HOLDS.columns, CARD.columns
    of = table.c
    due = select(table).join(cards, cards.c.asset_no == of.asset_no).where(of.until <= by, visible)
    due = due.order_by(of.until, of.asset_no, of.hold).limit(limit)
    if after is not None:
        due = due.where(tuple_(of.until, of.asset_no, of.hold) > after)
    return [Hold(*row) for row in connection.execute(due)]
