"""Signed notes (signed-note): a text, a blank line, and the lines of those who signed it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ledger.proof.cosignature import cosigned_at_s
from ledger.proof.errors import Malformed, UnknownSigner
from ledger.proof.keys import KEY_ID_BYTES, KeyType, Signature, SignerKey, VerifierKey, must_be_key_name
from ledger.proof.strict import base64, lines

NOTE_BYTES_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 100
"""At least 16 must be taken. Both limits are those of Go's note package, so that what it writes is read."""

_SIGNATURE_LINE: Final = re.compile("— ([^ ]+) ([^ ]+)")


class Note(msgspec.Struct, frozen=True):
    """A text, its last newline included, and who says to have signed it. Nothing is verified yet."""

    text: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Split at the last blank line (section Format)."""
        if len(data) > NOTE_BYTES_MAX:
            raise Malformed(f"a note has at most {NOTE_BYTES_MAX} bytes, not {len(data)}")
        lines(data, "a note")
        blank = data.rfind(b"\n\n")
        if blank < 0:
            raise Malformed("a note has a blank line between its text and its signatures")
        signatures = parse_signatures(data[blank + 2 :])
        return cls(data[: blank + 1], signatures)

    def encoded(self) -> bytes:
        return self.text + b"\n" + "".join(signature.line() for signature in self.signatures).encode("utf-8")

    def signed_also(self, signatures: Iterable[Signature]) -> "Note":
        """The same text with these lines after the others."""
        return Note(self.text, (*self.signatures, *signatures))


class Signed(msgspec.Struct, frozen=True):
    """A signature that was verified. `time_s` is when a cosigner says to have signed, None of other keys."""

    key: VerifierKey
    time_s: int | None


def parse_signatures(data: bytes) -> tuple[Signature, ...]:
    """One or more signature lines, as after a note's blank line or as a witness answers with them."""
    found = lines(data, "a note's signatures") if data else []
    if not 1 <= len(found) <= SIGNATURES_MAX:
        raise Malformed(f"a note has from 1 to {SIGNATURES_MAX} signatures, not {len(found)}")
    return tuple(_signature(line) for line in found)


def sign(text: bytes, signers: Sequence[SignerKey]) -> Note:
    """The text signed by Ed25519 keys (section Ed25519 signatures); cosigners sign with `cosignature.cosign`."""
    lines(text, "a note's text")
    for signer in signers:
        if signer.verifier.type is not KeyType.ED25519:
            raise Malformed(f"{signer.verifier.name} is a cosigner's key: what it signs needs a time")
    return Note(text, tuple(signer.signature(signer.sign(text)) for signer in signers))


def verified(note: Note, keys: Sequence[VerifierKey]) -> tuple[Signed, ...]:
    """The signatures of the known keys, at least one, in the note's order, a repeated one once (section Signatures).

    Lines that name no known key are ignored, whatever they hold. A line that names one and is not its signature makes
    the whole note BadSignature. A note without any line of a known key is UnknownSigner.
    """
    found: dict[Signed, None] = {}
    for signature in note.signatures:
        for key in keys:
            if key.made(signature):
                found[Signed(key, _signed_at_s(note.text, key, signature))] = None
    if not found:
        raise UnknownSigner(f"none of the {len(note.signatures)} signatures is of a known key")
    return tuple(found)


def _signed_at_s(text: bytes, key: VerifierKey, signature: Signature) -> int | None:
    if key.type is KeyType.COSIGNATURE:
        return cosigned_at_s(text, key, signature)
    key.verify(text, signature.blob)
    return None


def _signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise Malformed(f"not a signature line: {line[:80]!r}")
    name, encoded = match.groups()
    must_be_key_name(name)
    blob = base64(encoded, f"the signature of {name}")
    if len(blob) <= KEY_ID_BYTES:
        raise Malformed(f"the signature of {name} has no more than a key ID")
    return Signature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])
