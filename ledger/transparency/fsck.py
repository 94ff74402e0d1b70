"""The whole log held against the ledger from within: every commitment, bundle, tile, mark and published checkpoint, and
what is disclosed of it.

To check changes nothing, needs little memory however long the log is, and may run beside the sequencer: it ends where
the store's cursor stood when it began. To mend is to check, and to write what must stand there in place of what does:
only where the ledger leads to the very root that was signed, as the log's single writer, and without signing anything.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import apsw

from ledger.port import Ledger
from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.errors import ProofFault
from ledger.proof.keys import VerifierKey
from ledger.proof.merkle import HASH_BYTES, Range, leaf_hashes
from ledger.proof.policy import Policy
from ledger.proof.tiles import ENTRIES, FULL_WIDTH, LEVEL_BITS, Tile, bundle_at, edge_of
from ledger.transparency.discloser import LOCK as DISCLOSER_LOCK
from ledger.transparency.discloser import Labels
from ledger.transparency.faults import LogFault
from ledger.transparency.findings import COPY, LEDGER_BACK, MEND, REWRITTEN, STORE_BACK, Report
from ledger.transparency.fsck_disclosed import check_disclosed
from ledger.transparency.keys import keys_file, keys_of
from ledger.transparency.layout import (
    CHECKPOINT,
    CHECKPOINTS,
    DAYS,
    KEYS,
    LOCK,
    LOG,
    MARK_BYTES,
    MARKS,
    POLICY,
    STORE,
    days_file,
    days_in,
    notes_in,
)
from ledger.transparency.lock import SingleWriter
from ledger.transparency.reading import At, Run, read_run
from ledger.transparency.storage import DirectoryStorage
from ledger.transparency.store import Cursor, Published, SequencerStore
from ledger.transparency.tree import Tree

RUN_ENTRIES: Final = 16_384
"""Entries held in memory. A multiple of a tile's width."""

SETTLING_S: Final = 0.2
SETTLING_TRIES: Final = 10
"""A sequencer at work may have published a checkpoint that is not in the file of its day yet."""

Told: TypeAlias = Callable[[int, int], None]
"""Called with how many entries were checked, of how many."""


async def check_log(ledger: Ledger, folder: Path, told: Told = lambda _here, _whole: None) -> Report:
    """Check the log in this folder. Raises what the ledger raises, OSError and apsw.Error where something cannot be
    read at all; everything else is in the report.
    """
    return await _gone_through(ledger, folder, told)


async def mend_log(
    ledger: Ledger, folder: Path, labels: Labels, told: Told = lambda _here, _whole: None
) -> tuple[Report, Report]:
    """Check the log, make again what can be made from the ledger, and check it once more: what was found, and what is
    left. Nothing is written where the first report is `blocked`. What the public may read of a file of disclosures that
    is no more, the labels of today say.

    Raises LogFault (log.locked) where the sequencer or the discloser is at work, and what `check_log` raises.
    """
    locks = [SingleWriter(folder / LOCK)]
    try:
        locks.append(SingleWriter(folder / DISCLOSER_LOCK))
        before = await _gone_through(ledger, folder, told, alone=True)
        if before.blocked or not any(one.remedy.mends for one in before.findings):
            return before, before
        # At this point the ledger is known to lead to what was signed.
        await _gone_through(ledger, folder, told, labels, alone=True)
        return before, await _gone_through(ledger, folder, told, alone=True)
    finally:
        for lock in locks:
            lock.close()


