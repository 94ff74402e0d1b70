"""Events of the log as Streams.Read sends them."""

from typing import Final
from uuid import UUID

from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.port import Recorded
from ledger.server.cluster import TICKS_PER_US

_READ_EVENT: Final = streams_pb2.ReadResp.ReadEvent


def event(recorded: Recorded, *, metadata: bool) -> bytes:
    """The answer that brings this event; without its metadata, where the caller is not to see it."""
    sent = _READ_EVENT.RecordedEvent(
        id=shared_pb2.UUID(string=str(UUID(bytes=recorded.id))),
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=recorded.stream.encode()),
        stream_revision=recorded.version,
        prepare_position=recorded.position,
        commit_position=recorded.position,
        metadata={
            "type": recorded.type,
            "created": str(recorded.recorded_at_us * TICKS_PER_US),
            "content-type": recorded.content_type,
        },
        custom_metadata=recorded.metadata if metadata else b"",
        data=recorded.data,
    )
    read_event = _READ_EVENT(event=sent, commit_position=recorded.position)
    return streams_pb2.ReadResp(event=read_event).SerializeToString()


def stream_not_found(stream: str) -> bytes:
    identifier = shared_pb2.StreamIdentifier(stream_name=stream.encode())
    missing = streams_pb2.ReadResp.StreamNotFound(stream_identifier=identifier)
    return streams_pb2.ReadResp(stream_not_found=missing).SerializeToString()
