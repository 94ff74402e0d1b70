"""given / when / then for deciders, views and policies.

    given(METER, [Registered(...)]).when(Receive(...)).then([Received(...)])
    given(METER, [Registered(...)]).when(Receive(...)).refused(NOT_DISPATCHED)
    assert rows(CARD, [Registered(...), Received(...)]) == {("4130...",): Card(...)}
    assert asked(OPEN_CLAIM, VerdictReached(...)) == [OpenClaim(...)]

Commands and decided events also go through JSON and back: what a door would not let in, or the log could not be read
with, fails here.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from kernel.codec import Codec
from kernel.decider import Decider
from kernel.handling import event_id
from kernel.refusal import Reason, Refusal
from ledger.port import JSON, Recorded

NO_SALT = bytes(32)
SAMPLE_COMMAND = UUID(int=0)


class given:  # noqa: N801  reads as a sentence
    """A stream as it stands. Events of `then` stand too, so that a longer story goes on with another `when`."""

    def __init__(self, decider: Decider, events: Iterable[msgspec.Struct] = ()) -> None:
        self.decider, self.state = decider, decider.fold(events)
        self.outcome: Sequence[msgspec.Struct] | Refusal = ()

    def when(self, command: msgspec.Struct) -> "given":
        assert same_through_json(command)
        try:
            self.outcome = list(self.decider.decide(command, self.state))
        except Refusal as refusal:
            self.outcome = refusal
        return self

    def then(self, events: Sequence[msgspec.Struct]) -> "given":
        if isinstance(self.outcome, Refusal):
            pytest.fail(f"refused: {self.outcome}")
        assert list(self.outcome) == list(events)
        assert all(same_through_json(event) for event in events)
        self.state = self.decider.fold(events, self.state)
        return self

    def refused(self, reason: Reason, **details: object) -> "given":
        """Refused for this reason; of the values in its message, those named here are compared."""
        assert isinstance(self.outcome, Refusal), f"not refused: {self.outcome}"
        assert (type(self.outcome), self.outcome.code) == (reason.kind, reason.code)
        assert {name: self.outcome.details.get(name) for name in details} == details
        return self


def recorded(event: msgspec.Struct, position: int = 1, *, codec: Codec | None = None, **fields: object) -> Recorded:
    """The event as the log gives it back; `fields` are those of Recorded. Recorded one second a position."""
    given_fields = {
        "id": event_id(SAMPLE_COMMAND, position),
        "stream": "sample-1",
        "version": position - 1,
        "type": codec.type_of(event) if codec else f"sample.{type(event).__name__}",
        "content_type": JSON,
        "data": msgspec.json.encode(event),
        "metadata": b"",
        "recorded_at_us": position * 1_000_000,
        "salt": NO_SALT,
    }
    return Recorded(position=position, **(given_fields | fields))


def rows(view: Any, events: Iterable[msgspec.Struct | tuple[msgspec.Struct, Recorded]]) -> dict[tuple, msgspec.Struct]:
    """What the view holds after these events, by key. Where position, stream or time matter, pair an event with its
    `recorded(...)`.
    """
    held: dict[tuple, msgspec.Struct] = {}
    for position, item in enumerate(events, 1):
        event, as_recorded = item if isinstance(item, tuple) else (item, recorded(item, position))
        for key in view.keys(event, as_recorded):
            row = view.evolve(held.get(key), event, as_recorded, key)
            if row is None:
                held.pop(key, None)
            else:
                held[key] = row
    return held


def asked(policy: Any, event: msgspec.Struct, **fields: object) -> list[msgspec.Struct]:
    """The commands with which the policy answers an event; `fields` are those of `recorded`."""
    commands = list(policy.when[type(event)](event, recorded(event, **fields)))
    assert all(same_through_json(command) for command in commands)
    return commands


def same_through_json(message: msgspec.Struct) -> bool:
    """Whether the message stays what it is through JSON, its bounds checked."""
    return msgspec.json.decode(msgspec.json.encode(message), type=type(message)) == message


def fresh_id() -> UUID:
    """An id for a command that nobody gave before."""
    return UUID(bytes=os.urandom(16), version=4)
