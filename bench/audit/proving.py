"""Seconds from an event's append to the first published checkpoint with which anyone can prove it.

The sequencer is the process that `meterloop up` runs, with its cadence, its settings and its place behind the others.
Events are appended one by one at an even rate from this process, which reads the published files as an outsider does:
the checkpoint by its signature, and for every event an inclusion proof made from the tiles, verified.
"""

import asyncio
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from bench.ledger import Typical
from cli.platform import STANDING_BACK, free_ports, make_ready
from cli.supervision import Program, supervised
from kernel.settings import Settings
from ledger.open import open_ledger
from ledger.port import Ledger
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import entry_of
from ledger.proof.keys import VerifierKey
from ledger.proof.merkle import inclusion_proof, leaf_hash, verify_inclusion
from ledger.proof.policy import NONE, Log, Policy, satisfied
from ledger.proof.reading import subtree_hashes
from ledger.transparency.layout import CHECKPOINT, KEYS

APPENDS_PER_S: Final = 200
LOOKS_PER_S: Final = 50
"""How often the checkpoint is read: what is measured is at most so much too long, a fiftieth of a second."""

STARTED_S_MAX: Final = 60.0


async def provable_s(folder: Path, seconds: float, say: Callable[[str, int, int], None]) -> list[float]:
    """For each event that was appended in so many seconds, how long after its append was begun it was provable."""
    settings = Settings(data_dir=folder)
    await make_ready(settings)
    (port,) = free_ports(1)
    environ = {"METERLOOP_DATA_DIR": str(folder), "METERLOOP_SEQUENCER__REST_PORT": str(port)}
    ledger = await open_ledger(settings.ledger)
    try:
        with supervised([Program("sequencer", "cli.sequencing", 20, environ, STANDING_BACK)], folder):
            watch = _Watch(ledger, settings.proof)
            # The sequencer has begun once the first event, which does not count, is provable.
            typical = Typical()
            await watch.append(typical, 1, STARTED_S_MAX)
            return await watch.append(typical, round(APPENDS_PER_S * seconds), STARTED_S_MAX + seconds, say)
    finally:
        await ledger.close()


def _nothing(_what: str, _done: int, _of: int) -> None:
    """Say nothing."""


class _Watch:
    """Appends events, and reads what is published of them."""

    def __init__(self, ledger: Ledger, proof: Path) -> None:
        self._ledger: Final = ledger
        self._proof: Final = proof
        self._begun_s: Final[dict[bytes, float]] = {}
        self._took_s: Final[list[float]] = []
        self._size = 0
        self._position = 0

    async def append(
        self, typical: Typical, number: int, within_s: float, say: Callable[[str, int, int], None] = _nothing
    ) -> list[float]:
        """Append so many events, and wait until each is provable."""
        expected = len(self._took_s) + number
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            group.create_task(self._append(typical, number))
            while len(self._took_s) < expected:
                await asyncio.sleep(1 / LOOKS_PER_S)
                await self._look()
                say("provable", len(self._took_s), expected)
        return self._took_s[expected - number :]

    async def _append(self, typical: Typical, number: int) -> None:
        """At an even rate, whether or not those before have been recorded."""
        started_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for place, append in zip(count(), typical.appends(number), strict=False):
                await asyncio.sleep(started_s + place / APPENDS_PER_S - time.monotonic())
                self._begun_s[append.drafts[0].id] = time.monotonic()
                group.create_task(self._ledger.append([append]))

    async def _look(self) -> None:
        """Prove what the newest checkpoint covers and the one before did not."""
        if (checkpoint := self._checkpoint()) is None or checkpoint.size == self._size:
            return
        subtree = subtree_hashes(checkpoint.size, self._file)
        while self._size < checkpoint.size:
            page = await self._ledger.read_all(self._position, limit=checkpoint.size - self._size)
            for event in page.events:
                hashes = inclusion_proof(self._size, checkpoint.size, subtree)
                verify_inclusion(leaf_hash(entry_of(event)), self._size, checkpoint.size, hashes, checkpoint.root)
                self._took_s.append(time.monotonic() - self._begun_s.pop(event.id))
                self._size += 1
            self._position = page.scanned_to

    def _checkpoint(self) -> Checkpoint | None:
        """The one that is published now, by a key of this log."""
        keys, note = self._read(KEYS), self._read(CHECKPOINT)
        if keys is None or note is None:
            return None
        logs = tuple(Log(VerifierKey.parse(line)) for line in keys.decode().splitlines())
        return satisfied(Policy(logs, {}, {}, NONE), note).checkpoint

    def _file(self, path: str) -> bytes | None:
        return self._read(f"log/{path}")

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._proof / name).read_bytes()
        except FileNotFoundError:
            return None
