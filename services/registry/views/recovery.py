"""回收统计台账: what became of every dismantling, and the rate of a month's cohort.

The cohort of a unit and month is what was dismantled under its work orders in that month. A device counts as recovered
when it has been received at the provincial centre by the cut-off; unexpected receipts without a dismantling are in no
cohort, so a rate is never over 100 %.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Connection, Function, Subquery, and_, case, func, or_, select, tuple_
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.registry.meter import binding, custody, dismantling, end, identity, missing, release, unexpected
from services.registry.views.card import CARD
from services.registry.views.places import PLANS, SITES, PlanRow
from services.registry.views.tables import Tables
from services.registry.vocabulary import counts_on

_LOST: Final = ("lost", "written_off")
_NOT_OWED: Final = (*_LOST, "returned", "disposed")

RecoveryKey: TypeAlias = tuple[str, int]
ReceiptKey: TypeAlias = tuple[str, int, str]


class Recovery(msgspec.Struct, frozen=True):
    """One dismantling of one device. `phase` is where the device went from there: owed, missing, lost, written_off,
    unexpected (it came in unannounced and is held apart), returned (to its customer, or into service again) or disposed
    (sold, destroyed in a test, or left with its maker). `site` is where the dismantling took it, and `came_on` the day
    on which it counts there, None where it had come in before; what came later stands in Receipt.
    """

    asset_no: str
    dismantled_version: int
    unit: str
    cohort: str
    dismantled_on: date
    work_order: str
    reason: str
    county: str | None
    phase: str
    site: str | None
    came_on: date | None


class RecoveryTable(Tables, table=True):
    """The rows of Recovery."""

    __tablename__ = "recovery_v4"

    asset_no: str = Field(primary_key=True)
    dismantled_version: int = Field(primary_key=True)
    unit: str = Field(index=True)
    cohort: str = Field(index=True)
    dismantled_on: date
    work_order: str
    reason: str = Field(index=True)
    county: str | None
    phase: str
    site: str | None
    came_on: date | None


class Receipt(msgspec.Struct, frozen=True):
    """The day on which it first counts that a dismantled device came into the stock of a site, however it came."""

    asset_no: str
    dismantled_version: int
    site: str
    received_on: date


class ReceiptTable(Tables, table=True):
    """The rows of Receipt."""

    __tablename__ = "receipt_v3"

    asset_no: str = Field(primary_key=True)
    dismantled_version: int = Field(primary_key=True)
    site: str = Field(primary_key=True)
    received_on: date


class RecoveryRate(msgspec.Struct, frozen=True, kw_only=True):
    """The cohort of a unit and month. rate = received / dismantled, a fraction of two whole numbers. What became of
    those dismantled: received by the cut-off or late (on the very day, where it was dismantled straight into a centre),
    or else, not having come to a centre, missing, lost, unexpected (held apart), returned to customers, disposed of, or
    still owed. What never came to a centre is never received: a device given back, sold or destroyed from its unit's
    own store lowers the rate for good, and is owed no more.
    """

    unit: str
    cohort: str
    dismantled: int
    received: int
    received_late: int
    missing: int
    lost: int
    unexpected: int
    owed: int
    returned: int
    disposed: int
    expected: int | None = None
    target_ppm: int | None = None
    cut_off: date | None = None


GROUP_DEVICES_MIN: Final = 5
"""A burnt meter is a household's damage. Of fewer than five in a county and year a neighbour would know whose."""

DevicesTold: TypeAlias = Annotated[
    int, msgspec.Meta(ge=0, multiple_of=GROUP_DEVICES_MIN, description=f"in steps of {GROUP_DEVICES_MIN}, never above")
]
"""A number of devices as everybody is told it. An exact one would tell, by the difference of two answers, of a single
device that was added in between.
"""

OTHER_COUNTIES: Final = "other"


