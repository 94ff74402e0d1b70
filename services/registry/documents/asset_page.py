"""一表一档: one device on one page, as far as its life fits; a longer life goes on over the page."""

from pathlib import Path
from typing import Final

from kernel.documents import sheet as parts
from kernel.documents.figures import NOTHING, grouped, moment
from kernel.documents.font import Script
from kernel.documents.refusals import TOO_MANY_ROWS
from kernel.documents.sheet import Fact, Pair
from kernel.documents.typesetting import Typesetter, qr_svg
from services.registry.documents.data import AssetPage, DocumentLine, HoldLine, ReadingLine, SealLine, TimelineEntry
from services.registry.documents.figures import in_thousands, ratio

ENTRIES_MAX: Final = 5_000
"""Lines of all tables together; a device with more has a fault in its record, not a life."""

_UUID_LENGTH: Final = 36

TEMPLATE: Final = Path(__file__).parent / "templates" / "asset_page.typ"
TITLE: Final = ("一表一档", "The record of one metering device")

_READINGS: Final[tuple[Pair, ...]] = (
    ("时间", "when"),
    ("类型", "occasion"),
    ("总", "total"),
    ("尖", "sharp"),
    ("峰", "peak"),
    ("平", "flat"),
    ("谷", "valley"),
    ("反向", "reverse"),
    ("无功", "kvarh"),
    ("需量", "demand kW"),
    ("倍率", "ratio"),
)


def pdf(page: AssetPage, setter: Typesetter) -> bytes:
    """A4. Refuses more than `ENTRIES_MAX` lines."""
    tables = (page.timeline, page.readings, page.holds, page.seals, page.documents, page.facts)
    if (rows := sum(map(len, tables))) > ENTRIES_MAX:
        raise TOO_MANY_ROWS(most=f"{ENTRIES_MAX:,}", rows=f"{rows:,}")
    return setter.pdf(TEMPLATE, sheet_of(page, setter.script), page.issued_on)


def sheet_of(page: AssetPage, script: Script) -> dict[str, object]:
    """The page as its template takes it."""
    running = f"{page.asset_number}　{page.device_class.zh}"
    return {
        **parts.head(TITLE, page.asset_number, running, page.verification, script),
        "qr": qr_svg(page.verification.qr),
        "asset": [script.legible(group) for group in grouped(page.asset_number)],
        "status": parts.word(page.status, script),
        "class": parts.coded(page.device_class, script),
        "facts": parts.fact_rows(facts(page), script),
        "tables": [
            _timeline(page.timeline, script),
            _readings(page.readings, script),
            _holds(page.holds, script),
            _seals(page.seals, script),
            _documents(page.documents, script),
        ],
    }


def facts(page: AssetPage) -> list[Fact]:
    lines = [
        Fact(("生产厂家", "maker"), page.maker),
        Fact(("型号", "model"), page.model),
        Fact(("管理单位", "managing unit"), parts.party(page.unit)),
        Fact(("产权", "owner"), " ".join(filter(None, (page.owner.zh, page.owner.en)))),
        Fact(("当前保管", "custodian"), page.custodian),
        Fact(("记录截至", "record up to"), page.issued_on.isoformat()),
    ]
    if page.temporary_identity:
        lines.append(Fact(("临时标识", "temporary identity"), page.temporary_identity))
    return lines + [Fact((fact.name.zh, fact.name.en), fact.value) for fact in page.facts]


def _table(title: Pair, kind: str, columns: tuple[Pair, ...], rows: list[tuple[object, ...]]) -> dict[str, object]:
    return {"title": title, "kind": kind, "columns": columns, "rows": rows}


def _timeline(entries: tuple[TimelineEntry, ...], script: Script) -> dict[str, object]:
    columns = (
        ("时间", "when"),
        ("事件", "event"),
        ("地点 / 当事方", "where"),
        ("依据", "under"),
        ("位置", "position"),
        ("事件编号", "event id"),
    )
    rows: list[tuple[object, ...]] = [
        (
            moment(entry.when),
            parts.word(entry.what, script),
            script.legible(entry.where) or NOTHING,
            script.legible(entry.reference) or NOTHING,
            str(entry.position),
            _event_id(entry.event_id, script),
        )
        for entry in entries
    ]
    return _table(("流转", "custody"), "timeline", columns, rows)


def _event_id(event_id: str, script: Script) -> str:
    """A UUID stays whole on its line, to be searched for; anything longer may break."""
    return (
        script.visible(event_id) if len(event_id) <= _UUID_LENGTH and event_id.isascii() else script.legible(event_id)
    )


def _readings(lines: tuple[ReadingLine, ...], script: Script) -> dict[str, object]:
    rows: list[tuple[object, ...]] = [
        (
            moment(line.when),
            _disputed(parts.word(line.occasion, script)) if line.disputed else parts.word(line.occasion, script),
            in_thousands(line.total_wh),
            in_thousands(line.sharp_wh),
            in_thousands(line.peak_wh),
            in_thousands(line.flat_wh),
            in_thousands(line.valley_wh),
            in_thousands(line.reverse_wh),
            in_thousands(line.reactive_varh),
            in_thousands(line.demand_w),
            ratio(line.ratio_micro),
        )
        for line in lines
    ]
    return _table(("示数", "readings in kWh"), "readings", _READINGS, rows)


def _disputed(pair: Pair) -> Pair:
    return f"{pair[0]}（有异议）", f"{pair[1]}, disputed"


def _holds(lines: tuple[HoldLine, ...], script: Script) -> dict[str, object]:
    columns = (("类型", "kind"), ("起", "placed"), ("止", "until"), ("解除", "lifted"), ("依据", "under"))
    rows: list[tuple[object, ...]] = [
        (
            parts.word(line.kind, script),
            moment(line.placed),
            NOTHING if line.until is None else line.until.isoformat(),
            moment(line.lifted),
            script.legible(line.reference) or NOTHING,
        )
        for line in lines
    ]
    return _table(("留存", "holds"), "holds", columns, rows)


def _seals(lines: tuple[SealLine, ...], script: Script) -> dict[str, object]:
    columns = (("封印编号", "seal number"), ("施封", "applied"), ("拆封", "removed"), ("状况", "condition"))
    rows: list[tuple[object, ...]] = [
        (
            script.legible(line.number),
            moment(line.applied),
            moment(line.removed),
            parts.word(line.condition, script),
        )
        for line in lines
    ]
    return _table(("封印", "seals"), "seals", columns, rows)


def _documents(lines: tuple[DocumentLine, ...], script: Script) -> dict[str, object]:
    columns = (("类型", "kind"), ("编号", "number"), ("日期", "dated"), ("内容哈希", "content SHA-256"))
    rows: list[tuple[object, ...]] = [
        (
            parts.word(line.kind, script),
            script.legible(line.number) or NOTHING,
            NOTHING if line.dated is None else line.dated.isoformat(),
            NOTHING if line.content_hash is None else parts.hash_groups(line.content_hash),
        )
        for line in lines
    ]
    return _table(("文件", "documents"), "documents", columns, rows)
