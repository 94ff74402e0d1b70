"""What a call is refused with: status, sentence, and the trailers by which official clients tell refusals apart.

kurrentdbclient goes by the status and, for some, by words of the English sentence; the others by the trailer
`exception` and those beside it; of the newer methods all go by messages in `grpc-status-details-bin`.
"""

from typing import Final, TypeAlias
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from kurrentdbclient.protos.google.rpc import code_pb2
from kurrentdbclient.protos.v1 import status_pb2

from ledger.port import (
    ANY,
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    EVENT_BYTES_MAX,
    NO_STREAM,
    STREAM_EXISTS,
    Conflict,
    Expected,
    LedgerError,
    Rejected,
    Sealed,
    Unavailable,
)

Trailers: TypeAlias = tuple[tuple[str, str | bytes], ...]

SENTENCE_CHARS_MAX: Final = 400
"""Sentences name what a caller sent, and all trailers together have 8 KiB: a Chinese character takes nine bytes."""

_AS_NUMBER: Final = {NO_STREAM: -1, ANY: -2, STREAM_EXISTS: -4}


class Refused(Exception):
    """A call that ends with this status."""

    def __init__(self, code: grpc.StatusCode, details: str, trailers: Trailers = ()) -> None:
        super().__init__(details)
        self.code, self.details, self.trailers = code, details[:SENTENCE_CHARS_MAX], trailers


class AccessDenied(Refused):
    """The caller may not do this, or nobody may."""

    def __init__(self, details: str) -> None:
        super().__init__(grpc.StatusCode.PERMISSION_DENIED, details, (("exception", "access-denied"),))


class TooBig(Refused):
    """An append beyond a limit of the port: `size_bytes` of at most `bytes_max`, which the trailers say too."""

    def __init__(self, details: str, size_bytes: int, bytes_max: int, trailers: Trailers) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, details, trailers)
        self.size_bytes, self.bytes_max = size_bytes, bytes_max


class EventTooBig(TooBig):
    """One event is."""

    def __init__(self, event_id: str, event_bytes: int) -> None:
        super().__init__(
            f"事件 {event_id} 有 {event_bytes} 字节，至多 {EVENT_BYTES_MAX}。"
            f"Event with Id: {event_id}, Size: {event_bytes}, exceeds Maximum Append Event Size of {EVENT_BYTES_MAX}.",
            event_bytes,
            EVENT_BYTES_MAX,
            (
                ("exception", "maximum-append-event-size-exceeded"),
                ("event-id", event_id),
                ("proposed-append-event-size", str(event_bytes)),
                ("maximum-append-event-size", str(EVENT_BYTES_MAX)),
            ),
        )
        self.event_id: Final = event_id


class AppendTooBig(TooBig):
    """All events together are, or there are too many of them."""

    def __init__(self, events: int, total_bytes: int) -> None:
        super().__init__(
            f"一次追加至多 {APPEND_EVENTS_MAX} 个事件、{APPEND_BYTES_MAX} 字节；已有 {events} 个、{total_bytes} 字节。"
            f"Maximum Append Size of {APPEND_BYTES_MAX} Exceeded: at most {APPEND_EVENTS_MAX} events of together "
            f"{APPEND_BYTES_MAX} bytes in one append; {events} of {total_bytes} bytes so far.",
            total_bytes,
            APPEND_BYTES_MAX,
            (("exception", "maximum-append-size-exceeded"), ("maximum-append-size", str(APPEND_BYTES_MAX))),
        )


class Overdue(Refused):
    """The deadline that came with an append had passed."""

    def __init__(self) -> None:
        details = "期限已过，追加未必已经写入。The deadline has passed; the append may not have been written."
        super().__init__(grpc.StatusCode.DEADLINE_EXCEEDED, details)


def access_denied(details: str = "拒绝访问。Access Denied") -> AccessDenied:
    return AccessDenied(details)


def invalid(details: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, details)


def stopping() -> Refused:
    return Refused(grpc.StatusCode.UNAVAILABLE, "服务正在停止。The server is stopping")


def property_missing(name: str) -> Refused:
    """An event is proposed without what every event has."""
    return Refused(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"事件缺少必需的元数据属性 {name}。Required Metadata Property '{name}' is missing",
        (("exception", "missing-required-metadata-property"), ("required-metadata-properties", "type,content-type")),
    )


def refusal(error: Refused | LedgerError) -> Refused:
    """The status of what is refused, by this package or by a ledger, and of what a ledger cannot do."""
    match error:
        case Refused():
            return error
        case Conflict():
            return _wrong_expected_version(error)
        case Rejected():
            return invalid(f"台账不接受这个请求：{error}。The ledger does not take this: {error}")
        case Sealed():
            details = f"台账已封存，不再追加：{error}。The log is sealed and takes no more: {error}"
            return Refused(grpc.StatusCode.FAILED_PRECONDITION, details, (("exception", "log-sealed"),))
        case Unavailable():
            details = f"台账暂时不可用：{error}。The ledger is unavailable now: {error}"
            return Refused(grpc.StatusCode.UNAVAILABLE, details)
        case _:
            return Refused(grpc.StatusCode.INTERNAL, f"台账出错：{error}。The ledger failed: {error}")


def _wrong_expected_version(conflict: Conflict) -> Refused:
    stream, expected, actual = conflict.stream, as_number(conflict.expected), as_number(conflict.actual)
    # Up to the full stop and from there to the end kurrentdbclient takes the English sentence apart.
    return Refused(
        grpc.StatusCode.FAILED_PRECONDITION,
        "流不在所期望的版本上。Append failed due to WrongExpectedVersion. "
        f"Stream: {stream}, Expected version: {expected}, Actual version: {actual}",
        (
            ("exception", "wrong-expected-version"),
            ("stream-name", in_trailer(stream)),
            ("expected-version", str(expected)),
            ("actual-version", str(actual)),
        ),
    )


def as_number(expected: Expected) -> int:
    """As the protocol writes versions and what stands for them."""
    return expected if isinstance(expected, int) else _AS_NUMBER[expected]


def in_trailer(text: str) -> str:
    """A trailer is printable ASCII; other text goes percent-encoded."""
    return text if text.isascii() and text.isprintable() else quote(text)


def rich(code: grpc.StatusCode, details: str, message: Message) -> Refused:
    """A refusal with the message by which the newer methods' clients know it."""
    refused = Refused(code, details)
    refused.trailers = (("grpc-status-details-bin", status(refused, message).SerializeToString()),)
    return refused


def status(refused: Refused, message: Message) -> status_pb2.Status:
    """One message as the details of a status: on the wire the same as a list of one."""
    details = Any()
    details.Pack(message)
    code = code_pb2.Code.Value(refused.code.name)
    return status_pb2.Status(code=code, message=refused.details, details=details)
