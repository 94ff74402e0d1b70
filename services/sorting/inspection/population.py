"""In the population of a review: from when it joins until the review has ended, nothing about its verdict changes.

judged -> PopulationJoined (review) -> PopulationLeft (review)
                                    -> PopulationLeft (review, resort): the verdict stands no more

An override that is proposed by then stays proposed: nobody confirms or rejects it before the review has ended, so that
nobody keeps a verdict from a review by doubting it.

What the registry tells meanwhile, that the device is in service again or bears another number, is a fact and goes on
record (departure.py); the device stays in the population with the verdict with which it joined.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo
from kernel.quantity import Code, Happened, Key
from kernel.refusal import against_rules
from services.sorting.inspection.state import NOT_OPEN, PHASES, UNKNOWN, Inspection, known, unrepaired
from services.sorting.vocabulary import DISPOSITIONS, Disposition, Round

IN_ANOTHER = against_rules(
    "inspection.in_another_population",
    "器具 {asset_no} 已在复核 {other} 的总体内。",
    "{asset_no} is in the population of review {other} already",
)
CHANGED = against_rules(
    "inspection.verdict_changed",
    "器具 {asset_no} 的结论已不是第 {round} 轮的{disposition}。",
    "the verdict on {asset_no} is no longer {disposition} of its inspection {round}",
)


class JoinPopulation(Happened, frozen=True, kw_only=True):
    """进入复核总体 The device is frozen for a review. Where it is said for which verdict it was chosen, with no
    other.
    """

    asset_no: AssetNo
    review: Key
    round: Round | None = None
    disposition: Disposition | None = None


class LeavePopulation(Happened, frozen=True, kw_only=True):
    """离开复核总体 The review has ended: `resort`, where its batch is sorted again. `sampled`: the device was drawn."""

    asset_no: AssetNo
    review: Key
    resort: bool = False
    sampled: bool = False


class PopulationJoined(Happened, frozen=True, kw_only=True):
    """It is in the population, with this verdict. `maker` is that on record when the inspection was opened; `waived`:
    an inspection was left out by a rule; `skipped`: one was, by a rule or because it was not possible. By the latter
    it is drawn in a stratum of its own; where that is not said, by the former.
    """

    asset_no: AssetNo
    review: Key
    round: Round
    disposition: Disposition
    maker: Code | None = None
    waived: bool = False
    skipped: bool | None = None


class PopulationLeft(Happened, frozen=True, kw_only=True):
    """It is free again. `resort`: its verdict stands no more, and it is inspected anew before anything else. `sampled`:
    it was drawn, as a sample or a spare, and is not released for that any more.
    """

    asset_no: AssetNo
    review: Key
    resort: bool = False
    sampled: bool = False


Command: TypeAlias = JoinPopulation | LeavePopulation
Event: TypeAlias = PopulationJoined | PopulationLeft


def decide(command: Command, inspection: Inspection) -> Sequence[Event]:
    match command:
        case JoinPopulation(review=review):
            known(command.asset_no, inspection)
            if inspection.population == review:
                return []
            if inspection.population is not None:
                raise IN_ANOTHER(asset_no=command.asset_no, other=inspection.population)
            if inspection.phase != "judged" or inspection.disposition is None:
                raise NOT_OPEN(asset_no=command.asset_no, phase=PHASES[inspection.phase])
            unrepaired(command.asset_no, inspection)
            chosen = (command.round or inspection.round, command.disposition or inspection.disposition)
            if chosen != (inspection.round, inspection.disposition):
                said = DISPOSITIONS[command.disposition or inspection.disposition]
                raise CHANGED(asset_no=command.asset_no, round=chosen[0], disposition=said)
            maker = None if inspection.device is None else inspection.device.maker
            return [
                becomes(
                    command,
                    PopulationJoined,
                    round=inspection.round,
                    disposition=inspection.disposition,
                    maker=maker,
                    waived="waived" in inspection.ends.values(),
                    skipped=inspection.left_out > 0,
                )
            ]
        case LeavePopulation(review=review):
            if inspection.round == 0:
                raise UNKNOWN(asset_no=command.asset_no)
            # Also of a device that goes by its number by now.
            return [becomes(command, PopulationLeft)] if inspection.population == review else []


def evolve(inspection: Inspection, event: Event) -> Inspection:
    match event:
        case PopulationJoined(review=review):
            return msgspec.structs.replace(inspection, population=review)
        case PopulationLeft(resort=resort):
            free = msgspec.structs.replace(inspection, population=None)
            return _unsettled(free, event.review) if resort else free


def _unsettled(inspection: Inspection, review: str) -> Inspection:
    """The same without its verdict, be that the one that stands or the one before an inspection under way."""
    if inspection.phase == "judged":
        return msgspec.structs.replace(
            inspection, phase="resort", resort=review, disposition=None, proposal=None, certificate=None
        )
    return msgspec.structs.replace(inspection, disposition=None, before=None)


PART = decider.Part(members(Command), members(Event), decide, evolve)
