"""No false alarm: logs of what the registry really records are found to be true, whichever set one may read."""

import shutil

import msgspec
import pytest

from auditor.finding import Fault
from auditor.source import Place
from auditor.verdict import SELF_CONSISTENT, VERIFIED
from tests.auditor.auditing import POLICY, audited
from tests.auditor.logs import PUBLIC_TYPES, TrueLog, every_kind, log_of, policy, season
from tests.registry.views.every_event import everything


@pytest.mark.parametrize("log", [every_kind(), season()], ids=["every kind", "season"])
def test_everything_that_the_registry_records_is_verified(tmp_path, log):
    report = audited(log.write(tmp_path))
    assert report.findings == []
    assert ["minutes passed between checkpoints" in note for note in report.notes] == [True]
    assert report.verdict.status == VERIFIED
    assert report.verdict.en == "verified under the tests' policy"
    assert (report.part, report.tree_size, report.events) == ("supervisor", len(log.events), len(log.events))
    assert report.streams == len({event.stream for event in log.events})
    assert report.checkpoints == len(log.stops)


@pytest.mark.parametrize("seed", range(10, 22))
def test_lives_drawn_at_random_are_verified(tmp_path, seed):
    log = season(300, seed)
    assert audited(log.write(tmp_path)).findings == []


def test_whoever_reads_the_public_set_alone_finds_nothing_wrong(tmp_path):
    log = season()
    shutil.rmtree(log.write(tmp_path) / "supervisor")
    report = audited(tmp_path)
    assert (report.part, report.findings, report.verdict.status) == ("public", [], VERIFIED)
    assert report.events == sum(event.type in PUBLIC_TYPES for event in log.events) > 0


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512])
def test_logs_of_every_width_are_verified(tmp_path, size):
    events = season().events[:size]
    log = log_of(events) if size else TrueLog((), ((0, 1_000), (0, 9_000)))
    report = audited(log.write(tmp_path))
    assert (report.findings, report.verdict.status, report.tree_size) == ([], VERIFIED, size)


def test_a_log_that_began_after_its_ledger_and_caught_up_is_verified(tmp_path):
    events = season().events
    now_s = events[-1].recorded_at_us // 1_000_000 + 90 * 86_400
    stops = tuple((size, now_s + number) for number, size in enumerate((0, 100, 400, 600, len(events))))
    log = TrueLog(events, (*stops, (len(events), now_s + 7_200)))
    assert audited(log.write(tmp_path)).findings == []


def test_witnesses_may_come_to_a_log_that_is_there(tmp_path):
    log = every_kind()
    later = TrueLog(log.events, log.stops, unwitnessed=5)
    assert audited(later.write(tmp_path)).findings == []


def test_two_processes_find_what_one_finds(tmp_path):
    log = season()
    log.write(tmp_path)
    one, two = audited(tmp_path), audited(tmp_path, jobs=2)
    assert (one.root, one.events, one.streams, one.findings) == (two.root, two.events, two.streams, two.findings)


def test_without_witnesses_or_memory_a_log_is_consistent_with_itself_only(tmp_path):
    log = every_kind()
    log.write(tmp_path / "log")
    for how in ({"policy": None}, {"policy": policy(quorum=False).encoded()}):
        report = audited(tmp_path / "log", **how)
        assert (report.findings, report.verdict.status) == ([], SELF_CONSISTENT)
        assert report.verdict.en == "consistent with itself; rollback and split view not ruled out"


def test_whoever_remembers_is_told_that_the_log_only_grew(tmp_path):
    whole = season()
    begun = log_of(whole.events[:300])
    state = tmp_path / "state"
    first = audited(begun.write(tmp_path / "then"), state=state, policy=None)
    assert first.verdict.status == SELF_CONSISTENT
    second = audited(whole.write(tmp_path / "now"), state=state, policy=None)
    assert (second.findings, second.verdict.status) == ([], VERIFIED)
    assert second.verdict.en == "verified under the checkpoint of the last audit"


def test_what_is_not_there_cannot_be_read(tmp_path):
    assert audited(tmp_path, place=Place(str(tmp_path / "nowhere")), policy=None).verdict.status == 2
    assert audited(every_kind().write(tmp_path), policy=b"nonsense\n").verdict.status == 2
    assert audited(tmp_path, policy=POLICY).verdict.status == VERIFIED


def test_the_story_is_of_every_type():
    known = {of.type for _, of in everything().events}
    assert known == {event.type for event in every_kind().events}
    assert len(known) > 50


@pytest.mark.parametrize(("skew_s", "back_us", "found"), [(5, 4_000_000, 0), (5, 6_000_000, 1), (0, 1, 1), (0, 0, 0)])
def test_times_may_go_back_by_the_skew_that_is_stated(tmp_path, skew_s, back_us, found):
    """A ledger of several machines has several clocks; the embedded one never records a time below the one before."""
    events = list(every_kind().events)
    events[50] = msgspec.structs.replace(events[50], recorded_at_us=events[49].recorded_at_us - back_us)
    report = audited(TrueLog(tuple(events), every_kind().stops).write(tmp_path), skew_s=skew_s)
    assert [one.fault for one in report.findings] == [Fault.BACKDATED] * found


def test_within_the_skew_the_cosignatures_decide(tmp_path):
    """An event set back by less than the skew, and all after it, so that the log alone cannot tell."""
    log = every_kind()
    at, last_us = len(log.events) - 1, log.events[-2].recorded_at_us
    quiet = (at, last_us // 1_000_000 + 20)
    later = msgspec.structs.replace(log.events[at], recorded_at_us=quiet[1] * 1_000_000 + 10_000_000)
    stops = (*(stop for stop in log.stops if stop[0] < at), (at, last_us // 1_000_000 + 1), quiet)
    stops = (*stops, (at + 1, quiet[1] + 12), (at + 1, quiet[1] + 7_200))
    true = TrueLog((*log.events[:-1], later), stops)
    assert audited(true.write(tmp_path / "true"), tolerance_s=1).findings == []
    backdated = msgspec.structs.replace(later, recorded_at_us=last_us + 10_000_000)
    report = audited(TrueLog((*log.events[:-1], backdated), stops).write(tmp_path / "untrue"), tolerance_s=1)
    assert [one.fault for one in report.findings] == [Fault.BACKDATED]
    assert "not_there_at_s" in report.findings[0].evidence
