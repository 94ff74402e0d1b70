"""Many reports on one call: a stream of requests, answered one by one, in their order.

What has come is taken together, so that it is recorded in few appends; what comes meanwhile waits, and behind that the
caller does, by the flow control of gRPC. A request that cannot be read is refused alone. Whoever is cut off sends what
was not answered again: reports carry their own identity.

While some are written to the log and projected the event loop does as little as it can: the threads that do it are let
in at every row, and each time have to wait for a loop that is busy.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import msgspec

from kernel.principal import Principal
from kernel.refusal import Refusal

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
    arriving: AsyncIterator[bytes], take: Callable[[Sequence[bytes]], Awaitable[Sequence[Any]]]
) -> AsyncIterator[Any]:
    """The answers to what arrives. What is taken while the caller goes away is taken all the same."""
    waiting = _Waiting()
    reading = asyncio.create_task(waiting.read(arriving))
    try:
        while batch := await waiting.batch():
            taking = asyncio.ensure_future(take(batch))
            taking.add_done_callback(_heard)
            for answer in await asyncio.shield(taking):
                yield answer
        await reading
    finally:
        reading.cancel()


def _heard(taking: "asyncio.Future[Any]") -> None:
    """What fails when nobody waits for it any more is no surprise to the loop."""
    if not taking.cancelled():
        taking.exception()


class _Waiting:
    """What was read and not taken yet, bounded in number and in bytes. One task puts into it, another takes out."""

    def __init__(self) -> None:
        self._bodies: Final[deque[bytes]] = deque()
        self._bytes = 0
        self._over = False
        self._came: Final = asyncio.Event()
        self._went: Final = asyncio.Event()

    async def read(self, arriving: AsyncIterator[bytes]) -> None:
        """All that arrives, as fast as there is room for it. Raises what cuts it off."""
        try:
            async for body in arriving:
                while not self._has_room():
                    self._went.clear()
                    await self._went.wait()
                self._bodies.append(body)
                self._bytes += len(body)
                # Whoever takes waits for the first, and then for enough.
                if len(self._bodies) == 1 or self._is_enough():
                    self._came.set()
        finally:
            self._over = True
            self._came.set()

    async def batch(self) -> list[bytes]:
        """The next to take together, in the order in which they came; none once all are taken."""
        while not (self._bodies or self._over):
            await self._next_to_come()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not (self._over or self._is_enough()):
                    await self._next_to_come()
        batch = [self._bodies.popleft() for _ in range(min(len(self._bodies), BATCH_MAX))]
        self._bytes -= sum(map(len, batch))
        self._went.set()
        return batch

    async def _next_to_come(self) -> None:
        self._came.clear()
        await self._came.wait()

    def _has_room(self) -> bool:
        return len(self._bodies) < WAITING_MAX and self._bytes < WAITING_BYTES_MAX

    def _is_enough(self) -> bool:
        return len(self._bodies) >= BATCH_MAX or not self._has_room()
