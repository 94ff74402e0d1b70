"""One season in which every command of the registry is given once at least, and is accepted."""

from datetime import date
from uuid import UUID

from services.registry.asset_number import compose
from services.registry.container import (
    BreakContainerSeal,
    DispatchContainer,
    MoveContainer,
    Pack,
    RecordContainerException,
    RegisterContainer,
    SealContainer,
    Unpack,
)
from services.registry.meter.binding import AdoptIdentity, BindIdentity, EndTemporaryIdentity, KeepTemporaryIdentity
from services.registry.meter.custody import Store
from services.registry.meter.dismantling import (
    DisputeFinalReading,
    Reading,
    RecordFinalReading,
    ResolveFinalReading,
)
from services.registry.meter.end import Destroy, DestroyChip, LeaveWithMaker, RecordTestDestruction, RemoveBattery
from services.registry.meter.hold import ApplySeal, LiftHold, RemoveSeal
from services.registry.meter.identity import CorrectRecord
from services.registry.meter.missing import ConfirmLoss, MarkFound, MarkMissing, WriteOff
from services.registry.meter.packing import PlaceInContainer, TakeOutOfContainer
from services.registry.meter.release import (
    ReceiveFromMaker,
    RecordReplacement,
    Reinstall,
    ReturnSample,
    ReturnToCustomer,
    ReturnToMaker,
)
from services.registry.meter.unexpected import AcceptUnexpected, RecordConsent
from services.registry.plan import RevisePlan, SetPlan
from services.registry.shipment import (
    CancelShipment,
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
    RecordShipmentException,
    SignHandover,
)
from services.registry.site import CloseSite, CountLine, OpenSite, RecordStocktake, RecordStocktakeException
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DEFACE,
    DISPATCH,
    HOLD,
    IN_STORE,
    NUMBER,
    OTHER,
    RECEIVE,
    SELL,
    STORE,
    TEMPORARY,
    TURN_UP,
    UNIT,
    about,
    ground,
    on,
    release,
)

LOST, REUSED, BOUND, TESTED, KEPT = (
    compose(UNIT, "01", f"{serial:014d}") for serial in range(99999999000011, 99999999000016)
)
TWIN = "T99401TWIN"
THEIRS = compose("99001", "01", "99999999000017")
MANIFEST = (Line(asset_no=NUMBER, device_class="01"),)
FOUND = (FoundLine(asset_no=NUMBER),)
CUT_OFF = date(2026, 4, 30)


def of(asset_no, *commands):
    """The same commands about another device."""
    return [about(command, asset_no) for command in commands]


