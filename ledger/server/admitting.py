"""How many calls may be under way: counted when it is known whose they are, so that who is not admitted takes nobody's
place.
"""

import asyncio
from collections import Counter
from typing import Final

import grpc

from ledger.server.access import Admission, Grant
from ledger.server.errors import Refused


class Places:
    """An admission with so many places. Services, which carry, have as many to themselves as all others share, and of
    what others share nobody has more than `each_max`.
    """

    def __init__(self, admit: Admission, calls_max: int, each_max: int) -> None:
        self._admit, self._calls_max, self._each_max = admit, calls_max, each_max
        self._taken: Final = Counter[bool]()
        self._each: Final = Counter[str | None]()

    async def __call__(self, authorization: str | None) -> Grant:
        """The task of the call keeps the place until it is done."""
        grant = await self._admit(authorization)
        carries = grant.carries
        if self._taken[carries] >= self._calls_max:
            raise _exhausted(
                f"正在进行的调用已达上限 {self._calls_max} 个。"
                f"Concurrent RPC limit exceeded: {self._calls_max} calls are under way."
            )
        if not carries and self._each[authorization] >= self._each_max:
            raise _exhausted(
                f"同一凭证至多 {self._each_max} 个调用同时进行。"
                f"Concurrent RPC limit exceeded: at most {self._each_max} calls of one credential may be under way."
            )
        self._taken[carries] += 1
        self._each[authorization] += 1
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: self._leave(authorization, carries=carries))
        return grant

    def _leave(self, authorization: str | None, *, carries: bool) -> None:
        self._taken[carries] -= 1
        self._each[authorization] -= 1
        if not self._each[authorization]:
            del self._each[authorization]


def _exhausted(details: str) -> Refused:
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
