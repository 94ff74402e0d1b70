"""The one path from a command to the log: read, fold, decide, append at the expected version.

An event's id is made from the command's id and the event's place in the outcome, so a command is recognised in its
stream for ever: the same id again is answered with what was recorded, and not decided again. Only a conflict is
retried. Refusals are not recorded: the same command may be decided differently later. Nor is an outcome without events;
rules therefore leave an event wherever a later state could make the same command do something.

The command id must name its stream (doors make it from actor, route and Idempotency-Key, and the route holds the key
of the stream), or a reused id would go unnoticed in another stream.
"""

import asyncio
import hashlib
import random
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, Final, Generic, TypeAlias
from uuid import UUID

import msgspec

from kernel.clock import Clock, system_clock_us
from kernel.codec import Codec
from kernel.decider import Decider, State
from kernel.quantity import Happened, business_day_of_us
from kernel.refusal import CommandWarning, Refusal, against_rules, stale
from ledger.port import ID_BYTES, NO_STREAM, Append, Conflict, Draft, Ledger, Recorded, StreamPage

CONFLICT_RETRIES_MAX: Final = 40
"""Conflicts in a row before a command gives up. Each means that another writer got through: so many may give commands
about one thing at one moment, and all are answered within a second or two.
"""

PAUSE_GROWS_MAX: Final = 8
"""Retries after which the pause between two of them is long enough."""

BATCH_COMMANDS_MAX: Final = 1_000
"""Commands in one append: some milliseconds of the writer, so that commands asked alone keep their latency."""

UNBROKEN_COMMANDS_MAX: Final = 50
"""Commands decided before others have their turn on the event loop: a millisecond or two. A request takes several turns
from its arrival to its answer.
"""

ID_REUSED = against_rules(
    "command.id_reused",
    "命令编号 {command_id} 已用于另一条命令。请为新命令使用新的 Idempotency-Key。",
    "command id {command_id} has been used for another command; use a new Idempotency-Key for a new command",
)
BUSY = stale(
    "command.busy",
    "{stream} 正被频繁写入，请稍后重试。",
    "{stream} is being written to by many at once; try again shortly",
)
STALE_VERSION = stale(
    "command.stale_version",
    "您看到的是版本 {expected}，现为 {actual}。请重新读取后再决定。",
    "you saw version {expected}, it is {actual} now; read again and decide anew",
)

NOT_YET = against_rules(
    "command.not_yet",
    "所述日期 {day} 尚未到来（最晚 {latest}）。请核对日期。",
    "{day} has not come yet (the latest possible is {latest}); check the day",
)

AHEAD_MAX: Final = timedelta(days=1)
"""How far ahead of ours another clock may be when it says what happened, be it by a wrong zone."""


