"""What is counted of benches: queues, throughput by hour, yield, agreement, backlog. Queries over the rows of
station.py and waiting.py; each takes what the caller may see of them. A day is that of the shifts that began on it.
"""

from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)

from services.sorting.views.device import SITES
from services.sorting.views.station import HELD, ROUNDS
from services.sorting.views.waiting import PERSON, WAITING

GroupedBy: TypeAlias = Literal["bench", "site", "shift", "device_class", "maker", "batch"]
Visible: TypeAlias = ColumnElement[bool]
"""Of the rows that are counted, those that the caller may see."""

Tally: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
WEEK_DAYS: Final = 7
MONTH_DAYS: Final = 30
CENTRE: Final = "centre"


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Inspections under way at a bench that wait for the same step; None where they wait for the verdict."""

    bench: str
    site: str
    phase: str
    next_step: str | None
    devices: Tally
    oldest_on: date


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Verdicts of a bench in an hour, Asia/Shanghai, of the shifts of a day; of no hour where only the day is known."""

    bench: str
    judged_hour: int | None
    judged: Tally


class Yield(msgspec.Struct, frozen=True, kw_only=True):
    """First verdicts on devices, grouped: where there was none before, given-up inspections aside. `first_pass`: it was
    another than `hold`, its inspection was never stopped for an identity, nobody overruled it, no failed repair undid
    it and no inspection was opened since but to compare benches. `repeated`: one was. `maker` beside a batch: two
    makers may use the same name.
    """

    group: str | None
    maker: str | None
    judged: Tally
    first_pass: Tally
    reuse: Tally
    claim: Tally
    scrap: Tally
    hold: Tally
    faulty: Tally
    left_out: Tally
    overruled: Tally
    repeated: Tally


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of verdicts on one device, one after the other and with no repair ordered between: where and in which
    shift, and how often both came to the same disposition and showed the same faults.
    """

    bench: str
    shift: str | None
    other_bench: str
    other_shift: str | None
    pairs: Tally
    same_disposition: Tally
    same_faults: Tally


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Devices of a class at a sorting centre that wait for a verdict, or for a person where that was `hold`, by how
    long: since they came, since the verdict of hold, or since their verdict was taken back to inspect them again.
    """

    site: str
    device_class: str
    waits_for: str
    devices: Tally
    over_week: Tally
    over_month: Tally
    oldest_on: date


