"""The story as people keep it: four spreadsheets with the usual dirt, and a tally of what to make of each.

Every kind of dirt is there at least once and in known numbers, so a wrong total means a wrong reading.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Final, TypeAlias

import msgspec

from cli.demo.story import (
    CENTRE_NAME,
    MAKERS,
    Device,
    Dismantling,
    Shipment,
    Story,
    device,
    store_name,
    unit_name,
)

Cell: TypeAlias = str | int | float | date | None
Lines: TypeAlias = list[list[Cell]]

CLASS_NAMES: Final = {
    "01": ("单相智能电能表", "单相电能表", "单相表", "01"),
    "02": ("三相智能电能表", "三相电能表", "02"),
    "03": ("负荷管理终端", "专变采集终端"),
    "04": ("集中器",),
    "06": ("06", "6"),
    "11": ("通信模块", "HPLC模块"),
}
REASON_NAMES: Final = {
    "rotation_at_term": ("到期轮换", "周期轮换"),
    "status": ("状态更换",),
    "failed_accuracy": ("失准更换", "误差超差"),
    "fault": ("故障更换", "故障"),
    "burnt": ("烧损", "烧表"),
    "account_change": ("销户", "增容"),
    "renovation": ("改造更换", "老旧小区改造"),
    "other": ("其他",),
}
SIGNATURE_NAMES: Final = {"signed": "已签字", "absent": "不在场", "refused": "拒签"}

_DEVICE_HEADER: Final = (
    *("序号", "资产编号", "设备类别", "管理单位", "产权", "区县代码", "生产厂家", "型号", "到货批次"),
    *("出厂日期", "安装日期", "通信地址", "户名", "备注"),
)
_LEDGER_HEADER: Final = (
    *("序号", "资产编号", "设备类别", "供电单位", "区县代码", "工单编号", "更换原因", "拆回日期", "存放地点"),
    *("拆表底度(kWh)", "", "", "", "", "倍率", "客户签字", "备注"),
)
_FULL_WIDTH: Final = {48 + digit: 0xFF10 + digit for digit in range(10)}
_EXCEL_EPOCH: Final = date(1899, 12, 30)
_DIRTY_NUMBERS: Final = 0.06
_BY_CODE: Final = 0.2
_ZEROS_EATEN: Final = 0.3
_REAL_DATES: Final = 0.6
_REAL_NUMBERS: Final = 0.7
_BLANK_LINES: Final = 0.01
_SEASON: Final = "2025年3月至5月"
_NOTICE: Final = "本表全部为合成示例数据 / all of this is synthetic example data"


_SPOILT_DEVICES: Final = (
    ("资产编号", "9.94E+21", "import_cell.scientific_notation"),
    ("资产编号", "99401019999", "asset_number.not_22_digits"),
    ("资产编号", "", "import_cell.required"),
    ("设备类别", "水表", "import_cell.not_in_list"),
    ("生产厂家", "没有列出的厂家", "import_cell.not_in_list"),
    ("出厂日期", "2024-02-30", "import_cell.date_impossible"),
    ("出厂日期", "2099-01-01", "import_cell.date_too_late"),
    ("安装日期", "3/5/2019", "import_cell.date_ambiguous"),
    ("通信地址", "1234567890123", "import_cell.wrong_length"),
)

_ALONE: Final = "YJ-99400-900"
"""The shipment of rows that are to be refused: of any other it would keep all rows back until they are mended."""


class Tally(msgspec.Struct, kw_only=True):
    """What a correct import of one file reports. `refused` by code, those of the registry's rules included; a
    `repeated` row says again what another said and must add nothing, whatever it is answered with.
    """

    accepted: int = 0
    refused: dict[str, int] = {}
    repeated: int = 0
    warnings: dict[str, int] = {}
    skipped: int = 0

    def refuse(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1


class Merge(msgspec.Struct, frozen=True):
    """Cells that show one value: rows and columns from 0, the last included."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class Sheet(msgspec.Struct, kw_only=True):
    """A sheet and its tally."""

    name: str
    lines: Lines
    merges: list[Merge] = []
    tally: Tally


def devices_sheet(story: Story) -> Sheet:
    """The register of devices as exported from another system: text in all cells."""
    chance = random.Random(story.seed + 1)  # noqa: S311  a story that can be told again, no secret
    tally = Tally()
    lines: Lines = [
        ["示例省计量器具资产档案", "", _NOTICE],
        ["导出时间：2025-02-28 17:30:00"],
        [],
        list(_DEVICE_HEADER),
    ]
    rows = [_device_line(chance, place, one) for place, one in enumerate(story.devices, 1)]
    again = list(rows[7])
    tally.accepted = len(rows)
    tally.warnings["asset_number.wrong_check_digit"] = 1
    # Each of a device that appears nowhere else.
    for serial, (header, cell, code) in enumerate(_SPOILT_DEVICES, 900_001):
        line = _device_line(chance, serial, device(chance, serial, "in_service"))
        line[_DEVICE_HEADER.index(header)] = cell
        rows.insert(chance.randrange(len(rows)), line)
        tally.refuse(code)
    rows.append(again)
    tally.repeated = 1
    lines += _with_blank_lines(chance, rows)
    lines += [["合计", f"{len(rows)}只"], [], ["制表人：示例", "", "审核人：示例"]]
    tally.skipped = 2
    return Sheet(name="资产档案", lines=lines, tally=tally)


