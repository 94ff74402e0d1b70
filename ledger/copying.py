"""Moves a log: copies it into another ledger with every byte and in its order, and ends it, so that one log goes on.

What stands beside the log follows after the seal, each event with its time where the target can keep it. Streams that
are a KurrentDB's own stay with it, and `$$meterloop` with its log.

The target is empty, or holds a beginning of the source that an earlier copy left, which is read and compared first.
While the source is being copied it may go on; when the copy has caught up the source is sealed, the little that came
meanwhile follows, and then all that was written is read again and compared. Before the seal nothing has happened to the
source, and after it nothing will.

Broken off anywhere, the same copy again goes on: what the target holds says how far it was. Of an append that was under
way all is there or nothing, and given again it is the same append.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

import msgspec

from ledger.beside import NotStrict, truncating_member
from ledger.comparing import Comparison, Differs, Reached, beside_of, missing_beside, of_server, only_beside
from ledger.port import (
    NO_STREAM,
    OWN_STREAM,
    PAGE_EVENTS_MAX,
    SALT_BYTES,
    SEALED_TYPE,
    Append,
    Carried,
    Conflict,
    Direction,
    Keeper,
    Ledger,
    LedgerError,
    Receipt,
    Recorded,
    Unavailable,
)
from ledger.recording import Clock, system_time_us

T = TypeVar("T")

APPEND_BYTES_MAX: Final = 4 << 20
"""Data plus metadata of one append, give or take one event. A server holds all of it at once, and a single event may
have 1 MiB."""

RETRY_S: Final = (0.1, 5.0)
"""The first pause after what may pass by itself, and the longest; each is twice the one before."""

TRIES_MAX: Final = 15
"""About a minute in all: longer than a cluster takes to elect another leader."""

_NO_SALT: Final = bytes(SALT_BYTES)
"""Beside a log there are no salts, and none is kept."""

Told: TypeAlias = Callable[[str, int, int], None]
"""Called with a step (`verify`, `copy`, `check`), the source's position that it has reached, and the source's last."""


class NotCopied(LedgerError):
    """The copy cannot be made so. `code` is stable; `zh` and `en` say what stands in the way and what to do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {zh} / {en}")
        self.code, self.zh, self.en = code, zh, en


class Obstacle(msgspec.Struct, frozen=True):
    """A declared NotCopied. Calling it with what its messages name makes the exception to raise."""

    code: str
    zh: str
    en: str

    def __call__(self, **details: object) -> NotCopied:
        return NotCopied(self.code, self.zh.format_map(details), self.en.format_map(details))


SAME_LOG: Final = Obstacle(
    "copy.same_log",
    "两处都是台账 {ledger_id}，没有可复制的。目标须为另一个空的台账。",
    "both are the log {ledger_id}, and there is nothing to copy; the target is another log, and empty",
)
TARGET_SEALED: Final = Obstacle(
    "copy.target_sealed",
    "目标台账 {ledger_id} 已封存，不能再写入。请另选空的台账。",
    "the target {ledger_id} is sealed and takes nothing more; choose another one, and empty",
)
TARGET_OTHER: Final = Obstacle(
    "copy.target_other",
    "目标台账不是源台账的开头：第 {index} 项，源有 {here}，目标有 {there}。没有写入任何内容。请另选空的台账。",
    "the target is not a beginning of the source: as entry {index} the source has {here}, the target {there}; nothing"
    " was written, choose another target, and empty",
)
TARGET_BESIDE: Final = Obstacle(
    "copy.target_beside",
    "目标台账旁的流 {stream} 与源不同。没有写入任何内容。请另选空的台账。",
    "the stream {stream} beside the target is not the source's; nothing was written, choose another target, and empty",
)
WOULD_FORGET: Final = Obstacle(
    "copy.would_forget",
    "源台账旁的流 {stream} 第 {version} 版不可带到服务器所存的台账：{why}，它会据此截断流。没有写入该事件。"
    "请改为复制到 sqlite:/// 的台账。",
    "version {version} of the stream {stream} beside the source cannot be taken to a log that a server keeps: {why}, by"
    " which it would truncate a stream; the event was not written, copy into a log at sqlite:/// instead",
)
WRITTEN_MEANWHILE: Final = Obstacle(
    "copy.written_meanwhile",
    "复制期间目标台账被写入，或源台账的流 {stream} 缺少开头（{why}）。请停止其他写者，并以空的台账重新复制。",
    "the target was written to meanwhile, or the stream {stream} of the source lacks its beginning ({why}); stop"
    " whoever else writes there, and copy into an empty log again",
)
FROM_THE_FUTURE: Final = Obstacle(
    "copy.from_the_future",
    "源台账位置 {position} 的事件记于 {ahead_s} 秒之后：时钟不准。请校准本机与目标的时钟，然后再次执行。",
    "the event at position {position} of the source was recorded {ahead_s} s from now; set the clocks of this machine"
    " and of the target right, then run the same command again",
)
OTHER_ORDER: Final = Obstacle(
    "copy.other_order",
    "目标台账没有按所给次序记录流 {stream} 的事件，它不能用。请报告此事，并另选目标。",
    "the target did not record the events of stream {stream} in the order in which they were given, and cannot be used;"
    " report it, and choose another target",
)
SOURCE_GREW: Final = Obstacle(
    "copy.source_grew",
    "源台账封存之后仍被写入（第 {index} 项起），写者不认封存。请停止它，再次执行同一命令即继续。",
    "the source was written to after its seal, from entry {index} on, by a client that does not heed it; stop it, and"
    " the same command again goes on",
)
NOT_THE_SAME: Final = Obstacle(
    "copy.not_the_same",
    "复制后核对不符：第 {index} 项，源有 {here}，目标有 {there}。目标不能用，源台账完好。请检查目标的存储与时钟。",
    "what was copied is not the same: as entry {index} the source has {here}, the target {there}; the target cannot be"
    " used, the source is whole: look at the target's storage and clock",
)


