"""The registry's three entrances, asked in one way: its own REST door, its own gRPC door, the gateway."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from kernel.authority import Policies
from kernel.commands import Commands
from kernel.grpc_client import Peer
from kernel.grpc_messages import message_of, plain_of_message
from kernel.principal import Role
from kernel.questions import Question
from kernel.refusal import Refusal
from kernel.wire.registry.v1 import registry_pb2
from ledger.memory import MemoryLedger
from ledger.transparency.evidence import EvidenceOfLog
from services.registry.access import Access
from services.registry.app import Registry
from services.registry.documents.workshop import Limits, Workshop
from services.registry.papers.offered import Papers
from services.registry.proofs import Proofs
from services.registry.questions import Questions
from tests.gateway.behind import ROOT, Behind

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
NO_PAPER = Limits(at_once_max=0, waiting_max=0)
"""A workshop whose queue is always full: whoever may have a paper is told so, and nobody waits for it to be made."""

PAPER_ASKED_FOR = "document.busy"


class Answer(msgspec.Struct, frozen=True):
    """What an entrance said: a refusal's code and words in both languages, or plain values. `status` is HTTP's."""

    code: str | None = None
    zh: str = ""
    en: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    value: Any = None
    status: int | None = None


class Entrance(Protocol):
    """One way in. `token` is a bearer token, or None for nobody's."""

    name: str

    async def give(self, command: Any, token: str | None, key: str = "k", version: int | None = None) -> Answer: ...

    async def ask(self, question: str, plain: dict[str, Any], token: str | None) -> Answer: ...


class Rest:
    """The registry's own REST door, or the gateway: their paths are the same."""

    def __init__(self, name: str, client: httpx.AsyncClient, offered: "Offered") -> None:
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
    """The registry's own gRPC door."""

    name = "grpc"

    def __init__(self, peer: Peer, offered: "Offered") -> None:
        self.peer, self.offered = peer, offered

    async def give(self, command: Any, token: str | None, key: str = "k", version: int | None = None) -> Answer:
        return await self.call(type(command).__name__, command, token, idempotency_key=key, expected_version=version)

    async def ask(self, question: str, plain: dict[str, Any], token: str | None) -> Answer:
        return await self.call(question, plain, token)

    async def call(self, method: str, value: Any, token: str | None, **more: Any) -> Answer:
        described = SERVICE.methods_by_name[method]
        name, reply = f"{SERVICE.full_name}/{method}", GetMessageClass(described.output_type)
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


class Offered:
    """What the registry offers: the group of each command, and every question by name. It answers nothing itself."""

    def __init__(self, registry: Registry) -> None:
        access = Access(Policies.load(ROOT / "services" / "registry"), registry)
        self.groups: dict[type, Commands] = {kind: group for group in access.offered() for kind in group.offered}
        proofs = Proofs(registry, access, EvidenceOfLog(MemoryLedger(), Path()))
        every = [*Questions(registry, access).table(), *Papers(registry, access).table(), *proofs.table()]
        self.questions: dict[str, Question] = {question.name: question for question in every}


class Entrances:
    """All three of one platform."""

    def __init__(self, platform: Behind) -> None:
        self.platform = platform
        self.offered = Offered(platform.registry)
        own = httpx.AsyncClient(transport=httpx.ASGITransport(platform.rest), base_url="http://registry")
        self.rest = Rest("rest", own, self.offered)
        self.rpc = Rpc(platform.peer, self.offered)
        self.gateway = Rest("gateway", platform.client, self.offered)

    @property
    def ledger(self) -> MemoryLedger:
        return self.platform.ledger

    def all(self) -> tuple[Entrance, ...]:
        return self.rest, self.rpc, self.gateway

    def rpc_methods(self) -> Sequence[MethodDescriptor]:
        return SERVICE.methods

    def token(self, *roles: Role, **who: Any) -> str:
        return self.platform.token(*roles, **who)


def workshop() -> Workshop:
    return Workshop(NO_PAPER)


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


HERE = Path(__file__).parent
