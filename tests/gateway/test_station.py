"""The page on which a bench works, in a real browser, by keys alone: what a wedge scanner types, and what hands do."""

import asyncio
import os
import re
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.station import SERVED
from kernel.clock import now, system_clock_us
from kernel.principal import Role
from services.sorting.inspection.opening import AbandonInspection, IdentityChecked, InspectionOpened
from services.sorting.inspection.steps import AppearanceInspected, StepReport
from tests.gateway.behind import behind
from tests.gateway.browsing import browser, heard, needs_browser
from tests.gateway.serving import served
from tests.sorting.examples import SITE, inspected
from tests.sorting.hall import NUMBERS, arrived, opened, rules, told

pytestmark = [needs_browser, pytest.mark.asyncio(loop_scope="module")]
NOT_POSSIBLE = StepReport(ended="not_possible", why="synthetic")
NUMBER, OTHER = NUMBERS[0], NUMBERS[1]
ADDRESS = "000000004711"


class Bench:
    """A page at a bench, and the platform behind it."""

    def __init__(self, page, platform, url):
        self.page, self.platform, self.url = page, platform, url

    async def scan(self, text):
        """As a wedge scanner types it: the characters at once, then Enter."""
        await self.page.evaluate(
            """(text) => { for (const key of [...text, "Enter"]) document.body.dispatchEvent(
                 new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })); }""",
            text,
        )

    async def wedge(self, text, gap_s=0.005):
        """As a wedge scanner types it for the browser itself: what has the focus gets the keys, at these times."""
        typing = await self.page.context.new_cdp_session(self.page)
        at = system_clock_us() / 1_000_000
        for nth, key in enumerate([*text, "Enter"]):
            about = {"key": key, "timestamp": at + nth * gap_s}
            if key == "Enter":
                about |= {"windowsVirtualKeyCode": 13}
            await typing.send(
                "Input.dispatchKeyEvent", {"type": "keyDown", "text": "\r" if key == "Enter" else key, **about}
            )
            await typing.send("Input.dispatchKeyEvent", {"type": "keyUp", **about})
        await typing.detach()

    async def told(self, kind, number=NUMBER):
        """What was recorded of this kind about a device."""
        events = await self.platform.sorting.sorting.events_of(number)
        return [event for event, _ in events if isinstance(event, kind)]

    async def see(self, view):
        await self.page.wait_for_selector(f'html[data-view="{view}"]:not([data-busy])')
        return await self.page.inner_text("main")

    async def key(self, name):
        """One key by hand, which no other follows at once."""
        await self.page.keyboard.press(name)
        await self.page.wait_for_timeout(90)

    async def state(self, number=NUMBER):
        return (await self.platform.sorting.sorting.inspections_now((number,)))[number]

    async def sound(self):
        return await self.page.get_attribute("html", "data-sound")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium():
    """Started once: each test has a context of its own in it, with its own storage, as a private window has."""
    async with browser() as started:
        yield started


@asynccontextmanager
async def a_bench(chromium, folder, *, bench="B1", site=SITE, role=Role.INSPECTOR, **context):
    async with behind(folder) as platform, served(platform.gateway.app) as url:
        at = await arrived(platform.ledger, NUMBERS[:5], comm_address=ADDRESS)
        await rules(platform.sorting.sorting)
        await platform.sorting.sorting.ask(lambda _connection: None, seen=at)
        visiting = await chromium.new_context(**context)
        page = await visiting.new_page()
        complaints = heard(page)
        await page.goto(f"{url}/station#bench={bench}&site={site}&token={platform.token(role)}")
        await page.wait_for_selector("html[data-ready]")
        try:
            yield Bench(page, platform, url)
        finally:
            await visiting.close()
        # What a door refuses, a browser tells of on its console; what the page itself does wrong is told otherwise.
        assert [one for one in complaints if "Failed to load resource" not in one] == []


