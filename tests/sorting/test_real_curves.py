"""The real load curves beside this checkout: what is found of them, against a slow and obvious computation."""

import csv
import gzip
import json
from collections import defaultdict
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.demo.real_meters import READINGS
from services.sorting.assessment import LoadFindings

pytestmark = pytest.mark.skipif(not READINGS.exists(), reason="the readings are not beside this checkout")
VOLTAGE = READINGS.with_name("voltage_hourly.csv.gz")
I_MAX_A = Fraction(20)
LEAST_V, MOST_V = Fraction(198), Fraction("235.4")
HOUR, QUARTER, DAY = timedelta(hours=1), timedelta(minutes=15), timedelta(days=1)
THREE_PHASE = "M4bcdc8c737"


def rows(path, column):
    """Meter -> phase -> instant -> value, in fractions."""
    read = defaultdict(lambda: defaultdict(dict))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            of = read[row["meter"]][row["phase"]]
            at = datetime.fromisoformat(row["time"])
            assert at not in of
            of[at] = Fraction(row[column])
    return read


def slowly(current, voltage, step):
    """The findings of one meter, worked out instant by instant."""
    first = min(min(of) for of in current.values()).date()
    last = max(max(of) for of in current.values()).date()
    begin, end = (datetime.combine(day, datetime.min.time()) for day in (first, last + DAY))
    grid = [begin + i * step for i in range((end - begin) // step)]
    gap, gaps = timedelta(0), [timedelta(0)]
    for of in current.values():
        for at in grid:
            gap = timedelta(0) if at in of else gap + step
            gaps.append(gap)
        gap = timedelta(0)
    by_day = defaultdict(list)
    for of in current.values():
        for at, value in of.items():
            by_day[at.date()].append(value)
    read = [values for values in by_day.values() if len(values) * 2 >= len(current) * (DAY // step)]
    doses = [
        sum((value / I_MAX_A) ** 2 for value in of.values() if abs(value) > I_MAX_A) * (step // timedelta(seconds=1))
        for of in current.values()
    ]
    volts = [value for of in voltage.values() for at, value in of.items() if begin <= at < end]
    out = [value for value in volts if not LEAST_V <= value <= MOST_V]
    steps = 0
    for phase, of in current.items():
        for at in of:
            both = at + step in of and at in voltage[phase] and at + step in voltage[phase]
            steps += both and abs(of[at + step] - of[at]) >= 2
    return {
        "first_on": str(first),
        "last_on": str(last),
        "points_expected": len(grid) * len(current),
        "points_read": sum(map(len, current.values())),
        "longest_gap_min": max(gaps) // timedelta(minutes=1),
        "days_read": len(read),
        "zero_days": sum(not any(values) for values in read),
        "overload_dose_s": int(max(doses)),
        "voltage_points_read": len(volts),
        "voltage_out_ppm": round(Fraction(len(out) * 1_000_000, len(volts))),
        "reversed_points": sum(value < 0 for of in current.values() for value in of.values()),
        "load_steps": steps,
    }


@pytest.fixture(scope="module")
def told():
    """What the command says, by meter."""
    run = CliRunner().invoke(app, ["sorting", "curves", str(READINGS.parent), "--i-max", str(I_MAX_A), "--json"])
    assert run.exit_code == 0, run.output
    return {line["meter"]: line for line in map(json.loads, run.stdout.splitlines())}


def test_the_findings_are_those_of_a_slow_computation(told):
    current, voltage = rows(READINGS, "current_a"), rows(VOLTAGE, "voltage_v")
    assert len(current) == 22
    for meter, of in current.items():
        expected = slowly(of, voltage[meter], QUARTER if meter == THREE_PHASE else HOUR)
        found = told[meter]["findings"]
        assert {name: found.get(name, 0) for name in expected} == expected, meter


def test_each_of_them_says_what_it_cannot(told):
    cannot = {meter: set(line["findings"]["cannot_tell"]) for meter, line in told.items()}
    with_current = {meter for meter, codes in cannot.items() if "no_current" not in codes}
    assert len(told) == 25, "three have voltage alone"
    assert len(with_current) == 22
    assert all({"arcs", "short_overloads"} <= cannot[meter] for meter in with_current)
    assert {meter for meter in with_current if "part_of_year" not in cannot[meter]} == {THREE_PHASE}
    assert {meter for meter in with_current if "all_zero" in cannot[meter]} == {"Mcab778ba40"}
    assert {meter for meter in with_current if "reversed" in cannot[meter]} == {THREE_PHASE}
    assert not any("no_voltage" in codes or "times_uncertain" in codes for codes in cannot.values())


def test_few_points_are_missing_at_the_interval_at_which_each_was_read(told):
    shares = {
        meter: 1 - Fraction(line["findings"]["points_read"], line["findings"]["points_expected"])
        for meter, line in told.items()
        if line["findings"]["points_expected"]
    }
    assert max(shares.values()) < Fraction(3, 100)
    assert sum(share == 0 for share in shares.values()) == 10


def test_no_reading_is_in_what_is_told(told):
    members = set(LoadFindings.__struct_fields__)
    for line in told.values():
        assert set(line["findings"]) <= members
        assert "points" not in line
