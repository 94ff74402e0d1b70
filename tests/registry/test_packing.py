"""In a box and out of it: a device says which box it is in, and what it refuses is an exception on the box."""

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from services.registry.container import ContainerExceptionRecorded, Pack, RegisterContainer, Unpack
from services.registry.meter import METER
from services.registry.meter.binding import BindIdentity
from services.registry.meter.custody import NOT_AT_SITE, STORED_IN_ANOTHER, Store, Stored
from services.registry.meter.missing import MarkMissing
from services.registry.meter.packing import (
    NOT_IN_CONTAINER,
    PlacedInContainer,
    PlaceInContainer,
    TakenOutOfContainer,
    TakeOutOfContainer,
)
from services.registry.meter.state import IN_CONTAINER, KEPT_APART, UNKNOWN
from services.registry.views.card import CARD
from services.registry.views.places import CONTAINERS
from tests.given import given
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    DISPATCH,
    IN_STORE,
    NUMBER,
    OTHER,
    STORE,
    TEMPORARY,
    TURN_UP,
    YARD,
    about,
    device,
    ground,
    on,
    release,
)
from tests.registry.views.telling import Told, arrived, day, shipped

IN = on(PlaceInContainer, container="BOX-1", site=STORE)
OUT = on(TakeOutOfContainer, container="BOX-1")
IN_BOX = (*IN_STORE, IN)
BOXES = ("BOX-1", "BOX-2")
REGISTERED = tuple(on(RegisterContainer, container_id=box, device_class="23", site=STORE) for box in BOXES)


def pack(*numbers, box="BOX-1", kind=Pack):
    return on(kind, container_id=box, asset_numbers=numbers)


def test_a_device_goes_in_once_and_comes_out_once():
    story = device(*IN_STORE).when(IN).then([on(PlacedInContainer, container="BOX-1", site=STORE)])
    assert story.state.container == "BOX-1"
    for box in BOXES:
        story.when(msgspec.structs.replace(IN, container=box)).refused(IN_CONTAINER, container="BOX-1")
    story.when(msgspec.structs.replace(OUT, container="BOX-2")).refused(NOT_IN_CONTAINER, container="BOX-2")
    story.when(OUT).then([on(TakenOutOfContainer, container="BOX-1", site=STORE)])
    story.when(OUT).refused(NOT_IN_CONTAINER)


def test_only_what_is_in_ordinary_stock_at_the_site_goes_in():
    given(METER).when(IN).refused(UNKNOWN)
    device(*IN_STORE).when(msgspec.structs.replace(IN, site=CENTRE)).refused(NOT_AT_SITE, site=CENTRE)
    device(TURN_UP).when(msgspec.structs.replace(IN, site=CENTRE)).refused(KEPT_APART)


@pytest.mark.parametrize(
    "leaves",
    [
        (DISPATCH,),
        (msgspec.structs.replace(DISPATCH, container="BOX-2"),),
        (on(MarkMissing, site=STORE),),
        (ground("review_sample"), release("review", site=STORE)),
    ],
    ids=["loose", "in-another", "missing", "released"],
)
def test_whatever_moves_it_takes_it_out(leaves):
    story = device(*IN_BOX, *leaves)
    assert story.state.container is None
    story.when(OUT).refused(NOT_IN_CONTAINER)


def test_its_shelf_is_that_of_its_box():
    stored = {"site": STORE, "location": "A-1"}
    device(*IN_BOX).when(on(Store, **stored)).then([on(Stored, **stored, container="BOX-1")])
    story = device(*IN_BOX).when(on(Store, **stored, container="BOX-1"))
    story.then([on(Stored, **stored, container="BOX-1")])
    story.when(on(Store, **stored, container="BOX-2")).refused(STORED_IN_ANOTHER, container="BOX-2")
    device(*IN_STORE).when(on(Store, **stored, container="BOX-1")).refused(STORED_IN_ANOTHER)


def test_it_is_named_outside_of_its_box():
    into = on(PlaceInContainer, asset_no=TEMPORARY, container="BOX-1", site=CENTRE)
    bind = on(BindIdentity, asset_no=TEMPORARY, bound_to=NUMBER, evidence="plate")
    device(ASSIGN, into).when(bind).refused(IN_CONTAINER, container="BOX-1")


def exceptions(told, box="BOX-1"):
    return [
        (event.asset_no, event.code)
        for event, _ in told.events
        if isinstance(event, ContainerExceptionRecorded) and event.container_id == box
    ]


def test_what_is_unknown_elsewhere_or_in_a_box_already_is_an_exception_on_the_box():
    stranger, elsewhere = NUMBER.replace("0001", "0004"), about(TURN_UP, OTHER)
    told = Told(*IN_STORE, elsewhere, *REGISTERED, pack(NUMBER), pack(NUMBER, OTHER, stranger, box="BOX-2"))
    assert exceptions(told) == []
    assert exceptions(told, "BOX-2") == [
        (NUMBER, "meter.in_container"),
        (OTHER, "meter.not_at_site"),
        (stranger, "meter.unknown"),
    ]
    assert told.rows(CARD)[NUMBER,].container == "BOX-1"
    told.tell(pack(NUMBER, box="BOX-2", kind=Unpack), pack(NUMBER, kind=Unpack), pack(NUMBER, box="BOX-2"))
    assert exceptions(told, "BOX-2")[3:] == [(NUMBER, "meter.not_in_container")]
    assert told.rows(CARD)[NUMBER,].container == "BOX-2"


STEPS = st.tuples(st.sampled_from([Pack, Unpack]), st.sampled_from(BOXES), st.sampled_from([NUMBER, OTHER]))


@settings(deadline=None, max_examples=50)
@for_all(st.lists(STEPS, max_size=12))
def test_packing_in_any_order_moves_a_device_or_is_an_exception(steps):
    told = Told(*IN_STORE, *(about(command, OTHER) for command in IN_STORE), *REGISTERED)
    inside, refused = {NUMBER: None, OTHER: None}, 0
    for kind, box, number in steps:
        told.tell(pack(number, box=box, kind=kind))
        if inside[number] == (None if kind is Pack else box):
            inside[number] = box if kind is Pack else None
        else:
            refused += 1
    assert {number: told.rows(CARD)[number,].container for number in inside} == inside
    assert sum(row.exceptions for row in told.rows(CONTAINERS).values()) == refused


def test_boxes_go_with_their_shipment_and_are_empty_when_what_was_in_them_is_received():
    told = Told(*IN_STORE, *REGISTERED[:1], pack(NUMBER))
    told.tell(*shipped([NUMBER], day(6), container="BOX-1"))
    box = told.rows(CONTAINERS)["BOX-1",]
    assert (box.site, box.shipment) == (STORE, "SH-1")
    assert told.rows(CARD)[NUMBER,].container == "BOX-1"
    assert told.refused(pack(NUMBER, kind=Unpack)).code == "container.on_the_way"
    told.tell(arrived([NUMBER], day(7)))
    box = told.rows(CONTAINERS)["BOX-1",]
    assert (box.site, box.shipment) == (CENTRE, None)
    assert told.rows(CARD)[NUMBER,].container is None
    told.tell(pack(NUMBER))
    assert told.rows(CARD)[NUMBER,].container == "BOX-1"
    told.tell(*shipped([NUMBER], day(8), shipment="SH-2", container="BOX-9", from_site=CENTRE, to_site=YARD))
    assert told.rows(CONTAINERS)["BOX-9",].shipment == "SH-2"
    assert exceptions(told) == []
