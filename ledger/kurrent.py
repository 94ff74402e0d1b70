"""The ledger in a KurrentDB, or behind whatever speaks its protocol. Its parts:

kurrent_client  the connection: the leader, deadlines, errors
kurrent_wire    requests and answers
kurrent_append  appending, and the receipt
kurrent_follow  subscriptions, in pages

Positions are commit positions. A KurrentDB has records of its own between the log's events, which are left out. Time is
the server's, so it is as steady as the clocks of its nodes.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self
from uuid import UUID

import msgspec
from kurrentdbclient.exceptions import InvalidArgumentError, KurrentDBClientError

from ledger.beside import identity_append, ledger_id_in, seal_draft, seal_in
from ledger.kurrent_append import READS_AT_ONCE, Appending
from ledger.kurrent_client import PACE, Client, InvalidPosition, Pace, ledger_error, told
from ledger.kurrent_follow import PAGE_BYTES_MAX, SCAN_WINDOWS, Head, Inflow
from ledger.kurrent_wire import (
    COUNT_MAX,
    WINDOW_EVENTS,
    Filtering,
    Read,
    ReadEvent,
    ReadReq,
    is_beside,
    read_beside_log,
    read_log,
    read_stream,
    recorded,
    recorded_beside,
    stream_of,
    subscribe_to_log,
)
from ledger.port import (
    ANY,
    OWN_STREAM,
    PAGE_EVENTS,
    Append,
    Conflict,
    Direction,
    Keeper,
    Page,
    Receipt,
    Recorded,
    Rejected,
    Sealed,
    StreamPage,
    Unavailable,
    WrongLedger,
)
from ledger.recording import (
    check_append_beside,
    check_appends,
    check_from,
    check_limit,
    check_scan,
    check_stream,
    check_stream_beside,
)
from ledger.server.features import KEEPS_THE_PORT

VERSION_MIN: Final = (25, 1)
"""The first KurrentDB that appends to several streams at once, or to none."""

RESUME_PAUSES_S: Final = (0.0, 0.1, 0.3, 1.0, 2.0)
"""Before each attempt to go on with a subscription that broke; then whoever follows is told."""


class KurrentLedger:
    """Usable on one event loop, the one it was opened on, and in the process that opened it."""

    def __init__(self, client: Client, ledger_id: str, *, keeps_port: bool, pace: Pace) -> None:
        self._client: Final = client
        self._ledger_id: Final = ledger_id
        self._keeps_port: Final = keeps_port
        self._pace: Final = pace
        self._appending: Final = Appending(client, keeps_port=keeps_port, check_unsealed=self._check_unsealed)
        self._head_now: Final = None if keeps_port else Head(client.head).beyond
        self._loop: Final = asyncio.get_running_loop()
        self._pid: Final = os.getpid()
        self._under_way: set[asyncio.Task[Receipt]] = set()
        self._inflows: set[Inflow] = set()
        self._turns: Final = asyncio.Semaphore(READS_AT_ONCE)
        self._unsealed_at_s = float("-inf")
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, url: str, *, trusting: bool = True, pace: Pace = PACE) -> Self:
        """Connect to the KurrentDB at `url`, and name its log if nobody has yet. `trusting`: a server that says that a
        ledger of ours is behind it is believed; otherwise it is treated as a KurrentDB, which promises less. `pace` is
        the same for all who append there.

        Raises Rejected for a URL that cannot be or where access is denied, Unavailable where no server answers,
        WrongLedger for a KurrentDB before 25.1 and for one whose `$$meterloop` is something else.
        """
        client = _client(url, pace)
        try:
            with told(client.address):
                keeps_port = await _require_version(client) and trusting
            appending = Appending(client, keeps_port=keeps_port)
            return cls(client, await _identity(client, appending), keeps_port=keeps_port, pace=pace)
        except BaseException:
            await client.close()
            raise

    @property
    def keeper(self) -> Keeper:
        return Keeper.SERVED if self._keeps_port else Keeper.KURRENTDB

    @property
    def ledger_id(self) -> str:
        return self._ledger_id

    async def append(self, appends: Sequence[Append]) -> Receipt:
        self._check_usable()
        check_appends(appends)

        async def append() -> Receipt:
            if not self._keeps_port:
                await self._check_unsealed()
            return await self._appending.append(appends)

        return await self._to_its_end(append)

    async def append_beside(self, append: Append) -> Receipt:
        self._check_usable()
        check_append_beside(append)

        async def append_it() -> Receipt:
            await self._look_for_seal()
            return await self._appending.append_beside(append)

        return await self._to_its_end(append_it)

    async def seal(self, note: bytes) -> int:
        """Others notice within `noticed_s`, for none sends an append without having looked for the marker that long;
        what they have sent before then is done within `append_s`, whatever their URLs say. So this returns only after
        both, and a margin. A server that has a ledger of ours behind it notices in the append itself, and there is
        nothing to wait for.
        """
        self._check_usable()
        append = Append(OWN_STREAM, ANY, [seal_draft(self._ledger_id, note)])
        check_append_beside(append)
        with suppress(Sealed):
            await self.append_beside(append)
        if not self._keeps_port:
            await asyncio.sleep(self._pace.noticed_s + self._pace.append_s + self._pace.margin_s)
        return await self.head()

    async def read(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        self._check_usable()
        check_stream(stream)
        check_from(from_version)
        check_limit(limit)
        return await self._stream_page(stream, direction, from_version, limit, recorded)

    async def read_beside(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        self._check_usable()
        check_stream_beside(stream)
        check_from(from_version)
        check_limit(limit)
        return await self._stream_page(stream, direction, from_version, limit, recorded_beside)

    async def _stream_page(
        self, stream: str, direction: Direction, from_version: int | None, limit: int, read: Read
    ) -> StreamPage:
        request = read_stream(stream, direction, from_version, limit + 1)
        with told(self._client.address):
            events, more = await self._taken(request, limit, read)
        step = 1 if direction is Direction.FORWARDS else -1
        next_from = events[-1].version + step if more else None
        shown = [e for e in events if read is recorded_beside or not e.type.startswith("$")]
        return StreamPage(shown, next_from)

    async def read_many(self, streams: Collection[str]) -> Mapping[str, StreamPage]:
        self._check_usable()
        for stream in streams:
            check_stream(stream)

        async def first_page(stream: str) -> StreamPage:
            async with self._turns:
                return await self._stream_page(stream, Direction.FORWARDS, None, PAGE_EVENTS, recorded)

        pages = await asyncio.gather(*(first_page(stream) for stream in streams))
        return {stream: page for stream, page in zip(streams, pages, strict=True) if page.events}

    async def streams_beside(self) -> Sequence[str]:
        self._check_usable()
        with told(self._client.address):
            return sorted(set(await self._client.read(read_beside_log(), stream_of)))

    async def read_all(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> Page:
        self._check_usable()
        check_scan(after, limit, types, stream_prefixes)
        filtering = Filtering(types, stream_prefixes)
        with told(self._client.address):
            try:
                return await self._page(after, after, limit, filtering)
            except InvalidPosition:
                return await self._page(await self._before(after), after, limit, filtering)

    async def _page(self, start: int, after: int, limit: int, filtering: Filtering) -> Page:
        """From `start`, where the server can begin, which is not beyond `after`."""
        if filtering.anything:
            return await self._unfiltered_page(start, after, limit, filtering)
        head = await self._client.head()
        if after >= head:
            return Page([], after, at_head=True)
        async with self._inflow(start, after, limit, filtering, head, (WINDOW_EVENTS, SCAN_WINDOWS)) as inflow:
            page = await inflow.page_until_caught_up() or Page([], after, at_head=True)
        # That it has been looked at to its end a server may say before it says that there is no more.
        return page if page.scanned_to < head else msgspec.structs.replace(page, at_head=True)

    async def _unfiltered_page(self, start: int, after: int, limit: int, filtering: Filtering) -> Page:
        events: list[Recorded] = []
        scanned_to, more = after, True
        while more and len(events) < limit:
            # Forwards a read begins with the event at its position, and one more tells whether there is more.
            request = read_log(start or None, Direction.FORWARDS, limit + 2)
            taken, more = await self._taken(request, limit - len(events), recorded, max(start, after))
            ours = [event for event in taken if not is_beside(event.stream, event.type)]
            events += [event for event in ours if filtering.lets(event)]
            scanned_to = ours[-1].position if ours else scanned_to
            start = taken[-1].position if taken else start
            if self._keeps_port or len(ours) == len(taken):
                break
        return Page(events, scanned_to, at_head=not more)

    async def _before(self, after: int) -> int:
        """The position of the last event that is not beyond `after`: a KurrentDB reads from events only."""
        try:
            last = await self._client.read(read_log(after + 1, Direction.BACKWARDS, 1), recorded)
        except InvalidPosition:
            last = []

            def passed(event: ReadEvent) -> bool | None:
                if event.event.commit_position > after:
                    return True
                last.append(recorded(event))
                return None

            await self._client.read(read_log(None, Direction.BACKWARDS, COUNT_MAX), passed)
        return last[0].position if last else 0

    async def follow(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> AsyncGenerator[Page, None]:
        """While a filter catches up the server looks at long stretches for itself; at the head it tells of each event
        that does not pass, too, for somebody may wait for its position.
        """
        self._check_usable()
        check_scan(after, limit, types, stream_prefixes)
        filtering = Filtering(types, stream_prefixes)
        start, invalid, caught_up = after, False, filtering.anything
        pauses_s = iter(RESUME_PAUSES_S)
        while True:
            try:
                if invalid:
                    start, invalid = await self._before(after), False
                head = 0 if filtering.anything else await self._client.head()
                window = (1, 1) if caught_up else (WINDOW_EVENTS, 4)
                async with self._inflow(start, after, limit, filtering, head, window) as inflow:
                    while (page := await (inflow.page() if caught_up else inflow.page_until_caught_up())) is not None:
                        start = after = page.scanned_to
                        pauses_s = iter(RESUME_PAUSES_S)
                        yield page
                    caught_up = True
            except KurrentDBClientError as error:
                invalid, caught_up = isinstance(error, InvalidPosition), filtering.anything
                pause_s = next(pauses_s, None)
                problem = ledger_error(self._client.address, error)
                if pause_s is None or not isinstance(problem, Unavailable):
                    raise problem from error
                await asyncio.sleep(pause_s)

    async def head(self) -> int:
        self._check_usable()
        with told(self._client.address):
            return await self._client.head()

    async def close(self) -> None:
        if self._pid != os.getpid():
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        for inflow in [*self._inflows]:
            await inflow.stop(self._closed())
        await self._client.close()

    @asynccontextmanager
    async def _inflow(
        self, start: int, after: int, limit: int, filtering: Filtering, head: int, window: tuple[int, int]
    ) -> AsyncGenerator[Inflow, None]:
        self._check_usable()
        options = None if filtering.anything else filtering.options(*window)
        call = await self._client.subscribe(subscribe_to_log(start, options))
        inflow = Inflow(call, filtering, after, limit, head, self._head_now)
        self._inflows.add(inflow)
        try:
            yield inflow
        finally:
            self._inflows.discard(inflow)
            await inflow.stop()

    async def _taken(self, request: ReadReq, limit: int, read: Read, after: int = -1) -> tuple[list[Recorded], bool]:
        """Events beyond `after`, up to `limit` and to the bytes of a page, and whether there are more."""
        page_bytes = 0

        def take(answer: ReadEvent) -> Recorded | None:
            nonlocal page_bytes
            if page_bytes > PAGE_BYTES_MAX:
                return None
            event = read(answer)
            page_bytes += len(event.data) + len(event.metadata)
            return event

        taken = await self._client.read(request, take, carrying=read is recorded)
        events = [event for event in taken if event.position > after]
        return events[:limit], len(events) > limit or page_bytes > PAGE_BYTES_MAX

    async def _to_its_end(self, append: Callable[[], Coroutine[Any, Any, Receipt]]) -> Receipt:
        """An append that its caller no longer waits for goes on: what was sent may be written."""
        task = asyncio.create_task(self._in_time(append))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _in_time(self, append: Callable[[], Coroutine[Any, Any, Receipt]]) -> Receipt:
        with told(self._client.address):
            async with asyncio.timeout(self._client.append_s_max):
                return await append()

    async def _check_unsealed(self) -> None:
        """Raises Sealed where the log has ended, as far as could be known `noticed_s` ago. An answer is as old as its
        question: where it came late the question is put again, until the time of the append is over.
        """
        while self._loop.time() - self._unsealed_at_s >= self._pace.noticed_s:
            await self._look_for_seal()

    async def _look_for_seal(self) -> None:
        looked_at_s = self._loop.time()
        page = await self._stream_page(OWN_STREAM, Direction.FORWARDS, None, PAGE_EVENTS, recorded_beside)
        if seal_in(page.events) is not None:
            raise Sealed(f"KurrentDB {self._client.address}")
        self._unsealed_at_s = looked_at_s

    def _closed(self) -> Unavailable:
        return Unavailable(f"the connection to KurrentDB {self._client.address} is closed")

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise Rejected("this connection was opened before the process was forked; open it again after the fork")
        if asyncio.get_running_loop() is not self._loop:
            raise Rejected("this connection was opened on another event loop")
        if self._closing is not None:
            raise self._closed()


def _client(url: str, pace: Pace) -> Client:
    try:
        return Client(url, pace.append_s)
    except ValueError as error:
        # Some of these messages end with the URL, and with what is in it.
        why = redacted(str(error), url)
        raise Rejected(f"不是 KurrentDB 的地址：{why} / not the URL of a KurrentDB: {why}") from None
    except OSError as error:
        raise Rejected(f"不能读取 {error.filename} / {error.filename} cannot be read: {error.strerror}") from error


def redacted(message: str, url: str) -> str:
    return message.replace(url, "").rstrip(": ")


async def _require_version(client: Client) -> bool:
    """Whether the server keeps all that the port promises. Raises WrongLedger where it cannot do what is needed."""
    try:
        told_by = await client.supported()
        version = told_by.event_store_server_version
    except InvalidArgumentError:
        told_by, version = None, ""
    if told_by is None or _numbers(version) < VERSION_MIN:
        least = ".".join(map(str, VERSION_MIN))
        raise WrongLedger(
            f"KurrentDB {client.address} 的版本是 {version or '未知'}，不能一次追加到多个流；至少需要 {least}。 / "
            f"KurrentDB {client.address} is version {version or 'unknown'}, which cannot append to several streams at "
            f"once; {least} is the least"
        )
    return any(method.service_name == KEEPS_THE_PORT for method in told_by.methods)


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; (0,) where it has none."""
    found = re.match(r"(\d+)\.(\d+)", version, re.ASCII)
    return tuple(map(int, found.groups())) if found else (0,)


async def _identity(client: Client, appending: Appending) -> str:
    """What the log is called; it is named by whoever comes first."""
    while True:
        with told(client.address):
            first = await client.read(
                read_stream(OWN_STREAM, Direction.FORWARDS, 0, 1), recorded_beside, carrying=False
            )
        if first:
            named = ledger_id_in(first[0])
            if named is None:
                raise WrongLedger(f"KurrentDB {client.address}: {OWN_STREAM} does not begin with a ledger's name")
            return named
        try:
            await appending.append_beside(identity_append(str(UUID(bytes=os.urandom(16), version=4))))
        except Conflict:
            continue
