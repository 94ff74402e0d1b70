"""What a platform still has to do after an import: views, the proof log, disclosures. Whatever is measured before that
is done is measured beside it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx

from ledger.open import open_ledger
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import Note
from ledger.transparency.disclosed import PUBLIC, SUPERVISOR, Head
from ledger.transparency.layout import CHECKPOINT

POLL_S: Final = 0.1
NO_LAG: Final = "projection_lag_seconds 0.0"
"""As the registry's metrics say it when no view lacks an event."""


class Work:
    """What there is left to do for the parts of a platform in this folder."""

    def __init__(self, ledger: str, proof: Path, registry: str) -> None:
        self._ledger: Final = ledger
        self._proof: Final = proof
        self._metrics: Final = f"{registry}/metrics"

    async def done_s(self, viewed: Callable[[], Awaitable[bool]]) -> dict[str, float]:
        """Seconds until what is recorded by now was in the views, as `viewed` tells, provable, and disclosed. Returns
        when it is all three and no view lacks anything.
        """
        ledger = await open_ledger(self._ledger)
        entries = await ledger.head()
        await ledger.close()

        async def provable() -> bool:
            return self._published() >= entries

        async def disclosed() -> bool:
            return self._disclosed() >= entries

        started = time.perf_counter()
        left = {"views": viewed, "provable": provable, "disclosed": disclosed}
        taken_s: dict[str, float] = {}
        async with httpx.AsyncClient() as http:
            while left or NO_LAG not in (await http.get(self._metrics)).text:
                for name, is_done in list(left.items()):
                    if await is_done():
                        taken_s[name] = time.perf_counter() - started
                        del left[name]
                await asyncio.sleep(POLL_S)
        return taken_s

    def _published(self) -> int:
        return Checkpoint.parse(Note.parse((self._proof / CHECKPOINT).read_bytes()).text).size

    def _disclosed(self) -> int:
        heads = [Head.read(self._proof, of) for of in (PUBLIC, SUPERVISOR)]
        return min(head.covered if head else 0 for head in heads)