class BurntCount(msgspec.Struct, frozen=True, kw_only=True):
    """Devices dismantled as burnt, by year and county, in steps of five. Counties with few are together as `other`."""

    year: int
    county: str
    devices: DevicesTold


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """A device dismantled under a work order that no centre has received."""

    asset_no: str
    unit: str
    work_order: str
    dismantled_on: date
    phase: str


def recovery_keys(event: Any, recorded: Recorded) -> Iterable[RecoveryKey]:
    if isinstance(event, dismantling.Dismantled):
        return ((event.asset_no, recorded.version),)
    corrects = isinstance(event, identity.RecordCorrected)
    version = event.corrects_version if corrects else event.dismantled_version
    return () if version is None else ((event.asset_no, version),)


def evolve_recovery(row: Recovery | None, event: Any, _recorded: Recorded, key: RecoveryKey) -> Recovery | None:
    if isinstance(event, dismantling.Dismantled):
        day, phase = event.day, "unexpected" if event.unexpected else "owed"
        return Recovery(
            *key,
            unit=event.unit,
            cohort=f"{day:%Y-%m}",
            dismantled_on=day,
            work_order=event.work_order,
            reason=event.reason,
            county=event.county,
            phase=phase,
            site=event.moved.to_site,
            came_on=counts_on(event) if event.moved.to_site else None,
        )
    if row is None or isinstance(event, binding.IdentityBound):
        # What a temporary identity was dismantled as is in the cohort under its number.
        return None
    if isinstance(event, identity.RecordCorrected):
        if event.did_not_happen:
            return None
        names = ("unit", "county", "reason", "work_order", "dismantled_on")
        changes = {name: value for name in names if (value := getattr(event, name)) is not None}
        if event.restated is not None:
            changes["came_on"] = event.restated.on
        row = msgspec.structs.replace(row, **changes)
        return msgspec.structs.replace(row, cohort=f"{row.dismantled_on:%Y-%m}")
    if isinstance(event, binding.IdentityAdopted):
        return msgspec.structs.replace(row, phase="unexpected" if event.unexpected else "owed")
    return msgspec.structs.replace(row, phase=_PHASES[type(event)])


def receipt_keys(event: Any, recorded: Recorded) -> Iterable[ReceiptKey]:
    if isinstance(event, dismantling.Dismantled):
        return tuple((event.asset_no, recorded.version, one.site) for one in event.arrivals)
    version = event.dismantled_version
    if isinstance(event, binding.IdentityAdopted) and event.unexpected:
        return ()
    if isinstance(event, binding.IdentityAdopted) and event.arrivals and version is not None:
        return tuple((event.asset_no, version, one.site) for one in event.arrivals)
    site = event.site if isinstance(event, _AT_SITE) else event.moved.to_site
    return () if version is None or site is None else ((event.asset_no, version, site),)


def evolve_receipt(row: Receipt | None, event: Any, _recorded: Recorded, key: ReceiptKey) -> Receipt:
    day = counts_on(event)
    if isinstance(event, binding.IdentityAdopted | dismantling.Dismantled):
        day = next((one.on for one in event.arrivals if one.site == key[2]), day)
    return row if row is not None and row.received_on <= day else Receipt(*key, day)


_PHASES: Final[dict[type[msgspec.Struct], str]] = {
    custody.Received: "owed",
    missing.Found: "owed",
    unexpected.UnexpectedAccepted: "owed",
    unexpected.Unexpected: "unexpected",
    missing.Missing: "missing",
    missing.LossConfirmed: "lost",
    missing.WrittenOff: "written_off",
    release.SampleReturned: "owed",
    release.ReceivedFromMaker: "owed",
    release.Reinstalled: "returned",
    release.ReturnedToCustomer: "returned",
    end.HandedToRecycler: "disposed",
    end.DestroyedInTest: "disposed",
    end.KeptByMaker: "disposed",
}
_AT_SITE: Final = (unexpected.UnexpectedAccepted, binding.IdentityAdopted)
RECOVERIES: Final = View(
    name="recovery",
    row=Recovery,
    table=RecoveryTable,
    events=(
        dismantling.Dismantled,
        identity.RecordCorrected,
        binding.IdentityAdopted,
        binding.IdentityBound,
        *_PHASES,
    ),
    keys=recovery_keys,
    evolve=evolve_recovery,
)
RECEIPTS: Final = View(
    name="receipt",
    row=Receipt,
    table=ReceiptTable,
    events=(
        dismantling.Dismantled,
        custody.Received,
        missing.Found,
        release.SampleReturned,
        release.ReceivedFromMaker,
        *_AT_SITE,
    ),
    keys=receipt_keys,
    evolve=evolve_receipt,
)


