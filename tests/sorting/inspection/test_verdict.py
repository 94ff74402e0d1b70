"""From six steps accounted for to a disposition that explains itself."""

from datetime import date

import msgspec
import pytest

from services.sorting.assessment import say
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.departure import CloseInspection
from services.sorting.inspection.opening import AbandonInspection, CheckIdentity
from services.sorting.inspection.population import JoinPopulation
from services.sorting.inspection.state import FROZEN, NOT_OPEN, OPENED_ANEW, UNKNOWN
from services.sorting.inspection.verdict import (
    STEPS_OPEN,
    Counts,
    FaultCount,
    HistoryAssessed,
    IndicatorsAssessed,
    Input,
    Judge,
    Rejudge,
    ValueAssessed,
    VerdictReached,
)
from tests.given import given
from tests.sorting.inspection.stories import (
    AGAIN,
    ANA,
    BURNT,
    DEVICE,
    GOOD,
    INSPECTED,
    JUDGE,
    JUDGED,
    SCANNED,
    STUCK,
    VALUE,
    book,
    done,
    ending,
    found,
    go_on,
    on,
    opening,
    rejudging,
    scheme,
    steps,
)


def judged(*commands):
    """The events of the verdict at the end of a story."""
    outcome = done(*commands).outcome
    assert [type(event) for event in outcome] == [HistoryAssessed, IndicatorsAssessed, ValueAssessed, VerdictReached]
    return outcome


def asked(verdict):
    return {one.column: one.word for one in verdict.inputs}


def test_a_sound_device_is_used_again_and_the_numbers_say_why():
    history, indicators, value, verdict = judged(*JUDGED)
    assert (history.findings.age_months, history.findings.left_months) == (71, 49)
    assert (history.findings.warranty, history.findings.life) == ("inside", "enough")
    assert (indicators.findings.condition, indicators.findings.defect) == ("sound", "none")
    # 18 000 fen new, 49 of 120 months left; 500 + 800 for cleaning and verifying. 420 + 273.883 fen of materials.
    assert (value.findings.reuse_fen, value.findings.claim_fen, value.findings.scrap_fen) == (6_050, None, 593)
    assert value.prices.version == 2
    assert (verdict.disposition, verdict.rule, verdict.because.en) == (
        "reuse",
        "worth_reusing",
        "worth_reusing, synthetic",
    )
    assert [(stair.disposition, stair.taken) for stair in verdict.stairs] == [("reuse", True)]
    assert asked(verdict) == {
        "identity": "confirmed",
        "evidence": "none",
        "obsolete": "no",
        "condition": "sound",
        "defect": "none",
        "warranty": "inside",
        "life": "enough",
        "pays": "reuse",
        "repair": "untried",
        "batch": "clear",
    }


def test_the_staircase_says_what_was_forgone_at_each_step():
    *_, value, verdict = judged(
        *INSPECTED, on(type(JUDGE), rulebook=book(value=msgspec.structs.replace(VALUE, new_fen=2_000)))
    )
    # 816 fen of worth left are less than the 1 300 that it takes to make it good.
    assert (value.findings.reuse_fen, value.findings.scrap_fen) == (-484, 593)
    assert verdict.disposition == "scrap"
    reuse, claim, scrap = verdict.stairs
    assert (reuse.forgone_fen, reuse.forgone_co2_g, reuse.why.en) == (-1_077, 6_500, "not reuse, synthetic")
    assert (claim.forgone_fen, claim.forgone_co2_g, claim.why.en) == (None, 0, "not claim, synthetic")
    assert (scrap.taken, scrap.forgone_fen, scrap.forgone_co2_g) == (True, None, 0)


def test_a_defect_of_manufacture_inside_its_warranty_is_claimed_for():
    _, indicators, value, verdict = judged(*STUCK)
    assert (indicators.findings.condition, indicators.findings.defect) == ("repairable", "original")
    # 18 000 x 0.8 x 0.6 - 1 000, against 7 350 - 1 300 - 900.
    assert (value.findings.claim_fen, value.findings.reuse_fen) == (7_640, 5_150)
    assert (verdict.disposition, [stair.disposition for stair in verdict.stairs]) == ("claim", ["reuse", "claim"])
    assert verdict.stairs[0].forgone_fen == 5_150 - 7_640


def test_a_burnt_device_is_judged_without_being_powered():
    _, indicators, value, verdict = judged(*BURNT)
    assert indicators.findings.condition == "beyond_repair"
    assert (value.findings.reuse_fen, value.findings.reuse_co2_g) == (None, 0)
    assert verdict.disposition == "scrap"
    assert [stair.forgone_co2_g for stair in verdict.stairs] == [0, 0, 0]


