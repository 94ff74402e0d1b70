"""复核样本清单: taken into the warehouse to fetch devices for a blind re-test. It carries nothing from which one could
tell how a device was sorted: no disposition, no stratum, no order that follows from one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kernel.documents import sheet as parts
from kernel.documents.figures import NOTHING, grouped
from kernel.documents.font import Script
from kernel.documents.refusals import TOO_MANY_ROWS
from kernel.documents.sheet import Fact, Pair
from kernel.documents.typesetting import Typesetter, qr_svg
from services.sorting.documents.data import Draw, Sampled, SampleList

DEVICES_MAX: Final = 5_000
"""In one paper. A plan draws a few hundred."""

TEMPLATE: Final = Path(__file__).parent / "templates" / "sample_list.typ"
TITLE: Final[Pair] = ("复核检定样本清单", "Sample list of a review")
BLIND: Final[Pair] = (
    "盲检：本清单不载任何分拣信息。领样、送检、归还时，请勿附带分拣标签、记录，也勿告知。",
    "Blind test: this list says nothing of how a device was sorted. Hand over no label or record of it; do not tell.",
)
SPARES: Final[Pair] = (
    "样本缺失或无法检定时，由系统自本栏依次指定替补；未经指定，不得取用。",
    "Where a sample is missing or cannot be tested, the platform names the spare that takes its place; use no other.",
)
STANDS_IN: Final[Pair] = ("替补", "stands in")
OUT: Final[Pair] = ("不在库", "not in stock")

COLUMNS: Final[tuple[Pair, ...]] = (
    ("领", "taken"),
    ("序号", "no."),
    ("资产编号", "asset number"),
    ("类别", "class"),
    ("厂家与型号", "maker and model"),
    ("货位与站点", "place and site"),
    ("周转箱", "container"),
    ("出库", "handed out"),
    ("归还", "returned"),
)
HANDOVER: Final[tuple[tuple[Pair, Pair], ...]] = (
    (("出库", "hands out"), ("仓储人员", "storekeeper")),
    (("领取", "receives"), ("计量院", "institute")),
    (("归还", "returns"), ("计量院", "institute")),
    (("收回", "takes back"), ("仓储人员", "storekeeper")),
)


def pdf(listed: SampleList, setter: Typesetter) -> bytes:
    """A4 landscape. Refuses more than `DEVICES_MAX` devices."""
    if (rows := len(listed.samples) + len(listed.spares)) > DEVICES_MAX:
        raise TOO_MANY_ROWS(most=f"{DEVICES_MAX:,}", rows=f"{rows:,}")
    return setter.pdf(TEMPLATE, sheet_of(listed, setter.script), listed.issued_on)


def sheet_of(listed: SampleList, script: Script) -> dict[str, object]:
    """The list as its template takes it."""
    running = f"{listed.review}　{listed.issued_on}"
    return {
        **parts.head(TITLE, listed.review, running, listed.verification, script),
        "qr": qr_svg(listed.verification.qr),
        "facts": parts.fact_rows(facts(listed), script),
        "blind": BLIND,
        "columns": COLUMNS,
        "samples": {
            "title": ("样本", "samples"),
            "note": f"{len(listed.samples):,} 件 devices",
            "rows": _rows(listed.samples, "", script),
        },
        "spares": {
            "title": ("备样", "spares"),
            "note": f"{len(listed.spares):,} 件 devices",
            "rows": _rows(listed.spares, "B", script),
            "rule": SPARES,
        },
        "draw": {
            "title": ("抽样依据", "the draw"),
            "facts": parts.fact_rows(draw_facts(listed.draw), script),
        },
        "handover": [[action, who] for action, who in HANDOVER],
    }


def facts(listed: SampleList) -> list[Fact]:
    return [
        Fact(("样本 / 备样", "samples / spares"), f"{len(listed.samples):,} / {len(listed.spares):,}"),
        Fact(("总体", "drawn from"), f"{listed.members:,}"),
        Fact(("抽样日期", "drawn on"), listed.draw.drawn_on.isoformat()),
        Fact(("位置截至", "places as of"), listed.issued_on.isoformat()),
        *([Fact(("已替换", "replaced"), f"{listed.replaced:,}")] if listed.replaced else []),
    ]


def draw_facts(draw: Draw) -> list[Fact]:
    return [
        Fact(("抽样算法", "algorithm"), draw.algorithm),
        Fact(("检查点", "checkpoint"), f"{draw.checkpoint_size:,}"),
        Fact(("总体根", "population root"), draw.root, wide=True, is_hash=True),
        Fact(("检查点根", "checkpoint root"), draw.checkpoint_root, wide=True, is_hash=True),
        Fact(("抽样种子", "seed"), draw.seed, wide=True, is_hash=True),
    ]


def _rows(devices: Iterable[Sampled], mark: str, script: Script) -> list[tuple[object, ...]]:
    """Numbered as they are called out in the warehouse; spares by a letter before the number."""
    return [
        (
            f"{mark}{number}",
            [script.legible(group) for group in grouped(device.asset_number)],
            STANDS_IN if device.stands_in else parts.NO_WORD,
            parts.coded(device.device_class, script),
            (script.legible(device.maker) or NOTHING, script.legible(device.model)),
            _place(device, script),
            script.legible(device.container) or NOTHING,
        )
        for number, device in enumerate(devices, 1)
    ]


def _place(device: Sampled, script: Script) -> Pair:
    if device.site is None:
        return OUT
    site = device.site.zh or device.site.code
    return (script.legible(device.location), script.legible(site)) if device.location else (script.legible(site), "")
