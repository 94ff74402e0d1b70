"""Reviews over one log that is sequenced and published: judged devices, what is due, and who does what. All made up."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import Ask, Context, Outcome
from kernel.policy import deadline_command_id
from kernel.projection import Projector
from kernel.quantity import BUSINESS_ZONE, us_of_instant
from kernel.refusal import Refusal
from ledger.memory import MemoryLedger
from ledger.port import Ledger
from ledger.transparency.discloser import Labels
from ledger.transparency.evidence import EvidenceOfLog
from services.registry.asset_number import compose
from services.sorting.app import CODEC, STREAMS, Sorting
from services.sorting.foreign import READERS
from services.sorting.inspection.opening import InspectionOpened
from services.sorting.inspection.repair_order import RepairOrdered
from services.sorting.inspection.state import Device
from services.sorting.inspection.steps import AppearanceInspected, StepReport
from services.sorting.inspection.verdict import TableRef, VerdictReached
from services.sorting.norms import SchemeRef
from services.sorting.review.committing import EntrustNonce, ProposeReview
from services.sorting.review.drawing import RevealNonce
from services.sorting.review.results import ConcludeReview, CorrectResult, RecordResult
from services.sorting.review.state import ReviewCriteria
from services.sorting.reviewing import REVIEWS_GO_ON
from services.sorting.views import VIEWS
from services.sorting.views.review import REVIEWS, SAMPLES
from tests.given import fresh_id
from tests.ledger.transparency.disclosures import disclose, discloser_of, sequence
from tests.sorting.examples import SITE, UNIT, words
from tests.sorting.written import written

JUDGED_ON = date(2026, 5, 6)
OTHER_DAY = date(2026, 5, 7)
NOW = datetime(2026, 5, 8, 9, 0, tzinfo=BUSINESS_ZONE)
NONCE = sha256(b"a synthetic nonce").digest()
SUPERVISOR, INSTITUTE, CENTRE = "u-regulator", "u-institute", "u-metrologist"
DISPOSITIONS = ("scrap", "reuse", "scrap")
MAKERS = ("M01", "M02", None, "M01")


def number(serial: int) -> str:
    """The asset number of a synthetic device."""
    return compose(UNIT, "01", f"9999000000{serial:04d}")


def judged(serial: int, **other: Any) -> tuple[msgspec.Struct, ...]:
    """What is recorded of a device up to its verdict: every fifth without its appearance inspected, by a rule."""
    about: dict[str, Any] = {"occurred_on": other.get("on", JUDGED_ON), "asset_no": number(serial), "round": 1}
    device = Device(device_class="01", unit=UNIT, maker=other.get("maker", MAKERS[serial % 4]))
    scheme = SchemeRef(group="single_phase", version=1, sha256="0" * 64)
    waived = StepReport(ended="waived", rule="w1", why="synthetic")
    return (
        InspectionOpened(**about, bench="B1", site=other.get("site", SITE), device=device, scheme=scheme),
        *([] if serial % 5 else [AppearanceInspected(**about, report=waived)]),
        VerdictReached(
            **about,
            disposition=other.get("disposition", DISPOSITIONS[serial % 3]),
            rule="r1",
            because=words("synthetic"),
            inputs=(),
            stairs=(),
            table=TableRef(version=1, sha256="0" * 64),
            waived=not serial % 5,
        ),
    )


def opened(serial: int, round_: int = 2) -> InspectionOpened:
    first = judged(serial)[0]
    return InspectionOpened(
        occurred_on=OTHER_DAY, asset_no=number(serial), round=round_, bench="B1", site=SITE, device=first.device,
        scheme=first.scheme, why="synthetic",
    )  # fmt: skip


def ordered(serial: int) -> RepairOrdered:
    scheme = judged(serial)[0].scheme
    return RepairOrdered(
        occurred_on=OTHER_DAY, asset_no=number(serial), round=1, repair=f"{number(serial)}-1", route="no_fault",
        repairer="C1", device=Device(device_class="01", unit=UNIT), scheme=scheme,
    )  # fmt: skip


def verdict_of(asset_no: str) -> str:
    """What such a device was judged to be where nothing else is said."""
    return DISPOSITIONS[int(asset_no[-5:-1]) % 3]


async def judge(ledger: Ledger, serials: Iterable[int], **other: Any) -> None:
    for serial in serials:
        await written(ledger, CODEC, f"inspection-{number(serial)}", *judged(serial, **other))


def nonce_of(review: str) -> bytes:
    """Each review has its own."""
    return NONCE if review == "R1" else sha256(review.encode()).digest()


class Hall:
    """Sorting, its log and what is published of it. `at` is what its clock says."""

    def __init__(self, folder: Path, ledger: Ledger, sorting: Sorting) -> None:
        self.folder, self.ledger, self.sorting = folder, ledger, sorting
        self.at = NOW

    async def do(self, command: Any, actor: str = "u-1") -> Outcome:
        return await self.sorting.do(command, Context(command_id=fresh_id(), actor=actor))

    async def refused(self, command: Any) -> str:
        """The code with which it is refused."""
        (answer,) = await self.sorting.do_many([Ask(command, Context(command_id=fresh_id(), actor="u-1"))])
        assert isinstance(answer, Refusal), answer
        return answer.code

    async def tick(self, most: int = 10_000) -> list[str]:
        """What is due is done, as the clock policy has it done. The codes of what was refused."""
        now_us, seen = us_of_instant(self.at), await self.ledger.head()
        due = await self.sorting.ask(lambda connection: list(REVIEWS_GO_ON.due(connection, now_us)), seen=seen)
        asks = [
            Ask(command, Context(command_id=deadline_command_id(REVIEWS_GO_ON.name, identity), actor="policy"))
            for identity, command in due[:most]
        ]
        answers = await self.sorting.do_many(asks)
        self.at += timedelta(seconds=1)
        return [one.code for one in answers if isinstance(one, Refusal)]

    async def publish(self) -> int:
        """All that is recorded is in the log, and disclosed."""
        size = await sequence(self.ledger, self.folder)
        await disclose(discloser_of(self.ledger, self.folder, LABELS))
        return size

    async def shown(self) -> int:
        """The commitment is published, and the first checkpoint that covers it on record. Its size."""
        size = await self.publish()
        assert await self.tick() == []
        return size

    async def row(self, review: str = "R1") -> Any:
        return await self.sorting.one(REVIEWS, (review,), seen=await self.ledger.head())

    async def samples(self, review: str = "R1", state: str | None = "awaited") -> list[str]:
        where = {"review": review, "state": state}
        rows = await self.sorting.page(SAMPLES, where, None, 500, seen=await self.ledger.head())
        return [row.asset_no for row in rows]

    async def propose(self, review: str = "R1", plan: str = "8.0", **criteria: Any) -> None:
        days = {"judged_from": JUDGED_ON, "judged_to": JUDGED_ON} | criteria
        await self.do(
            ProposeReview(
                occurred_at=self.at, review=review, criteria=ReviewCriteria(**days), plan=plan, reveal_within_h=24,
                by=CENTRE,
            )
        )  # fmt: skip

    async def entrust(self, review: str = "R1", **other: Any) -> None:
        digest = sha256(nonce_of(review)).hexdigest()
        await self.do(EntrustNonce(occurred_at=self.at, review=review, nonce_sha256=digest, by=SUPERVISOR, **other))

    async def committed(self, review: str = "R1", plan: str = "8.0", **criteria: Any) -> None:
        """Up to the commitment of all that fit."""
        await self.propose(review, plan, **criteria)
        await self.entrust(review)
        for _ in range(2):
            assert await self.tick() == []

    async def revealing(self, review: str = "R1", nonce: bytes | None = None, **other: Any) -> RevealNonce:
        """With the checkpoint that is on record, where there is one."""
        row = await self.row(review)
        shown = {"checkpoint_size": row.checkpoint_size or 0, "checkpoint_root": row.checkpoint_root or "0" * 64}
        shown["nonce"] = (nonce or nonce_of(review)).hex()
        said: dict[str, Any] = {"occurred_at": self.at, "review": review, "by": SUPERVISOR}
        return RevealNonce(**(said | shown | other))

    async def drawn(self, review: str = "R1", plan: str = "8.0", **criteria: Any) -> None:
        """Up to the sample."""
        await self.committed(review, plan, **criteria)
        await self.shown()
        await self.do(await self.revealing(review))

    def result(self, asset_no: str, disposition: str, review: str = "R1") -> RecordResult:
        return RecordResult(
            occurred_at=self.at, review=review, asset_no=asset_no, disposition=disposition, report="IR-1", by=INSTITUTE
        )

    def correction(self, asset_no: str, disposition: str, by: str = "u-institute-2") -> CorrectResult:
        return CorrectResult(
            occurred_at=self.at, review="R1", asset_no=asset_no, disposition=disposition, report="IR-2", why="a slip",
            by=by,
        )  # fmt: skip

    async def retest(self, review: str = "R1", differing: int = 0) -> None:
        """Results of all that are awaited, the first so many of them other than the verdict."""
        for place, asset_no in enumerate(await self.samples(review)):
            await self.do(self.result(asset_no, "claim" if place < differing else verdict_of(asset_no), review))

    async def conclude(self, review: str = "R1") -> None:
        await self.do(ConcludeReview(occurred_at=self.at, review=review, by=INSTITUTE))


LABELS = Labels(public=frozenset(), labelled=frozenset(CODEC.types))


@asynccontextmanager
async def hall(folder: Path, ledger: Ledger | None = None, *, production: bool = False) -> AsyncIterator[Hall]:
    """Sorting over this log, else over a new one in memory, with nothing published yet."""
    halls: list[Hall] = []

    def clock() -> int:
        return us_of_instant(halls[0].at if halls else NOW)

    own = ledger or MemoryLedger(clock=clock)
    database = Database(f"sqlite:///{folder / 'sorting.sqlite'}")
    projector = Projector(database, own, Reader(CODEC, READERS), VIEWS, streams=STREAMS)
    await projector.open()
    checkpoints = EvidenceOfLog(own, folder / "proof")
    sorting = Sorting(own, projector, checkpoints=checkpoints, clock=clock, production=production)
    found = Hall(folder, own, sorting)
    halls.append(found)
    running = asyncio.create_task(projector.run())
    try:
        yield found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()
        if ledger is None:
            await own.close()
