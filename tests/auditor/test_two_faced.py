"""A source that answers otherwise when it is asked again: what a verdict rests on is never read twice and believed."""

import functools
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import gmtime, strftime

import msgspec
import pytest

from auditor.finding import Fault
from auditor.source import Place
from auditor.verdict import FAULT, VERIFIED
from ledger.proof.checkpoint import Checkpoint
from tests.auditor.auditing import audited, faults
from tests.auditor.logs import ORIGIN, TrueLog, every_kind, put, signed

Answer = Callable[[str, int, bytes | None], bytes | None]
"""What is answered to a path that was asked for so many times, where a file holds this."""


def honest(_path: str, _times: int, data: bytes | None) -> bytes | None:
    return data


def forgets_tiles(path: str, times: int, data: bytes | None) -> bytes | None:
    """Tiles are there to be examined, and not when older checkpoints are to be held against them."""
    return None if path.startswith("log/tile/0/") and times > 2 else data


def has_tiles_later(path: str, times: int, data: bytes | None) -> bytes | None:
    """Only the first reading, by which tiles are bound to the root, fails."""
    return None if path.startswith("log/tile/0/") and times < 2 else data


@contextmanager
def serving(folder: Path, answer: Answer) -> Iterator[Place]:
    asked = Counter[str]()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].lstrip("/")
            asked[path] += 1
            file = folder / path
            data = answer(path, asked[path], file.read_bytes() if file.is_file() else None)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Place(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rewritten(log: TrueLog) -> TrueLog:
    events = list(log.events)
    events[5] = msgspec.structs.replace(events[5], metadata=b'{"actor":"forged"}')
    return msgspec.structs.replace(log, events=tuple(events))


@pytest.mark.parametrize("answer", [honest, forgets_tiles, has_tiles_later])
def test_a_log_that_was_rewritten_is_not_that_of_the_last_audit(tmp_path, answer):
    log, state = every_kind(), tmp_path / "state"
    with serving(log.write(tmp_path / "then"), honest) as place:
        assert audited(tmp_path, place=place, policy=None, state=state).findings == []
        assert audited(tmp_path, place=place, policy=None, state=state).verdict.status == VERIFIED
    with serving(rewritten(log).write(tmp_path / "now"), answer) as place:
        report = audited(tmp_path, place=place, policy=None, state=state)
    assert report.verdict.status == FAULT
    assert faults(report.findings) & {Fault.SPLIT_VIEW, Fault.MISSING}


def test_the_old_tile_shown_again_does_not_bring_the_old_tree_back(tmp_path):
    """The tile that the remembered tree had is served in place of today's once today's was examined."""
    log, state = every_kind(), tmp_path / "state"
    then = log.write(tmp_path / "then")
    assert audited(then, state=state).verdict.status == VERIFIED

    def old_again(path: str, times: int, data: bytes | None) -> bytes | None:
        if path.startswith("log/tile/0/") and times > 2 and (then / path).is_file():
            return (then / path).read_bytes()
        return data

    now = rewritten(log).write(tmp_path / "now")
    shutil.copytree(then / "log/checkpoints", now / "log/checkpoints", dirs_exist_ok=True)
    with serving(now, old_again) as place:
        report = audited(tmp_path, place=place, state=state)
    assert Fault.SPLIT_VIEW in faults(report.findings)


@pytest.mark.parametrize("answer", [honest, forgets_tiles])
def test_two_trees_that_the_quorum_signed_are_two_views_however_tiles_are_served(tmp_path, answer):
    folder = every_kind().write(tmp_path / "log")
    size, time_s = _last_of_third_day(every_kind())
    day = f"log/checkpoints/{strftime('%Y-%m-%d', gmtime(time_s))}"
    other = signed(Checkpoint(ORIGIN, size, b"\x01" * 32), time_s)
    put(folder, day, (folder / day).read_bytes() + b"\n" + other)
    with serving(folder, answer) as place:
        report = audited(tmp_path, place=place)
    assert (report.verdict.status, faults(report.findings)) == (FAULT, {Fault.SPLIT_VIEW})


@functools.cache
def _last_of_third_day(log: TrueLog) -> tuple[int, int]:
    days: dict[str, tuple[int, int]] = {}
    for stop in log.stops:
        days[strftime("%Y-%m-%d", gmtime(stop[1]))] = stop
    return sorted(days.items())[2][1]
