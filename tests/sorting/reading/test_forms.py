"""Which items of a norm a reading fills, and which it must not."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.quantity import BUSINESS_ZONE
from kernel.refusal import Refusal
from services.sorting.defaults import default_scheme
from services.sorting.evaluation import Measured, shown_faults
from services.sorting.norms import Choice, Item, Limit, Norm
from services.sorting.reading import bench_mapping
from services.sorting.reading import identifiers as known
from services.sorting.reading.forms import Fill, identity, load, measured, with_additions
from services.sorting.reading.identifiers import Phases, value_of
from services.sorting.reading.reader import Clock, Problem, Read, Reading
from services.sorting.vocabulary import Words
from tests.sorting.reading.peer import ADDRESS, VALUES

IDENTIFIERS = known.load()
FILLS = load()["function"]
AT = datetime(2026, 11, 2, 10, 15, tzinfo=BUSINESS_ZONE)
ASSET_NO = "9940101000000000000175"
SOME = Words(zh="某项", en="something")


def counted(code, unit="count", most=999_999, *, required=True):
    return Item(
        code=code, name=SOME, unit=unit, range_least=-86_400, range_most=most, fault=f"fault.{code}", required=required,
        limits=(Limit(most=300, source="synthetic"),),
    )  # fmt: skip


def looked(code, *choices):
    return Item(code=code, name=SOME, choices=tuple(Choice(code=one, name=SOME) for one in choices))


NORM = Norm(
    step="function",
    purpose=SOME,
    items=(
        looked("comm_rs485", "answers", "silent"),
        looked("relay", "working", "stuck"),
        counted("clock_offset", "s"),
        counted("clock_battery", "mv", most=10_000),
        counted("cover_opened"),
        counted("overcurrent", required=False),
        counted("register_difference", "wh", required=False),
        counted("pulses", "pulse", required=False),
    ),
)


def reading(*, values=VALUES, offset_s=12, without=(), ended_by=None):
    reads = tuple(
        Read(one, problem=Problem("meter_read.unsupported", "—", "—"))
        if one.code in without
        else Read(one, value=value_of(one, values[one.di]))
        for one in IDENTIFIERS.values()
    )
    return Reading(ADDRESS, AT, reads, clock=Clock(AT, offset_s), ended_by=ended_by)


def test_a_reading_fills_what_the_norm_asks_for_and_no_more():
    assert measured(reading(), NORM, FILLS) == (
        Measured(item="comm_rs485", choice="answers"),
        Measured(item="clock_offset", value=12),
        Measured(item="clock_battery", value=3_640),
        Measured(item="register_difference", value=0),
        Measured(item="cover_opened", value=2),
        Measured(item="overcurrent", value=3),
    )


def test_what_the_meter_does_not_hold_is_left_out():
    filled = {one.item for one in measured(reading(without={"cover_opened", "energy_forward_t2"}), NORM, FILLS)}
    assert filled == {"comm_rs485", "clock_offset", "clock_battery", "overcurrent"}


def test_with_what_a_person_saw_the_norm_is_satisfied():
    read = measured(reading(offset_s=301), NORM, FILLS)
    filled = with_additions(NORM, read, ["relay = working", "pulses=-3"])
    assert filled[-2:] == (Measured(item="relay", choice="working"), Measured(item="pulses", value=-3))
    assert shown_faults(NORM, filled, None) == ("fault.clock_offset", "fault.clock_battery")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("relay", "meter_read.no_such_addition"),
        ("relay=", "meter_read.no_such_addition"),
        ("pulses=many", "meter_read.no_such_addition"),
        ("wings=two", "measurement.no_such_item"),
        ("cover_opened=0", "meter_read.read_twice"),
    ],
)
def test_what_cannot_be_added(said, code):
    with pytest.raises(Refusal) as refused:
        with_additions(NORM, measured(reading(), NORM, FILLS), [said])
    assert refused.value.code == code


@pytest.mark.parametrize("why", ["ended", "unread"])
def test_a_partial_reading_fills_nothing(why):
    partial = reading(ended_by=Problem("meter_read.line_lost", "—", "—")) if why == "ended" else reading()
    if why == "unread":
        lost = Read(IDENTIFIERS["status_1"], problem=Problem("meter_read.bad_checksum", "—", "—"))
        partial = Reading(ADDRESS, AT, (*partial.reads, lost), clock=partial.clock)
    for fill in (lambda: measured(partial, NORM, FILLS), lambda: identity(partial)):
        with pytest.raises(Refusal) as refused:
            fill()
        assert refused.value.code == "meter_read.not_whole"


def test_a_value_beyond_bounds_is_refused():
    with pytest.raises(Refusal) as refused:
        measured(reading(offset_s=10**13), NORM, FILLS)
    assert refused.value.code == "meter_read.beyond_bounds"


def test_a_norm_in_another_unit_is_refused():
    norm = Norm(step="function", purpose=SOME, items=(counted("clock_battery", "ms"),))
    with pytest.raises(Refusal) as refused:
        measured(reading(), norm, FILLS)
    assert refused.value.code == "meter_read.other_unit"


def test_identity_by_address_and_the_number_inside():
    """What was scanned and what the meter holds are two things: neither stands for the other."""
    found = identity(reading())
    assert (found.barcode, found.held_number, found.comm_address) == (None, ASSET_NO, ADDRESS)
    other = "9940101000000000000076"
    scanned = identity(reading(), other)
    assert (scanned.barcode, scanned.held_number) == (other, ASSET_NO)
    assert identity(reading(without={"asset_no"})).held_number is None
    shorter = reading(values=VALUES | {"04000403": b"71".ljust(32, b"\x00")})
    assert identity(shorter).held_number is None


def test_every_fill_reads_what_there_is():
    codes = {code for fill in FILLS for code in (fill.reads, *fill.less) if code} - {"clock_offset"}
    assert codes <= set(IDENTIFIERS)
    for fill in FILLS:
        if fill.reads in IDENTIFIERS:
            assert IDENTIFIERS[fill.reads].unit == fill.unit


def test_a_fill_is_a_value_or_a_choice():
    for wrong in ({}, {"reads": "x"}, {"reads": "x", "unit": "s", "choice": "y"}, {"choice": "y", "unit": "s"}):
        with pytest.raises(ValueError, match="filled by"):
            Fill(item="x", **wrong)


@given(st.lists(st.integers(0, 999_999), min_size=1, max_size=3), st.integers(-(10**12), 10**12))
def test_a_reading_always_fills_a_form_alike(counts, offset_s):
    phases = Read(IDENTIFIERS["overcurrent"], value=Phases(tuple(counts), tuple(0 for _ in counts)))
    one = Reading(ADDRESS, AT, (phases,), clock=Clock(AT, offset_s))
    filled = {part.item: part for part in measured(one, NORM, FILLS)}
    assert filled["overcurrent"].value == sum(counts)
    assert filled["clock_offset"].value == offset_s
    assert measured(one, NORM, FILLS) == measured(one, NORM, FILLS)


METERS = ("single_phase", "three_phase")


@pytest.mark.parametrize("group", METERS)
def test_the_default_schemes_take_what_is_read(group):
    scheme = default_scheme(group)
    items = {one.item: one for one in measured(reading(), scheme.norm("function"), FILLS)}
    assert {"comm_rs485", "clock_offset", "clock_battery", "register_difference", "cover_opened"} <= set(items)
    norm = scheme.norm("function")
    by_hand = [f"{one.code}={one.choices[0].code}" for one in norm.items if one.choices and one.code not in items]
    filled = with_additions(norm, tuple(items.values()), by_hand)
    assert "clock.offset" not in shown_faults(norm, filled, "2")


@pytest.mark.parametrize("group", METERS)
def test_the_default_mapping_names_every_load_point_of_the_default_schemes(group):
    columns = bench_mapping.load().items
    items = {one.code: one.unit for one in default_scheme(group).norm("accuracy").items}
    assert items == {code: columns[code].unit for code in items}
