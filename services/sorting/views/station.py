"""检测台 What benches did: a row for each inspection, from which queues, throughput, yield and agreement are
counted.

No event names who inspected: that is the actor beside it, which no view keeps. Inspectors are told apart by bench and
shift only.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.quantity import BUSINESS_ZONE
from kernel.view import View
from ledger.port import Recorded
from services.sorting.inspection import departure, opening, override, steps, verdict
from services.sorting.views.tables import Tables

SHIFTS: Final = ((6, "early"), (14, "late"), (22, "night"))
"""The hours at which shifts begin, in Asia/Shanghai; the night's hours after midnight are of the day it began on."""

HELD: Final = "hold"


class RoundRow(msgspec.Struct, frozen=True):
    """One inspection. `bench` had it last. `judged_on`, `judged_hour`, `shift` and `shift_on` are of its verdict, the
    latter three None where only the day is known. `was_stopped`: its identity once did not match; `left_out`: a step
    was not possible or waived; `overruled` by two persons; `failed_later`: the repair that followed failed;
    `repeated`: inspected again since.
    """

    asset_no: str
    round: int
    bench: str
    site: str
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    opened_on: date
    phase: str = "open"
    next_step: str | None = steps.ORDER[0]
    disposition: str | None = None
    faults: str = ""
    judged_on: date | None = None
    judged_hour: int | None = None
    shift: str | None = None
    shift_on: date | None = None
    was_stopped: bool = False
    left_out: bool = False
    overruled: bool = False
    failed_later: bool = False
    repeated: bool = False


class RoundTable(Tables, table=True):
    """The rows of RoundRow."""

    __tablename__ = "round_v1"

    asset_no: str = Field(primary_key=True)
    round: int = Field(primary_key=True)
    bench: str
    site: str
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    opened_on: date
    phase: str = Field(index=True)
    next_step: str | None
    disposition: str | None
    faults: str
    judged_on: date | None = Field(index=True)
    judged_hour: int | None
    shift: str | None
    shift_on: date | None
    was_stopped: bool
    left_out: bool
    overruled: bool
    failed_later: bool
    repeated: bool


def shift_of(hour: int) -> str:
    """The shift that works at this hour."""
    return next((name for begins, name in reversed(SHIFTS) if hour >= begins), SHIFTS[-1][1])


def keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str, int]]:
    """Its own inspection, and the one before it, which it repeats or no longer does."""
    yield (event.asset_no, event.round)
    if isinstance(event, opening.InspectionOpened | opening.InspectionAbandoned) and event.round > 1:
        for before in range(1, event.round):
            yield (event.asset_no, before)


def evolve(row: RoundRow | None, event: Any, _recorded: Recorded, key: tuple[str, int]) -> RoundRow | None:
    if key[1] < event.round:
        return _before(row, event)
    if isinstance(event, opening.InspectionOpened):
        device = event.device
        return RoundRow(
            event.asset_no,
            event.round,
            event.bench,
            event.site,
            device.device_class,
            device.unit,
            device.maker,
            device.batch,
            event.day,
        )
    return None if row is None else msgspec.structs.replace(row, **_changed(row, event))


def _before(row: RoundRow | None, event: Any) -> RoundRow | None:
    """A verdict is repeated by the next inspection, unless that is abandoned."""
    if row is None or row.phase != "judged":
        return row
    if isinstance(event, opening.InspectionOpened):
        return msgspec.structs.replace(row, repeated=True)
    return msgspec.structs.replace(row, repeated=False) if event.stands == row.round else row


def _changed(row: RoundRow, event: Any) -> dict[str, Any]:
    match event:
        case opening.IdentityChecked(outcome="mismatch"):
            return {"phase": "stopped", "was_stopped": True}
        case opening.IdentityChecked():
            return {"phase": "open"}
        case opening.InspectionHandedOver(bench=bench):
            return {"bench": bench}
        case opening.InspectionAbandoned():
            return {"phase": "abandoned", "next_step": None}
        case steps.AppearanceInspected() | steps.FunctionInspected() | steps.AccuracyInspected():
            after = steps.ORDER.index(steps.STEP_OF[type(event)]) + 1
            return {
                "next_step": steps.ORDER[after] if after < len(steps.ORDER) else None,
                "faults": " ".join(dict.fromkeys((*row.faults.split(), *event.faults))),
                "left_out": row.left_out or event.report.ended in ("not_possible", "waived"),
            }
        case verdict.VerdictReached(again=None):
            return {"phase": "judged", "disposition": event.disposition, "judged_on": event.day, **_shift(event)}
        case verdict.VerdictReached():
            return {"disposition": event.disposition, "failed_later": True}
        case override.VerdictOverridden(disposition=disposition):
            return {"disposition": disposition, "overruled": True}
        case departure.InspectionSuperseded() if row.phase != "judged":
            return {"phase": "superseded", "next_step": None}
        case _:
            return {}


def _shift(event: verdict.VerdictReached) -> dict[str, Any]:
    if event.occurred_at is None:
        return {}
    here = event.occurred_at.astimezone(BUSINESS_ZONE)
    began = here.date() - timedelta(days=here.hour < SHIFTS[0][0])
    return {"judged_hour": here.hour, "shift": shift_of(here.hour), "shift_on": began}


ROUNDS: Final = View[Any](
    name="round",
    row=RoundRow,
    table=RoundTable,
    events=(
        opening.InspectionOpened,
        opening.IdentityChecked,
        opening.InspectionHandedOver,
        opening.InspectionAbandoned,
        steps.AppearanceInspected,
        steps.FunctionInspected,
        steps.AccuracyInspected,
        verdict.VerdictReached,
        override.VerdictOverridden,
        departure.InspectionSuperseded,
    ),
    keys=keys,
    evolve=evolve,
)
