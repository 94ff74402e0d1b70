"""What decides: a record of pure functions, and how parts of one life are composed into one.

`decide(command, state) -> events` refuses by raising a Refusal; `evolve(state, event) -> state` never refuses. Both are
pure: no clock, no chance, no I/O. Time and ids come in with the command.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, get_args

import msgspec

CATEGORY_SEPARATOR: Final = "-"

State = TypeVar("State")
Event = TypeVar("Event", bound=msgspec.Struct)
Decide: TypeAlias = Callable[[Any, State], Sequence[msgspec.Struct]]
Evolve: TypeAlias = Callable[[State, Any], State]


class Part(msgspec.Struct, Generic[State], frozen=True):
    """The commands and events of one phase of a life, over the state of the whole.

    `furnished` are commands as they are decided where what was given is not enough: with what the service found out
    from other streams. Nobody outside gives one, and none is written anywhere.
    """

    commands: tuple[type[msgspec.Struct], ...]
    events: tuple[type[msgspec.Struct], ...]
    decide: Decide[State]
    evolve: Evolve[State]
    furnished: tuple[type[msgspec.Struct], ...] = ()


class Decider(msgspec.Struct, Generic[State], frozen=True):
    """A noun's rules. `begins` are the commands that begin a stream, decided on `initial`; `key` names the command's
    stream within the category.
    """

    category: str
    initial: State
    key: str
    begins: tuple[type[msgspec.Struct], ...]
    parts: tuple[Part[State], ...]
    _decides: dict[type, Decide[State]] = {}
    _evolves: dict[type, Evolve[State]] = {}

    def __post_init__(self) -> None:
        for part in self.parts:
            for command in (*part.commands, *part.furnished):
                _once(self._decides, command, part.decide)
            for event in part.events:
                _once(self._evolves, event, part.evolve)
        if strangers := set(self.begins) - self._decides.keys():
            raise ValueError(f"{self.category} begins with commands it does not decide: {strangers}")

    @property
    def commands(self) -> tuple[type[msgspec.Struct], ...]:
        return tuple(command for part in self.parts for command in part.commands)

    @property
    def events(self) -> tuple[type[msgspec.Struct], ...]:
        return tuple(self._evolves)

    def stream(self, command: msgspec.Struct) -> str:
        """The name of the stream that a command is about."""
        return self.stream_of(getattr(command, self.key))

    def stream_of(self, key: str) -> str:
        """The name of the stream with this key."""
        return f"{self.category}{CATEGORY_SEPARATOR}{key}"

    def decide(self, command: msgspec.Struct, state: State) -> Sequence[msgspec.Struct]:
        """The events that the command leads to, or a Refusal raised. No events: it was so already."""
        return self._decides[type(command)](command, state)

    def evolve(self, state: State, event: msgspec.Struct) -> State:
        """The state after one more event."""
        return self._evolves[type(event)](state, event)

    def fold(self, events: Iterable[msgspec.Struct], state: State | None = None) -> State:
        """The state after these events, from `state` or from the beginning."""
        folded = self.initial if state is None else state
        evolves = self._evolves
        for event in events:
            folded = evolves[type(event)](folded, event)
        return folded


def becomes(command: msgspec.Struct, event: type[Event], **more: Any) -> Event:
    """The event with the members it shares with the command by name, and `more`."""
    said = msgspec.structs.asdict(command)
    for name in _unshared(type(command), event):
        del said[name]
    said |= more
    return event(**said)


@cache
def _unshared(command: type[msgspec.Struct], event: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name in command.__struct_fields__ if name not in event.__struct_fields__)


def members(union: Any) -> tuple[type[msgspec.Struct], ...]:
    """The classes of a union, or the one class it is."""
    return get_args(union) or (union,)


def _once(table: dict[type, Any], key: type, value: object) -> None:
    if key in table:
        raise ValueError(f"{key.__name__} belongs to two parts")
    table[key] = value