@pytest.mark.parametrize(
    ("seen", "last", "rule"),
    [
        ({"appearance": (found("terminals"), found("seal", "bad"))}, {}, "evidence"),
        ({}, {"ended": "not_possible", "why": "bench broken"}, "untested"),
        ({}, {"ended": "waived", "rule": "W-1", "why": "obsolete", "second": ANA}, "untested"),
    ],
)
def test_what_is_unclear_waits_for_a_person(seen, last, rule):
    appearance, function, accuracy = steps(**seen)
    *_, verdict = judged(
        opening(), SCANNED, appearance, function, ending("accuracy", **last) if last else accuracy, JUDGE
    )
    assert (verdict.disposition, verdict.rule, verdict.stairs) == ("hold", rule, ())
    assert verdict.waived is (last.get("ended") == "waived")


def test_of_what_nobody_looked_at_nothing_is_said_and_a_person_decides():
    left_out = [ending(step, ended="not_possible", why="busy") for step in ("appearance", "function", "accuracy")]
    old = msgspec.structs.replace(DEVICE, made_on=date(2012, 1, 1), installed_on=date(2012, 2, 1))
    _, indicators, value, verdict = judged(opening(device=old), SCANNED, *left_out, JUDGE)
    assert (asked(verdict)["evidence"], asked(verdict)["defect"], asked(verdict)["condition"]) == ("unknown",) * 3
    assert verdict.disposition == "hold"
    said_of = {one.code for one in indicators.findings.said}
    assert {"indicators.tampering_not_sought", "indicators.defect_not_sought"} <= said_of
    assert "value.claim_untested" in {one.code for one in value.findings.said}
    assert value.findings.pays == "unknown"


@pytest.mark.parametrize("left_out", ["function", "accuracy"])
def test_what_one_inspection_could_show_was_looked_for_though_another_was_left_out(left_out):
    ends = [ending(step, ended="not_possible", why="busy") if step == left_out else ending(step) for step in GOOD]
    *_, verdict = judged(opening(), SCANNED, *ends, JUDGE)
    # Of the made-up scheme only the function step shows a defect of manufacture, and only the appearance tampering.
    assert asked(verdict)["evidence"] == "none"
    assert asked(verdict)["defect"] == ("unknown" if left_out == "function" else "none")
    assert asked(verdict)["condition"] == "unknown"


def test_a_device_whose_identity_cannot_be_read_waits_for_a_person():
    *_, verdict = judged(opening(), on(CheckIdentity, why="burnt beyond reading"), *steps(), JUDGE)
    assert (verdict.disposition, asked(verdict)["identity"]) == ("hold", "unverified")


def test_an_obsolete_device_is_scrapped_by_the_policy_that_says_so():
    old = msgspec.structs.replace(DEVICE, model="old model")
    *_, verdict = judged(opening(device=old), SCANNED, *steps(), JUDGE)
    assert (verdict.disposition, verdict.rule, verdict.obsolete) == ("scrap", "obsolete", "OB-1")
    assert verdict.because.en == "old model, synthetic"


def test_where_another_rule_decides_about_an_obsolete_device_that_one_gives_the_reason():
    old = msgspec.structs.replace(DEVICE, model="old model")
    *_, verdict = judged(opening(device=old), on(CheckIdentity, why="unreadable"), *steps(), JUDGE)
    assert (verdict.rule, verdict.because.en, verdict.obsolete) == ("identity", "identity, synthetic", "OB-1")


@pytest.mark.parametrize("ended", [0, 1, 2])
def test_nothing_is_judged_before_its_three_inspections_have_ended(ended):
    names = ("外观检查、功能检查、计量性能检查", "功能检查、计量性能检查", "计量性能检查")
    story = done(opening(), SCANNED, *steps()[:ended]).when(JUDGE).refused(STEPS_OPEN)
    assert names[ended] in story.outcome.zh


def test_a_verdict_is_reached_once():
    done(*JUDGED).when(JUDGE).refused(NOT_OPEN)
    given(INSPECTION).when(JUDGE).refused(UNKNOWN)
    done(*INSPECTED, on(AbandonInspection, why="mistaken")).when(JUDGE).refused(NOT_OPEN)


def test_a_rulebook_looked_up_for_another_scheme_is_tried_again():
    newer = scheme(appearance={"photos_min": 1})
    done(*INSPECTED).when(on(type(JUDGE), rulebook=book(newer))).refused(OPENED_ANEW)


def test_a_device_whose_repair_failed_is_judged_again_by_what_was_found():
    story = go_on(done(*JUDGED), rejudging("RP-7"))
    (verdict,) = story.outcome
    assert (verdict.disposition, verdict.again, asked(verdict)["repair"]) == ("scrap", "RP-7", "failed")
    assert verdict.round == 1


