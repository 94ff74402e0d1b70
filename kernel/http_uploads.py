"""Files that come in pieces: announced, sent, resumed where the connection broke, worked on, looked at.

    POST  <path>                announce it (JSON, Idempotency-Key)             -> how it stands
    PATCH <path>/{id}           send what follows byte `Upload-Offset`          -> how it stands; go on from its offset
    GET   <path>/{id}, <path>   how it stands; all of the caller's
    POST  <path>/{id}/cancel    end it
    GET   <path>/{id}/errors    what was refused of it, as CSV

The service that keeps the files and the gateway before it open the same routes, each over its own Uploads.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, Protocol, TypeAlias

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import Response

from kernel.door import BadRequest
from kernel.http_files import growing_response
from kernel.http_limits import HttpLimits, read_body, require_uncompressed
from kernel.http_openapi import JSON, Schemas, header_parameter
from kernel.http_page import idempotency_key
from kernel.http_problem import problem_response
from kernel.http_questions import list_of, next_link, page_asked, page_parameters
from kernel.identity import Verifier
from kernel.intake import plain_of_json, value_of
from kernel.principal import Principal
from kernel.quantity import formed
from kernel.questions import PageParameters
from kernel.refusal import Reason, Refusal

BINARY: Final = "application/octet-stream"
CSV: Final = "text/csv"
PIECE_BYTES: Final = 2 << 20
"""What is kept in memory of an upload, and what is recorded at a time."""

OFFSET_DIGITS_MAX: Final = 15

NO_OFFSET = Reason(
    BadRequest,
    "upload.no_offset",
    "Upload-Offset 须为此段开始处的字节数。",
    "Upload-Offset must say at which byte this piece begins",
)

_OFFSET_HEADER: Final = header_parameter(
    "Upload-Offset",
    required=True,
    description="The byte at which this piece begins: `bytes_received` of the upload.",
    schema={"type": "integer", "minimum": 0},
)
UploadId: TypeAlias = Annotated[
    str, formed(r"[0-9a-f]{32}", "上传编号：32 位十六进制", "an upload's id: 32 hexadecimal digits")
]
_ID: Final = {
    "name": "import_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_KEY_HEADER: Final = header_parameter(
    "Idempotency-Key",
    required=True,
    description="The caller's own name for this upload, the same again when it is retried.",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)


_SAID: Final = {
    "CreateImport": "上传表格 Announce a table. Its content follows in pieces.",
    "ListImports": "导入列表 The caller's own imports, the newest first.",
    "AppendImport": "续传 Send what follows in the file, from `Upload-Offset` on. Of no bytes: how far it has come.",
    "GetImport": "导入进度 How an import stands.",
    "CancelImport": "取消导入 End an import. What it has recorded stays.",
    "GetImportErrors": "被拒的行 What was refused, and what passed with a warning, as CSV.",
}


class Asker(msgspec.Struct, frozen=True):
    """Who asks, and the header that says so, to be passed on unchanged."""

    principal: Principal
    authorization: str


class Listed(msgspec.Struct, frozen=True):
    """A page of the caller's uploads, and the cursor of the next one where there is more."""

    items: Sequence[Any]
    next: str | None


class Uploads(Protocol):
    """Whoever keeps uploads. Every method raises Refusal; what they return is shown as JSON."""

    async def create(self, asker: Asker, plain: Any, key: str) -> Any: ...

    async def append(self, asker: Asker, upload_id: str, offset: int, content: bytes) -> Any:
        """Keep a piece; durable when this returns."""
        ...

    async def get(self, asker: Asker, upload_id: str) -> Any: ...

    async def list(self, asker: Asker, page: PageParameters) -> Listed: ...

    async def cancel(self, asker: Asker, upload_id: str) -> Any: ...

    async def errors(self, asker: Asker, upload_id: str, offset: int) -> bytes:
        """Of the error file what begins at this byte; nothing at its end."""
        ...


