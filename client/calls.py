"""What goes over the wire and what comes back, whichever client sends it."""

import os
import uuid
from typing import Any, ClassVar, Final, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec

Answer = TypeVar("Answer")
Row = TypeVar("Row")

JSON: Final = "application/json"


class Refused(Exception):
    """The platform refused. `code` is stable; `zh` and `en` are for people; `errors` name the fields at fault."""

    def __init__(self, status: int, problem: "Problem") -> None:
        super().__init__(f"{problem.code}: {problem.zh} / {problem.en}")
        self.status, self.code, self.zh, self.en, self.errors = (
            status,
            problem.code,
            problem.zh,
            problem.en,
            problem.errors,
        )


class Unreachable(Exception):
    """No answer. Asking again with the same Idempotency-Key is safe."""


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


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to be done. `PATH` names the field that stands in it."""

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


def command_request(command: Command, key: str | None, expected_version: int | None) -> dict[str, Any]:
    """The arguments of httpx's request for a command."""
    body = msgspec.to_builtins(command)
    path = command.PATH.replace(f"{{{command.KEY}}}", quote(str(body.pop(command.KEY)), safe=""))
    headers = {"Content-Type": JSON, "Idempotency-Key": key or fresh_key()}
    if expected_version is not None:
        headers["If-Match"] = f'"{expected_version}"'
    return {"method": "POST", "url": path, "content": msgspec.json.encode(body), "headers": headers}


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
    return {"method": "PATCH", "url": f"/v1/imports/{quote(import_id)}", "content": content, "headers": headers}


def answer_of(response: httpx.Response, kind: Any) -> Any:
    """The answer, or Refused raised."""
    refuse(response)
    return msgspec.json.decode(response.content, type=kind)


def refuse(response: httpx.Response) -> None:
    """Raise Refused unless it went well."""
    if response.is_success:
        return
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        text = response.text[:200]
        problem = Problem(zh=f"HTTP {response.status_code} {text}", en=f"HTTP {response.status_code} {text}")
    raise Refused(response.status_code, problem)
