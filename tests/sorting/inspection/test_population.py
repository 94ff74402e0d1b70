"""Frozen for a review."""

import msgspec
import pytest

from services.sorting.inspection import INSPECTION
from services.sorting.inspection.override import ProposeOverride
from services.sorting.inspection.population import (
    CHANGED,
    IN_ANOTHER,
    OVERRIDE_OPEN,
    JoinPopulation,
    LeavePopulation,
    PopulationJoined,
    PopulationLeft,
)
from services.sorting.inspection.state import FROZEN, NOT_OPEN, UNKNOWN
from tests.given import given
from tests.sorting.inspection.stories import AGAIN, ANA, DEVICE, INSPECTED, JUDGED, done, on, opened, rejudging

JOIN = on(JoinPopulation, review="RV-1", round=1, disposition="reuse")
LEAVE = on(LeavePopulation, review="RV-1")
JOINED = on(PopulationJoined, review="RV-1", round=1, disposition="reuse", maker=DEVICE.maker, waived=False)


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


def test_only_a_verdict_joins_a_population():
    done(*INSPECTED).when(JOIN).refused(NOT_OPEN)


def test_a_verdict_that_somebody_would_overrule_joins_none():
    story = done(*JUDGED, on(ProposeOverride, disposition="scrap", why="cracked", by=ANA))
    story.when(JOIN).refused(OVERRIDE_OPEN)


@pytest.mark.parametrize("chosen", [{"round": 2}, {"disposition": "claim"}])
def test_a_device_joins_with_the_verdict_for_which_it_was_chosen(chosen):
    done(*JUDGED).when(msgspec.structs.replace(JOIN, **chosen)).refused(CHANGED)


@pytest.mark.parametrize("command", [JOIN, LEAVE])
def test_a_device_that_was_never_inspected_is_in_no_population(command):
    given(INSPECTION).when(command).refused(UNKNOWN)
