"""How numbers, moments and asset numbers are written. Exact: nothing is rounded up, nothing is shortened unsaid."""

from typing import Final

from kernel.quantity import BUSINESS_ZONE
from services.registry.asset_number import is_well_formed
from services.registry.documents.data import When

NOTHING: Final = "—"


def percent(part: int, whole: int) -> str:
    """The share with two decimals, cut and never rounded: 100.00 % means that all are there."""
    if whole == 0:
        return NOTHING
    hundredths = part * 10_000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def share(ppm: int) -> str:
    """A share given in millionths as per cent, exactly: two decimals, more where needed."""
    units, rest = divmod(ppm, 10_000)
    decimals = f"{rest:04d}"
    return f"{units}.{decimals[:2]}{decimals[2:].rstrip('0')} %"


def fraction(part: int, whole: int) -> str:
    return f"{part:,} / {whole:,}"


def in_thousands(amount: int | None) -> str:
    """Watt-hours as kWh, watts as kW, var-hours as kvarh: two decimals as registers have them, three where needed."""
    if amount is None:
        return NOTHING
    units, rest = divmod(amount, 1_000)
    return f"{units:,}.{rest:03d}" if rest % 10 else f"{units:,}.{rest // 10:02d}"


def ratio(ratio_micro: int | None) -> str:
    """A multiplier 倍率 given in millionths."""
    if ratio_micro is None:
        return NOTHING
    units, rest = divmod(ratio_micro, 1_000_000)
    return f"{units:,}.{rest:06d}".rstrip("0") if rest else f"{units:,}"


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
    if not is_well_formed(asset_number):
        return [asset_number]
    unit, kind, serial, check = asset_number[:5], asset_number[5:7], asset_number[7:21], asset_number[21:]
    return [unit, kind, serial[:2], serial[2:6], serial[6:10], serial[10:], check]
