"""拆回计量资产移交单: devices on their way from one site to another, decided as a whole; the devices follow.

    ShipmentPrepared -> ShipmentDispatched -> ShipmentReceived -> HandoverSigned (each party)
                    '-> ShipmentCancelled

The shipment decides what is missing and what is unexpected by comparing what was found with its manifest. What a
single device then refuses is an exception on the shipment.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.device import AssetNo, ContainerId, DeviceClass, SiteId, UnitCode
from kernel.quantity import Code, Happened, Name, Remark, Sha256, Subject
from kernel.refusal import against_rules, not_found, unreadable
from services.registry.vocabulary import ShipmentId, class_in_number

MANIFEST_LINES_MAX: Final = 5_000
"""Devices on one shipment: some truckloads. Its events stay below the ledger's largest, however long the names are."""

CONTAINERS_MAX: Final = 500
"""Containers named for one shipment; one with ten devices in each is full."""

UNKNOWN = not_found("shipment.unknown", "没有移交单 {shipment_id}。", "there is no shipment {shipment_id}")
ALREADY_PREPARED = against_rules(
    "shipment.already_prepared", "移交单 {shipment_id} 已存在。", "shipment {shipment_id} exists already"
)
SAME_SITE = against_rules(
    "shipment.same_site", "移交单的发出地与接收地相同。", "a shipment goes from one site to another, not to the same"
)
LISTED_TWICE = unreadable(
    "shipment.listed_twice", "资产编号 {asset_no} 在清单中重复。", "{asset_no} is on the list twice"
)
NOT_PREPARED = against_rules(
    "shipment.not_prepared",
    "移交单 {shipment_id} 不在待发状态（{phase}）。",
    "shipment {shipment_id} is not waiting to be dispatched ({phase})",
)
NOT_ON_THE_WAY = against_rules(
    "shipment.not_on_the_way",
    "移交单 {shipment_id} 不在途（{phase}），不能接收。",
    "shipment {shipment_id} is not on the way ({phase}) and cannot be received",
)
OTHER_SITE = against_rules(
    "shipment.other_site",
    "移交单 {shipment_id} 应在 {to_site} 接收，而不是 {site}。",
    "shipment {shipment_id} is to be received at {to_site}, not at {site}",
)
EMPTY = unreadable(
    "shipment.empty",
    "移交单 {shipment_id} 没有器具：请列出器具或装有器具的周转箱。",
    "nothing is on {shipment_id}: list devices, or containers that hold some",
)
CLASS_UNKNOWN = against_rules(
    "shipment.class_unknown",
    "{asset_no} 不在清单中，也未给出设备类别。请补充类别。",
    "{asset_no} is not on the manifest and its class is not given; add the class",
)
RECEIVED_BEFORE_DISPATCH = against_rules(
    "shipment.received_before_dispatch",
    "移交单 {shipment_id} 于 {dispatched} 发出，不能于 {received} 接收。请核对日期。",
    "shipment {shipment_id} left on {dispatched} and cannot have been received on {received}; check the day",
)
TOO_EARLY_TO_SIGN = against_rules(
    "shipment.too_early_to_sign",
    "移交单 {shipment_id}（{phase}）尚不能由{party}签字。",
    "shipment {shipment_id} ({phase}) cannot be signed by {party} now",
)
ALREADY_SIGNED = against_rules(
    "shipment.already_signed", "移交单 {shipment_id} 已由{party}签字。", "{party} has signed {shipment_id} already"
)
SAME_SIGNER = against_rules(
    "shipment.same_signer",
    "移交单 {shipment_id} 的双方不能由同一人签字。",
    "the two parties to {shipment_id} are not signed for by the same person",
)

Party: TypeAlias = Literal["from", "to"]
PARTIES: Final[dict[Party, tuple[str, str]]] = {"from": ("移交方", "the sender"), "to": ("接收方", "the receiver")}

Phase: TypeAlias = Literal["none", "prepared", "dispatched", "received", "cancelled"]
PHASES: Final[dict[Phase, tuple[str, str]]] = {
    "none": ("未编制", "not prepared"),
    "prepared": ("待发", "prepared"),
    "dispatched": ("在途", "on the way"),
    "received": ("已接收", "received"),
    "cancelled": ("已作废", "cancelled"),
}


MAY_SIGN: Final[dict[Party, frozenset[Phase]]] = {
    "from": frozenset({"dispatched", "received"}),
    "to": frozenset({"received"}),
}
"""A party signs for what it has done: sent, or received."""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A device on a manifest."""

    asset_no: AssetNo
    device_class: DeviceClass
    container: ContainerId | None = None


class FoundLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A device found on arrival. Its class is asked for only where the manifest does not say."""

    asset_no: AssetNo
    device_class: DeviceClass | None = None
    damaged: bool = False


