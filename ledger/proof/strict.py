"""Numbers, base64 and text in the one form in which a proof may write them.

What can be written in two ways can be changed without breaking a signature, so whatever is not the form that we would
write ourselves is Malformed.
"""

import binascii
import re
from typing import Final

from ledger.proof.errors import Malformed
from ledger.proof.merkle import HASH_BYTES, SIZE_MAX

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")


def decimal(text: str, what: str) -> int:
    """ASCII digits without leading zeros, up to SIZE_MAX."""
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > SIZE_MAX:
        raise Malformed(f"{what} is not a decimal number in its shortest form: {text[:40]!r}")
    return number


def base64(text: str, what: str) -> bytes:
    """Standard base64, padded, and with zeros for the bits that carry nothing (RFC 4648, sections 3.5 and 4)."""
    try:
        decoded = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as error:
        raise Malformed(f"{what} is not base64: {text[:80]!r}") from error
    if to_base64(decoded) != text:
        raise Malformed(f"{what} is not base64 in its only form: {text[:80]!r}")
    return decoded


def to_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def base64_hash(text: str, what: str) -> bytes:
    if len(decoded := base64(text, what)) != HASH_BYTES:
        raise Malformed(f"{what} has {len(decoded)} bytes, a hash {HASH_BYTES}")
    return decoded


def utf8(text: str, what: str) -> bytes:
    """The bytes of the text. Half of a surrogate pair has none."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed(f"{what} is no text at character {error.start}") from error


def lines(data: bytes, what: str) -> list[str]:
    """The lines of text that ends with a newline: UTF-8 without control characters (signed-note, Format)."""
    if not data.endswith(b"\n"):
        raise Malformed(f"{what} does not end with a newline")
    if found := _CONTROL.search(data):
        raise Malformed(f"{what} has the control character 0x{found[0][0]:02x} at byte {found.start()}")
    try:
        return data[:-1].decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed(f"{what} is not UTF-8 at byte {error.start}") from error
