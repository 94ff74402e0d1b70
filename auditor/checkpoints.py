"""The signed side of a log: its newest checkpoint, those before it, and the one that this auditor remembers."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from datetime import date
from itertools import pairwise
from typing import Final

import msgspec

from auditor.finding import Fault, Findings
from auditor.source import Missing, Source
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import BadSignature, Malformed, UnknownSigner
from ledger.proof.keys import Signature, VerifierKey
from ledger.proof.policy import Policy, Standing, standing

CHECKPOINT: Final = "log/checkpoint"
DAYS: Final = "log/checkpoints"
LISTED: Final = "log/checkpoints/days"
POLICY: Final = "log/policy"
KEYS: Final = "log/keys"


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

    def saw(self, size: int, time_s: int) -> None:
        """A tree of this size was cosigned then. Sizes come in rising order."""
        if self._bounds and self._bounds[-1].size == size:
            last = self._bounds[-1]
            self._bounds[-1] = Bound(size, min(last.first_s, time_s), max(last.last_s, time_s))
        else:
            self._bounds.append(Bound(size, time_s, time_s))

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
    found = opened(data, CHECKPOINT, trust, findings)
    if found is not None and not found.quorum_met:
        # Whoever holds the log's key alone can do so: a history that was signed again looks like this.
        cosigned_by = ", ".join(sorted(found.cosigned_at_s)) or "nobody"
        findings.add(Fault.RE_SIGNED, CHECKPOINT, size=found.checkpoint.size, cosigned_by=cosigned_by)
    return found


def opened(data: bytes, what: str, trust: Trust, findings: Findings) -> Standing | None:
    """A checkpoint, its signatures verified; None where they are not what they should be."""
    try:
        found = standing(trust.policy, data)
    except BadSignature as error:
        findings.add(Fault.CHECKPOINT_EDITED, what, why=error)
    except UnknownSigner as error:
        findings.add(Fault.WRONG_KEY, what, why=error)
    except Malformed as error:
        findings.add(Fault.MALFORMED, what, why=error)
    else:
        for signature in found.note.signatures:
            if _half_known(signature, trust.known):
                findings.add(
                    Fault.WRONG_KEY,
                    what,
                    size=found.checkpoint.size,
                    signed_as=signature.name,
                    key_id=signature.key_id,
                )
        return found
    return None


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


def history(source: Source, trust: Trust, now: Checkpoint, findings: Findings) -> Iterator[tuple[str, Standing]]:
    """Every checkpoint that was published, up to the newest, each verified, none smaller than the one before it. From
    the first that has the policy's quorum on, all must have it: witnesses may have come to a log that was there.
    """
    size, witnessed = -1, False
    for day in _days(source, findings):
        path = f"{DAYS}/{day}"
        for note in _notes_of_day(source, path, findings):
            found = opened(note, path, trust, findings)
            if found is None:
                continue
            one = found.checkpoint
            if witnessed and not found.quorum_met:
                cosigned_by = ", ".join(sorted(found.cosigned_at_s)) or "nobody"
                findings.add(Fault.RE_SIGNED, path, size=one.size, cosigned_by=cosigned_by)
            witnessed = witnessed or found.quorum_met
            if one.origin != now.origin:
                findings.add(Fault.WRONG_KEY, path, origin=one.origin)
            elif one.size < size:
                findings.add(Fault.ROLLED_BACK, path, size=one.size, before=size)
            else:
                size = one.size
                if size <= now.size:
                    yield path, found
    if size > now.size and (published := size_now(source, trust)) < size:
        findings.add(Fault.ROLLED_BACK, CHECKPOINT, size=published, published_before=size)


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


def _days(source: Source, findings: Findings) -> list[str]:
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


def _notes_of_day(source: Source, path: str, findings: Findings) -> list[bytes]:
    """The checkpoints of a day as they were published: paragraphs of body and signatures in turn."""
    try:
        data = source.get(path)
    except Missing:
        findings.add(Fault.MISSING, path)
        return []
    paragraphs = data.removesuffix(b"\n").split(b"\n\n")
    if len(paragraphs) % 2 or not data.endswith(b"\n"):
        findings.add(Fault.MALFORMED, path, paragraphs=len(paragraphs))
        paragraphs = paragraphs[: len(paragraphs) // 2 * 2]
    pairs = zip(paragraphs[::2], paragraphs[1::2], strict=True)
    return [body + b"\n\n" + signatures + b"\n" for body, signatures in pairs]
