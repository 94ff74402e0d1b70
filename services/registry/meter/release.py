"""Out of a site for a purpose, each purpose on its own ground, and back: samples, repairs, makers, service again.

    in stock -> Released(purpose) -> SampleReturned | ReceivedFromMaker | Reinstalled | ReturnedToMaker
                                     | ReturnedToCustomer | (materials: see end.py)

The grounds come from other services as PreconditionRecorded. A new verdict takes the place of the old one and of
whatever was approved because of it. A re-verification holds as long as the device stays in the house.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final, TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import AssetNo, Reference, SiteId, UnitCode
from kernel.quantity import CivilDate, Code, Happened, Version, refuse_far_days
from kernel.refusal import against_rules
from services.registry.meter.custody import at_site
from services.registry.meter.state import (
    BOUND,
    UNKNOWN,
    AtSite,
    Ended,
    Meter,
    Out,
    WithMaker,
    back_in_hand,
    consented,
    in_service,
    known,
    listed,
    spoken,
    unheld,
)
from services.registry.vocabulary import PRECONDITIONS, PURPOSES, VERDICTS, Movement, PreconditionKind, Purpose


class ReleaseRule(msgspec.Struct, frozen=True):
    """On what ground a device leaves for a purpose. `returns`: it is expected back. `keeps_evidence`: it may go while
    a hold stands.
    """

    needs: tuple[PreconditionKind, ...]
    returns: bool
    keeps_evidence: bool


RELEASES: Final[dict[Purpose, ReleaseRule]] = {
    "review": ReleaseRule(("review_sample",), returns=True, keeps_evidence=True),
    "laboratory": ReleaseRule(("laboratory_request",), returns=True, keeps_evidence=True),
    "evidence": ReleaseRule(("evidence_order",), returns=True, keeps_evidence=True),
    "maker_sample": ReleaseRule(("maker_sample_request",), returns=True, keeps_evidence=False),
    "repair": ReleaseRule(("verdict_reuse", "repair_order"), returns=True, keeps_evidence=False),
    "reinstall": ReleaseRule(("verdict_reuse", "re_verification"), returns=True, keeps_evidence=False),
    "maker": ReleaseRule(("verdict_claim", "claim_agreement"), returns=False, keeps_evidence=False),
    "materials": ReleaseRule(("verdict_scrap", "scrap_approval"), returns=False, keeps_evidence=False),
    "customer": ReleaseRule((), returns=False, keeps_evidence=False),
}
SURVIVES_A_VERDICT: Final = frozenset({"review_sample", "laboratory_request", "maker_sample_request", "evidence_order"})

PRECONDITION_MISSING = against_rules(
    "meter.precondition_missing",
    "器具 {asset_no} 以“{purpose}”出库缺少前提：{missing}。",
    "{asset_no} cannot be released for {purpose}: {missing} is missing",
)
CERTIFICATE_EXPIRED = against_rules(
    "meter.certificate_expired",
    "器具 {asset_no} 的重新检定证书 {certificate} 有效期至 {valid_until}，已过期。请重新检定。",
    "the re-verification certificate {certificate} of {asset_no} was valid until {valid_until}; have it verified again",
)
MADE_USELESS = against_rules(
    "meter.made_useless",
    "器具 {asset_no} 已毁形或已销毁芯片，不能再装用或维修。",
    "{asset_no} is defaced or its chip destroyed; it is neither repaired nor reinstalled",
)
REPLACES_ITSELF = against_rules(
    "meter.replaces_itself",
    "器具 {asset_no} 不能替换自身。",
    "{asset_no} cannot be sent in place of itself",
)
ALREADY_REPLACED = against_rules(
    "meter.already_replaced",
    "器具 {asset_no} 已由 {other} 替换。",
    "{asset_no} has been replaced by {other} already",
)
NOT_THE_CUSTOMERS = against_rules(
    "meter.not_the_customers",
    "器具 {asset_no} 为公司资产，不能退还用户。",
    "{asset_no} belongs to the company and is not returned to a customer",
)
NOT_OUT = against_rules(
    "meter.not_out",
    "器具 {asset_no} 没有以所述用途出库（{place}）。",
    "{asset_no} is not out for that purpose ({place})",
)


class RecordPrecondition(Happened, frozen=True, kw_only=True):
    """记录前提 A ground on which the device may be released, decided elsewhere: a verdict, an order, an approval.
    `valid_until`: the last day on which a certificate holds. `withdrawn`: it stands no more.
    """

    asset_no: AssetNo
    kind: PreconditionKind
    reference: Reference
    valid_until: CivilDate | None = None
    withdrawn: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(valid_until=self.valid_until)


class Release(Happened, frozen=True, kw_only=True):
    """出库 The device leaves the site for a purpose."""

    asset_no: AssetNo
    site: SiteId
    purpose: Purpose
    reference: Reference


class ReturnSample(Happened, frozen=True, kw_only=True):
    """送检样品退回 What went out to be tested, shown or repaired is back."""

    asset_no: AssetNo
    site: SiteId


class ReceiveFromMaker(Happened, frozen=True, kw_only=True):
    """厂家来货 A device has come from its maker: new, repaired, or in place of another."""

    asset_no: AssetNo
    site: SiteId
    replaces: AssetNo | None = None


class RecordReplacement(Happened, frozen=True, kw_only=True):
    """登记换货 Another device has come from the maker in place of this one."""

    asset_no: AssetNo
    replaced_by: AssetNo


class Reinstall(Happened, frozen=True, kw_only=True):
    """利旧装用 A released device is in service again."""

    asset_no: AssetNo
    work_order: Reference
    unit: UnitCode


class ReturnToMaker(Happened, frozen=True, kw_only=True):
    """返厂 The maker has taken the device back."""

    asset_no: AssetNo
    maker: Code
    reference: Reference


class ReturnToCustomer(Happened, frozen=True, kw_only=True):
    """退还用户 The customer has the device back."""

    asset_no: AssetNo
    reference: Reference


class PreconditionRecorded(Happened, frozen=True, kw_only=True):
    """A ground for a release stands, or where it was `withdrawn` stands no more."""

    asset_no: AssetNo
    kind: PreconditionKind
    reference: Reference
    valid_until: CivilDate | None = None
    withdrawn: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(valid_until=self.valid_until)


class Released(Happened, frozen=True, kw_only=True):
    """Out of the site for a purpose."""

    asset_no: AssetNo
    purpose: Purpose
    reference: Reference
    moved: Movement


class SampleReturned(Happened, frozen=True, kw_only=True):
    """Back from a test, a show or a repair."""

    asset_no: AssetNo
    purpose: Purpose
    moved: Movement
    dismantled_version: Version | None = None


class ReceivedFromMaker(Happened, frozen=True, kw_only=True):
    """In from the maker."""

    asset_no: AssetNo
    moved: Movement
    replaces: AssetNo | None = None
    dismantled_version: Version | None = None


class Replaced(Happened, frozen=True, kw_only=True):
    """Another device has come in its place. Where it is, and whether its life goes on, does not change by that."""

    asset_no: AssetNo
    replaced_by: AssetNo


class Reinstalled(Happened, frozen=True, kw_only=True):
    """In service again. `dismantled_version`: the dismantling from which it comes."""

    asset_no: AssetNo
    work_order: Reference
    unit: UnitCode
    dismantled_version: Version | None = None


class ReturnedToMaker(Happened, frozen=True, kw_only=True):
    """With its maker."""

    asset_no: AssetNo
    maker: Code
    reference: Reference


class ReturnedToCustomer(Happened, frozen=True, kw_only=True):
    """With its owner: the end here."""

    asset_no: AssetNo
    reference: Reference
    dismantled_version: Version | None = None


Command: TypeAlias = (
    RecordPrecondition
    | Release
    | ReturnSample
    | ReceiveFromMaker
    | RecordReplacement
    | Reinstall
    | ReturnToMaker
    | ReturnToCustomer
)
Event: TypeAlias = (
    PreconditionRecorded
    | Released
    | SampleReturned
    | ReceivedFromMaker
    | Replaced
    | Reinstalled
    | ReturnedToMaker
    | ReturnedToCustomer
)


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    if isinstance(command, RecordReplacement):
        return [_replaced(command, meter)]
    place = known(command.asset_no, meter)
    match command:
        case RecordPrecondition(withdrawn=True) if meter.preconditions.get(command.kind) != command.reference:
            # Another stands by now, or none does.
            return []
        case RecordPrecondition():
            return [becomes(command, PreconditionRecorded)]
        case Release():
            return [_release(command, meter)]
        case ReturnSample(site=site):
            if not (isinstance(place, Out) and RELEASES[place.purpose].returns):
                raise NOT_OUT(asset_no=command.asset_no, place=spoken(place))
            return [
                becomes(command, SampleReturned, purpose=place.purpose, moved=meter.moves(site), **meter.dismantlement)
            ]
        case ReceiveFromMaker(site=site, replaces=replaces):
            if not isinstance(place, WithMaker):
                _out_for(command.asset_no, meter, "maker", "repair", "maker_sample")
            if replaces == command.asset_no:
                raise REPLACES_ITSELF(asset_no=command.asset_no)
            return [becomes(command, ReceivedFromMaker, moved=meter.moves(site), **meter.dismantlement)]
        case Reinstall():
            _out_for(command.asset_no, meter, "reinstall")
            _grounded(command.asset_no, meter, "reinstall", command.day)
            unheld(command.asset_no, meter)
            return [becomes(command, Reinstalled, **meter.dismantlement)]
        case ReturnToMaker():
            _out_for(command.asset_no, meter, "maker")
            _grounded(command.asset_no, meter, "maker", command.day)
            unheld(command.asset_no, meter)
            return [becomes(command, ReturnedToMaker)]
        case ReturnToCustomer():
            _out_for(command.asset_no, meter, "customer")
            unheld(command.asset_no, meter)
            return [becomes(command, ReturnedToCustomer, **meter.dismantlement)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case PreconditionRecorded(kind=kind, withdrawn=True):
            left = {one: said for one, said in meter.preconditions.items() if one != kind}
            return msgspec.structs.replace(meter, preconditions=left)
        case PreconditionRecorded(kind=kind, reference=reference, valid_until=valid_until):
            grounds = _after(meter.preconditions, kind, reference)
            certified = valid_until if kind == "re_verification" else meter.certified_until
            return msgspec.structs.replace(meter, preconditions=grounds, certified_until=certified)
        case Released(purpose=purpose, reference=reference, moved=moved):
            return msgspec.structs.replace(meter, place=Out(purpose, reference, moved.from_site or ""))
        case SampleReturned(purpose=purpose, moved=moved):
            return msgspec.structs.replace(
                back_in_hand(meter), place=AtSite(moved.to_site or ""), preconditions=_after_return(meter, purpose)
            )
        case ReceivedFromMaker(moved=moved):
            # What was with its maker for good is judged again; from a repair or a test it comes back as it was judged.
            purpose = meter.place.purpose if isinstance(meter.place, Out) else "maker"
            left = {} if purpose == "maker" else _after_return(meter, purpose)
            return msgspec.structs.replace(back_in_hand(meter), place=AtSite(moved.to_site or ""), preconditions=left)
        case Replaced(replaced_by=replaced_by):
            return msgspec.structs.replace(meter, replaced_by=replaced_by)
        case Reinstalled(unit=unit):
            return msgspec.structs.replace(in_service(meter), unit=unit, unit_version=meter.version + 1, new=False)
        case ReturnedToMaker(maker=maker):
            return msgspec.structs.replace(meter, place=WithMaker(maker))
        case ReturnedToCustomer():
            return msgspec.structs.replace(
                meter,
                place=Ended("returned_to_customer", "customer"),
                consented=False,
                dismantled_version=None,
                reading_version=None,
                preconditions={},
            )


def _replaced(command: RecordReplacement, meter: Meter) -> Replaced:
    """A device that has ended may have been replaced all the same, and mostly has."""
    place = meter.place
    if place is None:
        raise UNKNOWN(asset_no=command.asset_no)
    if isinstance(place, Ended) and place.how == "bound":
        raise BOUND(asset_no=command.asset_no, number=place.last_holder)
    if meter.replaced_by is not None:
        raise ALREADY_REPLACED(asset_no=command.asset_no, other=meter.replaced_by)
    return becomes(command, Replaced)


def _release(command: Release, meter: Meter) -> Released:
    asset_no, purpose = command.asset_no, command.purpose
    rule = RELEASES[purpose]
    if purpose == "customer":
        # What arrived unannounced may go straight back to its owner.
        if meter.owner != "customer":
            raise NOT_THE_CUSTOMERS(asset_no=asset_no)
        if meter.site != command.site:
            at_site(asset_no, command.site, meter)
    else:
        at_site(asset_no, command.site, meter)
        consented(asset_no, meter)
    if not rule.keeps_evidence:
        unheld(asset_no, meter)
    _grounded(asset_no, meter, purpose, command.day)
    return becomes(command, Released, moved=meter.moves(None))


def _grounded(asset_no: str, meter: Meter, purpose: Purpose, on: date) -> None:
    """Refuse unless every ground for this purpose stands on that day. A device that never was in service needs no
    verdict.
    """
    needs = [kind for kind in RELEASES[purpose].needs if not (meter.new and kind == "verdict_reuse")]
    if missing := [kind for kind in needs if kind not in meter.preconditions]:
        kinds = listed(PRECONDITIONS[kind] for kind in missing)
        raise PRECONDITION_MISSING(asset_no=asset_no, purpose=PURPOSES[purpose], missing=kinds)
    if purpose == "reinstall" and meter.certified_until is not None and on > meter.certified_until:
        certificate = meter.preconditions["re_verification"]
        raise CERTIFICATE_EXPIRED(asset_no=asset_no, certificate=certificate, valid_until=meter.certified_until)
    if purpose in ("repair", "reinstall") and (meter.defaced or meter.chip_destroyed):
        raise MADE_USELESS(asset_no=asset_no)


def _out_for(asset_no: str, meter: Meter, *purposes: Purpose) -> None:
    place = known(asset_no, meter)
    if not (isinstance(place, Out) and place.purpose in purposes):
        raise NOT_OUT(asset_no=asset_no, place=spoken(place))


def _after(grounds: dict[PreconditionKind, str], kind: PreconditionKind, reference: str) -> dict[PreconditionKind, str]:
    if kind in VERDICTS and grounds.get(kind) != reference:
        grounds = {known: value for known, value in grounds.items() if known in SURVIVES_A_VERDICT}
    return grounds | {kind: reference}


def _after_return(meter: Meter, purpose: Purpose) -> dict[PreconditionKind, str]:
    """The grounds that are left: an order has been carried out, a verdict stands."""
    used = frozenset(RELEASES[purpose].needs) - VERDICTS
    return {kind: reference for kind, reference in back_in_hand(meter).preconditions.items() if kind not in used}


PART = Part(members(Command), members(Event), decide, evolve)
