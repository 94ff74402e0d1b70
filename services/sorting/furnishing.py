"""What a command needs from other streams before it can be decided: what the record says of the device, its scheme, the
tables, and what was found of others like it.

What was given is kept beside it: by that a command is recognised when it comes again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from kernel.folded import Folded
from kernel.handling import Ask
from kernel.refusal import Refusal, against_rules, not_found
from services.sorting.inspection.at_once import InspectAtOnce, InspectAtOnceOnRecord
from services.sorting.inspection.opening import OpenInspection, OpenOnRecord
from services.sorting.inspection.state import UNKNOWN, Device, Inspection
from services.sorting.inspection.steps import STEP_OF, EndStep, InspectAccuracy, InspectAppearance, InspectFunction
from services.sorting.inspection.verdict import (
    Counts,
    Judge,
    JudgeByRulebook,
    Rejudge,
    RejudgeByRulebook,
    Rulebook,
    TableRef,
)
from services.sorting.norms import Scheme, SchemeRef
from services.sorting.scheme import Published as Schemes
from services.sorting.table import TABLE_NAMES
from services.sorting.table import Published as Table
from services.sorting.views.device import DeviceRow, devices, site_kinds
from services.sorting.views.population import Family, counted, family_of
from services.sorting.views.scheme import groups_by_class

T = TypeVar("T")

NOT_ON_RECORD = not_found(
    "inspection.not_on_record",
    "资产编号 {asset_no} 没有登记记录。请核对条码，读不出编号的器具请先在登记服务赋予临时标识。",
    "{asset_no} is not on record; check the barcode, or give the device a temporary identity in the registry first",
)
NOT_HERE = against_rules(
    "inspection.not_here",
    "器具 {asset_no} 在账面上不在站点 {site}（现在：{place}）。请先办理接收。",
    "{asset_no} is not at site {site} on record (it is at {place}); receive it first",
)
NO_CENTRE = against_rules(
    "inspection.no_centre",
    "站点 {site} 不是分拣中心，不在此分拣。请将器具送至中心。",
    "site {site} is no sorting centre, and nothing is sorted there; have the device brought to the centre",
)
KEPT_APART = against_rules(
    "inspection.kept_apart",
    "器具 {asset_no} 为意外到货，尚未处理，不能分拣。",
    "{asset_no} came unexpectedly and that is not resolved; it is not inspected before",
)
CUSTOMERS = against_rules(
    "inspection.customers_own",
    "器具 {asset_no} 为用户资产，不参加分拣。",
    "{asset_no} belongs to a customer and is not sorted",
)
NO_SCHEME = against_rules(
    "scheme.none_for_class",
    "没有适用于类别 {device_class} 的分拣检测方案。请由计量员发布，或用 `meterloop sorting publish` 发布默认方案。",
    "no scheme covers class {device_class}; have the metrologist publish one, or publish the default ones by "
    "`meterloop sorting publish`",
)
TWO_SCHEMES = against_rules(
    "scheme.two_for_class",
    "方案组 {groups} 都包含类别 {device_class}，不能确定按哪一个检测。请由计量员发布其中一组不含该类别的新版。",
    "scheme groups {groups} all cover class {device_class}, and nobody can say which holds; have the metrologist "
    "publish a version of one without it",
)
UNCONFIRMED = against_rules(
    "scheme.unconfirmed",
    "方案 {group} 第 {version} 版尚有 {limits} 项限值或费用待计量员确认，生产模式下不能使用。",
    "scheme {group} version {version} has {limits} limits or costs that the metrologist is to confirm; it does not run "
    "in production",
)
BEGUN_UNCONFIRMED = against_rules(
    "scheme.begun_unconfirmed",
    "器具 {asset_no} 按方案 {group} 第 {version} 版开检，该版尚有待确认项，生产模式下不能继续。请终止本次分拣，"
    "按现行第 {newest} 版重新开检。",
    "the inspection of {asset_no} was begun by scheme {group} version {version}, which is not confirmed, and does not "
    "go on in production; abandon it and open it anew by version {newest}",
)
TABLE_UNCONFIRMED = against_rules(
    "table.unconfirmed",
    "{name}第 {version} 版中类别 {device_class} 的内容待确认，生产模式下不能据以判定。",
    "what {name} version {version} says of class {device_class} is to be confirmed; nothing is judged by it in "
    "production",
)
NO_TABLE = against_rules(
    "table.none",
    "尚未发布{name}。请用 `meterloop sorting publish` 发布默认内容。",
    "{name} has not been published; publish the default one by `meterloop sorting publish`",
)


_OPENS: Final = (OpenInspection, InspectAtOnce)
_JUDGES: Final = (InspectAtOnce, InspectAccuracy, Judge, Rejudge)
_STEPS: Final = (InspectAppearance, InspectFunction, InspectAccuracy)
_FURNISHED: Final = (*_OPENS, *_JUDGES, *_STEPS)


SORTING_SITE: Final = "centre"
"""The kind of site where devices are inspected: a unit's store hands them over, a laboratory tests samples, and what is
in the materials yard has been judged.
"""


class Production(msgspec.Struct, frozen=True):
    """Whether what was not confirmed is refused."""

    is_on: bool


class AskViews(Protocol):
    """Asks the views. Raises Stale."""

    def __call__(self, query: Callable[[Connection], T]) -> Awaitable[T]: ...


class Furnishing:
    """Asks the streams of devices, schemes and tables, and the views."""

    def __init__(
        self,
        inspections: Folded[Inspection],
        schemes: Folded[Schemes],
        tables: Folded[Table],
        ask: AskViews,
        ask_now: AskViews,
        production: Production,
    ) -> None:
        """`ask` asks the views as they are, `ask_now` when everything recorded until now is in them: of a population
        some devices more or less make no difference.
        """
        self._inspections: Final = inspections
        self._schemes: Final = schemes
        self._tables: Final = tables
        self._ask: Final = ask
        self._ask_now: Final = ask_now
        self._production: Final = production
        # Of schemes that inspections were begun by, how much is to be confirmed: a version never changes.
        self._open_values: Final[dict[SchemeRef, int]] = {}

    async def furnished(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each with what it needs, or with what is against it. Raises Stale, ledger.port.Unavailable."""
        commands = [ask.command for ask in asks if isinstance(ask.command, _FURNISHED)]
        if not commands:
            return asks
        opened = {command.asset_no for command in commands if isinstance(command, _OPENS)}
        sites = {command.site for command in commands if isinstance(command, _OPENS)}
        concerned = {command.asset_no for command in commands}
        known = _Known(inspections=await self._inspections.now(concerned))
        if opened:
            devices_here, groups, kinds = await self._ask_now(
                lambda connection: (
                    devices(connection, opened),
                    groups_by_class(connection),
                    site_kinds(connection, sites),
                )
            )
            known = msgspec.structs.replace(known, devices=devices_here, groups=groups, kinds=kinds)
        known = await self._with_rules(
            known,
            tables=(self._production.is_on and bool(opened)) or any(map(_asks_tables, commands)),
            judged=any(isinstance(command, _JUDGES) for command in commands),
        )
        return [self._furnished(ask, known) for ask in asks]

    async def _with_rules(self, known: "_Known", *, tables: bool, judged: bool) -> "_Known":
        """With the schemes, the tables where they are asked for, and where something is `judged` the populations, that
        it is decided by.
        """
        on_record = [*known.devices.values()]
        groups = {one.scheme.group for one in known.inspections.values() if one.scheme is not None}
        groups.update(group for one in on_record for group in known.groups.get(one.device_class, ()))
        known = msgspec.structs.replace(known, schemes=await self._schemes.now(groups))
        if tables or judged:
            known = msgspec.structs.replace(known, tables=await self._tables.now(TABLE_NAMES))
        if not judged:
            return known
        families = {family_of(one.device) for one in known.inspections.values() if one.device is not None}
        families.update(map(family_of, on_record))
        populations = await self._ask(lambda connection: counted(connection, families))
        return msgspec.structs.replace(known, populations=populations)

    def _furnished(self, ask: Ask, known: "_Known") -> Ask:
        if not isinstance(ask.command, _FURNISHED):
            return ask
        try:
            furnished = self._with_what_it_needs(ask.command, known)
        except Refusal as refusal:
            return msgspec.structs.replace(ask, hindrance=refusal)
        return msgspec.structs.replace(ask, command=furnished, asked=ask.given)

    def _with_what_it_needs(self, command: Any, known: "_Known") -> msgspec.Struct:
        said = {name: getattr(command, name) for name in command.__struct_fields__}
        if isinstance(command, OpenInspection):
            device, schemes = self._admitted(command, known)
            return OpenOnRecord(**said, device=device, scheme=schemes.ref)
        if isinstance(command, InspectAtOnce):
            device, schemes = self._admitted(command, known)
            # One that is under way goes on by the version that it began with.
            begun = known.inspections[command.asset_no]
            ref = begun.scheme if begun.scheme is not None and begun.phase in ("open", "stopped") else schemes.ref
            self._confirmed(command.asset_no, ref, device, known)
            book = known.rulebook(device, known.schemes[ref.group].of(ref), ref)
            return InspectAtOnceOnRecord(**said, device=device, rulebook=book)
        inspection = known.inspections[command.asset_no]
        if inspection.scheme is None or inspection.device is None:
            raise UNKNOWN(asset_no=command.asset_no)
        scheme = known.schemes[inspection.scheme.group].of(inspection.scheme)
        # What failed is judged again by whatever there is: refused, a verdict of reuse would stand.
        if not isinstance(command, Rejudge):
            self._confirmed(command.asset_no, inspection.scheme, inspection.device, known)
        if isinstance(command, Judge | Rejudge):
            book = known.rulebook(inspection.device, scheme, inspection.scheme)
            return (JudgeByRulebook if isinstance(command, Judge) else RejudgeByRulebook)(**said, rulebook=book)
        judges = isinstance(command, InspectAccuracy) and all(one.version for one in known.tables.values())
        book_then = known.rulebook(inspection.device, scheme, inspection.scheme) if judges else None
        norm = scheme.norm(STEP_OF[type(command)])
        verdict = known.tables["verdict"].verdict if known.tables else None
        obsolete = () if verdict is None else verdict.obsolete
        return EndStep(**said, norm=norm, scheme=scheme, ref=inspection.scheme, obsolete=obsolete, rulebook=book_then)

    def _admitted(self, command: OpenInspection | InspectAtOnce, known: "_Known") -> tuple[Device, Schemes]:
        """What the record says of a device that is about to be inspected, and the schemes of its class."""
        row = _here(command, known.devices.get(command.asset_no))
        # A log that began after the site was opened does not say of which kind it is.
        if known.kinds.get(command.site, SORTING_SITE) != SORTING_SITE:
            raise NO_CENTRE(site=command.site, field="site")
        group = group_of(row.device_class, known.groups)
        schemes = known.schemes[group]
        if self._production.is_on and (limits := len(schemes.versions[-1].unconfirmed())):
            raise UNCONFIRMED(group=group, version=schemes.version, limits=limits)
        if self._production.is_on:
            known.confirm_tables(row.device_class)
        facts = Device(
            device_class=row.device_class,  # type: ignore[arg-type]  # the registry's own list
            unit=row.unit,
            accuracy_class=command.accuracy_class,
            maker=row.maker,
            batch=row.batch,
            model=row.model,
            made_on=row.made_on,
            installed_on=row.installed_on,
            dismantled_on=row.dismantled_on,
            comm_address=row.comm_address,
        )
        return facts, schemes

    def _confirmed(self, asset_no: str, ref: SchemeRef, device: Device, known: "_Known") -> None:
        """Nothing where all may be used that a device is inspected and, as far as is looked up, judged by."""
        if not self._production.is_on:
            return
        schemes = known.schemes[ref.group]
        if ref not in self._open_values:
            self._open_values[ref] = len(schemes.of(ref).unconfirmed())
        if self._open_values[ref]:
            raise BEGUN_UNCONFIRMED(asset_no=asset_no, group=ref.group, version=ref.version, newest=schemes.version)
        known.confirm_tables(device.device_class)