def recovery_rates(
    connection: Connection,
    first: str,
    last: str,
    unit: str | None = None,
    *,
    after: tuple[str, str] | None = None,
    limit: int | None = None,
) -> list[RecoveryRate]:
    """The cohorts of these months (`YYYY-MM`, both included), by month and unit, those after `after`. Without a plan
    there is no cut-off and every receipt counts.
    """
    of, plan, came, straight = RECOVERIES.columns.c, PLANS.columns.c, _centre_receipts(), _centres()
    received_on = _received_on(came, straight)
    here = received_on.is_not(None)
    in_time = and_(here, or_(plan.cut_off.is_(None), received_on <= plan.cut_off))
    counted = [
        func.count().label("dismantled"),
        _number(in_time).label("received"),
        _number(and_(here, ~in_time)).label("received_late"),
        _number(and_(~here, of.phase == "missing")).label("missing"),
        _number(and_(~here, of.phase.in_(_LOST))).label("lost"),
        _number(and_(~here, of.phase == "unexpected")).label("unexpected"),
        _number(and_(~here, of.phase == "owed")).label("owed"),
        _number(and_(~here, of.phase == "returned")).label("returned"),
        _number(and_(~here, of.phase == "disposed")).label("disposed"),
    ]
    query = (
        select(of.unit, of.cohort, *counted, plan.expected, plan.target_ppm, plan.cut_off)
        .join(came, _same_dismantling(came), isouter=True)
        .join(straight, straight.c.site == of.site, isouter=True)
        .join(PLANS.columns, and_(plan.unit == of.unit, plan.cohort == of.cohort), isouter=True)
        .where(of.cohort.between(first, last))
        .group_by(of.unit, of.cohort, plan.expected, plan.target_ppm, plan.cut_off)
        .order_by(of.cohort, of.unit)
    )
    if unit is not None:
        query = query.where(of.unit == unit)
    if after is not None:
        query = query.where(tuple_(of.cohort, of.unit) > after)
    if limit is not None:
        query = query.limit(limit)
    return [RecoveryRate(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  its public name


def planned(connection: Connection, first: str, last: str, unit: str | None = None) -> list[PlanRow]:
    """The plans for the cohorts of these months, by month and unit."""
    table = PLANS.columns
    query = select(table).where(table.c.cohort.between(first, last)).order_by(table.c.cohort, table.c.unit)
    if unit is not None:
        query = query.where(table.c.unit == unit)
    return [PlanRow(*row) for row in connection.execute(query)]


def unexpected_by_unit(connection: Connection, unit: str | None = None) -> dict[str, int]:
    """How many devices of each unit are held apart that no work order ever dismantled: they are in no cohort."""
    of = CARD.columns.c
    query = select(of.unit, func.count()).where(of.unexpected, of.dismantled_version.is_(None)).group_by(of.unit)
    if unit is not None:
        query = query.where(of.unit == unit)
    return {one: devices for one, devices in connection.execute(query)}  # noqa: C416  a row is no tuple to dict()


def still_owed(connection: Connection, unit: str, limit: int, after: tuple[date, str] | None = None) -> list[Owed]:
    """What a unit has dismantled and no centre has received, the oldest first, after the given day and number. What is
    confirmed as lost, back with a customer or disposed of cannot be brought any more and is not in the list.
    """
    of, came, straight = RECOVERIES.columns.c, _centre_receipts(), _centres()
    query = (
        select(of.asset_no, of.unit, of.work_order, of.dismantled_on, of.phase)
        .join(came, _same_dismantling(came), isouter=True)
        .join(straight, straight.c.site == of.site, isouter=True)
        .where(of.unit == unit, _received_on(came, straight).is_(None), of.phase.not_in(_NOT_OWED))
        .order_by(of.dismantled_on, of.asset_no)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(of.dismantled_on, of.asset_no) > after)
    return [Owed(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  its public name


def burnt(connection: Connection) -> list[tuple[int, str, int]]:
    """烧损拆回 as year, county and devices: the county of the work order, else the device's own, else `unknown`.

    Groups are of any size: they are told `grouped`.
    """
    of, card = RECOVERIES.columns.c, CARD.columns.c
    # Grouped by what a subquery names: PostgreSQL does not know an expression again by which it is to group.
    each = select(
        func.substr(of.cohort, 1, 4).label("year"), func.coalesce(of.county, card.county, "unknown").label("county")
    )
    each = each.join(CARD.columns, card.asset_no == of.asset_no).where(of.reason == "burnt")
    one = each.subquery().c
    rows = connection.execute(
        select(one.year, one.county, func.count()).group_by(one.year, one.county).order_by(one.year, one.county)
    )
    return [(int(which), where, devices) for which, where, devices in rows]


def grouped(counts: Iterable[tuple[int, str, int]]) -> list[BurntCount]:
    """The same with no group below GROUP_DEVICES_MIN: what is too small is told as `other`, and with it the next
    smallest county where `other` alone would be too small. A year with too few devices in all is left out. Numbers are
    cut to whole steps, each by itself, so that no sum of some tells more of the others.
    """
    years: dict[int, list[tuple[int, str]]] = {}
    for year, county, devices in counts:
        years.setdefault(year, []).append((devices, county))
    rows: list[BurntCount] = []
    for year, counties in sorted(years.items()):
        told = sorted(counties)
        hidden = 0
        while told and (told[0][0] < GROUP_DEVICES_MIN or 0 < hidden < GROUP_DEVICES_MIN):
            hidden += told.pop(0)[0]
        groups = [(county, devices) for devices, county in told]
        groups = sorted(groups) + ([(OTHER_COUNTIES, hidden)] if hidden >= GROUP_DEVICES_MIN else [])
        rows += [BurntCount(year=year, county=county, devices=_in_steps(devices)) for county, devices in groups]
    return rows


def _in_steps(devices: int) -> int:
    return devices - devices % GROUP_DEVICES_MIN


def _centre_receipts() -> Subquery:
    """The day on which each dismantling's device first came to a centre."""
    of, sites = RECEIPTS.columns.c, SITES.columns.c
    return (
        select(of.asset_no, of.dismantled_version, func.min(of.received_on).label("received_on"))
        .join(SITES.columns, and_(sites.site == of.site, sites.kind == "centre"))
        .group_by(of.asset_no, of.dismantled_version)
        .subquery()
    )


def _centres() -> Subquery:
    sites = SITES.columns.c
    return select(sites.site).where(sites.kind == "centre").subquery()


def _received_on(came: Subquery, straight: Subquery) -> ColumnElement[Any]:
    """When a centre had it first: a device that was dismantled straight into one came that day."""
    return case((straight.c.site.is_not(None), RECOVERIES.columns.c.came_on), else_=came.c.received_on)


def _same_dismantling(came: Subquery) -> ColumnElement[bool]:
    of = RECOVERIES.columns.c
    return and_(came.c.asset_no == of.asset_no, came.c.dismantled_version == of.dismantled_version)


def _number(condition: ColumnElement[bool]) -> Function[int]:
    return func.sum(case((condition, 1), else_=0))
