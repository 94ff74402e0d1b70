"""The rules of a review, told as stories. Devices, persons and nonces are made up."""

from datetime import date, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest

from kernel.quantity import BUSINESS_ZONE
from services.sorting.nonce import NONCE as NONCES
from services.sorting.nonce import USED, ClaimNonce, NonceClaimed
from services.sorting.review import REVIEW
from services.sorting.review.committing import (
    DAYS_NOT_OVER,
    EXISTS,
    NO_NONCE,
    NOBODY,
    NONCE_THERE,
    CommitPopulation,
    CommitPopulationOf,
    EntrustNonce,
    NonceEntrusted,
    PopulationCommitted,
    ProposeReview,
    ProposeReviewByPlan,
    ReviewProposed,
    ReviewWithdrawn,
    WithdrawReview,
)
from services.sorting.review.drawing import (
    CHECKPOINT_DIFFERS,
    NOT_YET_DUE,
    OPERATOR,
    TOO_LATE,
    WRONG_NONCE,
    CommitmentPublished,
    DrawFailed,
    FailDraw,
    NoteCheckpoint,
    NoteCheckpointOf,
    RevealNonce,
    RevealNonceThen,
    SampleDrawn,
)
from services.sorting.review.results import (
    ANOTHER_PERSON,
    NO_RESULT,
    NOT_SAMPLED,
    RESULT_THERE,
    RESULTS_MISSING,
    SAME_RESULT,
    Concluded,
    ConcludeReview,
    CorrectResult,
    RecordResult,
    ReplaceSample,
    ReplaceSampleOnRecord,
    ResultCorrected,
    ResultRecorded,
    SampleReplaced,
    WorstCase,
)
from services.sorting.review.state import MOVED_ON, OTHER_PHASE, UNKNOWN, DrawnStratum, ReviewCriteria, Stratum
from services.sorting.sampling import SamplingLot, SamplingPlan, clopper_pearson
from tests.given import given

DAY = date(2026, 5, 6)
AT = datetime(2026, 5, 8, 9, 0, tzinfo=BUSINESS_ZONE)
NONCE = sha256(b"synthetic").hexdigest()
DIGEST = sha256(bytes.fromhex(NONCE)).hexdigest()
ROOT = "ab" * 32
PLAN = SamplingPlan(
    plan="8.0",
    standard="synthetic",
    version=1,
    lots=(SamplingLot(most=10, sample=3), SamplingLot(sample=5, accept=1)),
    spares_ppm=200_000,
    confidence_ppm=950_000,
)
A, B, C, D, E = (f"{number:022d}" for number in range(1, 6))
CRITERIA = ReviewCriteria(judged_from=DAY, judged_to=DAY)
STRATA = (
    Stratum(disposition="reuse", maker="M01", waived=False, members=4, sample=2, spares=1),
    Stratum(disposition="scrap", maker="M01", waived=False, members=2, sample=1, spares=0),
)


def at(struct, /, **fields):
    return struct(**{"occurred_at": AT, "review": "R1"} | fields)


PROPOSE = at(
    ProposeReviewByPlan, criteria=CRITERIA, plan="8.0", reveal_within_h=24, by="u-1", whole_plan=PLAN, today=AT.date()
)
PROPOSED = at(ReviewProposed, criteria=CRITERIA, plan=PLAN, reveal_within_h=24, by="u-1")
ENTRUST = at(EntrustNonce, nonce_sha256=DIGEST, by="u-2")
ENTRUSTED = at(NonceEntrusted, nonce_sha256=DIGEST, by="u-2")
COMMIT = at(CommitPopulationOf, root=ROOT, members=6, strata=STRATA)
COMMITTED = at(
    PopulationCommitted,
    root=ROOT,
    members=6,
    strata=STRATA,
    sample=3,
    spares_ppm=200_000,
    accept=0,
    nonce_sha256=DIGEST,
    reveal_within_h=24,
)
NOTE = at(NoteCheckpointOf, checkpoint_size=40, checkpoint_root="cd" * 32)
PUBLISHED = at(CommitmentPublished, checkpoint_size=40, checkpoint_root="cd" * 32, reveal_by=AT + timedelta(hours=24))
DRAWN_STRATA = (
    DrawnStratum(disposition="reuse", maker="M01", waived=False, sample=(A, B), spares=(C,)),
    DrawnStratum(disposition="scrap", maker="M01", waived=False, sample=(D,)),
)
SHOWN = {"nonce": NONCE, "checkpoint_size": 40, "checkpoint_root": "cd" * 32, "drawn": DRAWN_STRATA, "by": "u-2"}
REVEAL = at(RevealNonceThen, now=AT, first=(40, "cd" * 32), **SHOWN)
DRAWN = at(SampleDrawn, **SHOWN)
JOINING = [PROPOSED, ENTRUSTED]
SAMPLED = [*JOINING, COMMITTED, PUBLISHED, DRAWN]


