"""From what the protocol proposes to the drafts of the port: names, ids, expectations, limits."""

import struct
from collections.abc import Iterable
from typing import Final, TypeAlias
from uuid import UUID

from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.carrying import OCTETS, taken_off
from ledger.port import (
    ANY,
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    EVENT_BYTES_MAX,
    JSON,
    NO_STREAM,
    STREAM_EXISTS,
    Append,
    Carried,
    Draft,
    Expected,
    StreamState,
)
from ledger.server.access import Grant
from ledger.server.errors import AppendTooBig, EventTooBig, invalid, property_missing
from ledger.server.metadata import check_may_append_type

ProposedMessage: TypeAlias = "streams_pb2.AppendReq.ProposedMessage | streams_pb2.BatchAppendReq.ProposedMessage"

CONTENT_TYPES: Final = frozenset((JSON, OCTETS))

_UUID_CHARS: Final = 36
_UUID_DIGITS: Final = 32
_STRUCTURED: Final = struct.Struct(">qq")
_VERSION_MAX: Final = (1 << 63) - 1


EVENT_BYTES: Final = 512
"""What an event takes of the memory besides its data and metadata, about."""


class Size:
    """How much of an append has come. What breaks a limit is refused at once, before more of it comes."""

    def __init__(self) -> None:
        self.events = 0
        self.total_bytes = 0

    @property
    def held_bytes(self) -> int:
        """What it takes of the memory."""
        return self.total_bytes + self.events * EVENT_BYTES

    def take(self, draft: Draft) -> None:
        event_bytes = len(draft.data) + len(draft.metadata)
        if event_bytes > EVENT_BYTES_MAX:
            raise EventTooBig(str(UUID(bytes=draft.id)), event_bytes)
        self.events += 1
        self.total_bytes += event_bytes
        if self.events > APPEND_EVENTS_MAX or self.total_bytes > APPEND_BYTES_MAX:
            raise AppendTooBig(self.events, self.total_bytes)


class Proposed:
    """An append to one stream as it arrives, event by event."""

    def __init__(self, stream: str, expected: Expected, grant: Grant, *, carrying: bool) -> None:
        self._stream, self._expected, self._grant = stream, expected, grant
        self._carrying: Final = carrying
        self._drafts: list[Draft] = []
        self.size: Final = Size()

    def add(self, messages: Iterable[ProposedMessage]) -> None:
        for message in messages:
            told = message.metadata
            event_type, content_type = told.get("type"), told.get("content-type")
            if event_type is None or content_type is None:
                raise property_missing("type" if event_type is None else "content-type")
            if content_type not in CONTENT_TYPES:
                raise invalid(
                    f"内容类型只有 {JSON} 与 {OCTETS}。A content type is {JSON} or {OCTETS}, not {content_type}"
                )
            check_may_append_type(self._grant, event_type)
            event_id = uuid_bytes(message.id)
            data, metadata = message.data, message.custom_metadata
            made = draft(event_id, event_type, data, metadata, content_type, carrying=self._carrying)
            self.size.take(made)
            self._drafts.append(made)

    @property
    def append(self) -> Append:
        return Append(self._stream, self._expected, self._drafts)


def draft(
    event_id: bytes, event_type: str, data: bytes, metadata: bytes, content_type: str, *, carrying: bool
) -> Draft:
    """`carrying`: where the members in which salt and metadata travel are there, they are taken off."""
    members = taken_off(metadata, content_type) if carrying else None
    if members is None:
        return Draft(event_id, event_type, data, metadata, content_type)
    return Carried(
        event_id,
        event_type,
        data,
        members.metadata,
        members.content_type,
        salt=members.salt,
        recorded_at_us=members.recorded_at_us,
    )


def uuid_bytes(uuid: shared_pb2.UUID) -> bytes:
    """In the byte order of RFC 9562, from either way in which a UUID is written."""
    if uuid.WhichOneof("value") == "structured":
        structured = uuid.structured
        return _STRUCTURED.pack(structured.most_significant_bits, structured.least_significant_bits)
    return uuid_of_text(uuid.string)


def uuid_of_text(text: str) -> bytes:
    if len(text) == _UUID_CHARS and text[8] == text[13] == text[18] == text[23] == "-":
        digits = text.replace("-", "")
        if len(digits) == _UUID_DIGITS and digits.isalnum():
            try:
                return bytes.fromhex(digits)
            except ValueError:
                pass
    raise invalid(f"不是 UUID：{text!r}。Not a UUID: {text!r}")


def stream_name(identifier: shared_pb2.StreamIdentifier) -> str:
    try:
        name = identifier.stream_name.decode()
    except UnicodeDecodeError as error:
        raise invalid("流名不是 UTF-8。The name of the stream is not UTF-8.") from error
    if not name:
        raise invalid("缺少流名。The stream has no name: 'stream_identifier' is required.")
    return name


def expected_at(which: str | None, version: int) -> Expected:
    """Where the caller believes the stream to be: which of the alternatives was chosen, and the version if that."""
    match which:
        case "no_stream":
            return NO_STREAM
        case "any":
            return ANY
        case "stream_exists":
            return STREAM_EXISTS
        case None:
            raise invalid("没有说明期望流在哪个版本。It is not said at which version the stream is expected.")
        case _:
            if version > _VERSION_MAX:
                raise invalid(f"版本超出范围：{version}。Out of the range of versions: {version}")
            return version


def meets(expected: Expected, actual: Expected) -> bool:
    """Whether a stream is where it is expected; `actual` is its last version, NO_STREAM if it has none."""
    match expected:
        case StreamState.ANY:
            return True
        case StreamState.STREAM_EXISTS:
            return actual is not NO_STREAM
        case _:
            return expected == actual
