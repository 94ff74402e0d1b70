"""三评 and the verdict: from six steps accounted for to a disposition that explains itself.

    three inspections ended -> HistoryAssessed, IndicatorsAssessed, ValueAssessed, VerdictReached

A verdict of `hold` waits for two persons (override.py) or another inspection. A device whose repair failed is judged
again.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from kernel import decider
from kernel.decider import members
from kernel.device import AssetNo, Reference
from kernel.quantity import Code, Count, Happened, Sha256
from kernel.refusal import against_rules
from services.sorting.assessment import (
    HistoryFindings,
    IndicatorFindings,
    Known,
    Population,
    Shown,
    ValueFindings,
    assess_history,
    assess_indicators,
    assess_value,
    least_explained,
    say,
)
from services.sorting.decision import INPUTS, VerdictTable
from services.sorting.inspection.staircase import Stair, asks_obsolete, is_obsolete, stairs
from services.sorting.inspection.state import (
    Device,
    Inspection,
    free,
    same_scheme,
    under_way,
)
from services.sorting.norms import Fault, Norm, Part, Scheme, SchemeRef
from services.sorting.prices import ClassValue
from services.sorting.vocabulary import (
    INSPECTED,
    Disposition,
    Ended,
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

    def of(self, device: Device, faults: Sequence[str]) -> Population:
        """What a device with these faults is held against: those with that of its faults which chance explains least,
        or with any fault where it has none.
        """
        if device.maker is None or device.batch is None:
            return Population(class_inspected=self.class_inspected, class_faulty=self.class_faulty, batch_known=False)
        if not faults:
            return self._counted(self.faulty, self.class_faulty)
        known_faults = {one.fault: one for one in self.by_fault}
        none = FaultCount(fault=faults[0], batch=0, whole=0)
        counts = [(fault, known_faults.get(fault, none)) for fault in faults]
        return least_explained(
            [self._counted(one.batch, one.whole, fault=fault, compared=len(faults)) for fault, one in counts]
        )

    def _counted(self, faulty: int, class_faulty: int, *, fault: str | None = None, compared: int = 1) -> Population:
        return Population(
            inspected=self.inspected,
            faulty=faulty,
            class_inspected=self.class_inspected,
            class_faulty=class_faulty,
            fault=fault,
            compared=compared,
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


class HistoryAssessed(Happened, frozen=True, kw_only=True):
    """What its record says."""

    asset_no: AssetNo
    round: Round
    findings: HistoryFindings
    ended: Ended = "performed"


class IndicatorsAssessed(Happened, frozen=True, kw_only=True):
    """What the inspections showed of this device. Where it was judged `again`, it is in the counts of its maker and
    batch already, as it first came in.
    """

    asset_no: AssetNo
    round: Round
    device: Device
    findings: IndicatorFindings
    ended: Ended = "performed"
    again: bool = False


class ValueAssessed(Happened, frozen=True, kw_only=True):
    """What each disposition is worth."""

    asset_no: AssetNo
    round: Round
    findings: ValueFindings
    prices: TableRef
    ended: Ended = "performed"


class VerdictReached(Happened, frozen=True, kw_only=True):
    """结论 The disposition, the rule that gave it, what the table was asked, and the staircase. `waived`: an inspection
    was left out by a rule. `again`: the repair or re-verification that failed. `obsolete`: the policy by which it is
    not used again, whether or not that gave the disposition.
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
    obsolete: RuleId | None = None


Command: TypeAlias = Judge | Rejudge
Furnished: TypeAlias = JudgeByRulebook | RejudgeByRulebook
Event: TypeAlias = HistoryAssessed | IndicatorsAssessed | ValueAssessed | VerdictReached


