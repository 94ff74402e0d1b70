"""What is compared with the registry's own answers: the books, the account, and what each event must have led to."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from kernel.handling import Metadata
from kernel.policy_store import refused_at
from kernel.refusal import Refusal
from ledger.port import Recorded
from services.registry import shipment, site
from services.registry.meter import binding, dismantling, hold, release
from services.registry.questions import ListContainers, ListDevices, ListPlans, ListShipments, ListSites, ListStocktakes
from tests.registry.machine.books import Books
from tests.registry.machine.house import ALL_POLICIES, RETENTION, House, folded_from_scratch
from tests.registry.views.account import Account
from tests.registry.views.agreement import (
    balances_add_up,
    devices_stand_where_they_stand,
    devices_stood_where_they_stood,
    recovery_is_as_defined,
    what_is_open_is_told,
)
from tests.registry.views.lives import BEGAN

Log = Sequence[tuple[Any, Recorded]]
_read_metadata = msgspec.json.Decoder(Metadata).decode


async def views_answer_what_the_log_says(house: House, books: Books, log: Log, moments: Sequence[int]) -> None:
    """Every question about custody, balance, recovery and what is open, while the views hold the whole log."""
    account, day = Account(log), BEGAN + timedelta(days=9)
    await devices_stand_where_they_stand(house.asked, account)
    await devices_stood_where_they_stood(house.asked, account, moments)
    await balances_add_up(house.asked, account, day)
    cut_offs = {(key[:5], key[6:]): one.cut_off for key, one in books.plans.items()}
    await recovery_is_as_defined(house.asked, account, cut_offs)
    await what_is_open_is_told(house.asked, account, max((event.day for event, _ in log), default=day))
    await stocktakes_stand_beside_the_balance(house, account, log)


async def stocktakes_stand_beside_the_balance(house: House, account: Account, log: Log) -> None:
    for site_id in {event.site_id for event, _ in log if isinstance(event, site.StocktakeRecorded)}:
        for line in await house.asked.all(ListStocktakes(site_id=site_id), 2):
            assert line.on_record == account.closing(line.day)[site_id, line.device_class], line
            (taken,) = (one for one in log if (one[1].stream, one[1].version) == (f"site-{site_id}", line.version))
            left_behind = [
                (event.asset_no, event.code)
                for event, _ in log
                if isinstance(event, site.StocktakeExceptionRecorded) and event.stocktake == taken[1].id.hex()
            ]
            of_class = {
                one.asset_no for one in (*taken[0].short, *taken[0].over) if one.device_class == line.device_class
            }
            shown = [(one.asset_no, one.code) for one in line.exceptions_shown]
            assert shown == [one for one in left_behind if one[0] in of_class], line
            assert line.exceptions == len(shown)


async def books_agree(house: House, books: Books) -> None:
    """Shipments, containers, sites and plans are on the lists as the log says they are."""
    shown = await house.asked.all(ListShipments(), 2)
    assert [
        (row.shipment, row.phase, row.from_site, row.to_site, row.unit, row.devices, row.received, row.missing,
         row.unexpected, row.damaged, row.exceptions, row.signed, row.version)
        for row in shown
    ] == [
        (key, one.phase, one.from_site, one.to_site, one.unit, len(one.listed), len(one.received), len(one.missing),
         len(one.unexpected), len(one.damaged), len(one.left_behind), ",".join(sorted(one.signers)), one.version)
        for key, one in sorted(books.shipments.items())
    ]  # fmt: skip
    boxes = await house.asked.all(ListContainers(), 2)
    assert [(row.container, row.site, row.shipment, row.seal_no, row.exceptions, row.version) for row in boxes] == [
        (key, one.site, one.shipment, one.seal, one.exceptions, one.version)
        for key, one in sorted(books.containers.items())
    ]
    for row in boxes:
        assert row.devices == len(await house.asked.all(ListDevices(container=row.container), 9))
    sites = await house.asked.all(ListSites(), 2)
    assert [(row.site, row.kind, row.open, row.stocktaken_on, row.version) for row in sites] == [
        (key, one.kind, one.open, one.counted_on, one.version) for key, one in sorted(books.sites.items())
    ]
    plans = await house.asked.all(ListPlans(), 2)
    assert [(f"{row.unit}-{row.cohort}", row.expected, row.cut_off, row.revisions, row.version) for row in plans] == [
        (key, one.expected, one.cut_off, one.revisions, one.version) for key, one in sorted(books.plans.items())
    ]


async def views_are_folds_of(house: House, log: Log) -> None:
    """Row for row, what the tables hold is what these events come to from scratch."""
    assert await house.rows() == folded_from_scratch(log)


async def the_past_is_what_it_was(house: House, log: Log, position: int, devices: Sequence[str]) -> None:
    """What is answered for a past position is what the views held when the log ended there."""
    then = [(event, recorded) for event, recorded in log if recorded.position <= position]
    cards, consignments = folded_from_scratch(then)["card"], {}
    for number in devices:
        try:
            shown = await house.registry.card_as_of(number, position=position)
        except Refusal:
            shown = None
        assert shown == cards.get((number,)), (number, position)
    for event, recorded in then:
        if recorded.stream.startswith("shipment-"):
            consignments[event.shipment_id] = recorded.version
    for shipment_id, version in consignments.items():
        assert (await house.registry.consignment(shipment_id, position=position)).version == version


async def everything_has_followed(house: House, log: Log, books: Books) -> None:
    """Each event has led to what it must lead to, once, or that was refused and is on record where it belongs. Asked
    when the policies have come to rest.
    """
    led_to: defaultdict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for event, recorded in log:
        cause = _read_metadata(recorded.metadata).causation_id
        if recorded.stream.startswith("meter-"):
            led_to[cause, event.asset_no].append(event)
    for event, recorded in log:
        cause = UUID(bytes=recorded.id)
        wanting = {number for number in _must_follow(event) if not led_to[cause, number]}
        if isinstance(event, shipment.ShipmentDispatched | shipment.ShipmentReceived):
            behind = {one.asset_no for one in await house.registry.left_behind(recorded.position)}
            assert wanting == behind, event
            assert behind <= {number for number, _ in books.shipments[event.shipment_id].left_behind}, event
        elif isinstance(event, site.StocktakeRecorded):
            left_behind = books.sites[event.site_id].left_behind
            assert sorted(wanting) == sorted(number for stocktake, number in left_behind if stocktake == cause.hex)
        elif wanting:
            assert await _refused(house, recorded.position), event
        for number in _must_follow(event):
            assert len([one for one in led_to[cause, number] if not isinstance(one, _GOES_ALONG)]) <= 2, event
    for number in {event.asset_no for event, _ in log if isinstance(event, binding.IdentityClaimed)}:
        told = [event for event, recorded in log if recorded.stream == f"meter-{number}"]
        claims = sum(isinstance(event, binding.IdentityClaimed) for event in told)
        ends = sum(isinstance(event, binding.IdentityBound | binding.TemporaryIdentityKept) for event in told)
        assert claims == ends, number


_GOES_ALONG = (hold.HoldPlaced, hold.SealApplied, dismantling.Dismantled, dismantling.FinalReadingRecorded)
"""What a number takes over from a temporary identity beside the custody."""


def _must_follow(event: Any) -> list[str]:
    """The devices to which something must happen because of this."""
    match event:
        case shipment.ShipmentDispatched():
            return [line.asset_no for line in event.manifest]
        case shipment.ShipmentReceived():
            return [*(line.asset_no for line in (*event.received, *event.unexpected)), *event.missing]
        case site.StocktakeRecorded():
            return [one.asset_no for one in (*event.short, *event.over)]
        case binding.IdentityClaimed():
            return [event.bound_to]
        case binding.IdentityAdopted() | binding.AdoptionRefused():
            return [event.temporary_id]
        case release.ReceivedFromMaker(replaces=str() as replaced):
            return [replaced]
        case dismantling.Dismantled(reason="theft_evidence") if event.day >= RETENTION.rules[0].in_force:
            return [event.asset_no]
    return []


async def _refused(house: House, position: int) -> bool:
    """Whether some policy's command on this event was refused."""
    found = await house.database.read(
        lambda connection: [refused_at(connection, name, position) for name in ALL_POLICIES]
    )
    return any(found)
