"""Synthetic papers of sorting: numbers, firms and places are invented, and say so where there is room."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any

from kernel.documents.data import Coded, Verification
from services.registry.asset_number import compose
from services.sorting.documents.data import Draw, Sampled, SampleList

UNIT = "99401"
SINGLE = Coded(code="01", zh="单相电能表", en="single-phase meter")
MODULE = Coded(code="11", zh="通信模块", en="communication module")
CENTRE = Coded(code="CENTRE", zh="合成省级计量检定中心")
EVENTS = (sha256(b"committed").hexdigest()[:32], sha256(b"drawn").hexdigest()[:32])
VERIFY = Verification(
    ledger_id="synthetic-ledger",
    position=123_456,
    instruction="meterloop audit review RV-2026-05 可重演抽样 derives this sample again",
    qr="urn:meterloop:review:RV-2026-05",
    event_ids=EVENTS,
)
DRAWN_ON, TODAY = date(2026, 5, 9), date(2026, 5, 11)


def number(serial: int) -> str:
    """The asset number of a synthetic device."""
    return compose(UNIT, "01", f"9999000000{serial:04d}")


def sampled(serial: int, **other: Any) -> Sampled:
    """A device in one of some boxes, every seventh out of stock."""
    about: dict[str, Any] = {
        "device_class": MODULE if serial % 5 == 0 else SINGLE,
        "maker": ("合成仪表有限公司（示范）", "SYNTHETIC-M02", "")[serial % 3],
        "model": ("DDZY-SYN", "", "X")[serial % 3],
        "site": CENTRE if serial % 7 else None,
        "location": f"A-{serial % 4:02d}-3" if serial % 7 else "",
        "container": f"BOX-SYN-{serial % 6:03d}" if serial % 7 and serial % 3 else "",
    }
    return Sampled(asset_number=number(serial), **(about | other))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def sample_list(samples: Sequence[Sampled], spares: Sequence[Sampled] = (), **other: Any) -> SampleList:
    """A list of these."""
    draw = Draw(
        algorithm="meterloop/v1/draw",
        root=digest("root"),
        seed=digest("seed"),
        checkpoint_size=4_711,
        checkpoint_root=digest("checkpoint"),
        drawn_on=DRAWN_ON,
    )
    about: dict[str, Any] = {
        "review": "RV-2026-05",
        "issued_on": TODAY,
        "members": 60_000,
        "replaced": 0,
        "draw": draw,
        "verification": VERIFY,
    }
    return SampleList(samples=tuple(samples), spares=tuple(spares), **(about | other))
