"""What follows in the registry from what sorting says of a device."""

import os
from datetime import date

import msgspec
import pytest

from kernel.policy_store import refused_at
from ledger.port import ANY, Append, Draft
from services.registry.foreign import (
    DrawnStratum,
    InspectionAbandoned,
    InspectionOpened,
    PopulationJoined,
    PopulationLeft,
    RepairCancelled,
    RepairOrdered,
    RepairReturned,
    ReVerificationFailed,
    ReVerified,
    SampleDrawn,
    VerdictOverridden,
    VerdictReached,
)
from services.registry.meter import METER
from services.registry.meter.end import NOT_APPROVED, HandToRecycler
from services.registry.meter.hold import ApplySeal, LiftHold, PlaceHold, RemoveSeal
from services.registry.meter.release import (
    PRECONDITION_MISSING,
    PreconditionRecorded,
    RecordPrecondition,
    Reinstall,
    Release,
    ReturnToMaker,
)
from services.registry.meter.state import ON_HOLD
from services.registry.policies import POLICIES
from tests.given import asked, given
from tests.registry.stories import CENTRE, DAY, IN_STOCK, NUMBER, OTHER, REGISTER, UNIT, on
from tests.registry.test_followers import done, running, until

(GROUNDS,) = (policy for policy in POLICIES if policy.name == "grounds_follow_sorting")
STREAM = f"inspection-{NUMBER}"


def ground(kind, reference, **more):
    return on(RecordPrecondition, kind=kind, reference=reference, **more)


@pytest.mark.parametrize("disposition", ["reuse", "claim", "scrap", "hold"])
def test_a_verdict_is_a_ground_that_names_its_inspection(disposition):
    for said in (VerdictReached, VerdictOverridden):
        event = said(asset_no=NUMBER, occurred_on=DAY, round=2, disposition=disposition)
        commands = asked(GROUNDS, event, stream=STREAM, version=9)
        assert commands == [ground(f"verdict_{disposition}", f"{STREAM}/2/9")]


def test_what_is_inspected_anew_goes_nowhere_on_the_verdict_in_doubt():
    first = InspectionOpened(asset_no=NUMBER, occurred_on=DAY, round=1)
    assert asked(GROUNDS, first, stream=STREAM) == []
    again = msgspec.structs.replace(first, round=2)
    assert asked(GROUNDS, again, stream=STREAM, version=9) == [ground("verdict_hold", f"{STREAM}/2/9")]


def test_a_verdict_stands_again_where_the_inspection_that_doubted_it_was_given_up():
    given_up = InspectionAbandoned(asset_no=NUMBER, occurred_on=DAY, round=2, disposition="reuse")
    assert asked(GROUNDS, given_up, stream=STREAM, version=11) == [ground("verdict_reuse", f"{STREAM}/2/11")]
    assert asked(GROUNDS, msgspec.structs.replace(given_up, disposition=None)) == []


JOINED = {"asset_no": NUMBER, "occurred_on": DAY, "review": "RV-1"}


def test_a_device_under_review_is_held_until_that_has_ended():
    place = on(PlaceHold, hold="RV-1", kind="review", reference="RV-1")
    lift = on(LiftHold, hold="RV-1", reference="RV-1")
    assert asked(GROUNDS, PopulationJoined(**JOINED)) == [place]
    assert asked(GROUNDS, PopulationLeft(**JOINED)) == [lift]
    story = given(METER).when(IN_STOCK[0])
    for command in (*IN_STOCK[1:], place):
        story.then(story.outcome).when(command)
    story.then(story.outcome).when(on(RemoveSeal, seal_no="S-1")).refused(ON_HOLD)
    sample = on(RecordPrecondition, kind="review_sample", reference="RV-1")
    story.when(on(Release, site=CENTRE, purpose="review", reference="RV-1")).refused(PRECONDITION_MISSING)
    story.when(sample).then(story.outcome).when(on(Release, site=CENTRE, purpose="review", reference="RV-1"))
    story.then(story.outcome)


