"""What the rules of a device need to remember, and no more."""

from collections.abc import Iterable
from datetime import date
from typing import Final, Literal, TypeAlias, assert_never

import msgspec

from kernel.device import DeviceClass
from kernel.refusal import against_rules, not_found
from services.registry.vocabulary import (
    HOLD_KINDS,
    PURPOSES,
    Arrival,
    HoldKind,
    Movement,
    Owner,
    PreconditionKind,
    Purpose,
    StandingDismantling,
    StandingHold,
)

UNKNOWN = not_found(
    "meter.unknown",
    "没有资产编号 {asset_no} 的记录。请先登记该器具。",
    "there is no record of {asset_no}; register the device first",
)
ENDED = against_rules(
    "meter.ended",
    "器具 {asset_no} 的生命周期已结束（{how}），不能再作此操作。",
    "the life of {asset_no} has ended ({how}); nothing more can be done to it",
)
BOUND = against_rules(
    "meter.bound",
    "临时标识 {asset_no} 已绑定为 {number}，请使用该编号。",
    "the temporary identity {asset_no} is bound to {number}; use that number",
)
NOT_IN_HAND = against_rules(
    "meter.not_in_hand",
    "器具 {asset_no} 不在任何站点的库存中（{place}）。",
    "{asset_no} is in no site's stock ({place})",
)
KEPT_APART = against_rules(
    "meter.kept_apart",
    "器具 {asset_no} 为计划外到货，须先处理后方可流转。",
    "{asset_no} arrived unexpectedly; resolve that before it moves on",
)
IN_CONTAINER = against_rules(
    "meter.in_container",
    "器具 {asset_no} 在周转箱 {container} 中，须先出箱。",
    "{asset_no} is in container {container}; take it out first",
)
CONSENT_MISSING = against_rules(
    "meter.consent_missing",
    "器具 {asset_no} 为用户资产，须先取得用户同意或退还用户。",
    "{asset_no} belongs to a customer: get consent first, or return it",
)
OTHER_CLASS = against_rules(
    "meter.other_class",
    "{asset_no} 列为类别 {listed}，记录为 {on_record}。请核对编号与类别。",
    "{asset_no} is listed as class {listed}, the record has it as {on_record}; check the number and the class",
)
ON_HOLD = against_rules(
    "meter.on_hold",
    "器具 {asset_no} 处于留存（{holds}），不得销毁、拆封或清除数据。请先解除留存。",
    "{asset_no} is on hold ({holds}): no destruction, seal-breaking or data reset; lift the hold first",
)


class InService(msgspec.Struct, frozen=True, tag=True):
    """Installed at a customer's."""


class AtSite(msgspec.Struct, frozen=True, tag=True):
    """Held at a site. `unexpected`: nobody had announced it, and it is kept apart until that is resolved.
    `as_dismantled`: nothing has moved it since its dismantling brought it here. `container`: the box it is in; whatever
    moves the device takes it out of there.
    """

    site: str
    unexpected: bool = False
    as_dismantled: bool = False
    container: str | None = None


class InTransit(msgspec.Struct, frozen=True, tag=True):
    """On its way in a shipment."""

    shipment: str
    last_site: str


class MissingFrom(msgspec.Struct, frozen=True, tag=True):
    """Where it should be it is not. `last_site` held it last. `unexpected`: it was kept apart there."""

    last_site: str
    shipment: str | None = None
    unexpected: bool = False


class LostFrom(msgspec.Struct, frozen=True, tag=True):
    """The loss is confirmed and not yet written off."""

    last_site: str
    unexpected: bool = False


class Out(msgspec.Struct, frozen=True, tag=True):
    """Released from a site for a purpose."""

    purpose: Purpose
    reference: str
    last_site: str


class WithMaker(msgspec.Struct, frozen=True, tag=True):
    """Given back to `maker` under a claim; not delivered yet where it is None."""

    maker: str | None = None


class WithRecycler(msgspec.Struct, frozen=True, tag=True):
    """Sold, and not yet certified as destroyed."""

    recycler: str
    lot: str


