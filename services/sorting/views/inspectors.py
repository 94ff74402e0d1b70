"""检验员间一致性 How far two inspectors agree on the same device: a query over the rows of station.py.

An inspector is an opaque subject id, the actor of the steps as it is recorded beside them. What is said is about a
pair, about no fewer devices than `PAIRS_MIN`, and for those alone who answer for the work of the hall.
"""

from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select

from services.sorting.views.station import ROUNDS
from services.sorting.views.yields import Tally, Visible, pairs, times

PAIRS_MIN: Final = 5
"""Of fewer devices nothing is said: a single one would tell how a person worked on a certain day."""


class InspectorAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that two inspectors each inspected whole, one after the other and with no repair ordered between: how
    often both came to the same disposition and found the same faults. Subject ids, the lesser first.
    """

    inspector: str
    other_inspector: str
    pairs: Tally
    same_disposition: Tally
    same_faults: Tally


def inspector_agreement(
    connection: Connection, visible: Visible, days: tuple[date, date], site: str | None
) -> list[InspectorAgreement]:
    """Of pairs whose second verdict is of these days, where each was one person's work and they were two."""
    (one, paired), other = pairs(days, site), ROUNDS.columns.c
    mine, theirs = one.inspectors, other.inspectors
    first = case((mine < theirs, mine), else_=theirs)
    second = case((mine < theirs, theirs), else_=mine)
    query: Select[Any] = (
        select(
            first.label("inspector"),
            second.label("other_inspector"),
            func.count().label("pairs"),
            times(one.reached == other.reached).label("same_disposition"),
            times(one.faults == other.faults).label("same_faults"),
        )
        .select_from(paired)
        .where(visible, and_(_one_person(mine), _one_person(theirs), mine != theirs))
        .group_by(first, second)
        .having(func.count() >= PAIRS_MIN)
        .order_by(first, second)
    )
    return [InspectorAgreement(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  SQLAlchemy's name


def _one_person(inspectors: ColumnElement[str]) -> ColumnElement[bool]:
    """Subject ids have no spaces."""
    return and_(inspectors != "", ~inspectors.contains(" "))
