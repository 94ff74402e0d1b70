"""How numbers are written. Exact: nothing is rounded up, nothing is shortened unsaid."""

from kernel.documents.figures import NOTHING


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
