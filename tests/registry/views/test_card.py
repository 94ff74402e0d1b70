"""档案卡: what the card shows of a device, and whose hands it is in, all its life long."""

import msgspec
import pytest
from hypothesis import given, settings

from services.registry.meter import METER
from services.registry.meter.binding import BindIdentity
from services.registry.meter.custody import Store
from services.registry.meter.dismantling import (
    Dismantle,
    DisputeFinalReading,
    Reading,
    RecordFinalReading,
    ResolveFinalReading,
)
from services.registry.meter.end import Destroy
from services.registry.meter.hold import ApplySeal, RemoveSeal
from services.registry.meter.identity import NOT_IN_THAT_EVENT, CorrectRecord, Description, Register
from services.registry.meter.missing import ConfirmLoss, MarkFound, MarkMissing, WriteOff
from services.registry.meter.packing import PlaceInContainer, TakeOutOfContainer
from services.registry.meter.release import (
    ReceiveFromMaker,
    Reinstall,
    ReturnSample,
    ReturnToCustomer,
    ReturnToMaker,
)
from services.registry.meter.unexpected import AcceptUnexpected, ReceiveUnexpected
from services.registry.views.card import CARD, folded, folded_by
from tests.given import recorded
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DISMANTLE,
    DISPATCH,
    IN_SERVICE,
    IN_STOCK,
    IN_STORE,
    NUMBER,
    ON_THE_WAY,
    RECEIVE,
    REGISTER,
    SOLD,
    STORE,
    TEMPORARY,
    TO_REUSE,
    TURN_UP,
    UNIT,
    WITH_MATERIALS,
    YARD,
    about,
    ground,
    on,
    release,
)
from tests.registry.views.telling import Told, day
from tests.strategies import messages


def card(*commands, number=NUMBER):
    return Told(*commands).rows(CARD)[(number,)]


def correct(version, **fields):
    return on(CorrectRecord, corrects_version=version, why="misread", **fields)


MISSING = (*ON_THE_WAY, on(MarkMissing, shipment="SH-1"))
LOST = (*MISSING, on(ConfirmLoss, cause="transit", liable_unit=UNIT))
IN_LABORATORY = (*IN_STOCK, ground("laboratory_request"), release("laboratory", "LAB-1"))
CLAIMED = (*IN_STOCK, ground("verdict_claim"), ground("claim_agreement"), release("maker", "CL-1"))
AT_HOME = (about(TURN_UP, CUSTOMERS), about(release("customer"), CUSTOMERS))
GIVEN_BACK = (*AT_HOME, on(ReturnToCustomer, asset_no=CUSTOMERS, reference="receipt 4"))
REINSTALLED = (*TO_REUSE, release("reinstall"), on(Reinstall, work_order="WO-2", unit="99402"))


@pytest.mark.parametrize(
    ("life", "phase", "site", "holder"),
    [
        (IN_SERVICE, "in_service", None, None),
        ((on(Register, device_class="01", unit=UNIT, origin="maker", description=Description(maker="M-1")),),
         "with_maker", None, "M-1"),
        (IN_STORE, "at_site", STORE, STORE),
        (ON_THE_WAY, "in_transit", None, STORE),
        (MISSING, "missing", None, STORE),
        ((*MISSING, on(MarkFound, site=YARD)), "at_site", YARD, YARD),
        (LOST, "lost", None, STORE),
        ((*LOST, on(WriteOff, approval="A-1")), "written_off", None, STORE),
        (IN_STOCK, "at_site", CENTRE, CENTRE),
        ((*IN_STOCK, on(MarkMissing, site=CENTRE)), "missing", None, CENTRE),
        (IN_LABORATORY, "out", None, CENTRE),
        ((*IN_LABORATORY, on(MarkMissing, release="LAB-1")), "missing", None, CENTRE),
        ((*IN_LABORATORY, on(ReturnSample, site=YARD)), "at_site", YARD, YARD),
        (CLAIMED, "out", None, CENTRE),
        ((*CLAIMED, on(ReturnToMaker, maker="M-1", reference="R-2")), "with_maker", None, "M-1"),
        ((*CLAIMED, on(ReceiveFromMaker, site=CENTRE)), "at_site", CENTRE, CENTRE),
        (WITH_MATERIALS, "out", None, CENTRE),
        (SOLD, "with_recycler", None, "RC-1"),
        ((*SOLD, on(Destroy, certificate="C-9")), "destroyed", None, "RC-1"),
        ((*SOLD, on(ReceiveUnexpected, site=YARD, device_class="01")), "at_site", YARD, YARD),
        (REINSTALLED, "in_service", None, None),
    ],
)  # fmt: skip
def test_somebody_answers_for_it_wherever_it_is(life, phase, site, holder):
    shown = card(*life)
    assert (shown.phase, shown.site, shown.holder) == (phase, site, holder)


