"""Valid histories from lists of small numbers: each step asks something that suits where a device is, and what the
rules refuse did not happen. What happened is told some days late, so that the days of a device may run backwards.
"""

from datetime import date, timedelta
from random import Random
from typing import Any, TypeAlias

from hypothesis import strategies as st

from services.registry.asset_number import compose
from services.registry.meter import binding, custody, dismantling, end, hold, identity, missing, release, unexpected
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
from services.registry.shipment import DispatchShipment, FoundLine, Line, PrepareShipment, ReceiveShipment
from services.registry.site import OpenSite
from tests.registry.stories import CENTRE, PHOTO, STORE, UNIT, YARD
from tests.registry.views.telling import PLAN, Told
from tests.registry.witness import GROUNDS

NUMBERS = tuple(compose(UNIT, "01", f"9999999900{i:04}") for i in (1, 2, 3, 4))
CUSTOMERS = compose("99001", "01", "99999999000005")
TEMPORARY = ("T99401AB12", "T99401AB13")
DEVICES = (*NUMBERS, CUSTOMERS, *TEMPORARY)
STORES, CENTRES = (STORE, "store-2"), (CENTRE, "centre-2")
SITES = (*STORES, *CENTRES, YARD)
KINDS = {STORE: "unit_store", "store-2": "unit_store", CENTRE: "centre", "centre-2": "centre", YARD: "materials"}
UNITS = (UNIT, "99402")
BEGAN = date(2026, 3, 20)
READING = dismantling.Reading(total_wh=7)

steps = st.lists(
    st.tuples(st.integers(0, len(DEVICES)), st.integers(0, 1 << 20), st.integers(0, 4), st.integers(0, 5)),
    max_size=60,
)
"""Which device (or a lorry), what of what suits it, how many days later, and how many days late it is told."""


Step: TypeAlias = tuple[type, dict[str, Any]]


class Pick:
    """Choices out of one number."""

    def __init__(self, number: int) -> None:
        self._random = Random(number)

    def of(self, choices: Any) -> Any:
        return self._random.choice(choices)


def history(chosen: list[tuple[int, int, int, int]]) -> Told:
    """What these steps come to."""
    told = Told()
    for site in SITES:
        opened = {"site_id": site, "kind": KINDS[site], "name": f"synthetic {site}", "unit": UNIT}
        told.tell(OpenSite(occurred_on=BEGAN, **opened))
    told.tell(PLAN, recorded_on=BEGAN)
    today = BEGAN
    for number, (device, choice, later, late) in enumerate(chosen):
        today += timedelta(days=later)
        pick, on = Pick(choice), today - timedelta(days=late)
        if device == len(DEVICES):
            told_of = _lorry(told, f"SH-{number}", pick)
        else:
            told_of = _step(DEVICES[device], told.state(identity.Register, DEVICES[device]), pick)
        for command, fields in told_of:
            told.refused(command(occurred_on=on, **fields), recorded_on=today)
    return told


def _lorry(told: Told, shipment: str, pick: Pick) -> list[Step]:
    """All that lies at a site, perhaps but one device, goes to another; perhaps not all of it arrives, or more."""
    from_site, to_site = pick.of(SITES), pick.of(SITES)
    left_out, lost, extra = pick.of((None, *DEVICES)), pick.of((None, *DEVICES)), pick.of((None, None, *DEVICES))
    there = [one for one in DEVICES if told.state(identity.Register, one).site == from_site and one != left_out]
    if not there or from_site == to_site:
        return []
    manifest = tuple(Line(asset_no=one, device_class="01") for one in there)
    found = tuple(FoundLine(asset_no=one, device_class="01") for one in {*there, extra} - {None, lost})
    ends = {"from_site": from_site, "to_site": to_site, "unit": UNIT, "manifest": manifest}
    return [
        (PrepareShipment, {"shipment_id": shipment, **ends}),
        (DispatchShipment, {"shipment_id": shipment}),
        (ReceiveShipment, {"shipment_id": shipment, "found": found}),
    ]


def _step(asset_no: str, meter: Meter, pick: Pick) -> list[Step]:
    """Something that may well happen to a device where it is, with the papers it takes."""
    chosen = pick.of(_suitable(asset_no, meter, pick))
    return [(command, {"asset_no": asset_no, **fields}) for command, fields in _papers(meter, chosen)]


def _papers(meter: Meter, step: Step) -> list[Step]:
    command, fields = step
    if command is end.HandToRecycler:
        return [(end.ClearData, {"method": "reset"}), (end.Deface, {"evidence_sha256": PHOTO}), step]
    if command is not release.Release:
        return [step]
    # A verdict takes the place of what was approved because of an earlier one, and so comes first.
    wanting = [kind for kind in sorted(GROUNDS[fields["purpose"]], reverse=True) if kind not in meter.preconditions]
    return [*((release.RecordPrecondition, {"kind": kind, "reference": "R-1"}) for kind in wanting), step]


