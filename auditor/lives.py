"""What the events of a device make of it, by rules of the auditor's own: where it is in its life, and what is so of it.

They are read from docs/formats.md and the schemas of the public events. Which phase may follow which is held against
every device; what else is so of it, and which holds stand, is reckoned for a sample and compared with what the platform
shows.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from auditor.balance import BUSINESS_ZONE, Undated

DEVICES: Final = "meter-"
SERVICE: Final = "registry."
NOT_YET: Final = ""
"""The phase before the first event."""

_HASHES: Final = 1 << 32
_EVENTS_A_DEVICE: Final = 40

_BEGUN: Final = "registered"
"""In service, or not delivered yet: which of them the event says, and nothing that can follow depends on more."""

ALIVE: Final = frozenset(
    {_BEGUN, "in_service", "at_site", "in_transit", "missing", "lost", "out", "with_maker", "with_recycler"}
)
DESTROYED: Final = frozenset({"destroyed", "destroyed_in_test"})
LEFT: Final = frozenset({"written_off", "returned_to_customer", "kept_by_maker"})
"""Ends after which a device may turn up all the same."""

_EVER: Final = ALIVE | DESTROYED | LEFT
_SEEN: Final = ALIVE | LEFT | {NOT_YET}
_AT: Final = frozenset({"at_site"})
_IN_HAND: Final = frozenset({"at_site", "out"})
_OUT: Final = frozenset({"out"})


class Told(msgspec.Struct, frozen=True, gc=False):
    """An event of a device in the sample."""

    stream: str
    version: int
    index: int
    type: str
    data: bytes


class Sample(msgspec.Struct, frozen=True):
    """Devices drawn by the hashes of their streams, which are below 2^32: those for which `factor`, an odd number that
    nobody knows beforehand, makes of it one below `below`.
    """

    factor: int
    below: int

    def has(self, hashed: int) -> bool:
        return hashed * self.factor & _HASHES - 1 < self.below


def sample_of(devices: int, events: int, factor: int) -> Sample:
    """At least so many devices of a log with so many events, where it has them: rarely has one more than 40 events."""
    return Sample(factor | 1, min(_HASHES, devices * _EVENTS_A_DEVICE * _HASHES // max(1, events)))


class Step(NamedTuple):
    """In which phases an event can come, and to which it leads; None where it leaves the phase as it is."""

    after: frozenset[str]
    to: str | None = None


STEPS: Final[dict[str, Step]] = {
    "Registered": Step(frozenset({NOT_YET}), _BEGUN),
    "TemporaryIdentityAssigned": Step(frozenset({NOT_YET}), "at_site"),
    "IdentityClaimed": Step(_AT),
    "IdentityBound": Step(_AT, "bound"),
    "TemporaryIdentityKept": Step(ALIVE),
    "IdentityAdopted": Step(_SEEN - _AT, "at_site"),
    "AdoptionRefused": Step(_EVER),
    "RecordCorrected": Step(_EVER | {"bound"}),
    "Dismantled": Step(frozenset({_BEGUN, "in_service", "at_site"}), "at_site"),
    "FinalReadingRecorded": Step(ALIVE),
    "FinalReadingDisputed": Step(ALIVE),
    "FinalReadingResolved": Step(ALIVE),
    "Dispatched": Step(_AT, "in_transit"),
    "Received": Step(frozenset({"in_transit"}), "at_site"),
    "Stored": Step(_AT),
    "PlacedInContainer": Step(_AT),
    "TakenOutOfContainer": Step(_AT),
    "Unexpected": Step(_SEEN, "at_site"),
    "UnexpectedAccepted": Step(_AT),
    "CustomerConsented": Step(ALIVE),
    "Reappeared": Step(DESTROYED | LEFT | {"with_recycler"}),
    "Missing": Step(frozenset({"at_site", "in_transit", "out"}), "missing"),
    "Found": Step(frozenset({"missing", "lost"}), "at_site"),
    "LossConfirmed": Step(frozenset({"missing"}), "lost"),
    "WrittenOff": Step(frozenset({"lost"}), "written_off"),
    "HoldPlaced": Step(ALIVE),
    "HoldLifted": Step(ALIVE),
    "SealApplied": Step(ALIVE),
    "SealRemoved": Step(ALIVE),
    "PreconditionRecorded": Step(ALIVE),
    "Released": Step(_AT, "out"),
    "SampleReturned": Step(_OUT, "at_site"),
    "ReceivedFromMaker": Step(frozenset({"out", "with_maker", _BEGUN}), "at_site"),
    "Replaced": Step(_EVER),
    "Reinstalled": Step(_OUT, "in_service"),
    "ReturnedToMaker": Step(_OUT, "with_maker"),
    "ReturnedToCustomer": Step(_OUT, "returned_to_customer"),
    "DataCleared": Step(_IN_HAND),
    "ChipDestroyed": Step(_IN_HAND),
    "BatteryRemoved": Step(_IN_HAND),
    "Defaced": Step(_IN_HAND),
    "HandedToRecycler": Step(_OUT, "with_recycler"),
    "Destroyed": Step(frozenset({"with_recycler"}), "destroyed"),
    "DestroyedInTest": Step(_OUT, "destroyed_in_test"),
    "KeptByMaker": Step(frozenset({"with_maker"}), "kept_by_maker"),
}
KINDS: Final[dict[str, int]] = {SERVICE + name: number for number, name in enumerate(STEPS, 1)}
"""Numbers of the types of events that a device's life is made of; of others it is not known what they do."""
_BY_KIND: Final = (Step(frozenset()), *STEPS.values())
CORRECTED: Final = KINDS[SERVICE + "RecordCorrected"]


