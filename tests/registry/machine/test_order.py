"""When policies get on, in which order, in batches of what size and with how many deaths on the way: of devices that do
not meet, it comes to the same lives, event for event.

Where two policies are about the same device, as a stocktake that misses it and a shipment that takes it, the log says
which came first, and that is what happened.
"""

import asyncio
from typing import Any
from uuid import UUID, uuid5

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kernel.handling import Context
from services.registry.asset_number import compose
from services.registry.meter.binding import BindIdentity
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.hold import PlaceHold
from services.registry.meter.identity import AssignTemporaryIdentity, Register
from services.registry.meter.release import ReceiveFromMaker
from services.registry.shipment import DispatchShipment, FoundLine, Line, PrepareShipment, ReceiveShipment
from services.registry.site import CountLine, Difference, OpenSite, RecordStocktake
from tests.registry.machine.books import Books
from tests.registry.machine.checks import everything_has_followed
from tests.registry.machine.house import ALL_POLICIES, House
from tests.registry.stories import CENTRE, DAY, STORE, TEMPORARY, UNIT

SENT, LEFT, STRANGER, SHORT, OVER, READ, OLD, NEW, KEPT = (
    compose(UNIT, "01", f"9999999900{number:04}") for number in range(21, 30)
)


def before() -> list[Any]:
    """Where everything is to begin with. What is LEFT is on no manifest's site, and does not follow."""
    who = {"occurred_on": DAY, "device_class": "01", "unit": UNIT}
    out = {"occurred_on": DAY, "work_order": "WO-1", "unit": UNIT, "site": STORE}
    sites = [
        OpenSite(occurred_on=DAY, site_id=site, kind=kind, name=f"synthetic {site}", unit=UNIT)
        for site, kind in ((STORE, "unit_store"), (CENTRE, "centre"))
    ]
    known = [Register(asset_no=number, **who) for number in (SENT, LEFT, SHORT, READ, OLD, KEPT)]
    gone = [Dismantle(asset_no=number, reason="fault", **out) for number in (SENT, SHORT, OLD)]
    return [
        *sites,
        *known,
        *gone,
        Register(asset_no=NEW, origin="maker", **who),
        AssignTemporaryIdentity(asset_no=TEMPORARY, site=CENTRE, **who),
        PlaceHold(occurred_on=DAY, asset_no=TEMPORARY, hold="H-1", kind="court", reference="case 1"),
        PrepareShipment(
            occurred_on=DAY,
            shipment_id="SH-1",
            from_site=STORE,
            to_site=CENTRE,
            unit=UNIT,
            manifest=tuple(Line(asset_no=number, device_class="01", container="BX-1") for number in (SENT, LEFT)),
        ),
    ]


LORRY = (
    DispatchShipment(occurred_on=DAY, shipment_id="SH-1"),
    ReceiveShipment(
        occurred_on=DAY,
        shipment_id="SH-1",
        found=tuple(FoundLine(asset_no=number, device_class="01") for number in (SENT, STRANGER)),
    ),
)
OTHERS = (
    RecordStocktake(
        occurred_on=DAY,
        site_id=STORE,
        lines=(CountLine(device_class="01", book=3, counted=3),),
        short=(Difference(asset_no=SHORT, device_class="01"),),
        over=(Difference(asset_no=OVER, device_class="01"),),
    ),
    BindIdentity(occurred_on=DAY, asset_no=TEMPORARY, bound_to=READ, evidence="cleaned"),
    ReceiveFromMaker(occurred_on=DAY, asset_no=NEW, site=CENTRE, replaces=OLD),
    Dismantle(occurred_on=DAY, asset_no=KEPT, work_order="WO-2", unit=UNIT, site=STORE, reason="theft_evidence"),
)
CAME = len(LORRY) + len(OTHERS)
names = st.sampled_from(sorted(ALL_POLICIES))
steps = st.lists(st.lists(st.tuples(names, st.sampled_from([None, 0, 1])), max_size=3), min_size=CAME, max_size=CAME)
orders = st.permutations(sorted(ALL_POLICIES))
hows = st.fixed_dictionaries({"batch_commands": st.sampled_from([1, 3]), "page_events": st.sampled_from([1, 4])})


async def lived(commands: list[Any], schedule: list[list[tuple[str, int | None]]] | None, **how: Any) -> dict[str, Any]:
    """What each stream holds after these commands; policies come to rest after each, or get on as is scheduled."""
    order = how.pop("order", sorted(ALL_POLICIES))
    house = await House.open()
    try:
        await house.restart(**how)
        for number, command in enumerate([*before(), *commands]):
            context = Context(command_id=uuid5(UUID(int=2), str(number)), actor="subject-1")
            await house.registry.do(command, context)
            asked = number - len(before())
            if asked >= 0 and schedule is None:
                await house.settle()
            elif asked >= 0 and schedule is not None:
                for name, dies_after in schedule[asked]:
                    await house.policy_follows(name, dies_after=dies_after)
        await house.settle(order)
        log = await house.log()
        books = Books()
        for event, recorded in log:
            if not recorded.stream.startswith("meter-"):
                books.reads(event, recorded.version)
        await everything_has_followed(house, log, books)
        streams: dict[str, Any] = {}
        for _, recorded in log:
            streams.setdefault(recorded.stream, []).append((recorded.type, recorded.data))
        # Exceptions come to a shipment when its devices do not follow, early or late.
        return streams | {"shipment-SH-1": sorted(streams["shipment-SH-1"])}
    finally:
        await house.close()


@settings(max_examples=4, phases=[Phase.generate])
@given(commands=st.permutations([*OTHERS, *LORRY]), schedule=steps, order=orders, how=hows)
def test_it_does_not_matter_when_policies_get_on(commands, schedule, order, how):
    lorry = iter(LORRY)
    commands = [next(lorry) if command in LORRY else command for command in commands]

    async def compared():
        at_once = await lived(commands, None)
        assert await lived(commands, schedule, order=order, **how) == at_once
        assert [len(at_once[f"meter-{number}"]) for number in (SENT, LEFT, SHORT, READ, OLD, KEPT)] == [
            4,
            1,
            3,
            3,
            3,
            3,
        ]

    asyncio.run(compared())
