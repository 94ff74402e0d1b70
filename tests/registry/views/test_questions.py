"""Every question of both doors, asked over a story in which everything happens, on either database."""

from datetime import date

import pytest

from kernel.refusal import Refusal
from services.registry.questions import (
    FIRST_AFTER_LAST,
    ONE_TIME_ONLY,
    GetContainer,
    GetDevice,
    GetLife,
    GetShipment,
    ListAlarms,
    ListBalances,
    ListBurnt,
    ListContainers,
    ListCustodyGaps,
    ListDevices,
    ListDuplicates,
    ListHoldsDue,
    ListOwed,
    ListPlans,
    ListRecovery,
    ListShipments,
    ListSites,
    ListStocktakes,
)
from tests.registry.stories import CENTRE, CUSTOMERS, NUMBER, STORE, TEMPORARY, UNIT, YARD
from tests.registry.views.every_event import FIVE, FOUR, ONE, SEVEN, SIX, THREE, TWO, everything
from tests.registry.views.telling import asking, day

MARCH = {"first": "2026-03", "last": "2026-03"}
DAYS = {"first": day(1), "last": day(31)}


@pytest.fixture
async def views(fresh_url):
    async with asking(fresh_url(), everything()) as asked:
        yield asked


def column(lines, *names):
    return [tuple(getattr(line, name) for name in names) for line in lines]


async def test_every_question_is_answered(views):
    await a_device_is_shown_now_and_then(views)
    await devices_are_listed_by_what_is_asked(views)
    await figures_are_those_of_the_views(views)
    await what_is_open_is_listed(views)
    await shipments_are_whole(views)
    await what_cannot_be_asked_is_refused(views)
    assert views.unasked() == set()


async def a_device_is_shown_now_and_then(views):
    life = await views.ask(GetLife(asset_no=TWO))
    now = await views.ask(GetDevice(asset_no=TWO, seen=await views.ledger.head()))
    assert (now.version, now.position) == (life[-1].version, life[-1].position)
    for entry in life:
        then = await views.ask(GetDevice(asset_no=TWO, as_of_position=entry.position))
        assert (then.version, then.position) == (entry.version, entry.position)
    days = [await views.ask(GetDevice(asset_no=TWO, as_of_day=day(number))) for number in (2, 4, 5, 6, 7, 9, 31)]
    assert column(days, "phase", "site", "holder") == [
        ("in_service", None, None),
        ("at_site", STORE, STORE),
        ("in_transit", None, STORE),
        ("at_site", CENTRE, CENTRE),
        ("out", None, CENTRE),
        ("at_site", CENTRE, CENTRE),
        ("at_site", CENTRE, CENTRE),
    ]


async def devices_are_listed_by_what_is_asked(views):
    async def listed(**asked):
        pages = await views.pages(ListDevices(**asked), 2)
        found = [card.asset_no for page in pages for card in page]
        assert found == sorted(set(found))
        return found

    assert await listed(phase="at_site", site=CENTRE, unit=UNIT, device_class="01") == sorted(
        [TWO, f"{FOUR[:-3]}877", f"{ONE[:-3]}999"]
    )
    assert await listed(phase="written_off") == [THREE]
    assert await listed(phase="destroyed") == [ONE]
    assert await listed(phase="destroyed_in_test", holder="LAB-1") == [SIX]
    assert await listed(phase="kept_by_maker", holder="M-1") == [FOUR]
    assert await listed(phase="returned_to_customer") == [CUSTOMERS]
    assert await listed(phase="bound") == [TEMPORARY]
    assert await listed(phase="missing", holder=CENTRE) == [SEVEN]
    assert await listed(shipment="SH-9") == await listed(purpose="review") == []
    shared = await listed(comm_address="A-1")
    assert column(await views.ask(ListDuplicates()), "comm_address", "devices") == [("A-1", len(shared))]


async def figures_are_those_of_the_views(views):
    lines = await views.ask(ListBalances(**DAYS, device_class="01"))
    assert all(line.opening + line.inflow - line.outflow == line.closing for line in lines)
    assert {line.site for line in lines} == {STORE, CENTRE}
    last = {line.site: line.closing for line in lines}
    for site, closing in last.items():
        assert closing == len(await views.ask(ListDevices(site=site, device_class="01")))
    assert (STORE, day(3), day(21)) in column(lines, "site", "day", "restated_on")
    assert {line.site for line in await views.ask(ListBalances(**DAYS, site=STORE))} == {STORE}
    (rate,) = await views.ask(ListRecovery(**MARCH))
    counts = (rate.dismantled, rate.received, rate.lost, rate.owed, rate.returned, rate.disposed, rate.missing)
    assert counts == (8, 4, 1, 1, 1, 1, 0)
    assert (rate.expected, rate.cut_off) == (7, day(12, 4))
    owed = column(await views.ask(ListOwed(unit=UNIT)), "asset_no", "phase")
    assert owed == [(f"{ONE[:-3]}997", "owed")]
    assert await views.ask(ListBurnt()) == []  # one device is no group to tell of


