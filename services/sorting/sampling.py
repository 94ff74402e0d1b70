"""How many of a population are re-tested, how many disagreements it bears, and what the result says of the whole.

Plans are data: a file of plans with the number of their standard (tables/sampling.yaml is the one that comes along),
which the metrologist confirms. A review keeps its plan whole.
"""

from collections.abc import Callable, Collection, Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil, comb, floor
from typing import Annotated, Final, NamedTuple, TypeAlias

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
SAMPLE_MAX: Final = 2_000
"""The largest single sample of ISO 2859-1 (code letter R). A file of plans asks for no more, and bounds are reckoned as
of no more: a larger sample would narrow them little, and whoever waits for a conclusion would wait for the reckoning.
"""


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
    """The share in the whole population that the sample lets expect, and between which shares it lies with the
    confidence of the plan, in millionths, bounds rounded outwards.
    """

    lower_ppm: SharePpm
    upper_ppm: SharePpm
    estimate_ppm: SharePpm | None = None


class StratumCount(NamedTuple):
    """A stratum: how many members it has, how many of them were tested, and of how many of these it was found."""

    members: int
    tested: int
    found: int


def share_of_whole(strata: Collection[StratumCount], confidence_ppm: int) -> ShareBounds:
    """The share of a whole population, of which a sample was drawn in each stratum.

    Small strata are drawn from more densely than large ones, for each gives at least one: the counts of the sample are
    not those of a simple sample, and each stratum is weighed by its members, sum(N_h/N x d_h/n_h). The bounds are those
    of Clopper and Pearson for as many tests as `effective_sample` says and that share of them, rounded down for the
    lower and up for the upper bound (as E. L. Korn and B. I. Graubard put an effective sample into them, Survey
    Methodology 24, 1998). Where all members were tested the share is known, and the bounds are that share.
    """
    members = sum(stratum.members for stratum in strata)
    share = sum((Fraction(one.members * one.found, members * one.tested) for one in strata), start=Fraction(0))
    estimate = floor(share * MILLION + Fraction(1, 2))
    tests = effective_sample(strata)
    if tests is None:
        return ShareBounds(lower_ppm=floor(share * MILLION), upper_ppm=ceil(share * MILLION), estimate_ppm=estimate)
    return ShareBounds(
        lower_ppm=_lower_ppm(floor(share * tests), tests, confidence_ppm),
        upper_ppm=_upper_ppm(ceil(share * tests), tests, confidence_ppm),
        estimate_ppm=estimate,
    )


def effective_sample(strata: Collection[StratumCount]) -> int | None:
    """How large a simple sample is that tells no more of the whole than these do, None where all were tested: the
    members of the population by the largest number of members that one test stands for, N / max(N_h/n_h).

    The variance of the estimated share, sum((N_h/N)^2 p_h(1-p_h)/n_h) at most, is no larger than p(1-p) by that number,
    whatever the shares p_h of the strata are, for p(1-p) is concave. The effective sample of L. Kish (Survey Sampling,
    1965), (sum w)^2 / sum w^2 over the tests, is never smaller and takes it that all strata vary alike: where what is
    found is in strata that were drawn from thinly, bounds by it miss the share more often than the confidence allows.
    """
    members = sum(stratum.members for stratum in strata)
    if all(stratum.tested == stratum.members for stratum in strata):
        return None
    return min(SAMPLE_MAX, *(members * stratum.tested // stratum.members for stratum in strata))


def clopper_pearson(found: int, tested: int, confidence_ppm: int) -> ShareBounds:
    """The bounds of a share of which `found` of `tested` were seen (C. J. Clopper, E. S. Pearson, 1934), two-sided.

    In whole numbers: the lower bound is the largest share in millionths under which so many or more are seen no more
    often than half of what the confidence leaves, the upper the smallest under which so many or fewer are.
    """
    return ShareBounds(
        lower_ppm=_lower_ppm(found, tested, confidence_ppm), upper_ppm=_upper_ppm(found, tested, confidence_ppm)
    )


def _lower_ppm(found: int, tested: int, confidence_ppm: int) -> int:
    return MILLION - _upper_ppm(tested - found, tested, confidence_ppm)


def _upper_ppm(found: int, tested: int, confidence_ppm: int) -> int:
    if found == tested:
        return MILLION
    return MILLION - _last(lambda ppm: _rare(found, tested, MILLION - ppm, confidence_ppm))


def _last(holds: Callable[[int], bool]) -> int:
    """The largest share in millionths for which it holds, of a condition that holds for 0 and ceases to hold once."""
    low, high = 0, MILLION
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


_BITS: Final = 128
"""Of numbers that are reckoned roughly, each rounded down."""
_SURE: Final = 64
"""What is lost by that is less than one part in two to the power of this, by far, for samples of up to SAMPLE_MAX."""


def _rare(most: int, tested: int, ppm: int, confidence_ppm: int) -> bool:
    """Whether at most `most` of so many are seen, of a share of so many millionths, with a chance of no more than half
    of what the confidence leaves.

    It is reckoned roughly first, the chances of fewer as parts of the chance of `most`. Where that leaves it open, it
    is reckoned to the last digit.
    """
    other = MILLION - ppm
    if most * other >= (tested - most + 1) * ppm:
        # No more than `most` are expected: half of all chances and more.
        return False
    term = parts = 1 << _BITS
    for seen in range(most, 0, -1):
        term = term * seen * other // ((tested - seen + 1) * ppm)
        if not term:
            break
        parts += term
    (seen_so, after), (not_so, after_other), (whole, after_whole) = (
        _power(ppm, most), _power(other, tested - most), _power(MILLION, tested)
    )  # fmt: skip
    chance = 2 * MILLION * comb(tested, most) * seen_so * not_so * parts
    allowed = (MILLION - confidence_ppm) * whole
    shift = after + after_other - after_whole - _BITS
    chance, allowed = chance << max(shift, 0), allowed << max(-shift, 0)
    if chance > allowed + (allowed >> _SURE):
        return False
    return chance + (chance >> _SURE) < allowed or _is_rare(most, tested, ppm, confidence_ppm)


def _is_rare(most: int, tested: int, ppm: int, confidence_ppm: int) -> bool:
    """The same, to the last digit."""
    term: int = (MILLION - ppm) ** tested
    cases = term
    for seen in range(most):
        term = term * (tested - seen) * ppm // ((seen + 1) * (MILLION - ppm))
        cases += term
    whole: int = MILLION**tested
    return 2 * MILLION * cases <= (MILLION - confidence_ppm) * whole


def _power(number: int, exponent: int) -> tuple[int, int]:
    """The first bits of a power, and how many come after them."""
    first, after = 1, 0
    for bit in f"{exponent:b}":
        first, after = first * first * (number if bit == "1" else 1), 2 * after
        surplus = max(0, first.bit_length() - _BITS)
        first, after = first >> surplus, after + surplus
    return first, after


def _disagreements(plans: dict[str, tuple[SamplingLot, ...]]) -> Iterator[str]:
    for name, lots in plans.items():
        mosts = [lot.most for lot in lots]
        if not mosts or mosts[-1] is not None or None in mosts[:-1]:
            yield f"{name}: 只有最后一行不写 most the last line, and no other, is without `most`"
        elif any(a >= b for a, b in pairwise(most for most in mosts if most is not None)):
            yield f"{name}: most 须递增 `most` rises from line to line"
        if any(lot.sample is not None and lot.sample > SAMPLE_MAX for lot in lots):
            yield f"{name}: sample 不得大于 {SAMPLE_MAX}（GB/T 2828.1 最大样本） `sample` is {SAMPLE_MAX} at most"
