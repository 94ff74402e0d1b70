"""What events say, read from their JSON in one way only: of each what balances need."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from auditor.balance import SAID, Said
from ledger.proof.commitment import JSON, Envelope
from ledger.proof.errors import Malformed

REPLAYED: Final = "registry."
"""The types of events of which balances are made begin so."""

OUTSIDE: Final = "ext-"
"""The streams begin so that systems outside write: what is in them is nothing that the platform says."""

_NOTHING: Final[dict[str, Any]] = {}
_DECODER: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()


def said_at_once(envelopes: Sequence[Envelope]) -> Sequence[Said | None] | None:
    """What each of many events says, None where they are not all JSON written as plainly as can be: no spaces, no
    escapes without need. To write again what was read then gives the same bytes, so that no member is named twice;
    none of these bytes is a line's end, so that each line is one event.
    """
    if {envelope.content_type for envelope in envelopes} != {JSON}:
        return None
    if any(envelope.stream.startswith(OUTSIDE) for envelope in envelopes):
        return None
    lines = b"\n".join([envelope.data for envelope in envelopes])
    try:
        values = _DECODER.decode_lines(lines)
        if len(values) != len(envelopes) or _ENCODER.encode_lines(values) != lines + b"\n":
            return None
        if not all(one.startswith(REPLAYED) for one in {envelope.type for envelope in envelopes}):
            for at, envelope in enumerate(envelopes):
                if not envelope.type.startswith(REPLAYED):
                    values[at] = _NOTHING
        return msgspec.convert(values, list[Said])
    except (ValueError, OverflowError, RecursionError):
        return None


def said_by(envelope: Envelope) -> Said | None:
    """What an event says, None if balances are not made of its like. Raises Malformed."""
    if envelope.stream.startswith(OUTSIDE):
        return None
    replayed = envelope.type.startswith(REPLAYED)
    if replayed or envelope.content_type == JSON:
        # What is replayed is read as JSON whatever it is called.
        must_say_one_thing(envelope.data)
    if not replayed:
        return None
    try:
        return SAID.decode(envelope.data)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error


def must_say_one_thing(data: bytes) -> None:
    """Raise Malformed where JSON names a member twice, so that one reader takes the one and one the other, or where it
    is nested so deep that not every reader takes it.
    """
    try:
        json.loads(data, object_pairs_hook=_once_each)
        msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error


def _once_each(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        raise Malformed("JSON that names a member twice")
