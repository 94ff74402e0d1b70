"""What overrules a verdict: a person with a reason, and another person."""

import pytest

from services.sorting.inspection import INSPECTION
from services.sorting.inspection.opening import AbandonInspection
from services.sorting.inspection.override import (
    NOTHING_PROPOSED,
    PROPOSED_ALREADY,
    SAME_DISPOSITION,
    SECOND_PERSON,
    ConfirmOverride,
    OverrideProposed,
    OverrideRejected,
    ProposeOverride,
    RejectOverride,
    VerdictOverridden,
)
from services.sorting.inspection.population import JoinPopulation
from services.sorting.inspection.state import FROZEN, NOT_OPEN, UNKNOWN
from tests.given import given
from tests.sorting.inspection.stories import AGAIN, ANA, BO, INSPECTED, JUDGED, done, go_on, on, rejudging

PROPOSE = on(ProposeOverride, disposition="scrap", why="cracked inside", by=ANA)
CONFIRM = on(ConfirmOverride, by=BO)
REJECT = on(RejectOverride, why="it is not", by=BO)
PROPOSED = on(OverrideProposed, round=1, disposition="scrap", why="cracked inside", by=ANA)


def test_two_persons_overrule_a_verdict():
    story = done(*JUDGED).when(PROPOSE).then([PROPOSED])
    story.when(PROPOSE).refused(PROPOSED_ALREADY)
    story.when(on(ConfirmOverride, by=ANA)).refused(SECOND_PERSON, by=ANA)
    overridden = on(
        VerdictOverridden, round=1, disposition="scrap", overruled="reuse", why="cracked inside", by=ANA, second=BO
    )
    story.when(CONFIRM).then([overridden])
    assert story.state.disposition == "scrap"
    story.when(CONFIRM).refused(NOTHING_PROPOSED)


def test_a_proposal_is_rejected_and_the_verdict_stays():
    story = done(*JUDGED, PROPOSE).when(REJECT).then([on(OverrideRejected, round=1, why="it is not", by=BO)])
    assert story.state.disposition == "reuse"
    story.when(REJECT).refused(NOTHING_PROPOSED)
    story.when(CONFIRM).refused(NOTHING_PROPOSED)


def test_nothing_is_overruled_by_the_same():
    done(*JUDGED).when(on(ProposeOverride, disposition="reuse", why="why not", by=ANA)).refused(SAME_DISPOSITION)


@pytest.mark.parametrize("command", [PROPOSE, CONFIRM, REJECT])
def test_only_a_verdict_is_overruled(command):
    given(INSPECTION).when(command).refused(UNKNOWN)
    done(*INSPECTED).when(command).refused(NOT_OPEN)


@pytest.mark.parametrize("command", [PROPOSE, CONFIRM, REJECT])
def test_no_verdict_in_a_population_is_overruled(command):
    done(*JUDGED, on(JoinPopulation, review="RV-1")).when(command).refused(FROZEN)


@pytest.mark.parametrize("meanwhile", [(AGAIN, on(AbandonInspection, why="mistaken")), (rejudging(),)])
def test_a_proposal_lapses_when_the_device_is_inspected_or_judged_again(meanwhile):
    story = go_on(done(*JUDGED, PROPOSE), *meanwhile)
    story.when(CONFIRM).refused(NOTHING_PROPOSED)


def test_an_overruled_verdict_stands_again_after_an_abandoned_inspection():
    story = done(*JUDGED, PROPOSE, CONFIRM, AGAIN, on(AbandonInspection, why="mistaken"))
    assert story.state.disposition == "scrap"
    story.when(PROPOSE).refused(SAME_DISPOSITION)
