"""One long story in which everything happens, for what must be so after everything."""

import msgspec

from services.registry.container import (
    BreakContainerSeal,
    MoveContainer,
    Pack,
    RegisterContainer,
    SealContainer,
    Unpack,
)
from services.registry.meter.binding import BindIdentity
from services.registry.meter.custody import Store
from services.registry.meter.dismantling import DisputeFinalReading, Reading, RecordFinalReading, ResolveFinalReading
from services.registry.meter.end import Destroy, DestroyChip, LeaveWithMaker, RecordTestDestruction, RemoveBattery
from services.registry.meter.hold import ApplySeal, LiftHold, RemoveSeal
from services.registry.meter.identity import CorrectRecord, Description
from services.registry.meter.missing import ConfirmLoss, MarkFound, MarkMissing, WriteOff
from services.registry.meter.release import ReceiveFromMaker, Reinstall, ReturnSample, ReturnToCustomer, ReturnToMaker
from services.registry.meter.unexpected import AcceptUnexpected, ReceiveUnexpected, RecordConsent
from services.registry.plan import RevisePlan
from services.registry.shipment import CancelShipment, Line, PrepareShipment, SignHandover
from services.registry.site import CloseSite, CountLine, Difference, RecordStocktake
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DEFACE,
    DISMANTLE,
    HOLD,
    REGISTER,
    SELL,
    STORE,
    TEMPORARY,
    UNIT,
    YARD,
    about,
    ground,
    on,
    release,
)
from tests.registry.views.lives import NUMBERS
from tests.registry.views.telling import PLAN, SITES, Told, arrived, day, shipped

ONE, TWO, THREE, FOUR = NUMBERS
FIVE, SIX, SEVEN = (f"{number[:-3]}9{number[-2:]}" for number in NUMBERS[:3])


def _of(number, *commands, on_day=6):
    return [msgspec.structs.replace(about(command, number), occurred_on=day(on_day)) for command in commands]


def everything() -> Told:
    """All of it, on the days of March."""
    told = Told(*SITES, PLAN)
    for number in (ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN):
        described = Description(maker="M-1", model="X", arrival_batch="B-1", comm_address="A-1")
        told.tell(*_of(number, msgspec.structs.replace(REGISTER, description=described, county="990401"), on_day=2))
        told.tell(*_of(number, DISMANTLE, on_day=3))
    told.tell(*_of(ONE, on(RecordFinalReading, reading=Reading(total_wh=1_000)), on_day=3))
    told.tell(*_of(ONE, on(DisputeFinalReading, case="D-1", ground="too high"), on_day=4))
    upheld = on(ResolveFinalReading, case="D-1", outcome="upheld")
    told.tell(*_of(ONE, upheld, HOLD, on_day=4), *_of(ONE, on(LiftHold, hold="H-1", reference="closed"), on_day=5))
    told.tell(*_of(TWO, msgspec.structs.replace(HOLD, hold="H-2", until=day(20)), on_day=4))
    told.tell(*_of(ONE, on(ApplySeal, seal_no="S-1"), on(RemoveSeal, seal_no="S-1"), on_day=4))
    told.tell(*shipped([ONE, TWO, THREE, FOUR], day(5)), arrived([ONE, TWO, FOUR, CUSTOMERS], day(6), damaged=True))
    for party, signer in (("from", "s-1"), ("to", "s-2")):
        told.tell(SignHandover(occurred_on=day(6), shipment_id="SH-1", party=party, signer=signer))
    _the_ends(told)
    _the_rest(told)
    return told


