"""A running platform, audited through its gateway: its log, and whether it shows what its log says."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from auditor.finding import Fault
from auditor.source import Place
from auditor.verdict import FAULT, SELF_CONSISTENT, VERIFIED
from kernel.clock import system_clock_us
from kernel.principal import EVERY_UNIT, Role
from services.registry.meter.custody import Store
from tests.auditor.auditing import audited
from tests.gateway.behind import behind
from tests.gateway.season import CENTRE, DAY, STORE, dismantled, dispatched, number, prepared, sites, tell
from tests.gateway.serving import served

DEVICES = [number(serial) for serial in range(1, 41)]
SOON = (0.1, 0.1, 0.2)


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
        how = {"place": place, "policy": None, "pauses_s": SOON, "now_us": system_clock_us()} | asked
        return await asyncio.to_thread(audited, self.folder, **how)

    def change_view(self, statement: str) -> None:
        engine = create_engine(f"sqlite:///{self.folder / 'registry.sqlite'}")
        with engine.begin() as connection:
            assert connection.execute(text(statement)).rowcount
        engine.dispose()


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        platform = Platform(started, url, tmp_path)
        await platform.tell(*sites(), *dismantled(DEVICES), prepared(DEVICES[:20]), dispatched())
        await platform.disclose()
        yield platform


async def test_what_a_platform_shows_is_what_its_log_says(platform):
    report = await platform.audited()
    assert (report.findings, report.notes, report.verdict.status) == ([], [], SELF_CONSISTENT)
    assert report.part == "supervisor"
    assert report.tree_size == report.events == await platform.disclose()
    assert report.compared == {"balances": 1, "cards": len(DEVICES)}
    assert [(one.site, one.closing) for one in report.balances] == [(STORE, 40)]


async def test_without_a_token_the_public_set_is_audited(platform):
    report = await platform.audited(token="")
    assert (report.findings, report.verdict.status, report.part) == ([], SELF_CONSISTENT, "public")
    assert 0 < report.events < report.tree_size
    assert report.compared == {}


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


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE balance_v1 SET outflow = outflow - 1", f"v1/balances {STORE} 01 {DAY}"),
        ("UPDATE balance_v1 SET site = 'centre'", f"v1/balances {CENTRE} 01 {DAY}"),
        ("DELETE FROM balance_v1", f"v1/balances {STORE} 01 {DAY}"),
        (f"UPDATE card_v5 SET site = '{CENTRE}' WHERE asset_no = '{DEVICES[30]}'", f"v1/meters/{DEVICES[30]}/card"),
        (f"DELETE FROM card_v5 WHERE asset_no = '{DEVICES[3]}'", f"v1/meters/{DEVICES[3]}/card"),
    ],
)
async def test_a_view_that_was_changed_is_found(platform, statement, where):
    platform.change_view(statement)
    report = await platform.audited()
    assert report.verdict.status == FAULT
    assert {one.fault for one in report.findings} == {Fault.SHOWN_DIFFERS}
    assert where in {one.what for one in report.findings}


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
