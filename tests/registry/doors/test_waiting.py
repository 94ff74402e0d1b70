"""Whoever asks to see what the views have not reached yet is told so, at every entrance."""

import asyncio

import msgspec

from kernel.grpc_client import CALL_S
from kernel.principal import Role
from kernel.projection import WAIT_S_MAX
from ledger.port import Append, Draft, StreamState
from tests.gateway.behind import behind
from tests.given import fresh_id
from tests.registry.doors.entrances import Entrances


async def asked(entrances, seen):
    token = entrances.token(Role.AUDITOR)
    question = {"first": "2026-03-01", "last": "2026-03-02", "seen": seen}
    return await asyncio.gather(*(one.ask("ListBalances", question, token) for one in entrances.all()))


async def test_views_that_are_behind_say_so_everywhere(tmp_path):
    assert WAIT_S_MAX < CALL_S
    async with behind(tmp_path) as platform:
        unreadable = Draft(id=fresh_id().bytes, type="registry.Registered", data=b"{", metadata=b"{}")
        receipt = await platform.ledger.append([Append("meter-x", StreamState.NO_STREAM, (unreadable,))])
        answers = await asked(Entrances(platform), receipt.position)
    assert [answer.code for answer in answers] == ["view.behind"] * 3
    assert [answer.status for answer in answers] == [409, None, 409]


async def test_a_position_that_no_event_has_is_refused_at_once_everywhere(tmp_path):
    async with behind(tmp_path) as platform:
        answers = await asked(Entrances(platform), 7)
    assert [answer.code for answer in answers] == ["view.no_such_position"] * 3
    assert [answer.status for answer in answers] == [422, None, 422]


async def test_every_question_to_the_views_waits_for_what_one_has_seen(tmp_path):
    """But for the public one: whoever needs no token must not hold a request."""
    needed = {"first": "2026-03", "last": "2026-03", "unit": "99401", "by": "2026-03-01", "before": "2026-03-01"}
    days = {"first": "2026-03-01", "last": "2026-03-01"}
    async with behind(tmp_path) as platform:
        entrances = Entrances(platform)
        token, waiting = entrances.token(Role.ADMIN), set()
        for name, question in entrances.offered.questions.items():
            fields = {field.name: field for field in msgspec.structs.fields(question.ask)}
            if "seen" not in fields or "{" in question.path:
                continue
            known = needed | (days if name == "ListBalances" else {})
            asked = {field: known[field] for field in fields if fields[field].required}
            answer = await entrances.rest.ask(name, {**asked, "seen": 7}, token)
            assert answer.code == "view.no_such_position", (name, answer)
            waiting.add(name)
        lists = {name for name, question in entrances.offered.questions.items() if question.rows}
    of_one_thing = {"GetLife", "ListStocktakes"}
    assert waiting - {"GetRecoveryLedger"} == lists - of_one_thing - {"ListBurnt"}
