"""Streams.Append: one append to one stream, its events sent one by one."""

from collections.abc import AsyncIterator
from typing import Final, TypeVar

from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import ANY, NO_STREAM, Conflict
from ledger.server.calling import Call
from ledger.server.errors import Overdue, invalid
from ledger.server.holding import Held
from ledger.server.metadata import check_may_append
from ledger.server.proposing import Proposed, expected_at, stream_name
from ledger.server.writing import Appended, Writing

_NONE_20_6_0: Final = (1 << 64) - 1
"""What clients before 20.6 were told for a stream that was expected not to exist."""

Success = streams_pb2.AppendResp.Success
Told = TypeVar("Told", Success, streams_pb2.BatchAppendResp.Success)
WrongExpectedVersion = streams_pb2.AppendResp.WrongExpectedVersion


class Appending:
    def __init__(self, writing: Writing) -> None:
        self._writing: Final = writing

    async def append(self, asked: AsyncIterator[streams_pb2.AppendReq], call: Call) -> streams_pb2.AppendResp:
        """The options first, then the events; only when the last has come is anything written."""
        with self._writing.holding(call.grant) as held:
            return await self._append(asked, call, held)

    async def _append(
        self, asked: AsyncIterator[streams_pb2.AppendReq], call: Call, held: Held
    ) -> streams_pb2.AppendResp:
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
                proposed = Proposed(stream, expected, call.grant, carrying=call.carrying)
            elif content != "proposed_message":
                raise invalid("选项之后只能是事件。After the options come events, and nothing else.")
            else:
                proposed.add((message.proposed_message,))
                held.hold(proposed.size.held_bytes)
        held.awaiting = False
        if proposed is None:
            raise invalid("没有选项。There are no options.")
        if call.context.time_remaining() == 0:
            raise Overdue()
        try:
            appended = await self._writing.append(proposed.append)
        except Conflict as conflict:
            return streams_pb2.AppendResp(wrong_expected_version=_wrong_expected_version(conflict))
        return streams_pb2.AppendResp(success=success_of(Success, appended))


def success_of(kind: type[Told], appended: Appended) -> Told:
    """Where the stream is, and the append, in the message of this way of appending."""
    success = kind()
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
