"""改判: a person proposes another disposition than the table's, and another person agrees or does not.

    VerdictReached -> OverrideProposed -> VerdictOverridden (by a second person) | OverrideRejected

A proposal lapses when the device is judged or inspected again.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo
from kernel.quantity import Happened, Remark, Subject
from kernel.refusal import against_rules
from services.sorting.inspection.state import Inspection, Proposal, free, unrepaired
from services.sorting.vocabulary import DISPOSITIONS, Disposition, Round

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


Command: TypeAlias = ProposeOverride | ConfirmOverride | RejectOverride
Event: TypeAlias = OverrideProposed | VerdictOverridden | OverrideRejected


def decide(command: Command, inspection: Inspection) -> Sequence[Event]:
    judged = free(command.asset_no, inspection)
    match command:
        case ProposeOverride():
            unrepaired(command.asset_no, judged)
            if judged.proposal is not None:
                raise PROPOSED_ALREADY(asset_no=command.asset_no)
            if command.disposition == judged.disposition:
                disposition = DISPOSITIONS[command.disposition]
                raise SAME_DISPOSITION(asset_no=command.asset_no, disposition=disposition, field="disposition")
            return [becomes(command, OverrideProposed, round=judged.round)]
        case ConfirmOverride():
            return [_confirmed(command, judged)]
        case RejectOverride():
            if judged.proposal is None:
                raise NOTHING_PROPOSED(asset_no=command.asset_no)
            return [becomes(command, OverrideRejected, round=judged.round)]


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case OverrideProposed(by=by, disposition=disposition, why=why):
            return msgspec.structs.replace(inspection, proposal=Proposal(by, disposition, why))
        case VerdictOverridden(disposition=disposition):
            return msgspec.structs.replace(inspection, disposition=disposition, proposal=None, certificate=None)
        case OverrideRejected():
            return msgspec.structs.replace(inspection, proposal=None)


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


PART = decider.Part(members(Command), members(Event), decide, evolve)
