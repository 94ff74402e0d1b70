"""三评 and the verdict: from six steps accounted for to a disposition that explains itself; and what overrules it.

    three inspections ended -> HistoryAssessed, IndicatorsAssessed, ValueAssessed, VerdictReached
    VerdictReached -> OverrideProposed -> VerdictOverridden (by a second person) | OverrideRejected

A verdict of `hold` waits for two persons or another inspection. A device whose repair failed is judged again.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo, Reference
from kernel.quantity import AmountFen, Code, Count, Happened, Remark, Sha256, Subject
from kernel.refusal import against_rules
from services.sorting.assessment import (
    HistoryFindings,
    IndicatorFindings,
    Known,
    Population,
    ValueFindings,
    assess_history,
    assess_indicators,
    assess_value,
)
from services.sorting.decision import INPUTS, Obsolete, Rule, VerdictTable
from services.sorting.inspection.state import (
    NOT_OPEN,
    PHASES,
    Device,
    Inspection,
    Proposal,
    known,
    same_scheme,
    under_way,
    unfrozen,
)
from services.sorting.norms import Fault, Part, Scheme, SchemeRef
from services.sorting.prices import ClassValue
from services.sorting.vocabulary import (
    DISPOSITIONS,
    INSPECTED,
    Disposition,
    Ended,
    MassCo2G,
    Round,
    RuleId,
    Step,
    Words,
)

STEPS_OPEN = against_rules(
    "inspection.steps_open",
    "器具 {asset_no} 尚有检查未结束：{steps}。",
    "{asset_no} has inspections that have not ended: {steps}",
)
SAME_DISPOSITION = against_rules(
    "verdict.same_disposition",
    "器具 {asset_no} 的结论已是{disposition}。",
    "the verdict on {asset_no} is {disposition} already",
)
PROPOSED_ALREADY = against_rules(
    "verdict.proposed_already",
    "器具 {asset_no} 已有改判提议，请先确认或驳回。",
    "an override of {asset_no} is proposed already; confirm or reject it first",
)
NOTHING_PROPOSED = against_rules(
    "verdict.nothing_proposed",
    "器具 {asset_no} 没有待确认的改判提议。",
    "no override of {asset_no} is proposed",
)
SECOND_PERSON = against_rules(
    "verdict.second_person",
    "改判须由另一人确认：{by} 是提议人。",
    "an override is confirmed by another person: {by} proposed it",
)

_LEFT_OUT: Final = ("not_possible", "waived")
_STAIRS: Final[tuple[Literal["reuse", "claim", "scrap"], ...]] = ("reuse", "claim", "scrap")


class TableRef(Part, frozen=True, kw_only=True):
    """A version of a table, as whoever used it keeps it."""

    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    sha256: Sha256


class FaultCount(Part, frozen=True, kw_only=True):
    """How many of a maker and batch, and of a class, showed a fault."""

    fault: Code
    batch: Count
    whole: Count


class Counts(Part, frozen=True, kw_only=True):
    """What was found until now of the same maker and batch, and of the same class."""

    inspected: Count = 0
    faulty: Count = 0
    class_inspected: Count = 0
    class_faulty: Count = 0
    by_fault: tuple[FaultCount, ...] = ()

    def of(self, faults: Sequence[str]) -> Population:
        """The population that a device with these faults is held against: of its most common fault, if it has any."""
        most = max(
            (one for one in self.by_fault if one.fault in faults), key=lambda one: (one.batch, one.fault), default=None
        )
        faulty, class_faulty = (self.faulty, self.class_faulty) if most is None else (most.batch, most.whole)
        if faults and most is None:
            faulty = class_faulty = 0
        return Population(
            inspected=self.inspected,
            faulty=faulty,
            class_inspected=self.class_inspected,
            class_faulty=class_faulty,
        )


class Rulebook(Part, frozen=True, kw_only=True):
    """What a device is judged by: its scheme, the tables that stand, and what is known of others like it."""

    scheme: Scheme
    scheme_ref: SchemeRef
    table: VerdictTable
    table_ref: TableRef
    value: ClassValue | None
    prices_ref: TableRef
    counts: Counts = Counts()


class Stair(Part, frozen=True, kw_only=True):
    """One step of the staircase 阶梯式处置: whether the device went this way, why or why not, and what was forgone by
    not doing so, against the way it went: fen, and grams of CO2.
    """

    disposition: Literal["reuse", "claim", "scrap"]
    taken: bool
    why: Words
    forgone_fen: AmountFen | None = None
    forgone_co2_g: MassCo2G = 0


class Input(Part, frozen=True, kw_only=True):
    """What the decision table was asked, column by column."""

    column: Code
    word: Code


class Judge(Happened, frozen=True, kw_only=True):
    """评估并作结论 Assess the device, and look its disposition up in the decision table."""

    asset_no: AssetNo


class JudgeByRulebook(Judge, frozen=True, kw_only=True):
    """The same, with what it is judged by."""

    rulebook: Rulebook


class Rejudge(Happened, frozen=True, kw_only=True):
    """再次判定 Its repair or its re-verification failed."""

    asset_no: AssetNo
    because: Reference


class RejudgeByRulebook(Rejudge, frozen=True, kw_only=True):
    """The same, with what it is judged by."""

    rulebook: Rulebook


class ProposeOverride(Happened, frozen=True, kw_only=True):
    """提议改判 Another disposition than the table's, with the reason. A second person has to agree."""

    asset_no: AssetNo
    disposition: Disposition
    why: Remark
    by: Subject


