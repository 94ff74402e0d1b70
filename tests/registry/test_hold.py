"""Holds and seals."""

from datetime import date

import msgspec
import pytest

from services.registry.meter import METER
from services.registry.meter.end import DataCleared, Destroy, DestroyChip, RemoveBattery
from services.registry.meter.hold import (
    HOLD_ENDS_FIRST,
    HOLD_EXISTS,
    NO_SUCH_HOLD,
    NO_SUCH_SEAL,
    SEALED_ALREADY,
    ApplySeal,
    HoldLifted,
    HoldPlaced,
    LiftHold,
    PlaceHold,
    RemoveSeal,
    SealApplied,
    SealRemoved,
)
from services.registry.meter.missing import LOST_ON_HOLD, ConfirmLoss, MarkMissing, WriteOff
from services.registry.meter.release import Reinstall, ReturnToCustomer, ReturnToMaker
from services.registry.meter.state import ENDED, ON_HOLD, UNKNOWN
from services.registry.vocabulary import HOLD_KINDS
from tests.given import given
from tests.registry.stories import (
    CLEAR,
    CUSTOMERS,
    DEFACE,
    DISMANTLE,
    HOLD,
    IN_STOCK,
    ON_THE_WAY,
    REGISTER,
    SELL,
    SOLD,
    STORE,
    TO_REUSE,
    TO_SCRAP,
    UNIT,
    WITH_MATERIALS,
    about,
    device,
    ground,
    on,
    release,
)

LIFT = on(LiftHold, hold="H-1", reference="judgment 8")
PLACED = on(HoldPlaced, hold="H-1", kind="court", reference="case 7")


def test_a_hold_stands_until_it_is_lifted():
    story = device(*IN_STOCK).when(HOLD).then([PLACED])
    story.when(HOLD).refused(HOLD_EXISTS, hold="H-1")
    story.when(LIFT).then([on(HoldLifted, hold="H-1", kind="court", reference="judgment 8")])
    story.when(LIFT).refused(NO_SUCH_HOLD, hold="H-1")
    story.when(HOLD).then([PLACED])


def test_a_hold_may_say_until_when():
    until = date(2026, 9, 1)
    timed = on(PlaceHold, hold="H-2", kind="retention", reference="rule 4", until=until)
    device(*IN_STOCK, HOLD).when(timed).then(
        [on(HoldPlaced, hold="H-2", kind="retention", reference="rule 4", until=until)]
    )


def test_a_hold_does_not_end_before_it_begins():
    wrong = msgspec.structs.replace(HOLD, until=date(2026, 3, 4))
    device(*IN_STOCK).when(wrong).refused(HOLD_ENDS_FIRST, until=date(2026, 3, 4))
    device(*IN_STOCK).when(msgspec.structs.replace(HOLD, until=HOLD.day)).then(
        [msgspec.structs.replace(PLACED, until=HOLD.day)]
    )


@pytest.mark.parametrize("kind", sorted(HOLD_KINDS))
def test_what_is_lost_while_it_is_held_is_written_off_on_the_word_of_whoever_ordered_that(kind):
    held = msgspec.structs.replace(HOLD, kind=kind)
    lost = (*ON_THE_WAY, held, on(MarkMissing, shipment="SH-1"), on(ConfirmLoss, cause="theft", liable_unit=UNIT))
    write_off = on(WriteOff, approval="A-1")
    story = device(*lost).when(write_off).refused(LOST_ON_HOLD, holds=HOLD_KINDS[kind])
    story.when(LIFT).then(story.outcome)
    story.when(write_off).then(story.outcome)


def test_there_is_nothing_to_hold_before_the_first_event_or_after_the_last():
    given(METER).when(HOLD).refused(UNKNOWN)
    device(*SOLD, on(Destroy, certificate="C-9")).when(HOLD).refused(ENDED)


def test_a_device_may_be_held_wherever_it_is():
    for life in (ON_THE_WAY, (*ON_THE_WAY, on(MarkMissing, shipment="SH-1")), SOLD):
        device(*life).when(HOLD).then([PLACED])