def _device_line(chance: random.Random, place: int, one: Device) -> list[Cell]:
    # A spreadsheet that was opened in between has eaten leading zeros; the mapping knows that these are 12 digits.
    address = one.comm_address
    return [
        str(place),
        _typed_number(chance, one.asset_no),
        chance.choice(CLASS_NAMES[one.device_class]),
        unit_name(one.unit) if chance.random() > _BY_CODE else one.unit,
        "用户资产" if one.owner == "customer" else "公司资产",
        one.county,
        MAKERS[one.maker],
        one.model,
        one.arrival_batch,
        _written(chance, one.made_on),
        _written(chance, one.installed_on),
        (address.lstrip("0") if chance.random() < _ZEROS_EATEN else address) if address else "",
        "示例用户",
        chance.choice(("", "", "", "无", "示例")),
    ]


def dismantled_sheet(story: Story) -> Sheet:
    """电能计量器具回收统计台账, by prefecture, with subtotals, a header in two rows and merged cells."""
    chance = random.Random(story.seed + 2)  # noqa: S311  a story that can be told again, no secret
    tally = Tally(accepted=len(story.dismantlings))
    lines: Lines = [
        ["电能计量器具回收统计台账"],
        [f"统计期：{_SEASON}", "", "", _NOTICE],
        list(_LEDGER_HEADER),
        ["", "", "", "", "", "", "", "", "", "总", "尖", "峰", "平", "谷", "", "", ""],
    ]
    merges = [Merge(0, 0, 0, 16), Merge(2, 2, 9, 13)]
    merges += [Merge(2, 3, column, column) for column in (*range(9), 14, 15, 16)]
    by_unit: dict[str, list[Dismantling]] = {}
    for one in story.dismantlings:
        by_unit.setdefault(one.device.unit, []).append(one)
    spoilt = _spoilt_dismantlings(chance, story, tally)
    place = 0
    for _, ones in sorted(by_unit.items()):
        begin = len(lines)
        for one in sorted(ones, key=lambda one: one.day):
            place += 1
            lines.append(_dismantling_line(chance, place, one))
        if spoilt:
            lines.append(spoilt.pop())
        # The unit and the store stand in the first row of a block only, as a merged cell.
        for line in lines[begin + 1 :]:
            line[3] = line[8] = ""
        if len(lines) - begin > 1:
            merges += [Merge(begin, len(lines) - 1, column, column) for column in (3, 8)]
        lines += [["小计", "", "", "", "", f"{len(ones)}只"], []]
        tally.skipped += 1
    lines += [["总计", "", "", "", "", f"{place}只"], ["填表人：示例"]]
    tally.skipped += 1
    tally.warnings["import_file.no_header"] = 1
    return Sheet(name="回收统计台账", lines=lines, merges=merges, tally=tally)


def _spoilt_dismantlings(chance: random.Random, story: Story, tally: Tally) -> list[list[Cell]]:
    """One row for a block each. Their unit and store are those of the block they stand in."""

    def one_more(serial: int) -> list[Cell]:
        pattern = story.dismantlings[serial]
        beside = device(chance, 950_000 + serial, "owed")
        return _dismantling_line(chance, 0, msgspec.structs.replace(pattern, device=beside, tariffs_wh=None))

    lines = [one_more(serial) for serial in range(6)]
    lines[0][1] = 9.94e21
    tally.refuse("import_cell.digits_lost")
    lines[1][7] = "2025-02-30"
    tally.refuse("import_cell.date_impossible")
    lines[2][6] = "原因待查"
    tally.refuse("import_cell.not_in_list")
    lines[3][9] = "约1200"
    tally.refuse("import_cell.not_a_number")
    lines[4][9] = 1234.56789
    tally.refuse("import_cell.too_precise")
    # Correct in itself, but nobody ever registered the device.
    tally.refuse("meter.unknown")
    first = min(story.dismantlings, key=lambda one: (one.device.unit, one.day))
    lines.append(_dismantling_line(chance, 0, first))
    tally.repeated = 1
    return lines


def _dismantling_line(chance: random.Random, place: int, one: Dismantling) -> list[Cell]:
    registers: list[Cell] = [None] * 5
    if one.tariffs_wh is not None:
        registers = [_reading(chance, wh) for wh in (sum(one.tariffs_wh), *one.tariffs_wh)]
    return [
        place or None,
        _typed_number(chance, one.device.asset_no),
        chance.choice(CLASS_NAMES[one.device.device_class]),
        unit_name(one.device.unit),
        one.device.county,
        one.work_order,
        chance.choice(REASON_NAMES[one.reason]),
        _kept(chance, one.day),
        store_name(one.device.unit),
        *registers,
        one.ratio,
        SIGNATURE_NAMES[one.signature] if one.signature else "",
        chance.choice(("", "", "示例")),
    ]


