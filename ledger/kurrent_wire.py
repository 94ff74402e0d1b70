"""What a KurrentDB is asked, and what it answers, as messages of its protocol. Pure."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, TypeAlias
from uuid import UUID

from google.protobuf.struct_pb2 import Value
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as sessions_pb2

from ledger.carrying import Members, put_on, seen, wire_content_type, written
from ledger.port import BESIDE, JSON, SALT_BYTES, Append, Carried, Direction, Draft, Expected, Recorded, StreamState

TICKS_PER_US: Final = 10
"""KurrentDB counts time in 100 ns."""

WINDOW_EVENTS: Final = 1_024
"""Events that a server looks at for one page of its own while a filter catches up."""

EXPRESSION_CHARS_MAX: Final = 4_096
"""A longer regular expression is not sent, which `ledger serve` would refuse; prefixes let a little more through."""

ReadReq: TypeAlias = streams_pb2.ReadReq
Options: TypeAlias = streams_pb2.ReadReq.Options
FilterOptions: TypeAlias = streams_pb2.ReadReq.Options.FilterOptions
ReadEvent: TypeAlias = streams_pb2.ReadResp.ReadEvent

_REVISIONS: Final = {StreamState.NO_STREAM: -1, StreamState.ANY: -2, StreamState.STREAM_EXISTS: -4}

_NOTHING: Final = shared_pb2.Empty()

_NO_SALT: Final = bytes(SALT_BYTES)

COUNT_MAX: Final = (1 << 63) - 1
"""As many as there are."""


def is_beside(stream: str, event_type: str) -> bool:
    """Whether an event of a KurrentDB is none of the log's: its own records, and links."""
    return stream.startswith("$") or event_type.startswith("$")


class Filtering:
    """What a reader wants of the log. The server judges by one of the two conditions, this side by both: what a server
    lets through, or by what rules it compares, is not relied upon. Where there are both it is asked for the types: a
    service's names have a few beginnings, and who wants some of its types would be sent all that it records.
    """

    def __init__(self, types: Collection[str], stream_prefixes: Collection[str]) -> None:
        self._types: Final = frozenset(types)
        self._prefixes: Final = tuple(stream_prefixes)
        # Names that begin with $ are none of the log's; on a server some of them ask for something else altogether.
        asked_types = sorted(name for name in self._types if not name.startswith("$"))
        asked_prefixes = sorted(prefix for prefix in self._prefixes if not prefix.startswith("$"))
        self.nothing: Final = bool((self._types and not asked_types) or (self._prefixes and not asked_prefixes))
        by_stream = bool(asked_prefixes) and "" not in asked_prefixes
        expression = _any_of(asked_types) if asked_types else ""
        self._expression: Final = expression if len(expression) <= EXPRESSION_CHARS_MAX else ""
        self._by_stream: Final = by_stream and not self._expression
        self._asked: Final = asked_prefixes if self._by_stream else asked_types
        self.anything: Final = not self._asked

    def lets(self, event: Recorded) -> bool:
        return (
            not is_beside(event.stream, event.type)
            and (not self._types or event.type in self._types)
            and (not self._prefixes or event.stream.startswith(self._prefixes))
        )

    def options(self, window: int, checkpoint_interval: int) -> FilterOptions:
        """For a subscription that sends a checkpoint after every `window * checkpoint_interval` events looked at."""
        options = FilterOptions(max=window, checkpointIntervalMultiplier=checkpoint_interval)
        if self._by_stream:
            options.stream_identifier.prefix.extend(self._asked)
        elif self._expression:
            options.event_type.regex = self._expression
        else:
            options.event_type.prefix.extend(self._asked)
        return options


def _any_of(names: Sequence[str]) -> str:
    """An expression of .NET that finds these names and no other, but for one that ends in a line feed."""
    return f"^(?:{'|'.join(re.escape(name) for name in names)})$"


