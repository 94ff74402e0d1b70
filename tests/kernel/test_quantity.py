"""Bounded values, and the days on which things happen."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernel import quantity
from kernel.quantity import (
    YEAR_MAX,
    YEAR_MIN,
    Code,
    Happened,
    Key,
    business_day,
    business_day_of_us,
    instant_of_us,
    us_of_instant,
)

SINCE_1992 = st.datetimes(datetime(1992, 1, 1), datetime(YEAR_MAX, 12, 30))  # noqa: DTZ001  zones are drawn apart


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-04T15:59:59.999999Z", date(2026, 3, 4)),
        ("2026-03-04T16:00:00Z", date(2026, 3, 5)),
        ("2026-03-05T00:00:00+08:00", date(2026, 3, 5)),
        ("2026-03-04T23:59:59.999999+08:00", date(2026, 3, 4)),
        ("2026-03-05T15:59:59Z", date(2026, 3, 5)),
        ("2026-02-28T16:00:00Z", date(2026, 3, 1)),
        ("2024-02-28T16:00:00Z", date(2024, 2, 29)),
        ("2025-12-31T16:00:00Z", date(2026, 1, 1)),
    ],
)
def test_a_business_day_begins_at_midnight_in_shanghai(instant, day):
    happened = msgspec.convert({"occurred_at": instant}, Happened)
    assert happened.day == day
    assert business_day_of_us(us_of_instant(happened.occurred_at)) == day


@given(SINCE_1992, st.integers(-23, 23))
def test_the_zone_of_an_instant_does_not_change_its_day(naive, hours):
    instant = naive.replace(tzinfo=UTC)
    elsewhere = instant.astimezone(timezone(timedelta(hours=hours)))
    assert business_day(elsewhere) == business_day(instant) == (naive + timedelta(hours=8)).date()


def test_shanghai_has_kept_its_hour_as_far_as_the_calendar_knows():
    """Against the IANA database, where the machine has it."""
    try:
        shanghai = ZoneInfo("Asia/Shanghai")
    except ZoneInfoNotFoundError:
        pytest.skip("no time zone database here")
    for year in range(1992, YEAR_MAX + 1):
        for month in (1, 7):
            assert datetime(year, month, 1, tzinfo=shanghai).utcoffset() == timedelta(hours=8)


@given(st.integers(-(10**15), 10**16))
@example(-1)
@example(0)
def test_instants_are_exact_microseconds(instant_us):
    instant = instant_of_us(instant_us)
    assert us_of_instant(instant) == instant_us
    assert business_day_of_us(instant_us) == business_day(instant)


def test_exactly_one_of_instant_and_day_says_when():
    at, on = datetime(2026, 3, 5, tzinfo=UTC), date(2026, 3, 6)
    assert Happened(occurred_on=on).day == on
    for wrong in ({}, {"occurred_at": at, "occurred_on": on}):
        with pytest.raises(ValueError, match="exactly one"):
            Happened(**wrong)
        with pytest.raises(msgspec.ValidationError, match="exactly one"):
            msgspec.convert(wrong, Happened)


@pytest.mark.parametrize(
    "when",
    [
        {"occurred_at": "2026-03-05T00:00:00"},
        {"occurred_at": "2026-03-05"},
        {"occurred_at": 1_772_640_000},
        {"occurred_on": "2026-02-30"},
        {"occurred_on": "2026-03-05T00:00:00Z"},
        {"occurred_on": "0001-01-01"},
        {"occurred_on": "9999-12-31"},
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"occurred_at": "9999-12-31T23:59:59Z"},
        {"occurred_at": None},
        {"occurred_on": "2026-03-05", "happened_on": "2026-03-05"},
    ],
    ids=str,
)
def test_what_is_no_time_is_refused(when):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(when, Happened)


@given(
    st.datetimes(datetime(YEAR_MIN, 1, 1), datetime(YEAR_MAX, 12, 31, 23, 59, 59)),  # noqa: DTZ001  the zone follows
    st.integers(-14, 14),
)
def test_whatever_is_let_in_has_a_business_day(naive, hours):
    happened = Happened(occurred_at=naive.replace(tzinfo=timezone(timedelta(hours=hours))))
    assert abs(happened.day - naive.date()) <= timedelta(days=1)


INTEGERS = [
    getattr(quantity, name)
    for name in ("Count", "MassG", "AmountFen", "ReadingWh", "ReadingVarh", "DemandW", "RatioMicro")
]


@pytest.mark.parametrize("kind", INTEGERS, ids=lambda kind: kind.__metadata__[0].description)
def test_quantities_are_whole_and_bounded_within_int64(kind):
    bounds = kind.__metadata__[0]
    assert -(2**63) <= bounds.ge <= bounds.le < 2**63
    for value in (bounds.ge, bounds.le):
        assert msgspec.convert(value, kind) == value
    for wrong in (bounds.ge - 1, bounds.le + 1, 10**30, 1.5, "1", None):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, kind)


@pytest.mark.parametrize("text", ["", "-a", "a b", "a\n", "é", "a" * 65, "a/b"])
def test_a_key_stands_in_a_path(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Key)


def test_a_code_may_have_a_path_in_it():
    assert msgspec.convert("erp/2026:7", Code) == "erp/2026:7"
