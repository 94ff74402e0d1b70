"""Who a device is."""

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.registry.asset_number import compose
from services.registry.meter import METER
from services.registry.meter.binding import (
    BEING_BOUND,
    NOT_BEING_BOUND,
    NOT_TEMPORARY,
    AdoptIdentity,
    AdoptionRefused,
    BindIdentity,
    EndTemporaryIdentity,
    IdentityAdopted,
    IdentityBound,
    IdentityClaimed,
    KeepTemporaryIdentity,
    TemporaryIdentityKept,
)
from services.registry.meter.dismantling import (
    READING_EMPTY,
    DisputeFinalReading,
    FinalReadingRecorded,
    Reading,
    RecordFinalReading,
    ResolveFinalReading,
)
from services.registry.meter.end import Destroy
from services.registry.meter.hold import HoldPlaced, PlaceHold
from services.registry.meter.identity import (
    ALREADY_REGISTERED,
    CANNOT_BE_TAKEN_BACK,
    DISMANTLED_LATER,
    NO_SUCH_EVENT,
    NOT_IN_THAT_EVENT,
    NOTHING_CORRECTED,
    READING_IN_DISPUTE,
    WRONG_FORM,
    CorrectRecord,
    Description,
    RecordCorrected,
    Registered,
    TemporaryIdentityAssigned,
)
from services.registry.meter.missing import ConfirmLoss, MarkMissing, WriteOff
from services.registry.meter.release import PRECONDITION_MISSING, ReturnToCustomer
from services.registry.meter.state import BOUND, ENDED, NOT_IN_HAND, ON_HOLD, UNKNOWN, AtSite, InService
from services.registry.meter.unexpected import Reappeared, Unexpected
from services.registry.policies import (
    when_adoption_refused_keep_temporary_identity,
    when_identity_adopted_end_temporary_identity,
    when_identity_claimed_adopt_identity,
)
from services.registry.views.card import CARD
from services.registry.vocabulary import Arrival, Movement, StandingHold
from tests.given import given, recorded, rows
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DAY,
    DISMANTLE,
    DISPATCH,
    HOLD,
    IN_SERVICE,
    IN_STOCK,
    IN_STORE,
    NUMBER,
    ON_THE_WAY,
    OTHER,
    RECEIVE,
    REGISTER,
    SOLD,
    STORE,
    TEMPORARY,
    TO_SCRAP,
    TURN_UP,
    UNIT,
    about,
    device,
    ground,
    moved,
    on,
    release,
)

BIND = on(BindIdentity, asset_no=TEMPORARY, bound_to=NUMBER, evidence="plate cleaned and read")
ADOPT = on(AdoptIdentity, temporary_id=TEMPORARY, device_class="01", unit=UNIT, owner="company", site=CENTRE)
COURT = StandingHold(hold="H-1", kind="court", reference="case 7", until=date(2026, 9, 1))
PLACE_COURT = on(PlaceHold, asset_no=TEMPORARY, **msgspec.structs.asdict(COURT))
LOSE, WRITE_OFF = on(ConfirmLoss, cause="transit", liable_unit=UNIT), on(WriteOff, approval="A-1")
ADOPTED = on(
    IdentityAdopted,
    temporary_id=TEMPORARY,
    device_class="01",
    unit=UNIT,
    owner="company",
    site=CENTRE,
    moved=moved(to_site=CENTRE),
)

SECOND = {"temporary_id": TEMPORARY, "site": CENTRE}
OUTCOMES = ((EndTemporaryIdentity, {}), (KeepTemporaryIdentity, {"why": "at_a_site"}))


def correct(version, **fields):
    return on(CorrectRecord, corrects_version=version, why="misread", **fields)


def corrected(version, **fields):
    return on(RecordCorrected, corrects_version=version, why="misread", **fields)


