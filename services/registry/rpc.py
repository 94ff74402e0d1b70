"""The registry over gRPC: the same commands and questions as over REST, and its own description for the gateway."""

from collections.abc import Sequence

import msgspec
from fastapi import FastAPI

from kernel.commands import Commands
from kernel.grpc_server import RpcDoor
from kernel.identity import Principal
from kernel.questions import PageAsked, Question, Shown
from kernel.wire.registry.v1 import registry_pb2


class Describe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the registry's paths are, for whoever passes requests on to it."""


class ApiDescription(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAPI document as JSON."""

    openapi: str


def open_rpc(door: RpcDoor, commands: Sequence[Commands], questions: Sequence[Question], rest: FastAPI) -> None:
    """Add the registry's methods to a door. `rest` is the app whose paths are described."""

    async def describe(_caller: Principal, _ask: Describe, _page: PageAsked) -> Shown:
        return Shown(value=ApiDescription(openapi=msgspec.json.encode(rest.openapi()).decode()))

    described = Question(Describe, "/openapi.json", ApiDescription, describe, public=True)
    service = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
    door.service(service, commands=commands, questions=[*questions, described])
