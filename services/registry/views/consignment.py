"""移交单全文: one shipment whole, as its own stream tells it: what was listed, what became of it, who signed.

It is read from the log and has no table: a manifest is thousands of lines, of which a list shows only the number.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from kernel.device import DeviceClass
from kernel.quantity import Happened
from ledger.port import Recorded
from services.registry import shipment
from services.registry.shipment import UNKNOWN, Party, Phase

Became: TypeAlias = Literal["received", "missing", "unexpected"]


class Moment(Happened, frozen=True, kw_only=True, omit_defaults=False):
    """When something happened, as its source knows it: an instant, or only the day."""


class ConsignmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A device of a shipment. `became` is None until the shipment is received; `unexpected` ones were not listed."""

    asset_no: str
    device_class: DeviceClass
    container: str | None = None
    became: Became | None = None
    damaged: bool = False


class ConsignmentSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A party's signature: `from` or `to`. `signer` is an opaque subject id."""

    party: Party
    signer: str
    event_id: str
    signed: Moment
    document_sha256: str | None = None


class ConsignmentException(msgspec.Struct, frozen=True, kw_only=True):
    """A device that did not follow its shipment, and the code of the refusal that says why."""

    asset_no: str
    code: str


class ConsignmentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the shipment. `id` is a UUID in hexadecimal."""

    id: str
    position: int
    type: str


class Consignment(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer note whole: its head, every device and what became of it, signatures, exceptions, events."""

    shipment: str
    phase: Phase
    from_site: str
    to_site: str
    unit: str
    manifest_sha256: str
    prepared: Moment
    lines: tuple[ConsignmentLine, ...]
    dispatched: Moment | None = None
    received: Moment | None = None
    cancelled: Moment | None = None
    cancelled_why: str | None = None
    carrier: str | None = None
    seal_no: str | None = None
    signatures: tuple[ConsignmentSignature, ...] = ()
    exceptions: tuple[ConsignmentException, ...] = ()
    events: tuple[ConsignmentEvent, ...] = ()
    version: int = 0

    @property
    def position(self) -> int:
        """That of its last event."""
        return self.events[-1].position


def consignment(shipment_id: str, told: Sequence[tuple[shipment.Event, Recorded]]) -> Consignment:
    """What these events of one shipment, in their order, tell of it. Raises NotFound where there are none."""
    whole: Consignment | None = None
    events: list[ConsignmentEvent] = []
    exceptions: list[ConsignmentException] = []
    for event, recorded in told:
        if isinstance(event, shipment.ShipmentPrepared):
            whole, events, exceptions = _prepared(event), [], []
        if whole is None:
            continue
        events.append(ConsignmentEvent(id=recorded.id.hex(), position=recorded.position, type=recorded.type))
        if isinstance(event, shipment.ShipmentExceptionRecorded):
            exceptions.append(ConsignmentException(asset_no=event.asset_no, code=event.code))
        else:
            whole = msgspec.structs.replace(whole, **_changes(whole, event, recorded.id.hex()))
    if whole is None:
        raise UNKNOWN(shipment_id=shipment_id)
    version = told[-1][1].version
    return msgspec.structs.replace(whole, events=tuple(events), exceptions=tuple(exceptions), version=version)


def _prepared(event: shipment.ShipmentPrepared) -> Consignment:
    return Consignment(
        shipment=event.shipment_id,
        phase="prepared",
        from_site=event.from_site,
        to_site=event.to_site,
        unit=event.unit,
        manifest_sha256=event.manifest_sha256,
        prepared=moment(event),
        lines=tuple(_line(line) for line in event.manifest),
        carrier=event.carrier,
    )


def _changes(whole: Consignment, event: shipment.Event, event_id: str) -> dict[str, Any]:
    match event:
        case shipment.ShipmentPrepared() | shipment.ShipmentExceptionRecorded():
            return {}
        case shipment.ShipmentCancelled(why=why):
            return {"phase": "cancelled", "cancelled": moment(event), "cancelled_why": why}
        case shipment.ShipmentDispatched(seal_no=seal_no):
            return {"phase": "dispatched", "dispatched": moment(event), "seal_no": seal_no}
        case shipment.ShipmentReceived():
            return {"phase": "received", "received": moment(event), "lines": _received(whole.lines, event)}
        case shipment.HandoverSigned(party=party, signer=signer, document_sha256=digest):
            signed = ConsignmentSignature(
                party=party, signer=signer, event_id=event_id, signed=moment(event), document_sha256=digest
            )
            return {"signatures": (*whole.signatures, signed)}


def _received(listed: Sequence[ConsignmentLine], event: shipment.ShipmentReceived) -> tuple[ConsignmentLine, ...]:
    missing, damaged = frozenset(event.missing), frozenset(event.damaged)
    became = [(line, "missing" if line.asset_no in missing else "received") for line in listed]
    became += [(_line(line), "unexpected") for line in event.unexpected]
    return tuple(msgspec.structs.replace(line, became=what, damaged=line.asset_no in damaged) for line, what in became)


def _line(line: shipment.Line) -> ConsignmentLine:
    return ConsignmentLine(asset_no=line.asset_no, device_class=line.device_class, container=line.container)


def moment(event: Happened) -> Moment:
    return Moment(**event.moment)
