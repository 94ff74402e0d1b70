"""What becomes of an inspection when its device leaves, or turns out to bear another number."""

import msgspec
import pytest

from kernel.refusal import Refusal
from services.sorting import foreign
from services.sorting.inspection.departure import (
    AbandonDeparted,
    InspectionClosed,
    InspectionSuperseded,
    SupersedeInspection,
)
from services.sorting.inspection.opening import CheckIdentity, InspectionAbandoned, OpenOnRecord, RecordLoad
from services.sorting.inspection.population import JoinPopulation, LeavePopulation, PopulationLeft
from services.sorting.inspection.repair_order import CloseRepair, RepairClosed
from services.sorting.inspection.state import SUPERSEDED
from services.sorting.policies import POLICIES
from services.sorting.repair import CancelRepair
from services.sorting.views.inspection import INSPECTIONS
from tests.given import asked, given, recorded, rows
from tests.sorting.examples import BENCH, DAY, SITE
from tests.sorting.stories import DEVICE, NUMBER, ORDER, REF, REPAIR_ID, TEMPORARY, device, judging, on

POLICY = {policy.name: policy for policy in POLICIES}
OPEN = on(OpenOnRecord, bench=BENCH, site=SITE, device=DEVICE, scheme=REF)
BIND = on(SupersedeInspection, asset_no=TEMPORARY, number=NUMBER)
ENDED = on(InspectionSuperseded, asset_no=TEMPORARY, round=1, number=NUMBER, repair=None)


def about_temporary(command):
    return msgspec.structs.replace(command, asset_no=TEMPORARY)


@pytest.mark.parametrize(
    ("event", "departure"),
    [
        (foreign.Dispatched(asset_no=NUMBER, occurred_on=DAY, moved=foreign.Movement(device_class="01")), "dispatched"),
        (foreign.Missing(asset_no=NUMBER, occurred_on=DAY), "missing"),
        (
            foreign.Released(
                asset_no=NUMBER, occurred_on=DAY, purpose="laboratory", moved=foreign.Movement(device_class="01")
            ),
            "released",
        ),
        (foreign.Unexpected(asset_no=NUMBER, occurred_on=DAY, moved=foreign.Movement(device_class="01")), "unexpected"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_inspection_ends_where_its_device_leaves(event, departure):
    (command,) = asked(POLICY["inspection_follows_device"], event)
    assert command == on(AbandonDeparted, departure=departure)
    (abandoned,) = device(OPEN).when(command).outcome
    assert isinstance(abandoned, InspectionAbandoned)
    assert " / " in abandoned.why


def test_an_inspection_that_its_identity_stopped_ends_there_too():
    story = device(OPEN, on(CheckIdentity, barcode="9" * 22))
    assert story.state.phase == "stopped"
    (abandoned,) = story.when(on(AbandonDeparted, departure="missing")).outcome
    assert isinstance(abandoned, InspectionAbandoned)


def test_what_was_judged_or_never_opened_is_left_as_it_is():
    gone = on(AbandonDeparted, departure="released")
    device(judging()).when(gone).then([])
    device().when(gone).then([])
    story = device(OPEN, gone).when(gone).then([])
    story.when(OPEN)
    story.then(story.outcome)
    assert story.state.round == 2


def test_what_was_found_under_a_temporary_identity_stays_there_and_the_number_is_inspected_anew():
    bound = foreign.IdentityBound(
        asset_no=TEMPORARY, occurred_on=DAY, bound_to=NUMBER, moved=foreign.Movement(device_class="01")
    )
    assert asked(POLICY["inspection_follows_device"], bound) == [BIND]
    judged = device(judging(TEMPORARY, barcode=None, identity_why="no barcode"))
    verdict = judged.state.disposition
    story = judged.when(BIND).then([ENDED])
    assert story.state.disposition == verdict
    for command in (about_temporary(OPEN), about_temporary(ORDER), judging(TEMPORARY, why="again")):
        story.when(command).refused(SUPERSEDED, number=NUMBER)
    story.when(BIND).then([])
    device(judging())


def test_what_is_in_service_again_begins_anew_without_a_reason():
    again = foreign.Reinstalled(asset_no=NUMBER, occurred_on=DAY)
    (close,) = asked(POLICY["inspection_follows_device"], again)
    story = device(judging(), ORDER, on(CloseRepair, certificate="C-0001")).when(close)
    story.then([on(InspectionClosed, round=1)])
    story.when(close).then([])
    for command in (ORDER, on(JoinPopulation, review="RV-1")):
        assert isinstance(story.when(command).outcome, Refusal)
    (opened,) = story.when(OPEN).outcome
    assert opened.round == 2
    device(OPEN).when(close).then([])


def test_a_temporary_identity_that_was_never_inspected_leaves_nothing():
    device().when(BIND).then([])


def test_its_repair_is_cancelled_and_its_review_goes_on():
    join, leave = (on(kind, asset_no=TEMPORARY, review="RV-1") for kind in (JoinPopulation, LeavePopulation))
    story = device(judging(TEMPORARY), join, BIND).when(join).refused(SUPERSEDED)
    story.when(leave).then([on(PopulationLeft, asset_no=TEMPORARY, review="RV-1")])
    ordered = device(judging(TEMPORARY), about_temporary(ORDER))
    (superseded,) = ordered.when(BIND).outcome
    assert superseded.repair == f"{TEMPORARY}-1"
    (cancel,) = asked(POLICY["repair_follows_order"], superseded)
    assert isinstance(cancel, CancelRepair)
    assert cancel.repair == f"{TEMPORARY}-1"
    ordered.then(ordered.outcome)
    close = on(CloseRepair, asset_no=TEMPORARY, repair=cancel.repair)
    ordered.when(close).then([on(RepairClosed, asset_no=TEMPORARY, repair=cancel.repair)])
    assert not asked(POLICY["repair_follows_order"], ENDED)


def test_the_view_follows():
    story, events = given(device().decider), []
    for command in (judging(), ORDER):
        events += story.when(command).outcome
        story.then(story.outcome)
    told = [(event, recorded(event, version)) for version, event in enumerate(events, 1)]
    (row,) = rows(INSPECTIONS, told).values()
    assert (row.repair, row.certificate) == (REPAIR_ID, None)
    closed = on(RepairClosed, certificate="C-0001")
    (row,) = rows(INSPECTIONS, [*told, (closed, recorded(closed, 90))]).values()
    assert (row.repair, row.certificate, row.phase) == (None, "C-0001", "judged")
    ended = on(InspectionClosed, round=1)
    (row,) = rows(INSPECTIONS, [*told, (closed, recorded(closed, 90)), (ended, recorded(ended, 91))]).values()
    assert (row.phase, row.certificate, row.disposition) == ("closed", None, "reuse")
    bound = on(InspectionSuperseded, round=1, number=NUMBER, repair=None)
    (row,) = rows(INSPECTIONS, [*told, (bound, recorded(bound, 91))]).values()
    assert row.phase == "superseded"


def test_a_load_curve_alone_is_no_inspection():
    assert RecordLoad in device().decider.begins
