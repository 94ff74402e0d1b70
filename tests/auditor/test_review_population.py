"""Who is in a population and who is not, by the auditor's own rules."""

from datetime import date, timedelta

import msgspec
import pytest

from services.sorting.inspection.departure import InspectionClosed, InspectionSuperseded
from services.sorting.inspection.opening import InspectionAbandoned, InspectionOpened, LoadRecorded
from services.sorting.inspection.override import OverrideProposed, OverrideRejected, VerdictOverridden
from services.sorting.inspection.population import PopulationJoined
from services.sorting.inspection.repair_order import RepairClosed, RepairOrdered
from services.sorting.inspection.state import Device
from services.sorting.review.drawing import DrawFailed
from tests.auditor.review_story import ROOT, TERM, Story
from tests.sorting.examples import SITE, UNIT
from tests.sorting.reviewing import SUPERVISOR, judged, number

OTHER_DAY = date(2026, 5, 7)
MEMBERS = range(6)
ONE = 3
"""The member of which something else is told."""


def opened(serial: int, round_: int = 2) -> InspectionOpened:
    first = judged(serial)[0]
    return InspectionOpened(
        occurred_on=OTHER_DAY, asset_no=number(serial), round=round_, bench="B1", site=SITE, device=first.device,
        scheme=first.scheme, why="synthetic",
    )  # fmt: skip


def ordered(serial: int) -> RepairOrdered:
    scheme = judged(serial)[0].scheme
    return RepairOrdered(
        occurred_on=OTHER_DAY, asset_no=number(serial), round=1, repair=f"{number(serial)}-1", route="no_fault",
        repairer="C1", device=Device(device_class="01", unit=UNIT), scheme=scheme,
    )  # fmt: skip


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


@pytest.mark.parametrize("told", [opened, ordered], ids=["under way", "repaired"])
def test_with_whom_something_is_under_way_fits_no_population(told):
    story = Story()
    story.judge([ONE, 4])
    story.of_device(ONE, told(ONE))
    story.propose()
    story.join([4])
    story.commit()
    assert ("member_left_out", number(ONE)) not in story.differences()


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
        "closed_repair": RepairClosed(**about, repair=f"{number(ONE)}-1"),
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


def test_a_sample_is_drawn_in_time_and_by_a_checkpoint_that_was_there():
    story = committed()
    at = len(story.told)
    story.draw(at)
    covering = (at, ROOT)
    assert story.differences(lambda _index: covering) == []
    # One that was not there yet when the sample was drawn.
    early = committed()
    early.draw(at + 1)
    assert early.differences(lambda _index: (at + 1, ROOT)) == [("checkpoint_not_the_first", None)]
    late = committed()
    late.at += TERM + timedelta(minutes=6)
    late.draw(at)
    assert late.differences(lambda _index: covering) == [("nonce_late", None)]


def test_whoever_is_blamed_for_a_draw_that_failed_is_who_entrusted_the_nonce():
    for blamed, expected in ((SUPERVISOR, []), ("u-9", [("nonce_differs", None)])):
        story = committed()
        reveal_by = story.at + TERM
        story.at += TERM + timedelta(seconds=1)
        story.of_review(DrawFailed(occurred_at=story.at, review="R1", attributed_to=blamed, reveal_by=reveal_by))
        assert story.differences() == expected
