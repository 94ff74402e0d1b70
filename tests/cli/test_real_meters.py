"""Readings of real meters, as the demonstration takes them: here a few made-up lines in the same form."""

import gzip
from datetime import date

import pytest

from cli.demo.real_meters import READINGS, real_meters
from services.registry.asset_number import check_digit

LINES = """meter,phase,time,current_a,ct_ratio
M1,A,2016-06-22 00:00:00,0.13,1
M2,A,2015-01-02 00:00:00,1.0,1
M2,B,2015-01-01 23:45:00,1.0,1
M2,C,2015-01-02 00:00:00,1.0,1
M1,A,2016-06-21 23:45:00,0.1,1
"""


def test_each_meter_once_with_its_phases_and_its_own_first_day(tmp_path):
    path = tmp_path / "readings.csv.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    one, two = real_meters(path)
    assert (one.device_class, one.occurred_on) == ("01", date(2016, 6, 21))
    assert (two.device_class, two.occurred_on) == ("02", date(2015, 1, 1))
    for register in (one, two):
        assert register.asset_no[5:7] == register.device_class
        assert register.asset_no[-1] == check_digit(register.asset_no[:-1])
    assert real_meters(path) == [one, two], "the numbers are the same every time"


def test_without_readings_there_are_no_meters(tmp_path):
    assert real_meters(tmp_path / "none.csv.gz") == []


@pytest.mark.skipif(not READINGS.exists(), reason="the readings are not beside this checkout")
def test_the_readings_are_of_twenty_two_meters():
    registers = real_meters()
    assert len({register.asset_no for register in registers}) == len(registers) == 22
    assert [register.device_class for register in registers].count("02") == 1
    assert min(register.occurred_on for register in registers) == date(2014, 8, 4)
