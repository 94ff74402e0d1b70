"""A running platform, audited through its gateway: its log, and whether it shows what its log says."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from auditor.finding import Fault
from auditor.source import Place
from auditor.trouble import Trouble
from auditor.verdict import FAULT, SELF_CONSISTENT, UNREADABLE, VERIFIED
from kernel.clock import system_clock_us
from kernel.principal import EVERY_UNIT, Role
from services.registry.meter.custody import Store
from services.registry.meter.hold import PlaceHold
from tests.auditor.auditing import audited
from tests.gateway.behind import behind
from tests.gateway.season import CENTRE, DAY, STORE, dismantled, dispatched, number, prepared, sites, tell
from tests.gateway.serving import served

DEVICES = [number(serial) for serial in range(1, 13)]
pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = (0.1, 0.1, 0.2)
VIEWS = ("balance_v1", "card_v5", "hold_v1")

CHANGING = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    for statement in sys.argv[2:]:
        database.execute(statement)
"""


class Platform:
    """A platform with a short season behind it, audited by who may see everything unless told otherwise."""

    def __init__(self, started, url: str, folder: Path) -> None:
        self.started, self.url, self.folder = started, url, folder

    async def tell(self, *commands) -> None:
        await tell(self.started.registry, commands)

    async def disclose(self) -> int:
        return await self.started.disclose()

    async def audited(self, *, token: str | None = None, **asked):
        token = self.started.token(Role.AUDITOR, units=(EVERY_UNIT,)) if token is None else token
        state = asked.get("state")
        place = Place(self.url, token, str(state / "kept") if state else "")
        how = {"place": place, "policy": None, "pauses_s": SOON, "now_us": system_clock_us(), "devices": 40} | asked
        return await asyncio.to_thread(audited, self.folder, **how)

    def change_views(self, *statements: str) -> None:
        """Change views behind the platform's back: in a process of its own, for two SQLites in one lose locks."""
        changing = [sys.executable, "-c", CHANGING, str(self.folder / "registry.sqlite"), *statements]
        subprocess.run(changing, check=True)

    def keep_views(self) -> None:
        self.change_views(*(f"CREATE TABLE true_{view} AS SELECT * FROM {view}" for view in VIEWS))

    def put_views_back(self) -> None:
        each = ((f"DELETE FROM {view}", f"INSERT INTO {view} SELECT * FROM true_{view}") for view in VIEWS)
        self.change_views(*(statement for both in each for statement in both))


@asynccontextmanager
async def begun(folder: Path) -> AsyncIterator[Platform]:
    async with behind(folder) as started, served(started.gateway.app) as url:
        platform = Platform(started, url, folder)
        await platform.tell(*sites(), *dismantled(DEVICES), prepared(DEVICES[:6]), dispatched())
        await platform.disclose()
        yield platform


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(tmp_path_factory):
    """One platform for all that change nothing there."""
    async with begun(tmp_path_factory.mktemp("shown")) as platform:
        yield platform


@pytest_asyncio.fixture(loop_scope="module")
async def platform(tmp_path):
    """A platform of the test's own."""
    async with begun(tmp_path) as platform:
        yield platform


async def test_what_a_platform_shows_is_what_its_log_says(shown):
    report = await shown.audited()
    assert (report.findings, report.notes, report.verdict.status) == ([], [], SELF_CONSISTENT)
    assert report.part == "supervisor"
    assert report.tree_size == report.events == await shown.disclose()
    assert report.compared == {"balances": 1, "cards": len(DEVICES), "holds": 0}
    assert [(one.site, one.closing) for one in report.balances] == [(STORE, len(DEVICES))]


async def test_without_a_token_the_public_set_is_audited(shown):
    report = await shown.audited(token="")
    assert (report.findings, report.verdict.status, report.part) == ([], SELF_CONSISTENT, "public")
    assert 0 < report.events < report.tree_size
    assert report.compared == {}
    assert ["the public set alone" in note for note in report.notes] == [True]


async def test_a_wrong_token_is_not_taken_for_none(shown):
    report = await shown.audited(token="wrong")
    assert (report.verdict.status, report.verdict.code) == (UNREADABLE, Trouble.TOKEN_REFUSED)


async def test_balances_are_replayed_and_compared_as_of_a_day(platform):
    await platform.tell(*dismantled([number(500), number(501)], DAY + timedelta(days=3)))
    await platform.disclose()
    for days, closing in ((-1, 0), (2, len(DEVICES)), (3, len(DEVICES) + 2)):
        report = await platform.audited(as_of=DAY + timedelta(days=days), devices=1)
        assert (report.findings, report.as_of) == ([], (DAY + timedelta(days=days)).isoformat())
        assert sum(one.closing for one in report.balances) == closing
        assert report.compared["balances"] == (closing > 0) + (days == 3)
    platform.change_views(f"UPDATE balance_v1 SET inflow = 9 WHERE day = '{DAY + timedelta(days=3)}'")
    assert (await platform.audited(as_of=DAY, devices=1)).findings == []
    (found,) = (await platform.audited(as_of=DAY + timedelta(days=3), devices=1)).findings
    assert found.fault is Fault.SHOWN_DIFFERS


