"""Evidence: proofs that recorded events are in the published log, all against its newest checkpoint.

An event's index follows from its position in the ledger: `private/marks` says where each 256th entry is, and the events
from there on are counted, so at most 256 are read for one. The envelope is held against the log's own entry, and that
against the root, before anything is said of it.
"""

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from sys import byteorder
from typing import Final

import msgspec

from ledger.port import Ledger, Recorded
from ledger.proof.checkpoint import Checkpoint, Opened, opened
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.errors import Missing
from ledger.proof.keys import VerifierKey
from ledger.proof.merkle import inclusion_proof
from ledger.proof.note import Note
from ledger.proof.proof_file import LogProof
from ledger.proof.reading import TrustedTiles
from ledger.proof.tiles import FULL_WIDTH
from ledger.transparency.faults import DISCLOSURE_DIFFERS, LEDGER_DIFFERS
from ledger.transparency.layout import (
    CHECKPOINT,
    CHECKPOINTS,
    KEYS,
    LOG,
    MARK_ENTRIES,
    MARKS,
    POLICY,
    days_in,
    marks_bytes,
    notes_in,
)
from ledger.transparency.storage import DirectoryStorage, Storage


class Evidence(msgspec.Struct, frozen=True):
    """A proof of each event that the checkpoint covers, in their order; `left_out` counts the others. `vkey` is the key
    of the log that signed, `policy` the one that the operator recommends.
    """

    proofs: tuple[tuple[Recorded, LogProof], ...]
    left_out: int
    vkey: VerifierKey
    policy: bytes


class Covering(msgspec.Struct, frozen=True):
    """The first published checkpoint that covers an event, and the event's index in the log."""

    index: int
    checkpoint: Checkpoint


class NothingPublished(Exception):
    """The log has no published checkpoint, or after a restore not yet the files that belong to it."""


class EvidenceOfLog:
    """Reads a ledger and its log's folder; whoever writes there may go on."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger: Final = ledger
        self._storage: Final[Storage] = DirectoryStorage(folder)

    async def of(self, events: Sequence[Recorded]) -> Evidence:
        """Evidence of these events. Raises NothingPublished; LogFault and ProofFault where ledger and log do not agree;
        OSError, ledger.port.Unavailable.
        """
        try:
            return await self._of(events)
        except Missing as missing:
            raise NothingPublished from missing

    async def first_covering(self, event: Recorded) -> Covering | None:
        """None while no checkpoint covers it that is listed with those of its day. Raises as `of`."""
        evidence = await self.of([event])
        if evidence.left_out:
            return None
        ((_, proof),) = evidence.proofs
        note = await asyncio.to_thread(self._first_above, proof.index)
        if note is None:
            return None
        keys = await asyncio.to_thread(self._keys)
        return Covering(proof.index, opened(note, keys).checkpoint)

    def _first_above(self, index: int) -> bytes | None:
        """Of all checkpoints in the order in which they were published, the first that covers this index."""
        first: bytes | None = None
        # Sizes never fall, whatever the days are called: the newest ones are mostly all that has to be read.
        for day in reversed(days_in(self._storage.names(CHECKPOINTS))):
            notes = notes_in(self._storage.read(f"{CHECKPOINTS}/{day}") or b"")
            at = bisect_right(notes, index, key=lambda note: Checkpoint.parse(Note.parse(note).text).size)
            first = notes[at] if at < len(notes) else first
            if at:
                break
        return first

    async def _of(self, events: Sequence[Recorded]) -> Evidence:
        note, signed = await asyncio.to_thread(self._published)
        found = await self._found([event.position for event in events], signed.checkpoint.size)
        covered = [event for event in events if event.position in found.indices]
        proofs = await asyncio.to_thread(self._proven, covered, found, note, signed)
        policy = await asyncio.to_thread(self._storage.read, POLICY) or b""
        return Evidence(tuple(proofs), len(events) - len(covered), signed.signed[-1].key, policy)

    def _published(self) -> tuple[bytes, Opened]:
        note = self._storage.read(CHECKPOINT)
        if note is None:
            raise NothingPublished
        return note, opened(note, self._keys())

    def _keys(self) -> list[VerifierKey]:
        return [VerifierKey.parse(key) for key in (self._storage.read(KEYS) or b"").decode().splitlines()]

    async def _found(self, positions: Iterable[int], size: int) -> "_Found":
        """Which of these positions are of entries below `size`, and of which."""
        marks = await asyncio.to_thread(self._marks, size)
        runs: dict[int, list[int]] = {}
        for position in positions:
            runs.setdefault(bisect_right(marks, position) - 1, []).append(position)
        found = _Found({}, [])
        for run, wanted in runs.items():
            if run < 0 and not size:
                continue
            begin = max(run, 0) * MARK_ENTRIES
            if run < 0:
                raise LEDGER_DIFFERS(position=min(wanted), index=begin)
            there = await self._read(marks[run], min(MARK_ENTRIES, size - begin), max(wanted))
            if not there or there[0].position != marks[run]:
                raise LEDGER_DIFFERS(position=marks[run], index=begin)
            found.begun.append((begin, there[0]))
            known = {event.position: index for index, event in enumerate(there, begin)}
            # Behind the last entry of the log come those that no checkpoint covers.
            covered = [one for one in wanted if run + 1 < len(marks) or one <= there[-1].position]
            if missing := [one for one in covered if one not in known]:
                raise LEDGER_DIFFERS(position=min(missing), index=begin)
            found.indices.update((one, known[one]) for one in covered)
        return found

    async def _read(self, first: int, count: int, until: int) -> list[Recorded]:
        """So many events from this position on, or those up to `until`."""
        there: list[Recorded] = []
        after, at_head = max(first, 1) - 1, False
        while len(there) < count and after < until and not at_head:
            page = await self._ledger.read_all(after, limit=count - len(there))
            there += page.events
            after, at_head = page.scanned_to, page.at_head
        return there

    def _marks(self, size: int) -> Sequence[int]:
        length = marks_bytes(size)
        marks = self._storage.read(MARKS) or b""
        if len(marks) < length:
            raise Missing(f"{MARKS} has {len(marks)} bytes, not {length}")
        positions = array("Q", marks[:length])
        if byteorder == "little":
            positions.byteswap()
        return positions

    def _proven(
        self, events: Sequence[Recorded], found: "_Found", note: bytes, signed: Opened
    ) -> list[tuple[Recorded, LogProof]]:
        size = signed.checkpoint.size
        tiles = TrustedTiles(size, signed.checkpoint.root, lambda path: self._storage.read(LOG + path))
        # Where counting began is held against the log too: else a wrong mark would leave events out, unnoticed.
        for index, event in found.begun:
            _must_be_entry(tiles, index, event, envelope_of(event))
        proofs = []
        for event in events:
            index, envelope = found.indices[event.position], envelope_of(event)
            _must_be_entry(tiles, index, event, envelope)
            proofs.append((event, LogProof(index, tuple(inclusion_proof(index, size, tiles)), note, envelope)))
        return proofs


class _Found(msgspec.Struct, frozen=True):
    """The indices of events by their positions, and with its index the event from which each was counted."""

    indices: dict[int, int]
    begun: list[tuple[int, Recorded]]


def _must_be_entry(tiles: TrustedTiles, index: int, event: Recorded, envelope: bytes) -> None:
    bundle, place = divmod(index, FULL_WIDTH)
    if tiles.entries(bundle)[place] != commitment(envelope):
        raise DISCLOSURE_DIFFERS(index=index, position=event.position)
