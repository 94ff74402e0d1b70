"""周转箱, 栈板: what holds devices on the move: sealed or open, at a site or on its way with a shipment.

    ContainerRegistered -> Packed, Unpacked -> ContainerSealed -> ContainerSealBroken ...
                        -> ContainerDispatched -> ContainerMoved ...

A container says what is to go in and what is to come out; the devices follow by policy. Which container a device is in,
the device alone decides, so that it is in one at most. One that cannot follow, for it is unknown, elsewhere or in a box
already, is an exception on the container.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.device import AssetNo, ContainerId, SiteId
from kernel.quantity import Code, Happened
from kernel.refusal import against_rules, not_found, unreadable
from services.registry.vocabulary import ShipmentId

DEVICES_MAX: Final = 1_000
"""Devices put in or taken out in one go; a pallet of boxes holds fewer."""

UNKNOWN = not_found("container.unknown", "没有周转箱 {container_id}。", "there is no container {container_id}")
ALREADY_REGISTERED = against_rules(
    "container.already_registered", "周转箱 {container_id} 已登记。", "container {container_id} is on record already"
)
SEALED = against_rules(
    "container.sealed",
    "周转箱 {container_id} 已加封（{seal_no}），须先拆封。",
    "container {container_id} is sealed ({seal_no}); break the seal first",
)
NOT_SEALED = against_rules(
    "container.not_sealed",
    "周转箱 {container_id} 没有封印 {seal_no}。",
    "container {container_id} bears no seal {seal_no}",
)
ON_THE_WAY = against_rules(
    "container.on_the_way",
    "周转箱 {container_id} 随移交单 {shipment} 在途，不能装入或取出。",
    "container {container_id} is on the way with shipment {shipment}; nothing goes in or comes out",
)
LISTED_TWICE = unreadable("container.listed_twice", "{asset_no} 重复列出。", "{asset_no} is listed twice")

AssetNumbers: TypeAlias = Annotated[tuple[AssetNo, ...], msgspec.Meta(min_length=1, max_length=DEVICES_MAX)]


class RegisterContainer(Happened, frozen=True, kw_only=True):
    """登记周转箱 Put a container or pallet on record."""

    container_id: ContainerId
    device_class: Literal["23", "24"]
    site: SiteId


class Pack(Happened, frozen=True, kw_only=True):
    """装箱 Put devices in, which are at the site of the container. One that is not is an exception on the container."""

    container_id: ContainerId
    asset_numbers: AssetNumbers


class Unpack(Happened, frozen=True, kw_only=True):
    """出箱 Take devices out. One that is not in is an exception on the container."""

    container_id: ContainerId
    asset_numbers: AssetNumbers


class SealContainer(Happened, frozen=True, kw_only=True):
    """箱体加封 Close it with a seal."""

    container_id: ContainerId
    seal_no: Code


class BreakContainerSeal(Happened, frozen=True, kw_only=True):
    """箱体拆封 Open it."""

    container_id: ContainerId
    seal_no: Code


class MoveContainer(Happened, frozen=True, kw_only=True):
    """周转箱移动 It is at a site, newly or still. One that nobody registered is on record from now on."""

    container_id: ContainerId
    site: SiteId
    shipment: ShipmentId | None = None


class DispatchContainer(Happened, frozen=True, kw_only=True):
    """周转箱发出 It leaves with a shipment. One that nobody registered is on record from now on."""

    container_id: ContainerId
    shipment: ShipmentId
    from_site: SiteId
    to_site: SiteId


class RecordContainerException(Happened, frozen=True, kw_only=True):
    """登记装箱异常 A device did not follow its container; the refusal's code says why."""

    container_id: ContainerId
    asset_no: AssetNo
    code: Code


class ContainerRegistered(Happened, frozen=True, kw_only=True):
    """On record, empty."""

    container_id: ContainerId
    device_class: Literal["23", "24"]
    site: SiteId


class Packed(Happened, frozen=True, kw_only=True):
    """Devices are put in, at a site."""

    container_id: ContainerId
    asset_numbers: tuple[AssetNo, ...]
    site: SiteId


class Unpacked(Happened, frozen=True, kw_only=True):
    """Devices are taken out."""

    container_id: ContainerId
    asset_numbers: tuple[AssetNo, ...]


