"""From rows to commands. A row of devices or dismantlings is a command; rows of a shipment make one command together.

A command's id is made from what it says, not from the file it stands in: the same row again, in the same file or in
another, is the same command and changes nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from kernel.intake import struct_of
from kernel.refusal import Refusal, unreadable
from services.registry.asset_number import unit_of
from services.registry.imports.asked import Kind, NewImport
from services.registry.imports.gathering import Gathered
from services.registry.imports.locating import Sourced, located
from services.registry.imports.rows import Batch, Commands, Heading, Row
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
    "移交单 {shipment} 超过 {most} 只。请拆分为多张移交单。",
    "shipment {shipment} has more than {most} devices; make several shipments of it",
)
LISTED_OTHERWISE = unreadable(
    "import.listed_otherwise",
    "移交单 {shipment} 的第 {row} 行对 {asset_no} 另有记载。",
    "row {row} says something else of {asset_no} in shipment {shipment}",
)


_BESIDE_REGISTERS: Final = frozenset({"ratio_micro", "customer_signature"})
"""What is no reading where no register was read."""


class Planned(msgspec.Struct, frozen=True):
    """A command with its id."""

    command: Any
    command_id: UUID


class PlannedShipment(msgspec.Struct, frozen=True):
    """The commands of a shipment, each for when the one before it is done, or why there are none; and its rows."""

    shipment: str
    commands: tuple[Planned, ...]
    refusal: Refusal | None
    sources: Sequence[Sourced]


def single(ask: NewImport, row: Row, today: date) -> Planned:
    """The command of a row of devices or dismantlings. Raises Refusal."""
    values = row.values
    if "unit" not in values:
        values["unit"] = ask.unit or unit_of(values["asset_no"].removeprefix("T"))
    if ask.occurred_on is not None:
        values.setdefault("occurred_on", ask.occurred_on.isoformat())
    if ask.kind == "devices":
        command_id = _id(Register, values)
        # The day of the import is no part of what the row says: tomorrow it will be the same command.
        values.setdefault("occurred_on", today.isoformat())
        return Planned(struct_of(Register, values), command_id)
    if "occurred_on" not in values:
        raise NO_DATE(field="occurred_on")
    if "site" not in values:
        if ask.site is None:
            raise NO_SITE(field="site", option="site")
        values["site"] = ask.site
    if _BESIDE_REGISTERS.issuperset(values.get("reading", ())):
        values.pop("reading", None)
    return Planned(struct_of(Dismantle, values), _id(Dismantle, values))


def as_commands(parts: Iterable[Heading | Batch], ask: NewImport, today: date) -> Iterator[Heading | Batch]:
    """The same parts with commands in place of rows; a row that makes no command is among the errors."""
    heading = Heading(None, 0, ())
    for part in parts:
        if isinstance(part, Heading):
            heading = part
            yield part
        else:
            yield _with_commands(part, heading, ask, today)


def _with_commands(batch: Batch, heading: Heading, ask: NewImport, today: date) -> Batch:
    numbers: list[int] = []
    ids = bytearray()
    commands: list[msgspec.Struct] = []
    errors = list(batch.errors)
    for row in batch.rows:
        try:
            planned = single(ask, row, today)
        except Refusal as refusal:
            errors += located(refusal, [Sourced(row, heading)])
            continue
        numbers.append(row.number)
        ids += planned.command_id.bytes
        commands.append(planned.command)
    return msgspec.structs.replace(
        batch,
        rows=[],
        errors=errors,
        refused=batch.refused + len(batch.rows) - len(commands),
        commands=Commands(numbers, bytes(ids), msgspec.Raw(msgspec.msgpack.encode(commands))),
    )


def planned_in(batch: Batch, kind: Kind) -> list[tuple[int, Planned]]:
    """The commands of a batch, each with its row's number, read as strictly as any other input."""
    if batch.commands is None:
        return []
    numbers, ids = batch.commands.numbers, batch.commands.ids
    found = _COMMANDS[kind].decode(batch.commands.list)
    own = [UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)]
    return list(zip(numbers, map(Planned, found, own), strict=True))


_COMMANDS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    "devices": msgspec.msgpack.Decoder(list[Register]),
    "dismantled": msgspec.msgpack.Decoder(list[Dismantle]),
}


