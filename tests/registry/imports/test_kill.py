"""A real registry, killed in the middle of imports: it goes on where it was, counts exactly, and does nothing twice."""

import asyncio
import os
import sys
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from cli.platform import make_ready
from kernel.database import Database
from kernel.settings import Settings
from ledger.open import open_ledger
from services.registry.app import CODEC
from services.registry.imports.asked import NewImport
from services.registry.imports.jobs import Jobs
from services.registry.records import Records
from services.registry.site import OpenSite
from tests.registry.imports.importing import OPERATOR, ROOT, UNIT, as_csv, devices_csv, importing, number
from tests.registry.imports.sheets import TODAY

DEVICES = 12_000
REFUSED_EVERY = 50


@asynccontextmanager
async def registry_process(folder):
    """`python -m services.registry` until the block ends, when it is killed."""
    environ = {"METERLOOP_DATA_DIR": str(folder), "METERLOOP_REST_PORT": "0", "METERLOOP_RPC_PORT": "0"}
    with (folder / "registry.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.registry", cwd=ROOT, env={**os.environ, **environ}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def jobs_of(settings):
    """The imports of that registry, seen from beside."""
    database = Database(settings.database("registry"))
    try:
        await database.create(Records.metadata)
        yield Jobs(database, settings.data_dir / "spool")
    finally:
        await database.close()


async def uploaded(jobs, kind, content, key):
    stands = await jobs.create(OPERATOR, NewImport(kind=kind, name="合成.csv", bytes=len(content)), key)
    while stands.state == "uploading":
        piece = content[stands.bytes_received : stands.bytes_received + (2 << 20)]
        stands = await jobs.append(OPERATOR, stands.import_id, stands.bytes_received, piece)
    return stands.import_id


async def until(jobs, import_id, reached):
    async with asyncio.timeout(120):
        while not reached(stands := await jobs.get(OPERATOR, import_id)):  # noqa: ASYNC110  nobody says so
            await asyncio.sleep(0.01)
    return stands


async def recorded(settings):
    ledger = await open_ledger(settings.ledger)
    try:
        pages = [page := await ledger.read_all(0)]
        while not page.at_head:
            pages.append(page := await ledger.read_all(page.scanned_to))
        return [event for page in pages for event in page.events]
    finally:
        await ledger.close()


def dirty_csv():
    """Every so often a row is refused when read, another one when decided, and another says what one before it said."""
    numbers = [number(serial) for serial in range(DEVICES)]
    rows = devices_csv(numbers).decode().splitlines()
    for at in range(REFUSED_EVERY, len(rows), REFUSED_EVERY):
        rows[at] = "4.13E+21,单相智能电能表,99401,2026-01-05"
        rows[at - 1] = f"{number(at, '99499')},单相智能电能表,99499,2026-01-05"
        rows[at - 2] = rows[at - 3]
    return ("\n".join(rows) + "\n").encode()


async def test_a_registry_killed_during_an_import_goes_on_and_counts_exactly(tmp_path):
    settings = Settings(data_dir=tmp_path)
    await make_ready(settings)
    content = dirty_csv()
    every = DEVICES // REFUSED_EVERY
    async with jobs_of(settings) as jobs:
        import_id = await uploaded(jobs, "devices", content, "a")
        for share in (0.1, 0.4, 0.7):
            async with registry_process(tmp_path):
                await until(jobs, import_id, lambda stands, least=share * DEVICES: stands.accepted > least)
        async with registry_process(tmp_path):
            stands = await until(jobs, import_id, lambda stands: stands.state not in ("waiting", "running"))
        events = await recorded(settings)
        lines = (await jobs.errors(OPERATOR, import_id, 0)).decode("utf-8-sig").splitlines()[1:]
    assert stands.state == "done"
    assert (stands.accepted, stands.unchanged, stands.refused) == (DEVICES - 3 * every, every, 2 * every)
    assert len(events) == len({event.stream for event in events}) == stands.accepted
    rows = Counter(int(line.split(",")[0]) for line in lines)
    assert len(lines) == len(rows) == stands.refused


async def test_shipments_cut_off_go_on_and_count_exactly(tmp_path):
    settings = Settings(data_dir=tmp_path)
    await make_ready(settings)
    numbers = [number(serial) for serial in range(300)]
    async with importing(tmp_path) as started:
        for site, kind in (("store-1", "unit_store"), ("centre", "centre")):
            await started.done(OpenSite(site_id=site, kind=kind, name="合成", unit=UNIT, occurred_on=TODAY))
        await started.imported("devices", devices_csv(numbers))
        header = "资产编号,工单编号,更换原因,拆回日期,库房"
        rows = [f"{one},G{i},到期轮换,2026-01-06,store-1" for i, one in enumerate(numbers)]
        await started.imported("dismantled", as_csv(header, *rows))
        await started.settled()
    header = "移交单号,移交日期,发出地点,接收地点,资产编号"
    shipped = [f"YJ-{i // 2:04d},2026-01-07,store-1,centre,{one}" for i, one in enumerate(numbers)]
    async with jobs_of(settings) as jobs:
        import_id = await uploaded(jobs, "dispatched", as_csv(header, *shipped), "b")
        for least in (40, 160):
            async with registry_process(tmp_path):
                await until(jobs, import_id, lambda stands, least=least: stands.accepted >= least)
        async with registry_process(tmp_path):
            stands = await until(jobs, import_id, lambda stands: stands.state not in ("waiting", "running"))
            assert (stands.state, stands.accepted, stands.unchanged, stands.refused) == ("done", 300, 0, 0)
    types = Counter(event.type.removeprefix(f"{CODEC.service}.") for event in await recorded(settings))
    assert (types["ShipmentPrepared"], types["ShipmentDispatched"]) == (150, 150)
    assert types["Dispatched"] <= 300


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    """What the developer's shell says of a platform is not for these."""
    for name in [name for name in os.environ if name.startswith("METERLOOP_")]:
        monkeypatch.delenv(name)
