"""How a device's sorting stands, as the view tells it; and who counts among those of its batch."""

from services.sorting.inspection import INSPECTION
from services.sorting.inspection.opening import AbandonInspection
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride
from services.sorting.inspection.population import JoinPopulation, LeavePopulation
from services.sorting.views.inspection import INSPECTIONS
from services.sorting.views.population import ANY, NONE, POPULATIONS
from tests.given import rows
from tests.sorting.inspection.stories import (
    AGAIN,
    ANA,
    BO,
    BURNT,
    INSPECTED,
    JUDGE,
    JUDGED,
    NUMBER,
    OTHER_BENCH,
    SCANNED,
    STUCK,
    done,
    ending,
    on,
    opening,
    rejudging,
    steps,
)

ABANDON = on(AbandonInspection, why="mistaken")
PROPOSE = on(ProposeOverride, disposition="scrap", why="cracked", by=ANA)


def events_of(*commands):
    """What these commands led to, one after another."""
    state, events = INSPECTION.initial, []
    for command in commands:
        decided = INSPECTION.decide(command, state)
        state = INSPECTION.fold(decided, state)
        events += decided
    return events


def shown(*commands):
    return rows(INSPECTIONS, events_of(*commands))[(NUMBER,)]


def test_a_device_goes_from_step_to_step():
    assert (shown(opening()).phase, shown(opening()).next_step) == ("open", "appearance")
    two = shown(opening(), SCANNED, *steps()[:2])
    assert (two.identity, two.next_step, two.disposition) == ("confirmed", "accuracy", None)
    whole = shown(*STUCK)
    assert (whole.phase, whole.next_step, whole.faults) == ("judged", None, "relay_stuck")
    assert (whole.disposition, whole.rule, whole.judged_round) == ("claim", "worth_claiming", 1)


def test_the_verdict_stands_while_another_inspection_is_under_way_and_when_that_is_given_up():
    again = shown(*STUCK, AGAIN, SCANNED, *steps()[:1])
    assert (again.phase, again.round, again.faults) == ("open", 2, "")
    assert (again.disposition, again.rule, again.judged_round) == ("claim", "worth_claiming", 1)
    given_up = shown(*STUCK, AGAIN, SCANNED, *steps(), ABANDON)
    assert (given_up.phase, given_up.next_step, given_up.faults) == ("judged", None, "relay_stuck")
    assert (given_up.disposition, given_up.round, given_up.judged_round) == ("claim", 2, 1)
    assert shown(opening(), ABANDON).phase == "abandoned"


def test_the_view_says_of_every_story_what_the_rules_remember():
    stories = (
        JUDGED,
        (*INSPECTED, ABANDON),
        (*STUCK, AGAIN, ABANDON),
        (*STUCK, AGAIN, SCANNED, *steps(), JUDGE),
        (*JUDGED, rejudging()),
        (*JUDGED, PROPOSE),
        (*JUDGED, PROPOSE, AGAIN),
        (*JUDGED, PROPOSE, rejudging()),
        (*JUDGED, PROPOSE, on(ConfirmOverride, by=BO)),
        (*JUDGED, PROPOSE, on(ConfirmOverride, by=BO), AGAIN, ABANDON),
        (*JUDGED, on(JoinPopulation, review="RV-1")),
        (*JUDGED, on(JoinPopulation, review="RV-1"), on(LeavePopulation, review="RV-1"), AGAIN),
        (opening(bench=OTHER_BENCH),),
    )
    for commands in stories:
        row, state = shown(*commands), done(*commands).state
        assert (row.phase, row.disposition, row.review) == (state.phase, state.disposition, state.population)
        assert row.proposed == (state.proposal and state.proposal.disposition)
        assert tuple(row.faults.split()) == state.faults
        assert row.round == state.rounds


def test_a_device_counts_once_among_its_batch_as_it_first_came_in():
    def counted(*commands):
        told = [event for event in events_of(*commands) if isinstance(event, POPULATIONS.events)]
        return {key: row.devices for key, row in rows(POPULATIONS, told).items()}

    whole, batch = ("01", NONE, NONE), ("01", "maker-m", "batch-b")
    once = {(*family, fault): 1 for family in (whole, batch) for fault in (NONE, ANY, "relay_stuck")}
    assert counted(*STUCK) == once
    assert counted(*STUCK, AGAIN, SCANNED, *steps(), JUDGE) == once
    assert counted(*JUDGED) == {(*family, NONE): 1 for family in (whole, batch)}
    assert counted(opening(), ABANDON, *STUCK) == once
    left_out = [ending(step, ended="not_possible", why="busy") for step in ("function", "accuracy")]
    assert counted(opening(), SCANNED, *steps()[:1], *left_out, JUDGE) == {}
    assert counted(*BURNT)[(*whole, ANY)] == 1
