"""The whole log held against the ledger from within: every commitment, bundle, tile, mark and published checkpoint.

It changes nothing, needs little memory however long the log is, and may run beside the sequencer: it ends where the
store's cursor stood when it began.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from ledger.port import Ledger
from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.errors import ProofFault
from ledger.proof.merkle import HASH_BYTES, Range, leaf_hashes
from ledger.proof.tiles import ENTRIES, FULL_WIDTH, LEVEL_BITS, Tile, bundle_at, edge_of
from ledger.transparency.faults import LogFault
from ledger.transparency.keys import keys_file, keys_of
from ledger.transparency.layout import (
    CHECKPOINT,
    CHECKPOINTS,
    DAYS,
    KEYS,
    LOG,
    MARK_BYTES,
    MARKS,
    STORE,
    days_file,
    days_in,
    notes_in,
)
from ledger.transparency.reading import At, Run, read_run
from ledger.transparency.storage import DirectoryStorage
from ledger.transparency.store import Cursor, SequencerStore
from ledger.transparency.tree import Tree

RUN_ENTRIES: Final = 16_384
"""Entries held in memory. A multiple of a tile's width."""

FINDINGS_MAX: Final = 100
"""More than these say nothing new."""

SETTLING_S: Final = 0.2
SETTLING_TRIES: Final = 10
"""A sequencer at work may have published a checkpoint that is not in the file of its day yet."""

Told: TypeAlias = Callable[[int, int], None]
"""Called with how many entries were checked, of how many."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be: the file, the first entry that it concerns where it concerns one."""

    path: str
    index: int | None
    zh: str
    en: str


