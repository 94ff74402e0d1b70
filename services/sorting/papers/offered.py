"""The papers one may ask for, at both doors. Who may read what a paper shows may have the paper."""

from collections.abc import Sequence
from typing import Final

import msgspec

from kernel.clock import Clock, now, system_clock_us
from kernel.documents.workshop import Workshop
from kernel.principal import Principal
from kernel.quantity import business_day
from kernel.questions import File, PageAsked, Question
from services.sorting.access import REVIEWS, Access
from services.sorting.app import Sorting
from services.sorting.documents.data import Document
from services.sorting.documents.workshop import workshop as sorting_workshop
from services.sorting.papers.samples import drawn_review, sample_list
from services.sorting.questions import Position, Text
from services.sorting.review import REVIEW
from services.sorting.views.sampled import sample_list as rows_of

PDF: Final = "application/pdf"


class GetSampleList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """复核样本清单文件 What a review has drawn, to fetch it by: samples and spares with the place where each lies now,
    columns and lines to be signed by hand. Nothing in it tells how a device was sorted. `seen`: wait, within bounds,
    until the places are as of this position or later.
    """

    review: Text
    seen: Position = 0


class Papers:
    """Makes them for whoever may ask. Each takes its place in the queue before much is read for it."""

    def __init__(
        self,
        sorting: Sorting,
        access: Access,
        workshop: Workshop | None = None,
        *,
        clock: Clock = system_clock_us,
    ) -> None:
        self._sorting: Final = sorting
        self._access: Final = access
        self._workshop: Final = workshop or sorting_workshop()
        self._clock: Final = clock

    def table(self) -> Sequence[Question]:
        """All of them, with their paths."""
        return (Question(GetSampleList, "/v1/reviews/{review}/sheet", File, self._sample_list, media=(PDF,)),)

    async def _sample_list(self, caller: Principal, ask: GetSampleList, _page: PageAsked) -> File:
        self._access.may(caller, "ReadReview", REVIEWS)
        drawn = drawn_review(ask.review, await self._sorting.told(REVIEW, ask.review))
        with self._workshop.place():
            seen = max(ask.seen, drawn.position)
            rows, position = await self._sorting.ask_at(lambda connection: rows_of(connection, ask.review), seen=seen)
            listed = sample_list(
                drawn,
                rows,
                today=business_day(now(self._clock)),
                ledger_id=self._sorting.ledger_id,
                position=position,
            )
            return await self._made(listed, f"复核样本清单 {ask.review}")

    async def _made(self, document: Document, name: str) -> File:
        return File(name=f"{name}.pdf", media_type=PDF, content=await self._workshop.make(document))
