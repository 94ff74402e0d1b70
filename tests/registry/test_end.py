"""Cleared, defaced, sold, destroyed."""

from itertools import combinations

import pytest

from services.registry.meter import METER
from services.registry.meter.end import (
    DATA_NOT_CLEARED,
    NOT_APPROVED,
    NOT_DEFACED,
    NOT_WITH_MATERIALS,
    NOT_WITH_RECYCLER,
    BatteryRemoved,
    ChipDestroyed,
    DataCleared,
    Defaced,
    Destroy,
    DestroyChip,
    Destroyed,
    HandedToRecycler,
    RemoveBattery,
)
from services.registry.meter.state import CONSENT_MISSING, ENDED, NOT_IN_HAND, UNKNOWN, Ended
from services.registry.meter.unexpected import RecordConsent
from tests.given import given
from tests.registry.stories import (
    CLEAR,
    CUSTOMERS,
    DEFACE,
    IN_SERVICE,
    IN_STOCK,
    PHOTO,
    SELL,
    SOLD,
    TO_SCRAP,
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
HANDED = on(HandedToRecycler, recycler="RC-1", lot="LOT-1", contract="C-1")
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
