"""Synthetic papers of sorting: numbers, firms and places are invented, and say so where there is room."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any

from kernel.documents.data import Coded, Label, Verification, When
from services.registry.asset_number import compose
from services.sorting.documents.data import Certificate, Draw, ResultLine, Sampled, SampleList, StepResult

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


def results(many: int) -> tuple[StepResult, ...]:
    """The three inspections, so many items in each but the last, which was not to be done."""
    names = (("外观检查", "appearance"), ("功能检查", "function"), ("计量性能检查", "accuracy"))
    lines = tuple(
        ResultLine(
            name=Label(f"合成项目 {at}", f"synthetic item {at}"),
            value=Label(f"0.{at:04d} %"),
            allowed="± 1.0000 %",
            source="JJG 596-2012 6.4.1 待确认 to be confirmed",
        )
        for at in range(many)
    )
    done, not_so = Label("已执行", "performed"), Label("不适用", "not applicable")
    *first, last = names
    return (
        *(StepResult(name=Label(*name), ended=done, results=lines) for name in first),
        StepResult(name=Label(*last), ended=not_so),
    )


def certificate(many: int = 6, **other: Any) -> Certificate:
    """A certificate with so many results in a step."""
    about: dict[str, Any] = {
        "number": "SYN-2026-000123",
        "issued_on": TODAY,
        "valid_until": date(2032, 5, 10),
        "asset_number": number(7),
        "device_class": SINGLE,
        "site": CENTRE,
        "repair": f"{number(7)}-1",
        "verifier": "u-7f3a90",
        "verified": When(on=TODAY),
        "scheme": Label("单相电能表分拣检测方案（示范）", "sorting of single-phase meters (synthetic)"),
        "scheme_group": "single_phase",
        "scheme_version": 3,
        "scheme_sha256": digest("scheme"),
        "steps": results(many),
        "accuracy_class": "2",
        "maker": "合成仪表有限公司（示范）",
        "model": "DDZY-SYN",
        "batch": "B-2020-01",
        "made_on": date(2020, 1, 5),
        "seals": ("S-000001", "S-000002"),
        "verification": Verification(
            ledger_id="synthetic-ledger",
            position=123_789,
            instruction="GET /v1/certificates/SYN-2026-000123 所得应与此件一致 gives this very paper",
            qr="urn:meterloop:certificate:SYN-2026-000123",
            event_ids=EVENTS[:1],
        ),
    }
    return Certificate(**(about | other))
