"""Whoever asks to see what the views have not reached yet is told so, at every entrance."""

import asyncio

from kernel.grpc_client import CALL_S
from kernel.identity import Role
from kernel.projection import WAIT_S_MAX
from tests.gateway.behind import behind
from tests.registry.doors.entrances import Entrances


async def test_views_that_are_behind_say_so_everywhere(tmp_path):
    assert WAIT_S_MAX < CALL_S
    async with behind(tmp_path) as platform:
        entrances = Entrances(platform)
        token = entrances.token(Role.AUDITOR)
        asked = {"first": "2026-03-01", "last": "2026-03-02", "seen": 7}
        answers = await asyncio.gather(*(one.ask("ListBalances", asked, token) for one in entrances.all()))
    assert [answer.code for answer in answers] == ["view.behind"] * 3
    assert [answer.status for answer in answers] == [409, None, 409]