async def _gone_through(
    ledger: Ledger, folder: Path, told: Told, labels: Labels | None = None, *, alone: bool = False
) -> Report:
    """One pass; with labels it mends. `alone`: nobody else writes."""
    report = Report()
    if not (folder / STORE).exists():
        report.found(STORE, None, "不在", "is not there", STORE_BACK)
        return report
    try:
        check = await asyncio.to_thread(_Check, folder, report, mends=labels is not None)
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, ProofFault) as error:
        report.found(STORE, None, f"已损坏：{error}", f"is damaged: {error}", STORE_BACK)
        return report
    cursor = check.cursor
    if cursor is None:
        return report
    if cursor.ledger_id != ledger.ledger_id:
        said = f"属于台账 {cursor.ledger_id}", f"is of ledger {cursor.ledger_id}, not {ledger.ledger_id}"
        report.found(STORE, None, *said, LEDGER_BACK)
    await check.settle(alone=alone)
    place = At()
    while place.size < cursor.size:
        try:
            run = await read_run(ledger, place, min(RUN_ENTRIES, cursor.size - place.size))
        except LogFault as fault:
            report.found("ledger", place.size - 1, fault.zh, fault.en, LEDGER_BACK)
            break
        if not run.entries:
            said = "台账到此为止", f"ends here, and {cursor.size} entries were signed"
            report.found("ledger", place.size, *said, LEDGER_BACK)
            break
        await asyncio.to_thread(check.run, run)
        place = run.end
        told(place.size, cursor.size)
    await asyncio.to_thread(check.end, place)
    if not report.blocked:
        await check_disclosed(ledger, folder, cursor, report, labels)
    if report.blocked:
        report.blame_ledger()
    return report


