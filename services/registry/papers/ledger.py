"""回收统计台账: the recovery rates of some months, with the plans they are measured by."""

from collections.abc import Iterable, Mapping
from datetime import date

from services.registry.documents.data import (
    Coded,
    Cohort,
    CohortPlan,
    RecoveryLedger,
    UnexpectedCount,
    Verification,
)
from services.registry.views.places import PlanRow
from services.registry.views.recovery import RecoveryRate

ALL_UNITS = Coded(code="", zh="全部管理单位", en="all managing units")


def recovery_ledger(
    asked: tuple[str, str, str | None],
    rates: Iterable[RecoveryRate],
    plans: Iterable[PlanRow],
    unexpected: Mapping[str, int],
    *,
    today: date,
    ledger_id: str,
    position: int,
) -> RecoveryLedger:
    """`asked` is the first month, the last, and the unit if it is about one. A cohort that was planned and of which
    nothing has been dismantled stands in the ledger too.
    """
    first, last, unit = asked
    cohorts = {(rate.unit, rate.cohort): _cohort(rate) for rate in rates}
    for plan in plans:
        cohorts.setdefault((plan.unit, plan.cohort), _planned(plan))
    whose = unit or "ALL"
    query = f"first={first}&last={last}" + (f"&unit={unit}" if unit else "")
    return RecoveryLedger(
        number=f"HS-{whose}-{first}-{last}",
        issued_on=today,
        scope=Coded(code=unit) if unit else ALL_UNITS,
        cohorts=tuple(cohorts[key] for key in sorted(cohorts)),
        unexpected=tuple(UnexpectedCount(unit=Coded(code=one), count=unexpected[one]) for one in sorted(unexpected)),
        verification=Verification(
            ledger_id=ledger_id,
            position=position,
            instruction=f"GET /v1/recovery?{query} 逐行核对 line by line",
            qr=f"urn:meterloop:recovery:{whose}:{first}:{last}:{position}",
        ),
    )


def _cohort(rate: RecoveryRate) -> Cohort:
    plan = None
    if rate.expected is not None and rate.target_ppm is not None and rate.cut_off is not None:
        plan = CohortPlan(expected=rate.expected, target_ppm=rate.target_ppm, cut_off=rate.cut_off)
    return Cohort(
        unit=Coded(code=rate.unit),
        month=_first_day(rate.cohort),
        dismantled=rate.dismantled,
        received=rate.received,
        late=rate.received_late,
        owed=rate.owed,
        missing=rate.missing,
        lost=rate.lost,
        apart=rate.unexpected,
        returned=rate.returned + rate.disposed,
        plan=plan,
    )


def _planned(row: PlanRow) -> Cohort:
    return Cohort(
        unit=Coded(code=row.unit),
        month=_first_day(row.cohort),
        dismantled=0,
        received=0,
        plan=CohortPlan(expected=row.expected, target_ppm=row.target_ppm, cut_off=row.cut_off),
    )


def _first_day(cohort: str) -> date:
    return date.fromisoformat(f"{cohort}-01")
