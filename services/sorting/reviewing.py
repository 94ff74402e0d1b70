"""What every review waits for: devices that are to join or to leave, a whole population, a nonce that is late."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from kernel.policy import ClockPolicy
from kernel.quantity import instant_of_us
from services.sorting.inspection.population import JoinPopulation, LeavePopulation
from services.sorting.review.committing import CommitPopulation
from services.sorting.review.drawing import FailDraw, NoteCheckpoint
from services.sorting.views.review import (
    COMMITTED,
    ENDED,
    JOINING,
    ReviewRow,
    criteria_of,
    drawn_for,
    free,
    frozen,
    in_phase,
)

REVIEWS_EVERY_S: Final = 1.0


def reviews_due(connection: Connection, now_us: int) -> Iterator[tuple[str, msgspec.Struct]]:
    """What every review waits for. Each command may be asked again: what is so already is not done twice.

    A device that several reviews are about is that one's which was proposed first. Nobody joins any more when the
    population is committed, for both are asked here, one after the other.
    """
    moment: dict[str, Any] = {"occurred_at": instant_of_us(now_us)}
    for row in in_phase(connection, COMMITTED):
        if row.checkpoint_size is None:
            yield f"{row.review}/checkpoint/{now_us}", NoteCheckpoint(**moment, review=row.review)
        if row.due_us is not None and row.due_us < now_us:
            yield f"{row.review}/fail/{now_us}", FailDraw(**moment, review=row.review)
    for row in in_phase(connection, *ENDED):
        yield from _leaving(connection, row, moment, now_us)
    taken: set[str] = set()
    for row in in_phase(connection, JOINING):
        joined = True
        for asset_no, round_, disposition in connection.execute(free(criteria_of(row))):
            joined = False
            if asset_no not in taken:
                taken.add(asset_no)
                join = JoinPopulation(
                    **moment, asset_no=asset_no, review=row.review, round=round_, disposition=disposition
                )
                yield f"{row.review}/{asset_no}/{now_us}", join
        if row.nonce_entrusted and row.joined and joined:
            yield f"{row.review}/commit/{now_us}", CommitPopulation(**moment, review=row.review)


def _leaving(
    connection: Connection, row: ReviewRow, moment: dict[str, Any], now_us: int
) -> Iterator[tuple[str, msgspec.Struct]]:
    """The members of a review that has ended, each with what that means for it."""
    sampled = drawn_for(connection, row.review)
    for asset_no, _, _ in frozen(connection, row.review):
        leave = LeavePopulation(
            **moment,
            asset_no=asset_no,
            review=row.review,
            resort=row.consequence == "resort",
            sampled=asset_no in sampled,
        )
        yield f"{row.review}/{asset_no}/{now_us}", leave


REVIEWS_GO_ON: Final = ClockPolicy(name="reviews_go_on", every_s=REVIEWS_EVERY_S, due=reviews_due)