def _suitable(asset_no: str, meter: Meter, pick: Pick) -> list[Step]:
    site, unit = pick.of(SITES), pick.of(UNITS)
    turns_up = (unexpected.ReceiveUnexpected, {"site": site, "device_class": "01"})
    doubts = [turns_up, _correction(meter, pick), _hold(meter, pick)]
    match meter.place:
        case None if asset_no in TEMPORARY:
            named = {"device_class": "01", "unit": unit, "site": site}
            return [(identity.AssignTemporaryIdentity, named)]
        case None:
            origin = pick.of(("in_service", "in_service", "maker"))
            known = identity.Description(comm_address=pick.of((None, "A-1", "A-2")))
            named = {"device_class": "01", "unit": unit, "origin": origin, "description": known}
            return [(identity.Register, {**named, "county": pick.of((None, "990401"))}), turns_up]
        case InService():
            return [_dismantling(meter, pick), _dismantling(meter, pick), *doubts]
        case AtSite(site=at, unexpected=True):
            settled = (unexpected.AcceptUnexpected, {"reference": "R-1"})
            late = [_dismantling(meter, pick)]
            goes = [(missing.MarkMissing, {"site": at}), _home(at), (unexpected.RecordConsent, {"reference": "F-1"})]
            return [settled, settled, *late, *goes, _binding(pick), *doubts]
        case AtSite(site=at):
            stays = [(custody.Store, {"site": at, "location": "A-1"}), _home(at), _binding(pick)]
            leaves = (release.Release, {"site": at, "purpose": pick.of(sorted(GROUNDS)), "reference": "R-1"})
            return [leaves, leaves, leaves, *stays, (missing.MarkMissing, {"site": at}), *doubts]
        case InTransit(shipment=shipment):
            received = [(custody.Receive, {"shipment": shipment, "site": site, "device_class": meter.device_class})]
            return [*received, turns_up, _correction(meter, pick)]
        case MissingFrom() | LostFrom():
            lost = (missing.ConfirmLoss, {"cause": "transit", "liable_unit": unit})
            settled = [(missing.MarkFound, {"site": site}), (missing.WriteOff, {"approval": "A-1"})]
            return [lost, *settled, turns_up, _correction(meter, pick)]
        case Out(purpose=purpose, reference=reference):
            return [*_out(purpose, site, unit), (missing.MarkMissing, {"release": reference}), turns_up]
        case WithMaker():
            return [(release.ReceiveFromMaker, {"site": site})]
        case WithRecycler():
            return [(end.Destroy, {"certificate": "C-1"}), turns_up]
        case _:
            return doubts


def _dismantling(meter: Meter, pick: Pick) -> Step:
    named = {"work_order": f"WO-{meter.version}", "unit": pick.of(UNITS), "site": pick.of((*STORES, CENTRE))}
    named |= {"county": pick.of((None, "990402")), "reading": pick.of((None, READING))}
    return dismantling.Dismantle, {**named, "reason": pick.of(("burnt", "fault"))}


def _correction(meter: Meter, pick: Pick) -> Step:
    what = pick.of(
        (
            {"did_not_happen": True},
            {"reason": "burnt"},
            {"unit": "99403"},
            {"dismantled_on": date(2026, 2, 27)},
            {"dismantled_on": BEGAN + timedelta(days=pick.of(range(40)))},
            {"dismantled_on": BEGAN + timedelta(days=pick.of(range(40))), "device_class": "02"},
            {"device_class": "02"},
            {"county": "990403"},
        )
    )
    of = pick.of((0, meter.dismantled_version or 0, meter.dismantled_version or 0, meter.version))
    return identity.CorrectRecord, {"corrects_version": of, "why": "misread", **what}


def _hold(meter: Meter, pick: Pick) -> Step:
    if "H-1" in meter.holds:
        return hold.LiftHold, {"hold": "H-1", "reference": "closed"}
    until = pick.of((None, date(2026, 4, 1), date(2026, 5, 1)))
    return hold.PlaceHold, {"hold": "H-1", "kind": "court", "reference": "case 1", "until": until}


def _binding(pick: Pick) -> Step:
    return binding.BindIdentity, {"bound_to": pick.of((*NUMBERS, CUSTOMERS)), "evidence": "cleaned"}


def _home(site: str) -> Step:
    return release.Release, {"site": site, "purpose": "customer", "reference": "R-1"}


def _out(purpose: str, site: str, unit: str) -> list[Step]:
    again = {"work_order": "WO-9", "unit": unit}
    sale = {"recycler": "RC-1", "lot": "LOT-1", "contract": "C-1"}
    away = {
        "reinstall": [(release.Reinstall, again)],
        "maker": [(release.ReturnToMaker, {"maker": "M-1", "reference": "R-1"})],
        "laboratory": [(end.RecordTestDestruction, {"holder": "LAB-1", "report": "T-1"})],
        "customer": [(release.ReturnToCustomer, {"reference": "R-1"})],
        "materials": [(end.HandToRecycler, sale)],
    }
    back = [(release.ReturnSample, {"site": site}), (release.ReceiveFromMaker, {"site": site})]
    return [*away.get(purpose, []) * 3, *back]
