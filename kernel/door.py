"""What both doors have in common: what a door itself refuses, and the one table from a refusal to its status.

Beside the refusals of the rules (kernel.refusal) stand those of the door, which never reach a rule:

    Refusal
    |-- Unidentified   no token, or none that counts
    |-- BadRequest     the request is no request: not JSON, no Idempotency-Key, a torn cursor
    |-- WrongMedia     in a format this door does not speak
    |-- TooLarge       over a limit on size
    |-- CannotNow      the store or a peer is away, or there is too much to do; the same request later is safe
    |-- OutOfTime      not finished within the time allowed; whether it was done is found out by asking again
    '-- Faulty         our own mistake
"""

from typing import Final

import msgspec
from grpc import StatusCode

from kernel.refusal import AgainstRules, NotAllowed, NotFound, Reason, Refusal, Stale, Unreadable
from ledger.port import LedgerError, Rejected, Sealed


class Unidentified(Refusal):
    """The caller is not known."""


class BadRequest(Refusal):
    """The request breaks the protocol, whatever it asks for."""


class WrongMedia(Refusal):
    """The body is in a format this door does not read."""


class TooLarge(Refusal):
    """The request is over a limit on size."""


class CannotNow(Refusal):
    """It cannot be done now; the same request again is safe."""


class OutOfTime(Refusal):
    """It took longer than allowed."""


class Faulty(Refusal):
    """A fault of ours."""


class Status(msgspec.Struct, frozen=True):
    """What a refusal is called at each door."""

    http: int
    rpc: StatusCode
    zh: str
    en: str


STATUS_OF_KIND: Final[dict[type[Refusal], Status]] = {
    NotFound: Status(404, StatusCode.NOT_FOUND, "不存在", "not found"),
    AgainstRules: Status(409, StatusCode.FAILED_PRECONDITION, "规则不允许", "against the rules"),
    Stale: Status(409, StatusCode.ABORTED, "状态已变", "decided on an older state"),
    NotAllowed: Status(403, StatusCode.PERMISSION_DENIED, "无权操作", "not allowed"),
    Unreadable: Status(422, StatusCode.INVALID_ARGUMENT, "内容有误", "content not accepted"),
    Unidentified: Status(401, StatusCode.UNAUTHENTICATED, "身份未确认", "not identified"),
    BadRequest: Status(400, StatusCode.INVALID_ARGUMENT, "请求有误", "bad request"),
    WrongMedia: Status(415, StatusCode.INVALID_ARGUMENT, "格式不支持", "format not supported"),
    TooLarge: Status(413, StatusCode.RESOURCE_EXHAUSTED, "超出大小限制", "too large"),
    CannotNow: Status(503, StatusCode.UNAVAILABLE, "暂不可用", "not available now"),
    OutOfTime: Status(504, StatusCode.DEADLINE_EXCEEDED, "超时", "out of time"),
    Faulty: Status(500, StatusCode.INTERNAL, "系统故障", "a fault of ours"),
}

STATUS_OF_CODE: Final[dict[str, Status]] = {
    # If-Match named the version, so RFC 9110 section 13.1.1 names the status.
    "command.stale_version": Status(412, StatusCode.ABORTED, "状态已变", "decided on an older state"),
    # Nothing was decided: unlike other stale commands this one is repeated as it is.
    "command.busy": STATUS_OF_KIND[CannotNow],
    # The path or the method itself, where no rule was asked.
    "http.method_not_allowed": Status(405, StatusCode.UNIMPLEMENTED, "不支持该方法", "method not allowed"),
    "rpc.unimplemented": Status(501, StatusCode.UNIMPLEMENTED, "不支持该方法", "method not implemented"),
    "http.range_not_satisfiable": Status(416, StatusCode.OUT_OF_RANGE, "范围无效", "no such range"),
}

RETRY_AFTER_S: Final = 1
"""What a caller is told to wait after CannotNow: longer than a writer's turn, shorter than patience."""

LEDGER_UNAVAILABLE = Reason(
    CannotNow,
    "ledger.unavailable",
    "台账暂时无法写入或读取，请用同一 Idempotency-Key 重试。",
    "the ledger cannot be written or read now; try again with the same Idempotency-Key",
)
LEDGER_SEALED = Reason(
    CannotNow,
    "ledger.sealed",
    "此台账已封存，不再写入，由另一台账接续；运维人员切换后，请用同一 Idempotency-Key 重试。",
    "this log is sealed, takes nothing more and goes on elsewhere; when the operator has changed over, try again with "
    "the same Idempotency-Key",
)
DATABASE_UNAVAILABLE = Reason(
    CannotNow,
    "database.unavailable",
    "视图数据库暂时无法读写，请稍后重试。",
    "the views cannot be read or written now; try again shortly",
)
LEDGER_REJECTED = Reason(TooLarge, "ledger.rejected", "超出台账的限制：{why}", "it breaks a limit of the ledger: {why}")
DEADLINE = Reason(
    OutOfTime,
    "request.deadline",
    "未能在 {seconds} 秒内完成。请用同一 Idempotency-Key 重试，已完成的不会重做。",
    "not finished within {seconds} s; ask again with the same Idempotency-Key, what is done is not done twice",
)
OVERLOADED = Reason(
    CannotNow, "request.overloaded", "正在处理的请求过多，请稍后重试。", "too many requests at once; try again shortly"
)
STOPPING = Reason(
    CannotNow,
    "server.stopping",
    "服务正在停止，请用同一 Idempotency-Key 重试。",
    "this process is stopping; ask again with the same Idempotency-Key",
)
RANGE_NOT_SATISFIABLE = Reason(
    BadRequest,
    "http.range_not_satisfiable",
    "文件只有 {size} 字节，没有所要的部分。",
    "the file has {size} bytes and none of those asked for",
)
FAULT = Reason(
    Faulty,
    "server.fault",
    "系统出错，已记录。编号 {trace_id}。",
    "something of ours broke; it has been logged as {trace_id}",
)


def status_of(refusal: Refusal) -> Status:
    """The status of a refusal: its code's, else its kind's."""
    if (exact := STATUS_OF_CODE.get(refusal.code)) is not None:
        return exact
    return next(STATUS_OF_KIND[kind] for kind in type(refusal).__mro__ if kind in STATUS_OF_KIND)


def refusal_of(error: LedgerError) -> Refusal:
    """What a caller is told when the ledger does not do it."""
    match error:
        case Rejected():
            return LEDGER_REJECTED(why=str(error))
        case Sealed():
            return LEDGER_SEALED()
        case _:
            return LEDGER_UNAVAILABLE()
