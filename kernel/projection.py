"""Keeps views up to date with the log, a page of events at a time, in one pass for all of them.

One transaction takes a page: the rows it touches are loaded, evolved and stored, and the checkpoint moved with them. So
after a crash anywhere a view goes on where it was, without gap or repetition. A view that is new, of a new version, or
asked to be rebuilt, is filled beside those that serve, and switched in when it has reached them.

What goes wrong with the stores is tried again, ever more slowly, and reported meanwhile. An event that cannot be
decoded, or that a view cannot take, stops that view at that event and leaves a note; the others go on.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from kernel.checkpoint import VIEWS, refuse_beyond
from kernel.clock import Clock, system_clock_us
from kernel.codec import Reader
from kernel.database import Database, MissingTable
from kernel.projection_page import Cursor, Member, Undigested, take_page
from kernel.readiness import Health
from kernel.refusal import stale, unreadable
from kernel.telemetry import METER
from kernel.view import View
from kernel.view_progress import Progress, ViewProgress
from kernel.view_store import META, Moved, enrol, noting_tables, reading, slots, stop, switch
from ledger.port import PAGE_EVENTS_MAX, Ledger, Page, Recorded

T = TypeVar("T")

LIVE_EVERY_PAGES: Final = 4
"""While views are built, every so many pages of theirs the serving ones get one."""

WATCH_S: Final = 1.0
"""How often a process looks whether somebody asked for a rebuild."""

RETRY_S: Final = (0.05, 5.0)
"""The first pause after an error, and the longest; each is twice the one before."""

WAIT_S_MAX: Final = 5.0

LAG_US_MAX: Final = 30_000_000
"""Views further behind are reported as degraded: what a person did half a minute ago should be seen."""

REST: Final = 8
"""While views give way they rest this many times as long as a page took them."""

GIVE_WAY_US_MAX: Final = 10_000_000
"""Views this far behind no longer give way."""

_EVENTS: Final = METER.create_counter("projection.events", unit="{event}", description="events that views have taken")
_LAG: Final = METER.create_gauge(
    "projection.lag", unit="s", description="age of the oldest event that is not in all views"
)

BEHIND = stale(
    "view.behind",
    "视图到达位置 {reached}，尚未到达您要看的 {wanted}。写入已保存，请稍后再查。",
    "the views have reached position {reached}, not yet {wanted}, which you ask for; what you wrote is recorded, look"
    " again shortly",
)
NO_SUCH_POSITION = unreadable(
    "view.no_such_position",
    "台账目前到位置 {head}，没有位置 {position}。请使用写入时收到的位置。",
    "the log ends at position {head}, there is no position {position}; give the one that you were answered with",
)
BUILDING = stale(
    "view.building",
    "视图 {views} 正在建立，完成后即可查询。",
    "views {views} are being built and can be asked when they are complete",
)

_LOG: Final = structlog.get_logger("projection")


def _held(view: ViewProgress) -> int:
    """Everything up to here can be asked of the view."""
    return view.position if view.ready else -1


class Projector:
    """Projects one service's views into its database.

    `streams` are prefixes of the streams to follow, all if none is named: the service's own and those that its foreign
    events are in. `events_taken` counts since the start.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        reader: Reader,
        views: Iterable[View[Any]],
        *,
        streams: Collection[str] = (),
        clock: Clock = system_clock_us,
        page_events: int = PAGE_EVENTS_MAX,
    ) -> None:
        self._database, self._ledger, self._decode = database, ledger, reader.decode
        self._views: Final = {view.columns.name: view for view in views}
        self._streams, self._clock, self._page_events = streams, clock, page_events
        self._cursors: list[Cursor] = []
        self._parked: list[Member] = []
        self._stopped: dict[str, ViewProgress] = {}
        self._trouble: str | None = None
        self._moved = asyncio.Event()
        self._giving_way = 0
        self._waiting = 0
        self._wanted = asyncio.Event()
        self.events_taken = 0

    async def open(self) -> None:
        """Make ready to run. Raises WrongLedger where the views are of another log: they must be rebuilt on purpose.
        Raises DatabaseUnavailable; ValueError where a table changed under the same name.
        """
        await self._database.create(META)
        views, ledger_id, now_us = list(self._views.values()), self._ledger.ledger_id, self._clock()
        await self._database.write(lambda connection: enrol(connection, views, ledger_id, now_us))
        await self._look()
        # The end of the log after the positions of the views: another process may be moving both.
        furthest = max((cursor.position for cursor in self._cursors), default=0)
        refuse_beyond(VIEWS, furthest, await self._ledger.head())

    async def run(self) -> None:
        """Follow the log until cancelled."""
        pause_s, longest_s = RETRY_S
        while True:
            began_s = asyncio.get_running_loop().time()
            try:
                await self._follow()
            except Moved:
                continue
            except Exception as error:  # noqa: BLE001  what a view cannot take is dealt with; a store comes back
                self._trouble = f"{type(error).__name__}: {error}"
                if asyncio.get_running_loop().time() - began_s > longest_s:
                    pause_s = RETRY_S[0]
                _LOG.warning("projection_retried", error=self._trouble, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)

    @property
    def position(self) -> int:
        """Everything up to here is in every view; -1 while one is being built that cannot be asked yet."""
        return min((_held(view) for view in self._standing()), default=-1)

    async def wait_for(self, position: int, timeout_s: float = WAIT_S_MAX) -> None:
        """Return when all views can be asked and hold everything up to `position`.

        Raises Stale `view.behind` when they do not in time, or will not because one has stopped.
        """
        await self._reach(position, timeout_s)
        if (reached := self.position) < position:
            raise BEHIND(reached=reached, wanted=position)

    async def _reach(self, position: int, timeout_s: float) -> None:
        """Wait for the views that have not stopped. Raises Stale `view.behind`, and Unreadable where there is no such
        position, which nothing would come of waiting for.
        """
        if position > self.position and position > (head := await self._ledger.head()):
            raise NO_SUCH_POSITION(position=position, head=head)
        self._waiting += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(timeout_s):
                while any(view.stopped_why is None and _held(view) < position for view in self._standing()):
                    await self._moved.wait()
        except TimeoutError:
            raise BEHIND(reached=self.position, wanted=position) from None
        finally:
            self._waiting -= 1

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Leave most of the processor to what goes on in the block. Whoever waits for a position is served at once all
        the same, and views never fall behind by more than GIVE_WAY_US_MAX for this.
        """
        self._giving_way += 1
        try:
            yield
        finally:
            self._giving_way -= 1
            self._wanted.set()

    async def read(self, query: Callable[[Connection], T], *, seen: int = 0, timeout_s: float = WAIT_S_MAX) -> T:
        """Ask the views, at one moment of theirs that is not before position `seen`. Without it nothing is waited for;
        a view that has stopped before it is of concern only where the query asks that one.

        Raises Stale: `view.behind`, or `view.building` where a table asked is not complete; DatabaseUnavailable.
        """
        late: dict[str, int] = {}
        if seen:
            # One that has stopped is a matter of those alone who ask it.
            await self._reach(seen, timeout_s)
            standing = {view.name: _held(view) for view in self._standing()}
            late = {table: standing[view.name] for table, view in self._views.items() if standing[view.name] < seen}

        def asked(connection: Connection) -> T:
            reading(connection)
            if not late:
                return query(connection)
            with noting_tables(connection) as tables:
                answer = query(connection)
            if behind := [late[table] for table in tables.intersection(late)]:
                raise BEHIND(reached=min(behind), wanted=seen)
            return answer

        try:
            return await self._database.read(asked)
        except MissingTable as error:
            if building := [view.name for view in self._standing() if not view.ready]:
                raise BUILDING(views=", ".join(building)) from error
            raise

    async def read_at(self, query: Callable[[Connection], T], *, seen: int = 0) -> tuple[T, int]:
        """The same, and the position up to which the views held every event at that moment."""
        views = list(self._views.values())

        def asked(connection: Connection) -> tuple[T, int]:
            answer = query(connection)
            positions = [slot.position for slot in slots(connection, views) if slot.ready]
            return answer, min(positions, default=0)

        return await self.read(asked, seen=seen)

    async def progress(self) -> Progress:
        """How the views stand. Raises ledger.port.Unavailable."""
        head, position = await self._ledger.head(), max(self.position, 0)
        waiting = None
        if position < head:
            page = await self._ledger.read_all(position, limit=1, stream_prefixes=self._streams)
            waiting = next(iter(page.events), None)
        lag_us = max(0, self._clock() - waiting.recorded_at_us) if waiting else 0
        _LAG.set(lag_us / 1_000_000)
        return Progress(
            head=head,
            position=position,
            lag_positions=head - position if waiting else 0,
            lag_us=lag_us,
            trouble=self._trouble,
            views=tuple(self._standing()),
        )

    async def _look(self) -> None:
        """Take up the views' tables as the database has them. One that had stopped gets another try."""
        views = list(self._views.values())
        found = await self._database.write(lambda connection: slots(connection, views))
        cursors: dict[int, Cursor] = {}
        for slot in found:
            cursor = cursors.setdefault(slot.position, Cursor(slot.position))
            cursor.members.append(Member(self._views[slot.name], slot, self._database))
        self._cursors = [cursors[position] for position in sorted(cursors)]
        self._parked, self._stopped = [], {}
        self._announce()

    async def _follow(self) -> None:
        """Bring all views to one position and then follow the log, until somebody else changes their tables."""
        await self._look()
        await self._catch_up()
        tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._follow_live())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_live(self) -> None:
        while self._cursors:
            (live,) = self._cursors
            pages = self._ledger.follow(live.position, limit=self._page_events, stream_prefixes=self._streams)
            async with aclosing(pages):
                async for page in pages:
                    began_s = asyncio.get_running_loop().time()
                    await self._take(live, page.events, page.scanned_to)
                    if not self._cursors:
                        break
                    if page.events:
                        await self._rest(page.events[-1], asyncio.get_running_loop().time() - began_s)
        await asyncio.Event().wait()

    async def _rest(self, last: Recorded, took_s: float) -> None:
        """Give way after a page where that is asked, nobody waits and there is time."""
        self._wanted.clear()
        if self._giving_way and not self._waiting and self._clock() - last.recorded_at_us < GIVE_WAY_US_MAX:
            with suppress(TimeoutError):
                async with asyncio.timeout(REST * took_s):
                    await self._wanted.wait()

    async def _watch(self) -> None:
        """Return when another process has begun, replaced or switched a table."""
        views = list(self._views.values())
        while True:
            await asyncio.sleep(WATCH_S)
            found = await self._database.read(lambda connection: slots(connection, views))
            members = self._parked + [member for cursor in self._cursors for member in cursor.members]
            if {slot.table_name for slot in found} != {member.slot.table_name for member in members}:
                return
            self._trouble = None
            await self.progress()

    async def _catch_up(self) -> None:
        """Bring the cursors together, the last one first, and switch in what was built."""
        pages = 0
        while len(self._cursors) > 1 or any(not member.slot.ready for c in self._cursors for member in c.members):
            last, *ahead = self._cursors
            page = await self._page(last.position)
            bound = ahead[0].position if ahead else page.scanned_to
            reached = min(bound, page.scanned_to)
            await self._take(last, [event for event in page.events if event.position <= reached], reached)
            if ahead and reached == bound and last in self._cursors:
                ahead[0].members += last.members
                self._cursors.remove(last)
            if len(self._cursors) == 1 and (ahead or page.at_head):
                await self._switch(self._cursors[0])
            pages += 1
            if len(self._cursors) > 1 and pages % LIVE_EVERY_PAGES == 0:
                live = self._cursors[-1]
                page = await self._page(live.position)
                await self._take(live, page.events, page.scanned_to)

    async def _page(self, after: int) -> Page:
        return await self._ledger.read_all(after, limit=self._page_events, stream_prefixes=self._streams)

    async def _take(self, cursor: Cursor, events: Sequence[Recorded], position: int) -> None:
        """Project events up to a position. Views that cannot take one of them are brought to it, and parked there."""
        while cursor.members:
            try:
                await self._database.in_writer(
                    partial(take_page, self._database, cursor, events, position, self._decode)
                )
            except Undigested as undigested:
                before = undigested.recorded.position - 1
                await self._take(cursor, [event for event in events if event.position <= before], before)
                await self._park(cursor, undigested, before)
                events = [event for event in events if event.position > before]
            else:
                self.events_taken += len(events)
                _EVENTS.add(len(events))
                cursor.position = position
                self._trouble = None
                self._announce()
                return

    async def _park(self, cursor: Cursor, undigested: Undigested, position: int) -> None:
        parked = [member for member in undigested.culprits if member in cursor.members]
        cursor.members = [member for member in cursor.members if member not in parked]
        self._cursors = [other for other in self._cursors if other.members]
        self._parked += parked
        for member in parked:
            name = member.view.name
            self._stopped[name] = ViewProgress(name, member.slot.ready, position, undigested.why)
            _LOG.error("projection_stopped", view=name, position=undigested.recorded.position, why=undigested.why)
        self._announce()
        stopped, at, why = [member.slot for member in parked], undigested.recorded.position, undigested.why
        await self._database.write(lambda connection: stop(connection, stopped, at, why))

    async def _switch(self, cursor: Cursor) -> None:
        for built in [member for member in cursor.members if not member.slot.ready]:
            await self._database.write(partial(switch, view=built.view, slot=built.slot, now_us=self._clock()))
            ready = Member(built.view, msgspec.structs.replace(built.slot, ready=True), self._database)
            cursor.members = [member for member in cursor.members if member.view is not built.view] + [ready]
            _LOG.info("view_switched", view=built.view.name, table=built.slot.name, position=cursor.position)
        self._announce()

    def _announce(self) -> None:
        announced, self._moved = self._moved, asyncio.Event()
        announced.set()

    async def health(self) -> Health:
        """For `/readyz`: not ready while a view cannot be asked or the database is away; degraded where one has stopped
        or is far behind.
        """
        progress = await self.progress()
        building = [f"{view.name} is being built" for view in progress.views if not view.ready]
        stopped = [f"{view.name} stopped: {view.stopped_why}" for view in progress.views if view.stopped_why]
        behind = [f"{progress.lag_us // 1_000_000} s behind"] if progress.lag_us > LAG_US_MAX else []
        trouble = [progress.trouble] if progress.trouble else []
        return Health(
            ok=not building and not trouble,
            degraded=bool(stopped or behind),
            detail="; ".join([*trouble, *building, *stopped, *behind]),
        )

    def _standing(self) -> list[ViewProgress]:
        """Every view once: as it serves, or as it is being built."""
        standing: dict[str, ViewProgress] = {}
        for cursor in self._cursors:
            for member in cursor.members:
                known = standing.get(member.view.name)
                if known is None or not known.ready:
                    name, ready = member.view.name, member.slot.ready
                    standing[name] = ViewProgress(name, ready, cursor.position, None)
        return sorted((standing | self._stopped).values(), key=lambda view: view.name)
