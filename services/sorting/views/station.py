"""检测台 What benches did: a row for each inspection, from which queues, throughput, yield and agreement are
counted.

No event names who inspected: that is the actor beside it, an opaque subject id. It is kept here for one count alone,
how far two inspectors agree (see inspectors.py), and no row of this view is shown to anybody.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.quantity import BUSINESS_ZONE
from kernel.view import View
from ledger.port import Recorded
from services.sorting.inspection import departure, opening, override, repair_order, steps, verdict
from services.sorting.views.tables import Tables

SHIFTS: Final = ((6, "early"), (14, "late"), (22, "night"))
"""The hours at which shifts begin, in Asia/Shanghai; the night's hours after midnight are of the day it began on."""

HELD: Final = "hold"


class RoundRow(msgspec.Struct, frozen=True):
    """One inspection. `bench` had it last; `inspectors` are the subject ids of those who recorded its steps, with a
    space between. `reached` is the disposition it came to,
    `disposition` what two persons or a failed repair have made of it since. `judged_hour` and `shift` are of its
    verdict, None where only the day is known, and `shift_on` is the day on which that shift began. `was_stopped`: its
    identity once did not match; `left_out`: a step was not possible or waived; `overruled` by two persons;
    `failed_later`: the repair that followed failed; `repaired`: one was ordered; `redone_in`: the first inspection
    since that is no mere comparison; `closed_in`: the inspection with whose verdict the device went into service again.
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
    inspectors: str = ""
    reached: str | None = None
    judged_hour: int | None = None
    shift: str | None = None
    shift_on: date | None = None
    was_stopped: bool = False
    left_out: bool = False
    overruled: bool = False
    failed_later: bool = False
    repaired: bool = False
    redone_in: int | None = None
    closed_in: int | None = None


class RoundTable(Tables, table=True):
    """The rows of RoundRow."""

    __tablename__ = "round_v3"

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
    inspectors: str
    reached: str | None
    judged_hour: int | None
    shift: str | None
    shift_on: date | None = Field(index=True)
    was_stopped: bool
    left_out: bool
    overruled: bool
    failed_later: bool
    repaired: bool
    redone_in: int | None
    closed_in: int | None


def shift_of(hour: int) -> str:
    """The shift that works at this hour."""
    return next((name for begins, name in reversed(SHIFTS) if hour >= begins), SHIFTS[-1][1])


def keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str, int]]:
    """Its own inspection, and those before it, which it does again or no longer does, or which end with it."""
    yield (event.asset_no, event.round)
    if isinstance(event, opening.InspectionOpened | opening.InspectionAbandoned | departure.InspectionClosed):
        for before in range(1, event.round):
            yield (event.asset_no, before)


def evolve(row: RoundRow | None, event: Any, recorded: Recorded, key: tuple[str, int]) -> RoundRow | None:
    if isinstance(event, departure.InspectionClosed):
        if row is None or row.closed_in is not None:
            return row
        return msgspec.structs.replace(row, closed_in=event.round)
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
    return None if row is None else msgspec.structs.replace(row, **_changed(row, event, recorded))


def _before(row: RoundRow | None, event: Any) -> RoundRow | None:
    """A verdict is gone into again by the next inspection, unless that is abandoned, or only compares, or the device
    was in service since.
    """
    if row is None or row.phase != "judged" or row.closed_in is not None:
        return row
    if isinstance(event, opening.InspectionOpened):
        again = not event.comparison and row.redone_in is None
        return msgspec.structs.replace(row, redone_in=event.round) if again else row
    return msgspec.structs.replace(row, redone_in=None) if row.redone_in == event.round else row


def _changed(row: RoundRow, event: Any, recorded: Recorded) -> dict[str, Any]:
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
                "inspectors": " ".join(sorted({*row.inspectors.split(), *actor(recorded)})),
            }
        case verdict.VerdictReached(again=None):
            reached = event.disposition
            return {"phase": "judged", "disposition": reached, "reached": reached, **_shift(event)}
        case verdict.VerdictReached():
            return {"disposition": event.disposition, "failed_later": True}
        case override.VerdictOverridden(disposition=disposition):
            return {"disposition": disposition, "overruled": True}
        case repair_order.RepairOrdered():
            return {"repaired": True}
        case departure.InspectionSuperseded() if row.phase != "judged":
            return {"phase": "superseded", "next_step": None}
        case _:
            return {}


class _Beside(msgspec.Struct):
    """What is recorded beside an event, as far as it is looked at here."""

    actor: str


_beside: Final = msgspec.json.Decoder(_Beside).decode


def actor(recorded: Recorded) -> tuple[str, ...]:
    """Who gave the command from which an event came; nobody where nothing is recorded beside it."""
    return (_beside(recorded.metadata).actor,) if recorded.metadata else ()


def _shift(event: verdict.VerdictReached) -> dict[str, Any]:
    if event.occurred_at is None:
        return {"shift_on": event.day}
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
        repair_order.RepairOrdered,
        departure.InspectionSuperseded,
        departure.InspectionClosed,
    ),
    keys=keys,
    evolve=evolve,
)
