"""What stands in the log for an event, and how the event is shown to be it.

The envelope of an event is the deterministic CBOR (RFC 8949, section 4.2.1) array of nine

    [stream, version, id, type, content_type, recorded_at_us, data, salt[:16], SHA-256(salt[16:] || metadata)]

its commitment is SHA-256("meterloop/v1/commitment" || 0x00 || envelope), and those 32 bytes are the entry of the log.
The salt hides what could otherwise be guessed. Metadata, who and why, opens apart from the rest, with the other half
of the salt.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Any, Final, Protocol

import msgspec

from ledger.proof.cbor import ARRAY, BYTES, TEXT, UINT, UINT_MAX, head, read_head
from ledger.proof.errors import Malformed, Mismatch
from ledger.proof.merkle import HASH_BYTES, leaf_hash

ID_BYTES: Final = 16
SALT_BYTES: Final = 32
SALT_HALF_BYTES: Final = 16
"""The first half of the salt hides the envelope, the second the metadata."""

_DOMAIN: Final = b"meterloop/v1/commitment\x00"
_ARRAY_OF_NINE: Final = head(ARRAY, 9)
_ID_HEAD: Final = head(BYTES, ID_BYTES)
_SALT_HEAD: Final = head(BYTES, SALT_HALF_BYTES)
_HASH_HEAD: Final = head(BYTES, HASH_BYTES)
_TAIL_BYTES: Final = len(_SALT_HEAD) + SALT_HALF_BYTES + len(_HASH_HEAD) + HASH_BYTES

JSON: Final = "application/json"
_JSON: Final = head(TEXT, len(JSON)) + JSON.encode()
_AS_USUAL: Final = _ARRAY_OF_NINE + bytes((TEXT | 24,))
_BYTES_8: Final = BYTES | 24
_BYTES_16: Final = BYTES | 25
_UINT_64: Final = bytes((UINT | 27,))
_unpack_tail: Final = Struct(f">1s{SALT_HALF_BYTES}s{len(_HASH_HEAD)}s{HASH_BYTES}s").unpack_from

_LOW_LENGTH: Final = 24
"""Lengths and numbers below it stand beside the kind, in one byte."""

_head: Final = lru_cache(maxsize=8192)(head)


class Event(Protocol):
    """What a recorded event has; `ledger.port.Recorded` is one."""

    @property
    def stream(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def id(self) -> bytes: ...
    @property
    def type(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def recorded_at_us(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def metadata(self) -> bytes: ...
    @property
    def salt(self) -> bytes: ...


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """An event as it is disclosed: all of it but its metadata. `salt` is the first half of the event's salt."""

    stream: str
    version: int
    id: bytes
    type: str
    content_type: str
    recorded_at_us: int
    data: bytes
    salt: bytes
    metadata_hash: bytes


def envelope_of(event: Event) -> bytes:
    """The envelope's bytes."""
    salt = event.salt
    if len(salt) != SALT_BYTES:
        raise Malformed(f"the salt of an event has {SALT_BYTES} bytes, not {len(salt)}")
    return _encoded(
        event.stream, event.version, event.id, event.type, event.content_type, event.recorded_at_us, event.data,
        salt[:16], sha256(salt[16:] + event.metadata).digest(),
    )  # fmt: skip


def encode_envelope(envelope: Envelope) -> bytes:
    """The bytes of an envelope already split from its metadata."""
    if len(envelope.salt) != SALT_HALF_BYTES or len(envelope.metadata_hash) != HASH_BYTES:
        raise Malformed("an envelope has 16 bytes of salt and a hash of 32")
    return _encoded(*msgspec.structs.astuple(envelope))


def decode_envelope(data: bytes) -> Envelope:
    """The one envelope that has these bytes. Malformed where they are anything but what `encode_envelope` makes."""
    try:
        return _decoded_as_usual(data) or _decoded(data)
    except IndexError:
        raise Malformed(f"an envelope that ends too early, at byte {len(data)}") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"text in an envelope that is not UTF-8: {error.reason}") from error


