"""A whole audit: signatures, tree, disclosures, streams, balances, and what the platform shows of them."""

import gc
import itertools
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias, TypeVar

import msgspec

from auditor.balance import BUSINESS_ZONE, Cells, Undated, closing, merge
from auditor.basis import Heads, heads_of, trust_of
from auditor.checkpoints import (
    CHECKPOINT,
    Remembered,
    Times,
    Trust,
    compare_with_remembered,
    history,
    newest,
)
from auditor.comparing import DEVICES_COMPARED, PAUSES_S, Said, compare
from auditor.finding import Fault, Findings
from auditor.following import Following
from auditor.hashes import Dispute
from auditor.lives import Life, Told, sample_of
from auditor.report_gathering import believed, printable, wanted
from auditor.report_proof import read_proof
from auditor.source import Closed, Gateway, Missing, Place, Source, Unreadable, opened
from auditor.span import FOLDERS, SPAN, Examined, Part, Task, examine, stream_hash
from auditor.streams import Replayed, replay
from auditor.verdict import FAULT, SELF_CONSISTENT, UNREADABLE, VERIFIED, Report, Seen, verdict
from ledger.proof import errors
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.merkle import Range, SubtreeHash, root_at
from ledger.proof.policy import NONE, Policy, Standing
from ledger.proof.reading import TrustedTiles, read_tile, subtree_hashes
from ledger.proof.tiles import FULL_WIDTH, LEVEL_BITS, Tile, hashes_in, tile_root, tiles_of

T = TypeVar("T")
U = TypeVar("U")

TREES_A_READER: Final = 256
"""Older checkpoints that are held against the tree before what was read of it is let go: some 2 MB of tiles."""

REMEMBERED: Final = "remembered.json"
PARTITION_EVENTS: Final = 131_072
"""Events of the streams that are replayed at once: some 60 MB."""

TOLERANCE_S: Final = 300
"""By how much the clocks of ledger and witnesses may differ."""

SKEW_S: Final = 5
"""By how much `recorded_at` may go back from one event to a later one: a ledger of several machines has several clocks.
"""

AGE_S_MAX: Final = 600
"""A log signs at least once a minute; one whose newest cosignature is older has stopped, or is kept from us."""

DISCLOSED_WITHIN_S: Final = 600
"""How long after an event is in the log its disclosure may come."""

Watch: TypeAlias = Callable[[str, int, int], None]
"""Called with what is under way (entries, checkpoints, streams), how far, of how much."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to audit, and how. `policy` is the text of a tlog-policy file, `state` a folder in which this auditor
    remembers what it saw. `age_s_max` None: the newest checkpoint may be of any age, as in a copy. `skew_s`: by how
    much `recorded_at` may go back. Of so many `devices` whatever the platform shows is compared; `drawn`, a number that
    nobody else knows, says which.
    """

    place: Place
    policy: bytes | None = None
    title: str = ""
    state: Path | None = None
    as_of: date | None = None
    age_s_max: int | None = AGE_S_MAX
    tolerance_s: int = TOLERANCE_S
    skew_s: int = SKEW_S
    devices: int = DEVICES_COMPARED
    drawn: int = 1
    pauses_s: tuple[float, ...] = PAUSES_S
    jobs: int = 2
    with_proof: bool = False
    """Also read the proof that a report draws."""


