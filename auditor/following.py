"""The log after the audited checkpoint: what was recorded while the platform was asked, held against the newer tree."""

import time
from typing import Final

import msgspec

from auditor.checkpoints import CHECKPOINT, Trust, opened
from auditor.comparing import Said
from auditor.finding import Fault, Findings
from auditor.source import Missing, Source
from auditor.span import FOLDERS, RANGE, covered_by, expanded, range_name
from ledger.proof import errors
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import disclosed
from ledger.proof.disclosure import decode_events
from ledger.proof.errors import Mismatch, ProofFault
from ledger.proof.merkle import root_at
from ledger.proof.reading import TrustedTiles
from ledger.proof.tiles import FULL_WIDTH

DISCLOSED_S_MAX: Final = 60.0
"""How long to wait for what is published to be disclosed too."""
POLL_S: Final = 0.5


class Following:
    """Called, it takes what is new in the log into `said`; False where the log does not hold, which is then found."""

    def __init__(
        self, source: Source, trust: Trust, audited: Checkpoint, taken: int, said: Said, findings: Findings
    ) -> None:
        """`taken` entries of the audited tree are in `said` already."""
        self._source: Final = source
        self._trust: Final = trust
        self._now = audited
        self._taken = taken
        self._said: Final = said
        self._findings: Final = findings

    def __call__(self) -> bool:
        try:
            found = opened(self._source.get(CHECKPOINT), CHECKPOINT, self._trust, self._findings, self._source)
        except Missing:
            self._findings.add(Fault.MISSING, CHECKPOINT)
            return False
        if found is None:
            return False
        now, before = found.checkpoint, self._now
        if now.size < before.size:
            self._findings.add(Fault.ROLLED_BACK, CHECKPOINT, size=now.size, published_before=before.size)
            return False
        try:
            tiles = TrustedTiles(now.size, now.root, self._tile)
            if root_at(before.size, tiles) != before.root:
                self._findings.add(
                    Fault.SPLIT_VIEW,
                    CHECKPOINT,
                    size=now.size,
                    root=now.root,
                    size_before=before.size,
                    before=before.root,
                )
                return False
            self._take(tiles, self._taken, now.size)
        except (errors.Missing, Missing) as error:
            self._findings.add(Fault.MISSING, str(error), index=before.size)
        except (ProofFault, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            fault = Fault.REWRITTEN if isinstance(error, Mismatch) else Fault.MALFORMED
            self._findings.add(fault, CHECKPOINT, size=now.size, why=error)
        else:
            self._now, self._taken = now, now.size
            return True
        return False

    def _tile(self, path: str) -> bytes | None:
        try:
            return self._source.get(f"log/{path}")
        except Missing:
            return None

    def _take(self, tiles: TrustedTiles, begin: int, end: int) -> None:
        """Take the events from `begin`, each held against its entry."""
        self._wait_for(end)
        bundle, entries = -1, list[bytes]()
        for first in range(begin - begin % RANGE, end, RANGE):
            path = f"{FOLDERS['supervisor']}/{range_name(first // RANGE)}"
            expected = max(begin, first)
            for index, data in decode_events(expanded(self._source.get(path)), first, first + RANGE):
                if not begin <= index < end:
                    continue
                if index != expected:
                    raise Mismatch(f"entry {expected} is not disclosed")
                if index // FULL_WIDTH != bundle:
                    bundle = index // FULL_WIDTH
                    entries = tiles.entries(bundle)
                self._said.take(disclosed(index, data, entries[index % FULL_WIDTH]))
                expected += 1
            if expected != min(first + RANGE, end):
                raise Mismatch(f"entry {expected} is not disclosed")

    def _wait_for(self, size: int) -> None:
        path = f"{FOLDERS['supervisor']}/head"
        for _ in range(int(DISCLOSED_S_MAX / POLL_S)):
            if covered_by(self._source.get(path), path)[1] >= size:
                return
            time.sleep(POLL_S)
        raise Mismatch(f"{path} does not cover {size} entries after {DISCLOSED_S_MAX} s")
