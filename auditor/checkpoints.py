"""The signed side of a log: its newest checkpoint, those before it, and the one that this auditor remembers."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from datetime import date
from hashlib import sha256
from itertools import chain, islice, pairwise
from typing import Final, Protocol, TypeAlias

import msgspec

from auditor.finding import Fault, Findings
from auditor.source import Missing, Place, Source
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import BadSignature, Malformed, ProofFault, UnknownSigner
from ledger.proof.keys import Signature, VerifierKey
from ledger.proof.note import Note
from ledger.proof.policy import Policy, Standing, standing
from ledger.proof.strict import lines

CHECKPOINT: Final = "log/checkpoint"
DAYS: Final = "log/checkpoints"
LISTED: Final = "log/checkpoints/days"
POLICY: Final = "log/policy"
KEYS: Final = "log/keys"

GAP_S_MAX: Final = 600
"""A log that runs signs at least once a minute; between two checkpoints further apart it did not, or one is left out.
"""

DAYS_LOOKED_FOR: Final = 400
DAYS_BEFORE: Final = 31
"""Days that are not listed and whose files are looked for, and how many of them before the first that is."""

VERIFIED_AT_ONCE: Final = 500
"""Checkpoints that one process verifies in one go, some tenths of a second."""

_NO_NOTE: Final = Note(b"", ())
_FORM: Final = "2"
"""Raised whenever what is remembered of days means something else."""


class Trust(msgspec.Struct, frozen=True):
    """Whom this audit believes, and what its verdict calls that. `pinned`: it comes from somewhere else than the log's
    own operator. `also` are keys that the log says it has or had; nothing is believed because of them.
    """

    policy: Policy
    title: str
    pinned: bool
    also: tuple[VerifierKey, ...] = ()

    @property
    def known(self) -> list[VerifierKey]:
        logs = [log.key for log in self.policy.logs]
        return [*logs, *(one.key for one in self.policy.witnesses.values()), *self.also]


class Remembered(msgspec.Struct, frozen=True):
    """The checkpoint of this auditor's last complete audit."""

    origin: str
    size: int
    root: bytes
    note: bytes
    policy: bytes


class Bound(msgspec.Struct, frozen=True):
    """When a tree of this size was cosigned: first, and last."""

    size: int
    first_s: int
    last_s: int


class Times:
    """When the trees of a log were cosigned, by rising size."""

    def __init__(self) -> None:
        self._bounds: list[Bound] = []

    def saw(self, size: int, first_s: int, last_s: int) -> None:
        """A tree of this size was cosigned from then to then. Sizes come in rising order."""
        if self._bounds and self._bounds[-1].size == size:
            known = self._bounds[-1]
            self._bounds[-1] = Bound(size, min(known.first_s, first_s), max(known.last_s, last_s))
        else:
            self._bounds.append(Bound(size, first_s, last_s))

    def around(self, begin: int, end: int) -> list[Bound]:
        """Those that bound when these entries were recorded."""
        low = max(0, self._after(begin) - 1)
        return self._bounds[low : self._after(end - 1) + 1]

    def first_beyond(self, size: int) -> Bound | None:
        """The first that is larger."""
        at = self._after(size)
        return self._bounds[at] if at < len(self._bounds) else None

    @property
    def last(self) -> Bound | None:
        return self._bounds[-1] if self._bounds else None

    def _after(self, size: int) -> int:
        return bisect_right(self._bounds, size, key=lambda bound: bound.size)


def newest(source: Source, trust: Trust, findings: Findings) -> Standing | None:
    """The newest checkpoint, None where nothing can be built on what is there."""
    try:
        data = source.get(CHECKPOINT)
    except Missing:
        findings.add(Fault.MISSING, CHECKPOINT)
        return None
    found = opened(data, CHECKPOINT, trust, findings, source)
    if found is not None and not found.quorum_met:
        # Whoever holds the log's key alone can do so: a history that was signed again looks like this.
        findings.add(Fault.RE_SIGNED, CHECKPOINT, size=found.checkpoint.size, cosigned_by=_cosigners(found))
    return found


def opened(data: bytes, what: str, trust: Trust, findings: Findings, source: Source) -> Standing | None:
    """A checkpoint, its signatures verified; None where they are not what they should be. `source` is asked for the
    log's keys where one is used that it did not say it had: it may have been changed since.
    """
    try:
        found = standing(trust.policy, data)
    except BadSignature as error:
        findings.add(Fault.CHECKPOINT_EDITED, what, why=error)
    except UnknownSigner as error:
        findings.add(Fault.WRONG_KEY, what, why=error)
    except Malformed as error:
        findings.add(Fault.MALFORMED, what, why=error)
    else:
        strange = [one for one in found.note.signatures if _half_known(one, trust.known)]
        if strange:
            known = [*trust.known, *keys_published(source)]
            strange = [one for one in strange if _half_known(one, known)]
        for one in strange:
            size = found.checkpoint.size
            findings.add(Fault.WRONG_KEY, what, size=size, signed_as=one.name, key_id=one.key_id)
        return found
    return None


