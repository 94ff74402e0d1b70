"""Numbers with units, exactly: `1,234.56 kWh` is 1234560 Wh, and nothing is rounded: what is finer is refused."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, get_args

from msgspec import Meta

from kernel import quantity
from kernel.spreadsheet.wording import key_of
from services.registry.imports.faults import (
    DIGITS_LOST,
    NOT_A_NUMBER,
    NUMBER_AMBIGUOUS,
    OUT_OF_RANGE,
    SCIENTIFIC,
    TOO_PRECISE,
    UNIT_WRONG,
)
from services.registry.imports.mapping import UNIT_KEYS, UNITS, Measure

FLOAT_EXACT_MAX: Final = 2**53

_TYPES: Final[dict[Measure, Any]] = {
    "energy_wh": quantity.ReadingWh,
    "reactive_varh": quantity.ReadingVarh,
    "demand_w": quantity.DemandW,
    "ratio_micro": quantity.RatioMicro,
    "count": quantity.Count,
    "mass_g": quantity.MassG,
    "amount_fen": quantity.AmountFen,
}
_PLAIN: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?")
_NUMBER: Final = re.compile(r"([+-]?)([0-9][0-9,]*)(?:\.([0-9]{0,30}))? ?(.*)", re.DOTALL)
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")
_PROPORTION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?[/:] ?([0-9]{1,9}(?:\.[0-9]{1,6})?)")
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+")
_DIGITS_MAX: Final = 40


class Quantity:
    """Turns cells into whole numbers of a measure's own unit. `unit` is what numbers without one are in."""

    def __init__(self, measure: Measure, unit: str) -> None:
        bounds = next(one for one in get_args(_TYPES[measure]) if isinstance(one, Meta))
        self.low = int(bounds.ge or 0)
        self.high = int(bounds.le or 0)
        self.base = next(iter(UNITS[measure]))
        self.units = UNIT_KEYS[measure]
        self.names = ", ".join(UNITS[measure])
        self.multiple = self.units[key_of(unit)]
        self.proportion = measure == "ratio_micro"
        places = len(str(self.multiple)) - 1
        self.places = places if 10**places == self.multiple else -1
        """Decimals that the unit has room for, where it is a power of ten; -1 where it is not."""

    def of_text(self, text: str) -> int:
        """A cleaned, non-empty text."""
        plain = _PLAIN.fullmatch(text)
        if plain and len(fraction := plain[2] or "") <= self.places:
            return self._bounded(int(plain[1] + fraction.ljust(self.places, "0")))
        if _SCIENTIFIC.fullmatch(text):
            raise SCIENTIFIC(value=text)
        if self.proportion and (two := _PROPORTION.fullmatch(text)) and Decimal(two[2]):
            return self._whole(Fraction(two[1]) / Fraction(two[2]), self.multiple)
        number = _NUMBER.fullmatch(text)
        if not number or len(text) > _DIGITS_MAX:
            raise NOT_A_NUMBER(units=self.names)
        sign, whole, fraction, unit = number.groups()
        if "," in whole and not _GROUPED.fullmatch(whole):
            raise NUMBER_AMBIGUOUS()
        value = Fraction(f"{sign}{whole.replace(',', '')}.{fraction or '0'}")
        return self._whole(value, self._multiple(unit) if unit else self.multiple)

    def of_number(self, number: int | float | Decimal) -> int:  # noqa: PYI041  a float is what a cell holds
        """A cell that holds a number. Of a float the 15 digits are meant that a spreadsheet shows and keeps."""
        if isinstance(number, float):
            if abs(number) >= FLOAT_EXACT_MAX:
                raise DIGITS_LOST()
            number = Decimal(format(number, ".15g"))
        if isinstance(number, Decimal) and not (number.is_finite() and abs(number.adjusted()) <= _DIGITS_MAX):
            raise NOT_A_NUMBER(units=self.names)
        return self._whole(Fraction(number), self.multiple)

    def _multiple(self, unit: str) -> int:
        if (multiple := self.units.get(key_of(unit))) is None:
            if any(key_of(unit) in units for units in UNIT_KEYS.values()):
                raise UNIT_WRONG(unit=unit, units=self.names)
            raise NOT_A_NUMBER(units=self.names)
        return multiple

    def _whole(self, value: Fraction, multiple: int) -> int:
        exact = value * multiple
        if exact.denominator != 1:
            raise TOO_PRECISE(base=self.base)
        return self._bounded(exact.numerator)

    def _bounded(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise OUT_OF_RANGE(low=self.low, high=self.high, base=self.base)
        return value
