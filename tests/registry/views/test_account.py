"""Any valid history, projected in pages of any size and with stops, comes to what reading the whole log comes to."""

import asyncio
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.registry.views.account import Account
from tests.registry.views.agreement import (
    balances_add_up,
    devices_stand_where_they_stand,
    devices_stood_where_they_stood,
    log_of,
    recovery_is_as_defined,
    what_is_open_is_told,
)
from tests.registry.views.lives import BEGAN, history, steps
from tests.registry.views.telling import asking


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