class ConfirmOverride(Happened, frozen=True, kw_only=True):
    """确认改判 The second person agrees."""

    asset_no: AssetNo
    by: Subject


class RejectOverride(Happened, frozen=True, kw_only=True):
    """驳回改判 The verdict stays."""

    asset_no: AssetNo
    why: Remark
    by: Subject


class HistoryAssessed(Happened, frozen=True, kw_only=True):
    """What its record says."""

    asset_no: AssetNo
    round: Round
    findings: HistoryFindings
    ended: Ended = "performed"


class IndicatorsAssessed(Happened, frozen=True, kw_only=True):
    """What the inspections showed of this device."""

    asset_no: AssetNo
    round: Round
    device: Device
    findings: IndicatorFindings
    ended: Ended = "performed"


class ValueAssessed(Happened, frozen=True, kw_only=True):
    """What each disposition is worth."""

    asset_no: AssetNo
    round: Round
    findings: ValueFindings
    prices: TableRef
    ended: Ended = "performed"


class VerdictReached(Happened, frozen=True, kw_only=True):
    """结论 The disposition, the rule that gave it, what the table was asked, and the staircase. `waived`: an inspection
    was left out by a rule. `again`: the repair or re-verification that failed.
    """

    asset_no: AssetNo
    round: Round
    disposition: Disposition
    rule: RuleId
    because: Words
    inputs: tuple[Input, ...]
    stairs: tuple[Stair, ...]
    table: TableRef
    waived: bool = False
    again: Reference | None = None


class OverrideProposed(Happened, frozen=True, kw_only=True):
    """Somebody proposes another disposition."""

    asset_no: AssetNo
    round: Round
    disposition: Disposition
    why: Remark
    by: Subject


class VerdictOverridden(Happened, frozen=True, kw_only=True):
    """Two persons have set another disposition."""

    asset_no: AssetNo
    round: Round
    disposition: Disposition
    overruled: Disposition
    why: Remark
    by: Subject
    second: Subject


class OverrideRejected(Happened, frozen=True, kw_only=True):
    """The verdict stays."""

    asset_no: AssetNo
    round: Round
    why: Remark
    by: Subject


Command: TypeAlias = Judge | Rejudge | ProposeOverride | ConfirmOverride | RejectOverride
Furnished: TypeAlias = JudgeByRulebook | RejudgeByRulebook
Event: TypeAlias = (
    HistoryAssessed
    | IndicatorsAssessed
    | ValueAssessed
    | VerdictReached
    | OverrideProposed
    | VerdictOverridden
    | OverrideRejected
)


