"""An inspection from the scan to its bench, and what ends it."""

from datetime import date

import msgspec
import pytest

from services.sorting.assessment import LoadFindings
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.opening import (
    IDENTITY_UNREAD,
    LOAD_DISAGREES,
    OPEN_ELSEWHERE,
    REASON_MISSING,
    ROUNDS_MAX,
    STILL_DIFFERS,
    TOO_MANY_ROUNDS,
    AbandonInspection,
    CheckIdentity,
    HandOverInspection,
    IdentityChecked,
    InspectionAbandoned,
    InspectionHandedOver,
    LoadRecorded,
    OpenInspection,
    RecordLoad,
)
from services.sorting.inspection.population import JoinPopulation
from services.sorting.inspection.state import FROZEN, NOT_OPEN, STOPPED, UNKNOWN
from tests.given import given
from tests.sorting.inspection.stories import (
    ADDRESS,
    AGAIN,
    BENCH,
    DEVICE,
    INSPECTED,
    JUDGE,
    JUDGED,
    NUMBER,
    OTHER_BENCH,
    SCANNED,
    SITE,
    STUCK,
    done,
    ending,
    go_on,
    on,
    opened,
    opening,
    rejudging,
    steps,
)

ABANDON = on(AbandonInspection, why="wrong bench")
LOAD = LoadFindings(
    first_on=date(2026, 1, 1),
    last_on=date(2026, 1, 2),
    points_expected=48,
    points_read=40,
    longest_gap_min=120,
    zero_days=0,
    days_read=2,
)


def checked(outcome, **fields):
    return on(IdentityChecked, round=1, outcome=outcome, **fields)


def test_an_inspection_is_open_at_one_bench():
    story = given(INSPECTION).when(opening()).then([opened()])
    story.when(opening()).then([])
    story.when(opening(bench=OTHER_BENCH)).refused(OPEN_ELSEWHERE, bench=BENCH)
    story.when(on(HandOverInspection, bench=OTHER_BENCH)).then([on(InspectionHandedOver, round=1, bench=OTHER_BENCH)])
    story.when(on(HandOverInspection, bench=OTHER_BENCH)).then([])
    story.when(opening()).refused(OPEN_ELSEWHERE, bench=OTHER_BENCH)


def test_what_a_bench_names_itself_for_must_be_open_there():
    story = done(opening())
    story.when(on(CheckIdentity, barcode=NUMBER, bench=OTHER_BENCH)).refused(OPEN_ELSEWHERE, bench=BENCH)
    go_on(story, on(CheckIdentity, barcode=NUMBER, bench=BENCH))
    story.when(ending("appearance", bench=OTHER_BENCH)).refused(OPEN_ELSEWHERE, bench=BENCH)
    go_on(story, on(HandOverInspection, bench=OTHER_BENCH), ending("appearance", bench=OTHER_BENCH))


@pytest.mark.parametrize("command", [SCANNED, on(HandOverInspection, bench=BENCH), ABANDON])
def test_nothing_is_done_to_a_device_that_was_never_inspected(command):
    given(INSPECTION).when(command).refused(UNKNOWN)


@pytest.mark.parametrize("command", [SCANNED, on(HandOverInspection, bench=BENCH), ABANDON])
def test_nothing_is_done_to_an_inspection_that_has_ended(command):
    done(*JUDGED).when(command).refused(NOT_OPEN)
    done(opening(), ABANDON).when(command).refused(NOT_OPEN)


def test_a_device_that_was_judged_is_inspected_again_for_a_reason():
    story = done(*JUDGED)
    story.when(opening()).refused(REASON_MISSING)
    story.when(AGAIN).then([opened(round=2, why=AGAIN.why)])


def test_a_device_in_a_population_is_not_inspected_again():
    done(*JUDGED, on(JoinPopulation, review="RV-1")).when(AGAIN).refused(FROZEN, review="RV-1")


def test_rounds_end():
    story = given(INSPECTION, [opened(round=ROUNDS_MAX), on(InspectionAbandoned, round=ROUNDS_MAX, why="wrong bench")])
    story.when(opening()).refused(TOO_MANY_ROUNDS, rounds=ROUNDS_MAX)


@pytest.mark.parametrize(
    ("read", "outcome", "differing"),
    [
        ({"barcode": NUMBER}, "confirmed", ()),
        ({"comm_address": ADDRESS}, "confirmed", ()),
        ({"comm_address": ADDRESS.lstrip("0")}, "confirmed", ()),
        ({"barcode": NUMBER, "comm_address": ADDRESS}, "confirmed", ()),
        ({"why": "burnt beyond reading"}, "unverified", ()),
        ({"barcode": NUMBER[::-1]}, "mismatch", ("barcode",)),
        ({"comm_address": "46159514"}, "mismatch", ("comm_address",)),
        ({"barcode": NUMBER, "comm_address": "46159514"}, "mismatch", ("comm_address",)),
        ({"barcode": NUMBER[::-1], "comm_address": "46159514"}, "mismatch", ("barcode", "comm_address")),
        ({"held_number": NUMBER}, "unverified", ()),
        ({"held_number": NUMBER, "comm_address": ADDRESS}, "confirmed", ()),
        ({"barcode": NUMBER, "held_number": NUMBER[::-1]}, "mismatch", ("held_number",)),
    ],
)
def test_what_was_read_is_held_against_the_record(read, outcome, differing):
    done(opening()).when(on(CheckIdentity, **read)).then([checked(outcome, differing=differing, **read)])


UNKNOWN_ADDRESS = msgspec.structs.replace(DEVICE, comm_address=None)