def name_of(kind: int) -> str:
    """The type of the events with this number."""
    return next(name for name, number in KINDS.items() if number == kind)


@lru_cache(maxsize=4_096)
def after(phase: str, kind: int) -> str | None:
    """The phase after an event of a kind, None where such an event cannot come in this phase."""
    step = _BY_KIND[kind]
    if phase not in step.after:
        return None
    return phase if step.to is None else step.to


def lead(kind: int) -> str | None:
    """The phase to which events of a kind lead, None where they leave it."""
    return _BY_KIND[kind].to


Event: TypeAlias = Mapping[str, Any]
Said: TypeAlias = dict[str, Any]

_NOWHERE: Final = dict.fromkeys(("site", "shipment", "container", "location", "purpose", "reference", "holder"))
_NOT_DISMANTLED: Final = dict.fromkeys(("dismantled_on", "reason", "work_order", "dismantled_version"))
_MOVEMENTS: Final = ("moved", "moved_out", "moved_in")

SHOWN: Final = (
    *("phase", "since", "site", "unexpected", "shipment", "container", "location", "purpose", "reference", "holder"),
    *("device_class", "owner", "unit", "dismantled_on", "reason", "work_order", "disputed", "bound_to", "seals"),
    *("data_cleared", "chip_destroyed", "defaced", "damaged", "version"),
)
"""What of a device is compared with its card."""

Hold: TypeAlias = tuple[str, str, str | None]
"""Of a hold that stands: its kind, on whose word, and until when."""


class Life:
    """A device, event by event."""

    def __init__(self) -> None:
        self._is: Said = {}
        self._holds: dict[str, Hold] = {}
        self._seals: frozenset[str] = frozenset()

    def take(self, version: int, type_: str, data: bytes) -> None:
        """The next event. Raises DecodeError, Undated, KeyError where it is none that such a device can have."""
        event: Event = msgspec.json.decode(data)
        name = type_.removeprefix(SERVICE)
        if name in _CHANGES:
            self._is |= _CHANGES[name](self._is, event, version)
        elif name == "HoldPlaced":
            self._holds = {**self._holds, event["hold"]: (event["kind"], event["reference"], event.get("until"))}
        elif name == "HoldLifted":
            self._holds = {hold: said for hold, said in self._holds.items() if hold != event["hold"]}
        elif name in {"SealApplied", "SealRemoved"}:
            others = self._seals - {event["seal_no"]}
            self._seals = others | {event["seal_no"]} if name == "SealApplied" else others
        if name == "IdentityBound":
            # They stand on under the number.
            self._holds = {}
        self._is["version"] = version

    @property
    def card(self) -> Said:
        """What a platform is to show of it; nothing where nothing but numbers is known."""
        if "device_class" not in self._is:
            return {}
        return {name: self._is.get(name) or None for name in SHOWN} | {"seals": ",".join(sorted(self._seals)) or None}

    @property
    def holds(self) -> dict[str, Hold]:
        """The holds that stand, by their names."""
        return self._holds