def keys_published(source: Source) -> tuple[VerifierKey, ...]:
    """The keys that the log says it has or had, none where it does not say."""
    try:
        return tuple(VerifierKey.parse(line) for line in lines(source.get(KEYS), KEYS))
    except (Missing, Malformed):
        return ()


def compare_with_remembered(before: Remembered, now: Checkpoint, findings: Findings) -> bool:
    """Whether the log may begin with what was seen before: whether it does, its tiles say."""
    if before.origin != now.origin:
        findings.add(Fault.WRONG_KEY, CHECKPOINT, remembered_origin=before.origin, origin=now.origin)
        return False
    if now.size < before.size:
        findings.add(
            Fault.ROLLED_BACK,
            CHECKPOINT,
            remembered_size=before.size,
            remembered_root=before.root,
            size=now.size,
            root=now.root,
        )
        return False
    return True


Verifying: TypeAlias = tuple[Trust, list[bytes]]
"""Whom to believe, and some checkpoints."""


class Each(Protocol):
    """Has work done, task by task, by as many processes as the audit has, and gives what comes of it in order."""

    def __call__(
        self, work: Callable[[Place, Verifying], list[Standing | None]], tasks: list[Verifying], count: int
    ) -> Iterator[list[Standing | None]]: ...


class Tree(msgspec.Struct, frozen=True):
    """A tree that was signed, how many times in turn, and when the quorum cosigned it: by when it first had, and until
    when it did; 0 where it did not.
    """

    size: int
    root: bytes
    count: int
    first_s: int
    last_s: int


class Gaps(msgspec.Struct, frozen=True):
    """How often a log's checkpoints followed each other by more than GAP_S_MAX, and the longest time without one."""

    count: int = 0
    from_s: int = 0
    to_s: int = 0

    def then(self, from_s: int, to_s: int) -> "Gaps":
        """With what came between two checkpoints."""
        if to_s - from_s <= GAP_S_MAX:
            return self
        longest = (from_s, to_s) if to_s - from_s > self.to_s - self.from_s else (self.from_s, self.to_s)
        return Gaps(self.count + 1, *longest)


class Past(msgspec.Struct, frozen=True):
    """What a log's checkpoints have come to at the end of some day: how large it was and of which root, whether a
    checkpoint has had the policy's quorum, when the quorum cosigned last, when each witness did, by the bytes of its
    name, and how long there was no checkpoint.
    """

    size: int = -1
    root: bytes = b""
    witnessed: bool = False
    cosigned_s: int = 0
    latest_s: dict[str, int] = {}
    gaps: Gaps = Gaps()


class Day(msgspec.Struct, frozen=True):
    """What the checkpoints of a day came to: the first `length` bytes of its file, with their SHA-256. `terms` are
    those of `terms_of`; of so many `trees` it was seen that the tree of the last complete audit begins with them.
    """

    length: int
    sha256: bytes
    terms: bytes
    before: Past
    after: Past
    trees: list[Tree] = []
    held: int = 0


class Days(Protocol):
    """What is remembered of days."""

    def day(self, day: str) -> Day | None: ...

    def days(self) -> list[str]: ...

    def keep_day(self, day: str, came: Day) -> None: ...


def verified(_place: Place, task: Verifying) -> list[Standing | None]:
    """What a policy makes of checkpoints with which nothing is wrong, without their notes; None in the place of others.
    Nearly all of its time goes to signatures.
    """
    trust, notes = task
    return [_right(trust, note) for note in notes]


def _right(trust: Trust, note: bytes) -> Standing | None:
    try:
        found = standing(trust.policy, note)
    except ProofFault:
        return None
    if any(_half_known(signature, trust.known) for signature in found.note.signatures):
        return None
    return msgspec.structs.replace(found, note=_NO_NOTE)


