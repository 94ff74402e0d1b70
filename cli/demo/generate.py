"""Writes the demonstration's spreadsheets, and what a correct platform must end up with after importing them.

    python -m cli.demo.generate DIR [--seed 7] [--devices 2100]
    python -m cli.demo.generate DIR --plain --devices 200000      one clean CSV of devices, for measuring

devices.csv      register of devices, GB18030                                    --as devices
dismantled.xlsx  电能计量器具回收统计台账, the recovery ledger of a season        --as dismantled
dispatched.csv   lines of the transfer notes, GB18030                            --as dispatched
received.xlsx    what was scanned at the centre's door                           --as received
mapping.yaml     the prefectures' and makers' names, on top of the default mapping
expected.json    Expected, below

Everything is synthetic, and the same seed writes the same bytes.
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import xlsxwriter
import yaml

from cli.demo import sheets
from cli.demo.sheets import Lines, Merge, Sheet, Tally, counted
from cli.demo.story import (
    CENTRE,
    CENTRE_NAME,
    MAKERS,
    PREFECTURES,
    Device,
    Shipment,
    Story,
    in_service,
    store_name,
    store_of,
    tell,
    unit_name,
    unit_of,
)

SEED: Final = 7
DEVICES: Final = 2_100
DEVICES_MIN: Final = 200
"""Fewer would not show every fate."""
CUT_OFF: Final = date(2025, 6, 30)
_WRITTEN_AT: Final = datetime(2025, 7, 1, 8, 0)  # noqa: DTZ001  the workbook's own clock has no zone


class ExpectedSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site to be opened before the import, and its devices by class after it."""

    site_id: str
    name: str
    kind: Literal["unit_store", "centre"]
    unit: str
    closing: dict[str, int]


class ExpectedShipment(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of a shipment."""

    shipment_id: str
    from_site: str
    listed: int
    received: int
    missing: int
    unexpected: int
    damaged: int


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """A month's dismantlings. `received` as announced; `turned_up` unexpectedly, which the rate may count or not."""

    dismantled: int
    received: int
    turned_up: int


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a correct platform must end up with. `meters` are all on record; the numbers by fate add up to it."""

    seed: int
    files: dict[str, Tally]
    meters: int
    in_service: int
    owed: int
    received: int
    missing: int
    unexpected: int
    unexpected_by_record: dict[str, int]
    customer_owned: int
    by_class: dict[str, int]
    reasons: dict[str, int]
    cohorts: dict[str, Cohort]
    cut_off: date
    sites: tuple[ExpectedSite, ...]
    shipments: tuple[ExpectedShipment, ...]


def generate(directory: Path, *, seed: int = SEED, devices: int = DEVICES) -> Expected:
    """Write the files into a directory, which is made if it is not there."""
    if devices < DEVICES_MIN:
        raise ValueError(f"the story needs {DEVICES_MIN} devices, not {devices}")
    directory.mkdir(parents=True, exist_ok=True)
    story = tell(seed, devices)
    register, ledger = sheets.devices_sheet(story), sheets.dismantled_sheet(story)
    notes, scans = sheets.dispatched_sheet(story), sheets.received_sheet(story)
    (directory / "devices.csv").write_bytes(_csv(register.lines).encode("gb18030"))
    (directory / "dispatched.csv").write_bytes(_csv(notes.lines).encode("gb18030"))
    _write_workbook(directory / "dismantled.xlsx", ledger, notes=sheets.notes_sheet())
    _write_workbook(directory / "received.xlsx", scans)
    (directory / "mapping.yaml").write_text(mapping(), encoding="utf-8")
    tallies = {"devices": register, "dismantled": ledger, "dispatched": notes, "received": scans}
    outcome = expected(story, {kind: sheet.tally for kind, sheet in tallies.items()})
    (directory / "expected.json").write_bytes(msgspec.json.format(msgspec.json.encode(outcome)) + b"\n")
    return outcome


def expected(story: Story, files: dict[str, Tally]) -> Expected:
    """What must come of the story."""
    fates = Counter(device.fate for device in story.devices)
    by_record = {
        "owed": fates["turned_up"],
        "in_service": fates["turned_up_in_service"],
        "unknown": len(story.strangers),
    }
    arrived = [arrival for shipment in story.shipments for arrival in shipment.arrivals]
    stored = [device for device in story.devices if device.fate == "owed"]
    numbers = [device.asset_no for device in story.devices] + [stranger.asset_no for stranger in story.strangers]
    return Expected(
        seed=story.seed,
        files=files,
        meters=len(numbers),
        in_service=fates["in_service"],
        owed=fates["owed"],
        received=fates["received"],
        missing=fates["missing"],
        unexpected=sum(by_record.values()),
        unexpected_by_record=by_record,
        customer_owned=sum(1 for number in numbers if number[2] == "0"),
        by_class=counted([*(d.device_class for d in story.devices), *(s.device_class for s in story.strangers)]),
        reasons=counted(one.reason for one in story.dismantlings),
        cohorts=dict(_cohorts(story)),
        cut_off=CUT_OFF,
        sites=(
            *(_store(unit_of(i), stored) for i in range(1, len(PREFECTURES) + 1)),
            ExpectedSite(
                site_id=CENTRE,
                name=CENTRE_NAME,
                kind="centre",
                unit="99400",
                closing=counted(arrival.device_class for arrival in arrived),
            ),
        ),
        shipments=tuple(_shipment(shipment) for shipment in story.shipments),
    )


def mapping() -> str:
    """The names that only this province uses, as a mapping file."""
    units = {unit_of(i): [unit_name(unit_of(i))] for i in range(1, len(PREFECTURES) + 1)}
    stores = {store_of(unit): [store_name(unit)] for unit in units}
    sites = stores | {CENTRE: [CENTRE_NAME]}
    document = {
        "extends": "default",
        "kinds": {
            "devices": {
                "unit": {"choices": units},
                "description.maker": {"choices": {code: [name] for code, name in MAKERS.items()}},
            },
            "dismantled": {"unit": {"choices": units}, "site": {"choices": stores}},
            "dispatched": {"from_site": {"choices": sites}, "to_site": {"choices": sites}},
            "received": {"site": {"choices": sites}},
        },
    }
    # Through JSON, so that nothing is shared: YAML would write an alias, which a mapping file may not have.
    apart = msgspec.json.decode(msgspec.json.encode(document))
    return f"# 示例：合成数据的名称 / names of the synthetic example\n{yaml.safe_dump(apart, allow_unicode=True)}"


def plain_devices(path: Path, devices: int, *, seed: int = SEED) -> None:
    """A clean CSV of so many devices (UTF-8, default mapping), written as it is made: for measuring."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "资产编号",
                "设备类别",
                "管理单位",
                "区县代码",
                "生产厂家",
                "型号",
                "到货批次",
                "出厂日期",
                "安装日期",
                "通信地址",
            ]
        )
        writer.writerows(_plain_line(device) for device in in_service(seed, devices))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the demonstration's spreadsheets.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--plain", action="store_true", help="only one clean CSV of devices, for measuring")
    given = parser.parse_args()
    if given.plain:
        given.directory.mkdir(parents=True, exist_ok=True)
        plain_devices(given.directory / "devices-plain.csv", given.devices, seed=given.seed)
        return
    outcome = generate(given.directory, seed=given.seed, devices=given.devices)
    sys.stdout.write(f"{outcome.meters} devices, {len(outcome.shipments)} shipments: {given.directory}\n")


