"""Out of service under a work order, with a final reading that may be disputed."""

from datetime import date

import msgspec
import pytest

from kernel.quantity import INT64_MAX
from services.registry.meter import METER
from services.registry.meter.dismantling import (
    ALREADY_DISPUTED,
    BEFORE_INSTALLED,
    NO_READING,
    NOT_DISMANTLED,
    NOT_DISPUTED,
    NOT_IN_SERVICE,
    READING_EMPTY,
    READING_EXISTS,
    READING_MISSING,
    Dismantle,
    Dismantled,
    DisputeFinalReading,
    FinalReadingDisputed,
    FinalReadingRecorded,
    FinalReadingResolved,
    Reading,
    RecordFinalReading,
    ResolveFinalReading,
)
from services.registry.meter.identity import CorrectRecord, Description
from services.registry.meter.release import ReceiveFromMaker, Reinstall
from services.registry.meter.state import UNKNOWN, AtSite
from services.registry.meter.unexpected import AcceptUnexpected
from services.registry.vocabulary import Arrival
from tests.given import given
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    DISMANTLE,
    IN_SERVICE,
    IN_STOCK,
    IN_STORE,
    PHOTO,
    REGISTER,
    STORE,
    TEMPORARY,
    TO_REUSE,
    TURN_UP,
    UNIT,
    about,
    device,
    moved,
    on,
    release,
)

READING = Reading(total_wh=123_456_000, peak_wh=100, ratio_micro=1_000_000, customer_signature="refused")
READ = on(RecordFinalReading, reading=READING)
DISPUTE = on(DisputeFinalReading, case="D-1", ground="the customer reads 100 kWh less")
UPHOLD = on(ResolveFinalReading, case="D-1", outcome="upheld")
DISMANTLED = on(Dismantled, work_order="WO-1", unit=UNIT, reason="fault", moved=moved(to_site=STORE))


def test_a_device_in_service_is_dismantled_into_a_store():
    story = device(*IN_SERVICE).when(DISMANTLE).then([DISMANTLED])
    assert story.state.place == AtSite(STORE, as_dismantled=True)
    story.when(DISMANTLE).refused(NOT_IN_SERVICE, asset_no=DISMANTLE.asset_no)
    given(METER).when(DISMANTLE).refused(UNKNOWN)


def test_a_device_is_not_dismantled_before_it_was_installed():
    installed = msgspec.structs.replace(REGISTER, description=Description(installed_on=date(2026, 3, 4)))
    early = {"occurred_on": date(2026, 3, 3)}
    device(installed).when(msgspec.structs.replace(DISMANTLE, **early)).refused(BEFORE_INSTALLED)
    story = device(installed, DISMANTLE)
    said = {"why": "misread"}
    earlier = on(CorrectRecord, corrects_version=1, dismantled_on=date(2026, 3, 3), **said)
    story.when(earlier).refused(BEFORE_INSTALLED, dismantled_on=date(2026, 3, 3))
    later = Description(installed_on=date(2026, 3, 6))
    story.when(on(CorrectRecord, corrects_version=0, description=later, **said)).refused(BEFORE_INSTALLED)


def test_a_temporary_identity_in_stock_is_given_its_work_order_once():
    story = device(ASSIGN).when(about(DISMANTLE, TEMPORARY))
    stays = {"asset_no": TEMPORARY, "moved": moved(), "arrivals": (Arrival(site=CENTRE, on=DISMANTLE.day),)}
    story.then([msgspec.structs.replace(DISMANTLED, **stays)])
    assert story.state.place == AtSite(CENTRE)
    story.when(about(DISMANTLE, TEMPORARY)).refused(NOT_IN_SERVICE)


def test_its_reading_may_come_along_or_later_but_once():
    at_once = msgspec.structs.replace(DISMANTLE, reading=READING)
    story = device(*IN_SERVICE).when(at_once).then([DISMANTLED, on(FinalReadingRecorded, reading=READING)])
    story.when(READ).refused(READING_EXISTS)
    device(*IN_STORE).when(READ).then([on(FinalReadingRecorded, reading=READING)]).when(READ).refused(READING_EXISTS)


def test_what_is_in_service_or_new_has_no_final_reading():
    device(*IN_SERVICE).when(READ).refused(NOT_DISMANTLED)
    new = device(msgspec.structs.replace(REGISTER, origin="maker"), on(ReceiveFromMaker, site=CENTRE))
    new.when(READ).refused(NOT_DISMANTLED)


def test_what_came_without_a_work_order_can_be_read_all_the_same():
    device(TURN_UP).when(READ).then([on(FinalReadingRecorded, reading=READING)])


NOT_A_REGISTER = {"ratio_micro": 2_000_000, "customer_signature": "absent"}


