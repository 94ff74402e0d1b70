"""A temporary identity turns out to be a number: the number takes the device over first, and then the temporary record
ends. Nothing leaves a site before it has come into another record.

    (temporary) at a site -> IdentityClaimed -> IdentityBound (the record ends)
                                             '-> TemporaryIdentityKept (it stays where it is, as if never claimed)
    (numbered)            -> IdentityAdopted, and what came along: Dismantled and FinalReadingRecorded where the number
                          |  has none, SealApplied for each seal, HoldPlaced for each hold
                          '-> AdoptionRefused: an alarm, for two devices seem to bear one number

A number that was destroyed, or that lies at a site already, is not taken over: what lies there under the temporary
identity is a second device, and stays apart from the first until somebody finds out which of them is which. Between the
claim and its outcome, which takes as long as the policies do, nothing else is done to the temporary record.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, assert_never

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, DeviceClass, SiteId, UnitCode
from kernel.quantity import Code, Happened, Name, Remark, Version
from kernel.refusal import against_rules, stale
from services.registry.asset_number import is_customer_owned
from services.registry.meter.dismantling import Dismantled, FinalReadingRecorded, Reading
from services.registry.meter.hold import HoldPlaced, SealApplied
from services.registry.meter.identity import WRONG_FORM
from services.registry.meter.state import (
    DESTROYED,
    IN_CONTAINER,
    NOT_IN_HAND,
    ON_HOLD,
    AtSite,
    Claim,
    Ended,
    InService,
    LostFrom,
    Meter,
    MissingFrom,
    back_in_hand,
    known,
    spoken,
)
from services.registry.meter.unexpected import Reappeared, reappearance
from services.registry.vocabulary import (
    HOLD_KINDS,
    Arrival,
    Movement,
    NotAdopted,
    Owner,
    StandingDismantling,
    StandingHold,
)

NOT_TEMPORARY = against_rules(
    "meter.not_temporary",
    "{asset_no} 不是临时标识，不能再绑定编号。",
    "{asset_no} is not a temporary identity and cannot be bound to a number",
)
BEING_BOUND = stale(
    "meter.being_bound",
    "临时标识 {asset_no} 正在绑定为 {number}，请稍后重试。",
    "the temporary identity {asset_no} is being bound to {number}; try again shortly",
)
NOT_BEING_BOUND = against_rules(
    "meter.not_being_bound",
    "临时标识 {asset_no} 并非正在绑定为 {number}。",
    "the temporary identity {asset_no} is not being bound to {number}",
)


class BindIdentity(Happened, frozen=True, kw_only=True):
    """绑定编号 Say which numbered device a temporary identity turned out to be."""

    asset_no: AssetNo
    bound_to: AssetNo
    evidence: Remark


class AdoptIdentity(Happened, frozen=True, kw_only=True):
    """接续临时标识 Take over, on the numbered record, the custody of a temporary one and what goes along."""

    asset_no: AssetNo
    temporary_id: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    site: SiteId
    unexpected: bool = False
    holds: tuple[StandingHold, ...] = ()
    seals: tuple[Code, ...] = ()
    dismantled: StandingDismantling | None = None
    reading: Reading | None = None
    arrivals: tuple[Arrival, ...] = ()


class EndTemporaryIdentity(Happened, frozen=True, kw_only=True):
    """终结临时标识 The number has taken the device over; the temporary record ends."""

    asset_no: AssetNo
    bound_to: AssetNo


class KeepTemporaryIdentity(Happened, frozen=True, kw_only=True):
    """保留临时标识 The number has not taken the device over; it stays on record under its temporary identity."""

    asset_no: AssetNo
    bound_to: AssetNo
    why: NotAdopted


class IdentityClaimed(Happened, frozen=True, kw_only=True):
    """A temporary identity is said to be this number, which is asked to take it over."""

    asset_no: AssetNo
    bound_to: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    evidence: Remark
    site: SiteId
    unexpected: bool = False
    holds: tuple[StandingHold, ...] = ()
    seals: tuple[Code, ...] = ()
    dismantled: StandingDismantling | None = None
    reading: Reading | None = None
    arrivals: tuple[Arrival, ...] = ()


class IdentityBound(Happened, frozen=True, kw_only=True):
    """A temporary record ends here and goes on under a number, which has it already."""

    asset_no: AssetNo
    bound_to: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    evidence: Remark
    moved: Movement
    unexpected: bool = False
    holds: tuple[StandingHold, ...] = ()
    dismantled_version: Version | None = None


class TemporaryIdentityKept(Happened, frozen=True, kw_only=True):
    """The number did not take it over: a device of its own, under its temporary identity, where it lies."""

    asset_no: AssetNo
    bound_to: AssetNo
    why: NotAdopted


class IdentityAdopted(Happened, frozen=True, kw_only=True):
    """A numbered record takes over from a temporary one. `unexpected`: kept apart; `recorded_as` is where the record
    had it until now, if not in service or missing.
    """

    asset_no: AssetNo
    temporary_id: AssetNo
    device_class: DeviceClass
    unit: UnitCode
    owner: Owner
    site: SiteId
    moved: Movement
    unexpected: bool = False
    recorded_as: Name | None = None
    dismantled_version: Version | None = None
    arrivals: tuple[Arrival, ...] = ()


class AdoptionRefused(Happened, frozen=True, kw_only=True):
    """An alarm: a second device, at this site under its temporary identity, seems to bear this number. `recorded_as` is
    where the record has the first.
    """

    asset_no: AssetNo
    temporary_id: AssetNo
    site: SiteId
    why: NotAdopted
    recorded_as: Name


Command: TypeAlias = BindIdentity | AdoptIdentity | EndTemporaryIdentity | KeepTemporaryIdentity
GoesAlong: TypeAlias = Dismantled | FinalReadingRecorded | SealApplied | HoldPlaced
Event: TypeAlias = IdentityClaimed | IdentityBound | TemporaryIdentityKept | IdentityAdopted | AdoptionRefused

_OUTCOMES: Final = (EndTemporaryIdentity, KeepTemporaryIdentity)


def unclaimed(command: msgspec.Struct, meter: Meter) -> None:
    """Refuse everything but its outcome while a claim stands."""
    if meter.claim is not None and not isinstance(command, _OUTCOMES):
        raise BEING_BOUND(asset_no=getattr(command, "asset_no"), number=meter.claim.number)  # noqa: B009  any command


def decide(command: Command, meter: Meter) -> Sequence[Event | GoesAlong | Reappeared]:
    match command:
        case BindIdentity():
            return [_claim(command, meter)]
        case AdoptIdentity():
            return _adopt(command, meter)
        case EndTemporaryIdentity():
            return [_end(command, meter)]
        case KeepTemporaryIdentity():
            _claimed(command, meter)
            return [becomes(command, TemporaryIdentityKept)]
        case _:
            assert_never(command)


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case IdentityClaimed(bound_to=number, evidence=evidence):
            return msgspec.structs.replace(meter, claim=Claim(number, evidence))
        case IdentityBound(bound_to=number):
            return msgspec.structs.replace(meter, place=Ended("bound", number), claim=None)
        case TemporaryIdentityKept():
            return msgspec.structs.replace(meter, claim=None)
        case IdentityAdopted():
            return msgspec.structs.replace(
                back_in_hand(meter),
                device_class=event.device_class,
                unit=event.unit,
                unit_version=meter.version + 1,
                identified_in=meter.identified_in | {meter.version + 1},
                owner=event.owner,
                place=AtSite(event.site, unexpected=event.unexpected),
            )
        case AdoptionRefused():
            return meter


def _claim(command: BindIdentity, meter: Meter) -> IdentityClaimed:
    place = known(command.asset_no, meter)
    if not command.asset_no.startswith("T"):
        raise NOT_TEMPORARY(asset_no=command.asset_no)
    if command.bound_to.startswith("T"):
        raise WRONG_FORM(asset_no=command.bound_to)
    if not isinstance(place, AtSite):
        raise NOT_IN_HAND(asset_no=command.asset_no, place=spoken(place))
    if place.container is not None:
        # The number would not be in the box that holds the thing.
        raise IN_CONTAINER(asset_no=command.asset_no, container=place.container)
    if meter.dispute:
        # A hold goes along to the number; who disputes what, the temporary record alone knows.
        raise ON_HOLD(asset_no=command.asset_no, holds=HOLD_KINDS["dispute"])
    return becomes(
        command,
        IdentityClaimed,
        device_class=meter.device_class,
        unit=meter.unit,
        owner=meter.owner,
        site=place.site,
        unexpected=place.unexpected,
        holds=tuple(meter.holds.values()),
        seals=tuple(sorted(meter.seals)),
        dismantled=meter.along.dismantled,
        reading=meter.along.reading,
        arrivals=meter.along.arrivals,
    )


def _claimed(command: EndTemporaryIdentity | KeepTemporaryIdentity, meter: Meter) -> Claim:
    known(command.asset_no, meter)
    if meter.claim is None or meter.claim.number != command.bound_to:
        raise NOT_BEING_BOUND(asset_no=command.asset_no, number=command.bound_to)
    return meter.claim


def _end(command: EndTemporaryIdentity, meter: Meter) -> IdentityBound:
    claim = _claimed(command, meter)
    return becomes(
        command,
        IdentityBound,
        device_class=meter.device_class,
        unit=meter.unit,
        owner=meter.owner,
        evidence=claim.evidence,
        moved=meter.moves(None),
        unexpected=isinstance(meter.place, AtSite) and meter.place.unexpected,
        holds=tuple(meter.holds.values()),
        **meter.dismantlement,
    )


def _adopt(command: AdoptIdentity, meter: Meter) -> Sequence[Event | GoesAlong | Reappeared]:
    if command.asset_no.startswith("T"):
        raise WRONG_FORM(asset_no=command.asset_no)
    alarm = reappearance(command, meter)
    match meter.place:
        case Ended(how=how) as ended if how in DESTROYED:
            return [*alarm, becomes(command, AdoptionRefused, why="destroyed", recorded_as=spoken(ended)[1])]
        case AtSite() as at:
            return [becomes(command, AdoptionRefused, why="at_a_site", recorded_as=spoken(at)[1])]
        case None:
            by_number: Owner = "customer" if is_customer_owned(command.asset_no) else command.owner
            meter = msgspec.structs.replace(
                meter, device_class=command.device_class, unit=command.unit, owner=by_number
            )
            recorded_as = None
        case InService() | MissingFrom() | LostFrom():
            recorded_as = None
        case place:
            recorded_as = spoken(place)[1]
    unexpected = command.unexpected or recorded_as is not None
    dismantled = _dismantled_before(command, meter, unexpected=unexpected)
    of = meter.dismantlement if dismantled is None else {"dismantled_version": meter.version + len(alarm) + 2}
    adopted = becomes(
        command,
        IdentityAdopted,
        device_class=meter.device_class,
        unit=meter.unit,
        owner=meter.owner,
        moved=meter.moves(command.site),
        unexpected=unexpected,
        recorded_as=recorded_as,
        **of,
    )
    first: list[Event | GoesAlong | Reappeared] = [*alarm, adopted]
    return [*first, *([] if dismantled is None else [dismantled]), *_goes_along(command, meter)]


def _dismantled_before(command: AdoptIdentity, meter: Meter, *, unexpected: bool) -> Dismantled | None:
    """The dismantling under the temporary identity, on the numbered record. One that stands there already is the same,
    and a device is in a cohort once.
    """
    stands = command.dismantled
    if stands is None or meter.dismantled_version is not None:
        return None
    return Dismantled(
        occurred_on=stands.dismantled_on,
        asset_no=command.asset_no,
        work_order=stands.work_order,
        unit=stands.unit,
        reason=stands.reason,
        county=stands.county,
        moved=Movement(device_class=meter.device_class),
        temporary_id=command.temporary_id,
        unexpected=unexpected,
    )


def _goes_along(command: AdoptIdentity, meter: Meter) -> list[GoesAlong]:
    """Reading, seals and holds, those that the numbered record does not have."""
    along: list[GoesAlong] = []
    if command.reading is not None and meter.reading_version is None:
        along.append(becomes(command, FinalReadingRecorded))
    along += [becomes(command, SealApplied, seal_no=seal) for seal in command.seals if seal not in meter.seals]
    holds = [hold for hold in command.holds if hold.hold not in meter.holds]
    return along + [becomes(command, HoldPlaced, **msgspec.structs.asdict(hold)) for hold in holds]


PART = Part(members(Command), members(Event), decide, evolve)
