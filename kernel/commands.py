"""What a service offers to both doors: a decider's commands, who may give them, and how their ids are made.

A command has one path, `/v1/<plural>/{key}/<command-name>`, which names the stream. Its id is made from that path, the
actor and the caller's Idempotency-Key, whichever door it came through: a key that is used again for another command
on the same stream is therefore found there, and keys of different callers or streams never meet.
"""

import inspect
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from kernel.decider import Decider
from kernel.handling import Ask, Context, Outcome, Permit
from kernel.intake import UNKNOWN_FIELD, field_error, malformed, struct_of, value_of
from kernel.principal import Principal
from kernel.refusal import CommandWarning, Refusal, unreadable
from kernel.telemetry import current_traceparent

COMMAND_NAMESPACE: Final = uuid.UUID("6d0f1c1e-9a55-5f1d-8c5b-0d5a3c1f7e2b")
"""Names the ids of commands apart from any other UUID version 5. Never changed: old keys would count as new."""

RESERVED_KEY: Final = "bulk"
"""Not the key of any stream: the path of bulk calls has it in that place."""

KEY_RESERVED = unreadable(
    "command.reserved_key", "“{key}” 是保留字，不能用作编号。", "“{key}” is reserved and cannot be an id"
)

Do: TypeAlias = Callable[[Any, Context, Permit], Awaitable[Outcome]]
DoMany: TypeAlias = Callable[[Sequence[Ask]], Awaitable[list[Outcome | Refusal]]]
PermitFor: TypeAlias = Callable[[Principal, Sequence[msgspec.Struct]], Awaitable[Permit]]
"""What judges these commands, coming from this principal, each with its stream as it is recorded when it is decided: a
view would be behind. What is to be known beside the stream is found out beforehand.
"""


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the command led to. `type` is its name in the log."""

    type: str
    data: msgspec.Raw


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command. `position` is 0 and `events` empty where it was so already; `repeated` says that this
    very command had been done before, and this is what was recorded then. `warnings` say what is amiss with a command
    that was done all the same, each time that it is given; mostly there are none.
    """

    stream: str
    version: int
    position: int
    repeated: bool
    events: tuple[RecordedEvent, ...]
    warnings: tuple[CommandWarning, ...] = ()


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """The commands of one decider as both doors offer them.

    `permit` has no default: who offers commands says who may give them. `inside` are those that the service's own
    policies give: no door takes them. Without `do_many` there is no bulk call. `may_begin` are those that, beside the
    decider's `begins`, can be the first thing recorded of a stream. `shown_at` is the path where what a stream is about
    is shown, its key in braces.
    """

    service: str
    decider: Decider[Any]
    plural: str
    do: Do
    permit: PermitFor
    do_many: DoMany | None = None
    inside: frozenset[type[msgspec.Struct]] = frozenset()
    may_begin: frozenset[type[msgspec.Struct]] = frozenset()
    shown_at: str | None = None

    @property
    def offered(self) -> tuple[type[msgspec.Struct], ...]:
        return tuple(command for command in self.decider.commands if command not in self.inside)

    def key_type(self, command: type[msgspec.Struct]) -> Any:
        """The type of the command's key, with its bounds."""
        return next(field.type for field in msgspec.structs.fields(command) if field.name == self.decider.key)

    def key_name(self, command: type[msgspec.Struct]) -> str:
        """The key's name in JSON."""
        return next(field.encode_name for field in msgspec.structs.fields(command) if field.name == self.decider.key)

    def path(self, command: type[msgspec.Struct], key: str) -> str:
        return f"/v1/{self.plural}/{key}/{kebab(command.__name__)}"

    def bulk_path(self, command: type[msgspec.Struct]) -> str:
        return f"/v1/{self.plural}/{RESERVED_KEY}/{kebab(command.__name__)}"

    def read(self, command: type[msgspec.Struct], key: str, plain: object) -> Any:
        """A command from the key in its path and the other fields in its body."""
        name = self.key_name(command)
        value = value_of(self.key_type(command), key, name)
        if not isinstance(plain, dict):
            return struct_of(command, plain)
        if name in plain:
            raise malformed([field_error(UNKNOWN_FIELD(field=name), name)])
        return struct_of(command, {**plain, name: value})

    def context(
        self,
        principal: Principal,
        command: msgspec.Struct,
        idempotency_key: str,
        *,
        nth: int = 0,
        expected_version: int | None = None,
    ) -> Context:
        """Who asks this, and under which id. `nth` counts the commands on the same stream within one call."""
        stream_key = str(getattr(command, self.decider.key))
        if stream_key == RESERVED_KEY:
            raise KEY_RESERVED(key=stream_key)
        path = self.path(type(command), stream_key)
        key = idempotency_key if nth == 0 else f"{idempotency_key} {nth}"
        return Context(
            command_id=command_id(self.service, principal.subject, path, key),
            actor=principal.subject,
            traceparent=current_traceparent(),
            expected_version=expected_version,
        )

    def accepted(self, outcome: Outcome) -> Accepted:
        """The outcome as both doors tell it."""
        encode = msgspec.json.encode
        return Accepted(
            stream=outcome.stream,
            version=outcome.version,
            position=outcome.position,
            repeated=outcome.repeated,
            events=tuple(
                RecordedEvent(type=f"{self.service}.{type(event).__name__}", data=msgspec.Raw(encode(event)))
                for event in outcome.events
            ),
            warnings=outcome.warnings,
        )


def command_id(service: str, actor: str, path: str, idempotency_key: str) -> uuid.UUID:
    """The id of what this actor asks under this key on this path."""
    return uuid.uuid5(COMMAND_NAMESPACE, msgspec.json.encode((service, actor, path, idempotency_key)).decode())


def kebab(name: str) -> str:
    """RecordFinalReading as record-final-reading."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def described(command: type[msgspec.Struct]) -> str:
    """The command's own docstring; msgspec gives a class without one none that counts."""
    own: Mapping[str, Any] = vars(command)
    return inspect.cleandoc(own.get("__doc__") or "")
