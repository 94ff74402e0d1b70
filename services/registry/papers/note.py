"""拆回计量资产移交单: a shipment, its devices and its containers, as the log had them at one position.

What was handed over does not change with what becomes of the devices later: once a shipment is received, or cancelled,
its note stands as of the shipment's own last event. Before that readings and seals still come in, and the note is as of
now. Either way it names the position of the last event that it rests on, and asked for as of that position again it is
the same note.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kernel.device import DEVICE_CLASSES
from kernel.documents.data import Coded, Label, Signature, Verification, When
from services.registry.app import CODEC, Told
from services.registry.container import CONTAINER
from services.registry.documents.data import Container, NoteDevice, Outcome, TransferNote
from services.registry.meter.custody import NOT_AT_SITE
from services.registry.papers.refused import refused
from services.registry.shipment import PARTIES, PHASES, ShipmentDispatched
from services.registry.views.card import Card
from services.registry.views.consignment import Consignment, ConsignmentException, ConsignmentLine, Moment
from services.registry.vocabulary import DISMANTLE_REASONS

SETTLED: Final = frozenset({"received", "cancelled"})
"""Phases after which the note is as of the shipment's last event."""

CONTAINER_KINDS: Final = {"23": Label(*DEVICE_CLASSES["23"]), "24": Label(*DEVICE_CLASSES["24"])}
UNKNOWN_KIND: Final = Label("容器", "container")

_REASONS: Final[dict[str, tuple[str, str]]] = dict(DISMANTLE_REASONS.items())
_DISPATCHED: Final = next(name for name, event in CODEC.types.items() if event is ShipmentDispatched)


def settled_at(whole: Consignment) -> int | None:
    """The position as of which the note stands; None while it is still as of now."""
    return whole.position if whole.phase in SETTLED else None


def rests_on(whole: Consignment, cards: Mapping[str, Card], containers: Mapping[str, Sequence[Told]]) -> int:
    """The position of the last event that a note tells of: whoever reads it, it is the same."""
    return max(_positions(whole, cards, containers))


def transfer_note(
    whole: Consignment,
    cards: Mapping[str, Card],
    containers: Mapping[str, Sequence[Told]],
    sites: Mapping[str, str],
    ledger_id: str,
    people: Mapping[str, str] | None = None,
    withheld: frozenset[str] = frozenset(),
) -> TransferNote:
    """`cards` and `containers` are as of the note's position, those that the log knew; `sites` are names by id,
    `people` those of the signers who are known, `withheld` the devices whose cards the reader may not see.
    """
    position = rests_on(whole, cards, containers)
    shown = {number: card for number, card in cards.items() if number not in withheld}
    exceptions: dict[str, list[Coded]] = {}
    for one in whole.exceptions:
        exceptions.setdefault(one.asset_no, []).append(_refused(whole, one))
    sender, receiver = (Coded(code=site, zh=sites.get(site, "")) for site in (whole.from_site, whole.to_site))
    path = f"/v1/shipments/{whole.shipment}/transfer-note?as_of_position={position}"
    return TransferNote(
        number=whole.shipment,
        issued_on=whole.prepared.day,
        status=Label(*PHASES[whole.phase]),
        unit=Coded(code=whole.unit),
        sender=sender,
        receiver=receiver,
        manifest_hash=whole.manifest_sha256,
        devices=tuple(
            _device(line, shown.get(line.asset_no), exceptions.get(line.asset_no, ())) for line in whole.lines
        ),
        containers=tuple(_containers(whole, containers)),
        prepared=when(whole.prepared),
        dispatched=when(whole.dispatched),
        received=when(whole.received),
        transport=_transport(whole),
        remark=_remark(whole, len(withheld)),
        signatures=tuple(_signatures(whole, {"from": sender, "to": receiver}, people or {})),
        verification=Verification(
            ledger_id=ledger_id,
            position=position,
            instruction=f"GET {path} 所得应与此件一致 gives this very paper",
            qr=f"urn:meterloop:shipment:{whole.shipment}:sha256:{whole.manifest_sha256}",
            event_ids=tuple(event.id for event in whole.events),
        ),
    )


