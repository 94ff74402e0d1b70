"""The registry's closed lists and the identifiers its commands and events share.

Codes are what the log holds; the words for people stand beside them. Lists that a province changes for itself are
data elsewhere, not here.
"""

from datetime import date
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Struct

from kernel.device import DEVICE_CLASSES, CountyCode, DeviceClass, Reference, SiteId, UnitCode
from kernel.quantity import CivilDate, Code, Key, formed, refuse_far_days
from services.registry.asset_number import is_well_formed

EventId: TypeAlias = Annotated[
    str,
    formed(
        r"[0-9a-f]{32}",
        "事件编号：UUID，32 位小写十六进制",
        "an event's id: a UUID, 32 lower-case hexadecimal digits",
    ),
]
ShipmentId: TypeAlias = Key

Owner: TypeAlias = Literal["company", "customer"]
OWNERS: Final[dict[Owner, tuple[str, str]]] = {
    "company": ("公司资产", "the company's"),
    "customer": ("用户资产", "the customer's"),
}

Origin: TypeAlias = Literal["in_service", "maker"]
ORIGINS: Final[dict[Origin, tuple[str, str]]] = {
    "in_service": ("运行中", "in service"),
    "maker": ("厂家待交货", "at its maker's, not yet delivered"),
}

DismantleReason: TypeAlias = Literal[
    "rotation_at_term", "status", "failed_accuracy", "fault", "burnt", "account_change", "renovation", "theft_evidence",
    "other",
]  # fmt: skip
DISMANTLE_REASONS: Final[dict[DismantleReason, tuple[str, str]]] = {
    "rotation_at_term": ("到期轮换", "rotation at term"),
    "status": ("状态更换", "replaced on status"),
    "failed_accuracy": ("失准更换", "replaced for failed accuracy"),
    "fault": ("故障更换", "replaced for a fault"),
    "burnt": ("烧损", "burnt"),
    "account_change": ("业务变更", "change or end of the account"),
    "renovation": ("改造更换", "replaced in a renovation"),
    "theft_evidence": ("窃电取证", "evidence of theft"),
    "other": ("其他", "other"),
}

HoldKind: TypeAlias = Literal["retention", "dispute", "theft_evidence", "court", "safety", "review"]
HOLD_KINDS: Final[dict[HoldKind, tuple[str, str]]] = {
    "retention": ("留存期", "retention"),
    "dispute": ("计量争议", "dispute"),
    "theft_evidence": ("窃电证据", "evidence of theft"),
    "court": ("司法保全", "court order"),
    "safety": ("安全", "safety"),
    "review": ("复核总体", "review by the institute"),
}

Purpose: TypeAlias = Literal[
    "review", "laboratory", "maker_sample", "repair", "evidence", "reinstall", "maker", "materials", "customer"
]
PURPOSES: Final[dict[Purpose, tuple[str, str]]] = {
    "review": ("复核检定", "review by the institute"),
    "laboratory": ("实验室检测", "laboratory test"),
    "maker_sample": ("厂家样品", "sample for the maker"),
    "repair": ("维修", "repair"),
    "evidence": ("取证", "evidence"),
    "reinstall": ("利旧装用", "reinstallation"),
    "maker": ("返厂", "return to the maker"),
    "materials": ("移交物资", "handed to materials"),
    "customer": ("退还用户", "return to the customer"),
}

PreconditionKind: TypeAlias = Literal[
    "verdict_reuse", "verdict_claim", "verdict_scrap", "verdict_hold", "review_sample", "laboratory_request",
    "maker_sample_request", "repair_order", "evidence_order", "re_verification", "claim_agreement", "scrap_approval",
]  # fmt: skip
PRECONDITIONS: Final[dict[PreconditionKind, tuple[str, str]]] = {
    "verdict_reuse": ("利旧结论", "a verdict of reuse"),
    "verdict_claim": ("理赔结论", "a verdict of claim"),
    "verdict_scrap": ("报废结论", "a verdict of scrap"),
    "verdict_hold": ("待定结论", "judged anew, or waiting for a person"),
    "review_sample": ("复核抽样清单", "a review's sample list"),
    "laboratory_request": ("实验室检测申请", "a laboratory request"),
    "maker_sample_request": ("厂家样品申请", "a request for a maker's sample"),
    "repair_order": ("维修单", "a repair order"),
    "evidence_order": ("取证通知", "an order for evidence"),
    "re_verification": ("重新检定证书", "a re-verification certificate"),
    "claim_agreement": ("理赔协议", "a claim agreement"),
    "scrap_approval": ("报废审批", "a scrap approval"),
}
VERDICTS: Final[frozenset[PreconditionKind]] = frozenset(
    {"verdict_reuse", "verdict_claim", "verdict_scrap", "verdict_hold"}
)
"""`verdict_hold` is the ground of no release: it takes the place of whatever verdict stood before."""


