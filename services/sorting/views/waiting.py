"""积压 Devices at a sorting centre that wait for their verdict, and since when."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.quantity import business_day_of_us
from kernel.view import View
from ledger.port import Recorded
from services.sorting import foreign
from services.sorting.inspection.verdict import VerdictReached
from services.sorting.views.tables import Tables


class WaitingRow(msgspec.Struct, frozen=True):
    """`since` is the business day on which it was recorded to have come to the site where it is; `judged`: it has its
    verdict, and does not wait there. One that comes out of service again waits again.
    """

    asset_no: str
    device_class: str = ""
    unit: str = ""
    maker: str | None = None
    site: str | None = None
    since: date | None = None
    judged: bool = False


class WaitingTable(Tables, table=True):
    """The rows of WaitingRow."""

    __tablename__ = "waiting_v1"

    asset_no: str = Field(primary_key=True)
    device_class: str
    unit: str
    maker: str | None
    site: str | None = Field(index=True)
    since: date | None
    judged: bool


def evolve(row: WaitingRow | None, event: Any, recorded: Recorded, key: tuple[str]) -> WaitingRow:
    now = row or WaitingRow(*key)
    if isinstance(event, VerdictReached):
        return msgspec.structs.replace(now, judged=True)
    if isinstance(event, foreign.Dismantled):
        now = msgspec.structs.replace(now, judged=False)
    now = msgspec.structs.replace(
        now,
        device_class=getattr(event, "device_class", None) or now.device_class,
        unit=getattr(event, "unit", None) or now.unit,
        maker=_maker(event) or now.maker,
    )
    if (moved := _moved(event)) is None or not (moved.from_site or moved.to_site):
        return now
    since = business_day_of_us(recorded.recorded_at_us) if moved.to_site else None
    return msgspec.structs.replace(now, device_class=moved.device_class, site=moved.to_site, since=since)


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
    events=(foreign.Registered, *foreign.MOVES, foreign.RecordCorrected, VerdictReached),
    keys=_keys,
    evolve=evolve,
)
