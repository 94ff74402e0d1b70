"""积压 Devices at a sorting centre that wait for their verdict, or for a person to give one, and since when."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.quantity import business_day_of_us
from kernel.view import View
from ledger.port import Recorded
from services.sorting import foreign
from services.sorting.inspection.departure import InspectionSuperseded
from services.sorting.inspection.opening import InspectionAbandoned, InspectionOpened
from services.sorting.inspection.override import VerdictOverridden
from services.sorting.inspection.population import PopulationLeft
from services.sorting.inspection.verdict import VerdictReached
from services.sorting.views.station import HELD
from services.sorting.views.tables import Tables

VERDICT: Final = "verdict"
PERSON: Final = "person"
INSPECTIONS: Final = (InspectionOpened, InspectionAbandoned, InspectionSuperseded, VerdictReached, VerdictOverridden)


class WaitingRow(msgspec.Struct, frozen=True):
    """`since` is the business day on which it was recorded to have come to the site where it is. `waits_for` a verdict,
    or for a person where that was `hold`; None: neither. `held_on` is the day of that verdict, `reopened_on` that on
    which a verdict was taken back to inspect the device again; both as recorded. One that comes out of service again,
    or is sorted again, waits again.
    """

    asset_no: str
    device_class: str = ""
    unit: str = ""
    maker: str | None = None
    site: str | None = None
    since: date | None = None
    waits_for: str | None = VERDICT
    held_on: date | None = None
    reopened_on: date | None = None


class WaitingTable(Tables, table=True):
    """The rows of WaitingRow."""

    __tablename__ = "waiting_v2"

    asset_no: str = Field(primary_key=True)
    device_class: str
    unit: str
    maker: str | None
    site: str | None = Field(index=True)
    since: date | None
    waits_for: str | None
    held_on: date | None
    reopened_on: date | None


def evolve(row: WaitingRow | None, event: Any, recorded: Recorded, key: tuple[str]) -> WaitingRow:
    now = row or WaitingRow(*key)
    day = business_day_of_us(recorded.recorded_at_us)
    if isinstance(event, INSPECTIONS):
        return msgspec.structs.replace(now, **_sorted(now, event, day))
    if isinstance(event, PopulationLeft):
        return msgspec.structs.replace(now, waits_for=VERDICT, held_on=None, reopened_on=day) if event.resort else now
    if isinstance(event, foreign.Dismantled):
        now = msgspec.structs.replace(now, waits_for=VERDICT, held_on=None, reopened_on=None)
    now = msgspec.structs.replace(
        now,
        device_class=getattr(event, "device_class", None) or now.device_class,
        unit=getattr(event, "unit", None) or now.unit,
        maker=_maker(event) or now.maker,
    )
    if (moved := _moved(event)) is None or not (moved.from_site or moved.to_site):
        return now
    since = day if moved.to_site else None
    return msgspec.structs.replace(now, device_class=moved.device_class, site=moved.to_site, since=since)


def _sorted(now: WaitingRow, event: Any, day: date) -> dict[str, Any]:
    """For what a device waits by its inspections."""
    match event:
        case VerdictReached() | VerdictOverridden():
            held = event.disposition == HELD
            return {"waits_for": PERSON if held else None, "held_on": day if held else None, "reopened_on": None}
        case InspectionOpened() if now.waits_for != VERDICT:
            return {"waits_for": VERDICT, "reopened_on": day}
        case InspectionAbandoned(disposition=str() as disposition):
            return {"waits_for": PERSON if disposition == HELD else None, "reopened_on": None}
        case InspectionSuperseded():
            return {"waits_for": None}
        case _:
            return {}


def _maker(event: Any) -> str | None:
    said: foreign.Description | None = getattr(event, "description", None)
    return None if said is None else said.maker


def _moved(event: Any) -> foreign.Movement | None:
    if isinstance(event, foreign.RecordCorrected):
        return event.moved_in or event.moved_out
    return getattr(event, "moved", None)


def _keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.asset_no,),)


WAITING: Final = View[Any](
    name="waiting",
    row=WaitingRow,
    table=WaitingTable,
    events=(foreign.Registered, *foreign.MOVES, foreign.RecordCorrected, *INSPECTIONS, PopulationLeft),
    keys=_keys,
    evolve=evolve,
)
