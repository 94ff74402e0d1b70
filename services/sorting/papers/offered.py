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
from services.sorting.certificate import CERTIFICATE
from services.sorting.documents.data import Document
from services.sorting.documents.workshop import workshop as sorting_workshop
from services.sorting.papers.certified import NO_CERTIFICATE, certificate_of, issued
from services.sorting.papers.samples import drawn_review, sample_list
from services.sorting.questions import Position, Text
from services.sorting.repair import REPAIR
from services.sorting.review import REVIEW
from services.sorting.scheme import SCHEME
from services.sorting.views.sampled import sample_list as rows_of

PDF: Final = "application/pdf"


class GetSampleList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """复核样本清单文件 What a review has drawn, to fetch it by: samples and spares with the place where each lies now,
    columns and lines to be signed by hand. Nothing in it tells how a device was sorted. `seen`: wait, within bounds,
    until the places are as of this position or later.
    """

    review: Text
    seen: Position = 0


class GetCertificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """重新检定证书文件 The certificate of this number: the device, what was measured by which scheme, who verified it,
    its new seals, and until when it holds. It is the same bytes whenever it is asked for. What failed has none.
    """

    certificate: Text


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
        return (
            Question(GetSampleList, "/v1/reviews/{review}/sheet", File, self._sample_list, media=(PDF,)),
            Question(GetCertificate, "/v1/certificates/{certificate}", File, self._certificate, media=(PDF,)),
        )

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

    async def _certificate(self, caller: Principal, ask: GetCertificate, _page: PageAsked) -> File:
        sorting, number = self._sorting, ask.certificate
        claims = [event for event, _ in await sorting.told(CERTIFICATE, number)]
        told = await sorting.told(REPAIR, claims[0].repair) if claims else []
        found = issued(number, told)
        if found is None or not self._access.may_see_repair(caller, found.device.unit, found.device.maker):
            raise NO_CERTIFICATE(certificate=number)
        with self._workshop.place():
            ref = found.event.scheme
            published = await sorting.published(SCHEME, ref.group, ref.version)
            assert published is not None
            certificate = certificate_of(found, published.scheme, ledger_id=sorting.ledger_id)
            return await self._made(certificate, f"重新检定证书 {number}")

    async def _made(self, document: Document, name: str) -> File:
        return File(name=f"{name}.pdf", media_type=PDF, content=await self._workshop.make(document))
