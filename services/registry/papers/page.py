"""一表一档: everything that is recorded about one device, as the log had it at one position."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, assert_never

import msgspec

from kernel.device import DEVICE_CLASSES
from kernel.documents.data import Coded, Label, Verification, When
from kernel.quantity import Happened, business_day_of_us
from services.registry.app import Told
from services.registry.documents.data import (
    AssetPage,
    DocumentLine,
    Fact,
    HoldLine,
    ReadingLine,
    SealLine,
    TimelineEntry,
)
from services.registry.meter import METER, binding, custody, dismantling, end, hold, identity, missing, release
from services.registry.meter.state import (
    ENDS,
    AtSite,
    Ended,
    InService,
    InTransit,
    LostFrom,
    Meter,
    MissingFrom,
    Out,
    WithMaker,
    WithRecycler,
)
from services.registry.papers.life import SiteName, said, unit
from services.registry.views.balance import BALANCE, movements
from services.registry.views.card import Card
from services.registry.vocabulary import HOLD_KINDS, OWNERS, PRECONDITIONS, PURPOSES, SIGNATURES

_REGISTERS: Final = frozenset(ReadingLine.__struct_fields__) & frozenset(dismantling.Reading.__struct_fields__)
_BROKEN: Final = Label("发现时已破损", "found broken")


def asset_page(
    told: Sequence[Told], shown: Sequence[Told], card: Card, sites: Mapping[str, str], ledger_id: str
) -> AssetPage:
    """`told` is the device's life up to the position, `shown` of it what the reader may read, `card` what it came to,
    `sites` are names by id.
    """

    def site(site_id: str | None) -> str:
        return "" if site_id is None else sites.get(site_id, site_id)

    events = [event for event, _ in shown]
    meter, last = METER.fold(event for event, _ in told), told[-1][1]
    zh, en = DEVICE_CLASSES[meter.device_class]
    status, custodian = _where(meter, card, site)
    path = f"/v1/meters/{card.asset_no}/page?as_of_position={last.position}"
    adopted = next((event.temporary_id for event in events if isinstance(event, binding.IdentityAdopted)), None)
    return AssetPage(
        asset_number=card.asset_no,
        issued_on=business_day_of_us(last.recorded_at_us),
        device_class=Coded(code=meter.device_class, zh=zh, en=en),
        owner=Label(*OWNERS[meter.owner]),
        unit=Coded(code=card.unit),
        status=status,
        custodian=custodian,
        maker=card.maker or "",
        model=card.model or "",
        temporary_identity=adopted,
        facts=tuple(_facts(card, events)),
        timeline=tuple(_timeline(shown, site)),
        readings=tuple(_readings(events)),
        holds=tuple(_holds(events)),
        seals=tuple(_seals(events)),
        documents=tuple(_documents(events)),
        verification=Verification(
            ledger_id=ledger_id,
            position=last.position,
            instruction=f"GET {path} 所得应与此件一致 gives this very paper",
            qr=f"urn:meterloop:meter:{card.asset_no}:{last.position}:{last.id.hex()}",
        ),
    )


def sites_in(event: Any) -> Iterable[str]:
    """The sites that an event names."""
    named = [getattr(event, name, None) for name in ("site", "to_site", "last_site")]
    moves = movements(event) if isinstance(event, BALANCE.events) else ()
    moved = [end for one in moves for end in (one.from_site, one.to_site)]
    return (one for one in (*named, *moved) if one is not None)


def _where(meter: Meter, card: Card, site: SiteName) -> tuple[Label, str]:
    """What the device is at, and who holds it."""
    match meter.place:
        case None | InService():
            return Label("运行中", "in service"), unit(card.unit)
        case AtSite(site=at, unexpected=unexpected):
            return (Label("隔离存放", "held apart") if unexpected else Label("在库", "in stock")), site(at)
        case InTransit(shipment=shipment):
            return Label("在途", "on the way"), f"移交单 shipment {shipment}"
        case MissingFrom(last_site=at):
            return Label("缺失", "missing"), f"原在 last at {site(at)}"
        case LostFrom(last_site=at):
            return Label("已认定丢失", "lost"), f"原在 last at {site(at)}"
        case Out(purpose=purpose, reference=reference):
            words = PURPOSES[purpose]
            return Label(f"已出库：{words[0]}", f"out: {words[1]}"), reference
        case WithMaker(maker=maker):
            return Label("在厂家", "with its maker"), maker or card.maker or ""
        case WithRecycler(recycler=recycler, lot=lot):
            return Label("已交回收商", "with a recycler"), f"{recycler} 批次 lot {lot}"
        case Ended(how=how, last_holder=holder):
            return Label(*ENDS[how]), holder
        case place:
            assert_never(place)


def _facts(card: Card, events: Iterable[Any]) -> Iterable[Fact]:
    given: tuple[tuple[str, str, str | date | None], ...] = (
        ("到货批次", "arrival batch", card.arrival_batch),
        ("生产日期", "made", card.made_on),
        ("安装日期", "installed", card.installed_on),
        ("通信地址", "address", card.comm_address),
        ("区县", "county", card.county),
    )
    for zh, en, value in given:
        if value is not None:
            yield Fact(Label(zh, en), str(value))
    signatures = [
        event.reading.customer_signature for event in events if isinstance(event, dismantling.FinalReadingRecorded)
    ]
    if signatures and (signature := signatures[-1]) is not None:
        yield Fact(Label("底度确认", "confirmed"), " ".join(SIGNATURES[signature]))


def _timeline(told: Iterable[Told], site: SiteName) -> Iterable[TimelineEntry]:
    for event, recorded in told:
        line = said(event, site)
        yield TimelineEntry(
            when=_when(event),
            what=line.what,
            where=line.where,
            reference=line.reference,
            event_id=recorded.id.hex(),
            position=recorded.position,
        )


def _readings(events: Iterable[Any]) -> list[ReadingLine]:
    lines: list[ReadingLine] = []
    for event in events:
        match event:
            case dismantling.FinalReadingRecorded(reading=reading):
                lines.append(_reading(event, Label("底度", "final"), reading))
            case dismantling.FinalReadingResolved(reading=reading):
                lines[-1] = msgspec.structs.replace(lines[-1], disputed=False)
                if reading is not None:
                    lines.append(_reading(event, Label("更正底度", "corrected"), reading))
            case identity.RecordCorrected(reading=dismantling.Reading() as reading):
                lines.append(_reading(event, Label("更正底度", "corrected"), reading))
            case dismantling.FinalReadingDisputed():
                lines[-1] = msgspec.structs.replace(lines[-1], disputed=True)
            case _:
                pass
    return lines


def _reading(event: Happened, occasion: Label, reading: dismantling.Reading) -> ReadingLine:
    registers = {name: getattr(reading, name) for name in _REGISTERS}
    return ReadingLine(when=_when(event), occasion=occasion, **registers)


def _holds(events: Iterable[Any]) -> list[HoldLine]:
    """Holds, and disputes, which hold as well; by what placed them."""
    lines: dict[str, HoldLine] = {}
    for event in events:
        match event:
            case hold.HoldPlaced(hold=name, kind=kind, reference=reference, until=until):
                words = Label(*HOLD_KINDS[kind])
                lines[f"hold {name}"] = HoldLine(kind=words, placed=_when(event), until=until, reference=reference)
            case hold.HoldLifted(hold=name):
                lines[f"hold {name}"] = msgspec.structs.replace(lines[f"hold {name}"], lifted=_when(event))
            case dismantling.FinalReadingDisputed(case=case):
                words = Label(*HOLD_KINDS["dispute"])
                lines[f"case {case}"] = HoldLine(kind=words, placed=_when(event), reference=case)
            case dismantling.FinalReadingResolved(case=case):
                lines[f"case {case}"] = msgspec.structs.replace(lines[f"case {case}"], lifted=_when(event))
            case _:
                pass
    return list(lines.values())


def _seals(events: Iterable[Any]) -> list[SealLine]:
    """One that nobody put on record when it was applied is known from its removal."""
    lines: dict[str, SealLine] = {}
    for event in events:
        match event:
            case hold.SealApplied(seal_no=number):
                lines[number] = SealLine(number=number, applied=_when(event))
            case hold.SealRemoved(seal_no=number, found_broken=broken, condition=condition):
                line = lines.get(number) or SealLine(number=number)
                found = _BROKEN if broken else None
                if condition is not None:
                    found = Label(f"{_BROKEN.zh}，{condition}", _BROKEN.en) if broken else Label(condition)
                lines[number] = msgspec.structs.replace(line, removed=_when(event), condition=found)
            case _:
                pass
    return list(lines.values())


def _documents(events: Iterable[Any]) -> Iterable[DocumentLine]:
    for event in events:
        for about, line in _DOCUMENTS:
            if isinstance(event, about) and (found := line(event)) is not None:
                yield found


def _paper(
    event: Happened, words: tuple[str, str], number: str = "", content_hash: str | None = None
) -> DocumentLine | None:
    if not (number or content_hash):
        return None
    return DocumentLine(kind=Label(*words), number=number, dated=event.day, content_hash=content_hash)


_DOCUMENTS: Final[tuple[tuple[type[Happened], Callable[[Any], DocumentLine | None]], ...]] = (
    (dismantling.Dismantled, lambda e: _paper(e, ("拆回工单", "work order"), e.work_order)),
    (
        dismantling.FinalReadingRecorded,
        lambda e: _paper(e, ("底度照片", "photo of the reading"), content_hash=e.reading.photo_sha256),
    ),
    (custody.Received, lambda e: _paper(e, ("移交单", "transfer note"), e.shipment)),
    (missing.WrittenOff, lambda e: _paper(e, ("核销审批", "approval of writing off"), e.approval)),
    (release.PreconditionRecorded, lambda e: None if e.withdrawn else _paper(e, PRECONDITIONS[e.kind], e.reference)),
    (end.DataCleared, lambda e: _paper(e, ("数据清除凭证", "proof of clearing"), content_hash=e.evidence_sha256)),
    (end.ChipDestroyed, lambda e: _paper(e, ("芯片销毁凭证", "proof of destruction"), content_hash=e.evidence_sha256)),
    (end.Defaced, lambda e: _paper(e, ("毁形照片", "photo of defacing"), content_hash=e.evidence_sha256)),
    (end.HandedToRecycler, lambda e: _paper(e, ("出售合同", "contract of sale"), e.contract)),
    (end.Destroyed, lambda e: _paper(e, ("销毁证明", "certificate of destruction"), e.certificate)),
    (end.DestroyedInTest, lambda e: _paper(e, ("试验报告", "test report"), e.report, e.evidence_sha256)),
    (end.KeptByMaker, lambda e: _paper(e, ("理赔协议", "settlement of the claim"), e.reference)),
)
"""The events that leave a paper or a file, and what it is called."""


def _when(event: Happened) -> When:
    return When(at=event.occurred_at, on=event.occurred_on)