def add_upload_routes(
    app: FastAPI, schemas: Schemas, limits: HttpLimits, path: str, uploads: Uploads, new: Any, shown: Any
) -> None:
    """Register the routes. `new` and `shown` are the types of an announcement and of how an upload stands."""
    door = _Door(app.state.verifier, limits, uploads)
    one, whole = f"{path}/{{import_id}}", schemas.answers((200, shown, "现状 / how it stands"))
    made = schemas.answers((201, shown, "已受理 / announced"))
    content = {"required": True, "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}
    table = {"description": "CSV", "content": {CSV: {"schema": {"type": "string"}}}}
    listed = schemas.answers((200, list_of(shown), "全部 / all of the caller's"))
    announce = {"parameters": [_KEY_HEADER], "requestBody": schemas.body(new)}
    for at, verb, name, endpoint, responses, extra in (
        (path, "POST", "CreateImport", door.create, made, announce),
        (path, "GET", "ListImports", door.every, listed, {"parameters": page_parameters(schemas)}),
        (
            one,
            "PATCH",
            "AppendImport",
            door.append,
            whole,
            {"parameters": [_ID, _OFFSET_HEADER], "requestBody": content},
        ),
        (one, "GET", "GetImport", door.get, whole, {"parameters": [_ID]}),
        (f"{one}/cancel", "POST", "CancelImport", door.cancel, whole, {"parameters": [_ID, _KEY_HEADER]}),
        (f"{one}/errors", "GET", "GetImportErrors", door.errors, {200: table}, {"parameters": [_ID]}),
    ):
        app.add_api_route(
            at,
            endpoint,
            methods=[verb],
            name=name,
            operation_id=name,
            tags=["imports"],
            response_class=Response,
            response_model=None,
            responses=responses,  # type: ignore[arg-type]  # a dict of dicts is invariant
            openapi_extra={"description": _SAID[name]} | extra,
        )


class _Door:
    """The endpoints over one Uploads."""

    def __init__(self, verifier: Verifier, limits: HttpLimits, uploads: Uploads) -> None:
        self._verifier: Final = verifier
        self._limits: Final = limits
        self._uploads: Final = uploads

    async def create(self, request: Request) -> Response:
        who = await self._asker(request)
        key = idempotency_key(request.headers.get("idempotency-key"))
        plain = plain_of_json(await read_body(request, self._limits.bulk_bytes_max))
        return _json(await self._uploads.create(who, plain, key), 201)

    async def append(self, request: Request) -> Response:
        who, import_id = await self._asker(request), _named(request)
        offset = _offset(request)
        # A piece of nothing says how the upload stands, or why it takes no more.
        stands = await self._uploads.append(who, import_id, offset, b"")
        try:
            async for piece in _pieces(request):
                stands = await self._uploads.append(who, import_id, offset, piece)
                offset += len(piece)
        except Refusal as refusal:
            # The rest of the body is not read: the connection cannot be used again.
            answer = problem_response(request, refusal)
            answer.headers["Connection"] = "close"
            return answer
        return _json(stands, 200)

    async def get(self, request: Request) -> Response:
        return _json(await self._uploads.get(await self._asker(request), _named(request)), 200)

    async def every(self, request: Request) -> Response:
        who = await self._asker(request)
        listed = await self._uploads.list(who, page_asked(request))
        answer = _json(listed, 200)
        if listed.next is not None:
            answer.headers["Link"] = next_link(request, listed.next)
        return answer

    async def cancel(self, request: Request) -> Response:
        who = await self._asker(request)
        idempotency_key(request.headers.get("idempotency-key"))
        return _json(await self._uploads.cancel(who, _named(request)), 200)

    async def errors(self, request: Request) -> Response:
        who, import_id = await self._asker(request), _named(request)
        first = await self._uploads.errors(who, import_id, 0)
        return growing_response(f"{import_id}.errors.csv", CSV, _rest(self._uploads, who, import_id, first))

    async def _asker(self, request: Request) -> Asker:
        header = request.headers.get("authorization") or ""
        return Asker(await self._verifier.of_header(header), header)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of a size that can be recorded."""
    require_uncompressed(request)
    held = bytearray()
    async for part in request.stream():
        held += part
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)


async def _rest(uploads: Uploads, who: Asker, upload_id: str, piece: bytes) -> AsyncIterator[bytes]:
    offset = 0
    while piece:
        yield piece
        offset += len(piece)
        piece = await uploads.errors(who, upload_id, offset)


def _named(request: Request) -> str:
    """The id from the path, or a refusal where it can be none. An endpoint that took it by name would have it in the
    OpenAPI document a second time, without its form.
    """
    named: str = value_of(UploadId, request.path_params["import_id"], "import_id")
    return named


def _offset(request: Request) -> int:
    header = request.headers.get("upload-offset", "")
    if not (header.isascii() and header.isdigit() and len(header) <= OFFSET_DIGITS_MAX):
        raise NO_OFFSET()
    return int(header)


def _json(value: Any, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, JSON)
