"""留存: the holds that stand, and which are due."""

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


class HoldRow(msgspec.Struct, frozen=True):
    """A hold that stands on a device. Without `until` it has no end of its own."""

    asset_no: str
    hold: str
    kind: str
    reference: str
    placed_on: date
    until: date | None


class HoldTable(Tables, table=True):
    """The rows of HoldRow."""

    __tablename__ = "hold_v1"

    asset_no: str = Field(primary_key=True)
    hold: str = Field(primary_key=True)
    kind: str
    reference: str
    placed_on: date
    until: date | None = Field(index=True)


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that stands on a device of `unit`. Without `until` it has no end of its own."""

    asset_no: str
    hold: str
    kind: str
    reference: str
    placed_on: date
    until: date | None
    unit: str


def keys(
    event: hold.HoldPlaced | hold.HoldLifted | binding.IdentityBound, _recorded: Recorded
) -> Iterable[tuple[str, str]]:
    if isinstance(event, binding.IdentityBound):
        return [(event.asset_no, stands.hold) for stands in event.holds]
    return ((event.asset_no, event.hold),)


def evolve(_row: HoldRow | None, event: Any, _recorded: Recorded, key: tuple[str, str]) -> HoldRow | None:
    if isinstance(event, hold.HoldPlaced):
        return HoldRow(*key, event.kind, event.reference, event.day, event.until)
    return None


HOLDS: Final = View(
    name="hold",
    row=HoldRow,
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
    *,
    unit: str | None = None,
) -> list[Hold]:
    """Holds that end on or before this day on devices that are `visible`, or of one unit's, the earliest first, those
    after this end, device and hold.
    """
    table, cards = HOLDS.columns, CARD.columns
    of = table.c
    due = select(table, cards.c.unit).join(cards, cards.c.asset_no == of.asset_no).where(of.until <= by, visible)
    if unit is not None:
        due = due.where(cards.c.unit == unit)
    due = due.order_by(of.until, of.asset_no, of.hold).limit(limit)
    if after is not None:
        due = due.where(tuple_(of.until, of.asset_no, of.hold) > after)
    return [Hold(**row._mapping) for row in connection.execute(due)]  # noqa: SLF001  its public name
