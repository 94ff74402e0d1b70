"""`meterloop sorting curves`, on files made up here, and against the gateway with a real sorting service behind it."""

import asyncio
import gzip
import json
import re

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.sorting.curves import NO_BAR, spark
from kernel.principal import Role
from tests.gateway.behind import behind
from tests.gateway.season import number
from tests.gateway.serving import served

DAY = "2026-01-05"
HOURS = [f"{DAY} {hour:02}:00:00" for hour in range(24)]


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def file(tmp_path, rows, name="curves.csv", heading="meter,phase,time,current_a"):
    path = tmp_path / name
    text = "\n".join([heading, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def day(meter="M1", amperes="61", phase="A"):
    return [f"{meter},{phase},{at},{amperes}" for at in HOURS]


def run(*words):
    told = CliRunner().invoke(app, ["sorting", "curves", *map(str, words)])
    return told.exit_code, re.sub(r"\s+", " ", told.output)


def told(*words):
    """The lines of JSON."""
    run = CliRunner().invoke(app, ["sorting", "curves", "--json", *map(str, words)])
    assert run.exit_code == 0, run.output
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_table_and_the_sentences(tmp_path):
    status, said = run(file(tmp_path, day()), "--i-max", "60")
    assert status == 0
    assert "M1" in said
    assert "█" in said
    assert "过载剂量相当于最大电流 60 A 下 89304 秒。" in said
    assert "values 1 hour apart cannot show arcs." in said


def test_a_folder_is_read_whole_gzipped_or_not(tmp_path):
    file(tmp_path, day())
    file(tmp_path, [f"M1,{at},229.5" for at in HOURS], "volts.csv.gz", "meter,time,voltage_v")
    (line,) = told(tmp_path)
    assert (line["meter"], line["findings"]["voltage_points_read"]) == ("M1", 24)
    assert {"code", "zh", "en"} == set(line["said"][0])


def test_times_with_a_zone_and_points_left_empty(tmp_path):
    rows = ["M1,A,2026-01-04T16:00:00Z,1", "M1,A,2026-01-05T01:00:00+08:00,", "M1,A,2026-01-05 02:00,-0.0004"]
    (line,) = told(file(tmp_path, rows), "--interval-min", "60")
    found = line["findings"]
    assert (found["first_on"], found["last_on"], found["points_read"]) == (DAY, DAY, 2)


def test_three_phases_are_one_meter(tmp_path):
    (line,) = told(file(tmp_path, [*day(phase="A"), *day(phase="B")]))
    assert (line["findings"]["phases"], "phases_missing" in line["findings"]["cannot_tell"]) == (2, True)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["M1,A,yesterday,1"], "第 2 行读不懂"),
        (["M1,A,2026-01-05 00:00,much"], "line 2 cannot be read"),
        (["M1,A,2026-01-05 00:00,nan"], "line 2"),
        (["M1,A,2026-01-05 00:00,1e9"], "line 2"),
        (["M1,D,2026-01-05 00:00,1"], "phase D"),
        ([",A,2026-01-05 00:00,1"], "line 2"),
        (["M1,A,0001-01-01 00:00,1"], "line 2"),
        (["M1"], "line 2"),
        ([f"M1,A,{DAY} 00:{minute:02},1" for minute in (0, 7, 14, 21)], "interval"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, rows, said):
    status, output = run(file(tmp_path, rows))
    assert (status, said in output) == (2, True), output


def test_files_that_are_none(tmp_path):
    assert run(tmp_path)[0] == 2
    assert "meter、time" in run(file(tmp_path, [], heading="device,when"))[1]
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"no archive")
    assert run(broken)[0] == 2
    assert run(tmp_path / "none.csv")[0] == 2


@pytest.mark.parametrize("option", ["--i-max", "--least-v", "--most-v"])
def test_what_it_is_held_against_is_a_positive_number(tmp_path, option):
    assert run(file(tmp_path, day()), option, "0")[0] == 2
    assert run(file(tmp_path, day()), option, "much")[0] == 2


def test_bars_are_runs_of_days():
    assert spark([0, 4, None, 8], 4) == f"▁▄{NO_BAR}█"
    assert spark([0, 4, None, None, 8], 3) == f"▄{NO_BAR}█"
    assert spark([], 4) == ""
    assert spark([None, 0], 4) == f"{NO_BAR}▁"


async def test_findings_are_recorded_and_a_device_that_is_none_keeps_nothing_back(tmp_path):
    device = number(9)
    path = file(tmp_path, [*day(device), *day("M1")])
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        words = (path, "--submit", "--i-max", "60", "--url", url, "--token", started.token(Role.SERVICE))
        status, said = await asyncio.to_thread(run, *words)
        assert status == 4, said
        assert "1 只表的评估" in said
        assert "M1" in said
        inspections = await started.sorting.sorting.inspections_now([device])
        assert inspections[device].load.overload_dose_s == 89_304
        status, said = await asyncio.to_thread(run, *words)
        assert status == 4, "the same again changes nothing"
