"""Runs a service's policies: follows the log for each, hands its commands on, and keeps its checkpoint.

The checkpoint is written when the commands before it are durable. After a crash the last of them are taken up again,
under the same ids. Those that were done are found in the log and not done again; those that were refused are found in
the table of refusals and not decided again, whatever became of their stream since. So each event has its effect once.
An event may lead to thousands of commands; they are asked a batch at a time, and the checkpoint may stand between two.

A refusal is recorded and counted, and the policy goes on; where a store is away it tries again until that is back. An
event that a policy cannot digest, because it cannot be read, because code raised, or because a command was Stale each
time it was asked, stops that policy there, until an operator says `retry` or `skip`. The others go on. To skip a
command is to refuse it: the event's other commands are asked, and what follows from a refusal follows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec
import structlog
from sqlalchemy import Connection

from kernel.checkpoint import refuse_beyond
from kernel.clock import Clock, system_clock_us
from kernel.codec import Reader
from kernel.database import Database, DatabaseUnavailable
from kernel.handling import BATCH_COMMANDS_MAX, Ask, Context, Outcome
from kernel.policy import ClockPolicy, Policy, actor, asks, deadline_command_id
from kernel.policy_store import (
    META,
    REFUSALS_KEPT_US,
    Checkpoint,
    Moved,
    RefusedCommand,
    advance,
    checkpoint,
    enrol,
    forget_refused,
    record_refused,
    refused_before,
    spoken,
    stop,
)
from kernel.readiness import Health
from kernel.refusal import Refusal, Stale, against_rules
from kernel.telemetry import METER
from ledger.port import PAGE_EVENTS_MAX, Ledger, Page, Recorded, Sealed, Unavailable

DoMany: TypeAlias = Callable[[Sequence[Ask]], Awaitable[list[Outcome | Refusal]]]
OnRefused: TypeAlias = Callable[[str, Sequence[tuple[Ask, str]]], Awaitable[None]]
"""What follows from refusals of the policy of this name, each a command and the code it was refused with. After a crash
it is said again.
"""
Read: TypeAlias = Callable[[Callable[[Connection], Any]], Awaitable[Any]]
State: TypeAlias = Literal["following", "retrying", "stopped", "superseded"]

RETRY_S: Final = (0.05, 10.0)
"""The first pause before trying again, and the longest; each is twice the one before."""

STALE_TRIES_MAX: Final = 12
"""Asked so often, some 45 seconds apart in all, a command that is Stale each time is not merely unlucky: its stream
never rests, or what it waits for does not come, and a person must look.
"""

FORGET_S: Final = 24 * 3_600.0
"""How often refusals that were kept long enough are removed."""

WATCH_S: Final = 1.0
"""How often a stopped policy looks whether an operator let it go on."""

PASSED_S: Final = 10.0
"""How often a checkpoint is written for events of no interest alone. How many they are positions do not say."""

REST_S: Final = 0.05
"""At the end of the log a policy that found nothing for it looks no sooner again. An import commits dozens of times a
second, and each commit would wake every policy.
"""

DUE_MAX: Final = 10_000
"""Deadlines taken up at one time; the next ones come the next time."""

_AWAY: Final = (Unavailable, Sealed, DatabaseUnavailable, TimeoutError, ConnectionError)

_COMMANDS: Final = METER.create_counter("policy.commands", unit="{command}", description="commands that policies asked")
_REFUSALS: Final = METER.create_counter(
    "policy.refusals", unit="{command}", description="commands of policies that were refused"
)
_STOPPED: Final = METER.create_gauge("policy.stopped", unit="1", description="1 where a policy has stopped at an event")

_LOG: Final = structlog.get_logger("policy")

SKIPPED = against_rules(
    "policy.skipped",
    "策略的命令无法处理，运维人员已跳过：{why}",
    "an operator skipped a policy's command that could not be handled: {why}",
)


class Standing(msgspec.Struct, frozen=True):
    """How a policy stands, and the position it has reached. `superseded`: another version of the service runs it now;
    `why`: what keeps it.
    """

    name: str
    state: State
    position: int = 0
    why: str | None = None


class _Undigested(Exception):
    """An event that a policy could not take, or one command of it."""

    def __init__(self, recorded: Recorded, error: Exception, item: "_Item | None" = None) -> None:
        super().__init__(f"{recorded.type}: {type(error).__name__}: {error}")
        self.position = recorded.position
        self.item = item


class _StillStale(Exception):
    """A command that was Stale each time it was asked."""

    def __init__(self, tries: int, refusal: Refusal) -> None:
        super().__init__(f"{tries} 次均未成 / stale {tries} times: {refusal}")


class _Item(msgspec.Struct, frozen=True):
    """A command to ask, and where it comes from."""

    ask: Ask
    index: int
    recorded: Recorded | None = None


class Policies:
    """One service's policies. `do_many` handles commands of all its deciders; `read` asks its views, for clock
    policies; `on_refused` hears of refusals, which are kept by then; `streams` are prefixes of the streams to follow,
    all if none is named.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        reader: Reader,
        do_many: DoMany,
        *,
        policies: Iterable[Policy] = (),
        clock_policies: Iterable[ClockPolicy] = (),
        read: Read | None = None,
        on_refused: OnRefused | None = None,
        streams: Collection[str] = (),
        clock: Clock = system_clock_us,
        batch_commands: int = BATCH_COMMANDS_MAX,
        page_events: int = PAGE_EVENTS_MAX,
        retry_s: tuple[float, float] = RETRY_S,
        watch_s: float = WATCH_S,
        passed_s: float = PASSED_S,
    ) -> None:
        asking = _Asking(database, do_many, on_refused, clock, batch_commands, retry_s)
        self._database: Final = database
        self._clock: Final = clock
        self._followers: Final = [
            _Follower(policy, database, ledger, reader, asking, streams, page_events, (watch_s, passed_s))
            for policy in policies
        ]
        self._timers: Final = [_Timer(policy, database, read or database.read, asking) for policy in clock_policies]
        self._all: Final[list[_Follower | _Timer]] = [*self._followers, *self._timers]
        names = [runner.name for runner in self._all]
        if len(set(names)) < len(names):
            raise ValueError(f"two policies have the same name: {names}")

    async def open(self) -> None:
        """Make ready to run. Raises WrongLedger, DatabaseUnavailable."""
        await self._database.create(META)
        for follower in self._followers:
            await follower.open()

    async def run(self) -> None:
        """Run all of them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for runner in self._all:
                tasks.create_task(runner.run(), name=f"policy {runner.name}")
            tasks.create_task(self._forget(), name="policy refusals")

    async def ask_due(self) -> None:
        """Ask once for what is due, of every clock policy. `run` does it by itself."""
        for timer in self._timers:
            await timer.ask_due()

    async def forget_refusals(self) -> None:
        """Remove the refusals that were kept long enough. `run` does it by itself."""
        before_us = self._clock() - REFUSALS_KEPT_US
        await self._database.write(lambda connection: forget_refused(connection, before_us))

    async def _forget(self) -> None:
        while True:
            try:
                await self.forget_refusals()
            except DatabaseUnavailable as error:
                # They are removed the next time.
                _LOG.warning("refusals_not_forgotten", error=str(error))
            await asyncio.sleep(FORGET_S)

    def standing(self) -> list[Standing]:
        """How each policy stands."""
        return [runner.standing for runner in self._all]

    async def health(self) -> Health:
        """For `/readyz`: requests are answered whatever becomes of policies."""
        hurt = [f"{one.name} {one.state}: {one.why}" for one in self.standing() if one.state in ("retrying", "stopped")]
        return Health(ok=True, degraded=bool(hurt), detail="; ".join(hurt))


class _Asking:
    """Hands commands on, and keeps what was refused."""

    def __init__(
        self,
        database: Database,
        do_many: DoMany,
        on_refused: OnRefused | None,
        clock: Clock,
        batch_commands: int,
        retry_s: tuple[float, float],
    ) -> None:
        self._database, self._do_many, self._on_refused = database, do_many, on_refused
        self.clock, self.batch_commands, self.retry_s = clock, batch_commands, retry_s

    async def unanswered(self, policy: str, items: Sequence[_Item]) -> list[_Item]:
        """Those that were not refused before. Of the others it is said again what follows from that."""
        if not items:
            return []
        ids = [str(item.ask.context.command_id) for item in items]
        codes = await self._database.read(lambda connection: refused_before(connection, ids))
        if codes and self._on_refused is not None:
            await self._on_refused(
                policy, [(item.ask, codes[own]) for item, own in zip(items, ids, strict=True) if own in codes]
            )
        return [item for item, own in zip(items, ids, strict=True) if own not in codes]

    async def ask(self, policy: str, items: Sequence[_Item], stale: Callable[[Refusal], None]) -> None:
        """Ask, and again those that are Stale, until all are done or refused otherwise. Raises _StillStale."""
        pause_s, longest_s = self.retry_s
        tries = 0
        _COMMANDS.add(len(items), {"policy": policy})
        while items:
            answers = await self._do_many([item.ask for item in items])
            again: list[_Item] = []
            refused: list[tuple[_Item, Refusal]] = []
            still: _StillStale | None = None
            tries += 1
            for item, answer in zip(items, answers, strict=True):
                if isinstance(answer, Stale):
                    if tries == STALE_TRIES_MAX:
                        still = still or _StillStale(tries, answer)
                    again.append(item)
                    stale(answer)
                elif isinstance(answer, Refusal):
                    refused.append((item, answer))
            await self._keep(policy, refused)
            if still is not None:
                raise still
            items = again
            if items:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)

    async def _keep(self, policy: str, refused: Sequence[tuple[_Item, Refusal]]) -> None:
        if not refused:
            return
        rows = [self.refused(policy, item, refusal) for item, refusal in refused]
        for row in rows:
            _REFUSALS.add(1, {"policy": policy, "code": row.code})
            _LOG.warning("policy_refused", policy=policy, command=row.command, code=row.code)
        await self._database.write(lambda connection: record_refused(connection, rows))
        # At this point a crash leaves what follows unsaid; taken up again, `unanswered` says it.
        if self._on_refused is not None:
            await self._on_refused(policy, [(item.ask, refusal.code) for item, refusal in refused])

    def refused(self, policy: str, item: _Item, refusal: Refusal) -> RefusedCommand:
        """The command as one that was refused now."""
        recorded = item.recorded
        return RefusedCommand(
            command_id=str(item.ask.context.command_id),
            policy=policy,
            position=recorded.position if recorded else 0,
            event_type=recorded.type if recorded else "",
            command=type(item.ask.command).__name__,
            code=refusal.code,
            zh=refusal.zh,
            en=refusal.en,
            at_us=self.clock(),
        )


class _Follower:
    """One policy, along the log."""

    def __init__(
        self,
        policy: Policy,
        database: Database,
        ledger: Ledger,
        reader: Reader,
        asking: _Asking,
        streams: Collection[str],
        page_events: int,
        paces_s: tuple[float, float],
    ) -> None:
        self.name: Final = policy.name
        self.standing = Standing(policy.name, "following")
        _STOPPED.set(0, {"policy": policy.name})
        self._policy, self._database, self._ledger, self._asking = policy, database, ledger, asking
        self._decode, self._streams, self._page_events = reader.decode, streams, page_events
        self._watch_s, self._passed_s = paces_s
        self._names: Final = reader.names_of(policy.when)
        if not self._names:
            # To follow no types is to follow all of them.
            said = ", ".join(event.__name__ for event in policy.when) or "nothing"
            raise ValueError(f"policy {policy.name} reacts to {said}, which this service does not read")
        self._types: Final = ",".join(sorted(self._names))
        self._stood = Checkpoint(policy.name, self._types, ledger.ledger_id, 0, 0)
        self._reached = 0
        self._written_s = float("-inf")

    async def open(self) -> None:
        def begin(connection: Connection) -> Checkpoint:
            return enrol(connection, self.name, self._types, self._ledger.ledger_id)

        self._stood = await self._database.write(begin)
        # The end of the log after the checkpoint: another process may be moving both.
        refuse_beyond(spoken(self.name), self._stood.position, await self._ledger.head())

    async def run(self) -> None:
        pause_s, longest_s = RETRY_S
        while True:
            began_s = asyncio.get_running_loop().time()
            try:
                await self._follow()
            except Moved:
                continue
            except Exception as error:  # noqa: BLE001  what a policy cannot digest is dealt with; a store comes back
                if asyncio.get_running_loop().time() - began_s > longest_s:
                    pause_s = RETRY_S[0]
                self._stand("retrying", f"{type(error).__name__}: {error}")
                _LOG.warning("policy_retried", policy=self.name, error=self.standing.why, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)

    async def _follow(self) -> None:
        """Follow the log from the checkpoint, as long as the policy is ours and goes on."""
        stood = await self._database.write(lambda connection: checkpoint(connection, self.name))
        if stood is None or stood.types != self._types:
            self._stand("superseded", "another version of the service runs it / 由服务的另一版本执行")
        elif stood.stopped_at is not None:
            self._stood = stood
            self._stand("stopped", stood.stopped_why)
        else:
            self._stood, self._reached = stood, stood.position
            self._stand("following")
            await self._pages(stood.position)
        await asyncio.sleep(self._watch_s)

    async def _pages(self, after: int) -> None:
        pages = self._ledger.follow(after, limit=self._page_events, types=self._names, stream_prefixes=self._streams)
        async with aclosing(pages):
            async for page in pages:
                try:
                    await self._take(page)
                except _Undigested as undigested:
                    await self._stop(undigested)
                    return
                self._stand("following")
                if page.at_head and not page.events:
                    await asyncio.sleep(REST_S)

    async def _take(self, page: Page) -> None:
        """Ask what the page's events lead to, batch by batch."""
        items: list[_Item] = []
        for recorded in page.events:
            # At this point a crash leaves the checkpoint before the batch, perhaps in the middle of an event.
            done = self._stood.done if recorded.position == self._stood.position + 1 else 0
            taken = 0
            try:
                for ask in self._said(recorded):
                    taken += 1
                    if taken > done:
                        items.append(_Item(ask, taken - 1, recorded))
                    if len(items) >= self._asking.batch_commands:
                        batch, items = items, []
                        await self._settle(batch, recorded.position - 1, taken)
            except _Undigested:
                if items:
                    await self._settle(items, recorded.position - 1, taken)
                raise
        await self._settle(items, page.scanned_to, 0)
        self._reached = page.scanned_to

    def _said(self, recorded: Recorded) -> Iterator[Ask]:
        try:
            event = self._decode(recorded)
            if type(event) in self._policy.when:
                yield from asks(self._policy, event, recorded)
        except Exception as error:
            raise _Undigested(recorded, error) from error

    async def _settle(self, items: Sequence[_Item], position: int, done: int) -> None:
        """Have these commands done, and move the checkpoint behind them."""
        at_s = asyncio.get_running_loop().time()
        if not items and (position == self._stood.position or at_s - self._written_s < self._passed_s):
            return
        await self._ask(await self._asking.unanswered(self.name, items))
        await self._move(position, done)

    async def _ask(self, items: Sequence[_Item]) -> None:
        try:
            await self._asking.ask(self.name, items, self._waits)
        except _AWAY:
            raise
        except Exception as error:  # one of them cannot be handled: one by one it is found, the others are done
            if len(items) == 1 and (recorded := items[0].recorded):
                raise _Undigested(recorded, error, items[0]) from error
        else:
            return
        for item in await self._asking.unanswered(self.name, items):
            try:
                await self._ask([item])
            except _Undigested:
                assert item.recorded is not None
                await self._move(item.recorded.position - 1, item.index)
                raise

    async def _move(self, position: int, done: int) -> None:
        stood = self._stood
        await self._database.write(lambda connection: advance(connection, stood, position, done))
        self._stood = msgspec.structs.replace(stood, position=position, done=done)
        self._written_s = asyncio.get_running_loop().time()

    async def _stop(self, undigested: _Undigested) -> None:
        stood, at, why, now_us = self._stood, undigested.position, str(undigested), self._asking.clock()
        item = undigested.item
        command = None if item is None else self._asking.refused(self.name, item, SKIPPED(why=why))
        await self._database.write(lambda connection: stop(connection, stood, at, why, now_us, command))
        self._stand("stopped", why)
        _LOG.error("policy_stopped", policy=self.name, position=at, why=why)

    def _waits(self, refusal: Refusal) -> None:
        self._stand("retrying", str(refusal))

    def _stand(self, state: State, why: str | None = None) -> None:
        if state != self.standing.state:
            _STOPPED.set(int(state == "stopped"), {"policy": self.name})
        self.standing = Standing(self.name, state, self._reached, why)


