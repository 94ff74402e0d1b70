"""A device judged for reuse is made fit for it: ordered here, where its verdict and its review are, and carried out in
a stream of its own (see services/sorting/repair.py), which tells how it ended.

    judged for reuse -> RepairOrdered -> RepairClosed (re-verified, or cancelled)
                                      -> VerdictReached anew (it failed)

While a repair is under way nothing about the verdict changes and no review takes the device. One that was re-verified
is not repaired once more by the same verdict: whoever doubts it inspects it anew, with the reason.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo
from kernel.quantity import AmountFen, Code, Happened, Key, Remark
from kernel.refusal import against_rules, unreadable
from services.sorting.evaluation import Measured
from services.sorting.inspection.state import (
    PHASES,
    Device,
    Inspection,
    known,
    unfrozen,
    unrepaired,
)
from services.sorting.norms import SchemeRef
from services.sorting.vocabulary import DISPOSITIONS, Round

Route: TypeAlias = Literal["no_fault", "fault"]
ROUTES: Final[dict[Route, tuple[str, str]]] = {
    "no_fault": ("无故障：清洁、恢复密钥、重新检定", "no fault: clean, restore keys, re-verify"),
    "fault": ("有故障：维修后重新检定", "fault: repair, then re-verify"),
}
RepairedBy: TypeAlias = Literal["centre", "maker"]
REPAIRED_BY: Final[dict[RepairedBy, tuple[str, str]]] = {
    "centre": ("中心维修", "the centre"),
    "maker": ("返厂维修", "the maker"),
}

NOT_JUDGED = against_rules(
    "repair.not_judged",
    "器具 {asset_no} 尚无有效结论（{phase}），不能下达维修单。",
    "{asset_no} has no verdict that stands ({phase}), and no repair is ordered before it has one",
)
NOT_FOR_REUSE = against_rules(
    "repair.not_for_reuse",
    "器具 {asset_no} 的结论是{disposition}，只有利旧的器具才维修。",
    "the verdict on {asset_no} is {disposition}; only what is reused is repaired",
)
PROPOSED = against_rules(
    "repair.override_open",
    "器具 {asset_no} 有待确认的改判提议，须先确认或驳回。",
    "an override of {asset_no} is proposed; confirm or reject it first",
)
CERTIFIED = against_rules(
    "repair.certified_already",
    "器具 {asset_no} 已重新检定，证书 {certificate}。如有疑问请说明理由重新分拣。",
    "{asset_no} was re-verified, certificate {certificate}; if that is in doubt inspect it anew, with the reason",
)
NOT_SOUND = against_rules(
    "repair.not_sound",
    "器具 {asset_no} 并非完好，不能走无故障路线。请按有故障路线下单。",
    "{asset_no} was not found sound and cannot take the route without repair; order a repair",
)
TERMS_MISSING = unreadable(
    "repair.terms_missing",
    "有故障路线须给出维修范围与价格；无故障路线由中心办理，不得给出。",
    "a repair has a scope and a price; the route without repair has neither and is the centre's own",
)


class OrderRepair(Happened, frozen=True, kw_only=True):
    """下达维修单 Make a device fit for reuse: by which route, by whom, and what a repair covers and costs."""

    asset_no: AssetNo
    route: Route
    repaired_by: RepairedBy = "centre"
    repairer: Code
    scope: Remark | None = None
    price_fen: AmountFen | None = None


class CloseRepair(Happened, frozen=True, kw_only=True):
    """办结维修单 It was re-verified with this certificate, its counters at that; or cancelled."""

    asset_no: AssetNo
    repair: Key
    certificate: Key | None = None
    counters: tuple[Measured, ...] = ()


class RepairOrdered(Happened, frozen=True, kw_only=True):
    """A device is to be made fit for reuse. `repair` names the stream in which that is told."""

    asset_no: AssetNo
    round: Round
    repair: Key
    route: Route
    repaired_by: RepairedBy = "centre"
    repairer: Code
    scope: Remark | None = None
    price_fen: AmountFen | None = None
    device: Device
    scheme: SchemeRef


class RepairClosed(Happened, frozen=True, kw_only=True):
    """It has ended: with a certificate, or without one because it was cancelled. From its `counters` it is counted when
    it is sorted again: what the repair itself has counted is not held against it.
    """

    asset_no: AssetNo
    repair: Key
    certificate: Key | None = None
    counters: tuple[Measured, ...] = ()


Command: TypeAlias = OrderRepair | CloseRepair
Event: TypeAlias = RepairOrdered | RepairClosed


def decide(command: Command, inspection: Inspection) -> Sequence[Event]:
    match command:
        case OrderRepair():
            return [_order(command, known(command.asset_no, inspection))]
        case CloseRepair(repair=repair):
            # A device that goes by its number by now has its order ended all the same.
            return [becomes(command, RepairClosed)] if inspection.repair == repair else []


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case RepairOrdered(repair=repair):
            return msgspec.structs.replace(inspection, repair=repair, repairs=inspection.repairs + 1)
        case RepairClosed(certificate=certificate, counters=read):
            # Only what is still judged has a certificate: a device may be closed or superseded by now.
            held = certificate if inspection.phase == "judged" else None
            # With a certificate the repair that failed before it counts for no more.
            failed = inspection.repair_failed and certificate is None
            since = inspection.since | {one.item: one.value for one in read if one.value is not None}
            return msgspec.structs.replace(inspection, repair=None, certificate=held, repair_failed=failed, since=since)


def _order(command: OrderRepair, inspection: Inspection) -> RepairOrdered:
    asset_no = command.asset_no
    if inspection.phase != "judged" or inspection.disposition is None:
        raise NOT_JUDGED(asset_no=asset_no, phase=PHASES[inspection.phase])
    if inspection.disposition != "reuse":
        raise NOT_FOR_REUSE(asset_no=asset_no, disposition=DISPOSITIONS[inspection.disposition])
    unfrozen(asset_no, inspection)
    unrepaired(asset_no, inspection)
    if inspection.proposal is not None:
        raise PROPOSED(asset_no=asset_no)
    if inspection.certificate is not None:
        raise CERTIFIED(asset_no=asset_no, certificate=inspection.certificate)
    _terms(command, inspection)
    assert inspection.device is not None
    assert inspection.scheme is not None
    return becomes(
        command,
        RepairOrdered,
        round=inspection.round,
        repair=f"{asset_no}-{inspection.repairs + 1}",
        device=inspection.device,
        scheme=inspection.scheme,
    )


def _terms(command: OrderRepair, inspection: Inspection) -> None:
    repaired = command.route == "fault"
    given = (command.scope is not None, command.price_fen is not None)
    if given != (repaired, repaired) or (command.repaired_by == "maker" and not repaired):
        raise TERMS_MISSING(field="scope")
    sound = inspection.indicators is not None and inspection.indicators.condition == "sound"
    if not repaired and not sound:
        raise NOT_SOUND(asset_no=command.asset_no, field="route")


PART = decider.Part(members(Command), members(Event), decide, evolve)
