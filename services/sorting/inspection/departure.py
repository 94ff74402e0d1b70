"""What becomes of an inspection when its device leaves, is in service again, or turns out to bear another number.

    open, stopped -> InspectionAbandoned (dispatched, missing, released, unexpected elsewhere)
    judged        -> InspectionClosed (reinstalled: the next inspection is of another life, and needs no reason)
    any           -> InspectionSuperseded (a temporary identity was bound to its number)

What was found under a temporary identity stays on record there and is not carried over: it was judged without its
maker, its batch, its age and its warranty, by which a verdict may well be another. The device is inspected anew under
its number. A verdict that was in the population of a review stays in it.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo
from kernel.quantity import Happened, Key
from services.sorting.inspection.opening import InspectionAbandoned, abandoned
from services.sorting.inspection.state import Inspection
from services.sorting.vocabulary import Round

Departure: TypeAlias = Literal["dispatched", "missing", "released", "unexpected"]
DEPARTURES: Final[dict[Departure, tuple[str, str]]] = {
    "dispatched": ("器具已发运", "the device was dispatched"),
    "missing": ("器具缺失", "the device is missing"),
    "released": ("器具已出库", "the device was released"),
    "unexpected": ("器具在他处意外到货", "the device turned up elsewhere"),
}


class AbandonDeparted(Happened, frozen=True, kw_only=True):
    """因离站终止分拣 The device has left its bench: an inspection that is under way ends there."""

    asset_no: AssetNo
    departure: Departure


class CloseInspection(Happened, frozen=True, kw_only=True):
    """因装用结束分拣 The device is in service again: what it was judged to be has been carried out."""

    asset_no: AssetNo


class SupersedeInspection(Happened, frozen=True, kw_only=True):
    """改用编号 A temporary identity was bound to this number."""

    asset_no: AssetNo
    number: AssetNo


class InspectionClosed(Happened, frozen=True, kw_only=True):
    """What it was judged to be has been carried out, and stays on record; nothing more comes of it."""

    asset_no: AssetNo
    round: Round


class InspectionSuperseded(Happened, frozen=True, kw_only=True):
    """The device goes on under its number, and is inspected anew there. `repair` was still under way."""

    asset_no: AssetNo
    round: Round
    number: AssetNo
    repair: Key | None = None


Command: TypeAlias = AbandonDeparted | CloseInspection | SupersedeInspection
Event: TypeAlias = InspectionClosed | InspectionSuperseded


def decide(command: Command, inspection: Inspection) -> Sequence[Event | InspectionAbandoned]:
    match command:
        case AbandonDeparted(departure=departure):
            if inspection.phase not in ("open", "stopped"):
                return []
            why = " / ".join(DEPARTURES[departure])
            return [abandoned(command, inspection, why)]
        case CloseInspection():
            return [becomes(command, InspectionClosed, round=inspection.round)] if inspection.phase == "judged" else []
        case SupersedeInspection():
            if inspection.round == 0 or inspection.number is not None:
                return []
            return [becomes(command, InspectionSuperseded, round=inspection.round, repair=inspection.repair)]


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case InspectionClosed():
            # What failed in one life says nothing of the next: it was made good, or it would not be in service.
            return msgspec.structs.replace(
                inspection, phase="closed", proposal=None, certificate=None, repair_failed=False
            )
        case InspectionSuperseded(number=number):
            return msgspec.structs.replace(inspection, phase="superseded", number=number)


PART = decider.Part(members(Command), members(Event), decide, evolve)
