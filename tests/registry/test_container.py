"""Boxes and pallets."""

import msgspec
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.registry.container import (
    ALREADY_PACKED,
    ALREADY_REGISTERED,
    CONTAINER,
    CONTENTS_MAX,
    FULL,
    LISTED_TWICE,
    NOT_PACKED,
    NOT_SEALED,
    SEALED,
    UNKNOWN,
    BreakContainerSeal,
    ContainerMoved,
    ContainerRegistered,
    ContainerSealBroken,
    ContainerSealed,
    MoveContainer,
    Pack,
    Packed,
    RegisterContainer,
    SealContainer,
    Unpack,
    Unpacked,
)
from tests.given import given
from tests.registry.stories import CENTRE, NUMBER, OTHER, STORE, UNIT, on, told

BOX = {"container_id": "BOX-1"}
REGISTER = on(RegisterContainer, **BOX, device_class="23", site=STORE)
PACK = on(Pack, **BOX, asset_numbers=(NUMBER, OTHER))
SEAL = on(SealContainer, **BOX, seal_no="S-1")
BREAK = on(BreakContainerSeal, **BOX, seal_no="S-1")
MOVE = on(MoveContainer, **BOX, site=CENTRE, shipment="SH-1")
NUMBERS = [f"T{UNIT}{n:04}" for n in range(CONTENTS_MAX + 1)]


def box(*commands):
    return told(CONTAINER, *commands)


def test_a_container_is_registered_packed_sealed_moved_and_opened():
    story = given(CONTAINER).when(REGISTER).then([on(ContainerRegistered, **BOX, device_class="23", site=STORE)])
    story.when(PACK).then([on(Packed, **BOX, asset_numbers=(NUMBER, OTHER))])
    story.when(SEAL).then([on(ContainerSealed, **BOX, seal_no="S-1")])
    story.when(MOVE).then([on(ContainerMoved, **BOX, site=CENTRE, shipment="SH-1")])
    story.when(BREAK).then([on(ContainerSealBroken, **BOX, seal_no="S-1")])
    story.when(on(Unpack, **BOX, asset_numbers=(NUMBER,))).then([on(Unpacked, **BOX, asset_numbers=(NUMBER,))])
    assert story.state.contents == {OTHER}


def test_it_is_registered_once_and_before_anything_is_done_to_it():
    box(REGISTER).when(REGISTER).refused(ALREADY_REGISTERED, container_id="BOX-1")
    for command in (PACK, SEAL, BREAK, on(Unpack, **BOX, asset_numbers=(NUMBER,))):
        given(CONTAINER).when(command).refused(UNKNOWN)


def test_one_that_nobody_registered_is_on_record_when_it_arrives():
    given(CONTAINER).when(MOVE).then([on(ContainerRegistered, **BOX, device_class="23", site=CENTRE)])


def test_it_may_be_seen_again_where_it_is():
    box(REGISTER, MOVE).when(MOVE).then([on(ContainerMoved, **BOX, site=CENTRE, shipment="SH-1")])


def test_a_sealed_container_stays_as_it_is():
    story = box(REGISTER, PACK, SEAL)
    for command in (PACK, SEAL, on(Unpack, **BOX, asset_numbers=(NUMBER,))):
        story.when(command).refused(SEALED, seal_no="S-1")
    story.when(msgspec.structs.replace(BREAK, seal_no="S-2")).refused(NOT_SEALED, seal_no="S-2")
    box(REGISTER).when(BREAK).refused(NOT_SEALED)


def test_a_device_goes_in_once_and_comes_out_once():
    box(REGISTER, PACK).when(on(Pack, **BOX, asset_numbers=(OTHER,))).refused(ALREADY_PACKED, asset_no=OTHER)
    box(REGISTER).when(on(Unpack, **BOX, asset_numbers=(NUMBER,))).refused(NOT_PACKED, asset_no=NUMBER)
    for kind in (Pack, Unpack):
        twice = on(kind, **BOX, asset_numbers=(NUMBER, OTHER, OTHER))
        box(REGISTER).when(twice).refused(LISTED_TWICE, asset_no=OTHER)


@for_all(st.integers(1, CONTENTS_MAX), st.integers(1, CONTENTS_MAX))
def test_it_holds_so_many_and_no_more(first, more):
    more = min(more, len(NUMBERS) - first)
    story = box(REGISTER, on(Pack, **BOX, asset_numbers=tuple(NUMBERS[:first])))
    story.when(on(Pack, **BOX, asset_numbers=tuple(NUMBERS[first : first + more])))
    if first + more > CONTENTS_MAX:
        story.refused(FULL, most=CONTENTS_MAX)
    else:
        assert len(story.outcome) == 1