@pytest.mark.parametrize("register", sorted(set(Reading.__struct_fields__) - NOT_A_REGISTER.keys()))
def test_one_register_or_a_photo_is_a_reading(register):
    reading = Reading(**{register: PHOTO if register == "photo_sha256" else 0})
    device(*IN_STORE).when(on(RecordFinalReading, reading=reading)).then([on(FinalReadingRecorded, reading=reading)])


def test_what_reads_nothing_is_no_reading():
    for reading in (Reading(), Reading(**NOT_A_REGISTER)):
        device(*IN_STORE).when(on(RecordFinalReading, reading=reading)).refused(READING_EMPTY)
        device(*IN_SERVICE).when(msgspec.structs.replace(DISMANTLE, reading=reading)).refused(READING_EMPTY)


@pytest.mark.parametrize("value", [-1, INT64_MAX, "1", 1.5, True])
def test_a_register_holds_whole_watt_hours_within_bounds(value):
    plain = {"occurred_on": "2026-03-05", "asset_no": READ.asset_no, "reading": {"total_wh": value}}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(plain), type=RecordFinalReading)


def test_a_dispute_is_a_hold_until_it_is_resolved():
    story = device(*IN_STOCK, READ).when(DISPUTE)
    story.then([on(FinalReadingDisputed, case="D-1", ground="the customer reads 100 kWh less")])
    story.when(DISPUTE).refused(ALREADY_DISPUTED)
    assert story.state.held == [("计量争议", "dispute")]
    story.when(UPHOLD).then([on(FinalReadingResolved, case="D-1", outcome="upheld")])
    assert not story.state.held
    story.when(DISPUTE).then([on(FinalReadingDisputed, case="D-1", ground="the customer reads 100 kWh less")])


def test_a_dispute_is_resolved_under_its_own_case():
    device(*IN_STOCK, READ).when(UPHOLD).refused(NOT_DISPUTED, case="D-1")
    device(*IN_STOCK, READ, DISPUTE).when(msgspec.structs.replace(UPHOLD, case="D-2")).refused(NOT_DISPUTED, case="D-2")
    device(*IN_STOCK).when(DISPUTE).refused(NO_READING)


def test_corrected_gives_the_reading_and_upheld_gives_none():
    story = device(*IN_STOCK, READ, DISPUTE)
    story.when(msgspec.structs.replace(UPHOLD, outcome="corrected")).refused(READING_MISSING)
    story.when(msgspec.structs.replace(UPHOLD, reading=READING)).refused(READING_MISSING)
    story.when(msgspec.structs.replace(UPHOLD, outcome="corrected", reading=Reading())).refused(READING_EMPTY)
    story.when(msgspec.structs.replace(UPHOLD, outcome="corrected", reading=READING))
    story.then([on(FinalReadingResolved, case="D-1", outcome="corrected", reading=READING)])


def test_a_work_order_that_comes_after_its_device_moves_nothing():
    story = device(*IN_SERVICE, TURN_UP).when(msgspec.structs.replace(DISMANTLE, reading=READING))
    late = msgspec.structs.replace(DISMANTLED, moved=moved(), unexpected=True)
    story.then([late, on(FinalReadingRecorded, reading=READING)])
    assert story.state.place == AtSite(CENTRE, unexpected=True)
    story.when(DISMANTLE).refused(NOT_IN_SERVICE)
    story.when(on(AcceptUnexpected, reference="WO-1"))
    assert story.outcome[0].dismantled_version == 2


def test_a_work_order_does_not_reach_what_is_in_ordinary_stock():
    device(TURN_UP, on(AcceptUnexpected, reference="found in the yard")).when(DISMANTLE).refused(NOT_IN_SERVICE)
    new = msgspec.structs.replace(REGISTER, origin="maker")
    device(new, TURN_UP).when(DISMANTLE).refused(NOT_IN_SERVICE)


def test_the_second_life_ends_as_if_it_were_the_first():
    released = (*IN_STORE, READ, DISPUTE, UPHOLD, *TO_REUSE[len(IN_STORE) :], CLEAR, release("reinstall"))
    again = (on(Reinstall, work_order="WO-2", unit="99402"), DISMANTLE)
    story = device(*released, *again)
    assert story.state.dismantled_version == story.state.version
    assert not story.state.data_cleared
    assert not story.state.preconditions
    story.when(READ).then([on(FinalReadingRecorded, reading=READING)])


def test_a_device_without_final_reading_can_be_dismantled_again():
    second = on(Dismantle, work_order="WO-3", unit=UNIT, site=STORE, reason="burnt", county="990401")
    story = device(*TO_REUSE, release("reinstall"), on(Reinstall, work_order="WO-2", unit=UNIT)).when(second)
    story.then(
        [on(Dismantled, work_order="WO-3", unit=UNIT, reason="burnt", county="990401", moved=moved(to_site=STORE))]
    )
