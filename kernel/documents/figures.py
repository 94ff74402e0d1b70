"""How moments and asset numbers are written. Nothing is shortened unsaid."""

import re
from typing import Final

from kernel.documents.data import When
from kernel.quantity import BUSINESS_ZONE

NOTHING: Final = "—"
_ASSET_NUMBER: Final = re.compile(r"[0-9]{22}")


def moment(when: When | None) -> str:
    """Beijing time to the second, or the day alone where only the day is known."""
    if when is None:
        return NOTHING
    if when.at is not None:
        return when.at.astimezone(BUSINESS_ZONE).strftime("%Y-%m-%d %H:%M:%S")
    return NOTHING if when.on is None else when.on.isoformat()


def grouped(asset_number: str) -> list[str]:
    """Unit, type, serial and check digit, the serial so that its last twelve digits, the meter's address, stand in
    fours. Anything else than 22 digits is one group.
    """
    if not _ASSET_NUMBER.fullmatch(asset_number):
        return [asset_number]
    unit, kind, serial, check = asset_number[:5], asset_number[5:7], asset_number[7:21], asset_number[21:]
    return [unit, kind, serial[:2], serial[2:6], serial[6:10], serial[10:], check]
