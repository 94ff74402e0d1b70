"""What follows by policy, as the service runs it: with many at once, and told again."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from uuid import UUID

from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import Ask, Context, Outcome, event_id
from kernel.policy_runner import Policies
from kernel.projection import Projector
from ledger.memory import MemoryLedger
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.asset_number import CHECK_DIGIT, compose
from services.registry.container import Pack, RegisterContainer
from services.registry.foreign import FOLLOWED, READERS
from services.registry.meter.custody import Dispatch
from services.registry.meter.missing import MarkMissing
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.policies import (
    DEVICES_FOLLOW_CONTAINER,
    DEVICES_FOLLOW_SHIPMENT,
    DEVICES_FOLLOW_STOCKTAKE,
    POLICIES,
    exception_of,
)
from services.registry.shipment import DispatchShipment, Line, PrepareShipment, RecordShipmentException
from services.registry.site import CloseSite, CountLine, Difference, RecordStocktake, RecordStocktakeException
from services.registry.views import VIEWS
from services.registry.views.card import CARD
from services.registry.views.places import CONTAINERS, SHIPMENTS
from services.registry.views.places import SITES as PLACES
from tests.given import fresh_id
from tests.registry.stories import CENTRE, DISMANTLE, REGISTER, STORE, UNIT, about, on
from tests.registry.test_whose import SITES

NUMBERS = [compose(UNIT, "01", f"{serial:014d}") for serial in range(1, 41)]
BOXES = [f"BOX-{box}" for box in range(4)]


@asynccontextmanager
async def running(folder, *, followed, check_digit=CHECK_DIGIT):
    """A registry with its views and, if it is `followed`, with its policies."""
    ledger, database = MemoryLedger(), Database(f"sqlite:///{folder / 'registry.sqlite'}")
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    registry = Registry(ledger, projector, check_digit=check_digit)
    refused = {"on_refused": registry.refused, "streams": (*STREAMS, *FOLLOWED)}
    policies = Policies(database, ledger, Reader(CODEC, READERS), registry.follow, policies=POLICIES, **refused)
    await policies.open()
    tasks = [asyncio.create_task(run()) for run in ([projector.run, policies.run] if followed else [projector.run])]

    async def ready():
        return (await projector.progress()).ready

    try:
        await until(ready)
        yield registry
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()
        await ledger.close()


async def done(registry, *commands):
    answers = await registry.do_many([Ask(one, Context(command_id=fresh_id(), actor="u-1")) for one in commands])
    assert all(isinstance(answer, Outcome) for answer in answers), answers


async def until(true, seconds=30):
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  a policy tells nobody when it has followed
            await asyncio.sleep(0.02)


CAUSE = UUID(int=7)


def exception(policy, command):
    """What follows where a command of this policy was refused."""
    said = exception_of(policy.name, Ask(command, Context(command_id=fresh_id(), actor="p")), "meter.unknown")
    return said.command if said else None


def test_what_a_stocktake_asked_and_was_refused_is_an_exception_on_the_site():
    left = on(RecordStocktakeException, site_id=STORE, stocktake=CAUSE.hex, asset_no=NUMBERS[0], code="meter.unknown")
    short = on(MarkMissing, asset_no=NUMBERS[0], site=STORE, stocktake=CAUSE.hex)
    over = on(ReceiveUnexpected, asset_no=NUMBERS[0], site=STORE, device_class="01", stocktake=CAUSE.hex)
    assert [exception(DEVICES_FOLLOW_STOCKTAKE, one) for one in (short, over)] == [left, left]


def test_whose_exception_it_is_the_policy_says_and_not_what_the_command_names():
    over = on(ReceiveUnexpected, asset_no=NUMBERS[0], site=STORE, device_class="01", shipment="SH-1")
    left = on(RecordShipmentException, shipment_id="SH-1", asset_no=NUMBERS[0], code="meter.unknown")
    assert exception(DEVICES_FOLLOW_SHIPMENT, over) == left
    assert exception(DEVICES_FOLLOW_SHIPMENT, on(MarkMissing, asset_no=NUMBERS[0], shipment="SH-1")) == left
    telling = (DEVICES_FOLLOW_SHIPMENT, DEVICES_FOLLOW_CONTAINER, DEVICES_FOLLOW_STOCKTAKE)
    assert {exception(one, over) for one in POLICIES if one not in telling} == {None}


async def rows(registry, view):
    return await registry.page(view, {}, None, 100)


async def test_packed_into_several_boxes_at_once_a_device_is_in_one_and_an_exception_on_the_others(tmp_path):
    async with running(tmp_path, followed=True) as registry:
        devices = [about(command, number) for number in NUMBERS for command in (REGISTER, DISMANTLE)]
        boxes = [on(RegisterContainer, container_id=box, device_class="23", site=STORE) for box in BOXES]
        await done(registry, *SITES, *devices, *boxes)
        halves = NUMBERS[::2], NUMBERS[1::2]
        packs = [on(Pack, container_id=box, asset_numbers=tuple(half)) for half in halves for box in BOXES]
        await asyncio.gather(*(done(registry, one) for one in packs))

        async def settled():
            found = await rows(registry, CONTAINERS)
            return sum(box.exceptions for box in found) == len(NUMBERS) * (len(BOXES) - 1)

        await until(settled)
        inside = Counter([card.container for card in await rows(registry, CARD)])
        assert None not in inside
        for box in await rows(registry, CONTAINERS):
            assert inside[box.container] + box.exceptions == len(NUMBERS)
            whole = await registry.container(box.container)
            assert (whole.devices, len(whole.exceptions)) == (inside[box.container], box.exceptions)
            assert {one.code for one in whole.exceptions} <= {"meter.in_container"}


async def test_every_refusal_is_one_exception_on_a_busy_shipment_however_often_it_is_told(tmp_path):
    """As many tell it at once as never do, each again until it is on record, as its policy does, and then once more."""
    manifest = tuple(Line(asset_no=number, device_class="01") for number in NUMBERS)
    ends = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT, "manifest": manifest}
    async with running(tmp_path, followed=False) as registry:
        await done(registry, *SITES, on(PrepareShipment, shipment_id="SH-1", **ends))
        dispatch = {"device_class": "01", "shipment": "SH-1", "from_site": STORE, "to_site": CENTRE}
        refused = [
            (
                Ask(on(Dispatch, asset_no=number, **dispatch), Context(command_id=UUID(int=serial), actor="policy")),
                "meter.unknown",
            )
            for serial, number in enumerate(NUMBERS)
        ]

        async def told(some):
            while True:
                try:
                    return await registry.refused(DEVICES_FOLLOW_SHIPMENT.name, some)
                except TimeoutError:
                    await asyncio.sleep(0)

        await asyncio.gather(*(told([one]) for one in refused for _ in range(3)), told(refused))
        whole = await registry.consignment("SH-1")
        assert sorted((one.asset_no, one.code) for one in whole.exceptions) == [
            (number, "meter.unknown") for number in sorted(NUMBERS)
        ]
        head = await registry.head()
        await told(refused)
        assert await registry.head() == head

        async def counted():
            return [row.exceptions for row in await rows(registry, SHIPMENTS)] == [len(NUMBERS)]

        await until(counted)


def short_of(*numbers):
    short = tuple(Difference(asset_no=number, device_class="01") for number in numbers)
    lines = (CountLine(device_class="01", book=len(short), counted=0),)
    return on(RecordStocktake, site_id=STORE, lines=lines, short=short)


async def test_what_cannot_follow_its_stocktake_is_shown_beside_it(tmp_path):
    """One is short that lay there, the others never did."""
    lost, *strangers = NUMBERS
    async with running(tmp_path, followed=True) as registry:
        await done(registry, *SITES, *(about(command, lost) for command in (REGISTER, DISMANTLE)))
        await done(registry, short_of(*NUMBERS), short_of())

        async def settled():
            return [line.exceptions for line in await registry.stocktakes(STORE)] == [len(strangers), 0]

        await until(settled)
        line, later = await registry.stocktakes(STORE)
        shown = sorted((one.asset_no, one.code) for one in line.exceptions_shown)
        assert shown == [(number, "meter.unknown") for number in sorted(strangers)]
        assert later.exceptions_shown == ()


async def test_a_refusal_is_told_of_a_stocktake_once_also_when_its_site_is_closed_by_then(tmp_path):
    async with running(tmp_path, followed=False) as registry:
        await done(registry, *SITES)
        taken = await registry.do(short_of(NUMBERS[0]), Context(command_id=CAUSE, actor="u-1"))
        await done(registry, on(CloseSite, site_id=STORE, why="merged"))
        stocktake = UUID(bytes=event_id(CAUSE, 0))
        context = Context(command_id=fresh_id(), actor="policy", causation_id=stocktake)
        missed = on(MarkMissing, asset_no=NUMBERS[0], site=STORE, stocktake=stocktake.hex)
        refused = [(Ask(missed, context), "meter.unknown")]
        await registry.refused(DEVICES_FOLLOW_STOCKTAKE.name, refused)
        head = await registry.head()
        await registry.refused(DEVICES_FOLLOW_STOCKTAKE.name, refused)
        assert await registry.head() == head
        (line,) = await registry.stocktakes(STORE)
        assert (line.version, line.exceptions) == (taken.version, 1)
        (site,) = await registry.page(PLACES, {"site": STORE}, None, 1, seen=head)
        assert (site.open, site.version) == (False, taken.version + 1)


async def test_devices_that_cannot_leave_are_exceptions_on_their_shipment(tmp_path):
    async with running(tmp_path, followed=True) as registry:
        ready = [about(command, NUMBERS[0]) for command in (REGISTER, DISMANTLE)]
        manifest = tuple(Line(asset_no=number, device_class="01", container="BOX-1") for number in NUMBERS)
        ends = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT, "manifest": manifest}
        await done(registry, *SITES, *ready, on(PrepareShipment, shipment_id="SH-1", **ends))
        await done(registry, on(DispatchShipment, shipment_id="SH-1"))

        async def settled():
            return [row.exceptions for row in await rows(registry, SHIPMENTS)] == [len(NUMBERS) - 1]

        await until(settled)

        async def loaded():
            return [(box.site, box.shipment) for box in await rows(registry, CONTAINERS)] == [(STORE, "SH-1")]

        await until(loaded)
        whole = await registry.container("BOX-1")
        assert (whole.devices, whole.exceptions) == (1, ())
