"""An inspection from the scan to its bench: opened, its identity checked, handed over, abandoned.

    (nothing) -> InspectionOpened -> IdentityChecked (match) -> steps ...
                                  -> IdentityChecked (mismatch): stopped, until checked again or abandoned
    judged -> InspectionOpened (the next round, with its reason)

One bench has it at a time: opened again at the same bench it goes on where it was.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo, SiteId
from kernel.quantity import Code, Happened, Remark
from kernel.refusal import against_rules, unreadable
from services.sorting.assessment import LoadFindings
from services.sorting.inspection.state import (
    NOT_OPEN,
    PHASES,
    Device,
    Inspection,
    known,
    unfrozen,
)
from services.sorting.norms import SchemeRef
from services.sorting.vocabulary import BenchId, Round

OPEN_ELSEWHERE = against_rules(
    "inspection.open_elsewhere",
    "器具 {asset_no} 已在检测台 {bench} 开检。请在该台继续，或由其移交。",
    "{asset_no} is open at bench {bench}; go on there, or have it handed over",
)
REASON_MISSING = unreadable(
    "inspection.reason_missing",
    "器具 {asset_no} 已有结论，重新分拣须说明理由。",
    "{asset_no} has been judged; say why it is to be inspected again",
)
IDENTITY_UNREAD = unreadable(
    "inspection.identity_unread",
    "须给出条码或通信地址之一；都读不出时须说明原因。",
    "give the barcode or the communication address, or say why neither can be read",
)


class OpenInspection(Happened, frozen=True, kw_only=True):
    """开检 Begin to inspect a device at a bench. Where it was judged before, `why` it is inspected again.
    `accuracy_class` is read off the name plate.
    """

    asset_no: AssetNo
    bench: BenchId
    site: SiteId
    accuracy_class: Code | None = None
    why: Remark | None = None


class OpenOnRecord(OpenInspection, frozen=True, kw_only=True):
    """The same, with what the record says of the device, and the scheme of its class."""

    device: Device
    scheme: SchemeRef


class CheckIdentity(Happened, frozen=True, kw_only=True):
    """核验身份 What the barcode says and what answers at the communication port, against the record. `why` neither
    could be read.
    """

    asset_no: AssetNo
    barcode: Code | None = None
    comm_address: Code | None = None
    why: Remark | None = None


class HandOverInspection(Happened, frozen=True, kw_only=True):
    """移交检测台 Another bench goes on with it."""

    asset_no: AssetNo
    bench: BenchId


class AbandonInspection(Happened, frozen=True, kw_only=True):
    """终止分拣 Give the inspection up. What was recorded stays on record and counts for nothing."""

    asset_no: AssetNo
    why: Remark


class RecordLoad(Happened, frozen=True, kw_only=True):
    """登记负荷曲线评估 What the load curve of the device showed while it was in service."""

    asset_no: AssetNo
    load: LoadFindings


class InspectionOpened(Happened, frozen=True, kw_only=True):
    """An inspection is under way at a bench, by this version of its scheme."""

    asset_no: AssetNo
    round: Round
    bench: BenchId
    site: SiteId
    device: Device
    scheme: SchemeRef
    why: Remark | None = None


class IdentityChecked(Happened, frozen=True, kw_only=True):
    """Whether the device is the one on record."""

    asset_no: AssetNo
    round: Round
    outcome: Literal["confirmed", "mismatch", "unverified"]
    barcode: Code | None = None
    comm_address: Code | None = None
    why: Remark | None = None


class InspectionHandedOver(Happened, frozen=True, kw_only=True):
    """Another bench has it."""

    asset_no: AssetNo
    round: Round
    bench: BenchId


class InspectionAbandoned(Happened, frozen=True, kw_only=True):
    """It was given up."""

    asset_no: AssetNo
    round: Round
    why: Remark


class LoadRecorded(Happened, frozen=True, kw_only=True):
    """What its load curve showed."""

    asset_no: AssetNo
    load: LoadFindings


Command: TypeAlias = OpenInspection | CheckIdentity | HandOverInspection | AbandonInspection | RecordLoad
Event: TypeAlias = InspectionOpened | IdentityChecked | InspectionHandedOver | InspectionAbandoned | LoadRecorded


def decide(command: Command | OpenOnRecord, inspection: Inspection) -> Sequence[Event]:
    match command:
        case OpenOnRecord():
            return _open(command, inspection)
        case OpenInspection():
            raise AssertionError("it is opened with what the record says of the device")
        case RecordLoad():
            return [becomes(command, LoadRecorded)]
        case CheckIdentity():
            return [_identity(command, _begun(command.asset_no, inspection))]
        case HandOverInspection(bench=bench):
            if bench == _begun(command.asset_no, inspection).bench:
                return []
            return [becomes(command, InspectionHandedOver, round=inspection.round)]
        case AbandonInspection():
            _begun(command.asset_no, inspection)
            return [becomes(command, InspectionAbandoned, round=inspection.round)]


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case InspectionOpened():
            return Inspection(
                phase="open",
                round=event.round,
                bench=event.bench,
                device=event.device,
                scheme=event.scheme,
                load=inspection.load,
                disposition=inspection.disposition,
                population=inspection.population,
            )
        case IdentityChecked(outcome=outcome):
            phase: Literal["open", "stopped"] = "stopped" if outcome == "mismatch" else "open"
            return msgspec.structs.replace(inspection, identity=outcome, phase=phase)
        case InspectionHandedOver(bench=bench):
            return msgspec.structs.replace(inspection, bench=bench)
        case InspectionAbandoned():
            return msgspec.structs.replace(inspection, phase="abandoned")
        case LoadRecorded(load=load):
            return msgspec.structs.replace(inspection, load=load)


def _open(command: OpenOnRecord, inspection: Inspection) -> list[InspectionOpened]:
    unfrozen(command.asset_no, inspection)
    if inspection.phase in ("open", "stopped"):
        if inspection.bench == command.bench:
            return []
        raise OPEN_ELSEWHERE(asset_no=command.asset_no, bench=inspection.bench)
    if inspection.phase == "judged" and command.why is None:
        raise REASON_MISSING(asset_no=command.asset_no, field="why")
    return [becomes(command, InspectionOpened, round=inspection.round + 1)]


def _begun(asset_no: str, inspection: Inspection) -> Inspection:
    """An inspection that is under way, be it stopped."""
    known(asset_no, inspection)
    if inspection.phase not in ("open", "stopped"):
        raise NOT_OPEN(asset_no=asset_no, phase=PHASES[inspection.phase])
    return inspection


def _identity(command: CheckIdentity, inspection: Inspection) -> IdentityChecked:
    """Whatever was read must agree with the record; what was not read is not held against it."""
    read = [command.barcode, command.comm_address]
    if not any(read) and command.why is None:
        raise IDENTITY_UNREAD(field="barcode")
    assert inspection.device is not None
    on_record = inspection.device.comm_address
    differs = (command.barcode is not None and command.barcode != command.asset_no) or (
        command.comm_address is not None and on_record is not None and command.comm_address != on_record
    )
    outcome: Literal["confirmed", "mismatch", "unverified"] = (
        "mismatch" if differs else "confirmed" if any(read) else "unverified"
    )
    return becomes(command, IdentityChecked, round=inspection.round, outcome=outcome)


PART = decider.Part(members(Command), members(Event), decide, evolve, furnished=(OpenOnRecord,))
