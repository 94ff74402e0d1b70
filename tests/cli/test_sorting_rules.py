"""`meterloop sorting publish | schemes | show | diff | try | explain` against the gateway with sorting behind it."""

import asyncio
import re

import httpx
import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.handling import Context
from kernel.principal import Role
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.meter.custody import Received
from services.registry.meter.identity import Description, Registered
from services.registry.vocabulary import Movement
from services.sorting.defaults import SCHEMES, TABLES, default_groups, default_scheme
from services.sorting.evaluation import Measured
from services.sorting.inspection.at_once import InspectAtOnce
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride
from services.sorting.inspection.steps import StepReport
from tests.gateway.behind import behind
from tests.gateway.season import UNIT, number
from tests.gateway.serving import served
from tests.given import fresh_id
from tests.sorting.examples import DAY, SITE
from tests.sorting.written import written

WHY = ("--why", "合成 synthetic")
METER = number(3)


class Terminal:
    """`meterloop` at a platform that runs, as a metrologist unless said otherwise."""

    def __init__(self, platform, url):
        self.platform, self.url = platform, url

    async def run(self, *words, role=Role.METROLOGIST, **who):
        token = self.platform.token(role, units=("*",), **who)
        told = await asyncio.to_thread(
            CliRunner().invoke, app, ["sorting", *words, "--url", self.url, "--token", token]
        )
        return told.exit_code, re.sub(r"\s+", " ", told.output)


@pytest.fixture
async def terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        yield Terminal(started, url)


def sound(step):
    """A report of this step without any fault, by the default scheme."""
    norm = default_scheme("single_phase").norm(step)
    return StepReport(
        measured=tuple(
            Measured(item=item.code, choice=next(one.code for one in item.choices if one.fault is None))
            if item.unit is None
            else Measured(item=item.code, value=max(item.limit("2").least or 0, min(item.limit("2").most or 0, 1)))
            for item in norm.items
        )
    )


async def judged(platform, made_in=2021, **changed):
    """A meter that was received, inspected and judged."""
    description = Description(maker="M01", arrival_batch="A1", made_on=DAY.replace(year=made_in), installed_on=None)
    await written(
        platform.ledger,
        REGISTRY_CODEC,
        f"meter-{METER}",
        Registered(occurred_on=DAY, asset_no=METER, device_class="01", unit=UNIT, owner="company", origin="in_service",
                   description=description),
        Received(occurred_on=DAY, asset_no=METER, shipment="S1", moved=Movement(device_class="01", to_site=SITE)),
    )  # fmt: skip
    found = {step: sound(step) for step in ("appearance", "function", "accuracy")} | changed
    at_once = InspectAtOnce(
        occurred_on=DAY, asset_no=METER, bench="B1", site=SITE, accuracy_class="2", barcode=METER, **found
    )
    return await do(platform, at_once)


async def do(platform, command):
    return await platform.sorting.sorting.do(command, Context(command_id=fresh_id(), actor="u-1"))


async def test_what_comes_along_is_published_once_and_says_what_is_to_be_confirmed(terminal):
    status, said = await terminal.run("schemes")
    assert (status, "meterloop sorting publish --all" in said) == (0, True)
    status, said = await terminal.run("publish", "--all", *WHY)
    assert status == 0, said
    assert said.count("已发布 published: v1") == len(default_groups()) + 2
    assert f"single_phase 有 {len(default_scheme('single_phase').unconfirmed())} 项待计量员确认" in said
    status, said = await terminal.run("publish", "seal", "verdict", *WHY)
    assert (status, said.count("unchanged"), "v2" in said) == (0, 2, False)
    status, said = await terminal.run("schemes")
    assert [group for group in default_groups() if group not in said] == [], said
    status, said = await terminal.run("schemes", "single_phase")
    assert "JJG 596-2012；条款与数值待确认" in said
    assert "clock.battery_low" in said


