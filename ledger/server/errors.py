"""What a call is refused with: status, sentence, and the trailers by which official clients tell refusals apart.

kurrentdbclient goes by the status and, for some, by words of the English sentence; the others by the trailer
`exception` and those beside it.
"""

from typing import Final, TypeAlias
from urllib.parse import quote

import grpc

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

SENTENCE_CHARS_MAX: Final = 1_000
"""What a caller sent may be named in a sentence, and trailers have 8 KiB in all, with all that is not ASCII tripled."""

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
    """An append beyond a limit of the port; `bytes_max` is the limit."""

    def __init__(self, details: str, bytes_max: int, trailers: Trailers) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, details, trailers)
        self.bytes_max: Final = bytes_max


class Overdue(Refused):
    """The deadline that came with an append had passed."""

    def __init__(self) -> None:
        details = "期限已过，追加未必已经写入。The deadline has passed; the append may not have been written."
        super().__init__(grpc.StatusCode.DEADLINE_EXCEEDED, details)


def access_denied(details: str = "拒绝访问。Access Denied") -> AccessDenied:
    return AccessDenied(details)


def invalid(details: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, details)


def property_missing(name: str) -> Refused:
    """An event is proposed without what every event has."""
    return Refused(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"事件缺少必需的元数据属性 {name}。Required Metadata Property '{name}' is missing",
        (("exception", "missing-required-metadata-property"), ("required-metadata-properties", "type,content-type")),
    )


def append_too_big(total_bytes: int) -> TooBig:
    return _append_too_big(f"{total_bytes} 字节 / bytes")


def too_many_events() -> TooBig:
    return _append_too_big(f"> {APPEND_EVENTS_MAX} 个事件 / events")


def _append_too_big(size: str) -> TooBig:
    return TooBig(
        f"一次追加过大（{size}）：至多 {APPEND_BYTES_MAX} 字节、{APPEND_EVENTS_MAX} 个事件。"
        f"Maximum Append Size of {APPEND_BYTES_MAX} Exceeded: at most {APPEND_BYTES_MAX} bytes "
        f"and {APPEND_EVENTS_MAX} events in one append.",
        APPEND_BYTES_MAX,
        (("exception", "maximum-append-size-exceeded"), ("maximum-append-size", str(APPEND_BYTES_MAX))),
    )


def event_too_big(event_id: str, event_bytes: int) -> TooBig:
    return TooBig(
        f"事件 {event_id} 有 {event_bytes} 字节，至多 {EVENT_BYTES_MAX}。"
        f"Event with Id: {event_id}, Size: {event_bytes}, exceeds Maximum Append Event Size of {EVENT_BYTES_MAX}.",
        EVENT_BYTES_MAX,
        (
            ("exception", "maximum-append-event-size-exceeded"),
            ("event-id", event_id),
            ("proposed-append-event-size", str(event_bytes)),
            ("maximum-append-event-size", str(EVENT_BYTES_MAX)),
        ),
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
        f"流 {stream} 不在所期望的版本上。Append failed due to WrongExpectedVersion. "
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
