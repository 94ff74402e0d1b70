"""A file as the answer to a GET: what it is saved as, whether it came whole, whether one has it already."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

import msgspec
from fastapi import Request
from fastapi.responses import Response
from starlette.responses import StreamingResponse

from kernel.http_page import not_modified
from kernel.questions import File

LEFT_OUT: Final = "Meterloop-Left-Out"
"""How much of what belongs in a file could not be put there yet."""

_OF_WHAT_IS_HELD: Final = ("ETag", "Cache-Control", "Vary", LEFT_OUT)
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_UNNAMED: Final = "file"


class FileHead(msgspec.Struct, frozen=True, kw_only=True):
    """A file without its content. `sha256` of the content is in lower-case hexadecimal."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    left_out: int | None = None


def head_of(file: File) -> FileHead:
    """What is said of a file before its content."""
    return FileHead(
        name=file.name,
        media_type=file.media_type,
        size_bytes=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
        left_out=file.left_out,
    )


def file_response(request: Request, file: File) -> Response:
    """The file as an answer; 304 where the caller has it already."""
    head = head_of(file)
    return held_already(request, head) or Response(file.content, 200, headers_of(head))


def streamed_response(head: FileHead, content: AsyncIterator[bytes]) -> Response:
    """A file whose content is still coming."""
    return StreamingResponse(content, 200, headers_of(head))


def growing_response(name: str, media_type: str, content: AsyncIterator[bytes]) -> Response:
    """A file that may be longer the next time: neither its length nor its digest is known."""
    headers = {"Content-Disposition": disposition(name), "Cache-Control": "no-store"}
    return StreamingResponse(content, 200, headers, media_type)


def held_already(request: Request, head: FileHead) -> Response | None:
    """304 where the caller has this very file, else None."""
    if not not_modified(request.headers.get("if-none-match"), _tag(head)):
        return None
    headers = headers_of(head)
    return Response(
        None, 304, {name: headers[name] for name in ("ETag", "Cache-Control", "Vary", LEFT_OUT) if name in headers}
    )


def headers_of(head: FileHead) -> dict[str, str]:
    """Digest by RFC 9530, so that whoever signs a paper or sends it on can tell which one it was."""
    digest = base64.b64encode(bytes.fromhex(head.sha256)).decode()
    headers = {
        "Content-Type": head.media_type,
        "Content-Length": str(head.size_bytes),
        "Content-Disposition": disposition(head.name),
        "ETag": _tag(head),
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
    }
    return headers if head.left_out is None else headers | {LEFT_OUT: str(head.left_out)}


def disposition(name: str) -> str:
    """Content-Disposition for saving under this name, by RFC 6266; programs that do not know RFC 8187 get its ASCII."""
    ending = PurePosixPath(name).suffix
    stem = name.removesuffix(ending)
    plain = (_NOT_PLAIN.sub("_", stem).strip("._-") or _UNNAMED) + _NOT_PLAIN.sub("", ending)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _tag(head: FileHead) -> str:
    return f'"{head.sha256}"'
