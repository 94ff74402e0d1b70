"""How the proof log stands, by what sequencer, witnesses and discloser publish. The gateway has neither the ledger nor
a door to any of them, and looks at the same files as everybody.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.standing import Part, Said, Trouble
from kernel.clock import Clock
from kernel.quantity import BUSINESS_ZONE, instant_of_us
from kernel.readiness import Health
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import ProofFault
from ledger.proof.note import Note
from ledger.proof.policy import Policy, standing
from ledger.transparency.disclosed import PUBLIC, SUPERVISOR, Head
from ledger.transparency.layout import CHECKPOINT, POLICY

LOOK_S: Final = 2.0
OLD_S: Final = 180
"""A checkpoint is published at least once a minute, and its witnesses are asked each time."""

UNDISCLOSED_S: Final = 60
"""Disclosing may give way to an import for some twenty seconds, and moves on at least every few after that."""

LOG: Final = Said("存证日志", "proof log")
WITNESSES: Final = Said("见证人", "witnesses")
DISCLOSURES: Final = Said("披露", "disclosures")

UNREADABLE: Final = Trouble(
    what=Said("存证日志的文件无法读取，或彼此不符。", "The files of the proof log cannot be read, or do not agree."),
    then=Said(
        "运维：用 `meterloop ledger fsck` 查明是哪个文件，并检查其所在的磁盘。",
        "Operators: `meterloop ledger fsck` says which file it is; look at its disk as well.",
    ),
)
NO_CHECKPOINT: Final = Trouble(
    what=Said(
        "尚未公布检查点：已入账的还不能证明。", "No checkpoint is published yet: what is recorded cannot be proven yet."
    ),
    then=Said(
        "稍后刷新。运维：看 `log/sequencer.log` 的末尾：定序进程未能启动，或见证人未达法定人数。",
        "Look again shortly. Operators: read the end of `log/sequencer.log`: the sequencer could not start, or the "
        "quorum of witnesses is not met.",
    ),
)
STANDS_STILL: Final = Said(
    "最新检查点是 {minutes} 分钟前的：此后入账的还不能证明。已入账的不受影响。",
    "The newest checkpoint is {minutes} minutes old: what was recorded since cannot be proven yet. What is recorded is "
    "safe.",
)
SEQUENCER_THEN: Final = Said(
    "运维：定序进程的 `/readyz?verbose` 与 `log/sequencer.log` 的末尾写明原因：它已停住，或见证人未达法定人数。",
    "Operators: `/readyz?verbose` of the sequencer and the end of `log/sequencer.log` say why: it has stopped, or the "
    "quorum of witnesses is not met.",
)
ABSENT: Final = Said(
    "未见证最近的检查点：{names}。其余签名达到法定人数的，检查点照常公布。",
    "Not cosigning of late: {names}. Checkpoints are published as long as the others are the quorum.",
)
ABSENT_THEN: Final = Said(
    "运维：定序进程的 `/readyz?verbose` 写明缘由；请告知该见证人的运行方。",
    "Operators: `/readyz?verbose` of the sequencer says why; tell those who run the witness.",
)
NOT_DISCLOSED: Final = Said(
    "披露停在第 {covered} 项，日志已有 {size} 项：此后的事件能证明，还不能公开查阅。",
    "Disclosing stands at entry {covered}, and the log has {size}: events since can be proven, and not be read by the "
    "public yet.",
)
DISCLOSER_THEN: Final = Said(
    "运维：披露进程的 `/readyz?verbose` 与 `log/discloser.log` 的末尾写明原因。",
    "Operators: `/readyz?verbose` of the discloser and the end of `log/discloser.log` say why.",
)


class Seen(msgspec.Struct, frozen=True):
    """What the files say. `published_at_s`: when the checkpoint was, 0 where there is none; `cosigned_at_s`: when each
    witness of the recommended policy cosigned it, None where it did not; `covered`: entries that both sets go to.
    """

    size: int = 0
    published_at_s: float = 0
    cosigned_at_s: Mapping[str, int | None] = {}
    covered: int = 0


class ProofLog:
    """Looks every few seconds while `run` does. Until the first look there is nothing to tell."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder: Final = folder
        self._clock: Final = clock
        self._cosigned_at_s: Final[dict[str, float]] = {}
        self._covered = 0
        self._moved_at_s = clock() / 1e6
        self.parts: Sequence[Part] = ()

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)

    async def health(self) -> Health:
        """Degraded where a part of the proof log has stopped, or a witness is absent."""
        hurt = [f"{part.name.en}: {trouble.what.en}" for part in self.parts for trouble in part.troubles]
        return Health(ok=True, degraded=bool(hurt), detail=" ".join(hurt))

    def look(self) -> None:
        """See how the files stand now."""
        try:
            seen = self._seen()
        except (OSError, ProofFault, OverflowError):
            # The last: a time that no calendar has.
            self.parts = (Part(name=LOG, troubles=(UNREADABLE,)),)
            return
        now_s = self._clock() / 1e6
        if seen.covered != self._covered or seen.covered == seen.size:
            self._covered, self._moved_at_s = seen.covered, now_s
        for name, at_s in seen.cosigned_at_s.items():
            # One that nobody has seen cosign yet is given the time that the others have.
            self._cosigned_at_s[name] = at_s or self._cosigned_at_s.get(name, seen.published_at_s)
        self.parts = (_log(seen, now_s), self._witnesses(seen), self._disclosures(seen, now_s))

    def _seen(self) -> Seen:
        """Raises ProofFault, OSError."""
        heads = [Head.read(self._folder, of) for of in (PUBLIC, SUPERVISOR)]
        covered = min(head.covered if head else 0 for head in heads)
        try:
            note = (self._folder / CHECKPOINT).read_bytes()
            published_at_s = (self._folder / CHECKPOINT).stat().st_mtime
            policy = Policy.parse((self._folder / POLICY).read_bytes())
        except FileNotFoundError:
            return Seen(covered=covered)
        cosigned_at_s = standing(policy, note).cosigned_at_s
        return Seen(
            size=Checkpoint.parse(Note.parse(note).text).size,
            published_at_s=published_at_s,
            cosigned_at_s={_shown(name): cosigned_at_s.get(name) for name in policy.witnesses},
            covered=covered,
        )

    def _witnesses(self, seen: Seen) -> Part:
        if not seen.cosigned_at_s:
            return Part(name=WITNESSES, note=Said("未指定", "none named"))
        # By the checkpoint's own time: a log that stands still asks nobody.
        absent = [name for name in seen.cosigned_at_s if seen.published_at_s - self._cosigned_at_s[name] > OLD_S]
        said = {name: _time(at_s) for name, at_s in seen.cosigned_at_s.items() if at_s}
        troubles = (Trouble(what=_said(ABSENT, names=", ".join(absent)), then=ABSENT_THEN),) if absent else ()
        note = ", ".join(f"{name} {at}" for name, at in said.items())
        return Part(name=WITNESSES, note=Said(note, "") if note else None, troubles=troubles)

    def _disclosures(self, seen: Seen, now_s: float) -> Part:
        behind = seen.size and now_s - self._moved_at_s > UNDISCLOSED_S
        what = _said(NOT_DISCLOSED, covered=f"{seen.covered:,}", size=f"{seen.size:,}")
        troubles = (Trouble(what=what, then=DISCLOSER_THEN),) if behind else ()
        note = Said(f"{seen.covered:,} 项", _entries(seen.covered))
        return Part(name=DISCLOSURES, note=note, troubles=troubles)


def _log(seen: Seen, now_s: float) -> Part:
    if not seen.published_at_s:
        return Part(name=LOG, troubles=(NO_CHECKPOINT,))
    age_s = now_s - seen.published_at_s
    what = _said(STANDS_STILL, minutes=str(int(age_s // 60)))
    troubles = (Trouble(what=what, then=SEQUENCER_THEN),) if age_s > OLD_S else ()
    note = Said(f"{_time(seen.published_at_s)}，{seen.size:,} 项", _entries(seen.size))
    return Part(name=LOG, note=note, troubles=troubles)


def _said(words: Said, **values: str) -> Said:
    return Said(words.zh.format(**values), words.en.format(**values))


def _entries(count: int) -> str:
    return "entry" if count == 1 else "entries"


def _time(at_s: float) -> str:
    return f"{instant_of_us(int(at_s * 1e6)).astimezone(BUSINESS_ZONE):%H:%M:%S}"


def _shown(name: str) -> str:
    """A name in a policy may be bytes that are no text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
