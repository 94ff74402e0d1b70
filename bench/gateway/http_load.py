"""A client that costs little, so that it is the server that is measured: HTTP/1.1 on kept connections, from bytes.

`saturate` asks as fast as answers come; `paced` asks at a given rate whether or not answers come, and counts each from
the moment at which it was due (no coordinated omission).
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Final, Self

CONNECTIONS: Final = 8
CONNECTIONS_PACED: Final = 32


class Connection:
    """One connection; requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader: Final = reader
        self._writer: Final = writer

    @classmethod
    async def open(cls, address: str) -> Self:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer, which must be a success."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        if head[9:10] != b"2":
            raise ValueError(f"{head.decode()}{body.decode()}")
        return body

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: bench", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def saturate(address: str, requests: Iterator[bytes], count: int) -> float:
    """Answers a second, over several connections at once."""
    connections = [await Connection.open(address) for _ in range(CONNECTIONS)]
    todo = iter(list(itertools.islice(requests, count)))

    async def work(connection: Connection) -> None:
        for one in todo:
            await connection.ask(one)

    started = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    elapsed_s = time.perf_counter() - started
    for connection in connections:
        await connection.close()
    return count / elapsed_s


async def paced(address: str, requests: Iterator[bytes], per_s: float, goes_on: Callable[[float], bool]) -> list[float]:
    """Seconds from when each was due until its answer, for as long as `goes_on` says so of the seconds passed."""
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS_PACED):
        idle.put_nowait(await Connection.open(address))
    taken_s: list[float] = []

    async def one(content: bytes, due: float) -> None:
        connection = await idle.get()
        await connection.ask(content)
        taken_s.append(time.perf_counter() - due)
        idle.put_nowait(connection)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in itertools.count():
            due = started + number / per_s
            if not goes_on(due - started):
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(next(requests), due))
    while not idle.empty():
        await idle.get_nowait().close()
    return taken_s
