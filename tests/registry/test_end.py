"""Cleared, defaced, sold, destroyed."""

from itertools import combinations

import msgspec
import pytest

from kernel.device import DEVICE_CLASSES
from services.registry.meter import METER
from services.registry.meter.binding import AdoptIdentity, AdoptionRefused
from services.registry.meter.end import (
    DATA_NOT_CLEARED,
    MAY_DESTROY,
    NOT_APPROVED,
    NOT_DEFACED,
    NOT_RETURNED_TO_MAKER,
    NOT_UNDER_TEST,
    NOT_WITH_MATERIALS,
    NOT_WITH_RECYCLER,
    BatteryRemoved,
    ChipDestroyed,
    DataCleared,
    Defaced,
    Destroy,
    DestroyChip,
    Destroyed,
    DestroyedInTest,
    HandedToRecycler,
    KeptByMaker,
    LeaveWithMaker,
    RecordTestDestruction,
    RemoveBattery,
)
from services.registry.meter.identity import CorrectRecord
from services.registry.meter.release import ReceiveFromMaker, ReturnToMaker
from services.registry.meter.state import CONSENT_MISSING, ENDED, NOT_IN_HAND, ON_HOLD, UNKNOWN, Ended
from services.registry.meter.unexpected import Reappeared, RecordConsent, Unexpected
from services.registry.vocabulary import SETTLEMENTS
from tests.given import given
from tests.registry.stories import (
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DEFACE,
    HOLD,
    IN_SERVICE,
    IN_STOCK,
    PHOTO,
    REGISTER,
    SELL,
    SOLD,
    TEMPORARY,
    TO_SCRAP,
    TURN_UP,
    UNIT,
    WITH_MATERIALS,
    about,
    device,
    ground,
    on,
    release,
)

CHIP = on(DestroyChip, evidence_sha256=PHOTO)
BATTERY = on(RemoveBattery)
DESTROY = on(Destroy, certificate="CERT-9")
HANDED = on(HandedToRecycler, recycler="RC-1", lot="LOT-1", contract="C-1", dismantled_version=1)
WORK = {"clear": CLEAR, "chip": CHIP, "battery": BATTERY, "deface": DEFACE}


def test_a_scrapped_device_is_cleared_defaced_sold_and_destroyed():
    story = device(*WITH_MATERIALS)
    story.when(CLEAR).then([on(DataCleared, method="reset")])
    story.when(CHIP).then([on(ChipDestroyed, evidence_sha256=PHOTO)])
    story.when(BATTERY).then([on(BatteryRemoved)])
    story.when(DEFACE).then([on(Defaced, evidence_sha256=PHOTO)])
    story.when(SELL).then([HANDED])
    story.when(SELL).refused(NOT_WITH_MATERIALS)
    story.when(DESTROY).then([on(Destroyed, recycler="RC-1", lot="LOT-1", certificate="CERT-9")])
    assert story.state.place == Ended("destroyed", "RC-1")
    story.when(DESTROY).refused(ENDED, how=("已销毁", "destroyed"))


@pytest.mark.parametrize("done", [done for size in range(5) for done in combinations(WORK, size)], ids="+".join)
def test_nothing_goes_to_a_recycler_uncleared_or_undefaced(done):
    story = device(*WITH_MATERIALS, *(WORK[name] for name in done)).when(SELL)
    if not {"clear", "chip"} & set(done):
        story.refused(DATA_NOT_CLEARED)
    elif "deface" not in done:
        story.refused(NOT_DEFACED)
    else:
        story.then([HANDED])


@pytest.mark.parametrize("device_class", DEVICE_CLASSES)
def test_only_classes_that_keep_data_are_cleared_before_they_go(device_class):
    """The classes are those of the centre's list; a transformer or a seal has nothing to clear, and is defaced too."""
    corrected = on(CorrectRecord, corrects_version=0, why="read again", device_class=device_class)
    uncleared = (*WITH_MATERIALS, corrected, DEFACE)
    if device_class in {"01", "02", "03", "04", "05", "10", "11", "19"}:
        device(*uncleared).when(SELL).refused(DATA_NOT_CLEARED)
    else:
        device(*uncleared).when(SELL).then([HANDED])
        device(*WITH_MATERIALS, corrected).when(SELL).refused(NOT_DEFACED)


def test_the_work_may_be_done_before_it_goes_to_materials():
    device(*TO_SCRAP, CLEAR, DEFACE, release("materials")).when(SELL).then([HANDED])


def test_nothing_irreversible_without_an_approval_that_still_stands():
    for command in (CHIP, DEFACE):
        device(*IN_STOCK, ground("verdict_scrap")).when(command).refused(NOT_APPROVED)
    judged_again = device(*WITH_MATERIALS, CLEAR, DEFACE, ground("verdict_reuse", "V-2"))
    judged_again.when(SELL).refused(NOT_APPROVED)


@pytest.mark.parametrize("command", WORK.values(), ids=WORK)
def test_the_work_is_done_on_what_is_in_hand(command):
    given(METER).when(command).refused(UNKNOWN)
    device(*IN_SERVICE).when(command).refused(NOT_IN_HAND)
    out = (*TO_SCRAP, ground("laboratory_request"), release("laboratory"))
    device(*out).when(command).refused(NOT_IN_HAND)
    device(*SOLD).when(command).refused(NOT_IN_HAND)


