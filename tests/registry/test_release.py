"""Out of a site for a purpose, and back."""

from datetime import timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.registry.meter import METER
from services.registry.meter.binding import BindIdentity, EndTemporaryIdentity
from services.registry.meter.custody import NOT_AT_SITE
from services.registry.meter.dismantling import Reading, RecordFinalReading
from services.registry.meter.end import DestroyChip, LeaveWithMaker
from services.registry.meter.identity import CorrectRecord
from services.registry.meter.missing import MarkFound, MarkMissing
from services.registry.meter.release import (
    ALREADY_REPLACED,
    CERTIFICATE_EXPIRED,
    MADE_USELESS,
    NOT_OUT,
    NOT_THE_CUSTOMERS,
    PRECONDITION_MISSING,
    RELEASES,
    REPLACES_ITSELF,
    PreconditionRecorded,
    ReceivedFromMaker,
    ReceiveFromMaker,
    RecordPrecondition,
    RecordReplacement,
    Reinstall,
    Reinstalled,
    Released,
    Replaced,
    ReturnedToCustomer,
    ReturnedToMaker,
    ReturnSample,
    ReturnToCustomer,
    ReturnToMaker,
    SampleReturned,
)
from services.registry.meter.state import (
    BOUND,
    CONSENT_MISSING,
    ENDED,
    KEPT_APART,
    UNKNOWN,
    AtSite,
    Ended,
    InService,
    WithMaker,
)
from services.registry.meter.unexpected import RecordConsent
from services.registry.policies import when_received_from_maker_record_replacement
from services.registry.vocabulary import PRECONDITIONS, PURPOSES, VERDICTS, PreconditionKind, Purpose
from tests.given import given, recorded
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DAY,
    DEFACE,
    IN_STOCK,
    NUMBER,
    OTHER,
    REGISTER,
    STORE,
    TEMPORARY,
    TO_REUSE,
    TO_SCRAP,
    TURN_UP,
    UNIT,
    YARD,
    about,
    device,
    ground,
    moved,
    on,
    release,
)

REINSTALL = on(Reinstall, work_order="WO-2", unit=UNIT)
AT_MAKER = msgspec.structs.replace(REGISTER, origin="maker")
FROM_MAKER = on(ReceiveFromMaker, site=CENTRE)
CLAIMED = (*IN_STOCK, ground("verdict_claim"), ground("claim_agreement"), release("maker"))


def released(purpose, reference="R-1"):
    return on(Released, purpose=purpose, reference=reference, moved=moved(CENTRE))


def in_stock_for(purpose):
    return (*IN_STOCK, *(ground(kind) for kind in RELEASES[purpose].needs))


@for_all(st.sampled_from(get_args(Purpose)), st.lists(st.sampled_from(get_args(PreconditionKind)), unique=True))
def test_a_device_leaves_for_a_purpose_when_every_ground_stands(purpose, kinds):
    story = device(*IN_STOCK, *(ground(kind) for kind in kinds)).when(release(purpose))
    # A verdict clears away the verdict before it and whatever was approved on that one.
    latest = max((place for place, kind in enumerate(kinds) if kind in VERDICTS), default=-1)
    samples = {"review_sample", "laboratory_request", "maker_sample_request", "evidence_order"}
    standing = {kind for place, kind in enumerate(kinds) if place >= latest or kind in samples}
    if purpose == "customer":
        story.refused(NOT_THE_CUSTOMERS)
    elif set(RELEASES[purpose].needs) <= standing:
        story.then([released(purpose)])
    else:
        story.refused(PRECONDITION_MISSING, purpose=PURPOSES[purpose])


def test_every_purpose_has_its_ground_but_the_owners_own():
    assert set(RELEASES) == set(get_args(Purpose))
    assert [purpose for purpose, rule in RELEASES.items() if not rule.needs] == ["customer"]


def test_what_is_missing_is_named_in_both_languages():
    refusal = device(*IN_STOCK).when(release("materials")).outcome
    assert "报废结论、报废审批" in refusal.zh
    assert "a verdict of scrap, a scrap approval" in refusal.en


def test_grounds_are_put_on_record_wherever_the_device_is():
    story = device(REGISTER).when(ground("review_sample", "RV-1"))
    story.then([on(PreconditionRecorded, kind="review_sample", reference="RV-1")])
    given(METER).when(ground("review_sample")).refused(UNKNOWN)


