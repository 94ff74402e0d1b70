"""The 22 real meters of one distribution transformer, as devices in service, where their readings lie beside us.

The readings are real (minoriwww/MeterDetection, MIT; identifiers replaced by its publisher). The asset numbers are not:
they are made here, in the range that belongs to nobody.
"""

import csv
import gzip
import hashlib
from datetime import date
from pathlib import Path
from typing import Final

from client.types import Description, Register
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
    phases: dict[str, set[str]] = {}
    first: dict[str, str] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            meter, day = row["meter"], row["time"][:10]
            phases.setdefault(meter, set()).add(row["phase"])
            first[meter] = min(day, first.get(meter, day))
    return [
        _register(meter, "01" if found == {"A"} else "02", date.fromisoformat(first[meter]))
        for meter, found in sorted(phases.items())
    ]


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
