"""周转箱, 栈板: what holds devices on the move. What is in it, sealed or open, and where it is.

ContainerRegistered -> Packed, Unpacked -> ContainerSealed -> ContainerSealBroken -> ContainerMoved ...
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.quantity import Code, Happened
from kernel.refusal import against_rules, not_found, unreadable
from services.registry.vocabulary import AssetNo, ContainerId, ShipmentId, SiteId

CONTENTS_MAX: Final = 1_000
"""Devices in one container; a pallet of boxes holds fewer."""

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
ALREADY_PACKED = against_rules(
    "container.already_packed", "{asset_no} 已在周转箱 {container_id} 中。", "{asset_no} is in {container_id} already"
)
LISTED_TWICE = unreadable("container.listed_twice", "{asset_no} 重复列出。", "{asset_no} is listed twice")
NOT_PACKED = against_rules(
    "container.not_packed", "{asset_no} 不在周转箱 {container_id} 中。", "{asset_no} is not in {container_id}"
)
FULL = against_rules(
    "container.full", "周转箱 {container_id} 最多装 {most} 只。", "container {container_id} holds at most {most}"
)

AssetNumbers: TypeAlias = Annotated[tuple[AssetNo, ...], msgspec.Meta(min_length=1, max_length=CONTENTS_MAX)]


class RegisterContainer(Happened, frozen=True, kw_only=True):
    """登记周转箱 Put a container or pallet on record."""

    container_id: ContainerId
    device_class: Literal["23", "24"]
    site: SiteId


class Pack(Happened, frozen=True, kw_only=True):
    """装箱 Put devices in."""

    container_id: ContainerId
    asset_numbers: AssetNumbers


class Unpack(Happened, frozen=True, kw_only=True):
    """出箱 Take devices out."""

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


class ContainerRegistered(Happened, frozen=True, kw_only=True):
    """On record, empty."""

    container_id: ContainerId
    device_class: Literal["23", "24"]
    site: SiteId


class Packed(Happened, frozen=True, kw_only=True):
    """Devices went in."""

    container_id: ContainerId
    asset_numbers: tuple[AssetNo, ...]


class Unpacked(Happened, frozen=True, kw_only=True):
    """Devices came out."""

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


Command: TypeAlias = RegisterContainer | Pack | Unpack | SealContainer | BreakContainerSeal | MoveContainer
Event: TypeAlias = ContainerRegistered | Packed | Unpacked | ContainerSealed | ContainerSealBroken | ContainerMoved


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """What is in it, its seal, its site. `site` is None before the first event."""

    site: str | None = None
    seal_no: str | None = None
    contents: frozenset[str] = frozenset()


def decide(command: Command, container: Container) -> Sequence[Event]:
    container_id = command.container_id
    if isinstance(command, RegisterContainer):
        if container.site is not None:
            raise ALREADY_REGISTERED(container_id=container_id)
        return [becomes(command, ContainerRegistered)]
    if container.site is None:
        if isinstance(command, MoveContainer):
            return [becomes(command, ContainerRegistered, device_class="23")]
        raise UNKNOWN(container_id=container_id)
    match command:
        case Pack(asset_numbers=numbers):
            _open(container_id, container)
            _listed_once(numbers)
            if inside := [number for number in numbers if number in container.contents]:
                raise ALREADY_PACKED(asset_no=inside[0], container_id=container_id)
            if len(container.contents | set(numbers)) > CONTENTS_MAX:
                raise FULL(container_id=container_id, most=CONTENTS_MAX)
            return [becomes(command, Packed)]
        case Unpack(asset_numbers=numbers):
            _open(container_id, container)
            _listed_once(numbers)
            if outside := [number for number in numbers if number not in container.contents]:
                raise NOT_PACKED(asset_no=outside[0], container_id=container_id)
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


def evolve(container: Container, event: Event) -> Container:
    match event:
        case ContainerRegistered(site=site):
            return Container(site=site)
        case Packed(asset_numbers=numbers):
            return msgspec.structs.replace(container, contents=container.contents | set(numbers))
        case Unpacked(asset_numbers=numbers):
            return msgspec.structs.replace(container, contents=container.contents - set(numbers))
        case ContainerSealed(seal_no=seal_no):
            return msgspec.structs.replace(container, seal_no=seal_no)
        case ContainerSealBroken():
            return msgspec.structs.replace(container, seal_no=None)
        case ContainerMoved(site=site):
            return msgspec.structs.replace(container, site=site)


def _listed_once(numbers: Sequence[str]) -> None:
    if len(set(numbers)) < len(numbers):
        twice = next(number for place, number in enumerate(numbers) if number in numbers[:place])
        raise LISTED_TWICE(asset_no=twice)


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
