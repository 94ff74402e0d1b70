"""Appending to a KurrentDB: one call for all streams, and a receipt that says as much as the port's."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec
from kurrentdbclient.exceptions import (
    AbortedByServerError,
    ConsistencyChecksFailedError,
    FailedPreconditionError,
    NotFoundError,
    StreamIsDeletedError,
    StreamTombstonedError,
    WrongCurrentVersionError,
)
from kurrentdbclient.protos.v2.streams import streams_pb2 as sessions_pb2

from ledger.kurrent_client import Client, told
from ledger.kurrent_wire import (
    COUNT_MAX,
    Read,
    proposed,
    read_log,
    read_stream,
    recorded,
    recorded_beside,
    session,
    state,
)
from ledger.port import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    Append,
    Carried,
    Conflict,
    Direction,
    Draft,
    Receipt,
    Recorded,
    Unavailable,
)
from ledger.recording import Heads, Known, Place, place, salts

READS_AT_ONCE: Final = 32
"""Streams that are read at a time; a server serves a hundred calls of one connection."""

HELD_IDS_MAX: Final = 200_000
"""Ids of which it is kept where they are, some 40 MB of them."""

JUDGED_MAX: Final = 30
"""How often an append is judged anew on this side while others write to the same streams."""

UNCLEAR_PAUSES_S: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Before each further attempt of an append that was refused for no reason that can be read; then its caller is told."""

CheckUnsealed: TypeAlias = Callable[[], Awaitable[None]]
Record: TypeAlias = Callable[[Sequence[Append]], Awaitable[Receipt]]


class _Held(NamedTuple):
    """How many events a stream has, and where their ids are."""

    length: int
    places: Mapping[bytes, Place]


class _Unclear(Exception):
    """The server refuses an append and does not say which stream was where."""