def card_of(answer: Mapping[str, Any]) -> Said:
    """What a platform shows of a device, as `Life.card` has it: what is empty, or no, may be left out."""
    return {name: answer.get(name) or None for name in SHOWN}


def _day(event: Event) -> str:
    if (own := event.get("occurred_on")) is not None:
        return str(own)
    if (at := event.get("occurred_at")) is None:
        raise Undated("an event of a device has no day")
    return datetime.fromisoformat(at).astimezone(UTC).astimezone(BUSINESS_ZONE).date().isoformat()


def _movement(event: Event) -> Event | None:
    for name in _MOVEMENTS:
        moved: Event | None = event.get(name)
        if moved is not None and (moved.get("from_site") is not None or moved.get("to_site") is not None):
            return moved
    return None


def _placed(before: Said, event: Event, phase: str, **more: Any) -> Said:
    """Where it is now, and since when: nothing is left of where it was."""
    moved = _movement(event)
    # What moves nothing may be dated before the device got where it was: it was there until then at least.
    since = max(_day(event), before.get("since") or "") if moved is None else moved.get("on") or _day(event)
    return {**_NOWHERE, "unexpected": False, "phase": phase, "since": since, **more}


def _at(before: Said, event: Event, site: str, **more: Any) -> Said:
    return _placed(before, event, "at_site", site=site, holder=site, **more)


def _came_in(before: Said, event: Event, _version: int) -> Said:
    return _at(before, event, event["moved"]["to_site"])


def _came_back(before: Said, event: Event, version: int) -> Said:
    """Whoever had it meanwhile may have put keys and records on it."""
    return {**_came_in(before, event, version), "data_cleared": False}


def _identified(event: Event, version: int) -> Said:
    return {name: event[name] for name in ("device_class", "owner", "unit")} | {"unit_version": version}


def _registered(before: Said, event: Event, version: int) -> Said:
    if event["origin"] == "in_service":
        placed = _placed(before, event, "in_service")
    else:
        placed = _placed(before, event, "with_maker", holder=event.get("description", {}).get("maker"))
    return {**_identified(event, version), **placed}


def _temporary(before: Said, event: Event, version: int) -> Said:
    return {**_identified(event, version), **_came_in(before, event, version)}


def _adopted(before: Said, event: Event, version: int) -> Said:
    apart = {"unexpected": event.get("unexpected", False), "data_cleared": False}
    return {**_identified(event, version), **_at(before, event, event["site"], **apart)}


def _corrected(before: Said, event: Event, _version: int) -> Said:
    """A correction says what an earlier event should have said; what was said again since then it leaves."""
    if event.get("did_not_happen"):
        return {**_placed(before, event, "in_service"), **_NOT_DISMANTLED, "data_cleared": False}
    names = ["device_class", "owner"]
    if event["corrects_version"] == before.get("unit_version"):
        names.append("unit")
    if event["corrects_version"] == before.get("dismantled_version"):
        names += ["reason", "work_order", "dismantled_on"]
    said = {name: event[name] for name in names if event.get(name) is not None}
    return said | ({"since": event["there_since"]} if event.get("there_since") is not None else {})


