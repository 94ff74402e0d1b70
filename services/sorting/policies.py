"""What follows from sorting's own events: a repair is carried out and its outcome told to the device's inspections. And
what follows from the registry's: an inspection ends where its device leaves or goes by another number.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from kernel.policy import Policy
from ledger.port import Recorded
from services.sorting import foreign
from services.sorting.inspection.departure import (
    AbandonDeparted,
    CloseInspection,
    Departure,
    InspectionSuperseded,
    SupersedeInspection,
)
from services.sorting.inspection.repair_order import CloseRepair, RepairOrdered
from services.sorting.inspection.verdict import Rejudge
from services.sorting.repair import (
    BeginRepair,
    CancelRepair,
    RepairCancelled,
    RepairReturned,
    ReVerificationFailed,
    ReVerified,
)


def when_repair_ordered_begin_repair(event: RepairOrdered, _recorded: Recorded) -> Iterator[BeginRepair]:
    yield BeginRepair(
        **event.moment,
        repair=event.repair,
        asset_no=event.asset_no,
        round=event.round,
        route=event.route,
        repaired_by=event.repaired_by,
        repairer=event.repairer,
        price_fen=event.price_fen,
        device=event.device,
        scheme=event.scheme,
    )


def when_beyond_repair_judge_again(event: RepairReturned, _recorded: Recorded) -> Iterator[Rejudge]:
    if event.outcome == "beyond_repair":
        yield Rejudge(**event.moment, asset_no=event.asset_no, because=event.repair)


def when_re_verification_failed_judge_again(event: ReVerificationFailed, _recorded: Recorded) -> Iterator[Rejudge]:
    yield Rejudge(**event.moment, asset_no=event.asset_no, because=event.repair)


def when_re_verified_close_repair(event: ReVerified, _recorded: Recorded) -> Iterator[CloseRepair]:
    yield CloseRepair(
        **event.moment,
        asset_no=event.asset_no,
        repair=event.repair,
        certificate=event.certificate,
        counters=event.counters,
    )


def when_repair_cancelled_close_repair(event: RepairCancelled, _recorded: Recorded) -> Iterator[CloseRepair]:
    yield CloseRepair(**event.moment, asset_no=event.asset_no, repair=event.repair)


def when_inspection_superseded_cancel_repair(
    event: InspectionSuperseded, _recorded: Recorded
) -> Iterator[CancelRepair]:
    if event.repair is not None:
        why = f"临时标识已绑定编号 {event.number} / the temporary identity was bound to {event.number}"
        yield CancelRepair(**event.moment, repair=event.repair, why=why)


_DEPARTURES: Final[Mapping[type[foreign.Departed], Departure]] = {
    foreign.Dispatched: "dispatched",
    foreign.Missing: "missing",
    foreign.Released: "released",
    foreign.Unexpected: "unexpected",
}


def when_device_left_abandon_inspection(event: foreign.Departed, _recorded: Recorded) -> Iterator[AbandonDeparted]:
    yield AbandonDeparted(**event.moment, asset_no=event.asset_no, departure=_DEPARTURES[type(event)])


def when_reinstalled_close_inspection(event: foreign.Reinstalled, _recorded: Recorded) -> Iterator[CloseInspection]:
    yield CloseInspection(**event.moment, asset_no=event.asset_no)


def when_identity_bound_supersede_inspection(
    event: foreign.IdentityBound, _recorded: Recorded
) -> Iterator[SupersedeInspection]:
    yield SupersedeInspection(**event.moment, asset_no=event.asset_no, number=event.bound_to)


POLICIES: Final = (
    Policy(
        name="repair_follows_order",
        when={
            RepairOrdered: when_repair_ordered_begin_repair,
            InspectionSuperseded: when_inspection_superseded_cancel_repair,
        },
    ),
    Policy(
        name="inspection_follows_repair",
        when={
            RepairReturned: when_beyond_repair_judge_again,
            ReVerificationFailed: when_re_verification_failed_judge_again,
            ReVerified: when_re_verified_close_repair,
            RepairCancelled: when_repair_cancelled_close_repair,
        },
    ),
    Policy(
        name="inspection_follows_device",
        when={
            **dict.fromkeys(_DEPARTURES, when_device_left_abandon_inspection),
            foreign.Reinstalled: when_reinstalled_close_inspection,
            foreign.IdentityBound: when_identity_bound_supersede_inspection,
        },
    ),
)
