"""分拣 How a device's sorting stands: its inspection under way or its last, and its verdict."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.decider import members
from kernel.view import View
from ledger.port import Recorded
from services.sorting.inspection import opening, population, steps, verdict
from services.sorting.views.tables import Tables


class InspectionRow(msgspec.Struct, frozen=True):
    """`phase` is open, stopped, judged or abandoned; `next_step` the inspection that is due; `faults` their codes, one
    beside the other; `review` froze it. `version` is that of its stream.
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


class InspectionTable(Tables, table=True):
    """The rows of InspectionRow."""

    __tablename__ = "inspection_v1"

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


def evolve(row: InspectionRow | None, event: Any, recorded: Recorded, _key: tuple[str]) -> InspectionRow | None:
    if isinstance(event, opening.InspectionOpened):
        return _opened(row, event, recorded)
    if row is None:
        return None
    return msgspec.structs.replace(row, version=recorded.version, **_changed(row, event))


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
        rule=None,
        judged_on=None,
        waived=False,
        proposed=None,
        review=None,
        version=recorded.version,
    )


def _changed(row: InspectionRow, event: Any) -> dict[str, Any]:
    match event:
        case opening.IdentityChecked(outcome=outcome):
            return {"identity": outcome, "phase": "stopped" if outcome == "mismatch" else "open"}
        case opening.InspectionHandedOver(bench=bench):
            return {"bench": bench}
        case opening.InspectionAbandoned():
            return {"phase": "abandoned", "next_step": None}
        case steps.AppearanceInspected() | steps.FunctionInspected() | steps.AccuracyInspected():
            after = steps.ORDER.index(steps.STEP_OF[type(event)]) + 1
            found = dict.fromkeys((*row.faults.split(), *event.faults))
            following = steps.ORDER[after] if after < len(steps.ORDER) else None
            return {
                "next_step": following,
                "faults": " ".join(found),
                "waived": row.waived or event.report.ended == "waived",
            }
        case verdict.VerdictReached(disposition=disposition, rule=rule):
            return {"phase": "judged", "disposition": disposition, "rule": rule, "judged_on": event.day}
        case verdict.OverrideProposed(disposition=disposition):
            return {"proposed": disposition}
        case verdict.VerdictOverridden(disposition=disposition):
            return {"proposed": None, "disposition": disposition, "judged_on": event.day}
        case verdict.OverrideRejected():
            return {"proposed": None}
        case population.PopulationJoined(review=review):
            return {"review": review}
        case population.PopulationLeft():
            return {"review": None}
        case _:
            return {}


def _keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.asset_no,),)


INSPECTIONS: Final = View[Any](
    name="inspection",
    row=InspectionRow,
    table=InspectionTable,
    events=tuple(event for part in (opening, steps, verdict, population) for event in members(part.Event)),
    keys=_keys,
    evolve=evolve,
)
