"""Who holds a device, and what happens when it is not where it should be."""

from datetime import timedelta

import msgspec
import pytest

from services.registry.meter import METER
from services.registry.meter.binding import BindIdentity, EndTemporaryIdentity
from services.registry.meter.custody import (
    ALREADY_RECEIVED,
    NOT_AT_SITE,
    Dispatched,
    Received,
    Store,
    Stored,
)
from services.registry.meter.end import Destroy
from services.registry.meter.identity import NOT_IN_THAT_EVENT, CorrectRecord
from services.registry.meter.missing import (
    LOSS_NOT_CONFIRMED,
    NOT_HERE_TO_MISS,
    NOT_MISSING,
    ConfirmLoss,
    Found,
    LossConfirmed,
    MarkFound,
    MarkMissing,
    Missing,
    WriteOff,
    WrittenOff,
)
from services.registry.meter.release import ReceiveFromMaker, Reinstall, ReturnToCustomer
from services.registry.meter.state import CONSENT_MISSING, ENDED, KEPT_APART, OTHER_CLASS, UNKNOWN, AtSite
from services.registry.meter.unexpected import (
    ALREADY_AT_SITE,
    MOVED_SINCE,
    NOT_CUSTOMERS,
    NOT_UNEXPECTED,
    AcceptUnexpected,
    CustomerConsented,
    Reappeared,
    ReceiveUnexpected,
    RecordConsent,
    Unexpected,
    UnexpectedAccepted,
)
from tests.given import given
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DAY,
    DEFACE,
    DISMANTLE,
    DISPATCH,
    HOLD,
    IN_SERVICE,
    IN_STOCK,
    IN_STORE,
    NUMBER,
    ON_THE_WAY,
    RECEIVE,
    REGISTER,
    SELL,
    SOLD,
    STORE,
    TEMPORARY,
    TO_REUSE,
    TURN_UP,
    UNIT,
    WITH_MATERIALS,
    YARD,
    about,
    device,
    ground,
    moved,
    on,
    release,
)

MISS = on(MarkMissing, shipment="SH-1")
MISSING = (*ON_THE_WAY, MISS)
LOSE = on(ConfirmLoss, cause="transit", liable_unit=UNIT, finding="box open on arrival")
WRITE_OFF = on(WriteOff, approval="A-1")
WRITTEN_OFF = (*MISSING, LOSE, WRITE_OFF)
ACCEPT = on(AcceptUnexpected, reference="WO-1")
RECEIVED = on(Received, shipment="SH-1", moved=moved(to_site=CENTRE), dismantled_version=1)


def turned_up(**fields):
    known = {"owner": "company", "unit": UNIT, "moved": moved(to_site=CENTRE)}
    return on(Unexpected, **known | fields)


def test_a_device_goes_by_shipment_from_site_to_site():
    story = device(*IN_STORE).when(msgspec.structs.replace(DISPATCH, container="BOX-1"))
    story.then([on(Dispatched, shipment="SH-1", to_site=CENTRE, moved=moved(STORE), container="BOX-1")])
    story.when(msgspec.structs.replace(RECEIVE, damaged=True))
    story.then([msgspec.structs.replace(RECEIVED, damaged=True)])
    story.when(msgspec.structs.replace(DISPATCH, shipment="SH-2", from_site=CENTRE, to_site=YARD))
    story.then([on(Dispatched, shipment="SH-2", to_site=YARD, moved=moved(CENTRE))])


def test_only_what_is_in_a_sites_stock_leaves_it():
    device(*IN_SERVICE).when(DISPATCH).refused(NOT_AT_SITE, site=STORE, place=("运行中", "in service"))
    device(*IN_STOCK).when(DISPATCH).refused(NOT_AT_SITE, site=STORE, place=("在库 centre", "at site centre"))
    given(METER).when(DISPATCH).refused(UNKNOWN)
    apart = device(TURN_UP).when(msgspec.structs.replace(DISPATCH, from_site=CENTRE, to_site=STORE))
    apart.refused(KEPT_APART)


def test_a_held_device_may_travel():
    device(*IN_STORE, HOLD).when(DISPATCH).then([on(Dispatched, shipment="SH-1", to_site=CENTRE, moved=moved(STORE))])


