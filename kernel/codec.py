"""Between an event and its bytes in the log.

The type's name in the log is `<service>.<Event>` and is never changed. The data is JSON of the struct, members that
hold their default left out: a default therefore always means "absent" and is never changed either. An event of an old
shape is read by its upcaster.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from ledger.port import Recorded

KEPT: Final = 5_000
KEPT_BYTES: Final = 8 * 1024 * 1024
"""Events kept as they were written, twice as many at most: some batches, which those that follow the log read soon
after. Of those larger than most there are fewer.
"""

_Written: TypeAlias = dict[bytes, tuple[msgspec.Struct, bytes]]

Upcaster: TypeAlias = Callable[[bytes], msgspec.Struct]
"""The data of an old shape as an event of today's."""


class Undecodable(Exception):
    """An event in the log that this version does not know or cannot read."""

    def __init__(self, recorded: Recorded, why: str) -> None:
        super().__init__(f"{recorded.type} at position {recorded.position} of {recorded.stream}: {why}")
        self.recorded = recorded


class Codec:
    """The events of one service. `upcasters` are keyed by the type name that is no longer written."""

    def __init__(
        self,
        service: str,
        events: Iterable[type[msgspec.Struct]],
        upcasters: Mapping[str, Upcaster] | None = None,
    ) -> None:
        self.service: Final = service
        self._names: Final = {event: f"{service}.{event.__name__}" for event in events}
        self._readers: Final[dict[str, Upcaster]] = {
            name: msgspec.json.Decoder(event).decode for event, name in self._names.items()
        }
        self.upcast: Final = frozenset(upcasters or ())
        for name, upcaster in (upcasters or {}).items():
            if name in self._readers:
                raise ValueError(f"{name} is written today; an upcaster is for a name that is not")
            self._readers[name] = upcaster
        self.encode: Final[Callable[[msgspec.Struct], bytes]] = msgspec.json.Encoder().encode
        self._written: _Written = {}
        self._written_before: _Written = {}
        self._written_bytes = 0

    @property
    def types(self) -> Mapping[str, type[msgspec.Struct]]:
        """Every type name written today, with its class."""
        return {name: event for event, name in self._names.items()}

    def type_of(self, event: msgspec.Struct) -> str:
        return self._names[type(event)]

    def reads(self, type_name: str) -> bool:
        """Whether events of this type are this service's."""
        return type_name in self._readers

    def keep(self, event_id: bytes, event: msgspec.Struct, data: bytes) -> None:
        """Keep an event that is about to be recorded: whoever reads just this soon finds it without reading it again.
        One that is not recorded after all is found by nobody.
        """
        if len(self._written) >= KEPT or self._written_bytes >= KEPT_BYTES:
            self._written_before, self._written, self._written_bytes = self._written, {}, 0
        self._written[event_id] = (event, data)
        self._written_bytes += len(data)

    def decode(self, recorded: Recorded) -> Any:
        """The event, or Undecodable raised."""
        kept = self._written.get(recorded.id) or self._written_before.get(recorded.id)
        if kept is not None and kept[1] == recorded.data and self.type_of(kept[0]) == recorded.type:
            return kept[0]
        reader = self._readers.get(recorded.type)
        if reader is None:
            raise Undecodable(recorded, "no such type in this version")
        try:
            return reader(recorded.data)
        except msgspec.MsgspecError as error:
            raise Undecodable(recorded, str(error)) from error


class Reader:
    """What a service follows: its own events by their codec, and public events of other services by type name.

    `foreign` reads those other services' events it listens to; their remaining ones are passed over. An own event of
    unknown type is an error: a newer version of the service wrote it, and this one would miss it.
    """

    def __init__(self, codec: Codec, foreign: Mapping[str, Upcaster] | None = None) -> None:
        self._codec: Final = codec
        self._own: Final = f"{codec.service}."
        self._foreign: Final = dict(foreign or {})
        if own := [name for name in self._foreign if name.startswith(self._own)]:
            raise ValueError(f"{own} are the service's own: its codec reads them")

    def decode(self, recorded: Recorded) -> Any:
        """The event; None for one that is not this service's and not listened to. Raises Undecodable."""
        if recorded.type.startswith(self._own):
            return self._codec.decode(recorded)
        reader = self._foreign.get(recorded.type)
        if reader is None:
            return None
        try:
            return reader(recorded.data)
        except Exception as error:
            raise Undecodable(recorded, f"{type(error).__name__}: {error}") from error

    def names_of(self, events: Iterable[type[msgspec.Struct]]) -> frozenset[str]:
        """Type names under which these events may stand in the log: what upcasters and foreign readers make of theirs
        is known only afterwards, so all of those are among them.
        """
        wanted = set(events)
        own = {name for name, event in self._codec.types.items() if event in wanted}
        return frozenset(own | set(self._codec.upcast) | set(self._foreign))