def test_that_a_repair_failed_is_not_forgotten_in_another_inspection():
    story = go_on(done(*JUDGED), rejudging("RP-7"), AGAIN, SCANNED, *steps(), JUDGE)
    history, *_, verdict = story.outcome
    assert (verdict.disposition, asked(verdict)["repair"], verdict.again) == ("scrap", "failed", None)
    assert say("history.repair_failed") in history.findings.said


@pytest.mark.parametrize("story", [INSPECTED, (*INSPECTED, on(AbandonInspection, why="mistaken"))])
def test_only_what_was_judged_is_judged_again(story):
    done(*story).when(rejudging()).refused(NOT_OPEN)
    given(INSPECTION).when(rejudging()).refused(UNKNOWN)
    done(*JUDGED, on(JoinPopulation, review="RV-1")).when(rejudging()).refused(FROZEN)


def test_a_device_is_counted_once_and_its_earlier_inspection_is_told():
    first = judged(*STUCK)
    history, indicators, *_ = judged(*STUCK, AGAIN, SCANNED, *steps(), JUDGE)
    assert (first[1].again, indicators.again) == (False, True)
    assert (history.findings.known.rounds_judged, history.findings.known.faults_before) == (1, ("relay_stuck",))
    assert say("history.inspected_before", rounds=1, faults=1) in history.findings.said
    history, *_ = judged(*STUCK, on(CloseInspection), opening(), SCANNED, *steps(), JUDGE)
    assert say("history.inspected_before", rounds=1, faults=1) in history.findings.said
    abandoned = judged(opening(), on(AbandonInspection, why="mistaken"), *JUDGED)
    assert (abandoned[1].round, abandoned[1].again) == (2, False)


def test_an_assessment_that_the_scheme_does_not_have_gives_no_numbers():
    bare = scheme(**{step: {"applicable": False} for step in ("history", "indicators", "value")})
    story = done(opening(bare), SCANNED, *(ending(step, of=bare) for step in ("appearance", "function", "accuracy")))
    go_on(story, on(type(JUDGE), rulebook=book(bare)))
    history, indicators, value, verdict = story.outcome
    assert [event.ended for event in (history, indicators, value)] == ["not_applicable"] * 3
    assert history.findings.age_months is None
    assert indicators.findings.condition == "unknown"
    assert (value.findings.scrap_fen, value.findings.pays) == (None, "unknown")
    assert verdict.disposition == "hold"


def test_what_a_device_is_held_against_is_the_fault_that_chance_explains_least():
    counts = Counts(
        inspected=100,
        faulty=50,
        class_inspected=10_000,
        class_faulty=4_000,
        by_fault=(
            FaultCount(fault="dirty", batch=40, whole=3_900),
            FaultCount(fault="relay_stuck", batch=12, whole=60),
            FaultCount(fault="error_high", batch=0, whole=40),
        ),
    )
    of = counts.of(DEVICE, ("dirty", "relay_stuck"))
    assert (of.fault, of.faulty, of.class_faulty, of.compared) == ("relay_stuck", 12, 60, 2)
    assert counts.of(DEVICE, ()).faulty == 50
    assert counts.of(DEVICE, ("error_high",)).class_faulty == 40
    assert counts.of(DEVICE, ("chip_dead",)).faulty == 0
    assert not counts.of(msgspec.structs.replace(DEVICE, batch=None), ("dirty",)).batch_known


def test_a_suspected_batch_is_asked_of_the_table():
    bad = Counts(inspected=100, faulty=30, class_inspected=5_000, class_faulty=100)
    *_, verdict = judged(*INSPECTED, on(type(JUDGE), rulebook=book(counts=bad)))
    assert Input(column="batch", word="suspected") in verdict.inputs


def test_a_device_is_judged_by_its_rulebook_only():
    for command in (on(Judge), on(Rejudge, because="RP-7")):
        with pytest.raises(AssertionError):
            INSPECTION.decide(command, done(*JUDGED).state)


def test_a_device_obsolete_by_the_day_it_was_made():
    dated = msgspec.structs.replace(book().table.obsolete[0], models=(), made_before=date(2020, 1, 11))
    table = msgspec.structs.replace(book().table, obsolete=(dated,))
    for made_on, rule in (
        (date(2020, 1, 10), "obsolete"),
        (date(2020, 1, 11), "worth_reusing"),
        (None, "worth_reusing"),
    ):
        device = msgspec.structs.replace(DEVICE, made_on=made_on)
        *_, verdict = judged(opening(device=device), SCANNED, *steps(), on(type(JUDGE), rulebook=book(table=table)))
        assert verdict.rule == rule