async def test_a_meter_goes_from_the_scan_to_its_container_by_keys_alone(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.see("ready")
        await bench.scan(NUMBER)
        assert "accuracy class" in await bench.see("choose")
        await bench.key("1")
        assert "Appearance" in await bench.see("step")
        await bench.key("1")
        assert "whole" in await bench.page.inner_text("[data-item=case] .given")
        await bench.key("Enter")
        await bench.page.wait_for_selector("[data-item=clock_battery]")
        await bench.page.keyboard.type("3600")
        await bench.key("Enter")
        await bench.key("Enter")
        await bench.page.wait_for_selector("[data-item=error_ib_pf100]")
        assert "-10000 … 10000 ppm" in await bench.page.inner_text("[data-item=error_ib_pf100]")
        await bench.page.keyboard.type("-1200")
        await bench.key("Enter")
        await bench.key("Enter")
        said = await bench.see("verdict")
        assert await bench.page.get_attribute(".verdict", "data-disposition") == "reuse"
        assert await bench.page.inner_text(".letter") == "A"
        assert "利旧箱" in said
        assert await bench.page.inner_text("#count") == "1"
        assert await bench.sound() == "verdict"
        state = await bench.state()
        assert (state.phase, state.disposition, state.bench, state.device.accuracy_class) == (
            "judged",
            "reuse",
            "B1",
            "1",
        )
        # Measured again to compare benches, which the inspection says of itself.
        await bench.key("r")
        await bench.see("choose")
        await bench.key("1")
        assert "accuracy class" in await bench.see("choose")
        await bench.key("1")
        await bench.see("step")
        events = [event for event, _ in await bench.platform.sorting.sorting.events_of(NUMBER)]
        assert [one.comparison for one in events if isinstance(one, InspectionOpened)] == [False, True]


async def test_the_token_stays_in_the_tab_and_out_of_the_address(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        assert await bench.page.evaluate("location.href") == f"{bench.url}/station"
        assert await bench.page.evaluate("localStorage.length") == 0
        assert await bench.page.evaluate("sessionStorage.getItem('station.bench')") == "B1"
        assert await bench.page.evaluate("document.cookie") == ""


async def test_a_burnt_meter_is_not_powered_and_its_steps_end_so(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.scan(NUMBER)
        await bench.see("choose")
        await bench.key("1")
        await bench.see("step")
        await bench.key("2")
        assert await bench.sound() == "outside"
        await bench.key("Enter")
        said = await bench.see("refused")
        assert "须附照片" in said
        await bench.key("Enter")
        await bench.see("step")
        await bench.page.set_input_files("#photo", [])
        async with bench.page.expect_file_chooser() as chosen:
            await bench.key("p")
        await (await chosen.value).set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"synthetic"})
        await bench.page.wait_for_selector("text=/照片 1 张|📷1/")
        await bench.key("Enter")
        await bench.page.wait_for_selector(".unsafe")
        await bench.key("Enter")
        await bench.page.wait_for_selector(".steps li.now:nth-child(3)")
        await bench.key("Enter")
        await bench.see("verdict")
        state = await bench.state()
        assert state.ends == {"appearance": "performed", "function": "not_possible", "accuracy": "not_possible"}


async def test_a_scan_in_the_midst_of_a_form_asks_before_it_leaves_it(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await opened(bench.platform.sorting.sorting, NUMBER)
        await bench.scan(NUMBER)
        await bench.see("step")
        await bench.key("1")
        await bench.scan(OTHER)
        assert "has not ended" in await bench.see("choose")
        await bench.key("1")
        await bench.see("step")
        assert await bench.page.get_attribute("[data-asset]", "data-asset") == NUMBER
        assert "whole" in await bench.page.inner_text("[data-item=case] .given")
        await bench.scan(OTHER)
        await bench.see("choose")
        await bench.key("2")
        assert "accuracy class" in await bench.see("choose")


async def test_a_value_that_cannot_be_is_refused_before_it_is_sent(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await opened(bench.platform.sorting.sorting, NUMBER)
        await bench.scan(NUMBER)
        await bench.see("step")
        await bench.key("1")
        await bench.key("Enter")
        await bench.page.wait_for_selector("[data-item=clock_battery]")
        await bench.page.keyboard.type("9999999")
        await bench.key("Enter")
        said = await bench.see("refused")
        assert "量程" in said
        assert "measure again" in said
        assert await bench.sound() == "refused"
        await bench.key("Enter")
        await bench.see("step")
        await bench.page.keyboard.type("2000")
        await bench.key("Enter")
        assert await bench.page.get_attribute("[data-item=clock_battery] .given", "class") == "given outside"


async def test_the_last_scan_can_be_undone_until_a_step_has_ended(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.scan(NUMBER)
        await bench.see("choose")
        await bench.key("1")
        await bench.see("step")
        await bench.key("u")
        await bench.see("ready")
        assert (await bench.state()).phase == "abandoned"
        await bench.scan(OTHER)
        await bench.see("choose")
        await bench.key("1")
        await bench.see("step")
        await bench.key("1")
        await bench.key("Enter")
        await bench.page.wait_for_selector("[data-item=clock_battery]")
        await bench.key("u")
        assert "cannot be undone" in await bench.see("refused")
        assert (await bench.state(OTHER)).phase == "open"


async def test_undoing_a_scan_that_opened_nothing_gives_up_nothing(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await opened(bench.platform.sorting.sorting, NUMBER)
        await told(bench.platform.sorting.sorting, inspected(OTHER))
        for number, view, phase in ((NUMBER, "step", "open"), (OTHER, "verdict", "judged")):
            await bench.scan(number)
            await bench.see(view)
            await bench.key("u")
            await bench.see("ready")
            assert (await bench.state(number)).phase == phase


async def test_what_is_no_asset_number_is_refused_and_a_number_can_be_typed(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.scan("http://example.test/x")
        assert "不是资产编号" in await bench.see("refused")
        await bench.key("Enter")
        await bench.see("ready")
        await bench.key("k")
        await bench.see("by_hand")
        await bench.page.keyboard.type(NUMBER[:21])
        assert f"应为 {NUMBER[21]}" in await bench.page.inner_text(".hint")
        await bench.page.keyboard.type(str((int(NUMBER[21]) + 1) % 10))
        assert "逐位核对" in await bench.page.inner_text(".hint")
        await bench.page.keyboard.press("Backspace")
        await bench.page.keyboard.type(NUMBER[21])
        await bench.page.keyboard.press("Enter")
        assert "accuracy class" in await bench.see("choose")


async def test_a_number_that_was_typed_is_no_barcode_that_was_read(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        for number, address in ((NUMBER, ADDRESS), (OTHER, "")):
            await bench.key("k")
            await bench.see("by_hand")
            await bench.page.fill("[name=asset_no]", number)
            await bench.page.keyboard.press("Enter")
            await bench.see("choose")
            await bench.key("1")
            assert "communication address" in await bench.see("typed")
            await bench.page.fill("[name=typed]", address)
            await bench.page.keyboard.press("Enter")
            await bench.see("step")
            await bench.key("Escape")
            await bench.see("ready")
        for number, outcome in ((NUMBER, "confirmed"), (OTHER, "unverified")):
            (checked,) = await bench.told(IdentityChecked, number)
            assert (checked.outcome, checked.barcode) == (outcome, None)


async def test_a_scanned_number_is_no_answer_where_words_are_asked_for(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await opened(bench.platform.sorting.sorting, NUMBER)
        await bench.scan(NUMBER)
        await bench.see("step")
        await bench.key("n")
        await bench.see("choose")
        await bench.key("5")
        await bench.see("typed")
        await bench.page.keyboard.type("屏幕")
        await bench.wedge(OTHER)
        assert "no answer" in await bench.see("typed")
        assert await bench.sound() == "refused"
        assert await bench.page.input_value("[name=typed]") == "屏幕"
        assert await bench.told(AppearanceInspected) == []
        await bench.key("Enter")
        await bench.page.wait_for_selector(".steps li.now:nth-child(2)")
        (ended,) = await bench.told(AppearanceInspected)
        assert ended.report.why == "屏幕"


async def test_what_is_scanned_where_numbers_are_typed_is_a_barcode(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.key("k")
        await bench.see("by_hand")
        await bench.wedge(NUMBER)
        await bench.see("choose")
        await bench.key("1")
        await bench.see("step")
        (checked,) = await bench.told(IdentityChecked)
        assert (checked.outcome, checked.barcode) == ("confirmed", NUMBER)


async def test_a_scan_before_the_answer_to_the_last_is_refused_aloud(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        for number in (NUMBER, OTHER):
            await opened(bench.platform.sorting.sorting, number)
        held = asyncio.Event()

        async def slow(route):
            await held.wait()
            await route.continue_()

        await bench.page.route("**/form*", slow)
        await bench.scan(NUMBER)
        await bench.page.wait_for_selector("html[data-busy]")
        await bench.scan(OTHER)
        assert await bench.sound() == "refused"
        assert OTHER in await bench.page.inner_text("#line")
        held.set()
        await bench.see("step")
        assert await bench.page.get_attribute("[data-asset]", "data-asset") == NUMBER


async def test_one_that_nobody_knows_is_refused_large_and_with_another_sound(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.scan(NUMBERS[9])
        said = await bench.see("refused")
        assert "没有登记记录" in said
        assert "not on record" in said
        assert await bench.sound() == "refused"
        await bench.key("m")
        await bench.scan(NUMBERS[9])
        await bench.see("refused")
        assert await bench.sound() == "off"


async def test_one_that_another_bench_has_is_taken_over(tmp_path, chromium):
    async with a_bench(chromium, tmp_path, bench="B2") as bench:
        await opened(bench.platform.sorting.sorting, NUMBER)
        await bench.scan(NUMBER)
        assert "B1" in await bench.see("elsewhere")
        await bench.key("t")
        await bench.see("step")
        assert (await bench.state()).bench == "B2"


async def test_what_is_open_goes_to_the_next_shift_at_another_bench(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        at = 0
        for number in NUMBERS[:3]:
            await opened(bench.platform.sorting.sorting, number)
        at = await told(bench.platform.sorting.sorting, inspected(NUMBERS[3]))
        await bench.platform.sorting.sorting.ask(lambda _connection: None, seen=at)
        await bench.key("h")
        said = await bench.see("hand_over")
        assert "未结束 3 只" in said
        await bench.wedge(NUMBERS[0])
        assert "1 of 3 counted" in await bench.see("hand_over")
        await bench.wedge(NUMBERS[4])
        assert "is not among what is open" in await bench.see("hand_over")
        assert await bench.page.input_value("[name=to]") == "B1"
        # One of them is given up meanwhile.
        await told(
            bench.platform.sorting.sorting, AbandonInspection(occurred_at=now(), asset_no=NUMBERS[2], why="合成")
        )
        await bench.page.fill("[name=to]", "B7")
        await bench.page.keyboard.press("Enter")
        said = await bench.see("choose")
        assert "2 of them were not ticked off" in said
        assert "3 go to bench B7" in said
        await bench.key("1")
        await bench.see("setup")
        assert {(await bench.state(number)).bench for number in NUMBERS[:2]} == {"B7"}
        # Whoever comes works in a name of their own.
        assert await bench.page.evaluate("sessionStorage.getItem('station.token')") == ""


async def test_the_shift_is_counted_by_the_platform_not_by_the_tab(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        sorting = bench.platform.sorting.sorting
        at = await told(sorting, inspected(OTHER, occurred_on=None, occurred_at=now()))
        await sorting.ask(lambda _connection: None, seen=at)
        await bench.page.reload()
        await bench.page.wait_for_selector("#count:text-is('1')")


async def test_a_command_that_got_no_answer_is_sent_again_and_recorded_once(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await opened(bench.platform.sorting.sorting, NUMBER)
        await bench.scan(NUMBER)
        await bench.see("step")
        keys = []

        async def lost(route):
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                # It arrives, and its answer does not.
                await route.fetch()
                await route.abort()
            else:
                await route.continue_()

        await bench.page.route("**/inspect-appearance", lost)
        await bench.key("1")
        await bench.key("Enter")
        assert "try again" in await bench.see("refused")
        await bench.key("Enter")
        await bench.page.wait_for_selector("[data-item=clock_battery]")
        assert len(keys) == 2
        assert len(set(keys)) == 1


async def test_without_a_token_that_holds_it_says_so_and_asks_for_one(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        await bench.page.evaluate("sessionStorage.setItem('station.token', 'x')")
        await bench.scan(NUMBER)
        await bench.see("refused")
        await bench.key("Enter")
        await bench.see("setup")
        await bench.page.fill("[name=token]", bench.platform.token(Role.INSPECTOR))
        await bench.page.keyboard.press("Enter")
        await bench.see("ready")
        await bench.scan(NUMBER)
        await bench.see("choose")


async def test_the_board_counts_what_benches_did(tmp_path, chromium):
    async with a_bench(chromium, tmp_path) as bench:
        sorting = bench.platform.sorting.sorting
        about = {"occurred_on": None, "occurred_at": now()}
        await told(sorting, inspected(NUMBERS[0], **about), inspected(NUMBERS[1], **about))
        await told(sorting, inspected(NUMBERS[0], **about | {"bench": "B2", "why": "synthetic: again"}))
        await told(sorting, inspected(NUMBERS[3], **about, function=NOT_POSSIBLE, accuracy=NOT_POSSIBLE))
        await opened(sorting, NUMBERS[2])
        await sorting.ask(lambda _connection: None, seen=await bench.platform.ledger.head())
        await bench.page.goto(f"{bench.url}/station/board")
        await bench.page.wait_for_selector("html[data-drawn]")
        said = {
            name: re.sub(r"\s+", " ", await bench.page.inner_text(f"[data-part={name}]"))
            for name in ("queues", "throughput", "backlog", "agreement", "yield-bench")
        }
        assert "B1 外观 appearance 1" in said["queues"]
        assert "B1 3" in said["throughput"]
        assert f"{SITE} 01 人工裁定 a person 1 " in said["backlog"]
        assert f"{SITE} 01 结论 a verdict 2 " in said["backlog"]
        assert "1 100.0 % 100.0 %" in said["agreement"]
        # Of three first verdicts one waits for a person, and one device was inspected again, at a bench that has none.
        assert "B1 3 33.3 %" in said["yield-bench"]
        assert "B2" not in said["yield-bench"]
        # How persons agree is not for everybody who works here.
        assert await bench.page.query_selector("[data-part=inspectors]") is None
        arrived_at = await arrived(bench.platform.ledger, NUMBERS[5:9])
        await sorting.ask(lambda _connection: None, seen=arrived_at)
        for number in NUMBERS[4:9]:
            await told(sorting, inspected(number, **about))
            await told(sorting, inspected(number, **about, why="synthetic", comparison=True), actor="u-2")
        await sorting.ask(lambda _connection: None, seen=await bench.platform.ledger.head())
        leads = bench.platform.token(Role.METROLOGIST)
        await bench.page.evaluate("(token) => sessionStorage.setItem('station.token', token)", leads)
        await bench.page.reload()
        shown = await bench.page.wait_for_selector("[data-part=inspectors]")
        assert "u-1 · u-2 5 100.0 % 100.0 %" in re.sub(r"\s+", " ", await shown.inner_text())
        if folder := os.environ.get("SCREENSHOTS"):
            await bench.page.screenshot(path=f"{folder}/board.png", full_page=True)


async def test_only_what_is_served_here_runs_and_nothing_says_more_than_text(tmp_path):
    async with behind(tmp_path) as platform:
        for path in SERVED:
            answer = await platform.client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            # The name of SVG is no address that is asked.
            said = answer.text.replace("http://www.w3.org/2000/svg", "")
            assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|https?://", said) == []
            again = await platform.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == 304
        assert 'href="/station"' in (await platform.client.get("/")).text
