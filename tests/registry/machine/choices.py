"""What may be asked of the registry: anything at all, or what suits where a device is, so that lives get far."""

import functools
from datetime import datetime, timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from kernel.quantity import BUSINESS_ZONE
from services.registry.container import CONTAINER, MoveContainer, RegisterContainer
from services.registry.meter import (
    binding,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    release,
    unexpected,
)
from services.registry.meter.state import (
    AtSite,
    InService,
    InTransit,
    LostFrom,
    Meter,
    MissingFrom,
    Out,
    WithMaker,
    WithRecycler,
)
from services.registry.plan import PLAN
from services.registry.shipment import SHIPMENT, PrepareShipment
from services.registry.site import SITE, Difference
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DEFACE,
    DISMANTLE,
    DISPATCH,
    HOLD,
    IN_STOCK,
    NUMBER,
    ON_THE_WAY,
    OTHER,
    PHOTO,
    RECEIVE,
    SELL,
    SOLD,
    STORE,
    TEMPORARY,
    TO_REUSE,
    UNIT,
    WITH_MATERIALS,
    YARD,
    ground,
    on,
)
from tests.registry.stories import release as release_for

SECOND_TEMPORARY = "T99401AB13"
DEVICES = (NUMBER, OTHER, CUSTOMERS, TEMPORARY, SECOND_TEMPORARY)
UNITS = (UNIT, "99402")
KINDS = {STORE: "unit_store", "store-2": "unit_store", CENTRE: "centre", "centre-2": "centre", YARD: "materials"}
SITES = tuple(KINDS)
NOWHERE = "annex"
"""A site that nobody opens, unless a command at random does."""

SHIPMENTS = ("SH-1", "SH-2", "SH-3")
BOXES = ("BX-1", "BX-2")
START = datetime(2026, 3, 1, 9, tzinfo=BUSINESS_ZONE)
PLANS = tuple(f"{unit}-2026-{month}" for unit in UNITS for month in ("03", "04"))
ADDRESSES = (None, "000000000001", "000000000002")

REST = [
    command
    for decider in (SHIPMENT, CONTAINER, SITE, PLAN)
    for command in decider.commands
    if not {"manifest", "found"} & {*command.__struct_fields__}
]
"""Everything but what has a list of devices: that is for `a_shipment_goes_on`."""

BY_POLICY = (binding.AdoptIdentity, binding.EndTemporaryIdentity, binding.KeepTemporaryIdentity)
LONGEST = "R" * 100
POOLS: dict[str, tuple[Any, ...]] = {
    "asset_no": DEVICES,
    "bound_to": DEVICES,
    "temporary_id": (TEMPORARY, SECOND_TEMPORARY),
    "replaces": (None, NUMBER, OTHER),
    "replaced_by": (NUMBER, OTHER),
    "site": (*SITES, NOWHERE),
    "from_site": SITES,
    "to_site": SITES,
    "site_id": (*SITES, NOWHERE),
    "shipment": SHIPMENTS,
    "shipment_id": SHIPMENTS,
    "container": (None, *BOXES),
    "container_id": BOXES,
    "reference": ("R-1", "R-2", LONGEST),
    "release": (None, "R-1", "R-2"),
    "case": ("D-1", "D-2"),
    "hold": ("H-1", "H-2"),
    "until": (None, *(START.date() + timedelta(days=days) for days in (3, 30, 90))),
    "device_class": ("01", "02", "06"),
    "unit": UNITS,
    "county": (None, "990401", "990402"),
    "reason": ("fault", "burnt", "theft_evidence"),
    "corrects_version": tuple(range(8)),
    "dismantled_on": (None, *(START.date() + timedelta(days=days) for days in (0, 1, 3, 9))),
    "recycler": ("RC-1", "R" * 64),
    "lot": ("LOT-1", "L" * 64),
    "reading": (dismantling.Reading(total_wh=1), dismantling.Reading(), None),
    "description": tuple(identity.Description(comm_address=address) for address in ADDRESSES),
    "holds": ((),),
    "asset_numbers": ((NUMBER,), (NUMBER, OTHER)),
    "lines": ((),),
    "short": ((), (Difference(asset_no=NUMBER, device_class="01"),)),
    "over": ((), (Difference(asset_no=OTHER, device_class="01"),)),
    "plan_id": PLANS,
    "cut_off": (START.date(), *(START.date() + timedelta(days=days) for days in (33, 40))),
}
BY_TYPE: dict[Any, Any] = {str: "x-1", int: 7}


def free(hint: Any) -> st.SearchStrategy[Any]:
    """Some value of a member that no pool names: what it is does not matter to any rule."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of(*(free(one) for one in args))
    if hint is NoneType:
        return st.none()
    if hint is bool:
        return st.booleans()
    if origin is Annotated:
        meta = args[1]
        if meta.pattern and "0-9a-f" in meta.pattern:
            return st.just(PHOTO)
        if meta.pattern and "{6}" in meta.pattern:
            return st.just("990401")
        return free(args[0])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.just(hint())
    return st.just(BY_TYPE.get(hint, START.date()))


@functools.cache
def members_of(command: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """Values for every member but the day."""
    hints = get_type_hints(command, include_extras=True)
    told = {name: of_member(name, hint) for name, hint in hints.items() if not name.startswith("occurred_")}
    return st.fixed_dictionaries(told)


def of_member(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Some value of a member: of its pool, as far as a door would let it in, or any."""
    fitting = [value for value in POOLS.get(name, ()) if takes(hint, value)]
    return st.sampled_from(fitting) if fitting else free(hint)


