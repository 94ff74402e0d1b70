"""Signed notes, their keys and cosignatures: published examples, and whatever is not exactly in their form."""

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.cosignature import TIME_S_MAX, cosign, cosigned_at_s, message
from ledger.proof.errors import BadSignature, Malformed, OutOfRange, ProofFault, UnknownSigner
from ledger.proof.keys import KeyType, Signature, SignerKey, VerifierKey
from ledger.proof.note import SIGNATURES_MAX, Note, Signed, parse_signatures, sign, verified
from tests.ledger.proof.signing import LOG, NAMES, W1, W2, every_changed_byte, signer

# The example of Go's note package: a public key pair made to be printed.
NEUMANN_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

# The examples of signed-note: of a verifier key and what it signed, and of the format.
EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

# Its text has an empty line of its own.
SALVATORE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()

# The example of tlog-cosignature.
BEHIND = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
BEHIND_COSIGNED = (
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()

TEXT = b"first\n\nsecond\n"


def test_the_example_of_the_go_package():
    key, signer_key = VerifierKey.parse(NEUMANN_VKEY), SignerKey.parse(NEUMANN_SKEY)
    assert signer_key.verifier == key
    assert (str(key), signer_key.secret()) == (NEUMANN_VKEY, NEUMANN_SKEY)
    note = Note.parse(NEUMANN_NOTE)
    assert verified(note, [key]) == (Signed(key, None),)
    assert sign(note.text, [signer_key]).encoded() == NEUMANN_NOTE


def test_the_example_of_the_specification():
    key = VerifierKey.parse(EXAMPLE_VKEY)
    assert str(key) == EXAMPLE_VKEY
    assert verified(Note.parse(EXAMPLE_NOTE), [key]) == (Signed(key, None),)


def test_the_key_of_a_public_log():
    vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(VerifierKey.parse(vkey)) == vkey


def test_the_split_is_at_the_last_blank_line():
    note = Note.parse(SALVATORE)
    assert note.text.decode().count("\n\n") == 1
    assert note.encoded() == SALVATORE
    assert [each.name for each in note.signatures] == ["quasimodo.example/salvatore"]


def test_the_example_of_a_cosignature():
    (signature,) = parse_signatures(BEHIND_COSIGNED)
    assert signature.line().encode() == BEHIND_COSIGNED
    assert int.from_bytes(signature.blob[:8], "big") == 1679315147
    assert len(signature.blob) == 72
    assert message(BEHIND, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + BEHIND


def test_signed_and_cosigned():
    note = sign(TEXT, [LOG])
    note = note.signed_also([cosign(TEXT, W1, 1_700_000_000), cosign(TEXT, W2, 0)])
    assert Note.parse(note.encoded()) == note
    assert verified(note, [W2.verifier, LOG.verifier, W1.verifier]) == (
        Signed(LOG.verifier, None),
        Signed(W1.verifier, 1_700_000_000),
        Signed(W2.verifier, 0),
    )
    assert verified(note, [W1.verifier]) == (Signed(W1.verifier, 1_700_000_000),)


def test_the_same_seed_is_another_key_for_another_type():
    one, other = signer("both.example"), signer("both.example", KeyType.COSIGNATURE)
    assert one.verifier.public == other.verifier.public
    assert one.verifier.key_id != other.verifier.key_id
    with pytest.raises(UnknownSigner):
        verified(sign(TEXT, [one]), [other.verifier])


def test_a_repeated_signature_is_one():
    note = sign(TEXT, [LOG, LOG])
    assert len(note.signatures) == 2
    assert len(verified(Note.parse(note.encoded()), [LOG.verifier])) == 1


def test_unknown_keys_are_ignored_even_where_name_or_id_is_known():
    good = sign(TEXT, [LOG])
    name, key_id = LOG.verifier.name, LOG.verifier.key_id
    strangers = [
        Signature(name, bytes(4), bytes(64)),
        Signature("other.example", key_id, bytes(64)),
        Signature("strange.example", b"\xff\xff\xff\xff", b"\xffa-type-of-its-own"),
    ]
    assert verified(good.signed_also(strangers), [LOG.verifier]) == (Signed(LOG.verifier, None),)
    with pytest.raises(UnknownSigner):
        verified(Note(TEXT, tuple(strangers)), [LOG.verifier])
    with pytest.raises(UnknownSigner):
        verified(good, [])


def test_a_known_key_that_did_not_sign_spoils_the_note():
    forged = Signature(W1.verifier.name, W1.verifier.key_id, bytes(72))
    for blob in (bytes(72), bytes(71), bytes(64), b"\xff" * 72, cosign(b"other\n", W1, 7).blob):
        forged = Signature(W1.verifier.name, W1.verifier.key_id, blob)
        with pytest.raises(BadSignature):
            verified(sign(TEXT, [LOG]).signed_also([forged]), [LOG.verifier, W1.verifier])
    with pytest.raises(BadSignature):
        verified(Note(b"changed\n", sign(TEXT, [LOG]).signatures), [LOG.verifier])
    with pytest.raises(BadSignature):
        verified(Note(TEXT, (LOG.signature(b"short"),)), [LOG.verifier])


def test_a_signature_is_refused_in_its_other_form():
    """RFC 8032, section 5.1.7: the second half is below the group's order. A reader that took more would take two."""
    order = (1 << 252) + 27742317777372353535851937790883648493
    note = sign(TEXT, [LOG])
    blob = note.signatures[0].blob
    other = blob[:32] + (int.from_bytes(blob[32:], "little") + order).to_bytes(32, "little")
    with pytest.raises(BadSignature):
        verified(Note(TEXT, (LOG.signature(other),)), [LOG.verifier])


def test_the_time_is_signed_too():
    signature = cosign(TEXT, W1, 1000)
    assert cosigned_at_s(TEXT, W1.verifier, signature) == 1000
    with pytest.raises(BadSignature):
        cosigned_at_s(TEXT, W1.verifier, Signature(signature.name, signature.key_id, bytes(8) + signature.blob[8:]))
    with pytest.raises(OutOfRange):
        cosign(TEXT, W1, TIME_S_MAX + 1)
    with pytest.raises(OutOfRange):
        cosign(TEXT, W1, -1)


def test_a_time_goes_up_to_63_bits():
    assert cosigned_at_s(TEXT, W1.verifier, cosign(TEXT, W1, (1 << 63) - 1)) == (1 << 63) - 1
    beyond = (1 << 63).to_bytes(8, "big") + W1.sign(message(TEXT, 1 << 63))
    with pytest.raises(BadSignature, match="time"):
        cosigned_at_s(TEXT, W1.verifier, W1.signature(beyond))


def test_keys_sign_what_they_are_for():
    with pytest.raises(Malformed):
        sign(TEXT, [W1])
    with pytest.raises(Malformed):
        cosign(TEXT, LOG, 1)


def test_as_many_signatures_as_the_limit_and_no_more():
    many = [Signature(f"w{number}.example", b"abcd", b"x") for number in range(SIGNATURES_MAX - 1)]
    note = sign(TEXT, [LOG]).signed_also(many)
    assert len(verified(Note.parse(note.encoded()), [LOG.verifier])) == 1
    with pytest.raises(Malformed):
        Note.parse(note.signed_also([Signature("one.example", b"abcd", b"x")]).encoded())


SIGNED = sign(TEXT, [LOG]).encoded()
LINE = SIGNED[len(TEXT) + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        TEXT,
        TEXT + b"\n",
        LINE,
        b"\n" + LINE,
        TEXT + LINE,
        SIGNED[:-1],
        SIGNED + b"\n",
        SIGNED + b"more\n",
        SIGNED.replace(b"\n", b"\r\n"),
        SIGNED.replace(b"second", b"sec\x00nd"),
        SIGNED.replace(b"second", b"sec\tnd"),
        SIGNED.replace(b"second", b"sec\xffnd"),
        SIGNED.replace(b"second", b"sec\xed\xa0\x80nd"),
        SIGNED.replace("— ".encode(), b"- "),
        SIGNED.replace("— ".encode(), "—  ".encode()),
        SIGNED.replace("— ".encode(), "—".encode()),
        SIGNED.replace("— ".encode(), " — ".encode()),
        TEXT + "\n— log.example AAAA\n".encode(),
        TEXT + "\n— log.example AAAAAAA\n".encode(),
        TEXT + "\n— log.example AAAAAA==\n".encode(),
        TEXT + "\n— log.example AAAAAAB=\n".encode(),
        TEXT + "\n— log.example AAAAAAA==\n".encode(),
        TEXT + "\n— log.example AAAAAAA= \n".encode(),
        TEXT + "\n— log+example AAAAAAA=\n".encode(),
        TEXT + "\n— log\u00a0example AAAAAAA=\n".encode(),
        TEXT + "\n— log\u3000example AAAAAAA=\n".encode(),
        TEXT + "\n— log.example AAAA_AA=\n".encode(),
        TEXT + "\n—  AAAAAAA=\n".encode(),
        b"x" * (999_999 - len(LINE)) + b"\n\n" + LINE,
    ],
)
def test_what_is_not_a_note(data):
    with pytest.raises(Malformed):
        Note.parse(data)


def test_any_changed_byte_of_a_signed_note_is_refused():
    data = sign(TEXT, [LOG]).encoded()
    for changed in every_changed_byte(data):
        with pytest.raises(ProofFault):
            verified(Note.parse(changed), [LOG.verifier])


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        NEUMANN_VKEY.replace("c74f20a3", "C74F20A3"),
        NEUMANN_VKEY.replace("c74f20a3", "c74f20a4"),
        NEUMANN_VKEY.replace("c74f20a3", "c74f20a"),
        NEUMANN_VKEY.replace("PeterNeumann", "PeterNeuman"),
        NEUMANN_VKEY.replace("PeterNeumann", "Peter Neumann"),
        NEUMANN_VKEY.replace("+ARpc", "+AhpC"),
        NEUMANN_VKEY[:-4],
        NEUMANN_VKEY + "=",
        NEUMANN_VKEY + "\n",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_not_a_verifier_key(vkey):
    with pytest.raises(Malformed):
        VerifierKey.parse(vkey)
    with pytest.raises(Malformed):
        SignerKey.parse("PRIVATE+KEY+" + vkey)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused_under_its_right_id(length):
    material = b"\x01" + bytes(length)
    key_id = sha256(b"name\n" + material).hexdigest()[:8]
    for read in (VerifierKey.parse, lambda text: SignerKey.parse("PRIVATE+KEY+" + text)):
        with pytest.raises(Malformed, match="bytes of key"):
            read(f"name+{key_id}+{b64encode(material).decode()}")


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(Malformed):
        SignerKey("\ud800", KeyType.ED25519, bytes(32))
    with pytest.raises(Malformed):
        VerifierKey.parse(NEUMANN_VKEY.replace("Peter", "\ud800"))


def test_the_longest_note_is_read():
    longest = b"x" * (999_998 - len(LINE)) + b"\n\n" + LINE
    assert Note.parse(longest).encoded() == longest


def test_a_signer_key_says_that_it_is_one_and_shows_no_secret():
    for text in (NEUMANN_VKEY, NEUMANN_SKEY.removeprefix("PRIVATE+KEY+"), "private+key+" + NEUMANN_SKEY[12:]):
        with pytest.raises(Malformed):
            SignerKey.parse(text)
    with pytest.raises(Malformed):
        SignerKey("name", KeyType.ED25519, b"short")
    assert NEUMANN_SKEY[-20:] not in repr(SignerKey.parse(NEUMANN_SKEY))


@given(NAMES, st.sampled_from(KeyType), st.binary(min_size=32, max_size=32))
def test_keys_come_back_from_their_text(name, key_type, seed):
    one = SignerKey(name, key_type, seed)
    assert SignerKey.parse(one.secret()).verifier == one.verifier == VerifierKey.parse(str(one.verifier))


BODIES = st.text(st.characters(exclude_categories=("Cs", "Cc"))).map(lambda text: text.encode() + b"\n")


@given(
    st.lists(BODIES, min_size=1).map(b"".join),
    st.lists(st.builds(Signature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1)), min_size=1),
)
def test_notes_come_back_from_their_bytes(text, signatures):
    note = Note(text, tuple(signatures))
    assert Note.parse(note.encoded()) == note


@given(st.binary())
def test_whatever_parses_is_in_its_only_form(data):
    for tried in (data, TEXT + b"\n" + data, TEXT + "\n— ".encode() + data):
        try:
            note = Note.parse(tried)
        except Malformed:
            continue
        assert note.encoded() == tried