def test_every_kind_of_hold_stands_against_everything_that_destroys_evidence():
    destroying = {
        "clear": (TO_SCRAP, CLEAR),
        "battery": (TO_SCRAP, on(RemoveBattery)),
        "chip": (TO_SCRAP, on(DestroyChip)),
        "deface": (TO_SCRAP, DEFACE),
        "seal": ((*TO_SCRAP, on(ApplySeal, seal_no="S-1")), on(RemoveSeal, seal_no="S-1")),
        "sell": ((*WITH_MATERIALS, CLEAR, DEFACE), SELL),
        "destroy": (SOLD, on(Destroy, certificate="C-9")),
        "to materials": (TO_SCRAP, release("materials")),
        "to maker": ((*IN_STOCK, ground("verdict_claim"), ground("claim_agreement")), release("maker")),
        "to repair": ((*IN_STOCK, ground("verdict_reuse"), ground("repair_order")), release("repair")),
        "maker's sample": ((*IN_STOCK, ground("maker_sample_request")), release("maker_sample")),
    }
    for life, command in destroying.values():
        for kind, words in HOLD_KINDS.items():
            held = device(*life, msgspec.structs.replace(HOLD, kind=kind))
            held.when(command).refused(ON_HOLD, holds=words)
            held.when(LIFT)
            held.then(held.outcome)
            held.when(command)
            held.then(held.outcome)


def test_a_hold_placed_on_the_way_out_stops_the_giving_away():
    returned = on(ReturnToMaker, maker="M-1", reference="R-2")
    claimed = (*IN_STOCK, ground("verdict_claim"), ground("claim_agreement"), release("maker"))
    device(*claimed, HOLD).when(returned).refused(ON_HOLD)
    reinstalled = on(Reinstall, work_order="WO-2", unit=UNIT)
    device(*TO_REUSE, release("reinstall"), HOLD).when(reinstalled).refused(ON_HOLD)
    customers = tuple(about(one, CUSTOMERS) for one in (REGISTER, DISMANTLE, release("customer", site=STORE), HOLD))
    device(*customers).when(on(ReturnToCustomer, asset_no=CUSTOMERS, reference="R-2")).refused(ON_HOLD)


def test_evidence_itself_may_go_to_be_tested_and_shown_while_held():
    for purpose, kind in (
        ("review", "review_sample"), ("laboratory", "laboratory_request"), ("evidence", "evidence_order"),
    ):  # fmt: skip
        story = device(*IN_STOCK, HOLD, ground(kind)).when(release(purpose))
        story.then(story.outcome)


def test_several_holds_are_all_named():
    safety = on(PlaceHold, hold="H-2", kind="safety", reference="inspection 3")
    held = device(*TO_SCRAP, HOLD, safety)
    held.when(CLEAR).refused(ON_HOLD, holds=("司法保全、安全", "court order, safety"))
    held.when(LIFT)
    held.then(held.outcome)
    held.when(CLEAR).refused(ON_HOLD, holds=("安全", "safety"))


def test_seals_go_on_and_come_off():
    story = device(*IN_STOCK).when(on(ApplySeal, seal_no="S-1")).then([on(SealApplied, seal_no="S-1")])
    off = {"seal_no": "S-1", "condition": "intact"}
    story.when(on(RemoveSeal, **off)).then([on(SealRemoved, **off)])


def test_a_seal_is_on_once_and_only_what_is_on_comes_off():
    story = device(*IN_STOCK, on(ApplySeal, seal_no="S-1"))
    story.when(on(ApplySeal, seal_no="S-1")).refused(SEALED_ALREADY, seal_no="S-1")
    story.when(on(RemoveSeal, seal_no="S-2")).refused(NO_SUCH_SEAL, seal_no="S-2")
    device(*IN_STOCK).when(on(RemoveSeal, seal_no="S-1")).refused(NO_SUCH_SEAL)


@pytest.mark.parametrize("held", [(), (HOLD,)])
def test_a_seal_found_broken_is_evidence_and_goes_on_record(held):
    broken = {"seal_no": "S-1", "condition": "wire cut", "found_broken": True}
    device(*IN_STOCK, *held).when(on(RemoveSeal, **broken)).then([on(SealRemoved, **broken)])


def test_without_a_hold_data_may_be_cleared():
    device(*IN_STOCK).when(CLEAR).then([on(DataCleared, method="reset")])