def test_what_was_not_dispatched_with_this_shipment_is_unexpected():
    story = device(*IN_STORE).when(RECEIVE)
    story.then(
        [turned_up(moved=moved(STORE, CENTRE), shipment="SH-1", recorded_as="at site store-1", dismantled_version=1)]
    )
    assert story.state.place == AtSite(CENTRE, unexpected=True)
    other = msgspec.structs.replace(RECEIVE, shipment="SH-2")
    on_the_way = {"recorded_as": "in transit with SH-1", "dismantled_version": 1}
    device(*ON_THE_WAY).when(other).then([turned_up(shipment="SH-2", **on_the_way)])
    given(METER).when(RECEIVE).then([turned_up(shipment="SH-1")])


@pytest.mark.parametrize(
    "since",
    [
        (),
        (on(MarkMissing, site=CENTRE),),
        (on(MarkMissing, site=CENTRE), on(MarkFound, site=YARD)),
        (on(ReceiveUnexpected, site=YARD, device_class="01"),),
        (ground("review_sample"), release("review")),
        SOLD[len(IN_STOCK) :],
    ],
    ids=["here", "missing", "found", "elsewhere", "out", "sold"],
)
def test_the_same_receipt_told_again_changes_nothing_however_late(since):
    device(*IN_STOCK, *since).when(RECEIVE).refused(ALREADY_RECEIVED, shipment="SH-1")


def test_a_receipt_that_was_unexpected_is_known_again_too():
    onwards = msgspec.structs.replace(DISPATCH, shipment="SH-2", from_site=CENTRE, to_site=YARD)
    device(RECEIVE, ACCEPT, onwards).when(RECEIVE).refused(ALREADY_RECEIVED, shipment="SH-1")


def test_another_receipt_at_the_same_site_is_told_so():
    device(*IN_STOCK).when(msgspec.structs.replace(RECEIVE, shipment="SH-9")).refused(ALREADY_AT_SITE, site=CENTRE)
    device(TURN_UP).when(TURN_UP).refused(ALREADY_AT_SITE)


def test_a_stranger_is_held_apart_until_somebody_answers_for_it():
    story = given(METER).when(TURN_UP).then([turned_up()])
    story.when(ACCEPT).then([on(UnexpectedAccepted, reference="WO-1", site=CENTRE)])
    story.when(ACCEPT).refused(NOT_UNEXPECTED)
    assert story.state.place == AtSite(CENTRE)
    given(METER).when(ACCEPT).refused(UNKNOWN)
    for life in (IN_SERVICE, (TURN_UP, on(MarkMissing, site=CENTRE))):
        device(*life).when(ACCEPT).refused(NOT_UNEXPECTED)


def test_a_stranger_is_taken_for_what_it_is_said_to_be():
    stranger = msgspec.structs.replace(TURN_UP, device_class="04")
    story = device(stranger, ACCEPT)
    ends = {"from_site": CENTRE, "to_site": STORE}
    story.when(msgspec.structs.replace(DISPATCH, **ends, device_class="04"))
    assert story.outcome[0].moved == moved(CENTRE, device_class="04")
    right = on(CorrectRecord, corrects_version=0, why="its plate says so", unit="99402")
    assert device(stranger, right).state.unit == "99402"
    device(*IN_STOCK, on(ReceiveUnexpected, site=YARD, device_class="01")).when(right).refused(NOT_IN_THAT_EVENT)


def test_what_the_manifest_has_as_another_class_does_not_leave():
    listed = msgspec.structs.replace(DISPATCH, device_class="02")
    device(*IN_STORE).when(listed).refused(OTHER_CLASS, listed="02", on_record="01")
    (came,) = device(*IN_STORE).when(RECEIVE).outcome
    assert came.recorded_as == f"at site {STORE}"


def test_a_temporary_number_says_nothing_of_the_owner():
    (stranger,) = given(METER).when(about(TURN_UP, "T90401AB12")).outcome
    assert (stranger.owner, stranger.unit) == ("company", "90401")


def test_a_device_turns_up_under_the_unit_that_dismantled_it():
    elsewhere = msgspec.structs.replace(DISMANTLE, unit="99402")
    (displaced,) = device(REGISTER, elsewhere).when(TURN_UP).outcome
    assert displaced.unit == "99402"


