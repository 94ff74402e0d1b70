"""From rows to shipments: the rows of a shipment together make its commands."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kernel.refusal import Refusal, unreadable
from services.registry.asset_number import unit_of
from services.registry.imports.asked import NewImport
from services.registry.imports.gathering import Gathered
from services.registry.imports.locating import Sourced
from services.registry.imports.planning import NO_DATE, NO_SITE, Planned, planned
from services.registry.imports.rows import Row
from services.registry.shipment import (
    MANIFEST_LINES_MAX,
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
)
from services.registry.vocabulary import class_in_number

T = TypeVar("T")

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
HAS_REFUSED_ROWS = unreadable(
    "import.shipment_has_refused_rows",
    "移交单 {shipment} 有（或可能有）被拒的行，首个为第 {row} 行，整单未入账。请改正后重新导入整张表。",
    "rows that are of shipment {shipment}, or may be, are refused, row {row} first, so nothing of it is recorded; mend "
    "them and import the whole table again",
)


class PlannedShipment(msgspec.Struct, frozen=True):
    """The commands of a shipment, each for when the one before it is done, or why there are none; and its rows.
    `lacking` is why they are not to be done now, if so: a device in a refused row would be missing for good, or never
    sent. Where they were done before that stands.
    """

    shipment: str
    commands: tuple[Planned[Any], ...]
    refusal: Refusal | None
    sources: Sequence[Sourced]
    lacking: Refusal | None = None


class Shipments:
    """Gathers the rows of shipments in a scratch file, in a thread of its own. Nothing can be said of one before its
    last row.
    """

    def __init__(self, ask: NewImport, scratch: Path) -> None:
        self._ask: Final = ask
        self._gathered: Final = Gathered(scratch)
        self._thread: Final = ThreadPoolExecutor(1, "import-rows")

    async def add(self, sources: Sequence[Sourced]) -> list[bool | Refusal]:
        """More rows, and of each: False where the same was said before, as when a device is scanned twice; a refusal
        where something else was said of that device.
        """
        return await self._threaded(lambda: [self._add(source) for source in sources])

    async def lack(self, refused: Sequence[tuple[str | None, int]]) -> None:
        """These shipments have refused rows: see Batch.lacking."""
        if refused:
            await self._threaded(lambda: self._lack(refused))

    async def planned(self) -> AsyncIterator[PlannedShipment]:
        """Each shipment, in the order of their first rows. One that is too long comes in parts, each refused."""
        each = self._planned()
        while (one := await self._threaded(lambda: next(each, None))) is not None:
            yield one

    async def source(self, shipment: str, asset_no: str) -> Sourced | None:
        """The row of this device in this shipment, None where there is none."""
        return await self._threaded(lambda: self._gathered.row(shipment, asset_no))

    async def first(self, shipment: str) -> Sourced:
        """The first row of a shipment."""
        return await self._threaded(lambda: self._gathered.first(shipment))

    async def close(self) -> None:
        """Let go of what was gathered, after whatever is under way. Not to be used again."""
        await self._threaded(self._gathered.close)
        self._thread.shutdown(wait=False)

    async def _threaded(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _add(self, source: Sourced) -> bool | Refusal:
        values, before = source.row.values, self._gathered.add(source)
        if before is None:
            return True
        if before.row.values == values:
            return False
        self._gathered.lack(values["shipment"], source.row.number)
        return LISTED_OTHERWISE(asset_no=values["asset_no"], row=before.row.number, shipment=values["shipment"])

    def _lack(self, refused: Sequence[tuple[str | None, int]]) -> None:
        for shipment, row in refused:
            self._gathered.lack(shipment, row)

    def _planned(self) -> Iterator[PlannedShipment]:
        for shipment_id, shipment, count, row in self._gathered.shipments():
            lacking = None if row is None else HAS_REFUSED_ROWS(shipment=shipment, row=row)
            for sources in self._gathered.rows(shipment_id, MANIFEST_LINES_MAX):
                try:
                    if count > MANIFEST_LINES_MAX:
                        raise SHIPMENT_TOO_LONG(shipment=shipment, most=MANIFEST_LINES_MAX, field="shipment")
                    commands = tuple(self._commands(shipment, [source.row for source in sources]))
                except Refusal as refusal:
                    yield PlannedShipment(shipment, (), refusal, sources)
                else:
                    yield PlannedShipment(shipment, commands, None, sources, lacking)

    def _commands(self, shipment: str, rows: list[Row]) -> Iterator[Planned[Any]]:
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
            yield planned(ReceiveShipment, receive)
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
        yield planned(PrepareShipment, prepare)
        yield planned(DispatchShipment, leave)

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
