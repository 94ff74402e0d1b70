"""The little of CBOR that the formats here need, in the deterministic form of RFC 8949, section 4.2.1, only: unsigned
numbers, byte and text strings, arrays, yes, no and nothing, every length in its shortest form.
"""

import struct
from typing import Final

from ledger.proof.errors import Malformed

UINT_MAX: Final = (1 << 64) - 1

UINT: Final = 0x00
BYTES: Final = 0x40
TEXT: Final = 0x60
ARRAY: Final = 0x80

FALSE: Final = b"\xf4"
TRUE: Final = b"\xf5"
NULL: Final = b"\xf6"

_WIDTHS: Final = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}
"""What the low five bits of a first byte say: how many bytes of number follow, and the least that needs so many."""

_HEAD_8: Final = struct.Struct(">BB").pack
_HEAD_16: Final = struct.Struct(">BH").pack
_HEAD_32: Final = struct.Struct(">BI").pack
_HEAD_64: Final = struct.Struct(">BQ").pack


def head(major: int, number: int) -> bytes:
    """The first bytes of an item: its kind, one of the constants above, and its value or length, up to UINT_MAX."""
    if number < 24:  # noqa: PLR2004  what fits beside the kind
        return bytes((major | number,))
    if number < 1 << 8:
        return _HEAD_8(major | 24, number)
    if number < 1 << 16:
        return _HEAD_16(major | 25, number)
    if number < 1 << 32:
        return _HEAD_32(major | 26, number)
    return _HEAD_64(major | 27, number)


def read_head(data: bytes, at: int, major: int) -> tuple[int, int]:
    """The value or length of the item at `at`, and where what it says begins. The item must be of that kind."""
    try:
        first = data[at] - major
    except IndexError:
        raise Malformed(f"CBOR ends at byte {at}") from None
    if 0 <= first < 24:  # noqa: PLR2004  as above
        return first, at + 1
    if first not in _WIDTHS:
        raise Malformed(f"another kind of CBOR item than there should be at byte {at}")
    width, least = _WIDTHS[first]
    end = at + 1 + width
    number = int.from_bytes(data[at + 1 : end], "big")
    if len(data) < end:
        raise Malformed(f"CBOR ends at byte {len(data)}")
    if number < least:
        raise Malformed(f"CBOR that is not in its shortest form at byte {at}")
    return number, end
