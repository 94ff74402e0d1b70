"""The states of other streams than the one a command is about, as they are recorded at the moment of asking.

A view would be behind. States are kept folded, and caught up by what was added since: a short read for each stream
asked for, however long it has grown.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, Final, Generic

import msgspec

from kernel.codec import Codec
from kernel.decider import Decider, State
from ledger.port import Ledger, StreamPage

KEPT: Final = 10_000
"""States kept, at some hundred bytes each."""


class _Kept(msgspec.Struct, Generic[State], frozen=True):
    """A state, and the version of the last event in it; -1 where there is none."""

    state: State
    version: int


class Folded(Generic[State]):
    """The streams of one decider, asked for by their keys."""

    def __init__(self, ledger: Ledger, decider: Decider[State], codec: Codec, *, kept: int = KEPT) -> None:
        self._ledger: Final = ledger
        self._decider: Final = decider
        self._decode: Final = codec.decode
        self._most: Final = kept
        self._kept: Final[OrderedDict[str, _Kept[State]]] = OrderedDict()

    async def now(self, keys: Collection[str]) -> Mapping[str, State]:
        """The state of each; the initial one where there is no such stream. Raises ledger.port.Unavailable."""
        known = {key: self._kept[key] for key in {*keys} if key in self._kept}
        found = {key: await self._caught_up(key, kept) for key, kept in known.items()}
        streams = {self._decider.stream_of(key): key for key in {*keys} - known.keys()}
        pages = await self._ledger.read_many(streams) if streams else {}
        for stream, key in streams.items():
            unread = _Kept(self._decider.initial, -1)
            found[key] = await self._caught_up(key, unread, pages[stream]) if stream in pages else unread
        for key, kept in found.items():
            self._keep(key, kept)
        return {key: kept.state for key, kept in found.items()}

    async def _caught_up(self, key: str, kept: _Kept[State], page: StreamPage | None = None) -> _Kept[State]:
        """The state after this page, or the next, and all that come after it."""
        stream, next_from = self._decider.stream_of(key), kept.version + 1
        while True:
            got = page or await self._ledger.read(stream, from_version=next_from)
            page = None
            if got.events:
                events: list[Any] = [self._decode(one) for one in got.events]
                kept = _Kept(self._decider.fold(events, kept.state), got.events[-1].version)
            if got.next_from is None:
                return kept
            next_from = got.next_from

    def _keep(self, key: str, kept: _Kept[State]) -> None:
        """Keep it, unless somebody else has read further meanwhile. A stream that is not there is not kept."""
        before = self._kept.get(key)
        if kept.version >= 0 and (before is None or before.version < kept.version):
            self._kept[key] = kept
        if key in self._kept:
            self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
