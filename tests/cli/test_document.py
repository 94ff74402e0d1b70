"""`meterloop document` against the gateway with a real registry behind it."""

import asyncio
import hashlib
import io
import re

import pypdf
import pytest
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.principal import Role
from tests.gateway.behind import behind
from tests.gateway.season import DAY, SHIPMENT, UNIT, dismantled, dispatched, number, prepared, sites, tell
from tests.gateway.serving import served

DEVICE = number(1)
MONTH = f"{DAY:%Y-%m}"


@pytest.fixture
async def run(tmp_path, monkeypatch):
    """Runs `meterloop document` in an empty folder, as one who may read everything."""
    folder = tmp_path / "papers"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        await tell(started.registry, [*sites(), *dismantled([DEVICE]), prepared([DEVICE]), dispatched()])

        async def run(*words, url=url, token=None):
            token = token or started.token(Role.AUDITOR)
            given = [*words, "--url", url, "--token", token]
            return await asyncio.to_thread(CliRunner().invoke, app, ["document", *given])

        run.started = started
        yield run


def flat(text):
    return re.sub(r"\s+", " ", text)


async def test_a_note_is_written_where_asked_in_the_format_that_the_name_says(run, tmp_path):
    told = await run("transfer-note", SHIPMENT, "-o", "note.pdf")
    assert told.exit_code == 0, told.output
    content = (tmp_path / "papers" / "note.pdf").read_bytes()
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    assert DEVICE in text
    assert hashlib.sha256(content).hexdigest() in told.output
    assert (await run("transfer-note", SHIPMENT, "-o", "note.xlsx")).exit_code == 0
    assert "器具 Devices" in CalamineWorkbook.from_path("note.xlsx").sheet_names
    assert (await run("transfer-note", SHIPMENT, "-o", "note", "--format", "xlsx")).exit_code == 0
    assert {path.name for path in (tmp_path / "papers").iterdir()} == {"note.pdf", "note.xlsx", "note"}


async def test_without_a_name_a_paper_has_its_own(run, tmp_path):
    assert (await run("page", DEVICE)).exit_code == 0
    assert (await run("page", DEVICE, "-o", str(tmp_path))).exit_code == 0
    assert (tmp_path / "papers" / f"一表一档 {DEVICE}.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / f"一表一档 {DEVICE}.pdf").exists()


@pytest.mark.parametrize(("unit", "period"), [(UNIT, MONTH), ("all", f"2026-01..{MONTH}")])
async def test_a_recovery_ledger_of_a_unit_or_of_all(run, unit, period):
    told = await run("recovery", unit, period, "-o", "ledger.xlsx")
    assert told.exit_code == 0, told.output
    rows = CalamineWorkbook.from_path("ledger.xlsx").get_sheet_by_name("明细 Cohorts").to_python()
    assert rows[1][0] == UNIT


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("transfer-note", "nowhere"), 1, ("shipment.unknown", "没有", "nowhere")),
        (("page", number(9)), 1, ("meter.unknown",)),
        (("recovery", "x", MONTH), 1, ("input.wrong_format",)),
        (("recovery", "all", "2026-13"), 1, ("input.wrong_format",)),
        (("recovery", "all", "2026-04..2026-03"), 1, ("query.months_reversed",)),
        (("recovery", "all", "March"), 2, ("2026-01..2026-03", "月份")),
        (("transfer-note", SHIPMENT, "--format", "docx"), 2, ("docx", "pdf | xlsx")),
        (("page", DEVICE, "-o", "page.xlsx"), 2, ("只有 PDF", "PDF only")),
        (("transfer-note", SHIPMENT, "-o", "nowhere/note.pdf"), 1, ("无法写入", "cannot write")),
    ],
)
async def test_what_cannot_be_had_is_said_and_leaves_nothing(run, tmp_path, words, status, said):
    told = await run(*words)
    assert told.exit_code == status, told.output
    assert [part for part in said if part not in flat(told.output)] == []
    assert "Traceback" not in told.output
    assert list((tmp_path / "papers").iterdir()) == []


async def test_who_may_not_and_who_is_not_there(run):
    public = run.started.token(Role.PUBLIC)
    told = await run("transfer-note", SHIPMENT, token=public)
    assert (told.exit_code, "access.denied" in told.output) == (1, True)
    expired = await run("transfer-note", SHIPMENT, token="a.b.c")
    assert (expired.exit_code, "meterloop token" in expired.output) == (1, True)
    away = await run("transfer-note", SHIPMENT, url="http://127.0.0.1:1")
    assert (away.exit_code, "无法连接" in away.output, "cannot be reached" in flat(away.output)) == (3, True, True)
    assert (await run("transfer-note", SHIPMENT, url="platform")).exit_code == 2


async def test_an_old_file_stays_until_the_new_one_is_whole(run, tmp_path):
    old = tmp_path / "papers" / "note.pdf"
    old.write_bytes(b"old")
    assert (await run("transfer-note", "nowhere", "-o", "note.pdf")).exit_code == 1
    assert old.read_bytes() == b"old"
    assert (await run("transfer-note", SHIPMENT, "-o", "note.pdf")).exit_code == 0
    assert old.read_bytes().startswith(b"%PDF")
