"""维修与重新检定: a device that is to be used again, from its order to a certificate or to its being judged again.

    RepairBegun (no fault) ------------------------------------> KeysRestored -> ReVerified
    RepairBegun (fault) -> SentForRepair -> RepairReturned (repaired) -^      '-> ReVerificationFailed
                                                           '-> (beyond repair)
    any that has not ended -> RepairCancelled

It is ordered in the stream of its device's inspections, where its verdict and its review are; BeginRepair follows from
that. A certificate needs all three inspections anew, by the scheme as it stands on that day, and none of them shows a
fault: measured values that do show one are a re-verification that failed, whoever says otherwise. What only has to be
cleaned is no such fault, and an item that counts at sorting alone shows none: by neither is a device judged other than
sound when it is sorted.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from kernel import decider
from kernel.decider import Decider, becomes, members
from kernel.device import DATA_BEARING, AssetNo, Reference, SiteId
from kernel.quantity import AmountFen, CivilDate, Code, Happened, Key, Remark, Subject, refuse_far_days
from kernel.refusal import against_rules, not_found, unreadable
from services.sorting.evaluation import Measured, counters, shown_faults
from services.sorting.inspection.repair_order import RepairedBy, Route
from services.sorting.inspection.state import Device
from services.sorting.inspection.steps import StepReport, ended_rightly
from services.sorting.norms import Part, Scheme, SchemeRef
from services.sorting.vocabulary import INSPECTED, STEPS, Round

UNKNOWN = not_found(
    "repair.unknown",
    "没有维修单 {repair}。请核对单号；刚下达的单请稍后重试。",
    "there is no repair {repair}; check its number, and try again shortly if it was ordered just now",
)
NOT_NOW = against_rules(
    "repair.not_now",
    "维修单 {repair} {phase}，现在不能这样办理。",
    "repair {repair} {phase}; that cannot be done to it now",
)
NOT_SENT = against_rules(
    "repair.not_sent",
    "维修单 {repair} 为无故障路线，不送修。请恢复密钥后重新检定。",
    "repair {repair} takes the route without repair and is sent nowhere; restore the keys and re-verify",
)
NO_KEYS = against_rules(
    "repair.no_keys",
    "类别 {device_class} 的器具不存密钥，无须恢复。请直接重新检定。",
    "devices of class {device_class} keep no keys; go on to the re-verification",
)
KEYS_FIRST = against_rules(
    "repair.keys_first",
    "维修单 {repair} 的器具尚未恢复密钥，不能出具证书。",
    "the keys of the device of repair {repair} are not restored; no certificate before that",
)
WHY_MISSING = unreadable(
    "repair.why_missing",
    "不可修复须说明原因，修复的不得填写。",
    "what is beyond repair needs the reason, and what was repaired has none",
)
NOT_WHOLE = unreadable(
    "repair.not_whole",
    "重新检定须执行全部检查，{step}不能以“{ended}”结束。",
    "a re-verification leaves nothing out: {step} cannot end as {ended}",
)
NOT_VALID = unreadable(
    "repair.not_valid",
    "证书有效期至 {valid_until}，不晚于检定之日 {day}。",
    "the certificate would be valid until {valid_until}, which is not after the day of the verification, {day}",
)

Phase: TypeAlias = Literal[
    "none", "begun", "sent", "returned", "keyed", "beyond_repair", "verified", "failed", "cancelled"
]
PHASES: Final[dict[Phase, tuple[str, str]]] = {
    "none": ("未下达", "was never ordered"),
    "begun": ("已下达", "is ordered"),
    "sent": ("已送修", "is with its repairer"),
    "returned": ("已修复返回", "is back, repaired"),
    "keyed": ("已恢复密钥", "has its keys again"),
    "beyond_repair": ("不可修复", "is beyond repair"),
    "verified": ("已重新检定", "is re-verified"),
    "failed": ("重新检定不合格", "failed its re-verification"),
    "cancelled": ("已撤销", "is cancelled"),
}
Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=1_000, description="件数 how many")]
_NOT_AGAIN: Final = {"not_possible": ("无法执行", "not possible"), "waived": ("免检", "waived")}


class PartReplaced(Part, frozen=True, kw_only=True):
    """Which part, and how many of it."""

    part: Code
    quantity: Quantity


class BeginRepair(Happened, frozen=True, kw_only=True):
    """开始维修 A repair was ordered."""

    repair: Key
    asset_no: AssetNo
    round: Round
    route: Route
    repaired_by: RepairedBy
    repairer: Code
    price_fen: AmountFen | None = None
    device: Device
    scheme: SchemeRef


class SendForRepair(Happened, frozen=True, kw_only=True):
    """送修 Its repairer has the device, under this delivery note or work order."""

    repair: Key
    reference: Reference


class ReturnFromRepair(Happened, frozen=True, kw_only=True):
    """修后返回 It is back: repaired, with these parts replaced, or beyond repair and why."""

    repair: Key
    outcome: Literal["repaired", "beyond_repair"]
    parts: tuple[PartReplaced, ...] = ()
    why: Remark | None = None


class RestoreKeys(Happened, frozen=True, kw_only=True):
    """恢复密钥 The keys of the metering network are on it again; `reference` is the record of the key system."""

    repair: Key
    reference: Reference


class ReVerify(Happened, frozen=True, kw_only=True):
    """重新检定 All three inspections anew, and the certificate if they show no fault: number, verifier, the last day on
    which it holds, the seals that were put on.
    """

    repair: Key
    site: SiteId
    certificate: Key
    verifier: Subject
    valid_until: CivilDate
    seals: tuple[Code, ...] = ()
    appearance: StepReport
    function: StepReport
    accuracy: StepReport

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(valid_until=self.valid_until)


class ReVerifyByScheme(ReVerify, frozen=True, kw_only=True):
    """The same, with the scheme as it stands."""

    scheme: Scheme
    ref: SchemeRef


class FailReVerification(Happened, frozen=True, kw_only=True):
    """重新检定不合格 It gets no certificate, for a reason that no measured value says."""

    repair: Key
    verifier: Subject
    why: Remark


class CancelRepair(Happened, frozen=True, kw_only=True):
    """撤销维修单 It is not carried out, or not to its end. The verdict stays."""

    repair: Key
    why: Remark


class RepairBegun(Happened, frozen=True, kw_only=True):
    """A repair is under way."""

    repair: Key
    asset_no: AssetNo
    round: Round
    route: Route
    repaired_by: RepairedBy
    repairer: Code
    price_fen: AmountFen | None = None
    device: Device
    scheme: SchemeRef


class SentForRepair(Happened, frozen=True, kw_only=True):
    """With its repairer."""

    repair: Key
    asset_no: AssetNo
    reference: Reference


class RepairReturned(Happened, frozen=True, kw_only=True):
    """Back from its repairer."""

    repair: Key
    asset_no: AssetNo
    outcome: Literal["repaired", "beyond_repair"]
    parts: tuple[PartReplaced, ...] = ()
    why: Remark | None = None


class KeysRestored(Happened, frozen=True, kw_only=True):
    """The keys are on it again."""

    repair: Key
    asset_no: AssetNo
    reference: Reference


class ReVerified(Happened, frozen=True, kw_only=True):
    """It may be installed again until its certificate runs out. What was measured, and by which scheme; `counters` are
    those from which it is counted when it is sorted again.
    """

    repair: Key
    asset_no: AssetNo
    site: SiteId
    certificate: Key
    verifier: Subject
    valid_until: CivilDate
    seals: tuple[Code, ...] = ()
    scheme: SchemeRef
    appearance: StepReport
    function: StepReport
    accuracy: StepReport
    counters: tuple[Measured, ...] = ()


class ReVerificationFailed(Happened, frozen=True, kw_only=True):
    """It gets no certificate: for the reason given, or for the faults that were measured by this scheme."""

    repair: Key
    asset_no: AssetNo
    verifier: Subject
    why: Remark | None = None
    faults: tuple[Code, ...] = ()
    scheme: SchemeRef | None = None
    appearance: StepReport | None = None
    function: StepReport | None = None
    accuracy: StepReport | None = None


class RepairCancelled(Happened, frozen=True, kw_only=True):
    """It has ended without a result."""

    repair: Key
    asset_no: AssetNo
    why: Remark


Command: TypeAlias = (
    BeginRepair | SendForRepair | ReturnFromRepair | RestoreKeys | ReVerify | FailReVerification | CancelRepair
)
Event: TypeAlias = (
    RepairBegun | SentForRepair | RepairReturned | KeysRestored | ReVerified | ReVerificationFailed | RepairCancelled
)


class Repair(msgspec.Struct, frozen=True):
    """How far it has come, of which device, by which route."""

    phase: Phase = "none"
    asset_no: str = ""
    route: Route = "no_fault"
    device: Device | None = None
    group: str = ""

    @property
    def device_class(self) -> str:
        """Of its device; empty where nothing has begun."""
        return self.device.device_class if self.device else ""


def decide(command: Command | ReVerifyByScheme, repair: Repair) -> Sequence[Event]:
    if isinstance(command, BeginRepair):
        return [becomes(command, RepairBegun)] if repair.phase == "none" else []
    if repair.phase == "none":
        raise UNKNOWN(repair=command.repair)
    of = {"asset_no": repair.asset_no}
    match command:
        case SendForRepair():
            if repair.route != "fault":
                raise NOT_SENT(repair=command.repair)
            _in_phase(command.repair, repair, "begun")
            return [becomes(command, SentForRepair, **of)]
        case ReturnFromRepair(outcome=outcome, why=why):
            _in_phase(command.repair, repair, "sent")
            if (outcome == "beyond_repair") is (why is None):
                raise WHY_MISSING(field="why")
            return [becomes(command, RepairReturned, **of)]
        case RestoreKeys():
            _in_phase(command.repair, repair, _mended(repair))
            if repair.device_class not in DATA_BEARING:
                raise NO_KEYS(device_class=repair.device_class)
            return [becomes(command, KeysRestored, **of)]
        case ReVerifyByScheme():
            return [_re_verified(command, repair)]
        case ReVerify():
            raise AssertionError("a device is re-verified by its scheme")
        case FailReVerification():
            _in_phase(command.repair, repair, _mended(repair), "keyed")
            return [becomes(command, ReVerificationFailed, **of)]
        case CancelRepair():
            _in_phase(command.repair, repair, "begun", "sent", "returned", "keyed")
            return [becomes(command, RepairCancelled, **of)]


def evolve(repair: Repair, event: Event) -> Repair:
    if isinstance(event, RepairBegun):
        return Repair("begun", event.asset_no, event.route, event.device, event.scheme.group)
    return msgspec.structs.replace(repair, phase=phase_after(event))


def phase_after(event: Event) -> Phase:
    """How far a repair has come by an event."""
    match event:
        case RepairBegun():
            return "begun"
        case SentForRepair():
            return "sent"
        case RepairReturned(outcome=outcome):
            return "returned" if outcome == "repaired" else "beyond_repair"
        case KeysRestored():
            return "keyed"
        case ReVerified():
            return "verified"
        case ReVerificationFailed():
            return "failed"
        case RepairCancelled():
            return "cancelled"


def _mended(repair: Repair) -> Phase:
    """The phase in which there is nothing left to mend."""
    return "returned" if repair.route == "fault" else "begun"


def _in_phase(named: str, repair: Repair, *phases: Phase) -> None:
    if repair.phase not in phases:
        raise NOT_NOW(repair=named, phase=PHASES[repair.phase])


def _re_verified(command: ReVerifyByScheme, repair: Repair) -> ReVerified | ReVerificationFailed:
    _in_phase(command.repair, repair, _mended(repair), "keyed")
    if repair.device_class in DATA_BEARING and repair.phase != "keyed":
        raise KEYS_FIRST(repair=command.repair)
    if command.valid_until <= command.day:
        raise NOT_VALID(valid_until=command.valid_until, day=command.day, field="valid_until")
    assert repair.device is not None
    of_no_account = {fault.code for fault in command.scheme.faults if fault.remedy == "clean"}
    faults: dict[Code, None] = {}
    for step in INSPECTED:
        report: StepReport = getattr(command, step)
        norm = command.scheme.norm(step)
        if report.ended in _NOT_AGAIN:
            raise NOT_WHOLE(step=STEPS[step], ended=_NOT_AGAIN[report.ended], field=f"{step}.ended")
        ended_rightly(norm, report)
        if report.ended == "performed":
            found = shown_faults(norm, report.measured, repair.device.accuracy_class, report.photos, "re_verification")
            faults.update(dict.fromkeys(code for code in found if code not in of_no_account))
    of = {"asset_no": repair.asset_no, "scheme": command.ref}
    if faults:
        return becomes(command, ReVerificationFailed, **of, faults=tuple(faults))
    counted = [
        one for step in INSPECTED for one in counters(command.scheme.norm(step), getattr(command, step).measured)
    ]
    return becomes(command, ReVerified, **of, counters=tuple(counted))


REPAIR: Final = Decider(
    category="repair",
    initial=Repair(),
    key="repair",
    begins=(BeginRepair,),
    parts=(decider.Part(members(Command), members(Event), decide, evolve, furnished=(ReVerifyByScheme,)),),
)
