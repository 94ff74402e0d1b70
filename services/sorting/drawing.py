"""What a review's commands need from elsewhere: the plan, the devices that have joined, and the log's checkpoints.

The population and the sample are made by ledger.proof.draw, as whoever audits the review makes them again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid5

import msgspec
from sqlalchemy import Connection

from kernel.clock import Clock, now
from kernel.codec import Codec
from kernel.folded import Folded
from kernel.handling import Ask, Handling
from kernel.quantity import business_day_of_us
from kernel.refusal import Refusal, against_rules, not_found
from kernel.yaml_file import read_yaml
from ledger.port import Append, Ledger, Recorded
from ledger.proof.draw import Population, allotted, seed_of
from ledger.proof.errors import ProofFault
from ledger.transparency.evidence import Covering, NothingPublished
from services.sorting.nonce import USED, ClaimNonce, NonceOf
from services.sorting.review import REVIEW
from services.sorting.review.committing import (
    CommitPopulation,
    CommitPopulationOf,
    EntrustNonce,
    PopulationCommitted,
    ProposeReview,
    ProposeReviewByPlan,
)
from services.sorting.review.drawing import (
    NoteCheckpoint,
    NoteCheckpointOf,
    RevealNonce,
    RevealNonceThen,
    is_nonce_of,
)
from services.sorting.review.state import DrawnStratum, LeftOut, Review, Stratum
from services.sorting.sampling import SamplingPlan, SamplingPlans
from services.sorting.views.review import criteria_of, frozen, in_phase, left_out, outside

T = TypeVar("T")

NO_SUCH_PLAN = not_found(
    "review.no_such_plan",
    "抽样方案文件中没有方案 {plan}（有：{plans}）。",
    "there is no sampling plan {plan} in the file of plans (there are {plans})",
)
PLAN_UNCONFIRMED = against_rules(
    "review.plan_unconfirmed",
    "抽样方案（{standard}）尚待计量员确认，生产模式下不能使用。",
    "the sampling plans ({standard}) are to be confirmed by the metrologist; none is used in production before",
)
STILL_JOINING = against_rules(
    "review.still_joining",
    "复核 {review} 尚有 {count} 只器具未进入总体。",
    "{count} devices have not joined review {review} yet",
)
POPULATION_DIFFERS = against_rules(
    "review.population_differs",
    "复核 {review} 的成员与所承诺的根不符，不能抽样。请立即核查成员的变动（meterloop audit review {review}）。",
    "the members of review {review} are not those of the root that was committed; nothing is drawn. Look into what "
    "changed at once (meterloop audit review {review})",
)

SAMPLING: Final = Path(__file__).parent / "tables" / "sampling.yaml"

_FURNISHED: Final = (ProposeReview, CommitPopulation, NoteCheckpoint, RevealNonce)


def load_plans(path: Path | None) -> SamplingPlans:
    """The sampling plans of the file, those that come along without one. Raises ValueError."""
    return read_yaml(path or SAMPLING, SamplingPlans)


class AskNow(Protocol):
    """Asks the views as they are when everything recorded until now is in them. Raises Stale."""

    def __call__(self, query: Callable[[Connection], T]) -> Awaitable[T]: ...


class Checkpoints(Protocol):
    """The published log. ledger.transparency.evidence.EvidenceOfLog is one."""

    async def first_covering(self, event: Recorded) -> Covering | None:
        """The first published checkpoint that covers an event, None while there is none."""
        ...


class Unpublished:
    """A log that nobody publishes: nothing is drawn."""

    async def first_covering(self, _event: Recorded) -> Covering | None:
        return None


class Drawing:
    """Asks the views for members, and the published log for checkpoints."""

    def __init__(
        self,
        ledger: Ledger,
        codec: Codec,
        ask_now: AskNow,
        plans: SamplingPlans,
        checkpoints: Checkpoints,
        nonces: Handling[NonceOf],
        clock: Clock,
        *,
        production: bool,
    ) -> None:
        """In `production` no plan is used that the metrologist has not confirmed."""
        self._ledger: Final = ledger
        self._codec: Final = codec
        self._reviews: Final = Folded(ledger, REVIEW, codec)
        self._ask_now: Final = ask_now
        self._plans: Final = plans
        self._checkpoints: Final = checkpoints
        self._nonces: Final = nonces
        self._clock: Final = clock
        self._production: Final = production

    async def furnished(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each with what it needs, or with what is against it. Raises Stale, ledger.port.Unavailable."""
        taken: dict[str, str] = {}
        return [await self._furnished(ask, taken) for ask in asks]

    async def _furnished(self, ask: Ask, taken: dict[str, str]) -> Ask:
        if isinstance(ask.command, EntrustNonce):
            return await self._entrusting(ask, taken)
        if not isinstance(ask.command, _FURNISHED):
            return ask
        try:
            command = await self._with_what_it_needs(ask.command)
        except Refusal as refusal:
            return msgspec.structs.replace(ask, hindrance=refusal)
        return msgspec.structs.replace(ask, command=command, asked=ask.given)

    async def _with_what_it_needs(self, command: Any) -> msgspec.Struct:
        if isinstance(command, ProposeReview):
            return ProposeReviewByPlan(
                **msgspec.structs.asdict(command), whole_plan=self._plan(command), today=self._today
            )
        review = (await self._reviews.now([command.review]))[command.review]
        if isinstance(command, CommitPopulation):
            return command if review.phase != "joining" else await self._committing(command, review)
        if isinstance(command, NoteCheckpoint):
            noted = review.phase != "committed" or review.checkpoint is not None
            return command if noted else await self._noting(command)
        if review.phase != "committed" or not is_nonce_of(command.nonce, review):
            return command  # type: ignore[no-any-return]  # a RevealNonce, which is refused as it is
        return await self._revealing(command, review)

    @property
    def _today(self) -> date:
        return business_day_of_us(self._clock())

    async def _entrusting(self, ask: Ask, taken: dict[str, str]) -> Ask:
        """The same, with the digest to be taken along. `taken` are those of this call, each with the review that has
        it: more than one of a call may give one that nobody has yet.
        """
        command: EntrustNonce = ask.command
        claim = ClaimNonce(**command.moment, nonce_sha256=command.nonce_sha256, review=command.review)
        claim_id = uuid5(ask.context.command_id, "nonce")
        context = msgspec.structs.replace(ask.context, command_id=claim_id, expected_version=None)
        (answer,), appends = await self._nonces.prepared([Ask(claim, context)])

        def along(_events: Sequence[Any]) -> Append | None:
            if isinstance(answer, Refusal):
                raise answer
            first = taken.setdefault(command.nonce_sha256, command.review)
            if first != command.review:
                raise USED(review=first, field="nonce_sha256")
            return appends[0] if appends else None

        return msgspec.structs.replace(ask, along=along)

    def _plan(self, command: ProposeReview) -> SamplingPlan:
        plan = self._plans.plan(command.plan)
        if plan is None:
            raise NO_SUCH_PLAN(plan=command.plan, plans=", ".join(self._plans.plans), field="plan")
        if self._production and not plan.confirmed:
            raise PLAN_UNCONFIRMED(standard=plan.standard)
        return plan

    async def _committing(self, command: CommitPopulation, review: Review) -> CommitPopulationOf:
        assert review.plan is not None
        missing, population, left = await self._ask_now(lambda connection: _joined(connection, command.review))
        if missing:
            raise STILL_JOINING(review=command.review, count=missing)
        sizes = allotted(population.counts, review.plan.sample(population.size), review.plan.spares_ppm)
        strata = tuple(
            Stratum(
                disposition=disposition,  # type: ignore[arg-type]  # what a member joined with
                maker=maker,  # type: ignore[arg-type]  # as above
                waived=bool(waived),
                members=members,
                sample=sizes[disposition, maker, waived].sample,
                spares=sizes[disposition, maker, waived].spares,
            )
            for (disposition, maker, waived), members in population.counts.items()
        )
        about = msgspec.structs.asdict(command)
        return CommitPopulationOf(
            **about, root=population.root.hex(), members=population.size, strata=strata, left_out=left
        )

    async def _noting(self, command: NoteCheckpoint) -> NoteCheckpoint:
        recorded, _ = await self._commitment(command.review)
        first = await self._first_covering(recorded)
        if first is None:
            return command
        about = msgspec.structs.asdict(command)
        return NoteCheckpointOf(**about, checkpoint_size=first[0], checkpoint_root=first[1])

    async def _first_covering(self, recorded: Recorded) -> tuple[int, str] | None:
        try:
            covering = await self._checkpoints.first_covering(recorded)
        except (NothingPublished, ProofFault):
            covering = None
        return None if covering is None else (covering.checkpoint.size, covering.checkpoint.root.hex())

    async def _revealing(self, command: RevealNonce, review: Review) -> RevealNonceThen:
        recorded, committed = await self._commitment(command.review)
        first = review.checkpoint or await self._first_covering(recorded)
        drawn: tuple[DrawnStratum, ...] = ()
        if first is not None:
            seed = seed_of(*(bytes.fromhex(one) for one in (committed.root, command.nonce, first[1])))
            drawn = await self._ask_now(lambda connection: _drawn(connection, committed, seed))
        about = msgspec.structs.asdict(command)
        return RevealNonceThen(**about, now=now(self._clock), first=first, drawn=drawn)

    async def _commitment(self, review: str) -> tuple[Recorded, PopulationCommitted]:
        """The event by which a population was committed."""
        version: int | None = 0
        while version is not None:
            page = await self._ledger.read(REVIEW.stream_of(review), from_version=version)
            for recorded in page.events:
                if isinstance(event := self._codec.decode(recorded), PopulationCommitted):
                    return recorded, event
            version = page.next_from
        raise AssertionError("a committed review has its commitment")


def _joined(connection: Connection, review: str) -> tuple[int, Population, LeftOut]:
    """How many that could join have not, those that have, and how many could not."""
    row = next(row for row in in_phase(connection, "joining") if row.review == review)
    criteria = criteria_of(row)
    return outside(connection, criteria), Population(frozen(connection, review)), left_out(connection, row, criteria)


def _drawn(connection: Connection, committed: PopulationCommitted, seed: bytes) -> tuple[DrawnStratum, ...]:
    population = Population(frozen(connection, committed.review))
    if population.root.hex() != committed.root:
        raise POPULATION_DIFFERS(review=committed.review)
    sizes = allotted(population.counts, committed.sample, committed.spares_ppm)
    return tuple(
        DrawnStratum(
            disposition=one.stratum[0],  # type: ignore[arg-type]  # what a member joined with
            maker=one.stratum[1],  # type: ignore[arg-type]  # as above
            waived=bool(one.stratum[2]),
            sample=one.sample,
            spares=one.spares,
        )
        for one in population.drawn(seed, sizes)
    )
