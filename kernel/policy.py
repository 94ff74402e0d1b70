"""What follows from an event: a policy is a table from event types to pure functions that say which commands to ask.

    WHEN_SHIPMENT_RECEIVED = Policy(
        name="meters_follow_shipment",
        when={shipment.Received: when_received_receive_meters},
    )

    def when_received_receive_meters(event, recorded): yield from (Receive(...) for asset_no in event.asset_nos)

A command's id is made from the event's id, the policy's name and the command's place in what the function says, so that
asking again after a crash asks for the same thing: the functions depend on nothing but the event, and keep the order of
what they say. They may say thousands of commands, and are not asked for more at once than are handled together.

A clock policy asks a view what is due. A deadline has an identity of its own, from which the command's id is made.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection

from kernel.handling import Ask, Context
from kernel.telemetry import continuing, current_traceparent
from ledger.port import Recorded

React: TypeAlias = Callable[[Any, Recorded], Iterable[msgspec.Struct]]
Due: TypeAlias = Callable[[Connection, int], Iterable[tuple[str, msgspec.Struct]]]
"""What is due at an instant (microseconds since 1970-01-01 UTC), earliest first: identities and commands. It leaves out
what cannot be done, or that would be asked again for ever.
"""

DEADLINES: Final = uuid.UUID("0d4f2c6a-5b1e-5c53-9d0a-6f3b8a7e1c42")
"""Names the ids of commands that a clock policy asks. Never changed: what was done would count as new."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. The name is part of the commands' ids and is never changed."""

    name: str
    when: Mapping[type[msgspec.Struct], React]


class ClockPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. What is due is asked for every `every_s` seconds."""

    name: str
    every_s: float
    due: Due


class _Cause(msgspec.Struct):
    """As much of an event's metadata as goes on to what follows from it."""

    correlation_id: str | None = msgspec.field(default=None, name="$correlationId")
    traceparent: str | None = None


_read_cause: Final = msgspec.json.Decoder(_Cause).decode


def asks(policy: Policy, event: Any, recorded: Recorded) -> Iterator[Ask]:
    """The policy's commands on this event, made one by one as they are taken."""
    said = iter(policy.when[type(event)](event, recorded))
    # Mostly an event leads to nothing, and then its cause is of no interest.
    first = next(said, None)
    if first is None:
        return
    cause = _cause(recorded.metadata)
    with continuing(f"policy {policy.name}", cause.traceparent):
        traceparent = current_traceparent() or cause.traceparent
    event_id, correlation_id = uuid.UUID(bytes=recorded.id), _uuid(cause.correlation_id)
    for index, command in enumerate(chain((first,), said)):
        yield Ask(
            command,
            Context(
                command_id=command_id(event_id, policy.name, index),
                actor=actor(policy.name),
                correlation_id=correlation_id,
                causation_id=event_id,
                traceparent=traceparent,
            ),
        )


def command_id(event_id: uuid.UUID, policy: str, index: int) -> uuid.UUID:
    """The id of the command at this place of what a policy says on an event."""
    return uuid.uuid5(event_id, f"{policy}/{index}")


def deadline_command_id(policy: str, identity: str) -> uuid.UUID:
    """The id of the command that a clock policy asks for this deadline."""
    return uuid.uuid5(DEADLINES, f"{policy}/{identity}")


def actor(policy: str) -> str:
    """Who asks, in the events' metadata."""
    return f"policy:{policy}"


def _cause(metadata: bytes) -> _Cause:
    try:
        return _read_cause(metadata)
    except msgspec.MsgspecError:
        # Another writer's metadata is its own business.
        return _Cause()


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
