"""An audit that was broken off goes on, the next one verifies what is new, and nothing is taken that is not so."""

import functools
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from auditor.audit import Asked, Audit
from auditor.finding import Fault
from auditor.remembering import opened_memory
from auditor.source import Place
from auditor.span import SPAN
from auditor.verdict import FAULT, UNREADABLE, VERIFIED, Report
from ledger.port import Recorded
from tests.auditor.auditing import POLICY, audited, faults
from tests.auditor.logs import TrueLog, every_kind, salted

NOON_US = 1_790_000_000_000_000
MORE = 300


@functools.cache
def long() -> TrueLog:
    """A span and a little more, of events that say nothing, few of them public, and two days of checkpoints."""
    told = [
        Recorded(
            stream=f"note-{number % 512}",
            version=number // 512,
            id=bytes(16),
            type="example.Noted" if number % 64 else "registry.PlanSet",
            content_type="application/json",
            data=b"{}",
            metadata=b"",
            salt=bytes(32),
            position=number + 1,
            recorded_at_us=NOON_US + number * 1_000_000,
        )
        for number in range(SPAN + MORE)
    ]
    return TrueLog(salted(told), tuple((size, NOON_US // 1_000_000 + size) for size in (SPAN // 2, SPAN + 100)))


def grown() -> TrueLog:
    last = SPAN + MORE
    return TrueLog(long().events, (*long().stops, (last, NOON_US // 1_000_000 + last)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log after its first span, never written to again."""
    events = long().events[: SPAN + 100]
    folder = TrueLog(events, long().stops).write(tmp_path_factory.mktemp("resuming") / "log")
    (folder / "supervisor").rename(folder.parent / "supervisor")
    return folder


@pytest.fixture(scope="module")
def seen(folder: Path) -> Path:
    """What an auditor remembers who audited it once."""
    state = folder.parent / "seen"
    report = audited(folder, state=state)
    assert (report.verdict.status, report.taken_entries, report.taken_checkpoints) == (VERIFIED, 0, 0)
    return state


def copied(state: Path, to: Path) -> Path:
    return shutil.copytree(state, to / "state")


@contextmanager
def changed(file: Path, change) -> Iterator[None]:
    """A file that is another for a time, and says nothing of it."""
    true, at = file.read_bytes(), file.stat()
    file.write_bytes(change(true))
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    yield
    file.write_bytes(true)


def last_byte(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def killed(folder: str, state: str) -> None:
    """An audit that is killed as soon as a span was examined."""

    def watch(stage: str, done: int, _total: int) -> None:
        if stage == "entries" and done >= SPAN:
            os.kill(os.getpid(), signal.SIGKILL)

    asked = Asked(place=Place(folder), policy=POLICY, state=Path(state), age_s_max=None, jobs=1)
    Audit(asked, watch, lambda: 0).run()


def told(report: Report) -> tuple[object, ...]:
    return report.verdict, report.root, report.events, report.streams, report.checkpoints, report.findings


def test_an_audit_that_was_killed_goes_on(folder, tmp_path):
    child = multiprocessing.get_context("spawn").Process(target=killed, args=(str(folder), str(tmp_path / "state")))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    report = audited(folder, state=tmp_path / "state")
    assert (report.taken_entries, report.taken_checkpoints) == (SPAN, len(long().stops))
    assert told(report) == told(audited(folder))
    assert report.events > SPAN // 64


def test_what_supervisors_may_read_is_remembered_apart(folder, seen, tmp_path):
    state = copied(seen, tmp_path)
    (folder.parent / "supervisor").rename(folder / "supervisor")
    try:
        whole = audited(folder, state=state)
        assert (whole.part, whole.events, whole.taken_entries) == ("supervisor", SPAN + 100, 0)
        again = audited(folder, state=state)
        assert (told(again), again.taken_entries) == (told(whole), SPAN)
        with changed(folder / "supervisor/metadata/015.cbor.zst", last_byte):
            assert audited(folder, state=state).verdict.status == FAULT
    finally:
        (folder / "supervisor").rename(folder.parent / "supervisor")


def test_of_a_log_that_has_grown_what_is_new_is_verified(folder, seen, tmp_path):
    state = copied(seen, tmp_path)
    there = shutil.copytree(folder, tmp_path / "log", copy_function=os.link)
    new = TrueLog(grown().events, grown().stops).write(tmp_path / "new")
    shutil.rmtree(new / "supervisor")
    for file in new.rglob("*"):
        to = there / file.relative_to(new)
        if file.is_file() and (not to.exists() or to.read_bytes() != file.read_bytes()):
            to.unlink(missing_ok=True)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)
    report = audited(there, state=state)
    assert (report.findings, report.verdict.status) == ([], VERIFIED)
    # Another folder: what the file system says of its files is not what it said of those that were read.
    assert (report.taken_entries, report.taken_checkpoints) == (0, len(long().stops))
    again = audited(there, state=state)
    assert (again.taken_entries, again.taken_checkpoints) == (SPAN, len(grown().stops))
    assert told(again) == told(report)
    assert [note for note in again.notes if "--fresh" in note]
    assert audited(there, state=state, fresh=True).taken_entries == 0


@pytest.mark.parametrize(
    "name",
    [
        "log/tile/entries/000",
        "log/tile/0/255",
        "log/tile/1/000",
        "log/disclosed/000.cbor.zst",
    ],
)
def test_what_was_verified_and_is_changed_is_found(folder, seen, tmp_path, name):
    state = copied(seen, tmp_path)
    with changed(folder / name, last_byte):
        assert audited(folder, state=state).verdict.status == FAULT
    after = audited(folder, state=state)
    assert (after.verdict.status, after.taken_entries) == (VERIFIED, 0)


def test_a_day_of_checkpoints_that_is_changed_is_found(folder, seen, tmp_path):
    state = copied(seen, tmp_path)
    (day, *_) = sorted((folder / "log/checkpoints").glob("2*"))
    with changed(day, lambda data: data.replace(b"\n", b"0\n", 2)):
        assert Fault.CHECKPOINT_EDITED in faults(audited(folder, state=state).findings)


def test_under_other_terms_everything_is_verified_again(folder, seen, tmp_path):
    state = copied(seen, tmp_path)
    other = audited(folder, state=state, policy=b"# another\n" + POLICY.replace(b"all", b"2"), skew_s=0)
    assert (other.verdict.status, other.taken_entries) == (VERIFIED, 0)


@pytest.mark.parametrize("which", ["spans/*/record", "spans/*/0*", "days/*"])
def test_a_memory_that_is_damaged_is_not_taken(folder, seen, tmp_path, which):
    state = copied(seen, tmp_path)
    for file in [*state.glob(which)][:1]:
        file.write_bytes(last_byte(file.read_bytes()))
    report = audited(folder, state=state)
    assert (report.findings, report.verdict.status) == ([], VERIFIED)
    assert (report.taken_entries, report.taken_checkpoints) != (SPAN, len(long().stops))


def test_two_audits_do_not_share_a_memory(folder, tmp_path):
    with opened_memory(tmp_path, fresh=False):
        report = audited(folder, state=tmp_path)
    assert report.verdict.status == UNREADABLE
    assert "another audit" in report.verdict.en


def test_from_a_url_what_was_verified_is_read_again_when_all_is_to_be_fresh(folder, tmp_path):
    state = tmp_path / "state"
    with served(folder) as url:
        place = Place(url, keep_in=str(state / "kept"))
        assert audited(folder, place=place, state=state).taken_entries == 0
        with changed(folder / "log/disclosed/003.cbor.zst", last_byte):
            report = audited(folder, place=place, state=state)
            assert (report.verdict.status, report.taken_entries) == (VERIFIED, SPAN)
            assert [note for note in report.notes if "--fresh" in note]
            assert audited(folder, place=place, state=state, fresh=True).verdict.status == FAULT


def test_where_files_alone_are_served_there_is_no_platform_to_compare_with(tmp_path):
    with served(every_kind().write(tmp_path)) as url:
        report = audited(tmp_path, place=Place(url))
    assert (report.verdict.status, report.compared) == (VERIFIED, {})
    assert "no platform to compare with" in report.notes[-1]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder, and nothing that a platform has beside them."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Else the body waits until the head is acknowledged, 40 ms an answer."""

    def log_message(self, *_: object) -> None:
        """Nothing is said."""
