"""The records of disclosures: files in which events, or their metadata, are shown to those who may see them.

A file covers a range of the log and is a CBOR sequence (RFC 8742) in the deterministic form, by rising index: of
`[index, envelope]` for events and of `[index, metadata, salt[16:]]` for metadata. The index is that of the entry in
the log. Which entries are left out is not said, and what is left out cannot be told from the log.
"""

from collections.abc import Iterator

import msgspec

from ledger.proof.cbor import ARRAY, BYTES, UINT, head, read_bytes, read_head
from ledger.proof.commitment import SALT_BYTES, SALT_HALF_BYTES, Envelope, Event, opens_metadata
from ledger.proof.errors import Malformed, Mismatch, OutOfRange
from ledger.proof.merkle import SIZE_MAX

_EVENT = head(ARRAY, 2)
_METADATA = head(ARRAY, 3)
_SALT_HEAD = head(BYTES, SALT_HALF_BYTES)


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
    at, least = 0, begin
    while at < len(data):
        if data[at] != _EVENT[0]:
            raise Malformed(f"a disclosed event is a CBOR array of two, unlike what is at byte {at}")
        index, at = _index(data, at, least, end)
        envelope, at = read_bytes(data, at)
        least = index + 1
        yield index, envelope


def decode_metadata(data: bytes, begin: int, end: int) -> Iterator[DisclosedMetadata]:
    """The metadata, one by one, in the whole file of the entries from `begin` to `end`."""
    at, least = 0, begin
    while at < len(data):
        if data[at] != _METADATA[0]:
            raise Malformed(f"disclosed metadata is a CBOR array of three, unlike what is at byte {at}")
        index, at = _index(data, at, least, end)
        metadata, at = read_bytes(data, at)
        salt_rest, at = read_bytes(data, at)
        if len(salt_rest) != SALT_HALF_BYTES:
            raise Malformed(f"the rest of a salt has {SALT_HALF_BYTES} bytes, not {len(salt_rest)}")
        least = index + 1
        yield DisclosedMetadata(index, metadata, salt_rest)


def must_open(shown: DisclosedMetadata, envelope: Envelope) -> None:
    """Raise Mismatch unless this is the metadata of the event with this envelope, itself held against the log."""
    if not opens_metadata(envelope, shown.metadata, shown.salt_rest):
        raise Mismatch(f"the metadata disclosed for entry {shown.index} is not that of the event in the log")


def _index(data: bytes, at: int, least: int, end: int) -> tuple[int, int]:
    index, after = read_head(data, at + 1, UINT)
    if not least <= index < end:
        raise Malformed(f"index {index} at byte {at}, where one from {least} to below {end} can be")
    return index, after
