"""Any valid history, projected in pages of any size and with stops, comes to what reading the whole log comes to."""

import asyncio
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.refusal import Refusal
from services.registry.questions import (
    GetDevice,
    ListAlarms,
    ListBalances,
    ListBurnt,
    ListCustodyGaps,
    ListDevices,
    ListHoldsDue,
    ListOwed,
    ListRecovery,
)
from services.registry.views.recovery import burnt, grouped, unexpected_by_unit
from tests.registry.views.account import Account
from tests.registry.views.lives import BEGAN, UNITS, history, steps
from tests.registry.views.telling import PLAN, asking

ALWAYS = (date(2026, 1, 1), date(2026, 12, 31))
BECAME = ("received", "received_late", "missing", "lost", "unexpected", "owed", "returned")
CUT_OFFS = {(PLAN.plan_id[:5], PLAN.plan_id[6:]): PLAN.cut_off}


def test_views_hold_what_the_whole_log_says(fresh_url, examples):
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        steps,
        st.integers(1, 40),
        st.lists(st.floats(0, 1), max_size=2),
        st.lists(st.floats(0, 1), min_size=3, max_size=3),
        st.integers(0, 60),
    )
    def holds(chosen, page_events, stops, moments, days):
        told = history(chosen)
        number = len(told.events)
        stopped = [int(stop * number) for stop in stops]

        async def scenario():
            async with asking(fresh_url(), told, page_events=page_events, stops=stopped) as views:
                log = await log_of(views)
                account = Account(log)
                await devices_stand_where_they_stand(views, account)
                await devices_stood_where_they_stood(views, account, [int(one * number) for one in moments])
                await balances_add_up(views, account, BEGAN + timedelta(days=days))
                await recovery_is_as_defined(views, account)
                await what_is_open_is_told(views, account, BEGAN + timedelta(days=days))

        asyncio.run(scenario())

    holds()


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


async def recovery_is_as_defined(views, account):
    rates = await views.all(ListRecovery(first="2025-01", last="2027-12"), 2)
    found = {}
    for rate in rates:
        counts = {name: getattr(rate, name) for name in ("dismantled", *BECAME)}
        found[rate.unit, rate.cohort] = Counter({name: number for name, number in counts.items() if number})
        assert sum(counts[name] for name in BECAME) == rate.dismantled
        assert 0 <= rate.received <= rate.dismantled
        assert rate.cut_off == CUT_OFFS.get((rate.unit, rate.cohort))
    assert found == account.rates(CUT_OFFS)
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
    due = await views.all(ListHoldsDue(by=date.max), 2)
    ends = {(line.asset_no, line.hold) for line in due}
    assert ends <= account.holds()
    alarms = await views.all(ListAlarms(), 2)
    assert Counter((alarm.asset_no, alarm.kind) for alarm in alarms) == account.alarms()
