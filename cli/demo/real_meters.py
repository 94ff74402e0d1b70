"""The 22 real meters of one distribution transformer, as devices in service, where their readings lie beside us.

The readings are real (minoriwww/MeterDetection, MIT; identifiers replaced by its publisher). The asset numbers are not:
they are made here, in the range that belongs to nobody.
"""

import hashlib
from datetime import date
from pathlib import Path
from typing import Final

from cli.load_curves import MeterCurves, read_curves
from client.types import Description, Register
from kernel.quantity import business_day_of_us
from services.registry.asset_number import compose

READINGS: Final = Path(__file__).parents[3] / "shared" / "data" / "real-meters" / "current_15min.csv.gz"
"""Beside the checkout."""

UNIT: Final = "99401"
SERIALS: Final = 10**10


def real_meters(path: Path = READINGS) -> list[Register]:
    """A command a meter, in service from the day of its first reading; none where the readings are not there. A meter
    with phases B or C is three-phase.
    """
    if not path.exists():
        return []
    return [
        _register(meter, "01" if curves.phases == 1 else "02", _first_day(curves))
        for meter, curves in read_curves([path]).items()
    ]


def _first_day(curves: MeterCurves) -> date:
    return business_day_of_us(min(at for points in curves.current.values() for at, _ in points) * 1_000_000)


def _register(meter: str, device_class: str, since: date) -> Register:
    serial = int.from_bytes(hashlib.sha256(meter.encode()).digest()[:8], "big") % SERIALS
    return Register(
        asset_no=compose(UNIT, device_class, f"9998{serial:010d}"),
        device_class=device_class,  # type: ignore[arg-type]  # one of two classes
        unit=UNIT,
        occurred_on=since,
        description=Description(
            remark=f"真实读数，公开数据集标识 {meter} / real readings, {meter} in the public data set"
        ),
    )
