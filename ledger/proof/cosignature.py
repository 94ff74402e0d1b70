"""Cosignatures (tlog-cosignature, Ed25519): a witness says that then this was the log's largest consistent tree."""

import struct
from typing import Final

from ledger.proof.errors import BadSignature, Malformed, OutOfRange
from ledger.proof.keys import SIGNATURE_BYTES, KeyType, Signature, SignerKey, VerifierKey

TIME_S_MAX: Final = (1 << 63) - 1
_BLOB: Final = struct.Struct(f">Q{SIGNATURE_BYTES}s")


def message(text: bytes, time_s: int) -> bytes:
    """What a cosigner signs: the whole text of the checkpoint's note, extension lines too, after a header and a time
    in seconds since the epoch (section Ed25519 signed message).
    """
    return b"cosignature/v1\ntime %d\n%b" % (time_s, text)


def cosign(text: bytes, signer: SignerKey, time_s: int) -> Signature:
    if signer.verifier.type is not KeyType.COSIGNATURE:
        raise Malformed(f"{signer.verifier.name} is not a cosigner's key")
    if not 0 <= time_s <= TIME_S_MAX:
        raise OutOfRange(f"a cosignature's time is from 0 to {TIME_S_MAX}")
    return signer.signature(_BLOB.pack(time_s, signer.sign(message(text, time_s))))


def cosigned_at_s(text: bytes, key: VerifierKey, signature: Signature) -> int:
    """When the key cosigned the text. Raises BadSignature where it did not."""
    if len(signature.blob) != _BLOB.size:
        raise BadSignature(f"a cosignature of {key.name} has {_BLOB.size} bytes, not {len(signature.blob)}")
    time_s: int
    signed: bytes
    time_s, signed = _BLOB.unpack(signature.blob)
    if time_s > TIME_S_MAX:
        raise BadSignature(f"a cosignature of {key.name} has a time beyond {TIME_S_MAX}")
    key.verify(message(text, time_s), signed)
    return time_s
