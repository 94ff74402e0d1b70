"""Commands over REST: one POST each, `/v1/<plural>/{key}/<command-name>`, and one for many of each."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response

from kernel.commands import RESERVED_KEY, Accepted, Commands, described, kebab
from kernel.door import WrongMedia
from kernel.handling import Ask, Outcome
from kernel.http_limits import TOO_MANY_LINES, HttpLimits, read_body
from kernel.http_openapi import JSON, NDJSON, Schemas, header_parameter
from kernel.http_page import expected_version, idempotency_key, version_tag
from kernel.identity import Verifier
from kernel.intake import (
    ESCAPED_NUL,
    WHOLE,
    FieldError,
    errors_of,
    field_error,
    malformed,
    parsed_json,
    plain_of_json,
    refuse_nul,
    struct_of,
    wrong_type,
)
from kernel.principal import Principal
from kernel.refusal import CommandWarning, Reason, Refusal

Answer: TypeAlias = Outcome | Refusal

NOT_JSON_MEDIA = Reason(
    WrongMedia,
    "request.wrong_media_type",
    "Content-Type 须为 {expected}。",
    "the Content-Type must be {expected}",
)

_KEY_HEADER: Final = header_parameter(
    "Idempotency-Key",
    required=True,
    description="The caller's own name for this request, the same again when it is retried.",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)
_IF_MATCH_HEADER: Final = header_parameter(
    "If-Match",
    required=False,
    description="The version the caller saw, as an ETag gave it; the command is refused when there is a later one.",
    schema={"type": "string", "pattern": '^"[0-9]{1,18}"$'},
)


class LineOutcome(StrEnum):
    """What came of a line."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"


class BulkLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one line, counted from 1. A refused line has `code`, `zh`, `en` and, where fields are at fault,
    `errors`; any other has the stream, its version and the position, and `warnings` where there are any.
    """

    line: int
    outcome: LineOutcome
    stream: str | None = None
    version: int | None = None
    position: int | None = None
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[CommandWarning, ...] = ()


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a bulk call, line by line in their order."""

    accepted: int
    repeated: int
    refused: int
    lines: tuple[BulkLine, ...]


class Many(msgspec.Struct, frozen=True):
    """Many commands of one kind as they came: a JSON array, or one command a line."""

    command: type[msgspec.Struct]
    key: str
    body: bytes
    each_line: bool
    lines_max: int


async def answer_many(commands: Commands, asker: Principal, many: Many) -> BulkAnswer:
    """What came of each. Raises Refusal where the whole is no list, or too long a one."""
    lines = _lines(many.body, many.lines_max, each_line=many.each_line)
    return _bulk_answer(await _handle_lines(commands, many.command, asker, many.key, lines))


def add_command_routes(app: FastAPI, schemas: Schemas, commands: Commands, limits: HttpLimits) -> None:
    """Register the paths of all commands that are offered. Bulk paths come first: `bulk` is no stream's key."""
    if commands.do_many is not None:
        for command in commands.offered:
            _add_bulk(app, schemas, commands, command, limits)
    for command in commands.offered:
        _add_single(app, schemas, commands, command, limits)


def _add_single(
    app: FastAPI, schemas: Schemas, commands: Commands, command: type[msgspec.Struct], limits: HttpLimits
) -> None:
    key = commands.key_name(command)

    async def endpoint(request: Request) -> Response:
        asker = await _asker(request)
        name = idempotency_key(request.headers.get("idempotency-key"))
        version = expected_version(request.headers.get("if-match"))
        require_media(request, JSON)
        plain = plain_of_json(await read_body(request, limits.command_bytes_max))
        asked = commands.read(command, request.path_params[key], plain)
        context = commands.context(asker, asked, name, expected_version=version)
        outcome = await commands.do(asked, context, await commands.permit(asker, (asked,)))
        body = msgspec.json.encode(commands.accepted(outcome))
        at = location(commands.shown_at, request.path_params)
        return recorded_response(body, outcome.version, len(outcome.events), at)

    app.add_api_route(
        commands.path(command, f"{{{key}}}"),
        endpoint,
        methods=["POST"],
        name=f"{commands.plural}: {kebab(command.__name__)}",
        operation_id=f"{commands.plural}_{command.__name__}",
        description=described(command),
        tags=[commands.plural],
        status_code=200,
        response_class=Response,
        response_model=None,
        responses=_successes(schemas, commands, command),
        openapi_extra={
            "parameters": [
                {
                    "name": key,
                    "in": "path",
                    "required": True,
                    "schema": {"allOf": [schemas.of(commands.key_type(command))], "not": {"const": RESERVED_KEY}},
                },
                _KEY_HEADER,
                _IF_MATCH_HEADER,
            ],
            "requestBody": schemas.body(body_type(commands, command)),
        },
    )


