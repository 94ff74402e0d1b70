"""The three inspections: their order, and how each may end."""

import msgspec
import pytest

from services.sorting.evaluation import PHOTO_MISSING
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.opening import AbandonInspection
from services.sorting.inspection.state import NOT_OPEN, OPENED_ANEW, UNKNOWN
from services.sorting.inspection.steps import (
    APPEARANCE_WAIVED,
    APPLICABLE,
    IDENTITY_FIRST,
    NO_SUCH_WAIVER,
    NOT_APPLICABLE,
    NOT_PERFORMED,
    OUT_OF_ORDER,
    RULE_ALONE,
    SECOND_MISSING,
    STEP_ENDED,
    UNSAFE,
    UNSEEN,
    WAIVER_ALONE,
    WAIVER_WITHOUT_GROUND,
    WHY_MISSING,
    AccuracyInspected,
    AppearanceInspected,
    FunctionInspected,
    InspectAppearance,
    StepReport,
)
from services.sorting.norms import Waiver
from tests.given import given
from tests.sorting.inspection.stories import (
    ANA,
    DEVICE,
    GOOD,
    INSPECTED,
    JUDGED,
    PHOTO,
    SCANNED,
    SCHEME,
    TABLE,
    done,
    ending,
    found,
    measured,
    on,
    opening,
    said,
    scheme,
)


def performed(event, seen, faults=()):
    return on(event, round=1, report=StepReport(measured=seen), faults=faults)


def test_each_step_ends_in_its_turn_with_the_faults_it_showed():
    story = done(opening(), SCANNED)
    story.when(ending("function")).refused(OUT_OF_ORDER)
    story.when(ending("appearance")).then([performed(AppearanceInspected, GOOD["appearance"])])
    story.when(ending("appearance")).refused(STEP_ENDED)
    story.when(ending("accuracy")).refused(OUT_OF_ORDER)
    stuck = (found("relay", "bad"),)
    story.when(ending("function", *stuck)).then([performed(FunctionInspected, stuck, ("relay_stuck",))])
    off = (measured("basic_error", 10_001),)
    story.when(ending("accuracy", *off)).then([performed(AccuracyInspected, off, ("error_high",))])
    assert story.state.faults == ("relay_stuck", "error_high")
    for step in GOOD:
        story.when(ending(step)).refused(STEP_ENDED)


def test_identity_comes_first():
    done(opening()).when(ending("appearance")).refused(IDENTITY_FIRST)


def test_a_step_needs_an_inspection_under_way():
    given(INSPECTION).when(ending("appearance")).refused(UNKNOWN)
    done(*JUDGED).when(ending("appearance")).refused(NOT_OPEN)
    done(*INSPECTED, on(AbandonInspection, why="broken bench")).when(ending("appearance")).refused(NOT_OPEN)


def test_a_step_looked_up_by_another_version_of_the_scheme_is_tried_again():
    newer = scheme(appearance={"photos_min": 1})
    done(opening(), SCANNED).when(ending("appearance", of=newer)).refused(OPENED_ANEW)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"ended": "not_applicable"}, APPLICABLE),
        ({"ended": "not_possible"}, WHY_MISSING),
        ({"ended": "not_possible", "why": "burnt", "rule": "W-1"}, RULE_ALONE),
        ({"ended": "not_possible", "why": "burnt", "measured": GOOD["appearance"]}, NOT_PERFORMED),
        ({"ended": "performed", "rule": "W-1"}, RULE_ALONE),
        ({"ended": "waived", "why": "obsolete"}, RULE_ALONE),
        ({"ended": "waived", "rule": "W-9", "why": "obsolete"}, NO_SUCH_WAIVER),
        ({"ended": "waived", "rule": "W-1"}, WHY_MISSING),
        ({"measured": (found("terminals", "bad"),)}, PHOTO_MISSING),
    ],
)
def test_a_step_ends_as_its_norm_allows(report, reason):
    done(opening(), SCANNED).when(ending("appearance", **report)).refused(reason)


def test_a_step_is_waived_by_a_rule_of_its_norm_on_which_two_agree():
    story = done(opening(), SCANNED, ending("appearance"), ending("function"))
    waived = {"ended": "waived", "rule": "W-1", "why": "obsolete"}
    story.when(ending("accuracy", **waived)).refused(WAIVER_ALONE, rule="W-1")
    waived["second"] = ANA
    story.when(ending("accuracy", **waived)).then([on(AccuracyInspected, round=1, report=StepReport(**waived))])


def waiving(condition):
    """The scheme, with function and accuracy waived by rules of this condition."""
    waivers = {"waivers": (Waiver(rule="W-2", when=said("a condition"), condition=condition),)}
    return scheme(appearance=waivers, function=waivers, accuracy=waivers)


