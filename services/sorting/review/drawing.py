"""The draw: the log publishes the commitment, and the nonce is revealed in time; or it fails, and it is said by whom.

PopulationCommitted -> CommitmentPublished -> SampleDrawn | DrawFailed (not revealed: by the supervisor)
PopulationCommitted -> DrawFailed (not published: by the log's operator; revealed early: by the supervisor)

The checkpoint that counts is on record before the operator knows the nonce, and the supervisor names the one it holds.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, TypeAlias

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
CHECKPOINT_DIFFERS = against_rules(
    "review.checkpoint_differs",
    "所给检查点不是最先涵盖复核 {review} 总体承诺的检查点（本日志为大小 {size}、根 {root}）。如您所持确由本日志签署，"
    "请保留并报告：日志对不同的人出示了不同内容。",
    "the checkpoint named is not the first that covers the commitment of review {review} (by this log size {size}, "
    "root {root}); if the one you hold was signed by this log, keep it and report it: the log shows different things "
    "to different people",
)
NOT_YET_DUE = against_rules(
    "review.nonce_not_due",
    "复核 {review} 的期限 {reveal_by} 未到。",
    "what review {review} waits for may come until {reveal_by}, which is not over",
)


Cause: TypeAlias = Literal["not_revealed", "not_published", "revealed_early"]
CAUSES: Final[dict[Cause, tuple[str, str]]] = {
    "not_revealed": ("随机数逾期未揭示", "the nonce was not revealed in time"),
    "not_published": ("日志逾期未公布总体承诺", "the log did not publish the commitment in time"),
    "revealed_early": ("随机数在总体承诺公布之前揭示", "the nonce was revealed before the commitment was published"),
}
OPERATOR: Final = "log-operator"
"""To whom a draw is attributed that failed because the log published nothing: whoever that is, it is not a person."""


class NoteCheckpoint(Happened, frozen=True, kw_only=True):
    """登记检查点 A published checkpoint covers the commitment: the term to reveal the nonce begins."""

    review: Key


class NoteCheckpointOf(NoteCheckpoint, frozen=True, kw_only=True):
    """The same, with the first one that does."""

    checkpoint_size: Count
    checkpoint_root: Sha256


class RevealNonce(Happened, frozen=True, kw_only=True):
    """揭示随机数 The 32 bytes, with size and root of the first published checkpoint that covers the commitment, as the
    supervisor holds it. Before there is one nobody may know the nonce: a right one that comes earlier fails the draw.
    """

    review: Key
    nonce: Sha256
    checkpoint_size: Count
    checkpoint_root: Sha256
    by: Subject


class RevealNonceThen(RevealNonce, frozen=True, kw_only=True):
    """The same, with the instant at which it arrived, the first published checkpoint that covers the commitment as the
    log has it, None where there is none, and what is drawn by it.
    """

    now: Instant
    first: tuple[Count, Sha256] | None
    drawn: tuple[DrawnStratum, ...]


class FailDraw(Happened, frozen=True, kw_only=True):
    """抽样失败 The nonce was not revealed in time, or the commitment not published."""

    review: Key


class CommitmentPublished(Happened, frozen=True, kw_only=True):
    """The first published checkpoint that covers the commitment; the nonce is to be revealed by `reveal_by`."""

    review: Key
    checkpoint_size: Count
    checkpoint_root: Sha256
    reveal_by: Instant


class SampleDrawn(Happened, frozen=True, kw_only=True):
    """The sample, by the nonce and the first published checkpoint that covers the commitment, as the supervisor named
    it with the nonce.
    """

    review: Key
    nonce: Sha256
    checkpoint_size: Count
    checkpoint_root: Sha256
    drawn: tuple[DrawnStratum, ...]
    by: Subject


class DrawFailed(Happened, frozen=True, kw_only=True):
    """The draw failed by whoever had entrusted the nonce, or by the log's operator. What was due was due by
    `reveal_by`; a `nonce` that came early is there to show that it was the one.
    """

    review: Key
    attributed_to: Subject
    reveal_by: Instant | None = None
    cause: Cause = "not_revealed"
    nonce: Sha256 | None = None


Command: TypeAlias = NoteCheckpoint | RevealNonce | FailDraw
Event: TypeAlias = CommitmentPublished | SampleDrawn | DrawFailed
Furnished: TypeAlias = NoteCheckpointOf | RevealNonceThen


def decide(command: Command | Furnished, review: Review) -> Sequence[Event]:
    match command:
        case NoteCheckpoint():
            return _note(command, review)
        case RevealNonce():
            return _reveal(command, review)
        case FailDraw():
            return _fail(command, review)


def evolve(review: Review, event: Event) -> Review:
    match event:
        case CommitmentPublished():
            checkpoint = (event.checkpoint_size, event.checkpoint_root)
            return msgspec.structs.replace(review, checkpoint=checkpoint, reveal_by=event.reveal_by)
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


def _note(command: NoteCheckpoint, review: Review) -> list[Event]:
    if review.phase != "committed" or review.checkpoint is not None or not isinstance(command, NoteCheckpointOf):
        return []
    assert command.occurred_at is not None
    return [becomes(command, CommitmentPublished, reveal_by=_term(command.occurred_at, review))]


def _term(since: datetime, review: Review) -> datetime:
    return since + timedelta(hours=review.reveal_within_h)


def _reveal(command: RevealNonce, review: Review) -> list[Event]:
    must_be("committed", command.review, review)
    if not is_nonce_of(command.nonce, review):
        raise WRONG_NONCE(review=command.review, reveal_by=_shown(review), field="nonce")
    if not isinstance(command, RevealNonceThen):
        raise MOVED_ON(review=command.review)
    first = review.checkpoint or command.first
    if first is None:
        early: Cause = "revealed_early"
        return [becomes(command, DrawFailed, attributed_to=review.entrusted_by, cause=early)]
    if command.first != first:
        raise MOVED_ON(review=command.review)
    if (command.checkpoint_size, command.checkpoint_root) != first:
        raise CHECKPOINT_DIFFERS(review=command.review, size=first[0], root=first[1], field="checkpoint_root")
    if review.reveal_by is not None and command.now > review.reveal_by:
        raise TOO_LATE(review=command.review, reveal_by=_shown(review))
    drawn = becomes(command, SampleDrawn)
    if review.checkpoint is not None:
        return [drawn]
    return [becomes(command, CommitmentPublished, reveal_by=_term(command.now, review)), drawn]


def _fail(command: FailDraw, review: Review) -> list[Event]:
    if review.phase == "failed":
        return []
    must_be("committed", command.review, review)
    due = review.reveal_by or review.publish_by
    assert due is not None
    if command.occurred_at is None or command.occurred_at <= due:
        raise NOT_YET_DUE(review=command.review, reveal_by=due.isoformat(timespec="minutes"))
    if review.reveal_by is None:
        unpublished: Cause = "not_published"
        return [becomes(command, DrawFailed, attributed_to=OPERATOR, reveal_by=due, cause=unpublished)]
    return [becomes(command, DrawFailed, attributed_to=review.entrusted_by, reveal_by=due)]


def _shown(review: Review) -> str:
    due = review.reveal_by or review.publish_by
    assert due is not None
    return due.isoformat(timespec="minutes")


PART = Part(members(Command), members(Event), decide, evolve, furnished=members(Furnished))
