"""The institute in the demonstration: it re-tests a sample of what was called scrap, drawn so that nobody could choose.

The regulator entrusts the digest of a nonce, every device that fits is frozen and the population committed; a published
checkpoint covers that; then the nonce is revealed, and with the root of that checkpoint it decides who is drawn. What
the institute finds is made up: it agrees but for one device.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import date
from secrets import token_bytes
from typing import Final

import msgspec

from cli.connection import note
from cli.demo.people import token_of
from client import Client
from client.types import (
    ConcludeReview,
    EntrustNonce,
    GetReview,
    ListSamples,
    ProposeReview,
    RecordResult,
    RevealNonce,
    ReviewCriteria,
    ReviewRow,
)
from kernel.clock import now
from kernel.principal import Role
from kernel.settings import Settings

REVIEW: Final = "FH-2025-06"
PLAN: Final = "8.0"
REGULATOR: Final = "demo-regulator"
INSTITUTE: Final = "demo-institute"
SAID_OTHERWISE: Final = 1
"""Samples of which the institute finds something else."""

FOLLOWED_S_MAX: Final = 120
POLL_S: Final = 0.3


class Reviewed(msgspec.Struct, frozen=True):
    """How many devices were in the population, how many were drawn, and of how many the institute says the same."""

    members: int
    samples: int
    agreed: int

    @property
    def agreement(self) -> float:
        """In per cent."""
        return round(100 * self.agreed / self.samples, 2) if self.samples else 0.0


def review(settings: Settings, gateway: str, judged_on: date, published: Callable[[], object]) -> Reviewed:
    """One review, from its proposal to its end. `published` returns when a checkpoint covers what is recorded."""
    nonce = token_bytes(32)
    with Client(gateway, token_of(settings, REGULATOR, Role.REGULATOR), timeout_s=120) as regulator:
        criteria = ReviewCriteria(judged_from=judged_on, judged_to=judged_on, dispositions=("scrap",))
        regulator.do(ProposeReview(review=REVIEW, criteria=criteria, plan=PLAN, by=REGULATOR, occurred_at=now()))
        digest = hashlib.sha256(nonce).hexdigest()
        regulator.do(EntrustNonce(review=REVIEW, nonce_sha256=digest, by=REGULATOR, occurred_at=now()))
        _until(regulator, lambda row: row.phase == "committed")
        published()
        row = _until(regulator, lambda row: row.checkpoint_root is not None)
        drawn = regulator.do(
            RevealNonce(
                review=REVIEW,
                nonce=nonce.hex(),
                checkpoint_size=row.checkpoint_size or 0,
                checkpoint_root=row.checkpoint_root or "",
                by=REGULATOR,
                occurred_at=now(),
            )
        )
        with Client(gateway, token_of(settings, INSTITUTE, Role.INSTITUTE), timeout_s=120) as institute:
            samples = list(institute.rows(ListSamples(review=REVIEW, state="awaited", seen=drawn.position)))
            for number, sample in enumerate(samples, 1):
                institute.do(
                    RecordResult(
                        review=REVIEW,
                        asset_no=sample.asset_no,
                        disposition="reuse" if number <= SAID_OTHERWISE else "scrap",
                        report=f"FJ-示例-{number:04d}",
                        by=INSTITUTE,
                        occurred_at=now(),
                    )
                )
            institute.do(ConcludeReview(review=REVIEW, by=INSTITUTE, occurred_at=now()))
        row = _until(regulator, lambda row: row.phase == "concluded" and row.joined == 0)
    note(
        f"复核 {row.members} 只报废结论：抽样 {row.samples} 只，一致 {row.agreed} 只；不一致的份额以 95 % 置信不超过 "
        f"{(row.upper_ppm or 0) / 10_000:.2f} %。",
        f"{row.members} verdicts of scrap were reviewed: {row.samples} drawn, {row.agreed} confirmed; at 95 % "
        f"confidence no more than {(row.upper_ppm or 0) / 10_000:.2f} % are otherwise",
    )
    return Reviewed(row.members, row.samples, row.agreed or 0)


def _until(platform: Client, there: Callable[[ReviewRow], bool]) -> ReviewRow:
    """How the review stands once it is there, or when that takes too long."""
    deadline = time.monotonic() + FOLLOWED_S_MAX
    while True:
        row = platform.ask(GetReview(review=REVIEW))
        if there(row) or time.monotonic() > deadline:
            return row
        time.sleep(POLL_S)
