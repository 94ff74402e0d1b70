"""How an event of ours travels through KurrentDB's protocol, which knows neither salts nor times that are not its own.

They go with the event's metadata, as members of one JSON object. All are strings, for a multi-stream append takes
nothing else:

    meterloop.salt            the 32 bytes, in base64
    meterloop.metadata        the writer's metadata, where it is UTF-8; left out where it is empty
    meterloop.metadata64      the same in base64, where it is not UTF-8
    meterloop.content_type    only where it is neither of the two that the protocol knows
    meterloop.recorded_at_us  decimal, only of an event that was recorded elsewhere before

Whatever else a server adds to that object is passed over.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from typing import Final

import msgspec

from ledger.port import JSON, SALT_BYTES

HEADER: Final = ("meterloop-ledger", "1")
"""Goes with each request of a client that reads and writes these members. `ledger serve` puts them on and takes them
off where it is there; a KurrentDB passes it over.
"""

OCTETS: Final = "application/octet-stream"
"""What the protocol calls everything that is not JSON."""

_INT64: Final = range(-(1 << 63), 1 << 63)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_OF_ANOTHER: Final = b"meterloop/v1/salt of another's event\x00"


class Members(msgspec.Struct, frozen=True, gc=False):
    """What the members say. `recorded_at_us` None: the time is that of the log in which the event is read."""

    salt: bytes
    metadata: bytes = b""
    content_type: str = JSON
    recorded_at_us: int | None = None


class _Written(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    salt: str = msgspec.field(name="meterloop.salt")
    metadata: str | None = msgspec.field(default=None, name="meterloop.metadata")
    metadata64: str | None = msgspec.field(default=None, name="meterloop.metadata64")
    content_type: str | None = msgspec.field(default=None, name="meterloop.content_type")
    recorded_at_us: str | None = msgspec.field(default=None, name="meterloop.recorded_at_us")


_decode: Final = msgspec.json.Decoder(_Written).decode
_encode: Final = msgspec.json.Encoder().encode


def written(members: Members) -> dict[str, str]:
    """The members by their names."""
    named = {"meterloop.salt": b64encode(members.salt).decode()}
    if members.metadata:
        try:
            named["meterloop.metadata"] = members.metadata.decode()
        except UnicodeDecodeError:
            named["meterloop.metadata64"] = b64encode(members.metadata).decode()
    if members.content_type not in (JSON, OCTETS):
        named["meterloop.content_type"] = members.content_type
    if members.recorded_at_us is not None:
        named["meterloop.recorded_at_us"] = str(members.recorded_at_us)
    return named


def put_on(members: Members) -> bytes:
    """The metadata with which the event goes over the wire, as JSON."""
    return _encode(written(members))


def wire_content_type(content_type: str) -> str:
    """What the protocol is told of a content type."""
    return JSON if content_type == JSON else OCTETS


def taken_off(metadata: bytes, content_type: str) -> Members | None:
    """What the members of this metadata say, where the protocol told this content type. None where it has none of
    ours, or none that can be: then another wrote it.
    """
    try:
        found = _decode(metadata)
        salt = b64decode(found.salt, validate=True)
        own = b64decode(found.metadata64 or "", validate=True)
    except (msgspec.DecodeError, ValueError):
        return None
    if found.metadata is not None:
        own = found.metadata.encode()
    at_us = None
    if found.recorded_at_us is not None:
        at_us = _micros(found.recorded_at_us)
        if at_us is None:
            return None
    if len(salt) != SALT_BYTES or (found.metadata is not None and found.metadata64 is not None):
        return None
    return Members(salt, own, found.content_type or content_type, at_us)


def seen(event_id: bytes, metadata: bytes, content_type: str) -> Members:
    """The same for any event. That of another has its metadata as it is, and a salt that follows from its id: the event
    is bound by its commitment, which hides nothing from those who know the id.
    """
    ours = taken_off(metadata, content_type)
    if ours is not None:
        return ours
    return Members(hashlib.sha256(_OF_ANOTHER + event_id).digest(), metadata, content_type)


def _micros(decimal: str) -> int | None:
    """None where the text is no number that an int64 holds."""
    if _DECIMAL.fullmatch(decimal) is None:
        return None
    return number if (number := int(decimal)) in _INT64 else None
