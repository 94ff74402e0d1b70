"""Two logs side by side: how far the one begins as the other does, event by event.

Two events are the same where everything is that the proof log commits to, and the metadata and salts that open it:
stream, version, id, type, content type, time, data, metadata, salt. Positions are a ledger's own and are not compared.
A comparison reads each log once and goes on where it was: what has been written since is compared, and no more.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from ledger.port import BESIDE, OWN_STREAM, PAGE_EVENTS_MAX, Keeper, Ledger, Recorded
from ledger.proof.commitment import entry_of
from ledger.proof.merkle import SIZE_MAX, Range, leaf_hashes

OF_THE_SERVER: Final = "$$$"
"""Metadata of a KurrentDB's system streams: each such server has its own. Elsewhere they are streams as others."""

Told: TypeAlias = Callable[[int, int], None]
"""Called with the position in the first log that has been reached, and the one it ends at as far as is known."""

Paired: TypeAlias = Callable[[Sequence[Recorded], Sequence[Recorded]], None]
"""Called with events of both logs that are the same, in order."""


class Differs(Exception):
    """The logs part: `here` is the first event of the first log that the second does not have in its place, `there`
    what it has instead; None where a log has ended.
    """

    def __init__(self, index: int, here: Recorded | None, there: Recorded | None) -> None:
        super().__init__(f"entry {index}: {_spoken(here)} and {_spoken(there)}")
        self.index, self.here, self.there = index, here, there


class Reached(msgspec.Struct, frozen=True):
    """How far two logs are the same: so many events, up to these positions, with this tree of the proof log over them.
    `left`: whether the first, and the second, have more.
    """

    size: int
    position: int
    other_position: int
    root: bytes
    left: tuple[bool, bool]


class Comparison:
    """See the module. One task at a time asks it."""

    def __init__(self, log: Ledger, other: Ledger) -> None:
        self._log: Final = _Side(log)
        self._other: Final = _Side(other)
        self._tree: Final = Range()
        self._positions = 0, 0

    async def go_on(self, told: Told, paired: Paired = lambda _here, _there: None, *, until: int = SIZE_MAX) -> Reached:
        """Compare until one of the logs has ended, or so many events in all are the same. Raises Differs, where asked
        again it would again; what the ledgers raise, and may be asked again then.
        """
        head = await self._log.ledger.head()
        while True:
            here, there = await asyncio.gather(self._log.ahead(), self._other.ahead())
            count = min(len(here), len(there), until - self._tree.size)
            if not count:
                break
            here, there = here[:count], there[:count]
            await asyncio.to_thread(self._take, here, there)
            paired(here, there)
            self._log.taken(count)
            self._other.taken(count)
            self._positions = here[-1].position, there[-1].position
            told(self._positions[0], max(head, self._positions[0]))
        return Reached(self._tree.size, *self._positions, self._tree.root(), (bool(here), bool(there)))

    def _take(self, here: Sequence[Recorded], there: Sequence[Recorded]) -> None:
        for at, (one, other) in enumerate(zip(here, there, strict=True)):
            if not same(one, other):
                raise Differs(self._tree.size + at, one, other)
        self._tree.extend(leaf_hashes([entry_of(event) for event in there]))

    async def next_there(self) -> Recorded | None:
        """The first event of the second log that has not been compared."""
        return next(iter(await self._other.ahead()), None)


class _Side:
    """One log, a page of it at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger: Final = ledger
        self._page: Sequence[Recorded] = ()
        self._at = 0
        self._scanned_to = 0

    async def ahead(self) -> Sequence[Recorded]:
        """The next events, none at the end of the log."""
        at_head = False
        while self._at == len(self._page) and not at_head:
            page = await self.ledger.read_all(self._scanned_to, limit=PAGE_EVENTS_MAX)
            self._page, self._at = page.events, 0
            self._scanned_to, at_head = max(self._scanned_to, page.scanned_to), page.at_head
        return self._page[self._at :]

    def taken(self, count: int) -> None:
        self._at += count


def same(one: Recorded, other: Recorded) -> bool:
    """Whether both are the same entry of a proof log, opened by the same metadata and salt."""
    return (
        one.id == other.id
        and one.version == other.version
        and one.stream == other.stream
        and one.recorded_at_us == other.recorded_at_us
        and one.salt == other.salt
        and one.data == other.data
        and one.metadata == other.metadata
        and one.type == other.type
        and one.content_type == other.content_type
    )


async def beside_of(ledger: Ledger) -> list[str]:
    """The streams beside a log that are its writers', not the log's own and not its server's."""
    left_out = {OWN_STREAM, *await of_server(ledger)}
    return [one for one in await ledger.streams_beside() if one not in left_out]


async def of_server(ledger: Ledger) -> list[str]:
    """The streams beside a log that are a KurrentDB's own."""
    if ledger.keeper is not Keeper.KURRENTDB:
        return []
    return [one for one in await ledger.streams_beside() if one.startswith(OF_THE_SERVER)]


async def missing_beside(log: Ledger, other: Ledger, stream: str) -> list[Recorded]:
    """What the second log lacks of a stream beside the first. Raises Differs where it does not begin as that does."""
    here, there = await _whole(log, stream), await _whole(other, stream)
    for at, (one, found) in enumerate(zip(here, there, strict=False)):
        if not _same_beside(one, found):
            raise Differs(at, one, found)
    if len(there) > len(here):
        raise Differs(len(here), None, there[len(here)])
    return here[len(there) :]


async def only_beside(log: Ledger, other: Ledger) -> Iterable[str]:
    """The streams beside the second log that the first does not have."""
    return sorted(set(await beside_of(other)) - set(await beside_of(log)))


async def _whole(ledger: Ledger, stream: str) -> list[Recorded]:
    events: list[Recorded] = []
    begin: int | None = 0
    while begin is not None:
        page = await ledger.read_beside(stream, from_version=begin, limit=PAGE_EVENTS_MAX)
        events += page.events
        begin = page.next_from
    return events


def _same_beside(one: Recorded, other: Recorded) -> bool:
    """Time and place beside a log are those of the log that it stands beside."""
    return all(getattr(one, name) == getattr(other, name) for name in _BESIDE_FIELDS)


_BESIDE_FIELDS: Final = ("id", "stream", "version", "type", "content_type", "data", "metadata")


def _spoken(event: Recorded | None) -> str:
    if event is None:
        return "nothing"
    return f"{event.type} {event.id.hex()} in {event.stream.removeprefix(BESIDE)} at {event.position}"
