"""From positions in one log to those of the same events in a copy of it.

Positions are a ledger's own: a KurrentDB counts bytes, an embedded ledger events. A checkpoint at a position has taken
every event up to it, so in the copy it stands at the last of those same events. Both logs are read and compared from
their beginning on, for a place in a log is what came before it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ledger.comparing import Comparison, Differs, Reached, Told, beside_of, missing_beside
from ledger.copying import Obstacle, is_sealed, patiently, spoken
from ledger.port import Ledger, Recorded

NOT_SEALED: Final = Obstacle(
    "map.not_sealed",
    "源台账 {ledger_id} 未封存，仍可写入。请先用 `meterloop ledger copy` 完成复制。",
    "the source {ledger_id} is not sealed and may still be written to; finish `meterloop ledger copy` first",
)
NOT_A_COPY: Final = Obstacle(
    "map.not_a_copy",
    "目标台账不是源台账的完整副本：第 {index} 项，源有 {here}，目标有 {there}。没有更改任何内容。请先完成复制。",
    "the target does not hold all of the source: as entry {index} the source has {here}, the target {there}; nothing"
    " was changed, finish the copy first",
)
LACKS_BESIDE: Final = Obstacle(
    "map.not_a_copy",
    "目标台账不是源台账的完整副本：台账旁的流 {stream} 缺少内容或不同。没有更改任何内容。请先完成复制。",
    "the target does not hold all of the source: the stream {stream} beside it is not there whole, or is another;"
    " nothing was changed, finish the copy first",
)
OTHER_TREE: Final = Obstacle(
    "map.other_tree",
    "存证日志已签名的 {size} 项与源台账的前 {size} 项不符。没有更改任何内容。请用 `meterloop ledger fsck` 查明。",
    "the proof log has signed {size} entries, and the first {size} of the source are not those; nothing was changed,"
    " see `meterloop ledger fsck`",
)


class Signed(msgspec.Struct, frozen=True):
    """A tree that a proof log has signed over the source: what is to be found there again."""

    size: int
    position: int
    root: bytes


class Mapped(msgspec.Struct, frozen=True):
    """Where positions of the source are in the copy. `marks` are the copy's positions of every so manieth of the signed
    entries, from the first on; `same`: each event has the same position in both logs.
    """

    size: int
    same: bool
    marks: Sequence[int]
    wanted: Sequence[int]
    found: Sequence[int]

    def position_of(self, position: int) -> int:
        """Of a position that was asked for. KeyError for another."""
        if not position:
            return 0
        at = bisect_left(self.wanted, position)
        if at == len(self.wanted) or self.wanted[at] != position:
            raise KeyError(position)
        return self.found[at]


class _Finding:
    """Takes pairs of events in order, and keeps what was asked for."""

    def __init__(self, wanted: Iterable[int], mark_entries: int) -> None:
        self.wanted: Final = array("Q", sorted(set(wanted) - {0}))
        self.found: Final = array("Q", bytes(8 * len(self.wanted)))
        self.marks: Final = array("Q")
        self.same = True
        self._entries: Final = mark_entries
        self._size = 0
        self._at = 0
        self._last = 0

    def take(self, here: Sequence[Recorded], there: Sequence[Recorded]) -> None:
        positions = [event.position for event in here]
        while self._at < len(self.wanted) and self.wanted[self._at] <= positions[-1]:
            before = bisect_right(positions, self.wanted[self._at])
            self.found[self._at] = there[before - 1].position if before else self._last
            self._at += 1
        self._last = there[-1].position
        self.marks.extend([there[at].position for at in range(-self._size % self._entries, len(there), self._entries)])
        self._size += len(here)
        self.same = self.same and all(one.position == other.position for one, other in zip(here, there, strict=True))

    def end(self) -> None:
        """What was asked for beyond the last event stands at it."""
        for at in range(self._at, len(self.wanted)):
            self.found[at] = self._last


async def map_positions(
    source: Ledger, target: Ledger, wanted: Iterable[int], signed: Signed | None, mark_entries: int, told: Told
) -> Mapped:
    """Find these positions of the source, a sealed log, in a whole copy of it. Raises NotCopied; what ledgers raise."""
    if not await patiently(lambda: is_sealed(source)):
        raise NOT_SEALED(ledger_id=source.ledger_id)
    finding = _Finding(wanted, mark_entries)
    comparison = Comparison(source, target)

    async def reach(until: int | None) -> Reached:
        more = {} if until is None else {"until": until}
        return await patiently(lambda: comparison.go_on(told, finding.take, **more))

    marks: Sequence[int] = ()
    try:
        if signed is not None:
            reached = await reach(signed.size)
            if (reached.size, reached.position, reached.root) != (signed.size, signed.position, signed.root):
                raise OTHER_TREE(size=signed.size)
            marks = finding.marks[:]
        reached = await reach(None)
    except Differs as differs:
        raise NOT_A_COPY(index=differs.index, here=spoken(differs.here), there=spoken(differs.there)) from differs
    if reached.left[0]:
        raise NOT_A_COPY(index=reached.size, here="…", there=spoken(None))
    await _require_beside(source, target)
    finding.end()
    return Mapped(reached.size, finding.same, marks, finding.wanted, finding.found)


async def _require_beside(source: Ledger, target: Ledger) -> None:
    """What was written beside the copy since does not matter."""
    for stream in await patiently(lambda: beside_of(source)):
        try:
            lacking = await patiently(lambda stream=stream: missing_beside(source, target, stream))  # type: ignore[misc]  # mypy infers no type of a default
        except Differs as differs:
            if differs.here is None:
                continue
            raise LACKS_BESIDE(stream=stream) from differs
        if lacking:
            raise LACKS_BESIDE(stream=stream)
