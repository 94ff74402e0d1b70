"""What is counted of benches: queues, throughput, yield, agreement, backlog; and who sees whose."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from kernel.authority import Policies
from kernel.principal import Principal, Role
from kernel.questions import PageAsked
from kernel.refusal import Refusal
from services.registry.app import CODEC as REGISTRY
from services.registry.meter.dismantling import Dismantled
from services.registry.vocabulary import Movement
from services.sorting.access import Access
from services.sorting.app import CODEC as SORTING
from services.sorting.inspection.departure import CloseInspection, SupersedeInspection
from services.sorting.inspection.opening import AbandonInspection, CheckIdentity, HandOverInspection, OpenInspection
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride
from services.sorting.inspection.repair_order import CloseRepair, OrderRepair
from services.sorting.inspection.steps import InspectAccuracy, InspectAppearance, InspectFunction, StepReport
from services.sorting.inspection.verdict import Rejudge
from services.sorting.stations import (
    ListAgreement,
    ListBacklog,
    ListInspectorAgreement,
    ListQueues,
    ListThroughput,
    ListYield,
    Stations,
)
from services.sorting.views.inspectors import PAIRS_MIN
from services.sorting.views.station import shift_of
from services.sorting.views.waiting import WAITING
from tests.sorting import reviewing
from tests.sorting.behind import ROOT
from tests.sorting.examples import DAY, SITE, UNIT, Measured, inspected, performed
from tests.sorting.hall import NUMBERS, arrived, hall, opened, told
from tests.sorting.written import written

INSPECTOR = Principal(subject="u-1", roles=frozenset({Role.INSPECTOR}))
DAYS = {"first_day": DAY, "last_day": DAY}
AT_9 = datetime(2026, 5, 6, 1, 0, tzinfo=UTC)
"""Nine in the morning of DAY in Shanghai."""
AT_23 = datetime(2026, 5, 6, 15, 0, tzinfo=UTC)
BURNT = performed(Measured(item="case", choice="burnt", photos=("0" * 64,)))
NOT_POSSIBLE = StepReport(ended="not_possible", why="synthetic")
RUINED = {"appearance": BURNT, "function": NOT_POSSIBLE, "accuracy": NOT_POSSIBLE}


@pytest.fixture
async def sorting(tmp_path):
    async with hall(tmp_path) as behind:
        yield behind.sorting


async def asked(sorting, ask, who=INSPECTOR):
    stations = Stations(sorting, Access(Policies.load(ROOT / "services" / "sorting"), sorting))
    (question,) = [one for one in stations.table() if one.ask is type(ask)]
    seen = await sorting._ledger.head()
    rows = await question.answer(who, msgspec.structs.replace(ask, seen=seen), PageAsked(after=None, limit=100))
    return list(rows.items)


def at(instant, number, **changed):
    return inspected(number, occurred_on=None, occurred_at=instant, **changed)


async def test_queues_are_by_bench_and_step_and_what_is_handed_over_is_in_the_others(sorting):
    for number in NUMBERS[:3]:
        await opened(sorting, number)
    await told(sorting, HandOverInspection(occurred_on=DAY, asset_no=NUMBERS[2], bench="B2"))
    found = await asked(sorting, ListQueues())
    assert [(one.bench, one.phase, one.next_step, one.devices) for one in found] == [
        ("B1", "open", "appearance", 2),
        ("B2", "open", "appearance", 1),
    ]
    assert await asked(sorting, ListQueues(bench="B3")) == []


async def test_throughput_is_by_hour_and_what_has_no_hour_is_counted_beside(sorting):
    await told(sorting, at(AT_9, NUMBERS[0]), at(AT_9, NUMBERS[1]), at(AT_23, NUMBERS[2]), inspected(NUMBERS[3]))
    found = await asked(sorting, ListThroughput(day=DAY))
    assert {(one.judged_hour, one.judged) for one in found} == {(None, 1), (9, 2), (23, 1)}


async def test_yield_counts_what_went_right_at_the_first_time(sorting):
    await told(
        sorting,
        inspected(NUMBERS[0]),
        inspected(NUMBERS[1], bench="B2"),
        inspected(NUMBERS[2], function=NOT_POSSIBLE, accuracy=NOT_POSSIBLE),
        inspected(NUMBERS[3], **RUINED),
    )
    found = {one.group: one for one in await asked(sorting, ListYield(by="bench", **DAYS))}
    assert (found["B1"].judged, found["B1"].hold, found["B1"].left_out, found["B1"].faulty) == (3, 1, 2, 1)
    assert (found["B1"].first_pass, found["B1"].reuse, found["B1"].scrap) == (2, 1, 1)
    assert (found["B2"].judged, found["B2"].first_pass) == (1, 1)
    # Gone into again, overruled: neither went right at the first time. Given up, the inspection counts for nothing.
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await told(sorting, OpenInspection(**about, bench="B2", site=SITE, why="synthetic"))
    assert [one.first_pass for one in await asked(sorting, ListYield(by="bench", bench="B1", **DAYS))] == [1]
    await told(sorting, AbandonInspection(**about, why="synthetic"))
    assert [one.first_pass for one in await asked(sorting, ListYield(by="bench", bench="B1", **DAYS))] == [2]
    about["asset_no"] = NUMBERS[1]
    await told(
        sorting,
        ProposeOverride(**about, disposition="scrap", why="synthetic", by="u-1"),
        ConfirmOverride(**about, by="u-2"),
    )
    (second,) = await asked(sorting, ListYield(by="bench", bench="B2", **DAYS))
    assert (second.first_pass, second.overruled, second.scrap) == (0, 1, 1)


async def first_passes(sorting, **asked_for):
    """Of each bench: first verdicts, first passes, and those inspected again since."""
    found = await asked(sorting, ListYield(by="bench", **(DAYS | asked_for)))
    return {one.group: (one.judged, one.first_pass, one.repeated) for one in found}


async def test_an_undone_scan_lowers_no_yield(sorting):
    # A reason is given needlessly for the second: there was no verdict.
    for number, said in ((NUMBERS[0], {}), (NUMBERS[1], {"why": "synthetic"})):
        await opened(sorting, number)
        await told(sorting, AbandonInspection(occurred_on=DAY, asset_no=number, why="undone"))
        await told(sorting, inspected(number, **said))
    assert await first_passes(sorting) == {"B1": (2, 2, 0)}


async def test_benches_that_are_compared_neither_lose_their_pass_nor_win_another(sorting):
    number = NUMBERS[0]
    await told(sorting, inspected(number), inspected(number, bench="B2", why="synthetic", comparison=True))
    assert await first_passes(sorting) == {"B1": (1, 1, 0)}
    # In doubt it is inspected once more: that one counts, unless it is given up.
    about = {"occurred_on": DAY, "asset_no": number}
    await told(sorting, OpenInspection(**about, bench="B3", site=SITE, why="synthetic"))
    assert await first_passes(sorting) == {"B1": (1, 0, 1)}
    await told(sorting, AbandonInspection(**about, why="synthetic"))
    assert await first_passes(sorting) == {"B1": (1, 1, 0)}
    await told(sorting, inspected(number, bench="B3", why="synthetic", **RUINED))
    assert await first_passes(sorting) == {"B1": (1, 0, 1)}
    # What is given up after that undoes nothing of it.
    await told(sorting, OpenInspection(**about, bench="B4", site=SITE, why="synthetic"))
    await told(sorting, AbandonInspection(**about, why="synthetic"))
    assert await first_passes(sorting) == {"B1": (1, 0, 1)}


async def test_a_device_that_comes_out_of_service_once_more_has_a_first_verdict_once_more(sorting):
    number = NUMBERS[0]
    compared = inspected(number, bench="B3", why="synthetic", comparison=True)
    await told(sorting, inspected(number), compared, CloseInspection(occurred_on=DAY, asset_no=number))
    # Whether a reason is given that none asked for, is all the same.
    await told(sorting, inspected(number, bench="B2", why="synthetic"))
    assert await first_passes(sorting) == {"B1": (1, 1, 0), "B2": (1, 1, 0)}
    found = await asked(sorting, ListAgreement(**DAYS))
    assert [(one.bench, one.other_bench, one.pairs) for one in found] == [("B1", "B3", 1)]
    # What ended with the earlier life stays as it was when the later one ends.
    await told(sorting, CloseInspection(occurred_on=DAY, asset_no=number), inspected(number))
    assert await first_passes(sorting) == {"B1": (2, 2, 0), "B2": (1, 1, 0)}


async def test_a_device_judged_before_is_not_among_the_first_verdicts_of_later_days(sorting):
    later = DAY + timedelta(days=3)
    await told(sorting, inspected(NUMBERS[0]), inspected(NUMBERS[0], occurred_on=later, bench="B2", why="synthetic"))
    assert await first_passes(sorting) == {"B1": (1, 0, 1)}
    assert await first_passes(sorting, first_day=later, last_day=later) == {}


async def test_a_repair_that_failed_undoes_the_first_pass(sorting):
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await told(sorting, inspected(NUMBERS[0]), Rejudge(**about, because=f"{NUMBERS[0]}-1"))
    assert await first_passes(sorting) == {"B1": (1, 0, 0)}


async def test_an_inspection_that_was_stopped_is_no_first_pass(sorting):
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await opened(sorting, NUMBERS[0])
    await told(sorting, CheckIdentity(**about, barcode=NUMBERS[1]), CheckIdentity(**about, barcode=NUMBERS[0]))
    ended = {"appearance": InspectAppearance, "function": InspectFunction, "accuracy": InspectAccuracy}
    for step, command in ended.items():
        await told(sorting, command(**about, report=getattr(inspected(NUMBERS[0]), step)))
    assert await first_passes(sorting) == {"B1": (1, 0, 0)}


async def test_the_night_after_midnight_is_of_the_day_on_which_its_shift_began(sorting):
    at_2 = datetime(2026, 5, 6, 18, 0, tzinfo=UTC)
    number, next_day = NUMBERS[0], date(2026, 5, 7)
    await told(sorting, at(AT_23, number), at(at_2, number, bench="B2", why="synthetic"), at(at_2, NUMBERS[1]))
    (night,) = await asked(sorting, ListYield(by="shift", **DAYS))
    assert (night.group, night.judged) == ("night", 2)
    hours = [(one.bench, one.judged_hour) for one in await asked(sorting, ListThroughput(day=DAY))]
    assert sorted(hours) == [("B1", 2), ("B1", 23), ("B2", 2)]
    assert [one.pairs for one in await asked(sorting, ListAgreement(**DAYS))] == [1]
    then = {"first_day": next_day, "last_day": next_day}
    for ask in (ListYield(by="shift", **then), ListThroughput(day=next_day), ListAgreement(**then)):
        assert await asked(sorting, ask) == []


async def test_what_was_repaired_between_is_not_the_same_device_to_compare(sorting):
    for number in NUMBERS[:2]:
        await told(sorting, inspected(number))
    order = OrderRepair(occurred_on=DAY, asset_no=NUMBERS[0], route="no_fault", repairer="CENTRE")
    await told(sorting, order, CloseRepair(occurred_on=DAY, asset_no=NUMBERS[0], repair=f"{NUMBERS[0]}-1"))
    for number in NUMBERS[:2]:
        await told(sorting, inspected(number, bench="B2", why="synthetic"))
    assert [one.pairs for one in await asked(sorting, ListAgreement(**DAYS))] == [1]


async def test_benches_are_held_to_what_they_found_not_to_what_persons_made_of_it(sorting):
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await told(
        sorting,
        inspected(NUMBERS[0]),
        ProposeOverride(**about, disposition="scrap", why="synthetic", by="u-1"),
        ConfirmOverride(**about, by="u-2"),
        inspected(NUMBERS[0], bench="B2", why="synthetic"),
    )
    (found,) = await asked(sorting, ListAgreement(**DAYS))
    assert (found.pairs, found.same_disposition) == (1, 1)


async def judged_by_two(sorting, numbers, second="u-2", **changed):
    for number in numbers:
        await told(sorting, inspected(number), actor="u-9")
        await told(sorting, inspected(number, why="synthetic", comparison=True, **changed), actor=second)


LEADS = Principal(subject="u-8", roles=frozenset({Role.METROLOGIST}))


async def test_two_inspectors_agree_on_a_device_or_do_not(sorting):
    asks = ListInspectorAgreement(**DAYS)
    await judged_by_two(sorting, NUMBERS[: PAIRS_MIN - 1])
    # Of so few nothing is said; and nothing of what one person did twice, or two together.
    await judged_by_two(sorting, NUMBERS[4:10], second="u-9")
    ended = ((InspectAppearance, "u-2"), (InspectFunction, "u-3"), (InspectAccuracy, "u-2"))
    for number in NUMBERS[10 : 10 + PAIRS_MIN]:
        about = {"occurred_on": DAY, "asset_no": number}
        await told(sorting, inspected(number), actor="u-9")
        await told(sorting, OpenInspection(**about, bench="B1", site=SITE, accuracy_class="1", why="synthetic"))
        await told(sorting, CheckIdentity(**about, barcode=number))
        for command, actor in ended:
            step = command.__name__.removeprefix("Inspect").lower()
            await told(sorting, command(**about, report=getattr(inspected(number), step)), actor=actor)
    assert await asked(sorting, asks, LEADS) == []
    await judged_by_two(sorting, [NUMBERS[15]], **RUINED)
    # What persons make of it afterwards is no disagreement of the two.
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await told(sorting, ProposeOverride(**about, disposition="scrap", why="synthetic", by="u-1"))
    await told(sorting, ConfirmOverride(**about, by="u-2"))
    (found,) = await asked(sorting, asks, LEADS)
    assert (found.inspector, found.other_inspector) == ("u-2", "u-9")
    assert (found.pairs, found.same_disposition, found.same_faults) == (PAIRS_MIN, PAIRS_MIN - 1, PAIRS_MIN - 1)
    elsewhere = msgspec.structs.replace(asks, site="elsewhere")
    assert await asked(sorting, elsewhere, LEADS) == []


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.METROLOGIST, Role.ADMIN}))
async def test_how_persons_agree_is_for_those_alone_who_lead_the_hall(sorting, role):
    with pytest.raises(Refusal, match="denied"):
        await asked(sorting, ListInspectorAgreement(**DAYS), msgspec.structs.replace(LEADS, roles=frozenset({role})))


@pytest.mark.parametrize(
    ("by", "groups"),
    [("site", [SITE]), ("device_class", ["01"]), ("maker", ["M01"]), ("batch", ["A1"]), ("shift", ["early", "night"])],
)
async def test_yield_is_grouped_by_whatever_is_asked(sorting, by, groups):
    await told(sorting, at(AT_9, NUMBERS[0]), at(AT_23, NUMBERS[1]))
    found = await asked(sorting, ListYield(by=by, **DAYS))
    assert sorted(one.group for one in found) == groups
    assert sum(one.judged for one in found) == 2
    assert {one.maker for one in found} == ({"M01"} if by == "batch" else {None})


@pytest.mark.parametrize(
    ("hour", "shift"),
    [(0, "night"), (5, "night"), (6, "early"), (13, "early"), (14, "late"), (22, "night")],
)
def test_every_hour_has_its_shift(hour, shift):
    assert shift_of(hour) == shift


async def test_benches_agree_on_a_device_or_do_not(sorting):
    await told(
        sorting,
        at(AT_9, NUMBERS[0]),
        at(AT_23, NUMBERS[0], bench="B2", why="synthetic: again"),
        at(AT_9, NUMBERS[1]),
        at(AT_23, NUMBERS[1], bench="B2", why="synthetic: again", **RUINED),
        at(AT_9, NUMBERS[2]),
    )
    found = await asked(sorting, ListAgreement(**DAYS))
    assert [(one.bench, one.shift, one.other_bench, one.other_shift) for one in found] == [
        ("B1", "early", "B2", "night")
    ]
    assert [(one.pairs, one.same_disposition, one.same_faults) for one in found] == [(2, 1, 1)]


async def test_what_waits_at_a_centre_waits_until_its_verdict(sorting):
    (before,) = await asked(sorting, ListBacklog(on=date(2026, 12, 31)))
    assert (before.site, before.device_class, before.devices) == (SITE, "01", len(NUMBERS))
    await told(sorting, inspected(NUMBERS[0]))
    (after,) = await asked(sorting, ListBacklog(on=date(2150, 1, 1)))
    assert (after.devices, after.over_week, after.over_month) == (len(NUMBERS) - 1,) * 3
    (fresh,) = await asked(sorting, ListBacklog(on=before.oldest_on))
    assert (fresh.over_week, fresh.over_month) == (0, 0)


async def waiting(sorting, on=None):
    """What waits for what, and how much of it for longer than a week and a month."""
    days = {"on": on or date(2150, 1, 1)}
    found = await asked(sorting, ListBacklog(**days))
    return {one.waits_for: (one.devices, one.over_week, one.over_month) for one in found}


async def test_what_was_judged_to_be_held_waits_for_a_person(sorting):
    held = inspected(NUMBERS[0], function=NOT_POSSIBLE, accuracy=NOT_POSSIBLE)
    await told(sorting, held)
    rest = len(NUMBERS) - 1
    assert await waiting(sorting) == {"person": (1, 1, 1), "verdict": (rest, rest, rest)}
    # Its age is that of its verdict, and not of its arrival.
    (person,) = [one for one in await asked(sorting, ListBacklog(on=DAY)) if one.waits_for == "person"]
    row = await sorting.one(WAITING, (NUMBERS[0],))
    assert (person.oldest_on, person.over_week) == (row.held_on, 0)
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await told(
        sorting,
        ProposeOverride(**about, disposition="scrap", why="synthetic", by="u-1"),
        ConfirmOverride(**about, by="u-2"),
    )
    assert await waiting(sorting) == {"verdict": (rest, rest, rest)}


@pytest.mark.parametrize("held", [False, True])
async def test_a_verdict_that_was_taken_back_waits_until_it_stands_again(sorting, held):
    """So is a device that is inspected again, and its wait begins then."""
    rest, found = len(NUMBERS) - 1, {"function": NOT_POSSIBLE, "accuracy": NOT_POSSIBLE} if held else {}
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await told(sorting, inspected(NUMBERS[0], **found))
    judged = await waiting(sorting)
    assert judged["verdict"][0] == rest
    await told(sorting, OpenInspection(**about, bench="B2", site=SITE, why="synthetic"))
    assert (await waiting(sorting))["verdict"][0] == rest + 1
    row = await sorting.one(WAITING, (NUMBERS[0],))
    assert row.reopened_on == row.since
    await told(sorting, AbandonInspection(**about, why="synthetic"))
    assert await waiting(sorting) == judged
    await told(sorting, OpenInspection(**about, bench="B2", site=SITE, why="synthetic"))
    await told(sorting, SupersedeInspection(**about, number=NUMBERS[1]))
    assert "person" not in await waiting(sorting)
    assert (await waiting(sorting))["verdict"][0] == rest


async def test_ages_are_counted_from_what_is_waited_for(tmp_path):
    async with reviewing.hall(tmp_path) as here:
        held, again, new = (reviewing.number(serial) for serial in (1, 2, 3))
        await arrived(here.ledger, [held, again, new])
        here.at += timedelta(days=30)
        await reviewing.judge(here.ledger, [1], disposition="hold")
        await reviewing.judge(here.ledger, [2], disposition="reuse")
        here.at += timedelta(days=10)
        (opened_first, *_) = reviewing.judged(2)
        taken_back = msgspec.structs.replace(opened_first, round=2, why="synthetic")
        await written(here.ledger, SORTING, f"inspection-{again}", taken_back)
        on = (here.at + timedelta(days=5)).date()
        found = {one.waits_for: one for one in await asked(here.sorting, ListBacklog(on=on))}
        assert (found["person"].devices, found["person"].over_week, found["person"].over_month) == (1, 1, 0)
        assert found["person"].oldest_on == on - timedelta(days=15)
        assert (found["verdict"].devices, found["verdict"].over_week, found["verdict"].over_month) == (2, 1, 1)
        assert found["verdict"].oldest_on == on - timedelta(days=45)


async def test_what_comes_out_of_service_again_waits_again(sorting):
    await told(sorting, inspected(NUMBERS[0]))
    out = Dismantled(
        occurred_on=DAY, asset_no=NUMBERS[0], work_order="W-1", unit=UNIT, reason="status",
        moved=Movement(device_class="01", to_site=SITE),
    )  # fmt: skip
    await written(sorting._ledger, REGISTRY, f"meter-{NUMBERS[0]}", out)
    assert (await waiting(sorting))["verdict"][0] == len(NUMBERS)


async def test_everybody_counts_what_they_may_see(sorting):
    await told(sorting, inspected(NUMBERS[0]))
    own = Principal(subject="u-3", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))
    other = Principal(subject="u-4", roles=frozenset({Role.OPERATOR}), units=frozenset({"99999"}))
    for ask in (ListYield(by="maker", **DAYS), ListThroughput(day=DAY), ListBacklog(on=DAY)):
        assert [len(await asked(sorting, ask, who)) for who in (INSPECTOR, own, other)] == [1, 1, 0]


@pytest.mark.parametrize("role", [Role.MANUFACTURER, Role.INSTITUTE, Role.RECYCLER, Role.PUBLIC])
async def test_nobody_counts_what_its_rows_do_not_tell(sorting, role):
    """A maker is not told at which bench its devices are, nor the institute what the verdicts on them were."""
    await told(sorting, inspected(NUMBERS[0]))
    who = Principal(subject="u-7", roles=frozenset({role}), organisation="M01")
    asks = (
        ListInspectorAgreement(**DAYS),
        ListQueues(),
        ListThroughput(day=DAY),
        ListYield(by="bench", **DAYS),
        ListAgreement(**DAYS),
        ListBacklog(on=DAY),
    )
    for ask in asks:
        with pytest.raises(Refusal, match="denied"):
            await asked(sorting, ask, who)
