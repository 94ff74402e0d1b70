"""The parameters of value."""

from msgspec.structs import replace

from services.sorting.prices import Material, Prices
from services.sorting.vocabulary import Words
from tests.sorting.examples import PRICES

ONE = PRICES.classes[0]


def test_a_class_has_its_own_or_none():
    assert PRICES.of("01") is ONE
    assert PRICES.of("41") is None


def test_a_class_that_is_there_twice_is_named():
    assert PRICES.disagreements() == []
    assert PRICES.classes[0].device_classes == ("01",)
    wrong = Prices(classes=(ONE, replace(ONE, device_classes=("02", "01")))).disagreements()
    assert [said for said in wrong if "class 01 is there twice" in said] == wrong


def test_what_materials_bring_is_rounded_down_once():
    """Of 1.9 fen and 1.9 fen 3 are left, not 2: fractions are dropped of the sum."""
    said = Words(zh="（合成）", en="synthetic")
    odd = Material(code="m", name=said, mass_g=19, fen_per_kg=100)
    assert replace(ONE, materials=(odd, odd)).material_fen == 3