class Copied(msgspec.Struct, frozen=True):
    """What a copy came to: events in both logs, how many of them were `there` before, streams beside, those that were
    `left_out` because they are a KurrentDB's own, and the root of the proof log's tree over all events. `position` is
    the target's last.
    """

    events: int
    there: int
    beside: int
    left_out: tuple[str, ...]
    position: int
    root: bytes


class Checked(msgspec.Struct, frozen=True):
    """How far a log is a copy: its events, and the streams beside of which it `lacks` something."""

    reached: Reached
    lacks: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not (self.lacks or self.reached.left[0])


async def copy_log(source: Ledger, target: Ledger, *, told: Told, clock: Clock = system_time_us) -> Copied:
    """See the module. Raises NotCopied; what the ledgers raise after a minute of trying. Both logs are whole after
    either, and the same call goes on.
    """
    if source.ledger_id == target.ledger_id:
        raise SAME_LOG(ledger_id=source.ledger_id)
    if await patiently(lambda: is_sealed(target)):
        raise TARGET_SEALED(ledger_id=target.ledger_id)
    comparison = Comparison(source, target)
    begun, lacking = await _verified(source, target, comparison, told)
    for event in lacking:
        _require_kept(target, event)
    writing = _Writing(source, target, told, clock, begun.position)
    await writing.catch_up()
    # At this point all is there but what came in the last moments. From the seal on nothing more comes.
    note = msgspec.json.encode({"moved_to": target.ledger_id})
    await patiently(lambda: source.seal(note))
    await writing.catch_up()
    beside = await _copy_beside(source, target)
    reached = await _checked(source, target, comparison, told)
    left_out = tuple(await patiently(lambda: of_server(source)))
    return Copied(reached.size, begun.size, beside, left_out, reached.other_position, reached.root)


async def check_copy(source: Ledger, target: Ledger, *, told: Told) -> Checked:
    """Compare two logs and change neither. Raises NotCopied (copy.target_other, copy.target_beside) where the second is
    not a beginning of the first.
    """
    reached, lacking = await _verified(source, target, Comparison(source, target), told)
    return Checked(reached, tuple(sorted({event.stream for event in lacking})))


async def is_sealed(ledger: Ledger) -> bool:
    """Whether the log has been ended."""
    page = await ledger.read_beside(OWN_STREAM, direction=Direction.BACKWARDS, limit=1)
    return any(event.type == SEALED_TYPE for event in page.events)


async def _verified(
    source: Ledger, target: Ledger, comparison: Comparison, told: Told
) -> tuple[Reached, list[Recorded]]:
    """How far the target is a copy already, and what it lacks beside."""
    for stream in await patiently(lambda: only_beside(source, target)):
        raise TARGET_BESIDE(stream=stream)
    lacking = []
    for stream in await patiently(lambda: beside_of(source)):
        lacking += await _missing(source, target, stream)
    try:
        reached = await patiently(lambda: comparison.go_on(lambda here, whole: told("verify", here, whole)))
    except Differs as differs:
        raise TARGET_OTHER(**_said(differs)) from differs
    if reached.left[1]:
        there = await comparison.next_there()
        raise TARGET_OTHER(**_said(Differs(reached.size, None, there)))
    return reached, lacking


async def _checked(source: Ledger, target: Ledger, comparison: Comparison, told: Told) -> Reached:
    """What was written since, read again."""
    try:
        reached = await patiently(lambda: comparison.go_on(lambda here, whole: told("check", here, whole)))
    except Differs as differs:
        raise NOT_THE_SAME(**_said(differs)) from differs
    if reached.left[0]:
        raise SOURCE_GREW(index=reached.size)
    if reached.left[1]:
        raise NOT_THE_SAME(**_said(Differs(reached.size, None, await comparison.next_there())))
    for stream in await patiently(lambda: beside_of(source)):
        if missing := await _missing(source, target, stream):
            raise TARGET_BESIDE(stream=missing[0].stream)
    return reached


