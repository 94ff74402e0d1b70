"""As much of a KurrentDB as the adapter uses, behaving where it matters as that does and `ledger serve` does not:
positions are places in a file and nothing is read from between them, its own records lie among the log's, it adds to
metadata what it likes, and it notices a repetition only where it expects one. It stands in for the real one, which no
test may need.
"""

import asyncio
import json
import os
import re
import time
from dataclasses import dataclass, field
from uuid import UUID

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import status_pb2
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import errors_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as sessions_pb2

from ledger.server.features import METHOD, SERVICE, SupportedMethods

ReadResp = streams_pb2.ReadResp
INVALID_POSITION = (grpc.StatusCode.INVALID_ARGUMENT, "Trying to read from an invalid position.")


@dataclass
class Event:
    id: str
    stream: str
    version: int
    position: int
    type: str
    content_type: str
    data: bytes
    metadata: bytes
    ticks: int = field(default_factory=lambda: time.time_ns() // 100)

    def answer(self):
        event = ReadResp.ReadEvent.RecordedEvent(
            id=shared_pb2.UUID(string=self.id),
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=self.stream.encode()),
            stream_revision=self.version,
            prepare_position=self.position,
            commit_position=self.position,
            metadata={"type": self.type, "created": str(self.ticks), "content-type": self.content_type},
            custom_metadata=self.metadata,
            data=self.data,
        )
        return ReadResp(event=ReadResp.ReadEvent(event=event, commit_position=self.position)).SerializeToString()


class SmallKurrentDB:
    def __init__(self):
        self.log, self.streams, self.end = [], {}, 0
        self.grown = asyncio.Condition()
        self.appending = self.append_session
        self.heads_asked = 0
        self._write("$stats-here", str(UUID(bytes=os.urandom(16))), "$statsCollected", "application/json", b"{}", b"")

    def _write(self, stream, event_id, event_type, content_type, data, metadata):
        versions = self.streams.setdefault(stream, [])
        event = Event(event_id, stream, len(versions), self.end, event_type, content_type, data, metadata)
        self.end += 61 + len(stream) + len(data) + len(metadata)
        versions.append(event)
        self.log.append(event)
        return event

    def _stands(self, stream, expected, ids):
        """Whether to write, and the events that are there already; None where the stream is somewhere else."""
        there = self.streams.get(stream, [])
        last = len(there) - 1
        if expected == -2 or (expected == -4 and there) or expected == last:
            return True, []
        again = there[max(expected, -1) + 1 :][: len(ids)] if expected >= -1 else []
        return None if not again or [event.id for event in again] != ids else (False, again)

    async def append_session(self, requests, context):
        asked = [request async for request in requests]
        verdicts = [self._stands(a.stream, a.expected_revision, [r.record_id for r in a.records]) for a in asked]
        for request, verdict in zip(asked, verdicts, strict=True):
            if verdict is None or verdict[0] != verdicts[0][0]:
                await _conflict(context, request, len(self.streams.get(request.stream, [])) - 1)
        self._write("$stats-here", str(UUID(bytes=os.urandom(16))), "$statsCollected", "application/json", b"{}", b"")
        output, position = [], 0
        for request, (writes, again) in zip(asked, verdicts, strict=True):
            events = [self._record(request.stream, record) for record in request.records] if writes else again
            output.append(sessions_pb2.AppendResponse(stream=request.stream, stream_revision=events[-1].version))
            position = max(position, events[-1].position)
        async with self.grown:
            self.grown.notify_all()
        return sessions_pb2.AppendSessionResponse(output=output, position=position).SerializeToString()

    def _record(self, stream, record):
        is_json = record.schema.format == sessions_pb2.SCHEMA_FORMAT_JSON
        schema = {"$schema.format": "Json" if is_json else "Bytes", "$schema.name": record.schema.name}
        metadata = schema | {name: value.string_value for name, value in sorted(record.properties.items())}
        content_type = "application/json" if is_json else "application/octet-stream"
        return self._write(
            stream, record.record_id, record.schema.name, content_type, record.data, json.dumps(metadata).encode()
        )

    async def append(self, requests, _context):
        options, *messages = [request async for request in requests]
        stream = options.options.stream_identifier.stream_name.decode()
        no_stream = options.options.WhichOneof("expected_stream_revision") == "no_stream"
        last = len(self.streams.get(stream, [])) - 1
        answer = streams_pb2.AppendResp()
        if (-1 if no_stream else options.options.revision) != last:
            answer.wrong_expected_version.current_revision = max(last, 0)
            return answer.SerializeToString()
        for message in messages:
            proposed = message.proposed_message
            told = proposed.metadata
            event = self._write(
                stream, proposed.id.string, told["type"], told["content-type"], proposed.data, proposed.custom_metadata
            )
        answer.success.current_revision = event.version
        answer.success.position.commit_position = event.position
        return answer.SerializeToString()

    async def read(self, request, context):
        options = request.options
        if options.WhichOneof("stream_option") == "stream":
            for answer in self._read_stream(options):
                yield answer
        elif options.WhichOneof("count_option") == "subscription":
            yield ReadResp(confirmation=ReadResp.SubscriptionConfirmation(subscription_id="s")).SerializeToString()
            async for answer in self._subscription(options, context):
                yield answer
        else:
            self.heads_asked += options.read_direction == streams_pb2.ReadReq.Options.Backwards and options.count == 1
            for event in (await self._read_all(options, context))[: options.count]:
                yield event.answer()

    def _read_stream(self, options):
        stream = options.stream.stream_identifier.stream_name.decode()
        there = self.streams.get(stream)
        if there is None:
            missing = ReadResp.StreamNotFound(stream_identifier=options.stream.stream_identifier)
            return [ReadResp(stream_not_found=missing).SerializeToString()]
        at = options.stream.revision if options.stream.WhichOneof("revision_option") == "revision" else None
        if options.read_direction == streams_pb2.ReadReq.Options.Forwards:
            events = there[at or 0 :]
        else:
            events = there[: len(there) if at is None else at + 1][::-1]
        return [event.answer() for event in events[: options.count]]

    async def _read_all(self, options, context):
        which, position = options.all.WhichOneof("all_option"), options.all.position.commit_position
        if which == "position" and position not in {self.end, *(event.position for event in self.log)}:
            await context.abort(*INVALID_POSITION)
        if options.read_direction == streams_pb2.ReadReq.Options.Forwards:
            events = [event for event in self.log if which != "position" or event.position >= position]
        else:
            events = [event for event in self.log if which != "position" or event.position < position][::-1]
        return [event for event in events if _passes(options, event)]

    async def _subscription(self, options, context):
        await self._read_all(options, context)
        filtered = options.WhichOneof("filter_option") == "filter"
        interval = options.filter.max * options.filter.checkpointIntervalMultiplier
        at = options.all.position.commit_position if options.all.WhichOneof("all_option") == "position" else -1
        looked_at, caught_up = 0, False
        while True:
            for event in [event for event in self.log if event.position > at]:
                at, looked_at = event.position, looked_at + 1
                if _passes(options, event):
                    yield event.answer()
                if filtered and looked_at % interval == 0:
                    checkpoint = ReadResp.Checkpoint(commit_position=at, prepare_position=at)
                    yield ReadResp(checkpoint=checkpoint).SerializeToString()
            if not caught_up:
                caught_up = True
                yield ReadResp(caught_up=ReadResp.CaughtUp()).SerializeToString()
            async with self.grown:
                await self.grown.wait_for(lambda at=at: self.log[-1].position > at)