def test_a_device_is_registered_once():
    story = given(METER).when(REGISTER)
    story.then([on(Registered, device_class="01", unit=UNIT, owner="company", origin="in_service")])
    story.when(REGISTER).refused(ALREADY_REGISTERED, asset_no=NUMBER)
    assert story.state.place == InService()


def test_the_number_says_whose_it_is_unless_the_register_does():
    who = {"device_class": "01", "unit": "99001", "origin": "in_service", "asset_no": CUSTOMERS}
    given(METER).when(about(REGISTER, CUSTOMERS)).then([on(Registered, **who | {"unit": UNIT}, owner="customer")])
    bought = msgspec.structs.replace(about(REGISTER, CUSTOMERS), owner="company")
    given(METER).when(bought).then([on(Registered, **who | {"unit": UNIT}, owner="company")])


@for_all(st.text("0123456789", min_size=5, max_size=5), st.text("0123456789", min_size=14, max_size=14))
def test_third_digit_nought_is_a_customers_and_no_other(unit, serial):
    number = compose(unit, "01", serial)
    (registered,) = METER.decide(about(REGISTER, number), METER.initial)
    assert registered.owner == ("customer" if unit[2] == "0" else "company")


def test_a_number_is_registered_and_a_temporary_identity_assigned_each_in_its_form():
    given(METER).when(about(REGISTER, TEMPORARY)).refused(WRONG_FORM, asset_no=TEMPORARY)
    given(METER).when(about(ASSIGN, NUMBER)).refused(WRONG_FORM, asset_no=NUMBER)


def test_an_unreadable_device_gets_a_temporary_identity_where_it_is():
    story = given(METER).when(ASSIGN)
    said = {"asset_no": TEMPORARY, "device_class": "01", "unit": UNIT, "owner": "company"}
    story.then([on(TemporaryIdentityAssigned, **said, moved=moved(to_site=CENTRE))])
    story.when(ASSIGN).refused(ALREADY_REGISTERED)
    assert story.state.place == AtSite(CENTRE)


def test_a_temporary_record_ends_once_the_number_has_taken_the_device_over():
    story = device(ASSIGN).when(BIND)
    said = {"asset_no": TEMPORARY, "bound_to": NUMBER, "device_class": "01", "unit": UNIT, "owner": "company"}
    said |= {"evidence": "plate cleaned and read"}
    came = (Arrival(site=CENTRE, on=DAY),)
    story.then([on(IdentityClaimed, **said, site=CENTRE, arrivals=came)])
    assert story.state.site == CENTRE
    (end,) = when_identity_adopted_end_temporary_identity(ADOPTED, recorded(ADOPTED))
    story.when(end).then([on(IdentityBound, **said, moved=moved(from_site=CENTRE))])
    story.when(BIND).refused(BOUND, number=NUMBER)
    story.when(about(TURN_UP, TEMPORARY)).refused(BOUND, number=NUMBER)


@pytest.mark.parametrize("why", ["at_a_site", "destroyed"])
def test_a_temporary_record_goes_on_where_the_number_did_not_take_the_device_over(why):
    alarm = on(AdoptionRefused, **SECOND, why=why, recorded_as=f"at site {STORE}")
    (keep,) = when_adoption_refused_keep_temporary_identity(alarm, recorded(alarm))
    story = device(about(TURN_UP, TEMPORARY), PLACE_COURT, BIND).when(keep)
    story.then([on(TemporaryIdentityKept, asset_no=TEMPORARY, bound_to=NUMBER, why=why)])
    assert story.state.place == AtSite(CENTRE, unexpected=True)
    assert story.state.held
    story.when(msgspec.structs.replace(BIND, bound_to=OTHER))
    assert story.outcome[0].bound_to == OTHER


