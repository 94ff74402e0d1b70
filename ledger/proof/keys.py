"""Ed25519 keys as signed-note names and writes them (sections Signatures and Verifier keys).

A verifier key is `<name>+<key ID in hex>+<base64 of type and public key>`. A signer key is the same after
`PRIVATE+KEY+`, with the private seed: the form that the tools around Go's note package read and write.
"""

import re
from enum import IntEnum
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.proof.errors import BadSignature, Malformed
from ledger.proof.strict import base64, to_base64, utf8

KEY_ID_BYTES: Final = 4
SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32
_PRIVATE: Final = "PRIVATE+KEY+"
_HEX: Final = re.compile(r"[0-9a-f]{8}")


class KeyType(IntEnum):
    """What a key signs: the signature types of signed-note that are used here."""

    ED25519 = 0x01
    """The note's text."""
    COSIGNATURE = 0x04
    """The text with a time before it (tlog-cosignature)."""


class Signature(msgspec.Struct, frozen=True):
    """One signature line: who it says signed, and what follows the key ID in the base64."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        return f"— {self.name} {to_base64(self.key_id + self.blob)}\n"


class VerifierKey(msgspec.Struct, frozen=True):
    """Whom to believe: a name and a public key for one type of signature."""

    name: str
    type: KeyType
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        name, key_type, public = _parsed(vkey, "verifier key")
        key = cls(name, key_type, public)
        if (said := vkey[len(name) + 1 :][:8]) != key.key_id.hex():
            raise Malformed(f"the verifier key of {name} has the ID {key.key_id.hex()}, not {said}")
        return key

    @property
    def key_id(self) -> bytes:
        return _key_id(self.name, self.type, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.type]) + self.public)}"

    def made(self, signature: Signature) -> bool:
        """Whether the line names this key. Name and ID together do; either alone does not."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise BadSignature unless these 64 bytes are this key's Ed25519 signature (RFC 8032) of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise BadSignature(f"{self.name} ({self.key_id.hex()}) did not sign this") from error


class SignerKey:
    """A key with which to sign. Its printed form does not show the seed."""

    __slots__ = ("_private", "_seed", "verifier")

    def __init__(self, name: str, key_type: KeyType, seed: bytes) -> None:
        """`seed` is 32 secret random bytes, the private key of RFC 8032."""
        must_be_key_name(name)
        if len(seed) != _KEY_BYTES:
            raise Malformed(f"the seed of a key has {_KEY_BYTES} bytes, not {len(seed)}")
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier: Final = VerifierKey(name, key_type, self._private.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, skey: str) -> "SignerKey":
        if not skey.startswith(_PRIVATE):
            raise Malformed(f"a signer key begins with {_PRIVATE}")
        text = skey.removeprefix(_PRIVATE)
        name, key_type, seed = _parsed(text, "signer key")
        signer = cls(name, key_type, seed)
        if (said := text[len(name) + 1 :][:8]) != signer.verifier.key_id.hex():
            raise Malformed(f"the signer key of {name} has the ID {signer.verifier.key_id.hex()}, not {said}")
        return signer

    def secret(self) -> str:
        """The signer key as text, for a file that only its owner reads."""
        key = self.verifier
        return f"{_PRIVATE}{key.name}+{key.key_id.hex()}+{to_base64(bytes([key.type]) + self._seed)}"

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Ed25519 draws no number: the same message has the same signature."""
        return self._private.sign(message)

    def signature(self, blob: bytes) -> Signature:
        """The line in which this key puts the blob."""
        return Signature(self.verifier.name, self.verifier.key_id, blob)

    def __repr__(self) -> str:
        return f"SignerKey({str(self.verifier)!r})"


def must_be_key_name(name: str) -> None:
    """Not empty, no Unicode space, no plus (signed-note, Format)."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise Malformed(f"a key's name is not empty and has neither spaces nor +: {name[:80]!r}")
    utf8(name, "a key's name")


def _key_id(name: str, key_type: KeyType, public: bytes) -> bytes:
    return sha256(b"%b\n%c%b" % (name.encode("utf-8"), key_type, public)).digest()[:KEY_ID_BYTES]


def _parsed(text: str, what: str) -> tuple[str, KeyType, bytes]:
    # The last part may have plus signs of its own, they are base64.
    name, _, rest = text.partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not plus or not _HEX.fullmatch(key_id):
        raise Malformed(f"a {what} is a name, eight hexadecimal digits and base64, with + between them")
    must_be_key_name(name)
    material = base64(encoded, f"the {what} of {name}")
    try:
        key_type = KeyType(material[0])
    except (IndexError, ValueError) as error:
        raise Malformed(f"the {what} of {name} is of a type not used here") from error
    if len(material) != 1 + _KEY_BYTES:
        raise Malformed(f"the {what} of {name} has {len(material) - 1} bytes of key, not {_KEY_BYTES}")
    return name, key_type, material[1:]