def decide(command: Command | Furnished, inspection: Inspection) -> Sequence[Event]:
    match command:
        case JudgeByRulebook():
            return _judge(command, under_way(command.asset_no, inspection))
        case RejudgeByRulebook():
            return _rejudge(command, _judged(command.asset_no, inspection))
        case Judge() | Rejudge():
            raise AssertionError("a device is judged by a rulebook")
        case ProposeOverride():
            judged = _judged(command.asset_no, inspection)
            if judged.proposal is not None:
                raise PROPOSED_ALREADY(asset_no=command.asset_no)
            if command.disposition == judged.disposition:
                disposition = DISPOSITIONS[command.disposition]
                raise SAME_DISPOSITION(asset_no=command.asset_no, disposition=disposition, field="disposition")
            return [becomes(command, OverrideProposed, round=judged.round)]
        case ConfirmOverride():
            return [_confirmed(command, _judged(command.asset_no, inspection))]
        case RejectOverride():
            judged = _judged(command.asset_no, inspection)
            if judged.proposal is None:
                raise NOTHING_PROPOSED(asset_no=command.asset_no)
            return [becomes(command, OverrideRejected, round=judged.round)]


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case HistoryAssessed(findings=findings):
            return msgspec.structs.replace(inspection, history=findings)
        case IndicatorsAssessed(findings=indicators):
            return msgspec.structs.replace(inspection, indicators=indicators)
        case ValueAssessed(findings=value):
            return msgspec.structs.replace(inspection, value=value)
        case VerdictReached(disposition=disposition):
            return msgspec.structs.replace(inspection, phase="judged", disposition=disposition, proposal=None)
        case OverrideProposed(by=by, disposition=disposition, why=why):
            return msgspec.structs.replace(inspection, proposal=Proposal(by, disposition, why))
        case VerdictOverridden(disposition=disposition):
            return msgspec.structs.replace(inspection, disposition=disposition, proposal=None)
        case OverrideRejected():
            return msgspec.structs.replace(inspection, proposal=None)


def _judged(asset_no: str, inspection: Inspection) -> Inspection:
    """A device that has its verdict and is free to get another."""
    known(asset_no, inspection)
    if inspection.phase != "judged":
        raise NOT_OPEN(asset_no=asset_no, phase=PHASES[inspection.phase])
    unfrozen(asset_no, inspection)
    return inspection


def _confirmed(command: ConfirmOverride, judged: Inspection) -> VerdictOverridden:
    proposal = judged.proposal
    if proposal is None:
        raise NOTHING_PROPOSED(asset_no=command.asset_no)
    if proposal.by == command.by:
        raise SECOND_PERSON(by=command.by, field="by")
    assert judged.disposition is not None
    return VerdictOverridden(
        **command.moment,
        asset_no=command.asset_no,
        round=judged.round,
        disposition=proposal.disposition,
        overruled=judged.disposition,
        why=proposal.why,
        by=proposal.by,
        second=command.by,
    )


def _judge(command: JudgeByRulebook, inspection: Inspection) -> list[Event]:
    if not inspection.inspected:
        steps = tuple(
            "、".join(words[i] for name, words in INSPECTED.items() if name not in inspection.ends) for i in (0, 1)
        )
        raise STEPS_OPEN(asset_no=command.asset_no, steps=steps)
    book, device = command.rulebook, inspection.device
    same_scheme(command.asset_no, inspection, book.scheme_ref)
    assert device is not None
    about = {**command.moment, "asset_no": command.asset_no, "round": inspection.round}
    faults = _faults(inspection, book.scheme)
    history = assess_history(_known(inspection, device), book.value, inspection.round - 1, command.day)

    def ended(step: Step) -> Ended:
        return "performed" if book.scheme.norm(step).applicable else "not_applicable"

    left_out = sum(1 for ended in inspection.ends.values() if ended in _LEFT_OUT)
    indicators = assess_indicators(faults, left_out, book.counts.of(inspection.faults))
    value = assess_value(faults, history, indicators, book.value)
    return [
        HistoryAssessed(**about, findings=history, ended=ended("history")),
        IndicatorsAssessed(**about, device=device, findings=indicators, ended=ended("indicators")),
        ValueAssessed(**about, findings=value, prices=book.prices_ref, ended=ended("value")),
        _verdict(about, inspection, book, (history, indicators, value), None),
    ]


