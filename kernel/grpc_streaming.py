"""Many reports on one call: a stream of requests, answered one by one, in their order.

What has come is taken together, so that it is recorded in few appends; what comes meanwhile waits, and behind that the
caller does, by the flow control of gRPC. A request that cannot be read is refused alone. Whoever is cut off sends what
was not answered again: reports carry their own identity.
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
    """What was read and not taken yet, bounded in number and in bytes."""

    def __init__(self) -> None:
        self._bodies: Final[deque[bytes]] = deque()
        self._bytes = 0
        self._over = False
        self._changed: Final = asyncio.Condition()

    async def read(self, arriving: AsyncIterator[bytes]) -> None:
        """All that arrives, as fast as there is room for it. Raises what cuts it off."""
        try:
            async for body in arriving:
                async with self._changed:
                    await self._changed.wait_for(self._has_room)
                    self._bodies.append(body)
                    self._bytes += len(body)
                    self._changed.notify_all()
        finally:
            self._over = True
            async with self._changed:
                self._changed.notify_all()

    async def batch(self) -> list[bytes]:
        """The next to take together, in the order in which they came; none once all are taken."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._bodies or self._over)
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._changed.wait_for(lambda: self._over or self._is_enough())
            batch = [self._bodies.popleft() for _ in range(min(len(self._bodies), BATCH_MAX))]
            self._bytes -= sum(map(len, batch))
            self._changed.notify_all()
            return batch

    def _has_room(self) -> bool:
        return len(self._bodies) < WAITING_MAX and self._bytes < WAITING_BYTES_MAX

    def _is_enough(self) -> bool:
        return len(self._bodies) >= BATCH_MAX or not self._has_room()
