"""Made-up devices and what happens to them, in the order in which field units hand it in: file by file.

Each file of devices is registered, dismantled with final readings, dispatched and received, one after the other, so
that a page of the log touches as many devices as it has events, or half as many.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import msgspec

from kernel.handling import event_id
from ledger.port import NO_STREAM, Append, Draft
from ledger.sqlite import SqliteLedger
from services.registry.app import CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Dispatched, Received
from services.registry.meter.dismantling import Dismantled, FinalReadingRecorded, Reading
from services.registry.meter.identity import Description, Registered
from services.registry.vocabulary import Movement

FILE_DEVICES: Final = 10_000
EVENTS_EACH: Final = 5
APPEND_STREAMS: Final = 1_000

CENTRE: Final = "centre-1"
UNITS: Final = tuple(f"994{number:02d}" for number in range(1, 15))
MAKERS: Final = ("maker-a", "maker-b", "maker-c", "maker-d")
FIRST_DAY: Final = date(2026, 1, 5)

METADATA: Final = msgspec.json.encode(
    {
        "$correlationId": "0b9b6f5e-5d0c-4a7b-9a54-1f0d5c7f2f10",
        "$causationId": "7f2f1b9e-8c07-4b43-8f0e-2f9f0a1f6a11",
        "actor": "operator-0000000000000001",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "schema": 1,
        "command_digest": "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=",
    }
)


class Device:
    """One made-up device: its number and what there is to say of it."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.unit = UNITS[serial // 500 % len(UNITS)]
        self.asset_no = compose(self.unit, "01", f"{serial:014d}")
        self.store = f"store-{self.unit}"
        self.day = FIRST_DAY + timedelta(days=serial // FILE_DEVICES * 3)
        self.shipment = f"{self.unit}-{serial // 500}"

    def registered(self) -> list[Registered]:
        description = Description(
            maker=MAKERS[self.serial % len(MAKERS)],
            model="DDZY-Z",
            arrival_batch=f"B{self.serial // 2_000:06d}",
            made_on=date(2012, 5, 1),
            installed_on=date(2013, 6, 1),
            comm_address=f"{self.serial:012d}",
        )
        return [
            Registered(
                asset_no=self.asset_no,
                occurred_on=self.day,
                device_class="01",
                unit=self.unit,
                owner="company",
                origin="in_service",
                county=f"{self.unit}0"[:6],
                description=description,
            )
        ]

    def dismantled(self) -> list[msgspec.Struct]:
        number, day = self.asset_no, self.day
        reading = Reading(total_wh=self.serial * 1_000, customer_signature="signed")
        return [
            Dismantled(
                asset_no=number,
                occurred_on=day,
                work_order=f"WO-{self.serial:09d}",
                unit=self.unit,
                reason="rotation_at_term",
                moved=Movement(device_class="01", to_site=self.store),
            ),
            FinalReadingRecorded(asset_no=number, occurred_on=day, reading=reading),
        ]

    def dispatched(self) -> list[msgspec.Struct]:
        moved = Movement(device_class="01", from_site=self.store)
        day = self.day + timedelta(days=1)
        return [
            Dispatched(
                asset_no=self.asset_no,
                occurred_on=day,
                shipment=self.shipment,
                to_site=CENTRE,
                moved=moved,
                container=f"box-{self.serial // 12:07d}",
            )
        ]

    def received(self) -> list[msgspec.Struct]:
        moved = Movement(device_class="01", to_site=CENTRE)
        day = self.day + timedelta(days=2)
        return [
            Received(asset_no=self.asset_no, occurred_on=day, shipment=self.shipment, moved=moved, dismantled_version=1)
        ]


async def record(ledger: SqliteLedger, first: int, devices: int) -> None:
    """Append the whole history of these devices."""
    for start in range(first, first + devices, FILE_DEVICES):
        file = [Device(serial) for serial in range(start, min(start + FILE_DEVICES, first + devices))]
        for appends in steps(file):
            await ledger.append(appends)


def steps(file: list[Device]) -> Iterator[list[Append]]:
    """The whole history of a file of devices, in the order in which it is handed in."""
    version = -1
    told: tuple[Callable[[Device], Sequence[msgspec.Struct]], ...] = (
        Device.registered,
        Device.dismantled,
        Device.dispatched,
        Device.received,
    )
    for step in told:
        for start in range(0, len(file), APPEND_STREAMS):
            yield [_append(device, step(device), version) for device in file[start : start + APPEND_STREAMS]]
        version += len(step(file[0]))


def _append(device: Device, events: Sequence[msgspec.Struct], version: int) -> Append:
    command = UUID(int=(device.serial << 8) + version + 1)
    drafts = [
        Draft(event_id(command, i), CODEC.type_of(event), CODEC.encode(event), METADATA)
        for i, event in enumerate(events)
    ]
    return Append(f"meter-{device.asset_no}", NO_STREAM if version < 0 else version, drafts)
