"""复核样本清单: what was drawn, and where it lies now.

Nobody may tell from it how a device was sorted. Samples therefore come by place, and spares all first ones of their
strata before all second ones: a stratum, and with it a disposition, is named nowhere, and where one ends and the next
begins cannot be seen.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import msgspec

from kernel.device import DEVICE_CLASSES
from kernel.documents.data import Coded, Verification
from ledger.port import Recorded
from ledger.proof.draw import SEED_OF, seed_of
from services.sorting.documents.data import Draw, Sampled, SampleList
from services.sorting.review import REVIEW
from services.sorting.review.committing import PopulationCommitted
from services.sorting.review.drawing import SampleDrawn
from services.sorting.review.state import OTHER_PHASE, PHASES, UNKNOWN
from services.sorting.views.sampled import SampleRow

ALGORITHM: Final = SEED_OF.decode()

_CLASSES: Final[dict[str, tuple[str, str]]] = dict(DEVICE_CLASSES.items())


class DrawnReview(msgspec.Struct, frozen=True):
    """A review that has its sample: the two events that this follows from, their ids, and the position of its last."""

    committed: PopulationCommitted
    drawn: SampleDrawn
    event_ids: tuple[str, str]
    position: int


def drawn_review(review: str, told: Sequence[tuple[Any, Recorded]]) -> DrawnReview:
    """What its events say of the draw. Raises a refusal where there is no such review, or no sample of it yet."""
    if not told:
        raise UNKNOWN(review=review)
    committed = next(((event, one) for event, one in told if isinstance(event, PopulationCommitted)), None)
    drawn = next(((event, one) for event, one in told if isinstance(event, SampleDrawn)), None)
    if committed is None or drawn is None:
        raise OTHER_PHASE(review=review, phase=PHASES[REVIEW.fold([event for event, _ in told]).phase])
    rests_on = (committed[1].id.hex(), drawn[1].id.hex())
    return DrawnReview(committed[0], drawn[0], rests_on, told[-1][1].position)


def sample_list(
    of: DrawnReview, rows: Sequence[SampleRow], *, today: date, ledger_id: str, position: int
) -> SampleList:
    """`rows` are those of the whole draw, as of this position."""
    order = _order_of_spares(of.drawn)
    listed = {row.asset_no: _sampled(row, stands_in=row.asset_no in order) for row in rows}
    fetched = sorted((row for row in rows if row.state in ("awaited", "recorded")), key=_on_the_way)
    left = sorted((row.asset_no for row in rows if row.state == "spare"), key=lambda number: order[number])
    return SampleList(
        review=of.drawn.review,
        issued_on=today,
        members=of.committed.members,
        replaced=sum(row.state == "replaced" for row in rows),
        samples=tuple(listed[row.asset_no] for row in fetched),
        spares=tuple(msgspec.structs.replace(listed[number], stands_in=False) for number in left),
        draw=_draw(of),
        verification=Verification(
            ledger_id=ledger_id,
            position=position,
            instruction=f"meterloop audit review {of.drawn.review} 可重演抽样 derives this sample again",
            qr=f"urn:meterloop:review:{of.drawn.review}",
            event_ids=of.event_ids,
        ),
    )


def _draw(of: DrawnReview) -> Draw:
    root, nonce, checkpoint = (
        bytes.fromhex(one) for one in (of.committed.root, of.drawn.nonce, of.drawn.checkpoint_root)
    )
    return Draw(
        algorithm=ALGORITHM,
        root=of.committed.root,
        seed=seed_of(root, nonce, checkpoint).hex(),
        checkpoint_size=of.drawn.checkpoint_size,
        checkpoint_root=of.drawn.checkpoint_root,
        drawn_on=of.drawn.day,
    )


def _order_of_spares(drawn: SampleDrawn) -> dict[str, tuple[int, str]]:
    """Stratum by stratum they would part by disposition; all first ones come first, by number among themselves."""
    return {spare: (place, spare) for stratum in drawn.drawn for place, spare in enumerate(stratum.spares)}


def _on_the_way(row: SampleRow) -> tuple[bool, str, str, str, str]:
    """As one walks: what is not in stock at the end."""
    return row.site is None, row.site or "", row.location or "", row.container or "", row.asset_no


def _sampled(row: SampleRow, *, stands_in: bool) -> Sampled:
    zh, en = _CLASSES.get(row.device_class, (row.device_class, ""))
    return Sampled(
        asset_number=row.asset_no,
        device_class=Coded(code=row.device_class, zh=zh, en=en),
        maker=row.maker or "",
        model=row.model or "",
        site=None if row.site is None else Coded(code=row.site, zh=row.site_name or ""),
        location=row.location or "",
        container=row.container or "",
        stands_in=stands_in,
    )