def test_what_was_drawn_may_leave_for_the_institute_spares_too():
    drawn = (DrawnStratum(sample=(NUMBER,), spares=(OTHER,)), DrawnStratum())
    commands = asked(GROUNDS, SampleDrawn(review="RV-1", drawn=drawn, occurred_on=DAY))
    sample = on(RecordPrecondition, kind="review_sample", reference="RV-1")
    assert commands == [sample, msgspec.structs.replace(sample, asset_no=OTHER)]


def test_what_was_drawn_may_not_leave_for_a_review_that_has_ended():
    sample = on(RecordPrecondition, kind="review_sample", reference="RV-1")
    lift = on(LiftHold, hold="RV-1", reference="RV-1")
    withdraw = msgspec.structs.replace(sample, withdrawn=True)
    assert asked(GROUNDS, PopulationLeft(**JOINED, sampled=True)) == [withdraw, lift]
    story = given(METER).when(IN_STOCK[0])
    for command in (*IN_STOCK[1:], sample):
        story.then(story.outcome).when(command)
    story.then(story.outcome)
    # Drawn for another review meanwhile, it stays so.
    story.when(msgspec.structs.replace(withdraw, reference="RV-0")).then([])
    story.when(withdraw).then([on(PreconditionRecorded, kind="review_sample", reference="RV-1", withdrawn=True)])
    story.when(withdraw).then([])
    story.when(on(Release, site=CENTRE, purpose="review", reference="RV-1")).refused(PRECONDITION_MISSING)


def test_a_batch_that_is_sorted_again_goes_nowhere_on_its_verdicts():
    lift = on(LiftHold, hold="RV-1", reference="RV-1")
    hold = ground("verdict_hold", "RV-1")
    # Before the hold is lifted, so that nothing is released in between.
    assert asked(GROUNDS, PopulationLeft(**JOINED, resort=True)) == [hold, lift]
    story = given(METER).when(IN_STOCK[0])
    for command in (*IN_STOCK[1:], ground("verdict_claim", "V"), ground("claim_agreement", "C"), hold):
        story.then(story.outcome).when(command)
    story.then(story.outcome)
    story.when(on(Release, site=CENTRE, purpose="maker", reference="C")).refused(PRECONDITION_MISSING)


async def written(registry, stream, **event):
    """An event of sorting in the log, as sorting would write it."""
    name = event.pop("name")
    data = msgspec.json.encode({"occurred_on": DAY, "asset_no": NUMBER} | event)
    draft = Draft(os.urandom(16), f"sorting.{name}", data)
    receipt = await registry._ledger.append([Append(stream, ANY, [draft])])
    return receipt.positions[-1]


async def through(registry, position):
    async def reached():
        return await registry._reached(GROUNDS, position)

    await until(reached)


async def test_the_meter_follows_its_verdicts_in_their_order(tmp_path):
    async with running(tmp_path, followed=True) as registry:
        await done(registry, REGISTER)
        for number, disposition in enumerate(("reuse", "scrap"), 1):
            last = await written(
                registry, STREAM, name="VerdictReached", round=number, disposition=disposition, rule="R"
            )
        await through(registry, last)
        meters = await registry.meters_now([NUMBER])
        assert meters[NUMBER].preconditions == {"verdict_scrap": f"{STREAM}/2/1"}
        last = await written(registry, STREAM, name="InspectionOpened", round=3, bench="B-1")
        await through(registry, last)
        assert set((await registry.meters_now([NUMBER]))[NUMBER].preconditions) == {"verdict_hold"}


async def test_a_verdict_on_an_unknown_device_is_refused_on_record_and_the_next_is_followed(tmp_path):
    async with running(tmp_path, followed=True) as registry:
        await done(registry, REGISTER)
        said = {"name": "VerdictReached", "round": 1, "disposition": "claim"}
        unknown = await written(registry, f"inspection-{OTHER}", asset_no=OTHER, **said)
        last = await written(registry, STREAM, **said)
        await through(registry, last)
        refused = await registry.ask(lambda connection: refused_at(connection, GROUNDS.name, unknown))
        assert [one.code for one in refused] == ["meter.unknown"]
        assert set((await registry.meters_now([NUMBER]))[NUMBER].preconditions) == {"verdict_claim"}


