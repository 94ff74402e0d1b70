"""A file on disk as an answer: whole or a range of it (RFC 9110 section 14), or nothing where the caller has it.

The file is opened once, and what is sent is what that one was: another may take its name meanwhile, and it may grow.
"""

import asyncio
import base64
import hashlib
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from gateway.places import Places
from kernel.door import RANGE_NOT_SATISFIABLE
from kernel.http_page import not_modified
from kernel.http_problem import problem_response

PART_BYTES: Final = 256 * 1024
"""Read and sent at once."""

PART_S_MAX: Final = 30.0
"""In which a part is taken off our hands: 9 kilobytes a second. Slower ones would keep their places for ever."""

TAGS_KEPT: Final = 1_000
"""A day's checkpoints are some thirty megabytes, which are not hashed for every question."""

_ONE_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})?-([0-9]{1,18})?", re.ASCII | re.IGNORECASE)


class Span(msgspec.Struct, frozen=True):
    """Bytes of a file from `begin` up to `end`."""

    begin: int
    end: int


class OpenedFile:
    """A file that is open, with the size that it has now, and its ETag. Raises FileNotFoundError."""

    def __init__(self, path: Path, tags: "Tags") -> None:
        # Without waiting: what is no file, such as a pipe, is not read.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = _regular(self._descriptor)
            self.size_bytes: Final = found.st_size
            self.tag: Final = tags.of(self._descriptor, found)
        except BaseException:
            self.close()
            raise

    def read(self, begin: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - begin, begin)

    def close(self) -> None:
        """Closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _regular(descriptor: int) -> os.stat_result:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(descriptor)
    return found


class Tags:
    """ETags of files: hashes of what is in them, as with every public representation."""

    def __init__(self) -> None:
        self._known: Final[OrderedDict[tuple[int, ...], str]] = OrderedDict()

    def of(self, descriptor: int, found: os.stat_result) -> str:
        """The tag of this open file. Whatever changes a file of the log changes its inode or its length."""
        named = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if (known := self._known.get(named)) is not None:
            return known
        digest, at = hashlib.sha256(), 0
        while at < found.st_size and (part := os.pread(descriptor, min(PART_BYTES, found.st_size - at), at)):
            digest.update(part)
            at += len(part)
        self._known[named] = tag = f'"{base64.urlsafe_b64encode(digest.digest()[:18]).decode()}"'
        while len(self._known) > TAGS_KEPT:
            self._known.popitem(last=False)
        return tag


class FileResponse(Response):
    """Sends a span of an open file, a part at a time, and closes it. It has a place among those that are sent."""

    def __init__(
        self,
        file: OpenedFile,
        span: Span,
        status: int,
        headers: Mapping[str, str],
        places: Places,
        *,
        part_s_max: float = PART_S_MAX,
    ) -> None:
        super().__init__(None, status, {**headers, "Content-Length": str(span.end - span.begin)})
        self._file: Final = file
        self._span: Final = span
        self._places: Final = places
        self._part_s_max: Final = part_s_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        try:
            with self._places.place_for(scope.get("client")):
                await self._sent(send)
        except TimeoutError as slow:
            raise ClientDisconnect from slow
        finally:
            self._file.close()

    async def _sent(self, send: Send) -> None:
        async with asyncio.timeout(self._part_s_max) as within:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            at, end = self._span.begin, self._span.end
            while at < end:
                part = await asyncio.to_thread(self._file.read, at, min(at + PART_BYTES, end))
                if not part:
                    raise OSError("a file of the proof log was cut short while it was sent")
                at += len(part)
                await send({"type": "http.response.body", "body": part, "more_body": at < end})
                within.reschedule(asyncio.get_running_loop().time() + self._part_s_max)
            if self._span.begin == end:
                await send({"type": "http.response.body", "body": b""})


def file_answer(request: Request, file: OpenedFile, headers: Mapping[str, str], places: Places) -> Response:
    """The file as this request wants it. It is closed when the answer has been sent, which takes one of the places."""
    headers = {**headers, "ETag": file.tag, "Accept-Ranges": "bytes"}
    whole = Span(0, file.size_bytes)
    if not_modified(request.headers.get("if-none-match"), file.tag):
        file.close()
        return Response(None, 304, {name: value for name, value in headers.items() if name != "Content-Type"})
    # If-Range with a date, or with another tag, is of another file than this one: then it is sent whole.
    if request.headers.get("if-range", file.tag) != file.tag:
        return FileResponse(file, whole, 200, headers, places)
    try:
        span = span_asked(request.headers.get("range"), file.size_bytes)
    except ValueError:
        file.close()
        refused = problem_response(request, RANGE_NOT_SATISFIABLE(size=file.size_bytes))
        refused.headers["Content-Range"] = f"bytes */{file.size_bytes}"
        return refused
    if span is None:
        return FileResponse(file, whole, 200, headers, places)
    said = f"bytes {span.begin}-{span.end - 1}/{file.size_bytes}"
    return FileResponse(file, span, 206, headers | {"Content-Range": said}, places)


def span_asked(header: str | None, size_bytes: int) -> Span | None:
    """The bytes that a Range header names; None where it names none, or several ranges, or in a unit that is not known:
    it is then as if there were none (RFC 9110 section 14.2). ValueError where the file has no such bytes.
    """
    found = None if header is None else _ONE_RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found[1] is found[2] is None:
        return None
    if found[1] is None:
        begin, end = max(size_bytes - int(found[2]), 0), size_bytes
    else:
        begin = int(found[1])
        if found[2] is not None and int(found[2]) < begin:
            return None
        end = min(int(found[2]) + 1, size_bytes) if found[2] is not None else size_bytes
    if begin >= end:
        raise ValueError("the file has no such bytes")
    return Span(begin, end)
