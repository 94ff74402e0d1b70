"""复核 How each review stands, and its samples without their verdicts: who re-tests them is not to know these."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, select
from sqlmodel import Field

from kernel.decider import members
from kernel.quantity import us_of_instant
from kernel.view import View
from ledger.port import Recorded
from services.sorting.inspection.population import PopulationJoined, PopulationLeft
from services.sorting.review import committing, drawing, results
from services.sorting.review.state import JUDGED, LeftOut, ReviewCriteria
from services.sorting.views.inspection import INSPECTIONS
from services.sorting.views.tables import Tables

JOINING: Final = "joining"
COMMITTED: Final = "committed"
ENDED: Final = ("concluded", "failed", "withdrawn")

_read_criteria: Final = msgspec.json.Decoder(ReviewCriteria).decode


class ReviewRow(msgspec.Struct, frozen=True):
    """`phase` is joining, committed, drawn, concluded, failed or withdrawn, `failure` the cause of a draw that failed;
    `joined` devices are frozen for it now, `members` were when it was committed; `inspected_anew`, `repaired` and
    `in_review` count what was left out by its reason. `criteria` are JSON. The checkpoint is the first published one
    that covers the commitment; `due_us` is when that is due, or after it the nonce, which is `reveal_by_us`. These and,
    as recorded, `proposed_at_us` and `committed_at_us` are instants, microseconds since 1970-01-01 UTC. `late` counts
    the verdicts it is about that were recorded after the commitment, None where nobody has counted. `version` is that
    of its stream. `estimate_ppm` and its bounds are shares of the whole that disagree; in the worst case those whose
    place a spare took disagree, too.
    """

    review: str
    phase: str
    criteria: str
    plan: str
    proposed_on: date
    proposed_by: str
    nonce_entrusted: bool
    joined: int
    members: int
    root: str | None
    reveal_by_us: int | None
    checkpoint_size: int | None
    samples: int
    recorded: int
    replaced: int
    agreed: int | None
    disagreed: int | None
    lower_ppm: int | None
    upper_ppm: int | None
    consequence: str | None
    version: int
    proposed_at_us: int = 0
    inspected_anew: int = 0
    repaired: int = 0
    in_review: int = 0
    checkpoint_root: str | None = None
    due_us: int | None = None
    failure: str | None = None
    committed_at_us: int | None = None
    late: int | None = None
    missing: int | None = None
    corrected: int = 0
    estimate_ppm: int | None = None
    worst_disagreed: int | None = None
    worst_upper_ppm: int | None = None


class ReviewTable(Tables, table=True):
    """The rows of ReviewRow."""

    __tablename__ = "review_v4"

    review: str = Field(primary_key=True)
    phase: str = Field(index=True)
    criteria: str
    plan: str
    proposed_on: date
    proposed_by: str
    nonce_entrusted: bool
    joined: int
    members: int
    root: str | None
    reveal_by_us: int | None
    checkpoint_size: int | None
    samples: int
    recorded: int
    replaced: int
    agreed: int | None
    disagreed: int | None
    lower_ppm: int | None
    upper_ppm: int | None
    consequence: str | None
    version: int
    proposed_at_us: int
    inspected_anew: int
    repaired: int
    in_review: int
    checkpoint_root: str | None
    due_us: int | None
    failure: str | None
    committed_at_us: int | None
    late: int | None
    missing: int | None
    corrected: int
    estimate_ppm: int | None
    worst_disagreed: int | None
    worst_upper_ppm: int | None


class SampleState(msgspec.Struct, frozen=True):
    """A device that was drawn. `state` is awaited, recorded, replaced (by a spare) or spare. `found` is what the
    institute found; the verdict is not here.
    """

    review: str
    asset_no: str
    state: str
    found: str | None
    report: str | None
    recorded_on: date | None


class SampleTable(Tables, table=True):
    """The rows of SampleState."""

    __tablename__ = "sample_v1"

    review: str = Field(primary_key=True)
    asset_no: str = Field(primary_key=True)
    state: str
    found: str | None
    report: str | None
    recorded_on: date | None


class MemberRow(msgspec.Struct, frozen=True):
    """总体成员 A device that a review has frozen, with the verdict with which it joined."""

    review: str
    asset_no: str
    round: int
    disposition: str
    maker: str | None
    waived: bool


class MemberTable(Tables, table=True):
    """The rows of MemberRow."""

    __tablename__ = "member_v1"

    review: str = Field(primary_key=True)
    asset_no: str = Field(primary_key=True)
    round: int
    disposition: str
    maker: str | None
    waived: bool


def evolve(row: ReviewRow | None, event: Any, recorded: Recorded, _key: tuple[str]) -> ReviewRow | None:
    if isinstance(event, committing.ReviewProposed):
        return _proposed(event, recorded)
    if row is None:
        return None
    change = msgspec.structs.replace
    if isinstance(event, PopulationJoined):
        return change(row, joined=row.joined + 1)
    if isinstance(event, PopulationLeft):
        return change(row, joined=row.joined - 1)
    if isinstance(event, committing.PopulationCommitted):
        row = change(row, committed_at_us=recorded.recorded_at_us)
    return change(row, version=recorded.version, **_changed(row, event))


def _proposed(event: committing.ReviewProposed, recorded: Recorded) -> ReviewRow:
    return ReviewRow(
        review=event.review,
        phase=JOINING,
        criteria=msgspec.json.encode(event.criteria).decode(),
        plan=event.plan.plan,
        proposed_on=event.day,
        proposed_by=event.by,
        nonce_entrusted=False,
        joined=0,
        members=0,
        root=None,
        reveal_by_us=None,
        checkpoint_size=None,
        samples=0,
        recorded=0,
        replaced=0,
        agreed=None,
        disagreed=None,
        lower_ppm=None,
        upper_ppm=None,
        consequence=None,
        version=recorded.version,
        proposed_at_us=recorded.recorded_at_us,
    )


def _changed(row: ReviewRow, event: Any) -> dict[str, Any]:
    match event:
        case committing.NonceEntrusted():
            return {"nonce_entrusted": True}
        case committing.ReviewWithdrawn():
            return {"phase": "withdrawn"}
        case committing.PopulationCommitted():
            assert event.occurred_at is not None
            due = event.reveal_by or event.occurred_at + timedelta(hours=event.reveal_within_h)
            return {
                "phase": COMMITTED,
                "members": event.members,
                "root": event.root,
                "reveal_by_us": event.reveal_by and us_of_instant(event.reveal_by),
                "due_us": us_of_instant(due),
                **msgspec.structs.asdict(event.left_out),
            }
        case drawing.CommitmentPublished():
            due_us = us_of_instant(event.reveal_by)
            shown = {"checkpoint_size": event.checkpoint_size, "checkpoint_root": event.checkpoint_root}
            return {**shown, "reveal_by_us": due_us, "due_us": due_us}
        case drawing.SampleDrawn():
            samples = sum(len(stratum.sample) for stratum in event.drawn)
            return {
                "phase": "drawn",
                "checkpoint_size": event.checkpoint_size,
                "checkpoint_root": event.checkpoint_root,
                "samples": samples,
            }
        case drawing.DrawFailed():
            return {"phase": "failed", "failure": event.cause}
        case results.SampleReplaced():
            return {"replaced": row.replaced + 1}
        case results.ResultRecorded():
            return {"recorded": row.recorded + 1}
        case results.Concluded(disagreeing=bounds, worst=worst):
            return {
                "phase": "concluded",
                "agreed": event.agreed,
                "disagreed": event.disagreed,
                "lower_ppm": bounds.lower_ppm,
                "upper_ppm": bounds.upper_ppm,
                "consequence": event.consequence,
                "missing": event.missing,
                "corrected": event.corrected,
                "estimate_ppm": bounds.estimate_ppm,
                "worst_disagreed": None if worst is None else worst.disagreed,
                "worst_upper_ppm": None if worst is None else worst.disagreeing.upper_ppm,
            }
        case _:
            return {}


def _samples_of(event: Any, _recorded: Recorded) -> Iterable[tuple[str, str]]:
    match event:
        case drawing.SampleDrawn(drawn=drawn):
            return [(event.review, one) for stratum in drawn for one in (*stratum.sample, *stratum.spares)]
        case results.SampleReplaced(spare=spare) if spare is not None:
            return [(event.review, event.asset_no), (event.review, spare)]
        case _:
            return [(event.review, event.asset_no)]


def evolve_sample(row: SampleState | None, event: Any, _recorded: Recorded, key: tuple[str, str]) -> SampleState | None:
    review, asset_no = key
    if isinstance(event, drawing.SampleDrawn):
        sampled = any(asset_no in stratum.sample for stratum in event.drawn)
        return SampleState(review, asset_no, "awaited" if sampled else "spare", None, None, None)
    if row is None:
        return None
    if isinstance(event, results.SampleReplaced):
        return msgspec.structs.replace(row, state="replaced" if asset_no == event.asset_no else "awaited")
    return SampleState(review, asset_no, "recorded", event.disposition, event.report, event.day)


def evolve_member(_row: MemberRow | None, event: Any, _recorded: Recorded, key: tuple[str, str]) -> MemberRow | None:
    if isinstance(event, PopulationLeft):
        return None
    return MemberRow(*key, event.round, event.disposition, event.maker, _skipped(event))


def _skipped(joined: PopulationJoined) -> bool:
    """Whether it is of the stratum of those of which an inspection was left out."""
    return joined.waived if joined.skipped is None else joined.skipped


REVIEWS: Final = View[Any](
    name="review",
    row=ReviewRow,
    table=ReviewTable,
    events=(
        *(event for part in (committing, drawing, results) for event in members(part.Event)),
        PopulationJoined,
        PopulationLeft,
    ),
    keys=lambda event, _recorded: ((event.review,),),
    evolve=evolve,
)
SAMPLES: Final = View[Any](
    name="sample",
    row=SampleState,
    table=SampleTable,
    events=(drawing.SampleDrawn, results.SampleReplaced, results.ResultRecorded, results.ResultCorrected),
    keys=_samples_of,
    evolve=evolve_sample,
)


MEMBERS: Final = View[Any](
    name="member",
    row=MemberRow,
    table=MemberTable,
    events=(PopulationJoined, PopulationLeft),
    keys=lambda event, _recorded: ((event.review, event.asset_no),),
    evolve=evolve_member,
)


def in_phase(connection: Connection, *phases: str) -> list[ReviewRow]:
    """The reviews in one of these phases, as they were proposed; of those that have ended the ones that have devices
    yet.
    """
    of = REVIEWS.columns
    query = select(of).where(of.c.phase.in_(phases) & (of.c.phase.not_in(ENDED) | (of.c.joined > 0)))
    return [ReviewRow(*row) for row in connection.execute(query.order_by(of.c.proposed_at_us, of.c.review))]


def criteria_of(row: ReviewRow) -> ReviewCriteria:
    """What its devices have to be."""
    return _read_criteria(row.criteria)


def _about(criteria: ReviewCriteria) -> ColumnElement[bool]:
    """Devices with a verdict that a review is about, whatever has become of it since."""
    of = INSPECTIONS.columns.c
    fits = of.judged_on.between(criteria.judged_from, criteria.judged_to) & of.disposition.in_(
        criteria.dispositions or JUDGED
    )
    if criteria.scheme_group is not None:
        fits &= of.scheme_group == criteria.scheme_group
    if criteria.site is not None:
        fits &= of.site == criteria.site
    if criteria.makers:
        fits &= of.maker.in_(criteria.makers)
    return fits


def _free(criteria: ReviewCriteria) -> ColumnElement[bool]:
    """Those that can join: their verdict stands, no review has frozen them and no repair has them under way."""
    of = INSPECTIONS.columns.c
    return of.review.is_(None) & _about(criteria) & (of.phase == "judged") & of.repair.is_(None)


def free(criteria: ReviewCriteria) -> Select[Any]:
    """Those that can join now: number, round of the verdict and disposition, by number."""
    of = INSPECTIONS.columns.c
    return select(of.asset_no, of.judged_round, of.disposition).where(_free(criteria)).order_by(of.asset_no)


def outside(connection: Connection, criteria: ReviewCriteria) -> int:
    """How many could join and have not."""
    return _count(connection, _free(criteria))


def left_out(connection: Connection, row: ReviewRow, criteria: ReviewCriteria) -> LeftOut:
    """How many a review is about that cannot join it, by the reason."""
    of = INSPECTIONS.columns.c
    about, stands = _about(criteria), of.phase == "judged"
    return LeftOut(
        inspected_anew=_count(connection, about & of.phase.in_(("open", "stopped"))),
        repaired=_count(connection, about & stands & of.repair.is_not(None)),
        in_review=_count(connection, about & stands & of.review.is_not(None) & (of.review != row.review)),
    )


def with_late(connection: Connection, row: ReviewRow) -> ReviewRow:
    """The same, with how many verdicts of its days came after the commitment, and so are in no population of theirs."""
    if row.committed_at_us is None:
        return row
    came_late = INSPECTIONS.columns.c.judged_at_us > row.committed_at_us
    return msgspec.structs.replace(row, late=_count(connection, _about(criteria_of(row)) & came_late))


def _count(connection: Connection, which: ColumnElement[bool]) -> int:
    found = connection.execute(select(func.count()).select_from(INSPECTIONS.columns).where(which))
    return int(found.scalar_one())


def frozen(connection: Connection, review: str) -> Iterator[tuple[str, int, tuple[str, str | None, bool]]]:
    """The devices that a review has frozen, as members of its population, by number."""
    of = MEMBERS.columns
    for _, asset_no, number, disposition, maker, waived in connection.execute(
        select(of).where(of.c.review == review).order_by(of.c.asset_no)
    ):
        yield asset_no, number, (disposition, maker, bool(waived))


def drawn_for(connection: Connection, review: str) -> frozenset[str]:
    """The devices that were drawn for a review, samples and spares."""
    of = SAMPLES.columns
    return frozenset(connection.execute(select(of.c.asset_no).where(of.c.review == review)).scalars())
