"""From rows to commands: a row of devices or of dismantlings is one. Rows of shipments are for shipping.py.

A command's id is made from what it says, not from the file it stands in: the same row again, in the same file or in
another, is the same command and changes nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from kernel.intake import struct_of
from kernel.refusal import Refusal, unreadable
from services.registry.asset_number import unit_of
from services.registry.imports.asked import Kind, NewImport
from services.registry.imports.locating import Sourced, located
from services.registry.imports.rows import Batch, Heading, Row
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import Register

Command = TypeVar("Command")

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

_BESIDE_REGISTERS: Final = frozenset({"ratio_micro", "customer_signature"})
"""What is no reading where no register was read."""


class Planned(msgspec.Struct, Generic[Command], frozen=True, array_like=True, gc=False):
    """A command with its id, and the row that it was made of, where it was made of one alone."""

    command: Command
    command_id: UUID
    row: int = 0


def single(ask: NewImport, row: Row, today: date) -> Planned[Any]:
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
        return Planned(struct_of(Register, values), command_id, row.number)
    if "occurred_on" not in values:
        raise NO_DATE(field="occurred_on")
    if "site" not in values:
        if ask.site is None:
            raise NO_SITE(field="site", option="site")
        values["site"] = ask.site
    if _BESIDE_REGISTERS.issuperset(values.get("reading", ())):
        values.pop("reading", None)
    return Planned(struct_of(Dismantle, values), _id(Dismantle, values), row.number)


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
    commands: list[Planned[Any]] = []
    errors = list(batch.errors)
    for row in batch.rows:
        try:
            commands.append(single(ask, row, today))
        except Refusal as refusal:
            errors += located(refusal, [Sourced(row, heading)])
    return msgspec.structs.replace(
        batch,
        rows=[],
        errors=errors,
        refused=batch.refused + len(batch.rows) - len(commands),
        commands=_ENCODE(commands),
    )


def planned_in(batch: Batch, kind: Kind) -> Sequence[Planned[Any]]:
    """The commands of a batch, read as strictly as any other input."""
    found: Sequence[Planned[Any]] = _COMMANDS[kind].decode(batch.commands) if batch.commands else []
    return found


_ENCODE: Final = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_COMMANDS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    "devices": msgspec.msgpack.Decoder(list[Planned[Register]]),
    "dismantled": msgspec.msgpack.Decoder(list[Planned[Dismantle]]),
}


def planned(command: type[msgspec.Struct], values: dict[str, Any]) -> Planned[Any]:
    """The command that says this, with its id. Raises Refusal."""
    return Planned(struct_of(command, values), _id(command, values))


def _id(command: type[msgspec.Struct], values: dict[str, Any]) -> UUID:
    """The id of a command that says this, whoever imports it."""
    text = b"\0".join((COMMAND_NAMESPACE, command.__name__.encode(), _JSON(values)))
    return UUID(bytes=hashlib.sha256(text).digest()[:16], version=5)


_JSON: Final = msgspec.json.Encoder(order="deterministic").encode