Manifest: TypeAlias = Annotated[tuple[Line, ...], msgspec.Meta(max_length=MANIFEST_LINES_MAX)]
Containers: TypeAlias = Annotated[tuple[ContainerId, ...], msgspec.Meta(max_length=CONTAINERS_MAX)]
FoundLines: TypeAlias = Annotated[tuple[FoundLine, ...], msgspec.Meta(max_length=MANIFEST_LINES_MAX)]


class PrepareShipment(Happened, frozen=True, kw_only=True):
    """编制移交单 List the devices that are to go, and the containers that go with all that is in them then."""

    shipment_id: ShipmentId
    from_site: SiteId
    to_site: SiteId
    unit: UnitCode
    manifest: Manifest = ()
    carrier: Name | None = None
    containers: Containers = ()


class CancelShipment(Happened, frozen=True, kw_only=True):
    """作废移交单 Before anything has left."""

    shipment_id: ShipmentId
    why: Remark


class DispatchShipment(Happened, frozen=True, kw_only=True):
    """发车 All devices on the manifest leave."""

    shipment_id: ShipmentId
    seal_no: Code | None = None


class ReceiveShipment(Happened, frozen=True, kw_only=True):
    """接收 What was found on arrival, device by device; the rest of the manifest is missing. `site` is where that was
    seen; where it is not said, it is where the shipment went.
    """

    shipment_id: ShipmentId
    found: FoundLines
    site: SiteId | None = None


class SignHandover(Happened, frozen=True, kw_only=True):
    """移交签字 A party signs the transfer note, by somebody who may act for its site. `signer` is the caller's own
    opaque subject id: nobody signs in another's name.
    """

    shipment_id: ShipmentId
    party: Party
    signer: Subject
    document_sha256: Sha256 | None = None


class RecordShipmentException(Happened, frozen=True, kw_only=True):
    """登记移交异常 A device did not follow its shipment; the refusal's code says why."""

    shipment_id: ShipmentId
    asset_no: AssetNo
    code: Code


class ShipmentPrepared(Happened, frozen=True, kw_only=True):
    """The manifest stands. `manifest_sha256` is over its sorted asset numbers, each followed by a newline."""

    shipment_id: ShipmentId
    from_site: SiteId
    to_site: SiteId
    unit: UnitCode
    manifest: tuple[Line, ...]
    manifest_sha256: Sha256
    carrier: Name | None = None


class ShipmentCancelled(Happened, frozen=True, kw_only=True):
    """It will not go."""

    shipment_id: ShipmentId
    why: Remark


class ShipmentDispatched(Happened, frozen=True, kw_only=True):
    """All of the manifest has left."""

    shipment_id: ShipmentId
    from_site: SiteId
    to_site: SiteId
    manifest: tuple[Line, ...]
    seal_no: Code | None = None


class ShipmentReceived(Happened, frozen=True, kw_only=True):
    """What came of the manifest."""

    shipment_id: ShipmentId
    to_site: SiteId
    received: tuple[Line, ...] = ()
    missing: tuple[AssetNo, ...] = ()
    unexpected: tuple[Line, ...] = ()
    damaged: tuple[AssetNo, ...] = ()


class HandoverSigned(Happened, frozen=True, kw_only=True):
    """A party has signed."""

    shipment_id: ShipmentId
    party: Party
    signer: Subject
    document_sha256: Sha256 | None = None


class ShipmentExceptionRecorded(Happened, frozen=True, kw_only=True):
    """A device did not follow."""

    shipment_id: ShipmentId
    asset_no: AssetNo
    code: Code


Command: TypeAlias = (
    PrepareShipment | CancelShipment | DispatchShipment | ReceiveShipment | SignHandover | RecordShipmentException
)
Event: TypeAlias = (
    ShipmentPrepared
    | ShipmentCancelled
    | ShipmentDispatched
    | ShipmentReceived
    | HandoverSigned
    | ShipmentExceptionRecorded
)


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """Its phase, whose it is, its manifest, who has signed, which exceptions are on it: in sets, each larger than the
    one after it, since there may be thousands and each comes with an event of its own.
    """

    phase: Phase = "none"
    dispatched_on: date | None = None
    unit: str = ""
    from_site: str = ""
    to_site: str = ""
    manifest: tuple[Line, ...] = ()
    signed: dict[Party, str] = {}
    exceptions: tuple[frozenset[tuple[str, str]], ...] = ()


def decide(command: Command, shipment: Shipment) -> Sequence[Event]:
    shipment_id = command.shipment_id
    if isinstance(command, PrepareShipment):
        return [_prepare(command, shipment)]
    if shipment.phase == "none":
        raise UNKNOWN(shipment_id=shipment_id)
    match command:
        case CancelShipment():
            _prepared(shipment_id, shipment)
            return [becomes(command, ShipmentCancelled)]
        case DispatchShipment():
            _prepared(shipment_id, shipment)
            ends = {"from_site": shipment.from_site, "to_site": shipment.to_site}
            return [becomes(command, ShipmentDispatched, manifest=shipment.manifest, **ends)]
        case ReceiveShipment():
            return [_receive(command, shipment)]
        case SignHandover(party=party):
            if shipment.phase not in MAY_SIGN[party]:
                raise TOO_EARLY_TO_SIGN(shipment_id=shipment_id, phase=PHASES[shipment.phase], party=PARTIES[party])
            if party in shipment.signed:
                raise ALREADY_SIGNED(shipment_id=shipment_id, party=PARTIES[party])
            if command.signer in shipment.signed.values():
                raise SAME_SIGNER(shipment_id=shipment_id)
            return [becomes(command, HandoverSigned)]
        case RecordShipmentException(asset_no=asset_no, code=code):
            on_record = any((asset_no, code) in some for some in shipment.exceptions)
            return [] if on_record else [becomes(command, ShipmentExceptionRecorded)]


