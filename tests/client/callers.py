"""The two clients under one set of tests: whatever the one does, the other does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from client import AsyncClient, Client


class Blocking:
    """The client that blocks, called in threads so that the platform in this process may answer."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, name: str, *args: Any, **more: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, name), *args, **more)

    async def several(self, name: str, *args: Any, most: int | None = None) -> list[Any]:
        """What an iterating method yields, up to `most`."""

        def take() -> list[Any]:
            found = getattr(self.client, name)(*args)
            try:
                return list(itertools.islice(found, most))
            finally:
                found.close()

        return await asyncio.to_thread(take)


class Awaited:
    """The client that is awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def call(self, name: str, *args: Any, **more: Any) -> Any:
        return await getattr(self.client, name)(*args, **more)

    async def several(self, name: str, *args: Any, most: int | None = None) -> list[Any]:
        found = []
        async with aclosing(getattr(self.client, name)(*args)) as source:
            async for one in source:
                found.append(one)
                if len(found) == most:
                    break
        return found


Caller = Blocking | Awaited
KINDS = ("blocking", "awaited")


@asynccontextmanager
async def calling(kind: str, url: str, token: str | None = None, **more: Any) -> AsyncIterator[Caller]:
    """A caller of this kind, until the block ends."""
    if kind == "blocking":
        with Client(url, token, **more) as client:
            yield Blocking(client)
    else:
        async with AsyncClient(url, token, **more) as client:
            yield Awaited(client)


class Losing(httpx.HTTPTransport):
    """The network, where answers get lost on their way back: the first ones, or those that `loses` picks."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left, self.sent = times, []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        response = super().handle_request(request)
        if self.left:
            self.left -= 1
            response.read()
            response.close()
            raise httpx.ReadError("the connection broke", request=request)
        return response


class AsyncLosing(httpx.AsyncHTTPTransport):
    """The same for the client that is awaited."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left, self.sent = times, []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        response = await super().handle_async_request(request)
        if self.left:
            self.left -= 1
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("the connection broke", request=request)
        return response


def losing(kind: str, times: int) -> Losing | AsyncLosing:
    return Losing(times) if kind == "blocking" else AsyncLosing(times)


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    """Something else than the platform, at the other end."""
    return httpx.MockTransport(answer)