def dispatched_sheet(story: Story) -> Sheet:
    """The lines of all transfer notes, as text."""
    chance = random.Random(story.seed + 3)  # noqa: S311  a story that can be told again, no secret
    lines: Lines = [
        ["拆回计量资产移交清单", _NOTICE],
        ["移交单号", "移交日期", "发出地点", "接收地点", "周转箱号", "资产编号", "设备类别", "承运单位", "备注"],
    ]
    rows: Lines = []
    for shipment in story.shipments:
        rows += [_dispatch_line(chance, shipment, listed, container) for listed, container in shipment.listed]
    tally = Tally(accepted=len(rows), refused={"import_cell.required": 1})
    line = _dispatch_line(chance, story.shipments[0], *story.shipments[0].listed[0])
    rows.insert(len(rows) // 2, [_ALONE, *line[1:5], "", *line[6:]])
    lines += _with_blank_lines(chance, rows)
    lines.append(["合计", "", "", "", "", f"{tally.accepted}只"])
    tally.skipped = 1
    return Sheet(name="移交清单", lines=lines, tally=tally)


def _dispatch_line(chance: random.Random, shipment: Shipment, listed: Device, container: str) -> list[Cell]:
    return [
        shipment.shipment_id,
        _written(chance, shipment.dispatched_on),
        store_name(shipment.unit),
        CENTRE_NAME,
        container,
        _typed_number(chance, listed.asset_no),
        chance.choice(CLASS_NAMES[listed.device_class]),
        "示例物流",
        "",
    ]


def received_sheet(story: Story) -> Sheet:
    """What the scanners at the centre's door saw."""
    chance = random.Random(story.seed + 4)  # noqa: S311  a story that can be told again, no secret
    lines: Lines = [["扫码时间", "移交单号", "资产编号", "设备类别", "接收地点", "是否破损", "扫码人"]]
    rows: Lines = []
    for shipment in story.shipments:
        at = datetime.combine(shipment.received_on, time(8, 30))
        for arrival in shipment.arrivals:
            at += timedelta(seconds=chance.randrange(3, 20))
            names = CLASS_NAMES[arrival.device_class]
            damaged = "是" if arrival.damaged else chance.choice(("否", "", "无"))
            rows.append([at, shipment.shipment_id, arrival.asset_no, names[0], CENTRE_NAME, damaged, "示例"])
    tally = Tally(accepted=len(rows), repeated=1, refused={"asset_number.not_22_digits": 1})
    rows.insert(3, list(rows[2]))
    rows.insert(9, [rows[8][0], _ALONE, str(rows[8][2])[:-3], *rows[8][3:]])
    return Sheet(name="接收扫码记录", lines=lines + rows, tally=tally)


def notes_sheet() -> Lines:
    """A sheet that is no table."""
    return [["填表说明"], [_NOTICE], ["一、资产编号为 22 位，请将该列设为文本格式。"]]


def _typed_number(chance: random.Random, number: str) -> str:
    """The number, now and then as people leave it: full-width, with an apostrophe, with spaces seen and unseen."""
    if chance.random() >= _DIRTY_NUMBERS:
        return number
    return chance.choice(
        (
            number.translate(_FULL_WIDTH),
            f"'{number}",
            f"{number}\u00a0",
            f"{number[:5]} {number[5:7]} {number[7:21]} {number[21:]}",
            f"\u3000{number}",
        )
    )


def _written(chance: random.Random, day: date) -> str:
    """A day as text, in one of the ways that are all used in one file."""
    serial = str((day - _EXCEL_EPOCH).days)
    slashed, chinese = f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日"
    return chance.choice((day.isoformat(), day.isoformat(), slashed, slashed, chinese, f"{day:%Y%m%d}", serial))


def _kept(chance: random.Random, day: date) -> Cell:
    """A day as a cell of a workbook: mostly a real date, else text, or a number that was meant as one."""
    if chance.random() < _REAL_DATES:
        return day
    return chance.choice((_written(chance, day), int(f"{day:%Y%m%d}"), (day - _EXCEL_EPOCH).days))


def _reading(chance: random.Random, watt_hours: int) -> Cell:
    whole, rest = divmod(watt_hours // 10, 100)
    text = f"{whole}.{rest:02d}"
    if chance.random() < _REAL_NUMBERS:
        return float(text)
    grouped = f"{whole:,}.{rest:02d}"
    return chance.choice((text, grouped, f"{text} kWh", text.translate(_FULL_WIDTH), f"{grouped}kWh"))


def _with_blank_lines(chance: random.Random, rows: Lines) -> Iterator[list[Cell]]:
    for row in rows:
        yield row
        if chance.random() < _BLANK_LINES:
            yield []


def counted(values: Iterable[str]) -> dict[str, int]:
    """How often each comes, in order of the values."""
    return dict(sorted(Counter(values).items()))
