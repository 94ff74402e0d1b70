"""A review told event by event without anything running, so that any of it can be told otherwise. All made up."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec

from auditor.review import Covering, Replay
from auditor.review_differences import Redrawn
from kernel.quantity import us_of_instant
from ledger.proof.commitment import Envelope
from ledger.proof.draw import Population, allotted, seed_of
from services.sorting.app import CODEC
from services.sorting.inspection.population import PopulationJoined, PopulationLeft
from services.sorting.review.committing import NonceEntrusted, PopulationCommitted, ReviewProposed
from services.sorting.review.drawing import CommitmentPublished, SampleDrawn
from services.sorting.review.state import DrawnStratum, ReviewCriteria, Stratum
from services.sorting.sampling import SamplingLot, SamplingPlan
from tests.sorting.reviewing import CENTRE, JUDGED_ON, NONCE, NOW, SUPERVISOR, judged, number

PLAN = SamplingPlan(
    plan="8.0",
    standard="synthetic",
    version=1,
    lots=(SamplingLot(sample=4),),
    spares_ppm=0,
    confidence_ppm=950_000,
)
ROOT = sha256(b"a checkpoint").digest()
TERM = timedelta(hours=24)


class Story:
    """Events in the order of a log. `at` is when the next is recorded; the index of an event is its place."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Envelope]] = []
        self.at = NOW
        self.criteria = ReviewCriteria(judged_from=JUDGED_ON, judged_to=JUDGED_ON)
        self.members: list[tuple[str, int, tuple[str, str | None, bool]]] = []

    def tell(self, stream: str, *events: msgspec.Struct) -> int:
        """Their entries, the index of the last."""
        for event in events:
            data, index = CODEC.encode(event), len(self.told)
            envelope = Envelope(
                stream, index, index.to_bytes(16, "big"), CODEC.type_of(event), "application/json",
                us_of_instant(self.at), data, bytes(16), bytes(32),
            )  # fmt: skip
            self.told.append((index, envelope))
        return len(self.told) - 1

    def of_device(self, serial: int, *events: msgspec.Struct) -> int:
        return self.tell(f"inspection-{number(serial)}", *events)

    def of_review(self, *events: msgspec.Struct, review: str = "R1") -> int:
        return self.tell(f"review-{review}", *events)

    def judge(self, serials: Iterable[int], **other: Any) -> None:
        for serial in serials:
            self.of_device(serial, *judged(serial, **other))

    def propose(self, review: str = "R1", **criteria: Any) -> None:
        days = {"judged_from": JUDGED_ON, "judged_to": JUDGED_ON}
        self.criteria = ReviewCriteria(**(days | criteria))
        self.of_review(
            ReviewProposed(
                occurred_at=self.at, review=review, criteria=self.criteria, plan=PLAN, reveal_within_h=24, by=CENTRE
            ),
            NonceEntrusted(
                occurred_at=self.at, review=review, nonce_sha256=sha256(NONCE).hexdigest(), by=SUPERVISOR
            ),
            review=review,
        )  # fmt: skip

    def join(self, serials: Iterable[int], review: str = "R1", **other: Any) -> None:
        for serial in serials:
            opened, *_, verdict = judged(serial, **other)
            words = (verdict.disposition, opened.device.maker, verdict.waived)
            self.of_device(
                serial,
                PopulationJoined(
                    occurred_at=self.at, asset_no=number(serial), review=review, round=1,
                    disposition=words[0], maker=words[1], waived=words[2],
                ),
            )  # fmt: skip
            if review == "R1":
                self.members.append((number(serial), 1, words))

    def leave(self, serial: int, review: str = "R1") -> int:
        return self.of_device(serial, PopulationLeft(occurred_at=self.at, asset_no=number(serial), review=review))

    def commit(self, **other: Any) -> int:
        population = Population(self.members)
        size = PLAN.sample(population.size)
        sizes = allotted(population.counts, size, 0)
        strata = tuple(
            Stratum(disposition=of[0], maker=of[1], waived=of[2], members=count, sample=sizes[of].sample, spares=0)
            for of, count in population.counts.items()
        )
        said: dict[str, Any] = {
            "occurred_at": self.at,
            "review": "R1",
            "root": population.root.hex(),
            "members": population.size,
            "strata": strata,
            "sample": size,
            "spares_ppm": 0,
            "accept": 0,
            "nonce_sha256": sha256(NONCE).hexdigest(),
            "reveal_within_h": 24,
        }
        return self.of_review(PopulationCommitted(**(said | other)))

    def publish(self, size: int, root: bytes = ROOT, **other: Any) -> int:
        said: dict[str, Any] = {
            "occurred_at": self.at,
            "review": "R1",
            "checkpoint_size": size,
            "checkpoint_root": root.hex(),
            "reveal_by": self.at + TERM,
        }
        return self.of_review(CommitmentPublished(**(said | other)))

    def draw(self, size: int, root: bytes = ROOT, by: str = SUPERVISOR) -> int:
        population = Population(self.members)
        sizes = allotted(population.counts, PLAN.sample(population.size), 0)
        drawn = tuple(
            DrawnStratum(disposition=one.stratum[0], maker=one.stratum[1], waived=one.stratum[2], sample=one.sample)
            for one in population.drawn(seed_of(population.root, NONCE, root), sizes)
        )
        return self.of_review(
            SampleDrawn(
                occurred_at=self.at, review="R1", nonce=NONCE.hex(), checkpoint_size=size, checkpoint_root=root.hex(),
                drawn=drawn, by=by,
            )
        )  # fmt: skip

    def replayed(self, covering: Covering = lambda _index: None, *held: Any) -> Redrawn:
        replay = Replay("R1", covering, *held)
        for index, envelope in self.told:
            replay.take(index, envelope)
        return replay.ended()

    def differences(self, covering: Covering = lambda _index: None) -> list[tuple[str, str | None]]:
        """What differs, and of which device."""
        return [(one.what.value, one.asset_no) for one in self.replayed(covering).differences]
