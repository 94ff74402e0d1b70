"""The helpers that every test of rules leans on must fail when the rules do."""

import msgspec
import pytest

from tests.given import given, recorded, rows
from tests.kernel.parcel import CODEC, GONE, PARCEL, UNKNOWN, Deliver, Delivered, HandedOn, HandOn, Send, Sent

SEND = Send(parcel="p1", place="A", weight_g=10)
SENT = Sent(parcel="p1", place="A", weight_g=10)


def test_a_story_in_several_steps():
    parcel = given(PARCEL).when(SEND).then([SENT])
    parcel.when(HandOn(parcel="p1", place="B")).then([HandedOn(parcel="p1", place_before="A", place="B")])
    parcel.when(HandOn(parcel="p1", place="B")).then([])
    parcel.when(Deliver(parcel="p1")).then([Delivered(parcel="p1", place_before="B")])
    parcel.when(Deliver(parcel="p1")).refused(GONE, parcel="p1")


def test_what_was_decided_otherwise_fails():
    with pytest.raises(AssertionError):
        given(PARCEL).when(SEND).then([])
    with pytest.raises(AssertionError):
        given(PARCEL).when(SEND).refused(GONE)
    with pytest.raises(AssertionError):
        given(PARCEL).when(Deliver(parcel="p1")).refused(GONE)
    with pytest.raises(AssertionError):
        given(PARCEL).when(Deliver(parcel="p1")).refused(UNKNOWN, parcel="p2")
    with pytest.raises(pytest.fail.Exception, match=r"parcel\.unknown"):
        given(PARCEL).when(Deliver(parcel="p1")).then([])


def test_a_command_that_no_door_lets_in_fails():
    with pytest.raises(msgspec.ValidationError):
        given(PARCEL).when(Send(parcel="p1", place="A", weight_g=-1))


def test_recorded_reads_back():
    assert CODEC.decode(recorded(SENT, 3, codec=CODEC)) == SENT


class _LastPlace:
    """Enough of a view for the helper."""

    @staticmethod
    def keys(event, _recorded):
        return [(event.parcel,)]

    @staticmethod
    def evolve(_row, event, as_recorded, _key):
        return None if isinstance(event, Delivered) else (event.place, as_recorded.position)


def test_rows_folds_and_deletes():
    handed_on = HandedOn(parcel="p1", place_before="A", place="B")
    assert rows(_LastPlace, [SENT, handed_on]) == {("p1",): ("B", 2)}
    assert rows(_LastPlace, [SENT, (handed_on, recorded(handed_on, 9))]) == {("p1",): ("B", 9)}
    assert rows(_LastPlace, [SENT, Delivered(parcel="p1", place_before="A")]) == {}