async def test_a_platform_that_goes_on_is_compared_without_a_false_alarm(platform):
    over = asyncio.Event()

    async def go_on() -> None:
        for serial in range(100, 1_000):
            if over.is_set():
                return
            await platform.tell(*dismantled([number(serial)]))
            await platform.disclose()
            await asyncio.sleep(0.01)

    going_on = asyncio.create_task(go_on())
    size = 0
    for _ in range(3):
        report = await platform.audited()
        assert report.findings == []
        assert report.compared["cards"] >= len(DEVICES)
        assert report.tree_size > size
        size = report.tree_size
    over.set()
    await going_on


def card(device: str) -> str:
    return f"v1/meters/{device}/card"


BALANCE = f"v1/balances {STORE} 01 {DAY}"
CHANGES: tuple[dict[str, str], ...] = (
    {"UPDATE balance_v1 SET site = 'centre'": f"v1/balances {CENTRE} 01 {DAY}"},
    {"DELETE FROM balance_v1": BALANCE},
    {
        "UPDATE balance_v1 SET outflow = outflow - 1": BALANCE,
        f"UPDATE card_v5 SET site = '{CENTRE}' WHERE asset_no = '{DEVICES[10]}'": card(DEVICES[10]),
        f"UPDATE card_v5 SET phase = 'destroyed' WHERE asset_no = '{DEVICES[4]}'": card(DEVICES[4]),
        f"UPDATE card_v5 SET defaced = 1 WHERE asset_no = '{DEVICES[7]}'": card(DEVICES[7]),
        f"UPDATE card_v5 SET shipment = 's-9' WHERE asset_no = '{DEVICES[1]}'": card(DEVICES[1]),
        f"DELETE FROM card_v5 WHERE asset_no = '{DEVICES[3]}'": card(DEVICES[3]),
        "UPDATE hold_v1 SET until = '2026-04-01'": "v1/holds/due",
    },
)


async def test_views_that_were_changed_are_found(platform):
    until = DAY + timedelta(days=90)
    hold = PlaceHold(asset_no=DEVICES[2], hold="h-1", kind="court", reference="c-1", until=until, occurred_on=DAY)
    await platform.tell(hold)
    await platform.disclose()
    report = await platform.audited()
    assert (report.findings, report.compared["holds"]) == ([], 1)
    platform.keep_views()
    for changes in CHANGES:
        platform.change_views(*changes)
        report = await platform.audited()
        assert {one.fault for one in report.findings} == {Fault.SHOWN_DIFFERS}, changes
        assert {*changes.values()} <= {one.what for one in report.findings}
        platform.put_views_back()
    assert (await platform.audited()).verdict.status == SELF_CONSISTENT


async def test_a_sample_is_compared_and_how_large_it_is_is_said(shown):
    report = await shown.audited(devices=7)
    assert (report.compared["cards"], report.devices) == (7, len(DEVICES))


async def test_an_audit_fetches_only_what_is_new(platform, tmp_path):
    state = tmp_path / "state"
    await platform.tell(*dismantled([number(serial) for serial in range(200, 400)]))
    await platform.disclose()
    assert (await platform.audited(state=state)).findings == []
    kept = [file for file in (state / "kept").rglob("*") if file.is_file()]
    assert any(file.match("log/tile/entries/000") for file in kept)
    await platform.tell(Store(asset_no=DEVICES[-1], site=STORE, location="A-1", occurred_on=DAY))
    await platform.disclose()
    damaged = kept[0].read_bytes()[:-1]
    kept[0].write_bytes(damaged)
    report = await platform.audited(state=state)
    assert (report.findings, report.verdict.status) == ([], VERIFIED)
    assert kept[0].read_bytes() != damaged


async def test_after_a_fault_everything_is_fetched_again(platform, tmp_path):
    state = tmp_path / "state"
    await platform.tell(*dismantled([number(serial) for serial in range(200, 400)]))
    await platform.disclose()
    bundle = platform.folder / "proof/log/tile/entries/000"
    true = bundle.read_bytes()
    bundle.write_bytes(true[:-1] + bytes([true[-1] ^ 1]))
    assert (await platform.audited(state=state)).verdict.status == FAULT
    bundle.write_bytes(true)
    assert (await platform.audited(state=state)).findings == []


async def test_a_platform_that_is_away_cannot_be_read(tmp_path):
    report = await asyncio.to_thread(audited, tmp_path, place=Place("http://127.0.0.1:9"), policy=None)
    assert report.verdict.status == 2