def evolve(shipment: Shipment, event: Event) -> Shipment:
    match event:
        case ShipmentPrepared(unit=unit, from_site=from_site, to_site=to_site, manifest=manifest):
            return Shipment(phase="prepared", unit=unit, from_site=from_site, to_site=to_site, manifest=manifest)
        case ShipmentCancelled():
            return msgspec.structs.replace(shipment, phase="cancelled")
        case ShipmentDispatched():
            return msgspec.structs.replace(shipment, phase="dispatched", dispatched_on=event.day)
        case ShipmentReceived():
            return msgspec.structs.replace(shipment, phase="received")
        case HandoverSigned(party=party, signer=signer):
            return msgspec.structs.replace(shipment, signed=shipment.signed | {party: signer})
        case ShipmentExceptionRecorded(asset_no=asset_no, code=code):
            return msgspec.structs.replace(shipment, exceptions=_with(shipment.exceptions, (asset_no, code)))


def _with(
    exceptions: tuple[frozenset[tuple[str, str]], ...], one: tuple[str, str]
) -> tuple[frozenset[tuple[str, str]], ...]:
    """These and one more. A set is copied only into one of twice its size, so none is copied often."""
    last = frozenset({one})
    while exceptions and len(exceptions[-1]) <= len(last):
        exceptions, last = exceptions[:-1], exceptions[-1] | last
    return (*exceptions, last)


def manifest_sha256(asset_numbers: Iterable[str]) -> str:
    """SHA-256 over the sorted asset numbers, each followed by a newline."""
    return hashlib.sha256("".join(f"{number}\n" for number in sorted(asset_numbers)).encode()).hexdigest()


def _prepare(command: PrepareShipment, shipment: Shipment) -> ShipmentPrepared:
    if shipment.phase != "none":
        raise ALREADY_PREPARED(shipment_id=command.shipment_id)
    if command.from_site == command.to_site:
        raise SAME_SITE()
    if not command.manifest:
        raise EMPTY(shipment_id=command.shipment_id, field="manifest")
    _listed_once(line.asset_no for line in command.manifest)
    digest = manifest_sha256(line.asset_no for line in command.manifest)
    return becomes(command, ShipmentPrepared, manifest_sha256=digest)


def _receive(command: ReceiveShipment, shipment: Shipment) -> ShipmentReceived:
    if shipment.phase != "dispatched":
        raise NOT_ON_THE_WAY(shipment_id=command.shipment_id, phase=PHASES[shipment.phase])
    if command.site not in {None, shipment.to_site}:
        raise OTHER_SITE(shipment_id=command.shipment_id, to_site=shipment.to_site, site=command.site, field="site")
    if shipment.dispatched_on is not None and command.day < shipment.dispatched_on:
        raise RECEIVED_BEFORE_DISPATCH(
            shipment_id=command.shipment_id, dispatched=shipment.dispatched_on, received=command.day
        )
    _listed_once(line.asset_no for line in command.found)
    found = {line.asset_no for line in command.found}
    listed = {line.asset_no for line in shipment.manifest}
    return becomes(
        command,
        ShipmentReceived,
        to_site=shipment.to_site,
        received=tuple(line for line in shipment.manifest if line.asset_no in found),
        missing=tuple(line.asset_no for line in shipment.manifest if line.asset_no not in found),
        unexpected=tuple(_classed(line) for line in command.found if line.asset_no not in listed),
        damaged=tuple(line.asset_no for line in command.found if line.damaged),
    )


def _classed(line: FoundLine) -> Line:
    device_class = line.device_class or class_in_number(line.asset_no)
    if device_class is None:
        raise CLASS_UNKNOWN(asset_no=line.asset_no)
    return Line(asset_no=line.asset_no, device_class=device_class)


def _listed_once(numbers: Iterable[str]) -> None:
    seen: set[str] = set()
    for number in numbers:
        if number in seen:
            raise LISTED_TWICE(asset_no=number)
        seen.add(number)


def _prepared(shipment_id: str, shipment: Shipment) -> None:
    if shipment.phase != "prepared":
        raise NOT_PREPARED(shipment_id=shipment_id, phase=PHASES[shipment.phase])


SHIPMENT: Final = Decider(
    category="shipment",
    initial=Shipment(),
    key="shipment_id",
    begins=(PrepareShipment,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
