"""Checkpoints: the published example, and whatever is not exactly in their form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.cosignature import cosign
from ledger.proof.errors import BadSignature, Malformed, ProofFault, UnknownSigner
from ledger.proof.keys import KeyType, VerifierKey
from ledger.proof.merkle import EMPTY_ROOT, SIZE_MAX
from ledger.proof.note import Signed, sign
from tests.ledger.proof.signing import LOG, ORIGIN, W1, every_changed_byte, signer

ROOT = bytes(range(32))
ONE = Checkpoint(ORIGIN, 1234, ROOT)
BEHIND = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_the_example_of_the_specification():
    found = Checkpoint.parse(BEHIND)
    assert (found.origin, found.size, found.root[:3].hex()) == ("example.com/behind-the-sofa", 20852163, "0ac518")
    assert found.text() == BEHIND


def test_opened_with_the_keys_of_log_and_witness():
    note = ONE.signed_by([LOG])
    note = note.signed_also([cosign(note.text, W1, 99)])
    found = opened(note.encoded(), [LOG.verifier], [W1.verifier])
    assert (found.checkpoint, found.note) == (ONE, note)
    assert found.signed == (Signed(LOG.verifier, None), Signed(W1.verifier, 99))


def test_an_extension_line_is_taken_and_signed():
    one = Checkpoint(ORIGIN, 0, EMPTY_ROOT, ("an extension", "— another"))
    assert opened(one.signed_by([LOG]).encoded(), [LOG.verifier]).checkpoint == one


def test_another_log_s_signature_is_not_this_log_s():
    other = signer("other.example")
    note = ONE.signed_by([other]).encoded()
    with pytest.raises(UnknownSigner):
        opened(note, [LOG.verifier])
    with pytest.raises(UnknownSigner, match="no known key of the log"):
        opened(note, [LOG.verifier, other.verifier])
    witnessed = ONE.signed_by([other]).signed_also([cosign(ONE.text(), W1, 99)]).encoded()
    with pytest.raises(UnknownSigner, match="no known key of the log"):
        opened(witnessed, [LOG.verifier], [W1.verifier])


def test_a_witness_of_the_log_s_name_is_not_the_log():
    namesake = signer(ORIGIN, KeyType.COSIGNATURE)
    note = ONE.signed_by([signer("other.example")])
    note = note.signed_also([cosign(note.text, namesake, 99)])
    with pytest.raises(UnknownSigner, match="no known key of the log"):
        opened(note.encoded(), [LOG.verifier], [namesake.verifier])


def test_the_largest_size_is_read():
    largest = Checkpoint(ORIGIN, (1 << 63) - 1, ROOT)
    assert Checkpoint.parse(largest.text()) == largest


def test_a_key_of_the_log_s_name_that_is_not_its_key():
    impostor = VerifierKey(ORIGIN, LOG.verifier.type, signer("impostor").verifier.public)
    with pytest.raises(UnknownSigner):
        opened(ONE.signed_by([LOG]).encoded(), [impostor])


def test_size_and_root_are_signed():
    data = ONE.signed_by([LOG]).encoded()
    with pytest.raises(BadSignature):
        opened(data.replace(b"\n1234\n", b"\n1235\n"), [LOG.verifier])


def test_any_changed_byte_of_a_signed_checkpoint_is_refused_or_drops_the_witness():
    note = ONE.signed_by([LOG])
    data = note.signed_also([cosign(note.text, W1, 99)]).encoded()
    for changed in every_changed_byte(data):
        try:
            found = opened(changed, [LOG.verifier], [W1.verifier])
        except ProofFault:
            continue
        # The line no longer names the witness, so it is a stranger's.
        assert (found.checkpoint, found.signed) == (ONE, (Signed(LOG.verifier, None),))
        assert changed.startswith(note.encoded())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        BEHIND[:-1],
        BEHIND + b"\n",
        b"\n" + BEHIND,
        BEHIND.replace(b"\n", b"\r\n"),
        BEHIND.replace(b"\n", b"\n\n", 1),
        BEHIND.replace(b"20852163", b"020852163"),
        BEHIND.replace(b"20852163", b"+20852163"),
        BEHIND.replace(b"20852163", b"-1"),
        BEHIND.replace(b"20852163", b" 20852163"),
        BEHIND.replace(b"20852163", b"20_852_163"),
        BEHIND.replace(b"20852163", "２０".encode()),
        BEHIND.replace(b"20852163", b"00"),
        BEHIND.replace(b"20852163", b""),
        BEHIND.replace(b"20852163", str(SIZE_MAX + 1).encode()),
        BEHIND.replace(b"20852163", b"9" * 5000),
        BEHIND.replace(b"q2I=", b"q2J="),
        BEHIND.replace(b"q2I=", b"q2I"),
        BEHIND.replace(b"q2I=", b"q2I=="),
        BEHIND.replace(b"q2I=", b"q2I= "),
        BEHIND.replace(b"q2I=", b"q2IA"),
        BEHIND.replace(b"q2I=", b"q2I=AAAA"),
        BEHIND.replace(b"CsUY", b""),
        BEHIND.replace(b"/Xajj", b"_Xajj"),
        b"origin\n1\n",
    ],
)
def test_what_is_not_a_checkpoint(text):
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        Checkpoint("", 1, ROOT),
        Checkpoint("two\nlines", 1, ROOT),
        Checkpoint("car\rriage", 1, ROOT),
        Checkpoint(ORIGIN, -1, ROOT),
        Checkpoint(ORIGIN, SIZE_MAX + 1, ROOT),
        Checkpoint(ORIGIN, 1, ROOT[:-1]),
        Checkpoint(ORIGIN, 1, ROOT, ("",)),
        Checkpoint(ORIGIN, 1, ROOT, ("two\nlines",)),
        Checkpoint("\ud800", 1, ROOT),
    ],
)
def test_what_no_log_can_say(wrong):
    with pytest.raises(Malformed):
        wrong.text()


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(
    WORDS,
    st.integers(0, SIZE_MAX),
    st.binary(min_size=32, max_size=32),
    st.lists(WORDS, max_size=3).map(tuple),
)
def test_checkpoints_come_back_from_their_text(origin, size, root, extensions):
    one = Checkpoint(origin, size, root, extensions)
    assert Checkpoint.parse(one.text()) == one
    assert Checkpoint.parse(sign(one.text(), [LOG]).text) == one