class Shipments:
    """Gathers the rows of shipments in a scratch file. Nothing can be said of one before its last row."""

    def __init__(self, ask: NewImport, scratch: Path) -> None:
        self._ask: Final = ask
        self._gathered: Final = Gathered(scratch)

    def add(self, source: Sourced) -> bool:
        """Another row; False where the same was said before, as when a device is scanned twice. Raises Refusal where
        something else was said of that device.
        """
        values, before = source.row.values, self._gathered.add(source)
        if before is None:
            return True
        if before.row.values != values:
            raise LISTED_OTHERWISE(asset_no=values["asset_no"], row=before.row.number, shipment=values["shipment"])
        return False

    def planned(self) -> Iterator[PlannedShipment]:
        """Each shipment, in the order of their first rows. One that is too long comes in parts, each refused."""
        for shipment_id, shipment, count in self._gathered.shipments():
            for sources in self._gathered.rows(shipment_id, MANIFEST_LINES_MAX):
                try:
                    if count > MANIFEST_LINES_MAX:
                        raise SHIPMENT_TOO_LONG(shipment=shipment, most=MANIFEST_LINES_MAX, field="shipment")
                    commands = tuple(self._commands(shipment, [source.row for source in sources]))
                except Refusal as refusal:
                    yield PlannedShipment(shipment, (), refusal, sources)
                else:
                    yield PlannedShipment(shipment, commands, None, sources)

    def close(self) -> None:
        """Let go of what was gathered."""
        self._gathered.close()

    def _commands(self, shipment: str, rows: list[Row]) -> Iterator[Planned]:
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
            if site := _agreed(shipment, rows, "site") or self._ask.site:
                receive["site"] = site
            yield _planned(ReceiveShipment, receive)
            return
        ends = {
            "from_site": self._same(shipment, rows, "from_site", self._ask.from_site, "from"),
            "to_site": self._same(shipment, rows, "to_site", self._ask.to_site, "to"),
        }
        unit = _agreed(shipment, rows, "unit") or self._ask.unit
        prepare = {
            **when,
            **ends,
            "shipment_id": shipment,
            "unit": unit or unit_of(rows[0].values["asset_no"].removeprefix("T")),
            "manifest": msgspec.to_builtins([_line(row) for row in rows]),
        }
        if carrier := _agreed(shipment, rows, "carrier"):
            prepare["carrier"] = carrier
        leave = {**when, "shipment_id": shipment}
        if seal_no := _agreed(shipment, rows, "seal_no"):
            leave["seal_no"] = seal_no
        yield _planned(PrepareShipment, prepare)
        yield _planned(DispatchShipment, leave)

    def _same(self, shipment: str, rows: list[Row], field: str, given: object, option: str) -> object:
        """The value on which all rows of a shipment agree, or the one given."""
        if (value := _agreed(shipment, rows, field)) is not None:
            return value
        if given is not None:
            return msgspec.to_builtins(given)
        if field == "occurred_on":
            raise NO_DATE(field=field)
        raise NO_SITE(field=field, option=option)


def _agreed(shipment: str, rows: list[Row], field: str) -> object:
    """What the rows that say it agree on, None where no row does. Raises Refusal where they do not."""
    values = {row.values[field] for row in rows if field in row.values}
    if len(values) > 1:
        raise MIXED_SHIPMENT(shipment=shipment, field=field)
    return values.pop() if values else None


def _line(row: Row) -> Line:
    number = row.values["asset_no"]
    device_class = row.values.get("device_class") or class_in_number(number)
    if device_class is None:
        raise NO_CLASS(asset_no=number)
    return Line(asset_no=number, device_class=device_class, container=row.values.get("container"))


def _planned(command: type[msgspec.Struct], values: dict[str, Any]) -> Planned:
    return Planned(struct_of(command, values), _id(command, values))


def _id(command: type[msgspec.Struct], values: dict[str, Any]) -> UUID:
    """The id of a command that says this, whoever imports it."""
    text = b"\0".join((COMMAND_NAMESPACE, command.__name__.encode(), _JSON(values)))
    return UUID(bytes=hashlib.sha256(text).digest()[:16], version=5)


_JSON: Final = msgspec.json.Encoder(order="deterministic").encode