def test_what_is_kept_apart_goes_nowhere_and_nothing_is_done_to_it():
    for command in (CLEAR, release("laboratory")):
        device(TURN_UP, ground("laboratory_request")).when(command).refused(KEPT_APART)


def test_the_record_follows_the_thing_wherever_it_was():
    lives = {
        "in service": (IN_SERVICE, moved(to_site=YARD)),
        "at site centre": (IN_STOCK, moved(CENTRE, YARD)),
        "missing from store-1": (MISSING, moved(to_site=YARD)),
        "lost from store-1": ((*MISSING, LOSE), moved(to_site=YARD)),
        "out for handed to materials, R-1": (WITH_MATERIALS, moved(to_site=YARD)),
        "with its maker": ((msgspec.structs.replace(REGISTER, origin="maker"),), moved(to_site=YARD)),
    }
    for recorded_as, (life, movement) in lives.items():
        story = device(*life).when(on(ReceiveUnexpected, site=YARD, device_class="01", damaged=True))
        dismantled = story.state.dismantled_version
        story.then([turned_up(moved=movement, recorded_as=recorded_as, dismantled_version=dismantled, damaged=True)])
        assert story.state.site == YARD


def test_what_was_cleared_and_certified_before_it_vanished_does_not_count_any_more():
    story = device(*TO_REUSE, CLEAR, release("reinstall"), TURN_UP)
    assert not story.state.data_cleared
    assert set(story.state.preconditions) == {"verdict_reuse"}
    assert (
        "re_verification"
        not in device(*TO_REUSE, on(MarkMissing, site=CENTRE), on(MarkFound, site=CENTRE)).state.preconditions
    )


def test_a_customers_device_is_returned_or_left_with_consent():
    came = (about(TURN_UP, CUSTOMERS),)
    accept, consent = about(ACCEPT, CUSTOMERS), on(RecordConsent, asset_no=CUSTOMERS, reference="form 3")
    story = device(*came).when(accept).refused(CONSENT_MISSING, asset_no=CUSTOMERS)
    story.when(consent).then([on(CustomerConsented, asset_no=CUSTOMERS, reference="form 3")])
    story.when(accept).then([on(UnexpectedAccepted, asset_no=CUSTOMERS, reference="WO-1", site=CENTRE)])
    device(TURN_UP).when(on(RecordConsent, reference="form 3")).refused(NOT_CUSTOMERS)
    given(METER).when(on(RecordConsent, reference="form 3")).refused(UNKNOWN)


def test_a_customers_device_that_came_in_by_shipment_needs_consent_as_well():
    came = tuple(about(one, CUSTOMERS) for one in (REGISTER, DISMANTLE, DISPATCH, RECEIVE))
    sample = about(ground("laboratory_request"), CUSTOMERS)
    for command in (CLEAR, release("laboratory")):
        device(*came, sample).when(about(command, CUSTOMERS)).refused(CONSENT_MISSING)


def test_consent_ends_with_the_return():
    consent = on(RecordConsent, asset_no=CUSTOMERS, reference="form 3")
    returned = (about(release("customer"), CUSTOMERS), on(ReturnToCustomer, asset_no=CUSTOMERS, reference="R-1"))
    story = device(about(TURN_UP, CUSTOMERS), consent, *returned).when(about(TURN_UP, CUSTOMERS))
    said = {"asset_no": CUSTOMERS, "owner": "customer", "unit": "99001", "recorded_as": "returned to its customer"}
    story.then([turned_up(**said)])
    story.when(about(ACCEPT, CUSTOMERS)).refused(CONSENT_MISSING)


def test_missing_in_transit_and_found_by_its_shipment():
    story = device(*ON_THE_WAY).when(MISS)
    story.then([on(Missing, last_site=STORE, shipment="SH-1", dismantled_version=1)])
    story.when(MISS).refused(NOT_HERE_TO_MISS, where="SH-1")
    story.when(RECEIVE).then([on(Found, moved=moved(to_site=CENTRE), reference="SH-1", dismantled_version=1)])
    story.when(RECEIVE).refused(ALREADY_RECEIVED)


