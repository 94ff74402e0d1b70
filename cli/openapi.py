"""The OpenAPI documents of the doors, as the assembled services themselves give them, for docs/reference/openapi.

Both are put together as in production, in a folder that is thrown away, the log in memory.
"""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

import gateway.assembly
import services.registry.assembly
import services.sorting.assembly
from cli.platform import make_ready
from gateway.assembly import GatewaySettings
from kernel.grpc_server import RpcDoor
from kernel.process import Parts, Process
from kernel.readiness import Readiness
from kernel.settings import Settings
from services.registry.assembly import RegistrySettings
from services.sorting.assembly import SortingSettings

LOOPBACK: Final = "127.0.0.1"


async def documents() -> dict[str, dict[str, Any]]:
    """The document of each door, by the name of its process."""
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), ledger_url="memory:")
        await make_ready(settings)
        own = {name: getattr(settings, name) for name in Settings.__struct_fields__}
        async with (
            _closed_after(
                services.registry.assembly.assemble(_process("registry", RegistrySettings(**own)))
            ) as registry,
            _closed_after(services.sorting.assembly.assemble(_process("sorting", SortingSettings(**own)))) as sorting,
        ):
            behind = {"registry": registry, "sorting": sorting}
            at = {name: f"{LOOPBACK}:{await _rpc(parts).start(LOOPBACK, 0)}" for name, parts in behind.items()}
            outer = GatewaySettings(**own, registry=at["registry"], sorting=at["sorting"])
            async with _closed_after(gateway.assembly.assemble(_process("gateway", outer))) as door:
                found = {"gateway": door.rest.openapi()} | {name: one.rest.openapi() for name, one in behind.items()}
            for parts in behind.values():
                await _rpc(parts).stop(0)
    return found


def _rpc(parts: Parts) -> RpcDoor:
    """The door for the gateway."""
    if parts.rpc is None:
        raise RuntimeError("the service has no door for the gateway")
    return parts.rpc


def written(document: dict[str, Any]) -> str:
    """The document as it is committed: sorted and indented, so that a change reads as one."""
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1).decode() + "\n"


def _process(service: str, settings: Settings) -> Process:
    return Process(service, settings, Readiness(), None)


@asynccontextmanager
async def _closed_after(assembling: Coroutine[Any, Any, Parts]) -> AsyncIterator[Parts]:
    parts = await assembling
    try:
        yield parts
    finally:
        for close in parts.closing:
            await close()
