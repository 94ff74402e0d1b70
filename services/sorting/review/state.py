"""What the rules need to remember of a review, and no more."""

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from kernel.device import AssetNo, SiteId
from kernel.quantity import CivilDate, Code, Count, refuse_far_days
from kernel.refusal import against_rules, not_found, stale
from services.sorting.norms import Part
from services.sorting.sampling import SamplingPlan
from services.sorting.vocabulary import DISPOSITIONS, Disposition, GroupId

Judged: TypeAlias = Literal["reuse", "claim", "scrap"]
JUDGED: Final[dict[Judged, tuple[str, str]]] = {name: DISPOSITIONS[name] for name in get_args(Judged)}
"""A result, and a verdict that a review may be about, is a disposition that ends sorting: not `hold`."""

Phase = Literal["none", "joining", "committed", "drawn", "concluded", "failed", "withdrawn"]
PHASES: Final[dict[Phase, tuple[str, str]]] = {
    "none": ("未提出", "not proposed"),
    "joining": ("总体归集中", "its devices are joining"),
    "committed": ("总体已承诺，待揭示随机数", "committed, the nonce is to be revealed"),
    "drawn": ("已抽样，待复检结果", "drawn, results are to come"),
    "concluded": ("已结束", "concluded"),
    "failed": ("抽样失败", "the draw failed"),
    "withdrawn": ("已撤回", "withdrawn"),
}

MOVED_ON = stale(
    "review.moved_on",
    "复核 {review} 刚刚有了变化，请重试。",
    "review {review} has just moved on; try again",
)
UNKNOWN = not_found("review.unknown", "没有编号为 {review} 的复核。", "there is no review {review}")
OTHER_PHASE = against_rules(
    "review.not_now",
    "复核 {review} {phase}，此时不能这样做。",
    "this cannot be done now with review {review}: {phase}",
)


class ReviewCriteria(Part, frozen=True, kw_only=True):
    """Which verdicts a review is about: reached on these days; where dispositions, a scheme group, a site or makers are
    named, of those alone. A verdict of hold is in no review.
    """

    judged_from: CivilDate
    judged_to: CivilDate
    dispositions: tuple[Judged, ...] = ()
    scheme_group: GroupId | None = None
    site: SiteId | None = None
    makers: Annotated[tuple[Code, ...], Meta(max_length=200)] = ()

    def __post_init__(self) -> None:
        refuse_far_days(judged_from=self.judged_from, judged_to=self.judged_to)


class Stratum(Part, frozen=True, kw_only=True):
    """层 Members with the same disposition and maker, of which an inspection was left out (`waived`) or none: how many
    there are, and how many of them are drawn as samples and as spares.
    """

    disposition: Disposition
    maker: Code | None = None
    waived: bool
    members: Count
    sample: Count
    spares: Count


class LeftOut(Part, frozen=True, kw_only=True):
    """未列入 How many verdicts of those days are no members of the population, by the reason: the device was being
    inspected anew, a repair of it was under way, or another review had it.
    """

    inspected_anew: Count = 0
    repaired: Count = 0
    in_review: Count = 0


class DrawnStratum(Part, frozen=True, kw_only=True):
    """Who was drawn of a stratum, in the order of the draw."""

    disposition: Disposition
    maker: Code | None = None
    waived: bool
    sample: tuple[AssetNo, ...]
    spares: tuple[AssetNo, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """What was found of a sample, by which report, and who entered it."""

    disposition: Judged
    report: str
    by: str


class Review(msgspec.Struct, frozen=True):
    """What the rules need to remember. `checkpoint` is the size and root of the first published one that covers the
    commitment, which is to be there by `publish_by`. `verdicts` are those of the samples, `spares` those left of each
    of the `strata`, `at` the stratum of each sample; `gone` were missing without a spare; `came_in` are spares that
    took the place of a sample, `replaced` how many times that was, `corrected` the samples whose result was.
    """

    phase: Phase = "none"
    plan: SamplingPlan | None = None
    reveal_within_h: int = 0
    nonce_sha256: str | None = None
    entrusted_by: str = ""
    accept: int = 0
    strata: tuple[Stratum, ...] = ()
    publish_by: datetime | None = None
    checkpoint: tuple[int, str] | None = None
    reveal_by: datetime | None = None
    verdicts: dict[str, Disposition] = {}
    at: dict[str, int] = {}
    spares: tuple[tuple[str, ...], ...] = ()
    results: dict[str, Result] = {}
    gone: frozenset[str] = frozenset()
    came_in: frozenset[str] = frozenset()
    replaced: int = 0
    corrected: frozenset[str] = frozenset()

    @property
    def awaited(self) -> list[str]:
        """The samples without a result, by number."""
        return sorted(self.verdicts.keys() - self.results.keys() - self.gone)


def must_be(phase: Phase, number: str, review: Review) -> None:
    """Nothing where the review is in this phase, else a refusal raised."""
    if review.phase == "none":
        raise UNKNOWN(review=number)
    if review.phase != phase:
        raise OTHER_PHASE(review=number, phase=PHASES[review.phase])
