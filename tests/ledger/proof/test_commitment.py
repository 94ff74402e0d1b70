"""Envelopes and commitments, against another's CBOR, and whatever is not exactly in their form."""

from hashlib import sha256

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.commitment import (
    Envelope,
    commitment,
    decode_envelope,
    disclosed,
    encode_envelope,
    entry_hashes,
    entry_of,
    envelope_of,
    opens_entry,
    opens_metadata,
)
from ledger.proof.errors import Malformed, Mismatch, ProofFault
from ledger.proof.merkle import leaf_hash
from tests.ledger.proof.disclosing import DATA, ENVELOPES, event
from tests.ledger.proof.signing import every_changed_byte

ONE = event(7)
ENVELOPE = envelope_of(ONE)
FIELDS = cbor2.loads(ENVELOPE)


def test_an_envelope_is_the_array_that_is_promised():
    salt = bytes(range(32))
    assert [
        "meter-7", 2, bytes(15) + b"\x07", "synthetic.MeterSeen.v1", "application/json", 1_790_000_000_000_007,
        b'{"seen":7}', salt[:16], sha256(salt[16:] + b'{"who":"synthetic"}').digest(),
    ] == FIELDS  # fmt: skip
    assert cbor2.dumps(FIELDS, canonical=True) == ENVELOPE


def test_a_commitment_is_a_hash_in_its_own_domain():
    entry = sha256(b"meterloop/v1/commitment\x00" + ENVELOPE).digest()
    assert commitment(ENVELOPE) == entry_of(ONE) == entry
    assert entry_hashes([ENVELOPE]) == [leaf_hash(entry)]
    # Pinned: another value would make every log of the platform another.
    assert entry.hex() == "a013ae6ec113e812f9537e6f375052e6dfff8575e219cfbfd83643e687381812"


def test_the_event_opens_its_entry_and_no_other():
    entry = entry_of(ONE)
    assert opens_entry(ENVELOPE, entry)
    assert disclosed(7, ENVELOPE, entry) == decode_envelope(ENVELOPE)
    with pytest.raises(Mismatch):
        disclosed(7, envelope_of(event(8)), entry)
    not_an_envelope = b"\x89 something else that was committed to"
    with pytest.raises(Malformed):
        disclosed(7, not_an_envelope, commitment(not_an_envelope))


def test_metadata_opens_apart_with_the_rest_of_the_salt():
    envelope = decode_envelope(ENVELOPE)
    assert opens_metadata(envelope, ONE.metadata, ONE.salt[16:])
    assert not opens_metadata(envelope, ONE.metadata + b" ", ONE.salt[16:])
    assert not opens_metadata(envelope, ONE.metadata, ONE.salt[:16])
    # A byte moved from the metadata into the salt hashes alike.
    assert not opens_metadata(envelope, ONE.metadata[1:], ONE.salt[16:] + ONE.metadata[:1])


def test_metadata_changes_the_commitment():
    assert entry_of(event(7, b"")) != entry_of(ONE)


@given(ENVELOPES)
def test_envelopes_are_written_as_another_writes_them(envelope):
    encoded = encode_envelope(envelope)
    assert encoded == cbor2.dumps(list(msgspec.structs.astuple(envelope)), canonical=True)
    assert decode_envelope(encoded) == envelope


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536, 1 << 20])
def test_lengths_about_which_the_form_changes(length):
    for name in ("data", "stream", "type", "content_type"):
        value = bytes(length) if name == "data" else "x" * length
        envelope = msgspec.structs.replace(decode_envelope(ENVELOPE), **{name: value})
        encoded = encode_envelope(envelope)
        assert encoded == cbor2.dumps(list(msgspec.structs.astuple(envelope)), canonical=True)
        assert decode_envelope(encoded) == envelope


