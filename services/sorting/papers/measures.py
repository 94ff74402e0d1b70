"""Measured values and their limits as they are printed: exact, in units that a reader of certificates knows."""

from typing import Final

from kernel.documents.figures import NOTHING
from services.sorting.norms import Limit
from services.sorting.vocabulary import UnitOfMeasure

_AS: Final[dict[UnitOfMeasure, tuple[int, str]]] = {
    "ppm": (4, "%"),
    "ppb": (0, "ppb"),
    "mv": (0, "mV"),
    "ma": (0, "mA"),
    "s": (0, "s"),
    "ms": (0, "ms"),
    "count": (0, "次"),
    "kohm": (0, "kΩ"),
    "decicelsius": (1, "℃"),
    "urad": (0, "µrad"),
    "pulse": (0, "脉冲 pulses"),
    "wh": (0, "Wh"),
    "millihertz": (0, "mHz"),
}
"""The decimals to be set off, and the sign of the unit: a millionth is the fourth decimal of a per cent."""


def value(measured: int, unit: UnitOfMeasure) -> str:
    """With its unit."""
    decimals, sign = _AS[unit]
    return f"{_figure(measured, decimals)} {sign}"


def allowed(limit: Limit | None, unit: UnitOfMeasure) -> str:
    """From the least to the most, both allowed."""
    if limit is None:
        return NOTHING
    if limit.least is None:
        return f"≤ {value(limit.most or 0, unit)}"
    if limit.most is None:
        return f"≥ {value(limit.least, unit)}"
    if limit.least == -limit.most:
        return f"± {value(limit.most, unit)}"
    return f"{_figure(limit.least, _AS[unit][0])} … {value(limit.most, unit)}"


def _figure(number: int, decimals: int) -> str:
    sign, figures = "−" if number < 0 else "", str(abs(number)).rjust(decimals + 1, "0")
    return f"{sign}{figures[:-decimals]}.{figures[-decimals:]}" if decimals else f"{sign}{figures}"
