"""What every service's gRPC door has beside its own commands and questions: its own description, for the gateway, and
the bulk calls of REST, for the gateway to pass on.
"""

from collections.abc import Sequence

import msgspec
from fastapi import FastAPI

from kernel.commands import Commands
from kernel.http_commands import Many, answer_many
from kernel.http_limits import HttpLimits
from kernel.http_page import idempotency_key
from kernel.intake import FIELD_NAME_CHARS_MAX
from kernel.principal import Principal
from kernel.questions import PageAsked, Question, Shown
from kernel.refusal import not_found


class Describe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a service's paths are, for whoever passes requests on to it."""


class ApiDescription(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAPI document as JSON."""

    openapi: str


class GiveMany(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many commands of one kind: a JSON array, or one command a line, as REST takes them."""

    command: str
    key: str
    body: bytes
    each_line: bool


class ManyAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of each, as the JSON that REST answers."""

    answer: str


NO_SUCH_COMMAND = not_found("command.unknown", "没有命令 {command}。", "there is no command {command}")


def many_at_once(commands: Sequence[Commands], limits: HttpLimits) -> Question:
    """The bulk calls of REST, for the gateway to pass on."""
    offered = {kind.__name__: (kind, group) for group in commands for kind in group.offered}

    async def give(caller: Principal, ask: GiveMany, _page: PageAsked) -> Shown:
        if ask.command not in offered:
            raise NO_SUCH_COMMAND(command=ask.command[:FIELD_NAME_CHARS_MAX])
        kind, group = offered[ask.command]
        many = Many(kind, idempotency_key(ask.key), ask.body, each_line=ask.each_line, lines_max=limits.bulk_lines_max)
        answered = await answer_many(group, caller, many)
        return Shown(value=ManyAnswered(answer=msgspec.json.encode(answered).decode()))

    return Question(GiveMany, "/v1/bulk", ManyAnswered, give)


def described(rest: FastAPI) -> Question:
    """What the paths of this app are."""

    async def describe(_caller: Principal, _ask: Describe, _page: PageAsked) -> Shown:
        return Shown(value=ApiDescription(openapi=msgspec.json.encode(rest.openapi()).decode()))

    return Question(Describe, "/openapi.json", ApiDescription, describe, public=True)