@pytest.mark.parametrize("number", [0, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
def test_numbers_about_which_the_form_changes(number):
    envelope = msgspec.structs.replace(decode_envelope(ENVELOPE), version=number, recorded_at_us=number)
    encoded = encode_envelope(envelope)
    assert encoded == cbor2.dumps(list(msgspec.structs.astuple(envelope)), canonical=True)
    assert decode_envelope(encoded) == envelope


def of_a_device(data_bytes: int, **other: object) -> bytes:
    """An envelope as most are: of a stream with a long name, with JSON."""
    seen = msgspec.structs.replace(
        decode_envelope(ENVELOPE),
        stream="meter-9900000000000000000007",
        type="synthetic.MeterSeen",
        data=b'{"seen":"%s"}' % (b"x" * (data_bytes - 11)),
    )
    return encode_envelope(msgspec.structs.replace(seen, **other))


@pytest.mark.parametrize(
    "encoded",
    [
        ENVELOPE,
        of_a_device(23),
        of_a_device(24),
        of_a_device(255),
        of_a_device(256),
        of_a_device(300, type="synthetic.MeterSeenWithALongName", version=23),
        of_a_device(60, stream="meter-" + "0" * 17, version=24),
        of_a_device(60, stream="meter-" + "0" * 18, recorded_at_us=(1 << 32) - 1),
        of_a_device(60, stream="meter-" + "0" * 250, content_type="application/cbor"),
    ],
)
def test_any_changed_byte_of_an_envelope_is_another_or_none(encoded):
    for changed in every_changed_byte(encoded):
        assert not opens_entry(changed, commitment(encoded))
        try:
            decoded = decode_envelope(changed)
        except Malformed:
            assert not is_envelope_to_another(changed)
        else:
            assert encode_envelope(decoded) == changed
            assert list(msgspec.structs.astuple(decoded)) == cbor2.loads(changed)


def is_envelope_to_another(data: bytes) -> bool:
    """Whether another reads the nine fields of an envelope in it, and writes the same bytes for them."""
    try:
        fields = cbor2.loads(data)
        if cbor2.dumps(fields, canonical=True) != data:
            return False
    except (cbor2.CBORDecodeError, cbor2.CBOREncodeError, OverflowError, ValueError):
        return False
    kinds = [str, int, bytes, str, str, int, bytes, bytes, bytes]
    return (
        isinstance(fields, list)
        and [type(field) for field in fields] == kinds
        and min(fields[1], fields[5]) >= 0
        and [len(fields[at]) for at in (2, 7, 8)] == [16, 16, 32]
    )


@given(ENVELOPES, st.data())
def test_what_is_cut_or_longer_is_refused(envelope, data):
    encoded = encode_envelope(envelope)
    at = data.draw(st.integers(0, len(encoded) - 1))
    for wrong in (encoded[:at], encoded + b"\x00", encoded[:at] + data.draw(st.binary(min_size=1)) + encoded[at:]):
        try:
            assert encode_envelope(decode_envelope(wrong)) == wrong != encoded
        except Malformed:
            continue
    with pytest.raises(Malformed):
        decode_envelope(encoded[:at])
    with pytest.raises(Malformed):
        decode_envelope(encoded + b"\x00")


@given(st.binary() | st.binary().map(lambda tail: b"\x89" + tail))
def test_arbitrary_bytes_are_no_envelope(data):
    with pytest.raises(Malformed):
        decode_envelope(data)


def written(*fields: bytes, first: bytes = b"\x89") -> bytes:
    return first + b"".join(fields)


PARTS = [cbor2.dumps(field) for field in FIELDS]


@pytest.mark.parametrize(
    "data",
    [
        written(*PARTS[:8]),
        written(*PARTS[:8], first=b"\x88"),
        written(*PARTS, PARTS[0], first=b"\x8a"),
        written(*PARTS, first=b"\x98\x09"),
        written(*PARTS, b"\xff", first=b"\x9f"),
        written(b"\x78\x07meter-7", *PARTS[1:]),
        written(b"\x79\x00\x07meter-7", *PARTS[1:]),
        written(b"\x7b\x00\x00\x00\x00\x00\x00\x00\x07meter-7", *PARTS[1:]),
        written(b"\x7f\x67meter-7\xff", *PARTS[1:]),
        written(b"\x47meter-7", *PARTS[1:]),
        written(b"\x67meter-\xff", *PARTS[1:]),
        written(b"\x67mete\xed\xa0\x80", *PARTS[1:]),
        written(b"\xc0" + PARTS[0], *PARTS[1:]),
        written(PARTS[0], b"\x18\x02", *PARTS[2:]),
        written(PARTS[0], b"\x19\x00\x02", *PARTS[2:]),
        written(PARTS[0], b"\x21", *PARTS[2:]),
        written(PARTS[0], b"\xf9\x40\x00", *PARTS[2:]),
        written(PARTS[0], b"\xf6", *PARTS[2:]),
        written(PARTS[0], b"\xc2\x41\x02", *PARTS[2:]),
        written(*PARTS[:2], b"\x4f" + bytes(15), *PARTS[3:]),
        written(*PARTS[:2], b"\x51" + bytes(17), *PARTS[3:]),
        written(*PARTS[:2], b"\x58\x10" + bytes(16), *PARTS[3:]),
        written(*PARTS[:5], b"\x1b\x00\x00\x00\x00\x00\x00\x00\x07", *PARTS[6:]),
        written(*PARTS[:6], b'\x58\x0a{"seen":7}', *PARTS[7:]),
        written(*PARTS[:6], b'\x6a{"seen":7}', *PARTS[7:]),
        written(*PARTS[:6], b"\x5b" + b"\xff" * 8 + b"x", *PARTS[7:]),
        written(*PARTS[:7], b"\x58\x10" + bytes(16), PARTS[8]),
        written(*PARTS[:7], b"\x4f" + bytes(15), PARTS[8]),
        written(*PARTS[:8], b"\x59\x00\x20" + bytes(32)),
        written(*PARTS[:8], b"\x58\x21" + bytes(33)),
    ],
)
def test_what_is_not_in_the_only_form(data):
    with pytest.raises(Malformed):
        decode_envelope(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": bytes(15)},
        {"salt": bytes(31)},
        {"salt": bytes(33)},
        {"version": -1},
        {"version": 1 << 64},
        {"recorded_at_us": -1},
        {"stream": "\ud800"},
        {"type": "\ud800"},
    ],
)
def test_an_event_that_cannot_be_is_not_committed_to(wrong):
    with pytest.raises(Malformed):
        envelope_of(msgspec.structs.replace(ONE, **wrong))


@given(DATA)
def test_an_envelope_put_together_has_the_lengths_of_its_parts(data):
    good = decode_envelope(ENVELOPE)
    for wrong in ({"salt": data}, {"metadata_hash": data}, {"id": data}):
        if len(data) not in {16, 32}:
            with pytest.raises(ProofFault):
                encode_envelope(msgspec.structs.replace(good, **wrong))
    assert isinstance(good, Envelope)
