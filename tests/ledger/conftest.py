"""The ledgers that the contract suite runs against: each once as itself and, where several processes may share it,
once as two doors to the same log.
"""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.embedded import EmbeddedLedger
from ledger.memory import MemoryLedger
from ledger.open import open_ledger
from ledger.port import Ledger
from ledger.sqlite import SqliteLedger

FOREIGN_URL = os.environ.get("LEDGER_CONTRACT_URL")

EMBEDDED = ["memory", "memory in strides"]
LEDGERS = [*EMBEDDED, "sqlite", "sqlite twice", *(["url"] if FOREIGN_URL else [])]


class Doors(NamedTuple):
    """`log` and `other` are the same log; `start` is where it stood before the test."""

    log: Ledger
    other: Ledger
    start: int


class EmbeddedDoors(NamedTuple):
    """The same, of a ledger that keeps its events itself."""

    log: EmbeddedLedger
    other: EmbeddedLedger
    start: int


@pytest.fixture(params=LEDGERS)
async def doors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Doors]:
    match request.param:
        case "memory" | "memory in strides":
            log = other = MemoryLedger(position_stride=7 if "strides" in request.param else 1)
        case "sqlite":
            log = other = await SqliteLedger.open(tmp_path / "ledger.db")
        case "sqlite twice":
            log = await SqliteLedger.open(tmp_path / "ledger.db")
            other = await SqliteLedger.open(tmp_path / "ledger.db")
        case _:
            log, other = await open_ledger(FOREIGN_URL or ""), await open_ledger(FOREIGN_URL or "")
    yield Doors(log, other, await log.head())
    await log.close()
    await other.close()


@pytest.fixture
def log(doors: Doors) -> Ledger:
    return doors.log


@pytest.fixture(params=EMBEDDED)
async def own_doors(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedDoors]:
    """A log that no other test uses, of the kinds that keep their events themselves."""
    log = MemoryLedger(position_stride=7 if "strides" in request.param else 1)
    yield EmbeddedDoors(log, log, 0)
    await log.close()


@pytest.fixture
def named() -> Callable[[str], str]:
    """Names of streams that no other test uses: a foreign log keeps what earlier tests wrote."""
    prefix = os.urandom(6).hex()
    return lambda name: f"{prefix}-{name}"
