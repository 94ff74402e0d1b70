"""The order of an import's batches, of which several are under way at once: one is being noted, one written, and one
decided.

Each of these is done to one batch after the other. Positions in the log then grow with the rows: after a kill, what is
beyond the last position noted is what was not noted.
"""

import asyncio
from typing import Final, Self


class NotInTurn(Exception):
    """The batch before was not recorded, so this one is not either."""


class Turn:
    """A batch's place in the order."""

    def __init__(self, before: Self | None = None) -> None:
        """`before` is the turn of the batch before this one."""
        self.decided: Final = asyncio.Event()
        self.recorded: Final[asyncio.Future[bool]] = asyncio.get_running_loop().create_future()
        # Not the turn itself, or a long import would keep all of them.
        self._before: Final = None if before is None else (before.decided, before.recorded)

    async def to_decide(self) -> None:
        """Wait until the batch before is decided."""
        if self._before is not None:
            await self._before[0].wait()

    async def to_record(self) -> None:
        """Let the next one be decided, and wait until the batch before is recorded. Its receipt is at hand then, so
        this one comes after it whatever conflicts there are. Raises NotInTurn.
        """
        self.decided.set()
        if self._before is not None and not await asyncio.shield(self._before[1]):
            raise NotInTurn

    def over(self, *, recorded: bool) -> None:
        """The batch is recorded; or it failed, and nothing after it is to be recorded."""
        self.decided.set()
        self.recorded.set_result(recorded)
