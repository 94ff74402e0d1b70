"""An inspection from the scan to its bench: opened, its identity checked, handed over, abandoned.

    (nothing) -> InspectionOpened -> IdentityChecked (match) -> steps ...
                                  -> IdentityChecked (mismatch): stopped, until checked again or abandoned
    judged -> InspectionOpened (the next round, with its reason)
           -> InspectionAbandoned: judged, as it was before

One bench has it at a time: opened again at the same bench it goes on where it was.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo, SiteId
from kernel.quantity import Code, Happened, Remark
from kernel.refusal import against_rules, unreadable
from services.sorting.assessment import LoadFindings
from services.sorting.inspection.state import (
    NOT_OPEN,
    OPEN_ELSEWHERE,
    PHASES,
    READ,
    Device,
    Inspection,
    Read,
    at_bench,
    known,
    unbound,
    unfrozen,
    unrepaired,
)
from services.sorting.norms import SchemeRef
from services.sorting.vocabulary import BenchId, Disposition, Round

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
STILL_DIFFERS = against_rules(
    "inspection.still_differs",
    "器具 {asset_no} 的{what}曾与记录不符，须重新读取且相符后才能继续，或终止本次分拣。",
    "{what} of {asset_no} did not match its record: read it again and it must match, or abandon the inspection",
)
LOAD_DISAGREES = unreadable(
    "inspection.load_disagrees",
    "负荷曲线评估自相矛盾：{why}。请重新计算。",
    "the findings of the load curve contradict themselves: {why}; work them out again",
)
TOO_MANY_ROUNDS = against_rules(
    "inspection.too_many_rounds",
    "器具 {asset_no} 已分拣 {rounds} 轮，不能再开检。",
    "{asset_no} has been inspected in {rounds} rounds, and no other is opened",
)

ROUNDS_MAX: Final = 1_000
"""The bound of Round."""


class OpenInspection(Happened, frozen=True, kw_only=True):
    """开检 Begin to inspect a device at a bench. Where it was judged before, `why` it is inspected again;
    `comparison`: only to compare benches, with nothing amiss. `accuracy_class` is read off the name plate.
    """

    asset_no: AssetNo
    bench: BenchId
    site: SiteId
    accuracy_class: Code | None = None
    why: Remark | None = None
    comparison: bool = False


class OpenOnRecord(OpenInspection, frozen=True, kw_only=True):
    """The same, with what the record says of the device, and the scheme of its class."""

    device: Device
    scheme: SchemeRef


class CheckIdentity(Happened, frozen=True, kw_only=True):
    """核验身份 What the barcode says that was scanned, the number that the meter holds in its memory, and what answers
    at its communication port, each against the record. `why` none could be read. `bench`, where it is named, must be
    the one that has the inspection.
    """

    asset_no: AssetNo
    barcode: Code | None = None
    held_number: Code | None = None
    comm_address: Code | None = None
    why: Remark | None = None
    bench: BenchId | None = None


class HandOverInspection(Happened, frozen=True, kw_only=True):
    """移交检测台 Another bench goes on with it."""

    asset_no: AssetNo
    bench: BenchId


class AbandonInspection(Happened, frozen=True, kw_only=True):
    """终止分拣 Give the inspection up. What was recorded stays on record and counts for nothing; a verdict that was
    reached before stands again.
    """

    asset_no: AssetNo
    why: Remark


class RecordLoad(Happened, frozen=True, kw_only=True):
    """登记负荷曲线评估 What the load curve of the device showed while it was in service."""

    asset_no: AssetNo
    load: LoadFindings


class InspectionOpened(Happened, frozen=True, kw_only=True):
    """An inspection is under way at a bench, by this version of its scheme. `comparison`: a device that was judged is
    measured again only to compare benches.
    """

    asset_no: AssetNo
    round: Round
    bench: BenchId
    site: SiteId
    device: Device
    scheme: SchemeRef
    why: Remark | None = None
    comparison: bool = False


class IdentityChecked(Happened, frozen=True, kw_only=True):
    """Whether the device is the one on record. `differing` was read and is not what the record says; what was confirmed
    before stays so where nothing could be read now. An address that the record does not have is held against the
    number, whose serial ends in it: one that is `unlike_number` leaves the identity unverified until it is read again,
    and is no mismatch, for nobody has confirmed that every address is made so.
    """

    asset_no: AssetNo
    round: Round
    outcome: Literal["confirmed", "mismatch", "unverified"]
    barcode: Code | None = None
    held_number: Code | None = None
    comm_address: Code | None = None
    why: Remark | None = None
    differing: tuple[Read, ...] = ()
    unlike_number: bool = False


class InspectionHandedOver(Happened, frozen=True, kw_only=True):
    """Another bench has it."""

    asset_no: AssetNo
    round: Round
    bench: BenchId


class InspectionAbandoned(Happened, frozen=True, kw_only=True):
    """It was given up. The verdict of the round that `stands`, where there is one, is as if this one had not been, and
    its `disposition` holds; a certificate does not.
    """

    asset_no: AssetNo
    round: Round
    why: Remark
    stands: Round | None = None
    disposition: Disposition | None = None


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
        case RecordLoad(load=load):
            if wrong := "; ".join(load.contradictions()):
                raise LOAD_DISAGREES(why=wrong, field="load")
            return [becomes(command, LoadRecorded)] if load != inspection.load else []
        case CheckIdentity():
            begun = _begun(command.asset_no, inspection)
            at_bench(command.asset_no, begun, command.bench)
            return [_identity(command, begun)]
        case HandOverInspection(bench=bench):
            if bench == _begun(command.asset_no, inspection).bench:
                return []
            return [becomes(command, InspectionHandedOver, round=inspection.round)]
        case AbandonInspection():
            return [abandoned(command, _begun(command.asset_no, inspection), command.why)]


def abandoned(command: Happened, inspection: Inspection, why: str) -> InspectionAbandoned:
    """What becomes of an inspection under way when it is given up."""
    before = inspection.before
    stands, disposition = (None, None) if before is None else (before.round, before.disposition)
    return becomes(
        command, InspectionAbandoned, round=inspection.round, why=why, stands=stands, disposition=disposition
    )


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case InspectionOpened():
            return Inspection(
                phase="open",
                round=event.round,
                rounds=event.round,
                judged=inspection.judged,
                bench=event.bench,
                device=event.device,
                scheme=event.scheme,
                load=inspection.load,
                disposition=inspection.disposition,
                population=inspection.population,
                repairs=inspection.repairs,
                repair_failed=inspection.repair_failed,
                faults_judged=inspection.faults_judged,
                since=inspection.since,
                before=_as_judged(inspection),
            )
        case IdentityChecked(outcome=outcome, differing=differing, unlike_number=unlike):
            phase: Literal["open", "stopped"] = "stopped" if outcome == "mismatch" else "open"
            return msgspec.structs.replace(
                inspection, identity=outcome, differing=differing, unlike_number=unlike, phase=phase
            )
        case InspectionHandedOver(bench=bench):
            return msgspec.structs.replace(inspection, bench=bench)
        case InspectionAbandoned():
            if inspection.before is None:
                return msgspec.structs.replace(inspection, phase="abandoned")
            return msgspec.structs.replace(
                inspection.before,
                rounds=inspection.rounds,
                load=inspection.load,
                population=inspection.population,
                # It has been on a bench since: whatever certificate it had is no more.
                certificate=None,
            )
        case LoadRecorded(load=load):
            return msgspec.structs.replace(inspection, load=load)


def _open(command: OpenOnRecord, inspection: Inspection) -> list[InspectionOpened]:
    unbound(command.asset_no, inspection)
    unfrozen(command.asset_no, inspection)
    unrepaired(command.asset_no, inspection)
    if inspection.phase in ("open", "stopped"):
        if inspection.bench == command.bench:
            return []
        raise OPEN_ELSEWHERE(asset_no=command.asset_no, bench=inspection.bench)
    if inspection.phase == "judged" and command.why is None:
        raise REASON_MISSING(asset_no=command.asset_no, field="why")
    if inspection.rounds >= ROUNDS_MAX:
        raise TOO_MANY_ROUNDS(asset_no=command.asset_no, rounds=inspection.rounds)
    return [becomes(command, InspectionOpened, round=inspection.rounds + 1)]


def _as_judged(inspection: Inspection) -> Inspection | None:
    """How it stood with its last verdict, None where there was none. An override that was proposed lapses when the
    device is inspected again.
    """
    if inspection.phase != "judged":
        return inspection.before
    return msgspec.structs.replace(inspection, proposal=None)


def _begun(asset_no: str, inspection: Inspection) -> Inspection:
    """An inspection that is under way, be it stopped."""
    known(asset_no, inspection)
    if inspection.phase not in ("open", "stopped"):
        raise NOT_OPEN(asset_no=asset_no, phase=PHASES[inspection.phase])
    return inspection


def _identity(command: CheckIdentity, inspection: Inspection) -> IdentityChecked:
    """Whatever was read must agree with the record; what was not read is not held against it. What has once differed
    must be read again: it is not got over by reading something else. The number in its memory confirms nothing alone:
    it comes with the board, and the case is another.
    """
    if command.why is None and not any((command.barcode, command.held_number, command.comm_address)):
        raise IDENTITY_UNREAD(field="barcode")
    assert inspection.device is not None
    agrees: dict[Read, bool] = {}
    if command.barcode is not None:
        agrees["barcode"] = command.barcode == command.asset_no
    if command.held_number is not None:
        agrees["held_number"] = command.held_number == command.asset_no
    unlike = inspection.unlike_number
    if command.comm_address is not None and inspection.device.comm_address is not None:
        agrees["comm_address"] = _same_address(command.comm_address, inspection.device.comm_address)
    elif command.comm_address is not None:
        unlike = not _of_number(command.comm_address, command.asset_no)
    differing = tuple(read for read in READ if not agrees.get(read, read not in inspection.differing))
    if differing and all(agrees.values()):
        what = tuple("、".join(READ[read][language] for read in differing) for language in (0, 1))
        raise STILL_DIFFERS(asset_no=command.asset_no, what=what, field=differing[0])
    outcome: Literal["confirmed", "mismatch", "unverified"] = "unverified"
    if differing:
        outcome = "mismatch"
    elif not unlike and (agrees.keys() & {"barcode", "comm_address"} or inspection.identity == "confirmed"):
        outcome = "confirmed"
    return becomes(
        command,
        IdentityChecked,
        round=inspection.round,
        outcome=outcome,
        differing=differing,
        unlike_number=unlike,
    )


def _of_number(address: str, asset_no: str) -> bool:
    """Whether an address is that of this number: the last twelve digits of its serial, as far as two published numbers
    tell. A temporary identity has no serial to hold it against.
    """
    return asset_no.startswith("T") or _same_address(address, asset_no[9:21])


def _same_address(read: str, on_record: str) -> bool:
    """Addresses are digits of which a record may have lost the zeros in front."""
    return read.casefold().lstrip("0") == on_record.casefold().lstrip("0")


PART = decider.Part(members(Command), members(Event), decide, evolve, furnished=(OpenOnRecord,))