def recorded_response(body: bytes, version: int, events: int, shown_at: str | None) -> Response:
    """What came of a command. 201 where these events, up to `version`, are the first of their stream; `shown_at` is
    where one may look at what has come to be.
    """
    headers = {"ETag": version_tag(version), "Cache-Control": "no-store"}
    began = events > 0 and version == events - 1
    if began and shown_at is not None:
        headers["Location"] = shown_at
    return Response(body, 201 if began else 200, headers, JSON)


def location(path: str | None, names: Mapping[str, str]) -> str | None:
    """The path with its names filled in, as a URL has them."""
    return None if path is None else path.format_map({name: quote(one, safe="") for name, one in names.items()})


def _successes(schemas: Schemas, commands: Commands, command: type[msgspec.Struct]) -> dict[int | str, dict[str, Any]]:
    tag = {"description": "The version after it, for If-Match.", "schema": {"type": "string"}}
    found = schemas.answers((200, Accepted, "已记录，或本已如此 / recorded, or it was so already"))
    if command in {*commands.decider.begins, *commands.may_begin}:
        found |= schemas.answers((201, Accepted, "已记录，为首次建档 / recorded, the first that is on record of it"))
    for status, answer in found.items():
        answer["headers"] = {"ETag": tag}
        if status != HTTPStatus.OK and commands.shown_at is not None:
            answer["headers"]["Location"] = {"description": "Where it is shown.", "schema": {"type": "string"}}
    return found


def _add_bulk(
    app: FastAPI, schemas: Schemas, commands: Commands, command: type[msgspec.Struct], limits: HttpLimits
) -> None:
    async def endpoint(request: Request) -> Response:
        asker = await _asker(request)
        name = idempotency_key(request.headers.get("idempotency-key"))
        media = require_media(request, JSON, NDJSON)
        body = await read_body(request, limits.bulk_bytes_max)
        many = Many(command, name, body, each_line=media == NDJSON, lines_max=limits.bulk_lines_max)
        answer = await answer_many(commands, asker, many)
        return Response(msgspec.json.encode(answer), 200, {"Cache-Control": "no-store"}, JSON)

    app.add_api_route(
        commands.bulk_path(command),
        endpoint,
        methods=["POST"],
        name=f"{commands.plural}: many {kebab(command.__name__)}",
        operation_id=f"{commands.plural}_many_{command.__name__}",
        description=_BULK_DESCRIPTION.format(described=described(command), limit=limits.bulk_lines_max),
        tags=[commands.plural],
        response_class=Response,
        response_model=None,
        responses=schemas.answers((200, BulkAnswer, "逐行结果 / what came of each line")),
        openapi_extra={
            "parameters": [_KEY_HEADER],
            "requestBody": {
                "required": True,
                "content": {
                    JSON: {
                        "schema": {"type": "array", "maxItems": limits.bulk_lines_max, "items": schemas.of(command)}
                    },
                    NDJSON: {"schema": {"type": "string", "description": "one command a line"}},
                },
            },
        },
    )


_BULK_DESCRIPTION: Final = """{described}

Many at once, at most {limit}, as a JSON array or one a line. Each line is answered by itself; accepted lines stay
accepted whatever the others are. The Idempotency-Key holds for each line with its stream: sent again, lines are
`repeated`, in any order and among new ones; another command on the same stream is refused as `command.id_reused`."""


