"""A device's evidence: a proof of each of its events that the caller may read, to be kept and checked without us."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from kernel.door import CannotNow
from kernel.principal import Principal
from kernel.proof_bundle import MEDIA_TYPE, bundle
from kernel.questions import File, PageAsked, Question
from kernel.refusal import Reason
from ledger.transparency.evidence import EvidenceOfLog, NothingPublished
from services.registry.access import Access
from services.registry.app import Registry
from services.registry.questions import Text

NOTHING_TO_PROVE_BY = Reason(
    CannotNow,
    "proof.no_checkpoint",
    "存证日志尚未公布检查点，还不能出具证明，请稍后重试。",
    "the proof log has published no checkpoint yet, and nothing can be proven; try again shortly",
)


class GetProofs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """器具存证 Proofs that a device's events are in the published log, those that one may read, as a ZIP: of each event
    `<version>.tlog-proof` with the event itself as `extra`, all against one checkpoint, and the log's key and the
    policy that the operator recommends, which whoever verifies has better from elsewhere. The header
    Meterloop-Left-Out counts events that no published checkpoint covers yet: ask again a few seconds later.
    """

    asset_no: Text


class Proofs:
    """Hands them out."""

    def __init__(self, registry: Registry, access: Access, evidence: EvidenceOfLog) -> None:
        self._registry: Final = registry
        self._access: Final = access
        self._evidence: Final = evidence

    def table(self) -> Sequence[Question]:
        """The question, with its path."""
        return (Question(GetProofs, "/v1/meters/{asset_no}/proofs", File, self._proofs, media=(MEDIA_TYPE,)),)

    async def _proofs(self, caller: Principal, ask: GetProofs, _page: PageAsked) -> File:
        circle = self._access.circle(caller, await self._registry.card_as_of(ask.asset_no))
        told = circle.events(await self._registry.meter_events(ask.asset_no))
        try:
            evidence = await self._evidence.of([recorded for _, recorded in told])
        except NothingPublished:
            raise NOTHING_TO_PROVE_BY() from None
        content = await asyncio.to_thread(bundle, evidence)
        return File(
            name=f"器具存证 {ask.asset_no}.zip", media_type=MEDIA_TYPE, content=content, left_out=evidence.left_out
        )