MISSING = {"reason": "missing", "why": "not to be found", "by": "u-3"}


def result(asset_no, disposition):
    return {"asset_no": asset_no, "disposition": disposition, "report": "IR-1", "by": "u-3"}


def recorded(*results):
    return [at(ResultRecorded, **result(asset_no, disposition)) for asset_no, disposition in results]


def test_a_review_goes_from_its_proposal_to_its_conclusion():
    story = given(REVIEW).when(PROPOSE).then([PROPOSED])
    story.when(ENTRUST).then([ENTRUSTED]).when(ENTRUST).then([])
    story.when(COMMIT).then([COMMITTED]).when(COMMIT).then([])
    story.when(NOTE).then([PUBLISHED]).when(NOTE).then([])
    story.when(REVEAL).then([DRAWN])
    for asset_no, disposition in ((A, "reuse"), (B, "reuse"), (D, "scrap")):
        said = result(asset_no, disposition)
        story.when(at(RecordResult, **said)).then([at(ResultRecorded, **said)])
    # Two of four and one of two: as three of a simple sample.
    bounds = msgspec.structs.replace(clopper_pearson(0, 3, 950_000), estimate_ppm=0)
    story.when(at(ConcludeReview, by="u-3")).then(
        [
            at(
                Concluded,
                samples=3,
                agreed=3,
                disagreed=0,
                missing=0,
                accept=0,
                disagreeing=bounds,
                confidence_ppm=950_000,
                consequence="accepted",
                by="u-3",
                worst=WorstCase(agreed=3, disagreed=0, disagreeing=bounds),
            )
        ]
    )
    story.when(at(ConcludeReview, by="u-3")).refused(OTHER_PHASE)


def test_days_that_are_not_over_are_not_reviewed():
    for days in ({"judged_to": AT.date()}, {"judged_from": date(2026, 5, 7)}):
        criteria = msgspec.structs.replace(CRITERIA, **days)
        given(REVIEW).when(msgspec.structs.replace(PROPOSE, criteria=criteria)).refused(DAYS_NOT_OVER)
    # Whatever day is named, it is not after the one that it is by the clock.
    tomorrow = msgspec.structs.replace(
        PROPOSE,
        occurred_at=AT + timedelta(days=1),
        criteria=msgspec.structs.replace(CRITERIA, judged_to=AT.date()),
    )
    given(REVIEW).when(tomorrow).refused(DAYS_NOT_OVER, today=AT.date())
    story = given(REVIEW).when(msgspec.structs.replace(tomorrow, today=AT.date() + timedelta(days=1)))
    assert isinstance(story.outcome[0], ReviewProposed)
    given(REVIEW, [PROPOSED]).when(PROPOSE).refused(EXISTS)


def test_nobody_does_anything_with_a_review_that_is_not_there():
    for command in (
        ENTRUST,
        COMMIT,
        REVEAL,
        at(WithdrawReview, why="x", by="u-1"),
        at(FailDraw),
        at(RecordResult, **result(A, "reuse")),
        at(ReplaceSampleOnRecord, asset_no=A, site=None, **MISSING),
        at(CorrectResult, **result(A, "claim"), why="x"),
        at(ConcludeReview, by="u-3"),
    ):
        given(REVIEW).when(command).refused(UNKNOWN)


def test_the_supervisor_entrusts_one_nonce():
    other = msgspec.structs.replace(ENTRUST, nonce_sha256="0" * 64)
    given(REVIEW, JOINING).when(other).refused(NONCE_THERE)
    given(REVIEW, [*JOINING, COMMITTED]).when(ENTRUST).refused(OTHER_PHASE)


