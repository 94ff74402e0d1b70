"""Who a device is: registered, or given a temporary identity where its number cannot be read, and corrected.

    (nothing) -> Registered -> ...
    (nothing) -> TemporaryIdentityAssigned -> ... (bound to its number later: binding.py)

A record is never overwritten: RecordCorrected names the event it corrects, and views take what it says. A dismantling
that was on another day counts there, in every view: its cohort, its year, and the balances of both days. A dismantling
that did not happen is taken back the same way, as long as nothing has moved the device since. Any other mistake about
custody is mended by the custody itself: whoever has the device reports it, and the record follows the thing.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, CountyCode, DeviceClass, Reference, SiteId, UnitCode
from kernel.quantity import CivilDate, Code, Happened, Name, Remark, Version, refuse_far_days
from kernel.refusal import against_rules, unreadable
from services.registry.asset_number import is_customer_owned
from services.registry.meter.dismantling import Reading, legible, not_before
from services.registry.meter.state import (
    UNKNOWN,
    AtSite,
    InService,
    Meter,
    Place,
    WithMaker,
    in_service,
)
from services.registry.vocabulary import DismantleReason, Movement, Origin, Owner

ALREADY_REGISTERED = against_rules(
    "meter.already_registered",
    "资产编号 {asset_no} 已登记。",
    "{asset_no} has been registered already",
)
WRONG_FORM = against_rules(
    "meter.wrong_form",
    "{asset_no} 的形式不符：临时标识以 T 开头，资产编号为 22 位数字。",
    "{asset_no} has the wrong form here: a temporary identity begins with T, an asset number is 22 digits",
)
NO_SUCH_EVENT = against_rules(
    "meter.no_such_event",
    "器具 {asset_no} 没有版本为 {version} 的事件可更正。",
    "{asset_no} has no event of version {version} to correct",
)
NOTHING_CORRECTED = unreadable(
    "meter.nothing_corrected",
    "更正须给出至少一项新值，或注明该事件未发生，二者取一。",
    "a correction either gives at least one new value or says that the event did not happen",
)
CANNOT_BE_TAKEN_BACK = against_rules(
    "meter.cannot_be_taken_back",
    "器具 {asset_no} 的版本 {version} 不是其最近一次流转的拆回，不能注明未发生。",
    "version {version} of {asset_no} is not the dismantling that moved it last; it cannot be said not to have happened",
)

DISMANTLED_LATER = against_rules(
    "meter.dismantled_later",
    "更正日期 {day} 早于所称的拆回日期 {dismantled_on}。请核对日期。",
    "the correction is of {day}, and the dismantling it tells of, {dismantled_on}, is after that; check the days",
)
NOT_IN_THAT_EVENT = against_rules(
    "meter.not_in_that_event",
    "器具 {asset_no} 版本 {version} 的事件不载有 {member}；{carried}。请在更正中指明载有它的版本。",
    "version {version} of {asset_no} does not say {member}; {carried}; name the version that does",
)
READING_IN_DISPUTE = against_rules(
    "meter.reading_in_dispute",
    "器具 {asset_no} 的底度正在争议中，请以了结争议的方式更正。",
    "the final reading of {asset_no} is in dispute; correct it by resolving the dispute",
)

CORRECTABLE: Final = (
    "device_class",
    "owner",
    "unit",
    "county",
    "reason",
    "work_order",
    "dismantled_on",
    "description",
    "reading",
)


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a device beside its number. `comm_address` is the RS-485 address, 12 digits."""

    maker: Code | None = None
    model: Name | None = None
    arrival_batch: Code | None = None
    made_on: CivilDate | None = None
    installed_on: CivilDate | None = None
    comm_address: Code | None = None
    remark: Remark | None = None

    def __post_init__(self) -> None:
        refuse_far_days(made_on=self.made_on, installed_on=self.installed_on)


class Register(Happened, frozen=True, kw_only=True):
    """登记器具 Put a device on record: in service at a customer's, or at its maker's before delivery. Without `owner`
    the asset number tells whose it is.
    """

    asset_no: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner | None = None
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