class _Check:
    """One pass over the log, in the order of its entries."""

    def __init__(self, folder: Path, report: Report, *, mends: bool) -> None:
        self.report: Final = report
        self._mends: Final = mends
        self._storage: Final = DirectoryStorage(folder)
        # Read before the store: what is published was signed before.
        self._newest: Final = self._storage.read(CHECKPOINT)
        store = SequencerStore(folder / STORE)
        try:
            self.cursor: Final[Cursor | None] = store.cursor()
            self._last: Final[Published | None] = store.published()
            self._keys: Final = keys_of(store)
        finally:
            store.close()
        self._tree = Tree(self._storage)
        self._range: Final = Range()
        self._marks: Final = self._storage.read(MARKS) or b""
        self._right_marks: Final = bytearray()
        self._right: Final[dict[str, bytes]] = {}
        self._notes: Final = self._published()
        self._next: tuple[str, Checkpoint] | None = None
        cursor = self.cursor
        size = cursor.size if cursor else 0
        self._edge: Final = (
            {*edge_of(size), bundle_at(size // FULL_WIDTH, size)} if size % FULL_WIDTH else {*edge_of(size)}
        )
        report.origin, report.size = (cursor.origin if cursor else ""), size

    async def settle(self, *, alone: bool) -> None:
        """Look at what is said of the whole, and take up the first checkpoint."""
        if self._mends:
            self._publish_again()
        elif alone:
            self._must_be_last()
        for _ in range(1 if alone else SETTLING_TRIES):
            newest = self._storage.read(CHECKPOINT)
            days = days_in(self._storage.names(CHECKPOINTS))
            last = (self._storage.read(f"{CHECKPOINTS}/{days[-1]}") or b"") if days else b""
            listed = self._storage.read(DAYS) or b""
            if newest is None or (last.endswith(newest) and listed == days_file(days)):
                break
            await asyncio.sleep(SETTLING_S)
        if newest is None:
            self.report.found(CHECKPOINT, None, "不在", "is not there")
        elif not last.endswith(newest):
            self.report.found(CHECKPOINT, None, "不是最后一天的最后一个", "is not the last of the last day")
        self._signed()
        if self._storage.read(KEYS) != keys_file(self._keys):
            self._differs(KEYS, keys_file(self._keys), "不是日志的全部公钥", "does not list the log's keys")
        try:
            Policy.parse(self._storage.read(POLICY) or b"quorum none\n")
        except ProofFault as fault:
            self.report.found(POLICY, None, f"不是策略文件：{fault}", f"is no policy: {fault}", REWRITTEN)
        told = set(listed.decode("utf-8", "replace").split())
        # A list that leaves out a day that is there is itself damaged, and what else it says counts for nothing.
        missing = sorted(told - set(days)) if told >= set(days) else []
        for day in missing:
            said = "列在各日之中而不在", "is listed among the days and not there"
            again = self._last is not None and self._last.day == day and not self._last.day_bytes
            self.report.found(f"{CHECKPOINTS}/{day}", None, *said, MEND if again else COPY)
        if not missing and listed != days_file(days):
            self._differs(DAYS, days_file(days), "与各日文件不一致", "does not list the days that have a file")
        self._write()
        self._advance()

    def _signed(self) -> None:
        """Hold the store against itself, and against what is published."""
        cursor = self.cursor
        assert cursor is not None
        try:
            said = opened(cursor.note, self._keys).checkpoint
            if (said.origin, said.size, said.root) != (cursor.origin, cursor.size, cursor.root):
                self.report.found(STORE, None, "自相矛盾", "contradicts itself", STORE_BACK)
        except ProofFault as fault:
            self.report.found(STORE, None, f"所存签名无效：{fault}", f"has no valid signature: {fault}", STORE_BACK)
        if self._last is not None and _valid(self._last.note, self._keys) is None:
            said_so = "所存的已公布检查点无效", "has no valid checkpoint as the one published last"
            self.report.found(STORE, None, *said_so, STORE_BACK)
        newest = _valid(self._newest, self._keys)
        if newest is not None and newest.origin == cursor.origin and newest.size > cursor.size:
            said_so = "比已公布的检查点旧", "is older than the newest published checkpoint"
            self.report.found(STORE, newest.size, *said_so, STORE_BACK)

    def _must_be_last(self) -> None:
        """Look for published checkpoints that the store does not know of: it would have them written over."""
        last = self._last
        if last is None:
            return
        for day in days_in(self._storage.names(CHECKPOINTS)):
            begin = 0 if day > last.day else last.day_bytes
            for note in notes_in((self._storage.read(f"{CHECKPOINTS}/{day}") or b"")[begin:].removeprefix(b"\n")):
                if day >= last.day and note != last.note and _valid(note, self._keys) is not None:
                    said = f"不知道 {day} 已公布的检查点", f"does not know of checkpoints published on {day}"
                    self.report.found(STORE, None, *said, STORE_BACK)
                    return

    def _publish_again(self) -> None:
        """The newest published checkpoint where it was, as the store has it."""
        last, newest = self._last, _valid(self._newest, self._keys)
        if last is None or (newest is not None and newest.size >= last.size and self._newest != last.note):
            return
        if self._newest != last.note:
            self._storage.put({CHECKPOINT: last.note})
        name = f"{CHECKPOINTS}/{last.day}"
        found = self._storage.read(name) or b""
        if last.added and len(found) >= last.day_bytes and found[last.day_bytes :] != last.added:
            self._storage.extend(name, last.day_bytes, last.added)

    def run(self, run: Run) -> None:
        """Check the files that these entries make, and the checkpoints among them."""
        first = self._tree.size
        tree, files = self._tree.grown(run.entries)
        for name, expected in files.items():
            tile = Tile.parse(name.removeprefix(LOG))
            # What is partial at the end of a run alone is of no tree that anybody knows.
            if tile.width == FULL_WIDTH or tile in self._edge:
                self._compare(tile, name, expected)
            if tile in self._edge:
                self._compare_earlier(tile, expected)
        for place, position in enumerate(run.marks, -(-first // FULL_WIDTH)):
            self._right_marks.extend(position.to_bytes(MARK_BYTES, "big"))
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
        self._write()

    def end(self, place: At) -> None:
        """Check the cursor, and that no checkpoint is left over."""
        cursor = self.cursor
        assert cursor is not None
        if place.size == cursor.size:
            self._checkpoints()
            if (place.position, place.commitment, self._range.root()) != (
                cursor.position, cursor.commitment, cursor.root,
            ):  # fmt: skip
                said = "游标与台账不符", "has a cursor that the ledger does not lead to"
                self.report.found(STORE, cursor.size, *said, LEDGER_BACK)
        if self._mends and self._marks[: len(self._right_marks)] != self._right_marks:
            self._storage.put({MARKS: bytes(self._right_marks)})

    def _compare(self, tile: Tile, name: str, expected: bytes) -> None:
        self.report.files += 1
        found = self._storage.read(name)
        if found is None and tile.width < FULL_WIDTH:
            # Gone since, for the full one is there: its beginning must be the same.
            full = self._storage.read(LOG + tile.full.path)
            found = None if full is None else full[: len(expected)]
        if found == expected:
            return
        self._right[name] = expected
        if found is None:
            self.report.found(name, tile.begin, "不在", "is not there")
        else:
            at = next((at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found))
            index = tile.begin + ((at // _step(tile)) << LEVEL_BITS * max(tile.level, 0))
            self.report.found(name, index, "与台账不符", "is not what the ledger leads to")

    def _compare_earlier(self, tile: Tile, expected: bytes) -> None:
        """What is there of the same tile from when it was narrower must be its beginning."""
        folder = f"{LOG}{tile.full.path}.p"
        for width in self._storage.names(folder):
            if width.isdigit() and int(width) < tile.width:
                self._compare(
                    Tile(tile.level, tile.index, int(width)), f"{folder}/{width}", expected[: int(width) * _step(tile)]
                )

    def _differs(self, name: str, right: bytes, zh: str, en: str) -> None:
        self._right[name] = right
        self.report.found(name, None, zh, en)

    def _write(self) -> None:
        """What is wrong, made right."""
        if self._mends:
            self._storage.put(self._right)
        self._right.clear()

    def _checkpoints(self) -> None:
        """Hold every checkpoint of the size that was reached against the root."""
        while self._next is not None and self._next[1].size <= self._range.size:
            day, checkpoint = self._next
            if checkpoint.size < self._range.size:
                said = "检查点的顺序倒退", "has a checkpoint that is smaller than one before"
                self.report.found(day, checkpoint.size, *said, COPY)
            elif checkpoint.root != self._range.root():
                said = "检查点的根与台账不符", "has a checkpoint that the ledger does not lead to"
                self.report.found(day, checkpoint.size, *said, COPY)
            self.report.checkpoints += 1
            self._advance()

    def _advance(self) -> None:
        self._next = next(self._notes, None)

    def _published(self) -> Iterator[tuple[str, Checkpoint]]:
        for day in days_in(self._storage.names(CHECKPOINTS)):
            name = f"{CHECKPOINTS}/{day}"
            notes = notes_in(self._storage.read(name) or b"")
            for place, note in enumerate(notes):
                try:
                    checkpoint = opened(note, self._keys).checkpoint
                except ProofFault as fault:
                    said = f"第 {place} 个检查点无效：{fault}", f"has no valid checkpoint at {place}: {fault}"
                    last = self._last is not None and day == self._last.day and place == len(notes) - 1
                    self.report.found(name, None, *said, MEND if last else COPY)
                    continue
                if checkpoint.origin != self.report.origin:
                    said = f"第 {place} 个检查点属于别的日志", f"has at {place} another log's"
                    self.report.found(name, None, *said, COPY)
                elif checkpoint.size <= self.report.size:
                    yield name, checkpoint


def _valid(note: bytes | None, keys: list[VerifierKey]) -> Checkpoint | None:
    """The checkpoint in this note where it is one of these keys."""
    try:
        return None if note is None else opened(note, keys).checkpoint
    except ProofFault:
        return None


def _step(tile: Tile) -> int:
    """The bytes that each entry or hash has in it."""
    return (2 + HASH_BYTES) if tile.level == ENTRIES else HASH_BYTES
