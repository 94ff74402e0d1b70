"""The audit of a review: its events read from the supervisors' set, each held against the log, and replayed.

What is not read here is not audited: the rest of the log is the business of a whole audit, as is whether a checkpoint
was withheld from those that are published.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
import zstandard

from auditor.basis import heads_of, must_be_a_log, trust_of
from auditor.checkpoints import DAYS, Trust, days_listed, newest, notes_of_day, opened
from auditor.finding import Fault, Finding, Findings
from auditor.review import INSPECTIONS, REVIEWS, replayed
from auditor.review_differences import Redrawn
from auditor.review_places import METERS
from auditor.saying import must_say_one_thing
from auditor.source import Closed, Missing, Place, Source, Unreadable
from auditor.source import opened as opened_source
from auditor.span import FOLDERS, RANGE, expanded, range_name
from auditor.tree import hold_trees, trusted_tiles
from auditor.trouble import Trouble
from auditor.verdict import FAULT, SELF_CONSISTENT, VERIFIED, Verdict, unreadable, verdict
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import Envelope, commitments, decode_envelope
from ledger.proof.disclosure import decode_events
from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.policy import NONE
from ledger.proof.reading import TrustedTiles
from ledger.proof.strict import decimal
from ledger.proof.tiles import FULL_WIDTH

_READ: Final = (INSPECTIONS, REVIEWS, METERS)
_SUPERVISOR: Final = "supervisor"


HELD: Final = "--checkpoint"


class Held(msgspec.Struct, frozen=True):
    """What the supervisor has kept of a review by itself, for which it takes nobody's word: the SHA-256 of its nonce,
    and a checkpoint as it saw it published, its size and root or the signed note.
    """

    nonce_sha256: str | None = None
    checkpoint: tuple[int, bytes] | bytes | None = None


NOTHING: Final = Held()


class ReviewReport(msgspec.Struct, kw_only=True):
    """What the audit of a review comes to: what the log makes of the review with every difference from what was said,
    and what was found to be wrong with the log on the way. `disclosed` entries were read.
    """

    source: str
    review: str
    verdict: Verdict
    origin: str | None = None
    tree_size: int = 0
    disclosed: int = 0
    redrawn: Redrawn = msgspec.field(default_factory=Redrawn)
    findings: list[Finding] = []
    findings_count: int = 0
    notes: list[str] = []


def audit_review(place: Place, review: str, policy: bytes | None, title: str, held: Held = NOTHING) -> ReviewReport:
    """Audit a review by the policy given, called `title`, else by the log's own, and by what the supervisor has kept.
    Raises nothing but a fault of this program.
    """
    report = ReviewReport(source=place.where, review=review, verdict=verdict(SELF_CONSISTENT))
    findings = Findings()
    try:
        with opened_source(place) as source:
            trust = _audited(source, held, policy, title, report, findings)
    except (Unreadable, Closed) as error:
        trouble = error.trouble if isinstance(error, Unreadable) else Trouble.FILE
        report.verdict = unreadable(trouble, str(error))
        return report
    report.findings, report.findings_count = findings.kept, findings.count
    wrong = findings.count + report.redrawn.differences_count
    if wrong:
        report.verdict = verdict(FAULT, count=wrong)
    elif trust.pinned and trust.policy.quorum != NONE:
        report.verdict = verdict(VERIFIED, zh=trust.title, en=trust.title)
    return report


def _audited(
    source: Source, held: Held, policy: bytes | None, title: str, report: ReviewReport, findings: Findings
) -> Trust:
    must_be_a_log(source)
    trust = trust_of(source, policy, title, None)
    found = newest(source, trust, findings)
    if found is None:
        return trust
    now = found.checkpoint
    report.origin, report.tree_size = now.origin, now.size
    heads = heads_of(source, trust, now, findings, whole=True)
    report.disclosed = heads.covered
    tiles = trusted_tiles(source, now)
    if tiles is None:
        findings.add(Fault.FORGED_TILE, "log/tile", size=now.size, root=now.root)
        return trust

    def covering(index: int) -> tuple[int, bytes] | None:
        return _first_covering(source, trust, now, tiles, index, findings)

    kept = _kept(source, trust, now, tiles, held, findings)
    events = _events(source, tiles, heads.covered, findings)
    report.redrawn = replayed(report.review, events, covering, held.nonce_sha256, kept)
    if not trust.pinned or trust.policy.quorum == NONE:
        report.notes.append(
            "未以含见证方的策略审计：不能排除日志曾对他人公布更早的检查点、其后撤下，并知道随机数之后选择了检查点。"
            "without a policy of witnesses it is not ruled out that an earlier checkpoint was shown to others and "
            "taken away, and the one that counts chosen by who knew the nonce"
        )
    report.notes.append(
        "只审计了本复核及其所依据的事件；整个日志的审计，以及公布时是否扣下检查点，见 meterloop audit --state。"
        "the review and the events it rests on were audited; for the whole log, and whether a checkpoint was withheld "
        "when it was published, see meterloop audit --state"
    )
    if heads.covered < now.size:
        report.notes.append(
            f"日志有 {now.size} 个条目，监管集止于第 {heads.covered} 个，其后的事件尚未披露。"
            f"the log has {now.size} entries and the supervisors' set ends at {heads.covered}: what comes after is not "
            "disclosed yet"
        )
    return trust


def _kept(
    source: Source, trust: Trust, now: Checkpoint, tiles: TrustedTiles, held: Held, findings: Findings
) -> tuple[int, bytes] | None:
    """The checkpoint that the supervisor keeps, held against the tree; None where it keeps none that its log signed."""
    kept = held.checkpoint
    if isinstance(kept, bytes):
        found = opened(kept, HELD, trust, findings, source)
        kept = None if found is None else (found.checkpoint.size, found.checkpoint.root)
    if kept is None:
        return None
    if kept[0] > now.size:
        findings.add(Fault.ROLLED_BACK, HELD, size=now.size, kept=kept[0])
    else:
        hold_trees(source, now, [(HELD, *kept)], findings, trusted=tiles, explained=False)
    return kept


def _events(source: Source, tiles: TrustedTiles, covered: int, findings: Findings) -> Iterator[tuple[int, Envelope]]:
    """The events of inspections and reviews, each held against its entry, in order. One that is not disclosed, or is
    not what its entry stands for, is a fault: the population may be another without it.
    """
    for begin in range(0, covered, RANGE):
        path, end = f"{FOLDERS[_SUPERVISOR]}/{range_name(begin // RANGE)}", min(begin + RANGE, covered)
        shown: dict[int, bytes] = {}
        try:
            records = decode_events(expanded(source.get(path)), begin, begin + RANGE)
            shown.update((index, data) for index, data in records if index < end)
        except Missing:
            findings.add(Fault.MISSING, path, index=begin)
        except (Malformed, zstandard.ZstdError) as error:
            findings.add(Fault.MALFORMED, path, index=begin, why=error)
        try:
            yield from _held(shown, tiles, begin, end, path, findings)
        except ProofFault as error:
            findings.add(Fault.FORGED_TILE, path, index=begin, why=error)


def _held(
    shown: dict[int, bytes], tiles: TrustedTiles, begin: int, end: int, path: str, findings: Findings
) -> Iterator[tuple[int, Envelope]]:
    for first in range(begin, end, FULL_WIDTH):
        entries = tiles.entries(first // FULL_WIDTH)
        indices = [index for index in range(first, min(first + FULL_WIDTH, end)) if index in shown]
        own = dict(zip(indices, commitments([shown[index] for index in indices]), strict=True))
        for index in range(first, min(first + FULL_WIDTH, end)):
            if index not in own:
                findings.add(Fault.DROPPED, path, index=index)
                continue
            if own[index] != entries[index - first]:
                findings.add(Fault.REWRITTEN, path, index=index, entry=entries[index - first], own=own[index])
                continue
            try:
                envelope = decode_envelope(shown[index])
                if envelope.stream.startswith(_READ):
                    must_say_one_thing(envelope.data)
                    yield index, envelope
            except Malformed as error:
                findings.add(Fault.MALFORMED, path, index=index, why=error)


def _first_covering(
    source: Source, trust: Trust, now: Checkpoint, tiles: TrustedTiles, index: int, findings: Findings
) -> tuple[int, bytes] | None:
    """Of all checkpoints in the order in which they were published, the first that its log signed and that covers this
    entry, its root reckoned from the tiles too.
    """
    for day in days_listed(source, findings):
        path = f"{DAYS}/{day}"
        try:
            notes = notes_of_day(source.get(path), path, findings)
        except Missing:
            findings.add(Fault.MISSING, path)
            continue
        for note in notes:
            if _size(note) <= index:
                continue
            found = opened(note, path, trust, findings, source)
            if found is None or found.checkpoint.origin != now.origin or found.checkpoint.size > now.size:
                continue
            size, root = found.checkpoint.size, found.checkpoint.root
            hold_trees(source, now, [(path, size, root)], findings, trusted=tiles, explained=False)
            return size, root
    return None


def _size(note: bytes) -> int:
    """What a checkpoint says its size is, before anybody looks at its signatures; where it says none, look at them."""
    try:
        return decimal(note.split(b"\n", 2)[1].decode("ascii"), "a size")
    except (IndexError, ValueError, ProofFault):
        return 1 << 63
