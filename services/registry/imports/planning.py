"""From rows to commands. A row of devices or dismantlings is a command; rows of a shipment make one command together.

A command's id is made from what it says, not from the file it stands in: the same row again, in the same file or in
another, is the same command and changes nothing.
"""

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec

from kernel.intake import Malformed, errors_of, struct_of
from kernel.refusal import Refusal, unreadable
from services.registry.asset_number import unit_of
from services.registry.imports.jobs import NewImport
from services.registry.imports.rows import Finding, Row
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import Register
from services.registry.shipment import (
    MANIFEST_LINES_MAX,
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
)
from services.registry.vocabulary import class_in_number

COMMAND_NAMESPACE: Final = b"meterloop/import/v1"

NO_DATE = unreadable(
    "import.no_date",
    "没有日期列，也未指定日期。请用 --on 指定。",
    "there is no column of dates and none was given; give one with --on",
)
NO_SITE = unreadable(
    "import.no_site",
    "没有 {field} 列，也未指定。请用 --{option} 指定。",
    "there is no column for {field} and none was given; give it with --{option}",
)
NO_CLASS = unreadable(
    "import.no_class",
    "资产编号 {asset_no} 中没有可识别的设备类别。",
    "the number {asset_no} names no class of device that is known",
)
MIXED_SHIPMENT = unreadable(
    "import.mixed_shipment",
    "移交单 {shipment} 的 {field} 前后不一致。",
    "the rows of shipment {shipment} disagree in {field}",
)
SHIPMENT_TOO_LONG = unreadable(
    "import.shipment_too_long",
    "移交单 {shipment} 超过 {most} 只。",
    "shipment {shipment} has more than {most} devices",
)


class Planned(msgspec.Struct, frozen=True):
    """A command with its id, and the rows that it came from."""

    command: Any
    command_id: UUID
    rows: tuple[int, ...]


def single(ask: NewImport, row: Row, today: date) -> Planned:
    """The command of a row of devices or dismantlings. Raises Refusal."""
    values = row.values
    values.setdefault("unit", ask.unit or unit_of(values["asset_no"].removeprefix("T")))
    if ask.occurred_on is not None:
        values.setdefault("occurred_on", ask.occurred_on.isoformat())
    if ask.kind == "devices":
        command_id = _id(Register, values)
        # The day of the import is no part of what the row says: tomorrow it will be the same command.
        values.setdefault("occurred_on", today.isoformat())
        return Planned(struct_of(Register, values), command_id, (row.number,))
    if "occurred_on" not in values:
        raise NO_DATE()
    if "site" not in values:
        if ask.site is None:
            raise NO_SITE(field="site", option="site")
        values["site"] = ask.site
    return Planned(struct_of(Dismantle, values), _id(Dismantle, values), (row.number,))


class Shipments:
    """Gathers the rows of shipments. Nothing can be said of one before its last row."""

    def __init__(self, ask: NewImport) -> None:
        self._ask: Final = ask
        self._rows: Final[dict[str, dict[str, Row]]] = {}

    def add(self, row: Row) -> bool:
        """Another row; False where the shipment has that device already, scanned or listed twice. Raises Refusal where
        the shipment is too long.
        """
        rows = self._rows.setdefault(row.values["shipment"], {})
        if row.values["asset_no"] in rows:
            return False
        if len(rows) == MANIFEST_LINES_MAX:
            raise SHIPMENT_TOO_LONG(shipment=row.values["shipment"], most=MANIFEST_LINES_MAX)
        rows[row.values["asset_no"]] = row
        return True

    def planned(self) -> Iterable[tuple[tuple[Planned, ...], list[Finding]]]:
        """For each shipment its commands, or why there are none."""
        for shipment, by_number in self._rows.items():
            rows = list(by_number.values())
            try:
                yield tuple(self._commands(shipment, rows)), []
            except Refusal as refusal:
                yield (), refusals(refusal, tuple(row.number for row in rows))

    def _commands(self, shipment: str, rows: list[Row]) -> Iterable[Planned]:
        numbers = tuple(row.number for row in rows)
        when = {"occurred_on": self._same(shipment, rows, "occurred_on", self._ask.occurred_on, "on")}
        if self._ask.kind == "received":
            found = [
                FoundLine(
                    asset_no=row.values["asset_no"],
                    device_class=row.values.get("device_class"),
                    damaged=row.values.get("damaged", False),
                )
                for row in rows
            ]
            receive = {**when, "shipment_id": shipment, "found": msgspec.to_builtins(found)}
            yield Planned(struct_of(ReceiveShipment, receive), _id(ReceiveShipment, receive), numbers)
            return
        manifest = [_line(row) for row in rows]
        ends = {
            "from_site": self._same(shipment, rows, "from_site", self._ask.from_site, "from"),
            "to_site": self._same(shipment, rows, "to_site", self._ask.to_site, "to"),
        }
        unit = self._ask.unit or unit_of(rows[0].values["asset_no"].removeprefix("T"))
        prepare = {**when, **ends, "shipment_id": shipment, "unit": unit, "manifest": msgspec.to_builtins(manifest)}
        yield Planned(struct_of(PrepareShipment, prepare), _id(PrepareShipment, prepare), numbers)
        leave = {**when, "shipment_id": shipment}
        yield Planned(struct_of(DispatchShipment, leave), _id(DispatchShipment, leave), ())

    def _same(self, shipment: str, rows: list[Row], field: str, given: object, option: str) -> object:
        """The value on which all rows of a shipment agree, or the one given."""
        values = {row.values[field] for row in rows if field in row.values}
        if len(values) > 1:
            raise MIXED_SHIPMENT(shipment=shipment, field=field)
        if values:
            return values.pop()
        if given is not None:
            return msgspec.to_builtins(given)
        if field == "occurred_on":
            raise NO_DATE()
        raise NO_SITE(field=field, option=option)


def refusals(refusal: Refusal, rows: tuple[int, ...]) -> list[Finding]:
    """A refusal as findings: each fault on the first row that it concerns, and the rows after it by number alone."""
    faults = errors_of(refusal) if isinstance(refusal, Malformed) else ()
    first = [
        Finding(row=rows[0], code=fault.code, zh=fault.zh, en=fault.en, field=fault.field) for fault in faults
    ] or [Finding(row=rows[0], code=refusal.code, zh=refusal.zh, en=refusal.en)]
    rest = [Finding(row=row, code=refusal.code, zh=f"同第 {rows[0]} 行", en=f"as row {rows[0]}") for row in rows[1:]]
    return first + rest


def _line(row: Row) -> Line:
    number = row.values["asset_no"]
    device_class = row.values.get("device_class") or class_in_number(number)
    if device_class is None:
        raise NO_CLASS(asset_no=number)
    return Line(asset_no=number, device_class=device_class, container=row.values.get("container"))


def _id(command: type[msgspec.Struct], values: dict[str, Any]) -> UUID:
    """The id of a command that says this, whoever imports it."""
    text = b"\0".join((COMMAND_NAMESPACE, command.__name__.encode(), _JSON(values)))
    return UUID(bytes=hashlib.sha256(text).digest()[:16], version=5)


_JSON: Final = msgspec.json.Encoder(order="deterministic").encode
