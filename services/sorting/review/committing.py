"""From a proposal to a population that cannot change any more."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from kernel.decider import Part, becomes, members
from kernel.quantity import CivilDate, Code, Count, Happened, Instant, Key, PublicRemark, Sha256, Subject
from kernel.refusal import against_rules, unreadable
from services.sorting.review.state import MOVED_ON, LeftOut, Review, ReviewCriteria, Stratum, must_be
from services.sorting.sampling import SamplingPlan
from services.sorting.vocabulary import SharePpm

EXISTS = against_rules(
    "review.exists", "复核编号 {review} 已被使用。请另取编号。", "a review {review} is there already; take another id"
)
DAYS_NOT_OVER = unreadable(
    "review.days_not_over",
    "结论日期须为已经过去的日子，起不晚于止，且提出之日不晚于今天（{today}）：其后不会再有新结论加入。",
    "the days of the verdicts are over, the first is not after the last, and nothing is proposed for a day after today "
    "({today}), so that no verdict comes later",
)
NONCE_THERE = against_rules(
    "review.nonce_entrusted",
    "复核 {review} 已收到随机数摘要，不能更换。",
    "review {review} has the SHA-256 of a nonce already, and takes no other",
)
NO_NONCE = against_rules(
    "review.no_nonce",
    "复核 {review} 尚未收到监督方的随机数摘要。",
    "review {review} has no SHA-256 of a nonce yet; the supervisor entrusts it first",
)
NOBODY = against_rules("review.nobody", "复核 {review} 的总体为空。", "nobody is in the population of review {review}")


REVEAL_WITHIN_H_MAX: Final = 720
"""A month: whoever waits longer for a nonce keeps the devices from everybody."""


class ProposeReview(Happened, frozen=True, kw_only=True):
    """提出复核 Which verdicts are reviewed, by which sampling plan, and within how many hours the nonce is to be
    revealed once a published checkpoint covers the commitment.
    """

    review: Key
    criteria: ReviewCriteria
    plan: Code
    reveal_within_h: Annotated[int, Meta(ge=24, le=REVEAL_WITHIN_H_MAX)] = 72
    by: Subject


class ProposeReviewByPlan(ProposeReview, frozen=True, kw_only=True):
    """The same, with the plan whole, and the day that it is by the clock."""

    whole_plan: SamplingPlan
    today: CivilDate


class EntrustNonce(Happened, frozen=True, kw_only=True):
    """托付随机数摘要 The supervisor gives the SHA-256 of 32 random bytes, and keeps these to itself. It accepts the
    hours in which they are to be revealed, or sets its own, which may be fewer than anybody may propose.
    """

    review: Key
    nonce_sha256: Sha256
    reveal_within_h: Annotated[int, Meta(ge=1, le=REVEAL_WITHIN_H_MAX)] | None = None
    by: Subject


class WithdrawReview(Happened, frozen=True, kw_only=True):
    """撤回复核 Give it up before its population is committed."""

    review: Key
    why: PublicRemark
    by: Subject


class CommitPopulation(Happened, frozen=True, kw_only=True):
    """承诺总体 All that were to join have joined."""

    review: Key


class CommitPopulationOf(CommitPopulation, frozen=True, kw_only=True):
    """The same, with what the population is."""

    root: Sha256
    members: Count
    strata: tuple[Stratum, ...]
    left_out: LeftOut = LeftOut()


class ReviewProposed(Happened, frozen=True, kw_only=True):
    """A review is under way; devices that fit join it."""

    review: Key
    criteria: ReviewCriteria
    plan: SamplingPlan
    reveal_within_h: int
    by: Subject


class NonceEntrusted(Happened, frozen=True, kw_only=True):
    """The supervisor has chosen its nonce, and where it is said in how many hours it reveals it."""

    review: Key
    nonce_sha256: Sha256
    reveal_within_h: int | None = None
    by: Subject


class ReviewWithdrawn(Happened, frozen=True, kw_only=True):
    """It was given up, and its devices are free."""

    review: Key
    why: PublicRemark
    by: Subject


class PopulationCommitted(Happened, frozen=True, kw_only=True):
    """The population: its Merkle root, its strata, and the SHA-256 of the nonce. It is to be revealed within so many
    hours of the first published checkpoint that covers this, and that is to be there within as many of this; in old
    events by `reveal_by`. The plan draws `sample` of the whole, and `spares_ppm` of that as spares; with more than
    `accept` disagreements the verdicts do not stand. A verdict of those days is a member or `left_out` for its reason.
    """

    review: Key
    root: Sha256
    members: Count
    strata: tuple[Stratum, ...]
    sample: Count
    spares_ppm: SharePpm
    accept: Count
    nonce_sha256: Sha256
    reveal_by: Instant | None = None
    reveal_within_h: int = 0
    left_out: LeftOut = LeftOut()


Command: TypeAlias = ProposeReview | EntrustNonce | WithdrawReview | CommitPopulation
Furnished: TypeAlias = ProposeReviewByPlan | CommitPopulationOf
Event: TypeAlias = ReviewProposed | NonceEntrusted | ReviewWithdrawn | PopulationCommitted


def decide(command: Command | Furnished, review: Review) -> Sequence[Event]:
    match command:
        case ProposeReviewByPlan():
            return _propose(command, review)
        case ProposeReview():
            raise AssertionError("it is proposed with its plan")
        case EntrustNonce():
            must_be("joining", command.review, review)
            if review.nonce_sha256 == command.nonce_sha256:
                return []
            if review.nonce_sha256 is not None:
                raise NONCE_THERE(review=command.review)
            return [becomes(command, NonceEntrusted)]
        case WithdrawReview():
            must_be("joining", command.review, review)
            return [becomes(command, ReviewWithdrawn)]
        case CommitPopulation():
            return _commit(command, review)


def evolve(review: Review, event: Event) -> Review:
    match event:
        case ReviewProposed():
            return Review(phase="joining", plan=event.plan, reveal_within_h=event.reveal_within_h)
        case NonceEntrusted():
            return msgspec.structs.replace(
                review,
                nonce_sha256=event.nonce_sha256,
                entrusted_by=event.by,
                reveal_within_h=event.reveal_within_h or review.reveal_within_h,
            )
        case ReviewWithdrawn():
            return msgspec.structs.replace(review, phase="withdrawn")
        case PopulationCommitted():
            # No decision writes one without its instant or with such a term; whatever a log says, it can be read.
            within_h = review.reveal_within_h
            due = event.occurred_at if 0 < within_h <= REVEAL_WITHIN_H_MAX else None
            return msgspec.structs.replace(
                review,
                phase="committed",
                accept=event.accept,
                strata=event.strata,
                publish_by=None if due is None else due + timedelta(hours=within_h),
                reveal_by=event.reveal_by,
            )


def _propose(command: ProposeReviewByPlan, review: Review) -> list[Event]:
    if review.phase != "none":
        raise EXISTS(review=command.review)
    if not command.criteria.judged_from <= command.criteria.judged_to < command.day <= command.today:
        raise DAYS_NOT_OVER(today=command.today, field="criteria.judged_to")
    return [becomes(command, ReviewProposed, plan=command.whole_plan)]


def _commit(command: CommitPopulation, review: Review) -> list[Event]:
    if review.phase not in ("none", "joining", "withdrawn"):
        return []
    must_be("joining", command.review, review)
    if not isinstance(command, CommitPopulationOf):
        raise MOVED_ON(review=command.review)
    if review.nonce_sha256 is None:
        raise NO_NONCE(review=command.review)
    if not command.members:
        raise NOBODY(review=command.review)
    assert review.plan is not None
    assert command.occurred_at is not None
    return [
        becomes(
            command,
            PopulationCommitted,
            sample=review.plan.sample(command.members),
            spares_ppm=review.plan.spares_ppm,
            accept=review.plan.lot(command.members).accept,
            nonce_sha256=review.nonce_sha256,
            reveal_within_h=review.reveal_within_h,
        )
    ]


PART = Part(members(Command), members(Event), decide, evolve, furnished=members(Furnished))