def test_missing_at_a_stocktake_and_found_elsewhere():
    story = device(*IN_STOCK).when(on(MarkMissing, site=CENTRE))
    story.then([on(Missing, last_site=CENTRE, moved=moved(CENTRE), dismantled_version=1)])
    story.when(on(MarkFound, site=YARD, reference="count 5"))
    story.then([on(Found, moved=moved(to_site=YARD), reference="count 5", dismantled_version=1)])
    story.when(on(MarkFound, site=YARD)).refused(NOT_MISSING)


COUNTED = {"stocktake": "0123456789abcdef" * 2, "device_class": "01"}


def test_a_stocktake_of_a_day_before_the_last_movement_moves_nothing():
    """Papers of a count come in later than what became of the device since."""
    before, day_before = DAY - timedelta(days=1), {"occurred_on": DAY - timedelta(days=1)}
    known = {"day": before, "moved_on": DAY}
    device(*IN_STOCK).when(on(MarkMissing, site=CENTRE, **COUNTED, **day_before)).refused(MOVED_SINCE, **known)
    for where in (STORE, CENTRE):
        late = on(ReceiveUnexpected, site=where, **COUNTED, **day_before)
        device(*IN_STOCK).when(late).refused(MOVED_SINCE, **known)
        device(*SOLD).when(late).refused(MOVED_SINCE, **known)
    given(METER).when(late).then([turned_up(occurred_on=before)])


def test_a_stocktake_of_the_day_of_the_last_movement_moves_what_it_counted():
    device(*IN_STOCK).when(on(MarkMissing, site=CENTRE, **COUNTED)).then(
        [on(Missing, last_site=CENTRE, moved=moved(CENTRE), dismantled_version=1)]
    )
    back = turned_up(moved=moved(CENTRE, YARD), recorded_as="at site centre", dismantled_version=1)
    device(*IN_STOCK).when(on(ReceiveUnexpected, site=YARD, **COUNTED)).then([back])


def test_what_people_say_themselves_of_an_earlier_day_counts_on_the_day_of_the_last_movement():
    late = on(ReceiveUnexpected, site=STORE, device_class="02", occurred_on=DAY - timedelta(days=1))
    (here,) = device(*IN_STOCK).when(late).outcome
    assert (here.moved.device_class, here.moved.to_site, here.moved.on) == ("01", STORE, DAY)


def test_what_is_counted_as_another_class_is_not_taken_for_the_one_on_record():
    for command in (on(MarkMissing, site=CENTRE), on(ReceiveUnexpected, site=YARD, device_class="01")):
        counted = msgspec.structs.replace(command, **COUNTED | {"device_class": "02"})
        device(*IN_STOCK).when(counted).refused(OTHER_CLASS, listed="02", on_record="01")
    unasked = on(MarkMissing, site=CENTRE, device_class="02")
    device(*IN_STOCK).when(unasked).refused(OTHER_CLASS, listed="02", on_record="01")


def test_what_was_kept_apart_is_found_apart():
    missing = (TURN_UP, on(MarkMissing, site=CENTRE))
    for life, recorded_as in ((missing, "missing from centre"), ((*missing, LOSE), "lost from centre")):
        story = device(*life).when(on(MarkFound, site=YARD))
        story.then([turned_up(moved=moved(to_site=YARD), recorded_as=recorded_as)])


def test_missing_where_it_was_released_to():
    out = (*IN_STOCK, ground("review_sample"), release("review", reference="RV-1"))
    story = device(*out).when(on(MarkMissing, release="RV-1"))
    story.then([on(Missing, last_site=CENTRE, dismantled_version=1)])
    story.when(LOSE)
    story.then(story.outcome)
    assert device(*out).when(on(MarkMissing, release="RV-2")).refused(NOT_HERE_TO_MISS, where="RV-2")


