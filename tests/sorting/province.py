"""Registry and sorting as they are assembled for production, on one log, asked over REST."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec

import services.registry.assembly
import services.sorting.assembly
from cli.platform import make_ready
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from kernel.process import Parts, Process
from kernel.readiness import Readiness
from kernel.settings import Settings
from services.registry.app import DECIDERS as REGISTRYS
from services.registry.assembly import RegistrySettings
from services.sorting.access import PLURALS
from services.sorting.app import DECIDERS as SORTINGS
from services.sorting.assembly import SortingSettings
from tests.given import fresh_id

SECONDS_MAX = 60
"""Until what follows by policy is there; mostly it is in a moment."""

SUBJECT = "u-1"
MAKER = "M01"
_REGISTRYS = {"meter": "meters", "shipment": "shipments", "site": "sites"}
_PATHS = {
    command: (service, plurals[noun.category], noun.key)
    for service, nouns, plurals in (("registry", REGISTRYS, _REGISTRYS), ("sorting", SORTINGS, PLURALS))
    for noun in nouns
    if noun.category in plurals
    for command in noun.commands
}


class Refused(Exception):
    """What a door answered instead."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(f"{status} {code}: {words}")
        self.status, self.code, self.words = status, code, words


class Province:
    """A client of both services. Whoever asks has every role, unless one is named."""

    def __init__(self, clients: dict[str, httpx.AsyncClient], keys: Path) -> None:
        self._clients, self._keys = clients, keys

    async def do(self, command: msgspec.Struct, *roles: Role) -> dict[str, Any]:
        """Give a command. Raises Refused."""
        service, plural, key = _PATHS[type(command)]
        plain = msgspec.to_builtins(command)
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(command).__name__).lower()
        path = f"/v1/{plural}/{plain.pop(key)}/{name}"
        headers = self._bearer(*roles) | {"Idempotency-Key": str(fresh_id())}
        return _answer(await self._clients[service].post(path, json=plain, headers=headers))

    async def soon(self, command: msgspec.Struct, *waiting: str) -> dict[str, Any]:
        """The same, again while it is refused by one of these codes: what has to come first follows by policy."""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                try:
                    return await self.do(command)
                except Refused as refused:
                    if refused.code not in waiting:
                        raise
                await asyncio.sleep(0.05)

    async def ask(self, service: str, path: str, *roles: Role) -> dict[str, Any]:
        """What is shown at a path. Raises Refused."""
        return _answer(await self._clients[service].get(path, headers=self._bearer(*roles)))

    async def until(self, service: str, path: str, **shown: object) -> dict[str, Any]:
        """What is shown at a path, once it shows this."""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                try:
                    found = await self.ask(service, path)
                except Refused as refused:
                    if refused.status != HTTPStatus.NOT_FOUND:
                        raise
                else:
                    if all(found.get(name) == value for name, value in shown.items()):
                        return found
                await asyncio.sleep(0.05)

    def _bearer(self, *roles: Role) -> dict[str, str]:
        principal = Principal(
            subject=SUBJECT, roles=frozenset(roles or Role), units=frozenset(["*"]), organisation=MAKER
        )
        return {"Authorization": f"Bearer {issue(self._keys, principal)}"}


@asynccontextmanager
async def province(folder: Path) -> AsyncIterator[Province]:
    """Both services, until the block ends."""
    settings = Settings(data_dir=folder)
    await make_ready(settings)
    own = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    async with AsyncExitStack() as stack:
        clients = {}
        for service, assemble, of_its_own in (
            ("registry", services.registry.assembly.assemble, RegistrySettings(**own)),
            ("sorting", services.sorting.assembly.assemble, SortingSettings(**own)),
        ):
            parts = await stack.enter_async_context(_running(assemble(Process(service, of_its_own, Readiness(), None))))
            transport = httpx.ASGITransport(parts.rest)
            client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=SECONDS_MAX)
            clients[service] = await stack.enter_async_context(client)
        yield Province(clients, settings.keys_dir)


@asynccontextmanager
async def _running(assembling: Any) -> AsyncIterator[Parts]:
    parts: Parts = await assembling
    tasks = [asyncio.create_task(follower()) for follower in parts.followers.values()]
    try:
        yield parts
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for close in parts.closing:
            await close()


def _answer(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    if response.is_success:
        return body
    raise Refused(response.status_code, body.get("code", ""), response.text)
