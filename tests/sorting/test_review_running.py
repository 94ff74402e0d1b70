"""Reviews as sorting runs them, over a log that is sequenced and published."""

from datetime import timedelta
from hashlib import sha256

import msgspec

from kernel.handling import Ask, Context, Outcome
from kernel.quantity import us_of_instant
from kernel.refusal import Refusal
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import Note
from ledger.sqlite import SqliteLedger
from ledger.transparency.layout import CHECKPOINT
from ledger.transparency.storage import DirectoryStorage
from services.sorting.app import CODEC
from services.sorting.inspection.opening import OpenInspection
from services.sorting.inspection.override import OverrideProposed, ProposeOverride
from services.sorting.review.committing import EntrustNonce, ProposeReview, WithdrawReview
from services.sorting.review.results import ReplaceSample
from services.sorting.review.state import ReviewCriteria
from services.sorting.views.inspection import INSPECTIONS
from services.sorting.views.review import with_late
from services.sorting.views.sampled import SampleRow
from services.sorting.views.waiting import WAITING
from tests.given import fresh_id
from tests.sorting.examples import SITE
from tests.sorting.reviewing import (
    INSTITUTE,
    JUDGED_ON,
    SUPERVISOR,
    hall,
    judge,
    nonce_of,
    number,
    opened,
    ordered,
)
from tests.sorting.written import written


async def frozen(hall, review="R1"):
    rows = await hall.sorting.page(INSPECTIONS, {"review": review}, None, 500, seen=await hall.ledger.head())
    return [row.asset_no for row in rows]


async def test_a_review_from_its_proposal_to_its_conclusion(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(60))
        await here.drawn()
        row = await here.row()
        # 60 of a plan that draws 24 of so many, rounded up in each of the strata.
        assert (row.phase, row.joined, row.members) == ("drawn", 60, 60)
        assert 24 <= row.samples <= 24 + 12
        await here.retest(differing=0)
        await here.conclude()
        row = await here.row()
        assert (row.phase, row.consequence, row.disagreed, row.agreed) == ("concluded", "accepted", 0, row.samples)
        assert (row.lower_ppm, row.upper_ppm > 0) == (0, True)
        assert len(await frozen(here)) == 60
        await here.tick()
        assert await frozen(here) == []
        assert await here.tick() == []


async def test_what_disagrees_too_often_is_sorted_again(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(60))
        await here.drawn()
        drawn = {*await here.samples(), *await here.samples(state="spare")}
        await here.retest(differing=1)
        await here.conclude()
        row = await here.row()
        assert (row.consequence, row.disagreed, row.worst_disagreed) == ("resort", 1, 1)
        assert await here.tick() == []
        assert await frozen(here) == []
        rows = await here.sorting.page(INSPECTIONS, {}, None, 500, seen=await here.ledger.head())
        assert {(row.phase, row.disposition, row.judged_on) for row in rows} == {("resort", None, None)}
        left = [(await here.sorting.events_of(number(serial)))[-1][0] for serial in range(60)]
        assert {event.resort for event in left} == {True}
        assert {event.asset_no for event in left if event.sampled} == drawn
        waiting = await here.sorting.page(WAITING, {}, None, 500, seen=await here.ledger.head())
        assert {(row.waits_for, row.reopened_on is None) for row in waiting} == {("verdict", False)}
        about = {"occurred_at": here.at, "asset_no": number(1)}
        override = ProposeOverride(**about, disposition="claim", why="synthetic", by="u-2")
        assert await here.refused(override) == "inspection.to_be_resorted"
        # The same days asked again: no verdict of theirs stands.
        await here.propose("R2")
        await here.entrust("R2")
        assert await here.tick() == []
        assert ((await here.row("R2")).phase, (await here.row("R2")).joined) == ("joining", 0)


async def test_of_a_population_smaller_than_the_plan_all_are_tested(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(7))
        await here.drawn()
        assert await here.samples() == sorted(number(serial) for serial in range(7))
        assert await here.samples(state="spare") == []