def test_nothing_else_is_done_to_a_temporary_record_while_its_number_is_asked():
    story = device(ASSIGN, BIND)
    leaves = msgspec.structs.replace(about(DISPATCH, TEMPORARY), from_site=CENTRE, to_site=STORE)
    elsewhere = msgspec.structs.replace(about(TURN_UP, TEMPORARY), site=STORE)
    for command in (BIND, leaves, elsewhere, PLACE_COURT, on(MarkMissing, asset_no=TEMPORARY, site=CENTRE)):
        story.when(command).refused(BEING_BOUND, number=NUMBER)


def test_a_claim_ends_by_the_answer_to_it_and_no_other():
    end, keep = (on(kind, asset_no=TEMPORARY, bound_to=OTHER, **more) for kind, more in OUTCOMES)
    device(ASSIGN).when(end).refused(NOT_BEING_BOUND, number=OTHER)
    device(ASSIGN, BIND).when(end).refused(NOT_BEING_BOUND, number=OTHER)
    device(ASSIGN, BIND).when(keep).refused(NOT_BEING_BOUND, number=OTHER)


def test_only_a_temporary_identity_is_bound_and_only_to_a_number():
    device(*IN_STOCK).when(about(BIND, NUMBER)).refused(NOT_TEMPORARY)
    to_another = msgspec.structs.replace(BIND, bound_to="T99401CD34")
    device(ASSIGN).when(to_another).refused(WRONG_FORM, asset_no="T99401CD34")
    given(METER).when(BIND).refused(UNKNOWN, asset_no=TEMPORARY)
    given(METER).when(about(ADOPT, TEMPORARY)).refused(WRONG_FORM)


def test_what_is_on_the_way_is_bound_when_it_has_arrived():
    leaves = msgspec.structs.replace(about(DISPATCH, TEMPORARY), from_site=CENTRE, to_site=STORE)
    device(ASSIGN, leaves).when(BIND).refused(NOT_IN_HAND)


def test_holds_go_along_to_the_number_and_a_dispute_is_settled_first():
    story = device(ASSIGN, PLACE_COURT).when(BIND)
    assert story.outcome[0].holds == (COURT,)
    read = on(RecordFinalReading, asset_no=TEMPORARY, reading=Reading(total_wh=1))
    dispute = on(DisputeFinalReading, asset_no=TEMPORARY, case="D-1", ground="too high")
    device(ASSIGN, read, dispute).when(BIND).refused(ON_HOLD)

    adopts = msgspec.structs.replace(ADOPT, holds=(COURT,))
    story = given(METER).when(adopts).then([ADOPTED, on(HoldPlaced, **msgspec.structs.asdict(COURT))])
    story.when(on(BindIdentity, bound_to=NUMBER, evidence="x")).refused(NOT_TEMPORARY)
    assert story.state.held
    device(REGISTER, about(PLACE_COURT, NUMBER)).when(adopts).then([ADOPTED])


def test_the_policy_takes_all_of_it_along():
    (claimed,) = device(about(TURN_UP, TEMPORARY), PLACE_COURT).when(BIND).outcome
    (adopts,) = when_identity_claimed_adopt_identity(claimed, recorded(claimed))
    assert adopts == msgspec.structs.replace(ADOPT, unexpected=True, holds=(COURT,))


def test_what_was_kept_apart_stays_apart_under_its_number():
    story = device(about(TURN_UP, TEMPORARY)).when(BIND)
    assert story.outcome[0].unexpected
    story = given(METER).when(msgspec.structs.replace(ADOPT, unexpected=True))
    story.then([msgspec.structs.replace(ADOPTED, unexpected=True)])
    assert story.state.place == AtSite(CENTRE, unexpected=True)


def test_the_numbered_record_knows_better_who_it_is():
    owned = msgspec.structs.replace(about(REGISTER, CUSTOMERS), unit="99001", device_class="02")
    story = device(owned).when(about(ADOPT, CUSTOMERS))
    (adopted,) = story.outcome
    assert (adopted.owner, adopted.unit, adopted.device_class) == ("customer", "99001", "02")
    assert adopted.moved == moved(to_site=CENTRE, device_class="02")
    (adopted,) = given(METER).when(about(ADOPT, CUSTOMERS)).outcome
    assert adopted.owner == "customer"