def test_a_nonce_is_entrusted_to_one_review_alone():
    claim = ClaimNonce(occurred_at=AT, nonce_sha256=DIGEST, review="R1")
    story = given(NONCES).when(claim).then([NonceClaimed(occurred_at=AT, nonce_sha256=DIGEST, review="R1")])
    story.when(claim).then([])
    story.when(msgspec.structs.replace(claim, review="R2")).refused(USED, review="R1")


def test_nothing_is_committed_without_a_nonce_or_members():
    given(REVIEW, [PROPOSED]).when(COMMIT).refused(NO_NONCE)
    given(REVIEW, JOINING).when(msgspec.structs.replace(COMMIT, members=0, strata=())).refused(NOBODY)
    given(REVIEW, JOINING).when(at(CommitPopulation)).refused(MOVED_ON)


def test_a_review_is_withdrawn_before_its_population_is_committed():
    withdraw = at(WithdrawReview, why="synthetic", by="u-1")
    gone = given(REVIEW, JOINING).when(withdraw).then([at(ReviewWithdrawn, why="synthetic", by="u-1")])
    gone.when(COMMIT).refused(OTHER_PHASE)
    given(REVIEW, [*JOINING, COMMITTED]).when(withdraw).refused(OTHER_PHASE)


def test_the_nonce_is_the_one_that_was_entrusted_and_comes_in_time():
    shown = [*JOINING, COMMITTED, PUBLISHED]
    given(REVIEW, shown).when(msgspec.structs.replace(REVEAL, nonce="0" * 64)).refused(WRONG_NONCE)
    bare = {name: getattr(REVEAL, name) for name in RevealNonce.__struct_fields__}
    given(REVIEW, shown).when(RevealNonce(**bare)).refused(MOVED_ON)
    late = AT + timedelta(hours=24, seconds=1)
    # Whatever moment the command names, what counts is when it came.
    given(REVIEW, shown).when(msgspec.structs.replace(REVEAL, now=late)).refused(TOO_LATE)
    given(REVIEW, shown).when(msgspec.structs.replace(REVEAL, now=PUBLISHED.reveal_by)).then([DRAWN])


def test_the_supervisor_and_the_log_name_the_same_checkpoint():
    shown = [*JOINING, COMMITTED, PUBLISHED]
    for other in ({"checkpoint_size": 41}, {"checkpoint_root": "ef" * 32}):
        given(REVIEW, shown).when(msgspec.structs.replace(REVEAL, **other)).refused(CHECKPOINT_DIFFERS)
    # What is on record counts, whatever was found in the files since.
    given(REVIEW, shown).when(msgspec.structs.replace(REVEAL, first=(41, "ef" * 32))).refused(MOVED_ON)
    given(REVIEW, [*JOINING, COMMITTED]).when(REVEAL).then([PUBLISHED, DRAWN])
    early = msgspec.structs.replace(REVEAL, first=None, drawn=())
    failed = at(DrawFailed, attributed_to="u-2", cause="revealed_early", nonce=NONCE)
    given(REVIEW, [*JOINING, COMMITTED]).when(early).then([failed]).when(REVEAL).refused(OTHER_PHASE)


def test_a_checkpoint_is_noted_where_there_is_one_and_the_population_committed():
    given(REVIEW, [*JOINING, COMMITTED]).when(at(NoteCheckpoint)).then([])
    given(REVIEW, JOINING).when(NOTE).then([])


def test_a_nonce_that_does_not_come_fails_the_draw_by_its_keeper():
    shown = [*JOINING, COMMITTED, PUBLISHED]
    given(REVIEW, shown).when(at(FailDraw)).refused(NOT_YET_DUE)
    late = PUBLISHED.reveal_by + timedelta(seconds=1)
    failed = at(DrawFailed, occurred_at=late, attributed_to="u-2", reveal_by=PUBLISHED.reveal_by)
    story = given(REVIEW, shown).when(at(FailDraw, occurred_at=late)).then([failed])
    story.when(at(FailDraw, occurred_at=late)).then([])
    story.when(REVEAL).refused(OTHER_PHASE)


