"""What a load curve shows and what it cannot: hand-made curves of which the answer is plain, and any curve."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sorting.assessment import load_said
from services.sorting.load_curve import DAY_S, LOAD_STEPS_MIN, ZONE_S, Asked, daily_peaks, findings, interval_of

FIRST = 20_000 * DAY_S - ZONE_S
"""Midnight in Asia/Shanghai, 2024-10-04."""

HOUR_S = 3_600
DAYS = 4
BAND = {"voltage_least_mv": 198_000, "voltage_most_mv": 235_400}


def hours(*values, start=FIRST):
    """Points an hour apart; None is one that was not read."""
    return [(start + i * HOUR_S, value) for i, value in enumerate(values) if value is not None]


def days(*values):
    """Whole days of one value each."""
    return hours(*(value for value in values for _ in range(24)))


def shown(current=None, voltage=None, **asked):
    return findings({"A": current} if current else {}, {"A": voltage} if voltage else {}, Asked(**asked))


def test_a_whole_curve():
    found = shown(days(500, 0, 500, 0), days(*[230_000] * 4), i_max_ma=60_000, **BAND)
    assert (found.first_on, found.last_on, found.interval_s) == (date(2024, 10, 4), date(2024, 10, 7), HOUR_S)
    assert (found.points_expected, found.points_read, found.longest_gap_min) == (96, 96, 0)
    assert (found.days_read, found.zero_days, found.overload_dose_s) == (4, 2, 0)
    assert (found.voltage_points_expected, found.voltage_points_read, found.voltage_out_ppm) == (96, 96, 0)
    assert found.cannot_tell == ("arcs", "short_overloads", "part_of_year", "series_resistance")
    assert list(found.contradictions()) == []


def test_no_curve_shows_nothing():
    assert shown() is None
    assert shown(days(1), first_on=date(2024, 10, 5), last_on=date(2024, 10, 4)) is None


def test_a_day_is_that_of_shanghai():
    evening = shown([(FIRST - 1, 5), (FIRST, 5)], interval_s=HOUR_S)
    assert (evening.first_on, evening.last_on) == (date(2024, 10, 3), date(2024, 10, 4))


@pytest.mark.parametrize(
    ("values", "dose"),
    [
        ([60_000] * 24, 0),
        ([60_001] + [0] * 23, 3_600),
        ([120_000] + [0] * 23, 4 * 3_600),
        ([-120_000, 90_000] + [0] * 22, 4 * 3_600 + 8_100),
        # (70 / 60)^2 of an hour is exactly 4 900 s; (61 / 60)^2 is 3 721.
        ([70_000, 61_000] + [0] * 22, 4_900 + 3_721),
    ],
)
def test_the_overload_dose_is_the_square_of_what_exceeds_the_maximum_current(values, dose):
    assert shown(hours(*values), i_max_ma=60_000).overload_dose_s == dose


def test_without_a_maximum_current_there_is_no_dose_and_with_a_gap_it_is_a_lower_bound():
    assert "no_i_max" in shown(days(5)).cannot_tell
    gap = shown(hours(*[61_000] * 12, None, *[61_000] * 11), i_max_ma=60_000)
    assert (gap.overload_dose_s, "dose_at_least" in gap.cannot_tell) == (23 * 3_721, True)


def test_gaps_reach_from_the_first_day_to_the_last():
    found = shown(hours(*[None] * 5, *[1] * 10, *[None] * 7, 1, 1), first_on=date(2024, 10, 4))
    assert (found.points_expected, found.points_read, found.longest_gap_min) == (24, 12, 7 * 60)
    assert "points_missing" in found.cannot_tell
    assert shown(hours(*[None] * 8, *[1] * 16)).longest_gap_min == 8 * 60


def test_few_missing_points_are_told_in_numbers_only():
    assert "points_missing" not in shown(hours(*[1] * 23, None, *[1] * 24)).cannot_tell


def test_a_day_of_few_points_is_neither_read_nor_without_load():
    found = shown(hours(*[0] * 11, *[None] * 13, *[0] * 12, *[None] * 12, *[0] * 24))
    assert (found.days_read, found.zero_days) == (2, 2)


def test_a_meter_that_reads_nothing_but_zero_may_not_measure():
    assert "all_zero" in shown(days(0)).cannot_tell
    assert "all_zero" not in shown(hours(*[0] * 23, 1)).cannot_tell


def test_negative_current_is_told():
    found = shown(hours(-5, 3, -1, *[0] * 21))
    assert (found.reversed_points, "reversed" in found.cannot_tell) == (2, True)


def test_the_same_point_twice_is_one_and_two_that_contradict_each_other_are_none():
    twice = shown([*hours(*[7] * 24), *hours(7)], interval_s=HOUR_S)
    assert (twice.points_read, twice.points_set_aside) == (24, 0)
    against = shown([*hours(*[7] * 24), (FIRST, 8), (FIRST, 7)])
    assert (against.points_read, against.points_set_aside) == (23, 3)
    assert "times_uncertain" in against.cannot_tell


def test_a_clock_that_was_set_back_makes_its_times_uncertain():
    orderly = shown(hours(*range(1, 25)))
    assert "times_uncertain" not in orderly.cannot_tell
    back = shown([*hours(*range(1, 13)), *hours(*range(1, 13), start=FIRST + 6 * HOUR_S)])
    assert (back.points_set_aside, "times_uncertain" in back.cannot_tell) == (12, True)
    disordered = shown(hours(*range(1, 25))[::-1])
    assert disordered.points_read == 24
    assert "times_uncertain" in disordered.cannot_tell
    shifted = shown([*hours(*[1] * 12), *hours(*[1] * 12, start=FIRST + 12 * HOUR_S + 180)])
    assert (shifted.points_read, "times_uncertain" in shifted.cannot_tell) == (24, True)


def test_voltage_counts_within_the_days_of_the_current():
    found = shown(days(5), days(*[230_000] * 2), **BAND)
    assert (found.voltage_points_expected, found.voltage_points_read) == (24, 24)
    later = hours(*[230_000] * 24, start=FIRST + DAY_S)
    assert "no_voltage" in shown(days(5), later, **BAND).cannot_tell


def test_the_ends_of_the_band_are_inside_it():
    at_the_ends = hours(198_000, 197_999, 235_400, 235_401, *[230_000] * 20)
    found = shown(days(5), at_the_ends, **BAND)
    assert found.voltage_out_ppm == 83_333
    assert "no_voltage_band" in shown(days(5), at_the_ends).cannot_tell
    assert "voltage_missing" in shown(days(5), at_the_ends[:20], **BAND).cannot_tell


def test_voltage_alone_says_so():
    found = shown(None, days(230_000), **BAND)
    assert (found.voltage_points_read, found.points_expected) == (24, 0)
    assert found.cannot_tell == ("no_current", "series_resistance")


def test_a_series_resistance_needs_steps_of_load_with_voltage_at_both_ends():
    enough = LOAD_STEPS_MIN + 1
    swing = hours(*(2_000 * (i % 2) for i in range(enough)))
    volts = hours(*[230_000] * enough)
    assert shown(swing, volts).load_steps == LOAD_STEPS_MIN
    assert "series_resistance" not in shown(swing, volts).cannot_tell
    assert "series_resistance" in shown(swing, volts[:-1]).cannot_tell
    assert shown(hours(*(1_999 * (i % 2) for i in range(enough))), volts).load_steps == 0


def test_steps_are_found_where_voltage_is_read_more_often_than_current():
    quarters = [(FIRST + i * 900, 230_000) for i in range(96)]
    found = shown(hours(*(3_000 * (i % 2) for i in range(24))), quarters)
    assert (found.load_steps, found.voltage_points_expected) == (23, 96)


def test_three_phases():
    curve = {"A": days(0), "B": hours(*[0] * 23, 130_000), "C": hours(*[70_000] * 12)}
    found = findings(curve, {}, Asked(phases=3, i_max_ma=60_000))
    assert (found.phases, found.points_expected, found.points_read) == (3, 72, 60)
    # 12 hours at (70 / 60)^2 are more than one at (130 / 60)^2.
    assert (found.overload_dose_s, found.zero_days) == (58_800, 0)
    assert "phases_missing" not in found.cannot_tell
    alone = findings({"A": days(0)}, {}, Asked(phases=3))
    assert (alone.phases, "phases_missing" in alone.cannot_tell) == (1, True)


def test_one_point_alone_has_no_interval_and_is_no_curve():
    found = shown([(FIRST, 5)])
    assert (found.points_expected, found.points_read, found.cannot_tell[0]) == (0, 0, "no_current")
    assert shown([(FIRST, 5)], interval_s=HOUR_S).points_expected == 24


def test_an_interval_of_which_a_day_has_no_whole_number_is_refused():
    with pytest.raises(ValueError, match="no whole number"):
        shown(days(1), interval_s=7_000)


def test_the_interval_is_the_most_common_one():
    assert interval_of({"A": [(0, 1), (900, 1), (1_800, 1), (5_400, 1)]}) == 900
    assert interval_of({"A": [(0, 1), (900, 1), (2_700, 1)]}) == 900
    assert interval_of({"A": [(0, 1)]}) is None


def test_peaks_of_days():
    assert daily_peaks({"A": hours(3, -9), "B": hours(*[None] * 48, 4)}) == [9, None, 4]
    assert daily_peaks({}) == []


POINTS = st.lists(st.tuples(st.integers(FIRST, FIRST + DAYS * DAY_S - 1), st.integers(-200_000, 200_000)), max_size=60)


@given(
    st.dictionaries(st.sampled_from("ABC"), POINTS),
    st.dictionaries(st.sampled_from("ABC"), POINTS),
    st.sampled_from([900, 1_800, 3_600, 86_400]),
    st.none() | st.integers(1_000, 100_000),
)
def test_of_any_points_the_findings_agree_with_each_other_and_are_said(current, voltage, interval_s, i_max_ma):
    asked = Asked(interval_s=interval_s, voltage_interval_s=interval_s, i_max_ma=i_max_ma, phases=3, **BAND)
    found = findings(current, voltage, asked)
    if found is None:
        assert not any(current.values())
        assert not any(voltage.values())
        return
    assert list(found.contradictions()) == []
    assert found.points_read + found.points_set_aside <= sum(map(len, current.values()))
    assert found.longest_gap_min * 60 <= DAYS * DAY_S
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
    assert all(all(sentence.words()) for sentence in load_said(found))


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_points_changes_nothing_but_how_certain_their_times_are(points, random):
    asked = Asked(interval_s=900, i_max_ma=60_000)
    shuffled = random.sample(points, len(points))
    one, other = findings({"A": points}, {}, asked), findings({"A": shuffled}, {}, asked)
    if one is not None:
        one, other = (msgspec.structs.replace(found, cannot_tell=()) for found in (one, other))
    assert one == other
