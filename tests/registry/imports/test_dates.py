from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Refusal, Unreadable
from services.registry.imports.converting import Context, converter
from services.registry.imports.mapping import DateField
from tests.registry.imports.sheets import TODAY, shortly, wall

FIELD = DateField(earliest=date(1950, 1, 1), future_days=30)


def day_of(cell, field=FIELD, *, date1904=False):
    return converter("day", field, Context(today=TODAY, check_digit="warn", date1904=date1904))(cell)


def code_of(cell, field=FIELD, **context):
    with pytest.raises(Refusal) as refused:
        day_of(cell, field, **context)
    return refused.value.code


@pytest.mark.parametrize(
    "cell",
    [
        "2024-03-05",
        "2024-3-5",
        "2024/3/5",
        "2024/03/05",
        "2024.3.5",
        "2024年3月5日",
        "2024年03月05号",
        "2024 年 3 月 5 日".replace("2024 ", "2024"),
        "２０２４－０３－０５",
        "20240305",
        "20240305083000",
        " 2024-03-05 ",
        "'2024-03-05",
        "2024-03-05 08:30",
        "2024-03-05 8:30:00",
        "2024-03-05T08:30:00",
        "2024-03-05T08:30:00.123456789",
        "2024-03-05T00:30:00+08:00",
        "2024-03-04T16:30:00Z",
        "2024/3/5 0:00:00",
        "2024年3月5日 8时30分",
        "2024年3月5日 8时30分15秒",
        "2024年3月5日8时",
        "2024-03-05 上午8:30",
        "2024-03-05 下午 11:59:59",
        "45356",
        "45356.5",
        45356.0,
        45356,
        45356.354166667,
        20240305.0,
        20240305,
        20240305083000,
        date(2024, 3, 5),
        wall(2024, 3, 5, 23, 59),
        datetime(2024, 3, 5, 0, 30, tzinfo=timezone(timedelta(hours=8))),
        datetime(2024, 3, 4, 16, 30, tzinfo=UTC),
    ],
    ids=shortly,
)
def test_the_fifth_of_march_however_it_is_written(cell):
    assert day_of(cell) == "2024-03-05"


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("2024-02-30", "import_cell.date_impossible"),
        ("2023-02-29", "import_cell.date_impossible"),
        ("20241301", "import_cell.date_impossible"),
        ("2024-03-05 25:00", "import_cell.date_impossible"),
        ("0000-01-01", "import_cell.date_impossible"),
        ("3/5/2024", "import_cell.date_ambiguous"),
        ("5.3.24", "import_cell.date_ambiguous"),
        ("24-3-5", "import_cell.date_ambiguous"),
        ("24年3月5日", "import_cell.date_ambiguous"),
        ("2024-3", "import_cell.not_a_date"),
        ("2024-03/05", "import_cell.not_a_date"),
        ("2024年3-5", "import_cell.not_a_date"),
        ("去年", "import_cell.not_a_date"),
        ("2024-03-05 上午13:00", "import_cell.not_a_date"),
        ("2024-03-05T08:30:00+99:00", "import_cell.not_a_date"),
        ("٢٠٢٤-٠٣-٠٥", "import_cell.not_a_date"),
        ("1234567", "import_cell.not_a_date"),
        (0, "import_cell.not_a_date"),
        (-5.0, "import_cell.not_a_date"),
        (1e300, "import_cell.not_a_date"),
        (float("nan"), "import_cell.not_a_date"),
        (float("inf"), "import_cell.not_a_date"),
        (True, "import_cell.not_a_date"),
        (timedelta(days=3), "import_cell.not_a_date"),
        ([2024, 3, 5], "import_cell.not_a_date"),
        (60, "import_cell.date_impossible"),
        ("2025-07-02", "import_cell.date_too_late"),
        ("2999-01-01", "import_cell.date_too_late"),
        (date(9999, 12, 31), "import_cell.date_too_late"),
        ("9999-12-31T23:59:59-14:00", "import_cell.not_a_date"),
        ("1949-12-31", "import_cell.date_too_early"),
        ("1", "import_cell.date_too_early"),
    ],
    ids=shortly,
)
def test_days_that_are_none_or_out_of_bounds(cell, code):
    assert code_of(cell) == code


def test_the_last_day_allowed_is_allowed():
    assert day_of("2025-07-01") == "2025-07-01"


EVER = DateField(earliest=date(1, 1, 1), future_days=3650)


@pytest.mark.parametrize(
    ("serial", "date1904", "day"),
    [
        (1, False, "1900-01-01"),
        (59, False, "1900-02-28"),
        (61, False, "1900-03-01"),
        (45356, False, "2024-03-05"),
        (0, True, "1904-01-01"),
        (43894, True, "2024-03-05"),
    ],
)
def test_serial_days_of_both_systems(serial, date1904, day):
    """ECMA-376 part 1, 18.17.4.1: examples of both date bases."""
    assert day_of(serial, EVER, date1904=date1904) == day
    assert day_of(float(serial), EVER, date1904=date1904) == day
    assert day_of(str(serial), EVER, date1904=date1904) == day


WRITTEN = [
    "{0:%Y-%m-%d}",
    "{0.year:04d}/{0.month}/{0.day}",
    "{0.year:04d}年{0.month}月{0.day}日",
    "{0:%Y%m%d}",
    "{0:%Y-%m-%d} 23:59:59",
]


@given(st.dates(date(1950, 1, 1), TODAY), st.sampled_from(WRITTEN))
def test_every_day_comes_back_from_every_way_to_write_it(day, written):
    assert day_of(written.format(day)) == day.isoformat()


@given(st.dates(date(1950, 1, 1), TODAY), st.booleans())
def test_every_day_comes_back_from_its_serial(day, date1904):
    serial = (day - (date(1904, 1, 1) if date1904 else date(1899, 12, 30))).days
    assert day_of(serial, date1904=date1904) == day.isoformat()


@given(st.text(max_size=40))
def test_any_text_is_a_day_or_a_refusal(text):
    with suppress(Unreadable):
        day = day_of(text)
        assert day is None or "1950" <= day <= "2026"
