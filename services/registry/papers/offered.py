"""The papers one may ask for, at both doors. Who may read what a paper shows may have the paper."""

from collections.abc import Collection, Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.authority import DENIED
from kernel.clock import Clock, now, system_clock_us
from kernel.device import UnitCode
from kernel.documents.workshop import Workshop
from kernel.people import People
from kernel.principal import Principal
from kernel.quantity import business_day
from kernel.questions import File, PageAsked, Question
from kernel.refusal import unreadable
from services.registry.access import REPORT, Access
from services.registry.app import NOT_THEN, Registry, Told
from services.registry.documents.data import Document
from services.registry.documents.rendering import MEDIA_TYPES, Format
from services.registry.documents.workshop import workshop as registry_workshop
from services.registry.papers.ledger import recovery_ledger
from services.registry.papers.note import rests_on, settled_at, transfer_note
from services.registry.papers.page import asset_page, sites_in
from services.registry.questions import Month, Position, Text
from services.registry.views.card import Card, folded
from services.registry.views.recovery import planned, recovery_rates, unexpected_by_unit

MONTHS_REVERSED = unreadable(
    "query.months_reversed",
    "起始月份 {first} 晚于截止月份 {last}。",
    "the first month {first} is after the last, {last}",
)

PaperFormat: TypeAlias = Annotated[Literal["pdf", "xlsx"], msgspec.Meta(description="格式 what it is made as")]


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A paper asked for."""


class GetTransferNote(_Ask, frozen=True, kw_only=True):
    """移交单文件 A shipment's transfer note, to be printed, signed and kept. After receipt it stands as of the
    shipment's last event, before that as of now; as of one position it is always the same note, but for the names of
    those who signed, which are shown as long as they are known to who may know them, and their opaque ids otherwise.
    Of devices that the reader may not see it says number and class, as the shipment does, and no more.
    """

    shipment_id: Text
    format: PaperFormat = "pdf"
    as_of_position: Position | None = None


class GetRecoveryLedger(_Ask, frozen=True, kw_only=True):
    """回收统计台账 Recovery by unit and month against the plans, as of now, with lines for who made it, checked it
    and approved it. Its `SHA-256 of rows` is of all `items` of GET /v1/recovery for these months and unit, as one
    JSON array in UTF-8, the members of each in alphabetical order, without spaces: it agrees until an event changes
    a row.
    """

    first: Month
    last: Month
    unit: UnitCode | None = None
    format: PaperFormat = "pdf"
    seen: Position = 0


class GetAssetPage(_Ask, frozen=True, kw_only=True):
    """一表一档 Everything that is recorded about one device, now or as of a position."""

    asset_no: Text
    format: Literal["pdf"] = "pdf"
    as_of_position: Position | None = None


class Papers:
    """Makes them for whoever may ask. Each takes its place in the queue before much is read for it."""

    def __init__(
        self,
        registry: Registry,
        access: Access,
        workshop: Workshop | None = None,
        *,
        people: People | None = None,
        clock: Clock = system_clock_us,
    ) -> None:
        self._registry: Final = registry
        self._access: Final = access
        self._workshop: Final = workshop or registry_workshop()
        self._people: Final = people
        self._clock: Final = clock

    def table(self) -> Sequence[Question]:
        """All of them, with their paths."""
        both, pdf = tuple(MEDIA_TYPES.values()), (MEDIA_TYPES[Format.PDF],)
        note, ledger, page = (
            "/v1/shipments/{shipment_id}/transfer-note",
            "/v1/recovery/ledger",
            "/v1/meters/{asset_no}/page",
        )
        return (
            Question(GetTransferNote, note, File, self._transfer_note, media=both),
            Question(GetRecoveryLedger, ledger, File, self._recovery_ledger, media=both),
            Question(GetAssetPage, page, File, self._asset_page, media=pdf),
        )

    async def _transfer_note(self, caller: Principal, ask: GetTransferNote, _page: PageAsked) -> File:
        registry = self._registry
        await registry.require_position(ask.as_of_position)
        # One position for everything that is read, or the note could not be made again.
        as_of = await registry.head() if ask.as_of_position is None else ask.as_of_position
        whole = await registry.consignment(ask.shipment_id, position=as_of)
        self._access.may_read_shipment(caller, whole.shipment, whole.unit)
        if ask.as_of_position is None:
            as_of = settled_at(whole) or as_of
        with self._workshop.place():
            cards = await registry.cards_as_of([line.asset_no for line in whole.lines], as_of)
            containers = {line.container for line in whole.lines if line.container is not None}
            told = await registry.containers_as_of(sorted(containers), as_of)
            withheld = frozenset(number for number, card in cards.items() if not self._access.reads(caller, card))
            sites = await registry.site_names({whole.from_site, whole.to_site}, rests_on(whole, cards, told))
            named = self._access.may_read_signers(caller, whole.unit)
            names = await self._names({signature.signer for signature in whole.signatures}) if named else {}
            note = transfer_note(whole, cards, told, sites, registry.ledger_id, names, withheld)
            return await self._made(note, ask.format, f"移交单 {whole.shipment}")

    async def _recovery_ledger(self, caller: Principal, ask: GetRecoveryLedger, _page: PageAsked) -> File:
        self._access.may(caller, "ReadRecovery", REPORT)
        if ask.last < ask.first:
            raise MONTHS_REVERSED(first=ask.first, last=ask.last)
        asked = (ask.first, ask.last, ask.unit)
        with self._workshop.place():
            (rates, plans, unexpected), position = await self._registry.ask_at(
                lambda connection: (
                    recovery_rates(connection, *asked),
                    planned(connection, *asked),
                    unexpected_by_unit(connection, ask.unit),
                ),
                seen=ask.seen,
            )
            ledger = recovery_ledger(
                asked,
                rates,
                plans,
                unexpected,
                today=business_day(now(self._clock)),
                ledger_id=self._registry.ledger_id,
                position=position,
            )
            return await self._made(ledger, ask.format, f"回收统计台账 {ask.unit or '全部'} {ask.first} 至 {ask.last}")

    async def _asset_page(self, caller: Principal, ask: GetAssetPage, _page: PageAsked) -> File:
        registry, number = self._registry, ask.asset_no
        await registry.require_position(ask.as_of_position)
        told = await registry.meter_events(number)
        circle = self._access.circle(caller, _known(number, told))
        if not circle.has_pages:
            raise DENIED(action="GetAssetPage")
        if ask.as_of_position is not None:
            told = [one for one in told if one[1].position <= ask.as_of_position]
        card = _known(number, told)
        with self._workshop.place():
            named = {site for event, _ in told for site in sites_in(event)}
            sites = await registry.site_names(named, told[-1][1].position)
            page = asset_page(told, circle.events(told), card, sites, registry.ledger_id)
            return await self._made(page, ask.format, f"一表一档 {number}")

    async def _names(self, subjects: Collection[str]) -> dict[str, str]:
        """The names of these people, those who are known."""
        if self._people is None:
            return {}
        return {subject: person.name for subject, person in (await self._people.named(subjects)).items()}

    async def _made(self, document: Document, form: str, name: str) -> File:
        wanted = Format(form)
        content = await self._workshop.make(document, wanted.value)
        return File(name=f"{name}.{wanted.value}", media_type=MEDIA_TYPES[wanted], content=content)


def _known(asset_no: str, told: Sequence[Told]) -> Card:
    """The device as these events leave it, or a refusal."""
    card = folded(told)
    if card is None:
        raise NOT_THEN(asset_no=asset_no)
    return card