class Audit:
    """One audit, from the newest checkpoint to the verdict."""

    def __init__(self, asked: Asked, watch: Watch, now_us: Callable[[], int]) -> None:
        self._asked: Final = asked
        self._watch: Final = watch
        self._now_us: Final = now_us
        self.findings: Final = Findings()
        self.cells: Final[Cells] = {}
        self._told: Final[dict[str, list[Told]]] = {}
        self._trees: Final[list[tuple[str, int, bytes]]] = []
        self.report: Final = Report(source=asked.place.where, verdict=verdict(SELF_CONSISTENT))

    def run(self) -> Report:
        """Audit. Every fault is in the report; nothing but a fault of this program raises."""
        begun = time.monotonic()
        try:
            # Processes are started when there is work for them, and go on from the entries to the streams.
            workers = ProcessPoolExecutor(
                max(1, self._asked.jobs), mp_context=get_context("spawn"), initializer=gc.disable
            )
            with opened(self._asked.place) as source, workers as self._pool:
                self._audit(source)
                if self._asked.with_proof and self.report.origin is not None:
                    self.report.proof = read_proof(source, wanted(self.report, self.findings.kept))
        except (Unreadable, Closed) as error:
            self.report.broken_off = str(error)
            self.report.verdict = verdict(UNREADABLE, en=str(error))
        self.report.findings = self.findings.kept
        self.report.findings_count = self.findings.count
        if self.findings.count:
            self.report.verdict = verdict(FAULT, count=self.findings.count)
            if self._asked.place.keep_in:
                # What was kept may be what is wrong: the next audit fetches all of it again.
                shutil.rmtree(self._asked.place.keep_in, ignore_errors=True)
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _audit(self, source: Source) -> None:
        remembered = _remembered(self._asked.state)
        trust = trust_of(source, self._asked.policy, self._asked.title, remembered)
        found = newest(source, trust, self.findings)
        if found is None:
            return
        now = found.checkpoint
        self._note(found, trust, remembered)
        self._age_of(found)
        times = self._history(source, trust, now)
        heads = heads_of(source, trust, now, self.findings)
        if remembered is not None and compare_with_remembered(remembered, now, self.findings):
            self._trees.append((CHECKPOINT, remembered.size, remembered.root))
        self._withheld(heads, times)
        with TemporaryDirectory(prefix="meterloop-audit-") as spill:
            self._entries(source, now, heads, times, spill)
            self._streams(Path(spill))
        self.report.as_of = self._last_day().isoformat()
        self.report.balances = closing(self.cells, self._last_day())
        if self._asked.place.is_url and heads.part == "supervisor":
            self._compare(source, trust, now, heads.covered)
        if self.findings.count:
            return
        if trust.pinned and trust.policy.quorum != NONE:
            self.report.verdict = verdict(VERIFIED, zh=trust.title, en=trust.title)
        elif remembered is not None:
            zh, en = "上次审计时的检查点", "the checkpoint of the last audit"
            self.report.verdict = verdict(VERIFIED, zh=zh, en=en)
        _remember(self._asked.state, found, trust.policy)

    def _last_day(self) -> date:
        """The day up to which balances are said: the one asked for, else the last on which anything moved, or today."""
        if self._asked.as_of is not None:
            return self._asked.as_of
        today = datetime.fromtimestamp(self._now_us() // 1_000_000, BUSINESS_ZONE).date()
        return max([today, *(date.fromisoformat(day) for _, _, day in self.cells)])

    def _lives(self) -> dict[str, Life]:
        """The devices of the sample, as their events leave them."""
        lives: dict[str, Life] = {}
        factor = self._asked.drawn | 1
        drawn = sorted(self._told, key=lambda stream: (stream_hash(stream) * factor & 0xFFFF_FFFF, stream))
        for stream in drawn[: self._asked.devices]:
            lives[stream] = life = Life()
            for told in self._told[stream]:
                try:
                    life.take(told.version, told.type, told.data)
                except (Undated, KeyError, TypeError, ValueError) as error:
                    self.findings.add(Fault.MALFORMED, told.type, index=told.index, stream=stream, why=repr(error))
        return lives

    def _compare(self, source: Source, trust: Trust, now: Checkpoint, taken: int) -> None:
        """What the platform shows is what its log says."""
        said = Said(self.cells, self._lives())
        follow = Following(source, trust, now, taken, said, self.findings)
        platform = Gateway(self._asked.place.where, self._asked.place.token)
        self._watch("platform", 0, 1)
        try:
            self.report.compared = compare(
                platform, said, self._last_day(), follow, self.findings, self._asked.pauses_s
            )
        except Closed as error:
            self.report.notes.append(f"the platform does not show this reader {error}; it was not compared")
        finally:
            platform.close()
        self._watch("platform", 1, 1)

    def _note(self, found: Standing, trust: Trust, remembered: Remembered | None) -> None:
        report, now = self.report, found.checkpoint
        report.origin, report.tree_size, report.root = now.origin, now.size, now.root.hex()
        report.witnesses = {printable(name): time_s for name, time_s in found.cosigned_at_s.items()}
        report.believed = believed(trust, found, self._asked.policy, remembered)
        if remembered is not None:
            report.remembered = Seen(remembered.size, remembered.root.hex())

    def _age_of(self, found: Standing) -> None:
        """The newest checkpoint is not old."""
        cosigned = max(found.cosigned_at_s.values(), default=None)
        age_s_max = self._asked.age_s_max
        if age_s_max is None or cosigned is None:
            return
        self.report.age_s = age_s = self._now_us() // 1_000_000 - cosigned
        if age_s > age_s_max:
            self.findings.add(Fault.STALE, CHECKPOINT, cosigned_at_s=cosigned, age_s=age_s, age_s_max=age_s_max)

    def _withheld(self, heads: Heads, times: Times) -> None:
        """What is in the log is disclosed, except what is so new that the files are still being written."""
        self.report.part, self.report.disclosed = heads.part, heads.covered
        parts: tuple[tuple[Part, int], ...] = (("public", heads.public), (heads.part, heads.covered))
        for part, covered in dict(parts).items():
            beyond, last = times.first_beyond(covered), times.last
            if beyond is not None and last is not None and last.last_s - beyond.first_s > DISCLOSED_WITHIN_S:
                shown = f"{FOLDERS[part]}/head"
                since_s, now_s = beyond.first_s, last.last_s
                self.findings.add(Fault.DROPPED, shown, index=covered, in_log_since_s=since_s, cosigned_at_s=now_s)

    def _history(self, source: Source, trust: Trust, now: Checkpoint) -> Times:
        """Every checkpoint of the log's past, to be held against the tree. Returns when which trees were cosigned."""
        times = Times()
        latest_s: dict[str, int] = {}
        for path, found in history(source, trust, now, self.findings):
            one = found.checkpoint
            self.report.checkpoints += 1
            self._watch("checkpoints", self.report.checkpoints, self.report.checkpoints)
            if not self._trees or self._trees[-1][1:] != (one.size, one.root):
                self._trees.append((path, one.size, one.root))
            for witness, time_s in found.cosigned_at_s.items():
                times.saw(one.size, time_s)
                before_s = latest_s.get(witness, 0)
                if time_s < before_s - self._asked.tolerance_s:
                    self.findings.add(
                        Fault.BACKDATED, path, size=one.size, witness=witness, at_s=time_s, before_s=before_s
                    )
                latest_s[witness] = max(time_s, before_s)
        return times

    def _entries(self, source: Source, now: Checkpoint, heads: Heads, times: Times, spill: str) -> None:
        """Examine every span, and hold the tree that the entries make against every checkpoint."""
        size = now.size
        partitions = max(1, -(-heads.covered // PARTITION_EVENTS))
        edge_holds = _edge_leads_to_root(source, now)
        compared = self._asked.place.is_url and heads.part == "supervisor"
        sample = sample_of(self._asked.devices if compared else 0, heads.covered, self._asked.drawn)
        tasks = [
            Task(
                span,
                size,
                edge_holds,
                heads.part,
                heads.covered,
                heads.public,
                spill,
                partitions,
                times.around(span * SPAN, min((span + 1) * SPAN, size)),
                self._asked.tolerance_s * 1_000_000,
                self._asked.skew_s * 1_000_000,
                sample,
            )
            for span in range(-(-size // SPAN))
        ]
        tree, last_us = Range(), None
        disputes: list[Dispute] = []
        before = len(self.findings.kept)
        for done, examined in enumerate(self._each(_examined, tasks), 1):
            tree.extend(examined.tiles, LEVEL_BITS)
            tree.extend(examined.edge)
            disputes += examined.disputes
            last_us = self._in_order(examined, last_us)
            merge(self.cells, examined.cells)
            for told in examined.told:
                self._told.setdefault(told.stream, []).append(told)
            self.report.events += examined.events
            self.findings.extend(examined.findings, examined.findings_count)
            self._watch("entries", min(done * SPAN, size), size)
        self._tiles_above(source, size)
        explained = disputes or any(one.what.startswith("tile/") for one in self.findings.kept[before:])
        if not explained and tree.root() != now.root:
            self.findings.add(Fault.FORGED_WHOLE, CHECKPOINT, size=size, root=now.root, reckoned=tree.root())
        for dispute in disputes:
            found = dispute.if_root_is_right if tree.root() == now.root else dispute.if_it_is_not
            self.findings.extend(found, len(found))
        self._hold_trees(source, now, whole=not disputes and tree.root() == now.root)

    def _in_order(self, examined: Examined, last_us: int | None) -> int | None:
        if examined.first_us is None:
            return last_us
        if last_us is not None and examined.first_us < last_us - self._asked.skew_s * 1_000_000:
            self.findings.add(
                Fault.BACKDATED,
                "recorded_at",
                index=examined.span * SPAN,
                at_us=examined.first_us,
                before_us=last_us,
            )
        return max(examined.last_us or 0, last_us or 0)

    def _hold_trees(self, source: Source, now: Checkpoint, *, whole: bool) -> None:
        """Every older checkpoint is of the beginning of this tree. Where the tiles are not whole, it cannot be told."""
        subtree = _subtrees(source, now.size)
        for number, (path, size, root) in enumerate(self._trees, 1):
            if number % TREES_A_READER == 0:
                subtree = _subtrees(source, now.size)
            try:
                reckoned = root_at(size, subtree)
            except ProofFault as error:
                self.report.notes.append(f"{path}: {error}")
                return
            if reckoned != root:
                if not whole:
                    self.report.notes.append(f"{path}: the tree of {size} entries cannot be told from these tiles")
                    return
                self.findings.add(Fault.SPLIT_VIEW, path, size=size, root=root, root_of_tiles=reckoned)

    def _tiles_above(self, source: Source, size: int) -> None:
        """The tiles of level 2 and above, against those below them: the lower ones were held against the entries."""
        for tile in tiles_of(size):
            if tile.level < 2:  # noqa: PLR2004  levels 0 and 1 are each span's
                continue
            try:
                there = hashes_in(tile, read_tile(tile, lambda path: _get(source, path)))
                below = [
                    tile_root(read_tile(Tile(tile.level - 1, number), lambda path: _get(source, path)))
                    for number in range(tile.index * FULL_WIDTH, tile.index * FULL_WIDTH + tile.width)
                ]
            except errors.Missing as error:
                self.findings.add(Fault.MISSING, tile.path, index=tile.begin, why=error)
            except Malformed as error:
                self.findings.add(Fault.MALFORMED, tile.path, index=tile.begin, why=error)
            else:
                for at, (hash_there, own) in enumerate(zip(there, below, strict=True)):
                    if hash_there != own:
                        index = tile.begin + (at << LEVEL_BITS * tile.level)
                        self.findings.add(Fault.FORGED_TILE, tile.path, index=index, tile=hash_there, reckoned=own)

    def _streams(self, spill: Path) -> None:
        whole = self.report.part == "supervisor"
        parts: dict[str, list[str]] = {}
        for file in sorted(spill.iterdir()):
            parts.setdefault(file.name.partition("-")[0], []).append(str(file))
        tasks = [(files, whole) for files in parts.values()]
        for done, replayed in enumerate(self._each(_replayed, tasks), 1):
            self.report.streams += replayed.streams
            self.report.devices += replayed.devices
            self.findings.extend(replayed.findings, replayed.findings_count)
            self._watch("streams", done, len(tasks))

    def _each(self, work: Callable[[Place, T], U], tasks: Sequence[T]) -> Iterator[U]:
        """What comes of each task, in order, by as many processes as were asked for, few tasks ahead of the answers."""
        jobs = min(self._asked.jobs, len(tasks))
        if jobs < 2:  # noqa: PLR2004  alone it needs no other process
            with _without_collector():
                yield from (work(self._asked.place, task) for task in tasks)
            return
        ahead: deque[Future[U]] = deque()
        left = iter(tasks)
        for task in itertools.islice(left, 2 * jobs):
            ahead.append(self._pool.submit(work, self._asked.place, task))
        while ahead:
            answer = ahead.popleft().result()
            for task in itertools.islice(left, 1):
                ahead.append(self._pool.submit(work, self._asked.place, task))
            yield answer


@contextmanager
def _without_collector() -> Iterator[None]:
    """Events make millions of small values and no cycles: looking for cycles among them is a third of the work."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _examined(place: Place, task: Task) -> Examined:
    with opened(place) as source:
        return examine(task, source)


def _replayed(_place: Place, task: tuple[list[str], bool]) -> Replayed:
    files, whole = task
    return replay([Path(file) for file in files], whole=whole)


def _get(source: Source, path: str) -> bytes | None:
    try:
        return source.get(f"log/{path}")
    except Missing:
        return None


def _subtrees(source: Source, size: int) -> SubtreeHash:
    return subtree_hashes(size, lambda path: _get(source, path))


def _edge_leads_to_root(source: Source, now: Checkpoint) -> bool:
    """Whether the partial tiles have the root that the checkpoint says."""
    try:
        TrustedTiles(now.size, now.root, lambda path: _get(source, path))
    except ProofFault:
        return False
    return True


def _remembered(state: Path | None) -> Remembered | None:
    """What the last complete audit saw. Raises Unreadable where the folder holds something else."""
    if state is None:
        return None
    try:
        return msgspec.json.decode((state / REMEMBERED).read_bytes(), type=Remembered)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise Unreadable(f"{state / REMEMBERED}: {error}") from error


def _remember(state: Path | None, found: Standing, policy: Policy) -> None:
    if state is None:
        return
    now = found.checkpoint
    remembered = Remembered(now.origin, now.size, now.root, found.note.encoded(), policy.encoded())
    state.mkdir(parents=True, exist_ok=True)
    unfinished = state / f"{REMEMBERED}.new"
    unfinished.write_bytes(msgspec.json.encode(remembered))
    unfinished.replace(state / REMEMBERED)