class _Writing:
    """Brings the target to where the source ends."""

    def __init__(self, source: Ledger, target: Ledger, told: Told, clock: Clock, position: int) -> None:
        self._source: Final = source
        self._target: Final = target
        self._told: Final = told
        self._clock: Final = clock
        self._position = position
        self._written_to = 0

    async def catch_up(self) -> None:
        """Copy until the source has no more."""
        head = await patiently(self._source.head)
        at_head = False
        while not at_head:
            after = self._position
            page = await patiently(lambda after=after: self._source.read_all(after, limit=PAGE_EVENTS_MAX))  # type: ignore[misc]  # mypy infers no type of a default
            for run in runs(page.events):
                await self._write(run)
            self._position, at_head = max(after, page.scanned_to), page.at_head
            self._told("copy", self._position, max(head, self._position))

    async def _write(self, run: Sequence[Sequence[Recorded]]) -> None:
        last = run[-1][-1]
        if (ahead_us := last.recorded_at_us - self._clock()) > 0:
            raise FROM_THE_FUTURE(position=last.position, ahead_s=-(-ahead_us // 1_000_000))
        appends = [_carried(events) for events in run]
        try:
            receipt = await patiently(lambda: self._target.append(appends))
        except Conflict as conflict:
            raise WRITTEN_MEANWHILE(stream=conflict.stream, why=conflict) from conflict
        # At this point the run is durable. Broken off here, the next copy finds it and goes on after it.
        if not _in_order(receipt, self._written_to):
            raise OTHER_ORDER(stream=last.stream)
        self._written_to = receipt.position


def runs(events: Sequence[Recorded]) -> Iterator[list[list[Recorded]]]:
    """Cut events into runs that one append each records in this order: grouped by stream, for an append names a stream
    once, and cut where a stream comes again.
    """
    run: dict[str, list[Recorded]] = {}
    run_bytes, last = 0, ""
    for event in events:
        if (event.stream != last and event.stream in run) or run_bytes >= APPEND_BYTES_MAX:
            yield list(run.values())
            run, run_bytes = {}, 0
        run.setdefault(event.stream, []).append(event)
        run_bytes += len(event.data) + len(event.metadata)
        last = event.stream
    if run:
        yield list(run.values())


def _carried(events: Sequence[Recorded]) -> Append:
    first = events[0]
    drafts = [
        Carried(
            id=event.id,
            type=event.type,
            data=event.data,
            metadata=event.metadata,
            content_type=event.content_type,
            salt=event.salt or _NO_SALT,
            recorded_at_us=event.recorded_at_us,
        )
        for event in events
    ]
    return Append(first.stream, first.version - 1 if first.version else NO_STREAM, drafts)


def _in_order(receipt: Receipt, after: int) -> bool:
    before = (after, *receipt.positions)
    return all(one < other for one, other in zip(before, receipt.positions, strict=False))


async def _copy_beside(source: Ledger, target: Ledger) -> int:
    """Returns how many streams there are."""
    streams = await patiently(lambda: beside_of(source))
    for stream in streams:
        missing = await _missing(source, target, stream)
        for event in missing:
            _require_kept(target, event)
            append = _carried([event])
            try:
                await patiently(lambda append=append: target.append_beside(append))  # type: ignore[misc]  # as above
            except Conflict as conflict:
                raise WRITTEN_MEANWHILE(stream=stream, why=conflict) from conflict
    return len(streams)


def _require_kept(target: Ledger, event: Recorded) -> None:
    """Raises NotCopied where the target would go by what stands beside, and forget."""
    if target.keeper is Keeper.EMBEDDED:
        return
    try:
        member = truncating_member(event)
    except NotStrict as error:
        raise WOULD_FORGET(stream=event.stream, version=event.version, why=error) from error
    if member is not None:
        raise WOULD_FORGET(stream=event.stream, version=event.version, why=member)


async def _missing(source: Ledger, target: Ledger, stream: str) -> list[Recorded]:
    try:
        return await patiently(lambda: missing_beside(source, target, stream))
    except Differs as differs:
        raise TARGET_BESIDE(stream=stream) from differs


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again, for a while, where a store cannot do it now."""
    pause_s, pause_s_max = RETRY_S
    for _ in range(TRIES_MAX):
        try:
            return await ask()
        except Unavailable:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, pause_s_max)
    return await ask()


def _said(differs: Differs) -> dict[str, object]:
    return {"index": differs.index, "here": spoken(differs.here), "there": spoken(differs.there)}


def spoken(event: Recorded | None) -> str:
    if event is None:
        return "∅"
    return f"{event.stream}@{event.version} {event.type} {event.id.hex()}"