def _cohorts(story: Story) -> Iterator[tuple[str, Cohort]]:
    by_month: dict[str, Counter[str]] = {}
    for one in story.dismantlings:
        by_month.setdefault(f"{one.day:%Y-%m}", Counter())[one.device.fate] += 1
    for month, fates in sorted(by_month.items()):
        yield month, Cohort(dismantled=fates.total(), received=fates["received"], turned_up=fates["turned_up"])


def _store(unit: str, stored: list[Device]) -> ExpectedSite:
    here = counted(device.device_class for device in stored if device.unit == unit)
    return ExpectedSite(site_id=store_of(unit), name=store_name(unit), kind="unit_store", unit=unit, closing=here)


def _shipment(shipment: Shipment) -> ExpectedShipment:
    received = sum(1 for arrival in shipment.arrivals if arrival.listed)
    return ExpectedShipment(
        shipment_id=shipment.shipment_id,
        from_site=store_of(shipment.unit),
        listed=len(shipment.listed),
        received=received,
        missing=len(shipment.listed) - received,
        unexpected=len(shipment.arrivals) - received,
        damaged=sum(1 for arrival in shipment.arrivals if arrival.damaged),
    )


def _plain_line(device: Device) -> list[str]:
    return [
        device.asset_no,
        device.device_class,
        device.unit,
        device.county,
        device.maker,
        device.model,
        device.arrival_batch,
        device.made_on.isoformat(),
        device.installed_on.isoformat(),
        device.comm_address or "",
    ]


def _csv(lines: Lines) -> str:
    target = StringIO(newline="")
    csv.writer(target, lineterminator="\r\n").writerows(lines)
    return target.getvalue()


def _write_workbook(path: Path, sheet: Sheet, *, notes: Lines | None = None) -> None:
    with xlsxwriter.Workbook(str(path)) as book:
        book.set_properties({"title": "示例 / example", "created": _WRITTEN_AT})
        formats = {
            date: book.add_format({"num_format": "yyyy/m/d"}),
            datetime: book.add_format({"num_format": "yyyy/m/d h:mm:ss"}),
        }
        bold = book.add_format({"bold": True, "align": "center", "valign": "vcenter"})
        page = book.add_worksheet(sheet.name)
        page.set_column(1, 1, 26)
        for row, line in enumerate(sheet.lines):
            for column, cell in enumerate(line):
                if isinstance(cell, date):
                    page.write_datetime(row, column, cell, formats[type(cell)])
                elif isinstance(cell, str):
                    page.write_string(row, column, cell)
                elif cell is not None:
                    page.write_number(row, column, cell)
        for merge in sheet.merges:
            _merge(page, merge, sheet.lines[merge.first_row][merge.first_column], bold)
        if notes:
            page = book.add_worksheet("填表说明")
            for row, line in enumerate(notes):
                page.write_row(row, 0, line)


def _merge(page: Any, merge: Merge, value: object, bold: Any) -> None:
    page.merge_range(merge.first_row, merge.first_column, merge.last_row, merge.last_column, value, bold)


if __name__ == "__main__":
    main()