def _the_ends(told: Told) -> None:
    scrap = (ground("verdict_scrap"), ground("scrap_approval"), on(RemoveBattery), CLEAR, on(DestroyChip), DEFACE)
    told.tell(*_of(ONE, on(Store, site=CENTRE, location="A-3"), *scrap, release("materials"), SELL))
    told.tell(*_of(ONE, on(Destroy, certificate="C-9"), on_day=8))
    told.tell(*_of(ONE, on(ReceiveUnexpected, site=YARD, device_class="01"), on_day=9))
    told.tell(*_of(TWO, ground("laboratory_request"), release("laboratory"), on_day=7))
    told.tell(*_of(TWO, on(ReturnSample, site=CENTRE), on_day=9))
    told.tell(*_of(THREE, on(ConfirmLoss, cause="transit", liable_unit=UNIT), on_day=7))
    told.tell(*_of(THREE, on(WriteOff, approval="A-1"), on_day=8))
    told.tell(*_of(FOUR, ground("verdict_claim"), ground("claim_agreement"), release("maker"), on_day=7))
    told.tell(*_of(FOUR, on(ReturnToMaker, maker="M-1", reference="R-2"), on_day=8))
    new = msgspec.structs.replace(REGISTER, origin="maker")
    replacing = on(ReceiveFromMaker, site=CENTRE, replaces=FOUR)
    told.tell(*_of(f"{FOUR[:-3]}877", new, replacing, on_day=9))
    told.tell(*_of(FOUR, on(LeaveWithMaker, settlement="replaced", reference="CL-1"), on_day=10))
    told.tell(*_of(CUSTOMERS, on(RecordConsent, reference="F-1"), release("customer"), on_day=7))
    told.tell(*_of(CUSTOMERS, on(ReturnToCustomer, reference="receipt 4"), on_day=8))


def _the_rest(told: Told) -> None:
    told.tell(*_of(FIVE, ground("verdict_reuse"), ground("re_verification"), release("reinstall", site=STORE)))
    told.tell(*_of(FIVE, on(Reinstall, work_order="WO-2", unit="99402"), on_day=7))
    told.tell(*_of(SIX, ground("laboratory_request"), release("laboratory", site=STORE)))
    told.tell(*_of(SIX, on(RecordTestDestruction, holder="LAB-1", report="T-1"), on_day=8))
    told.tell(*_of(SEVEN, on(MarkMissing, site=STORE)), *_of(SEVEN, on(MarkFound, site=CENTRE), on_day=9))
    correction = on(CorrectRecord, corrects_version=1, why="misread", reason="burnt", county="990402")
    told.tell(*_of(SEVEN, correction, on_day=10))
    told.tell(*_of(TEMPORARY, ASSIGN, HOLD))
    told.tell(*_of(TEMPORARY, on(BindIdentity, bound_to=f"{ONE[:-3]}999", evidence="cleaned"), on_day=8))
    told.tell(*_of(f"{ONE[:-3]}998", on(ReceiveUnexpected, site=CENTRE, device_class="02")))
    told.tell(*_of(f"{ONE[:-3]}998", on(AcceptUnexpected, reference="R-2"), on_day=9))
    line = Line(asset_no=SEVEN, device_class="01")
    ends = {"from_site": CENTRE, "to_site": YARD, "unit": UNIT, "manifest": (line,)}
    told.tell(PrepareShipment(occurred_on=day(11), shipment_id="SH-2", **ends))
    told.tell(CancelShipment(occurred_on=day(11), shipment_id="SH-2", why="no lorry"))
    box = {"occurred_on": day(5), "container_id": "BOX-1"}
    told.tell(RegisterContainer(**box, device_class="23", site=STORE), Pack(**box, asset_numbers=(TWO, SEVEN)))
    told.tell(Unpack(**box, asset_numbers=(TWO,)), SealContainer(**box, seal_no="S-9"))
    told.tell(MoveContainer(**box, site=CENTRE), BreakContainerSeal(**box, seal_no="S-9"))
    # At the store neither of them was; at the centre one is left in.
    bound, box = f"{ONE[:-3]}999", box | {"occurred_on": day(10)}
    told.tell(Pack(**box, asset_numbers=(TWO, bound)), Unpack(**box, asset_numbers=(bound,)))
    gone = Difference(asset_no=SEVEN, device_class="01")
    counted = (CountLine(device_class="01", book=1, counted=0),)
    told.tell(RecordStocktake(occurred_on=day(12), site_id=CENTRE, lines=counted, short=(gone,)))
    told.tell(CloseSite(occurred_on=day(20), site_id="store-2", why="merged"))
    figures = {"expected": 7, "target_ppm": 900_000, "cut_off": day(12, 4), "why": "snow"}
    told.tell(RevisePlan(occurred_on=day(20), plan_id=PLAN.plan_id, **figures))
    # It is in service, and cannot follow its shipment.
    told.tell(*shipped([FIVE], day(20), shipment="SH-3", container="BOX-2"))
    # Told late: the store's third day is restated.
    late = f"{ONE[:-3]}997"
    told.tell(*_of(late, REGISTER, DISMANTLE, on_day=3), recorded_on=day(21))
