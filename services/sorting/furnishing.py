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
from services.sorting.views.device import DeviceRow, devices
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
UNCONFIRMED = against_rules(
    "scheme.unconfirmed",
    "方案 {group} 第 {version} 版尚有 {limits} 项限值待计量员确认，生产模式下不能使用。",
    "scheme {group} version {version} has {limits} limits that the metrologist is to confirm; it does not run in "
    "production",
)
NO_TABLE = against_rules(
    "table.none",
    "尚未发布{name}。请用 `meterloop sorting publish` 发布默认内容。",
    "{name} has not been published; publish the default one by `meterloop sorting publish`",
)


_FURNISHED: Final = (OpenInspection, InspectAppearance, InspectFunction, InspectAccuracy, Judge, Rejudge)


class Production(msgspec.Struct, frozen=True):
    """Whether what was not confirmed is refused."""

    is_on: bool


class AskNow(Protocol):
    """Asks the views as they are when everything recorded until now is in them. Raises Stale."""

    def __call__(self, query: Callable[[Connection], T]) -> Awaitable[T]: ...


class Furnishing:
    """Asks the streams of devices, schemes and tables, and the views."""

    def __init__(
        self,
        inspections: Folded[Inspection],
        schemes: Folded[Schemes],
        tables: Folded[Table],
        ask_now: AskNow,
        production: Production,
    ) -> None:
        self._inspections: Final = inspections
        self._schemes: Final = schemes
        self._tables: Final = tables
        self._ask_now: Final = ask_now
        self._production: Final = production

    async def furnished(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each with what it needs, or with what is against it. Raises Stale, ledger.port.Unavailable."""
        concerned = {ask.command.asset_no for ask in asks if isinstance(ask.command, _FURNISHED)}
        if not concerned:
            return asks
        opened = {ask.command.asset_no for ask in asks if isinstance(ask.command, OpenInspection)}
        known = _Known(
            inspections=await self._inspections.now(concerned),
            devices=await self._ask_now(lambda connection: devices(connection, opened)) if opened else {},
            groups=await self._ask_now(groups_by_class) if opened else {},
            schemes={},
            tables={},
            populations={},
        )
        known = await self._with_rules(known, [ask.command for ask in asks])
        return [self._furnished(ask, known) for ask in asks]

    async def _with_rules(self, known: "_Known", commands: Sequence[Any]) -> "_Known":
        """With the schemes and the tables that these commands are decided by."""
        groups = {one.scheme.group for one in known.inspections.values() if one.scheme is not None}
        groups.update(
            known.groups[device.device_class]
            for device in known.devices.values()
            if device.device_class in known.groups
        )
        schemes = await self._schemes.now(groups)
        if not any(isinstance(command, Judge | Rejudge) for command in commands):
            return msgspec.structs.replace(known, schemes=schemes)
        families = {family_of(one.device) for one in known.inspections.values() if one.device is not None}
        return msgspec.structs.replace(
            known,
            schemes=schemes,
            tables=await self._tables.now(TABLE_NAMES),
            populations=await self._ask_now(lambda connection: counted(connection, families)),
        )

    def _furnished(self, ask: Ask, known: "_Known") -> Ask:
        command = ask.command
        if not isinstance(command, _FURNISHED):
            return ask
        try:
            furnished = self._with_what_it_needs(command, known)
        except Refusal as refusal:
            return msgspec.structs.replace(ask, hindrance=refusal)
        return msgspec.structs.replace(ask, command=furnished, asked=ask.given)

    def _with_what_it_needs(self, command: Any, known: "_Known") -> msgspec.Struct:
        said = msgspec.structs.asdict(command)
        if isinstance(command, OpenInspection):
            device = _here(command, known.devices.get(command.asset_no))
            if (group := known.groups.get(device.device_class)) is None:
                raise NO_SCHEME(device_class=device.device_class)
            schemes = known.schemes[group]
            if self._production.is_on and (limits := len(schemes.versions[-1].unconfirmed())):
                raise UNCONFIRMED(group=group, version=schemes.version, limits=limits)
            facts = Device(
                device_class=device.device_class,  # type: ignore[arg-type]  # the registry's own list
                unit=device.unit,
                accuracy_class=command.accuracy_class,
                maker=device.maker,
                batch=device.batch,
                model=device.model,
                made_on=device.made_on,
                installed_on=device.installed_on,
                dismantled_on=device.dismantled_on,
                comm_address=device.comm_address,
            )
            return OpenOnRecord(**said, device=facts, scheme=schemes.ref)
        inspection = known.inspections[command.asset_no]
        if inspection.scheme is None or inspection.device is None:
            raise UNKNOWN(asset_no=command.asset_no)
        scheme = known.schemes[inspection.scheme.group].of(inspection.scheme)
        if isinstance(command, Judge | Rejudge):
            book = known.rulebook(inspection.device, scheme, inspection.scheme)
            return (JudgeByRulebook if isinstance(command, Judge) else RejudgeByRulebook)(**said, rulebook=book)
        return EndStep(**said, norm=scheme.norm(STEP_OF[type(command)]), scheme=scheme, ref=inspection.scheme)


class _Known(msgspec.Struct, frozen=True):
    """What a call's commands need to know."""

    inspections: Mapping[str, Inspection]
    devices: Mapping[str, DeviceRow]
    groups: Mapping[str, str]
    schemes: Mapping[str, Schemes]
    tables: Mapping[str, Table]
    populations: Mapping[Family, Counts]

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


def _here(command: OpenInspection, device: DeviceRow | None) -> DeviceRow:
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
