"""A whole audit: signatures, tree, disclosures, streams, balances, and what the platform shows of them."""

import gc
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias, TypeVar

import msgspec

from auditor.balance import BUSINESS_ZONE, Cells, Undated, closing, merge
from auditor.basis import Heads, heads_of, must_be_a_log, trust_of
from auditor.checkpoints import (
    CHECKPOINT,
    DAYS,
    Day,
    History,
    Remembered,
    Times,
    Trust,
    compare_with_remembered,
    newest,
)
from auditor.comparing import DEVICES_COMPARED, PAUSES_S, Said, compare
from auditor.finding import Fault, Findings
from auditor.following import Following
from auditor.hashes import Dispute
from auditor.jobs import Job, examined_job, partitions_of
from auditor.lives import Life, Told, sample_of
from auditor.newest import age_of, hold_to_history, note_of_gaps, wait_until_listed
from auditor.remembering import Memory, opened_memory, steps_of
from auditor.report_gathering import believed, printable, wanted
from auditor.report_proof import read_proof
from auditor.rotation import with_later_keys
from auditor.source import Closed, Gateway, Missing, Place, Source, Unreadable, opened
from auditor.span import FOLDERS, PUBLIC_TYPES, SPAN, Examined, Part, Task, stream_hash
from auditor.streams import Replayed, replay
from auditor.tree import hold_tiles_above, hold_trees, trusted_tiles
from auditor.trouble import Trouble
from auditor.verdict import FAULT, SELF_CONSISTENT, VERIFIED, Report, Seen, unreadable, verdict
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import ProofFault
from ledger.proof.merkle import Range
from ledger.proof.policy import NONE, Policy, Standing
from ledger.proof.reading import TrustedTiles
from ledger.proof.tiles import LEVEL_BITS

T = TypeVar("T")
U = TypeVar("U")

