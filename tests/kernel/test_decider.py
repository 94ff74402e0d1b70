"""Parts of one life, composed."""

import pytest

from kernel.decider import Decider, Part, becomes, members
from tests.kernel.parcel import PARCEL, Deliver, Delivered, HandedOn, HandOn, Send, Sent, State, decide, evolve

SENDING = Part((Send,), (Sent,), decide, evolve)
MOVING = Part((HandOn, Deliver), (HandedOn, Delivered), decide, evolve)


def composed(*parts, begins=(Send,)):
    return Decider(category="parcel", initial=State(), key="parcel", begins=begins, parts=parts)


def test_a_life_in_two_parts_is_the_same_life():
    parcel = composed(SENDING, MOVING)
    assert parcel.commands == PARCEL.commands
    assert parcel.events == PARCEL.events
    sent = parcel.decide(Send(parcel="p1", place="A", weight_g=1), parcel.initial)
    state = parcel.fold(sent)
    handed = parcel.decide(HandOn(parcel="p1", place="B"), state)
    assert parcel.fold(handed, state) == parcel.evolve(state, *handed) == PARCEL.fold([*sent, *handed]) == State("B")


def test_nothing_happened_is_the_beginning():
    assert PARCEL.fold([]) == PARCEL.initial
    assert PARCEL.fold([], State("B")) == State("B")


def test_two_lives_do_not_share_their_tables():
    assert composed(SENDING).commands == (Send,)
    assert composed(SENDING, MOVING).commands == (Send, HandOn, Deliver)
    assert composed(SENDING).commands == (Send,)


def test_a_command_or_an_event_belongs_to_one_part():
    with pytest.raises(ValueError, match="Send belongs to two parts"):
        composed(SENDING, SENDING)
    with pytest.raises(ValueError, match="Sent belongs to two parts"):
        composed(SENDING, Part((HandOn,), (Sent,), decide, evolve))


def test_a_stream_begins_with_a_command_of_its_own():
    with pytest.raises(ValueError, match="begins with commands it does not decide"):
        composed(MOVING)


def test_a_command_names_its_stream():
    assert PARCEL.stream(Deliver(parcel="p1")) == "parcel-p1"


def test_an_event_takes_what_it_shares_with_its_command():
    hand_on = HandOn(parcel="p1", place="B")
    assert becomes(hand_on, HandedOn, place_before="A") == HandedOn(parcel="p1", place="B", place_before="A")
    assert becomes(hand_on, HandedOn, place_before="A", place="C").place == "C"
    with pytest.raises(TypeError):
        becomes(hand_on, HandedOn)


def test_what_a_union_holds():
    assert members(Sent | Delivered) == (Sent, Delivered)
    assert members(Sent) == (Sent,)


def test_a_decider_is_not_changed_afterwards():
    with pytest.raises(AttributeError):
        PARCEL.category = "box"
