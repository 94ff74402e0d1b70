"""Results, recorded blind, and what they come to.

SampleDrawn -> SampleReplaced | ResultRecorded ... -> Concluded
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, Reference
from kernel.quantity import Count, Happened, Key, Remark, Subject
from kernel.refusal import against_rules
from services.sorting.review.state import Judged, Review, must_be
from services.sorting.sampling import ShareBounds, StratumCount, share_of_whole

Consequence: TypeAlias = Literal["accepted", "resort"]
CONSEQUENCES: Final[dict[Consequence, tuple[str, str]]] = {
    "accepted": ("认可", "accepted"),
    "resort": ("整批重新分拣", "the batch is sorted again"),
}
NAMED_MAX: Final = 5
"""Devices named where results are missing; more would be read by nobody."""

NOT_SAMPLED = against_rules(
    "review.not_sampled",
    "器具 {asset_no} 不在复核 {review} 的样本内。",
    "{asset_no} is not in the sample of review {review}",
)
RESULT_THERE = against_rules(
    "review.result_recorded",
    "器具 {asset_no} 在复核 {review} 中已有结果，不能更改。",
    "{asset_no} has its result in review {review}, and that does not change",
)
RESULTS_MISSING = against_rules(
    "review.results_missing",
    "复核 {review} 尚缺 {count} 个结果：{asset_nos}。请补录，或以备样替换缺失的样本。",
    "review {review} lacks {count} results: {asset_nos}; record them, or have spares take the place of what is missing",
)


class ReplaceSample(Happened, frozen=True, kw_only=True):
    """替换样本 A sample cannot be tested; the next spare of its stratum takes its place."""

    review: Key
    asset_no: AssetNo
    why: Remark
    by: Subject


class RecordResult(Happened, frozen=True, kw_only=True):
    """登记复检结果 What the institute itself finds is to be done with the device, by which report."""

    review: Key
    asset_no: AssetNo
    disposition: Judged
    report: Reference
    why: Remark | None = None
    by: Subject


class ConcludeReview(Happened, frozen=True, kw_only=True):
    """复核结论 Count how often the institute agrees, and say what follows."""

    review: Key
    by: Subject


class SampleReplaced(Happened, frozen=True, kw_only=True):
    """A sample is missing. Without a `spare` there was none left, and it counts as a disagreement."""

    review: Key
    asset_no: AssetNo
    spare: AssetNo | None = None
    why: Remark
    by: Subject


class ResultRecorded(Happened, frozen=True, kw_only=True):
    """What the institute found, not knowing the verdict."""

    review: Key
    asset_no: AssetNo
    disposition: Judged
    report: Reference
    why: Remark | None = None
    by: Subject


class Concluded(Happened, frozen=True, kw_only=True):
    """The samples, `missing` ones among them, and how many agreed and disagreed; a missing one disagrees. `disagreeing`
    is the share of the whole population with which the institute would disagree: as the samples, each stratum weighed
    by its members, let expect, and its bounds (docs/formats.md says how). With more than `accept` samples that disagree
    the verdicts do not stand.
    """

    review: Key
    samples: Count
    agreed: Count
    disagreed: Count
    missing: Count
    accept: Count
    disagreeing: ShareBounds
    confidence_ppm: int
    consequence: Consequence
    by: Subject


Command: TypeAlias = ReplaceSample | RecordResult | ConcludeReview
Event: TypeAlias = SampleReplaced | ResultRecorded | Concluded


def decide(command: Command, review: Review) -> Sequence[Event]:
    match command:
        case ReplaceSample():
            return [_replaced(command, review)]
        case RecordResult():
            _sampled(command, review)
            return [becomes(command, ResultRecorded)]
        case ConcludeReview():
            return [_concluded(command, review)]


def evolve(review: Review, event: Event) -> Review:
    match event:
        case SampleReplaced():
            return _with_spare(review, event)
        case ResultRecorded():
            return msgspec.structs.replace(review, results=review.results | {event.asset_no: event.disposition})
        case Concluded():
            return msgspec.structs.replace(review, phase="concluded")


def _replaced(command: ReplaceSample, review: Review) -> SampleReplaced:
    _sampled(command, review)
    spares = review.spares[review.at[command.asset_no]]
    return becomes(command, SampleReplaced, spare=spares[0] if spares else None)


def _with_spare(review: Review, event: SampleReplaced) -> Review:
    if event.spare is None:
        return msgspec.structs.replace(review, gone=review.gone | {event.asset_no})
    if event.asset_no not in review.verdicts:
        # No decision writes that; whatever a log says, it can be read.
        return review
    place, verdict = review.at[event.asset_no], review.verdicts[event.asset_no]
    verdicts = {one: said for one, said in review.verdicts.items() if one != event.asset_no}
    left = tuple(
        tuple(one for one in spares if one != event.spare) if at == place else spares
        for at, spares in enumerate(review.spares)
    )
    return msgspec.structs.replace(
        review, verdicts=verdicts | {event.spare: verdict}, at=review.at | {event.spare: place}, spares=left
    )


def _concluded(command: ConcludeReview, review: Review) -> Concluded:
    must_be("drawn", command.review, review)
    if awaited := review.awaited:
        shown = ", ".join(awaited[:NAMED_MAX]) + (" …" if len(awaited) > NAMED_MAX else "")
        raise RESULTS_MISSING(review=command.review, count=len(awaited), asset_nos=shown)
    assert review.plan is not None
    samples = len(review.verdicts)
    differing = {one for one, said in review.verdicts.items() if review.results.get(one) != said}
    return becomes(
        command,
        Concluded,
        samples=samples,
        agreed=samples - len(differing),
        disagreed=len(differing),
        missing=len(review.gone),
        accept=review.accept,
        disagreeing=share_of_whole(_tested(review, differing), review.plan.confidence_ppm),
        confidence_ppm=review.plan.confidence_ppm,
        consequence="accepted" if len(differing) <= review.accept else "resort",
    )


def _tested(review: Review, found: set[str]) -> list[StratumCount]:
    """The strata, and of how many samples of each it was found."""
    tested, seen = (Counter(review.at[one] for one in some) for some in (review.verdicts, found))
    return [StratumCount(review.strata[place].members, count, seen[place]) for place, count in tested.items()]


def _sampled(command: ReplaceSample | RecordResult, review: Review) -> None:
    """A sample that waits for its result."""
    must_be("drawn", command.review, review)
    if command.asset_no not in review.verdicts or command.asset_no in review.gone:
        raise NOT_SAMPLED(asset_no=command.asset_no, review=command.review)
    if command.asset_no in review.results:
        raise RESULT_THERE(asset_no=command.asset_no, review=command.review)


PART = Part(members(Command), members(Event), decide, evolve)
