"""回收统计台账: a cohort's devices are each in one count, whatever became of them; the rate is a share."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.asset_number import compose
from services.registry.meter.binding import BindIdentity
from services.registry.meter.dismantling import Dismantle, Reading, RecordFinalReading
from services.registry.meter.end import ClearData, Deface, Destroy, HandToRecycler, RecordTestDestruction
from services.registry.meter.hold import ApplySeal
from services.registry.meter.identity import AssignTemporaryIdentity, CorrectRecord, Register
from services.registry.meter.missing import ConfirmLoss, MarkFound, MarkMissing, WriteOff
from services.registry.meter.release import RecordPrecondition, Reinstall, Release, ReturnSample, ReturnToCustomer
from services.registry.meter.unexpected import AcceptUnexpected, ReceiveUnexpected, RecordConsent
from services.registry.plan import RevisePlan
from services.registry.views.alarm import ALARMS
from services.registry.views.balance import BALANCE
from services.registry.views.card import CARD, folded_by
from services.registry.views.recovery import (
    GROUP_DEVICES_MIN,
    RECEIPTS,
    RECOVERIES,
    burnt,
    grouped,
    recovery_rates,
    still_owed,
    unexpected_by_unit,
)
from tests.registry.stories import CENTRE, CUSTOMERS, STORE, TEMPORARY, UNIT, on
from tests.registry.views.telling import PLAN, SITES, Told, arrived, day, held, shipped

NUMBERS = tuple(compose(UNIT, "01", f"9999999900{i:04}") for i in range(1, 10))
A, B, C, D, E, F, G, H, I = NUMBERS  # noqa: E741  the devices of a story
TWIN = "T99401CD34"
MARCH = ("2026-03", "2026-03")


def register(number, **more):
    return Register(occurred_on=day(1), asset_no=number, device_class="01", unit=UNIT, **more)


def dismantle(number, on, *, reason="fault", work_order="WO-1", county=None):
    named = {"asset_no": number, "work_order": work_order, "unit": UNIT, "site": STORE, "county": county}
    return Dismantle(occurred_on=on, reason=reason, **named)


def dismantled(*numbers, on=None):
    """Sites, a plan with its cut-off on 10 April, and these devices dismantled on 3 March."""
    lives = [command for number in numbers for command in (register(number), dismantle(number, on or day(3)))]
    return Told(*SITES, PLAN, *lives)


def missing(number, on, shipment="SH-1"):
    return MarkMissing(occurred_on=on, asset_no=number, shipment=shipment)


def lost(number, on):
    return ConfirmLoss(occurred_on=on, asset_no=number, cause="transit", liable_unit=UNIT)


def ground(number, kind, on):
    return RecordPrecondition(occurred_on=on, asset_no=number, kind=kind, reference="R-1")


def out(number, purpose, on, site=STORE):
    return Release(occurred_on=on, asset_no=number, site=site, purpose=purpose, reference="R-1")


def unannounced(number, on, site=CENTRE):
    return ReceiveUnexpected(occurred_on=on, asset_no=number, site=site, device_class="01")


def accepted(number, on):
    return AcceptUnexpected(occurred_on=on, asset_no=number, reference="R-2")


COUNTS = ("dismantled", "received", "received_late", "missing", "lost", "unexpected", "owed", "returned", "disposed")


def counted(told):
    """The counts of the cohort of March that are not 0, and who is still owed."""
    with held(told) as connection:
        (rate,) = recovery_rates(connection, *MARCH)
        owed = still_owed(connection, UNIT, 100)
    assert sum(getattr(rate, name) for name in COUNTS[1:]) == rate.dismantled
    counts = {name: number for name in COUNTS if (number := getattr(rate, name))}
    return counts, {line.asset_no: line.phase for line in owed}


def test_every_device_is_in_one_count():
    told = dismantled(*NUMBERS)
    told.tell(*shipped([A, B, C, D], day(5)), arrived([A], day(6)))
    told.tell(*shipped([E, F], day(8), shipment="SH-2"), arrived([E], day(11, 4), shipment="SH-2"))
    told.tell(MarkFound(occurred_on=day(7), asset_no=B, site=CENTRE))
    told.tell(lost(C, day(9)), WriteOff(occurred_on=day(10), asset_no=C, approval="A-1"), lost(D, day(9)))
    told.tell(unannounced(G, day(6)))
    with held(told) as connection:
        (rate,) = recovery_rates(connection, *MARCH)
        owed = still_owed(connection, UNIT, 3)
        rest = still_owed(connection, UNIT, 3, (owed[-1].dismantled_on, owed[-1].asset_no))
    assert {name: getattr(rate, name) for name in COUNTS} == {
        "dismantled": 9,
        "received": 2,
        "received_late": 1,
        "missing": 1,
        "lost": 2,
        "unexpected": 1,
        "owed": 2,
        "returned": 0,
        "disposed": 0,
    }
    assert (rate.expected, rate.target_ppm, rate.cut_off) == (10, 999_900, day(10, 4))
    assert [(line.asset_no, line.phase) for line in owed] == [(F, "missing"), (G, "unexpected"), (H, "owed")]
    assert [(line.asset_no, line.phase) for line in rest] == [(I, "owed")]


@pytest.mark.parametrize(("arrives", "late"), [(day(9, 4), False), (day(10, 4), False), (day(11, 4), True)])
def test_the_cut_off_is_the_last_day_that_counts(arrives, late):
    told = dismantled(A)
    told.tell(*shipped([A], day(5)), arrived([A], arrives))
    assert counted(told) == ({"dismantled": 1, "received_late" if late else "received": 1}, {})


def test_a_receipt_counts_in_the_rate_on_the_day_on_which_it_counts_in_the_balance():
    told = dismantled(A)
    told.tell(*shipped([A], day(4, 4), to_site="store-2"), arrived([A], day(12, 4)))
    # The next note is dated before the device came, and before the cut-off.
    note = {"shipment": "SH-2", "from_site": "store-2"}
    told.tell(*shipped([A], day(5, 4), **note), recorded_on=day(12, 4))
    (gap,) = told.rows(CARD).values()
    assert (gap.phase, gap.since) == ("in_transit", day(12, 4))
    told.tell(arrived([A], day(6, 4), shipment="SH-2"), recorded_on=day(12, 4))
    assert [key for key, row in told.rows(BALANCE).items() if row.inflow and key[0] == CENTRE] == [
        (CENTRE, "01", day(12, 4))
    ]
    assert counted(told) == ({"dismantled": 1, "received_late": 1}, {})
    (card,) = told.rows(CARD).values()
    assert (card.site, card.since) == (CENTRE, day(12, 4))
    life = [one for one in told.events if one[1].stream == f"meter-{A}"]
    assert [folded_by(life, day(number, 4)).site for number in (10, 12)] == [None, CENTRE]
    assert folded_by(life, day(12, 4)).since == day(12, 4)


def test_an_acceptance_that_is_dated_before_the_device_came_counts_when_it_came():
    told = dismantled(A)
    told.tell(unannounced(A, day(12, 4))).tell(accepted(A, day(5, 4)), recorded_on=day(12, 4))
    assert counted(told) == ({"dismantled": 1, "received_late": 1}, {})


def test_a_device_dismantled_straight_into_a_centre_came_when_the_balance_counts_it():
    told = dismantled(A)
    told.tell(ground(A, "verdict_reuse", day(4)), ground(A, "re_verification", day(4)), out(A, "reinstall", day(12, 4)))
    told.tell(Reinstall(occurred_on=day(12, 4), asset_no=A, unit=UNIT, work_order="WO-2"))
    straight = msgspec.structs.replace(dismantle(A, day(20)), site=CENTRE, work_order="WO-3")
    told.tell(straight, recorded_on=day(12, 4))
    inflow = [key[2] for key, row in told.rows(BALANCE).items() if key[0] == CENTRE and row.inflow]
    assert inflow == [day(12, 4)]
    assert counted(told)[0] == {"dismantled": 2, "returned": 1, "received_late": 1}


def test_the_day_of_receipt_counts_and_not_the_day_of_its_recording():
    told = dismantled(A)
    told.tell(*shipped([A], day(5))).tell(arrived([A], day(9, 4)), recorded_on=day(20, 4))
    assert (counted(told))[0] == {"dismantled": 1, "received": 1}


def test_a_revised_plan_moves_the_cut_off():
    told = dismantled(A)
    told.tell(*shipped([A], day(5)), arrived([A], day(11, 4)))
    figures = {"expected": 10, "target_ppm": 999_900, "cut_off": day(12, 4), "why": "snow"}
    told.tell(RevisePlan(occurred_on=day(12, 4), plan_id=PLAN.plan_id, **figures))
    assert (counted(told))[0] == {"dismantled": 1, "received": 1}


def test_without_a_plan_there_is_no_cut_off():
    told = Told(*SITES, register(A), dismantle(A, day(3)), *shipped([A], day(5)), arrived([A], day(1, 12)))
    assert (counted(told))[0] == {"dismantled": 1, "received": 1}


def test_unexpected_devices_without_a_work_order_are_in_no_cohort():
    told = dismantled(A)
    told.tell(*shipped([A], day(5)), arrived([A, B, C], day(6)))
    with held(told) as connection:
        (rate,) = recovery_rates(connection, *MARCH)
        apart = unexpected_by_unit(connection)
    assert (rate.dismantled, rate.received) == (1, 1)
    assert apart == {UNIT: 2}


def test_a_work_order_that_comes_after_its_device():
    """Unexpected, then dismantled on record, then accepted: received on the day on which it was accepted."""
    told = Told(*SITES, PLAN, unannounced(A, day(6)), dismantle(A, day(3)))
    assert counted(told) == ({"dismantled": 1, "unexpected": 1}, {A: "unexpected"})


def test_an_unexpected_device_is_received_when_it_is_accepted():
    told = Told(*SITES, PLAN, unannounced(A, day(6)), dismantle(A, day(3)), accepted(A, day(8)))
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})


def test_a_device_that_never_left_its_store_by_record_is_received_once_accepted():
    told = dismantled(A).tell(unannounced(A, day(6)), accepted(A, day(7)))
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})


def test_a_second_centre_or_a_second_receipt_does_not_count_twice():
    told = dismantled(A)
    told.tell(*shipped([A], day(5)), arrived([A], day(6)))
    told.tell(*shipped([A], day(8), shipment="SH-2", from_site=CENTRE, to_site="yard"))
    told.tell(arrived([A], day(9), shipment="SH-2"))
    told.tell(*shipped([A], day(12), shipment="SH-3", from_site="yard", to_site=CENTRE))
    told.tell(arrived([A], day(20, 4), shipment="SH-3"))
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})


def test_what_was_dismantled_straight_into_a_centre_has_been_received_that_day():
    told = Told(*SITES, PLAN, register(A), register(B))
    for number, site in ((A, CENTRE), (B, STORE)):
        told.tell(msgspec.structs.replace(dismantle(number, day(3)), site=site))
    assert counted(told) == ({"dismantled": 2, "received": 1, "owed": 1}, {B: "owed"})
    # Lost, or gone elsewhere, afterwards: it had been there.
    told.tell(MarkMissing(occurred_on=day(5), asset_no=A, site=CENTRE))
    assert counted(told)[0] == {"dismantled": 2, "received": 1, "owed": 1}


def test_a_dismantling_on_another_day_moves_between_years_months_and_in_the_list():
    told = dismantled(A, B)
    says = {"corrects_version": 1, "why": "misread"}
    burnt_last_year = {"dismantled_on": day(31, 12).replace(year=2025), "reason": "burnt"}
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=A, **says, **burnt_last_year))
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=B, **says, dismantled_on=day(2)))
    with held(told) as connection:
        owed = still_owed(connection, UNIT, 9)
        rates = recovery_rates(connection, "2025-12", "2026-12")
        assert burnt(connection) == [(2025, "unknown", 1)]
    assert [(one.asset_no, one.dismantled_on.isoformat()) for one in owed] == [(A, "2025-12-31"), (B, "2026-03-02")]
    assert [(rate.cohort, rate.dismantled) for rate in rates] == [("2025-12", 1), ("2026-03", 1)]


def test_a_receipt_at_another_store_is_none_at_the_centre():
    told = dismantled(A).tell(*shipped([A], day(5), to_site="store-2"), arrived([A], day(6)))
    assert counted(told) == ({"dismantled": 1, "owed": 1}, {A: "owed"})


def test_a_sample_that_returns_to_the_centre_has_been_received_there():
    told = dismantled(A, B)
    for number, site in ((A, CENTRE), (B, STORE)):
        told.tell(ground(number, "laboratory_request", day(4)), out(number, "laboratory", day(4)))
        told.tell(ReturnSample(occurred_on=day(9), asset_no=number, site=site))
    assert counted(told) == ({"dismantled": 2, "received": 1, "owed": 1}, {B: "owed"})


def test_a_missing_device_known_again_by_its_number_has_been_received():
    """Its plate could not be read on arrival; the number was found under the dirt later."""
    told = dismantled(A)
    told.tell(*shipped([A], day(5)), arrived([], day(6)))
    assert [row.phase for row in told.rows(RECOVERIES).values()] == ["missing"]
    named = {"device_class": "01", "unit": UNIT, "site": CENTRE}
    told.tell(AssignTemporaryIdentity(occurred_on=day(6), asset_no=TEMPORARY, **named))
    told.tell(BindIdentity(occurred_on=day(8), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})


def bound(*before, days=(6, 3, 7, 9), number=A):
    """An unread device came to the centre, its work order after it; accepted, sealed, read, bound to its number."""
    came, of, settled, known = (day(one) for one in days)
    return Told(*SITES, PLAN, *before).tell(
        unannounced(TEMPORARY, came),
        dismantle(TEMPORARY, of, reason="burnt", work_order="WO-7", county="990402"),
        RecordFinalReading(occurred_on=came, asset_no=TEMPORARY, reading=Reading(total_wh=7)),
        accepted(TEMPORARY, settled),
        ApplySeal(occurred_on=settled, asset_no=TEMPORARY, seal_no="S-1"),
        BindIdentity(occurred_on=known, asset_no=TEMPORARY, bound_to=number, evidence="cleaned"),
    )


@pytest.mark.parametrize("before", [(), (register(A),)], ids=["unknown", "in service"])
def test_what_was_dismantled_under_a_temporary_identity_is_found_under_its_number_and_counted_once(before):
    told = bound(*before)
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})
    ((key, row),) = told.rows(RECOVERIES).items()
    assert (key[0], row.work_order, row.reason, row.dismantled_on) == (A, "WO-7", "burnt", day(3))
    card = told.rows(CARD)[(A,)]
    assert (card.dismantled_on, card.work_order, card.county) == (day(3), "WO-7", "990402")
    assert (card.reading_total_wh, card.seals, card.site) == (7, "S-1", CENTRE)
    with held(told) as connection:
        assert burnt(connection) == [(2026, "990402", 1)]
    # A correction names the dismantling where it is found now.
    says = {"corrects_version": card.dismantled_version, "dismantled_on": day(28, 2), "why": "misread"}
    told.tell(CorrectRecord(occurred_on=day(12), asset_no=A, **says))
    assert [row.cohort for row in told.rows(RECOVERIES).values()] == ["2026-02"]


@pytest.mark.parametrize("before", [(), (register(A),)], ids=["unknown", "in service"])
def test_an_unread_device_put_straight_into_stock_is_in_the_cohort_of_its_work_order_and_counted_once(before):
    told = Told(*SITES, PLAN, *before)
    named = {"device_class": "01", "unit": UNIT}
    told.tell(AssignTemporaryIdentity(occurred_on=day(3), asset_no=TEMPORARY, site=STORE, **named))
    told.tell(AssignTemporaryIdentity(occurred_on=day(11, 4), asset_no=TWIN, site=CENTRE, **named))
    told.tell(dismantle(TEMPORARY, day(3), reason="burnt", work_order="WO-7"), dismantle(TWIN, day(3)))
    assert counted(told) == ({"dismantled": 2, "owed": 1, "received_late": 1}, {TEMPORARY: "owed"})
    told.tell(BindIdentity(occurred_on=day(12, 4), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    assert counted(told) == ({"dismantled": 2, "owed": 1, "received_late": 1}, {A: "owed"})
    assert told.rows(CARD)[(A,)].work_order == "WO-7"


def test_what_came_unread_by_the_cut_off_was_in_time_however_late_it_was_read():
    told = bound(register(A), days=(6, 3, 7, 9)).rows(RECEIPTS)
    assert [row.received_on for row in told.values() if row.asset_no == A] == [day(7)]
    late = dismantled(A).tell(MarkMissing(occurred_on=day(5), asset_no=A, site=STORE))
    named = {"device_class": "01", "unit": UNIT, "site": CENTRE}
    late.tell(AssignTemporaryIdentity(occurred_on=day(9, 4), asset_no=TEMPORARY, **named))
    late.tell(BindIdentity(occurred_on=day(20, 4), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    assert counted(late) == ({"dismantled": 1, "received": 1}, {})


def test_a_dismantling_on_both_records_is_one():
    told = dismantled(A).tell(MarkMissing(occurred_on=day(5), asset_no=A, site=STORE))
    told.tell(unannounced(TEMPORARY, day(6)), dismantle(TEMPORARY, day(3)), accepted(TEMPORARY, day(7)))
    assert counted(told)[0]["dismantled"] == 2
    told.tell(BindIdentity(occurred_on=day(9), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})


def test_what_was_dismantled_under_a_temporary_identity_and_is_kept_apart_is_not_received():
    told = Told(*SITES, PLAN, register(A), unannounced(TEMPORARY, day(6)), dismantle(TEMPORARY, day(3)))
    told.tell(BindIdentity(occurred_on=day(9), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    assert counted(told) == ({"dismantled": 1, "unexpected": 1}, {A: "unexpected"})
    told.tell(accepted(A, day(10)))
    assert counted(told) == ({"dismantled": 1, "received": 1}, {})


def test_a_correction_under_the_temporary_identity_goes_along():
    told = Told(*SITES, PLAN, unannounced(TEMPORARY, day(6)), dismantle(TEMPORARY, day(3)))
    says = {"corrects_version": 1, "why": "misread", "unit": "99402", "work_order": "WO-8", "dismantled_on": day(2)}
    told.tell(CorrectRecord(occurred_on=day(7), asset_no=TEMPORARY, **says), accepted(TEMPORARY, day(7)))
    told.tell(BindIdentity(occurred_on=day(9), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    (row,) = told.rows(RECOVERIES).values()
    assert (row.asset_no, row.unit, row.work_order, row.dismantled_on) == (A, "99402", "WO-8", day(2))


def test_a_number_on_record_in_its_store_is_still_owed_whatever_bears_it_elsewhere():
    told = dismantled(A)
    named = {"device_class": "01", "unit": UNIT, "site": CENTRE}
    told.tell(AssignTemporaryIdentity(occurred_on=day(6), asset_no=TEMPORARY, **named))
    told.tell(BindIdentity(occurred_on=day(8), asset_no=TEMPORARY, bound_to=A, evidence="cleaned"))
    assert counted(told) == ({"dismantled": 1, "owed": 1}, {A: "owed"})
    balance = {(row.site, row.inflow - row.outflow) for row in told.rows(BALANCE).values()}
    assert balance == {(STORE, 1), (CENTRE, 1)}
    assert [(row.asset_no, row.kind, row.site, row.holder) for row in told.rows(ALARMS).values()] == [
        (A, "duplicate", CENTRE, TEMPORARY)
    ]


def test_two_devices_bound_to_one_number_stay_two():
    told = Told(*SITES)
    for temporary in (TEMPORARY, TWIN):
        who = {"asset_no": temporary, "device_class": "01", "unit": UNIT, "site": CENTRE}
        told.tell(AssignTemporaryIdentity(occurred_on=day(6), **who))
    for temporary in (TEMPORARY, TWIN):
        told.tell(BindIdentity(occurred_on=day(8), asset_no=temporary, bound_to=A, evidence="read"))
    assert sum(row.inflow - row.outflow for row in told.rows(BALANCE).values()) == 2
    cards = told.rows(CARD)
    assert {(number, cards[(number,)].phase) for number in (A, TEMPORARY, TWIN)} == {
        (A, "at_site"),
        (TEMPORARY, "bound"),
        (TWIN, "at_site"),
    }


def test_what_is_disposed_of_from_its_own_store_is_owed_no_more_and_never_received():
    told = dismantled(A, B, C)
    for kind in ("verdict_scrap", "scrap_approval"):
        told.tell(ground(A, kind, day(4)))
    told.tell(out(A, "materials", day(4)), on(ClearData, asset_no=A, method="reset"))
    told.tell(on(Deface, asset_no=A, evidence_sha256="0" * 64))
    told.tell(HandToRecycler(occurred_on=day(6), asset_no=A, recycler="RC-1", lot="LOT-1", contract="C-1"))
    told.tell(ground(B, "laboratory_request", day(4)), out(B, "laboratory", day(4)))
    told.tell(RecordTestDestruction(occurred_on=day(6), asset_no=B, holder="LAB-1", report="REP-1"))
    assert counted(told) == ({"dismantled": 3, "disposed": 2, "owed": 1}, {C: "owed"})
    told.tell(Destroy(occurred_on=day(8), asset_no=A, certificate="C-9"))
    assert counted(told) == ({"dismantled": 3, "disposed": 2, "owed": 1}, {C: "owed"})
    told.tell(unannounced(A, day(9)))
    assert counted(told)[1] == {C: "owed"}


def test_a_customers_device_given_back_is_no_longer_owed():
    told = Told(*SITES, PLAN, Register(occurred_on=day(1), asset_no=CUSTOMERS, device_class="01", unit=UNIT))
    told.tell(dismantle(CUSTOMERS, day(3)), out(CUSTOMERS, "customer", day(4)))
    assert counted(told) == ({"dismantled": 1, "owed": 1}, {CUSTOMERS: "owed"})
    told.tell(ReturnToCustomer(occurred_on=day(5), asset_no=CUSTOMERS, reference="receipt 4"))
    assert counted(told) == ({"dismantled": 1, "returned": 1}, {})


def test_a_consented_device_is_the_companys_to_bring():
    told = Told(*SITES, PLAN, unannounced(CUSTOMERS, day(6)), dismantle(CUSTOMERS, day(3)))
    told.tell(RecordConsent(occurred_on=day(7), asset_no=CUSTOMERS, reference="form 1"), accepted(CUSTOMERS, day(7)))
    assert (counted(told))[0] == {"dismantled": 1, "received": 1}


def test_a_device_in_service_again_without_the_centre_is_not_owed():
    told = dismantled(A)
    told.tell(ground(A, "verdict_reuse", day(4)), ground(A, "re_verification", day(4)), out(A, "reinstall", day(5)))
    told.tell(Reinstall(occurred_on=day(6), asset_no=A, work_order="WO-2", unit=UNIT))
    assert counted(told) == ({"dismantled": 1, "returned": 1}, {})
    told.tell(dismantle(A, day(20), work_order="WO-3"))
    assert counted(told) == ({"dismantled": 2, "returned": 1, "owed": 1}, {A: "owed"})


def test_found_in_a_store_it_is_owed_again():
    told = dismantled(A).tell(*shipped([A], day(5)), arrived([], day(6)), lost(A, day(7)))
    told.tell(MarkFound(occurred_on=day(9), asset_no=A, site=STORE))
    assert counted(told) == ({"dismantled": 1, "owed": 1}, {A: "owed"})


def test_a_reinstalled_device_that_turns_up_unannounced_is_counted_apart():
    told = dismantled(A).tell(*shipped([A], day(5)), arrived([A], day(6)))
    told.tell(ground(A, "verdict_reuse", day(7)), ground(A, "re_verification", day(7)))
    told.tell(out(A, "reinstall", day(8), CENTRE))
    told.tell(Reinstall(occurred_on=day(9), asset_no=A, work_order="WO-2", unit=UNIT), unannounced(A, day(20)))
    with held(told) as connection:
        (rate,) = recovery_rates(connection, *MARCH)
        apart = unexpected_by_unit(connection)
    assert (rate.dismantled, rate.received, rate.unexpected, apart) == (1, 1, 0, {UNIT: 1})


def test_a_correction_moves_a_dismantling_to_another_cohort():
    told = dismantled(A, B)
    says = {"dismantled_on": day(28, 2), "unit": "99402", "why": "misread"}
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=A, corrects_version=1, **says))
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=B, corrects_version=1, did_not_happen=True, why="B stands"))
    with held(told) as connection:
        rates = recovery_rates(connection, "2026-01", "2026-12")
        of_unit = recovery_rates(connection, "2026-01", "2026-12", UNIT)
    assert [(rate.unit, rate.cohort, rate.dismantled, rate.owed) for rate in rates] == [("99402", "2026-02", 1, 1)]
    assert of_unit == []


def test_a_month_is_that_of_beijing():
    told = Told(*SITES, register(A))
    at = datetime(2026, 2, 28, 16, tzinfo=UTC)
    said = {"asset_no": A, "work_order": "WO-1", "unit": UNIT, "site": STORE, "reason": "fault"}
    told.tell(Dismantle(occurred_at=at, **said))
    assert (counted(told))[0] == {"dismantled": 1, "owed": 1}


def test_burnt_devices_by_year_and_county():
    told = Told(*SITES, register(A, county="990401"), register(B), register(C), register(D))
    told.tell(dismantle(A, day(3), reason="burnt"), dismantle(B, day(3), reason="burnt", county="990402"))
    told.tell(dismantle(C, day(3), reason="burnt"), dismantle(D, day(3)))
    says = {"reason": "burnt", "dismantled_on": day(31, 12).replace(year=2025), "why": "seen at the bench"}
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=D, corrects_version=1, county="990402", **says))
    with held(told) as connection:
        counts = burnt(connection)
    assert counts == [
        (2025, "990402", 1),
        (2026, "990401", 1),
        (2026, "990402", 1),
        (2026, "unknown", 1),
    ]


@pytest.mark.parametrize(
    ("counties", "told"),
    [
        ({"a": 1, "b": 9}, [("other", 10)]),
        ({"a": 1, "b": 9, "c": 7}, [("b", 5), ("other", 5)]),
        ({"a": 4, "b": 4, "c": 5}, [("c", 5), ("other", 5)]),
        ({"a": 5, "unknown": 16}, [("a", 5), ("unknown", 15)]),
        ({"a": 1, "b": 2}, []),
        ({}, []),
    ],
)
def test_small_groups_of_burnt_devices_are_told_together_or_not_at_all_and_in_steps(counties, told):
    counts = [(2026, county, devices) for county, devices in counties.items()]
    assert [(one.county, one.devices) for one in grouped(counts)] == told


counties = st.dictionaries(st.tuples(st.integers(2025, 2026), st.sampled_from("abcdef")), st.integers(0, 30))


@given(counties, counties)
def test_no_two_answers_differ_by_fewer_devices_than_a_group_has(before, later):
    """Whatever was added, corrected or taken back between the two."""
    told = [
        {(one.year, one.county): one.devices for one in grouped((*group, devices) for group, devices in counts.items())}
        for counts in (before, later)
    ]
    for group in told[0].keys() | told[1].keys():
        first, second = (each.get(group, 0) for each in told)
        assert first == second or abs(first - second) >= GROUP_DEVICES_MIN
    for counts, each in zip((before, later), told, strict=True):
        for year in (2025, 2026):
            there = sum(devices for (of, _), devices in counts.items() if of == year)
            assert sum(devices for (of, _), devices in each.items() if of == year) <= there
