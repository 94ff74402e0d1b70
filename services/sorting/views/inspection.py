"""分拣 How a device's sorting stands: its inspection under way or its last, and its verdict."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlalchemy import Index
from sqlmodel import Field

from kernel.decider import members
from kernel.view import View
from ledger.port import Recorded
from services.sorting.inspection import departure, opening, override, population, repair_order, steps, verdict
from services.sorting.views.tables import Tables


class InspectionRow(msgspec.Struct, frozen=True):
    """`phase` is open, stopped, judged, resort (judged before, and sorted again), abandoned, superseded or closed;
    `round`, `bench`, scheme and `identity` are of the inspection opened last, `next_step` the one of its three that
    is due. `disposition`, `rule`, `judged_on` and `waived` are those of the verdict that stands, reached in
    `judged_round` and recorded at `judged_at_us`, microseconds since 1970-01-01 UTC. `faults` are codes, one beside
    the other: those found so far in an inspection under way, else `judged_faults`, those of the verdict. `review`
    froze it; `repair` is under way, `certificate` what the last one led to. `version` is that of its stream.
    """

    asset_no: str
    round: int
    phase: str
    bench: str
    site: str
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    scheme_group: str
    scheme_version: int
    opened_on: date
    next_step: str | None
    identity: str | None
    faults: str
    disposition: str | None
    rule: str | None
    judged_on: date | None
    waived: bool
    proposed: str | None
    review: str | None
    version: int
    judged_round: int | None = None
    judged_faults: str = ""
    repair: str | None = None
    certificate: str | None = None
    judged_at_us: int | None = None


class InspectionTable(Tables, table=True):
    """The rows of InspectionRow."""

    __tablename__ = "inspection_v3"
    # By these a review finds who is to join it, asked every second of all that were ever judged.
    __table_args__ = (Index("ix_inspection_v3_review_judged_on", "review", "judged_on"),)

    asset_no: str = Field(primary_key=True)
    round: int
    phase: str = Field(index=True)
    bench: str = Field(index=True)
    site: str
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    scheme_group: str
    scheme_version: int
    opened_on: date
    next_step: str | None
    identity: str | None
    faults: str
    disposition: str | None
    rule: str | None
    judged_on: date | None
    waived: bool
    proposed: str | None
    review: str | None
    version: int
    judged_round: int | None
    judged_faults: str
    repair: str | None
    certificate: str | None
    judged_at_us: int | None


def evolve(row: InspectionRow | None, event: Any, recorded: Recorded, _key: tuple[str]) -> InspectionRow | None:
    if isinstance(event, opening.InspectionOpened):
        return _opened(row, event, recorded)
    if row is None:
        return None
    changed = _changed(row, event)
    if isinstance(event, verdict.VerdictReached | override.VerdictOverridden):
        changed["judged_at_us"] = recorded.recorded_at_us
    return msgspec.structs.replace(row, version=recorded.version, **changed)


def _opened(row: InspectionRow | None, event: opening.InspectionOpened, recorded: Recorded) -> InspectionRow:
    device = event.device
    return InspectionRow(
        asset_no=event.asset_no,
        round=event.round,
        phase="open",
        bench=event.bench,
        site=event.site,
        device_class=device.device_class,
        unit=device.unit,
        maker=device.maker,
        batch=device.batch,
        scheme_group=event.scheme.group,
        scheme_version=event.scheme.version,
        opened_on=event.day,
        next_step=steps.ORDER[0],
        identity=None,
        faults="",
        disposition=row.disposition if row else None,
        rule=row.rule if row else None,
        judged_on=row.judged_on if row else None,
        waived=row.waived if row else False,
        proposed=None,
        review=None,
        version=recorded.version,
        judged_round=row.judged_round if row else None,
        judged_faults=row.judged_faults if row else "",
        judged_at_us=row.judged_at_us if row else None,
    )


def _changed(row: InspectionRow, event: Any) -> dict[str, Any]:
    match event:
        case opening.IdentityChecked(outcome=outcome):
            return {"identity": outcome, "phase": "stopped" if outcome == "mismatch" else "open"}
        case opening.InspectionHandedOver(bench=bench):
            return {"bench": bench}
        case opening.InspectionAbandoned(stands=stands):
            phase = "abandoned" if stands is None else "judged"
            return {"phase": phase, "next_step": None, "faults": row.judged_faults}
        case steps.AppearanceInspected() | steps.FunctionInspected() | steps.AccuracyInspected():
            after = steps.ORDER.index(steps.STEP_OF[type(event)]) + 1
            found = dict.fromkeys((*row.faults.split(), *event.faults))
            following = steps.ORDER[after] if after < len(steps.ORDER) else None
            return {"next_step": following, "faults": " ".join(found)}
        case verdict.VerdictReached():
            return {
                "phase": "judged",
                "disposition": event.disposition,
                "rule": event.rule,
                "judged_on": event.day,
                "judged_round": event.round,
                "judged_faults": row.faults,
                "waived": event.waived,
                "proposed": None,
                "repair": None,
                "certificate": None,
            }
        case override.OverrideProposed(disposition=disposition):
            return {"proposed": disposition}
        case override.VerdictOverridden(disposition=disposition):
            return {"proposed": None, "disposition": disposition, "judged_on": event.day, "certificate": None}
        case override.OverrideRejected():
            return {"proposed": None}
        case population.PopulationJoined(review=review):
            return {"review": review}
        case population.PopulationLeft(resort=resort):
            return {"review": None} | (_without_verdict(row) if resort else {})
        case repair_order.RepairOrdered(repair=repair):
            return {"repair": repair}
        case repair_order.RepairClosed(certificate=certificate):
            return {"repair": None, "certificate": certificate if row.phase == "judged" else None}
        case departure.InspectionClosed():
            return {"phase": "closed", "proposed": None, "certificate": None}
        case departure.InspectionSuperseded():
            return {"phase": "superseded", "next_step": None}
        case _:
            return {}


def _without_verdict(row: InspectionRow) -> dict[str, Any]:
    return {
        "phase": "resort" if row.phase == "judged" else row.phase,
        "disposition": None,
        "rule": None,
        "judged_on": None,
        "judged_round": None,
        "judged_faults": "",
        "waived": False,
        "proposed": None,
        "certificate": None,
    }


def _keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.asset_no,),)


_PARTS: Final = (opening, steps, verdict, override, population, repair_order, departure)
INSPECTIONS: Final = View[Any](
    name="inspection",
    row=InspectionRow,
    table=InspectionTable,
    events=tuple(event for part in _PARTS for event in members(part.Event)),
    keys=_keys,
    evolve=evolve,
)
