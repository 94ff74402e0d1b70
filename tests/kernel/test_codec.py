"""What is written today is read for ever."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.codec import KEPT, Codec, Undecodable
from kernel.quantity import Happened
from tests.given import recorded
from tests.kernel.parcel import CODEC, PARCEL, Delivered, HandedOn, Sent

SENT = Sent(parcel="p1", place="A", weight_g=10)


class Weighed(Happened, frozen=True, kw_only=True):
    parcel: str
    weight_g: int
    by_hand: bool = False


def as_recorded(type_name, data):
    return recorded(SENT, 5, type=type_name, data=data)


def test_types_are_named_after_the_service_and_the_event():
    assert dict(CODEC.types) == {"sample.Sent": Sent, "sample.HandedOn": HandedOn, "sample.Delivered": Delivered}
    assert CODEC.type_of(SENT) == "sample.Sent"
    assert CODEC.reads("sample.Sent")
    assert not CODEC.reads("other.Sent")


@given(st.integers(0, 1_000_000_000), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", fullmatch=True))
def test_what_was_written_is_read(weight_g, place):
    event = Sent(parcel="p1", place=place, weight_g=weight_g)
    assert CODEC.decode(as_recorded(CODEC.type_of(event), CODEC.encode(event))) == event


def test_a_default_means_absent():
    codec = Codec("sample", [Weighed])
    data = codec.encode(Weighed(occurred_on=date(2026, 3, 5), parcel="p", weight_g=1, by_hand=False))
    assert data == b'{"occurred_on":"2026-03-05","parcel":"p","weight_g":1}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{",
        b'{"parcel":"p1","place":"A"}',
        b'{"parcel":"p1","place":"A","weight_g":-1}',
        b'{"parcel":"p1","place":"A","weight_g":"1"}',
        b'{"parcel":"p1","place":"A","weight_g":1,"colour":"red"}',
    ],
    ids=["empty", "no text", "null", "array", "cut off", "missing", "out of bounds", "text", "unknown field"],
)
def test_what_cannot_be_read_says_what_and_where(data):
    with pytest.raises(Undecodable, match=r"sample\.Sent at position 5 of sample-1: ") as undecodable:
        CODEC.decode(as_recorded("sample.Sent", data))
    assert undecodable.value.recorded.data == data


def test_a_type_of_a_later_version_is_named():
    with pytest.raises(Undecodable, match=r"sample\.Lost at position 5 of sample-1: no such type in this version"):
        CODEC.decode(as_recorded("sample.Lost", b"{}"))


def _from_kilograms(data):
    old = msgspec.json.decode(data)
    return Sent(parcel=old["parcel"], place=old["place"], weight_g=1_000 * old["weight_kg"])


def test_an_old_shape_is_read_by_its_upcaster_and_never_written():
    codec = Codec("sample", PARCEL.events, {"sample.SentByKilogram": _from_kilograms})
    old = as_recorded("sample.SentByKilogram", b'{"parcel":"p1","place":"A","weight_kg":2}')
    assert codec.decode(old) == Sent(parcel="p1", place="A", weight_g=2_000)
    assert codec.reads("sample.SentByKilogram")
    assert "sample.SentByKilogram" not in codec.types


def test_what_is_written_today_has_no_upcaster():
    with pytest.raises(ValueError, match="is written today"):
        Codec("sample", PARCEL.events, {"sample.Sent": _from_kilograms})


def test_what_was_kept_as_it_was_written_is_not_read_again_and_nothing_else_passes_for_it():
    codec = Codec("sample", [Sent, Weighed])
    event = Weighed(occurred_on=date(2026, 3, 5), parcel="p", weight_g=1)
    data = codec.encode(event)
    found = as_recorded("sample.Weighed", data)
    assert codec.decode(found) is not event
    codec.keep(found.id, event, data)
    assert codec.decode(found) is event
    other = data.replace(b":1}", b":2}")
    assert codec.decode(as_recorded("sample.Weighed", other)).weight_g == 2
    with pytest.raises(Undecodable):
        codec.decode(as_recorded("sample.Sent", data))


def test_so_much_is_kept_and_no_more():
    codec = Codec("sample", [Weighed])
    event = Weighed(occurred_on=date(2026, 3, 5), parcel="p", weight_g=1)
    data = codec.encode(event)

    def kept(keys):
        found = [codec.decode(recorded(event, 1, id=key, type="sample.Weighed", data=data)) for key in keys]
        return sum(one is event for one in found)

    keys = [nth.to_bytes(16, "big") for nth in range(3 * KEPT)]
    for key in keys:
        codec.keep(key, event, data)
    assert kept(keys[-KEPT:]) == KEPT
    assert kept(keys) <= 2 * KEPT
    large = codec.encode(Weighed(occurred_on=date(2026, 3, 5), parcel="p" * 2**20, weight_g=1))
    for key in keys[:100]:
        codec.keep(key, event, large)
    assert kept(keys) == 0
