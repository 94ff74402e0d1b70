"""What a ledger can do beyond the port when it keeps its events itself, so that it can be served over KurrentDB's
protocol.
"""

from collections.abc import Collection, Sequence
from typing import Final, Protocol

import msgspec

from ledger.port import PAGE_EVENTS, Append, Direction, Ledger, Receipt, Recorded, StreamPage, StreamState

SCAN_EVENTS_MAX: Final = 16_384
"""Events that one page looks at when a filter lets little through: some milliseconds."""


class Check(msgspec.Struct, frozen=True, gc=False):
    """Where the writer believes a stream to be that the call does not write to."""

    stream: str
    expected: int | StreamState


class EmbeddedLedger(Ledger, Protocol):
    """The port, and what only its own storage can answer."""

    async def append(
        self, appends: Sequence[Append], checks: Sequence[Check] = (), order: Sequence[int] = ()
    ) -> Receipt:
        """As the port's. Events stand in the log append by append, or as `order` has them: for each event in turn, the
        index of the append it is of.

        All checks hold at the moment of recording, or nothing is recorded and Conflict names the first that does not. A
        call that had been recorded before is success whatever has become of its checks. The streams of checks are
        distinct, of each other and of those written, at most APPEND_EVENTS_MAX.
        """
        ...

    async def read(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
    ) -> StreamPage:
        """As the port's. Of events of any of these types, if any is named; then the work is bounded as in `read_all`,
        and a page that is not the last may have few events or none.
        """
        ...

    async def read_back(self, before: int | None = None, limit: int = PAGE_EVENTS) -> Sequence[Recorded]:
        """Up to `limit` events of the log at positions less than `before`, the last first; from the end without it.
        There may be fewer, for the sake of their size; none only where there are none.
        """
        ...