class _Known(msgspec.Struct, frozen=True):
    """What a call's commands need to know."""

    inspections: Mapping[str, Inspection]
    devices: Mapping[str, DeviceRow] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    kinds: Mapping[str, str] = {}
    schemes: Mapping[str, Schemes] = {}
    tables: Mapping[str, Table] = {}
    populations: Mapping[Family, Counts] = {}

    def confirm_tables(self, device_class: str) -> None:
        """Nothing where what the tables that were looked up say of a class is confirmed, else a refusal raised."""
        for name, table in self.tables.items():
            content = table.verdict or table.prices
            if content is not None and content.unconfirmed(device_class):
                said = TABLE_NAMES[name]  # type: ignore[index]  # asked for by these names
                raise TABLE_UNCONFIRMED(name=said, version=table.version, device_class=device_class)

    def rulebook(self, device: Device, scheme: Scheme, ref: SchemeRef) -> Rulebook:
        """What a device is judged by."""
        verdict, prices = self.tables["verdict"], self.tables["prices"]
        for name, table in self.tables.items():
            if table.version == 0:
                raise NO_TABLE(name=TABLE_NAMES[name])  # type: ignore[index]  # asked for by these names
        assert verdict.verdict is not None
        assert prices.prices is not None
        return Rulebook(
            scheme=scheme,
            scheme_ref=ref,
            table=verdict.verdict,
            table_ref=TableRef(version=verdict.version, sha256=verdict.sha256),
            value=prices.prices.of(device.device_class),
            prices_ref=TableRef(version=prices.version, sha256=prices.sha256),
            counts=self.populations[family_of(device)],
        )


def group_of(device_class: str, groups: Mapping[str, tuple[str, ...]]) -> str:
    """The scheme group that covers a class. Raises Refusal where none does, or two do."""
    match groups.get(device_class, ()):
        case ():
            raise NO_SCHEME(device_class=device_class)
        case (group,):
            return group
        case several:
            raise TWO_SCHEMES(device_class=device_class, groups=", ".join(several))


def _asks_tables(command: Any) -> bool:
    """Whether a command is decided by the tables: what judges, and what may be waived by policy."""
    return isinstance(command, _JUDGES) or (isinstance(command, _STEPS) and command.report.ended == "waived")


def _here(command: OpenInspection | InspectAtOnce, device: DeviceRow | None) -> DeviceRow:
    """The device, if it may be inspected at this site."""
    if device is None:
        raise NOT_ON_RECORD(asset_no=command.asset_no)
    if device.site != command.site:
        raise NOT_HERE(asset_no=command.asset_no, site=command.site, place=device.site or "—", field="site")
    if device.apart:
        raise KEPT_APART(asset_no=command.asset_no)
    if device.owner == "customer":
        raise CUSTOMERS(asset_no=command.asset_no)
    return device
