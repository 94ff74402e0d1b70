"""Who is in a population and who is not, by the auditor's own rules."""

from datetime import timedelta

import msgspec
import pytest

from services.sorting.inspection.departure import InspectionClosed, InspectionSuperseded
from services.sorting.inspection.opening import InspectionAbandoned, LoadRecorded
from services.sorting.inspection.override import OverrideProposed, OverrideRejected, VerdictOverridden
from services.sorting.inspection.population import PopulationJoined, PopulationLeft
from services.sorting.inspection.repair_order import RepairClosed
from services.sorting.review.committing import ReviewWithdrawn
from services.sorting.review.state import LeftOut
from tests.auditor.review_story import Story
from tests.sorting.examples import SITE
from tests.sorting.reviewing import OTHER_DAY, judged, number, opened, ordered

MEMBERS = range(6)
ONE = 3
"""The member of which something else is told."""


def abandoned(serial: int, stands: int | None = 1) -> InspectionAbandoned:
    return InspectionAbandoned(
        occurred_on=OTHER_DAY, asset_no=number(serial), round=2, why="synthetic", stands=stands, disposition="reuse"
    )


def committed(**criteria: object) -> Story:
    story = Story()
    story.judge(MEMBERS)
    story.propose(**criteria)
    story.join(MEMBERS)
    story.commit()
    return story


def test_a_population_of_all_that_fit_is_one():
    assert committed().differences() == []
    assert committed(site=SITE, scheme_group="single_phase", dispositions=("reuse", "scrap")).differences() == []


OTHERWISE = [
    {"site": "elsewhere"},
    {"scheme_group": "modules"},
    {"makers": ("M09",)},
    {"dispositions": ("claim",)},
    {"judged_from": OTHER_DAY, "judged_to": OTHER_DAY},
]


@pytest.mark.parametrize("criteria", OTHERWISE, ids=lambda one: next(iter(one)))
def test_who_joins_without_fitting_is_named(criteria):
    story = Story()
    story.judge([ONE])
    story.propose(**criteria)
    story.join([ONE])
    story.commit()
    assert story.differences() == [("member_added", number(ONE))]


STRANGERS = [
    ({"site": SITE}, {"site": "elsewhere"}),
    ({"makers": ("M01", "M02")}, {"maker": "M09"}),
    ({"dispositions": ("scrap", "reuse")}, {"disposition": "claim"}),
    ({}, {"disposition": "hold"}),
    ({}, {"on": OTHER_DAY}),
]


@pytest.mark.parametrize(("criteria", "other"), STRANGERS, ids=lambda one: next(iter(one), "any"))
def test_who_does_not_fit_is_not_left_out(criteria, other):
    story = Story()
    members = [serial for serial in MEMBERS if serial % 4 != 2]
    story.judge(members)
    story.judge([10], **other)
    story.propose(**criteria)
    story.join(members)
    story.commit()
    assert story.differences() == []


@pytest.mark.parametrize("told", [opened, ordered], ids=["under way", "repaired"])
def test_who_joins_with_something_under_way_is_named(told):
    story = Story()
    story.judge([ONE])
    story.of_device(ONE, told(ONE))
    story.propose()
    story.join([ONE])
    story.commit()
    assert story.differences() == [("member_added", number(ONE))]


def closed(serial: int, certificate: str | None = None) -> RepairClosed:
    repair = f"{number(serial)}-1"
    return RepairClosed(occurred_on=OTHER_DAY, asset_no=number(serial), repair=repair, certificate=certificate)


def kept_out(story: Story, reason: str) -> None:
    """ONE is kept out of the review for this reason."""
    if reason == "in_review":
        story.join([ONE], review="R0")
    else:
        story.of_device(ONE, opened(ONE) if reason == "inspected_anew" else ordered(ONE))


def with_left_out(reason: str, told: LeftOut | None = None, after: timedelta = timedelta(hours=1)) -> Story:
    """A population of two without ONE, which was kept out of it so long before the commitment."""
    story = Story()
    story.judge([0, 1, ONE])
    story.propose()
    kept_out(story, reason)
    story.at += after
    story.join([0, 1])
    story.commit(left_out=told or LeftOut(**{reason: 1}))
    return story


STANDS_AGAIN = {
    "inspected_anew": abandoned(ONE),
    "repaired": closed(ONE),
    "in_review": PopulationLeft(occurred_on=OTHER_DAY, asset_no=number(ONE), review="R0"),
}


@pytest.mark.parametrize("reason", STANDS_AGAIN)
def test_who_is_left_out_is_counted_by_the_reason(reason):
    story = with_left_out(reason)
    assert story.differences() == []
    assert story.replayed().left_out == {one: int(one == reason) for one in STANDS_AGAIN}
    other = next(one for one in STANDS_AGAIN if one != reason)
    for told, count in ((LeftOut(), 1), (LeftOut(**{reason: 2}), 1), (LeftOut(**{other: 1}), 2)):
        assert with_left_out(reason, told=told).differences() == [("left_out_differs", None)] * count