def test_a_commitment_that_is_not_published_fails_the_draw_by_the_log_s_operator():
    due = AT + timedelta(hours=24)
    given(REVIEW, [*JOINING, COMMITTED]).when(at(FailDraw, occurred_at=due)).refused(NOT_YET_DUE)
    late = due + timedelta(seconds=1)
    failed = at(DrawFailed, occurred_at=late, attributed_to=OPERATOR, reveal_by=due, cause="not_published")
    given(REVIEW, [*JOINING, COMMITTED]).when(at(FailDraw, occurred_at=late)).then([failed])


def test_the_term_is_the_supervisor_s_and_nobody_else_proposes_less_than_a_day():
    mine = msgspec.structs.replace(ENTRUST, reveal_within_h=1)
    entrusted = msgspec.structs.replace(ENTRUSTED, reveal_within_h=1)
    story = given(REVIEW, [PROPOSED]).when(mine).then([entrusted])
    story.when(COMMIT).then([msgspec.structs.replace(COMMITTED, reveal_within_h=1)])
    story.when(NOTE).then([msgspec.structs.replace(PUBLISHED, reveal_by=AT + timedelta(hours=1))])
    said = {name: getattr(PROPOSE, name) for name in ProposeReview.__struct_fields__ if name != "reveal_within_h"}
    with pytest.raises(msgspec.ValidationError, match="24"):
        msgspec.convert(msgspec.to_builtins(said) | {"reveal_within_h": 23}, ProposeReview)


def test_a_commitment_of_old_that_names_its_term_is_held_to_it():
    old = msgspec.structs.replace(COMMITTED, reveal_within_h=0, reveal_by=AT + timedelta(hours=24))
    late = msgspec.structs.replace(REVEAL, now=AT + timedelta(hours=25))
    given(REVIEW, [*JOINING, old]).when(late).refused(TOO_LATE)
    given(REVIEW, [*JOINING, old, DRAWN]).when(at(RecordResult, **result(C, "reuse"))).refused(NOT_SAMPLED)


def test_a_result_is_recorded_once_and_of_a_sample():
    story = given(REVIEW, SAMPLED)
    for asset_no in (C, E):
        story.when(at(RecordResult, **result(asset_no, "reuse"))).refused(NOT_SAMPLED, asset_no=asset_no)
    story = given(REVIEW, [*SAMPLED, *recorded((A, "reuse"))])
    for disposition in ("reuse", "scrap"):
        story.when(at(RecordResult, **result(A, disposition))).refused(RESULT_THERE)
    story.when(at(ReplaceSampleOnRecord, asset_no=A, site=None, **MISSING)).refused(RESULT_THERE)
    given(REVIEW, [*JOINING, COMMITTED]).when(at(RecordResult, **result(A, "reuse"))).refused(OTHER_PHASE)


def test_nothing_is_concluded_while_results_are_missing():
    story = given(REVIEW, [*SAMPLED, *recorded((A, "reuse"))])
    story.when(at(ConcludeReview, by="u-3")).refused(RESULTS_MISSING, count=2, asset_nos=f"{B}, {D}")


def replaced(asset_no, spare=None, **other):
    return at(SampleReplaced, asset_no=asset_no, spare=spare, **(MISSING | other))


def test_a_spare_takes_the_place_of_a_missing_sample_and_without_one_it_disagrees():
    story = given(REVIEW, SAMPLED)
    story.when(at(ReplaceSampleOnRecord, asset_no=A, site=None, **MISSING)).then([replaced(A, C)])
    story.when(at(RecordResult, **result(A, "reuse"))).refused(NOT_SAMPLED)
    story.when(at(ReplaceSampleOnRecord, asset_no=D, site=None, **MISSING)).then([replaced(D)])
    story.when(at(ReplaceSampleOnRecord, asset_no=D, site=None, **MISSING)).refused(NOT_SAMPLED)
    for asset_no in (B, C):
        story.when(at(RecordResult, **result(asset_no, "reuse"))).then(story.outcome)
    story.when(at(ConcludeReview, by="u-3"))
    (concluded,) = story.outcome
    assert (concluded.samples, concluded.agreed, concluded.disagreed, concluded.missing) == (3, 2, 1, 1)
    assert concluded.consequence == "resort"


