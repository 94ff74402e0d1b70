"""Who a device is: registered, or given a temporary identity and bound to its number later, and corrected.

    (nothing) -> Registered -> ...
    (nothing) -> TemporaryIdentityAssigned -> IdentityBound (the temporary record ends, the numbered one adopts)
    (numbered) -> IdentityAdopted

A record is never overwritten: RecordCorrected names the event it corrects, and views take what it says.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.quantity import CivilDate, Code, Happened, Name, Remark
from kernel.refusal import against_rules
from services.registry.meter.state import (
    UNKNOWN,
    AtSite,
    Ended,
    InService,
    LostFrom,
    Meter,
    MissingFrom,
    Out,
    Place,
    known,
    spoken,
)
from services.registry.vocabulary import (
    AssetNo,
    CountyCode,
    DeviceClass,
    DismantleReason,
    Movement,
    Origin,
    Owner,
    Reference,
    SiteId,
    UnitCode,
    Version,
)

ALREADY_REGISTERED = against_rules(
    "meter.already_registered",
    "资产编号 {asset_no} 已登记。",
    "{asset_no} has been registered already",
)
NOT_TEMPORARY = against_rules(
    "meter.not_temporary",
    "{asset_no} 不是临时标识，不能再绑定编号。",
    "{asset_no} is not a temporary identity and cannot be bound to a number",
)
WRONG_FORM = against_rules(
    "meter.wrong_form",
    "{asset_no} 的形式不符：临时标识以 T 开头，资产编号为 22 位数字。",
    "{asset_no} has the wrong form here: a temporary identity begins with T, an asset number is 22 digits",
)
ALREADY_ELSEWHERE = against_rules(
    "meter.already_elsewhere",
    "器具 {asset_no} 的记录为 {place}，不能由临时标识 {temporary_id} 接续。请盘点核实。",
    "{asset_no} is on record as {place} and cannot be adopted from {temporary_id}; settle it by a stocktake",
)
NO_SUCH_EVENT = against_rules(
    "meter.no_such_event",
    "器具 {asset_no} 没有版本为 {version} 的事件可更正。",
    "{asset_no} has no event of version {version} to correct",
)
NOTHING_CORRECTED = against_rules(
    "meter.nothing_corrected",
    "更正须至少给出一项新值。",
    "a correction gives at least one new value",
)

CORRECTABLE: Final = ("device_class", "unit", "county", "reason", "work_order", "dismantled_on", "description")


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a device beside its number. `comm_address` is the RS-485 address, 12 digits."""

    maker: Code | None = None
    model: Name | None = None
    arrival_batch: Code | None = None
    made_on: CivilDate | None = None
    installed_on: CivilDate | None = None
    comm_address: Code | None = None
    remark: Remark | None = None


class Register(Happened, frozen=True, kw_only=True):
    """登记器具 Put a device on record: in service at a customer's, or at its maker's before delivery."""

    asset_no: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner = "company"
    origin: Origin = "in_service"
    county: CountyCode | None = None
    description: Description = Description()


class AssignTemporaryIdentity(Happened, frozen=True, kw_only=True):
    """赋予临时标识 Put a device on record whose number cannot be read, at the site that holds it."""

    asset_no: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    site: SiteId
    owner: Owner = "company"
    description: Description = Description()


class BindIdentity(Happened, frozen=True, kw_only=True):
    """绑定编号 Say which numbered device a temporary identity turned out to be."""

    asset_no: AssetNo
    bound_to: AssetNo
    evidence: Remark


class AdoptIdentity(Happened, frozen=True, kw_only=True):
    """接续临时标识 Take over, on the numbered record, the custody of a temporary one."""

    asset_no: AssetNo
    temporary_id: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    site: SiteId | None = None


class CorrectRecord(Happened, frozen=True, kw_only=True):
    """更正记录 Say what an earlier event should have said. The event stands; views follow the correction."""

    asset_no: AssetNo
    corrects_version: Version
    why: Remark
    device_class: DeviceClass | None = None
    unit: UnitCode | None = None
    county: CountyCode | None = None
    reason: DismantleReason | None = None
    work_order: Reference | None = None
    dismantled_on: CivilDate | None = None
    description: Description | None = None


class Registered(Happened, frozen=True, kw_only=True):
    """A device is on record."""

    asset_no: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    origin: Origin
    county: CountyCode | None = None
    description: Description = Description()


class TemporaryIdentityAssigned(Happened, frozen=True, kw_only=True):
    """A device of unread number is on record and held at a site."""

    asset_no: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    moved: Movement
    description: Description = Description()


class IdentityBound(Happened, frozen=True, kw_only=True):
    """A temporary record ends here and goes on under a number."""

    asset_no: AssetNo
    bound_to: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    evidence: Remark
    moved: Movement


