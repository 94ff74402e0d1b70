"""Whether what the views answer is what reading the whole log comes to, question by question."""

from collections import Counter
from datetime import date

import pytest

from kernel.refusal import Refusal
from services.registry.questions import (
    GetDevice,
    ListAlarms,
    ListBalances,
    ListBurnt,
    ListCustodyGaps,
    ListDevices,
    ListDuplicates,
    ListHoldsDue,
    ListOwed,
    ListRecovery,
)
from services.registry.views.recovery import burnt, grouped, unexpected_by_unit
from tests.registry.views.lives import BEGAN, UNITS
from tests.registry.views.telling import PLAN

ALWAYS = (date(2026, 1, 1), date(2026, 12, 31))
BECAME = ("received", "received_late", "missing", "lost", "unexpected", "owed", "returned", "disposed")
CUT_OFFS = {(PLAN.plan_id[:5], PLAN.plan_id[6:]): PLAN.cut_off}


async def log_of(views):
    """What the log holds, as the projector reads it."""
    decode, found = views.decode, []
    while True:
        page = await views.ledger.read_all(found[-1][1].position if found else 0)
        found += [(decode(one), one) for one in page.events]
        if page.at_head:
            return found


def shown(card):
    """What card and account both say."""
    return (card.phase, card.site, card.unexpected, card.holder, card.since, card.device_class, card.unit)


def so(stand):
    return (stand.phase, stand.site, stand.apart, stand.holder, stand.since, stand.device_class, stand.unit)


async def devices_stand_where_they_stand(views, account):
    cards = {card.asset_no: card for page in await views.pages(ListDevices(), 3) for card in page}
    assert {number: shown(card) for number, card in cards.items()} == {
        number: so(account.stood(number)) for number in account.lives
    }
    for number, card in cards.items():
        assert card == await views.ask(GetDevice(asset_no=number, as_of_position=await views.ledger.head()))


async def devices_stood_where_they_stood(views, account, positions):
    days = sorted({event.day for event, _ in account.log})
    whens = [{"position": position} for position in positions]
    whens += [{"day": days[position % len(days)]} for position in positions]
    for when in whens:
        for number in account.lives:
            expected = account.stood(number, **when)
            asked = {f"as_of_{name}": value for name, value in when.items()}
            if expected is None:
                with pytest.raises(Refusal, match="not_then"):
                    await views.ask(GetDevice(asset_no=number, **asked))
            else:
                assert shown(await views.ask(GetDevice(asset_no=number, **asked))) == so(expected)


async def balances_add_up(views, account, between):
    for first, last in (ALWAYS, (BEGAN, between), (between, ALWAYS[1])):
        lines = await views.all(ListBalances(first=first, last=last), 3)
        assert [
            (line.site, line.device_class, line.day, line.opening, line.inflow, line.outflow, line.closing,
             line.restated_on)
            for line in lines
        ] == account.balances(first, last)  # fmt: skip
        for line in lines:
            assert line.opening + line.inflow - line.outflow == line.closing >= 0


async def recovery_is_as_defined(views, account, cut_offs=None):
    cut_offs = CUT_OFFS if cut_offs is None else cut_offs
    rates = await views.all(ListRecovery(first="2025-01", last="2027-12"), 2)
    found = {}
    for rate in rates:
        counts = {name: getattr(rate, name) for name in ("dismantled", *BECAME)}
        found[rate.unit, rate.cohort] = Counter({name: number for name, number in counts.items() if number})
        assert sum(counts[name] for name in BECAME) == rate.dismantled
        assert 0 <= rate.received <= rate.dismantled
        assert rate.cut_off == cut_offs.get((rate.unit, rate.cohort))
    assert found == account.rates(cut_offs)
    for unit in (*UNITS, "99403"):
        owed = [line for page in await views.pages(ListOwed(unit=unit), 2) for line in page]
        assert [(line.dismantled_on, line.asset_no) for line in owed] == account.owed(unit)
    assert await views.registry.ask(unexpected_by_unit) == account.apart_without_work_order()
    counts = await views.registry.ask(burnt)
    assert sum(devices for _, _, devices in counts) == sum(told["reason"] == "burnt" for told in account.dismantlings())
    assert await views.ask(ListBurnt()) == grouped(counts)


async def what_is_open_is_told(views, account, day):
    gaps = await views.all(ListCustodyGaps(before=day), 2)
    assert [(gap.since, gap.asset_no, gap.phase) for gap in gaps] == account.gaps(day)
    for by in (day, date.max):
        due = await views.all(ListHoldsDue(by=by), 2)
        assert [(line.until, line.asset_no, line.hold) for line in due] == account.holds_due(by)
    shared = await views.all(ListDuplicates(), 2)
    assert [(line.devices, line.comm_address) for line in shared] == account.duplicates()
    alarms = await views.all(ListAlarms(), 2)
    assert Counter((alarm.asset_no, alarm.kind) for alarm in alarms) == account.alarms()