class _Timer:
    """One clock policy."""

    def __init__(self, policy: ClockPolicy, database: Database, read: Read, asking: _Asking) -> None:
        self.name: Final = policy.name
        self.standing = Standing(policy.name, "following")
        self._policy, self._database, self._read, self._asking = policy, database, read, asking

    async def run(self) -> None:
        retry_s, retry_s_max = RETRY_S
        while True:
            pause_s = self._policy.every_s
            try:
                await self.ask_due()
            except Exception as error:  # noqa: BLE001  what is due stays due, and is asked the next time
                self.standing = Standing(self.name, "retrying", why=f"{type(error).__name__}: {error}")
                _LOG.warning("policy_retried", policy=self.name, error=self.standing.why)
                # Views that are being built at the start are there in a moment, long before it is time again.
                pause_s, retry_s = min(pause_s, retry_s), min(2 * retry_s, retry_s_max)
            else:
                self.standing, retry_s = Standing(self.name, "following"), RETRY_S[0]
            await asyncio.sleep(pause_s)

    async def ask_due(self) -> None:
        """Ask what is due now, once."""
        now_us, due = self._asking.clock(), self._policy.due
        found = await self._read(lambda connection: list(islice(due(connection, now_us), DUE_MAX)))
        items = [
            _Item(Ask(command, Context(command_id=deadline_command_id(self.name, identity), actor=actor(self.name))), 0)
            for identity, command in found
        ]
        stale: _StillStale | None = None
        for start in range(0, len(items), self._asking.batch_commands):
            batch = items[start : start + self._asking.batch_commands]
            try:
                await self._asking.ask(self.name, batch, self._waits)
            except _StillStale as error:
                # What is due stays due; the others do not wait for it.
                stale = error
        if stale is not None:
            raise stale

    def _waits(self, refusal: Refusal) -> None:
        self.standing = Standing(self.name, "retrying", why=str(refusal))
