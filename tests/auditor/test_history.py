"""What bounds a log in time: its history of checkpoints, with the newest at its end, and the word of a quorum."""

import time
from pathlib import Path
from time import gmtime, strftime

import msgspec
import pytest

from auditor.checkpoints import VERIFIED_AT_ONCE
from auditor.finding import Fault
from auditor.verdict import FAULT, VERIFIED
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.cosignature import cosign
from ledger.proof.merkle import leaf_hashes, root_of
from ledger.proof.policy import Group, Policy
from tests.auditor.auditing import audited, faults, named
from tests.auditor.logs import LOG_KEY, ORIGIN, WITNESSES, TrueLog, every_kind, policy, put, signed

LOG = every_kind()
DAYS = "log/checkpoints/days"
SIZE, LAST_S = LOG.stops[-1]
LATER_S = LAST_S + 30 * 86_400
US = 1_000_000
LEAVES = leaf_hashes([commitment(envelope_of(event)) for event in LOG.events])


def note(size: int, *times_s: int) -> bytes:
    """A checkpoint that each witness cosigned at its own time."""
    signed = Checkpoint(ORIGIN, size, root_of(LEAVES[:size])).signed_by([LOG_KEY])
    lines = [cosign(signed.text, one, at_s) for one, at_s in zip(WITNESSES, times_s, strict=True)]
    return signed.signed_also(lines).encoded()


def in_2100(log: TrueLog) -> TrueLog:
    last = msgspec.structs.replace(log.events[-1], recorded_at_us=4_102_444_800 * US)
    return msgspec.structs.replace(log, events=(*log.events[:-1], last))


def unlisted(folder: Path) -> None:
    put(folder, DAYS, b"")


def without_its_last_day(folder: Path) -> None:
    put(folder, DAYS, b"".join((folder / DAYS).read_bytes().splitlines(keepends=True)[:-1]))


def without_its_last_checkpoint(folder: Path) -> None:
    day = f"log/checkpoints/{strftime('%Y-%m-%d', gmtime(LAST_S))}"
    body, _, _ = (folder / day).read_bytes().rpartition(b"\n\n" + ORIGIN.encode())
    put(folder, day, body + b"\n")


@pytest.mark.parametrize("change", [unlisted, without_its_last_day, without_its_last_checkpoint])
def test_the_newest_checkpoint_ends_the_history(tmp_path, change):
    change(LOG.write(tmp_path))
    (found,) = audited(tmp_path).findings
    assert (found.fault, found.what.startswith("log/checkpoints/")) == (Fault.MISSING, True)


def left_out(folder: Path, begin: int = 3, *, with_files: bool) -> None:
    """Two of the days are not listed."""
    days = (folder / DAYS).read_text().splitlines(keepends=True)
    put(folder, DAYS, "".join(days[:begin] + days[begin + 2 :]).encode())
    for day in days[begin : begin + 2] if with_files else []:
        (folder / "log/checkpoints" / day.strip()).unlink()


@pytest.mark.parametrize("begin", [0, 3])
def test_a_day_that_has_a_file_is_listed(tmp_path, begin):
    left_out(LOG.write(tmp_path), begin, with_files=False)
    assert [(one.fault, one.what) for one in audited(tmp_path).findings] == [(Fault.MALFORMED, DAYS)] * 2


def test_a_day_that_is_left_out_is_told(tmp_path):
    before = audited(LOG.write(tmp_path)).notes
    left_out(tmp_path, with_files=True)
    assert audited(tmp_path).notes != before


def test_a_day_that_was_seen_before_stays(tmp_path):
    audited(LOG.write(tmp_path / "log"), state=tmp_path / "state")
    left_out(tmp_path / "log", with_files=True)
    found = audited(tmp_path / "log", state=tmp_path / "state").findings
    assert faults(found) == {Fault.MISSING}
    assert len(found) == 2


def test_the_checkpoints_that_were_seen_of_a_day_stay(tmp_path):
    """Signed by everybody, as those that were seen, and of the same tree; only later."""
    audited(LOG.write(tmp_path / "log"), state=tmp_path / "state")
    size, time_s = LOG.stops[0]
    day = f"log/checkpoints/{strftime('%Y-%m-%d', gmtime(time_s))}"
    rest = (tmp_path / "log" / day).read_bytes().removeprefix(note(size, time_s, time_s))
    put(tmp_path / "log", day, note(size, time_s + 1, time_s + 1) + rest)
    assert faults(audited(tmp_path / "log", state=tmp_path / "state").findings) == {Fault.RE_SIGNED}


def test_what_was_recorded_after_the_newest_cosignature_is_no_record(tmp_path):
    in_2100(LOG).write(tmp_path)
    unlisted(tmp_path)
    assert [one.index for one in named(audited(tmp_path), Fault.BACKDATED)] == [SIZE - 1]


