"""`meterloop site` against the gateway with a real registry behind it, and an import that meets a site unopened."""

import asyncio
import re

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.principal import Role
from tests.gateway.behind import behind
from tests.gateway.season import UNIT, number
from tests.gateway.serving import served

ROWS = "资产编号,工单号,拆回日期,存放地点,拆回原因\n{device},WO-1,2026-03-05,{site},故障更换\n"


@pytest.fixture
async def run(tmp_path, monkeypatch):
    """Runs `meterloop`, as an administrator who also keeps the stores of the unit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        token = started.token(Role.ADMIN, Role.OPERATOR, Role.STOREKEEPER, units=(UNIT,))

        async def run(*words):
            told = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--url", url, "--token", token])
            return told.exit_code, re.sub(r"\s+", " ", told.output)

        yield run


async def test_a_site_is_opened_shown_and_closed(run):
    assert (await run("site", "open", "store-9", "--unit", UNIT, "--name", "合成表库"))[0] == 0
    status, said = await run("site", "open", "store-9", "--unit", UNIT)
    assert (status, "site.already_open" in said) == (1, True)
    assert (await run("site", "close", "store-9", "--why", "合成"))[0] == 0
    status, said = await run("site", "close", "store-9", "--why", "合成")
    assert (status, "site.closed" in said) == (1, True)
    assert (await run("site", "open", "store-9", "--unit", UNIT, "--kind", "shed"))[0] == 2


async def test_an_import_into_a_site_unopened_says_how_to_open_it(run, tmp_path):
    device = number(9)
    devices = tmp_path / "devices.csv"
    devices.write_text(f"资产编号,设备类别,管理单位,登记日期\n{device},单相智能电能表,{UNIT},2026-01-05\n", "utf-8")
    assert (await run("import", str(devices), "--as", "devices"))[0] == 0
    named = tmp_path / "dismantled.csv"
    named.write_text("资产编号,工单号,拆回日期,拆回原因\n" + f"{device},WO-1,2026-03-05,故障更换\n", "utf-8")
    status, said = await run("import", str(named), "--as", "dismantled", "--site", "store-9")
    assert status == 1
    assert "meterloop site open store-9" in said
    assert "从未启用" in said
    assert (await run("site", "open", "store-9", "--unit", UNIT))[0] == 0
    status, said = await run("import", str(named), "--as", "dismantled", "--site", "store-9")
    assert status == 0, said
