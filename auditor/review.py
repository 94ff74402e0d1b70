"""A review, replayed from the disclosed events of a log: what its population was, what had to be drawn of it, and what
its results come to. By rules of the auditor's own, read from docs/formats.md and the schemas of the public events.
"""

import calendar
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from auditor.review_device import JUDGED_BY, Device, Reason, Said, Verdict, read_said
from auditor.review_differences import Differs, Redrawn
from auditor.review_others import Others
from auditor.review_places import METERS, Places
from auditor.review_results import RESULTS, Conditions, Results, Told
from ledger.proof.commitment import Envelope
from ledger.proof.draw import Population, Size, Stratum, allotted, seed_of

INSPECTIONS: Final = "inspection-"
REVIEWS: Final = "review-"
SERVICE: Final = "sorting."

OPERATOR: Final = "log-operator"
"""To whom a draw is attributed that failed because the log published nothing."""

HOUR_US: Final = 3_600_000_000
LATE_S: Final = 300
"""By how much the instant at which an event was recorded may be after that at which what it says was looked up."""

Covering: TypeAlias = Callable[[int], tuple[int, bytes] | None]
"""From an index to the first published checkpoint that covers it: its size and root."""


_CHANGES_NOTHING: Final = frozenset({"LoadRecorded"})
"""All that may be recorded of a frozen device: what its load curve showed is no part of its verdict."""

_ENDS: Final = {
    "InspectionAbandoned": Reason.INSPECTED_ANEW,
    "RepairClosed": Reason.REPAIRED,
    "PopulationLeft": Reason.IN_REVIEW,
}
"""By what ends what kept a verdict out of a review."""

_REACHED: Final = frozenset({"VerdictReached", "VerdictOverridden"})
_JUDGED_ANEW: Final = _REACHED | {"InspectionClosed", "InspectionSuperseded"}
"""After these another verdict stands, or none."""

_OVER: Final = frozenset({"concluded", "failed", "withdrawn"})

_ORDER: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "ReviewProposed": (frozenset({"none"}), "joining"),
    "NonceEntrusted": (frozenset({"joining"}), "joining"),
    "ReviewWithdrawn": (frozenset({"joining"}), "withdrawn"),
    "PopulationCommitted": (frozenset({"joining"}), "committed"),
    "CommitmentPublished": (frozenset({"committed"}), "committed"),
    "SampleDrawn": (frozenset({"committed"}), "drawn"),
    "DrawFailed": (frozenset({"committed"}), "failed"),
    "SampleReplaced": (frozenset({"drawn"}), "drawn"),
    "ResultRecorded": (frozenset({"drawn"}), "drawn"),
    "ResultCorrected": (frozenset({"drawn"}), "drawn"),
    "Concluded": (frozenset({"drawn"}), "concluded"),
}


_FREE: Final = "free"
"""Of a device that fits, and that nothing keeps from joining."""

Place: TypeAlias = Reason | str | None
"""What keeps a device that fits from joining, or that nothing does; None of a member, and of what does not fit."""


class _Move(NamedTuple):
    """That a device came from this place to another, when, and whether its verdict stood again thereby."""

    before: Place
    at_us: int
    stands_again: bool