def test_what_it_left_a_site_for_is_shown_until_it_is_back():
    shown = card(*IN_LABORATORY)
    assert (shown.purpose, shown.reference) == ("laboratory", "LAB-1")
    back = card(*IN_LABORATORY, on(ReturnSample, site=CENTRE))
    assert (back.purpose, back.reference) == (None, None)


def test_its_place_within_a_site_is_left_behind_when_it_goes():
    packed = on(PlaceInContainer, site=CENTRE, container="BOX-1")
    for stored in (
        (*IN_STOCK, on(Store, site=CENTRE, location="A-3"), packed),
        (*IN_STOCK, packed, on(Store, site=CENTRE, location="A-3", container="BOX-1")),
    ):
        assert (card(*stored).location, card(*stored).container) == ("A-3", "BOX-1")
        out = card(*stored, on(TakeOutOfContainer, container="BOX-1"))
        assert (out.location, out.container) == ("A-3", None)
        gone = card(*stored, on(MarkMissing, site=CENTRE))
        assert (gone.location, gone.container) == (None, None)


def test_it_travels_in_a_box_and_is_received_out_of_it():
    assert card(*IN_STORE, msgspec.structs.replace(DISPATCH, container="BOX-1")).container == "BOX-1"
    assert card(*IN_STORE, msgspec.structs.replace(DISPATCH, container="BOX-1"), RECEIVE).container is None


@pytest.mark.parametrize("arrival", [RECEIVE, TURN_UP])
def test_what_arrives_damaged_is_shown_so(arrival):
    way = ON_THE_WAY if arrival is RECEIVE else ()
    assert not card(*way, arrival).damaged
    assert card(*way, msgspec.structs.replace(arrival, damaged=True)).damaged


def test_what_nobody_announced_is_held_apart_until_it_is_accepted():
    assert card(TURN_UP).unexpected
    accepted = card(TURN_UP, on(AcceptUnexpected, reference="R-1"))
    assert (accepted.unexpected, accepted.site) == (False, CENTRE)
    shown = card(about(TURN_UP, CUSTOMERS), number=CUSTOMERS)
    assert (shown.owner, shown.unit) == ("customer", "99001")


def test_a_customers_device_ends_with_its_customer():
    out, home = card(*AT_HOME, number=CUSTOMERS), card(*GIVEN_BACK, number=CUSTOMERS)
    assert (out.phase, out.purpose, out.holder) == ("out", "customer", CENTRE)
    assert (home.phase, home.reference, home.unexpected, home.holder) == (
        "returned_to_customer",
        "receipt 4",
        False,
        None,
    )


def test_a_temporary_identity_ends_and_its_number_goes_on():
    log = Told(*IN_SERVICE, ASSIGN, on(BindIdentity, asset_no=TEMPORARY, bound_to=NUMBER, evidence="plate read"))
    held = log.rows(CARD)
    ended, adopted = held[(TEMPORARY,)], held[(NUMBER,)]
    assert (ended.phase, ended.bound_to, ended.site) == ("bound", NUMBER, None)
    assert (adopted.phase, adopted.site, adopted.unexpected) == ("at_site", CENTRE, False)


def test_readings_and_disputes():
    read = (*IN_STORE, on(RecordFinalReading, reading=Reading(total_wh=1_000)))
    disputed = (*read, on(DisputeFinalReading, case="D-1", ground="too high"))
    resolved = on(ResolveFinalReading, case="D-1", outcome="corrected", reading=Reading(total_wh=900))
    shown = [card(*life) for life in (read, disputed, (*disputed, resolved))]
    assert [(one.reading_total_wh, one.disputed) for one in shown] == [(1_000, False), (1_000, True), (900, False)]


def test_a_second_life_has_nothing_of_the_first_dismantling():
    read = on(Dismantle, work_order="WO-1", unit=UNIT, site=STORE, reason="burnt", reading=Reading(total_wh=5))
    shown = card(*IN_SERVICE, read, *REINSTALLED[len(IN_STORE) :])
    assert (shown.unit, shown.dismantled_on, shown.reason, shown.work_order) == ("99402", None, None, None)
    assert (shown.reading_total_wh, shown.dismantled_version) == (None, None)
    again = card(*IN_SERVICE, read, *REINSTALLED[len(IN_STORE) :], DISMANTLE)
    assert (again.reason, again.reading_total_wh, again.phase) == ("fault", None, "at_site")


