"""`meterloop sorting review` from the proposal to the conclusion, against the gateway with a real sorting service and a
published log behind it.
"""

import asyncio
import csv
import re
from datetime import date
from hashlib import sha256

import pypdf
import pytest
import xlsxwriter
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.clock import system_clock_us
from kernel.handling import Ask, Context
from kernel.policy import deadline_command_id
from kernel.principal import Role
from ledger.transparency.layout import notes_in
from services.sorting.reviewing import REVIEWS_GO_ON
from tests.gateway.behind import behind
from tests.gateway.serving import served
from tests.sorting.reviewing import judge

JUDGED_ON = date(2020, 1, 6)
DAYS = ("--from", "2020-01-06", "--to", "2020-01-06")
WHO = {"R": (Role.REGULATOR, "u-regulator"), "I": (Role.INSTITUTE, "u-institute"), "M": (Role.METROLOGIST, "u-metro")}


class Parties:
    """Runs `meterloop sorting` as one of the parties, and does what is due."""

    def __init__(self, started, url, folder):
        self.started, self.url, self.folder = started, url, folder

    async def run(self, who, *words):
        role, subject = WHO[who]
        token = self.started.token(role, subject=subject)
        line = ["sorting", *map(str, words), "--url", self.url, "--token", token]
        told = await asyncio.to_thread(CliRunner().invoke, app, line)
        return told.exit_code, re.sub(r"\s+", " ", told.output)

    async def done(self, who, *words):
        status, said = await self.run(who, *words)
        assert status == 0, said
        return said

    async def refused(self, who, *words):
        status, said = await self.run(who, *words)
        assert status == 1, said
        return said

    async def tick(self):
        sorting, now_us = self.started.sorting.sorting, system_clock_us()
        seen = await self.started.ledger.head()
        due = await sorting.ask(lambda connection: list(REVIEWS_GO_ON.due(connection, now_us)), seen=seen)
        await sorting.do_many(
            [
                Ask(command, Context(command_id=deadline_command_id(REVIEWS_GO_ON.name, identity), actor="policy"))
                for identity, command in due
            ]
        )

    async def awaited(self):
        said = await self.done("I", "review", "show", "RV-1", "--samples")
        return re.findall(r"(\d{22}) 待检 awaited", said), re.findall(r"(\d{22}) 备样 spare", said)


@pytest.fixture
async def parties(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "240")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        yield Parties(started, url, tmp_path)


async def drawn(parties, devices=60):
    """As far as the sample, each party by its own commands."""
    await judge(parties.started.ledger, range(devices), on=JUDGED_ON)
    assert "review entrust" in await parties.done("M", "review", "propose", "RV-1", *DAYS, "--plan", "8.0")
    CliRunner().invoke(app, ["sorting", "nonce", "nonce.txt"])
    said = await parties.done("R", "review", "entrust", "RV-1", "--nonce", "nonce.txt")
    nonce = bytes.fromhex((parties.folder / "nonce.txt").read_text("ascii").strip())
    await parties.started.disclose()
    assert sha256(nonce).hexdigest() in said
    assert nonce.hex() not in said
    await parties.tick()
    await parties.tick()
    assert "随机数未送出" in await parties.refused("R", "review", "reveal", "RV-1", "--nonce", "nonce.txt")
    assert "review.not_now" in await parties.refused("I", "review", "sheet", "RV-1")
    await parties.started.disclose()
    assert "件" in await parties.done("R", "review", "reveal", "RV-1", "--nonce", "nonce.txt")