def commitment(envelope: bytes) -> bytes:
    """The entry of the log for the event with this envelope."""
    return sha256(_DOMAIN + envelope).digest()


def entry_of(event: Event) -> bytes:
    """The entry of the log for this event."""
    return sha256(_DOMAIN + envelope_of(event)).digest()


def commitments(envelopes: Iterable[bytes]) -> list[bytes]:
    """`commitment` of many."""
    return [sha256(_DOMAIN + envelope).digest() for envelope in envelopes]


def entry_hashes(envelopes: Iterable[bytes]) -> list[bytes]:
    """The leaf hashes of the log over these envelopes."""
    return [leaf_hash(sha256(_DOMAIN + envelope).digest()) for envelope in envelopes]


def opens_entry(envelope: bytes, entry: bytes) -> bool:
    """Whether this is the event that the entry stands for."""
    return commitment(envelope) == entry


def opens_metadata(envelope: Envelope, metadata: bytes, salt_rest: bytes) -> bool:
    """Whether this is the metadata of the event, given the second half of its salt."""
    return len(salt_rest) == SALT_HALF_BYTES and sha256(salt_rest + metadata).digest() == envelope.metadata_hash


def disclosed(index: int, envelope: bytes, entry: bytes) -> Envelope:
    """The event that entry `index` stands for. Raises Mismatch or Malformed where this is not it."""
    if not opens_entry(envelope, entry):
        raise Mismatch(f"the event disclosed for entry {index} is not the one in the log")
    return decode_envelope(envelope)


@lru_cache(maxsize=8192)
def _name(text: str) -> bytes:
    """A type or a content type: few, and each of many events."""
    encoded = text.encode("utf-8")
    return head(TEXT, len(encoded)) + encoded


def _encoded(
    stream: str,
    version: int,
    event_id: bytes,
    event_type: str,
    content_type: str,
    recorded_at_us: int,
    data: bytes,
    salt: bytes,
    metadata_hash: bytes,
) -> bytes:
    if len(event_id) != ID_BYTES:
        raise Malformed(f"the id of an event has {ID_BYTES} bytes, not {len(event_id)}")
    if not (0 <= version <= UINT_MAX and 0 <= recorded_at_us <= UINT_MAX):
        raise Malformed("a version and a time are unsigned numbers of 64 bits")
    try:
        named = stream.encode("utf-8")
        return b"".join((
            _ARRAY_OF_NINE, _head(TEXT, len(named)), named, _head(UINT, version), _ID_HEAD, event_id, _name(event_type),
            _name(content_type), head(UINT, recorded_at_us),
            _head(BYTES, len(data)), data, _SALT_HEAD, salt, _HASH_HEAD, metadata_hash,
        ))  # fmt: skip
    except UnicodeEncodeError as error:
        raise Malformed(f"a name in an event that is no text: {error.reason}") from error


def _decoded_as_usual(data: bytes) -> Envelope | None:
    """The envelope of nearly every event, read at once: an early version of a stream with a long name. None where it
    is any other, or none at all. Who reads a whole log reads millions.
    """
    if data[:2] != _AS_USUAL:
        return None
    stream_bytes = data[2]
    type_at = stream_bytes + 21
    unpack, begin = _layout(stream_bytes, data[type_at], data[type_at + 1])
    if len(data) < begin:
        return None
    stream, version, id_head, event_id, names, recorded_at_us, data_head, data_bytes = unpack(data)
    if data_head == _BYTES_16:
        least = 1 << 8
    elif data_head == _BYTES_8:
        begin, data_bytes, least = begin - 1, data_bytes >> 8, _LOW_LENGTH
    else:
        return None
    end = begin + data_bytes
    if (
        data_bytes < least
        or stream_bytes < _LOW_LENGTH
        or version >= _LOW_LENGTH
        or id_head != _ID_HEAD
        or recorded_at_us < 1 << 32
        or len(data) != end + _TAIL_BYTES
        or (named := _named(names)) is None
    ):
        return None
    salt_head, salt, hash_head, metadata_hash = _unpack_tail(data, end)
    if salt_head != _SALT_HEAD or hash_head != _HASH_HEAD:
        return None
    event_type, content_type = named
    return Envelope(
        stream.decode(), version, event_id, event_type, content_type, recorded_at_us, data[begin:end], salt,
        metadata_hash,
    )  # fmt: skip