def test_a_new_verdict_takes_away_what_the_old_one_was_ground_for():
    story = device(*TO_SCRAP, ground("review_sample"), ground("verdict_reuse", "V-2"))
    assert set(story.state.preconditions) == {"verdict_reuse", "review_sample"}
    story = device(*TO_SCRAP, ground("verdict_scrap"))
    assert set(story.state.preconditions) == {"verdict_scrap", "scrap_approval"}, "the same verdict told again"
    story = device(*TO_SCRAP, ground("verdict_scrap", "V-2"))
    assert set(story.state.preconditions) == {"verdict_scrap"}


@pytest.mark.parametrize("purpose", [purpose for purpose, rule in RELEASES.items() if rule.returns])
def test_what_is_expected_back_comes_back_and_its_order_is_used_up(purpose):
    story = device(*in_stock_for(purpose), release(purpose)).when(on(ReturnSample, site=YARD))
    story.then([on(SampleReturned, purpose=purpose, moved=moved(to_site=YARD), dismantled_version=1)])
    assert story.state.place == AtSite(YARD)
    assert set(story.state.preconditions) <= VERDICTS
    story.when(release(purpose, site=YARD)).refused(PRECONDITION_MISSING)


@pytest.mark.parametrize("purpose", ["maker", "materials"])
def test_what_is_not_expected_back_is_no_sample(purpose):
    device(*in_stock_for(purpose), release(purpose)).when(on(ReturnSample, site=CENTRE)).refused(NOT_OUT)
    device(*IN_STOCK).when(on(ReturnSample, site=CENTRE)).refused(NOT_OUT)


def test_it_leaves_from_where_it_is_and_once():
    story = device(*in_stock_for("review")).when(release("review", site=STORE)).refused(NOT_AT_SITE, site=STORE)
    story.when(release("review")).then([released("review")])
    story.when(release("review")).refused(NOT_AT_SITE)
    device(TURN_UP, ground("review_sample")).when(release("review")).refused(KEPT_APART)


def test_a_released_device_is_reinstalled():
    story = device(*TO_REUSE, release("reinstall")).when(REINSTALL)
    story.then([on(Reinstalled, work_order="WO-2", unit=UNIT, dismantled_version=1)])
    assert story.state.place == InService()
    story.when(REINSTALL).refused(NOT_OUT, place=("运行中", "in service"))


def test_a_reinstalled_device_is_its_new_units_and_of_no_dismantling():
    elsewhere = msgspec.structs.replace(REINSTALL, unit="99402")
    story = device(*TO_REUSE, release("reinstall"), elsewhere)
    (displaced,) = story.when(TURN_UP).outcome
    assert (displaced.unit, displaced.dismantled_version) == ("99402", None)
    right = on(CorrectRecord, corrects_version=story.state.version, why="misread", unit="99403")
    story.when(right)
    story.then(story.outcome)
    assert story.state.unit == "99403"


def test_nothing_is_reinstalled_without_a_certificate_that_still_stands():
    device(*IN_STOCK, ground("verdict_reuse")).when(release("reinstall")).refused(PRECONDITION_MISSING)
    unjudged = device(*IN_STOCK, ground("re_verification")).when(release("reinstall"))
    unjudged.refused(PRECONDITION_MISSING, missing=PRECONDITIONS["verdict_reuse"])
    judged_again = device(*TO_REUSE, release("reinstall"), ground("verdict_reuse", "V-2"))
    judged_again.when(REINSTALL).refused(PRECONDITION_MISSING)


def test_a_verdict_of_hold_withdraws_the_one_before_it_and_is_the_ground_of_nothing():
    story = device(*TO_REUSE, ground("verdict_hold", "V-2")).when(release("reinstall")).refused(PRECONDITION_MISSING)
    assert set(story.state.preconditions) == {"verdict_hold"}
    assert not any("verdict_hold" in rule.needs for rule in RELEASES.values())


def test_nothing_is_reinstalled_on_a_certificate_that_has_run_out():
    until = DAY + timedelta(days=1)
    certified = on(RecordPrecondition, kind="re_verification", reference="C-1", valid_until=until)
    story = device(*IN_STOCK, ground("verdict_reuse"), certified)
    late = msgspec.structs.replace(release("reinstall"), occurred_on=until + timedelta(days=1))
    story.when(late).refused(CERTIFICATE_EXPIRED, certificate="C-1", valid_until=until)
    story.when(msgspec.structs.replace(late, occurred_on=until))
    story.then(story.outcome)
    story.when(msgspec.structs.replace(REINSTALL, occurred_on=late.occurred_on)).refused(CERTIFICATE_EXPIRED)
    story.when(REINSTALL)
    story.then(story.outcome)


