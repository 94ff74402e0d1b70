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
from cli.platform import make_ready
from gateway.assembly import GatewaySettings
from kernel.process import Parts, Process
from kernel.readiness import Readiness
from kernel.settings import Settings
from services.registry.assembly import RegistrySettings

LOOPBACK: Final = "127.0.0.1"


async def documents() -> dict[str, dict[str, Any]]:
    """The document of each door, by the name of its process."""
    with TemporaryDirectory() as folder:
        settings = RegistrySettings(data_dir=Path(folder), ledger_url="memory:")
        await make_ready(settings)
        async with _closed_after(services.registry.assembly.assemble(_process("registry", settings))) as registry:
            if registry.rpc is None:
                raise RuntimeError("the registry has no door for the gateway")
            port = await registry.rpc.start(LOOPBACK, 0)
            outer = GatewaySettings(
                **{name: getattr(settings, name) for name in Settings.__struct_fields__},
                registry=f"{LOOPBACK}:{port}",
            )
            async with _closed_after(gateway.assembly.assemble(_process("gateway", outer))) as door:
                found = {"gateway": door.rest.openapi(), "registry": registry.rest.openapi()}
            await registry.rpc.stop(0)
    return found


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
