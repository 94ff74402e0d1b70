"""The last verdict on a device, from its stream."""

from services.sorting.explaining import last_verdict
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.opening import AbandonInspection
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride
from tests.sorting.inspection.stories import AGAIN, ANA, BO, INSPECTED, JUDGED, on, rejudging

OVERRULED = (
    on(ProposeOverride, disposition="scrap", why="cracked inside", by=ANA),
    on(ConfirmOverride, by=BO),
)
ABANDONED = on(AbandonInspection, why="not needed")


def told(*commands):
    """The last verdict after these commands, each of them accepted."""
    state, events = INSPECTION.initial, []
    for command in commands:
        new = INSPECTION.decide(command, state)
        events += new
        state = INSPECTION.fold(new, state)
    return last_verdict(events)


def test_where_there_is_no_verdict_there_is_none_to_explain():
    assert told() is None
    assert told(*INSPECTED) is None


def test_a_verdict_is_told_with_what_it_came_from():
    shown = told(*JUDGED)
    assert (shown.round, shown.disposition, shown.verdict.rule) == (1, "reuse", "worth_reusing")
    assert (shown.scheme.group, shown.value.prices.version) == ("single_phase", 2)
    for findings, words in (
        (shown.history.findings, shown.history_said),
        (shown.indicators.findings, shown.indicators_said),
        (shown.value.findings, shown.value_said),
    ):
        assert [(one.zh, one.en) for one in words] == [sentence.words() for sentence in findings.said]
        assert words


def test_what_two_persons_set_is_what_stands():
    shown = told(*JUDGED, *OVERRULED)
    assert (shown.disposition, shown.verdict.disposition) == ("scrap", "reuse")
    assert (shown.overruled.disposition, shown.overruled.overruled) == ("scrap", "reuse")
    assert shown.overruled.why == "cracked inside"


def test_an_inspection_begun_since_is_named_until_it_is_given_up():
    assert told(*JUDGED, AGAIN).newer_round == 2
    assert told(*JUDGED, AGAIN).round == 1
    assert told(*JUDGED, AGAIN, ABANDONED).newer_round is None


def test_a_device_judged_again_after_one_was_given_up_is_told_by_the_findings_of_its_own_round():
    shown = told(*JUDGED, AGAIN, ABANDONED, rejudging())
    assert (shown.round, shown.disposition, shown.verdict.again) == (1, "scrap", "R-1")
    assert shown.history.round == 1


def test_the_next_verdict_takes_the_place_of_the_one_before():
    first = told(*JUDGED, *OVERRULED)
    shown = told(*JUDGED, *OVERRULED, AGAIN, *JUDGED[1:])
    assert (first.round, shown.round) == (1, 2)
    assert (shown.disposition, shown.overruled, shown.newer_round) == ("reuse", None, None)