def test_an_address_that_the_record_does_not_know_confirms_nothing():
    story = done(opening(device=UNKNOWN_ADDRESS))
    own = NUMBER[9:21]
    story.when(on(CheckIdentity, comm_address=own)).then([checked("unverified", comm_address=own)])
    story.when(SCANNED).then([checked("confirmed", barcode=NUMBER)])


def test_an_address_that_is_not_that_of_the_number_leaves_the_identity_unverified_until_it_is_read_again():
    read = {"barcode": NUMBER, "comm_address": ADDRESS}
    story = done(opening(device=UNKNOWN_ADDRESS))
    story.when(on(CheckIdentity, **read)).then([checked("unverified", unlike_number=True, **read)])
    story.when(SCANNED).then([checked("unverified", unlike_number=True, barcode=NUMBER)])
    *_, verdict = go_on(story, *steps()).when(JUDGE).outcome
    assert (verdict.disposition, verdict.inputs[0].word) == ("hold", "unverified")
    again = done(opening(device=UNKNOWN_ADDRESS), on(CheckIdentity, **read))
    read = {"barcode": NUMBER, "comm_address": NUMBER[9:21]}
    again.when(on(CheckIdentity, **read)).then([checked("confirmed", **read)])


def test_what_was_confirmed_stays_so_where_nothing_more_can_be_read():
    story = done(opening(), SCANNED)
    story.when(on(CheckIdentity, why="no answer")).then([checked("confirmed", why="no answer")])


def test_identity_is_read_or_it_is_said_why_not():
    done(opening()).when(on(CheckIdentity)).refused(IDENTITY_UNREAD)


def test_a_mismatch_stops_the_inspection_until_what_differed_is_read_again():
    wrong = on(CheckIdentity, barcode=NUMBER, comm_address="46159514")
    story = done(opening(), wrong)
    story.when(ending("appearance")).refused(STOPPED)
    story.when(JUDGE).refused(STOPPED)
    story.when(SCANNED).refused(STILL_DIFFERS)
    story.when(on(CheckIdentity, why="no answer")).refused(STILL_DIFFERS)
    right = on(CheckIdentity, comm_address=ADDRESS)
    story.when(right).then([checked("confirmed", comm_address=ADDRESS)])
    go_on(story, *steps(), JUDGE)


def test_a_stopped_inspection_stays_at_its_bench_and_can_be_abandoned():
    story = done(opening(), on(CheckIdentity, barcode=NUMBER[::-1]))
    story.when(opening()).then([])
    story.when(opening(bench=OTHER_BENCH)).refused(OPEN_ELSEWHERE)
    story.when(ABANDON).then([on(InspectionAbandoned, round=1, why="wrong bench")])
    story.when(opening(bench=OTHER_BENCH)).then([opened(round=2, bench=OTHER_BENCH)])


def test_what_was_recorded_in_an_abandoned_inspection_counts_for_nothing():
    story = done(*INSPECTED, ABANDON, opening())
    assert story.state.ends == {}
    assert story.state.faults == ()
    assert story.state.identity is None


@pytest.mark.parametrize("verdict", [JUDGED, STUCK])
def test_abandoning_another_inspection_leaves_the_verdict_before_it_as_it_was(verdict):
    before = done(*verdict).state
    story = done(*verdict, AGAIN, SCANNED, *steps()[:2])
    stands = {"stands": 1, "disposition": before.disposition}
    story.when(ABANDON).then([on(InspectionAbandoned, round=2, why="wrong bench", **stands)])
    assert msgspec.structs.replace(story.state, rounds=1) == before
    story.when(opening()).refused(REASON_MISSING)
    story.when(AGAIN).then([opened(round=3, why=AGAIN.why)])


def test_the_verdict_that_stands_after_an_abandoned_inspection_is_judged_again_frozen_and_overruled_by_its_round():
    story = done(*JUDGED, AGAIN, ABANDON)
    go_on(story, rejudging())
    assert story.outcome[0].round == 1
    go_on(story, on(JoinPopulation, review="RV-1"))
    assert story.outcome[0].round == 1


def test_findings_of_a_load_curve_may_come_before_the_device_and_last_through_its_inspections():
    story = given(INSPECTION).when(on(RecordLoad, load=LOAD)).then([on(LoadRecorded, load=LOAD)])
    story.when(on(RecordLoad, load=LOAD)).then([])
    story.when(ABANDON).refused(UNKNOWN)
    go_on(story, *JUDGED)
    assert story.outcome[0].findings.known.load == LOAD
    later = msgspec.structs.replace(LOAD, points_read=41)
    go_on(story, AGAIN, on(RecordLoad, load=later), ABANDON)
    assert story.state.load == later


@pytest.mark.parametrize(
    "wrong",
    [
        {"points_read": 49},
        {"zero_days": 3},
        {"days_read": 3},
        {"last_on": date(2025, 12, 31)},
        {"overload_dose_s": 5},
        {"voltage_out_ppm": 5},
        {"voltage_points_read": 5},
        {"cannot_tell": ("arcs", "arcs")},
    ],
)
def test_findings_that_contradict_themselves_are_not_taken(wrong):
    given(INSPECTION).when(on(RecordLoad, load=msgspec.structs.replace(LOAD, **wrong))).refused(LOAD_DISAGREES)


def test_only_what_the_record_says_of_a_device_opens_its_inspection():
    with pytest.raises(AssertionError):
        INSPECTION.decide(on(OpenInspection, bench=BENCH, site=SITE), INSPECTION.initial)
