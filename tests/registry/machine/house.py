"""The registry as it is assembled, over stores that outlive it: the app, its policies, its views, and nothing of them
made up. Only when each of them gets on with its work is for the caller to say, so that they lag behind by as much as a
story wants, and so that a story that fails fails again.

Every time something follows the log it is made anew over the same stores, as after a restart. It may see the log only
up to a position, as if the rest had not been recorded yet, and it may die when commands are recorded and its checkpoint
is not.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kernel.database import Database
from kernel.handling import Ask, Outcome
from kernel.policy import Policy
from kernel.policy_runner import Policies, Standing
from kernel.projection import Projector
from kernel.refusal import Refusal
from kernel.view_store import rebuild
from ledger.following import Growth, follow_pages
from ledger.memory import MemoryLedger
from ledger.port import PAGE_EVENTS, Append, Ledger, Page, Receipt, Recorded, StreamPage
from ledger.sqlite import SqliteLedger
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.meter.binding import BEING_BOUND
from services.registry.policies import POLICIES
from services.registry.retention import RETENTION_ENDS, Retention, RetentionRule
from services.registry.views import VIEWS
from tests.given import rows
from tests.kernel.projecting import held
from tests.registry.stories import DAY
from tests.registry.views.telling import READER, Asked

RETENTION = Retention(
    rules=(RetentionRule(in_force=DAY.replace(day=1), days=6, reasons=("theft_evidence",), rests_on="synthetic"),)
)
ALL_POLICIES: dict[str, Policy] = {policy.name: policy for policy in (*POLICIES, *RETENTION.policies())}
VIEWS_FOLLOW = "views"
ROUNDS_MAX = 20
"""More rounds than any chain of consequences is long."""

REACHED_S_MAX = 60


class Until:
    """A log as it was when it ended at a position. It also gives way at every call, as a ledger on a disk does, so that
    two commands asked at one moment are decided on the same version.
    """

    def __init__(self, ledger: Ledger, position: int | None = None) -> None:
        self._ledger, self.position = ledger, position

    @property
    def ledger_id(self) -> str:
        return self._ledger.ledger_id

    async def head(self) -> int:
        head = await self._ledger.head()
        return head if self.position is None else min(head, self.position)

    async def append(self, appends: Sequence[Append]) -> Receipt:
        await asyncio.sleep(0)
        return await self._ledger.append(appends)

    async def read(self, stream: str, **how: Any) -> StreamPage:
        await asyncio.sleep(0)
        return await self._ledger.read(stream, **how)

    async def read_many(self, streams: Collection[str]) -> Any:
        await asyncio.sleep(0)
        return await self._ledger.read_many(streams)

    async def read_all(self, after: int = 0, *, limit: int = PAGE_EVENTS, **which: Any) -> Page:
        page = await self._ledger.read_all(after, limit=limit, **which)
        if self.position is None or page.scanned_to < self.position:
            return page
        events = [event for event in page.events if event.position <= self.position]
        return Page(events, max(after, self.position), at_head=True)

    def follow(self, after: int = 0, *, limit: int = PAGE_EVENTS, **which: Any) -> AsyncGenerator[Page, None]:
        async def read_after(position: int) -> Page:
            return await self.read_all(position, limit=limit, **which)

        if self.position is None:
            return self._ledger.follow(after, limit=limit, **which)
        return follow_pages(read_after, after, Growth())

    async def close(self) -> None:
        await self._ledger.close()


class House:
    """See the module. `clock` says when what is recorded is recorded, in microseconds."""

    def __init__(self, ledger: Ledger, folder: "TemporaryDirectory[str]", now_us: list[int]) -> None:
        self.ledger, self.now_us, self._folder = Until(ledger), now_us, folder
        self.path = Path(folder.name)
        self._reached: dict[str, int] = {}
        self._died, self._dies_after = asyncio.Event(), None
        self.database = Database(f"sqlite:///{self.path / 'registry.sqlite'}", "registry")

    @classmethod
    async def open(cls, *, embedded: bool = False, position_stride: int = 2) -> "House":
        """A new one; on the embedded ledger, or on one in memory."""
        now_us, folder = [0], TemporaryDirectory()

        def clock() -> int:
            return now_us[0]

        if embedded:
            ledger: Ledger = await SqliteLedger.open(Path(folder.name) / "ledger.db", clock=clock)
        else:
            ledger = MemoryLedger(position_stride=position_stride, clock=clock)
        house = cls(ledger, folder, now_us)
        await house.restart()
        await house.views_follow()
        return house

    async def close(self) -> None:
        await self.database.close()
        await self.ledger.close()
        self._folder.cleanup()

    async def restart(self, *, batch_commands: int = 500, page_events: int = 1_000) -> None:
        """The service is started again over the same stores."""
        self._seen = Until(self.ledger)
        self._projector = Projector(
            self.database,
            self._seen,
            READER,
            VIEWS,
            streams=STREAMS,
            clock=self._clock,
            page_events=page_events,
        )
        await self._projector.open()
        self.asked = Asked(self.database, self.ledger, self.now_us, self._projector)
        self.registry: Registry = self.asked.registry
        self._how = {"batch_commands": batch_commands, "page_events": page_events}
        self._runners: dict[str, tuple[Until, Policies]] = {}
        for name in ALL_POLICIES:
            await self._start(name)

    async def _start(self, name: str) -> None:
        """A policy gets a runner that has done nothing yet."""
        seen = Until(self.ledger)
        runner = Policies(
            self.database,
            seen,
            READER,
            self._follow,
            policies=[ALL_POLICIES[name]],
            on_refused=self.registry.refused,
            streams=STREAMS,
            clock=self._clock,
            # It is left for another long before it would ask again.
            retry_s=(REACHED_S_MAX, REACHED_S_MAX),
            **self._how,
        )
        await runner.open()
        self._runners[name] = (seen, runner)

    def _clock(self) -> int:
        return self.now_us[0]

    async def _follow(self, asks: Sequence[Ask]) -> list[Outcome | Refusal]:
        """What policies ask, until the process dies: what it asked last is recorded then, and it never learns of it."""
        answers = await self.registry.follow(asks)
        if self._dies_after is not None:
            self._dies_after -= 1
            if self._dies_after < 0:
                self._died.set()
                await asyncio.Event().wait()
        return answers

    # What follows the log.

    async def views_follow(self, until: int | None = None) -> int:
        """The views come up to the end of the log, or to a position of it, and stop there. Returns where."""
        async with self.views_following(until):
            return self._reached[VIEWS_FOLLOW]

    @asynccontextmanager
    async def views_following(self, until: int | None = None) -> AsyncIterator[None]:
        """The views follow the log during the block, having reached its end before."""
        self._seen.position = await self._end(VIEWS_FOLLOW, until)
        running = asyncio.create_task(self._projector.run())
        try:
            await self._projector.wait_for(await self._seen.head(), REACHED_S_MAX)
            yield
        finally:
            await _ended(running)
            if until is None:
                # What was recorded during the block may be in the views or not.
                self._reached[VIEWS_FOLLOW] = await self.ledger.head()

    async def views_are_rebuilt(self) -> None:
        """Somebody asks for a rebuild; what follows the log next does it."""
        await self.database.write(lambda connection: rebuild(connection, VIEWS, self.ledger.ledger_id))

    async def policy_follows(self, name: str, until: int | None = None, *, dies_after: int | None = None) -> Standing:
        """One policy comes up to the end of the log, or to a position of it, and stops there; or where it waits for
        another. `dies_after`: so many times having asked what is recorded, before it writes down that it was.
        """
        seen, runner = self._runners[name]
        seen.position = await self._end(name, until)
        self._died, self._dies_after = asyncio.Event(), dies_after
        running = asyncio.create_task(runner.run())
        try:
            async with asyncio.timeout(REACHED_S_MAX):
                while True:
                    await asyncio.sleep(0.0002)
                    (standing,) = runner.standing()
                    if self._died.is_set() or standing.state != "following":
                        break
                    if standing.position >= await seen.head():
                        break
        finally:
            await _ended(running)
        assert standing.state in ("following", "retrying"), standing
        assert standing.state == "following" or BEING_BOUND.code in str(standing.why), standing
        if standing.state == "retrying":
            # The next time it is not asked how it stood this time.
            await self._start(name)
        return standing

    async def settle(self, order: Sequence[str] = tuple(ALL_POLICIES)) -> None:
        """All policies in turn, until none has anything more to ask."""
        for _ in range(ROUNDS_MAX):
            before = await self.ledger.head()
            states = [(await self.policy_follows(name)).state for name in order]
            if await self.ledger.head() == before and states == ["following"] * len(states):
                return
        raise AssertionError("the policies do not come to rest")

    async def _end(self, follower: str, until: int | None) -> int | None:
        """Where the log ends for somebody who has read it that far already: never before that."""
        reached = max(until or 0, self._reached.get(follower, 0))
        self._reached[follower] = await self.ledger.head() if until is None else reached
        return None if until is None else reached

    async def ask_due(self) -> None:
        """Holds whose time is over are lifted, as far as the views know of them."""
        runner = Policies(
            self.database,
            self.ledger,
            READER,
            self.registry.follow,
            clock_policies=[RETENTION_ENDS],
            read=self.registry.ask,
            clock=self._clock,
        )
        await runner.open()
        await runner.ask_due()

    # What there is.

    async def log(self, after: int = 0) -> list[tuple[Any, Recorded]]:
        """What is recorded after a position, decoded."""
        found: list[tuple[Any, Recorded]] = []
        while True:
            page = await self.ledger.read_all(after)
            found += [(CODEC.decode(one), one) for one in page.events]
            after = page.scanned_to
            if page.at_head:
                return found

    async def rows(self) -> dict[str, dict[Any, Any]]:
        """What the views' tables hold."""
        found: dict[str, dict[Any, Any]] = await self.registry.ask(held(VIEWS))
        return found


def folded_from_scratch(log: Sequence[tuple[Any, Recorded]]) -> dict[str, dict[Any, Any]]:
    """What the views must hold after these events, without a database."""
    known = {view.name: set(view.events) for view in VIEWS}
    return {
        view.name: rows(view, [one for one in log if not known[view.name] or type(one[0]) in known[view.name]])
        for view in VIEWS
    }


async def _ended(running: "asyncio.Task[Any]") -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
