"""Numbers here are made up: unit 99400 and serials of 9s belong to nobody."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.device import AssetNo
from kernel.refusal import Unreadable
from services.registry import asset_number

DIGITS_21 = st.text("0123456789", min_size=21, max_size=21)


def gs1_by_the_book(first: str) -> str:
    """The rule as GS1 words it: from the right, three times, once, three times; up to the next ten."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(first)))
    return str((10 - total % 10) % 10)


@given(DIGITS_21)
def test_check_digit_is_gs1_mod_10(first):
    assert asset_number.check_digit(first) == gs1_by_the_book(first)


@given(DIGITS_21, st.integers(0, 21), st.integers(1, 9))
def test_one_wrong_digit_anywhere_is_noticed(first, place, change):
    number = first + asset_number.check_digit(first)
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]
    assert asset_number.check_digit(wrong[:-1]) != wrong[-1]
    refusal = asset_number.wrong_check_digit(wrong)
    assert refusal is not None
    assert refusal.details == {"asset_no": wrong, "right": gs1_by_the_book(wrong[:-1]), "found": wrong[-1]}


@given(DIGITS_21)
def test_nothing_is_said_of_a_right_digit_nor_of_a_temporary_identity(first):
    assert asset_number.wrong_check_digit(first + gs1_by_the_book(first)) is None
    assert asset_number.wrong_check_digit("T" + first) is None


def test_parts_of_a_number():
    number = asset_number.compose("99400", "01", "99999999000001")
    assert number[:-1] == "99400" + "01" + "99999999000001"
    assert asset_number.unit_of(number) == "99400"
    assert not asset_number.is_customer_owned(number)


def test_third_digit_nought_is_the_customers_own():
    number = asset_number.compose("99000", "01", "99999999000001")
    assert asset_number.is_customer_owned(number)


@pytest.mark.parametrize(
    "text",
    ["", "9" * 21, "9" * 23, "9" * 21 + "x", "9" * 21 + "\uff19", "9" * 21 + "\n", "-" + "9" * 21, "9" * 20 + ".0"],
    ids=ascii,
)
def test_what_is_not_22_digits_is_refused_everywhere_alike(text):
    assert not asset_number.is_well_formed(text)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, AssetNo)
    assert msgspec.convert("9" * 22, AssetNo)


def test_composing_from_wrong_parts_is_refused():
    with pytest.raises(Unreadable):
        asset_number.compose("9940", "01", "99999999000001")