Settlement: TypeAlias = Literal["paid", "replaced"]
SETTLEMENTS: Final[dict[Settlement, tuple[str, str]]] = {
    "paid": ("赔付", "paid for"),
    "replaced": ("换货", "replaced by another"),
}

NotAdopted: TypeAlias = Literal["at_a_site", "destroyed"]
NOT_ADOPTED: Final[dict[NotAdopted, tuple[str, str]]] = {
    "at_a_site": ("该编号的器具已在库", "a device of that number lies at a site already"),
    "destroyed": ("该编号的器具已销毁", "the device of that number was destroyed"),
}

LossCause: TypeAlias = Literal["transit", "storage", "theft", "misrecorded", "unknown"]
LOSS_CAUSES: Final[dict[LossCause, tuple[str, str]]] = {
    "transit": ("运输丢失", "lost in transit"),
    "storage": ("保管丢失", "lost in storage"),
    "theft": ("被盗", "stolen"),
    "misrecorded": ("账务差错", "recorded by mistake"),
    "unknown": ("原因不明", "unknown"),
}

Signature: TypeAlias = Literal["signed", "refused", "absent"]
SIGNATURES: Final[dict[Signature, tuple[str, str]]] = {
    "signed": ("用户已签字", "signed by the customer"),
    "refused": ("用户拒签", "the customer refused to sign"),
    "absent": ("用户不在场", "the customer was absent"),
}


_CLASS_OF_TYPE: Final[dict[str, DeviceClass]] = {code: code for code in DEVICE_CLASSES}


def class_in_number(asset_no: str) -> DeviceClass | None:
    """The class that the type digits of an asset number name, if they name one."""
    return _CLASS_OF_TYPE.get(asset_no[5:7]) if is_well_formed(asset_no) else None


class Movement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A custody change as balances see it: one device of this class out of one site, into another, or both.

    Every event that moves custody into or out of a site carries one, so balances are a plain sum over the log. It
    counts on the event's own business day, or on the day `on`: an event that is dated before the last movement of its
    device counts on the day of that one, for a device is at one place at a time. `instead_of` is the day on which the
    same movement counted until now, and counts no more.
    """

    device_class: DeviceClass
    from_site: SiteId | None = None
    to_site: SiteId | None = None
    on: CivilDate | None = None
    instead_of: CivilDate | None = None

    def __post_init__(self) -> None:
        if self.on is not None:
            refuse_far_days(on=self.on, instead_of=self.instead_of)

    @property
    def moves(self) -> bool:
        """Whether a site counts the device now that did not before, or does no more."""
        return self.from_site is not None or self.to_site is not None


MOVED: Final = ("moved", "moved_out", "moved_in")
"""The members under which events carry their movements."""


def movement_of(event: Any) -> Movement | None:
    """The first movement of an event that is one into or out of a site."""
    moved = (getattr(event, name, None) for name in MOVED)
    return next((one for one in moved if one is not None and one.moves), None)


def counts_on(event: Any) -> date:
    """The business day on which what an event says of a device's place counts: in balances, in the recovery of its
    cohort, on its card. It is that of the event's movement; without one it is the day that the event gives as
    `counts_on`, else its own.
    """
    moved = movement_of(event)
    said: date | None = getattr(event, "counts_on", None) if moved is None else moved.on
    own: date = event.day
    return said or own


class StandingHold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A hold as it stands: of what kind, on whose word, until when (open-ended without a day)."""

    hold: Code
    kind: HoldKind
    reference: Reference
    until: CivilDate | None = None

    def __post_init__(self) -> None:
        refuse_far_days(until=self.until)


class StandingDismantling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A dismantling as it stands, with what was corrected of it."""

    dismantled_on: CivilDate
    work_order: Reference
    unit: UnitCode
    reason: DismantleReason
    county: CountyCode | None = None

    def __post_init__(self) -> None:
        refuse_far_days(dismantled_on=self.dismantled_on)


class Arrival(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The day on which a device first was in the ordinary stock of a site."""

    site: SiteId
    on: CivilDate

    def __post_init__(self) -> None:
        refuse_far_days(on=self.on)