def waived(step, of, **more):
    command = ending(step, of=of, ended="waived", rule="W-2", why="by the rule")
    return msgspec.structs.replace(command, **more)


OLD = msgspec.structs.replace(DEVICE, model="old model")


@pytest.mark.parametrize(("device", "holds"), [(DEVICE, False), (OLD, True)])
def test_what_is_waived_as_obsolete_is_obsolete_by_the_policy_that_stands(device, holds):
    of = waiving("obsolete")
    story = done(opening(of, device=device), SCANNED, ending("appearance", of=of))
    story.when(waived("function", of)).refused(WAIVER_WITHOUT_GROUND)
    story.when(waived("function", of, obsolete=TABLE.obsolete))
    if holds:
        story.then(story.outcome)
        assert story.state.ends["function"] == "waived"
    else:
        story.refused(WAIVER_WITHOUT_GROUND, rule="W-2")


def test_what_is_waived_as_beyond_repair_has_shown_a_fault_beyond_repair():
    of = waiving("beyond_repair")
    for seen, holds in ((found("terminals"), False), (found("terminals", "bad", photos=(PHOTO,)), True)):
        story = done(opening(of), SCANNED, ending("appearance", seen, of=of)).when(waived("function", of))
        if holds:
            story.then(story.outcome)
        else:
            story.refused(WAIVER_WITHOUT_GROUND)


@pytest.mark.parametrize("condition", ["obsolete", "beyond_repair", None])
def test_the_look_for_tampering_is_never_waived(condition):
    of = waiving(condition)
    story = done(opening(of, device=OLD), SCANNED)
    story.when(waived("appearance", of, obsolete=TABLE.obsolete)).refused(APPEARANCE_WAIVED)
    assert any("appearance" in wrong for wrong in of.disagreements())


@pytest.mark.parametrize("step", ["function", "accuracy"])
def test_nothing_is_powered_that_nobody_has_looked_at(step):
    for allowed in (False, True):
        of = scheme(**{step: {"without_appearance": allowed}})
        unseen = ending("appearance", of=of, ended="not_possible", why="no light")
        between = [] if step == "function" else [ending("function", of=of, ended="not_possible", why="busy")]
        story = done(opening(of), SCANNED, unseen, *between).when(ending(step, of=of))
        if allowed:
            story.then(story.outcome)
        else:
            story.refused(UNSEEN)


@pytest.mark.parametrize(
    "report", [{}, {"ended": "not_possible", "why": "burnt"}, {"ended": "waived", "rule": "W-1", "why": "obsolete"}]
)
def test_a_step_that_does_not_apply_ends_in_no_other_way(report):
    module = scheme(accuracy={"applicable": False})
    story = done(opening(module), SCANNED, ending("appearance", of=module), ending("function", of=module))
    story.when(ending("accuracy", of=module, **report)).refused(NOT_APPLICABLE)
    outcome = story.when(ending("accuracy", of=module, ended="not_applicable"))
    outcome.then([on(AccuracyInspected, round=1, report=StepReport(ended="not_applicable"))])


def test_where_two_are_asked_for_the_second_is_named():
    two = scheme(appearance={"dual_control": True})
    story = done(opening(two), SCANNED)
    story.when(ending("appearance", of=two)).refused(SECOND_MISSING)
    report = StepReport(measured=GOOD["appearance"], second=ANA)
    story.when(ending("appearance", of=two, second=ANA)).then([on(AppearanceInspected, round=1, report=report)])


def test_a_burnt_device_is_not_powered():
    burnt = found("terminals", "bad", photos=(PHOTO,))
    story = done(opening(), SCANNED, ending("appearance", burnt))
    story.when(ending("function")).refused(UNSAFE)
    story = done(opening(), SCANNED, ending("appearance", burnt), ending("function", ended="not_possible", why="burnt"))
    story.when(ending("accuracy")).refused(UNSAFE)


def test_a_step_is_decided_with_its_norm_only():
    with pytest.raises(AssertionError):
        INSPECTION.decide(on(InspectAppearance, report=StepReport()), INSPECTION.initial)


def test_a_later_step_shows_a_fault_once_more_and_it_counts_once():
    both = scheme(function={"items": (*SCHEME.norm("function").items, *SCHEME.norm("appearance").items)})
    dirty = (found("cover", "bad"), *GOOD["appearance"])
    story = done(
        opening(both),
        SCANNED,
        ending("appearance", *dirty, of=both),
        ending("function", *GOOD["function"], *dirty, of=both),
    )
    assert story.state.faults == ("dirty",)
