"""Both of KurrentDB's Python clients behind one manner of speaking, so that one suite holds for both.

The asynchronous client is itself; the synchronous one is called in threads, and what it iterates is iterated there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, NewEvent

WITHIN_S = 20.0
"""A subscription that says nothing for so long is taken to have stalled."""


class InThreads:
    """The synchronous client, or what it iterates, with awaitable methods."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return self._awaitable(found) if callable(found) else found

    @staticmethod
    def _awaitable(method: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **kwargs: Any) -> Any:
            answer = await asyncio.to_thread(method, *args, **kwargs)
            return InThreads(answer) if hasattr(answer, "__next__") else answer

        return called

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        end = object()
        found = await asyncio.to_thread(next, self.inner, end)
        if found is end:
            raise StopAsyncIteration
        return found


async def connected(kind: str, url: str, **options: Any) -> Any:
    if kind == "sync":
        return InThreads(await asyncio.to_thread(KurrentDBClient, url, **options))
    client = AsyncKurrentDBClient(url, **options)
    await client.connect()
    return client


async def take(events: Any, count: int) -> list[Any]:
    """The next `count` of what is iterated."""
    taken = []
    while len(taken) < count:
        try:
            taken.append(await asyncio.wait_for(anext(events), WITHIN_S))
        except StopAsyncIteration:
            break
    return taken


def new(type_: str = "test.Happened", data: bytes = b"{}", **rest: Any) -> NewEvent:
    return NewEvent(type=type_, data=data, **rest)


def ids(events: Any) -> list[Any]:
    return [event.id for event in events]