class IdentityAdopted(Happened, frozen=True, kw_only=True):
    """A numbered record takes over from a temporary one."""

    asset_no: AssetNo
    temporary_id: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    moved: Movement


class RecordCorrected(Happened, frozen=True, kw_only=True):
    """What the event of `corrects_version` should have said. A corrected class moves the device between balances."""

    asset_no: AssetNo
    corrects_version: Version
    why: Remark
    device_class: DeviceClass | None = None
    unit: UnitCode | None = None
    county: CountyCode | None = None
    reason: DismantleReason | None = None
    work_order: Reference | None = None
    dismantled_on: CivilDate | None = None
    description: Description | None = None
    moved_out: Movement | None = None
    moved_in: Movement | None = None
    dismantled_version: Version | None = None


Command: TypeAlias = Register | AssignTemporaryIdentity | BindIdentity | AdoptIdentity | CorrectRecord
Event: TypeAlias = Registered | TemporaryIdentityAssigned | IdentityBound | IdentityAdopted | RecordCorrected


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    match command:
        case Register():
            return [_register(command, meter)]
        case AssignTemporaryIdentity():
            return [_assign(command, meter)]
        case BindIdentity():
            return [_bind(command, meter)]
        case AdoptIdentity():
            return [_adopt(command, meter)]
        case CorrectRecord():
            return [_correct(command, meter)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Registered(origin=origin):
            place = InService() if origin == "in_service" else Out("maker", "delivery", "")
            return _identified(meter, event, place)
        case TemporaryIdentityAssigned(moved=moved):
            return _identified(meter, event, AtSite(moved.to_site or ""))
        case IdentityBound(bound_to=number):
            return msgspec.structs.replace(meter, place=Ended("bound", number))
        case IdentityAdopted(moved=moved):
            return _identified(meter, event, AtSite(moved.to_site) if moved.to_site else InService())
        case RecordCorrected(device_class=device_class):
            return msgspec.structs.replace(meter, device_class=device_class or meter.device_class)


def _register(command: Register, meter: Meter) -> Registered:
    if meter.place is not None:
        raise ALREADY_REGISTERED(asset_no=command.asset_no)
    if command.asset_no.startswith("T"):
        raise WRONG_FORM(asset_no=command.asset_no)
    return becomes(command, Registered)


def _assign(command: AssignTemporaryIdentity, meter: Meter) -> TemporaryIdentityAssigned:
    if meter.place is not None:
        raise ALREADY_REGISTERED(asset_no=command.asset_no)
    if not command.asset_no.startswith("T"):
        raise WRONG_FORM(asset_no=command.asset_no)
    moved = Movement(device_class=command.device_class, to_site=command.site)
    return becomes(command, TemporaryIdentityAssigned, moved=moved)


def _bind(command: BindIdentity, meter: Meter) -> IdentityBound:
    known(command.asset_no, meter)
    if not command.asset_no.startswith("T"):
        raise NOT_TEMPORARY(asset_no=command.asset_no)
    if command.bound_to.startswith("T"):
        raise WRONG_FORM(asset_no=command.bound_to)
    return becomes(
        command,
        IdentityBound,
        device_class=meter.device_class,
        unit=meter.unit,
        owner=meter.owner,
        moved=meter.moves(None),
    )


def _adopt(command: AdoptIdentity, meter: Meter) -> IdentityAdopted:
    if not isinstance(meter.place, None | InService | MissingFrom | LostFrom):
        where = spoken(meter.place)
        raise ALREADY_ELSEWHERE(asset_no=command.asset_no, place=where, temporary_id=command.temporary_id)
    device_class = meter.device_class if meter.place else command.device_class
    moved = Movement(device_class=device_class, to_site=command.site)
    return becomes(command, IdentityAdopted, device_class=device_class, moved=moved)


def _correct(command: CorrectRecord, meter: Meter) -> RecordCorrected:
    if meter.place is None:
        raise UNKNOWN(asset_no=command.asset_no)
    if command.corrects_version > meter.version:
        raise NO_SUCH_EVENT(asset_no=command.asset_no, version=command.corrects_version)
    if all(getattr(command, name) is None for name in CORRECTABLE):
        raise NOTHING_CORRECTED()
    if command.device_class in (None, meter.device_class) or meter.site is None:
        return becomes(command, RecordCorrected, **meter.dismantlement)
    return becomes(
        command,
        RecordCorrected,
        moved_out=meter.moves(None),
        moved_in=Movement(device_class=command.device_class, to_site=meter.site),
        **meter.dismantlement,
    )


def _identified(meter: Meter, event: Registered | TemporaryIdentityAssigned | IdentityAdopted, place: Place) -> Meter:
    return msgspec.structs.replace(
        meter,
        asset_no=event.asset_no,
        device_class=event.device_class,
        unit=event.unit,
        owner=event.owner,
        place=place,
    )


PART = Part(members(Command), members(Event), decide, evolve)
