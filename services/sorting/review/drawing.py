"""The draw: the nonce is revealed in time, or it fails.

PopulationCommitted -> SampleDrawn | DrawFailed
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.quantity import Count, Happened, Instant, Key, Sha256, Subject
from kernel.refusal import against_rules
from services.sorting.review.state import MOVED_ON, DrawnStratum, Review, must_be

WRONG_NONCE = against_rules(
    "review.wrong_nonce",
    "随机数与复核 {review} 所承诺的摘要不符。请核对后在 {reveal_by} 之前重试。",
    "this is not the nonce whose SHA-256 review {review} has; look again, and reveal it before {reveal_by}",
)
TOO_LATE = against_rules(
    "review.nonce_too_late",
    "复核 {review} 的随机数须在 {reveal_by} 之前揭示，现已逾期，抽样失败。",
    "the nonce of review {review} was to be revealed by {reveal_by}; it is too late and the draw fails",
)
NOT_YET_DUE = against_rules(
    "review.nonce_not_due",
    "复核 {review} 的随机数揭示期限 {reveal_by} 未到。",
    "the nonce of review {review} may be revealed until {reveal_by}, which is not over",
)


class RevealNonce(Happened, frozen=True, kw_only=True):
    """揭示随机数 The 32 bytes, after a published checkpoint covers the commitment. Before, nobody may know them."""

    review: Key
    nonce: Sha256
    by: Subject


class RevealNonceThen(RevealNonce, frozen=True, kw_only=True):
    """The same, with the instant at which it arrived, the first published checkpoint that covers the commitment, and
    what is drawn by it.
    """

    now: Instant
    checkpoint_size: Count
    checkpoint_root: Sha256
    drawn: tuple[DrawnStratum, ...]


class FailDraw(Happened, frozen=True, kw_only=True):
    """抽样失败 The nonce was not revealed in time."""

    review: Key


class SampleDrawn(Happened, frozen=True, kw_only=True):
    """The sample, by the nonce and the first published checkpoint that covers the commitment."""

    review: Key
    nonce: Sha256
    checkpoint_size: Count
    checkpoint_root: Sha256
    drawn: tuple[DrawnStratum, ...]
    by: Subject


class DrawFailed(Happened, frozen=True, kw_only=True):
    """The nonce was not revealed in time by whoever had entrusted its SHA-256."""

    review: Key
    attributed_to: Subject
    reveal_by: Instant


Command: TypeAlias = RevealNonce | FailDraw
Event: TypeAlias = SampleDrawn | DrawFailed


def decide(command: Command | RevealNonceThen, review: Review) -> Sequence[Event]:
    match command:
        case RevealNonce():
            return _reveal(command, review)
        case FailDraw():
            return _fail(command, review)


def evolve(review: Review, event: Event) -> Review:
    match event:
        case SampleDrawn(drawn=drawn):
            return msgspec.structs.replace(
                review,
                phase="drawn",
                verdicts={one: stratum.disposition for stratum in drawn for one in stratum.sample},
                at={one: place for place, stratum in enumerate(drawn) for one in stratum.sample},
                spares=tuple(stratum.spares for stratum in drawn),
            )
        case DrawFailed():
            return msgspec.structs.replace(review, phase="failed")


def is_nonce_of(nonce: str, review: Review) -> bool:
    """Whether it is the nonce whose SHA-256 a review has."""
    return sha256(bytes.fromhex(nonce)).hexdigest() == review.nonce_sha256


def _reveal(command: RevealNonce, review: Review) -> list[Event]:
    must_be("committed", command.review, review)
    assert review.reveal_by is not None
    reveal_by = review.reveal_by.isoformat(timespec="minutes")
    if not is_nonce_of(command.nonce, review):
        raise WRONG_NONCE(review=command.review, reveal_by=reveal_by, field="nonce")
    if not isinstance(command, RevealNonceThen):
        raise MOVED_ON(review=command.review)
    if command.now > review.reveal_by:
        raise TOO_LATE(review=command.review, reveal_by=reveal_by)
    return [becomes(command, SampleDrawn)]


def _fail(command: FailDraw, review: Review) -> list[Event]:
    if review.phase == "failed":
        return []
    must_be("committed", command.review, review)
    assert review.reveal_by is not None
    if command.occurred_at is None or command.occurred_at <= review.reveal_by:
        raise NOT_YET_DUE(review=command.review, reveal_by=review.reveal_by.isoformat(timespec="minutes"))
    return [becomes(command, DrawFailed, attributed_to=review.entrusted_by, reveal_by=review.reveal_by)]


PART = Part(members(Command), members(Event), decide, evolve, furnished=(RevealNonceThen,))
