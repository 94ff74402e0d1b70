"""From the scan to the form: what a bench is told to do next, at every point of a device's way."""

import pytest

from kernel.authority import Policies
from kernel.principal import Principal, Role
from kernel.questions import PageAsked
from kernel.refusal import Refusal
from services.registry.asset_number import compose
from services.sorting.access import Access
from services.sorting.inspection.opening import AbandonInspection, CheckIdentity, OpenInspection
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride
from services.sorting.inspection.steps import InspectAccuracy, InspectAppearance, InspectFunction, StepReport
from services.sorting.stations import GetForm, Stations
from tests.sorting.behind import ROOT
from tests.sorting.examples import (
    ACCURATE,
    BENCH,
    DAY,
    POWERED,
    SITE,
    UNIT,
    WHOLE,
    Measured,
    inspected,
    performed,
)
from tests.sorting.hall import NUMBERS, hall, opened, told

NUMBER = NUMBERS[0]
ABOUT = {"occurred_on": DAY, "asset_no": NUMBER}
INSPECTOR = Principal(subject="u-1", roles=frozenset({Role.INSPECTOR}))
PHOTO = "0" * 64


@pytest.fixture
async def sorting(tmp_path):
    async with hall(tmp_path) as behind:
        # A bench scans what has been there for longer than the views are behind.
        await behind.sorting._ask_now(lambda _connection: None)
        yield behind.sorting


async def form_of(sorting, number=NUMBER, bench=BENCH, who=INSPECTOR):
    stations = Stations(sorting, Access(Policies.load(ROOT / "services" / "sorting"), sorting))
    (question,) = [one for one in stations.table() if one.ask is GetForm]
    shown = await question.answer(who, GetForm(asset_no=number, bench=bench), PageAsked(after=None, limit=1))
    return shown.value


async def test_one_that_was_never_scanned_is_to_be_opened_with_the_class_on_its_name_plate(sorting):
    form = await form_of(sorting)
    assert (form.act, form.phase, form.device.device_class, form.site) == ("open", "none", "01", SITE)
    assert form.accuracy_classes == ("1", "2")
    assert form.scheme.group == "single_phase"
    assert form.step is None


async def test_one_that_nobody_registered_is_refused_with_what_to_do(sorting):
    with pytest.raises(Refusal, match="not_on_record"):
        await form_of(sorting, compose(UNIT, "01", "99990000009999"))


async def test_the_form_is_that_of_the_step_that_is_due_with_the_limits_of_its_accuracy_class(sorting):
    await told(sorting, OpenInspection(**ABOUT, bench=BENCH, site=SITE, accuracy_class="2"))
    assert (await form_of(sorting)).act == "identify"
    await told(sorting, CheckIdentity(**ABOUT, barcode=NUMBER))
    form = await form_of(sorting)
    assert (form.act, form.step.step, form.step.place) == ("end_step", "appearance", 1)
    (case,) = form.step.items
    assert [choice.code for choice in case.choices] == ["whole", "burnt", "opened"]
    assert case.photo
    await told(sorting, InspectAppearance(**ABOUT, report=WHOLE), InspectFunction(**ABOUT, report=POWERED))
    form = await form_of(sorting)
    (error,) = form.step.items
    assert (form.step.place, error.unit, error.least, error.most) == (3, "ppm", -20_000, 20_000)
    assert (error.limited, error.confirmed, error.unit_name.en) == (True, True, "millionths")


async def test_an_item_without_a_limit_for_the_class_says_so(sorting):
    await opened(sorting, NUMBER, accuracy_class="0.5S")
    await told(sorting, InspectAppearance(**ABOUT, report=WHOLE), InspectFunction(**ABOUT, report=POWERED))
    (error,) = (await form_of(sorting)).step.items
    assert (error.limited, error.least, error.most) == (False, None, None)


async def test_a_burnt_one_must_not_be_powered(sorting):
    await opened(sorting, NUMBER)
    assert (await form_of(sorting)).step.unsafe is None
    burnt = performed(Measured(item="case", choice="burnt", photos=(PHOTO,)))
    await told(sorting, InspectAppearance(**ABOUT, report=burnt))
    form = await form_of(sorting)
    assert form.step.unsafe.en == "burnt"
    assert [fault.code for fault in form.faults] == ["burnt"]


async def test_at_another_bench_it_says_which_bench_has_it(sorting):
    await opened(sorting, NUMBER)
    form = await form_of(sorting, bench="B2")
    assert (form.act, form.bench, form.step) == ("elsewhere", BENCH, None)
    assert (await form_of(sorting, bench=None)).act == "end_step"


async def test_a_mismatch_stops_it_until_it_is_scanned_again_or_given_up(sorting):
    await told(
        sorting,
        OpenInspection(**ABOUT, bench=BENCH, site=SITE, accuracy_class="1"),
        CheckIdentity(**ABOUT, barcode=NUMBERS[1]),
    )
    form = await form_of(sorting)
    assert (form.act, form.phase) == ("stopped", "stopped")
    await told(sorting, AbandonInspection(**ABOUT, why="synthetic: wrong label"))
    assert (await form_of(sorting)).act == "open"


async def test_when_all_steps_ended_it_is_judged_and_says_which_container(sorting):
    await opened(sorting, NUMBER)
    await told(
        sorting,
        InspectAppearance(**ABOUT, report=WHOLE),
        InspectFunction(**ABOUT, report=POWERED),
        InspectAccuracy(**ABOUT, report=ACCURATE),
    )
    form = await form_of(sorting, bench="B2")
    assert (form.act, form.bench, form.verdict.disposition, form.verdict.rule) == (
        "carry", None, "reuse", "reuse.sound",
    )  # fmt: skip
    assert form.verdict.area.en.startswith("A,")
    assert [stair.disposition for stair in form.verdict.stairs] == ["reuse"]


async def test_one_that_is_on_hold_goes_to_a_person_and_what_two_persons_set_is_said(sorting):
    not_possible = StepReport(ended="not_possible", why="synthetic")
    await told(sorting, inspected(NUMBER, function=not_possible, accuracy=not_possible))
    form = await form_of(sorting)
    assert (form.act, form.verdict.disposition, form.verdict.stairs) == ("decide", "hold", ())
    await told(
        sorting,
        ProposeOverride(**ABOUT, disposition="scrap", why="synthetic", by="u-1"),
        ConfirmOverride(**ABOUT, by="u-2"),
    )
    form = await form_of(sorting)
    assert (form.act, form.verdict.disposition, form.verdict.overruled) == ("carry", "scrap", True)
    assert form.verdict.area.en.startswith("C,")


async def test_an_abandoned_reinspection_leaves_the_verdict_before_it(sorting):
    await told(
        sorting,
        inspected(NUMBER),
        OpenInspection(**ABOUT, bench="B2", site=SITE, why="synthetic: again"),
        AbandonInspection(**ABOUT, why="synthetic"),
    )
    form = await form_of(sorting)
    assert (form.act, form.round, form.verdict.disposition) == ("carry", 1, "reuse")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.MANUFACTURER, Role.REGULATOR])
async def test_who_does_not_work_at_benches_gets_no_form(sorting, role):
    who = Principal(subject="u-1", roles=frozenset({role}), units=frozenset({"*"}), organisation="M01")
    with pytest.raises(Refusal, match="denied"):
        await form_of(sorting, who=who)