EndKind: TypeAlias = Literal[
    "bound", "written_off", "returned_to_customer", "kept_by_maker", "destroyed", "destroyed_in_test"
]
ENDS: Final[dict[EndKind, tuple[str, str]]] = {
    "bound": ("已绑定编号", "bound to its number"),
    "written_off": ("已盘亏核销", "written off"),
    "returned_to_customer": ("已退还用户", "returned to its customer"),
    "kept_by_maker": ("已留归厂家", "kept by its maker"),
    "destroyed": ("已销毁", "destroyed"),
    "destroyed_in_test": ("已在试验中损毁", "destroyed in a test"),
}
DESTROYED: Final[frozenset[EndKind]] = frozenset({"destroyed", "destroyed_in_test"})
"""Nothing comes back from these."""
LEFT_FOR_GOOD: Final = DESTROYED | {"written_off", "kept_by_maker"}
"""Whatever bears such a number and is seen again is an alarm. What a customer took back may well be seen again."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """Nothing is done to it any more. `last_holder` answers for it if it turns up again."""

    how: EndKind
    last_holder: str


Place: TypeAlias = InService | AtSite | InTransit | MissingFrom | LostFrom | Out | WithMaker | WithRecycler | Ended


class Claim(msgspec.Struct, frozen=True):
    """A temporary identity is said to be this number, on this evidence, and the number has not answered yet."""

    number: str
    evidence: str


class Along(msgspec.Struct, frozen=True):
    """What a temporary identity takes along to its number beside holds and seals: its dismantling and final reading,
    and when it first was in the stock of each site since then.
    """

    dismantled: StandingDismantling | None = None
    reading: msgspec.Struct | None = None
    arrivals: tuple[Arrival, ...] = ()


class CameIn(msgspec.Struct, frozen=True):
    """How balances count a dismantling: a device of this class into this site on the day `on`. It moved last before
    then on the day `not_before`, and next on `not_after`; None where it did not.
    """

    device_class: DeviceClass
    site: str
    on: date
    not_before: date | None
    not_after: date | None = None


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """A device of any class. `place` is None before the first event; `version` is that of the last.

    `unit_version` is that of the event which said `unit`, `county_version` its county, `identified_in` those which said
    what it is and whose, `dismantled_on` the day of each dismantling by its version; `reading_version` of the one that
    holds the final reading, `arrived_with` the shipment that brought it last, `new` that it never was in service,
    `moved_on` the business day on which its last movement into or out of a site counts, `dismantlings` how those count
    that brought it to a site, by their versions, `dispute` the case in which its final reading is disputed,
    `replaced_by` the device that came from the maker in its place, `along` what a temporary identity will take along,
    `certified_until` the last day on which its certificate holds.
    """

    version: int = -1
    place: Place | None = None
    moved_on: date | None = None
    device_class: DeviceClass = "01"
    unit: str = ""
    unit_version: int = -1
    county_version: int = 0
    identified_in: frozenset[int] = frozenset()
    installed_on: date | None = None
    owner: Owner = "company"
    consented: bool = False
    new: bool = False
    dismantled_version: int | None = None
    dismantled_on: dict[int, date] = {}
    dismantlings: dict[int, CameIn] = {}
    along: Along = Along()
    arrived_with: str | None = None
    holds: dict[str, StandingHold] = {}
    seals: frozenset[str] = frozenset()
    dispute: str | None = None
    replaced_by: str | None = None
    claim: Claim | None = None
    reading_version: int | None = None
    preconditions: dict[PreconditionKind, str] = {}
    certified_until: date | None = None
    data_cleared: bool = False
    chip_destroyed: bool = False
    defaced: bool = False

    @property
    def held(self) -> list[tuple[str, str]]:
        """What stands against destroying evidence, in words for people."""
        kinds: set[HoldKind] = {hold.kind for hold in self.holds.values()}
        if self.dispute is not None:
            kinds.add("dispute")
        return [HOLD_KINDS[kind] for kind in sorted(kinds)]

    @property
    def site(self) -> str | None:
        """The site whose balance counts it now."""
        return self.place.site if isinstance(self.place, AtSite) else None

    @property
    def container(self) -> str | None:
        """The box that it is in at its site."""
        return self.place.container if isinstance(self.place, AtSite) else None

    @property
    def dismantlement(self) -> dict[str, int | None]:
        """Which dismantling an event of today belongs to."""
        return {"dismantled_version": self.dismantled_version}

    def moves(self, to_site: str | None) -> Movement:
        """The movement from where it is counted now to `to_site`, or out of all sites."""
        return Movement(device_class=self.device_class, from_site=self.site, to_site=to_site)


NOTHING = Meter()


def known(asset_no: str, meter: Meter) -> Place:
    """Where it is, or a refusal where there is no such device or its life has ended."""
    match meter.place:
        case None:
            raise UNKNOWN(asset_no=asset_no)
        case Ended(how="bound", last_holder=number):
            raise BOUND(asset_no=asset_no, number=number)
        case Ended(how=how):
            raise ENDED(asset_no=asset_no, how=ENDS[how])
        case place:
            return place


def unheld(asset_no: str, meter: Meter) -> None:
    """Refuse what would destroy evidence while a hold stands."""
    if held := meter.held:
        raise ON_HOLD(asset_no=asset_no, holds=listed(held))


def back_in_hand(meter: Meter) -> Meter:
    """What still stands of a device that has been out of the house's hands, with a laboratory, a repairer, its maker or
    nobody knows whom: a re-verification lapses, and keys and records may be on it again, so it is cleared again. A
    destroyed chip and a defaced case stay what they are.
    """
    grounds = {kind: reference for kind, reference in meter.preconditions.items() if kind != "re_verification"}
    return msgspec.structs.replace(meter, preconditions=grounds, data_cleared=False)


def in_service(meter: Meter) -> Meter:
    """In service: its next dismantling begins as if it had been the first."""
    return msgspec.structs.replace(
        meter,
        place=InService(),
        dismantled_version=None,
        reading_version=None,
        preconditions={},
        data_cleared=False,
    )


def consented(asset_no: str, meter: Meter) -> None:
    """Refuse to treat a customer's property as the company's."""
    if meter.owner == "customer" and not meter.consented:
        raise CONSENT_MISSING(asset_no=asset_no)


def in_ordinary_stock(asset_no: str, meter: Meter) -> AtSite:
    """The site in whose stock it is, or a refusal; what is kept apart is not in stock."""
    place = known(asset_no, meter)
    if not isinstance(place, AtSite):
        raise NOT_IN_HAND(asset_no=asset_no, place=spoken(place))
    if place.unexpected:
        raise KEPT_APART(asset_no=asset_no)
    return place


def listed(words: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Several labels as one, in both languages."""
    words = tuple(words)
    return "、".join(zh for zh, _ in words), ", ".join(en for _, en in words)


def spoken(place: Place) -> tuple[str, str]:
    """Where a device is, for people, in both languages."""
    match place:
        case InService():
            return "运行中", "in service"
        case AtSite(site=site):
            return f"在库 {site}", f"at site {site}"
        case InTransit(shipment=shipment):
            return f"在途 {shipment}", f"in transit with {shipment}"
        case MissingFrom(last_site=site):
            return f"缺失，原在 {site}", f"missing from {site}"
        case LostFrom(last_site=site):
            return f"已认定丢失，原在 {site}", f"lost from {site}"
        case Out(purpose=purpose, reference=reference):
            zh, en = PURPOSES[purpose]
            return f"已出库：{zh} {reference}", f"out for {en}, {reference}"
        case WithMaker():
            return "在厂家", "with its maker"
        case WithRecycler(recycler=recycler, lot=lot):
            return f"已交回收商 {recycler}，批次 {lot}", f"with recycler {recycler}, lot {lot}"
        case Ended(how=how):
            return ENDS[how]
        case _:
            assert_never(place)
