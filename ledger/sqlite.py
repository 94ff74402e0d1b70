"""The embedded ledger: one SQLite file that several processes of one host share.

Reads run in a few threads, each read short: no cursor stays open while its consumer thinks, or the write-ahead log
could never begin anew. Writes run in one thread (`sqlite_writer`). The event loop is never blocked.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeVar
from weakref import WeakSet

import apsw

from ledger.beside import seal_draft
from ledger.embedded import Check
from ledger.following import Growth, follow_pages
from ledger.port import (
    ANY,
    OWN_STREAM,
    PAGE_EVENTS,
    Append,
    Direction,
    Keeper,
    Page,
    Receipt,
    Recorded,
    Rejected,
    StreamPage,
    Unavailable,
)
from ledger.recording import (
    Clock,
    Size,
    check_append_beside,
    check_appends,
    check_before,
    check_filter,
    check_from,
    check_limit,
    check_scan,
    check_stream,
    check_stream_beside,
    system_time_us,
)
from ledger.sqlite_append import BesideCall, Call
from ledger.sqlite_file import Told, back_up, connect, open_file
from ledger.sqlite_lock import WriterTurn
from ledger.sqlite_read import filtering, head, page, page_back, stream_page, stream_page_of, streams_beside
from ledger.sqlite_watch import CommitWatch
from ledger.sqlite_writer import Job, Writer

READERS_MAX: Final = 4

_Found = TypeVar("_Found")


class SqliteLedger:
    """See `ledger.port.Ledger`. Made by `open`, on the event loop that will use it."""

    @classmethod
    async def open(cls, path: Path, *, clock: Clock = system_time_us) -> Self:
        """Open the ledger in `path`, creating it where there is none.

        Raises WrongLedger where the file is something else or newer than this program, Unavailable where it cannot be
        opened.
        """
        return cls(*await asyncio.to_thread(_enter, path, clock), clock)

    def __init__(self, path: Path, ledger_id: str, turn: WriterTurn, clock: Clock) -> None:
        self._path = path
        self._ledger_id = ledger_id
        self._turn = turn
        self._loop = asyncio.get_running_loop()
        self._growth = Growth()
        self._writer = Writer(path, turn, clock, self._growth.announce)
        self._watch = CommitWatch(path, self._on_change)
        self._threads = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="ledger-reader")
        self._idle: list[apsw.Connection] = []
        self._closing: asyncio.Future[None] | None = None
        self._forked = False
        _opened.add(self)

    @property
    def keeper(self) -> Keeper:
        return Keeper.EMBEDDED

    @property
    def ledger_id(self) -> str:
        return self._ledger_id

    async def append(
        self, appends: Sequence[Append], checks: Sequence[Check] = (), order: Sequence[int] = ()
    ) -> Receipt:
        return await self._written(Call(appends, checks, order), check_appends(appends, checks, order))

    def _written(self, call: Call | BesideCall, size: Size) -> asyncio.Future[Receipt]:
        self._check_usable()
        job = Job(call, size, self._loop.create_future())
        self._writer.submit(job)
        return job.future

    async def read(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
    ) -> StreamPage:
        check_stream(stream)
        check_from(from_version)
        check_limit(limit)
        check_filter(types)
        if types:
            return await self._reading(
                lambda reader: stream_page_of(reader, stream, direction, from_version, limit, types)
            )
        return await self._reading(lambda reader: stream_page(reader, stream, direction, from_version, limit))

    async def read_many(self, streams: Collection[str]) -> Mapping[str, StreamPage]:
        for stream in streams:
            check_stream(stream)

        def pages(reader: apsw.Connection) -> Mapping[str, StreamPage]:
            read = {s: stream_page(reader, s, Direction.FORWARDS, None, PAGE_EVENTS) for s in streams}
            return {stream: page for stream, page in read.items() if page.events}

        return await self._reading(pages)

    async def read_all(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> Page:
        check_scan(after, limit, types, stream_prefixes)
        condition, values = filtering(types, stream_prefixes)
        return await self._reading(lambda reader: page(reader, after, limit, condition, values))

    def follow(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> AsyncGenerator[Page, None]:
        async def read_after(position: int) -> Page:
            return await self.read_all(position, limit=limit, types=types, stream_prefixes=stream_prefixes)

        return follow_pages(read_after, after, self._growth, self._watch.waiting)

    async def head(self) -> int:
        return await self._reading(head)

    async def read_back(self, before: int | None = None, limit: int = PAGE_EVENTS) -> Sequence[Recorded]:
        check_before(before)
        check_limit(limit)
        return await self._reading(lambda reader: page_back(reader, before, limit))

    async def read_beside(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        check_stream_beside(stream)
        check_from(from_version)
        check_limit(limit)
        return await self._reading(
            lambda reader: stream_page(reader, stream, direction, from_version, limit, beside=True)
        )

    async def append_beside(self, append: Append) -> Receipt:
        return await self._written(BesideCall(append), check_append_beside(append))

    async def streams_beside(self) -> Sequence[str]:
        return await self._reading(streams_beside)

    async def seal(self, note: bytes) -> int:
        append = Append(OWN_STREAM, ANY, [seal_draft(self._ledger_id, note)])
        receipt = await self._written(BesideCall(append, seals=True), check_append_beside(append))
        return receipt.position

    async def backup(self, target: Path, told: Told = lambda _here, _whole: None) -> None:
        """Copy the log, as it is at one moment, into a new file that can be opened as a ledger. Others go on writing
        meanwhile; only the write-ahead log cannot begin anew before the copy is complete. `told` hears, in another
        thread, how many pages are there of how many; what it raises breaks the copy off.

        Raises Rejected where `target` exists, Unavailable where it cannot be written.
        """
        self._check_usable()
        await asyncio.to_thread(back_up, self._path, target, told)

    async def close(self) -> None:
        if self._forked:
            return
        if self._closing is None:
            self._closing = asyncio.ensure_future(asyncio.to_thread(self._close))
        await asyncio.shield(self._closing)
        self._growth.announce()

    def _close(self) -> None:
        self._writer.close()
        self._watch.close()
        self._threads.shutdown()
        for reader in self._idle:
            reader.close()
        self._turn.close()

    async def _reading(self, read: Callable[[apsw.Connection], _Found]) -> _Found:
        self._check_usable()
        return await self._loop.run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[apsw.Connection], _Found]) -> _Found:
        try:
            reader = self._reader()
            found = read(reader)
        except apsw.Error as error:
            # The reader is not used again: after an I/O error nothing is known of what it holds.
            raise Unavailable(f"{self._path}: {error}") from error
        self._idle.append(reader)
        return found

    def _reader(self) -> apsw.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self._path, writes=False)

    def _on_change(self) -> None:
        with suppress(RuntimeError):  # the loop was closed before the ledger
            self._loop.call_soon_threadsafe(self._growth.announce)

    def _check_usable(self) -> None:
        if self._forked:
            raise Rejected(f"{self._path} was opened before this process was forked; open it again after the fork")
        if self._closing is not None:
            raise Unavailable(f"{self._path} is closed")

    def _in_forked_child(self) -> None:
        self._forked = True
        self._turn.close()


_opened: WeakSet[SqliteLedger] = WeakSet()


def _after_fork_in_child() -> None:
    for ledger in _opened:
        ledger._in_forked_child()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_after_fork_in_child)


def _enter(path: Path, clock: Clock) -> tuple[Path, str, WriterTurn]:
    path = path.absolute()
    try:
        turn = WriterTurn(path.with_name(path.name + "-lock"))
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {error}") from error
    try:
        with turn:
            return path, open_file(path, clock), turn
    except BaseException:
        turn.close()
        raise