class CorrectRecord(Happened, frozen=True, kw_only=True):
    """更正记录 Say what an earlier event should have said. The event stands; views follow the correction. A `reading`
    is given whole, and corrects the event that holds the final reading now.
    """

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
    owner: Owner | None = None
    did_not_happen: bool = False
    reading: Reading | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(dismantled_on=self.dismantled_on)


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


class RecordCorrected(Happened, frozen=True, kw_only=True):
    """What the event of `corrects_version` should have said, or that it did not happen. A corrected class moves the
    device between balances, a dismantling taken back moves it out of its store. `restated` is the movement of a
    dismantling that counts on another day; `there_since` is said where nothing has moved the device since.
    """

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
    owner: Owner | None = None
    did_not_happen: bool = False
    reading: Reading | None = None
    restated: Movement | None = None
    there_since: CivilDate | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(dismantled_on=self.dismantled_on, there_since=self.there_since)


Command: TypeAlias = Register | AssignTemporaryIdentity | CorrectRecord
Event: TypeAlias = Registered | TemporaryIdentityAssigned | RecordCorrected


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    match command:
        case Register():
            return [_register(command, meter)]
        case AssignTemporaryIdentity():
            return [_assign(command, meter)]
        case CorrectRecord():
            return [_correct(command, meter)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case Registered(origin=origin):
            new = origin == "maker"
            return _identified(msgspec.structs.replace(meter, new=new), event, WithMaker() if new else InService())
        case TemporaryIdentityAssigned(moved=moved):
            return _identified(meter, event, AtSite(moved.to_site or ""))
        case RecordCorrected():
            return _corrected(meter, event)


def _register(command: Register, meter: Meter) -> Registered:
    if meter.place is not None:
        raise ALREADY_REGISTERED(asset_no=command.asset_no)
    if command.asset_no.startswith("T"):
        raise WRONG_FORM(asset_no=command.asset_no)
    by_number: Owner = "customer" if is_customer_owned(command.asset_no) else "company"
    return becomes(command, Registered, owner=command.owner or by_number)


def _assign(command: AssignTemporaryIdentity, meter: Meter) -> TemporaryIdentityAssigned:
    if meter.place is not None:
        raise ALREADY_REGISTERED(asset_no=command.asset_no)
    if not command.asset_no.startswith("T"):
        raise WRONG_FORM(asset_no=command.asset_no)
    moved = Movement(device_class=command.device_class, to_site=command.site)
    return becomes(command, TemporaryIdentityAssigned, moved=moved)


def _correct(command: CorrectRecord, meter: Meter) -> RecordCorrected:
    if meter.place is None:
        raise UNKNOWN(asset_no=command.asset_no)
    if command.corrects_version > meter.version:
        raise NO_SUCH_EVENT(asset_no=command.asset_no, version=command.corrects_version)
    if command.did_not_happen is any(getattr(command, name) is not None for name in CORRECTABLE):
        raise NOTHING_CORRECTED()
    if command.did_not_happen:
        if not _moved_last_by(command.corrects_version, meter):
            raise CANNOT_BE_TAKEN_BACK(asset_no=command.asset_no, version=command.corrects_version)
        return becomes(command, RecordCorrected, moved_out=meter.moves(None), **meter.dismantlement)
    _carried(command, meter)
    if command.reading is not None:
        if meter.dispute is not None:
            raise READING_IN_DISPUTE(asset_no=command.asset_no)
        legible(command.reading)
    _in_order(command, meter)
    redated = _redated(command, meter)
    if command.device_class in (None, meter.device_class) or meter.site is None:
        return becomes(command, RecordCorrected, **redated, **meter.dismantlement)
    return becomes(
        command,
        RecordCorrected,
        **redated,
        moved_out=meter.moves(None),
        moved_in=Movement(device_class=command.device_class, to_site=meter.site),
        **meter.dismantlement,
    )


def _carried(command: CorrectRecord, meter: Meter) -> None:
    """Refuse to correct what the named event does not say, or what a later one has said again since: nothing would
    change.
    """
    dismantlings, said = frozenset(meter.dismantled_on), meter.identified_in
    carriers = {
        "device_class": said | dismantlings,
        "owner": said,
        "unit": dismantlings | {meter.unit_version},
        "county": dismantlings | {meter.county_version},
        "description": frozenset({0}),
        "reading": frozenset() if meter.reading_version is None else frozenset({meter.reading_version}),
    }
    for member in CORRECTABLE:
        versions = carriers.get(member, dismantlings)
        if getattr(command, member) is not None and command.corrects_version not in versions:
            where = ", ".join(str(version) for version in sorted(versions))
            carried = ("尚无事件载有它", "no event does")
            if where:
                carried = (f"载有它的版本为 {where}", f"it is said in {where}")
            of = {"asset_no": command.asset_no, "version": command.corrects_version}
            raise NOT_IN_THAT_EVENT(**of, member=member, carried=carried)


def _in_order(command: CorrectRecord, meter: Meter) -> None:
    """Refuse what would have it dismantled before it was installed."""
    installed_on = (command.description and command.description.installed_on) or meter.installed_on
    version = meter.dismantled_version
    if version is None:
        return
    corrects_it = command.corrects_version == version
    day = command.dismantled_on if corrects_it and command.dismantled_on else meter.dismantled_on[version]
    if command.description is not None or corrects_it:
        not_before(installed_on, command.asset_no, day)


def _moved_last_by(version: int, meter: Meter) -> bool:
    last = isinstance(meter.place, AtSite) and meter.place.as_dismantled
    return last and version == meter.dismantled_version


def _redated(command: CorrectRecord, meter: Meter) -> dict[str, Movement | date]:
    """What follows for balances where a dismantling was on another day: it counts there, but on no day before the
    device's movement before it or after the next one, for a device is at one place at a time.
    """
    day = command.dismantled_on
    if day is None:
        return {}
    if day > command.day:
        raise DISMANTLED_LATER(day=command.day, dismantled_on=day)
    said: dict[str, Movement | date] = {}
    if (came := meter.dismantlings.get(command.corrects_version)) is not None:
        on = min(max(day, came.not_before or day), came.not_after or date.max)
        if on != came.on:
            kind = came.device_class
            said["restated"] = Movement(device_class=kind, to_site=came.site, on=on, instead_of=came.on)
        if _moved_last_by(command.corrects_version, meter):
            said["there_since"] = on
    return said


def _identified(meter: Meter, event: Registered | TemporaryIdentityAssigned, place: Place) -> Meter:
    return msgspec.structs.replace(
        meter,
        device_class=event.device_class,
        unit=event.unit,
        unit_version=meter.version + 1,
        owner=event.owner,
        place=place,
        identified_in=frozenset({meter.version + 1}),
        installed_on=event.description.installed_on,
    )


def _corrected(meter: Meter, event: RecordCorrected) -> Meter:
    if event.did_not_happen:
        left = {version: came for version, came in meter.dismantlings.items() if version != event.corrects_version}
        days = {version: day for version, day in meter.dismantled_on.items() if version != event.corrects_version}
        return msgspec.structs.replace(in_service(meter), dismantlings=left, dismantled_on=days)
    if event.restated is not None and event.restated.on is not None:
        came = msgspec.structs.replace(meter.dismantlings[event.corrects_version], on=event.restated.on)
        last = event.restated.on if came.not_after is None else meter.moved_on
        dismantlings = meter.dismantlings | {event.corrects_version: came}
        meter = msgspec.structs.replace(meter, dismantlings=dismantlings, moved_on=last)
    unit = event.unit if event.corrects_version == meter.unit_version else None
    return msgspec.structs.replace(
        meter,
        device_class=event.device_class or meter.device_class,
        owner=event.owner or meter.owner,
        unit=unit or meter.unit,
        **_said_anew(event, meter),
    )


def _said_anew(event: RecordCorrected, meter: Meter) -> dict[str, Any]:
    """What a correction makes of the days and the county that are remembered."""
    said: dict[str, Any] = {}
    if event.dismantled_on is not None and event.corrects_version in meter.dismantled_on:
        said["dismantled_on"] = meter.dismantled_on | {event.corrects_version: event.dismantled_on}
    if event.county is not None and event.corrects_version > meter.county_version:
        said["county_version"] = event.corrects_version
    if event.description is not None and event.description.installed_on is not None:
        said["installed_on"] = event.description.installed_on
    return said


PART = Part(members(Command), members(Event), decide, evolve)
