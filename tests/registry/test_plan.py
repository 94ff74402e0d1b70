"""Recovery plans."""

from datetime import date

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from kernel.quantity import DAY_MAX, DAY_MIN
from services.registry.plan import (
    ALREADY_SET,
    CUT_OFF_TOO_EARLY,
    PLAN,
    UNKNOWN,
    PlanRevised,
    PlanSet,
    RevisePlan,
    SetPlan,
)
from tests.given import given
from tests.registry.stories import UNIT, on, told

MARCH = f"{UNIT}-2026-03"
FIGURES = {"plan_id": MARCH, "expected": 1200, "target_ppm": 999_900, "cut_off": date(2026, 4, 20)}
SET = on(SetPlan, **FIGURES)
REVISE = on(RevisePlan, **FIGURES | {"expected": 1300}, why="late work orders")


def test_a_plan_is_set_once_and_then_revised():
    story = given(PLAN).when(SET).then([on(PlanSet, **FIGURES)])
    story.when(SET).refused(ALREADY_SET, plan_id=MARCH)
    story.when(REVISE).then([on(PlanRevised, **FIGURES | {"expected": 1300}, why="late work orders")])
    story.when(REVISE).then([on(PlanRevised, **FIGURES | {"expected": 1300}, why="late work orders")])
    given(PLAN).when(REVISE).refused(UNKNOWN)


@for_all(st.dates(DAY_MIN, DAY_MAX))
def test_the_cut_off_comes_after_the_month(cut_off):
    for life, command in ((), SET), ((SET,), REVISE):
        story = told(PLAN, *life).when(msgspec.structs.replace(command, cut_off=cut_off))
        if cut_off < date(2026, 4, 1):
            story.refused(CUT_OFF_TOO_EARLY, cut_off=cut_off)
        else:
            assert len(story.outcome) == 1


@pytest.mark.parametrize(
    "plan_id", ["99401-2026-13", "99401-2026-00", "99401-0000-01", "99401-26-03", "9940-2026-03", "99401-2026-03\n"]
)
def test_a_plan_is_named_after_its_unit_and_month(plan_id):
    with pytest.raises(msgspec.ValidationError):
        given(PLAN).when(msgspec.structs.replace(SET, plan_id=plan_id))


@pytest.mark.parametrize("target_ppm", [-1, 1_000_001])
def test_a_share_is_between_none_and_all(target_ppm):
    with pytest.raises(msgspec.ValidationError):
        given(PLAN).when(msgspec.structs.replace(SET, target_ppm=target_ppm))
