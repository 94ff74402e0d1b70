"""A place that holds devices and is answerable for its balance: a unit's store, the centre, the materials yard.

    SiteOpened -> StocktakeRecorded ... -> SiteClosed

A stocktake never changes a number: it records what was counted, and the devices that are short or over follow one by
one as missing or unexpected. What a single device then refuses is an exception on the site, which names the stocktake,
in a stream beside the site's: there may be thousands, and nothing that is decided of the site asks for them.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.device import DEVICE_CLASSES, AssetNo, CountyCode, DeviceClass, SiteId, UnitCode
from kernel.quantity import Code, Count, Happened, Name, PublicRemark
from kernel.refusal import against_rules, not_found, unreadable
from services.registry.vocabulary import EventId

DIFFERENCES_MAX: Final = 5_000
"""Devices short or over in one stocktake; more is a sign that the wrong site was counted."""

UNKNOWN = not_found("site.unknown", "没有站点 {site_id}。", "there is no site {site_id}")
ALREADY_OPEN = against_rules("site.already_open", "站点 {site_id} 已启用。", "site {site_id} is open already")
OTHER_KIND = against_rules(
    "site.other_kind",
    "站点 {site_id} 曾是{kind}，不能再以另一类型启用。请为新站点另取代号。",
    "site {site_id} was {kind} and cannot be opened as another kind; give the new place an id of its own",
)
OTHER_UNIT = against_rules(
    "site.other_unit",
    "站点 {site_id} 曾属单位 {unit}，不能由另一单位启用。请为新站点另取代号。",
    "site {site_id} was the unit {unit}'s and cannot be opened by another; give the new place an id of its own",
)
CLOSED = against_rules("site.closed", "站点 {site_id} 已停用。", "site {site_id} is closed")
LISTED_TWICE = unreadable("site.listed_twice", "盘点单中 {what} 重复。", "{what} is on the stocktake's lists twice")
COUNT_DISAGREES = against_rules(
    "site.count_disagrees",
    "类别 {device_class}：账面 {book} 加盘盈 {over} 减盘亏 {short} 不等于实盘 {counted}。",
    "class {device_class}: book {book} plus over {over} less short {short} is not what was counted, {counted}",
)

SiteKind: TypeAlias = Literal["unit_store", "centre", "materials", "laboratory"]
SITE_KINDS: Final[dict[SiteKind, tuple[str, str]]] = {
    "unit_store": ("基层单位库", "a unit's store"),
    "centre": ("省级分拣中心", "the provincial centre"),
    "materials": ("物资库", "the materials yard"),
    "laboratory": ("检测实验室", "a laboratory"),
}


class CountLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One class in a stocktake: the book's number and the number counted."""

    device_class: DeviceClass
    book: Count
    counted: Count


class Difference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device that is short, or over."""

    asset_no: AssetNo
    device_class: DeviceClass


CountLines: TypeAlias = Annotated[tuple[CountLine, ...], msgspec.Meta(max_length=len(DEVICE_CLASSES))]
Differences: TypeAlias = Annotated[tuple[Difference, ...], msgspec.Meta(max_length=DIFFERENCES_MAX)]


class OpenSite(Happened, frozen=True, kw_only=True):
    """启用站点 A place begins to hold devices."""

    site_id: SiteId
    kind: SiteKind
    name: Name
    unit: UnitCode
    county: CountyCode | None = None


class CloseSite(Happened, frozen=True, kw_only=True):
    """停用站点 Nothing comes here any more."""

    site_id: SiteId
    why: PublicRemark


class RecordStocktake(Happened, frozen=True, kw_only=True):
    """盘点 What was counted, class by class, and which devices are short or over against the book."""

    site_id: SiteId
    lines: CountLines
    short: Differences = ()
    over: Differences = ()


class RecordStocktakeException(Happened, frozen=True, kw_only=True):
    """登记盘点异常 A device that was short or over did not follow its stocktake, the event of this id; the refusal's
    code says why.
    """

    site_id: SiteId
    stocktake: EventId
    asset_no: AssetNo
    code: Code


class SiteOpened(Happened, frozen=True, kw_only=True):
    """A place holds devices."""

    site_id: SiteId
    kind: SiteKind
    name: Name
    unit: UnitCode
    county: CountyCode | None = None


class SiteClosed(Happened, frozen=True, kw_only=True):
    """It holds none from now on."""

    site_id: SiteId
    why: PublicRemark


class StocktakeRecorded(Happened, frozen=True, kw_only=True):
    """What was counted, and what the book said."""

    site_id: SiteId
    lines: tuple[CountLine, ...]
    short: tuple[Difference, ...] = ()
    over: tuple[Difference, ...] = ()


class StocktakeExceptionRecorded(Happened, frozen=True, kw_only=True):
    """A device did not follow the stocktake."""

    site_id: SiteId
    stocktake: EventId
    asset_no: AssetNo
    code: Code


Command: TypeAlias = OpenSite | CloseSite | RecordStocktake
Event: TypeAlias = SiteOpened | SiteClosed | StocktakeRecorded


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it is open, whose it is, and what place."""

    phase: Literal["none", "open", "closed"] = "none"
    unit: str = ""
    kind: SiteKind = "unit_store"