def decide(command: Command | Furnished, inspection: Inspection) -> Sequence[Event]:
    match command:
        case JudgeByRulebook():
            return _judge(command, under_way(command.asset_no, inspection))
        case RejudgeByRulebook():
            return _rejudge(command, free(command.asset_no, inspection))
        case Judge() | Rejudge():
            raise AssertionError("a device is judged by a rulebook")


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case HistoryAssessed(findings=findings):
            return msgspec.structs.replace(inspection, history=findings)
        case IndicatorsAssessed(findings=indicators):
            return msgspec.structs.replace(inspection, indicators=indicators)
        case ValueAssessed(findings=value):
            return msgspec.structs.replace(inspection, value=value)
        case VerdictReached(disposition=disposition, again=again):
            return msgspec.structs.replace(
                inspection,
                phase="judged",
                disposition=disposition,
                proposal=None,
                repair=None,
                certificate=None,
                judged=inspection.judged + (again is None),
                repair_failed=inspection.repair_failed or again is not None,
                faults_judged=inspection.faults,
                before=None,
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
    history, indicators, value = _assessed(inspection, device, book, command.day)

    def ended(step: Step) -> Ended:
        return "performed" if book.scheme.norm(step).applicable else "not_applicable"

    return [
        HistoryAssessed(**about, findings=history, ended=ended("history")),
        IndicatorsAssessed(
            **about, device=device, findings=indicators, ended=ended("indicators"), again=inspection.judged > 0
        ),
        ValueAssessed(**about, findings=value, prices=book.prices_ref, ended=ended("value")),
        _verdict(about, inspection, book, (history, indicators, value), None),
    ]


def _assessed(
    inspection: Inspection, device: Device, book: Rulebook, on: date
) -> tuple[HistoryFindings, IndicatorFindings, ValueFindings]:
    """三评. An assessment that the scheme does not have for the class gives no numbers."""
    faults, known_before = _faults(inspection, book.scheme), _known(inspection, device)
    without = (say("assessment.not_applicable"),)
    history = (
        assess_history(known_before, book.value, on)
        if book.scheme.norm("history").applicable
        else HistoryFindings(known=known_before, said=without)
    )
    left_out = inspection.left_out
    indicators = (
        assess_indicators(
            faults,
            left_out,
            book.counts.of(device, inspection.faults),
            _unseen(inspection, book.scheme) if left_out else (),
        )
        if book.scheme.norm("indicators").applicable
        else IndicatorFindings(
            faults=inspection.faults,
            condition="unknown",
            defect="undetermined",
            tampering=any(fault.tampering for fault in faults),
            said=without,
        )
    )
    value = (
        assess_value(faults, history, indicators, book.value)
        if book.scheme.norm("value").applicable
        else ValueFindings(said=without)
    )
    return history, indicators, value


def _unseen(inspection: Inspection, scheme: Scheme) -> tuple[Shown, ...]:
    """What none of the inspections that were performed could have shown, of what the scheme looks for."""
    sought: dict[Shown, set[str]] = {
        "tampering": {fault.code for fault in scheme.faults if fault.tampering},
        "original": {fault.code for fault in scheme.faults if fault.origin == "original"},
    }
    shown_by = {
        what: {norm.step for norm in scheme.norms if not codes.isdisjoint(_may_show(norm))}
        for what, codes in sought.items()
    }
    performed = {step for step, ended in inspection.ends.items() if ended == "performed"}
    return tuple(what for what, steps in shown_by.items() if steps and steps.isdisjoint(performed))


def _may_show(norm: Norm) -> Iterator[str]:
    for item in norm.items:
        for fault in (item.fault, *(choice.fault for choice in item.choices)):
            if fault is not None:
                yield fault


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
    obsolete = next((one for one in book.table.obsolete if is_obsolete(one, device)), None)
    inputs = (
        "confirmed" if inspection.identity == "confirmed" else "unverified",
        _evidence(indicators),
        "no" if obsolete is None else "yes",
        indicators.condition,
        indicators.defect,
        history.warranty,
        history.life,
        value.pays,
        "failed" if again is not None or inspection.repair_failed else "untried",
        indicators.batch,
    )
    rule = book.table.rule(inputs)
    return VerdictReached(
        **about,
        disposition=rule.disposition,
        rule=rule.rule,
        because=obsolete.because if obsolete and asks_obsolete(rule) else rule.because,
        inputs=_named(inputs),
        stairs=stairs(rule, value),
        table=book.table_ref,
        waived="waived" in inspection.ends.values(),
        again=again,
        obsolete=None if obsolete is None else obsolete.rule,
    )


@lru_cache(maxsize=4_096)
def _named(inputs: tuple[str, ...]) -> tuple[Input, ...]:
    """The table has columns of few words, and thousands of devices are asked with the same."""
    return tuple(Input(column=column, word=word) for column, word in zip(INPUTS, inputs, strict=True))


def _evidence(indicators: IndicatorFindings) -> str:
    if indicators.tampering:
        return "tampering"
    return "none" if indicators.tampering_sought else "unknown"


def _faults(inspection: Inspection, scheme: Scheme) -> list[Fault]:
    known_faults = {fault.code: fault for fault in scheme.faults}
    return [known_faults[code] for code in inspection.faults]


def _known(inspection: Inspection, device: Device) -> Known:
    return Known(
        made_on=device.made_on,
        installed_on=device.installed_on,
        dismantled_on=device.dismantled_on,
        load=inspection.load,
        rounds_judged=inspection.judged,
        faults_before=inspection.faults_judged,
        repair_failed=inspection.repair_failed,
    )


PART = decider.Part(members(Command), members(Event), decide, evolve, furnished=members(Furnished))
