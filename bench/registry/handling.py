"""Commands through `handle` and `handle_many`, against PyPI's eventsourcing on SQLite in a file.

The peer's aggregates carry the same members. Both write ahead, and with `synchronous=FULL` wait for the disk at every
commit: the peer by SQLite's own default, which is looked at before it is measured. It checks no bounds, no command's id
and no version that a caller saw, and keeps no digest and no salt.
"""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench.measure import Measure, interleave
from bench.registry.history import Device
from kernel.handling import Ask, Context, Handling, Outcome
from kernel.quantity import BUSINESS_ZONE
from ledger.sqlite import SqliteLedger
from services.registry.app import CODEC
from services.registry.meter import METER
from services.registry.meter.hold import ApplySeal
from services.registry.meter.identity import Register

ROUNDS: Final = 7
BULKS: Final = 4
BULK_COMMANDS: Final = 500
SINGLES: Final = 200
SYNCHRONOUS_FULL: Final = 2
WHEN: Final = datetime(2026, 1, 5, 9, 30, tzinfo=BUSINESS_ZONE)
NAMESPACE: Final = UUID("0b9b6f5e-5d0c-4a7b-9a54-1f0d5c7f2f10")


class PeerMeter(Aggregate):
    """A device as the peer's aggregate."""

    @event("Registered")
    def __init__(
        self,
        asset_no: str,
        occurred_at: datetime,
        device_class: str,
        unit: str,
        county: str,
        description: dict[str, str],
        owner: str = "company",
        origin: str = "in_service",
    ) -> None:
        self.asset_no, self.occurred_at, self.device_class, self.unit = asset_no, occurred_at, device_class, unit
        self.owner, self.origin, self.county, self.description = owner, origin, county, description

    @event("SealApplied")
    def seal(self, occurred_at: datetime, seal_no: str) -> None:
        """Nothing is kept of a seal, as with us."""


class Ours:
    """The registry's devices on the embedded ledger."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._handling = Handling(ledger, METER, CODEC)
        self._serials = count()

    async def register_many(self) -> float:
        calls = [self._registrations(BULK_COMMANDS) for _ in range(BULKS)]
        started = time.perf_counter()
        for asks in calls:
            _recorded(await self._handling.handle_many(asks))
        return BULKS * BULK_COMMANDS / (time.perf_counter() - started)

    async def register(self) -> float:
        asks = self._registrations(SINGLES)
        started = time.perf_counter()
        for ask in asks:
            await self._handling.handle(ask.command, ask.context)
        return SINGLES / (time.perf_counter() - started)

    async def seal(self) -> float:
        registrations = self._registrations(SINGLES)
        _recorded(await self._handling.handle_many(registrations))
        asks = [_ask(ApplySeal(asset_no=one.command.asset_no, occurred_at=WHEN, seal_no="S1")) for one in registrations]
        started = time.perf_counter()
        for ask in asks:
            await self._handling.handle(ask.command, ask.context)
        return SINGLES / (time.perf_counter() - started)

    def _registrations(self, number: int) -> list[Ask]:
        return [_ask(_registration(Device(next(self._serials)))) for _ in range(number)]


class Peer:
    """The peer's application, its aggregates in a file of their own."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as fresh:
            (synchronous,) = fresh.execute("PRAGMA synchronous").fetchone()
        assert synchronous == SYNCHRONOUS_FULL, "the peer would not wait for the disk"
        self._app = Application[UUID](
            {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path), "AGGREGATE_CACHE_MAXSIZE": ""}
        )
        self._serials = count()

    def close(self) -> None:
        self._app.close()

    async def register_many(self) -> float:
        calls = [self._registrations(BULK_COMMANDS) for _ in range(BULKS)]
        started = time.perf_counter()
        for said in calls:
            self._app.save(*[PeerMeter(**members) for members in said])
        return BULKS * BULK_COMMANDS / (time.perf_counter() - started)

    async def register(self) -> float:
        said = self._registrations(SINGLES)
        started = time.perf_counter()
        for members in said:
            self._app.save(PeerMeter(**members))
        return SINGLES / (time.perf_counter() - started)

    async def seal(self) -> float:
        meters = [PeerMeter(**members) for members in self._registrations(SINGLES)]
        self._app.save(*meters)
        started = time.perf_counter()
        for number in [meter.id for meter in meters]:
            meter: PeerMeter = self._app.repository.get(number)
            meter.seal(occurred_at=WHEN, seal_no="S1")
            self._app.save(meter)
        return SINGLES / (time.perf_counter() - started)

    def _registrations(self, number: int) -> list[dict[str, Any]]:
        return [_members(_registration(Device(next(self._serials)))) for _ in range(number)]


async def measure(folder: Path) -> list[Measure]:
    ledger = await SqliteLedger.open(folder / "handled.db")
    ours, peer = Ours(ledger), Peer(folder / "peer.db")
    speed = await interleave(
        {
            "ours many": ours.register_many,
            "peer many": peer.register_many,
            "ours one": ours.register,
            "peer one": peer.register,
            "ours next": ours.seal,
            "peer next": peer.seal,
        },
        ROUNDS,
    )
    peer.close()
    await ledger.close()
    return [
        Measure(
            "bulk_ratio_peer",
            speed["ours many"] / speed["peer many"],
            f"handle_many of {BULK_COMMANDS} commands to new streams, against eventsourcing saving as many aggregates",
            at_least=3,
        ),
        Measure(
            "append_one_ratio_peer",
            speed["ours one"] / speed["peer one"],
            "handle, one event a call, against eventsourcing saving one event of one aggregate",
            at_least=1.0,
        ),
        Measure(
            "append_next_ratio_peer",
            speed["ours next"] / speed["peer next"],
            "the same on a stream that is there: both read it, decide, append",
        ),
        Measure("bulk_per_s", speed["ours many"], "commands through handle_many"),
        Measure("append_one_per_s", speed["ours one"], "commands through handle"),
    ]


def _registration(device: Device) -> Register:
    (said,) = device.registered()
    return Register(
        asset_no=said.asset_no,
        occurred_at=WHEN,
        device_class=said.device_class,
        unit=said.unit,
        county=said.county,
        description=said.description,
    )


def _members(registration: Register) -> dict[str, Any]:
    """As the peer takes them: plain values."""
    members: dict[str, Any] = msgspec.to_builtins(registration, builtin_types=(datetime,))
    return {"occurred_at": WHEN, "description": {}} | members


def _ask(command: Any) -> Ask:
    command_id = uuid5(NAMESPACE, f"{type(command).__name__} {command.asset_no}")
    return Ask(command, Context(command_id=command_id, actor="operator-0000000000000001"))


def _recorded(answers: Sequence[object]) -> None:
    assert all(isinstance(answer, Outcome) and answer.events for answer in answers), answers[:1]
