"""Synthetic keys, always the same, and ways to damage what they signed."""

from hashlib import sha256

from hypothesis import strategies as st

from ledger.proof.keys import KeyType, SignerKey

ORIGIN = "log.example/synthetic"


def signer(name: str, key_type: KeyType = KeyType.ED25519) -> SignerKey:
    return SignerKey(name, key_type, sha256(b"synthetic" + name.encode()).digest())


LOG = signer(ORIGIN)
W1, W2, W3 = (signer(f"witness.example/w{number}", KeyType.COSIGNATURE) for number in (1, 2, 3))

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="+"), min_size=1)


def every_changed_byte(data: bytes, step: int = 1):
    """The data with one byte changed, removed or doubled, at every `step`-th place, and cut short there."""
    for at in range(0, len(data), step):
        for other in (data[at] ^ 1, data[at] ^ 0x20, data[at] ^ 0x80):
            yield data[:at] + bytes([other]) + data[at + 1 :]
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
        yield data[:at]
    yield data + b"\n"
    yield data + b"\x00"
