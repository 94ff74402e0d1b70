"""The newer methods that append: AppendSession and AppendRecords, each to several streams at once, all or nothing.

Records bring properties in place of metadata. They are kept as one JSON object, with what their schema says beside
them, which is how a KurrentDB shows them to those who read.
"""

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import grpc
import msgspec
from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.struct_pb2 import Value
from kurrentdbclient.protos.v2.streams import errors_pb2, streams_pb2

from ledger.carrying import OCTETS
from ledger.embedded import Check
from ledger.port import (
    ANY,
    BESIDE,
    ID_BYTES,
    JSON,
    NO_STREAM,
    STREAM_EXISTS,
    Append,
    Conflict,
    Draft,
    Expected,
)
from ledger.server.access import Grant
from ledger.server.calling import Call
from ledger.server.errors import (
    AppendTooBig,
    EventTooBig,
    Overdue,
    Refused,
    access_denied,
    as_number,
    invalid,
    rich,
)
from ledger.server.holding import Held
from ledger.server.metadata import check_may_append, check_may_append_type
from ledger.server.proposing import Size, draft, meets, uuid_of_text
from ledger.server.writing import Writing

VIOLATIONS_MAX: Final = 8
"""Told of many: all trailers together have 8 KiB, and the names of streams are long."""

_FORMATS: Final = {
    streams_pb2.SCHEMA_FORMAT_JSON: "Json",
    streams_pb2.SCHEMA_FORMAT_PROTOBUF: "Protobuf",
    streams_pb2.SCHEMA_FORMAT_AVRO: "Avro",
    streams_pb2.SCHEMA_FORMAT_BYTES: "Bytes",
}

_EXPECTED: Final[Mapping[int, Expected]] = {as_number(state): state for state in (NO_STREAM, ANY, STREAM_EXISTS)}

_encode: Final = msgspec.json.Encoder().encode


class Sessions:
    def __init__(self, writing: Writing) -> None:
        self._writing: Final = writing

    async def append_session(
        self, asked: AsyncIterator[streams_pb2.AppendRequest], call: Call
    ) -> streams_pb2.AppendSessionResponse:
        """A request for each stream; only when the last has come is anything written."""
        with self._writing.holding(call.grant) as held:
            return await self._append_session(asked, call, held)

    async def _append_session(
        self, asked: AsyncIterator[streams_pb2.AppendRequest], call: Call, held: Held
    ) -> streams_pb2.AppendSessionResponse:
        size = Size()
        appends: dict[str, Append] = {}
        async for request in asked:
            stream = request.stream
            _check_may_append(call.grant, stream)
            if stream in appends:
                raise _already_in_session(stream)
            if not request.records:
                raise invalid(f"流 {stream} 没有事件可追加。There are no records for stream {stream}.")
            expected = _expected(request.expected_revision) if request.HasField("expected_revision") else ANY
            drafts = [_draft(stream, record, size, call) for record in request.records]
            held.hold(size.held_bytes)
            appends[stream] = Append(stream, expected, drafts)
        held.awaiting = False
        if not appends:
            details = "会话中没有请求。The session ended before any request to append was sent."
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, details)
        _check_in_time(call)
        try:
            receipt = await self._writing.append_all(list(appends.values()))
        except Conflict as conflict:
            raise _revision_conflict(conflict) from conflict
        output = [
            streams_pb2.AppendResponse(stream=stream, stream_revision=version)
            for stream, version in zip(appends, receipt.versions, strict=True)
        ]
        return streams_pb2.AppendSessionResponse(output=output, position=receipt.position)

    async def append_records(
        self, asked: streams_pb2.AppendRecordsRequest, call: Call
    ) -> streams_pb2.AppendRecordsResponse:
        """Records of any streams, which stand in the log in the order in which they come, and checks of any streams,
        written to or not.
        """
        with self._writing.holding(call.grant) as held:
            held.awaiting = False
            return await self._append_records(asked, call, held)

    async def _append_records(
        self, asked: streams_pb2.AppendRecordsRequest, call: Call, held: Held
    ) -> streams_pb2.AppendRecordsResponse:
        if not asked.records:
            raise invalid("没有事件可追加。There are no records.")
        checks = _checks(asked.checks)
        size = Size()
        drafts: dict[str, list[Draft]] = {}
        for record in asked.records:
            if record.stream not in drafts:
                _check_may_append(call.grant, record.stream)
                drafts[record.stream] = []
            drafts[record.stream].append(_draft(record.stream, record, size, call))
        held.hold(size.held_bytes)
        for stream in checks.keys() - drafts.keys():
            _check_may_check(call.grant, stream)
        _check_in_time(call)
        appends = [Append(stream, checks.get(stream, ANY), each) for stream, each in drafts.items()]
        places = {stream: index for index, stream in enumerate(drafts)}
        order = [places[record.stream] for record in asked.records] if len(drafts) > 1 else ()
        others = [Check(stream, expected) for stream, expected in checks.items() if stream not in drafts]
        try:
            receipt = await self._writing.append_all(appends, others, order)
        except Conflict as conflict:
            if conflict.stream not in checks:
                raise _revision_conflict(conflict) from conflict
            raise await self._violations(conflict, asked.checks) from conflict
        revisions = [
            streams_pb2.StreamRevision(stream=stream, revision=version)
            for stream, version in zip(drafts, receipt.versions, strict=True)
        ]
        return streams_pb2.AppendRecordsResponse(revisions=revisions, position=receipt.position)

    async def _violations(self, conflict: Conflict, checks: Sequence[streams_pb2.ConsistencyCheck]) -> Refused:
        """The check that was violated, and those of the others that are by now; the first are listed, more counted."""
        details = errors_pb2.AppendConsistencyViolationErrorDetails()
        more = 0
        for index, check in enumerate(checks):
            stream, expected = check.stream_state.stream, check.stream_state.expected_state
            if stream == conflict.stream:
                actual = conflict.actual
            else:
                actual = await self._writing.actual(stream)
                if meets(_expected(expected), actual):
                    continue
            if len(details.violations) == VIOLATIONS_MAX:
                more += 1
                continue
            state = errors_pb2.ConsistencyViolation.StreamStateViolation(
                stream=stream, expected_state=expected, actual_state=as_number(actual)
            )
            details.violations.add(check_index=index, stream_state=state)
        sentence = (
            f"流 {conflict.stream} 不符合所要求的状态。"
            f"Append failed due to consistency violations, of stream '{conflict.stream}' among them."
        )
        if more:
            sentence += f" 另有 {more} 项未列出。Not listed: {more} more."
        return rich(grpc.StatusCode.FAILED_PRECONDITION, sentence, details)