class History:
    """Every checkpoint that was published, a day at a time, each verified, none smaller than the one before it. From
    the first that has the policy's quorum on, all must have it: witnesses may have come to a log that was there.
    """

    def __init__(
        self,
        source: Source,
        trust: Trust,
        findings: Findings,
        tolerance_s: int,
        days: Days | None,
        each: Each,
        watch: Callable[[int], None],
    ) -> None:
        """`each` has work done by several processes; `watch` is told how many checkpoints were gone through."""
        self._source: Final = source
        self._trust: Final = trust
        self._findings: Final = findings
        self._tolerance_s: Final = tolerance_s
        self._days: Final = days
        self._each: Final = each
        self._watch: Final = watch
        self._seen = 0
        self.taken = 0
        self.past = Past()
        self.last_day = ""

    def of(self, now: Checkpoint) -> Iterator[tuple[str, Day]]:
        """(day, what came of it), the trees of each that are larger than the newest left out."""
        terms = terms_of(self._trust, now, self._tolerance_s)
        listed = days_listed(self._source, self._findings)
        self._must_be_whole(listed, terms)
        for day in listed:
            path = f"{DAYS}/{day}"
            try:
                data = self._source.get(path)
            except Missing:
                self._findings.add(Fault.MISSING, path)
                continue
            came = self._begun(day, data, terms, self.past)
            known = sum(tree.count for tree in came.trees)
            self.taken += known
            self._seen += known
            before = self._findings.count
            whole = self._through(path, data, came, now.origin)
            if self._days is not None and self._findings.count == before and whole is not came:
                self._days.keep_day(day, whole)
            self.past, self.last_day = whole.after, day
            yield day, whole
        size = self.past.size
        if size > now.size and (published := size_now(self._source, self._trust)) < size:
            self._findings.add(Fault.ROLLED_BACK, CHECKPOINT, size=published, published_before=size)

    def _must_be_whole(self, listed: list[str], terms: bytes) -> None:
        """No day up to the last that is listed has a file, or was seen before, and is not listed."""
        for day in [] if self._days is None else self._days.days():
            seen = self._days and self._days.day(day)
            if seen and seen.terms == terms and listed and day < listed[-1] and day not in listed:
                self._findings.add(Fault.MISSING, f"{DAYS}/{day}", why="an earlier audit saw it")
        for day in islice(_unlisted(listed), DAYS_LOOKED_FOR):
            try:
                self._source.get(f"{DAYS}/{day}")
            except Missing:
                continue
            self._findings.add(Fault.MALFORMED, LISTED, why=f"{day} has a file and is not listed")

    def _begun(self, day: str, data: bytes, terms: bytes, past: Past) -> Day:
        """What is remembered of the beginning of a day's file, or nothing of it."""
        known = None if self._days is None else self._days.day(day)
        if known is not None and (known.terms, known.before) == (terms, past) and len(data) >= known.length:
            begin = data[: known.length]
            if sha256(begin).digest() == known.sha256 and data[known.length : known.length + 1] in {b"", b"\n"}:
                return known
            why = "it does not begin with the checkpoints that an earlier audit saw"
            self._findings.add(Fault.RE_SIGNED, f"{DAYS}/{day}", seen_bytes=known.length, why=why)
        return Day(0, b"", terms, past, past)

    def _through(self, path: str, data: bytes, came: Day, origin: str) -> Day:
        """The rest of a day."""
        if came.length == len(data) and came.sha256:
            return came
        past, latest_s = came.after, dict(came.after.latest_s)
        trees, size, root, witnessed = [*came.trees], past.size, past.root, past.witnessed
        cosigned_s, gaps = past.cosigned_s, past.gaps
        notes = notes_of_day(data[came.length + 1 :] if came.length else data, path, self._findings)
        for note, right in zip(notes, self._verified(notes), strict=True):
            found = right or opened(note, path, self._trust, self._findings, self._source)
            self._seen += 1
            self._watch(self._seen)
            if found is None:
                continue
            one = found.checkpoint
            if witnessed and not found.quorum_met:
                self._findings.add(Fault.RE_SIGNED, path, size=one.size, cosigned_by=_cosigners(found))
            witnessed = witnessed or found.quorum_met
            if one.origin != origin:
                self._findings.add(Fault.WRONG_KEY, path, origin=one.origin)
            elif one.size < size:
                self._findings.add(Fault.ROLLED_BACK, path, size=one.size, before=size)
            else:
                size, root = one.size, one.root
                self._cosigned(path, found, latest_s)
                tree = _tree_of(found, self._trust.policy)
                _grow(trees, tree)
                if tree.last_s:
                    gaps = gaps.then(cosigned_s or tree.last_s, tree.last_s)
                    cosigned_s = max(cosigned_s, tree.last_s)
        after = Past(size, root, witnessed, cosigned_s, latest_s, gaps)
        return Day(len(data), sha256(data).digest(), came.terms, came.before, after, trees, came.held)

    def _verified(self, notes: list[bytes]) -> Iterator[Standing | None]:
        """Those with which nothing is wrong, None for others."""
        tasks = [(self._trust, some) for some in _some(notes)]
        return chain.from_iterable(self._each(verified, tasks, len(tasks)))

    def _cosigned(self, path: str, found: Standing, latest_s: dict[str, int]) -> None:
        """No witness goes back in time."""
        size = found.checkpoint.size
        for witness, time_s in found.cosigned_at_s.items():
            name = witness.encode("utf-8", "surrogateescape").hex()
            before_s = latest_s.get(name, 0)
            if time_s < before_s - self._tolerance_s:
                self._findings.add(Fault.BACKDATED, path, size=size, witness=witness, at_s=time_s, before_s=before_s)
            latest_s[name] = max(time_s, before_s)