def decide(command: Command, site: Site) -> Sequence[Event]:
    if isinstance(command, OpenSite):
        if site.phase == "open":
            raise ALREADY_OPEN(site_id=command.site_id)
        if site.phase == "closed":
            _same_place(command, site)
        return [becomes(command, SiteOpened)]
    if site.phase == "none":
        raise UNKNOWN(site_id=command.site_id)
    if site.phase == "closed":
        raise CLOSED(site_id=command.site_id)
    match command:
        case CloseSite():
            return [becomes(command, SiteClosed)]
        case RecordStocktake():
            _agrees(command)
            return [becomes(command, StocktakeRecorded)]


def evolve(site: Site, event: Event) -> Site:
    match event:
        case SiteOpened(unit=unit, kind=kind):
            return Site(phase="open", unit=unit, kind=kind)
        case SiteClosed():
            return msgspec.structs.replace(site, phase="closed")
        case StocktakeRecorded():
            return site


def _same_place(command: OpenSite, site: Site) -> None:
    """Refuse to make another place of one that was closed: its balances, its stocktakes and what was received there
    would be the other's from the first day on.
    """
    if command.kind != site.kind:
        raise OTHER_KIND(site_id=command.site_id, kind=SITE_KINDS[site.kind])
    if command.unit != site.unit:
        raise OTHER_UNIT(site_id=command.site_id, unit=site.unit)


def _agrees(stocktake: RecordStocktake) -> None:
    _listed_once(line.device_class for line in stocktake.lines)
    # A device is short or over, not both, and counts once.
    _listed_once(one.asset_no for one in (*stocktake.short, *stocktake.over))
    lines = {line.device_class: line for line in stocktake.lines}
    short = [one.device_class for one in stocktake.short]
    over = [one.device_class for one in stocktake.over]
    for device_class in sorted({*lines, *short, *over}):
        line = lines.get(device_class, CountLine(device_class=device_class, book=0, counted=0))
        gone, more = short.count(device_class), over.count(device_class)
        if line.book + more - gone != line.counted:
            raise COUNT_DISAGREES(
                device_class=device_class, book=line.book, over=more, short=gone, counted=line.counted
            )


def _listed_once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LISTED_TWICE(what=name)
        seen.add(name)


SITE: Final = Decider(
    category="site",
    initial=Site(),
    key="site_id",
    begins=(OpenSite,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)


class Stocktakes(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing: an exception is decided by nothing that came before. The site was open when it was counted, and devices
    follow when they can.
    """


def _decide_exception(
    command: RecordStocktakeException, _stocktakes: Stocktakes
) -> Sequence[StocktakeExceptionRecorded]:
    return [becomes(command, StocktakeExceptionRecorded)]


def _evolve_exception(stocktakes: Stocktakes, _event: StocktakeExceptionRecorded) -> Stocktakes:
    return stocktakes


STOCKTAKES: Final = Decider(
    category="stocktake",
    initial=Stocktakes(),
    key="site_id",
    begins=(RecordStocktakeException,),
    parts=(Part((RecordStocktakeException,), (StocktakeExceptionRecorded,), _decide_exception, _evolve_exception),),
)
