"""`meterloop import` against the gateway with a real registry behind it: what people see, and what happens again."""

import asyncio
import os
import re
from pathlib import Path

import httpx
import pytest
import xlsxwriter
from typer.testing import CliRunner

from cli.__main__ import app
from cli.connection import CannotGoOn
from cli.uploading import PIECE_BYTES, run_import
from client import Client
from client.types import ListImports, NewImport
from kernel.principal import Role
from services.registry.asset_number import compose
from tests.client.callers import Losing
from tests.gateway.behind import behind
from tests.gateway.serving import served

UNIT = "99401"


class Counting(httpx.HTTPTransport):
    """Counts the requests that come before anything is sent: announcements and looks at the list."""

    announced = 0

    def handle_request(self, request):
        self.announced += request.url.path == "/v1/imports"
        return super().handle_request(request)


HEADER = "资产编号;设备类别;管理单位;登记日期"


def number(serial, unit=UNIT):
    return compose(unit, "01", f"{serial:014d}")


def table(*numbers, encoding="gb18030", unit=UNIT):
    return "\r\n".join([HEADER, *(f"{one};单相智能电能表;{unit};2026/1/5" for one in numbers), ""]).encode(encoding)


@pytest.fixture
async def run(tmp_path, monkeypatch):
    """Runs `meterloop import` in an empty folder, as a storekeeper of the unit."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:

        async def run(name, *words, url=url, token=None):
            if token is None:
                token = started.token(Role.OPERATOR, Role.STOREKEEPER, units=(UNIT,))
            given = ["import", name, *words, "--url", url, "--token", token]
            return await asyncio.to_thread(CliRunner().invoke, app, given)

        run.url, run.started = url, started
        yield run


def written(name, content):
    path = Path(name)
    path.write_bytes(content)
    return path


def flat(text):
    return re.sub(r"\s+", " ", text)


async def test_a_file_is_imported_and_the_same_again_changes_nothing_and_says_so(run, tmp_path):
    written("a.csv", table(number(1), number(2)))
    first = await run("a.csv", "--as", "devices")
    assert (first.exit_code, "✓" in first.output, "2 已入账" in flat(first.output)) == (0, True, True), first.output
    for _ in range(3):
        again = await run("a.csv", "--as", "devices")
        assert again.exit_code == 0
        assert "没有任何变化" in again.output
        assert "nothing has changed" in again.output
    assert await run.started.ledger.head() == 2
    assert {path.name for path in tmp_path.glob("sheets/*")} == {"a.csv"}


async def test_refused_rows_are_shown_with_their_place_and_the_rest_is_accepted(run, tmp_path):
    written("[a].csv", table(number(1), "4.13E+21", *["4.14E+21"] * 7, number(2)))
    told = await run("[a].csv", "--as", "devices", "--dry-run")
    assert (told.exit_code, "预检可接受" in told.output) == (4, True)
    told = await run("[a].csv", "--as", "devices")
    assert told.exit_code == 4
    for part in (
        "第 3 行",
        "4.13E+21",
        "import_cell.scientific",
        "[a].csv.errors.csv",
        "全部原因",
        "8 被拒",
        "2 已入账",
    ):
        assert part in flat(told.output), told.output
    assert len((tmp_path / "sheets" / "[a].csv.errors.csv").read_text("utf-8-sig").splitlines()) == 9


def workbook(path, rows):
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)


WRONG = {
    "empty": ("x.csv", b"", ("--as", "devices"), 2, ("是空的", "is empty")),
    "nothing there": ("x.csv", None, ("--as", "devices"), 2, ("不存在", "is not there")),
    "a photograph": ("x.csv", b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\x07" * 9, ("--as", "devices"), 1, ("JPEG",)),
    "cut off": ("x.xlsx", b"PK\x03\x04" + b"\x00" * 99, ("--as", "devices"), 1, ("import_file.damaged", "export")),
    "another kind": ("x.csv", table(number(1)), ("--as", "received"), 1, ("columns_missing", "请核对 --as")),
    "no kind": ("x.csv", table(number(1)), (), 2, ("--as dismantled", "拆回与底度")),
    "a kind there is not": ("x.csv", table(number(1)), ("--as", "meters"), 2, ("meters", "--as devices")),
    "no unit": ("x.csv", table(number(1)), ("--as", "devices", "--unit", "9"), 2, ("--unit", "5 位", "5 digits")),
    "no policy": ("x.csv", table(number(1)), ("--as", "devices", "--check-digit", "x"), 2, ("warn | refuse",)),
    "no mapping": ("x.csv", table(number(1)), ("--as", "devices", "--mapping", "x.csv"), 2, ("UTF-8", "映射文件")),
    "a site there cannot be": ("x.csv", table(number(1)), ("--as", "dismantled", "--site", "甲"), 1, ("input.",)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_imported_is_said_in_both_languages(run, name):
    file, content, words, status, said = WRONG[name]
    if content is not None:
        written(file, content)
    told = await run(file, *words)
    assert told.exit_code == status, told.output
    assert [part for part in said if part not in flat(told.output)] == []
    assert "✗" in told.output
    assert "Traceback" not in told.output
    assert await run.started.ledger.head() == 0


async def test_folders_pipes_and_platforms_that_are_not_there(run):
    os.mkdir("folder")  # noqa: PTH102  as the next
    os.mkfifo("pipe")
    for name, said in (("folder", "是目录"), ("pipe", "不是普通文件")):
        told = await run(name, "--as", "devices")
        assert (told.exit_code, said in told.output) == (2, True)
    written("a.csv", table(number(1)))
    away = await run("a.csv", "--as", "devices", url="http://127.0.0.1:1")
    assert (away.exit_code, "再次执行同一命令" in flat(away.output)) == (3, True)
    expired = await run("a.csv", "--as", "devices", token="a.b.c")
    assert (expired.exit_code, "meterloop token" in expired.output) == (1, True)


async def test_a_workbook_with_titles_above_and_numbers_that_were_destroyed(run):
    rows = [["合成市供电公司"], ["制表日期 2026-01-05"], [], HEADER.split(";"), [number(1), "01", 99401, 46027]]
    workbook("a.xlsx", [*rows, [4.13e21, "01", 99401, 46027]])
    told = await run("a.xlsx", "--as", "devices")
    assert (told.exit_code, "1 已入账" in flat(told.output), "第 6 行" in told.output) == (4, True, True)


async def test_who_has_no_unit_is_told_how_to_say_it(run):
    written("a.csv", table(number(1)))
    told = await run("a.csv", "--as", "devices", token=run.started.token(Role.OPERATOR, units=("99402",)))
    assert (told.exit_code, "access.denied" in told.output, "--units 99401" in told.output) == (1, True, True)


async def test_who_is_limited_to_units_records_nothing_of_others(run, tmp_path, monkeypatch):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path))
    written("a.csv", table(number(1)))
    other = await run("a.csv", "--as", "devices", "--units", "99402,99403", token="")
    assert (other.exit_code, "access.denied" in other.output) == (1, True), other.output
    own = await run("a.csv", "--as", "devices", "--units", f"99402,{UNIT}", token="")
    assert (own.exit_code, "1 已入账" in flat(own.output)) == (0, True), own.output


@pytest.mark.parametrize(
    ("kind", "units", "token", "said"),
    [
        ("received", UNIT, "", "中心接收不分单位"),
        ("devices", "994O1", "", "不是 994O1"),
        ("devices", UNIT, None, "请去掉 --units"),
    ],
)
async def test_units_that_would_limit_nothing_are_not_taken(run, kind, units, token, said):
    written("a.csv", table(number(1)))
    told = await run("a.csv", "--as", kind, "--units", units, token=token)
    assert (told.exit_code, said in flat(told.output)) == (2, True), told.output
    assert await run.started.ledger.head() == 0


@pytest.fixture
def platform(run):
    with Client(run.url, run.started.token(Role.OPERATOR, units=(UNIT,))) as client:
        yield client


def announced(path, kind="devices"):
    return NewImport(kind=kind, name=path.name, bytes=path.stat().st_size)


class Broken(Exception):
    """The connection, as far as the test is concerned."""


async def test_whoever_is_cut_off_goes_on_where_it_was_also_the_second_time(platform, tmp_path):
    path = tmp_path / "big.csv"
    path.write_bytes(table(*(number(serial) for serial in range(60_000))))
    assert path.stat().st_size > PIECE_BYTES

    def breaks(what, done, total):
        assert (what, done < total) == ("upload", True)
        raise Broken

    def goes_on(what, done, _total):
        seen.append((what, done))

    for recorded in ((60_000, 0), (0, 60_000)):
        with pytest.raises(Broken):
            await asyncio.to_thread(run_import, platform, path, announced(path), breaks)
        seen = []
        stands = await asyncio.to_thread(run_import, platform, path, announced(path), goes_on)
        assert (stands.accepted, stands.unchanged) == recorded
        assert min(done for what, done in seen if what == "upload") > PIECE_BYTES
    assert len(await asyncio.to_thread(lambda: list(platform.rows(ListImports())))) == 2


async def test_after_a_cancelled_and_after_a_failed_import_the_same_file_is_imported_anew(platform, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table(number(1)))
    cancelled = await asyncio.to_thread(platform.create_import, announced(path, "received"))
    await asyncio.to_thread(platform.cancel_import, cancelled.import_id)
    for kind, state in (("received", "failed"), ("received", "failed"), ("devices", "done"), ("devices", "done")):
        stands = await asyncio.to_thread(run_import, platform, path, announced(path, kind), lambda *_: None)
        assert stands.state == state
    assert (stands.accepted, stands.unchanged) == (0, 1)


async def test_a_file_that_changes_while_it_is_sent_is_not_imported_by_halves(run, platform, tmp_path):
    path = tmp_path / "big.csv"
    path.write_bytes(table(*(number(serial) for serial in range(60_000))))

    def changes(_what, _done, _total):
        os.truncate(path, 3_000)

    with pytest.raises(CannotGoOn) as told:
        await asyncio.to_thread(run_import, platform, path, announced(path), changes)
    assert "改动" in told.value.zh
    (stands,) = await asyncio.to_thread(lambda: list(platform.rows(ListImports())))
    assert (stands.state, await run.started.ledger.head()) == ("cancelled", 0)


async def test_a_piece_whose_answer_is_lost_is_kept_once(run, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table(number(1)))
    token = run.started.token(Role.OPERATOR, units=(UNIT,))
    with Client(run.url, token, transport=Losing(2)) as platform:
        stands = await asyncio.to_thread(run_import, platform, path, announced(path), lambda *_: None)
    assert (stands.state, stands.accepted) == ("done", 1)


async def test_the_hundredth_time_takes_no_more_requests_than_the_third(run, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table(number(1)))
    counting = Counting()
    with Client(run.url, run.started.token(Role.OPERATOR, units=(UNIT,)), transport=counting) as platform:
        taken = []
        for _ in range(8):
            counting.announced = 0
            stands = await asyncio.to_thread(run_import, platform, path, announced(path), lambda *_: None)
            taken.append(counting.announced)
            assert stands.state == "done"
    assert taken[2:] == [taken[2]] * 6
    assert taken[2] <= 3


async def test_an_error_file_goes_when_nothing_that_it_says_is_so_any_more(run, tmp_path):
    errors = tmp_path / "sheets" / "a.csv.errors.csv"
    written("a.csv", table(number(1), "4.13E+21"))
    assert (await run("a.csv", "--as", "devices")).exit_code == 4
    assert errors.exists()
    written("a.csv", table(number(1), number(2)))
    assert (await run("a.csv", "--as", "devices")).exit_code == 0
    assert not errors.exists()


async def test_columns_that_are_not_used_are_told_and_that_the_kind_may_be_wrong(run):
    rows = f"资产编号,设备类别,户名,工单编号,更换原因,拆回日期\n{number(1)},01,不应保留,GD1,烧损,2025-05-01\n"
    written("a.csv", rows.encode())
    for words in (("--dry-run",), ()):
        told = flat((await run("a.csv", "--as", "devices", *words)).output)
        assert "未用的列 columns not used: C 户名, D 工单编号, E 更换原因, F 拆回日期" in told, told
        assert "请核对 --as devices" in told
        assert "不应保留" not in told
