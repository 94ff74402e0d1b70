"""Streams.BatchAppend: many appends over one call, each told from the others by its correlation id.

Python's client makes a call for each append; Node's keeps one call open for all of them, and sends a long append in
several messages. Appends of one call are recorded side by side. Those to one stream keep their order: each takes its
turn before the next one is looked at.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc
from google.protobuf.message import Message
from kurrentdbclient.protos.v1 import shared_pb2, status_pb2, streams_pb2

from ledger.port import APPEND_BYTES_MAX, Conflict, LedgerError, StreamState, Unavailable
from ledger.recording import system_time_us
from ledger.server.appending import success_of
from ledger.server.calling import Call
from ledger.server.errors import AccessDenied, AppendTooBig, Overdue, Refused, TooBig, invalid, refusal, status
from ledger.server.holding import Held
from ledger.server.metadata import check_may_append
from ledger.server.proposing import Proposed, expected_at, stream_name, uuid_bytes
from ledger.server.writing import Writing

UNDER_WAY_MAX: Final = 512
"""Appends of one call that are being recorded. Before more of them are read, one has to be done."""

UNDER_WAY_BYTES_MAX: Final = APPEND_BYTES_MAX
"""As UNDER_WAY_MAX, of their data and metadata; the last one let in may exceed it."""

UNFINISHED_MAX: Final = 1_024
"""Appends of one call of which not all has come."""

_LASTING_S: Final = 10 * 366 * 24 * 3_600
"""Clients without a deadline send one that lies thousands of years ahead."""

Answer = streams_pb2.BatchAppendResp
Options = streams_pb2.BatchAppendReq.Options


class Batching:
    def __init__(self, writing: Writing) -> None:
        self._writing: Final = writing

    async def batch_append(self, asked: AsyncIterator[streams_pb2.BatchAppendReq], call: Call) -> None:
        """A refusal answers for its append only. What concerns them all, such as a ledger that is unavailable, ends the
        call, and the client repeats what it has no answer for.
        """
        try:
            with self._writing.holding(call.grant) as held:
                held.awaiting = False
                async with asyncio.TaskGroup() as tasks:
                    await _Batches(self._writing, call, tasks, held).run(asked)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors


class _Batch:
    """One append of a call. `proposed` is None before its options have come, and again once it has been refused."""

    def __init__(self, correlation_id: shared_pb2.UUID) -> None:
        self.correlation_id: Final = correlation_id
        self.identifier = shared_pb2.StreamIdentifier()
        self.proposed: Proposed | None = None
        self.deadline_s: float | None = None
        self.held_bytes = 0

    def open(self, options: Options, call: Call) -> None:
        self.identifier = options.stream_identifier
        stream = stream_name(options.stream_identifier)
        check_may_append(call.grant, stream)
        self.deadline_s = _deadline_s(options)
        expected = expected_at(options.WhichOneof("expected_stream_position"), options.stream_position)
        self.proposed = Proposed(stream, expected, call.grant, carrying=call.carrying)

    def check_in_time(self) -> None:
        if self.deadline_s is not None and self.deadline_s <= asyncio.get_running_loop().time():
            raise Overdue()


class _Batches:
    """The appends of one call."""

    def __init__(self, writing: Writing, call: Call, tasks: asyncio.TaskGroup, held: Held) -> None:
        self._writing, self._call, self._tasks, self._held = writing, call, tasks, held
        self._unfinished: dict[bytes, _Batch] = {}
        self._unfinished_bytes = 0
        self._under_way = 0
        self._under_way_bytes = 0
        self._done = asyncio.Event()
        self._answering = asyncio.Lock()

    async def run(self, asked: AsyncIterator[streams_pb2.BatchAppendReq]) -> None:
        async for message in asked:
            self._held.awaiting = False
            key = uuid_bytes(message.correlation_id)
            batch = self._unfinished.pop(key, None)
            fresh = batch is None
            if batch is None:
                batch = _Batch(message.correlation_id)
            elif batch.proposed is not None:
                self._unfinished_bytes -= batch.proposed.size.total_bytes
            try:
                self._take(batch, message, fresh=fresh)
            except Refused as refused:
                batch.proposed = None
                self._hold(batch, 0)
                await self._answer(batch, error=_status(refused))
            if not message.is_final:
                self._keep(key, batch)
            elif batch.proposed is not None:
                await self._begin(batch, batch.proposed)
            self._held.awaiting = bool(self._unfinished)
        self._held.awaiting = False

    def _take(self, batch: _Batch, message: streams_pb2.BatchAppendReq, *, fresh: bool) -> None:
        """Add what this message brings; of an append that has been refused nothing more is taken."""
        if fresh:
            if not message.HasField("options"):
                raise invalid("没有选项。There are no options.")
            batch.open(message.options, self._call)
        if batch.proposed is not None:
            batch.check_in_time()
            batch.proposed.add(message.proposed_messages)
            size = batch.proposed.size
            self._hold(batch, size.held_bytes)
            if not message.is_final and self._unfinished_bytes + size.total_bytes > APPEND_BYTES_MAX:
                raise AppendTooBig(size.events, self._unfinished_bytes + size.total_bytes)

    def _hold(self, batch: _Batch, held_bytes: int) -> None:
        self._held.hold(self._held.bytes + held_bytes - batch.held_bytes)
        batch.held_bytes = held_bytes

    def _keep(self, key: bytes, batch: _Batch) -> None:
        """Until the rest of it comes. Of a refused one this is how its rest is known."""
        if len(self._unfinished) == UNFINISHED_MAX:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"一次调用至多 {UNFINISHED_MAX} 个未发完的追加。"
                f"At most {UNFINISHED_MAX} appends of one call may be unfinished.",
            )
        self._unfinished[key] = batch
        if batch.proposed is not None:
            self._unfinished_bytes += batch.proposed.size.total_bytes

    async def _begin(self, batch: _Batch, proposed: Proposed) -> None:
        """Tasks run in the order in which they are made, and an append takes its turn before it first waits."""
        while self._under_way >= UNDER_WAY_MAX or self._under_way_bytes >= UNDER_WAY_BYTES_MAX:
            self._done.clear()
            await self._done.wait()
        self._under_way += 1
        self._under_way_bytes += proposed.size.total_bytes
        self._tasks.create_task(self._record(batch, proposed))

    async def _record(self, batch: _Batch, proposed: Proposed) -> None:
        try:
            batch.check_in_time()
            async with asyncio.timeout_at(batch.deadline_s):
                appended = await self._writing.append(proposed.append)
        except TimeoutError:
            await self._answer(batch, error=_status(Overdue()))
        except (Refused, LedgerError) as error:
            if isinstance(error, Unavailable):
                raise
            await self._answer(batch, error=_status(error))
        else:
            await self._answer(batch, success=success_of(Answer.Success, appended))
        finally:
            self._under_way -= 1
            self._under_way_bytes -= proposed.size.total_bytes
            self._hold(batch, 0)
            self._done.set()

    async def _answer(
        self, batch: _Batch, *, success: Answer.Success | None = None, error: status_pb2.Status | None = None
    ) -> None:
        answer = Answer(
            correlation_id=batch.correlation_id, stream_identifier=batch.identifier, success=success, error=error
        )
        async with self._answering:
            await self._call.write(answer.SerializeToString())


def _deadline_s(options: Options) -> float | None:
    """On the event loop's clock; None where there is none, or it lies years ahead."""
    match options.WhichOneof("deadline_option"):
        case "deadline":
            left_s = options.deadline.seconds + options.deadline.nanos / 1e9
        case "deadline_21_10_0":
            left_s = options.deadline_21_10_0.seconds + options.deadline_21_10_0.nanos / 1e9 - system_time_us() / 1e6
        case _:
            return None
    return asyncio.get_running_loop().time() + left_s if left_s < _LASTING_S else None


def _status(error: Refused | LedgerError) -> status_pb2.Status:
    """The status of one append. Clients go by the kind of its details."""
    details: Message
    match error:
        case Conflict():
            details = _wrong_expected_version(error)
        case AccessDenied():
            details = shared_pb2.AccessDenied()
        case TooBig():
            details = shared_pb2.MaximumAppendSizeExceeded(maxAppendSize=error.bytes_max)
        case Overdue():
            details = shared_pb2.Timeout()
        case _:
            details = shared_pb2.BadRequest(message=str(error))
    return status(refusal(error), details)


def _wrong_expected_version(conflict: Conflict) -> shared_pb2.WrongExpectedVersion:
    answer = shared_pb2.WrongExpectedVersion()
    if isinstance(conflict.actual, int):
        answer.current_stream_revision = conflict.actual
    else:
        answer.current_no_stream.SetInParent()
    match conflict.expected:
        case StreamState.NO_STREAM:
            answer.expected_no_stream.SetInParent()
        case StreamState.ANY:
            answer.expected_any.SetInParent()
        case StreamState.STREAM_EXISTS:
            answer.expected_stream_exists.SetInParent()
        case version:
            answer.expected_stream_position = version
    return answer