@pytest.mark.parametrize("reason", STANDS_AGAIN)
def test_who_was_left_out_and_whose_verdict_stands_again_is_named_once(reason):
    story = with_left_out(reason)
    for _ in range(2):
        story.of_device(ONE, STANDS_AGAIN[reason])
    found = story.replayed().differences
    assert [(one.what.value, one.asset_no, one.found) for one in found] == [
        ("left_out_stood_again", number(ONE), reason)
    ]


def test_who_was_left_out_and_is_carried_out_reviewed_or_judged_anew_is_not_named():
    story = with_left_out("repaired")
    story.of_device(ONE, closed(ONE, "C-0001"))
    assert story.differences() == []
    for event in judged(ONE)[-1], InspectionClosed(occurred_on=OTHER_DAY, asset_no=number(ONE), round=1):
        for reason in ("inspected_anew", "repaired"):
            story = with_left_out(reason)
            story.of_device(ONE, event, STANDS_AGAIN[reason])
            assert story.differences() == []
    story = with_left_out("in_review")
    story.of_review(ReviewWithdrawn(occurred_at=story.at, review="R0", why="synthetic", by="u-1"), review="R0")
    concluded = story.told.pop()
    story.told.append((concluded[0], msgspec.structs.replace(concluded[1], type="sorting.Concluded")))
    story.of_device(ONE, STANDS_AGAIN["in_review"])
    assert story.differences() == []


@pytest.mark.parametrize("reason", STANDS_AGAIN)
def test_what_changed_while_it_was_counted_may_count_either_way(reason):
    for told in (LeftOut(), LeftOut(**{reason: 1})):
        assert with_left_out(reason, told=told, after=timedelta(seconds=1)).differences() == []
    many = with_left_out(reason, told=LeftOut(**{reason: 2}), after=timedelta(seconds=1))
    assert many.differences() == [("left_out_differs", None)]


@pytest.mark.parametrize("reason", STANDS_AGAIN)
def test_who_stood_again_before_the_commitment_is_named_all_the_same(reason):
    for after, told in ((timedelta(seconds=1), "left_out_stood_again"), (timedelta(hours=1), "member_left_out")):
        story = Story()
        story.judge([0, ONE])
        story.propose()
        kept_out(story, reason)
        story.of_device(ONE, STANDS_AGAIN[reason])
        story.at += after
        story.join([0])
        story.commit()
        assert story.differences() == [(told, number(ONE))]


@pytest.mark.parametrize("kind", ["closed", "superseded"])
def test_who_is_in_service_again_or_goes_by_another_number_is_in_no_population(kind):
    story = Story()
    story.judge([0, ONE])
    story.of_device(ONE, frozen_events()[kind])
    story.propose()
    story.join([0])
    story.commit()
    assert story.differences() == []
    added = Story()
    added.judge([0, ONE])
    added.of_device(ONE, frozen_events()[kind])
    added.propose()
    added.join([0, ONE])
    added.commit()
    assert added.differences() == [("member_added", number(ONE))]


def test_who_is_judged_anew_while_it_is_counted_may_count_either_way():
    for told in (LeftOut(), LeftOut(inspected_anew=1)):
        story = Story()
        story.judge([0, ONE])
        story.of_device(ONE, opened(ONE))
        story.propose()
        story.join([0])
        story.of_device(ONE, msgspec.structs.replace(judged(ONE)[-1], occurred_on=OTHER_DAY, round=2))
        story.commit(left_out=told)
        assert story.differences() == []


def frozen_events() -> dict[str, object]:
    """An event of every kind that a device's stream may have, of a member that is frozen."""
    _, *_, verdict = judged(ONE)
    about = {"occurred_on": OTHER_DAY, "asset_no": number(ONE)}
    override = {**about, "round": 1, "why": "synthetic", "by": "u-2"}
    return {
        "opened": opened(ONE),
        "judged": verdict,
        "proposed": OverrideProposed(**override, disposition="claim"),
        "overridden": VerdictOverridden(**override, disposition="claim", overruled="scrap", second="u-3"),
        "rejected": OverrideRejected(**override),
        "ordered": ordered(ONE),
        "closed_repair": closed(ONE),
        "abandoned": abandoned(ONE),
        "closed": InspectionClosed(**about, round=1),
        "superseded": InspectionSuperseded(**about, round=1, number=number(50)),
        "joined": PopulationJoined(**about, review="R2", round=1, disposition="reuse"),
    }


@pytest.mark.parametrize("kind", frozen_events())
def test_whatever_befalls_a_frozen_member_is_named(kind):
    story = committed()
    story.of_device(ONE, frozen_events()[kind])
    assert story.differences() == [("member_changed", number(ONE))]


def test_a_member_that_leaves_before_the_end_is_named():
    story = committed()
    story.leave(ONE)
    assert story.differences() == [("member_changed", number(ONE))]


def test_what_a_load_curve_shows_is_no_change():
    story = committed()
    story.leave(ONE)
    index, envelope = story.told.pop()
    story.told.append((index, msgspec.structs.replace(envelope, type=f"sorting.{LoadRecorded.__name__}")))
    assert story.differences() == []
