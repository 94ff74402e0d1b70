"""回收统计台账: the recovery rates of some months, with the plans they are measured by."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from kernel.documents.data import Coded, Label, Signature, Verification
from services.registry.documents.data import Cohort, CohortPlan, RecoveryLedger, UnexpectedCount
from services.registry.views.places import PlanRow
from services.registry.views.recovery import RecoveryRate

ROLES: Final = (Label("制表", "tabulated"), Label("审核", "checked"), Label("批准", "approved"))
"""Who signs the ledger by hand. Nobody signs it in the log."""

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
    rates = tuple(rates)
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
        signatures=tuple(Signature(role=role, party="") for role in ROLES),
        rows_sha256=rows_sha256(rates),
        verification=Verification(
            ledger_id=ledger_id,
            position=position,
            instruction=f"GET /v1/recovery?{query}",
            qr=f"urn:meterloop:recovery:{whose}:{first}:{last}:{position}",
        ),
    )


def rows_sha256(rates: Sequence[RecoveryRate]) -> str:
    """SHA-256, in hex, of all `items` that GET /v1/recovery answers: one JSON array in UTF-8, the members of each in
    alphabetical order, without spaces. The rows are as of now alone, so it agrees until an event changes one of them.
    """
    return hashlib.sha256(msgspec.json.encode(rates, order="sorted")).hexdigest()


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
