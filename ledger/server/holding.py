"""What appends hold of the memory before they are recorded: one budget for all calls, and an end to those that fall
silent before all of them has come.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

import grpc

from ledger.server.errors import Refused


class Budget:
    """So many bytes of appends, and so long a silence in the middle of one."""

    def __init__(self, bytes_max: int, silent_s_max: float) -> None:
        self.bytes_max: Final = bytes_max
        self.silent_s_max: Final = silent_s_max
        self.held_bytes = 0


class Held:
    """What one call holds, within the `with` of its task. While it is `awaiting` more of an append, something has to
    come of it: the clock looks now and then, so that a message costs no timer.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget: Final = budget
        self.bytes = 0
        self._moved = self._silent = False
        self._task: asyncio.Task[object] | None = None
        self._clock: asyncio.TimerHandle | None = None
        self.awaiting = True

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._wind()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._budget.held_bytes -= self.bytes
        self.bytes = 0
        if self._silent and isinstance(error, asyncio.CancelledError) and self._task is not None:
            self._task.uncancel()
            raise _fell_silent(self._budget.silent_s_max) from None

    def hold(self, wanted: int) -> None:
        """So many bytes from now on, in place of what was held. Refused where that is more than the budget has left:
        then what was held stays.
        """
        more = wanted - self.bytes
        budget = self._budget
        self._moved = True
        if more > 0 and budget.held_bytes + more > budget.bytes_max:
            raise _exhausted(budget.bytes_max)
        budget.held_bytes += more
        self.bytes = wanted

    def _wind(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(self._budget.silent_s_max, self._look)

    def _look(self) -> None:
        if self.awaiting and not self._moved and self._task is not None:
            self._silent = True
            self._task.cancel()
            return
        self._moved = False
        self._wind()


def _exhausted(bytes_max: int) -> Refused:
    return Refused(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"尚未写完的追加合计至多 {bytes_max} 字节，请稍后重试。"
        f"Appends that are not yet recorded hold at most {bytes_max} bytes together; nothing was written, try later.",
    )


def _fell_silent(silent_s: float) -> Refused:
    return Refused(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        f"追加未发完，{silent_s:g} 秒没有下文，什么也没有写入。"
        f"Nothing more came of an unfinished append for {silent_s:g} s; nothing of it was written.",
    )
