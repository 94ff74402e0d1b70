"""Files of disclosures, against another's CBOR, and whatever is not exactly in their form."""

import io

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.commitment import decode_envelope, disclosed, entry_of, envelope_of
from ledger.proof.disclosure import (
    DisclosedMetadata,
    decode_events,
    decode_metadata,
    encode_event,
    encode_metadata,
    metadata_record,
    must_open,
)
from ledger.proof.errors import Malformed, Mismatch, OutOfRange
from tests.ledger.proof.disclosing import event
from tests.ledger.proof.signing import every_changed_byte

SHOWN = [0, 3, 4, 30, 300, 999]
EVENTS = b"".join(encode_event(index, envelope_of(event(index))) for index in SHOWN)
METADATA = b"".join(metadata_record(index, event(index)) for index in SHOWN)


def test_events_are_shown_and_held_against_the_log():
    found = list(decode_events(EVENTS, 0, 1000))
    assert found == [(index, envelope_of(event(index))) for index in SHOWN]
    for index, envelope in found:
        assert disclosed(index, envelope, entry_of(event(index))).stream == f"meter-{index}"
    with pytest.raises(Mismatch):
        disclosed(3, found[1][1], entry_of(event(4)))


def test_metadata_is_shown_and_held_against_the_envelope():
    found = list(decode_metadata(METADATA, 0, 1000))
    assert [one.index for one in found] == SHOWN
    for one in found:
        must_open(one, decode_envelope(envelope_of(event(one.index))))
    with pytest.raises(Mismatch):
        must_open(DisclosedMetadata(3, b"{}", found[1].salt_rest), decode_envelope(envelope_of(event(3))))


def test_an_empty_file_shows_nothing():
    assert list(decode_events(b"", 0, 1000)) == []
    assert list(decode_metadata(b"", 0, 1000)) == []


def test_files_are_sequences_that_another_reads():
    decoder = cbor2.CBORDecoder(io.BytesIO(METADATA))
    assert [decoder.decode() for _ in SHOWN] == [
        [index, event(index).metadata, event(index).salt[16:]] for index in SHOWN
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 40), st.binary(), st.binary(min_size=16, max_size=16)),
        unique_by=lambda one: one[0],
    )
)
def test_records_come_back_from_their_bytes(records):
    records.sort()
    events = b"".join(encode_event(index, data) for index, data, _ in records)
    assert list(decode_events(events, 0, 1 << 41)) == [(index, data) for index, data, _ in records]
    assert events == b"".join(cbor2.dumps([index, data], canonical=True) for index, data, _ in records)
    shown = [DisclosedMetadata(*record) for record in records]
    metadata = b"".join(encode_metadata(*record) for record in records)
    assert list(decode_metadata(metadata, 0, 1 << 41)) == shown
    assert metadata == b"".join(cbor2.dumps(list(record), canonical=True) for record in records)


def test_indices_rise_within_the_range_of_the_file():
    one, two = encode_event(5, b"x"), encode_event(6, b"y")
    assert len(list(decode_events(one + two, 5, 7))) == 2
    for data, begin, end in [(two + one, 0, 9), (one + one, 0, 9), (one, 6, 9), (two, 0, 6)]:
        with pytest.raises(Malformed, match="index"):
            list(decode_events(data, begin, end))
    one, two = encode_metadata(5, b"x", bytes(16)), encode_metadata(6, b"y", bytes(16))
    for data, begin, end in [(two + one, 0, 9), (one + one, 0, 9), (one, 6, 9), (two, 0, 6)]:
        with pytest.raises(Malformed, match="index"):
            list(decode_metadata(data, begin, end))


@pytest.mark.parametrize(
    "data",
    [
        b"\x82",
        b"\x82\x05",
        b"\x82\x05\x41",
        b"\x82\x05\x41x\x00",
        b"\x82\x18\x05\x41x",
        b"\x82\x05\x58\x01x",
        b"\x82\x05\x61x",
        b"\x82\x24\x41x",
        b"\x83\x05\x41x\x41x",
        b"\x82\x05\x5f\x41x\xff",
        b"\x9f\x05\x41x\xff",
        b"\x98\x02\x05\x41x",
        b"\x82\x05\x5b" + b"\xff" * 8 + b"x",
    ],
)
def test_what_is_not_a_file_of_events(data):
    with pytest.raises(Malformed):
        list(decode_events(data, 0, 1000))