class Context(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who asks, and in what connection. `actor` is an opaque subject id; names live with `people`.

    `expected_version` is the version that the caller saw (If-Match), if it cares.
    """

    command_id: UUID
    actor: str
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None
    expected_version: int | None = None


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is recorded beside an event: who and why. `command_digest` is SHA-256 over the command's name
    and the command itself, a pair in MessagePack. `warnings` are those of its Ask.
    """

    correlation_id: UUID = msgspec.field(name="$correlationId")
    causation_id: UUID = msgspec.field(name="$causationId")
    actor: str
    command_digest: bytes
    schema: int = 1
    traceparent: str | None = None
    warnings: tuple[CommandWarning, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came of a command. `position` is that of its last event, 0 where nothing was recorded because it was so
    already. `repeated`: it had been done before, and this is what was recorded then. `warnings` are of the service
    that handles it, about the command as it was given: those of its Ask, which are recorded beside the events, and
    others that are the same whenever they are asked for.
    """

    stream: str
    version: int
    position: int
    events: tuple[Any, ...]
    repeated: bool = False
    warnings: tuple[CommandWarning, ...] = ()


Permit: TypeAlias = Callable[[Any, Any], Refusal | None]
"""Whether this command may be given while its stream is in this state: None, or why not."""


Turn: TypeAlias = Callable[[], Awaitable[object]]
"""Waited for when a call has decided and is about to append. Whoever has many calls under way at once keeps them in
order by it: the next is decided while this one is written, and appended after it.
"""


Along: TypeAlias = Callable[[Sequence[Any]], Append | None]
"""What is appended to a stream of another noun in one with these events, None where there is nothing. Raises Refusal,
which refuses the command.
"""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """A command and who asks it. `permit` is asked before anything else, with what is recorded of the stream; only what
    the same caller has done by the same command is answered whatever it says.
    `hindrance` is what other streams have against the command, if it has not been done before. `asked` is the command
    as it was given, where something has been added to it from other streams: by that it is recognised when it comes
    again. `warnings` are what others have to say of it without hindering it: said with the outcome, and recorded beside
    its events, since asked again later they would say something else. `along` is asked once the command has been
    decided: what it gives is recorded with the command's events or not at all.
    """

    command: Any
    context: Context
    permit: Permit | None = None
    hindrance: Refusal | None = None
    asked: Any = None
    warnings: tuple[CommandWarning, ...] = ()
    along: Along | None = None

    @property
    def given(self) -> Any:
        """The command as it was given."""
        return self.command if self.asked is None else self.asked


class _History(msgspec.Struct, Generic[State], gc=False):
    """A stream as it was read, and what a call is about to add to it. `unfolded` are the call's own events that are not
    in the state: most streams of a call get one command, and nobody asks for the state after it. `done` is what the
    call has decided here, by the number of the command's id; None while nobody can ask for it. `along` goes to streams
    of other nouns in the same append.
    """

    stream: str
    state: State
    recorded: Sequence[Recorded] = ()
    version: int = -1
    version_read: int = -1
    unfolded: Sequence[Any] = ()
    drafts: list[Draft] = []
    done: dict[int, tuple[bytes, Outcome]] | None = None
    along: list[Append] = []

    def append(self) -> Append:
        return Append(self.stream, NO_STREAM if self.version_read < 0 else self.version_read, self.drafts)


class Handling(Generic[State]):
    """Handles the commands of one decider on one ledger."""

    def __init__(
        self, ledger: Ledger, decider: Decider[State], codec: Codec, *, clock: Clock = system_clock_us
    ) -> None:
        self._clock: Final = clock
        self.decider: Final = decider
        self._ledger: Final = ledger
        self._codec: Final = codec
        self._packed: Final = msgspec.msgpack.Encoder(order="deterministic").encode
        self._metadata_json: Final = msgspec.json.Encoder().encode
        self._read_metadata: Final = msgspec.json.Decoder(Metadata).decode

    async def handle(self, command: Any, context: Context, permit: Permit | None = None) -> Outcome:
        """Decide and record one command. Raises Refusal, ledger.port.Unavailable."""
        answer = (await self.handle_many([Ask(command, context, permit)]))[0]
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def handle_many(
        self, asks: Sequence[Ask], *, turn: Turn | None = None, known: bool = False
    ) -> list[Outcome | Refusal]:
        """Decide and record many commands, an answer each in their order. `known` says that most of their streams are
        likely to be there, even of commands that begin one: reading first is then the shorter way.

        What is accepted goes in atomic appends, each of at most BATCH_COMMANDS_MAX commands; commands on one stream
        see each other's events in order. A refusal concerns its own command only. Raises ledger.port.Unavailable, and
        Conflict where a stream that an `along` writes to has moved on: what an append before it recorded stays
        recorded, and asking again repeats nothing.
        """
        answers: list[Outcome | Refusal] = []
        for start in range(0, len(asks), BATCH_COMMANDS_MAX):
            answers += await self._handle_batch(asks[start : start + BATCH_COMMANDS_MAX], turn, known=known)
        return answers

    async def preview(self, asks: Sequence[Ask]) -> list[Outcome | Refusal]:
        """What `handle_many` would answer now, and nothing is recorded."""
        return (await self.prepared(asks))[0]

    async def prepared(self, asks: Sequence[Ask]) -> tuple[list[Outcome | Refusal], list[Append]]:
        """The same, with what it would append: for whoever appends that along with something else."""
        streams = [self.decider.stream(ask.command) for ask in asks]
        histories = await self._read(set(streams))
        _keep_what_is_done(histories, streams)
        latest = self._latest()
        answers = [self._answer(ask, histories[stream], latest) for stream, ask in zip(streams, asks, strict=True)]
        return answers, [history.append() for history in histories.values() if history.drafts]

    async def state(self, stream: str) -> tuple[State, int]:
        """The state of a stream now, and its version; -1 where there is none."""
        history = (await self._read({stream}))[stream]
        return history.state, history.version

    async def _handle_batch(self, asks: Sequence[Ask], turn: Turn | None, *, known: bool) -> list[Outcome | Refusal]:
        streams = [self.decider.stream(ask.command) for ask in asks]
        begins = frozenset[type]() if known else self.decider.begins
        fresh = {stream for stream, ask in zip(streams, asks, strict=True) if type(ask.command) in begins}
        for retry in range(CONFLICT_RETRIES_MAX):
            # In the order asked, so that the same batch makes the same log.
            histories = {stream: _History(stream, self.decider.initial) for stream in streams}
            if len(fresh) < len(histories):
                histories |= await self._read(histories.keys() - fresh)
            _keep_what_is_done(histories, streams)
            answers, latest = [], self._latest()
            for i, (stream, ask) in enumerate(zip(streams, asks, strict=True), 1):
                answers.append(self._answer(ask, histories[stream], latest))
                if i % UNBROKEN_COMMANDS_MAX == 0:
                    await asyncio.sleep(0)
            if unread := {stream for stream in fresh if not histories[stream].drafts}:
                # Nothing is to be appended there, so no conflict would tell that the stream is not empty after all.
                fresh -= unread
                continue
            appends = [history.append() for history in histories.values() if history.drafts]
            if not appends:
                return answers
            if turn is not None:
                await turn()
            along = [one for history in histories.values() for one in history.along]
            try:
                receipt = await self._ledger.append([*appends, *along])
            except Conflict as conflict:
                if any(one.stream == conflict.stream for one in along):
                    raise
                # Where one stream of a file was there already the others mostly are too: one reading of them all
                # costs less than finding them one conflict at a time.
                if not fresh:
                    await asyncio.sleep(random.uniform(0, 0.002 * min(retry, PAUSE_GROWS_MAX)))  # noqa: S311  spreads retries, no secret
                fresh = set()
                continue
            if receipt.repeated:
                # These very ids were recorded, before or a moment ago. Whether by these very commands, their digests
                # will tell.
                fresh = set()
                continue
            _put_positions(answers, histories.values(), receipt.positions)
            return answers
        return [BUSY(stream=stream) for stream in streams]

    async def _read(self, streams: set[str]) -> dict[str, _History[State]]:
        pages = await self._ledger.read_many(streams)
        return {stream: await self._history(stream, pages.get(stream)) for stream in streams}

    async def _history(self, stream: str, page: StreamPage | None) -> _History[State]:
        if page is None:
            return _History(stream, self.decider.initial)
        recorded = list(page.events)
        while page.next_from is not None:
            page = await self._ledger.read(stream, from_version=page.next_from)
            recorded += page.events
        decode, version = self._codec.decode, recorded[-1].version
        return _History(stream, self.decider.fold(decode(one) for one in recorded), recorded, version, version)

    def _answer(self, ask: Ask, history: _History[State], latest: date) -> Outcome | Refusal:
        """Decide one command, and leave its drafts and the state after them in the history."""
        command, context = ask.command, ask.context
        if ask.permit is not None and (refused := ask.permit(command, self._now(history))) is not None:
            return self._done_by_caller(ask, history) or refused
        digest = self._digest(ask.given)
        try:
            if (history.done or history.recorded) and (done := self._done(context, digest, history)) is not None:
                return done
            if context.expected_version is not None and context.expected_version != history.version:
                raise STALE_VERSION(expected=context.expected_version, actual=history.version)
            if isinstance(command, Happened) and command.day > latest:
                raise NOT_YET(day=command.day, latest=latest)
            if ask.hindrance is not None:
                return ask.hindrance
            events = tuple(self.decider.decide(command, self._now(history)))
            along = ask.along(events) if ask.along is not None and events else None
        except Refusal as refusal:
            return refusal
        if events:
            metadata = self._metadata(context, digest, ask.warnings)
            for i, event in enumerate(events):
                own_id, data = event_id(context.command_id, i), self._codec.encode(event)
                history.drafts.append(Draft(own_id, self._codec.type_of(event), data, metadata))
                self._codec.keep(own_id, event, data)
            if along is not None:
                history.along.append(along)
            history.unfolded = events
            history.version += len(events)
        outcome = Outcome(
            stream=history.stream, version=history.version, position=0, events=events, warnings=ask.warnings
        )
        if history.done is not None:
            history.done[context.command_id.int] = (digest, outcome)
        return outcome

    def _now(self, history: _History[State]) -> State:
        """The state after what was recorded and what this call is about to add."""
        if history.unfolded:
            history.state, history.unfolded = self.decider.fold(history.unfolded, history.state), ()
        return history.state

    def _latest(self) -> date:
        """The last day on which what a command tells can have happened. Rules have no clock, so it is asked here, where
        every door, every import and every policy passes.
        """
        return business_day_of_us(self._clock()) + AHEAD_MAX

    def _done(self, context: Context, digest: bytes, history: _History[State]) -> Outcome | None:
        """What this command led to when it was handled before, in the log or a moment ago in the same batch."""
        if history.done and (before := history.done.get(context.command_id.int)) is not None:
            digest_before, outcome = before
            if digest_before != digest:
                raise ID_REUSED(command_id=context.command_id)
            return msgspec.structs.replace(outcome, repeated=True)
        first = event_id(context.command_id, 0)
        start = next((i for i, one in enumerate(history.recorded) if one.id == first), None)
        if start is None:
            return None
        metadata = self._read_metadata(history.recorded[start].metadata)
        if metadata.command_digest != digest:
            raise ID_REUSED(command_id=context.command_id)
        run = [history.recorded[start]]
        for i, one in enumerate(history.recorded[start + 1 :], 1):
            if one.id != event_id(context.command_id, i):
                break
            run.append(one)
        return Outcome(
            stream=history.stream,
            version=run[-1].version,
            position=run[-1].position,
            events=tuple(self._codec.decode(one) for one in run),
            repeated=True,
            warnings=metadata.warnings,
        )

    def _done_by_caller(self, ask: Ask, history: _History[State]) -> Outcome | None:
        """What this very caller had recorded by this very command: whoever may not give it any more, the row having
        moved out of reach since, is answered as the first time. Nobody else is told that it was given at all.
        """
        context, digest = ask.context, self._digest(ask.given)
        first = event_id(context.command_id, 0)
        recorded = next((one for one in history.recorded if one.id == first), None)
        if recorded is None:
            return None
        metadata = self._read_metadata(recorded.metadata)
        theirs = (metadata.actor, metadata.command_digest) == (context.actor, digest)
        return self._done(context, digest, history) if theirs else None

    def _digest(self, command: msgspec.Struct) -> bytes:
        # In MessagePack an instant is the same in whichever zone it was said: gRPC knows none.
        return hashlib.sha256(self._packed((type(command).__name__, _alike(command)))).digest()

    def _metadata(self, context: Context, digest: bytes, warnings: tuple[CommandWarning, ...]) -> bytes:
        return self._metadata_json(
            Metadata(
                correlation_id=context.correlation_id or context.command_id,
                causation_id=context.causation_id or context.command_id,
                actor=context.actor,
                command_digest=digest,
                traceparent=context.traceparent,
                warnings=warnings,
            )
        )


def _keep_what_is_done(histories: Mapping[str, _History[Any]], streams: Sequence[str]) -> None:
    """A call that names a stream twice may give the same command twice; most name each once."""
    if len(histories) < len(streams):
        for history in histories.values():
            history.done = {}


def _alike(command: msgspec.Struct) -> msgspec.Struct:
    """The command as every equal one is written: a member that says no more than its default left out. One door reads
    `{}` where another finds nothing.
    """
    said = {}
    for name, default in _defaults(type(command)):
        value = getattr(command, name)
        if value is not default and value == default:
            said[name] = default
    return msgspec.structs.replace(command, **said) if said else command


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Those members of a command that can be left out or said, each with its default. None is written in one way."""
    return tuple(
        (field.name, field.default)
        for field in msgspec.structs.fields(kind)
        if field.default not in (None, msgspec.NODEFAULT)
    )


def _put_positions(
    answers: Iterable[Outcome | Refusal], histories: Iterable[_History[Any]], positions: Sequence[int]
) -> None:
    """Give each outcome the position of its own last event: what it will be answered with when it is asked again."""
    version_0_at: dict[str, int] = {}
    drafts = 0
    for history in histories:
        if history.drafts:
            version_0_at[history.stream] = drafts - 1 - history.version_read
            drafts += len(history.drafts)
    for answer in answers:
        if isinstance(answer, Outcome) and answer.events and not answer.position:
            # Nobody has seen it yet. A copy of each would take as long as deciding them.
            position = positions[version_0_at[answer.stream] + answer.version]
            msgspec.structs.force_setattr(answer, "position", position)


def event_id(command_id: UUID, index: int) -> bytes:
    """The id of the command's event at this place: UUID version 5 of the place within the command's id."""
    named = command_id.int.to_bytes(ID_BYTES, "big") + b"%d" % index
    first, second = _HALVES_OF_SHA1.unpack(hashlib.sha1(named, usedforsecurity=False).digest())
    return _HALVES.pack(first & ~0xF000 | 0x5000, second & ~(0b11 << 62) | 0b10 << 62)


_HALVES: Final = struct.Struct(">QQ")
_HALVES_OF_SHA1: Final = struct.Struct(">QQ4x")
"""RFC 9562 section 5.5: the first 16 of the 20 bytes; the version is in the first half, the variant in the second."""
