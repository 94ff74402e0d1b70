"""档案卡: one row a device, what is so of it now. The same evolve over a part of its stream says what was so then."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import takewhile
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.registry.meter import (
    METER,
    binding,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    packing,
    release,
    unexpected,
)
from services.registry.views.tables import Tables
from services.registry.vocabulary import counts_on, movement_of


class Card(msgspec.Struct, frozen=True, gc=False):
    """A device now. `phase` is where it is in its life: in_service, at_site, in_transit, missing, lost, out,
    with_maker, with_recycler, or how its life ended: written_off, returned_to_customer, kept_by_maker, destroyed,
    destroyed_in_test, bound. `since` is the business day on which it counts that it got there, as balances have it.

    `holder` answers for it: the site that has it, or had it last where it is on its way, missing, lost or out, and then
    its maker or its recycler; none while it is a customer's. `seals` are the numbers of those on it, with a comma
    between. `container` is the box it is in at its site, or travels in. `unit_version`, `county_version` and
    `dismantled_version` name the events that said these things, which is what a correction names.
    """

    asset_no: str
    device_class: str
    owner: str
    unit: str
    phase: str
    since: date
    site: str | None = None
    unexpected: bool = False
    shipment: str | None = None
    container: str | None = None
    location: str | None = None
    purpose: str | None = None
    reference: str | None = None
    county: str | None = None
    maker: str | None = None
    model: str | None = None
    arrival_batch: str | None = None
    made_on: date | None = None
    installed_on: date | None = None
    comm_address: str | None = None
    dismantled_on: date | None = None
    reason: str | None = None
    work_order: str | None = None
    reading_total_wh: int | None = None
    disputed: bool = False
    data_cleared: bool = False
    chip_destroyed: bool = False
    defaced: bool = False
    damaged: bool = False
    seals: str = ""
    bound_to: str | None = None
    holder: str | None = None
    unit_version: int = 0
    county_version: int | None = None
    dismantled_version: int | None = None
    version: int = 0
    position: int = 0


class CardTable(Tables, table=True):
    """The rows of Card."""

    __tablename__ = "card_v5"

    asset_no: str = Field(primary_key=True)
    device_class: str
    owner: str
    unit: str = Field(index=True)
    phase: str = Field(index=True)
    since: date
    site: str | None = Field(index=True)
    unexpected: bool
    shipment: str | None = Field(index=True)
    container: str | None = Field(index=True)
    location: str | None
    purpose: str | None
    reference: str | None
    county: str | None
    maker: str | None
    model: str | None
    arrival_batch: str | None
    made_on: date | None
    installed_on: date | None
    comm_address: str | None = Field(index=True)
    dismantled_on: date | None
    reason: str | None
    work_order: str | None
    reading_total_wh: int | None
    disputed: bool
    data_cleared: bool
    chip_destroyed: bool
    defaced: bool
    damaged: bool
    seals: str
    bound_to: str | None
    holder: str | None = Field(index=True)
    unit_version: int
    county_version: int | None
    dismantled_version: int | None
    version: int
    position: int


def keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.asset_no,),)


def evolve(card: Card | None, event: Any, recorded: Recorded, _key: tuple[str]) -> Card | None:
    version = recorded.version
    if isinstance(event, identity.RecordCorrected):
        changes = _corrected(card, event) if card else {}
    elif isinstance(event, hold.SealApplied | hold.SealRemoved):
        changes = _sealed(card, event) if card else {}
    else:
        changes = _CHANGES[type(event)](event, version)
        if card is not None and "since" in changes and movement_of(event) is None:
            # Dated before the device got where it was: it was there until then at least.
            changes["since"] = max(changes["since"], card.since)
    changes["version"] = version
    changes["position"] = recorded.position
    if card is not None:
        return msgspec.structs.replace(card, **changes)
    return Card(**changes) if "device_class" in changes else None


def folded(told: Iterable[tuple[Any, Recorded]]) -> Card | None:
    """The card as these events of one device leave it."""
    card: Card | None = None
    for event, recorded in told:
        card = evolve(card, event, recorded, (event.asset_no,))
    return card


def folded_by(told: Iterable[tuple[Any, Recorded]], day: date) -> Card | None:
    """The card as what had happened to one device by the end of a business day leaves it: at the site whose balance of
    that day counts it, and of the class under which it does. A device that was put on record later than it was
    dismantled is the same device.
    """
    told = tuple(told)
    card, known = folded(happened_by(told, day)), folded(_told_before_it_moved_on(told, day))
    if card is None or known is None:
        return card
    return msgspec.structs.replace(card, device_class=known.device_class)


def happened_by(told: Iterable[tuple[Any, Recorded]], day: date) -> list[tuple[Any, Recorded]]:
    """Of what is recorded of one device, what had happened by the end of a business day, and who it is."""
    told = tuple(told)
    happened = [(event, recorded) for event, recorded, when in _counting(told) if when <= day]
    if happened and happened[0][1] is not told[0][1] and isinstance(told[0][0], identity.Registered):
        happened.insert(0, told[0])
    return happened


def _told_before_it_moved_on(told: Sequence[tuple[Any, Recorded]], day: date) -> list[tuple[Any, Recorded]]:
    """What was said of one device before the first movement that counts after a business day. A correction of what the
    device is says nothing that happened: while no site counts it, it was so already, whenever that was told. What lies
    at a site is counted as it was known until then, and the correction is a movement.
    """
    until = takewhile(lambda one: one[2] <= day or movement_of(one[0]) is None, _counting(told))
    return [(event, recorded) for event, recorded, _ in until]


def _counting(told: Sequence[tuple[Any, Recorded]]) -> Iterator[tuple[Any, Recorded, date]]:
    """What is recorded of one device, by what was said last of its days, and the business day on which each counts."""
    redated = _redated(told)
    moved_on = got_there = date.min
    for first, recorded in told:
        event = _as_said_last(first, recorded, redated)
        when = event.day
        if movement_of(event) is not None:
            when = moved_on = got_there = max(moved_on, counts_on(event))
        elif not isinstance(event, _WHEREVER_IT_IS):
            when = max(got_there, when)
            got_there = when if _goes_on(event, recorded) else got_there
        yield event, recorded, when


def _goes_on(event: Any, recorded: Recorded) -> bool:
    """Whether the device is in another part of its life from then on."""
    changes = _CHANGES.get(type(event))
    return changes is not None and "since" in changes(event, recorded.version)


def _redated(told: Iterable[tuple[Any, Recorded]]) -> dict[int, tuple[date, date]]:
    """By the versions of dismantlings that moved their device and were corrected: the day on which each was, by the
    last that was said of it, and the day on which it counts by now.
    """
    known: dict[int, date] = {}
    redated: dict[int, tuple[date, date]] = {}
    for event, recorded in told:
        if isinstance(event, dismantling.Dismantled) and event.moved.moves:
            known[recorded.version] = counts_on(event)
        elif isinstance(event, identity.RecordCorrected) and event.corrects_version in known:
            if event.restated is not None and event.restated.on is not None:
                known[event.corrects_version] = event.restated.on
            if event.dismantled_on is not None:
                redated[event.corrects_version] = (event.dismantled_on, known[event.corrects_version])
    return redated


def _as_said_last(event: Any, recorded: Recorded, redated: Mapping[int, tuple[date, date]]) -> Any:
    """The event as if the last correction of its day had been known when it was told."""
    if isinstance(event, dismantling.Dismantled) and recorded.version in redated:
        day, on = redated[recorded.version]
        moved = msgspec.structs.replace(event.moved, on=on)
        return msgspec.structs.replace(event, occurred_at=None, occurred_on=day, moved=moved)
    if isinstance(event, identity.RecordCorrected) and event.corrects_version in redated:
        day, on = redated[event.corrects_version]
        there_since = None if event.there_since is None else on
        return msgspec.structs.replace(event, dismantled_on=event.dismantled_on and day, there_since=there_since)
    return event


_WHEREVER_IT_IS: Final = (
    dismantling.FinalReadingRecorded,
    dismantling.FinalReadingDisputed,
    dismantling.FinalReadingResolved,
    hold.HoldPlaced,
    hold.HoldLifted,
    release.PreconditionRecorded,
)
"""Events that say nothing of where a device is, and may be told after it has moved on."""


def _described(description: identity.Description) -> dict[str, Any]:
    return {
        name: value
        for name in ("maker", "model", "arrival_batch", "made_on", "installed_on", "comm_address")
        if (value := getattr(description, name)) is not None
    }


def _place(event: Any, phase: str, **more: Any) -> dict[str, Any]:
    """Where it is now, and nothing left of where it was."""
    nowhere = dict.fromkeys(("site", "shipment", "container", "location", "purpose", "reference", "holder"))
    return {**nowhere, "unexpected": False, "phase": phase, "since": counts_on(event), **more}


def _at(event: Any, site: str, **more: Any) -> dict[str, Any]:
    return _place(event, "at_site", site=site, holder=site, **more)


def _came_in(event: Any, _version: int) -> dict[str, Any]:
    return _at(event, event.moved.to_site)


def _came_back(event: Any, _version: int) -> dict[str, Any]:
    # As the rules have it: whoever had it meanwhile may have left keys or records on it.
    return {**_came_in(event, _version), "data_cleared": False}


def _nothing(_event: Any, _version: int) -> dict[str, Any]:
    return {}


def _identified(event: Any, version: int) -> dict[str, Any]:
    return {
        "asset_no": event.asset_no,
        "device_class": event.device_class,
        "owner": event.owner,
        "unit": event.unit,
        "unit_version": version,
    }


def _in_county(county: str | None, version: int) -> dict[str, Any]:
    return {} if county is None else {"county": county, "county_version": version}


def _registered(event: identity.Registered, version: int) -> dict[str, Any]:
    in_service = event.origin == "in_service"
    place = _place(event, "in_service") if in_service else _place(event, "with_maker", holder=event.description.maker)
    said = _in_county(event.county, version) | _described(event.description)
    return {**_identified(event, version), **place, **said}


def _temporary(event: identity.TemporaryIdentityAssigned, version: int) -> dict[str, Any]:
    return {**_identified(event, version), **_came_in(event, version), **_described(event.description)}


def _adopted(event: binding.IdentityAdopted, version: int) -> dict[str, Any]:
    return {**_identified(event, version), **_at(event, event.site, unexpected=event.unexpected), "data_cleared": False}


def _corrected(card: Card, event: identity.RecordCorrected) -> dict[str, Any]:
    """What was said again since, by a later event, a correction leaves as it is."""
    if event.did_not_happen:
        return {**_place(event, "in_service"), **_NOT_DISMANTLED, "data_cleared": False}
    corrected = event.corrects_version
    names = ["device_class", "owner"]
    if corrected == card.unit_version:
        names.append("unit")
    if corrected == card.dismantled_version:
        names += ["reason", "work_order", "dismantled_on"]
    changes = {name: value for name in names if (value := getattr(event, name)) is not None}
    if corrected >= (card.county_version or 0):
        changes |= _in_county(event.county, corrected)
    if event.there_since is not None:
        changes["since"] = event.there_since
    if event.reading is not None:
        changes["reading_total_wh"] = event.reading.total_wh
    return changes | (_described(event.description) if event.description else {})


def _sealed(card: Card, event: hold.SealApplied | hold.SealRemoved) -> dict[str, Any]:
    others = {*card.seals.split(",")} - {"", event.seal_no}
    return {"seals": ",".join(sorted(others | ({event.seal_no} if isinstance(event, hold.SealApplied) else set())))}


def _dismantled(event: dismantling.Dismantled, version: int) -> dict[str, Any]:
    # A work order that comes after its device moves nothing.
    place = _came_in(event, version) if event.moved.to_site else {}
    return {
        **place,
        "dismantled_on": event.day,
        "reason": event.reason,
        "work_order": event.work_order,
        "unit": event.unit,
        "unit_version": version,
        "reading_total_wh": None,
        "dismantled_version": version,
        **_in_county(event.county, version),
    }


_NOT_DISMANTLED: Final = dict.fromkeys(
    ("dismantled_on", "reason", "work_order", "dismantled_version", "reading_total_wh")
)


def _resolved(event: dismantling.FinalReadingResolved, _version: int) -> dict[str, Any]:
    corrected = {"reading_total_wh": event.reading.total_wh} if event.reading else {}
    return {"disputed": False, **corrected}


def _received(event: custody.Received, version: int) -> dict[str, Any]:
    return {**_came_in(event, version), "damaged": event.damaged}


def _unexpected(event: unexpected.Unexpected, version: int) -> dict[str, Any]:
    site = event.moved.to_site or ""
    return {
        "asset_no": event.asset_no,
        "device_class": event.moved.device_class,
        "owner": event.owner,
        "unit": event.unit,
        **({"unit_version": 0} if version == 0 else {}),
        **_at(event, site, unexpected=True),
        "damaged": event.damaged,
        "data_cleared": False,
    }


def _dispatched(event: custody.Dispatched, _version: int) -> dict[str, Any]:
    place = {"shipment": event.shipment, "container": event.container, "holder": event.moved.from_site}
    return _place(event, "in_transit", **place)


def _stored(event: custody.Stored, _version: int) -> dict[str, Any]:
    return {"location": event.location, "container": event.container}


def _released(event: release.Released, _version: int) -> dict[str, Any]:
    place = {"purpose": event.purpose, "reference": event.reference, "holder": event.moved.from_site}
    return _place(event, "out", **place)


def _reinstalled(event: release.Reinstalled, version: int) -> dict[str, Any]:
    changes = {"unit": event.unit, "unit_version": version, "data_cleared": False}
    return {**_place(event, "in_service"), **_NOT_DISMANTLED, **changes}


def _returned_to_customer(event: release.ReturnedToCustomer, _version: int) -> dict[str, Any]:
    # Whatever comes of the device from here on does not belong to its dismantling.
    return {**_place(event, "returned_to_customer", reference=event.reference), "dismantled_version": None}


_CHANGES: Final[dict[type[msgspec.Struct], Callable[[Any, int], dict[str, Any]]]] = {
    identity.Registered: _registered,
    identity.TemporaryIdentityAssigned: _temporary,
    binding.IdentityClaimed: _nothing,
    binding.TemporaryIdentityKept: _nothing,
    binding.AdoptionRefused: _nothing,
    binding.IdentityBound: lambda event, _: _place(event, "bound", bound_to=event.bound_to),
    binding.IdentityAdopted: _adopted,
    dismantling.Dismantled: _dismantled,
    dismantling.FinalReadingRecorded: lambda event, _: {"reading_total_wh": event.reading.total_wh},
    dismantling.FinalReadingDisputed: lambda _event, _: {"disputed": True},
    dismantling.FinalReadingResolved: _resolved,
    custody.Dispatched: _dispatched,
    custody.Received: _received,
    unexpected.Unexpected: _unexpected,
    unexpected.UnexpectedAccepted: lambda _event, _: {"unexpected": False},
    unexpected.CustomerConsented: _nothing,
    missing.Missing: lambda event, _: _place(event, "missing", shipment=event.shipment, holder=event.last_site),
    missing.Found: _came_back,
    missing.LossConfirmed: lambda event, _: _place(event, "lost", holder=event.last_site),
    missing.WrittenOff: lambda event, _: _place(event, "written_off", reference=event.approval, holder=event.last_site),
    custody.Stored: _stored,
    packing.PlacedInContainer: lambda event, _: {"container": event.container},
    packing.TakenOutOfContainer: lambda _event, _: {"container": None},
    unexpected.Reappeared: _nothing,
    hold.HoldPlaced: _nothing,
    hold.HoldLifted: _nothing,
    release.PreconditionRecorded: _nothing,
    release.Released: _released,
    release.SampleReturned: _came_back,
    release.ReceivedFromMaker: _came_back,
    release.Replaced: _nothing,
    release.Reinstalled: _reinstalled,
    release.ReturnedToMaker: lambda event, _: _place(
        event, "with_maker", reference=event.reference, holder=event.maker
    ),
    release.ReturnedToCustomer: _returned_to_customer,
    end.DataCleared: lambda _event, _: {"data_cleared": True},
    end.ChipDestroyed: lambda _event, _: {"chip_destroyed": True},
    end.BatteryRemoved: _nothing,
    end.Defaced: lambda _event, _: {"defaced": True},
    end.HandedToRecycler: lambda event, _: _place(
        event, "with_recycler", reference=event.contract, holder=event.recycler
    ),
    end.Destroyed: lambda event, _: _place(event, "destroyed", reference=event.certificate, holder=event.recycler),
    end.DestroyedInTest: lambda event, _: _place(
        event, "destroyed_in_test", reference=event.report, holder=event.holder
    ),
    end.KeptByMaker: lambda event, _: _place(event, "kept_by_maker", reference=event.reference, holder=event.maker),
}
"""What each event changes on the card, corrections and seals apart: a test has one of every event of METER in it."""

CARD: Final = View(name="card", row=Card, table=CardTable, events=METER.events, keys=keys, evolve=evolve)
