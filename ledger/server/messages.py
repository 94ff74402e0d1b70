"""What Streams.Read answers, as bytes.

Events are put together by hand: the messages that the client brings take several times as long to fill and to write
out, and a log is read in thousands of events a second. Everything else is rare and goes by way of those messages.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.carrying import Members, put_on, wire_content_type
from ledger.port import Recorded

TICKS_PER_US: Final = 10
"""KurrentDB counts time in 100 ns."""

Event: TypeAlias = Callable[[Recorded], bytes]

_Resp = streams_pb2.ReadResp
_RecordedEvent = _Resp.ReadEvent.RecordedEvent

NAMES_KEPT: Final = 4_096

# Field numbers and wire types of RecordedEvent, ReadEvent and ReadResp, as they stand before a value.
_ID, _REVISION, _PREPARE, _COMMIT, _MEMBER, _METADATA, _DATA = (
    b"\x0a",
    b"\x18",
    b"\x20",
    b"\x28",
    b"\x32",
    b"\x3a",
    b"\x42",
)
_EVENT, _POSITION = b"\x0a", b"\x18"
_CREATED: Final = b"\x0a\x07created\x12"


def events(*, metadata: bool, carrying: bool, structured_ids: bool) -> Event:
    """How events are sent to a caller: with their metadata or without, with the reserved members or as they are."""
    written_id = _structured_id if structured_ids else _string_id

    def event(recorded: Recorded) -> bytes:
        position = _varint(recorded.position)
        content_type = wire_content_type(recorded.content_type) if carrying else recorded.content_type
        body = [
            written_id(recorded.id),
            _stream(recorded.stream),
            _REVISION,
            _varint(recorded.version),
            _PREPARE,
            position,
            _COMMIT,
            position,
            _type(recorded.type, content_type),
            _created(recorded.recorded_at_us),
            _DATA,
            _varint(len(recorded.data)),
            recorded.data,
        ]
        if metadata:
            sent = _carried(recorded) if carrying else recorded.metadata
            body += (_METADATA, _varint(len(sent)), sent)
        body_bytes = sum([len(part) for part in body])
        size = _varint(body_bytes)
        whole = len(_EVENT) + len(size) + body_bytes + len(_POSITION) + len(position)
        return b"".join((_EVENT, _varint(whole), _EVENT, size, *body, _POSITION, position))

    return event


def _carried(recorded: Recorded) -> bytes:
    return put_on(Members(recorded.salt, recorded.metadata, recorded.content_type))


def _string_id(event_id: bytes) -> bytes:
    digits = event_id.hex()
    text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return b"\x0a\x26\x12\x24" + text.encode()


def _structured_id(event_id: bytes) -> bytes:
    most, least = (int.from_bytes(half, "big", signed=True) for half in (event_id[:8], event_id[8:]))
    structured = shared_pb2.UUID.Structured(most_significant_bits=most, least_significant_bits=least)
    return _RecordedEvent(id=shared_pb2.UUID(structured=structured)).SerializeToString()


@lru_cache(NAMES_KEPT)
def _stream(stream: str) -> bytes:
    identifier = shared_pb2.StreamIdentifier(stream_name=stream.encode())
    return _RecordedEvent(stream_identifier=identifier).SerializeToString()


@lru_cache(NAMES_KEPT)
def _type(event_type: str, content_type: str) -> bytes:
    return _RecordedEvent(metadata={"type": event_type, "content-type": content_type}).SerializeToString()


def _created(recorded_at_us: int) -> bytes:
    ticks = b"%d" % (recorded_at_us * TICKS_PER_US)
    return b"".join((_MEMBER, _varint(len(_CREATED) + 1 + len(ticks)), _CREATED, _varint(len(ticks)), ticks))


def _varint(number: int) -> bytes:
    if number < len(_VARINTS):
        return _VARINTS[number]
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7)


_VARINTS: Final = [bytes([n]) if n < 1 << 7 else bytes([n & 0x7F | 0x80, n >> 7]) for n in range(1 << 14)]


def confirmation(subscription_id: str) -> bytes:
    return _Resp(confirmation=_Resp.SubscriptionConfirmation(subscription_id=subscription_id)).SerializeToString()


def stream_not_found(stream: str) -> bytes:
    identifier = shared_pb2.StreamIdentifier(stream_name=stream.encode())
    return _Resp(stream_not_found=_Resp.StreamNotFound(stream_identifier=identifier)).SerializeToString()


def last_stream_position(version: int) -> bytes:
    return _Resp(last_stream_position=version).SerializeToString()


def checkpoint(position: int, at_us: int) -> bytes:
    told = _Resp.Checkpoint(commit_position=position, prepare_position=position, timestamp=_timestamp(at_us))
    return _Resp(checkpoint=told).SerializeToString()


def caught_up_with_stream(version: int | None, at_us: int) -> bytes:
    return _Resp(caught_up=_Resp.CaughtUp(timestamp=_timestamp(at_us), stream_revision=version)).SerializeToString()


def caught_up_with_all(position: int | None, at_us: int) -> bytes:
    told = None if position is None else _Resp.Position(commit_position=position, prepare_position=position)
    return _Resp(caught_up=_Resp.CaughtUp(timestamp=_timestamp(at_us), position=told)).SerializeToString()


def _timestamp(at_us: int) -> Timestamp:
    seconds, micros = divmod(at_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)
