"""Frozen for a review."""

import msgspec
import pytest

from kernel.refusal import Refusal
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.departure import InspectionClosed, InspectionSuperseded
from services.sorting.inspection.opening import AbandonInspection, LoadRecorded
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride, RejectOverride
from services.sorting.inspection.population import (
    CHANGED,
    IN_ANOTHER,
    JoinPopulation,
    LeavePopulation,
    PopulationJoined,
    PopulationLeft,
)
from services.sorting.inspection.repair_order import OrderRepair
from services.sorting.inspection.state import FROZEN, NOT_OPEN, TO_BE_RESORTED, UNKNOWN
from services.sorting.inspection.steps import STEP_OF, EndStep
from tests.given import given
from tests.sorting.inspection.stories import (
    AGAIN,
    ANA,
    BO,
    DEVICE,
    INSPECTED,
    JUDGE,
    JUDGED,
    SCANNED,
    done,
    ending,
    on,
    opened,
    opening,
    rejudging,
    steps,
)
from tests.sorting.inspection.test_machine import COMMANDS

JOIN = on(JoinPopulation, review="RV-1", round=1, disposition="reuse")
LEAVE = on(LeavePopulation, review="RV-1")
JOINED = on(PopulationJoined, review="RV-1", round=1, disposition="reuse", maker=DEVICE.maker, skipped=False)


def test_a_device_is_frozen_until_its_review_is_concluded():
    story = done(*JUDGED).when(JOIN).then([JOINED])
    story.when(JOIN).then([])
    story.when(msgspec.structs.replace(JOIN, review="RV-2")).refused(IN_ANOTHER, other="RV-1")
    story.when(AGAIN).refused(FROZEN)
    story.when(rejudging()).refused(FROZEN)
    story.when(on(LeavePopulation, review="RV-2")).then([])
    assert story.state.population == "RV-1"
    story.when(LEAVE).then([on(PopulationLeft, review="RV-1")])
    story.when(LEAVE).then([])
    story.when(AGAIN).then([opened(round=2, why=AGAIN.why)])


RESORT = on(LeavePopulation, review="RV-1", resort=True, sampled=True)


def test_a_batch_that_is_sorted_again_has_no_verdicts_until_it_is_inspected_anew():
    story = done(*JUDGED, JOIN).when(RESORT).then([on(PopulationLeft, review="RV-1", resort=True, sampled=True)])
    assert (story.state.phase, story.state.disposition) == ("resort", None)
    override = on(ProposeOverride, disposition="scrap", why="cracked", by=ANA)
    abandon, repair = on(AbandonInspection, why="x"), on(OrderRepair, route="no_fault", repairer="C")
    for command in (override, repair, abandon, rejudging(), msgspec.structs.replace(JOIN, review="RV-2")):
        story.when(command).refused(TO_BE_RESORTED, review="RV-1")
    # The review is the reason: nobody has to say one.
    anew = msgspec.structs.replace(AGAIN, why=None)
    story.when(anew).then([opened(round=2, why=None)])
    # Given up, the verdict that does not stand does not come back.
    story.when(abandon)
    (given_up,) = story.outcome
    assert (given_up.stands, given_up.disposition) == (None, None)
    story.then(story.outcome).when(override).refused(NOT_OPEN)


def test_only_a_verdict_joins_a_population():
    done(*INSPECTED).when(JOIN).refused(NOT_OPEN)


def test_an_override_that_is_proposed_keeps_no_verdict_from_a_review_and_waits_for_its_end():
    story = done(*JUDGED, on(ProposeOverride, disposition="scrap", why="cracked", by=ANA))
    story.when(JOIN).then([JOINED])
    for command in (on(ConfirmOverride, by=BO), on(RejectOverride, why="not cracked", by=BO)):
        story.when(command).refused(FROZEN)
    story.when(LEAVE).then([on(PopulationLeft, review="RV-1")])
    story.when(on(ConfirmOverride, by=BO)).then(story.outcome)
    assert story.state.disposition == "scrap"


@pytest.mark.parametrize("chosen", [{"round": 2}, {"disposition": "claim"}])
def test_a_device_joins_with_the_verdict_for_which_it_was_chosen(chosen):
    done(*JUDGED).when(msgspec.structs.replace(JOIN, **chosen)).refused(CHANGED)


TOUCHES_NO_VERDICT = (LoadRecorded, InspectionClosed, InspectionSuperseded)
"""What happens to a device outside, whatever a review asks: it stays on record, and the member stays as it joined."""


def test_nothing_that_can_be_asked_leaves_a_frozen_population_or_changes_the_verdict_there():
    """Every command of the noun, after every other: all that a frozen device can come to."""
    frozen = done(*JUDGED, JOIN).state
    met, unmet = [frozen], [frozen]
    while unmet:
        state = unmet.pop()
        for command in (*COMMANDS, LEAVE):
            try:
                events = INSPECTION.decide(command, state)
            except Refusal:
                continue
            after = INSPECTION.fold(events, state)
            if isinstance(command, LeavePopulation) and command.review == "RV-1":
                assert [type(event) for event in events] == [PopulationLeft]
                assert after == msgspec.structs.replace(state, population=None)
                continue
            assert {type(event) for event in events} <= {*TOUCHES_NO_VERDICT}, command
            assert as_it_joined(after) == as_it_joined(frozen), command
            if after not in met:
                met.append(after)
                unmet.append(after)
    assert {state.phase for state in met} == {"judged", "closed", "superseded"}


def as_it_joined(state):
    """What a review is about."""
    found = (state.ends, state.faults, state.history, state.indicators, state.value)
    return state.population, state.round, state.judged, state.disposition, state.proposal, state.repair, found


def test_every_command_of_the_noun_is_tried_there():
    tried = {type(one) for one in COMMANDS} - {EndStep}
    ended = {one.norm.step for one in COMMANDS if isinstance(one, EndStep)}
    tried |= {kind for kind, step in STEP_OF.items() if step in ended}
    for kind in INSPECTION.commands:
        assert any(issubclass(one, kind) for one in tried), kind


@pytest.mark.parametrize("command", [JOIN, LEAVE])
def test_a_device_that_was_never_inspected_is_in_no_population(command):
    given(INSPECTION).when(command).refused(UNKNOWN)


@pytest.mark.parametrize(
    ("ended", "waived"),
    [({"ended": "not_possible"}, False), ({"ended": "waived", "rule": "W-1", "second": "u-2"}, True)],
)
def test_it_joins_as_one_of_which_an_inspection_was_left_out(ended, waived):
    appearance, function, _ = steps()
    left_out = ending("accuracy", why="bench broken", **ended)
    story = done(opening(), SCANNED, appearance, function, left_out, JUDGE)
    (joined,) = story.when(on(JoinPopulation, review="RV-1")).outcome
    assert (joined.waived, joined.skipped) == (waived, True)