async def test_the_first_checkpoint_that_covers_the_commitment_counts_whenever_one_looks(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.propose()
        await here.entrust()
        await here.publish()
        await here.tick()
        await here.tick()
        row = await here.row()
        assert (row.phase, row.checkpoint_size, row.reveal_by_us) == ("committed", None, None)
        first = await here.publish()
        await judge(here.ledger, range(100, 110))
        assert await here.publish() > first
        since = here.at
        assert await here.tick() == []
        row = await here.row()
        assert row.checkpoint_size == first
        assert row.reveal_by_us == us_of_instant(since + timedelta(hours=24)), "the term runs from when it was there"
        await here.do(await here.revealing())
        assert (await here.row()).phase == "drawn"


async def test_a_nonce_that_comes_with_another_checkpoint_draws_nothing(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.committed()
        first = await here.shown()
        for other in ({"checkpoint_size": first + 1}, {"checkpoint_root": "0" * 64}):
            assert await here.refused(await here.revealing(**other)) == "review.checkpoint_differs"
        assert (await here.row()).phase == "committed"
        await here.do(await here.revealing())


async def test_a_checkpoint_that_nobody_has_noted_yet_is_found_when_the_nonce_comes(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.committed()
        size = await here.publish()
        note = DirectoryStorage(tmp_path / "proof").read(CHECKPOINT)
        root = Checkpoint.parse(Note.parse(note).text).root.hex()
        await here.do(await here.revealing(checkpoint_size=size, checkpoint_root=root))
        row = await here.row()
        assert (row.phase, row.checkpoint_size, row.checkpoint_root) == ("drawn", size, root)


async def test_a_nonce_that_comes_before_any_checkpoint_fails_the_draw(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.committed()
        assert await here.refused(await here.revealing(nonce=bytes(32))) == "review.wrong_nonce"
        await here.do(await here.revealing())
        row = await here.row()
        assert (row.phase, row.failure) == ("failed", "revealed_early")


async def test_a_log_that_publishes_nothing_fails_the_draw_and_not_the_supervisor(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.committed()
        here.at += timedelta(hours=24)
        assert await here.tick() == []
        row = await here.row()
        assert (row.phase, row.failure) == ("failed", "not_published")


async def test_the_supervisor_sets_the_term_to_reveal(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.propose()
        await here.entrust(reveal_within_h=2)
        for _ in range(2):
            await here.tick()
        await here.publish()
        since = here.at
        await here.tick()
        assert (await here.row()).reveal_by_us == us_of_instant(since + timedelta(hours=2))


async def test_a_nonce_that_comes_late_fails_the_draw_and_frees_the_devices(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(20))
        await here.committed()
        await here.shown()
        assert await here.refused(await here.revealing(nonce=bytes(32))) == "review.wrong_nonce"
        here.at = here.at.replace(day=here.at.day + 2)
        assert await here.refused(await here.revealing()) == "review.nonce_too_late"
        assert await here.tick() == []
        row = await here.row()
        assert (row.phase, row.failure) == ("failed", "not_revealed")
        assert len(await frozen(here)) == 20
        await here.tick()
        assert await frozen(here) == []


async def test_a_member_does_not_change_while_it_is_frozen(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(5))
        await here.committed()
        about = {"occurred_at": here.at, "asset_no": number(1)}
        opening = OpenInspection(**about, bench="B1", site=SITE, why="again")
        override = ProposeOverride(**about, disposition="claim", why="synthetic", by="u-2")
        assert await here.refused(override) == "inspection.frozen"
        # Sorting knows no such device here; what is on record is told by other tests.
        assert await here.refused(opening) == "inspection.not_on_record"


async def test_joining_goes_on_where_it_was_cut_off(tmp_path):
    ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    async with hall(tmp_path, ledger) as here:
        await judge(ledger, range(30))
        await here.propose()
        await here.entrust()
        assert await here.tick(most=11) == []
        at = here.at
    await ledger.close()
    ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    async with hall(tmp_path, ledger) as here:
        here.at = at
        assert len(await frozen(here)) == 11
        await here.tick()
        assert (await here.row()).phase == "joining"
        await here.tick()
        row = await here.row()
        assert (row.phase, row.joined, row.members) == ("committed", 30, 30)
    await ledger.close()


async def test_of_two_reviews_the_first_has_what_both_are_about(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(12))
        await judge(here.ledger, range(100, 110), site="other")
        await here.propose("R1", site=SITE)
        await here.propose("R2")
        await here.entrust("R1")
        await here.entrust("R2")
        for _ in range(2):
            assert await here.tick() == []
        rows = [await here.row("R1"), await here.row("R2")]
        assert [(row.phase, row.members) for row in rows] == [("committed", 12), ("committed", 10)]
        await here.propose("R3", site=SITE)
        await here.entrust("R3")
        assert await here.tick() == []
        row = await here.row("R3")
        assert (row.phase, row.joined) == ("joining", 0)
        await here.do(WithdrawReview(occurred_at=here.at, review="R3", why="nothing is free", by=SUPERVISOR))


async def test_an_override_that_is_open_keeps_nothing_from_being_committed(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(6))
        proposed = OverrideProposed(
            occurred_on=JUDGED_ON, asset_no=number(2), round=1, disposition="claim", why="synthetic", by="u-2"
        )
        await written(here.ledger, CODEC, f"inspection-{number(2)}", proposed)
        await here.committed()
        assert (await here.row()).members == 6


async def test_what_is_left_out_is_counted_by_its_reason(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(12))
        await judge(here.ledger, range(20, 23), maker="M07")
        for serial, event in ((3, opened(3)), (4, opened(4)), (7, ordered(7))):
            await written(here.ledger, CODEC, f"inspection-{number(serial)}", event)
        # Of days, or a maker, that the review is not about.
        await judge(here.ledger, [30], on=JUDGED_ON.replace(day=7))
        await written(here.ledger, CODEC, f"inspection-{number(30)}", ordered(30))
        await here.propose("A0", makers=("M07",))
        assert await here.tick() == []
        await here.committed()
        row = await here.row()
        assert (row.members, row.inspected_anew, row.repaired, row.in_review) == (9, 2, 1, 3)


async def test_verdicts_that_come_late_are_counted_on_the_review_s_row(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(12))
        await here.committed()
        here.at += timedelta(minutes=1)
        await judge(here.ledger, range(20, 23))
        await judge(here.ledger, range(30, 32), on=JUDGED_ON.replace(day=7))
        await judge(here.ledger, range(40, 42), disposition="hold")
        row = await here.row()
        counted = await here.sorting.ask(lambda connection: with_late(connection, row))
        assert (row.late, counted.late, counted.members) == (None, 3, 12)


async def test_of_two_reviews_the_one_proposed_first_has_what_both_are_about_whatever_they_are_called(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(12))
        await here.propose("R2")
        here.at = here.at.replace(minute=1)
        await here.propose("R1")
        await here.tick()
        assert ((await here.row("R2")).joined, (await here.row("R1")).joined) == (12, 0)


async def test_a_nonce_that_was_entrusted_before_is_refused_also_in_one_call(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(2))
        for review in ("R1", "R2", "R3"):
            await here.propose(review)
        await here.entrust("R1")
        taken, other = (sha256(nonce_of(review)).hexdigest() for review in ("R1", "R2"))
        for review, digest, expected in (("R2", taken, 1), ("R2", other, 0), ("R3", other, 1)):
            asked = EntrustNonce(occurred_at=here.at, review=review, nonce_sha256=digest, by=SUPERVISOR)
            assert [await here.refused(asked)] == ["nonce.used"] if expected else await here.do(asked)
        await here.propose("R4")
        both = [
            EntrustNonce(occurred_at=here.at, review=review, nonce_sha256="5" * 64, by=SUPERVISOR)
            for review in ("R3", "R4")
        ]
        asks = [Ask(command, Context(command_id=fresh_id(), actor="u-1")) for command in both]
        first, second = await here.sorting.do_many(asks)
        assert isinstance(first, Outcome)
        assert isinstance(second, Refusal)
        assert second.code == "nonce.used"


async def test_only_verdicts_that_fit_join(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(4), maker="M01", disposition="scrap")
        await judge(here.ledger, range(10, 12), maker="M02", disposition="scrap")
        await judge(here.ledger, range(20, 22), maker="M01", disposition="hold")
        await judge(here.ledger, range(30, 32), maker="M01", on=JUDGED_ON.replace(day=7))
        await judge(here.ledger, range(40, 42), maker="M01", site="elsewhere", disposition="scrap")
        fits = {"makers": ("M01",), "dispositions": ("scrap",), "site": SITE, "scheme_group": "single_phase"}
        await here.committed(**fits)
        assert await frozen(here) == sorted(number(serial) for serial in range(4))


async def test_a_spare_takes_the_place_of_a_missing_sample(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(60), maker="M01", disposition="scrap")
        await here.drawn()
        samples, spares = await here.samples(), await here.samples(state="spare")
        gone = samples[0]
        await here.do(
            ReplaceSample(
                occurred_at=here.at, review="R1", asset_no=gone, reason="missing", why="not to be found", by=INSTITUTE
            )
        )
        assert await here.refused(here.result(gone, "scrap")) == "review.not_sampled"
        now = await here.samples()
        (spare,) = set(now) - set(samples)
        assert spare in spares
        assert await here.samples(state="replaced") == [gone]
        await here.do(here.result(spare, "scrap"))


async def test_who_retests_is_shown_no_verdict(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(10))
        await here.drawn()
        rows = await here.sorting.page(INSPECTIONS, {"review": "R1"}, None, 1, seen=await here.ledger.head())
        shown = set(msgspec.structs.asdict(rows[0]))
        assert {"disposition", "waived"} <= shown
        # The maker is on the device's own plate.
        assert not {"disposition", "waived", "verdict"} & set(SampleRow.__struct_fields__)


async def test_there_is_no_review_without_a_plan(tmp_path):
    async with hall(tmp_path) as here:
        criteria = ReviewCriteria(judged_from=JUDGED_ON, judged_to=JUDGED_ON)
        asked = ProposeReview(occurred_at=here.at, review="R1", criteria=criteria, plan="7.7", by=SUPERVISOR)
        assert await here.refused(asked) == "review.no_such_plan"


async def test_no_plan_that_is_still_to_be_confirmed_is_used_in_production(tmp_path):
    async with hall(tmp_path, production=True) as here:
        criteria = ReviewCriteria(judged_from=JUDGED_ON, judged_to=JUDGED_ON)
        asked = ProposeReview(occurred_at=here.at, review="R1", criteria=criteria, plan="8.0", by=SUPERVISOR)
        assert await here.refused(asked) == "review.plan_unconfirmed"
