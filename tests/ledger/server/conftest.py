"""A server over a fresh ledger, within the test's own event loop, and a client of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from kurrentdbclient import AsyncKurrentDBClient

from ledger.memory import MemoryLedger
from ledger.port import Ledger
from ledger.server.access import admit_everybody
from ledger.server.running import Served, serve
from ledger.sqlite import SqliteLedger


class Door(NamedTuple):
    """The server, the ledger behind it, and a client of it."""

    ledger: Ledger
    server: Served
    client: AsyncKurrentDBClient

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@pytest.fixture(params=["memory", "sqlite"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    """Positions of the one in memory lie apart, so that nobody takes them for a count."""
    match request.param:
        case "memory":
            opened: Ledger = MemoryLedger(position_stride=7)
        case _:
            opened = await SqliteLedger.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


@pytest.fixture
async def served(ledger: Ledger) -> AsyncIterator[Door]:
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody)
    client = AsyncKurrentDBClient(uri=f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    await client.connect()
    yield Door(ledger, server, client)
    await client.close()
    await server.stop(grace_s=0)