async def test_a_metrologist_confirms_a_limit_and_sees_what_differs(terminal, tmp_path):
    await terminal.run("publish", "module", *WHY)
    edited = tmp_path / "module.yaml"
    assert (await terminal.run("show", "module", "-o", str(edited)))[0] == 0
    text = edited.read_text("utf-8")
    assert text.count("to be confirmed by the metrologist") == 1
    edited.write_text(re.sub(r"\n( +)source: .*", r"\n\1source: 合成规程 synthetic\n\1confirmed: true", text), "utf-8")
    status, said = await terminal.run("diff", "module", str(edited))
    assert status == 0, said
    assert "norms › function › items › frames_lost › limits › * › source" in said
    assert "+ 合成规程 synthetic" in said
    assert (await terminal.run("publish", "module", "--file", str(edited), *WHY))[0] == 0
    status, said = await terminal.run("diff", "module")
    assert (status, "v1 → v2" in said, "confirmed + yes" in said) == (0, True, True)
    status, said = await terminal.run("schemes", "module")
    assert "communication.frames_lost" not in said
    status, said = await terminal.run("diff", "module", "--from", "1", "--to", "9")
    assert (status, "scheme.no_such_version" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("publish", *WHY), 2, "--all"),
        (("publish", "seal", "--all", *WHY), 2, "--all"),
        (("publish", "seal", "module", "--file", "x.yaml", *WHY), 2, "--file"),
        (("publish", "unheard_of", *WHY), 2, "unheard_of"),
        (("publish", "seal", "--file", "not_there.yaml", *WHY), 2, "not_there.yaml"),
        (("show", "seal"), 2, "尚未发布"),
        (("diff", "seal"), 2, "尚未发布"),
        (("schemes", "seal"), 2, "尚未发布"),
        (("explain", METER), 1, "inspection.unknown"),
    ],
)
async def test_what_cannot_be_done_says_why(terminal, words, status, said):
    found, output = await terminal.run(*words)
    assert (found, said in output) == (status, True), output


async def test_nobody_but_a_metrologist_publishes(terminal):
    status, said = await terminal.run("publish", "seal", *WHY, role=Role.INSPECTOR)
    assert (status, "access.denied" in said) == (1, True)


async def test_the_rules_are_for_everybody(terminal):
    await terminal.run("publish", "seal", "verdict", *WHY)
    async with httpx.AsyncClient(base_url=terminal.url) as anyone:
        scheme = (await anyone.get("/v1/schemes/seal")).json()
        assert (scheme["version"], scheme["scheme"]["device_classes"]) == (1, ["41"])
        table = (await anyone.get("/v1/tables/verdict", params={"version": 1})).json()
        assert table["verdict"]["rules"][0]["rule"] == "hold.identity"
        missing = [await anyone.get(path) for path in ("/v1/tables/prices", "/v1/schemes/seal?version=2")]
        assert [(one.status_code, one.json()["code"]) for one in missing] == [
            (404, "table.no_such_version"),
            (404, "scheme.no_such_version"),
        ]


async def test_a_verdict_is_explained_as_a_staircase(terminal):
    await terminal.run("publish", "--all", *WHY)
    dead = StepReport(measured=(Measured(item="self_test", choice="dead"),))
    unpowered = StepReport(ended="not_possible", why="合成 synthetic")
    await judged(terminal.platform, function=dead, accuracy=unpowered)
    status, said = await terminal.run("explain", METER)
    assert status == 0, said
    for part in (
        "报废 scrap",
        "规则 rule scrap.beyond_repair",
        "✗ 利旧 reuse",
        "有不可修复的故障。",
        "✗ 理赔 claim",
        "✓ 报废 scrap",
        "放弃 forgone: 不能计算 not known, 0.000 kg CO2",
        "发现 1 项故障。",
        "power.dead",
        "方案 scheme single_phase v1 · 决策表 table v1 · 价值参数 prices v1",
    ):
        assert part in said, part