class ContainerSealed(Happened, frozen=True, kw_only=True):
    """Closed under a seal."""

    container_id: ContainerId
    seal_no: Code


class ContainerSealBroken(Happened, frozen=True, kw_only=True):
    """Open again."""

    container_id: ContainerId
    seal_no: Code


class ContainerMoved(Happened, frozen=True, kw_only=True):
    """At a site."""

    container_id: ContainerId
    site: SiteId
    shipment: ShipmentId | None = None


class ContainerDispatched(Happened, frozen=True, kw_only=True):
    """On its way with a shipment, and the business of the site it left until it is somewhere."""

    container_id: ContainerId
    shipment: ShipmentId
    from_site: SiteId
    to_site: SiteId


class ContainerExceptionRecorded(Happened, frozen=True, kw_only=True):
    """A device did not follow."""

    container_id: ContainerId
    asset_no: AssetNo
    code: Code


Command: TypeAlias = (
    RegisterContainer
    | Pack
    | Unpack
    | SealContainer
    | BreakContainerSeal
    | MoveContainer
    | DispatchContainer
    | RecordContainerException
)
Event: TypeAlias = (
    ContainerRegistered
    | Packed
    | Unpacked
    | ContainerSealed
    | ContainerSealBroken
    | ContainerMoved
    | ContainerDispatched
    | ContainerExceptionRecorded
)


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """Its seal, the site that has it or had it last, None before the first event, and the shipment it is on its way
    with.
    """

    site: str | None = None
    shipment: str | None = None
    seal_no: str | None = None


def decide(command: Command, container: Container) -> Sequence[Event]:
    container_id = command.container_id
    if isinstance(command, RegisterContainer):
        if container.site is not None:
            raise ALREADY_REGISTERED(container_id=container_id)
        return [becomes(command, ContainerRegistered)]
    if container.site is None:
        return _first_seen(command)
    match command:
        case Pack():
            _open_here(command, container)
            return [becomes(command, Packed, site=container.site)]
        case Unpack():
            _open_here(command, container)
            return [becomes(command, Unpacked)]
        case SealContainer():
            _open(container_id, container)
            return [becomes(command, ContainerSealed)]
        case BreakContainerSeal(seal_no=seal_no):
            if container.seal_no != seal_no:
                raise NOT_SEALED(container_id=container_id, seal_no=seal_no)
            return [becomes(command, ContainerSealBroken)]
        case MoveContainer():
            return [becomes(command, ContainerMoved)]
        case DispatchContainer():
            return [becomes(command, ContainerDispatched)]
        case RecordContainerException():
            return [becomes(command, ContainerExceptionRecorded)]


def evolve(container: Container, event: Event) -> Container:
    match event:
        case ContainerRegistered(site=site):
            return Container(site=site)
        case ContainerSealed(seal_no=seal_no):
            return msgspec.structs.replace(container, seal_no=seal_no)
        case ContainerSealBroken():
            return msgspec.structs.replace(container, seal_no=None)
        case ContainerMoved(site=site):
            return msgspec.structs.replace(container, site=site, shipment=None)
        case ContainerDispatched(from_site=site, shipment=shipment):
            return msgspec.structs.replace(container, site=site, shipment=shipment)
        case Packed() | Unpacked() | ContainerExceptionRecorded():
            return container


def _first_seen(command: Command) -> Sequence[Event]:
    """What follows where nobody registered it."""
    match command:
        case MoveContainer():
            return [becomes(command, ContainerRegistered, device_class="23")]
        case DispatchContainer(from_site=site):
            registered = becomes(command, ContainerRegistered, device_class="23", site=site)
            return [registered, becomes(command, ContainerDispatched)]
        case _:
            raise UNKNOWN(container_id=command.container_id)


def _open_here(command: Pack | Unpack, container: Container) -> None:
    if container.shipment is not None:
        raise ON_THE_WAY(container_id=command.container_id, shipment=container.shipment)
    _open(command.container_id, container)
    seen: set[str] = set()
    for number in command.asset_numbers:
        if number in seen:
            raise LISTED_TWICE(asset_no=number)
        seen.add(number)


def _open(container_id: str, container: Container) -> None:
    if container.seal_no is not None:
        raise SEALED(container_id=container_id, seal_no=container.seal_no)


CONTAINER: Final = Decider(
    category="container",
    initial=Container(),
    key="container_id",
    begins=(RegisterContainer,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