@pytest.mark.parametrize(
    "back",
    [
        (on(MarkMissing, site=CENTRE), on(MarkFound, site=CENTRE)),
        (ground("review_sample"), release("review", "RV-1"), on(ReturnSample, site=CENTRE)),
        (ground("verdict_claim"), ground("claim_agreement"), release("maker"), on(ReceiveFromMaker, site=CENTRE)),
    ],
)
def test_what_others_had_in_their_hands_is_not_shown_as_cleared(back):
    assert card(*IN_STOCK, CLEAR).data_cleared
    assert not card(*IN_STOCK, CLEAR, *back).data_cleared


def test_a_dismantling_taken_back_is_not_shown_as_cleared():
    assert not card(*IN_STORE, CLEAR, correct(1, did_not_happen=True)).data_cleared


def test_the_seals_on_a_device_are_shown():
    on_it = [on(ApplySeal, seal_no=seal) for seal in ("FY-2", "FY-1")]
    assert card(*IN_STORE, *on_it).seals == "FY-1,FY-2"
    assert card(*IN_STORE, *on_it, on(RemoveSeal, seal_no="FY-2")).seals == "FY-1"
    assert card(*IN_STORE, *on_it, *(on(RemoveSeal, seal_no=seal) for seal in ("FY-2", "FY-1"))).seals == ""


def test_a_dismantling_that_did_not_happen_leaves_no_reading():
    read = on(Dismantle, work_order="WO-1", unit=UNIT, site=STORE, reason="fault", reading=Reading(total_wh=5))
    shown = card(REGISTER, read, correct(1, did_not_happen=True))
    assert (shown.phase, shown.site, shown.dismantled_on, shown.reading_total_wh) == ("in_service", None, None, None)


def test_a_correction_of_what_was_said_again_since_is_refused_and_one_of_what_says_it_now_is_shown():
    """As the decider has it: the work order of version 1 said the unit and the county last."""
    told = Told(REGISTER, on(Dismantle, work_order="WO-1", unit="99402", site=STORE, reason="fault", county="990402"))
    for said in ({"unit": "99403"}, {"county": "990403"}):
        assert told.refused(correct(0, **said)).code == NOT_IN_THAT_EVENT.code
    told.tell(correct(1, unit="99403", county="990403", reason="burnt"))
    shown = told.rows(CARD)[(NUMBER,)]
    assert (shown.unit, shown.county, shown.reason) == ("99403", "990403", "burnt")
    assert shown.unit == told.state(Register, NUMBER).unit


def test_a_correction_of_the_first_dismantling_does_not_touch_the_second():
    second = on(Dismantle, work_order="WO-3", unit="99402", site=STORE, reason="status")
    shown = card(*REINSTALLED, second, correct(1, reason="burnt", work_order="WO-9", dismantled_on=day(1)))
    assert (shown.reason, shown.work_order, shown.dismantled_on) == ("status", "WO-3", day(5))


def test_what_was_never_said_can_be_added():
    shown = card(REGISTER, correct(0, county="990401", description=Description(maker="M-2"), device_class="02"))
    assert (shown.county, shown.maker, shown.device_class) == ("990401", "M-2", "02")


def test_a_device_put_on_record_later_than_it_was_dismantled_was_in_the_store_meanwhile():
    """The register of devices may be imported long after the first work orders."""
    told = Told()
    told.tell(on(Register, occurred_on=day(20), device_class="01", unit=UNIT))
    told.tell(on(Dismantle, occurred_on=day(5), work_order="WO-1", unit=UNIT, site=STORE, reason="fault"))
    then = folded_by(told.events, day(7))
    assert (then.phase, then.site, then.since) == ("at_site", STORE, day(5))
    assert folded_by(told.events, day(4)) is None


def test_every_version_was_once_the_latest():
    told = Told(*SOLD, on(Destroy, certificate="C-9"))
    for number in range(1, len(told.events) + 1):
        shown = folded(told.events[:number])
        assert (shown.version, shown.position) == (number - 1, number)


@pytest.mark.parametrize("event", METER.events, ids=lambda event: event.__name__)
def test_the_card_takes_every_event_of_a_device(event):
    (begun,) = Told(REGISTER).events

    @settings(max_examples=3, deadline=None)
    @given(messages(event))
    def taken(example):
        of = recorded(example, 2, version=1)
        later = CARD.evolve(CARD.evolve(None, *begun, (NUMBER,)), example, of, (NUMBER,))
        assert (later.version, later.position) == (1, 2)

    taken()