def test_one_witness_alone_does_not_make_an_old_log_new(tmp_path):
    """Of a quorum of two, one who cosigns an old tree again, or in a time to come, is one."""
    LOG.write(tmp_path)
    now = {"age_s_max": 600, "now_us": LATER_S * US}
    for time_s in (LATER_S, 1 << 62):
        put(tmp_path, "log/checkpoint", note(SIZE, LAST_S, time_s))
        assert Fault.STALE in faults(audited(tmp_path, **now).findings)
    put(tmp_path, "log/checkpoint", note(SIZE, LATER_S - 60, 1 << 62))
    assert Fault.STALE in faults(audited(tmp_path, **now).findings)
    put(tmp_path, "log/checkpoint", note(SIZE, LATER_S - 60, LATER_S - 30))
    report = audited(tmp_path, **now)
    assert (report.age_s, Fault.STALE in faults(report.findings)) == (60, False)


@pytest.mark.parametrize("off_s", [-599, 599])
def test_the_clock_of_one_witness_of_two_makes_no_event_backdated(tmp_path, off_s):
    """A quorum of either: then it is their word together that counts, the earlier or the later."""
    LOG.write(tmp_path)
    days: dict[str, list[bytes]] = {}
    for size, time_s in LOG.stops:
        days.setdefault(strftime("%Y-%m-%d", gmtime(time_s)), []).append(note(size, time_s, time_s + off_s))
    for day, notes in days.items():
        put(tmp_path, f"log/checkpoints/{day}", b"\n".join(notes))
    put(tmp_path, "log/checkpoint", notes[-1])
    report = audited(tmp_path)
    assert (report.findings, report.verdict.status) == ([], VERIFIED)


def test_the_word_of_a_quorum_in_time():
    both = policy()
    either = Policy(both.logs, both.witnesses, {"any": Group("any", 1, tuple(both.witnesses))}, "any")
    at = {"w0": 100, "w1": 160}
    assert (both.met_by_s(at), both.met_since_s(at)) == (160, 100)
    assert (either.met_by_s(at), either.met_since_s(at)) == (100, 160)
    assert (both.met_by_s({"w0": 1}), both.met_since_s({})) == (None, None)


def test_a_fault_for_good_is_not_the_end_of_remembering(tmp_path):
    events = list(LOG.events)
    events[7] = msgspec.structs.replace(events[7], recorded_at_us=events[7].recorded_at_us + 3_600 * US)
    log = msgspec.structs.replace(LOG, events=tuple(events))
    state = tmp_path / "state"
    for _ in range(2):
        report = audited(log.write(tmp_path / "log"), state=state)
        assert (report.verdict.status, faults(report.findings)) == (FAULT, {Fault.BACKDATED})
    assert report.remembered is not None
    events[50] = msgspec.structs.replace(events[50], metadata=b'{"actor":"forged"}')
    forged = msgspec.structs.replace(log, events=tuple(events)).write(tmp_path / "forged")
    for _ in range(2):
        assert faults(audited(forged, state=state).findings) == {Fault.BACKDATED, Fault.SPLIT_VIEW}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [1 << 40, 1 << 62])
def test_a_signed_size_without_a_log_is_soon_told_from_one(tmp_path, size, jobs):
    LOG.write(tmp_path)
    put(tmp_path, "log/checkpoint", signed(Checkpoint(ORIGIN, size, bytes(32)), LAST_S))
    for part in ("log/disclosed", "supervisor/disclosed"):
        put(tmp_path, f"{part}/head", f"{ORIGIN}\n{size}\n".encode())
    begun = time.process_time()
    report = audited(tmp_path, jobs=jobs, state=tmp_path / "state")
    assert time.process_time() - begun < 20
    assert report.verdict.status == FAULT
    assert Fault.MISSING in faults(report.findings)
    assert [note for note in report.notes if "what comes after was not read" in note]
    assert not (tmp_path / "state/remembered.json").exists()


def test_a_long_day_of_checkpoints_is_verified_by_every_process(tmp_path):
    """More than one process verifies at once, the last of them edited: named in its order, and only that one."""
    LOG.write(tmp_path)
    day = f"log/checkpoints/{strftime('%Y-%m-%d', gmtime(LAST_S))}"
    many = [note(SIZE, LAST_S + number // 10, LAST_S + number // 10) for number in range(VERIFIED_AT_ONCE)]
    put(tmp_path, day, b"\n".join([(tmp_path / day).read_bytes(), *many]))
    edited = many[0].replace(b"\n\xe2\x80\x94 " + ORIGIN.encode(), b"extended\n\n\xe2\x80\x94 " + ORIGIN.encode(), 1)
    put(tmp_path, day, b"\n".join([(tmp_path / day).read_bytes(), edited]))
    report = audited(tmp_path, jobs=2)
    assert [one.fault for one in report.findings] == [Fault.CHECKPOINT_EDITED]
    assert report.checkpoints == len(LOG.stops) + VERIFIED_AT_ONCE
