"""Results, recorded blind, and what they come to.

SampleDrawn -> SampleReplaced | ResultRecorded -> ResultCorrected ... -> Concluded

A slip of the pen would have a batch sorted again: until the conclusion a result is corrected by somebody else than who
entered it. What was entered first stays on record, and the last counts.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kernel import decider
from kernel.decider import becomes, members
from kernel.device import AssetNo, Reference, SiteId
from kernel.quantity import Count, Happened, Key, Remark, Subject
from kernel.refusal import against_rules
from services.sorting.norms import Part
from services.sorting.review.state import Judged, Result, Review, must_be
from services.sorting.sampling import ShareBounds, StratumCount, share_of_whole

Consequence: TypeAlias = Literal["accepted", "resort"]
CONSEQUENCES: Final[dict[Consequence, tuple[str, str]]] = {
    "accepted": ("认可", "accepted"),
    "resort": ("整批重新分拣", "the batch is sorted again"),
}
Reason: TypeAlias = Literal["missing", "destroyed", "unreadable", "damaged", "other"]
REASONS: Final[dict[Reason, tuple[str, str]]] = {
    "missing": ("找不到", "it is not to be found"),
    "destroyed": ("已不存在", "it is no more"),
    "unreadable": ("编号无法辨认", "its number cannot be read"),
    "damaged": ("损坏，无法检定", "too damaged to be tested"),
    "other": ("其他", "another reason"),
}
NOWHERE: Final[frozenset[Reason]] = frozenset({"missing", "destroyed"})
"""Reasons by which a device is at no site; where the registry has it at one, that is said."""
NAMED_MAX: Final = 5
"""Devices named where results are missing; more would be read by nobody."""

NOT_SAMPLED = against_rules(
    "review.not_sampled",
    "器具 {asset_no} 不在复核 {review} 的样本内。",
    "{asset_no} is not in the sample of review {review}",
)
RESULT_THERE = against_rules(
    "review.result_recorded",
    "器具 {asset_no} 在复核 {review} 中已有结果。有误时请由另一人更正。",
    "{asset_no} has its result in review {review}; if that is wrong, another person corrects it",
)
NO_RESULT = against_rules(
    "review.no_result",
    "器具 {asset_no} 在复核 {review} 中尚无结果可更正，请先登记。",
    "{asset_no} has no result in review {review} that could be corrected; record it first",
)
SAME_RESULT = against_rules(
    "review.same_result",
    "器具 {asset_no} 的结果与报告已如此登记。",
    "that result and report of {asset_no} are on record already",
)
ANOTHER_PERSON = against_rules(
    "review.another_person",
    "更正须由另一人办理：{by} 登记了该结果。",
    "a result is corrected by another person: {by} entered it",
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
    reason: Reason
    why: Remark
    by: Subject


class ReplaceSampleOnRecord(ReplaceSample, frozen=True, kw_only=True):
    """The same, with the site at which the registry has the device."""

    site: SiteId | None


class RecordResult(Happened, frozen=True, kw_only=True):
    """登记复检结果 What the institute itself finds is to be done with the device, by which report."""

    review: Key
    asset_no: AssetNo
    disposition: Judged
    report: Reference
    why: Remark | None = None
    by: Subject


class CorrectResult(Happened, frozen=True, kw_only=True):
    """更正复检结果 What was entered is not what was found, says another person, and why."""

    review: Key
    asset_no: AssetNo
    disposition: Judged
    report: Reference
    why: Remark
    by: Subject


class ConcludeReview(Happened, frozen=True, kw_only=True):
    """复核结论 Count how often the institute agrees, and say what follows."""

    review: Key
    by: Subject


class SampleReplaced(Happened, frozen=True, kw_only=True):
    """A sample cannot be tested. Without a `spare` there was none left, and it counts as a disagreement.
    `on_record_at`: the site at which the registry has it, though by the `reason` it is at none. Before reasons were
    coded, none is said.
    """

    review: Key
    asset_no: AssetNo
    spare: AssetNo | None = None
    reason: Reason | None = None
    on_record_at: SiteId | None = None
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


class ResultCorrected(Happened, frozen=True, kw_only=True):
    """What was found after all. `overruled` was entered before, by somebody else."""

    review: Key
    asset_no: AssetNo
    disposition: Judged
    overruled: Judged
    report: Reference
    why: Remark
    by: Subject


class WorstCase(Part, frozen=True, kw_only=True):
    """What the samples come to if every one whose place a spare took had disagreed."""

    agreed: Count
    disagreed: Count
    disagreeing: ShareBounds


class Concluded(Happened, frozen=True, kw_only=True):
    """The samples, `missing` ones among them, and how many agreed and disagreed; a missing one disagrees. `disagreeing`
    is the share of the whole population with which the institute would disagree: as the samples, each stratum weighed
    by its members, let expect, and its bounds (docs/formats.md says how). With more than `accept` samples that disagree
    the verdicts do not stand. `replaced` samples gave their places to spares; `worst` counts these places as
    disagreements, too. `corrected` results were entered otherwise at first.
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
    replaced: Count = 0
    corrected: Count = 0
    worst: WorstCase | None = None