def when(moment: Moment | None) -> When | None:
    return None if moment is None else When(at=moment.occurred_at, on=moment.occurred_on)


def _positions(
    whole: Consignment, cards: Mapping[str, Card], containers: Mapping[str, Sequence[Told]]
) -> Iterable[int]:
    yield whole.position
    yield from (card.position for card in cards.values())
    yield from (told[-1][1].position for told in containers.values())


def _device(line: ConsignmentLine, card: Card | None, exceptions: Sequence[Coded]) -> NoteDevice:
    zh, en = DEVICE_CLASSES[line.device_class]
    return NoteDevice(
        asset_number=line.asset_no,
        device_class=Coded(code=line.device_class, zh=zh, en=en),
        container=line.container,
        outcome=None if line.became is None else Outcome(line.became),
        damaged=line.damaged,
        exceptions=tuple(exceptions),
        **({} if card is None else _described(card)),
    )


def _refused(whole: Consignment, exception: ConsignmentException) -> Coded:
    """A device that could not leave was not at the sender's; any other thing went wrong at the receiver's."""
    site = whole.from_site if exception.code == NOT_AT_SITE.code else whole.to_site
    return refused(exception.code, asset_no=exception.asset_no, site=site, shipment=whole.shipment)


def _described(card: Card) -> dict[str, Any]:
    return {
        "maker": card.maker or "",
        "model": card.model or "",
        "reason": Label(*_REASONS[card.reason]) if card.reason else None,
        "final_reading_wh": card.reading_total_wh,
        "reading_disputed": card.disputed,
    }


def _containers(whole: Consignment, containers: Mapping[str, Sequence[Told]]) -> Iterable[Container]:
    """Each with the seal it bore when the shipment left."""
    left = next((event.position for event in whole.events if event.type == _DISPATCHED), None)
    for number in sorted({line.container for line in whole.lines if line.container is not None}):
        told = containers.get(number, ())
        events = [event for event, recorded in told if left is None or recorded.position <= left]
        seal = CONTAINER.fold(events).seal_no
        kinds = [CONTAINER_KINDS[event.device_class] for event, _ in told if hasattr(event, "device_class")]
        yield Container(number=number, kind=(kinds or [UNKNOWN_KIND])[0], seals=() if seal is None else (seal,))


def _transport(whole: Consignment) -> str | None:
    carrier = f"承运 carrier {whole.carrier}" if whole.carrier else ""
    seal = f"车封 seal {whole.seal_no}" if whole.seal_no else ""
    return "　".join(filter(None, (carrier, seal))) or None


def _remark(whole: Consignment, withheld: int) -> str | None:
    said = []
    if whole.cancelled is not None:
        day = whole.cancelled.day
        said.append(f"{day} 作废 cancelled：{whole.cancelled_why}")
    if whole.exceptions:
        said.append(f"移交异常 {len(whole.exceptions):,} 项，见下“差异与异常” exceptions, listed below")
    if withheld:
        said.append(f"非本单位器具 {withheld:,} 只，其档案不示 devices of other units, their records not shown")
    return "　".join(said) or None


def _signatures(whole: Consignment, ends: Mapping[str, Coded], people: Mapping[str, str]) -> Iterable[Signature]:
    signed = {signature.party: signature for signature in whole.signatures}
    for party, words in PARTIES.items():
        end, found = ends[party], signed.get(party)
        name = " ".join(filter(None, (end.code, end.zh)))
        if found is None:
            yield Signature(role=Label(*words), party=name)
        else:
            yield Signature(
                role=Label(*words),
                party=name,
                signed=when(found.signed),
                signer=people.get(found.signer, found.signer),
                event_id=found.event_id,
                document_sha256=found.document_sha256,
            )
