"""People at a service's own REST door: remembered, asked for, forgotten, by the opaque subject id that events carry.

No command and no event: nothing of it enters the log, or erasing it would be in vain. It is not passed on by the
gateway, so that names cross no more doors than the one of the service that keeps them.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from fastapi import Request
from fastapi.responses import Response

from kernel.http_commands import require_media
from kernel.http_limits import read_body
from kernel.http_openapi import JSON
from kernel.http_server import HttpDoor
from kernel.identity import Verifier
from kernel.intake import plain_of_json, struct_of
from kernel.people import People, Person
from kernel.principal import Principal
from kernel.quantity import Subject
from kernel.refusal import not_found

PATH: Final = "/v1/people"
KEEP_PEOPLE: Final = "KeepPeople"

UNKNOWN = not_found(
    "people.unknown",
    "没有该代号对应人员的记录，或已删除。",
    "nobody is known by that subject id, or they have been forgotten",
)

_LOG: Final = structlog.get_logger("people")


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom it is about."""

    subject: Subject


class KnownPerson(Person, frozen=True, kw_only=True):
    """All that is kept of a person, and since when."""

    known_since: datetime


def add_people_routes(door: HttpDoor, people: People, may: Callable[[Principal], None]) -> None:
    """Register the routes. `may` raises NotAllowed where the caller may not."""
    verifier: Verifier = door.app.state.verifier

    async def caller(request: Request) -> Principal:
        principal = await verifier.of_header(request.headers.get("authorization"))
        may(principal)
        return principal

    async def remember(request: Request) -> Response:
        who = await caller(request)
        require_media(request, JSON)
        person = struct_of(Person, plain_of_json(await read_body(request, door.limits.command_bytes_max)))
        await people.remember(person)
        _LOG.info("remembered", subject=person.subject, by=who.subject)
        return Response(msgspec.json.encode(person), 200, _NOT_KEPT, JSON)

    async def known(request: Request) -> Response:
        await caller(request)
        subject = _subject(request)
        person, since = (await people.named([subject])).get(subject), await people.known_since(subject)
        if person is None or since is None:
            raise UNKNOWN()
        whole = KnownPerson(**msgspec.structs.asdict(person), known_since=since)
        return Response(msgspec.json.encode(whole), 200, _NOT_KEPT, JSON)

    async def forget(request: Request) -> Response:
        who = await caller(request)
        subject = _subject(request)
        if not await people.forget(subject):
            raise UNKNOWN()
        _LOG.info("forgotten", subject=subject, by=who.subject)
        return Response(None, 204, _NOT_KEPT)

    schemas = door.schemas
    asked = [{"name": "subject", "in": "query", "required": True, "schema": schemas.of(Subject)}]
    remembered = schemas.answers((200, Person, "已记录 / known from now on"))
    shown = schemas.answers((200, KnownPerson, "所存内容 / what is kept"))
    gone: dict[int | str, dict[str, Any]] = {204: {"description": "已删除 / forgotten"}}
    table: tuple[tuple[str, str, _Endpoint, dict[int | str, dict[str, Any]], dict[str, Any]], ...] = (
        ("PUT", "RememberPerson", remember, remembered, {"requestBody": schemas.body(Person)}),
        ("GET", "GetPerson", known, shown, {"parameters": asked}),
        ("DELETE", "ForgetPerson", forget, gone, {"parameters": asked}),
    )
    for verb, name, endpoint, responses, extra in table:
        door.app.add_api_route(
            PATH,
            endpoint,
            methods=[verb],
            name=name,
            operation_id=name,
            tags=["people"],
            response_class=Response,
            response_model=None,
            responses=responses,
            openapi_extra={"description": _SAID[name]} | extra,
        )


_SAID: Final = {
    "RememberPerson": "登记姓名 Put a person's name beside the log, or another in its place.",
    "GetPerson": "查询姓名 What is kept of a person.",
    "ForgetPerson": "删除姓名 Erase a person's name. The log has never had it.",
}

_Endpoint = Callable[[Request], Awaitable[Response]]
_NOT_KEPT: Final = {"Cache-Control": "no-store"}


def _subject(request: Request) -> str:
    return struct_of(Asked, dict(request.query_params.items())).subject