def read_stream(stream: str, direction: Direction, from_version: int | None, count: int) -> streams_pb2.ReadReq:
    chosen = Options.StreamOptions(stream_identifier=_identifier(stream))
    if from_version is not None:
        chosen.revision = from_version
    elif direction is Direction.FORWARDS:
        chosen.start.CopyFrom(_NOTHING)
    else:
        chosen.end.CopyFrom(_NOTHING)
    return _request(Options(stream=chosen, read_direction=_direction(direction), count=count, no_filter=_NOTHING))


def read_log(position: int | None, direction: Direction, count: int) -> streams_pb2.ReadReq:
    """The whole log: forwards from `position` on, backwards from before it; None is the beginning, or the end."""
    chosen = _all(position, direction)
    return _request(Options(all=chosen, read_direction=_direction(direction), count=count, no_filter=_NOTHING))


def read_log_back_to_ours(count: int) -> streams_pb2.ReadReq:
    """The log from its end, without streams that are a server's own."""
    options = Options(all=_all(None, Direction.BACKWARDS), read_direction=Options.Backwards, count=count)
    options.filter.CopyFrom(FilterOptions(max=WINDOW_EVENTS, checkpointIntervalMultiplier=1))
    options.filter.stream_identifier.regex = "^[^$]"
    return _request(options)


def read_beside_log() -> streams_pb2.ReadReq:
    """All events of all streams beside the log. A ledger of ours shows them to whoever carries its header."""
    options = Options(all=_all(None, Direction.FORWARDS), read_direction=Options.Forwards, count=COUNT_MAX)
    options.filter.CopyFrom(FilterOptions(max=WINDOW_EVENTS, checkpointIntervalMultiplier=1))
    options.filter.stream_identifier.prefix.append(BESIDE)
    return _request(options)


def subscribe_to_log(after: int, filtered: FilterOptions | None) -> streams_pb2.ReadReq:
    options = Options(all=_all(after or None, Direction.FORWARDS), read_direction=_direction(Direction.FORWARDS))
    options.subscription.SetInParent()
    if filtered is None:
        options.no_filter.CopyFrom(_NOTHING)
    else:
        options.filter.CopyFrom(filtered)
    return _request(options)


def _all(position: int | None, direction: Direction) -> Options.AllOptions:
    if position is not None:
        return Options.AllOptions(position=Options.Position(commit_position=position, prepare_position=position))
    if direction is Direction.FORWARDS:
        return Options.AllOptions(start=_NOTHING)
    return Options.AllOptions(end=_NOTHING)


def _direction(direction: Direction) -> "Options.ReadDirection.ValueType":
    return Options.Forwards if direction is Direction.FORWARDS else Options.Backwards


def _identifier(stream: str) -> shared_pb2.StreamIdentifier:
    return shared_pb2.StreamIdentifier(stream_name=stream.encode())


def _request(options: Options) -> streams_pb2.ReadReq:
    options.uuid_option.string.SetInParent()
    return streams_pb2.ReadReq(options=options)


LEFT_OUT: Final = -1
"""The place in the log of what is none of its events."""


def place_of(read_event: ReadEvent) -> int:
    event = read_event.event
    own = is_beside(event.stream_identifier.stream_name.decode(), event.metadata["type"])
    return LEFT_OUT if own else event.commit_position


def place_of_first() -> Callable[[ReadEvent], int | None]:
    """The places up to the first that is the log's; beyond it nothing is wanted."""
    found = False

    def place(read_event: ReadEvent) -> int | None:
        nonlocal found
        if found:
            return None
        at = place_of(read_event)
        found = at != LEFT_OUT
        return at

    return place


def stream_of(read_event: ReadEvent) -> str:
    return read_event.event.stream_identifier.stream_name.decode()


Read: TypeAlias = Callable[[ReadEvent], Recorded]
"""From an answer to the event in it."""


