"""Streams.Append: one append to one stream, its events sent one by one; and what every way of appending does."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import ANY, NO_STREAM, Append, Conflict, Direction, Expected, Ledger, StreamState
from ledger.server.access import Grant
from ledger.server.calling import Call
from ledger.server.errors import Overdue, access_denied, invalid
from ledger.server.proposing import Proposed, expected_at, stream_name

_NONE_20_6_0: Final = (1 << 64) - 1
"""What clients before 20.6 were told for a stream that was expected not to exist."""

Success = streams_pb2.AppendResp.Success
WrongExpectedVersion = streams_pb2.AppendResp.WrongExpectedVersion


class Appended(NamedTuple):
    """Where a stream is after an append, None if it does not exist, and the position of the append's last event."""

    version: int | None
    position: int | None


class Appending:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger: Final = ledger

    async def append(self, asked: AsyncIterator[streams_pb2.AppendReq], call: Call) -> streams_pb2.AppendResp:
        """The options first, then the events; only when the last has come is anything written."""
        proposed: Proposed | None = None
        async for message in asked:
            content = message.WhichOneof("content")
            if proposed is None:
                if content != "options":
                    raise invalid("首先应当是选项。The options come first.")
                stream = stream_name(message.options.stream_identifier)
                check_may_append(call.grant, stream)
                options = message.options
                expected = expected_at(options.WhichOneof("expected_stream_revision"), options.revision)
                proposed = Proposed(stream, expected, carrying=call.carrying)
            elif content != "proposed_message":
                raise invalid("选项之后只能是事件。After the options come events, and nothing else.")
            else:
                proposed.add((message.proposed_message,))
        if proposed is None:
            raise invalid("没有选项。There are no options.")
        if call.context.time_remaining() == 0:
            raise Overdue()
        try:
            return streams_pb2.AppendResp(success=_success(await record(self._ledger, proposed.append)))
        except Conflict as conflict:
            return streams_pb2.AppendResp(wrong_expected_version=_wrong_expected_version(conflict))


def check_may_append(grant: Grant, stream: str) -> None:
    if stream.startswith("$"):
        raise access_denied(f"流 {stream} 属于系统。Access Denied: stream {stream} belongs to the system")
    if not grant.may_append_to(stream):
        raise access_denied(f"不可追加到流 {stream}。Access Denied: this caller may not append to stream {stream}")


async def record(ledger: Ledger, append: Append) -> Appended:
    """An append of no events is one as well: it finds out where the stream is."""
    if append.drafts:
        receipt = await ledger.append([append])
        return Appended(receipt.versions[0], receipt.position)
    newest = (await ledger.read(append.stream, direction=Direction.BACKWARDS, limit=1)).events
    version = newest[0].version if newest else None
    if not _meets(append.expected, version):
        raise Conflict(append.stream, append.expected, NO_STREAM if version is None else version)
    return Appended(version, None)


def _meets(expected: Expected, version: int | None) -> bool:
    match expected:
        case StreamState.ANY:
            return True
        case StreamState.STREAM_EXISTS:
            return version is not None
        case StreamState.NO_STREAM:
            return version is None
        case _:
            return expected == version


def _success(appended: Appended) -> Success:
    success = Success()
    if appended.version is None:
        success.no_stream.SetInParent()
    else:
        success.current_revision = appended.version
    if appended.position is None:
        success.no_position.SetInParent()
    else:
        success.position.commit_position = success.position.prepare_position = appended.position
    return success


def _wrong_expected_version(conflict: Conflict) -> WrongExpectedVersion:
    """Where the stream is and where it was expected, each also in the fields that clients before 20.6 read."""
    answer = WrongExpectedVersion()
    if isinstance(conflict.actual, int):
        answer.current_revision = answer.current_revision_20_6_0 = conflict.actual
    else:
        answer.current_no_stream.SetInParent()
        answer.no_stream_20_6_0.SetInParent()
    if isinstance(conflict.expected, int):
        answer.expected_revision = answer.expected_revision_20_6_0 = conflict.expected
    elif conflict.expected is NO_STREAM:
        answer.expected_no_stream.SetInParent()
        answer.expected_revision_20_6_0 = _NONE_20_6_0
    elif conflict.expected is ANY:
        answer.expected_any.SetInParent()
        answer.any_20_6_0.SetInParent()
    else:
        answer.expected_stream_exists.SetInParent()
        answer.stream_exists_20_6_0.SetInParent()
    return answer
