"""Questions over REST: one GET each, whose parameters are the fields of the question."""

import re
from collections import Counter
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response

from kernel.commands import described
from kernel.http_files import file_response
from kernel.http_openapi import JSON, Schemas
from kernel.http_page import Cursors, content_tag, not_modified, version_tag
from kernel.identity import Verifier
from kernel.intake import REPEATED_FIELD, UNKNOWN_FIELD, FieldError, field_error, malformed, refuse_nul, struct_of
from kernel.principal import ANONYMOUS, Principal
from kernel.questions import File, PageAsked, PageParameters, Question, Rows, Shown

_PATH_NAME: Final = re.compile(r"{(\w+)}")
_PAGE_NAMES: Final = frozenset({"cursor", "limit"})


def add_question_route(app: FastAPI, schemas: Schemas, question: Question) -> None:
    """Register the path of a question."""
    known = frozenset(field.encode_name for field in msgspec.structs.fields(question.ask))
    if question.paged:
        known |= _PAGE_NAMES

    async def endpoint(request: Request) -> Response:
        asker = await _asker(request, public=question.public)
        ask, page = _asked(request, question, known)
        return response(request, await question.answer(asker, ask, page))

    app.add_api_route(
        question.path,
        endpoint,
        methods=["GET"],
        name=question.name,
        operation_id=question.name,
        description=described(question.ask),
        tags=[question.path.split("/")[2]],
        response_class=Response,
        response_model=None,
        responses={
            **_success(schemas, question),
            304: {"description": "未改变 / as it was"},
        },
        openapi_extra={"parameters": _parameters(schemas, question)} | ({"security": []} if question.public else {}),
    )


def response(request: Request, answer: Shown | Rows | File) -> Response:
    """An answer with its ETag, its cursor and what caches may do with it; 304 where the caller has it already."""
    if isinstance(answer, File):
        return file_response(request, answer)
    shown = answer if isinstance(answer, Shown) else Shown(value=answer)
    headers: dict[str, str] = {}
    value = shown.value
    if isinstance(value, Rows):
        query, cursor = query_of(request), None
        if value.after is not None:
            cursors: Cursors = request.app.state.cursors
            cursor = cursors.seal(query, value.after)
            headers["Link"] = next_link(request, cursor)
        value = {"items": value.items, "next": cursor}
    body = msgspec.json.encode(value)
    headers["ETag"] = tag = content_tag(body) if shown.version is None else version_tag(shown.version)
    headers |= {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if not_modified(request.headers.get("if-none-match"), tag):
        return Response(None, 304, headers)
    return Response(body, 200, headers, JSON)


def next_link(request: Request, cursor: str) -> str:
    """The page after this one, as RFC 8288 has it."""
    again = [(name, one) for name, one in request.query_params.multi_items() if name != "cursor"]
    return f'<{request.url.path}?{urlencode([*again, ("cursor", cursor)])}>; rel="next"'


def query_of(request: Request) -> str:
    """What a cursor belongs to: the path and every parameter but those of the page."""
    kept = sorted((name, one) for name, one in request.query_params.multi_items() if name not in _PAGE_NAMES)
    return f"{request.url.path}?{urlencode(kept)}"


def list_of(row: Any) -> Any:
    """The type of a page of such rows."""
    fields = [("items", list[row]), ("next", str | None)]
    doc = "A page; `next` is the cursor of the next one, null on the last."
    return msgspec.defstruct(f"{row.__name__}Page", fields, namespace={"__doc__": doc}, module=row.__module__)


def _success(schemas: Schemas, question: Question) -> dict[int | str, dict[str, Any]]:
    if question.media:
        content = {name: {"schema": {"type": "string", "format": "binary"}} for name in question.media}
        return {200: {"description": "文件 / the file", "content": content}}
    shown = list_of(question.answers) if question.rows else question.answers
    return schemas.answers((200, shown, "成功 / here it is"))


async def _asker(request: Request, *, public: bool) -> Principal:
    verifier: Verifier = request.app.state.verifier
    if public and "authorization" not in request.headers:
        return ANONYMOUS
    return await verifier.of_header(request.headers.get("authorization"))


def _asked(request: Request, question: Question, known: frozenset[str]) -> tuple[Any, PageAsked]:
    """The question and the page, or Malformed raised with every fault."""
    _refuse_strays(request, known)
    given = {**request.query_params, **request.path_params}
    refuse_nul(given)
    page = {name: given.pop(name) for name in _PAGE_NAMES if name in given}
    ask = struct_of(question.ask, given, strict=False)
    asked = struct_of(PageParameters, page, strict=False)
    cursors: Cursors = request.app.state.cursors
    after = None if asked.cursor is None else cursors.open(query_of(request), asked.cursor)
    return ask, PageAsked(after=after, limit=asked.limit)


def page_asked(request: Request) -> PageParameters:
    """The page that is asked of a list which takes nothing else. Its cursor is not opened. Raises Malformed."""
    _refuse_strays(request, _PAGE_NAMES)
    given = dict(request.query_params)
    refuse_nul(given)
    return struct_of(PageParameters, given, strict=False)


def page_parameters(schemas: Schemas) -> list[dict[str, Any]]:
    """The same, as OpenAPI has it."""
    return [_parameter(schemas, field, "query") for field in msgspec.structs.fields(PageParameters)]


def _refuse_strays(request: Request, known: frozenset[str]) -> None:
    """Raises Malformed where a parameter is not known, or there twice."""
    counted = Counter(name for name, _ in request.query_params.multi_items())
    faults: list[FieldError] = [field_error(UNKNOWN_FIELD(field=name), name) for name in counted if name not in known]
    faults += [field_error(REPEATED_FIELD(field=name), name) for name, times in counted.items() if times > 1]
    if faults:
        raise malformed(faults)


def _parameters(schemas: Schemas, question: Question) -> list[dict[str, Any]]:
    in_path = set(_PATH_NAME.findall(question.path))
    fields = list(msgspec.structs.fields(question.ask))
    if question.paged:
        fields += msgspec.structs.fields(PageParameters)
    return [_parameter(schemas, field, "path" if field.encode_name in in_path else "query") for field in fields]


def _parameter(schemas: Schemas, field: msgspec.structs.FieldInfo, place: str) -> dict[str, Any]:
    return {
        "name": field.encode_name,
        "in": place,
        "required": field.required,
        "schema": schemas.of(field.type),
    }
