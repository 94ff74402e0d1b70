"""档案卡: one row a device, what is so of it now. The same evolve over a part of its stream says what was so then."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.registry.meter import METER, custody, dismantling, end, hold, identity, missing, release, unexpected
from services.registry.views.tables import Tables


class Card(msgspec.Struct, frozen=True, gc=False):
    """A device now. `phase` is where it is in its life; `since` the business day it got there."""

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
    bound_to: str | None = None
    version: int = 0
    position: int = 0


class CardTable(Tables, table=True):
    """The rows of Card."""

    __tablename__ = "card_v1"

    asset_no: str = Field(primary_key=True)
    device_class: str
    owner: str
    unit: str = Field(index=True)
    phase: str = Field(index=True)
    since: date
    site: str | None = Field(index=True)
    unexpected: bool
    shipment: str | None = Field(index=True)
    container: str | None
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
    bound_to: str | None
    version: int
    position: int


def keys(event: Any, _recorded: Recorded) -> Iterable[tuple[str]]:
    return ((event.asset_no,),)


def evolve(card: Card | None, event: Any, recorded: Recorded, _key: tuple[str]) -> Card | None:
    changes = _CHANGES[type(event)](event)
    changes["version"] = recorded.version
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


def _described(description: identity.Description) -> dict[str, Any]:
    return {
        name: value
        for name in ("maker", "model", "arrival_batch", "made_on", "installed_on", "comm_address")
        if (value := getattr(description, name)) is not None
    }


def _place(event: Any, phase: str, **more: Any) -> dict[str, Any]:
    """Where it is now, and nothing left of where it was."""
    nowhere = dict.fromkeys(("site", "shipment", "container", "location", "purpose", "reference"))
    return {**nowhere, "unexpected": False, "phase": phase, "since": event.day, **more}


def _identified(event: Any, phase: str, **more: Any) -> dict[str, Any]:
    who = {"asset_no": event.asset_no, "device_class": event.device_class, "owner": event.owner, "unit": event.unit}
    return {**who, **_place(event, phase, **more)}


def _registered(event: identity.Registered) -> dict[str, Any]:
    phase = "in_service" if event.origin == "in_service" else "out"
    return {**_identified(event, phase), "county": event.county, **_described(event.description)}


def _temporary(event: identity.TemporaryIdentityAssigned) -> dict[str, Any]:
    return {**_identified(event, "at_site", site=event.moved.to_site), **_described(event.description)}


def _adopted(event: identity.IdentityAdopted) -> dict[str, Any]:
    return _identified(event, "at_site", site=event.site, unexpected=event.unexpected)


def _corrected(event: identity.RecordCorrected) -> dict[str, Any]:
    if event.did_not_happen:
        return {**_place(event, "in_service"), **dict.fromkeys(("dismantled_on", "reason", "work_order"))}
    names = ("device_class", "owner", "unit", "county", "reason", "work_order", "dismantled_on")
    corrected = {name: value for name in names if (value := getattr(event, name)) is not None}
    return corrected | (_described(event.description) if event.description else {})


def _dismantled(event: dismantling.Dismantled) -> dict[str, Any]:
    # A work order that comes after its device moves nothing.
    place = _place(event, "at_site", site=event.moved.to_site) if event.moved.to_site else {}
    return {
        **place,
        "dismantled_on": event.day,
        "reason": event.reason,
        "work_order": event.work_order,
        "unit": event.unit,
        "reading_total_wh": None,
        **({"county": event.county} if event.county else {}),
    }


def _resolved(event: dismantling.FinalReadingResolved) -> dict[str, Any]:
    corrected = {"reading_total_wh": event.reading.total_wh} if event.reading else {}
    return {"disputed": False, **corrected}


def _unexpected(event: unexpected.Unexpected) -> dict[str, Any]:
    return {
        "asset_no": event.asset_no,
        "device_class": event.moved.device_class,
        "owner": event.owner,
        "unit": event.unit,
        **_place(event, "at_site", site=event.moved.to_site, unexpected=True),
        "damaged": event.damaged,
        "data_cleared": False,
    }


def _stored(event: custody.Stored) -> dict[str, Any]:
    return {"location": event.location, "container": event.container}


def _released(event: release.Released) -> dict[str, Any]:
    return _place(event, "out", purpose=event.purpose, reference=event.reference)


_CHANGES: Final[dict[type[msgspec.Struct], Callable[[Any], dict[str, Any]]]] = {
    identity.Registered: _registered,
    identity.TemporaryIdentityAssigned: _temporary,
    identity.IdentityBound: lambda event: _place(event, "ended", bound_to=event.bound_to),
    identity.IdentityAdopted: _adopted,
    identity.RecordCorrected: _corrected,
    dismantling.Dismantled: _dismantled,
    dismantling.FinalReadingRecorded: lambda event: {"reading_total_wh": event.reading.total_wh},
    dismantling.FinalReadingDisputed: lambda _: {"disputed": True},
    dismantling.FinalReadingResolved: _resolved,
    custody.Dispatched: lambda event: _place(event, "in_transit", shipment=event.shipment, container=event.container),
    custody.Received: lambda event: {
        **_place(event, "at_site", site=event.moved.to_site),
        "damaged": event.damaged,
    },
    unexpected.Unexpected: _unexpected,
    unexpected.UnexpectedAccepted: lambda _: {"unexpected": False},
    unexpected.CustomerConsented: lambda _: {},
    missing.Missing: lambda event: _place(event, "missing", shipment=event.shipment),
    missing.Found: lambda event: _place(event, "at_site", site=event.moved.to_site),
    missing.LossConfirmed: lambda event: _place(event, "lost"),
    missing.WrittenOff: lambda event: _place(event, "ended", reference=event.approval),
    custody.Stored: _stored,
    unexpected.Reappeared: lambda _: {},
    hold.HoldPlaced: lambda _: {},
    hold.HoldLifted: lambda _: {},
    hold.SealApplied: lambda _: {},
    hold.SealRemoved: lambda _: {},
    release.PreconditionRecorded: lambda _: {},
    release.Released: _released,
    release.SampleReturned: lambda event: _place(event, "at_site", site=event.moved.to_site),
    release.ReceivedFromMaker: lambda event: _place(event, "at_site", site=event.moved.to_site),
    release.Replaced: lambda _: {},
    release.Reinstalled: lambda event: {**_place(event, "in_service"), "unit": event.unit, "data_cleared": False},
    release.ReturnedToMaker: lambda event: _place(event, "out", purpose="maker", reference=event.reference),
    release.ReturnedToCustomer: lambda event: _place(event, "ended", reference=event.reference),
    end.DataCleared: lambda _: {"data_cleared": True},
    end.ChipDestroyed: lambda _: {"chip_destroyed": True},
    end.BatteryRemoved: lambda _: {},
    end.Defaced: lambda _: {"defaced": True},
    end.HandedToRecycler: lambda event: _place(event, "with_recycler", reference=event.contract),
    end.Destroyed: lambda event: _place(event, "ended", reference=event.certificate),
    end.DestroyedInTest: lambda event: _place(event, "ended", reference=event.report),
    end.KeptByMaker: lambda event: _place(event, "ended", reference=event.reference),
}
"""What each event changes on the card. Every event of a device is here: a test compares it with METER.events."""

CARD: Final = View(name="card", row=Card, table=CardTable, events=METER.events, keys=keys, evolve=evolve)