REPAIR = f"{NUMBER}-1"
UNTIL = date(2031, 5, 5)


def said(kind, **members):
    return kind(asset_no=NUMBER, occurred_on=DAY, **members)


def test_a_repair_is_a_ground_and_so_is_the_certificate_that_it_leads_to():
    assert asked(GROUNDS, said(RepairOrdered, repair=REPAIR)) == [ground("repair_order", REPAIR)]
    verified = said(ReVerified, certificate="C-1", valid_until=UNTIL, seals=("S-1", "S-2"))
    seals = [on(ApplySeal, seal_no=seal) for seal in ("S-1", "S-2")]
    assert asked(GROUNDS, verified) == [ground("re_verification", "C-1", valid_until=UNTIL), *seals]


def test_a_failure_withdraws_whatever_the_device_could_go_on():
    for failed in (
        said(ReVerificationFailed, repair=REPAIR),
        said(RepairReturned, repair=REPAIR, outcome="beyond_repair"),
    ):
        assert asked(GROUNDS, failed) == [ground("verdict_hold", REPAIR)]
    assert asked(GROUNDS, said(RepairReturned, repair=REPAIR, outcome="repaired")) == []


DOUBTS = {
    "inspected anew": said(InspectionOpened, round=2),
    "overruled": said(VerdictOverridden, round=1, disposition="hold"),
    "re-verification failed": said(ReVerificationFailed, repair=REPAIR),
    "beyond repair": said(RepairReturned, repair=REPAIR, outcome="beyond_repair"),
}
GOES = {
    "reinstall": ("reuse", "re_verification", on(Reinstall, work_order="WO-1", unit=UNIT), PRECONDITION_MISSING),
    "repair": ("reuse", "repair_order", None, None),
    "maker": ("claim", "claim_agreement", on(ReturnToMaker, maker="MK-1", reference="R-1"), PRECONDITION_MISSING),
    "materials": (
        "scrap",
        "scrap_approval",
        on(HandToRecycler, recycler="RC-1", lot="L-1", contract="C-1"),
        NOT_APPROVED,
    ),
}
"""By purpose: the verdict and what follows from it, and what then ends with the device out of the centre's hands."""


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize("purpose", GOES)
def test_nothing_goes_on_a_verdict_that_is_no_longer_the_last(purpose, doubt):
    disposition, follows, ends, refusal = GOES[purpose]
    judged = said(VerdictReached, round=1, disposition=disposition)
    judging = (*asked(GROUNDS, judged, stream=STREAM, version=7), ground(follows, "F-1"))
    doubting = asked(GROUNDS, DOUBTS[doubt], stream=STREAM, version=9)
    stands_again = said(InspectionAbandoned, round=2, disposition=disposition)
    given_up = asked(GROUNDS, stands_again, stream=STREAM, version=12)
    leave = on(Release, site=CENTRE, purpose=purpose, reference="R-1")
    assert isinstance(given_meter(*judging).when(leave).outcome, list)
    given_meter(*judging, *doubting).when(leave).refused(PRECONDITION_MISSING)
    given_meter(*judging, *doubting, *given_up).when(leave).refused(PRECONDITION_MISSING)
    # The policy comes a moment after the event: what was released in between goes no further, nor once the inspection
    # that doubted it was given up because the device had left.
    if ends is not None:
        given_meter(*judging, leave, *doubting).when(ends).refused(refusal)
        given_meter(*judging, leave, *doubting, *given_up).when(ends).refused(refusal)


def test_a_cancelled_repair_takes_its_order_away_and_leaves_the_verdict():
    story = given_meter(
        ground("verdict_reuse", f"{STREAM}/1/7"),
        *asked(GROUNDS, said(RepairOrdered, repair=REPAIR)),
        *asked(GROUNDS, said(RepairCancelled, repair=REPAIR)),
    )
    assert story.state.preconditions == {"verdict_reuse": REPAIR}
    story.when(on(Release, site=CENTRE, purpose="repair", reference="R-1")).refused(PRECONDITION_MISSING)


def given_meter(*commands):
    story = given(METER)
    for command in (*IN_STOCK, *commands):
        story.when(command)
        story.then(story.outcome)
    return story