class Report(msgspec.Struct, kw_only=True):
    """What was checked, and everything that is wrong, the first hundred."""

    origin: str = ""
    size: int = 0
    files: int = 0
    checkpoints: int = 0
    findings: list[Finding] = []

    def found(self, path: str, index: int | None, zh: str, en: str) -> None:
        """Note it."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(path, index, zh, en))


async def check_log(ledger: Ledger, folder: Path, told: Told = lambda _here, _whole: None) -> Report:
    """Check the log in this folder. Raises what the ledger raises, OSError and apsw.Error where something cannot be
    read at all; everything else is in the report.
    """
    if not (folder / STORE).exists():
        report = Report()
        report.found(STORE, None, "不在：不知道签过什么", "is not there: nobody knows what was signed")
        return report
    check = await asyncio.to_thread(_Check, folder)
    report, cursor = check.report, check.cursor
    if cursor is None:
        return report
    if cursor.ledger_id != ledger.ledger_id:
        report.found(
            STORE, None, f"属于台账 {cursor.ledger_id}", f"is of ledger {cursor.ledger_id}, not {ledger.ledger_id}"
        )
    await check.settle()
    place = At()
    while place.size < cursor.size and len(report.findings) < FINDINGS_MAX:
        try:
            run = await read_run(ledger, place, min(RUN_ENTRIES, cursor.size - place.size))
        except LogFault as fault:
            report.found("ledger", place.size - 1, fault.zh, fault.en)
            break
        if not run.entries:
            report.found("ledger", place.size, "台账到此为止", f"ends here, and {cursor.size} entries were signed")
            break
        await asyncio.to_thread(check.run, run)
        place = run.end
        told(place.size, cursor.size)
    await asyncio.to_thread(check.end, place)
    return report


class _Check:
    """One pass over the log, in the order of its entries."""

    def __init__(self, folder: Path) -> None:
        self._storage: Final = DirectoryStorage(folder)
        store = SequencerStore(folder / STORE)
        try:
            self.cursor: Final[Cursor | None] = store.cursor()
            self._keys: Final = keys_of(store)
        finally:
            store.close()
        self._tree = Tree(self._storage)
        self._range: Final = Range()
        self._marks: Final = self._storage.read(MARKS) or b""
        self._newest: Final = self._storage.read(CHECKPOINT)
        self._notes: Final = self._published()
        self._next: tuple[str, Checkpoint] | None = None
        self._newest_seen = False
        cursor = self.cursor
        size = cursor.size if cursor else 0
        self._edge: Final = (
            {*edge_of(size), bundle_at(size // FULL_WIDTH, size)} if size % FULL_WIDTH else {*edge_of(size)}
        )
        self.report: Final = Report(origin=cursor.origin if cursor else "", size=size)

    async def settle(self) -> None:
        """Look at what is said of the whole, and take up the first checkpoint."""
        for _ in range(SETTLING_TRIES):
            days = days_in(self._storage.names(CHECKPOINTS))
            last = (self._storage.read(f"{CHECKPOINTS}/{days[-1]}") or b"") if days else b""
            listed = (self._storage.read(DAYS) or b"") == days_file(days)
            if self._newest is None or (self._newest in last and listed):
                break
            await asyncio.sleep(SETTLING_S)
        if self._newest is None:
            self.report.found(CHECKPOINT, None, "不在", "is not there")
        said = self._storage.read(KEYS)
        if said != keys_file(self._keys):
            self.report.found(KEYS, None, "不是日志的全部公钥", "does not list the log's keys")
        if not listed:
            self.report.found(DAYS, None, "与各日文件不一致", "does not list the days that have a file")
        self._advance()

    def run(self, run: Run) -> None:
        """Check the files that these entries make, and the checkpoints among them."""
        first = self._tree.size
        tree, files = self._tree.grown(run.entries)
        for name, expected in files.items():
            tile = Tile.parse(name.removeprefix(LOG))
            # What is partial at the end of a run alone is of no tree that anybody knows.
            if tile.width == FULL_WIDTH or tile in self._edge:
                self._compare(tile, name, expected)
        for place, position in enumerate(run.marks, -(-first // FULL_WIDTH)):
            if self._marks[place * MARK_BYTES : (place + 1) * MARK_BYTES] != position.to_bytes(MARK_BYTES, "big"):
                self.report.found(MARKS, place * FULL_WIDTH, "位置不符", f"does not say position {position}")
        leaves = leaf_hashes(run.entries)
        self._checkpoints()
        while leaves:
            upto = len(leaves) if self._next is None else min(len(leaves), self._next[1].size - self._range.size)
            self._range.extend(leaves[:upto])
            leaves = leaves[upto:]
            self._checkpoints()
        self._tree = tree

    def end(self, place: At) -> None:
        """Check the cursor, and that no checkpoint is left over."""
        cursor = self.cursor
        assert cursor is not None
        if place.size == cursor.size:
            self._checkpoints()
            if (place.position, place.commitment, self._range.root()) != (
                cursor.position, cursor.commitment, cursor.root,
            ):  # fmt: skip
                self.report.found(STORE, cursor.size, "游标与台账不符", "has a cursor that the ledger does not lead to")
        if self._newest is not None and not self._newest_seen and not self.report.findings:
            self.report.found(CHECKPOINT, None, "不在任何一天的文件中", "is in no file of a day")

    def _compare(self, tile: Tile, name: str, expected: bytes) -> None:
        self.report.files += 1
        found = self._storage.read(name)
        if found is None and tile.width < FULL_WIDTH:
            # Gone since, for the full one is there: its beginning must be the same.
            full = self._storage.read(LOG + tile.full.path)
            found = None if full is None else full[: len(expected)]
        if found is None:
            self.report.found(name, tile.begin, "不在", "is not there")
        elif found != expected:
            at = next((at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found))
            step = (2 + HASH_BYTES) if tile.level == ENTRIES else HASH_BYTES
            index = tile.begin + ((at // step) << LEVEL_BITS * max(tile.level, 0))
            self.report.found(name, index, "与台账不符", "is not what the ledger leads to")

    def _checkpoints(self) -> None:
        """Hold every checkpoint of the size that was reached against the root."""
        while self._next is not None and self._next[1].size <= self._range.size:
            day, checkpoint = self._next
            if checkpoint.size < self._range.size:
                self.report.found(
                    day, checkpoint.size, "检查点的顺序倒退", "has a checkpoint that is smaller than one before"
                )
            elif checkpoint.root != self._range.root():
                self.report.found(
                    day, checkpoint.size, "检查点的根与台账不符", "has a checkpoint that the ledger does not lead to"
                )
            self.report.checkpoints += 1
            self._advance()

    def _advance(self) -> None:
        self._next = next(self._notes, None)

    def _published(self) -> Iterator[tuple[str, Checkpoint]]:
        for day in days_in(self._storage.names(CHECKPOINTS)):
            name = f"{CHECKPOINTS}/{day}"
            for place, note in enumerate(notes_in(self._storage.read(name) or b"")):
                self._newest_seen |= note == self._newest
                try:
                    checkpoint = opened(note, self._keys).checkpoint
                except ProofFault as fault:
                    self.report.found(
                        name, None, f"第 {place} 个检查点无效：{fault}", f"has no valid checkpoint at {place}: {fault}"
                    )
                    continue
                if checkpoint.origin != self.report.origin:
                    self.report.found(name, None, f"第 {place} 个检查点属于别的日志", f"has at {place} another log's")
                elif checkpoint.size <= self.report.size:
                    yield name, checkpoint
