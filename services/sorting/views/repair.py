"""维修 How each repair stands, from its order to its certificate or its failure."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.sorting.repair import (
    REPAIR,
    RepairBegun,
    RepairReturned,
    ReVerified,
    SentForRepair,
    phase_after,
)
from services.sorting.views.tables import Tables


class RepairRow(msgspec.Struct, frozen=True):
    """`phase` is begun, sent, returned, keyed, beyond_repair, verified, failed or cancelled; `ended_on` the day of the
    last four. `parts` is how many were replaced. `verifier` is an opaque subject id, `seals` the numbers of those that
    were put on, with a comma between. `version` is that of its stream.
    """

    repair: str
    asset_no: str
    round: int
    phase: str
    route: str
    repaired_by: str
    repairer: str
    price_fen: int | None
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    begun_on: date
    sent_on: date | None
    returned_on: date | None
    ended_on: date | None
    parts: int
    certificate: str | None
    valid_until: date | None
    version: int
    verifier: str | None = None
    seals: str = ""


class RepairTable(Tables, table=True):
    """The rows of RepairRow."""

    __tablename__ = "repair_v1"

    repair: str = Field(primary_key=True)
    asset_no: str = Field(index=True)
    round: int
    phase: str = Field(index=True)
    route: str
    repaired_by: str
    repairer: str = Field(index=True)
    price_fen: int | None
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    begun_on: date
    sent_on: date | None
    returned_on: date | None
    ended_on: date | None
    parts: int
    certificate: str | None = Field(index=True)
    valid_until: date | None
    version: int
    verifier: str | None
    seals: str


ENDS: Final = ("beyond_repair", "verified", "failed", "cancelled")


def evolve(row: RepairRow | None, event: Any, recorded: Recorded, _key: tuple[str]) -> RepairRow | None:
    if isinstance(event, RepairBegun):
        return _begun(event, recorded)
    if row is None:
        return None
    phase = phase_after(event)
    changes: dict[str, Any] = {"phase": phase, "version": recorded.version}
    if phase in ENDS:
        changes["ended_on"] = event.day
    match event:
        case SentForRepair():
            changes["sent_on"] = event.day
        case RepairReturned(parts=parts):
            changes |= {"returned_on": event.day, "parts": sum(one.quantity for one in parts)}
        case ReVerified(certificate=certificate, valid_until=valid_until):
            changes |= {"certificate": certificate, "valid_until": valid_until}
            changes |= {"verifier": event.verifier, "seals": ",".join(event.seals)}
        case _:
            pass
    return msgspec.structs.replace(row, **changes)


def _begun(event: RepairBegun, recorded: Recorded) -> RepairRow:
    return RepairRow(
        repair=event.repair,
        asset_no=event.asset_no,
        round=event.round,
        phase="begun",
        route=event.route,
        repaired_by=event.repaired_by,
        repairer=event.repairer,
        price_fen=event.price_fen,
        device_class=event.device.device_class,
        unit=event.device.unit,
        maker=event.device.maker,
        batch=event.device.batch,
        begun_on=event.day,
        sent_on=None,
        returned_on=None,
        ended_on=None,
        parts=0,
        certificate=None,
        valid_until=None,
        version=recorded.version,
    )


def _keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.repair,),)


REPAIRS: Final = View[Any](
    name="repair", row=RepairRow, table=RepairTable, events=REPAIR.events, keys=_keys, evolve=evolve
)
