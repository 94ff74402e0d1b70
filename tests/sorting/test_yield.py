"""What is counted of benches: queues, throughput, yield, agreement, backlog; and who sees whose."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from kernel.authority import Policies
from kernel.principal import Principal, Role
from kernel.questions import PageAsked
from kernel.refusal import Refusal
from services.sorting.access import Access
from services.sorting.inspection.opening import AbandonInspection, HandOverInspection, OpenInspection
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride
from services.sorting.inspection.steps import StepReport
from services.sorting.stations import ListAgreement, ListBacklog, ListQueues, ListThroughput, ListYield, Stations
from services.sorting.views.station import shift_of
from tests.sorting.behind import ROOT
from tests.sorting.examples import DAY, SITE, UNIT, Measured, inspected, performed
from tests.sorting.hall import NUMBERS, hall, opened, told

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
    # Inspected again, overruled: neither went right at the first time. Given up, the inspection counts for nothing.
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
        ListQueues(),
        ListThroughput(day=DAY),
        ListYield(by="bench", **DAYS),
        ListAgreement(**DAYS),
        ListBacklog(on=DAY),
    )
    for ask in asks:
        with pytest.raises(Refusal, match="denied"):
            await asked(sorting, ask, who)
