"""Threads for what would keep the event loop waiting, as few of them at work as will do.

Threads of one interpreter take it from each other at every call that lets go of it, and each time costs more than a
short query. Where work is mostly short, one thread does all of it one after the other, several times faster than four
would; others help only while it is held up by something long.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")

HELD_UP_S: Final = 0.005
"""When nothing that waits was taken up for so long, another thread helps: what is short takes a hundredth of it."""


class _Call:
    """A function to run, and who waits for what it returns."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._context: Final[Context] = copy_context()
        self._function: Final = function
        self.answer: Final[asyncio.Future[Any]] = self._loop.create_future()

    def run(self) -> None:
        """In a thread: run it, and tell the loop."""
        tell: Callable[[Any], None]
        outcome: Any
        try:
            tell, outcome = self.answer.set_result, self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001  it is raised where it was asked for
            tell, outcome = self.answer.set_exception, error
        # A loop that has been closed has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, tell, outcome)

    def _tell(self, tell: Callable[[Any], None], outcome: Any) -> None:
        if not self.answer.done():
            tell(outcome)


class Threads:
    """`steady` threads, and up to `most` while those are held up. Used from one event loop."""

    def __init__(self, name: str, steady: int, most: int) -> None:
        self._name: Final = name
        self._waiting: Final[SimpleQueue[_Call | None]] = SimpleQueue()
        self._most: Final = most
        self._taken = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._steady: Final = [self._started(self._work) for _ in range(steady)]
        self._helping: list[Thread] = []

    async def run(self, function: Callable[[], T]) -> T:
        """What the function returns or raises. Cancelling the caller does not stop it."""
        if self._closed:
            raise RuntimeError(f"{self._name} is closed")
        call = _Call(function)
        self._waiting.put(call)
        if self._timer is None and self._most > len(self._steady):
            self._look_later()
        answer: T = await call.answer
        return answer

    def close(self) -> None:
        """Finish what was asked for. Blocks until then; closing twice is harmless."""
        self._closed = True
        for _ in self._steady:
            self._waiting.put(None)
        for thread in (*self._steady, *self._helping):
            thread.join()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HELD_UP_S, self._look, self._taken)

    def _look(self, taken: int) -> None:
        """Let another thread help where what waited then is still waiting."""
        self._timer = None
        if self._waiting.empty() or self._closed:
            return
        self._helping = [thread for thread in self._helping if thread.is_alive()]
        if self._taken == taken and len(self._steady) + len(self._helping) < self._most:
            self._helping.append(self._started(self._help))
        self._look_later()

    def _started(self, work: Callable[[], None]) -> Thread:
        thread = Thread(target=work, name=self._name, daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            self._taken += 1
            call.run()

    def _help(self) -> None:
        while True:
            try:
                call = self._waiting.get_nowait()
            except Empty:
                return
            if call is None:
                # Somebody else was meant.
                self._waiting.put(None)
                return
            self._taken += 1
            call.run()
