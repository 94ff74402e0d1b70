"""拆回计量资产移交单: what goes from a unit to the centre, listed container by container, with two signatures."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from kernel.documents import sheet as parts
from kernel.documents.data import Coded, Label, Signature
from kernel.documents.figures import NOTHING, grouped, moment
from kernel.documents.font import Script
from kernel.documents.refusals import TOO_MANY_ROWS
from kernel.documents.sheet import Fact, Pair, verification_facts
from kernel.documents.typesetting import Typesetter, qr_svg
from services.registry.documents.data import NoteDevice, Outcome, TransferNote
from services.registry.documents.figures import in_thousands
from services.registry.documents.spreadsheet import Column, Value, Workbook

DEVICES_MAX: Final = 10_000
"""In one PDF: more than 300 pages, and the memory of twice that of 5,000. XLSX has no such limit."""

TEMPLATE: Final = Path(__file__).parent / "templates" / "transfer_note.typ"
TITLE: Final = ("拆回计量资产移交单", "Transfer note for dismantled metering assets")

OUTCOMES: Final[dict[Outcome, Pair]] = {
    Outcome.RECEIVED: ("已收", "received"),
    Outcome.MISSING: ("缺失", "missing"),
    Outcome.UNEXPECTED: ("计划外", "unexpected"),
}
DAMAGED: Final = ("损坏", "damaged")
EXCEPTION: Final = ("异常", "exception")
DISPUTED: Final = "有异议 disputed"

COUNTED: Final[tuple[Pair, ...]] = (
    ("应交", "listed"),
    ("实收", "received"),
    ("缺失", "missing"),
    ("计划外", "unexpected"),
    ("其中损坏", "of which damaged"),
)

_HASH_START: Final = 12
_BLANK: Final = "＿＿"

_LOOSE: Final = ("散装", "loose")
_OFF_LIST: Final = ("清单之外", "not on the list")
_ALL_AS_LISTED: Final = "清单与实物一致，无差异 all as listed"


class Group(msgspec.Struct, frozen=True):
    """Devices that stand together: in one container, loose, or not on the list."""

    name: Pair
    seals: tuple[str, ...]
    devices: list[NoteDevice]


def in_order(note: TransferNote) -> list[Group]:
    """Container by container as listed, then loose ones, then what was not on the list.

    Within a group by asset number, as it is ticked off. Both formats number the devices in this order.
    """
    inside: dict[str | None, list[NoteDevice]] = {container.number: [] for container in note.containers}
    loose: list[NoteDevice] = []
    off_list: list[NoteDevice] = []
    for device in sorted(note.devices, key=lambda device: device.asset_number):
        if device.outcome is Outcome.UNEXPECTED:
            off_list.append(device)
        else:
            inside.get(device.container, loose).append(device)
    groups = [
        Group((f"{container.kind.zh} {container.number}", container.kind.en), container.seals, inside[container.number])
        for container in note.containers
    ]
    groups += [Group(name, (), devices) for name, devices in ((_LOOSE, loose), (_OFF_LIST, off_list)) if devices]
    return groups


def counts_by_class(note: TransferNote) -> list[tuple[Coded, tuple[int, ...]]]:
    """For each class, by its code: listed, received, missing, unexpected, and damaged among what arrived."""
    by_class: dict[Coded, list[NoteDevice]] = {}
    for device in note.devices:
        by_class.setdefault(device.device_class, []).append(device)
    return [(cls, _counts(by_class[cls])) for cls in sorted(by_class, key=lambda cls: (cls.code, cls.zh))]


def _counts(devices: Iterable[NoteDevice]) -> tuple[int, ...]:
    by_outcome = Counter[Outcome | None]()
    damaged = 0
    for device in devices:
        by_outcome[device.outcome] += 1
        damaged += device.damaged
    unexpected = by_outcome[Outcome.UNEXPECTED]
    return (
        by_outcome.total() - unexpected,
        by_outcome[Outcome.RECEIVED],
        by_outcome[Outcome.MISSING],
        unexpected,
        damaged,
    )


def total_counts(note: TransferNote) -> tuple[int, ...]:
    return _counts(note.devices)


def pdf(note: TransferNote, setter: Typesetter) -> bytes:
    """A4. Refuses more than `DEVICES_MAX` devices."""
    if len(note.devices) > DEVICES_MAX:
        raise TOO_MANY_ROWS(most=f"{DEVICES_MAX:,}", rows=f"{len(note.devices):,}")
    return setter.pdf(TEMPLATE, sheet_of(note, setter.script), note.issued_on)


def sheet_of(note: TransferNote, script: Script) -> dict[str, object]:
    """The note as its template takes it."""
    running = f"{note.number}　{_name(note.sender)} → {_name(note.receiver)}"
    return {
        **parts.head(TITLE, note.number, running, note.verification, script),
        "qr": qr_svg(note.verification.qr),
        "status": parts.word(note.status, script),
        "facts": parts.fact_rows(facts(note), script),
        "summary": _summary(note, script),
        "differences": _differences(note, script),
        "devices": _devices(note, script),
        "confirmed": _confirmed(note, script),
        "signatures": parts.signature_boxes(note.signatures, script),
    }


def facts(note: TransferNote) -> list[Fact]:
    lines = [
        Fact(("移交单号", "note number"), note.number),
        Fact(("管理单位", "managing unit"), parts.party(note.unit)),
        Fact(("移交单位", "from"), parts.party(note.sender)),
        Fact(("接收单位", "to"), parts.party(note.receiver)),
        Fact(("清单编制", "prepared"), moment(note.prepared)),
        Fact(("发运时间", "dispatched"), moment(note.dispatched)),
        Fact(("接收时间", "received"), moment(note.received)),
        Fact(("容器 / 器具", "containers / devices"), f"{len(note.containers):,} / {total_counts(note)[0]:,}"),
        Fact(("清单哈希", "manifest SHA-256"), note.manifest_hash, wide=True, is_hash=True),
    ]
    if note.transport:
        lines.append(Fact(("运输", "transport"), note.transport, wide=True))
    if note.remark:
        lines.append(Fact(("备注", "remark"), note.remark, wide=True))
    return lines


def _name(end: Coded) -> str:
    return end.zh or end.code


def is_received(note: TransferNote) -> bool:
    return any(device.outcome is not None for device in note.devices)


def _confirmed(note: TransferNote, script: Script) -> Pair:
    """What the two parties sign: with blanks for what is not known before receipt."""
    listed, *others = total_counts(note)
    known = [f"{count:,}" for count in others] if is_received(note) else [_BLANK] * len(others)
    counted = list(zip(COUNTED, [f"{listed:,}", *known], strict=True))
    number = script.legible(note.number)
    manifest = note.manifest_hash[:_HASH_START]
    return (
        f"双方确认：移交单 {number}，清单哈希 {manifest}…，"
        + "，".join(f"{zh} {count} 件" for (zh, _), count in counted)
        + "。",
        f"Both parties confirm: note {number}, manifest {manifest}…, "
        + ", ".join(f"{count} {en}" for (_, en), count in counted)
        + ".",
    )


def _summary(note: TransferNote, script: Script) -> dict[str, object]:
    received = is_received(note)

    def shown(counts: tuple[int, ...]) -> list[str]:
        # Before receipt the columns stay empty, to be filled in by hand.
        return [f"{count:,}" if received or i == 0 else "" for i, count in enumerate(counts)]

    return {
        "title": ("分类数量", "counts by class"),
        "note": "单位：件 devices",
        "columns": [("类别", "class"), *COUNTED],
        "rows": [{"name": parts.coded(cls, script), "counts": shown(counts)} for cls, counts in counts_by_class(note)],
        "total": {"name": ("合计", "total"), "counts": shown(total_counts(note))},
    }


def difference(device: NoteDevice) -> Pair | None:
    """What is to be settled about a device, or None."""
    found = [OUTCOMES[device.outcome]] if device.outcome in {Outcome.MISSING, Outcome.UNEXPECTED} else []
    if device.damaged:
        found.append(DAMAGED)
    if device.exceptions:
        found.append(EXCEPTION)
    return ("、".join(zh for zh, _ in found), ", ".join(en for _, en in found)) if found else None


def _differences(note: TransferNote, script: Script) -> dict[str, object] | None:
    if not is_received(note) and not any(device.exceptions for device in note.devices):
        return None
    rows = []
    number = 0
    for group in in_order(note):
        for device in group.devices:
            number += 1
            if found := difference(device):
                cls = parts.coded(device.device_class, script)
                why = [(script.legible(one.code), *parts.coded(one, script)) for one in device.exceptions]
                rows.append((str(number), _asset(device, script), cls, script.legible(group.name[0]), found, why))
    return {
        "title": ("差异与异常", "differences and exceptions"),
        "note": f"{len(rows):,} 件 devices" if rows else _ALL_AS_LISTED,
        "columns": [
            ("序号", "no."),
            ("资产编号", "asset number"),
            ("类别", "class"),
            ("容器", "container"),
            ("差异", "difference"),
        ],
        "rows": rows,
    }


def _devices(note: TransferNote, script: Script) -> dict[str, object]:
    groups = []
    first = 1
    for group in in_order(note):
        rows = [_row(number, device, script) for number, device in enumerate(group.devices, first)]
        name = (script.legible(group.name[0]), script.legible(group.name[1]))
        seals = [script.legible(seal) for seal in group.seals]
        groups.append({"name": name, "details": _details(group, script), "seals": seals, "rows": rows})
        first += len(rows)
    return {
        "title": ("器具清单", "devices"),
        "note": f"{len(note.devices):,} 件 devices",
        "columns": [
            ("序号", "no."),
            ("资产编号", "asset number"),
            ("类别", "class"),
            ("生产厂家", "maker and model"),
            ("拆回原因", "reason"),
            ("底度 kWh", "final reading"),
            ("收货", "receipt"),
        ],
        "groups": groups,
    }


def _details(group: Group, script: Script) -> list[str]:
    by_class = Counter(device.device_class.zh for device in group.devices)
    classes = [f"{script.legible(name)} {count:,}" for name, count in sorted(by_class.items())]
    return [f"{len(group.devices):,} 件 devices", *(classes if len(classes) > 1 else [])]


def _asset(device: NoteDevice, script: Script) -> list[str]:
    return [script.legible(group) for group in grouped(device.asset_number)]


def _row(number: int, device: NoteDevice, script: Script) -> tuple[object, ...]:
    return (
        str(number),
        _asset(device, script),
        parts.coded(device.device_class, script),
        (script.legible(device.maker) or NOTHING, script.legible(device.model)),
        parts.word(device.reason, script),
        (in_thousands(device.final_reading_wh), DISPUTED if device.reading_disputed else ""),
        None if device.outcome is None else (*outcome(device), difference(device) is not None),
    )


def outcome(device: NoteDevice) -> Pair:
    """What became of a device, in words; before receipt only what is to be settled."""
    found = difference(device)
    if device.outcome is Outcome.RECEIVED:
        received = OUTCOMES[Outcome.RECEIVED]
        return received if found is None else (f"{received[0]}、{found[0]}", f"{received[1]}, {found[1]}")
    return found or parts.NO_WORD


_CLASS_COLUMNS: Final = (
    Column(zh="类别代码", en="class code", width=12),
    Column(zh="类别", en="class", width=16),
)
_COLUMNS: Final = (
    Column(zh="序号", en="no.", width=8, number_format="0"),
    Column(zh="资产编号", en="asset number", width=26),
    *_CLASS_COLUMNS,
    Column(zh="生产厂家", en="maker", width=32),
    Column(zh="型号", en="model", width=18),
    Column(zh="拆回原因", en="reason", width=14),
    Column(zh="底度 kWh", en="final reading", width=18, number_format="#,##0.00#"),
    Column(zh="底度异议", en="reading", width=18),
    Column(zh="容器", en="container", width=28),
    Column(zh="收货", en="receipt", width=14),
    Column(zh="异常代码", en="exceptions", width=24),
    Column(zh="异常说明", en="what they mean", width=36),
    Column(zh="类别（英）", en="class in English", width=24, printed=False),
    Column(zh="拆回原因（英）", en="reason in English", width=22, printed=False),
    Column(zh="收货（英）", en="receipt in English", width=22, printed=False),
    Column(zh="异常说明（英）", en="exceptions in English", width=36, printed=False),
)


def xlsx(note: TransferNote) -> bytes:
    """Three sheets: the note, counts by class, and every device in the order and with the numbers of the PDF."""
    book = Workbook(TITLE, note.verification, note.issued_on)
    with book:
        signed = [Fact((box.role.zh, box.role.en), _signed(box)) for box in note.signatures]
        status = Fact(("状态", "status"), " ".join(filter(None, (note.status.zh, note.status.en))))
        book.facts("移交单 Note", TITLE, [*facts(note), status, *signed, *verification_facts(note.verification)])
        counted = [Column(zh=zh, en=en, width=18, number_format="#,##0") for zh, en in COUNTED]
        book.rows(
            "数量 Counts",
            (*_CLASS_COLUMNS, Column(zh="类别（英）", en="class in English", width=24), *counted),
            [(cls.code, cls.zh, cls.en, *counts) for cls, counts in counts_by_class(note)],
        )
        devices = ((group, device) for group in in_order(note) for device in group.devices)
        book.rows("器具 Devices", _COLUMNS, (_cells(at, *line) for at, line in enumerate(devices, 1)))
    return book.content()


def _signed(box: Signature) -> str:
    if box.signed is None:
        return f"{box.party} 未签 not signed"
    return " ".join(filter(None, (box.party, box.signer, moment(box.signed), box.event_id)))


def _cells(number: int, group: Group, device: NoteDevice) -> tuple[Value, ...]:
    reading_wh = device.final_reading_wh
    reason = device.reason or Label("")
    receipt = outcome(device)
    return (
        number,
        device.asset_number,
        device.device_class.code,
        device.device_class.zh,
        device.maker,
        device.model,
        reason.zh,
        None if reading_wh is None else reading_wh / 1_000,
        DISPUTED if device.reading_disputed else "",
        device.container or group.name[0],
        receipt[0],
        " ".join(one.code for one in device.exceptions),
        " ".join(one.zh for one in device.exceptions),
        device.device_class.en,
        reason.en,
        receipt[1],
        " ".join(one.en for one in device.exceptions),
    )
