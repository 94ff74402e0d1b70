"""Requests to a witness: the published example, and whatever is not exactly in their form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.errors import Malformed
from ledger.proof.merkle import SIZE_MAX
from ledger.proof.note import Note, parse_signatures
from ledger.proof.witness_request import HASHES_MAX, AddCheckpoint, decode_size, encode_size

# The example of tlog-witness.
CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— example.com/behind-the-sofa "
    "opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"
).encode()
EXAMPLE = (
    b"old 20852014\n"
    b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    b"jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    b"5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    b"/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n"
) + CHECKPOINT
ANSWER = (
    "— witness.example/w1 "
    "CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==\n"
    "— witness.example/w2 "
    "AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==\n"
).encode()
HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"


def test_the_example_of_the_specification():
    found = AddCheckpoint.parse(EXAMPLE)
    assert (found.old_size, len(found.proof), found.proof[0][:3].hex()) == (20852014, 4, "3e544d")
    assert found.checkpoint == CHECKPOINT
    assert found.encoded() == EXAMPLE
    assert len(Note.parse(found.checkpoint).signatures) == 2


def test_the_example_of_an_answer():
    found = parse_signatures(ANSWER)
    assert [(one.name, len(one.blob)) for one in found] == [("witness.example/w1", 72), ("witness.example/w2", 72)]
    assert "".join(one.line() for one in found).encode() == ANSWER


@pytest.mark.parametrize(
    "data",
    [
        b"", b"old 5\n", b"old 5\n\n"[:-1], b"\n" + EXAMPLE, EXAMPLE.replace(b"\n", b"\r\n"), CHECKPOINT,
        EXAMPLE.replace(b"old 20852014\n", b""), EXAMPLE.replace(b"old 2", b"old 02"),
        EXAMPLE.replace(b"old 2", b"old  2"), EXAMPLE.replace(b"old 2", b"Old 2"), EXAMPLE.replace(b"old 2", b"old -2"),
        EXAMPLE.replace(b"014\n", b"014 \n"), EXAMPLE.replace(b"014\n", b"014\n" + HASH[4:]),
        EXAMPLE.replace(b"014\n", b"014\n" + HASH.replace(b"A=", b"B=")),
        EXAMPLE.replace(b"014\n", b"014\n" + HASH * HASHES_MAX), EXAMPLE + b"x" * 1_010_000,
    ],
)  # fmt: skip
def test_what_is_not_a_request(data):
    with pytest.raises(Malformed):
        AddCheckpoint.parse(data)


@pytest.mark.parametrize(
    "wrong",
    [
        AddCheckpoint(-1, (), b""),
        AddCheckpoint(SIZE_MAX + 1, (), b""),
        AddCheckpoint(0, (b"short",), b""),
        AddCheckpoint(0, (bytes(32),) * (HASHES_MAX + 1), b""),
    ],
)
def test_a_request_that_cannot_be_written_is_refused(wrong):
    with pytest.raises(Malformed):
        wrong.encoded()


@given(
    st.integers(0, SIZE_MAX), st.lists(st.binary(min_size=32, max_size=32), max_size=HASHES_MAX).map(tuple), st.binary()
)
def test_requests_come_back_from_their_bytes(old_size, proof, checkpoint):
    request = AddCheckpoint(old_size, proof, checkpoint)
    assert AddCheckpoint.parse(request.encoded()) == request


@given(st.integers(0, SIZE_MAX))
def test_sizes_come_back_from_their_line(size):
    assert decode_size(encode_size(size)) == size


@pytest.mark.parametrize("data", [b"", b"5", b"05\n", b"5\n\n", b"5\n6\n", b" 5\n", b"5\r\n", b"-5\n", b"five\n"])
def test_what_is_not_a_size(data):
    with pytest.raises(Malformed):
        decode_size(data)
