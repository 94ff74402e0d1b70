"""What can go wrong, as a tree:

MeterloopError
|-- Refused            the platform answered, and did not do it; `code` is stable, `zh` and `en` are for people
|   |-- BadRequest       the request breaks the protocol, or is over a limit on size
|   |-- Unidentified     no token, or one that is expired or not of this platform
|   |-- NotAllowed       not with these roles, or not this row
|   |-- NotFound         there is no such thing
|   |-- AgainstRules     the rules do not allow it as things stand
|   |-- Stale            `expected_version` is no longer the version
|   |-- Unreadable       the content is wrong; `errors` names the fields
|   |-- CannotNow        busy, or a store is away: the same again later is safe
|   '-- Faulty           a fault of the platform's own
|-- Unreachable        no answer: whether it was done is found out by asking again with the same Idempotency-Key
|   |-- TimedOut         not within `timeout_s`
|   '-- Torn             an answer that broke off, or did not come as it was sent
'-- NotUnderstood      an answer that this client cannot read: something else answers there, or another version

Nothing of httpx gets out.
"""

from typing import Final

import httpx
import msgspec

RETRY_AFTER_S_MAX: Final = 10.0
"""What is waited at most, whatever an answer says."""


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """A field at fault."""

    field: str = ""
    code: str = ""
    zh: str = ""
    en: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as it comes (RFC 9457)."""

    code: str = "http.unknown"
    zh: str = ""
    en: str = ""
    errors: tuple[FieldError, ...] = ()


class MeterloopError(Exception):
    """Whatever this client raises."""


class Refused(MeterloopError):
    """The platform refused. `retry_after_s` is how long it asks to be left alone, where it does."""

    def __init__(self, status: int, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(f"{problem.code}: {problem.zh} / {problem.en}")
        self.status, self.retry_after_s = status, retry_after_s
        self.code, self.zh, self.en, self.errors = problem.code, problem.zh, problem.en, problem.errors


class BadRequest(Refused):
    """The request breaks the protocol, or is over a limit on size."""


class Unidentified(Refused):
    """No token, or none that counts."""


class NotAllowed(Refused):
    """Not with these roles, or not this row."""


class NotFound(Refused):
    """There is no such thing."""


class AgainstRules(Refused):
    """The rules do not allow it as things stand."""


class Stale(Refused):
    """Another version than the one expected."""


class Unreadable(Refused):
    """The content is wrong; `errors` names the fields."""


class CannotNow(Refused):
    """Busy, or a store is away: the same again later is safe."""


class Faulty(Refused):
    """A fault of the platform's own."""


class Unreachable(MeterloopError):
    """No answer. Asking again with the same Idempotency-Key is safe."""


class TimedOut(Unreachable):
    """No answer in time."""


class Torn(Unreachable):
    """The answer broke off, or is not what was sent."""


class NotUnderstood(MeterloopError):
    """An answer that this client cannot read."""


_OF_STATUS: Final[dict[int, type[Refused]]] = {
    401: Unidentified,
    403: NotAllowed,
    404: NotFound,
    409: AgainstRules,
    412: Stale,
    422: Unreadable,
    429: CannotNow,
    502: CannotNow,
    503: CannotNow,
    504: CannotNow,
}
AGAIN: Final = frozenset({429, 502, 503})
"""Answers after which the same request is sent again. 504 is none: its time is used up."""

_FAULTS_FROM: Final = 500


def refused(response: httpx.Response) -> Refused:
    """An answer that is no success as an exception. Its content has been read."""
    status = response.status_code
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        # What stands between here and the platform answers in its own way, often with a page of HTML.
        said = f"HTTP {status} {response.reason_phrase}".strip()
        problem = Problem(zh=f"对方没有按平台的约定回答（{said}）", en=f"the answer is none of the platform's ({said})")
    kind = _OF_STATUS.get(status, Faulty if status >= _FAULTS_FROM else BadRequest)
    return kind(status, problem, _retry_after_s(response))


def unreachable(error: httpx.RequestError) -> Unreachable:
    """Why there was no answer."""
    said = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(said)
    if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError | httpx.DecodingError):
        return Torn(said)
    return Unreachable(said)


def _retry_after_s(response: httpx.Response) -> float | None:
    said = response.headers.get("retry-after", "")
    return min(float(said), RETRY_AFTER_S_MAX) if said.isascii() and said.isdecimal() else None
