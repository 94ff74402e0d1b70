"""The three entrances to a service, asked in one way: its own REST door, its own gRPC door, the gateway."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import httpx
import msgspec
from fastapi import FastAPI
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from kernel.commands import Commands
from kernel.grpc_client import Peer
from kernel.grpc_messages import message_of, plain_of_message
from kernel.principal import Role
from kernel.questions import Question
from kernel.refusal import Refusal
from ledger.port import Ledger
from tests.gateway.behind import Behind


class Answer(msgspec.Struct, frozen=True):
    """What an entrance said: a refusal's code and words in both languages, or plain values. `status` is HTTP's."""

    code: str | None = None
    zh: str = ""
    en: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    value: Any = None
    status: int | None = None


class Offered:
    """What a service offers: the group of each command, and every question by name. It answers nothing itself."""

    def __init__(self, groups: Iterable[Commands], questions: Iterable[Question]) -> None:
        self.groups: dict[type, Commands] = {kind: group for group in groups for kind in group.offered}
        self.questions: dict[str, Question] = {question.name: question for question in questions}


class Entrance(Protocol):
    """One way in. `token` is a bearer token, or None for nobody's."""

    name: str

    async def give(self, command: Any, token: str | None, key: str = "k", version: int | None = None) -> Answer: ...

    async def ask(self, question: str, plain: dict[str, Any], token: str | None) -> Answer: ...


class Rest:
    """A service's own REST door, or the gateway: their paths are the same."""

    def __init__(self, name: str, client: httpx.AsyncClient, offered: Offered) -> None:
        self.name, self.client, self.offered = name, client, offered

    async def give(self, command: Any, token: str | None, key: str = "k", version: int | None = None) -> Answer:
        group = self.offered.groups[type(command)]
        path = group.path(type(command), getattr(command, group.decider.key))
        plain = msgspec.to_builtins(command)
        del plain[group.decider.key]
        headers = bearer(token) | {"Idempotency-Key": key}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return said(await self.client.post(path, json=plain, headers=headers))

    async def ask(self, question: str, plain: dict[str, Any], token: str | None) -> Answer:
        path = self.offered.questions[question].path
        named = {name: str(value) for name, value in plain.items() if f"{{{name}}}" in path}
        rest = {name: value for name, value in plain.items() if name not in named}
        return said(await self.client.get(path.format_map(named), params=rest, headers=bearer(token)))


class Rpc:
    """A service's own gRPC door."""

    name = "grpc"

    def __init__(self, service: ServiceDescriptor, peer: Peer) -> None:
        self.service, self.peer = service, peer

    async def give(self, command: Any, token: str | None, key: str = "k", version: int | None = None) -> Answer:
        return await self.call(type(command).__name__, command, token, idempotency_key=key, expected_version=version)

    async def ask(self, question: str, plain: dict[str, Any], token: str | None) -> Answer:
        return await self.call(question, plain, token)

    async def call(self, method: str, value: Any, token: str | None, **more: Any) -> Answer:
        described = self.service.methods_by_name[method]
        name, reply = f"{self.service.full_name}/{method}", GetMessageClass(described.output_type)
        message = message_of(described.input_type, value)
        authorization = None if token is None else f"Bearer {token}"
        try:
            if described.server_streaming:
                (await self.peer.stream(name, message, reply, authorization=authorization)).cancel()
                return Answer()
            got = await self.peer.call(name, message, reply, authorization=authorization, **more)
        except Refusal as refusal:
            return refused(refusal)
        return Answer(value=plain_of_message(got))


class Entrances:
    """All three of a service on one platform."""

    def __init__(
        self, platform: Behind, service: ServiceDescriptor, offered: Offered, rest: FastAPI, peer: Peer
    ) -> None:
        self.platform, self.service, self.offered, self.app, self.peer = platform, service, offered, rest, peer
        own = httpx.AsyncClient(transport=httpx.ASGITransport(rest), base_url=f"http://{service.name.lower()}")
        self.rest = Rest("rest", own, offered)
        self.rpc = Rpc(service, peer)
        self.gateway = Rest("gateway", platform.client, offered)

    @property
    def ledger(self) -> Ledger:
        return self.platform.ledger

    def all(self) -> tuple[Entrance, ...]:
        return self.rest, self.rpc, self.gateway

    def named(self, name: str) -> Entrance:
        return next(one for one in self.all() if one.name == name)

    def rpc_methods(self) -> Sequence[MethodDescriptor]:
        return self.service.methods

    def token(self, *roles: Role, **who: Any) -> str:
        return self.platform.token(*roles, **who)


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def said(response: httpx.Response) -> Answer:
    """A response as an answer."""
    if not response.headers.get("content-type", "").endswith("json"):
        return Answer(value=response.content, status=response.status_code)
    body = msgspec.json.decode(response.content)
    if response.status_code < 400:
        return Answer(value=body, status=response.status_code)
    fields = tuple((one["field"], one["code"]) for one in body["errors"])
    return Answer(body["code"], body["zh"], body["en"], fields, status=response.status_code)


def refused(refusal: Refusal) -> Answer:
    """A refusal that came by gRPC as an answer."""
    fields = tuple((one.field, one.code) for one in getattr(refusal, "errors", ()))
    return Answer(refusal.code, refusal.zh, refusal.en, fields)