Command: TypeAlias = ReplaceSample | RecordResult | CorrectResult | ConcludeReview
Event: TypeAlias = SampleReplaced | ResultRecorded | ResultCorrected | Concluded


def decide(command: Command | ReplaceSampleOnRecord, review: Review) -> Sequence[Event]:
    match command:
        case ReplaceSampleOnRecord():
            return [_replaced(command, review)]
        case ReplaceSample():
            raise AssertionError("a sample is replaced with what the record says of it")
        case RecordResult():
            _awaited(command, review)
            return [becomes(command, ResultRecorded)]
        case CorrectResult():
            return [_corrected(command, review)]
        case ConcludeReview():
            return [_concluded(command, review)]


def evolve(review: Review, event: Event) -> Review:
    match event:
        case SampleReplaced():
            return _with_spare(review, event)
        case ResultRecorded() | ResultCorrected():
            result = Result(event.disposition, event.report, event.by)
            corrected = review.corrected | ({event.asset_no} if isinstance(event, ResultCorrected) else set())
            return msgspec.structs.replace(
                review, results=review.results | {event.asset_no: result}, corrected=corrected
            )
        case Concluded():
            return msgspec.structs.replace(review, phase="concluded")


def _replaced(command: ReplaceSampleOnRecord, review: Review) -> SampleReplaced:
    _awaited(command, review)
    spares = review.spares[review.at[command.asset_no]]
    return becomes(
        command,
        SampleReplaced,
        spare=spares[0] if spares else None,
        on_record_at=command.site if command.reason in NOWHERE else None,
    )


def _corrected(command: CorrectResult, review: Review) -> ResultCorrected:
    _sampled(command, review)
    entered = review.results.get(command.asset_no)
    if entered is None:
        raise NO_RESULT(asset_no=command.asset_no, review=command.review)
    if entered.by == command.by:
        raise ANOTHER_PERSON(by=command.by, field="by")
    if (entered.disposition, entered.report) == (command.disposition, command.report):
        raise SAME_RESULT(asset_no=command.asset_no, field="disposition")
    return becomes(command, ResultCorrected, overruled=entered.disposition)


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
        review,
        verdicts=verdicts | {event.spare: verdict},
        at=review.at | {event.spare: place},
        spares=left,
        came_in=review.came_in | {event.spare},
        replaced=review.replaced + 1,
    )


def _concluded(command: ConcludeReview, review: Review) -> Concluded:
    must_be("drawn", command.review, review)
    if awaited := review.awaited:
        shown = ", ".join(awaited[:NAMED_MAX]) + (" …" if len(awaited) > NAMED_MAX else "")
        raise RESULTS_MISSING(review=command.review, count=len(awaited), asset_nos=shown)
    assert review.plan is not None
    samples = len(review.verdicts)
    differing = {
        one for one, said in review.verdicts.items() if one in review.gone or review.results[one].disposition != said
    }
    worst = differing | (review.came_in & review.verdicts.keys())
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
        replaced=review.replaced,
        corrected=len(review.corrected),
        worst=WorstCase(
            agreed=samples - len(worst),
            disagreed=len(worst),
            disagreeing=share_of_whole(_tested(review, worst), review.plan.confidence_ppm),
        ),
    )


def _tested(review: Review, found: set[str]) -> list[StratumCount]:
    """The strata, and of how many samples of each it was found."""
    tested, seen = (Counter(review.at[one] for one in some) for some in (review.verdicts, found))
    return [StratumCount(review.strata[place].members, count, seen[place]) for place, count in tested.items()]


def _sampled(command: ReplaceSample | RecordResult | CorrectResult, review: Review) -> None:
    """A sample that has its result or waits for it."""
    must_be("drawn", command.review, review)
    if command.asset_no not in review.verdicts or command.asset_no in review.gone:
        raise NOT_SAMPLED(asset_no=command.asset_no, review=command.review)


def _awaited(command: ReplaceSample | RecordResult, review: Review) -> None:
    """A sample that waits for its result."""
    _sampled(command, review)
    if command.asset_no in review.results:
        raise RESULT_THERE(asset_no=command.asset_no, review=command.review)


PART = decider.Part(members(Command), members(Event), decide, evolve, furnished=(ReplaceSampleOnRecord,))
