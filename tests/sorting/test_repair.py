"""Made fit for use again: from the order to a certificate, or to being judged again."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.sorting.certificate import CERTIFICATE, USED, CertificateClaimed, ClaimCertificate
from services.sorting.evaluation import ITEM_MISSING, Measured
from services.sorting.inspection.departure import AbandonDeparted, CloseInspection
from services.sorting.inspection.opening import AbandonInspection, OpenOnRecord
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride, RejectOverride
from services.sorting.inspection.population import JoinPopulation, LeavePopulation
from services.sorting.inspection.repair_order import (
    CERTIFIED,
    NOT_FOR_REUSE,
    NOT_JUDGED,
    NOT_SOUND,
    PROPOSED,
    TERMS_MISSING,
    CloseRepair,
    RepairClosed,
    RepairOrdered,
)
from services.sorting.inspection.state import FROZEN, UNDER_REPAIR
from services.sorting.inspection.state import UNKNOWN as NEVER_INSPECTED
from services.sorting.inspection.steps import NOT_APPLICABLE, StepReport
from services.sorting.inspection.verdict import Rejudge, RejudgeByRulebook
from services.sorting.policies import POLICIES
from services.sorting.repair import (
    KEYS_FIRST,
    NO_KEYS,
    NOT_NOW,
    NOT_SENT,
    NOT_VALID,
    NOT_WHOLE,
    PHASES,
    REPAIR,
    UNKNOWN,
    WHY_MISSING,
    BeginRepair,
    CancelRepair,
    FailReVerification,
    KeysRestored,
    PartReplaced,
    RepairBegun,
    RepairCancelled,
    RepairReturned,
    RestoreKeys,
    ReturnFromRepair,
    ReVerificationFailed,
    ReVerified,
    SendForRepair,
    SentForRepair,
)
from services.sorting.views.repair import REPAIRS
from tests.given import asked, given, rows
from tests.sorting.examples import ACCURATE, DAY, POWERED, SITE, UNIT, WHOLE, performed
from tests.sorting.stories import (
    BEGIN,
    BEGIN_REPAIR,
    DEVICE,
    KEYS,
    NUMBER,
    ORDER,
    ORDER_REPAIR,
    REF,
    REPAIR_ID,
    RULEBOOK,
    VALID_UNTIL,
    device,
    judging,
    on,
    repair,
    verify,
)

POLICY = {policy.name: policy for policy in POLICIES}
FLAT = performed(Measured(item="clock_battery", value=1_000))
BURNT = performed(Measured(item="case", choice="burnt", photos=("0" * 64,)))
JUDGED = (judging(),)
FAULTY = (judging(function=FLAT),)
OPEN_AGAIN = on(OpenOnRecord, bench="B1", site=SITE, why="doubted", device=DEVICE, scheme=REF)
DOUBT = on(ProposeOverride, disposition="scrap", why="worn", by="u-2")
SEND = on(SendForRepair, reference="DN-1")
BACK = on(ReturnFromRepair, outcome="repaired", parts=(PartReplaced(part="battery", quantity=1),))
BEYOND = on(ReturnFromRepair, outcome="beyond_repair", why="board corroded")
FAIL = on(FailReVerification, verifier="u-1", why="seal holes torn")
CANCEL = on(CancelRepair, why="ordered by mistake")
MENDED = (BEGIN_REPAIR, SEND, BACK)
CERTIFIED_WITH = on(CloseRepair, certificate="C-0001")


def test_what_is_judged_sound_takes_the_route_without_repair():
    story = device(*JUDGED).when(ORDER)
    story.then([on(RepairOrdered, round=1, route="no_fault", repairer="CENTRE", device=DEVICE, scheme=REF)])
    assert story.state.repair == REPAIR_ID
    device(*FAULTY).when(ORDER).refused(NOT_SOUND)


def test_a_repair_has_a_scope_and_a_price():
    story = device(*FAULTY).when(ORDER_REPAIR)
    (event,) = story.outcome
    assert (event.repaired_by, event.repairer, event.scope, event.price_fen) == ("maker", "M01", "clock battery", 1_500)
    for lacking in ({"scope": None}, {"price_fen": None}):
        device(*FAULTY).when(msgspec.structs.replace(ORDER_REPAIR, **lacking)).refused(TERMS_MISSING)
    for too_much in ({"scope": "case"}, {"price_fen": 1}, {"repaired_by": "maker"}):
        device(*JUDGED).when(msgspec.structs.replace(ORDER, **too_much)).refused(TERMS_MISSING)


def test_only_what_is_to_be_used_again_is_repaired():
    device().when(ORDER).refused(NEVER_INSPECTED)
    untested = StepReport(ended="not_possible", why="burnt")
    burnt = judging(appearance=BURNT, function=untested, accuracy=untested)
    device(burnt).when(ORDER).refused(NOT_FOR_REUSE)
    device(*JUDGED, OPEN_AGAIN).when(ORDER).refused(NOT_JUDGED)
    device(*JUDGED, DOUBT).when(ORDER).refused(PROPOSED)
    device(*JUDGED, DOUBT, on(RejectOverride, why="sound", by="u-3"), ORDER)


def test_what_is_frozen_for_a_review_is_not_repaired_and_what_is_repaired_joins_no_review():
    join = on(JoinPopulation, review="RV-1")
    device(*JUDGED, join).when(ORDER).refused(FROZEN, review="RV-1")
    device(*JUDGED, join, on(LeavePopulation, review="RV-1"), ORDER)
    story = device(*JUDGED, ORDER).when(join).refused(UNDER_REPAIR, repair=REPAIR_ID)
    story.when(CERTIFIED_WITH)
    story.then([on(RepairClosed, certificate="C-0001")])
    story.when(join)
    story.then(story.outcome)


@pytest.mark.parametrize("command", [ORDER, OPEN_AGAIN, DOUBT], ids=["ordered twice", "opened", "overruled"])
def test_nothing_about_a_verdict_changes_while_its_repair_is_under_way(command):
    device(*JUDGED, ORDER).when(command).refused(UNDER_REPAIR, repair=REPAIR_ID)


def test_what_was_certified_is_inspected_anew_before_it_is_repaired_once_more():
    story = device(*JUDGED, ORDER, CERTIFIED_WITH).when(ORDER).refused(CERTIFIED, certificate="C-0001")
    story.when(judging(why="doubted"))
    story.then(story.outcome)
    (event,) = story.when(ORDER).outcome
    assert (event.repair, event.round) == (f"{NUMBER}-2", 2)


def test_what_was_doubted_has_no_certificate_even_if_its_verdict_stands_again():
    story = device(*JUDGED, ORDER, CERTIFIED_WITH, OPEN_AGAIN).when(on(AbandonInspection, why="wrong device"))
    (given_up,) = story.outcome
    assert (given_up.stands, given_up.disposition) == (1, "reuse")
    story.then(story.outcome)
    assert (story.state.disposition, story.state.certificate) == ("reuse", None)
    (event,) = story.when(ORDER).outcome
    assert event.repair == f"{NUMBER}-2"


def test_a_cancelled_order_leaves_the_verdict_and_room_for_another():
    story = device(*JUDGED, ORDER).when(on(CloseRepair)).then([on(RepairClosed)])
    (event,) = story.when(ORDER).outcome
    assert event.repair == f"{NUMBER}-2"


def test_only_the_repair_that_is_under_way_is_closed():
    device(*JUDGED, ORDER).when(on(CloseRepair, repair=f"{NUMBER}-9")).then([])
    device(*JUDGED).when(CERTIFIED_WITH).then([])


def test_a_failed_repair_has_its_device_judged_again_by_that():
    story = device(*JUDGED, ORDER).when(on(RejudgeByRulebook, because=REPAIR_ID, rulebook=RULEBOOK))
    (verdict,) = story.outcome
    assert verdict.again == REPAIR_ID
    assert ("repair", "failed") in [(one.column, one.word) for one in verdict.inputs]
    story.then(story.outcome)
    assert story.state.repair is None


def test_a_repair_begins_with_its_order_and_once():
    (ordered,) = device(*FAULTY).when(ORDER_REPAIR).outcome
    (command,) = asked(POLICY["repair_follows_order"], ordered)
    assert command == BEGIN_REPAIR
    story = given(REPAIR).when(command)
    story.then([on(RepairBegun, **{name: getattr(command, name) for name in command.__struct_fields__[2:]})])
    story.when(command).then([])


def test_what_was_never_ordered_is_not_repaired():
    for command in (SEND, BACK, KEYS, verify(), FAIL, CANCEL):
        repair().when(command).refused(UNKNOWN)


def test_without_a_fault_keys_and_a_certificate_are_all():
    story = repair(BEGIN).when(SEND).refused(NOT_SENT)
    story.when(verify()).refused(KEYS_FIRST)
    story.when(KEYS).then([on(KeysRestored, reference="KEY-1")])
    said = verify()
    members = {name: getattr(said, name) for name in ReVerified.__struct_fields__ if hasattr(said, name)}
    story.when(said).then([ReVerified(**members | {"scheme": REF, "asset_no": NUMBER})])
    assert story.state.phase == "verified"


def test_what_needs_repair_is_sent_comes_back_and_is_verified():
    story = repair(BEGIN_REPAIR)
    for early in (BACK, KEYS, verify(), FAIL):
        story.when(early).refused(NOT_NOW, phase=PHASES["begun"])
    story.when(SEND).then([on(SentForRepair, reference="DN-1")])
    story.when(SEND).refused(NOT_NOW, phase=PHASES["sent"])
    story.when(BACK).then([on(RepairReturned, outcome="repaired", parts=BACK.parts)])
    story.when(KEYS)
    story.then(story.outcome)
    story.when(verify())
    story.then(story.outcome)


def test_what_came_back_says_why_where_it_is_beyond_repair():
    story = repair(BEGIN_REPAIR, SEND)
    story.when(msgspec.structs.replace(BEYOND, why=None)).refused(WHY_MISSING)
    story.when(msgspec.structs.replace(BACK, why="mended")).refused(WHY_MISSING)
    story.when(BEYOND)
    story.then(story.outcome)
    story.when(verify()).refused(NOT_NOW, phase=PHASES["beyond_repair"])


def test_a_class_without_keys_has_none_restored():
    transformer = msgspec.structs.replace(BEGIN, device=msgspec.structs.replace(DEVICE, device_class="06"))
    story = repair(transformer).when(KEYS).refused(NO_KEYS, device_class="06")
    story.when(verify())
    (event,) = story.outcome
    assert isinstance(event, ReVerified)


def test_a_measured_fault_is_a_failure_whoever_says_otherwise():
    story = repair(BEGIN, KEYS).when(verify(function=FLAT))
    (event,) = story.outcome
    assert isinstance(event, ReVerificationFailed)
    assert (event.faults, event.function, event.scheme) == (("battery_low",), FLAT, REF)
    story.then(story.outcome)
    story.when(verify()).refused(NOT_NOW, phase=PHASES["failed"])


@pytest.mark.parametrize(
    "left_out", [StepReport(ended="not_possible", why="no bench"), StepReport(ended="waived", rule="W1", why="new")]
)
@pytest.mark.parametrize("step", ["appearance", "function", "accuracy"])
def test_a_re_verification_leaves_nothing_out(step, left_out):
    repair(BEGIN, KEYS).when(verify(**{step: left_out})).refused(NOT_WHOLE)


def test_a_re_verification_is_held_against_the_norms():
    repair(BEGIN, KEYS).when(verify(accuracy=performed())).refused(ITEM_MISSING)
    no_function = tuple(
        msgspec.structs.replace(norm, applicable=norm.step != "function") for norm in RULEBOOK.scheme.norms
    )
    scheme = msgspec.structs.replace(RULEBOOK.scheme, norms=no_function)
    repair(BEGIN, KEYS).when(verify(scheme=scheme)).refused(NOT_APPLICABLE)
    left_out = verify(scheme=scheme, function=StepReport(ended="not_applicable"))
    assert isinstance(repair(BEGIN, KEYS).when(left_out).outcome[0], ReVerified)


def test_a_certificate_holds_longer_than_its_day():
    for day in (DAY, DAY - timedelta(days=1)):
        repair(BEGIN, KEYS).when(verify(valid_until=day)).refused(NOT_VALID)


def test_a_re_verification_fails_for_a_reason_that_no_value_says():
    for story in (repair(BEGIN), repair(BEGIN, KEYS), repair(*MENDED), repair(*MENDED, KEYS)):
        story.when(FAIL).then([on(ReVerificationFailed, verifier="u-1", why="seal holes torn")])


def test_it_is_cancelled_before_its_end_and_not_after():
    for begun in ((BEGIN,), (BEGIN, KEYS), (BEGIN_REPAIR, SEND), MENDED):
        repair(*begun).when(CANCEL).then([on(RepairCancelled, why="ordered by mistake")])
    for ended in ((BEGIN, KEYS, verify()), (BEGIN, FAIL), (BEGIN_REPAIR, SEND, BEYOND), (BEGIN, CANCEL)):
        repair(*ended).when(CANCEL).refused(NOT_NOW)


def test_a_certificate_number_is_one_repairs_for_ever():
    story = given(CERTIFICATE).when(on(ClaimCertificate, certificate="C-0001"))
    story.then([on(CertificateClaimed, certificate="C-0001")])
    story.when(on(ClaimCertificate, certificate="C-0001")).then([])
    story.when(on(ClaimCertificate, certificate="C-0001", repair=f"{NUMBER}-2")).refused(USED, asset_no=NUMBER)


def test_the_inspections_hear_how_a_repair_ended():
    follows = POLICY["inspection_follows_repair"]
    (verified,) = repair(BEGIN, KEYS).when(verify()).outcome
    assert asked(follows, verified) == [CERTIFIED_WITH]
    judged_again = [on(Rejudge, because=REPAIR_ID)]
    for failed in (on(ReVerificationFailed, verifier="u-1"), on(RepairReturned, outcome="beyond_repair", why="wet")):
        assert asked(follows, failed) == judged_again
    assert asked(follows, on(RepairReturned, outcome="repaired")) == []
    assert asked(follows, on(RepairCancelled, why="mistake")) == [on(CloseRepair)]


COMMANDS = (BEGIN, BEGIN_REPAIR, SEND, BACK, BEYOND, KEYS, verify(), verify(function=FLAT), FAIL, CANCEL)


@for_all(st.lists(st.sampled_from(COMMANDS), max_size=12))
def test_nothing_is_certified_before_its_keys_and_its_repair(commands):
    story, done = given(REPAIR), []
    for command in commands:
        if isinstance(story.when(command).outcome, list):
            done += [type(event) for event in story.outcome]
            story.then(story.outcome)
    if ReVerified in done:
        assert KeysRestored in done
        assert (SentForRepair in done) == (story.state.route == "fault")
        assert done[-1] is ReVerified
    ends = (ReVerified, ReVerificationFailed, RepairCancelled)
    assert sum(done.count(end) for end in ends) <= 1


def test_the_view_shows_how_far_a_repair_has_come():
    story, events = given(REPAIR), []
    for command in (*MENDED, KEYS, verify()):
        events += story.when(command).outcome
        story.then(story.outcome)
    (row,) = rows(REPAIRS, events).values()
    assert (row.phase, row.certificate, row.valid_until, row.parts) == ("verified", "C-0001", VALID_UNTIL, 1)
    assert (row.begun_on, row.sent_on, row.returned_on, row.ended_on) == (DAY, DAY, DAY, DAY)
    assert (row.unit, row.maker, row.repairer, row.price_fen) == (UNIT, "M01", "M01", 1_500)
    (row,) = rows(REPAIRS, events[:3]).values()
    assert (row.phase, row.ended_on) == ("returned", None)


def test_a_re_verification_says_what_was_measured():
    (event,) = repair(BEGIN, KEYS).when(verify()).outcome
    assert (event.appearance, event.function, event.accuracy) == (WHOLE, POWERED, ACCURATE)


def test_keys_are_restored_once():
    repair(BEGIN, KEYS).when(on(RestoreKeys, reference="KEY-2")).refused(NOT_NOW)


def test_a_begun_repair_belongs_to_its_order():
    other = msgspec.structs.replace(BEGIN, repairer="ELSEWHERE")
    assert isinstance(other, BeginRepair)
    repair(BEGIN).when(other).then([])


LEAVE = on(LeavePopulation, review="RV-1")
CONFIRM = on(ConfirmOverride, by="u-3")
AGAIN = on(RejudgeByRulebook, because=REPAIR_ID, rulebook=RULEBOOK)
ANY = (
    judging(),
    judging(why="doubted"),
    OPEN_AGAIN,
    on(AbandonInspection, why="wrong bench"),
    on(JoinPopulation, review="RV-1"),
    LEAVE,
    ORDER,
    ORDER_REPAIR,
    CERTIFIED_WITH,
    on(CloseRepair),
    DOUBT,
    CONFIRM,
    on(AbandonDeparted, departure="released"),
    on(CloseInspection),
    AGAIN,
)


@for_all(st.lists(st.sampled_from(ANY), max_size=20))
def test_no_device_is_frozen_and_under_repair_at_once_and_nothing_but_its_end_touches_either(commands):
    story = device(judging())
    for command in commands:
        before = story.state
        if isinstance(story.when(command).outcome, list):
            story.then(story.outcome)
        now = story.state
        assert now.population is None or now.repair is None
        if before.population is not None or before.repair is not None:
            ends = command in (LEAVE, AGAIN) or isinstance(command, CloseRepair | CloseInspection)
            assert ends or now == before
        if now.certificate is not None:
            assert (now.phase, now.disposition) == ("judged", "reuse")


def failed_and_tried_again():
    """A device whose first re-verification failed, and which is made fit for use all the same."""
    return device(*JUDGED, ORDER, AGAIN, ORDER)


@pytest.mark.parametrize("made_good", [True, False])
def test_a_certificate_settles_the_repair_that_failed_before_it(made_good):
    story = failed_and_tried_again()
    assert story.state.repair_failed
    certificate = "C-0002" if made_good else None
    story.when(on(CloseRepair, repair=f"{NUMBER}-2", certificate=certificate))
    story.then(story.outcome)
    story.when(judging(why="doubted"))
    *_, verdict = story.outcome
    assert [one.word for one in verdict.inputs if one.column == "repair"] == ["untried" if made_good else "failed"]


def test_what_failed_in_one_life_is_not_held_against_the_next():
    story = device(*JUDGED, ORDER, AGAIN)
    assert story.state.repair_failed
    for command in (on(CloseInspection), judging()):
        story.when(command)
        story.then(story.outcome)
    assert (story.state.repair_failed, story.state.history.known.repair_failed) == (False, False)
