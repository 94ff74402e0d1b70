"""What goes over the wire and what comes back, whichever client sends it."""

import os
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from client.errors import AGAIN, NotUnderstood, refused, unreachable

Answer = TypeVar("Answer")
Row = TypeVar("Row")

Token: TypeAlias = str | Callable[[], str] | None
"""An access token, or what makes one for each request: work may outlast a token."""

JSON: Final = "application/json"
TIMEOUT_S: Final = 30.0
ATTEMPTS_MAX: Final = 3
"""A request without an answer is sent again as it is: a command under the same Idempotency-Key is done once, a piece of
an upload with the same offset is kept once.
"""
PAUSE_S: Final = 0.2
"""Before the second attempt, about, and after what the platform asks to wait; each pause is twice the one before."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to be done. `KEY` names the field that stands in `PATH`."""

    PATH: ClassVar[str] = ""
    KEY: ClassVar[str] = ""


class Question(msgspec.Struct, Generic[Answer], frozen=True, kw_only=True):
    """Something to be known."""

    PATH: ClassVar[str] = ""
    ANSWER: ClassVar[Any] = None


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be fetched."""

    PATH: ClassVar[str] = ""


class Page(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """A page of a list; `next` is the cursor of the one after, None on the last."""

    items: tuple[Row, ...]
    next: str | None = None


def fresh_key() -> str:
    """A new Idempotency-Key (UUID version 4)."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def headers_of(token: Token) -> dict[str, str]:
    """What goes with every request. Raises ValueError where the token cannot be one, without showing it."""
    headers = {"User-Agent": "meterloop-client"}
    if isinstance(token, str):
        if not (token.isascii() and token.isprintable() and token and " " not in token):
            raise ValueError("the token is empty or holds characters that no token has")
        headers["Authorization"] = f"Bearer {token}"
    return headers


def auth_of(token: Token) -> Callable[[httpx.Request], httpx.Request] | None:
    """What puts a token on each request where it is made anew."""
    if not callable(token):
        return None

    def put(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = headers_of(token())["Authorization"]
        return request

    return put


def command_request(command: Command, key: str, expected_version: int | None) -> dict[str, Any]:
    """The arguments of httpx's request for a command."""
    body = msgspec.to_builtins(command)
    path = command.PATH.replace(f"{{{command.KEY}}}", quote(str(body.pop(command.KEY)), safe=""))
    headers = {"Content-Type": JSON, "Idempotency-Key": key}
    if expected_version is not None:
        headers["If-Match"] = f'"{expected_version}"'
    return {"method": "POST", "url": path, "content": msgspec.json.encode(body), "headers": headers}


def many_request(commands: Sequence[Command], key: str) -> dict[str, Any]:
    """The arguments of httpx's request for many commands of one kind."""
    kinds = {type(command) for command in commands}
    if len(kinds) != 1:
        raise ValueError("commands of one kind go together, and at least one")
    (kind,) = kinds
    path = kind.PATH.replace(f"{{{kind.KEY}}}", "bulk")
    headers = {"Content-Type": JSON, "Idempotency-Key": key}
    return {"method": "POST", "url": path, "content": msgspec.json.encode(commands), "headers": headers}


def question_request(question: Question[Any] | Download, cursor: str | None = None) -> dict[str, Any]:
    """The arguments of httpx's request for a question."""
    given = {name: value for name, value in msgspec.to_builtins(question).items() if value is not None}
    path = question.PATH
    for name in list(given):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(given.pop(name)), safe=""))
    if cursor is not None:
        given["cursor"] = cursor
    return {"method": "GET", "url": path, "params": given}


def announcement_request(announced: msgspec.Struct, key: str) -> dict[str, Any]:
    """The arguments of httpx's request that announces an import."""
    headers = {"Content-Type": JSON, "Idempotency-Key": key}
    return {"method": "POST", "url": "/v1/imports", "content": msgspec.json.encode(announced), "headers": headers}


def piece_request(import_id: str, offset: int, content: bytes) -> dict[str, Any]:
    """The arguments of httpx's request that sends a piece of a file."""
    headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
    url = f"/v1/imports/{quote(import_id, safe='')}"
    return {"method": "PATCH", "url": url, "content": content, "headers": headers}


def cancel_request(import_id: str) -> dict[str, Any]:
    """The arguments of httpx's request that ends an import."""
    headers = {"Idempotency-Key": fresh_key()}
    return {"method": "POST", "url": f"/v1/imports/{quote(import_id, safe='')}/cancel", "headers": headers}


def answer_of(response: httpx.Response, kind: Any) -> Any:
    """The answer. Raises Refused, NotUnderstood."""
    if not response.is_success:
        raise refused(response)
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        raise NotUnderstood(f"{response.request.url.path}: {error}") from error


def pause_before_next(attempt: int, got: httpx.Response | httpx.RequestError) -> float | None:
    """How long to wait before the same request again; None where what has come is the answer. Raises Unreachable where
    there is none after the last attempt.
    """
    # Many who were turned away at once must not come again at once.
    pause_s: float = PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311  spreads, keeps no secret
    if isinstance(got, httpx.Response):
        if got.status_code not in AGAIN or attempt >= ATTEMPTS_MAX:
            return None
        return (refused(got).retry_after_s or 0) + pause_s
    if attempt >= ATTEMPTS_MAX:
        raise unreachable(got) from got
    return pause_s


def require_address(url: str) -> str:
    """The platform's address. Raises ValueError where nothing could be reached there."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no address: {error}") from error
    if found.scheme not in {"http", "https"} or not found.host:
        raise ValueError(f"{url!r} is no address: it begins with http:// or https://")
    return url
