"""Events that are read together say what each says alone, and nothing gets past for being read together."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.balance import Said
from auditor.saying import must_say_one_thing, said_at_once, said_by
from auditor.streams import replay
from ledger.proof.commitment import JSON, Envelope, decode_envelope, envelope_of
from ledger.proof.errors import Malformed
from tests.auditor.logs import season

MOVED = b'{"occurred_on":"2026-03-05","moved":{"device_class":"01","to_site":"centre"}}'
DEEP = b"[" * 100_000 + b"]" * 100_000


def envelope(data: bytes, of: str = "registry.Received", content_type: str = JSON) -> Envelope:
    return Envelope("meter-1", 0, bytes(16), of, content_type, 1, data, bytes(16), bytes(32))


def test_what_the_registry_records_is_read_together():
    envelopes = [decode_envelope(envelope_of(event)) for event in season().events]
    together = said_at_once(envelopes)
    assert together is not None
    assert together == [said_by(one) or Said() for one in envelopes]


@pytest.mark.parametrize(
    "data",
    [
        [MOVED + b"\n" + MOVED, b""],
        [b"", MOVED + b"\n" + MOVED],
        [MOVED, b""],
        [b'{"a":[1', b"2]}"],
        [b'{"a":1', b"}"],
        [MOVED, MOVED + b"\n"],
        [b"\n" + MOVED, MOVED],
        [MOVED + b" ", MOVED],
        [b'{"a":1,"a":1}', MOVED],
        [b'{"moved":{"device_class":"01","device_class":"01"}}'],
        [b'{"mo\\u0076ed":null}'],
        [b"null", MOVED],
        [b"5"],
        [b'{"moved":5}'],
        [b'{"a":NaN}'],
        [b"\xff"],
        [DEEP, MOVED],
        [],
    ],
    ids=lambda data: repr(b"|".join(data)[:40]),
)
def test_what_is_not_plain_is_read_one_by_one(data: list[bytes]):
    assert said_at_once([envelope(one) for one in data]) is None


def test_other_services_and_other_contents_move_nothing():
    assert said_at_once([envelope(MOVED, "claims.Opened"), envelope(MOVED)]) == [Said(), said_by(envelope(MOVED))]
    assert said_at_once([envelope(MOVED, content_type="application/cbor")]) is None
    assert said_by(envelope(MOVED, "claims.Opened")) is None
    assert said_by(envelope(b"\x00", "claims.Opened", "application/octet-stream")) is None


@pytest.mark.parametrize("data", [DEEP, b"null", b'{"moved":5}', b'{"a":1,"a":1}', b"", b"{} {}"])
def test_what_cannot_be_read_in_one_way_is_malformed(data: bytes):
    with pytest.raises(Malformed):
        said_by(envelope(data))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), min_size=1, max_size=4), st.data())
def test_together_or_alone_is_the_same(values, drawn):
    data = [msgspec.json.encode(value) for value in values]
    if drawn.draw(st.booleans()):
        at = drawn.draw(st.integers(0, len(data) - 1))
        data[at] = data[at].replace(b":", b": ", 1)
    envelopes = [envelope(one) for one in data]
    together = said_at_once(envelopes)
    try:
        alone = [said_by(one) for one in envelopes]
    except Malformed:
        assert together is None
    else:
        assert together is None or together == alone
        for one in data:
            must_say_one_thing(one)


def step(stream: str, version: int, event_id: bytes, index: int) -> bytes:
    return msgspec.msgpack.encode((stream, version, event_id, index, (), 0))


def test_an_id_is_once_in_a_stream_and_may_be_in_another(tmp_path: Path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(msgspec.msgpack.encode([step("a", 0, b"1", 0), step("b", 0, b"1", 1), step("a", 1, b"2", 2)]))
    other.write_bytes(msgspec.msgpack.encode([step("b", 1, b"2", 3)]))
    found = replay([one, other], whole=True)
    assert (found.streams, found.findings) == (2, [])
    other.write_bytes(msgspec.msgpack.encode([step("a", 2, b"1", 3)]))
    (repeated,) = replay([one, other], whole=True).findings
    assert (repeated.what, repeated.index, repeated.stream) == ("id", 3, "a")
