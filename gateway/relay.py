"""Commands and questions of the services behind, passed on unchanged by gRPC, and their refusals passed back.

A request is read as strictly here as behind, from the proto alone: what a field may hold beyond its type is the
service's to say. The gateway decides whether a role may ask this at all; the service decides with the row.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.access import Access
from gateway.passage import Endpoint, Passage
from gateway.paths import Command, Question, Service
from kernel.grpc_client import Peer, Streamed
from kernel.grpc_files import head_in, require_parts
from kernel.grpc_messages import message_of, plain_of_message, struct_for
from kernel.http_commands import location, recorded_response, require_media
from kernel.http_files import held_already, streamed_response
from kernel.http_limits import HttpLimits, read_body
from kernel.http_openapi import JSON, NDJSON
from kernel.http_page import content_tag, expected_version, idempotency_key, not_modified, version_tag
from kernel.http_questions import next_link
from kernel.intake import REPEATED_FIELD, UNKNOWN_FIELD, field_error, malformed, plain_of_json, struct_of

AUTHORIZATION: Final = "authorization"
MANY_S_MAX: Final = 30.0
"""A thousand commands, each with its reading, where the disk is slow."""


class Relay:
    """Routes of one service behind, on an app."""

    def __init__(self, app: FastAPI, peer: Peer, access: Access, limits: HttpLimits) -> None:
        self._app: Final = app
        self._peer: Final = peer
        self._access: Final = access
        self._limits: Final = limits

    def add(self, service: Service) -> None:
        """Register every command and question of the service."""
        commands = list(service.commands())
        # Bulk paths come first: `bulk` is no stream's key.
        routes = self._app.router.routes
        for command in commands:
            routes.append(Passage(command.bulk_path, "POST", f"Many{command.method.name}", self._many(command)))
        for command in commands:
            routes.append(Passage(command.path, "POST", command.method.name, self._command(command)))
        for question in service.asked():
            endpoint = self._file(question) if question.is_file else self._question(question)
            routes.append(Passage(question.path, "GET", question.method.name, endpoint))

    async def ask(self, question: Question, plain: Mapping[str, Any], authorization: str | None) -> dict[str, Any]:
        """The answer to a question as plain values. Raises what the service refuses."""
        answer = await self._call(question.method, _asked(question, plain), authorization)
        return _as_json(plain_of_message(answer, nulls=True))

    async def describe(self, service: Service) -> dict[str, Any]:
        """The service's OpenAPI document. Raises CannotNow while it is away."""
        answer = await self._call(service.describe, GetMessageClass(service.describe.input_type)(), None)
        document: dict[str, Any] = msgspec.json.decode(plain_of_message(answer)["openapi"])
        return document

    def _command(self, command: Command) -> Endpoint:
        kind = command.method.input_type
        body_type = struct_for(kind)

        async def endpoint(request: Request) -> Response:
            await self._access.require(request, command.method.name)
            name = idempotency_key(request.headers.get("idempotency-key"))
            version = expected_version(request.headers.get("if-match"))
            require_media(request, JSON)
            plain = plain_of_json(await read_body(request, self._limits.command_bytes_max))
            asked = struct_of(body_type, _with_key(plain, command.key, request.path_params[command.key]))
            answer = await self._call(
                command.method,
                message_of(kind, asked),
                request.headers.get(AUTHORIZATION),
                idempotency_key=name,
                expected_version=version,
            )
            accepted = plain_of_message(answer)
            accepted["events"] = [_as_json(event) for event in accepted["events"]]
            at = location(command.shown_at, request.path_params)
            return recorded_response(msgspec.json.encode(accepted), accepted["version"], len(accepted["events"]), at)

        return endpoint

    def _many(self, command: Command) -> Endpoint:
        service = command.method.containing_service
        method = service.methods_by_name["GiveMany"]

        async def endpoint(request: Request) -> Response:
            await self._access.require(request, command.method.name)
            key = idempotency_key(request.headers.get("idempotency-key"))
            media = require_media(request, JSON, NDJSON)
            body = await read_body(request, self._limits.bulk_bytes_max)
            plain = {"command": command.method.name, "key": key, "body": body, "each_line": media == NDJSON}
            asked = message_of(method.input_type, plain)
            answer = await self._call(method, asked, request.headers.get(AUTHORIZATION), timeout_s=MANY_S_MAX)
            return Response(plain_of_message(answer)["answer"], 200, {"Cache-Control": "no-store"}, JSON)

        return endpoint

    def _question(self, question: Question) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            if question.public:
                await self._access.identify(request)
            else:
                await self._access.require(request, question.method.name)
            given = parameters(request)
            plain = await self.ask(question, given, request.headers.get(AUTHORIZATION))
            # One thing is shown as of a version of its stream; a list has none, and may go on.
            response = shown(request, plain, plain.get("version"))
            if cursor := plain.get("next"):
                response.headers["Link"] = next_link(request, cursor)
            return response

        return endpoint

    def _file(self, question: Question) -> Endpoint:
        method = question.method
        part = GetMessageClass(method.output_type)
        require_parts(method)

        async def endpoint(request: Request) -> Response:
            await self._access.require(request, method.name)
            asked = _asked(question, parameters(request))
            authorization = request.headers.get(AUTHORIZATION)
            streamed = await self._peer.stream(_name(method), asked, part, authorization=authorization)
            head = head_in(streamed.first)
            if (already := held_already(request, head)) is not None:
                streamed.cancel()
                return already
            return streamed_response(head, _content(streamed))

        return endpoint

    async def _call(self, method: Any, request: Message, authorization: str | None, **more: Any) -> Message:
        return await self._peer.call(
            _name(method), request, GetMessageClass(method.output_type), authorization=authorization, **more
        )