@pytest.mark.parametrize(
    "missing", [IN_SERVICE, (*ON_THE_WAY, on(MarkMissing, shipment="SH-1"))], ids=["in", "missing"]
)
def test_a_number_that_was_nowhere_else_is_adopted_into_stock(missing):
    story = device(*missing)
    of_dismantling = msgspec.structs.replace(ADOPTED, **story.state.dismantlement)
    story.when(ADOPT).then([of_dismantling])
    assert story.state.place == AtSite(CENTRE)


def test_a_number_on_its_way_elsewhere_is_adopted_and_kept_apart():
    story = device(*ON_THE_WAY).when(ADOPT)
    displaced = {"unexpected": True, "recorded_as": "in transit with SH-1"}
    story.then([msgspec.structs.replace(ADOPTED, **displaced, dismantled_version=1)])


@pytest.mark.parametrize(("life", "site"), [(IN_STORE, STORE), ((TURN_UP,), CENTRE), (IN_STOCK, CENTRE)])
def test_a_number_that_lies_at_a_site_already_takes_over_no_second_device(life, site):
    story = device(*life)
    before = story.state.place
    story.when(msgspec.structs.replace(ADOPT, holds=(COURT,)))
    story.then([on(AdoptionRefused, **SECOND, why="at_a_site", recorded_as=f"at site {site}")])
    assert story.state.place == before
    assert not story.state.held


def test_a_number_that_was_sold_or_destroyed_is_an_alarm():
    alarm = on(Reappeared, site=CENTRE, ended_as="sold in LOT-1", last_holder="RC-1")
    story = device(*SOLD).when(ADOPT)
    displaced = {"unexpected": True, "recorded_as": "with recycler RC-1, lot LOT-1", "dismantled_version": 1}
    story.then([alarm, msgspec.structs.replace(ADOPTED, **displaced)])
    destroyed = msgspec.structs.replace(alarm, ended_as="destroyed")
    refused = on(AdoptionRefused, **SECOND, why="destroyed", recorded_as="destroyed")
    device(*SOLD, on(Destroy, certificate="C-9")).when(ADOPT).then([destroyed, refused])


def test_a_number_that_was_written_off_or_given_back_is_in_custody_again():
    lost = (*ON_THE_WAY, on(MarkMissing, shipment="SH-1"), LOSE, WRITE_OFF)
    again = {"unexpected": True, "recorded_as": "written off", "dismantled_version": 1}
    alarm = on(Reappeared, site=CENTRE, ended_as="written_off", last_holder=STORE)
    device(*lost).when(ADOPT).then([alarm, msgspec.structs.replace(ADOPTED, **again)])
    home = (about(TURN_UP, CUSTOMERS), about(release("customer"), CUSTOMERS))
    home += (on(ReturnToCustomer, asset_no=CUSTOMERS, reference="R-1"),)
    (adopted,) = device(*home).when(about(ADOPT, CUSTOMERS)).outcome
    assert (adopted.unexpected, adopted.recorded_as) == (True, "returned to its customer")


def test_a_correction_names_the_event_and_what_it_should_have_said():
    story = device(*IN_STORE).when(correct(1, reason="burnt", county="990401"))
    story.then([corrected(1, reason="burnt", county="990401", dismantled_version=1)])
    described = Description(maker="M-1", made_on=date(2015, 1, 1))
    story.when(correct(0, description=described)).then([corrected(0, description=described, dismantled_version=1)])


def test_there_must_be_something_to_correct():
    story = device(*IN_STORE)
    story.when(correct(2, reason="burnt")).refused(NO_SUCH_EVENT, version=2)
    story.when(correct(1)).refused(NOTHING_CORRECTED)
    story.when(correct(1, reason="burnt", did_not_happen=True)).refused(NOTHING_CORRECTED)
    given(METER).when(correct(0, unit=UNIT)).refused(UNKNOWN)
    with pytest.raises(msgspec.ValidationError):
        device(*IN_STORE).when(correct(-1, reason="burnt"))