def test_a_conclusion_says_how_many_were_replaced_and_what_it_would_be_if_they_had_disagreed():
    # Two of four agree, one of them in place of a sample; of the other two the one tested agrees.
    results = recorded((C, "reuse"), (B, "reuse"), (D, "scrap"))
    story = given(REVIEW, [*SAMPLED, replaced(A, C), *results]).when(at(ConcludeReview, by="u-3"))
    (concluded,) = story.outcome
    assert (concluded.replaced, concluded.missing, concluded.disagreed, concluded.consequence) == (1, 0, 0, "accepted")
    worst = concluded.worst
    assert (worst.agreed, worst.disagreed, worst.disagreeing.estimate_ppm) == (2, 1, 333_333)
    # A spare that is replaced by another is one place only.
    drawn = msgspec.structs.replace(
        DRAWN, drawn=(msgspec.structs.replace(DRAWN_STRATA[0], spares=(C, E)), DRAWN_STRATA[1])
    )
    results = recorded((E, "reuse"), (B, "reuse"), (D, "scrap"))
    twice = [*JOINING, COMMITTED, drawn, replaced(A, C), replaced(C, E), *results]
    (concluded,) = given(REVIEW, twice).when(at(ConcludeReview, by="u-3")).outcome
    assert (concluded.replaced, concluded.worst.disagreed) == (2, 1)


def test_a_reason_that_the_record_does_not_bear_out_is_flagged():
    for reason, flagged in (("missing", "S1"), ("destroyed", "S1"), ("unreadable", None), ("damaged", None)):
        about = MISSING | {"reason": reason}
        story = given(REVIEW, SAMPLED).when(at(ReplaceSampleOnRecord, asset_no=A, site="S1", **about))
        story.then([replaced(A, C, reason=reason, on_record_at=flagged)])


def test_a_result_is_corrected_by_another_person_and_the_last_counts():
    story = given(REVIEW, [*SAMPLED, *recorded((A, "claim"), (B, "reuse"), (D, "scrap"))])
    right = result(A, "reuse") | {"why": "a slip", "by": "u-4"}
    story.when(at(CorrectResult, **right | {"by": "u-3"})).refused(ANOTHER_PERSON, by="u-3")
    story.when(at(CorrectResult, **right | {"disposition": "claim"})).refused(SAME_RESULT)
    story.when(at(CorrectResult, **right | {"asset_no": E})).refused(NOT_SAMPLED)
    story.when(at(CorrectResult, **right)).then([at(ResultCorrected, **right, overruled="claim")])
    story.when(at(CorrectResult, **right | {"disposition": "scrap"})).refused(ANOTHER_PERSON, by="u-4")
    story.when(at(ConcludeReview, by="u-3"))
    (concluded,) = story.outcome
    assert (concluded.agreed, concluded.corrected, concluded.consequence) == (3, 1, "accepted")
    story.then([concluded])
    story.when(at(CorrectResult, **right | {"by": "u-5", "disposition": "scrap"})).refused(OTHER_PHASE)
    given(REVIEW, SAMPLED).when(at(CorrectResult, **right)).refused(NO_RESULT)


def test_what_was_recorded_before_reasons_were_coded_is_read():
    old = b'{"occurred_at":"2026-05-08T09:00:00+08:00","review":"R1","asset_no":"%s","spare":"%s","why":"x","by":"u-3"}'
    event = msgspec.json.decode(old % (A.encode(), C.encode()), type=SampleReplaced)
    assert (event.reason, event.on_record_at) == (None, None)


def test_the_plan_s_number_of_disagreements_is_accepted_and_one_more_is_not():
    committed = msgspec.structs.replace(COMMITTED, accept=1)
    for found, consequence in (("scrap", "accepted"), ("claim", "resort")):
        results = recorded((A, "claim"), (B, "reuse"), (D, found))
        story = given(REVIEW, [*JOINING, committed, DRAWN, *results]).when(at(ConcludeReview, by="u-3"))
        (concluded,) = story.outcome
        assert concluded.consequence == consequence


def test_a_proposal_is_decided_with_its_plan():
    bare = {name: getattr(PROPOSE, name) for name in ProposeReview.__struct_fields__}
    with pytest.raises(AssertionError, match="with its plan"):
        REVIEW.decide(ProposeReview(**bare), REVIEW.initial)
    with pytest.raises(AssertionError, match="what the record says"):
        REVIEW.decide(at(ReplaceSample, asset_no=A, **MISSING), REVIEW.initial)