async def test_each_stair_says_what_was_forgone(terminal):
    """24 of 120 months old: 144 yuan of 180 are left, less 21 to make it good; a claim brings 0.7 of 180, less 5."""
    await terminal.run("publish", "--all", *WHY)
    silent = tuple(
        Measured(item="comm_rs485", choice="silent") if one.item == "comm_rs485" else one
        for one in sound("function").measured
    )
    await judged(terminal.platform, made_in=2024, function=StepReport(measured=silent))
    status, said = await terminal.run("explain", METER)
    assert (status, "规则 rule claim.original_inside" in said) == (0, True), said
    assert "✗ 利旧 reuse" in said
    assert "放弃 forgone: 2.00 元 yuan, 0.000 kg CO2 ✓ 理赔 claim" in said
    assert "利旧 reuse: 123.00 元 yuan, 2.073 kg CO2 理赔 claim: 121.00 元 yuan, 2.073 kg CO2" in said


async def test_an_overruled_verdict_says_so_and_keeps_remarks_from_makers(terminal):
    await terminal.run("publish", "--all", *WHY)
    await judged(terminal.platform)
    status, said = await terminal.run("explain", METER)
    assert (status, "reuse.sound" in said) == (0, True), said
    about = {"occurred_on": DAY, "asset_no": METER}
    await do(terminal.platform, ProposeOverride(**about, disposition="scrap", why="合成内情 synthetic", by="u-1"))
    await do(terminal.platform, ConfirmOverride(**about, by="u-2"))
    _status, said = await terminal.run("explain", METER)
    assert "两人改判：利旧 → 报废" in said
    assert "合成内情" in said
    async with httpx.AsyncClient(base_url=terminal.url) as client:
        maker = terminal.platform.headers(Role.MANUFACTURER, organisation="M01")
        shown = (await client.get(f"/v1/inspections/{METER}/verdict", headers=maker)).json()
        assert (shown["disposition"], shown["overruled"]["why"]) == ("scrap", None)
        other = terminal.platform.headers(Role.MANUFACTURER, organisation="M02")
        assert (await client.get(f"/v1/inspections/{METER}/verdict", headers=other)).status_code == 404


def tried(*words):
    told = CliRunner().invoke(app, ["sorting", "try", *map(str, words)])
    return told.exit_code, re.sub(r"\s+", " ", told.output)


def test_the_table_that_comes_along_comes_to_what_its_cases_say():
    status, said = tried(TABLES / "verdict.yaml", TABLES / "verdict_cases.yaml")
    assert (status, "18 / 18" in said) == (0, True), said


def test_each_miss_is_named_and_ends_with_one(tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text(
        "name,expected,rule,identity,evidence,obsolete,condition,defect,life\n"
        "烧损 burnt,scrap,,confirmed,none,no,beyond_repair,other,\n"
        "完好 sound,reuse,,confirmed,none,no,sound,none,enough\n"
        ",hold,hold.tampering,confirmed,tampering,,,,\n",
        "utf-8-sig",
    )
    status, said = tried(TABLES / "verdict.yaml", cases)
    assert status == 1
    assert "2 / 3" in said
    assert "✗ 完好 sound 应为 should be: 利旧 reuse" in said
    assert "烧损" not in said


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ("expected,colour\nhold,red\n", "no column colour"),
        ("expected,life\nhold,long\n", "no 'long'"),
        ("expected,life\nburn,short\n", "第 2 行"),
        ("life\nshort\n", "第 2 行"),
    ],
)
def test_a_case_that_cannot_be_read_is_named(tmp_path, rows, wrong):
    cases = tmp_path / "cases.csv"
    cases.write_text(rows, "utf-8")
    status, said = tried(TABLES / "verdict.yaml", cases)
    assert (status, wrong in said) == (2, True), said


def test_a_table_with_a_gap_is_not_tried(tmp_path):
    table = tmp_path / "verdict.yaml"
    text = (TABLES / "verdict.yaml").read_text("utf-8")
    table.write_text(text.replace("any_of: [beyond_repair]", "any_of: [unknown]", 1), "utf-8")
    status, said = tried(table, TABLES / "verdict_cases.yaml")
    assert (status, "no rule for" in said) == (2, True), said
    status, said = tried(SCHEMES / "seal.yaml", TABLES / "verdict_cases.yaml")
    assert (status, "seal.yaml" in said) == (2, True), said