async def what_is_open_is_listed(views):
    assert column(await views.ask(ListHoldsDue(by=day(20))), "asset_no", "hold") == [(TWO, "H-2")]
    assert await views.ask(ListHoldsDue(by=day(19))) == []
    alarms = await views.ask(ListAlarms())
    assert column(alarms, "asset_no", "kind", "holder", "site")[:1] == [(ONE, "reappeared", "RC-1", YARD)]
    assert column(await views.ask(ListCustodyGaps(before=day(31))), "asset_no", "phase", "holder") == [
        (SEVEN, "missing", CENTRE)
    ]
    box, other = await views.ask(ListContainers())
    assert (box.site, box.devices, box.exceptions, box.seal_no) == (CENTRE, 1, 3, None)
    assert column(await views.ask(ListDevices(container="BOX-1")), "asset_no") == [(TWO,)]
    assert (other.container, other.site, other.shipment, other.devices) == ("BOX-2", STORE, "SH-3", 0)
    assert await views.ask(ListContainers(site=YARD)) == []
    assert column(await views.ask(ListContainers(shipment="SH-3")), "container") == [("BOX-2",)]
    whole = await views.ask(GetContainer(container_id="BOX-1"))
    assert (whole.container, whole.device_class, whole.site, whole.devices) == ("BOX-1", "23", CENTRE, 1)
    assert column(whole.exceptions, "asset_no", "code") == [
        (TWO, "meter.not_at_site"),
        (SEVEN, "meter.not_at_site"),
        (TWO, "meter.not_in_container"),
    ]
    assert column(await views.ask(ListSites(kind="unit_store")), "site", "open") == [(STORE, True), ("store-2", False)]
    (centre,) = await views.ask(ListSites(kind="centre"))
    assert (centre.stocktaken_on, centre.short, centre.over) == (day(12), 1, 0)
    stocktake = await views.ask(ListStocktakes(site_id=CENTRE))
    assert column(stocktake, "device_class", "book", "counted", "short", "on_record") == [
        ("01", 1, 0, 1, 3),
        ("02", 0, 0, 0, 1),
    ]
    (plan,) = await views.ask(ListPlans(unit=UNIT))
    assert (plan.cohort, plan.revisions, plan.expected) == ("2026-03", 1, 7)


async def shipments_are_whole(views):
    pages = await views.pages(ListShipments(), 2)
    assert [(one.shipment, one.phase, one.exceptions) for page in pages for one in page] == [
        ("SH-1", "received", 0),
        ("SH-2", "cancelled", 0),
        ("SH-3", "dispatched", 1),
    ]
    assert column(await views.ask(ListShipments(phase="cancelled", to_site=YARD)), "shipment") == [("SH-2",)]
    whole = await views.ask(GetShipment(shipment_id="SH-1"))
    assert {line.asset_no: line.became for line in whole.lines} == {
        ONE: "received",
        TWO: "received",
        THREE: "missing",
        FOUR: "received",
        CUSTOMERS: "unexpected",
    }
    assert [signature.party for signature in whole.signatures] == ["from", "to"]
    assert (await views.ask(GetShipment(shipment_id="SH-3"))).exceptions[0].asset_no == FIVE


async def what_cannot_be_asked_is_refused(views):
    backwards = {"first": date(2026, 3, 2), "last": date(2026, 3, 1)}
    for ask, code in (
        (GetDevice(asset_no=NUMBER, as_of_position=1, as_of_day=day(1)), ONE_TIME_ONLY.code),
        (GetDevice(asset_no=TWO, as_of_day=day(1)), "meter.not_then"),
        (GetDevice(asset_no=TWO, as_of_position=1), "meter.not_then"),
        (GetDevice(asset_no="1" * 22), "meter.unknown"),
        (GetLife(asset_no="1" * 22), "meter.unknown"),
        (GetShipment(shipment_id="SH-9"), "shipment.unknown"),
        (GetContainer(container_id="BOX-9"), "container.unknown"),
        (ListStocktakes(site_id="nowhere"), "site.unknown"),
        (ListBalances(**backwards), FIRST_AFTER_LAST.code),
        (ListRecovery(first="2026-04", last="2026-03"), FIRST_AFTER_LAST.code),
    ):
        with pytest.raises(Refusal) as refused:
            await views.ask(ask)
        assert refused.value.code == code