def takes(hint: Any, value: Any) -> bool:
    try:
        msgspec.convert(msgspec.to_builtins(value), hint)
    except msgspec.ValidationError:
        return False
    return True


LOSE = on(missing.ConfirmLoss, cause="transit", liable_unit=UNIT)
KEEP = on(end.LeaveWithMaker, settlement="paid", reference="R-3")
CRUSH = on(end.RecordTestDestruction, holder="LAB-1", report="REP-1")
GIVE_BACK = on(release.ReturnToMaker, maker="M-1", reference="R-2")
BACK = [release.ReturnSample, release.ReceiveFromMaker, missing.MarkMissing]
AWAY: dict[str, list[type[msgspec.Struct]]] = {
    "reinstall": [release.Reinstall],
    "maker": [release.ReturnToMaker],
    "customer": [release.ReturnToCustomer],
    "materials": [end.ClearData, end.DestroyChip, end.Deface, end.HandToRecycler],
    "laboratory": [end.RecordTestDestruction],
    "maker_sample": [end.RecordTestDestruction],
}
DOUBTS = [unexpected.ReceiveUnexpected, hold.PlaceHold, hold.LiftHold, identity.CorrectRecord]
PAPERS = [dismantling.RecordFinalReading, dismantling.DisputeFinalReading, dismantling.ResolveFinalReading]
WORK = [end.ClearData, end.DestroyChip, end.RemoveBattery, end.Deface, hold.ApplySeal, hold.RemoveSeal, custody.Store]


def suitable(asset_no: str, meter: Meter) -> tuple[list[type[msgspec.Struct]], dict[str, Any]]:
    """What may well be asked of a device where it is, and the members that fit there."""
    fits = {"reading": dismantling.Reading(total_wh=1), "case": "D-1", "bound_to": NUMBER, "unexpected": False}
    match meter.place:
        case None:
            temporary = asset_no.startswith("T")
            return [identity.AssignTemporaryIdentity if temporary else identity.Register], fits
        case InService():
            return [dismantling.Dismantle, dismantling.Dismantle, *DOUBTS], fits
        case AtSite(site=site, unexpected=True):
            settle = [
                unexpected.AcceptUnexpected,
                unexpected.RecordConsent,
                dismantling.Dismantle,
                binding.BindIdentity,
            ]
            return [*settle, unexpected.AcceptUnexpected, *PAPERS], fits | {"site": site}
        case AtSite(site=site):
            here = {"site": site, "from_site": site, "shipment": "SH-1", "release": None}
            moves = [custody.Dispatch, missing.MarkMissing, binding.BindIdentity, release.Release]
            return [*moves, *PAPERS, *WORK, *DOUBTS], fits | here
        case InTransit(shipment=shipment):
            return [custody.Receive, missing.MarkMissing], fits | {"shipment": shipment, "release": None}
        case MissingFrom(shipment=shipment):
            return [missing.MarkFound, missing.ConfirmLoss, custody.Receive], fits | {"shipment": shipment}
        case LostFrom():
            return [missing.MarkFound, missing.WriteOff], fits
        case Out(purpose=purpose, reference=reference):
            there = {"release": reference, "shipment": None, "site": CENTRE}
            return [*BACK, *AWAY.get(purpose, []) * 3], fits | there
        case WithMaker():
            return [release.ReceiveFromMaker, end.LeaveWithMaker], fits
        case WithRecycler():
            return [end.Destroy, unexpected.ReceiveUnexpected, hold.PlaceHold, hold.LiftHold], fits
        case _:
            return DOUBTS, fits


REINSTALLED = (*TO_REUSE, CLEAR, release_for("reinstall"), on(release.Reinstall, work_order="WO-2", unit=UNIT))
SECOND_ARRIVAL = (DISMANTLE, *(msgspec.structs.replace(one, shipment="SH-2") for one in (DISPATCH, RECEIVE)))
LIVES = (
    (*REINSTALLED, *SECOND_ARRIVAL, *WITH_MATERIALS[len(IN_STOCK) :], DEFACE, SELL),
    (*SOLD, on(end.Destroy, certificate="C-9")),
    (*ON_THE_WAY, on(missing.MarkMissing, shipment="SH-1"), LOSE, on(missing.WriteOff, approval="A-1")),
    (*IN_STOCK, ground("verdict_claim"), ground("claim_agreement"), release_for("maker"), GIVE_BACK, KEEP),
    (*IN_STOCK, ground("laboratory_request"), release_for("laboratory"), CRUSH),
    (ASSIGN, HOLD, on(binding.BindIdentity, bound_to=NUMBER, evidence="read")),
)

CORRECTIONS: tuple[dict[str, Any], ...] = (
    {"did_not_happen": True},
    {"did_not_happen": True, "unit": UNITS[1]},
    {},
    {"unit": UNITS[1]},
    {"device_class": "02"},
    {"device_class": "06"},
    {"county": "990402"},
    {"reason": "burnt"},
    {"work_order": "WO-7"},
    {"dismantled_on": START.date() - timedelta(days=3)},
    {"dismantled_on": START.date() + timedelta(days=40)},
    {"owner": "customer"},
    {"reading": dismantling.Reading(total_wh=2)},
    {"description": identity.Description(comm_address=ADDRESSES[1])},
)
COMES_TO: dict[type[msgspec.Struct], str] = {
    dismantling.Dismantle: "site",
    identity.AssignTemporaryIdentity: "site",
    unexpected.ReceiveUnexpected: "site",
    missing.MarkFound: "site",
    release.ReturnSample: "site",
    release.ReceiveFromMaker: "site",
    PrepareShipment: "to_site",
    RegisterContainer: "site",
    MoveContainer: "site",
}
"""What brings something to a site that must be open, said once more."""
