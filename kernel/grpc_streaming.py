"""Many reports on one call: a stream of requests, answered one by one, in their order.

What has come is taken together, so that it is recorded in few appends; what comes meanwhile is read and waits, and
behind that the caller does, by the flow control of gRPC. While some are answered the next are taken. A request that
cannot be read is refused alone. Whoever is cut off sends what was not answered again: reports carry their own identity.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from kernel.principal import Principal
from kernel.refusal import Refusal

Report = TypeVar("Report")

BATCH_MAX: Final = 500
"""Reports taken together."""

WAITING_MAX: Final = 1_000
"""Reports that were read and not taken yet."""

WAITING_BYTES_MAX: Final = 16 * 1024 * 1024
"""The same in bytes: one report may be as large as a call of many commands. The last of them may go beyond it."""

LINGER_S: Final = 0.002
"""How long a batch waits for more after its first: less than an append takes, and enough for what is on its way."""

Take: TypeAlias = Callable[[Principal, Sequence[Any]], Awaitable[Sequence[Any]]]
"""Takes reports, and answers each."""


class Reports(msgspec.Struct, frozen=True):
    """What a method takes as a stream, each answered. `refused` makes the answer to one that cannot be read."""

    report: type[msgspec.Struct]
    take: Take
    refused: Callable[[Refusal], Any]


async def answered(
    arriving: AsyncIterator[bytes],
    read: Callable[[bytes], Report],
    take: Callable[[Sequence[Report]], Awaitable[Sequence[Any]]],
) -> AsyncIterator[Any]:
    """The answers to what arrives. What is taken while the caller goes away is taken all the same."""
    waiting = _Waiting(read)

    async def next_taken() -> Sequence[Any]:
        if not (batch := await waiting.batch()):
            return ()
        taking = asyncio.ensure_future(take(batch))
        taking.add_done_callback(_heard)
        return await asyncio.shield(taking)

    def begun() -> "asyncio.Task[Sequence[Any]]":
        task = asyncio.create_task(next_taken())
        task.add_done_callback(_heard)
        return task

    reading, ahead = asyncio.create_task(waiting.all_of(arriving)), begun()
    try:
        while answers := await ahead:
            ahead = begun()
            for answer in answers:
                yield answer
        await reading
    finally:
        ahead.cancel()
        reading.cancel()


def _heard(taking: "asyncio.Future[Any]") -> None:
    """What fails when nobody waits for it any more is no surprise to the loop."""
    if not taking.cancelled():
        taking.exception()


class _Waiting(Generic[Report]):
    """What was read and not taken yet, bounded in number and in bytes. One task puts into it, another takes out."""

    def __init__(self, read: Callable[[bytes], Report]) -> None:
        self._read: Final = read
        self._reports: Final[deque[tuple[Report, int]]] = deque()
        self._bytes = 0
        self._over = False
        self._came: Final = asyncio.Event()
        self._went: Final = asyncio.Event()

    async def all_of(self, arriving: AsyncIterator[bytes]) -> None:
        """All that arrives, as fast as there is room for it. Raises what cuts it off."""
        try:
            async for body in arriving:
                while not self._has_room():
                    self._went.clear()
                    await self._went.wait()
                self._reports.append((self._read(body), len(body)))
                self._bytes += len(body)
                # Whoever takes waits for the first, and then for enough.
                if len(self._reports) == 1 or self._is_enough():
                    self._came.set()
        finally:
            self._over = True
            self._came.set()

    async def batch(self) -> list[Report]:
        """The next to take together, in the order in which they came; none once all are taken."""
        while not (self._reports or self._over):
            await self._next_to_come()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not (self._over or self._is_enough()):
                    await self._next_to_come()
        batch = [self._reports.popleft() for _ in range(min(len(self._reports), BATCH_MAX))]
        self._bytes -= sum(size for _, size in batch)
        self._went.set()
        return [report for report, _ in batch]

    async def _next_to_come(self) -> None:
        self._came.clear()
        await self._came.wait()

    def _has_room(self) -> bool:
        return len(self._reports) < WAITING_MAX and self._bytes < WAITING_BYTES_MAX

    def _is_enough(self) -> bool:
        return len(self._reports) >= BATCH_MAX or not self._has_room()