def test_a_corrected_class_moves_the_device_between_balances():
    story = device(*IN_STORE).when(correct(0, device_class="02"))
    between = {"moved_out": moved(STORE), "moved_in": moved(to_site=STORE, device_class="02")}
    story.then([corrected(0, device_class="02", **between, dismantled_version=1)])
    story.when(msgspec.structs.replace(DISPATCH, device_class="02"))
    assert story.outcome[0].moved == moved(STORE, device_class="02")
    device(REGISTER).when(correct(0, device_class="02")).then([corrected(0, device_class="02")])
    device(REGISTER, DISMANTLE).when(correct(0, device_class="01")).then(
        [corrected(0, device_class="01", dismantled_version=1)]
    )


def test_a_corrected_owner_is_asked_for_consent():
    story = device(*TO_SCRAP, correct(0, owner="customer"))
    assert story.state.owner == "customer"
    assert not story.state.consented


def test_a_corrected_unit_counts_only_where_it_was_said_last():
    device(*IN_STORE).when(correct(0, unit="99402")).refused(NOT_IN_THAT_EVENT, member="unit")
    assert device(*IN_STORE, correct(1, unit="99402")).state.unit == "99402"
    assert device(REGISTER, correct(0, unit="99402")).state.unit == "99402"


def test_a_dismantling_that_did_not_happen_is_taken_back():
    story = device(*IN_STORE).when(correct(1, did_not_happen=True))
    story.then([corrected(1, did_not_happen=True, moved_out=moved(STORE), dismantled_version=1)])
    assert story.state.place == InService()
    again = story.when(DISMANTLE)
    again.then(again.outcome)
    assert again.state.dismantled_version == 3


def test_a_dismantling_taken_back_leaves_nothing_that_was_done_because_of_it():
    done = (ground("verdict_scrap"), ground("scrap_approval"), CLEAR)
    story = device(*IN_STORE, *done, correct(1, did_not_happen=True))
    assert (story.state.preconditions, story.state.data_cleared) == ({}, False)
    again = (DISMANTLE, DISPATCH, RECEIVE)
    for command in again:
        story.when(command)
        story.then(story.outcome)
    story.when(release("materials")).refused(PRECONDITION_MISSING)


def test_nothing_else_is_taken_back():
    device(*IN_STORE).when(correct(0, did_not_happen=True)).refused(CANNOT_BE_TAKEN_BACK, version=0)
    device(*ON_THE_WAY).when(correct(1, did_not_happen=True)).refused(CANNOT_BE_TAKEN_BACK)
    device(*IN_STOCK).when(correct(3, did_not_happen=True)).refused(CANNOT_BE_TAKEN_BACK)


def test_a_dismantling_on_another_day_counts_there_in_the_store_it_came_to():
    earlier = DAY - timedelta(days=2)
    again = Movement(device_class="01", to_site=STORE, on=earlier, instead_of=DAY)
    said = corrected(1, dismantled_on=earlier, dismantled_version=1, restated=again)
    device(*ON_THE_WAY).when(correct(1, dismantled_on=earlier)).then([said])
    there = msgspec.structs.replace(said, there_since=earlier)
    device(*IN_STORE).when(correct(1, dismantled_on=earlier)).then([there])
    same_day = corrected(1, dismantled_on=DAY, dismantled_version=1, there_since=DAY)
    device(*IN_STORE).when(correct(1, dismantled_on=DAY)).then([same_day])


def test_no_dismantling_is_after_the_correction_that_tells_of_it():
    later = correct(1, dismantled_on=DAY + timedelta(days=1))
    device(*IN_STORE).when(later).refused(DISMANTLED_LATER, day=DAY)