def _name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


def _asked(question: Question, plain: Mapping[str, Any]) -> Message:
    """The request that a question's parameters make, which are text, or Malformed raised."""
    kind = question.method.input_type
    return message_of(kind, struct_of(struct_for(kind), dict(plain), strict=False))


async def _content(streamed: Streamed[Any]) -> AsyncIterator[bytes]:
    """What the parts carry. At most one of them is held, however slowly the caller takes them."""
    async with aclosing(streamed.parts()) as parts:
        async for part in parts:
            yield part.content


def _as_json(plain: dict[str, Any]) -> dict[str, Any]:
    """An answer, or a row, whose `data`, an event's JSON, is no text here but what it says."""
    if "items" in plain:
        return {**plain, "items": [_as_json(row) for row in plain["items"]]}
    return {**plain, "data": msgspec.Raw(plain["data"].encode())} if "data" in plain else plain


def parameters(request: Request) -> dict[str, str]:
    """The parameters of path and query, each once."""
    if not request.scope["query_string"]:
        # Most questions have none; to take apart an empty one costs five microseconds.
        return request.path_params
    items = request.query_params.multi_items()
    names = [name for name, _ in items]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise malformed([field_error(REPEATED_FIELD(field=name), name) for name in twice])
    if clash := sorted(set(names).intersection(request.path_params)):
        raise malformed([field_error(UNKNOWN_FIELD(field=name), name) for name in clash])
    return {**dict(items), **request.path_params}


def shown(request: Request, plain: dict[str, Any], version: int | None = None) -> Response:
    """Plain values as JSON, with an ETag; 304 where the caller has them already."""
    body = msgspec.json.encode(plain)
    tag = content_tag(body) if version is None else version_tag(version)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if not_modified(request.headers.get("if-none-match"), tag):
        return Response(None, 304, headers)
    return Response(body, 200, headers, JSON)


def _with_key(plain: object, key: str, value: str) -> object:
    """The body with the key that stands in the path."""
    if not isinstance(plain, dict):
        return plain
    if key in plain:
        raise malformed([field_error(UNKNOWN_FIELD(field=key), key)])
    return {**plain, key: value}
