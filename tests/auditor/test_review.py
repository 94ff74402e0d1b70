"""The audit of a review: a true one end to end, and one with anything in it changed."""

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.finding import Fault
from auditor.review import replayed
from auditor.review_audit import audit_review
from auditor.review_differences import DIFFERENCES, Differs
from auditor.review_others import overlap
from auditor.review_results import lower_holds, upper_holds
from auditor.source import Place
from auditor.span import expanded
from auditor.trouble import Trouble
from auditor.verdict import FAULT, SELF_CONSISTENT, UNREADABLE, VERIFIED
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import Envelope, decode_envelope, envelope_of
from ledger.proof.draw import seed_of
from ledger.proof.note import Note
from ledger.transparency.layout import notes_in
from services.sorting.review.committing import WithdrawReview
from services.sorting.review.results import ReplaceSample
from services.sorting.sampling import clopper_pearson
from tests.auditor.logs import packed
from tests.ledger.making import everything
from tests.sorting.reviewing import INSTITUTE, NONCE, SUPERVISOR, hall, judge, number, verdict_of

Events = list[tuple[int, Envelope]]
STREAM = "review-R1"


async def reviewed(folder, until="concluded", *, differing=0):
    """A review of forty devices up to a phase, published. Returns its events and the first covering checkpoint."""
    async with hall(folder) as here:
        await judge(here.ledger, range(40))
        await judge(here.ledger, range(100, 103), disposition="hold")
        await here.committed()
        size = await here.shown()
        if until != "committed":
            await here.do(await here.revealing())
            gone = (await here.samples())[0]
            lost = {"reason": "missing", "why": "lost", "by": INSTITUTE}
            await here.do(ReplaceSample(occurred_at=here.at, review="R1", asset_no=gone, **lost))
            await here.retest(differing=differing)
            slip = (await here.samples(state="recorded"))[-1]
            await here.do(here.correction(slip, "claim"))
            await here.do(here.correction(slip, verdict_of(slip), by=INSTITUTE))
        if until == "concluded":
            await here.conclude()
            await here.tick()
        await here.publish()
        events = [(at, decode_envelope(envelope_of(one))) for at, one in enumerate(await everything(here.ledger))]
    return events, size


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The events of a concluded review, the root that covers it, and the files."""
    folder = tmp_path_factory.mktemp("review")
    events, size = asyncio.run(reviewed(folder, differing=1))
    said = event_of(events, "SampleDrawn")
    return events, (size, bytes.fromhex(said["checkpoint_root"])), folder / "proof"


def event_of(events: Events, name: str) -> dict[str, Any]:
    return json.loads(next(one.data for _, one in events if one.type == f"sorting.{name}"))


def changed(events: Events, name: str, change: Callable[[dict[str, Any]], None], stream: str = "") -> Events:
    """The same with what the first event of this type (of this stream) says changed."""
    found = list(events)
    at = next(
        at for at, (_, one) in enumerate(found) if one.type == f"sorting.{name}" and one.stream.startswith(stream)
    )
    said = json.loads(found[at][1].data)
    change(said)
    found[at] = (found[at][0], msgspec.structs.replace(found[at][1], data=json.dumps(said).encode()))
    return found


def without(events: Events, name: str, stream: str) -> Events:
    return [one for one in events if (one[1].type, one[1].stream) != (f"sorting.{name}", stream)]


def differences(told, events: Events) -> list[tuple[Differs, str | None]]:
    redrawn = replayed("R1", events, lambda _index: told[1])
    assert redrawn.differences_count == len(redrawn.differences)
    return [(one.what, one.asset_no) for one in redrawn.differences]


async def test_a_true_review_is_re_derived_from_what_is_published(told):
    _, (size, _), proof = told
    report = audit_review(Place(str(proof)), "R1", None, "")
    assert (report.findings, report.redrawn.differences) == ([], [])
    assert report.verdict.status == SELF_CONSISTENT
    found = report.redrawn
    assert (found.phase, found.members, found.checkpoint_size) == ("concluded", 40, size)
    assert (found.recorded, found.consequence) == (found.samples, "resort")
    policy = (proof / "log" / "policy").read_bytes()
    assert audit_review(Place(str(proof)), "R1", policy, "p").verdict.status in {VERIFIED, SELF_CONSISTENT}


async def test_another_review_is_not_there(told):
    report = audit_review(Place(str(told[2])), "R9", None, "")
    assert [one.what for one in report.redrawn.differences] == [Differs.NO_REVIEW]
    assert report.verdict.status == FAULT


async def test_a_review_that_was_there_to_keep_devices_from_another_is_seen_through(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(8), maker="M01", disposition="scrap")
        await judge(here.ledger, range(20, 23), maker="M07", disposition="scrap")
        await here.propose("DECOY", makers=("M07",))
        await here.tick()
        await here.committed()
        row = await here.row()
        assert (row.members, row.in_review) == (8, 3)
        why = "taken back when the other is committed"
        await here.do(WithdrawReview(occurred_at=here.at, review="DECOY", why=why, by=SUPERVISOR))
        await here.tick()
        events = [(at, decode_envelope(envelope_of(one))) for at, one in enumerate(await everything(here.ledger))]
    found = replayed("R1", events, lambda _index: None).differences
    named = {(one.what, one.asset_no, one.found) for one in found}
    assert named == {(Differs.STOOD_AGAIN, number(serial), "in_review") for serial in range(20, 23)}


async def test_without_the_supervisors_set_nothing_is_said(told, tmp_path):
    whole = told[2]
    for file in whole.rglob("*"):
        if file.is_file() and "supervisor" not in file.parts:
            copy = tmp_path / file.relative_to(whole)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    report = audit_review(Place(str(tmp_path)), "R1", None, "")
    assert (report.verdict.status, report.verdict.code) == (UNREADABLE, Trouble.NOT_WHOLE)


async def test_a_checkpoint_above_the_newest_covers_nothing(tmp_path):
    _, size = await reviewed(tmp_path)
    proof = tmp_path / "proof"
    (day,) = (one for one in (proof / "log" / "checkpoints").iterdir() if one.name[0].isdigit())
    notes = notes_in(day.read_bytes())
    first = next(at for at, note in enumerate(notes) if Checkpoint.parse(Note.parse(note).text).size == size)
    # As if the newest were the first that covered the commitment, and those after it came before it.
    day.write_bytes(b"\n".join([*notes[:first], *notes[first + 1 :], notes[first]]))
    (proof / "log" / "checkpoint").write_bytes(notes[first])
    report = audit_review(Place(str(proof)), "R1", None, "")
    assert (report.tree_size, report.redrawn.phase) == (size, "committed")
    assert report.redrawn.checkpoint_size == size


async def test_an_event_that_is_not_the_log_s_is_a_fault(tmp_path):
    await reviewed(tmp_path, "committed")
    (file,) = (tmp_path / "proof" / "supervisor" / "disclosed").glob("0*")
    data = file.read_bytes()
    records = expanded(data)
    assert records.count(b'"disposition":"reuse"') > 3
    file.write_bytes(packed([records.replace(b'"disposition":"reuse"', b'"disposition":"scrap"', 1)]))
    report = audit_review(Place(str(tmp_path / "proof")), "R1", None, "")
    assert Fault.REWRITTEN in {one.fault for one in report.findings}
    assert report.verdict.status == FAULT


async def test_a_member_that_was_left_out_is_named(told):
    left_out = without(told[0], "PopulationJoined", f"inspection-{number(7)}")
    left_out = without(left_out, "PopulationLeft", f"inspection-{number(7)}")
    assert (Differs.LEFT_OUT, number(7)) in differences(told, left_out)
    assert (Differs.ROOT, None) in differences(told, left_out)


async def test_a_member_that_was_added_is_named(told):
    joined = next(one for _, one in told[0] if one.type == "sorting.PopulationJoined")
    said = json.loads(joined.data) | {"asset_no": number(100), "disposition": "hold", "waived": True, "maker": "M01"}
    added = msgspec.structs.replace(
        joined, stream=f"inspection-{number(100)}", data=json.dumps(said).encode(), version=9
    )
    at = next(at for at, (_, one) in enumerate(told[0]) if one.type == "sorting.PopulationCommitted")
    events = [*told[0][:at], (told[0][at][0] - 1, added), *told[0][at:]]
    found = differences(told, events)
    assert (Differs.ADDED, number(100)) in found
    assert {Differs.ROOT, Differs.STRATA} <= {what for what, _ in found}


async def test_a_verdict_that_differs_is_named(told):
    other = changed(told[0], "VerdictReached", lambda said: said.update(disposition="claim"))
    asset_no = event_of(told[0], "VerdictReached")["asset_no"]
    assert (Differs.VERDICT, asset_no) in differences(told, other)
    assert (Differs.ROOT, None) in differences(told, other)


async def test_a_sample_chosen_by_another_checkpoint_is_named(told):
    events, (size, root), _ = told
    drawn, committed = event_of(events, "SampleDrawn"), event_of(events, "PopulationCommitted")
    other = sha256(b"another root").digest()
    assert seed_of(bytes.fromhex(committed["root"]), NONCE, other) != seed_of(
        bytes.fromhex(committed["root"]), NONCE, root
    )
    chosen = changed(events, "SampleDrawn", lambda said: said.update(checkpoint_root=other.hex()))
    # Not the first that was published, nor the one on record.
    assert differences(told, chosen) == [(Differs.CHECKPOINT, None)] * 2
    later = (size + 1, other)
    found = [one.what for one in replayed("R1", events, lambda _index: later).differences]
    assert found[0] is Differs.CHECKPOINT
    assert Differs.SAMPLE in found
    assert drawn["checkpoint_size"] == size


CHANGES: list[tuple[str, Callable[[dict[str, Any]], None], set[Differs]]] = [
    ("PopulationCommitted", lambda said: said.update(root="0" * 64), {Differs.ROOT}),
    ("PopulationCommitted", lambda said: said["strata"][0].update(members=1_000), {Differs.STRATA}),
    ("PopulationCommitted", lambda said: said["strata"].pop(), {Differs.STRATA}),
    ("PopulationCommitted", lambda said: said.update(members=41), {Differs.STRATA}),
    ("PopulationCommitted", lambda said: said.update(sample=3), {Differs.SIZES}),
    ("NonceEntrusted", lambda said: said.update(nonce_sha256="0" * 64), {Differs.NONCE}),
    ("SampleDrawn", lambda said: said.update(nonce="0" * 64), {Differs.NONCE, Differs.SAMPLE, Differs.RESULT}),
    ("SampleDrawn", lambda said: said["drawn"][0]["sample"].reverse(), {Differs.SAMPLE}),
    ("SampleDrawn", lambda said: said["drawn"].append(said["drawn"][0]), {Differs.SAMPLE}),
    ("SampleDrawn", lambda said: said.update(checkpoint_size=1), {Differs.CHECKPOINT}),
    ("CommitmentPublished", lambda said: said.update(checkpoint_size=1), {Differs.CHECKPOINT}),
    ("CommitmentPublished", lambda said: said.update(reveal_by="2026-05-09T01:00:00Z"), {Differs.TERM}),
    ("PopulationCommitted", lambda said: said.update(reveal_within_h=1), {Differs.TERM}),
    ("PopulationCommitted", lambda said: said.update(left_out={"repaired": 1}), {Differs.COUNTS}),
    ("SampleReplaced", lambda said: said.update(spare=number(39)), {Differs.RESULT}),
    ("SampleReplaced", lambda said: said.update(asset_no=number(100)), {Differs.RESULT, Differs.CONCLUSION}),
    ("ResultRecorded", lambda said: said.update(asset_no=number(100)), {Differs.RESULT, Differs.CONCLUSION}),
    ("Concluded", lambda said: said.update(agreed=said["agreed"] + 1), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said.update(consequence="accepted"), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said["disagreeing"].update(upper_ppm=999), {Differs.CONCLUSION}),
    ("ResultCorrected", lambda said: said.update(asset_no=number(100)), {Differs.RESULT, Differs.CONCLUSION}),
    ("ResultCorrected", lambda said: said.update(overruled="claim"), {Differs.RESULT}),
    ("ResultCorrected", lambda said: said.update(by=INSTITUTE), {Differs.RESULT}),
    ("SampleReplaced", lambda said: said.update(on_record_at="S1"), {Differs.RECORD}),
    ("Concluded", lambda said: said.pop("replaced"), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said.update(corrected=0), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said["worst"].update(disagreed=1), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said["worst"]["disagreeing"].update(upper_ppm=999), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said["disagreeing"].update(lower_ppm=999), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said["disagreeing"].update(estimate_ppm=999), {Differs.CONCLUSION}),
    ("Concluded", lambda said: said.pop("agreed"), {Differs.UNREADABLE}),
]


@pytest.mark.parametrize(("name", "change", "expected"), CHANGES, ids=lambda one: one if isinstance(one, str) else "")
async def test_whatever_is_changed_is_named(told, name, change, expected):
    found = {what for what, _ in differences(told, changed(told[0], name, change))}
    assert found & expected
    assert found <= expected | {Differs.CONCLUSION, Differs.RESULT, Differs.SAMPLE, Differs.NONCE, Differs.RESORT}


async def test_a_place_on_record_that_is_not_the_registry_s_is_named(told):
    at, replaced = next((at, one) for at, one in told[0] if one.type == "sorting.SampleReplaced")
    gone = json.loads(replaced.data)["asset_no"]
    moved = {"asset_no": gone, "moved": {"device_class": "01", "to_site": "S1"}}
    arrived = msgspec.structs.replace(
        replaced, stream=f"meter-{gone}", type="registry.Received", data=json.dumps(moved).encode(),
        recorded_at_us=replaced.recorded_at_us - 3_600_000_000,
    )  # fmt: skip
    events = sorted([*told[0], (at - 1, arrived)], key=lambda pair: pair[0])
    assert differences(told, events) == [(Differs.RECORD, gone)]
    honest = changed(events, "SampleReplaced", lambda said: said.update(on_record_at="S1"))
    assert differences(told, honest) == []
    just_now = [
        (
            at,
            msgspec.structs.replace(one, recorded_at_us=replaced.recorded_at_us)
            if one.stream == f"meter-{gone}"
            else one,
        )
        for at, one in events
    ]
    assert differences(told, just_now) == []


async def test_a_result_recorded_twice_is_named(told):
    at, one = next((at, one) for at, one in told[0] if one.type == "sorting.ResultRecorded")
    events = sorted([*told[0], (at, one)], key=lambda pair: pair[0])
    asset_no = json.loads(one.data)["asset_no"]
    assert (Differs.RESULT, asset_no) in differences(told, events)


async def test_a_member_that_changes_while_it_is_frozen_is_named(told):
    verdict = next(one for _, one in told[0] if one.type == "sorting.VerdictReached")
    drawn = next(at for at, one in told[0] if one.type == "sorting.SampleDrawn")
    events = sorted([*told[0], (drawn, verdict)], key=lambda pair: pair[0])
    assert (Differs.CHANGED, json.loads(verdict.data)["asset_no"]) in differences(told, events)


async def test_a_draw_that_failed_in_time_is_one_and_before_it_is_named(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(5))
        await here.committed()
        here.at = here.at.replace(day=here.at.day + 2)
        await here.tick()
        events = [(at, decode_envelope(envelope_of(one))) for at, one in enumerate(await everything(here.ledger))]
    late = [(at, msgspec.structs.replace(one, recorded_at_us=1 << 52)) for at, one in events]
    assert [one.what for one in replayed("R1", late, lambda _index: None).differences] == []
    early = [(at, msgspec.structs.replace(one, recorded_at_us=0)) for at, one in events]
    assert [one.what for one in replayed("R1", early, lambda _index: None).differences] == [Differs.LATE]


async def test_a_member_that_leaves_otherwise_than_was_concluded_is_named(told):
    assert {json.loads(one.data)["resort"] for _, one in told[0] if one.type == "sorting.PopulationLeft"} == {True}
    asset_no = event_of(told[0], "PopulationLeft")["asset_no"]
    for change in ({"resort": False}, {"sampled": False}, {"sampled": True}):
        found = differences(told, changed(told[0], "PopulationLeft", lambda said, to=change: said.update(to)))
        was = {name: event_of(told[0], "PopulationLeft").get(name, False) for name in change}
        assert found == ([] if was == change else [(Differs.RESORT, asset_no)])


async def test_a_verdict_that_is_made_use_of_though_its_batch_is_sorted_again_is_named(told):
    at, left = [(at, one) for at, one in told[0] if one.type == "sorting.PopulationLeft"][-1]
    asset_no = json.loads(left.data)["asset_no"]
    ordered = msgspec.structs.replace(left, type="sorting.RepairOrdered")
    assert differences(told, [*told[0], (at + 1, ordered)]) == [(Differs.RESORT, asset_no)]
    anew = msgspec.structs.replace(left, type="sorting.InspectionOpened")
    assert differences(told, [*told[0], (at + 1, anew), (at + 2, ordered)]) == []


def proposed_before(told, review, ended, **criteria):
    """The same events after another review of this log, which ended so."""
    own = next(one for _, one in told[0] if one.type == "sorting.ReviewProposed")
    said = json.loads(own.data)
    data = json.dumps(said | {"criteria": said["criteria"] | criteria}).encode()
    stream = f"review-{review}"
    proposed = msgspec.structs.replace(own, stream=stream, data=data)
    ends = msgspec.structs.replace(own, stream=stream, type=f"sorting.{ended}", data=b'{"consequence":"resort"}')
    return [(-2, proposed), (-1, ends), *told[0]]


@pytest.mark.parametrize(
    ("criteria", "overlaps"),
    [
        ({}, True),
        ({"judged_from": "2026-05-01", "judged_to": "2026-05-06"}, True),
        ({"judged_from": "2026-05-01", "judged_to": "2026-05-05"}, False),
        ({"judged_from": "2026-05-07", "judged_to": "2026-05-09"}, False),
        ({"site": "elsewhere", "makers": ["M01"], "scheme_group": "g", "dispositions": ["claim"]}, True),
    ],
)
async def test_reviews_of_some_of_the_same_verdicts_before_are_listed_with_how_they_ended(told, criteria, overlaps):
    redrawn = replayed("R1", proposed_before(told, "R0", "Concluded", **criteria), lambda _index: told[1])
    assert redrawn.differences == []
    found = [(one.review, one.phase, one.consequence) for one in redrawn.earlier]
    assert found == ([("R0", "concluded", "resort")] if overlaps else [])
    for ended, phase in (("DrawFailed", "failed"), ("ReviewWithdrawn", "withdrawn")):
        redrawn = replayed("R1", proposed_before(told, "R0", ended), lambda _index: told[1])
        assert [one.phase for one in redrawn.earlier] == [phase]


def test_what_two_reviews_name_must_meet_for_them_to_overlap():
    days = {"judged_from": "2026-05-06", "judged_to": "2026-05-06"}
    for name, one, other in (
        ("site", "S1", "S2"),
        ("scheme_group", "a", "b"),
        ("makers", ["M01"], ["M02"]),
        ("dispositions", ["scrap"], ["claim", "reuse"]),
    ):
        assert not overlap(days | {name: one}, days | {name: other})
        assert overlap(days | {name: one}, days | {name: one})
        assert overlap(days | {name: one}, days)


@given(st.integers(1, 60), st.data(), st.sampled_from([500_000, 900_000, 950_000]))
def test_bounds_hold_where_both_ways_of_reckoning_them_agree(tested, data, confidence_ppm):
    seen = data.draw(st.integers(0, tested))
    own = clopper_pearson(seen, tested, confidence_ppm)
    for holds, ppm in ((lower_holds, own.lower_ppm), (upper_holds, own.upper_ppm)):
        assert [holds(seen, tested, confidence_ppm, ppm + by) for by in (-1, 0, 1)] == [False, True, False]


def test_every_difference_has_its_words():
    assert DIFFERENCES.keys() == set(Differs)
