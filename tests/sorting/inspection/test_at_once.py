"""All of an inspection in one command: recorded whole, stopped where the identity does not match, or refused whole."""

import pytest

from services.sorting.evaluation import OUT_OF_RANGE
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.opening import IDENTITY_UNREAD, IdentityChecked, InspectionOpened
from services.sorting.inspection.state import OPEN_ELSEWHERE, STOPPED
from services.sorting.inspection.steps import (
    SECOND_MISSING,
    AccuracyInspected,
    AppearanceInspected,
    FunctionInspected,
    StepReport,
)
from services.sorting.inspection.verdict import HistoryAssessed, IndicatorsAssessed, ValueAssessed, VerdictReached
from tests.given import given
from tests.sorting.inspection.stories import (
    BENCH,
    NUMBER,
    OTHER_BENCH,
    at_once,
    book,
    done,
    ending,
    measured,
    opening,
    scheme,
)

STEPS = [AppearanceInspected, FunctionInspected, AccuracyInspected]
WHOLE = [*STEPS, HistoryAssessed, IndicatorsAssessed, ValueAssessed, VerdictReached]


def kinds(story):
    return [type(event) for event in story.outcome]


def test_a_sound_device_comes_to_its_verdict_with_all_six_steps():
    assert kinds(given(INSPECTION).when(at_once())) == [InspectionOpened, IdentityChecked, *WHOLE]


@pytest.mark.parametrize("read", [{"barcode": NUMBER[::-1]}, {"comm_address": "46159514"}])
def test_another_device_than_the_record_says_stops_it_and_that_is_recorded(read):
    story = given(INSPECTION).when(at_once(**read))
    assert kinds(story) == [InspectionOpened, IdentityChecked]
    assert story.outcome[-1].outcome == "mismatch"
    stopped = done(at_once(**read))
    assert (stopped.state.phase, stopped.state.ends) == ("stopped", {})
    stopped.when(ending("appearance")).refused(STOPPED)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"barcode": None}, IDENTITY_UNREAD),
        ({"accuracy": StepReport(measured=(measured("basic_error", 10_000_000),))}, OUT_OF_RANGE),
        ({"rulebook": book(scheme(accuracy={"dual_control": True}))}, SECOND_MISSING),
    ],
)
def test_what_is_wrong_with_one_step_refuses_it_whole(changed, reason):
    given(INSPECTION).when(at_once(**changed)).refused(reason)


def test_what_a_bench_has_open_goes_on_there_and_at_no_other():
    begun = done(opening(bench=BENCH))
    assert kinds(begun.when(at_once(bench=BENCH))) == [IdentityChecked, *WHOLE]
    done(opening(bench=BENCH)).when(at_once(bench=OTHER_BENCH)).refused(OPEN_ELSEWHERE)