def terms_of(trust: Trust, now: Checkpoint, tolerance_s: int) -> bytes:
    """Under which terms days of checkpoints are verified."""
    told = "\n".join([_FORM, now.origin, str(tolerance_s), *map(str, trust.known)])
    return sha256(told.encode("utf-8", "surrogateescape") + b"\0" + trust.policy.encoded()).digest()


def _tree_of(found: Standing, policy: Policy) -> Tree:
    """The tree of a checkpoint, with the times of the quorum: what one witness says alone bounds nothing."""
    first_s, last_s = policy.met_by_s(found.cosigned_at_s), policy.met_since_s(found.cosigned_at_s)
    return Tree(found.checkpoint.size, found.checkpoint.root, 1, first_s or 0, last_s or 0)


def _grow(trees: list[Tree], tree: Tree) -> None:
    """One more checkpoint: of the tree before, or of a new one."""
    last = trees[-1] if trees else None
    if last is not None and (last.size, last.root) == (tree.size, tree.root):
        first_s = min((time_s for time_s in (last.first_s, tree.first_s) if time_s), default=0)
        trees[-1] = Tree(tree.size, tree.root, last.count + 1, first_s, max(last.last_s, tree.last_s))
    else:
        trees.append(tree)


def _cosigners(found: Standing) -> str:
    return ", ".join(sorted(found.cosigned_at_s)) or "nobody"


def size_now(source: Source, trust: Trust) -> int:
    """The size of the checkpoint that is published now: a log that runs may have grown."""
    try:
        return standing(trust.policy, source.get(CHECKPOINT)).checkpoint.size
    except (Missing, BadSignature, UnknownSigner, Malformed):
        return 0


def _half_known(signature: Signature, known: Collection[VerifierKey]) -> bool:
    """Whether the line has the name of a key that is known, or its ID, and is not that key's. Lines of those of whom
    nothing is known are nobody's concern.
    """
    if any(key.made(signature) for key in known):
        return False
    return any(signature.name == key.name or signature.key_id == key.key_id for key in known)


def days_listed(source: Source, findings: Findings) -> list[str]:
    """The days on which checkpoints were published, as their files are named."""
    try:
        days = source.get(LISTED).decode("ascii").splitlines(keepends=True)
        found = [date.fromisoformat(line.removesuffix("\n")).isoformat() for line in days]
    except Missing:
        findings.add(Fault.MISSING, LISTED)
        return []
    except ValueError as error:
        findings.add(Fault.MALFORMED, LISTED, why=error)
        return []
    if [f"{day}\n" for day in found] != days or any(a >= b for a, b in pairwise(found)):
        findings.add(Fault.MALFORMED, LISTED, why="a day a line, each after the one before")
    return found


def _some(notes: list[bytes]) -> Iterator[list[bytes]]:
    for begin in range(0, len(notes), VERIFIED_AT_ONCE):
        yield notes[begin : begin + VERIFIED_AT_ONCE]


def _unlisted(listed: list[str]) -> Iterator[str]:
    """Days of a month before the first that is listed, and those between."""
    days = [date.fromisoformat(day).toordinal() for day in listed]
    begin = [max(0, days[0] - DAYS_BEFORE)] if days else []
    for before, after in pairwise([*begin, *days]):
        for number in range(before + 1, after):
            yield date.fromordinal(number).isoformat()


def notes_of_day(data: bytes, path: str, findings: Findings) -> list[bytes]:
    """The checkpoints of a day as they were published: paragraphs of body and signatures in turn."""
    paragraphs = data.removesuffix(b"\n").split(b"\n\n")
    if len(paragraphs) % 2 or not data.endswith(b"\n"):
        findings.add(Fault.MALFORMED, path, paragraphs=len(paragraphs))
        paragraphs = paragraphs[: len(paragraphs) // 2 * 2]
    pairs = zip(paragraphs[::2], paragraphs[1::2], strict=True)
    return [body + b"\n\n" + signatures + b"\n" for body, signatures in pairs]
