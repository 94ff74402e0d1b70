"""How many calls may be under way: counted when it is known whose they are, so that who is not admitted takes nobody's
place.
"""

import asyncio
from collections import Counter
from typing import Final

import grpc

from ledger.server.access import Admission, Grant, Withdrawal
from ledger.server.errors import Refused


class Places:
    """An admission with so many places. Services, which carry, have as many to themselves as all others share, and of
    what others share nobody has more than `each_max`: whoever is known by one credential is one, in however many ways
    it is written. Grants that hold for ever, of which each stands for many callers, are not counted apart.
    """

    def __init__(self, admit: Admission, calls_max: int, each_max: int) -> None:
        self._admit, self._calls_max, self._each_max = admit, calls_max, each_max
        self._taken: Final = Counter[bool]()
        self._each: Final = Counter[Withdrawal]()

    async def __call__(self, authorization: str | None) -> Grant:
        """The task of the call keeps the place until it is done."""
        grant = await self._admit(authorization)
        carries = grant.carries
        if self._taken[carries] >= self._calls_max:
            raise _exhausted(
                f"正在进行的调用已达上限 {self._calls_max} 个。"
                f"Concurrent RPC limit exceeded: {self._calls_max} calls are under way."
            )
        holder = grant.withdrawal
        if holder is not None and not carries and self._each[holder] >= self._each_max:
            raise _exhausted(
                f"同一凭证至多 {self._each_max} 个调用同时进行。"
                f"Concurrent RPC limit exceeded: at most {self._each_max} calls of one credential may be under way."
            )
        self._taken[carries] += 1
        if holder is not None:
            self._each[holder] += 1
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: self._leave(holder, carries=carries))
        return grant

    def _leave(self, holder: Withdrawal | None, *, carries: bool) -> None:
        self._taken[carries] -= 1
        if holder is not None:
            self._each[holder] -= 1
            if not self._each[holder]:
                del self._each[holder]


def _exhausted(details: str) -> Refused:
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