@lru_cache(maxsize=8192)
def _layout(stream_bytes: int, type_head: int, type_bytes: int) -> tuple[Callable[[bytes], tuple[Any, ...]], int]:
    """Reads what is before the data of an event as usual, and where that ends: its stream, version, the head of its id,
    its id, both names and the head of the time, the time, and the head of the data with its length in two bytes.
    """
    names_bytes = len(_JSON) + len(_UINT_64)
    if type_head - TEXT == _LOW_LENGTH:
        names_bytes += 2 + type_bytes
    elif 0 <= type_head - TEXT < _LOW_LENGTH:
        names_bytes += 1 + type_head - TEXT
    layout = Struct(f">3x{stream_bytes}sB1s{ID_BYTES}s{names_bytes}sQBH")
    return layout.unpack_from, layout.size


@lru_cache(maxsize=4096)
def _named(names: bytes) -> tuple[str, str] | None:
    """Type and content type, where that is what these bytes are, and the head of a time in eight bytes after them."""
    try:
        begin, end = _span(names, 0, TEXT)
        json_at = end
        event_type = names[begin:end].decode()
    except (IndexError, Malformed, UnicodeDecodeError):
        return None
    return (event_type, JSON) if names[json_at:] == _JSON + _UINT_64 else None


def _decoded(data: bytes) -> Envelope:
    """Ends of strings are not held against the end of the data one by one: after the last of them exactly the salt and
    the hash must be left, which is so only if none went beyond. The short forms are read in place, for speed.
    """
    first = data[1] - TEXT
    at, end = (2, 2 + first) if 0 <= first < _LOW_LENGTH else _span(data, 1, TEXT)
    stream = data[at:end]
    version = data[end]
    if version < _LOW_LENGTH:
        at = end + 1
    else:
        version, at = read_head(data, end, UINT)
    id_head, event_id, at = data[at : at + 1], data[at + 1 : at + 17], at + 17
    first = data[at] - TEXT
    at, end = (at + 1, at + 1 + first) if 0 <= first < _LOW_LENGTH else _span(data, at, TEXT)
    event_type = data[at:end]
    first = data[end] - TEXT
    at, end = (end + 1, end + 1 + first) if 0 <= first < _LOW_LENGTH else _span(data, end, TEXT)
    content_type = data[at:end]
    recorded_at_us, at = read_head(data, end, UINT)
    at, end = _span(data, at, BYTES)
    tail = data[end:]
    if (
        data[:1] != _ARRAY_OF_NINE
        or id_head != _ID_HEAD
        or len(tail) != _TAIL_BYTES
        or end + _TAIL_BYTES != len(data)
        or tail[:1] != _SALT_HEAD
        or tail[17:19] != _HASH_HEAD
    ):
        raise Malformed("not the array of nine that an envelope is")
    return Envelope(
        stream.decode(), version, event_id, event_type.decode(), content_type.decode(), recorded_at_us,
        data[at:end], tail[1:17], tail[19:],
    )  # fmt: skip


def _span(data: bytes, at: int, major: int) -> tuple[int, int]:
    """Where the string at `at` begins and ends, without a look at the end of the data."""
    first = data[at] - major
    if first == 24 and (length := data[at + 1]) >= 24:  # noqa: PLR2004  the length in one byte, which needs it
        return at + 2, at + 2 + length
    if first == 25 and (high := data[at + 1]):  # noqa: PLR2004  the length in two bytes, which needs both
        return at + 3, at + 3 + (high << 8 | data[at + 2])
    length, begin = read_head(data, at, major)
    return begin, begin + length
