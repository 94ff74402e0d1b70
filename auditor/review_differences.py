"""In what a review may differ from what its log makes of it, in words, and what is kept of each difference."""

from enum import StrEnum
from typing import Any, Final

import msgspec

NAMED_MAX: Final = 1_000
"""Differences that are kept one by one; beyond them they are counted."""


class Differs(StrEnum):
    """In what a review differs from what the log makes of it."""

    NO_REVIEW = "no_review"
    OUT_OF_ORDER = "out_of_order"
    UNREADABLE = "unreadable"
    LEFT_OUT = "member_left_out"
    COUNTS = "left_out_differs"
    STOOD_AGAIN = "left_out_stood_again"
    ADDED = "member_added"
    VERDICT = "verdict_differs"
    ROOT = "root_differs"
    STRATA = "strata_differ"
    SIZES = "sizes_differ"
    NONCE = "nonce_differs"
    LATE = "nonce_late"
    TERM = "term_differs"
    ATTRIBUTION = "attribution_differs"
    CHECKPOINT = "checkpoint_not_the_first"
    SAMPLE = "sample_differs"
    CHANGED = "member_changed"
    RESULT = "result_differs"
    RECORD = "record_differs"
    RESORT = "resort_differs"
    CONCLUSION = "conclusion_differs"


DIFFERENCES: Final[dict[Differs, tuple[str, str]]] = {
    Differs.NO_REVIEW: ("日志中没有此复核", "the log has no such review"),
    Differs.OUT_OF_ORDER: ("事件次序不合复核的过程", "an event that cannot come there in a review"),
    Differs.UNREADABLE: ("事件无法解读", "an event cannot be understood"),
    Differs.LEFT_OUT: ("符合条件而未列入总体", "it fits and was left out of the population"),
    Differs.COUNTS: ("未列入的数量与各器具自身事件不符", "other numbers were left out than the devices' events say"),
    Differs.STOOD_AGAIN: (
        "未列入总体，而原结论其后未经改变又告有效",
        "it was left out of the population, and its verdict stood again afterwards, unchanged",
    ),
    Differs.ADDED: ("不符合条件而列入总体", "it does not fit and was added to the population"),
    Differs.VERDICT: ("列入总体的结论与其自身事件不符", "it joined with another verdict than its own events say"),
    Differs.ROOT: ("所承诺的根不是成员的根", "the committed root is not that of the members"),
    Differs.STRATA: ("所承诺的各层数量与成员不符", "the committed strata are not those of the members"),
    Differs.SIZES: ("样本量不合抽样方案", "the sizes are not those of the sampling plan"),
    Differs.NONCE: ("随机数与所托付的摘要不符", "the nonce is not the one that was entrusted"),
    Differs.LATE: ("揭示或判定失败的时间不合期限", "revealed or failed at another time than its term allows"),
    Differs.TERM: ("期限不是监督方所接受的", "the term is not the one that the supervisor accepted"),
    Differs.ATTRIBUTION: (
        "抽样失败归于不应负责的一方",
        "the draw that failed is attributed to somebody else than failed it",
    ),
    Differs.CHECKPOINT: ("所用检查点不是最先涵盖承诺的", "the checkpoint is not the first that covers the commitment"),
    Differs.SAMPLE: ("样本与重算的不同", "the sample is not the one that follows"),
    Differs.CHANGED: ("冻结期间成员有变动", "a member changed while it was frozen"),
    Differs.RESULT: ("结果或替补不合样本", "a result or a spare that the sample does not bear"),
    Differs.RESORT: (
        "离开总体时或其后未按复核结论处理",
        "it was not treated as the conclusion says when it left, or after",
    ),
    Differs.RECORD: ("替换所述的在账位置与登记不符", "a replacement says another place on record than the registry"),
    Differs.CONCLUSION: ("结论与结果不符", "the conclusion is not what the results come to"),
}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs, of which device or of the review, at which entry: what should be, and what is."""

    what: Differs
    asset_no: str | None = None
    index: int | None = None
    expected: str = ""
    found: str = ""


class Late(msgspec.Struct, frozen=True):
    """A verdict of the reviewed days that was recorded after the commitment: it is in no population of theirs."""

    asset_no: str
    index: int


class EarlierReview(msgspec.Struct, frozen=True, kw_only=True):
    """A review that was about some of the same verdicts before: of which days, proposed at which entry, how far it went
    and what its conclusion was.
    """

    review: str
    index: int
    judged_from: str
    judged_to: str
    phase: str
    consequence: str = ""


class Redrawn(msgspec.Struct, kw_only=True):
    """What a review comes to: `phase` is how far it went. The checkpoint is the one by which its sample was drawn, else
    the first published one that covers the commitment.
    """

    phase: str = "none"
    members: int = 0
    left_out: dict[str, int] = {}
    root: str = ""
    strata: int = 0
    samples: int = 0
    spares: int = 0
    checkpoint_size: int = 0
    checkpoint_root: str = ""
    recorded: int = 0
    agreed: int = 0
    replaced: int = 0
    missing: int = 0
    consequence: str = ""
    earlier: list[EarlierReview] = []
    late: list[Late] = []
    late_count: int = 0
    differences: list[Difference] = []
    differences_count: int = 0

    def came_late(self, asset_no: str, index: int) -> None:
        self.late_count += 1
        if len(self.late) < NAMED_MAX:
            self.late.append(Late(asset_no, index))

    def differs(self, what: Differs, expected: object = "", found: object = "", **about: Any) -> None:
        self.differences_count += 1
        if len(self.differences) < NAMED_MAX:
            self.differences.append(Difference(what=what, expected=str(expected), found=str(found), **about))
