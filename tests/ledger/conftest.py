"""The ledgers that the contract suite runs against: each once as itself and, where several processes may share it,
once as two doors to the same log. Those whose names begin with "kurrent" are served from here, over the protocol of a
KurrentDB; of "kurrent beside sqlite" one door goes through it and the other straight to the file.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.embedded import EmbeddedLedger
from ledger.memory import MemoryLedger
from ledger.open import open_ledger
from ledger.port import Ledger
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from ledger.sqlite import SqliteLedger
from tests.ledger.small_kurrentdb import run_small

FOREIGN_URL = os.environ.get("LEDGER_CONTRACT_URL")

EMBEDDED = ["memory", "memory in strides", "sqlite", "sqlite twice"]
SERVED = {"kurrent": "memory", "kurrent in strides": "memory in strides", "kurrent beside sqlite": "sqlite"}
LEDGERS = [*EMBEDDED, *SERVED, "small KurrentDB", *(["url"] if FOREIGN_URL else [])]


KURRENTDB_DIFFERS = {
    "test_what_is_appended_beside_is_read_as_it_was_written": "what is beside the log has a commit position of its own",
    "test_a_time_is_kept_where_it_keeps_the_order_of_the_log": "a time that is carried is kept as it is",
    "test_beside_the_log_a_time_is_kept_and_there_are_no_salts": "what is beside the log is dated by the server",
}
"""Tests of what a KurrentDB cannot keep, and why."""


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


async def embedded(kind: str, folder: Path) -> tuple[EmbeddedLedger, EmbeddedLedger]:
    """Two doors to one new log; the same door twice where it has one."""
    log: EmbeddedLedger
    match kind:
        case "memory":
            log = MemoryLedger()
        case "memory in strides":
            log = MemoryLedger(position_stride=7)
        case _:
            log = await SqliteLedger.open(folder / "ledger.db")
    return log, await SqliteLedger.open(folder / "ledger.db") if kind == "sqlite twice" else log


@asynccontextmanager
async def served(kind: str, folder: Path) -> AsyncIterator[Doors]:
    behind, _ = await embedded(SERVED[kind], folder)
    server = await serve(behind, "127.0.0.1:0", admit=admit_everybody)
    url = f"kurrentdb://127.0.0.1:{server.port}?tls=false"
    log = await open_ledger(url)
    other = behind if "beside" in kind else await open_ledger(url)
    yield Doors(log, other, 0)
    await log.close()
    await other.close()
    await server.stop(grace_s=0)
    await behind.close()


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Doors]:
    if kind in SERVED:
        async with served(kind, folder) as of_server:
            yield of_server
        return
    small = None
    if kind in EMBEDDED:
        log, other = await embedded(kind, folder)
        yield Doors(log, other, 0)
    elif kind == "small KurrentDB":
        small, port, _ = await run_small()
        log, other = [await open_ledger(f"kurrentdb://127.0.0.1:{port}?tls=false") for _ in range(2)]
        yield Doors(log, other, await log.head())
    else:
        log, other = await open_ledger(FOREIGN_URL or ""), await open_ledger(FOREIGN_URL or "")
        yield Doors(log, other, await log.head())
    await log.close()
    await other.close()
    if small is not None:
        await small.stop(0)


@pytest.fixture(params=LEDGERS)
async def doors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Doors]:
    if request.param in {"small KurrentDB", "url"} and (why := KURRENTDB_DIFFERS.get(request.function.__name__)):
        pytest.skip(why)
    async with opened(request.param, tmp_path) as ready:
        yield ready


@pytest.fixture(params=[*EMBEDDED, *SERVED])
async def fresh_doors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Doors]:
    """A log that no other test uses and none will."""
    async with opened(request.param, tmp_path) as ready:
        yield ready


@pytest.fixture
def log(doors: Doors) -> Ledger:
    return doors.log


@pytest.fixture(params=EMBEDDED)
async def own_doors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EmbeddedDoors]:
    """A log that no other test uses, of the kinds that keep their events themselves."""
    log, other = await embedded(request.param, tmp_path)
    yield EmbeddedDoors(log, other, 0)
    await log.close()
    await other.close()


@pytest.fixture
def named() -> Callable[[str], str]:
    """Names of streams that no other test uses: a foreign log keeps what earlier tests wrote."""
    prefix = os.urandom(6).hex()
    return lambda name: f"{prefix}-{name}"