MISSING_MAX: Final = 1_000
"""Files that are found missing before what comes after them is left alone: a signed size alone is no log."""

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
    nobody else knows, says which. `fresh`: nothing that `state` has is taken, but its checkpoint is compared.
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
    fresh: bool = False
    pauses_s: tuple[float, ...] = PAUSES_S
    public_types: frozenset[str] = PUBLIC_TYPES
    """Events of these types are to be in the public set."""
    whole: bool = False
    """Not to be content with the public set; with a token it is so anyway."""
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
        self._days: Final[list[tuple[str, Day]]] = []
        self._memory: Memory | None = None
        self._tree_holds = False
        self._drawn = asked.drawn
        self.report: Final = Report(source=asked.place.where, verdict=verdict(SELF_CONSISTENT))

    def run(self) -> Report:
        """Audit. Every fault is in the report; nothing but a fault of this program raises."""
        begun = time.monotonic()
        try:
            # Processes are started when there is work for them, and go on from the entries to the streams.
            workers = ProcessPoolExecutor(
                max(1, self._asked.jobs), mp_context=get_context("spawn"), initializer=gc.disable
            )
            with (
                opened_memory(self._asked.state, fresh=self._asked.fresh) as self._memory,
                opened(self._asked.place) as source,
                workers as self._pool,
            ):
                self._audit(source)
                if self._asked.with_proof and self.report.origin is not None:
                    self.report.proof = read_proof(source, wanted(self.report, self.findings.kept))
                if self.findings.count and self._memory is not None:
                    # What was kept may be what is wrong: the next audit verifies all of it again.
                    self._memory.forget()
        except (Unreadable, Closed) as error:
            self.report.broken_off = str(error)
            trouble = error.trouble if isinstance(error, Unreadable) else Trouble.FILE
            self.report.verdict = unreadable(trouble, str(error))
        self.report.findings = self.findings.kept
        self.report.findings_count = self.findings.count
        if self.findings.count:
            self.report.verdict = verdict(FAULT, count=self.findings.count)
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _audit(self, source: Source) -> None:
        memory = self._memory
        remembered = None if memory is None else memory.checkpoint()
        self._drawn = self._asked.drawn if memory is None else memory.drawn(self._asked.drawn)
        must_be_a_log(source)
        trust = trust_of(source, self._asked.policy, self._asked.title, remembered)
        if not trust.pinned and remembered is not None:
            trust = with_later_keys(source, trust)
        found = newest(source, trust, self.findings)
        if found is None:
            return
        now = found.checkpoint
        self._note(found, trust, remembered)
        self._age_of(found, trust)
        held_to = -1
        if remembered is not None and compare_with_remembered(remembered, now, self.findings):
            held_to = remembered.size
            self._trees.append((CHECKPOINT, remembered.size, remembered.root))
        times = self._history(source, trust, found, held_to)
        whole = self._asked.whole or bool(self._asked.place.token)
        heads = heads_of(source, trust, now, self.findings, whole=whole)
        self._withheld(heads, times)
        with TemporaryDirectory(prefix="meterloop-audit-") as spill:
            self._streams(self._entries(source, now, heads, times, spill))
        if memory is not None and (remembered is None or held_to >= 0) and self._holds():
            # Before anything else can break it off, and whatever else was found: what is wrong with a log for good
            # would else be the end of remembering, and a rewrite after it never seen.
            self._remember(memory, found, trust.policy)
        self._say_what_was_not_done()
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

    def _holds(self) -> bool:
        """Whether the newest checkpoint stands, with the tree below it, and all that were published before it."""
        found = self.findings.kept
        return self._tree_holds and all(one.what != CHECKPOINT or one.fault is Fault.STALE for one in found)

    def _say_what_was_not_done(self) -> None:
        report = self.report
        if report.part == "public":
            report.notes.append(
                "仅审计公开集：器具的流转、生命周期与结存未能重放，平台所示未能比对，公开集有无遗漏无从得知。"
                "the public set alone was audited: custody, lives and balances of devices could not be replayed, nor "
                "what the platform shows be compared, and what the set leaves out cannot be told"
            )
        if report.taken_entries or report.taken_checkpoints:
            entries, checkpoints = report.taken_entries, report.taken_checkpoints
            report.notes.append(
                f"{entries} 个条目与 {checkpoints} 个检查点由本审计者早前验证，本次未再验证（--fresh 则全部重验）。"
                f"{entries} entries and {checkpoints} checkpoints were verified in an earlier audit of this auditor's "
                "and are not verified again (--fresh verifies everything)"
            )

    def _remember(self, memory: Memory, found: Standing, policy: Policy) -> None:
        """The checkpoint first: only with it does it count that older trees were held against this one."""
        now = found.checkpoint
        memory.keep_checkpoint(Remembered(now.origin, now.size, now.root, found.note.encoded(), policy.encoded()))
        for day, came in self._days:
            held = sum(tree.size <= now.size for tree in came.trees)
            if held != came.held:
                memory.keep_day(day, msgspec.structs.replace(came, held=held))

    def _last_day(self) -> date:
        """The day up to which balances are said: the one asked for, else the last on which anything moved, or today."""
        if self._asked.as_of is not None:
            return self._asked.as_of
        today = datetime.fromtimestamp(self._now_us() // 1_000_000, BUSINESS_ZONE).date()
        return max([today, *(date.fromisoformat(day) for _, _, day in self.cells)])

    def _lives(self) -> dict[str, Life]:
        """The devices of the sample, as their events leave them."""
        lives: dict[str, Life] = {}
        factor = self._drawn | 1
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
            self.report.notes.append(
                f"平台不向此读者出示 {error}，故未比对。"
                f"the platform does not show this reader {error}; it was not compared"
            )
        except Missing:
            self.report.notes.append(
                "该地址只有日志文件，没有平台可比对。there are the log's files alone, and no platform to compare with"
            )
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

    def _age_of(self, found: Standing, trust: Trust) -> None:
        """The newest checkpoint is not old."""
        asked = self._asked
        if asked.age_s_max is not None:
            self.report.age_s = age_of(
                found,
                trust,
                self._now_us() // 1_000_000,
                age_s_max=asked.age_s_max,
                tolerance_s=asked.tolerance_s,
                findings=self.findings,
            )

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

    def _history(self, source: Source, trust: Trust, found: Standing, held_to: int) -> Times:
        """Every checkpoint of the log's past, to be held against the tree. Returns when which trees were cosigned."""
        times, now, listed = Times(), found.checkpoint, False
        wait_until_listed(source, found, self._now_us() // 1_000_000)
        tolerance_s = self._asked.tolerance_s

        def watch(seen: int) -> None:
            self._watch("checkpoints", seen, seen)

        past = History(source, trust, self.findings, tolerance_s, self._memory, self._each, watch)
        for day, came in past.of(now):
            self._days.append((day, came))
            for number, tree in enumerate(came.trees):
                if tree.size > now.size:
                    continue
                listed = listed or (tree.size, tree.root) == (now.size, now.root)
                self.report.checkpoints += tree.count
                if number >= came.held or tree.size > held_to:
                    self._trees.append((f"{DAYS}/{day}", tree.size, tree.root))
                if tree.last_s:
                    times.saw(tree.size, tree.first_s, tree.last_s)
        self.report.taken_checkpoints = past.taken
        hold_to_history(found, trust, past, listed=listed, findings=self.findings)
        self.report.notes += note_of_gaps(past.past)
        if last_s := trust.policy.met_since_s(found.cosigned_at_s):
            times.saw(now.size, trust.policy.met_by_s(found.cosigned_at_s) or last_s, last_s)
        return times

    def _entries(self, source: Source, now: Checkpoint, heads: Heads, times: Times, spill: str) -> list[Path]:
        """Examine every span, and hold the tree that the entries make against every checkpoint. Returns the files of
        the streams' steps.
        """
        size, trusted = now.size, trusted_tiles(source, now)
        spans, missing = range(-(-size // SPAN)), 0
        remembered: list[Job] = []

        def jobs() -> Iterator[Job]:
            for span in spans:
                job = self._job(span, now, heads, times, spill, trusted)
                if job.spans:
                    remembered.append(job)
                yield job

        tree, last_us = Range(), None
        disputes: list[Dispute] = []
        before = len(self.findings.kept)
        for done, examined in enumerate(self._each(examined_job, jobs(), len(spans)), 1):
            tree.extend(examined.tiles, LEVEL_BITS)
            tree.extend(examined.edge)
            disputes += examined.disputes
            last_us = self._in_order(examined, last_us)
            merge(self.cells, examined.cells)
            for told in examined.told:
                self._told.setdefault(told.stream, []).append(told)
            self.report.events += examined.events
            self.report.taken_entries += SPAN if examined.taken else 0
            self.findings.extend(examined.findings, examined.findings_count)
            self._watch("entries", min(done * SPAN, size), size)
            missing += sum(one.fault is Fault.MISSING for one in examined.findings)
            if missing >= MISSING_MAX and done < len(spans):
                self.report.notes.append(_note_of_missing(missing, done * SPAN))
                return self._files_of_steps(spill, remembered)
        hold_tiles_above(source, size, self.findings)
        explained = bool(disputes) or any(one.what.startswith("tile/") for one in self.findings.kept[before:])
        if not explained and tree.root() != now.root:
            self.findings.add(Fault.FORGED_WHOLE, CHECKPOINT, size=size, root=now.root, reckoned=tree.root())
        for dispute in disputes:
            found = dispute.if_root_is_right if tree.root() == now.root else dispute.if_it_is_not
            self.findings.extend(found, len(found))
        whole = tree.root() == now.root
        held, notes = hold_trees(
            source, now, self._trees, self.findings, trusted=trusted, explained=explained or not whole
        )
        self._tree_holds = whole and held
        self.report.notes += notes
        return self._files_of_steps(spill, remembered)

    def _files_of_steps(self, spill: str, remembered: list[Job]) -> list[Path]:
        return [*Path(spill).iterdir(), *(file for job in remembered for file in steps_of(job.spans, job.task))]

    def _job(
        self, span: int, now: Checkpoint, heads: Heads, times: Times, spill: str, trusted: TrustedTiles | None
    ) -> Job:
        begin, end = span * SPAN, (span + 1) * SPAN
        asked, memory = self._asked, self._memory
        compared = asked.place.is_url and heads.part == "supervisor"
        task = Task(
            span,
            now.size,
            trusted is not None,
            heads.part,
            heads.covered,
            heads.public,
            spill,
            partitions_of(heads.covered, remembered=memory is not None),
            times.around(begin, min(end, now.size)),
            asked.tolerance_s * 1_000_000,
            asked.skew_s * 1_000_000,
            sample_of(asked.devices if compared else 0, heads.covered, self._drawn),
            asked.public_types,
        )
        if memory is None or trusted is None or end > min(now.size, heads.covered, heads.public):
            return Job(task)
        try:
            return Job(task, str(memory.spans), trusted(2 * LEVEL_BITS, span))
        except ProofFault:
            return Job(task)

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

    def _streams(self, steps: list[Path]) -> None:
        whole = self.report.part == "supervisor"
        parts: dict[str, list[str]] = {}
        for file in sorted(steps, key=lambda file: file.name):
            parts.setdefault(file.name.partition("-")[0], []).append(str(file))
        tasks = [(files, whole) for files in parts.values()]
        for done, replayed in enumerate(self._each(_replayed, tasks, len(tasks)), 1):
            self.report.streams += replayed.streams
            self.report.devices += replayed.devices
            self.findings.extend(replayed.findings, replayed.findings_count)
            self._watch("streams", done, len(tasks))

    def _each(self, work: Callable[[Place, T], U], tasks: Iterable[T], count: int) -> Iterator[U]:
        """What comes of each of so many tasks, in order, by as many processes as were asked for, few tasks ahead of the
        answers.
        """
        jobs = min(self._asked.jobs, count)
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


def _replayed(_place: Place, task: tuple[list[str], bool]) -> Replayed:
    files, whole = task
    return replay([Path(file) for file in files], whole=whole)


def _note_of_missing(missing: int, entries: int) -> str:
    return (
        f"前 {entries:,} 个条目已缺 {missing:,} 个文件，其后未再读取。"
        f"{missing:,} files of the first {entries:,} entries are missing; what comes after was not read"
    )