class Replay:
    """A review and the devices of its log, event by event in the log's order. `covering` finds checkpoints. `digest` is
    that of the nonce and `kept` a checkpoint, size and root, as the supervisor has them by itself.
    """

    def __init__(
        self, review: str, covering: Covering, digest: str | None = None, kept: tuple[int, bytes] | None = None
    ) -> None:
        self._digest: Final = digest
        self._kept: Final = kept
        self._review: Final = review
        self._stream: Final = f"{REVIEWS}{review}"
        self._covering: Final = covering
        self._devices: dict[str, Device] = {}
        self._members: dict[str, Verdict] = {}
        self._left_out: dict[str, Reason] = {}
        self._moves: dict[str, list[_Move]] = {}
        self._entrusted_before: dict[str, str] = {}
        self._proposed: dict[str, Any] = {}
        self._entrusted: dict[str, Any] = {}
        self._committed: dict[str, Any] = {}
        self._committed_at = 0
        self._published: dict[str, Any] = {}
        self._population = Population(())
        self._sizes: dict[Stratum, Size] = {}
        self._places: Final = Places()
        self._others: Final = Others()
        self._results = Results()
        self.found: Final = Redrawn()

    def take(self, index: int, envelope: Envelope) -> None:
        """The next event."""
        stream, name = envelope.stream, envelope.type.removeprefix(SERVICE)
        try:
            if stream.startswith(INSPECTIONS):
                self._of_device(index, stream.removeprefix(INSPECTIONS), name, envelope)
            elif stream.startswith(METERS):
                self._places.take(stream.removeprefix(METERS), envelope.data, envelope.recorded_at_us)
            elif stream == self._stream:
                self._others.take(index, self._review, name, envelope.data)
                self._of_review(index, name, envelope)
            elif stream.startswith(REVIEWS):
                self._others.take(index, stream.removeprefix(REVIEWS), name, envelope.data)
                self._of_another(stream.removeprefix(REVIEWS), name, envelope)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            self.found.differs(Differs.UNREADABLE, found=f"{envelope.type}: {error!r}", index=index)

    def _of_another(self, review: str, name: str, envelope: Envelope) -> None:
        if name == "NonceEntrusted":
            self._entrusted_before.setdefault(msgspec.json.decode(envelope.data)["nonce_sha256"], review)

    def ended(self) -> Redrawn:
        """What it comes to."""
        found = self.found
        if found.phase == "none":
            found.differs(Differs.NO_REVIEW, expected=self._stream)
        if found.phase == "committed" and (first := self._covering(self._committed_at)) is not None:
            found.checkpoint_size, found.checkpoint_root = first[0], first[1].hex()
        found.earlier = self._others.before(self._review)
        if self._digest is not None and self._digest != self._entrusted.get("nonce_sha256"):
            found.differs(Differs.NONCE, expected=self._digest, found=self._entrusted.get("nonce_sha256", ""))
        if self._kept is not None and self._committed and self._committed_at < self._kept[0]:
            # It covers the commitment, so the one that counts is this or was there before it.
            kept = (self._kept[0], self._kept[1].hex())
            counts = (found.checkpoint_size, found.checkpoint_root)
            if not counts[0] or counts[0] > kept[0] or (counts[0] == kept[0] and counts != kept):
                found.differs(Differs.CHECKPOINT, expected=kept, found=counts)
        return self.found

    def _of_device(self, index: int, asset_no: str, name: str, envelope: Envelope) -> None:
        said = read_said(envelope.data)
        device = self._devices.get(asset_no)
        if device is None:
            device = self._devices[asset_no] = Device()
        frozen = device.review == self._review and self.found.phase in {"joining", "committed", "drawn"}
        if frozen and name not in _CHANGES_NOTHING:
            self.found.differs(Differs.CHANGED, found=name, asset_no=asset_no, index=index)
        if name == "PopulationLeft" and said.review == self._review and self.found.phase in _OVER:
            self._left(index, asset_no, said)
        if device.resort == self._review and name in JUDGED_BY:
            self.found.differs(Differs.RESORT, expected="InspectionOpened", found=name, asset_no=asset_no, index=index)
        if name == "PopulationJoined" and said.review == self._review:
            self._joined(index, asset_no, device, said)
            device.take(name, said)
        elif self.found.phase == "joining":
            before = self._place(device)
            device.take(name, said)
            if self._place(device) != before:
                move = _Move(before, envelope.recorded_at_us, self._stands_again(name, said))
                self._moves.setdefault(asset_no, []).append(move)
        else:
            device.take(name, said)
        if self._committed and name in _REACHED and self._fits(device):
            self.found.came_late(asset_no, index)
        reason = self._left_out.get(asset_no)
        if reason is not None and (_ENDS.get(name) is reason or name in _JUDGED_ANEW):
            del self._left_out[asset_no]
            if self._stands_again(name, said):
                self._stood_again(index, asset_no, reason)

    def _stands_again(self, name: str, said: Said) -> bool:
        """Whether by this event a verdict stands as it did: it was neither carried out nor reviewed meanwhile."""
        match name:
            case "InspectionAbandoned":
                return said.stands is not None
            case "RepairClosed":
                return said.certificate is None
            case "PopulationLeft":
                return not self._others.has_concluded(said.review)
            case _:
                return False

    def _stood_again(self, index: int, asset_no: str, reason: Reason) -> None:
        self.found.differs(Differs.STOOD_AGAIN, found=reason.value, asset_no=asset_no, index=index)

    def _joined(self, index: int, asset_no: str, device: Device, said: Said) -> None:
        about = {"asset_no": asset_no, "index": index}
        if self.found.phase != "joining":
            self.found.differs(Differs.ADDED, expected="joining", found=self.found.phase, **about)
        elif device.kept_out(self._review) is not None or not self._fits(device):
            self.found.differs(Differs.ADDED, expected=self._proposed["criteria"], found=device.verdict, **about)
        skipped = said.waived if said.skipped is None else said.skipped
        expected, joined = device.as_joined(said), (said.round, said.disposition, said.maker, skipped)
        if joined != expected:
            self.found.differs(Differs.VERDICT, expected=expected, found=joined, **about)

    def _left(self, index: int, asset_no: str, said: Said) -> None:
        """A member leaves with what the review has come to said of it."""
        expected = (self.found.consequence == "resort", asset_no in self._results.drawn)
        if (said.resort, said.sampled) != expected:
            told = (said.resort, said.sampled)
            self.found.differs(Differs.RESORT, expected=expected, found=told, asset_no=asset_no, index=index)

    def _fits(self, device: Device) -> bool:
        criteria = self._proposed["criteria"]
        return (
            device.verdict is not None
            and not device.gone
            and device.verdict[1] in criteria.get("dispositions", ("reuse", "claim", "scrap"))
            and criteria["judged_from"] <= device.judged_on.isoformat() <= criteria["judged_to"]
            and criteria.get("scheme_group") in {None, device.group}
            and criteria.get("site") in {None, device.site}
            and (not criteria.get("makers") or device.opened.maker in criteria["makers"])
        )

    def _of_review(self, index: int, name: str, envelope: Envelope) -> None:
        said: dict[str, Any] = msgspec.json.decode(envelope.data)
        after, phase = _ORDER[name]
        if self.found.phase not in after:
            self.found.differs(Differs.OUT_OF_ORDER, expected=", ".join(sorted(after)), found=name, index=index)
            return
        self.found.phase = phase
        match name:
            case "ReviewProposed":
                self._proposed = said
            case "NonceEntrusted":
                self._entrusted = said
                if (before := self._entrusted_before.get(said["nonce_sha256"])) is not None:
                    self.found.differs(Differs.NONCE, found=f"{REVIEWS}{before}", index=index)
            case "PopulationCommitted":
                self._commitment(index, said, envelope.recorded_at_us)
            case "CommitmentPublished":
                self._publication(index, said, envelope.recorded_at_us)
            case "SampleDrawn":
                self._draw(index, said, envelope.recorded_at_us)
            case "DrawFailed":
                self._failure(index, said, envelope.recorded_at_us)
            case _ if name in RESULTS:
                self._results.take(Told(index, name, envelope.recorded_at_us), said, self.found, self._places)
            case _:
                pass

    def _commitment(self, index: int, said: dict[str, Any], recorded_at_us: int) -> None:
        """The population, its root and its strata, from the devices' own events."""
        found = self.found
        self._committed, self._committed_at = said, index
        members: dict[str, Verdict] = {}
        for asset_no, device in self._devices.items():
            if device.review == self._review and device.verdict is not None:
                members[asset_no] = device.verdict
        self._members = members
        self._leave_out(index, said.get("left_out", {}), recorded_at_us - LATE_S * 1_000_000)
        self._population = Population(
            (asset_no, round_, (disposition, maker, waived))
            for asset_no, (round_, disposition, maker, waived) in members.items()
        )
        found.members, found.root = self._population.size, self._population.root.hex()
        found.strata = len(self._population.counts)
        if said["root"] != found.root:
            found.differs(Differs.ROOT, expected=found.root, found=said["root"], index=index)
        self._sizes = self._sizes_by_plan(index, said)
        expected = [
            (*stratum, count, self._sizes[stratum].sample, self._sizes[stratum].spares)
            for stratum, count in self._population.counts.items()
        ]
        told = [(*_stratum(one), *(one[name] for name in ("members", "sample", "spares"))) for one in said["strata"]]
        for one in sorted({*expected} ^ {*told}, key=str):
            there = one in expected
            found.differs(Differs.STRATA, expected=one if there else "", found="" if there else one, index=index)
        if (said["members"], len(told)) != (found.members, len({*told})):
            found.differs(Differs.STRATA, expected=found.members, found=said["members"], index=index)
        if said["nonce_sha256"] != self._entrusted.get("nonce_sha256"):
            found.differs(Differs.NONCE, self._entrusted.get("nonce_sha256"), said["nonce_sha256"], index=index)
        if "reveal_by" not in said and said.get("reveal_within_h") != self._term_h:
            found.differs(Differs.TERM, expected=self._term_h, found=said.get("reveal_within_h"), index=index)

    @property
    def _term_h(self) -> int:
        """In how many hours the nonce is revealed, as the supervisor accepted it."""
        hours: int = self._entrusted.get("reveal_within_h") or self._proposed["reveal_within_h"]
        return hours

    def _publication(self, index: int, said: dict[str, Any], recorded_at_us: int) -> None:
        """The first checkpoint that covers the commitment, and from when on the nonce is waited for."""
        self._published = said
        self._must_be_first(index, (said["checkpoint_size"], said["checkpoint_root"]))
        at_us = _us(said["occurred_at"])
        if abs(recorded_at_us - at_us) > LATE_S * 1_000_000:
            self.found.differs(Differs.LATE, expected=said["occurred_at"], found=_shown(recorded_at_us), index=index)
        if _us(said["reveal_by"]) != at_us + self._term_h * HOUR_US:
            expected = _shown(at_us + self._term_h * HOUR_US)
            self.found.differs(Differs.TERM, expected=expected, found=said["reveal_by"], index=index)

    def _must_be_first(self, index: int, told: tuple[int, str]) -> bytes | None:
        """The root of the first published checkpoint that covers the commitment; a difference where it is not told."""
        covering = self._covering(self._committed_at)
        first = None if covering is None else (covering[0], covering[1].hex())
        if first != told or index < told[0]:
            self.found.differs(Differs.CHECKPOINT, expected=first or "none", found=told, index=index)
        return None if covering is None else covering[1]

    def _leave_out(self, index: int, told: Mapping[str, int], since_us: int) -> None:
        """Those that fit and are no members, each for a reason, and how many there are for each. They were counted a
        while before that was recorded: of a device that moved meanwhile either place will do.
        """
        least, most = Counter[Place](), Counter[Place]()
        for asset_no, device in self._devices.items():
            now = self._place(device)
            moves = [one for one in self._moves.get(asset_no, ()) if one.at_us >= since_us]
            kept = [one.before for one in moves if isinstance(one.before, Reason)]
            if now is _FREE and not kept:
                self.found.differs(Differs.LEFT_OUT, found=device.verdict, asset_no=asset_no, index=index)
            elif now is _FREE and moves[-1].stands_again:
                self._stood_again(index, asset_no, kept[-1])
            elif isinstance(now, Reason):
                self._left_out[asset_no] = now
                least[now] += not moves
                kept.append(now)
            most.update({*kept})
        self.found.left_out = {reason.value: told.get(reason, 0) for reason in Reason}
        for reason in Reason:
            if not least[reason] <= told.get(reason, 0) <= most[reason]:
                expected = " - ".join(map(str, sorted({least[reason], most[reason]})))
                found = f"{reason}: {told.get(reason, 0)}"
                self.found.differs(Differs.COUNTS, expected=f"{reason}: {expected}", found=found, index=index)

    def _place(self, device: Device) -> Place:
        """Where a device stands beside the review's population."""
        if not self._proposed or device.review == self._review or not self._fits(device):
            return None
        return device.kept_out(self._review) or _FREE

    def _sizes_by_plan(self, index: int, said: dict[str, Any]) -> dict[Stratum, Size]:
        plan, size = self._proposed["plan"], self._population.size
        lot = next(lot for lot in plan["lots"] if lot.get("most") is None or size <= lot["most"])
        expected = (min(lot.get("sample", size), size), plan["spares_ppm"], lot.get("accept", 0))
        told = (said["sample"], said["spares_ppm"], said["accept"])
        if told != expected:
            self.found.differs(Differs.SIZES, expected=expected, found=told, index=index)
        return allotted(self._population.counts, expected[0], expected[1])

    def _draw(self, index: int, said: dict[str, Any], recorded_at_us: int) -> None:
        found, nonce = self.found, bytes.fromhex(said["nonce"])
        if sha256(nonce).hexdigest() != self._committed["nonce_sha256"]:
            found.differs(Differs.NONCE, self._committed["nonce_sha256"], sha256(nonce).hexdigest(), index=index)
        told = (said["checkpoint_size"], said["checkpoint_root"])
        first = self._must_be_first(index, told)
        found.checkpoint_size, found.checkpoint_root = told
        on_record = (self._published.get("checkpoint_size"), self._published.get("checkpoint_root"))
        if self._reveal_by is None or (self._published and on_record != told):
            found.differs(Differs.CHECKPOINT, expected=on_record, found=told, index=index)
        elif recorded_at_us > _us(self._reveal_by) + LATE_S * 1_000_000:
            found.differs(Differs.LATE, expected=self._reveal_by, found=_shown(recorded_at_us), index=index)
        # By the checkpoint that counts, whatever the event says: so a sample that was chosen is named, too.
        root = first or bytes.fromhex(said["checkpoint_root"])
        own = self._population.drawn(seed_of(self._population.root, nonce, root), self._sizes)
        drawn = {_stratum(one): (tuple(one["sample"]), tuple(one.get("spares", ()))) for one in said["drawn"]}
        if len(drawn) < len(said["drawn"]):
            found.differs(Differs.SAMPLE, found="a stratum twice", index=index)
        for one in own:
            expected = (one.sample, one.spares)
            if (is_ := drawn.pop(one.stratum, ((), ()))) != expected:
                found.differs(Differs.SAMPLE, expected=(one.stratum, expected), found=is_, index=index)
        for stratum, is_ in drawn.items():
            found.differs(Differs.SAMPLE, found=(stratum, is_), index=index)
        by = Conditions(
            members=tuple(self._population.counts[one.stratum] for one in own),
            verdicts={asset_no: verdict[1] for asset_no, verdict in self._members.items()},
            accept=self._committed["accept"],
            confidence_ppm=self._proposed["plan"]["confidence_ppm"],
        )
        self._results = Results(own, by)
        found.samples, found.spares = sum(len(one.sample) for one in own), sum(len(one.spares) for one in own)

    @property
    def _reveal_by(self) -> str | None:
        """Until when the nonce is waited for; None before a checkpoint covers the commitment. Old ones named it."""
        found: str | None = self._published.get("reveal_by") or self._committed.get("reveal_by")
        return found

    def _failure(self, index: int, said: dict[str, Any], recorded_at_us: int) -> None:
        """By whom a draw failed: by the operator where it published nothing in time, else by the nonce's keeper."""
        cause = said.get("cause", "not_revealed")
        by = OPERATOR if cause == "not_published" else self._entrusted.get("by")
        due = self._reveal_by
        if cause == "not_published":
            due = _shown(_us(self._committed["occurred_at"]) + self._term_h * HOUR_US)
        was_there = self._reveal_by is not None
        if cause == "revealed_early":
            covering = self._covering(self._committed_at)
            was_there = was_there or (covering is not None and covering[0] <= index)
            if sha256(bytes.fromhex(said["nonce"])).hexdigest() != self._entrusted.get("nonce_sha256"):
                self.found.differs(Differs.NONCE, self._entrusted.get("nonce_sha256"), said["nonce"], index=index)
        elif due is not None and recorded_at_us <= _us(due):
            self.found.differs(Differs.LATE, expected=due, found=_shown(recorded_at_us), index=index)
        if said["attributed_to"] != by or was_there is not (cause == "not_revealed"):
            found = f"{said['attributed_to']}: {cause}"
            self.found.differs(Differs.ATTRIBUTION, expected=by, found=found, index=index)


def replayed(
    review: str,
    events: Iterable[tuple[int, Envelope]],
    covering: Covering,
    digest: str | None = None,
    kept: tuple[int, bytes] | None = None,
) -> Redrawn:
    """What a review comes to, from the disclosed events of its log in order; see Replay."""
    replay = Replay(review, covering, digest, kept)
    for index, envelope in events:
        replay.take(index, envelope)
    return replay.ended()


def _stratum(one: Mapping[str, Any]) -> Stratum:
    return one["disposition"], one.get("maker"), one["waived"]


def _us(instant: str) -> int:
    at = datetime.fromisoformat(instant)
    return calendar.timegm(at.utctimetuple()) * 1_000_000 + at.microsecond


def _shown(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(timespec="seconds")
