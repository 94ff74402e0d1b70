"""Refusals as rich gRPC statuses (google.rpc.Status), and back: a gateway answers what the service behind it said."""

from collections.abc import Iterable
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import (  # type: ignore[import-untyped]  # the package has no stubs
    error_details_pb2,
    status_pb2,
)

from kernel.door import RETRY_AFTER_S, STATUS_OF_KIND, CannotNow, Faulty, OutOfTime, TooLarge, status_of
from kernel.intake import FieldError, Malformed, errors_of
from kernel.refusal import Reason, Refusal

DOMAIN: Final = "meterloop"
DETAILS: Final = "grpc-status-details-bin"
LANGUAGES: Final = ("zh-CN", "en")

VIOLATIONS_MAX: Final = 10
"""Statuses travel in the trailers, which are limited to 8 KiB in all."""

TEXT_CHARS_MAX: Final = 300
"""Of a refusal's words in each language, for the same reason: a Chinese character takes 13 bytes there in all."""

PEER_UNAVAILABLE = Reason(
    CannotNow,
    "peer.unavailable",
    "所需的服务暂不可用，请稍后重试。",
    "a service that is needed is away; try again soon",
)
PEER_DEADLINE = Reason(
    OutOfTime,
    "peer.deadline",
    "所需的服务未能及时答复。请用同一 Idempotency-Key 重试。",
    "a service that is needed did not answer in time; ask again with the same Idempotency-Key",
)
PEER_TOO_LARGE = Reason(
    TooLarge,
    "peer.too_large",
    "请求或答复超过服务之间一条消息的限制，请分几次进行。",
    "the request or its answer is over the limit of a message between services; do it in several parts",
)
PEER_FAULT = Reason(Faulty, "peer.fault", "所需的服务出错（{status}）。", "a service that is needed broke ({status})")

_MESSAGE_TOO_LARGE: Final = "message larger than max"
"""In gRPC's own words, which are all that tells this from too many calls at once."""

_KINDS: Final = {kind.__name__: kind for kind in (*STATUS_OF_KIND, Malformed)}


def rich_status(refusal: Refusal) -> status_pb2.Status:
    """The refusal with its code, its kind, both languages and every field at fault."""
    zh, en = _short(refusal.zh), _short(refusal.en)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=refusal.code, domain=DOMAIN, metadata={"kind": _kind_of(refusal)}),
        error_details_pb2.LocalizedMessage(locale=LANGUAGES[0], message=zh),
        error_details_pb2.LocalizedMessage(locale=LANGUAGES[1], message=en),
    ]
    if errors := errors_of(refusal):
        details.append(error_details_pb2.BadRequest(field_violations=_violations(errors[:VIOLATIONS_MAX])))
    if isinstance(refusal, CannotNow):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(RETRY_AFTER_S)
        details.append(retry)
    packed = []
    for detail in details:
        one = AnyMessage()
        one.Pack(detail)
        packed.append(one)
    number, _ = status_of(refusal).rpc.value
    return status_pb2.Status(code=number, message=f"{refusal.code}: {zh} / {en}", details=packed)


def refusal_of_error(error: grpc.aio.AioRpcError) -> Refusal:
    """What the other side refused, as if it had been refused here."""
    trailers = error.trailing_metadata()
    packed = next((value for name, value in trailers or () if name == DETAILS), None)
    if isinstance(packed, bytes) and (told := _told(packed)) is not None:
        return told
    match error.code():
        case grpc.StatusCode.RESOURCE_EXHAUSTED if _MESSAGE_TOO_LARGE in (error.details() or ""):
            return PEER_TOO_LARGE()
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.RESOURCE_EXHAUSTED | grpc.StatusCode.CANCELLED:
            return PEER_UNAVAILABLE()
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return PEER_DEADLINE()
        case status:
            return PEER_FAULT(status=status.name)


def _told(packed: bytes) -> Refusal | None:
    try:
        status = status_pb2.Status.FromString(packed)
    except DecodeError:
        return None
    info = error_details_pb2.ErrorInfo()
    said = {}
    violations: tuple[FieldError, ...] = ()
    for detail in status.details:
        message = error_details_pb2.LocalizedMessage()
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(message):
            said[message.locale] = message.message
        elif detail.Unpack(bad):
            violations = tuple(
                FieldError(field=one.field, code=one.reason, zh=one.localized_message.message, en=one.description)
                for one in bad.field_violations
            )
        else:
            detail.Unpack(info)
    kind = _KINDS.get(info.metadata.get("kind", ""))
    if info.domain != DOMAIN or kind is None or not set(LANGUAGES) <= said.keys():
        return None
    refusal: Refusal = kind(Reason(kind, info.reason, "{zh}", "{en}"), {"zh": said["zh-CN"], "en": said["en"]})
    if isinstance(refusal, Malformed):
        refusal.errors = violations
    return refusal


def _violations(errors: Iterable[FieldError]) -> list[error_details_pb2.BadRequest.FieldViolation]:
    return [
        error_details_pb2.BadRequest.FieldViolation(
            field=error.field,
            description=error.en,
            reason=error.code,
            localized_message=error_details_pb2.LocalizedMessage(locale=LANGUAGES[0], message=error.zh),
        )
        for error in errors
    ]


def _short(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"


def _kind_of(refusal: Refusal) -> str:
    return next(kind.__name__ for kind in type(refusal).__mro__ if kind.__name__ in _KINDS)
