from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.documents.data import When
from kernel.documents.figures import grouped, moment
from services.registry.documents.data import Cohort
from services.registry.documents.figures import fraction, in_thousands, percent, ratio, share
from tests.registry.documents import papers


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (9_999, 10_000, "99.99 %"),
        (99_999, 100_000, "99.99 %"),
        (10**9 - 1, 10**9, "99.99 %"),
        (1, 3, "33.33 %"),
        (2, 3, "66.66 %"),
        (5, 5, "100.00 %"),
        (0, 5, "0.00 %"),
        (0, 0, "—"),
    ],
)
def test_a_share_is_cut_and_never_rounded_up(part, whole, shown):
    assert percent(part, whole) == shown


@given(st.integers(1, 10**9).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_only_all_of_them_are_a_hundred_percent(counts):
    part, whole = counts
    assert (percent(part, whole) == "100.00 %") == (part == whole)
    assert fraction(part, whole).replace(",", "") == f"{part} / {whole}"


@given(st.integers(0, 10**15))
def test_readings_are_exact(reading_wh):
    units, decimals = in_thousands(reading_wh).replace(",", "").split(".")
    assert int(units) * 1_000 + int(decimals.ljust(3, "0")) == reading_wh


@pytest.mark.parametrize(
    ("ppm", "shown"),
    [(1_000_000, "100.00 %"), (999_900, "99.99 %"), (999_950, "99.995 %"), (1, "0.0001 %"), (0, "0.00 %")],
)
def test_a_target_is_shown_exactly(ppm, shown):
    assert share(ppm) == shown


def test_what_is_not_known_is_a_dash():
    assert in_thousands(None) == ratio(None) == moment(None) == moment(When()) == "—"


def test_ratios_drop_what_says_nothing():
    assert ratio(1_000_000) == "1"
    assert ratio(1_500_000) == "1.5"
    assert ratio(2_000_000_001) == "2,000.000001"


def test_moments_are_in_beijing_time_or_a_day():
    assert moment(When(at=datetime(2024, 3, 4, 16, 30, tzinfo=UTC))) == "2024-03-05 00:30:00"
    assert moment(When(on=date(2024, 3, 4))) == "2024-03-04"


def test_an_asset_number_is_grouped_by_its_parts():
    number = papers.meter_number(48_293_342_975)
    assert grouped(number) == ["99401", "01", "00", "0482", "9334", "2975", number[-1]]
    assert grouped("临-0001") == ["临-0001"]


@pytest.mark.parametrize(
    "wrong",
    [{"received": 8}, {"missing": 2}, {"owed": 1, "late": 1, "lost": 1, "apart": 1}, {"month": date(2023, 1, 2)}],
)
def test_a_cohort_that_does_not_add_up_cannot_be_made(wrong):
    right = {"unit": papers.CITY, "month": date(2023, 1, 1), "dismantled": 10, "received": 9, "missing": 1}
    Cohort(**right)
    with pytest.raises(ValueError, match="cohort"):
        Cohort(**{**right, **wrong})