def _passes(options, event):
    if options.WhichOneof("filter_option") != "filter":
        return True
    by_stream = options.filter.WhichOneof("filter") == "stream_identifier"
    expression = options.filter.stream_identifier if by_stream else options.filter.event_type
    name = event.stream if by_stream else event.type
    if expression.regex:
        return re.search(expression.regex, name) is not None
    return name.startswith(tuple(expression.prefix))


async def _conflict(context, request, actual):
    told = errors_pb2.StreamRevisionConflictErrorDetails(
        stream=request.stream, expected_revision=request.expected_revision, actual_revision=actual
    )
    packed = Any()
    packed.Pack(told)
    status = status_pb2.Status(code=9, message="the revision is another", details=[packed])
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the revision is another", trailers)


async def run_small(version="25.1.0"):
    """A server of one, and its port."""
    small = SmallKurrentDB()

    async def features(_request, _context):
        return SupportedMethods(event_store_server_version=version).SerializeToString()

    async def append_session(requests, context):
        return await small.appending(requests, context)

    services = {
        SERVICE: {METHOD: grpc.unary_unary_rpc_method_handler(features)},
        "event_store.client.streams.Streams": {
            "Read": grpc.unary_stream_rpc_method_handler(small.read, streams_pb2.ReadReq.FromString),
            "Append": grpc.stream_unary_rpc_method_handler(small.append, streams_pb2.AppendReq.FromString),
        },
        "kurrentdb.protocol.v2.streams.StreamsService": {
            "AppendSession": grpc.stream_unary_rpc_method_handler(append_session, sessions_pb2.AppendRequest.FromString)
        },
    }
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 80 << 20)])
    for name, methods in services.items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port, small
