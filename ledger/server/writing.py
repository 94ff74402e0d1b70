"""What every way of appending goes through: how many at once, in the log or beside it."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.embedded import Check, EmbeddedLedger
from ledger.port import BESIDE, NO_STREAM, Append, Conflict, Direction, Expected, Receipt
from ledger.server.access import Grant
from ledger.server.holding import Budget, Held
from ledger.server.metadata import check_keeps_everything
from ledger.server.proposing import meets

APPENDS_UNDER_WAY_MAX: Final = 2_048
"""Appends of all calls that the ledger has at a time; more wait here, where it would turn them away."""


class Appended(NamedTuple):
    """Where a stream is after an append, None if it does not exist, and the position of the append's last event."""

    version: int | None
    position: int | None


class Writing:
    """Appends take their turn in the order in which they come, and so does each stream's share of them."""

    def __init__(self, ledger: EmbeddedLedger, *, held_bytes_max: int, silent_s_max: float) -> None:
        self._ledger: Final = ledger
        self._room: Final = asyncio.Semaphore(APPENDS_UNDER_WAY_MAX)
        self._of_services: Final = Budget(held_bytes_max, silent_s_max)
        self._of_others: Final = Budget(held_bytes_max, silent_s_max)

    def holding(self, grant: Grant) -> Held:
        """For the appends of one call. Services have a budget to themselves, which others cannot exhaust."""
        return Held(self._of_services if grant.carries else self._of_others)

    async def append(self, append: Append) -> Appended:
        """To one stream, in the log or beside it. An append of no events is one as well: it finds out where the stream
        is.
        """
        if not append.drafts:
            actual = await self.actual(append.stream)
            if not meets(append.expected, actual):
                raise Conflict(append.stream, append.expected, actual)
            return Appended(actual if isinstance(actual, int) else None, None)
        if append.stream.startswith(BESIDE):
            check_keeps_everything(append.drafts)
            async with self._room:
                receipt = await self._ledger.append_beside(append)
        else:
            receipt = await self.append_all([append])
        return Appended(receipt.versions[0], receipt.position)

    async def append_all(
        self, appends: Sequence[Append], checks: Sequence[Check] = (), order: Sequence[int] = ()
    ) -> Receipt:
        async with self._room:
            return await self._ledger.append(appends, checks, order)

    async def actual(self, stream: str) -> Expected:
        """The version of the stream's last event, NO_STREAM if it has none."""
        read = self._ledger.read_beside if stream.startswith(BESIDE) else self._ledger.read
        newest = (await read(stream, direction=Direction.BACKWARDS, limit=1)).events
        return newest[0].version if newest else NO_STREAM
