"""A parcel: sent, handed on from place to place, delivered. The sample noun of the kernel's tests."""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from kernel.codec import Codec
from kernel.decider import Decider, Part, members
from kernel.quantity import Code, Count
from kernel.refusal import against_rules, not_found

UNKNOWN = not_found("parcel.unknown", "没有包裹 {parcel}", "there is no parcel {parcel}")
SENT_ALREADY = against_rules("parcel.sent_already", "包裹 {parcel} 已寄出", "parcel {parcel} has been sent already")
GONE = against_rules("parcel.gone", "包裹 {parcel} 已送达", "parcel {parcel} has been delivered")


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parcel's commands and events have in common."""

    parcel: Code


class Send(Message, frozen=True, kw_only=True):
    place: Code
    weight_g: Count


class HandOn(Message, frozen=True, kw_only=True):
    place: Code


class Deliver(Message, frozen=True, kw_only=True):
    pass


Command = Send | HandOn | Deliver


class Sent(Message, frozen=True, kw_only=True):
    place: Code
    weight_g: Count


class HandedOn(Message, frozen=True, kw_only=True):
    place_before: Code
    place: Code


class Delivered(Message, frozen=True, kw_only=True):
    place_before: Code


Event = Sent | HandedOn | Delivered


class State(msgspec.Struct, frozen=True):
    """Where it is; None before it was sent."""

    place: str | None = None
    delivered: bool = False


def decide(command: Command, state: State) -> Sequence[Event]:
    match command:
        case Send():
            if state.place is not None:
                raise SENT_ALREADY(parcel=command.parcel)
            return [Sent(parcel=command.parcel, place=command.place, weight_g=command.weight_g)]
        case HandOn():
            if state.place == command.place:
                return []
            return [HandedOn(parcel=command.parcel, place_before=_here(command, state), place=command.place)]
        case Deliver():
            return [Delivered(parcel=command.parcel, place_before=_here(command, state))]
        case _:
            assert_never(command)


def evolve(state: State, event: Event) -> State:
    match event:
        case Sent() | HandedOn():
            return msgspec.structs.replace(state, place=event.place)
        case Delivered():
            return msgspec.structs.replace(state, delivered=True)
        case _:
            assert_never(event)


def _here(command: HandOn | Deliver, state: State) -> str:
    if state.place is None:
        raise UNKNOWN(parcel=command.parcel)
    if state.delivered:
        raise GONE(parcel=command.parcel)
    return state.place


PARCEL = Decider(
    category="parcel",
    initial=State(),
    key="parcel",
    begins=(Send,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
CODEC = Codec("sample", PARCEL.events)