class Appending:
    """`keeps_port`: the server itself notices repetitions, and that the log has ended, as the port says. Otherwise
    `check_unsealed` is asked right before an append is sent, for what comes before may have taken long.
    """

    def __init__(self, client: Client, *, keeps_port: bool, check_unsealed: CheckUnsealed | None = None) -> None:
        self._client: Final = client
        self._keeps_port: Final = keeps_port
        self._check_unsealed: Final = None if keeps_port else check_unsealed
        self._turns: Final = asyncio.Semaphore(READS_AT_ONCE)
        self._anywhere: Final = asyncio.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._held_ids = 0

    async def append(self, appends: Sequence[Append]) -> Receipt:
        """A KurrentDB remembers the ids of its latest appends only, and looks for them only where it expects them. So
        there what a stream holds is looked at first, unless it is to be a new one, and the server told its version.
        """
        if self._keeps_port or all(append.expected is NO_STREAM for append in appends):
            try:
                return await self._record(appends)
            except _Unclear:
                pass
        if all(append.expected not in (ANY, STREAM_EXISTS) for append in appends):
            return await self._judged(appends, recorded, self._record)
        async with self._anywhere:  # whoever takes any version at least does not get in the way of its like
            return await self._judged(appends, recorded, self._record)

    async def append_beside(self, append: Append) -> Receipt:
        return await self._judged([append], recorded_beside, self._record_beside)

    async def _judged(self, appends: Sequence[Append], read: Read, record: Record) -> Receipt:
        """The port's answer, from what the streams hold."""
        why = ""
        pauses_s = iter(UNCLEAR_PAUSES_S)
        for _ in range(JUDGED_MAX):
            placed = place(appends, *await self._found(appends, read))
            if isinstance(placed, Receipt):
                return placed
            exact = [
                msgspec.structs.replace(append, expected=first - 1 if first else NO_STREAM)
                for append, first in zip(appends, placed, strict=True)
            ]
            try:
                return await record(exact)
            except Conflict as error:
                why = str(error)
            except _Unclear as error:
                why = str(error)
                if (pause_s := next(pauses_s, None)) is None:
                    break
                await asyncio.sleep(pause_s)
        raise Unavailable(f"KurrentDB {self._client.address}: {why}")

    async def _found(self, appends: Sequence[Append], read: Read) -> tuple[Heads, Known]:
        """Where the streams are, and where in them the drafts are that they already hold."""
        streams = await asyncio.gather(*(self._holds(append.stream, read) for append in appends))
        heads = {append.stream: held.length - 1 for append, held in zip(appends, streams, strict=True) if held.length}
        return heads, {
            (append.stream, draft.id): held.places[draft.id]
            for append, held in zip(appends, streams, strict=True)
            for draft in append.drafts
            if draft.id in held.places
        }

    async def _holds(self, stream: str, read: Read) -> "_Held":
        """The ids in a stream and where they are. What was read once is kept a while: it does not change."""
        held = self._held.pop(stream, _Held(0, {}))
        self._held_ids -= held.length
        events = await self._events(stream, held.length, None, read)
        places = {**held.places} | {event.id: (event.version, event.position) for event in events}
        held = _Held(events[-1].version + 1 if events else held.length, places)
        if before := self._held.pop(stream, None):
            self._held_ids -= before.length
        self._held[stream] = held
        self._held_ids += held.length
        while self._held_ids > HELD_IDS_MAX:
            _, dropped = self._held.popitem(last=False)
            self._held_ids -= dropped.length
        return held

    async def _record(self, appends: Sequence[Append]) -> Receipt:
        drafts = [draft for append in appends for draft in append.drafts]
        fresh = salts(len(drafts))
        own = [draft.salt if isinstance(draft, Carried) else salt for draft, salt in zip(drafts, fresh, strict=True)]
        carries = any(isinstance(draft, Carried) for draft in drafts)
        # A carried salt does not tell a repetition: where the log was before does.
        before = await self._client.head() if carries else 0
        if self._check_unsealed is not None:
            await self._check_unsealed()
        answer = await self._sent(appends, own)
        receipt = await self._receipt(appends, drafts, own, answer)
        return msgspec.structs.replace(receipt, repeated=answer.position <= before) if carries else receipt

    async def _sent(self, appends: Sequence[Append], own: Sequence[bytes]) -> sessions_pb2.AppendSessionResponse:
        with told(self._client.address):
            try:
                answer = await self._client.append_session(session(appends, own))
            except WrongCurrentVersionError as error:
                raise _conflict(appends, error.stream_name, error.actual_version) from error
            except ConsistencyChecksFailedError as error:
                failure = next((one.stream_state_failure for one in error.failures if one.stream_state_failure), None)
                if failure is None:
                    raise _Unclear(str(error)) from error
                raise _conflict(appends, failure.stream_name, failure.actual_state) from error
            except StreamTombstonedError as error:
                raise _conflict(appends, error.stream_name, NO_STREAM) from error
            except StreamIsDeletedError as error:
                named = next((append for append in appends if append.stream in str(error)), appends[0])
                raise _conflict(appends, named.stream, NO_STREAM) from error
            except (FailedPreconditionError, NotFoundError, AbortedByServerError) as error:
                if type(error) in (FailedPreconditionError, NotFoundError, AbortedByServerError):
                    raise _Unclear(str(error)) from error
                raise
        if len(answer.output) != len(appends):
            raise Unavailable(f"KurrentDB {self._client.address} does not say where the streams are")
        return answer

    async def _receipt(
        self,
        appends: Sequence[Append],
        drafts: Sequence[Draft],
        own: Sequence[bytes],
        answer: sessions_pb2.AppendSessionResponse,
    ) -> Receipt:
        """The server tells the last position, and the last version in each stream. Where the other events are is read:
        if they are ours they stand right before the last. If they are not, it was a repetition.
        """
        versions = tuple(output.stream_revision for output in answer.output)
        if len(drafts) > 1:
            request = read_log(answer.position, Direction.BACKWARDS, len(drafts) - 1)
            with told(self._client.address):
                events = (await self._client.read(request, recorded))[::-1]
            if [(event.id, event.salt) for event in events] == [
                (draft.id, salt) for draft, salt in zip(drafts[:-1], own[:-1], strict=True)
            ]:
                positions = (*(event.position for event in events), answer.position)
                return Receipt(position=answer.position, versions=versions, positions=positions)
        runs = await asyncio.gather(
            *(
                self._events(append.stream, version - len(append.drafts) + 1, len(append.drafts), recorded)
                for append, version in zip(appends, versions, strict=True)
            )
        )
        found = [event for run in runs for event in run]
        if [event.id for event in found] != [draft.id for draft in drafts]:
            raise Unavailable(f"KurrentDB {self._client.address} does not hold what it says it has appended")
        positions = tuple(event.position for event in found)
        return Receipt(max(positions), versions, positions, repeated=found[0].salt != own[0])

    async def _record_beside(self, appends: Sequence[Append]) -> Receipt:
        (append,) = appends
        with told(self._client.address):
            requests = proposed(append, carrying=self._keeps_port)
            if self._check_unsealed is not None:
                await self._check_unsealed()
            answer = await self._client.append_proposed(requests, carrying=self._keeps_port)
        match answer.WhichOneof("result"), answer.wrong_expected_version.WhichOneof("current_revision_option"):
            case "success", _:
                last = answer.success.current_revision
            case _, "current_revision":
                raise Conflict(append.stream, append.expected, answer.wrong_expected_version.current_revision)
            case _:
                raise Conflict(append.stream, append.expected, NO_STREAM)
        count = len(append.drafts)
        events = await self._events(append.stream, last - count + 1, count, recorded_beside)
        positions = tuple(event.position for event in events)
        return Receipt(position=max(positions), versions=(last,), positions=positions)

    async def _events(self, stream: str, first: int | None, count: int | None, read: Read) -> list[Recorded]:
        """`count` events of a stream from version `first` on; None is from its beginning, and all of them."""
        request = read_stream(stream, Direction.FORWARDS, first, COUNT_MAX if count is None else count)
        with told(self._client.address):
            async with self._turns:
                return await self._client.read(request, read, carrying=read is recorded)


def _conflict(appends: Sequence[Append], stream: str | None, actual: object) -> Conflict:
    """`actual` is a number; or what stands for no stream, in this or in another vocabulary."""
    named = next((append for append in appends if append.stream == stream), appends[0])
    return Conflict(named.stream, named.expected, state(actual) if isinstance(actual, int) else NO_STREAM)
