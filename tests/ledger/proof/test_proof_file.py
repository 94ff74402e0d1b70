"""Proof files: the published form, all of what must hold, and whatever is not exactly in their form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.cosignature import cosign
from ledger.proof.errors import BadSignature, Malformed, Mismatch, NoQuorum, OutOfRange, ProofFault, UnknownSigner
from ledger.proof.merkle import SIZE_MAX, inclusion_proof, leaf_hashes, root_of
from ledger.proof.policy import Policy
from ledger.proof.proof_file import HASHES_MAX, LogProof, verify
from tests.ledger.proof.signing import LOG, ORIGIN, W1, W2, every_changed_byte, signer

SIZE = 21
ENTRY = [b"entry %d" % index for index in range(SIZE)]
LEAVES = leaf_hashes(ENTRY)
POLICY = Policy.parse(f"log {LOG.verifier}\nwitness w1 {W1.verifier}\nwitness w2 {W2.verifier}\nquorum w1\n".encode())


def subtree(level: int, index: int) -> bytes:
    return root_of(LEAVES[index << level : (index + 1) << level])


def checkpoint(size: int = SIZE, root: bytes = b"", origin: str = ORIGIN, by=LOG, witnesses=(W1,)) -> bytes:
    note = Checkpoint(origin, size, root or root_of(LEAVES[:size])).signed_by([by])
    return note.signed_also(cosign(note.text, witness, 1_790_000_000) for witness in witnesses).encoded()


def proof_of(index: int, size: int = SIZE, **said) -> LogProof:
    return LogProof(index, tuple(inclusion_proof(index, size, subtree)), checkpoint(size, **said))


def test_the_form_of_the_specification():
    hashes = (bytes(32), b"\xff" * 32)
    data = LogProof(5, hashes, b"verbatim\n", b"extra").encoded()
    assert data.decode() == (
        "c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 5\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n\nverbatim\n"
    )
    assert LogProof(0, (), b"verbatim\n").encoded() == b"c2sp.org/tlog-proof@v1\nindex 0\n\nverbatim\n"


@pytest.mark.parametrize("size", [1, 2, 7, 8, 20, SIZE])
def test_every_entry_is_proven_and_no_other_in_its_place(size):
    for index in range(size):
        proof = LogProof.parse(proof_of(index, size).encoded())
        found = verify(proof, ENTRY[index], POLICY)
        assert (found.checkpoint.size, found.cosigned_at_s) == (size, {"w1": 1_790_000_000})
        with pytest.raises(Mismatch):
            verify(proof, ENTRY[index] + b" ", POLICY)


def test_each_thing_that_must_hold():
    good = proof_of(3)
    for wrong, fault in [
        (LogProof(4, good.hashes, good.checkpoint), Mismatch),
        (LogProof(SIZE, good.hashes, good.checkpoint), OutOfRange),
        (LogProof(3, good.hashes[:-1], good.checkpoint), Malformed),
        (LogProof(3, (*good.hashes, bytes(32)), good.checkpoint), Malformed),
        (LogProof(3, good.hashes[::-1], good.checkpoint), Mismatch),
        (LogProof(3, good.hashes, checkpoint(root=bytes(32))), Mismatch),
        (LogProof(3, good.hashes, checkpoint(origin="other.example")), UnknownSigner),
        (LogProof(3, good.hashes, checkpoint(by=signer("impostor"))), UnknownSigner),
        (LogProof(3, good.hashes, checkpoint(witnesses=())), NoQuorum),
        (LogProof(3, good.hashes, checkpoint(witnesses=(W2,))), NoQuorum),
        (LogProof(3, good.hashes, good.checkpoint.replace(b"\n21\n", b"\n22\n")), BadSignature),
        (LogProof(3, good.hashes, b""), Malformed),
    ]:
        with pytest.raises(fault):
            verify(wrong, ENTRY[3], POLICY)


def test_what_is_extra_is_kept_and_changes_nothing():
    good = proof_of(3)
    with_extra = LogProof(good.index, good.hashes, good.checkpoint, b"envelope")
    assert LogProof.parse(with_extra.encoded()) == with_extra
    assert verify(with_extra, ENTRY[3], POLICY) == verify(good, ENTRY[3], POLICY)


def test_any_changed_byte_of_a_proof_is_refused():
    data = proof_of(3).encoded()
    for changed in every_changed_byte(data):
        with pytest.raises(ProofFault):
            verify(LogProof.parse(changed), ENTRY[3], POLICY)


GOOD = proof_of(3).encoded()
HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        GOOD.replace(b"\n", b"\r\n"),
        b"\n" + GOOD,
        b" " + GOOD,
        GOOD.replace(b"@v1", b"@v2"),
        GOOD.replace(b"@v1\n", b"@v1\n\n"),
        GOOD.replace(b"index 3\n", b""),
        GOOD.replace(b"index 3", b"index 03"),
        GOOD.replace(b"index 3", b"index  3"),
        GOOD.replace(b"index 3", b"index +3"),
        GOOD.replace(b"index 3", b"index 3 "),
        GOOD.replace(b"index 3", b"index -3"),
        GOOD.replace(b"index 3", b"Index 3"),
        GOOD.replace(b"index 3", b"index " + str(SIZE_MAX + 1).encode()),
        GOOD.replace(b"index 3", b"index 3\nindex 3"),
        GOOD.replace(b"index 3", b"index 3\nextra AAAA"),
        GOOD.replace(b"index 3", b"extra \nindex 3"),
        GOOD.replace(b"index 3", b"extra AAAB=\nindex 3"),
        GOOD.replace(b"index 3", b"extra AAA\nindex 3"),
        GOOD.replace(b"index 3", b"extra AAAA\nextra AAAA\nindex 3"),
        GOOD.replace(b"index 3\n", b"index 3\n" + HASH[1:]),
        GOOD.replace(b"index 3\n", b"index 3\n" + HASH.replace(b"A=", b"B=")),
        GOOD.replace(b"index 3\n", b"index 3\n" + HASH * (HASHES_MAX + 1)),
        GOOD.replace(b"index 3\n", b"index 3\n" + HASH.replace(b"=", b"= ")),
        GOOD.replace(b"\n\n", b"\n \n", 1),
        GOOD.replace(b"index 3\n", b"index 3\n\xff\n"),
        GOOD.partition(b"\n\n")[0],
        GOOD + b"x" * 1_000_001,
        b"c2sp.org/tlog-proof@v1\nextra " + b"AAAA" * 800_000 + b"\nindex 3\n\nx\n",
    ],
)
def test_what_is_not_a_proof(data):
    with pytest.raises(Malformed):
        LogProof.parse(data)


@pytest.mark.parametrize(
    "wrong",
    [
        LogProof(-1, (), b""),
        LogProof(SIZE_MAX + 1, (), b""),
        LogProof(0, (b"short",), b""),
        LogProof(0, (bytes(32),) * (HASHES_MAX + 1), b""),
        LogProof(0, (), b"", b""),
        LogProof(0, (), b"", bytes((2 << 20) + 1)),
    ],
)
def test_a_proof_that_cannot_be_written_is_refused(wrong):
    with pytest.raises(Malformed):
        wrong.encoded()


def test_the_largest_proof_is_read():
    largest = LogProof((1 << 63) - 1, (b"\xff" * 32,) * 63, b"x" * 1_000_000, bytes(2 << 20))
    assert LogProof.parse(largest.encoded()) == largest


@given(
    st.integers(0, SIZE_MAX),
    st.lists(st.binary(min_size=32, max_size=32), max_size=HASHES_MAX).map(tuple),
    st.binary(),
    st.none() | st.binary(min_size=1),
)
def test_proofs_come_back_from_their_bytes(index, hashes, note, extra):
    proof = LogProof(index, hashes, note, extra)
    assert LogProof.parse(proof.encoded()) == proof


@given(st.binary() | st.binary().map(lambda tail: b"c2sp.org/tlog-proof@v1\nindex 1\n" + tail))
def test_whatever_parses_is_in_its_only_form(data):
    try:
        proof = LogProof.parse(data)
    except Malformed:
        return
    assert proof.encoded() == data