@pytest.mark.parametrize(
    "data",
    [
        b"\x83\x05\x41x",
        b"\x83\x05\x41x\x4f" + bytes(15),
        b"\x83\x05\x41x\x51" + bytes(17),
        b"\x83\x05\x41x\x58\x10" + bytes(16),
        b"\x83\x05\x41x\x50" + bytes(15),
        b"\x82\x05\x41x",
        b"\x84\x05\x41x\x50" + bytes(16) + b"\x00",
        b"\x84\x05\x41x\x50" + bytes(16),
        b"\x82\x05\x41x\x50" + bytes(16),
        b"\x83\x05\x41x\x50" + bytes(16) + b"\x00",
    ],
)
def test_what_is_not_a_file_of_metadata(data):
    with pytest.raises(Malformed):
        list(decode_metadata(data, 0, 1000))
    with pytest.raises(Malformed):
        encode_metadata(1, b"", bytes(15))


def test_a_record_that_cannot_be_is_not_written():
    largest = (1 << 63) - 1
    assert list(decode_events(encode_event(largest, b"x"), 0, largest + 1)) == [(largest, b"x")]
    shown = decode_metadata(encode_metadata(largest, b"x", bytes(16)), 0, largest + 1)
    assert [one.index for one in shown] == [largest]
    for index in (-1, largest + 1):
        with pytest.raises(OutOfRange):
            encode_event(index, b"x")
        with pytest.raises(OutOfRange):
            encode_metadata(index, b"x", bytes(16))
    with pytest.raises(Malformed, match="32 bytes"):
        metadata_record(1, msgspec.structs.replace(event(1), salt=bytes(33)))


def test_any_changed_byte_of_a_file_is_refused():
    entries = {index: entry_of(event(index)) for index in range(1000)}
    for changed in every_changed_byte(EVENTS, 3):
        assert changed != EVENTS
        shown = {}
        try:
            for index, envelope in decode_events(changed, 0, 1000):
                disclosed(index, envelope, entries[index])
                shown[index] = envelope
        except (Malformed, Mismatch):
            continue
        # A file cut between two records shows less, and all that it shows is so.
        assert EVENTS.startswith(changed)
        assert list(shown) == SHOWN[: len(shown)]


@pytest.mark.parametrize("begin", [0, 252, 256, 61_440, 65_536, (1 << 32) - 4, 1 << 32])
@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_records_of_every_width_are_those_of_another(begin, length):
    end, data = begin + 4_096, bytes(length)
    events = [encode_event(index, data) for index in range(begin, begin + 6)]
    metadata = [encode_metadata(index, data, bytes(16)) for index in range(begin, begin + 6)]
    assert b"".join(events) == b"".join(cbor2.dumps([begin + at, data], canonical=True) for at in range(6))
    assert [index for index, shown in decode_events(b"".join(events), begin, end) if shown == data] == [
        *range(begin, begin + 6)
    ]
    assert [one.index for one in decode_metadata(b"".join(metadata), begin, end) if one.metadata == data] == [
        *range(begin, begin + 6)
    ]
    for records, decode in ((events, decode_events), (metadata, decode_metadata)):
        for wrong in (
            [records[0], records[2], records[1]],
            [records[0], records[0]],
            [*records, records[0]],
            [records[0], records[1][:-1]],
            [records[0][:-1], records[1]],
            [records[0], records[1], b"\0"],
        ):
            with pytest.raises(Malformed):
                list(decode(b"".join(wrong), begin, end))
        with pytest.raises(Malformed):
            list(decode(b"".join(records), begin, begin + 5))
        with pytest.raises(Malformed):
            list(decode(b"".join(records), begin + 1, end))


@pytest.mark.parametrize("begin", [256, 65_536])
def test_any_changed_byte_of_the_usual_records_is_refused_or_another_record(begin):
    record = encode_event(begin + 3, bytes(300))
    shown = encode_metadata(begin + 3, bytes(300), bytes(16))
    for changed in every_changed_byte(record[:12]):
        _same_or_refused(changed + record[12:], decode_events, encode_event, begin)
    for changed in every_changed_byte(shown[:12]):
        _same_or_refused(changed + shown[12:], decode_metadata, encode_metadata, begin)


def _same_or_refused(data, decode, encode, begin):
    try:
        found = list(decode(data, begin, begin + 4_096))
    except Malformed:
        return
    fields = [one if isinstance(one, tuple) else msgspec.structs.astuple(one) for one in found]
    assert b"".join(encode(*one) for one in fields) == data