def _dismantled(before: Said, event: Event, version: int) -> Said:
    placed = _came_in(before, event, version) if event["moved"].get("to_site") is not None else {}
    said = {"dismantled_on": _day(event), "dismantled_version": version, "unit_version": version}
    return {**placed, **said, **{name: event[name] for name in ("reason", "work_order", "unit")}}


def _unexpected(before: Said, event: Event, version: int) -> Said:
    return {
        "device_class": event["moved"]["device_class"],
        "owner": event["owner"],
        "unit": event["unit"],
        **({"unit_version": 0} if version == 0 else {}),
        **_at(before, event, event["moved"]["to_site"], unexpected=True),
        "damaged": event.get("damaged", False),
        "data_cleared": False,
    }


def _dispatched(before: Said, event: Event, _version: int) -> Said:
    more = {"container": event.get("container"), "holder": event["moved"].get("from_site")}
    return _placed(before, event, "in_transit", shipment=event["shipment"], **more)


def _released(before: Said, event: Event, _version: int) -> Said:
    more = {"reference": event["reference"], "holder": event["moved"].get("from_site")}
    return _placed(before, event, "out", purpose=event["purpose"], **more)


def _reinstalled(before: Said, event: Event, version: int) -> Said:
    again = {"unit": event["unit"], "unit_version": version, "data_cleared": False}
    return {**_placed(before, event, "in_service"), **_NOT_DISMANTLED, **again}


def _given_back(before: Said, event: Event, _version: int) -> Said:
    placed = _placed(before, event, "returned_to_customer", reference=event["reference"])
    return {**placed, "dismantled_version": None}


def _goes(phase: str, **from_members: str) -> Callable[[Said, Event, int], Said]:
    """To a phase, of which the event says more: `holder="last_site"` where its member `last_site` is the holder."""

    def change(before: Said, event: Event, _version: int) -> Said:
        return _placed(before, event, phase, **{name: event.get(member) for name, member in from_members.items()})

    return change


def _is(**said: Any) -> Callable[[Said, Event, int], Said]:
    return lambda _before, _event, _version: said


_CHANGES: Final[dict[str, Callable[[Said, Event, int], Said]]] = {
    "Registered": _registered,
    "TemporaryIdentityAssigned": _temporary,
    "IdentityBound": _goes("bound", bound_to="bound_to"),
    "IdentityAdopted": _adopted,
    "RecordCorrected": _corrected,
    "Dismantled": _dismantled,
    "FinalReadingDisputed": _is(disputed=True),
    "FinalReadingResolved": _is(disputed=False),
    "Dispatched": _dispatched,
    "Received": lambda before, event, version: {
        **_came_in(before, event, version),
        "damaged": event.get("damaged", False),
    },
    "Stored": lambda _before, event, _version: {
        "location": event["location"],
        "container": event.get("container"),
    },
    "PlacedInContainer": lambda _before, event, _version: {"container": event["container"]},
    "TakenOutOfContainer": _is(container=None),
    "Unexpected": _unexpected,
    "UnexpectedAccepted": _is(unexpected=False),
    "Missing": _goes("missing", shipment="shipment", holder="last_site"),
    "Found": _came_back,
    "LossConfirmed": _goes("lost", holder="last_site"),
    "WrittenOff": _goes("written_off", reference="approval", holder="last_site"),
    "Released": _released,
    "SampleReturned": _came_back,
    "ReceivedFromMaker": _came_back,
    "Reinstalled": _reinstalled,
    "ReturnedToMaker": _goes("with_maker", reference="reference", holder="maker"),
    "ReturnedToCustomer": _given_back,
    "DataCleared": _is(data_cleared=True),
    "ChipDestroyed": _is(chip_destroyed=True),
    "Defaced": _is(defaced=True),
    "HandedToRecycler": _goes("with_recycler", reference="contract", holder="recycler"),
    "Destroyed": _goes("destroyed", reference="certificate", holder="recycler"),
    "DestroyedInTest": _goes("destroyed_in_test", reference="report", holder="holder"),
    "KeptByMaker": _goes("kept_by_maker", reference="reference", holder="maker"),
}
"""What each event changes, holds and seals apart."""