PLACES = [
    on(OpenSite, site_id=STORE, kind="unit_store", name="合成表库", unit=UNIT),
    on(OpenSite, site_id=CENTRE, kind="centre", name="合成中心", unit="99000"),
    on(OpenSite, site_id="yard-9", kind="unit_store", name="合成堆场", unit=UNIT),
    on(RecordStocktake, site_id="yard-9", lines=(CountLine(device_class="01", book=0, counted=0),)),
    on(
        RecordStocktakeException,
        site_id="yard-9",
        stocktake=UUID(int=9).hex,
        asset_no=NUMBER,
        code="meter.unknown",
    ),
    on(CloseSite, site_id="yard-9", why="合成：停用"),
    on(SetPlan, plan_id=f"{UNIT}-2026-03", expected=10, target_ppm=999_900, cut_off=CUT_OFF),
    on(RevisePlan, plan_id=f"{UNIT}-2026-03", expected=12, target_ppm=999_900, cut_off=CUT_OFF, why="合成"),
]
BOXES = [
    on(RegisterContainer, container_id="BOX-1", device_class="23", site=STORE),
    on(DispatchContainer, container_id="BOX-1", shipment="SH-1", from_site=STORE, to_site=CENTRE),
    on(MoveContainer, container_id="BOX-1", site=CENTRE),
    on(Pack, container_id="BOX-1", asset_numbers=(NUMBER,)),
    on(RecordContainerException, container_id="BOX-1", asset_no=NUMBER, code="meter.unknown"),
    on(SealContainer, container_id="BOX-1", seal_no="FY-1"),
    on(BreakContainerSeal, container_id="BOX-1", seal_no="FY-1"),
    on(Unpack, container_id="BOX-1", asset_numbers=(NUMBER,)),
]
LORRIES = [
    on(PrepareShipment, shipment_id="SH-1", from_site=STORE, to_site=CENTRE, unit=UNIT, manifest=MANIFEST),
    on(DispatchShipment, shipment_id="SH-1"),
    on(ReceiveShipment, shipment_id="SH-1", found=FOUND),
    on(SignHandover, shipment_id="SH-1", party="from", signer="subject-1"),
    on(SignHandover, shipment_id="SH-1", party="to", signer="subject-2"),
    on(RecordShipmentException, shipment_id="SH-1", asset_no=NUMBER, code="meter.unknown"),
    on(PrepareShipment, shipment_id="SH-2", from_site=STORE, to_site=CENTRE, unit=UNIT, manifest=MANIFEST),
    on(CancelShipment, shipment_id="SH-2", why="合成：作废"),
]
SCRAPPED = [
    *IN_STORE,
    on(RecordFinalReading, reading=Reading(total_wh=1_000)),
    on(DisputeFinalReading, case="D-1", ground="合成"),
    on(ResolveFinalReading, case="D-1", outcome="upheld"),
    on(ApplySeal, seal_no="FY-2"),
    on(RemoveSeal, seal_no="FY-2"),
    on(Store, site=STORE, location="A-01"),
    on(PlaceInContainer, container="BOX-1", site=STORE),
    on(TakeOutOfContainer, container="BOX-1"),
    HOLD,
    on(LiftHold, hold=HOLD.hold, reference="case 7 closed"),
    DISPATCH,
    RECEIVE,
    ground("verdict_scrap"),
    ground("scrap_approval"),
    release("materials"),
    CLEAR,
    on(DestroyChip),
    on(RemoveBattery),
    DEFACE,
    SELL,
    on(Destroy, certificate="C-9"),
]
CLAIMED = of(
    OTHER,
    *IN_STORE,
    on(CorrectRecord, corrects_version=0, why="合成：更正", county="990401"),
    on(MarkMissing, site=STORE),
    on(MarkFound, site=STORE),
    ground("review_sample"),
    release("review", site=STORE),
    on(ReturnSample, site=CENTRE),
    ground("verdict_claim"),
    ground("claim_agreement"),
    release("maker"),
    on(ReturnToMaker, maker="MK-1", reference="R-1"),
    on(ReceiveFromMaker, site=CENTRE),
)
LOST_ONE = of(
    LOST,
    *IN_STORE,
    on(MarkMissing, site=STORE),
    on(ConfirmLoss, cause="theft", liable_unit=UNIT),
    on(WriteOff, approval="A-1"),
)
REUSED_ONE = of(
    REUSED,
    *IN_STORE,
    ground("verdict_reuse"),
    ground("re_verification"),
    release("reinstall", site=STORE),
    on(Reinstall, work_order="WO-2", unit=UNIT),
)
TESTED_ONE = of(
    TESTED,
    *IN_STORE,
    ground("laboratory_request"),
    release("laboratory", site=STORE),
    on(RecordTestDestruction, holder="LAB-1", report="R-9"),
)
KEPT_ONE = of(
    KEPT,
    *IN_STORE,
    ground("verdict_claim"),
    ground("claim_agreement"),
    release("maker", site=STORE),
    on(ReturnToMaker, maker="MK-1", reference="R-1"),
    on(RecordReplacement, replaced_by=OTHER),
    on(LeaveWithMaker, settlement="paid", reference="R-4"),
)
UNANNOUNCED = [
    *of(CUSTOMERS, TURN_UP, on(RecordConsent, reference="R-2"), on(AcceptUnexpected, reference="R-2")),
    *of(THEIRS, TURN_UP, release("customer"), on(ReturnToCustomer, reference="R-3")),
    ASSIGN,
    on(BindIdentity, asset_no=TEMPORARY, bound_to=BOUND, evidence="合成：铭牌"),
    on(
        AdoptIdentity,
        asset_no=BOUND,
        temporary_id=TEMPORARY,
        device_class="01",
        unit=UNIT,
        owner="company",
        site=CENTRE,
    ),
    on(EndTemporaryIdentity, asset_no=TEMPORARY, bound_to=BOUND),
    about(ASSIGN, TWIN),
    on(BindIdentity, asset_no=TWIN, bound_to=BOUND, evidence="合成：重号"),
    on(KeepTemporaryIdentity, asset_no=TWIN, bound_to=BOUND, why="at_a_site"),
]
EVERY = (*PLACES, *BOXES, *LORRIES, *SCRAPPED, *CLAIMED, *LOST_ONE, *REUSED_ONE, *TESTED_ONE, *KEPT_ONE, *UNANNOUNCED)
"""In this order each is accepted."""

EXAMPLES = {type(command): command for command in reversed(EVERY)}
"""The first of each kind."""
