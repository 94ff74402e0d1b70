"""Boxes and pallets."""

import msgspec
import pytest

from services.registry.container import (
    ALREADY_REGISTERED,
    CONTAINER,
    LISTED_TWICE,
    NOT_SEALED,
    ON_THE_WAY,
    SEALED,
    UNKNOWN,
    BreakContainerSeal,
    ContainerDispatched,
    ContainerExceptionRecorded,
    ContainerMoved,
    ContainerRegistered,
    ContainerSealBroken,
    ContainerSealed,
    DispatchContainer,
    MoveContainer,
    Pack,
    Packed,
    RecordContainerException,
    RegisterContainer,
    SealContainer,
    Unpack,
    Unpacked,
)
from tests.given import given
from tests.registry.stories import CENTRE, NUMBER, OTHER, STORE, on, told

BOX = {"container_id": "BOX-1"}
LEAVES = {"shipment": "SH-1", "from_site": STORE, "to_site": CENTRE}
REGISTER = on(RegisterContainer, **BOX, device_class="23", site=STORE)
PACK = on(Pack, **BOX, asset_numbers=(NUMBER, OTHER))
UNPACK = on(Unpack, **BOX, asset_numbers=(NUMBER,))
SEAL = on(SealContainer, **BOX, seal_no="S-1")
BREAK = on(BreakContainerSeal, **BOX, seal_no="S-1")
LEAVE = on(DispatchContainer, **BOX, **LEAVES)
MOVE = on(MoveContainer, **BOX, site=CENTRE, shipment="SH-1")
EXCEPTION = on(RecordContainerException, **BOX, asset_no=NUMBER, code="meter.not_at_site")


def box(*commands):
    return told(CONTAINER, *commands)


def test_a_container_is_registered_packed_sealed_sent_and_opened():
    story = box().when(REGISTER).then([on(ContainerRegistered, **BOX, device_class="23", site=STORE)])
    story.when(PACK).then([on(Packed, **BOX, asset_numbers=(NUMBER, OTHER), site=STORE)])
    story.when(SEAL).then([on(ContainerSealed, **BOX, seal_no="S-1")])
    story.when(LEAVE).then([on(ContainerDispatched, **BOX, **LEAVES)])
    assert (story.state.site, story.state.shipment) == (STORE, "SH-1")
    story.when(MOVE).then([on(ContainerMoved, **BOX, site=CENTRE, shipment="SH-1")])
    story.when(BREAK).then([on(ContainerSealBroken, **BOX, seal_no="S-1")])
    story.when(UNPACK).then([on(Unpacked, **BOX, asset_numbers=(NUMBER,))])
    story.when(PACK).then([on(Packed, **BOX, asset_numbers=(NUMBER, OTHER), site=CENTRE)])


def test_it_is_registered_once_and_before_anything_is_done_to_it():
    box(REGISTER).when(REGISTER).refused(ALREADY_REGISTERED, container_id="BOX-1")
    for command in (PACK, SEAL, BREAK, UNPACK, EXCEPTION):
        given(CONTAINER).when(command).refused(UNKNOWN)


def test_one_that_nobody_registered_is_on_record_when_it_leaves_or_arrives():
    given(CONTAINER).when(MOVE).then([on(ContainerRegistered, **BOX, device_class="23", site=CENTRE)])
    registered = on(ContainerRegistered, **BOX, device_class="23", site=STORE)
    given(CONTAINER).when(LEAVE).then([registered, on(ContainerDispatched, **BOX, **LEAVES)])


def test_it_may_be_seen_again_where_it_is():
    box(REGISTER, MOVE).when(MOVE).then([on(ContainerMoved, **BOX, site=CENTRE, shipment="SH-1")])


def test_the_record_follows_a_container_that_leaves_from_elsewhere():
    story = box(REGISTER, LEAVE, MOVE).when(msgspec.structs.replace(LEAVE, shipment="SH-2"))
    story.then([on(ContainerDispatched, **BOX, **LEAVES | {"shipment": "SH-2"})])
    assert (story.state.site, story.state.shipment) == (STORE, "SH-2")


def test_a_sealed_container_stays_as_it_is():
    story = box(REGISTER, PACK, SEAL)
    for command in (PACK, SEAL, UNPACK):
        story.when(command).refused(SEALED, seal_no="S-1")
    story.when(msgspec.structs.replace(BREAK, seal_no="S-2")).refused(NOT_SEALED, seal_no="S-2")
    box(REGISTER).when(BREAK).refused(NOT_SEALED)


def test_nothing_goes_in_or_comes_out_on_the_way():
    for command in (PACK, UNPACK):
        box(REGISTER, LEAVE).when(command).refused(ON_THE_WAY, container_id="BOX-1", shipment="SH-1")


@pytest.mark.parametrize("kind", [Pack, Unpack])
def test_a_device_is_listed_once(kind):
    twice = on(kind, **BOX, asset_numbers=(NUMBER, OTHER, OTHER))
    box(REGISTER).when(twice).refused(LISTED_TWICE, asset_no=OTHER)


def test_a_device_that_does_not_follow_is_an_exception_each_time():
    story = box(REGISTER, PACK, SEAL, EXCEPTION)
    story.when(EXCEPTION).then([on(ContainerExceptionRecorded, **BOX, asset_no=NUMBER, code="meter.not_at_site")])