def test_an_ended_record_can_still_be_corrected():
    lost = (*ON_THE_WAY, on(MarkMissing, shipment="SH-1"), LOSE, WRITE_OFF)
    story = device(*lost).when(correct(0, device_class="02"))
    story.then([corrected(0, device_class="02", dismantled_version=1)])
    story.when(HOLD).refused(ENDED)


def test_a_late_stranger_keeps_the_unit_in_its_number():
    (stranger,) = given(METER).when(about(TURN_UP, TEMPORARY)).outcome
    assert stranger == on(Unexpected, asset_no=TEMPORARY, owner="company", unit="99401", moved=moved(to_site=CENTRE))


WRONG_EVENTS = {
    "work_order": (0, "WO-9", "1"),
    "reason": (2, "burnt", "1"),
    "dismantled_on": (2, DAY, "1"),
    "unit": (0, "99402", "1"),
    "county": (2, "990401", "0, 1"),
    "owner": (1, "customer", "0"),
    "device_class": (2, "02", "0, 1"),
    "description": (1, Description(maker="M-1"), "0"),
}


@pytest.mark.parametrize("member", WRONG_EVENTS)
def test_what_an_event_does_not_say_is_not_corrected_in_it_and_the_refusal_names_the_one_that_does(member):
    version, value, said_in = WRONG_EVENTS[member]
    story = device(*IN_STORE, READ)
    said = (f"载有它的版本为 {said_in}", f"it is said in {said_in}")
    story.when(correct(version, **{member: value})).refused(NOT_IN_THAT_EVENT, member=member, carried=said)
    right = correct(int(said_in[0]), **{member: value})
    story.when(right).then(story.outcome)


KWH_FOR_WH = Reading(total_wh=1_234)
READ = on(RecordFinalReading, reading=KWH_FOR_WH)
IN_WH = Reading(total_wh=1_234_000)
DISPUTE = on(DisputeFinalReading, case="D-1", ground="too high")


def test_a_reading_in_the_wrong_unit_is_corrected_whole_on_the_event_that_holds_it():
    story = device(*IN_STORE, READ).when(correct(2, reading=IN_WH))
    story.then([corrected(2, reading=IN_WH, dismantled_version=1)])
    story.when(correct(2, reading=Reading(total_wh=1_235_000)))
    story.then(story.outcome)
    for other in (0, 1, 3):
        story.when(correct(other, reading=IN_WH)).refused(NOT_IN_THAT_EVENT, version=other, member="reading")
    story.when(correct(2, reading=Reading(ratio_micro=1_000_000))).refused(READING_EMPTY)
    device(*IN_STORE).when(correct(1, reading=IN_WH)).refused(NOT_IN_THAT_EVENT)


def test_a_reading_in_dispute_is_corrected_by_resolving_it_and_afterwards_where_it_was_resolved():
    story = device(*IN_STORE, READ, DISPUTE).when(correct(2, reading=IN_WH)).refused(READING_IN_DISPUTE)
    story.when(on(ResolveFinalReading, case="D-1", outcome="corrected", reading=Reading(total_wh=1_000)))
    story.then(story.outcome)
    story.when(correct(2, reading=IN_WH)).refused(NOT_IN_THAT_EVENT)
    story.when(correct(4, reading=IN_WH)).then([corrected(4, reading=IN_WH, dismantled_version=1)])
    upheld = device(*IN_STORE, READ, DISPUTE, on(ResolveFinalReading, case="D-1", outcome="upheld"))
    upheld.when(correct(2, reading=IN_WH)).then([corrected(2, reading=IN_WH, dismantled_version=1)])


def test_a_corrected_reading_is_on_the_card():
    told = [
        on(Registered, device_class="01", unit=UNIT, owner="company", origin="in_service"),
        on(FinalReadingRecorded, reading=KWH_FOR_WH),
        corrected(1, reading=IN_WH),
    ]
    assert rows(CARD, told)[(NUMBER,)].reading_total_wh == 1_234_000
