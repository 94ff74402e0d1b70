"""The status page says of each part whether it is up, degraded or away, what that means, and what to do."""

import asyncio
import os
import re
from html import unescape

import httpx
import pytest

from gateway.live import FOLLOWERS_MAX, FOLLOWERS_OF_AN_ADDRESS_MAX
from gateway.portal import FRESH_S
from ledger.port import ANY, Append, Draft
from tests.gateway.behind import behind
from tests.gateway.serving import served
from tests.gateway.test_live import MANY, PublicLog, Started


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        await started.disclose()
        await looked(started, f"meterloop.local/{started.ledger.ledger_id}")
        started.gateway.proof_log.look()
        yield started


async def looked(platform, wanted):
    """The page as soon as it holds this."""
    async with asyncio.timeout(120):
        while wanted not in (page := (await platform.client.get("/")).text):  # noqa: ASYNC110  a page tells nobody when it changes
            await asyncio.sleep(FRESH_S / 5)
    return page


def rows(page):
    """Each part as words: its name, its state and what follows."""
    found = re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td></tr>', page, re.DOTALL)
    return {words(name): words(state) for name, state in found}


def words(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


async def test_what_is_up_is_said_in_one_sentence_and_part_by_part(platform):
    page = await platform.client.get("/")
    assert page.status_code == 200
    shown = {name: re.sub(r"\d\d:\d\d:\d\d", "TIME", state) for name, state in rows(page.text).items()}
    assert shown == {
        "登记服务 registry": "正常 up",
        "分拣服务 sorting": "正常 up",
        "存证日志 proof log": "正常 up TIME，0 项 entries",
        "见证人 witnesses": "正常 up 未指定 none named",
        "披露 disclosures": "正常 up 0 项 entries",
        "公开事件流 public events": "正常 up 0 条 events",
    }
    assert "各部分均正常。 Every part is up." in words(page.text)
    assert platform.ledger.ledger_id in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_beside_the_page_only_its_style_is_served(platform):
    style = await platform.client.get("/pages/page.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    template = await platform.client.get("/pages/status.html")
    assert template.status_code == 404


async def test_a_service_whose_view_has_stopped_is_degraded_and_says_what_to_do(platform):
    unread = Draft(os.urandom(16), "registry.Registered", b'{"asset_no": 7, "secret": "of the event"}')
    await platform.ledger.append([Append("meter-1", ANY, [unread])])
    page = await looked(platform, "degraded")
    state = rows(page)["登记服务 registry"]
    assert state.startswith("降级 degraded 有视图停住")
    assert "A view has stopped, is behind or is being built" in state
    assert "meterloop rebuild 重建" in state
    assert "Operators: /readyz?verbose" in state
    assert "须注意：6 个部分中的 2 个。 To be looked at: 2 of 6 parts." in words(page)
    assert "secret" not in page, "why it stopped is for those who run it"
    assert "<code>meterloop rebuild</code>" in page


async def test_a_service_that_takes_no_calls_is_away(platform):
    assert rows((await platform.client.get("/")).text)["登记服务 registry"] == "正常 up"
    await platform.rpc.say(serving_now=False)
    state = rows(await looked(platform, "away"))["登记服务 registry"]
    assert state.startswith("不可用 away 无应答")
    assert "log/registry.log" in state


async def test_however_many_look_the_service_is_asked_once(tmp_path):
    now_s = [0.0]
    async with behind(tmp_path, clock_s=lambda: now_s[0]) as platform:
        pages = [(await platform.client.get("/")).text for _ in range(5)]
        assert all("away" not in rows(page)["登记服务 registry"] for page in pages)
        await platform.rpc.say(serving_now=False)
        now_s[0] += FRESH_S * 0.99
        assert rows((await platform.client.get("/")).text) == rows(pages[0])
        now_s[0] += FRESH_S * 0.02
        assert rows((await platform.client.get("/")).text)["登记服务 registry"].startswith("不可用 away")


async def test_the_public_events_are_degraded_until_they_are_counted_and_while_nobody_else_can_follow(tmp_path):
    log = PublicLog(tmp_path)
    await log.say(1, MANY)
    started = Started(tmp_path)
    assert [trouble.what.zh for trouble in started.live.standing.troubles] == [
        "正在清点公开事件：数目尚不全，订阅者须等清点完毕。"
    ]
    running = asyncio.create_task(started.live.run())
    async with served(started.app) as url:
        # However long so many take to be let in where the machine is busy.
        limits, patient = httpx.Limits(max_connections=None), httpx.Timeout(120)
        async with (
            httpx.AsyncClient(base_url=url, limits=limits, timeout=patient) as client,
            asyncio.TaskGroup() as following,
        ):
            await started.counted(3 * MANY)
            assert started.live.standing.troubles == ()
            for at in range(FOLLOWERS_MAX):
                following.create_task(started.taken(client, None, 1, f"192.0.2.{at // FOLLOWERS_OF_AN_ADDRESS_MAX}"))
            async with asyncio.timeout(120):
                while not (await started.live.health()).degraded:  # noqa: ASYNC110  as above
                    await asyncio.sleep(0.02)
            assert "As many follow" in started.live.standing.troubles[0].what.en
            assert (await client.get("/v1/events")).json()["code"] == "events.too_many_followers"
            await log.say(MANY + 1, MANY + 1)
        started.draining.set()
    running.cancel()