def test_one_place_is_named_and_the_device_was_there():
    for where, said in (
        (on(MarkMissing), "-"),
        (on(MarkMissing, shipment="SH-1", site=STORE), "SH-1, store-1"),
        (on(MarkMissing, site=STORE), STORE),
        (on(MarkMissing, shipment="SH-2"), "SH-2"),
    ):
        device(*ON_THE_WAY).when(where).refused(NOT_HERE_TO_MISS, where=said)
    device(*IN_STOCK).when(on(MarkMissing, site=YARD)).refused(NOT_HERE_TO_MISS)
    device(*WRITTEN_OFF).when(MISS).refused(ENDED)
    given(METER).when(MISS).refused(UNKNOWN)


def test_a_loss_is_confirmed_and_then_written_off():
    story = device(*MISSING).when(WRITE_OFF).refused(LOSS_NOT_CONFIRMED)
    lost = {"last_site": STORE, "cause": "transit", "liable_unit": UNIT, "finding": "box open on arrival"}
    story.when(LOSE).then([on(LossConfirmed, **lost, dismantled_version=1)])
    story.when(LOSE).refused(NOT_MISSING)
    story.when(WRITE_OFF).then([on(WrittenOff, last_site=STORE, approval="A-1", dismantled_version=1)])
    story.when(WRITE_OFF).refused(ENDED, how=("已盘亏核销", "written off"))
    device(*IN_STOCK).when(LOSE).refused(NOT_MISSING)
    device(*MISSING, LOSE).when(on(MarkFound, site=CENTRE)).then(
        [on(Found, moved=moved(to_site=CENTRE), dismantled_version=1)]
    )


def test_a_written_off_device_that_turns_up_is_an_alarm_and_in_custody_again():
    alarm = on(Reappeared, site=CENTRE, ended_as="written_off", last_holder=STORE)
    story = device(*WRITTEN_OFF).when(TURN_UP)
    story.then([alarm, turned_up(recorded_as="written off", dismantled_version=1)])
    story.when(ACCEPT).then([on(UnexpectedAccepted, reference="WO-1", site=CENTRE, dismantled_version=1)])


def test_a_sold_device_seen_alive_is_an_alarm_that_names_who_had_it():
    alarm = on(Reappeared, site=CENTRE, ended_as="sold in LOT-1", last_holder="RC-1")
    story = device(*SOLD).when(TURN_UP)
    story.then([alarm, turned_up(recorded_as="with recycler RC-1, lot LOT-1", dismantled_version=1)])


def test_destroyed_is_the_end_whatever_is_seen_afterwards():
    story = device(*SOLD, on(Destroy, certificate="C-9"))
    before = story.state.place
    for sighting in (TURN_UP, msgspec.structs.replace(RECEIVE, shipment="SH-9"), TURN_UP):
        story.when(sighting).then([on(Reappeared, site=CENTRE, ended_as="destroyed", last_holder="RC-1")])
    assert story.state.place == before
    for command in (
        REGISTER,
        DISMANTLE,
        DISPATCH,
        MISS,
        LOSE,
        WRITE_OFF,
        ACCEPT,
        CLEAR,
        DEFACE,
        SELL,
        release("review"),
    ):
        assert isinstance(story.when(command).outcome, Exception)


def test_a_bound_temporary_number_seen_again_is_no_alarm():
    bound = {"asset_no": TEMPORARY, "bound_to": NUMBER}
    story = device(ASSIGN, on(BindIdentity, **bound, evidence="read"), on(EndTemporaryIdentity, **bound))
    assert "bound" in story.when(about(RECEIVE, TEMPORARY)).outcome.code


def test_a_place_within_the_site():
    story = device(*IN_STOCK).when(on(Store, site=CENTRE, location="A-03-2"))
    story.then([on(Stored, site=CENTRE, location="A-03-2")])
    story.when(on(Store, site=YARD, location="A-03-2")).refused(NOT_AT_SITE, site=YARD)
    device(TURN_UP).when(on(Store, site=CENTRE, location="cage")).then([on(Stored, site=CENTRE, location="cage")])


def test_a_new_device_that_comes_unannounced_is_still_new():
    at_maker = msgspec.structs.replace(REGISTER, origin="maker")
    assert device(at_maker, TURN_UP).state.new
    out = (at_maker, on(ReceiveFromMaker, site=CENTRE), ground("re_verification"), release("reinstall"))
    assert not device(*out, TURN_UP).state.new
    assert not device(*out, on(Reinstall, work_order="WO-2", unit=UNIT)).state.new
