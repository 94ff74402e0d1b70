"""Salt, metadata and the rest come through KurrentDB's metadata as they went in, whatever a server does to it."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.carrying import OCTETS, Members, put_on, seen, taken_off, wire_content_type, written
from ledger.port import JSON, SALT_BYTES

NAMES = {
    "meterloop.salt",
    "meterloop.metadata",
    "meterloop.metadata64",
    "meterloop.content_type",
    "meterloop.recorded_at_us",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
members = st.builds(
    Members,
    salt=st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES),
    metadata=st.binary(max_size=200) | texts.map(str.encode),
    content_type=st.sampled_from([JSON, OCTETS, "application/cbor"]) | texts.filter(bool),
    recorded_at_us=st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
)
others = st.dictionaries(texts.filter(lambda name: name not in NAMES), st.text("abc") | st.integers() | st.none())


@given(members)
def test_what_is_put_on_is_taken_off_again(given):
    assert taken_off(put_on(given), wire_content_type(given.content_type)) == given


@given(members, others, st.randoms(use_true_random=False))
def test_members_that_a_server_adds_and_their_order_do_not_matter(given, added, random):
    items = [*json.loads(put_on(given)).items(), *added.items()]
    random.shuffle(items)
    for ascii_only in (True, False):
        stored = json.dumps(dict(items), ensure_ascii=ascii_only, indent=2).encode()
        assert seen(b"i" * 16, stored, wire_content_type(given.content_type)) == given


@given(members)
def test_all_members_are_strings_as_a_multi_stream_append_needs(given):
    assert json.loads(put_on(given)) == written(given)
    assert {type(value) for value in written(given).values()} == {str}
    assert set(written(given)) <= NAMES


@given(members)
def test_only_what_is_needed_is_written(given):
    names = set(written(given))
    assert ("meterloop.metadata" in names or "meterloop.metadata64" in names) == bool(given.metadata)
    assert ("meterloop.content_type" in names) == (given.content_type not in {JSON, OCTETS})
    assert ("meterloop.recorded_at_us" in names) == (given.recorded_at_us is not None)


def test_as_the_format_is_documented():
    given = Members(bytes(range(32)), '{"actor":"甲"}'.encode(), "application/cbor", 1_700_000_000_000_001)
    assert json.loads(put_on(given)) == {
        "meterloop.salt": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "meterloop.metadata": '{"actor":"甲"}',
        "meterloop.content_type": "application/cbor",
        "meterloop.recorded_at_us": "1700000000000001",
    }
    assert json.loads(put_on(Members(bytes(32), b"\xff")))["meterloop.metadata64"] == "/w=="


SALT = b64encode(bytes(32)).decode()

OF_ANOTHER = {
    "empty": b"",
    "not JSON": b"\xff\x00",
    "not an object": b'["meterloop.salt"]',
    "without a salt": b'{"$correlationId":"c","meterloop.metadata":"m"}',
    "a short salt": b'{"meterloop.salt":"AAAA"}',
    "a salt that is not base64": b'{"meterloop.salt":"' + b"*" * 44 + b'"}',
    "a salt that is not ASCII": '{"meterloop.salt":"盐"}'.encode(),
    "a salt that is a number": b'{"meterloop.salt":1}',
    "metadata twice": json.dumps(
        {"meterloop.salt": SALT, "meterloop.metadata": "m", "meterloop.metadata64": "bQ=="}
    ).encode(),
    "a time that is none": json.dumps({"meterloop.salt": SALT, "meterloop.recorded_at_us": "1.5"}).encode(),
    "a time in other digits": json.dumps({"meterloop.salt": SALT, "meterloop.recorded_at_us": "٣"}).encode(),
    "a time beyond int64": json.dumps({"meterloop.salt": SALT, "meterloop.recorded_at_us": str(1 << 63)}).encode(),
}


@pytest.mark.parametrize("why", OF_ANOTHER)
def test_what_another_wrote_is_seen_as_it_is(why):
    stored = OF_ANOTHER[why]
    assert taken_off(stored, OCTETS) is None
    first, second = seen(b"i" * 16, stored, OCTETS), seen(b"j" * 16, stored, OCTETS)
    assert (first.metadata, first.content_type, first.recorded_at_us) == (stored, OCTETS, None)
    assert len(first.salt) == SALT_BYTES
    assert first.salt == seen(b"i" * 16, b"other", JSON).salt != second.salt


@given(st.binary(max_size=100))
def test_no_metadata_at_all_is_too_strange(stored):
    assert seen(b"i" * 16, stored, JSON).metadata == stored