def queues(connection: Connection, visible: Visible, site: str | None, bench: str | None) -> list[Queue]:
    """By bench and step."""
    of = ROUNDS.columns.c
    groups = (of.bench, of.site, of.phase, of.next_step)
    query = (
        select(*groups, func.count().label("devices"), func.min(of.opened_on).label("oldest_on"))
        .where(of.phase.in_(("open", "stopped")), visible, *named({of.site: site, of.bench: bench}))
        .group_by(*groups)
        .order_by(*groups)
    )
    return [Queue(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  SQLAlchemy's documented name


def throughput(
    connection: Connection, visible: Visible, day: date, site: str | None, bench: str | None
) -> list[Throughput]:
    """By bench and hour of the shifts of this day."""
    of = ROUNDS.columns.c
    query = (
        select(of.bench, of.judged_hour, func.count().label("judged"))
        .where(of.shift_on == day, visible, *named({of.site: site, of.bench: bench}))
        .group_by(of.bench, of.judged_hour)
        .order_by(of.bench, of.judged_hour)
    )
    return [Throughput(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def yields(
    connection: Connection, visible: Visible, by: GroupedBy, days: tuple[date, date], asked: dict[str, str | None]
) -> list[Yield]:
    """Of the first verdicts of these days, first and last included, grouped."""
    of, before = ROUNDS.columns.c, ROUNDS.columns.alias("before").c
    judged_before = exists().where(_earlier(before, of))
    group = of[by]
    maker = of.maker if by == "batch" else literal(None).label("maker")
    groups = (group, of.maker) if by == "batch" else (group,)
    clean = ~or_(of.was_stopped, of.overruled, of.failed_later) & of.redone_in.is_(None)
    query = (
        select(
            group.label("group"),
            maker,
            func.count().label("judged"),
            times(and_(of.reached != HELD, clean)).label("first_pass"),
            *(times(of.disposition == one).label(one) for one in ("reuse", "claim", "scrap", "hold")),
            times(of.faults != "").label("faulty"),
            *(times(of[one]).label(one) for one in ("left_out", "overruled")),
            times(of.redone_in.is_not(None)).label("repeated"),
        )
        .where(of.shift_on.between(*days), ~judged_before, visible)
        .where(*named({of[k]: v for k, v in asked.items()}))
        .group_by(*groups)
        .order_by(func.count().desc(), *groups)
    )
    return [Yield(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def agreement(connection: Connection, visible: Visible, days: tuple[date, date], site: str | None) -> list[Agreement]:
    """Of pairs whose second verdict is of these days."""
    (one, paired), other = pairs(days, site), ROUNDS.columns.c
    groups = (one.bench, one.shift, other.bench.label("other_bench"), other.shift.label("other_shift"))
    query: Select[Any] = (
        select(
            *groups,
            func.count().label("pairs"),
            times(one.reached == other.reached).label("same_disposition"),
            times(one.faults == other.faults).label("same_faults"),
        )
        .select_from(paired)
        .where(visible)
        .group_by(one.bench, one.shift, other.bench, other.shift)
        .order_by(one.bench, one.shift, other.bench, other.shift)
    )
    return [Agreement(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def pairs(days: tuple[date, date], site: str | None) -> tuple[Any, FromClause]:
    """Two verdicts on one device, of which the second is of these days: the columns of the first, and both joined. No
    verdict was between them and no repair was ordered: what was repaired is no longer what was measured, nor is what
    was in service since.
    """
    one, other, between = ROUNDS.columns.alias("one"), ROUNDS.columns, ROUNDS.columns.alias("between").c
    last = select(func.max(between.round)).where(_earlier(between, other.c)).scalar_subquery()
    same = and_(one.c.asset_no == other.c.asset_no, one.c.round == last, ~one.c.repaired)
    asked = and_(other.c.shift_on.between(*days), *named({other.c.site: site}))
    return one.c, other.join(one, and_(same, asked))


def backlog(connection: Connection, visible: Visible, on: date, site: str | None) -> list[Backlog]:
    """Of the centres, by class and by what is waited for; ages as of this day."""
    of, place = WAITING.columns.c, SITES.columns.c
    groups = (of.site, of.device_class, of.waits_for)
    since = case((of.waits_for == PERSON, of.held_on), else_=func.coalesce(of.reopened_on, of.since))
    query = (
        select(
            *groups,
            func.count().label("devices"),
            times(since < on - timedelta(days=WEEK_DAYS)).label("over_week"),
            times(since < on - timedelta(days=MONTH_DAYS)).label("over_month"),
            func.min(since).label("oldest_on"),
        )
        .join(SITES.columns, and_(place.site == of.site, place.kind == CENTRE))
        .where(of.waits_for.is_not(None), visible, *named({of.site: site}))
        .group_by(*groups)
        .order_by(*groups)
    )
    return [Backlog(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def _earlier(before: Any, of: Any) -> ColumnElement[bool]:
    """A verdict on the same device, reached before and since when it was not in service."""
    since = or_(before.closed_in.is_(None), before.closed_in >= of.round)
    return and_(before.asset_no == of.asset_no, before.round < of.round, before.shift_on.is_not(None), since)


def times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How often it holds in a group."""
    return cast(func.coalesce(func.sum(case((condition, 1), else_=0)), 0), Integer)


def named(columns: dict[Any, str | None]) -> list[ColumnElement[bool]]:
    """The columns that are asked for by a value."""
    return [column == value for column, value in columns.items() if value is not None]