@pytest.mark.parametrize(
    "absence",
    [
        (ground("repair_order"), release("repair"), on(ReturnSample, site=CENTRE)),
        (ground("repair_order"), release("repair"), FROM_MAKER),
        (ground("laboratory_request"), release("laboratory"), on(ReturnSample, site=CENTRE)),
        (on(MarkMissing, site=CENTRE), on(MarkFound, site=CENTRE)),
    ],
    ids=["repaired", "repaired by its maker", "tested", "missing"],
)
def test_a_certificate_lapses_when_the_device_leaves_the_house(absence):
    story = device(*TO_REUSE, *absence).when(release("reinstall"))
    story.refused(PRECONDITION_MISSING, missing=PRECONDITIONS["re_verification"])
    device(*TO_REUSE, *absence, ground("re_verification", "CERT-2")).when(release("reinstall")).then(
        [released("reinstall")]
    )


def test_what_was_made_useless_is_neither_repaired_nor_reinstalled():
    for useless in (DEFACE, on(DestroyChip)):
        judged_again = (*TO_SCRAP, useless, ground("verdict_reuse"), ground("re_verification"), ground("repair_order"))
        device(*judged_again).when(release("reinstall")).refused(MADE_USELESS)
        device(*judged_again).when(release("repair")).refused(MADE_USELESS)


def test_a_claimed_device_goes_to_its_maker_and_may_come_back_to_be_judged_again():
    gave = on(ReturnToMaker, maker="M-1", reference="R-2")
    story = device(*CLAIMED).when(gave).then([on(ReturnedToMaker, maker="M-1", reference="R-2")])
    assert story.state.place == WithMaker("M-1")
    story.when(gave).refused(NOT_OUT)
    story.when(FROM_MAKER).then([on(ReceivedFromMaker, moved=moved(to_site=CENTRE), dismantled_version=1)])
    assert not story.state.preconditions
    device(*IN_STOCK).when(gave).refused(NOT_OUT)


def test_what_the_maker_would_not_take_is_judged_again():
    assert not device(*CLAIMED, FROM_MAKER).state.preconditions


def test_a_new_device_comes_in_place_of_another_and_needs_no_verdict():
    story = device(AT_MAKER).when(msgspec.structs.replace(FROM_MAKER, replaces=OTHER))
    story.then([on(ReceivedFromMaker, moved=moved(to_site=CENTRE), replaces=OTHER)])
    story.when(release("reinstall")).refused(PRECONDITION_MISSING, missing=PRECONDITIONS["re_verification"])
    story.when(ground("re_verification"))
    story.then(story.outcome)
    story.when(release("reinstall")).then([released("reinstall")])
    story.when(REINSTALL).then([on(Reinstalled, work_order="WO-2", unit=UNIT)])


def test_what_came_in_place_of_a_device_stands_on_its_record_too():
    came = on(ReceivedFromMaker, moved=moved(to_site=CENTRE), replaces=NUMBER, asset_no=OTHER)
    (command,) = when_received_from_maker_record_replacement(came, recorded(came))
    assert command == on(RecordReplacement, replaced_by=OTHER)
    assert not list(when_received_from_maker_record_replacement(on(ReceivedFromMaker, moved=moved()), recorded(came)))
    gave = on(ReturnToMaker, maker="M-1", reference="R-2")
    story = device(*CLAIMED, gave).when(command).then([on(Replaced, replaced_by=OTHER)])
    assert story.state.place == WithMaker("M-1")
    story.when(command).refused(ALREADY_REPLACED, other=OTHER)
    story.when(on(LeaveWithMaker, settlement="replaced", reference="K-1"))
    story.then(story.outcome)


def test_a_device_whose_life_has_ended_may_have_been_replaced():
    replaced = on(RecordReplacement, replaced_by=OTHER)
    gone = (on(LeaveWithMaker, settlement="replaced", reference="K-1"),)
    story = device(*CLAIMED, on(ReturnToMaker, maker="M-1", reference="R-2"), *gone).when(replaced)
    story.then([on(Replaced, replaced_by=OTHER)])
    assert story.state.place == Ended("kept_by_maker", "M-1")
    given(METER).when(replaced).refused(UNKNOWN)
    bound = {"asset_no": TEMPORARY, "bound_to": NUMBER}
    ended = (on(BindIdentity, **bound, evidence="read"), on(EndTemporaryIdentity, **bound))
    device(ASSIGN, *ended).when(about(replaced, TEMPORARY)).refused(BOUND, number=NUMBER)


