"""Waiting at the head of a log, the same for every ledger that reads in pages."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext

from ledger.port import Page


class Growth:
    """Tells those who wait that the log may have grown. Lives on one event loop.

    A waiter takes `next()` before it reads and awaits it after: what is recorded in between is never slept through.
    """

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    def next(self) -> asyncio.Event:
        if self._next is None:
            self._next = asyncio.Event()
        return self._next

    def announce(self) -> None:
        if self._next is not None:
            self._next.set()
            self._next = None


async def follow_pages(
    read_after: Callable[[int], Awaitable[Page]],
    after: int,
    growth: Growth,
    waiting: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> AsyncGenerator[Page, None]:
    """Pages from `after` on; `waiting` is entered while there is nothing to hand out."""
    while True:
        grown = growth.next()
        page = await read_after(after)
        if page.scanned_to > after:
            after = page.scanned_to
            yield page
        if page.at_head:
            with waiting():
                await grown.wait()