def _rejudge(command: RejudgeByRulebook, inspection: Inspection) -> list[Event]:
    """By the same findings, and what has come to light since: it could not be made good."""
    assert inspection.history is not None
    assert inspection.indicators is not None
    assert inspection.value is not None
    about = {**command.moment, "asset_no": command.asset_no, "round": inspection.round}
    found = (inspection.history, inspection.indicators, inspection.value)
    return [_verdict(about, inspection, command.rulebook, found, command.because)]


def _verdict(
    about: dict[str, Any],
    inspection: Inspection,
    book: Rulebook,
    found: tuple[HistoryFindings, IndicatorFindings, ValueFindings],
    again: str | None,
) -> VerdictReached:
    history, indicators, value = found
    device = inspection.device
    assert device is not None
    obsolete = next((one for one in book.table.obsolete if _is_obsolete(one, device)), None)
    inputs = (
        "confirmed" if inspection.identity == "confirmed" else "unverified",
        "tampering" if indicators.tampering else "none",
        "no" if obsolete is None else "yes",
        indicators.condition,
        indicators.defect,
        history.warranty,
        history.life,
        value.pays,
        "untried" if again is None else "failed",
        indicators.batch,
    )
    rule = book.table.rule(inputs)
    return VerdictReached(
        **about,
        disposition=rule.disposition,
        rule=rule.rule,
        because=obsolete.because if obsolete and rule.disposition == "scrap" else rule.because,
        inputs=tuple(Input(column=column, word=word) for column, word in zip(INPUTS, inputs, strict=True)),
        stairs=_stairs(rule, value),
        table=book.table_ref,
        waived="waived" in inspection.ends.values(),
        again=again,
    )


def _is_obsolete(obsolete: Obsolete, device: Device) -> bool:
    if device.device_class not in obsolete.device_classes:
        return False
    made_before = (
        obsolete.made_before is not None and device.made_on is not None and device.made_on < obsolete.made_before
    )
    return device.model in obsolete.models or made_before


def _stairs(rule: Rule, value: ValueFindings) -> tuple[Stair, ...]:
    """Down to where the device went; of a device on hold nothing is forgone yet, and there are none."""
    if rule.disposition == "hold":
        return ()
    worth = {"reuse": value.reuse_fen, "claim": value.claim_fen, "scrap": value.scrap_fen}
    saved = {"reuse": value.reuse_co2_g, "claim": value.claim_co2_g, "scrap": value.scrap_co2_g}
    why = {"reuse": rule.not_reuse, "claim": rule.not_claim}
    stairs = []
    for disposition in _STAIRS:
        taken = disposition == rule.disposition
        reason = rule.because if taken else why[disposition]
        assert reason is not None
        own, better = worth[rule.disposition], worth[disposition]
        forgone = None if own is None or better is None or taken else better - own
        stairs.append(
            Stair(
                disposition=disposition,
                taken=taken,
                why=reason,
                forgone_fen=forgone,
                forgone_co2_g=0 if taken else saved[disposition] - saved[rule.disposition],
            )
        )
        if taken:
            break
    return tuple(stairs)


def _faults(inspection: Inspection, scheme: Scheme) -> list[Fault]:
    known_faults = {fault.code: fault for fault in scheme.faults}
    return [known_faults[code] for code in inspection.faults]


def _known(inspection: Inspection, device: Device) -> Known:
    return Known(
        made_on=device.made_on,
        installed_on=device.installed_on,
        dismantled_on=device.dismantled_on,
        load=inspection.load,
    )


PART = decider.Part(members(Command), members(Event), decide, evolve, furnished=members(Furnished))
