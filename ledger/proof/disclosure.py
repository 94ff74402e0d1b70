"""The records of disclosures: files in which events, or their metadata, are shown to those who may see them.

A file covers a range of the log and is a CBOR sequence (RFC 8742) in the deterministic form, by rising index: of
`[index, envelope]` for events and of `[index, metadata, salt[16:]]` for metadata. The index is that of the entry in
the log. Which entries are left out is not said, and what is left out cannot be told from the log.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from struct import Struct
from typing import Final

import msgspec

from ledger.proof.cbor import ARRAY, BYTES, UINT, head, read_head
from ledger.proof.commitment import SALT_BYTES, SALT_HALF_BYTES, Envelope, Event, opens_metadata
from ledger.proof.errors import Malformed, Mismatch, OutOfRange
from ledger.proof.merkle import SIZE_MAX

RECORDS_BYTES_MAX: Final = 1 << 30
FILE_BYTES_MAX: Final = 1 << 28
"""Of one file, as its records and as it is kept: who writes one keeps to it, who reads one need not read more. That is
256 KiB an event where all of a range are disclosed.
"""

_EVENT = head(ARRAY, 2)
_METADATA = head(ARRAY, 3)
_SALT_HEAD = head(BYTES, SALT_HALF_BYTES)

_INDEX_16: Final = Struct(">HHBH")
_INDEX_32: Final = Struct(">HIBH")
_BYTES_8_MAX: Final = (1 << 8) - 1
_BYTES_16: Final = head(BYTES, _BYTES_8_MAX + 1)[0]


class DisclosedMetadata(msgspec.Struct, frozen=True, gc=False):
    """Who and why of the event of entry `index`. `salt_rest` is the second half of the event's salt."""

    index: int
    metadata: bytes
    salt_rest: bytes


def encode_event(index: int, envelope: bytes) -> bytes:
    """One record of a file of events."""
    if not 0 <= index <= SIZE_MAX:
        raise OutOfRange(f"no entry has the index {index}")
    return b"".join((_EVENT, head(UINT, index), head(BYTES, len(envelope)), envelope))


def encode_metadata(index: int, metadata: bytes, salt_rest: bytes) -> bytes:
    """One record of a file of metadata."""
    if not 0 <= index <= SIZE_MAX:
        raise OutOfRange(f"no entry has the index {index}")
    if len(salt_rest) != SALT_HALF_BYTES:
        raise Malformed(f"the rest of a salt has {SALT_HALF_BYTES} bytes, not {len(salt_rest)}")
    return b"".join((_METADATA, head(UINT, index), head(BYTES, len(metadata)), metadata, _SALT_HEAD, salt_rest))


def metadata_record(index: int, event: Event) -> bytes:
    """The record of a recorded event's metadata."""
    if len(event.salt) != SALT_BYTES:
        raise Malformed(f"the salt of an event has {SALT_BYTES} bytes, not {len(event.salt)}")
    return encode_metadata(index, event.metadata, event.salt[SALT_HALF_BYTES:])


def decode_events(data: bytes, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """(index, envelope) one by one, from the whole file of the entries from `begin` to `end`. The envelopes are to be
    held against the log: `commitment.disclosed`.
    """
    at, least, usual = 0, begin, _usual(_EVENT, begin, end)
    last = len(data) - usual.size
    while at < len(data):
        if at <= last:
            heads, index, kind, length = usual.unpack(data, at)
            quick = heads == usual.heads and kind == _BYTES_16 and length > _BYTES_8_MAX and least <= index < end
        else:
            quick = False
        if quick:
            at += usual.size
        else:
            index, at, length = _record(_EVENT, data, at, least, end)
        envelope = data[at : at + length]
        if len(envelope) < length:
            raise Malformed(f"a disclosed event of {length} bytes at byte {at} goes beyond the end")
        at += length
        least = index + 1
        yield index, envelope


def decode_metadata(data: bytes, begin: int, end: int) -> Iterator[DisclosedMetadata]:
    """The metadata, one by one, in the whole file of the entries from `begin` to `end`."""
    at, least, usual = 0, begin, _usual(_METADATA, begin, end)
    last = len(data) - usual.size
    while at < len(data):
        if at <= last:
            heads, index, kind, length = usual.unpack(data, at)
            quick = heads == usual.heads and kind == _BYTES_16 and length > _BYTES_8_MAX and least <= index < end
        else:
            quick = False
        if quick:
            at += usual.size
        else:
            index, at, length = _record(_METADATA, data, at, least, end)
        salt_at = at + length + 1
        salt_rest = data[salt_at : salt_at + SALT_HALF_BYTES]
        if len(salt_rest) < SALT_HALF_BYTES or data[salt_at - 1] != _SALT_HEAD[0]:
            raise Malformed(f"no {SALT_HALF_BYTES} bytes of salt after the metadata of {length} bytes at byte {at}")
        least = index + 1
        yield DisclosedMetadata(index, data[at : at + length], salt_rest)
        at = salt_at + SALT_HALF_BYTES


def metadata_hashes(shown: Iterable[DisclosedMetadata]) -> list[bytes]:
    """The hashes of metadata that envelopes must have if they are those of the events that these are about."""
    return [sha256(one.salt_rest + one.metadata).digest() for one in shown]


def must_open(shown: DisclosedMetadata, envelope: Envelope) -> None:
    """Raise Mismatch unless this is the metadata of the event with this envelope, itself held against the log."""
    if not opens_metadata(envelope, shown.metadata, shown.salt_rest):
        raise Mismatch(f"the metadata disclosed for entry {shown.index} is not that of the event in the log")


class _Usual(msgspec.Struct, frozen=True):
    """How nearly all records of a file begin, to be read at once: the heads of array and index, the index, the head of
    a string whose length is in two bytes, and that length. `size` is that of all of it.
    """

    heads: int
    unpack: Callable[[bytes, int], tuple[int, int, int, int]]
    size: int


def _usual(array: bytes, begin: int, end: int) -> _Usual:
    """For a file of the entries from `begin` to `end`, where all indices are written in as many bytes; else none is
    read so.
    """
    for bytes_of_index, form in ((2, _INDEX_16), (4, _INDEX_32)):
        least = 1 << 4 * bytes_of_index
        if least <= begin and end <= 1 << 8 * bytes_of_index:
            return _Usual(array[0] << 8 | head(UINT, least)[0], form.unpack_from, form.size)
    return _Usual(-1, _INDEX_32.unpack_from, _INDEX_32.size)


def _record(array: bytes, data: bytes, at: int, least: int, end: int) -> tuple[int, int, int]:
    """The index of the record at `at`, and where its string begins and how long it is, which may be too long."""
    if data[at] != array[0]:
        raise Malformed(f"a record of a disclosure is a CBOR array, unlike what is at byte {at}")
    index, after = read_head(data, at + 1, UINT)
    if not least <= index < end:
        raise Malformed(f"index {index} at byte {at}, where one from {least} to below {end} can be")
    length, begin = read_head(data, after, BYTES)
    return index, begin, length
