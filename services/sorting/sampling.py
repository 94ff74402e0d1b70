"""How many of a population are re-tested, how many disagreements it bears, and what the result says of the whole.

Plans are data: a file of plans with the number of their standard (tables/sampling.yaml is the one that comes along),
which the metrologist confirms. A review keeps its plan whole.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from kernel.quantity import Code, Count, Name
from services.sorting.norms import Part
from services.sorting.vocabulary import SharePpm

MILLION: Final = 1_000_000
Confidence: TypeAlias = Annotated[
    int, Meta(ge=500_000, le=999_999, description="a level of confidence in millionths, of two sides")
]
LotMost: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]
SampleSize: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]


class SamplingLot(Part, frozen=True, kw_only=True):
    """For populations of up to `most` members, of any size where it is not said: how many are drawn, all where it is
    not said, and with how many disagreements among them the verdicts are accepted.
    """

    most: LotMost | None = None
    sample: SampleSize | None = None
    accept: Count = 0


class SamplingPlan(Part, frozen=True, kw_only=True):
    """A sampling plan: limiting quality `plan`, by rising size of the lot. `spares_ppm` of the sample are drawn as
    spares. `confirmed`: by the metrologist.
    """

    plan: Code
    standard: Name
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    lots: Annotated[tuple[SamplingLot, ...], Meta(min_length=1, max_length=100)]
    spares_ppm: SharePpm
    confidence_ppm: Confidence
    confirmed: bool = False

    def lot(self, members: int) -> SamplingLot:
        """What holds for a population of so many."""
        return next(lot for lot in self.lots if lot.most is None or members <= lot.most)

    def sample(self, members: int) -> int:
        """How many of so many are drawn at least: never more than there are."""
        wanted = self.lot(members).sample
        return members if wanted is None else min(wanted, members)


class SamplingPlans(Part, frozen=True, kw_only=True):
    """The plans of one file. `source` says where its numbers were read."""

    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    standard: Name
    source: Annotated[str, Meta(min_length=1, max_length=2000)]
    confirmed: bool
    spares_ppm: SharePpm
    confidence_ppm: Confidence
    plans: dict[Code, tuple[SamplingLot, ...]]

    def __post_init__(self) -> None:
        if wrong := "; ".join(_disagreements(self.plans)):
            raise ValueError(wrong)

    def plan(self, name: str) -> SamplingPlan | None:
        """The plan of this name, whole."""
        lots = self.plans.get(name)
        if lots is None:
            return None
        return SamplingPlan(
            plan=name,
            standard=self.standard,
            version=self.version,
            lots=lots,
            spares_ppm=self.spares_ppm,
            confidence_ppm=self.confidence_ppm,
            confirmed=self.confirmed,
        )


class ShareBounds(Part, frozen=True, kw_only=True):
    """Between which shares the share of the whole lies, in millionths, rounded outwards."""

    lower_ppm: SharePpm
    upper_ppm: SharePpm


def clopper_pearson(found: int, tested: int, confidence_ppm: int) -> ShareBounds:
    """The bounds of a share of which `found` of `tested` were seen (C. J. Clopper, E. S. Pearson, 1934), two-sided.

    In whole numbers: the lower bound is the largest share in millionths under which so many or more are seen no more
    often than half of what the confidence leaves, the upper the smallest under which so many or fewer are.
    """
    lower = 0 if found == 0 else _last(lambda ppm: _rare(tested - found, tested, MILLION - ppm, confidence_ppm))
    upper = (
        MILLION if found == tested else MILLION - _last(lambda ppm: _rare(found, tested, MILLION - ppm, confidence_ppm))
    )
    return ShareBounds(lower_ppm=lower, upper_ppm=upper)


def _last(holds: Callable[[int], bool]) -> int:
    """The largest share in millionths for which it holds, of a condition that holds for 0 and ceases to hold once."""
    low, high = 0, MILLION
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _rare(most: int, tested: int, ppm: int, confidence_ppm: int) -> bool:
    """Whether at most `most` of so many are seen, of a share of so many millionths, with a chance of no more than half
    of what the confidence leaves.
    """
    term: int = (MILLION - ppm) ** tested
    if not term:
        return most < tested
    chance = term
    for seen in range(most):
        term = term * (tested - seen) * ppm // ((seen + 1) * (MILLION - ppm))
        chance += term
    whole: int = MILLION**tested
    return 2 * MILLION * chance <= (MILLION - confidence_ppm) * whole


def _disagreements(plans: dict[str, tuple[SamplingLot, ...]]) -> Iterator[str]:
    for name, lots in plans.items():
        mosts = [lot.most for lot in lots]
        if not mosts or mosts[-1] is not None or None in mosts[:-1]:
            yield f"{name}: 只有最后一行不写 most the last line, and no other, is without `most`"
        elif any(a >= b for a, b in pairwise(most for most in mosts if most is not None)):
            yield f"{name}: most 须递增 `most` rises from line to line"
