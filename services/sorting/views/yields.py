"""What is counted of benches: queues, throughput by hour, yield, agreement, backlog. Queries over the rows of
station.py and waiting.py; each takes what the caller may see of them.
"""

from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, case, cast, func, literal, or_, select

from services.sorting.views.device import SITES
from services.sorting.views.station import HELD, ROUNDS
from services.sorting.views.waiting import WAITING

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
    """Verdicts of a bench in an hour of a day, Asia/Shanghai; of no hour where only the day is known."""

    bench: str
    judged_hour: int | None
    judged: Tally


class Yield(msgspec.Struct, frozen=True, kw_only=True):
    """Verdicts, grouped. `first_pass`: a device's first inspection, never stopped, came to another verdict than `hold`,
    which nobody overruled, no failed repair undid and no inspection repeated since. `maker` beside a batch: two makers
    may use the same name.
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
    """Pairs of verdicts on one device, one after the other: where and in which shift, and how often both gave the same
    disposition and showed the same faults.
    """

    bench: str
    shift: str | None
    other_bench: str
    other_shift: str | None
    pairs: Tally
    same_disposition: Tally
    same_faults: Tally


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Devices of a class at a sorting centre without a verdict, by how long they have been there."""

    site: str
    device_class: str
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
        .where(of.phase.in_(("open", "stopped")), visible, *_named({of.site: site, of.bench: bench}))
        .group_by(*groups)
        .order_by(*groups)
    )
    return [Queue(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  SQLAlchemy's documented name


def throughput(
    connection: Connection, visible: Visible, day: date, site: str | None, bench: str | None
) -> list[Throughput]:
    """By bench and hour of this business day."""
    of = ROUNDS.columns.c
    query = (
        select(of.bench, of.judged_hour, func.count().label("judged"))
        .where(of.judged_on == day, visible, *_named({of.site: site, of.bench: bench}))
        .group_by(of.bench, of.judged_hour)
        .order_by(of.bench, of.judged_hour)
    )
    return [Throughput(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def yields(
    connection: Connection, visible: Visible, by: GroupedBy, days: tuple[date, date], named: dict[str, str | None]
) -> list[Yield]:
    """Of the verdicts of these days, first and last included, grouped."""
    of = ROUNDS.columns.c
    group = of[by]
    maker = of.maker if by == "batch" else literal(None).label("maker")
    groups = (group, of.maker) if by == "batch" else (group,)
    clean = ~or_(of.was_stopped, of.overruled, of.failed_later, of.repeated)
    query = (
        select(
            group.label("group"),
            maker,
            func.count().label("judged"),
            _times(and_(of.round == 1, of.disposition != HELD, clean)).label("first_pass"),
            *(_times(of.disposition == one).label(one) for one in ("reuse", "claim", "scrap", "hold")),
            _times(of.faults != "").label("faulty"),
            *(_times(of[one]).label(one) for one in ("left_out", "overruled", "repeated")),
        )
        .where(of.judged_on.between(*days), visible, *_named({of[k]: v for k, v in named.items()}))
        .group_by(*groups)
        .order_by(func.count().desc(), *groups)
    )
    return [Yield(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def agreement(connection: Connection, visible: Visible, days: tuple[date, date], site: str | None) -> list[Agreement]:
    """Of pairs whose second verdict is of these days."""
    one, other = ROUNDS.columns.alias("one"), ROUNDS.columns
    between = ROUNDS.columns.alias("between")
    last = (
        select(func.max(between.c.round))
        .where(
            between.c.asset_no == other.c.asset_no, between.c.round < other.c.round, between.c.judged_on.is_not(None)
        )
        .scalar_subquery()
    )
    groups = (
        one.c.bench,
        one.c.shift,
        other.c.bench.label("other_bench"),
        other.c.shift.label("other_shift"),
    )
    query: Select[Any] = (
        select(
            *groups,
            func.count().label("pairs"),
            _times(one.c.disposition == other.c.disposition).label("same_disposition"),
            _times(one.c.faults == other.c.faults).label("same_faults"),
        )
        .select_from(other.join(one, and_(one.c.asset_no == other.c.asset_no, one.c.round == last)))
        .where(other.c.judged_on.between(*days), visible, *_named({other.c.site: site}))
        .group_by(one.c.bench, one.c.shift, other.c.bench, other.c.shift)
        .order_by(one.c.bench, one.c.shift, other.c.bench, other.c.shift)
    )
    return [Agreement(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def backlog(connection: Connection, visible: Visible, on: date, site: str | None) -> list[Backlog]:
    """Of the centres, by class; ages as of this day."""
    of, place = WAITING.columns.c, SITES.columns.c
    query = (
        select(
            of.site,
            of.device_class,
            func.count().label("devices"),
            _times(of.since < on - timedelta(days=WEEK_DAYS)).label("over_week"),
            _times(of.since < on - timedelta(days=MONTH_DAYS)).label("over_month"),
            func.min(of.since).label("oldest_on"),
        )
        .join(SITES.columns, and_(place.site == of.site, place.kind == CENTRE))
        .where(~of.judged, visible, *_named({of.site: site}))
        .group_by(of.site, of.device_class)
        .order_by(of.site, of.device_class)
    )
    return [Backlog(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  as above


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(case((condition, 1), else_=0)), 0), Integer)


def _named(columns: dict[Any, str | None]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in columns.items() if value is not None]