AWAY = {
    "laboratory": (("laboratory_request",), on(ReturnSample, site=CENTRE)),
    "review": (("review_sample",), on(ReturnSample, site=CENTRE)),
    "evidence": (("evidence_order",), on(ReturnSample, site=CENTRE)),
    "maker_sample": (("maker_sample_request",), on(ReturnSample, site=CENTRE)),
    "repair": (("verdict_reuse", "repair_order"), on(ReturnSample, site=CENTRE)),
    "maker": (("verdict_claim", "claim_agreement"), on(ReceiveFromMaker, site=CENTRE)),
}


@pytest.mark.parametrize("purpose", AWAY)
def test_what_others_had_in_their_hands_is_cleared_again(purpose):
    grounds, back = AWAY[purpose]
    story = device(*IN_STOCK, CLEAR, *(ground(kind) for kind in grounds), release(purpose))
    assert story.state.data_cleared
    story.when(back)
    story.then(story.outcome)
    assert not story.state.data_cleared


def test_what_was_missing_is_cleared_again():
    story = device(*IN_STOCK, CLEAR, on(MarkMissing, site=CENTRE), on(MarkFound, site=CENTRE))
    assert not story.state.data_cleared


def test_a_device_does_not_replace_itself():
    device(AT_MAKER).when(msgspec.structs.replace(FROM_MAKER, replaces=NUMBER)).refused(REPLACES_ITSELF)


def test_nothing_comes_from_a_maker_that_is_not_there():
    device(*IN_STOCK).when(FROM_MAKER).refused(NOT_OUT)
    device(*in_stock_for("review"), release("review")).when(FROM_MAKER).refused(NOT_OUT)
    device(AT_MAKER, FROM_MAKER).when(FROM_MAKER).refused(NOT_OUT)


def test_a_customers_device_goes_home_even_from_apart_and_that_is_its_end():
    story = device(about(TURN_UP, CUSTOMERS)).when(about(release("customer", site=STORE), CUSTOMERS))
    story.refused(NOT_AT_SITE, site=STORE)
    story.when(about(release("customer"), CUSTOMERS))
    story.then([about(released("customer"), CUSTOMERS)])
    home = on(ReturnToCustomer, asset_no=CUSTOMERS, reference="receipt 4")
    story.when(home).then([on(ReturnedToCustomer, asset_no=CUSTOMERS, reference="receipt 4")])
    story.when(home).refused(ENDED)
    device(*CLAIMED).when(on(ReturnToCustomer, reference="receipt 4")).refused(NOT_OUT)


def test_what_went_home_comes_again_as_if_for_the_first_time():
    read = on(RecordFinalReading, reading=Reading(total_wh=1))
    home = (release("customer"), on(ReturnToCustomer, reference="receipt 4"))
    life = (*IN_STOCK, read, ground("review_sample"), *home, TURN_UP)
    story = device(*(about(one, CUSTOMERS) for one in life))
    assert story.state.dismantled_version is None
    assert not story.state.preconditions
    assert len(story.when(about(read, CUSTOMERS)).outcome) == 1


def test_a_customers_device_goes_nowhere_else_without_consent():
    came = tuple(about(one, CUSTOMERS) for one in in_stock_for("review"))
    story = device(*came).when(about(release("review"), CUSTOMERS)).refused(CONSENT_MISSING)
    story.when(on(RecordConsent, asset_no=CUSTOMERS, reference="form 3"))
    story.then(story.outcome)
    story.when(about(release("review"), CUSTOMERS)).then([about(released("review"), CUSTOMERS)])


def test_a_corrected_owner_binds_the_next_release():
    corrected = on(CorrectRecord, corrects_version=0, why="third digit is 0", owner="customer")
    device(*in_stock_for("review"), corrected).when(release("review")).refused(CONSENT_MISSING)


def test_a_precondition_told_again_is_recorded_again():
    story = device(*IN_STOCK, ground("verdict_reuse")).when(
        on(RecordPrecondition, kind="verdict_reuse", reference="R-1")
    )
    story.then([on(PreconditionRecorded, kind="verdict_reuse", reference="R-1")])