def _draft(stream: str, record: streams_pb2.AppendRecord, size: Size, call: Call) -> Draft:
    schema = record.schema
    if schema.format not in _FORMATS or not schema.name:
        raise invalid("事件须有模式名称和格式。A record has a schema, with a name and a format.")
    check_may_append_type(call.grant, schema.name)
    content_type = JSON if schema.format == streams_pb2.SCHEMA_FORMAT_JSON else OCTETS
    if record.HasField("record_id"):
        event_id = uuid_of_text(record.record_id)
    else:
        event_id = UUID(bytes=os.urandom(ID_BYTES), version=4).bytes
    made = draft(event_id, schema.name, record.data, _metadata(record), content_type, carrying=call.carrying)
    try:
        size.take(made)
    except EventTooBig as big:
        message = errors_pb2.AppendRecordSizeExceededErrorDetails(
            stream=stream, record_id=big.event_id, size=big.size_bytes, max_size=big.bytes_max
        )
        raise rich(grpc.StatusCode.INVALID_ARGUMENT, big.details, message) from big
    except AppendTooBig as big:
        exceeded = errors_pb2.AppendTransactionSizeExceededErrorDetails(size=big.size_bytes, max_size=big.bytes_max)
        raise rich(grpc.StatusCode.ABORTED, big.details, exceeded) from big
    return made


def _metadata(record: streams_pb2.AppendRecord) -> bytes:
    """In one order, whatever the order in which a map comes."""
    members: dict[str, object] = {}
    properties = record.properties
    for name in sorted(properties):
        value = properties[name]
        members[name] = value.string_value if value.WhichOneof("kind") == "string_value" else _json(name, value)
    members["$schema.name"] = record.schema.name
    members["$schema.format"] = _FORMATS[record.schema.format]
    if record.schema.HasField("id"):
        members["$schema.id"] = record.schema.id
    return _encode(members)


def _json(name: str, value: Value) -> object:
    try:
        if value.WhichOneof("kind") is not None:
            return MessageToDict(value)
    except (SerializeToJsonError, ValueError):
        pass
    raise invalid(f"属性 {name} 的值不能写成 JSON。The value of property {name} cannot be written as JSON.")


def _expected(revision: int) -> Expected:
    if revision >= 0:
        return revision
    expected = _EXPECTED.get(revision)
    if expected is None:
        raise invalid(f"没有这样的期望版本：{revision}。There is no such expected revision: {revision}")
    return expected


def _checks(checks: Iterable[streams_pb2.ConsistencyCheck]) -> dict[str, Expected]:
    expected: dict[str, Expected] = {}
    for check in checks:
        if check.WhichOneof("type") != "stream_state":
            raise invalid("不认识的检查。A consistency check of a kind that this server does not know.")
        stream, state = check.stream_state.stream, _expected(check.stream_state.expected_state)
        if expected.setdefault(stream, state) != state:
            raise invalid(f"对流 {stream} 的检查相互矛盾。Two checks contradict each other on stream {stream}.")
    return expected


def _check_may_append(grant: Grant, stream: str) -> None:
    check_may_append(grant, stream)
    if stream.startswith(BESIDE):
        raise access_denied(
            f"流的元数据 {stream} 只能单独写。Access Denied: {stream} is beside the log and is written alone, by Append"
        )


def _check_may_check(grant: Grant, stream: str) -> None:
    """Who may neither append to a stream nor read all types learns nothing of where it is."""
    if stream.startswith("$") or not (grant.reads is None or grant.may_append_to(stream)):
        raise access_denied(f"不可检查流 {stream}。Access Denied: this caller may not check stream {stream}")


def _check_in_time(call: Call) -> None:
    if call.context.time_remaining() == 0:
        raise Overdue()


def _already_in_session(stream: str) -> Refused:
    details = (
        f"流 {stream} 在一次会话中出现两次。"
        f"Stream '{stream}' is already part of this append session; each stream comes once."
    )
    message = errors_pb2.StreamAlreadyInAppendSessionErrorDetails(stream=stream)
    return rich(grpc.StatusCode.ABORTED, details, message)


def _revision_conflict(conflict: Conflict) -> Refused:
    stream, expected, actual = conflict.stream, as_number(conflict.expected), as_number(conflict.actual)
    details = (
        f"流 {stream} 不在所期望的版本上。Append failed due to a revision conflict on stream '{stream}'. "
        f"Expected revision: {expected}. Actual revision: {actual}."
    )
    message = errors_pb2.StreamRevisionConflictErrorDetails(
        stream=stream, expected_revision=expected, actual_revision=actual
    )
    return rich(grpc.StatusCode.FAILED_PRECONDITION, details, message)
