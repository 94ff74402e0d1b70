"""What a paper shows follows from the events: each one in words, holds and seals by their ends, sums that add up."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings

from kernel.documents.data import Coded, Label, When
from kernel.refusal import Refusal
from ledger.port import Recorded
from services.registry.app import CODEC
from services.registry.documents.data import CohortPlan
from services.registry.meter import METER
from services.registry.meter.custody import NOT_AT_SITE
from services.registry.meter.dismantling import (
    FinalReadingDisputed,
    FinalReadingRecorded,
    FinalReadingResolved,
    Reading,
)
from services.registry.meter.end import Defaced, Destroyed
from services.registry.meter.hold import HoldLifted, HoldPlaced, SealApplied, SealRemoved
from services.registry.meter.identity import RecordCorrected, Registered
from services.registry.meter.release import PreconditionRecorded
from services.registry.papers.ledger import ALL_UNITS, recovery_ledger
from services.registry.papers.life import said
from services.registry.papers.note import settled_at, transfer_note
from services.registry.papers.page import asset_page, sites_in
from services.registry.papers.refused import _REASONS
from services.registry.shipment import (
    HandoverSigned,
    Line,
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentExceptionRecorded,
    ShipmentPrepared,
    ShipmentReceived,
)
from services.registry.views.card import folded
from services.registry.views.consignment import consignment
from services.registry.views.places import PlanRow
from services.registry.views.recovery import RecoveryRate
from tests.registry.stories import CENTRE, DAY, NUMBER, OTHER, STORE, UNIT, on
from tests.strategies import messages

REGISTERED = on(Registered, device_class="01", unit=UNIT, owner="company", origin="in_service")
WHEN = When(on=DAY)


def told(*events):
    """The events as the log would hold them in one stream."""
    return [
        (
            event,
            Recorded(
                id=bytes([at]) * 16,
                stream="s",
                version=at,
                position=10 * (at + 1),
                type=CODEC.type_of(event),
                content_type="application/json",
                data=b"",
                metadata=b"",
                recorded_at_us=1_772_700_000_000_000,
                salt=b"",
            ),
        )
        for at, event in enumerate(events)
    ]


def page(*events):
    life = told(REGISTERED, *events)
    return asset_page(life, life, folded(life), {}, "ledger-1")


@pytest.mark.parametrize("event", METER.events, ids=lambda event: event.__name__)
def test_every_event_of_a_device_has_words_in_both_languages(event):
    @settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(messages(event))
    def has_words(example):
        line = said(example, lambda site: "" if site is None else f"name of {site}")
        assert line.what.zh
        assert line.what.en
        assert all(isinstance(site, str) for site in sites_in(example))

    has_words()


def test_a_hold_ends_when_it_is_lifted_and_a_dispute_when_it_is_resolved():
    placed = on(HoldPlaced, hold="H-1", kind="court", reference="case 7", until=date(2026, 9, 1))
    lifted = on(HoldLifted, hold="H-1", kind="court", reference="case 7")
    read = on(FinalReadingRecorded, reading=Reading(total_wh=1_000))
    disputed = on(FinalReadingDisputed, case="C-1", ground="too high")
    corrected = on(FinalReadingResolved, case="C-1", outcome="corrected", reading=Reading(total_wh=900))
    court, dispute = page(placed, read, disputed).holds
    assert (court.kind, court.until, court.lifted) == (Label("司法保全", "court order"), date(2026, 9, 1), None)
    assert (dispute.kind.zh, dispute.reference, dispute.lifted) == ("计量争议", "C-1", None)
    assert [line.disputed for line in page(read, disputed).readings] == [True]
    ended = page(placed, read, disputed, lifted, corrected)
    assert [line.lifted for line in ended.holds] == [WHEN, WHEN]
    assert [(line.total_wh, line.disputed, line.occasion.en) for line in ended.readings] == [
        (1_000, False, "final"),
        (900, False, "corrected"),
    ]


def test_a_corrected_reading_is_a_line_of_its_own():
    read = on(FinalReadingRecorded, reading=Reading(total_wh=1))
    mended = on(RecordCorrected, corrects_version=1, why="kWh for Wh", reading=Reading(total_wh=1_000))
    lines = page(read, mended).readings
    assert [(line.total_wh, line.occasion.en) for line in lines] == [(1, "final"), (1_000, "corrected")]


def test_a_seal_is_one_line_from_its_applying_to_its_removal():
    seals = page(
        on(SealApplied, seal_no="S-1"),
        on(SealRemoved, seal_no="S-2", condition="封丝完好"),
        on(SealRemoved, seal_no="S-1", found_broken=True, condition="断裂"),
    ).seals
    assert [(seal.number, seal.applied, seal.removed) for seal in seals] == [
        ("S-1", WHEN, WHEN),
        ("S-2", None, WHEN),
    ]
    assert "断裂" in seals[0].condition.zh
    assert seals[1].condition == Label("封丝完好")


def test_papers_about_a_device_stand_on_its_page():
    documents = page(
        on(PreconditionRecorded, kind="verdict_scrap", reference="V-1"),
        on(Defaced, evidence_sha256="ab" * 32),
        on(Destroyed, recycler="SYN", lot="L-1", certificate="X-1"),
    ).documents
    assert [(line.number, line.content_hash) for line in documents] == [("V-1", None), ("", "ab" * 32), ("X-1", None)]


def test_a_page_rests_on_its_last_event():
    shown = page(on(SealApplied, seal_no="S-1"))
    assert shown.verification.position == 20
    assert "as_of_position=20" in shown.verification.instruction
    assert [entry.position for entry in shown.timeline] == [10, 20]
    assert shown.issued_on == date(2026, 3, 5)


MANIFEST = (Line(asset_no=NUMBER, device_class="01", container="box"), Line(asset_no=OTHER, device_class="01"))
ENDS = {"shipment_id": "SH-1", "from_site": STORE, "to_site": CENTRE}
PREPARED = on(ShipmentPrepared, **ENDS, unit=UNIT, manifest=MANIFEST, manifest_sha256="0" * 64)
DISPATCHED = on(ShipmentDispatched, **ENDS, manifest=MANIFEST)
RECEIVED = on(ShipmentReceived, shipment_id="SH-1", to_site=CENTRE, received=MANIFEST[:1], missing=(OTHER,))


def note(*events):
    return transfer_note(consignment("SH-1", told(*events)), {}, {}, {STORE: "合成一局表库"}, "ledger-1")


def test_a_note_stands_once_the_shipment_is_over():
    signed = on(HandoverSigned, shipment_id="SH-1", party="to", signer="s")
    cancelled = on(ShipmentCancelled, shipment_id="SH-1", why="车辆故障")
    ends = [
        ((PREPARED,), None),
        ((PREPARED, DISPATCHED), None),
        ((PREPARED, DISPATCHED, RECEIVED), 30),
        ((PREPARED, DISPATCHED, RECEIVED, signed), 40),
        ((PREPARED, cancelled), 20),
    ]
    assert [settled_at(consignment("SH-1", told(*events))) for events, _ in ends] == [at for _, at in ends]
    assert "车辆故障" in note(PREPARED, cancelled).remark


def test_a_note_has_a_box_for_each_party_signed_or_not():
    signed = on(HandoverSigned, shipment_id="SH-1", party="to", signer="s-7", document_sha256="ab" * 32)
    sender, receiver = note(PREPARED, DISPATCHED, RECEIVED, signed).signatures
    assert (sender.party, sender.signed) == (f"{STORE} 合成一局表库", None)
    assert (receiver.party, receiver.signer, receiver.signed) == (CENTRE, "s-7", WHEN)
    assert (receiver.event_id, receiver.document_sha256) == ((b"\x03" * 16).hex(), "ab" * 32)


def test_a_note_says_in_words_what_kept_a_device_from_following():
    stray = on(ShipmentExceptionRecorded, shipment_id="SH-1", asset_no=NUMBER, code=NOT_AT_SITE.code)
    strange = on(ShipmentExceptionRecorded, shipment_id="SH-1", asset_no=NUMBER, code="meter.of_tomorrow")
    said, unknown = note(PREPARED, DISPATCHED, stray, strange).devices[0].exceptions
    assert said == Coded(code="meter.not_at_site", zh=f"器具 {NUMBER} 不在 {STORE}。", en=f"{NUMBER} is not at {STORE}")
    assert unknown == Coded(code="meter.of_tomorrow")


@pytest.mark.parametrize("reason", sorted(_REASONS.values(), key=lambda one: one.code), ids=lambda one: one.code)
def test_whatever_is_refused_can_be_said_without_its_values(reason):
    words = reason.words(asset_no=NUMBER, site=STORE, shipment="SH-1")
    assert all(text and "{" not in text for text in words)
    assert words[0] != words[1]


def test_a_note_of_devices_that_the_log_does_not_know_is_still_a_note():
    shown = note(PREPARED)
    assert [(one.asset_number, one.maker, one.reason, one.outcome) for one in shown.devices] == [
        (NUMBER, "", None, None),
        (OTHER, "", None, None),
    ]
    assert [(box.number, box.seals) for box in shown.containers] == [("box", ())]


def test_a_shipment_that_never_was_is_not_found():
    with pytest.raises(Refusal) as refused:
        consignment("SH-1", [])
    assert refused.value.code == "shipment.unknown"


def rate(unit, cohort, **more):
    became = ("received", "received_late", "missing", "lost", "unexpected", "owed", "returned", "disposed")
    return RecoveryRate(unit=unit, cohort=cohort, **{**dict.fromkeys(became, 1), "dismantled": 8, **more})


def ledger(rates, plans=(), unexpected=None):
    return recovery_ledger(
        ("2026-01", "2026-02", None),
        rates,
        plans,
        unexpected or {},
        today=DAY,
        ledger_id="ledger-1",
        position=7,
    )


def test_a_ledger_takes_every_count_once():
    (cohort,) = ledger([rate(UNIT, "2026-01", received_late=2, dismantled=9)]).cohorts
    assert (cohort.received, cohort.late, cohort.owed, cohort.missing, cohort.lost, cohort.apart) == (1, 2, 1, 1, 1, 1)
    assert cohort.returned == 2
    with pytest.raises(ValueError, match="accounted for"):
        ledger([rate(UNIT, "2026-01", dismantled=9)])


def test_a_ledger_is_by_unit_and_month_and_shows_what_was_planned_in_vain():
    plan = PlanRow("99400", "2026-02", 5, 999_900, date(2026, 3, 10), 0, 0)
    planned = {"expected": 6, "target_ppm": 999_900, "cut_off": date(2026, 3, 10)}
    shown = ledger(
        [rate("99402", "2026-01"), rate(UNIT, "2026-01"), rate(UNIT, "2026-02", **planned)], [plan], {UNIT: 2}
    )
    assert [(one.unit.code, one.month.month, one.dismantled) for one in shown.cohorts] == [
        ("99400", 2, 0),
        (UNIT, 1, 8),
        (UNIT, 2, 8),
        ("99402", 1, 8),
    ]
    assert [one.plan is None for one in shown.cohorts] == [False, True, False, True]
    assert shown.cohorts[2].plan == CohortPlan(**planned)
    assert [(one.unit.code, one.count) for one in shown.unexpected] == [(UNIT, 2)]
    assert shown.scope == ALL_UNITS
    assert shown.verification.position == 7