def recorded(read_event: ReadEvent) -> Recorded:
    """An event of the log, with its members taken off."""
    event = read_event.event
    told = event.metadata
    event_id = UUID(event.id.string).bytes
    members = seen(event_id, event.custom_metadata, told["content-type"])
    at_us = members.recorded_at_us
    return Recorded(
        id=event_id,
        stream=event.stream_identifier.stream_name.decode(),
        version=event.stream_revision,
        position=event.commit_position,
        type=told["type"],
        content_type=members.content_type,
        data=event.data,
        metadata=members.metadata,
        recorded_at_us=int(told["created"]) // TICKS_PER_US if at_us is None else at_us,
        salt=members.salt,
    )


def recorded_beside(read_event: ReadEvent) -> Recorded:
    """An event beside the log, as it is."""
    event = read_event.event
    told = event.metadata
    return Recorded(
        id=UUID(event.id.string).bytes,
        stream=event.stream_identifier.stream_name.decode(),
        version=event.stream_revision,
        position=event.commit_position,
        type=told["type"],
        content_type=told["content-type"],
        data=event.data,
        metadata=event.custom_metadata,
        recorded_at_us=int(told["created"]) // TICKS_PER_US,
        salt=b"",
    )


def session(appends: Sequence[Append], salts: Sequence[bytes]) -> list[sessions_pb2.AppendRequest]:
    """The requests of one multi-stream append; `salts` are those of all drafts, append by append."""
    salt = iter(salts)
    return [
        sessions_pb2.AppendRequest(
            stream=append.stream, expected_revision=revision(append.expected), records=list(_records(append, salt))
        )
        for append in appends
    ]


def _records(append: Append, salt: Iterator[bytes]) -> Iterator[sessions_pb2.AppendRecord]:
    for draft in append.drafts:
        members = _members(draft, next(salt))
        is_json = draft.content_type == JSON
        yield sessions_pb2.AppendRecord(
            record_id=str(UUID(bytes=draft.id)),
            properties={name: Value(string_value=text) for name, text in written(members).items()},
            schema=sessions_pb2.SchemaInfo(
                format=sessions_pb2.SCHEMA_FORMAT_JSON if is_json else sessions_pb2.SCHEMA_FORMAT_BYTES,
                name=draft.type,
            ),
            data=draft.data,
        )


def _members(draft: Draft, salt: bytes) -> Members:
    at_us = draft.recorded_at_us if isinstance(draft, Carried) else None
    return Members(salt, draft.metadata, draft.content_type, at_us)


def proposed(append: Append, *, carrying: bool) -> list[streams_pb2.AppendReq]:
    """The requests of an append to one stream, which is beside the log: members are for a server that takes them off,
    which then has the time of an event that was recorded elsewhere, and no use for a salt.
    """
    options = streams_pb2.AppendReq.Options(stream_identifier=_identifier(append.stream))
    match append.expected:
        case StreamState.NO_STREAM:
            options.no_stream.SetInParent()
        case StreamState.ANY:
            options.any.SetInParent()
        case StreamState.STREAM_EXISTS:
            options.stream_exists.SetInParent()
        case version:
            options.revision = version
    messages = [
        streams_pb2.AppendReq.ProposedMessage(
            id=shared_pb2.UUID(string=str(UUID(bytes=draft.id))),
            metadata={"type": draft.type, "content-type": wire_content_type(draft.content_type)},
            custom_metadata=put_on(_members(draft, _NO_SALT)) if carrying else draft.metadata,
            data=draft.data,
        )
        for draft in append.drafts
    ]
    return [
        streams_pb2.AppendReq(options=options),
        *(streams_pb2.AppendReq(proposed_message=message) for message in messages),
    ]


def revision(expected: Expected) -> int:
    return _REVISIONS[expected] if isinstance(expected, StreamState) else expected


def state(number: int) -> Expected:
    """What a server says of where a stream is: below zero there is none."""
    return number if number >= 0 else StreamState.NO_STREAM
