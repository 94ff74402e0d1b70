"""A shipment takes containers with all that is in them, and leaves with none that holds more than it lists."""

import asyncio

import pytest

from kernel.handling import Ask, Context, Outcome
from services.registry.container import MoveContainer, Pack, RegisterContainer, Unpack
from services.registry.loading import BEING_PACKED, HOLDS_DEVICES, NOT_ON_THE_LIST, NOTHING_TO_SEND, TOO_LONG
from services.registry.meter.missing import MarkMissing
from services.registry.shipment import (
    MANIFEST_LINES_MAX,
    CancelShipment,
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
)
from services.registry.views.card import CARD
from services.registry.views.places import CONTAINERS
from tests.given import fresh_id
from tests.registry.stories import CENTRE, DISMANTLE, REGISTER, STORE, UNIT, about, on
from tests.registry.test_followers import NUMBERS, done, rows, running, until
from tests.registry.test_whose import SITES

FIRST, SECOND, THIRD, LOOSE = NUMBERS[:4]
ENDS = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT}


def box(kind, *numbers, container="BOX-1"):
    return on(kind, container_id=container, asset_numbers=numbers)


def prepare(*containers, shipment="SH-1", loose=()):
    manifest = tuple(Line(asset_no=number, device_class="01") for number in loose)
    return on(PrepareShipment, shipment_id=shipment, **ENDS, manifest=manifest, containers=containers)


def leave(shipment="SH-1"):
    return on(DispatchShipment, shipment_id=shipment)


@pytest.fixture
async def registry(tmp_path):
    """Four devices in a store, and two boxes, of which one holds two of them."""
    async with running(tmp_path, followed=True) as opened:
        devices = [about(command, number) for number in NUMBERS[:4] for command in (REGISTER, DISMANTLE)]
        boxes = [on(RegisterContainer, container_id=f"BOX-{one}", device_class="23", site=STORE) for one in (1, 2)]
        await done(opened, *SITES, *devices, *boxes, box(Pack, FIRST, SECOND))
        yield opened


async def answered(registry, command, context=None):
    """What comes of it, once the devices have followed what was packed before."""
    ask = Ask(command, context or Context(command_id=fresh_id(), actor="u-1"))
    async with asyncio.timeout(30):
        while True:
            (answer,) = await registry.do_many([ask])
            if isinstance(answer, Outcome) or answer.code != BEING_PACKED.code:
                return answer
            await asyncio.sleep(0.02)


async def listed(registry, command):
    """The devices on the shipment that it prepares, each with its container."""
    (event,) = (await answered(registry, command)).events
    return {line.asset_no: line.container for line in event.manifest}


async def test_a_shipment_lists_what_is_in_its_containers_and_takes_them_along(registry):
    found = await listed(registry, prepare("BOX-1", loose=[LOOSE]))
    assert found == {FIRST: "BOX-1", SECOND: "BOX-1", LOOSE: None}
    assert isinstance(await answered(registry, leave()), Outcome)

    async def gone():
        phases = {card.asset_no: (card.phase, card.container) for card in await rows(registry, CARD)}
        boxes = {one.container: one.shipment for one in await rows(registry, CONTAINERS)}
        there = {number: ("in_transit", container) for number, container in found.items()}
        return phases == {**there, THIRD: ("at_site", None)} and boxes == {"BOX-1": "SH-1", "BOX-2": None}

    await until(gone)
    lines = tuple(FoundLine(asset_no=number) for number in found)
    await done(registry, on(ReceiveShipment, shipment_id="SH-1", found=lines))

    async def come():
        places = {(card.site, card.container) for card in await rows(registry, CARD) if card.asset_no in found}
        boxes = {one.container: (one.site, one.shipment) for one in await rows(registry, CONTAINERS)}
        return places == {(CENTRE, None)} and boxes["BOX-1"] == (CENTRE, None)

    await until(come)


async def test_it_is_the_same_command_whatever_is_packed_later(registry):
    command, context = prepare("BOX-1"), Context(command_id=fresh_id(), actor="u-1")
    first = await answered(registry, command, context)
    await done(registry, box(Pack, THIRD), box(Unpack, FIRST))
    again = await answered(registry, command, context)
    assert (again.repeated, again.position, again.events) == (True, first.position, first.events)


async def test_it_does_not_leave_with_a_container_that_holds_more_than_it_lists(registry):
    await listed(registry, prepare("BOX-1"))
    await done(registry, box(Pack, THIRD))
    refusal = await answered(registry, leave())
    assert (refusal.code, refusal.details["asset_no"]) == (NOT_ON_THE_LIST.code, THIRD)
    await done(registry, box(Unpack, THIRD))
    assert isinstance(await answered(registry, leave()), Outcome)


async def test_what_is_not_in_a_container_any_more_is_not_sent_with_it(registry):
    await done(registry, on(MarkMissing, asset_no=FIRST, site=STORE))
    assert await listed(registry, prepare("BOX-1")) == {SECOND: "BOX-1"}
    await done(registry, on(CancelShipment, shipment_id="SH-1", why="no lorry"), box(Unpack, SECOND))
    refusal = await answered(registry, prepare("BOX-1", shipment="SH-2"))
    assert (refusal.code, refusal.details["container_id"]) == (NOTHING_TO_SEND.code, "BOX-1")
    assert (await answered(registry, prepare("BOX-2", shipment="SH-2"))).code == NOTHING_TO_SEND.code


async def test_a_list_of_paper_may_name_containers_that_nobody_packed(registry):
    line = Line(asset_no=THIRD, device_class="01", container="BOX-9")
    await done(registry, on(PrepareShipment, shipment_id="SH-1", **ENDS, manifest=(line,)), leave())


async def test_no_more_is_listed_than_a_shipment_holds(registry):
    many = [f"T{UNIT}{n:020}" for n in range(MANIFEST_LINES_MAX - 1)]
    assert (await answered(registry, prepare("BOX-1", loose=many))).code == TOO_LONG.code


async def test_a_container_moves_alone_only_if_it_is_empty(registry):
    move = on(MoveContainer, container_id="BOX-1", site=CENTRE)
    assert (await answered(registry, move)).code == HOLDS_DEVICES.code
    assert isinstance(await answered(registry, on(MoveContainer, container_id="BOX-1", site=STORE)), Outcome)
    await done(registry, box(Unpack, FIRST, SECOND))
    assert isinstance(await answered(registry, move), Outcome)