@pytest.mark.parametrize("command", WORK.values(), ids=WORK)
def test_the_work_is_not_done_on_a_customers_device_without_consent(command):
    came = tuple(about(one, CUSTOMERS) for one in TO_SCRAP)
    story = device(*came).when(about(command, CUSTOMERS)).refused(CONSENT_MISSING)
    story.when(on(RecordConsent, asset_no=CUSTOMERS, reference="form 3"))
    story.then(story.outcome)
    assert len(story.when(about(command, CUSTOMERS)).outcome) == 1


@pytest.mark.parametrize("command", WORK.values(), ids=WORK)
def test_the_work_done_again_is_recorded_again(command):
    story = device(*TO_SCRAP, command).when(command)
    assert len(story.outcome) == 1


def test_only_what_is_with_materials_is_sold_and_only_what_was_sold_destroyed():
    device(*TO_SCRAP, CLEAR, DEFACE).when(SELL).refused(NOT_WITH_MATERIALS)
    tested = device(*TO_SCRAP, CLEAR, DEFACE, ground("laboratory_request"), release("laboratory"))
    tested.when(SELL).refused(NOT_WITH_MATERIALS)
    device(*WITH_MATERIALS).when(DESTROY).refused(NOT_WITH_RECYCLER)
    given(METER).when(SELL).refused(UNKNOWN)
    given(METER).when(DESTROY).refused(UNKNOWN)


UNDER_TEST = (*IN_STOCK, ground("laboratory_request"), release("laboratory", "LR-1"))
CRUSHED = on(RecordTestDestruction, holder="LAB-1", report="REP-1", evidence_sha256=PHOTO)


def test_a_test_may_end_a_device():
    story = device(*UNDER_TEST).when(CRUSHED)
    crushed = {"purpose": "laboratory", "last_site": CENTRE, "holder": "LAB-1", "report": "REP-1"}
    story.then([on(DestroyedInTest, **crushed, evidence_sha256=PHOTO, dismantled_version=1)])
    assert story.state.place == Ended("destroyed_in_test", "LAB-1")
    story.when(CRUSHED).refused(ENDED, how=("已在试验中损毁", "destroyed in a test"))
    alarm = on(Reappeared, site=CENTRE, ended_as="destroyed_in_test", last_holder="LAB-1")
    story.when(TURN_UP).then([alarm])
    story.when(on(AdoptIdentity, temporary_id=TEMPORARY, device_class="01", unit=UNIT, owner="company", site=CENTRE))
    second = {"temporary_id": TEMPORARY, "site": CENTRE, "why": "destroyed", "recorded_as": "destroyed in a test"}
    story.then([alarm, on(AdoptionRefused, **second)])


@pytest.mark.parametrize(
    ("purpose", "grounds"),
    [
        ("laboratory", ["laboratory_request"]),
        ("maker_sample", ["maker_sample_request"]),
        ("evidence", ["evidence_order"]),
        ("review", ["review_sample"]),
        ("repair", ["verdict_reuse", "repair_order"]),
    ],
)
def test_only_an_examination_destroys(purpose, grounds):
    story = device(*IN_STOCK, *map(ground, grounds), release(purpose)).when(CRUSHED)
    if purpose in MAY_DESTROY:
        assert [type(event) for event in story.outcome] == [DestroyedInTest]
    else:
        story.refused(NOT_UNDER_TEST)
    device(*IN_STOCK).when(CRUSHED).refused(NOT_UNDER_TEST)
    given(METER).when(CRUSHED).refused(UNKNOWN)


def test_no_test_destroys_evidence_or_a_customers_device_without_consent():
    device(*UNDER_TEST, HOLD).when(CRUSHED).refused(ON_HOLD)
    theirs = on(CorrectRecord, corrects_version=0, why="third digit is 0", owner="customer")
    device(*UNDER_TEST, theirs).when(CRUSHED).refused(CONSENT_MISSING)


RETURNED = (
    *IN_STOCK,
    ground("verdict_claim"),
    ground("claim_agreement"),
    release("maker"),
    on(ReturnToMaker, maker="M-1", reference="R-2"),
)


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_a_settled_claim_leaves_the_device_with_its_maker(settlement):
    leave = on(LeaveWithMaker, settlement=settlement, reference="K-1")
    story = device(*RETURNED).when(leave)
    story.then([on(KeptByMaker, maker="M-1", settlement=settlement, reference="K-1", dismantled_version=1)])
    assert story.state.place == Ended("kept_by_maker", "M-1")
    story.when(leave).refused(ENDED, how=("已留归厂家", "kept by its maker"))
    story.when(on(ReceiveFromMaker, site=CENTRE)).refused(ENDED)
    story.when(TURN_UP)
    assert story.outcome[0] == on(Reappeared, site=CENTRE, ended_as="kept_by_maker", last_holder="M-1")
    assert isinstance(story.outcome[1], Unexpected)


def test_nothing_is_left_with_a_maker_that_did_not_get_it_back():
    leave = on(LeaveWithMaker, settlement="paid", reference="K-1")
    device(*RETURNED[:-1]).when(leave).refused(NOT_RETURNED_TO_MAKER)
    device(msgspec.structs.replace(REGISTER, origin="maker")).when(leave).refused(NOT_RETURNED_TO_MAKER)
    device(*RETURNED, on(ReceiveFromMaker, site=CENTRE)).when(leave).refused(NOT_RETURNED_TO_MAKER)
    device(*RETURNED, HOLD).when(leave).refused(ON_HOLD)
