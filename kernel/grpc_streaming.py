"""Many reports on one call: a stream of requests, answered one by one, in their order.

What has come is taken together, so that it is recorded in few appends; what comes meanwhile waits, and behind that the
caller does, by the flow control of gRPC. A request that cannot be read is refused alone. Whoever is cut off sends what
was not answered again: reports carry their own identity.
"""

import asyncio
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

LINGER_S: Final = 0.002
"""How long a batch waits for more: less than an append takes, and enough for what is on its way."""

Take: TypeAlias = Callable[[Principal, Sequence[Any]], Awaitable[Sequence[Any]]]
"""Takes reports, and answers each."""


class Reports(msgspec.Struct, frozen=True):
    """A method that takes a stream of these and answers each. `refused` makes the answer to one that cannot be read."""

    method: str
    report: type[msgspec.Struct]
    take: Take
    refused: Callable[[Refusal], Any]


async def answered(
    arriving: AsyncIterator[Any], take: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]
) -> AsyncIterator[Any]:
    """The answers to what arrives. What is taken while the caller goes away is taken all the same."""
    waiting: asyncio.Queue[Any] = asyncio.Queue(WAITING_MAX)
    end = object()

    async def read() -> None:
        try:
            async for one in arriving:
                await waiting.put(one)
        finally:
            await waiting.put(end)

    reading = asyncio.create_task(read())
    try:
        over = False
        while not over:
            batch = [await waiting.get()]
            with suppress(TimeoutError):
                while batch[-1] is not end and len(batch) < BATCH_MAX:
                    batch.append(
                        waiting.get_nowait() if not waiting.empty() else await asyncio.wait_for(waiting.get(), LINGER_S)
                    )
            if batch[-1] is end:
                over = True
                batch.pop()
            if batch:
                for answer in await take(batch):
                    yield answer
        await reading
    finally:
        reading.cancel()
