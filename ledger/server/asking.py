"""What Streams.Read is asked for: its options, judged once, as a value the rest of this package works with.

Sentences of refusals are those of the protocol: clients show them, and some tell errors apart by them.
"""

from enum import Enum
from typing import Final

import msgspec
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import FILTER_NAMES_MAX, NAME_BYTES_MAX
from ledger.server.errors import invalid
from ledger.server.filters import INDEX, Chosen

POSITION_MAX: Final = (1 << 63) - 2
"""The protocol's numbers are unsigned; nothing of the log lies beyond this one, and one more is still an int64."""

WINDOW_EVENTS: Final = 32
"""How many events a filter looks at for one page where the caller leaves it to the server."""

PREFIX_BYTES_MAX: Final = len(INDEX) + len("et-") + NAME_BYTES_MAX
"""The longest prefix that anything begins with is that which names the index of a type."""

ASKED_BYTES_MAX: Final = 512 << 10
"""A request with as many prefixes as a filter may have is a quarter of it. What is longer is not even looked into."""

Options: Final = streams_pb2.ReadReq.Options


class Edge(Enum):
    """Where a read may begin other than at a number."""

    START = "start"
    END = "end"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A read. `stream` None: the whole log. `begin`: a revision of the stream, a position of the log, or an edge.
    `count` None: a subscription, which sends a checkpoint after every `checkpoint_events` looked at where it filters.
    `structured_ids`: event ids as two numbers. `tells_last`: the stream's last revision is sent after its events.
    """

    stream: str | None
    begin: int | Edge
    backwards: bool
    count: int | None
    filter: Chosen | None
    checkpoint_events: int
    structured_ids: bool
    tells_last: bool


def asked_of(request: streams_pb2.ReadReq) -> Asked:
    """Refuses what the protocol does not know or does not allow together."""
    options = request.options
    if not options.HasField("uuid_option"):
        raise invalid("缺少必需的 uuidOption。'uuidOption' is a required argument of type UUIDOption")
    if options.WhichOneof("stream_option") is None:
        raise invalid("StreamOptionOneofCase 没有选定。'None' is not a valid StreamOptionOneofCase")
    _check_combination(options)
    filtered = options.WhichOneof("filter_option") == "filter"
    to_all = options.WhichOneof("stream_option") == "all"
    subscribes = options.WhichOneof("count_option") == "subscription"
    return Asked(
        stream=None if to_all else _name(options.stream.stream_identifier.stream_name),
        begin=_position(options.all) if to_all else _revision(options.stream),
        backwards=options.read_direction == Options.Backwards,
        count=None if subscribes else options.count,
        filter=_chosen(options.filter) if filtered else None,
        checkpoint_events=_checkpoint_events(options.filter) if filtered and subscribes else 0,
        structured_ids=options.uuid_option.WhichOneof("content") != "string",
        tells_last=options.control_option.compatibility >= 1,
    )


def _check_combination(options: streams_pb2.ReadReq.Options) -> None:
    stream = {"stream": "Stream", "all": "All"}[options.WhichOneof("stream_option") or ""]
    count = {"count": "Count", "subscription": "Subscription", None: "None"}[options.WhichOneof("count_option")]
    known = options.read_direction in Options.ReadDirection.values()
    direction = Options.ReadDirection.Name(options.read_direction) if known else str(options.read_direction)
    chosen = {"filter": "Filter", "no_filter": "NoFilter", None: "None"}[options.WhichOneof("filter_option")]
    if (
        count == "None"
        or chosen == "None"
        or not known
        or (stream == "Stream" and chosen == "Filter")
        or (count == "Subscription" and options.read_direction == Options.Backwards)
    ):
        raise invalid(f"选项不能这样组合。The combination of ({stream}, {count}, {direction}, {chosen}) is invalid.")


def _name(stream_name: bytes) -> str:
    try:
        stream = stream_name.decode()
    except UnicodeDecodeError as error:
        raise invalid("流名称不是 UTF-8。'streamIdentifier' is not valid UTF-8") from error
    if not stream:
        raise invalid("缺少必需的 streamIdentifier。'streamIdentifier' is a required argument of type StreamIdentifier")
    return stream


def _revision(options: streams_pb2.ReadReq.Options.StreamOptions) -> int | Edge:
    match options.WhichOneof("revision_option"):
        case "revision":
            return min(options.revision, POSITION_MAX)
        case "start":
            return Edge.START
        case "end":
            return Edge.END
        case None:
            raise invalid("RevisionOptionOneofCase 没有选定。'None' is not a valid RevisionOptionOneofCase")


def _position(options: streams_pb2.ReadReq.Options.AllOptions) -> int | Edge:
    match options.WhichOneof("all_option"):
        case "position":
            return min(options.position.commit_position, POSITION_MAX)
        case "start":
            return Edge.START
        case "end":
            return Edge.END
        case None:
            raise invalid("AllOptionOneofCase 没有选定。'None' is not a valid AllOptionOneofCase")


def _chosen(options: streams_pb2.ReadReq.Options.FilterOptions) -> Chosen:
    match options.WhichOneof("filter"):
        case "stream_identifier":
            chosen = options.stream_identifier
        case "event_type":
            chosen = options.event_type
        case None:
            raise invalid("FilterOneofCase 没有选定。'None' is not a valid FilterOneofCase")
    if len(chosen.prefix) > FILTER_NAMES_MAX:
        raise invalid(
            f"过滤器至多 {FILTER_NAMES_MAX} 个前缀，不是 {len(chosen.prefix)} 个。"
            f"A filter has at most {FILTER_NAMES_MAX} prefixes, not {len(chosen.prefix)}."
        )
    longest = max((len(prefix.encode()) for prefix in chosen.prefix), default=0)
    if longest > PREFIX_BYTES_MAX:
        raise invalid(
            f"过滤器的前缀至多 {PREFIX_BYTES_MAX} 字节，不是 {longest} 字节。"
            f"A prefix of a filter has at most {PREFIX_BYTES_MAX} bytes, not {longest}."
        )
    return Chosen(chosen is options.stream_identifier, chosen.regex, tuple(chosen.prefix))


def _checkpoint_events(options: streams_pb2.ReadReq.Options.FilterOptions) -> int:
    if options.WhichOneof("window") is None:
        raise invalid("WindowOneofCase 没有选定。'None' is not a valid WindowOneofCase")
    window = options.max if options.WhichOneof("window") == "max" else WINDOW_EVENTS
    if not window or not options.checkpointIntervalMultiplier:
        raise invalid(
            "过滤器的窗口和检查点倍数须大于零。"
            "The window of a filter and its checkpointIntervalMultiplier must be greater than zero."
        )
    return window * options.checkpointIntervalMultiplier
