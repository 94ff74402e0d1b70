"""A platform that stands while tests ask it one after the other: it has an event loop and a thread of its own.

Hypothesis and schemathesis ask from ordinary functions; a gRPC connection belongs to the loop that it was opened in.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.documents.workshop import Workshop
from tests.doors.entrances import Entrances
from tests.gateway.behind import Behind, behind

T = TypeVar("T")
START_S_MAX = 60.0
ANSWER_S_MAX = 60.0


class Standing:
    """The platform, and how to ask it from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, entrances: Entrances) -> None:
        self._loop = loop
        self.entrances = entrances

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(ANSWER_S_MAX)

    def app(self, inner: ASGIApp) -> ASGIApp:
        """The app as one that may be called in any loop; an answer is handed over when it is whole."""

        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["type"] == "http"
            asked = [await receive()]
            while asked[-1].get("more_body"):
                asked.append(await receive())
            answered = asyncio.run_coroutine_threadsafe(_whole(inner, scope, asked), self._loop)
            for message in await asyncio.wrap_future(answered):
                await send(message)

        return outer


async def _whole(app: ASGIApp, scope: Scope, asked: list[Message]) -> list[Message]:
    waiting, answer = iter(asked), []

    async def receive() -> Message:
        if (message := next(waiting, None)) is None:
            await asyncio.Event().wait()  # whoever asked waits for the answer, and says nothing more
        return message

    async def send(message: Message) -> None:
        answer.append(message)

    await app(scope, receive, send)
    return answer


@contextmanager
def standing(
    folder: Path, opened: Callable[[Behind], Awaitable[Entrances]], workshop: Workshop | None = None
) -> Iterator[Standing]:
    """The platform, until the block ends; `opened` tells it what it is to know, and how a service of it is asked."""
    started: list[Standing] = []
    failed: list[BaseException] = []
    ready, over = threading.Event(), asyncio.Event()

    async def stand() -> None:
        async with behind(folder, workshop) as platform:
            await platform.gateway.describe()
            started.append(Standing(asyncio.get_running_loop(), await opened(platform)))
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            asyncio.run(stand())
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(START_S_MAX)
        if not started:
            raise RuntimeError("the platform did not start") from failed[0]
        yield started[0]
    finally:
        if started:
            started[0]._loop.call_soon_threadsafe(over.set)
        thread.join()