def body_type(commands: Commands, command: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The command without its key, which stands in the path: what the body is, for the document."""
    config = command.__struct_config__
    fields = [
        (field.name, field.type, _default_of(field))
        for field in msgspec.structs.fields(command)
        if field.name != commands.decider.key
    ]
    return msgspec.defstruct(
        command.__name__ + "Body",
        fields,
        namespace={"__doc__": described(command)},
        module=command.__module__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=config.forbid_unknown_fields,
    )


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name, default_factory=field.default_factory)
    if field.default is not msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name, default=field.default)
    return msgspec.field(name=field.encode_name)


async def _asker(request: Request) -> Principal:
    verifier: Verifier = request.app.state.verifier
    return await verifier.of_header(request.headers.get("authorization"))


def require_media(request: Request, *expected: str) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in expected:
        raise NOT_JSON_MEDIA(expected=" / ".join(expected))
    return media


def _lines(body: bytes, limit: int, *, each_line: bool) -> list[Any]:
    """Each line as plain values, or why it is not even that."""
    if each_line:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) > limit:
            raise TOO_MANY_LINES(limit=limit)
        return [_or_refusal(plain_of_json, line) for line in lines]
    plain = parsed_json(body)
    if not isinstance(plain, list):
        raise malformed([field_error(wrong_type(WHOLE, "array", type(plain).__name__), "")])
    if len(plain) > limit:
        raise TOO_MANY_LINES(limit=limit)
    return [_or_refusal(_without_nul, one) for one in plain] if ESCAPED_NUL in body else plain


def _without_nul(plain: object) -> object:
    refuse_nul(plain)
    return plain


def _or_refusal(read: Callable[..., Any], *arguments: object) -> Any:
    try:
        return read(*arguments)
    except Refusal as refusal:
        return refusal


async def _handle_lines(
    commands: Commands, command: type[msgspec.Struct], asker: Principal, name: str, lines: Sequence[Any]
) -> Sequence[Answer]:
    assert commands.do_many is not None
    key = commands.key_name(command)
    answers: list[Answer | None] = []
    asked: list[tuple[int, int, msgspec.Struct]] = []
    on_stream: Counter[str] = Counter()
    for index, plain in enumerate(lines):
        read = plain if isinstance(plain, Refusal) else _or_refusal(struct_of, command, plain)
        # A line that cannot be read still counts on its stream, so that mending it does not rename those after it.
        stream = str(plain.get(key)) if isinstance(plain, dict) else ""
        if isinstance(read, Refusal):
            answers.append(read)
        else:
            answers.append(None)
            asked.append((index, on_stream[stream], read))
        on_stream[stream] += 1
    permit = await commands.permit(asker, [one for _, _, one in asked])
    asks = [Ask(one, commands.context(asker, one, name, nth=nth), permit) for _, nth, one in asked]
    for (index, _, _), answer in zip(asked, await commands.do_many(asks), strict=True):
        answers[index] = answer
    return [answer for answer in answers if answer is not None]


def _bulk_answer(answers: Sequence[Answer]) -> BulkAnswer:
    lines = tuple(_line(number, answer) for number, answer in enumerate(answers, 1))
    counts = Counter(line.outcome for line in lines)
    return BulkAnswer(
        accepted=counts[LineOutcome.ACCEPTED],
        repeated=counts[LineOutcome.REPEATED],
        refused=counts[LineOutcome.REFUSED],
        lines=lines,
    )


def _line(number: int, answer: Answer) -> BulkLine:
    if isinstance(answer, Refusal):
        return BulkLine(
            line=number,
            outcome=LineOutcome.REFUSED,
            code=answer.code,
            zh=answer.zh,
            en=answer.en,
            errors=errors_of(answer),
        )
    return BulkLine(
        line=number,
        outcome=LineOutcome.REPEATED if answer.repeated else LineOutcome.ACCEPTED,
        stream=answer.stream,
        version=answer.version,
        position=answer.position,
        warnings=answer.warnings,
    )