async def test_the_whole_way_of_a_review(parties):
    await drawn(parties)
    samples, spares = await parties.awaited()
    assert len(samples) >= 24
    await parties.done("I", "review", "sheet", "RV-1", "--out", "list.pdf")
    text = "".join(page.extract_text() for page in pypdf.PdfReader("list.pdf").pages)
    assert [one for one in (*samples, *spares) if one not in text] == []
    gone, first, *rest = samples
    said = await parties.done("I", "review", "replace", "RV-1", gone, "--reason", "missing", "--why", "合成缺失")
    spare = next(one for one in spares if one in said)
    await parties.done("I", "review", "record", "RV-1", first, "--found", "scrap", "--report", "SYN-1")
    again = ("review", "record", "RV-1", first, "--found", "scrap", "--report", "SYN-1")
    assert "review.result_recorded" in await parties.refused("I", *again)
    assert "review.results_missing" in await parties.refused("R", "review", "conclude", "RV-1")
    half, other = rest[: len(rest) // 2], [*rest[len(rest) // 2 :], spare]
    rows = [(one, "报废", f"SYN-{at}") for at, one in enumerate(half)]
    with (parties.folder / "results.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(
            [("资产编号", "复检结果", "报告编号"), *rows, (gone, "报废", "SYN-X"), ("1", "报废", "S")]
        )
    status, said = await parties.run("I", "review", "record", "RV-1", "--file", "results.csv")
    assert (status, f"{len(half)} 项结果已登记" in said) == (4, True), said
    assert "review.not_sampled" in said
    assert "bench_file.asset_no_wrong" in said
    status, said = await parties.run("I", "review", "record", "RV-1", "--file", "results.csv")
    assert (status, f"{len(half)} 项此前已登记" in said) == (4, True), said
    with xlsxwriter.Workbook(parties.folder / "results.xlsx") as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(
            [("asset number", "result", "report", "why"), *((one, "reuse", "S", "合成") for one in other)]
        ):
            sheet.write_row(at, 0, row)
    await parties.done("I", "review", "record", "RV-1", "--file", "results.xlsx")
    said = await parties.done("I", "review", "conclude", "RV-1")
    assert "已结束 concluded" in said
    assert "整批重新分拣 the batch is sorted again" in said
    assert "RV-1" in await parties.done("M", "review", "list", "--phase", "concluded")


async def test_each_party_does_its_own_and_no_other(parties):
    await parties.done("R", "review", "propose", "RV-1", *DAYS, "--plan", "8.0", "--only", "scrap", "--maker", "M01")
    assert "review.exists" in await parties.refused("M", "review", "propose", "RV-1", *DAYS, "--plan", "8.0")
    assert "review.no_such_plan" in await parties.refused("M", "review", "propose", "RV-2", *DAYS, "--plan", "7.7")
    for who, words in (
        ("I", ("entrust", "RV-1", "--sha256", "0" * 64)),
        ("M", ("entrust", "RV-1", "--sha256", "0" * 64)),
        ("R", ("record", "RV-1", "9" * 22, "--found", "scrap", "--report", "S")),
    ):
        assert "access.denied" in await parties.refused(who, "review", *words)
    other = ("entrust", "RV-1", "--sha256", "0" * 64, "--by", "somebody")
    assert "verdict.by_another" in await parties.refused("R", "review", *other)
    assert "未托付 not entrusted" in await parties.done("I", "review", "show", "RV-1")
    await parties.done("R", "review", "withdraw", "RV-1", "--why", "合成")
    assert "已撤回 withdrawn" in await parties.done("R", "review", "show", "RV-1")
    assert "review.unknown" in await parties.refused("R", "review", "show", "RV-9")
    assert "certificate.unknown" in await parties.refused("M", "certificate", "C-0001")


@pytest.mark.parametrize(
    "words",
    [
        ("review", "entrust", "RV-1"),
        ("review", "entrust", "RV-1", "--nonce", "none.txt"),
        ("review", "reveal", "RV-1", "--nonce", "no-nonce.txt"),
        ("review", "record", "RV-1"),
        ("review", "record", "RV-1", "9" * 22, "--found", "hold", "--report", "S"),
        ("review", "record", "RV-1", "9" * 22, "--file", "x.csv"),
        ("review", "record", "RV-1", "--file", "none.csv"),
        ("review", "propose", "RV-1", *DAYS, "--plan", "8.0", "--only", "hold"),
        ("review", "list", "--token", "no-token", "--by", "x"),
    ],
)
def test_what_is_wrong_on_this_side_asks_nobody(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no-nonce.txt").write_text("abc\n", "ascii")
    told = CliRunner().invoke(app, ["sorting", *words, "--url", "http://127.0.0.1:9"])
    assert told.exit_code == 2, told.output


def test_a_token_that_does_not_tell_its_subject_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["sorting", "review", "conclude", "RV-1", "--url", "http://127.0.0.1:9", "--token", "opaque"]
    told = CliRunner().invoke(app, words)
    assert (told.exit_code, "--by" in told.output) == (2, True), told.output


async def test_a_nonce_is_not_sent_where_what_is_published_differs(parties):
    await judge(parties.started.ledger, range(20), on=JUDGED_ON)
    await parties.done("M", "review", "propose", "RV-1", *DAYS, "--plan", "8.0")
    CliRunner().invoke(app, ["sorting", "nonce", "nonce.txt"])
    await parties.done("R", "review", "entrust", "RV-1", "--nonce", "nonce.txt", "--within-h", "2")
    for _ in range(2):
        await parties.tick()
    await parties.started.disclose()
    await parties.tick()
    reveal = ("review", "reveal", "RV-1", "--nonce", "nonce.txt")
    other = ("--from", str(parties.folder / "elsewhere"))
    assert (await parties.run("R", *reveal, *other))[0] != 0
    await parties.started.disclose()
    # The first checkpoint that covered the commitment is taken away, so that a later one would decide the draw.
    (day,) = (one for one in parties.folder.rglob("log/checkpoints/*") if one.name[0].isdigit())
    notes = notes_in(day.read_bytes())
    assert len(notes) > 1
    day.write_bytes(notes[-1])
    said = await parties.refused("R", *reveal)
    assert "随机数未送出" in said
    assert "已承诺" in await parties.done("R", "review", "show", "RV-1")
