"""A folder or a gateway that somebody else made: whatever is there, the audit ends, and says what it could not read."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

import auditor.source
from auditor.finding import Fault
from auditor.source import Folder, Gateway, Missing, Place, Unreadable
from auditor.trouble import Trouble
from auditor.verdict import FAULT, UNREADABLE, VERIFIED
from ledger.proof.disclosure import FILE_BYTES_MAX
from tests.auditor.auditing import audited
from tests.auditor.logs import TrueLog, every_kind, put


def zeros_without_end(folder: Path) -> None:
    (folder / "log/keys").symlink_to("/dev/zero")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "log/keys")


def file_of_the_readers_own(folder: Path) -> None:
    (folder / "private").write_bytes(b"what nobody else may read\n")
    (folder / "log/keys").symlink_to(folder / "private")


def folder_of_the_readers_own(folder: Path) -> None:
    put(folder, "private/keys", b"what nobody else may read\n")
    (folder / "log").rename(folder / "moved")
    (folder / "log").symlink_to(folder / "private")


def larger_than_any(folder: Path) -> None:
    with (folder / "log/keys").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)


@pytest.mark.parametrize(
    "make", [zeros_without_end, pipe, file_of_the_readers_own, folder_of_the_readers_own, larger_than_any]
)
def test_only_regular_files_of_the_folder_are_read(tmp_path, make):
    (every_kind().write(tmp_path) / "log/keys").unlink()
    make(tmp_path)
    report = audited(tmp_path)
    assert (report.verdict.status, report.verdict.code) == (UNREADABLE, Trouble.FILE)
    assert "nobody" not in report.verdict.en


def test_a_folder_may_be_named_by_a_link(tmp_path):
    every_kind().write(tmp_path / "log")
    (tmp_path / "named").symlink_to(tmp_path / "log")
    assert audited(tmp_path / "named").verdict.status == VERIFIED
    with pytest.raises(Missing):
        Folder(tmp_path).get("log/nothing/here")


def moving(change: bytes, content_type: str = "application/json") -> TrueLog:
    """A log whose first movement is written so."""
    events = list(every_kind().events)
    at = next(at for at, event in enumerate(events) if b'"moved":{' in event.data and b'"to_site"' in event.data)
    data = events[at].data.replace(b'"moved":{', b'"moved":{' + change, 1)
    events[at] = msgspec.structs.replace(events[at], data=data, content_type=content_type)
    return msgspec.structs.replace(every_kind(), events=tuple(events))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/json; charset=utf-8"])
def test_what_is_replayed_names_no_member_twice_whatever_it_is_called(tmp_path, content_type):
    assert audited(moving(b"", content_type).write(tmp_path / "true")).verdict.status == VERIFIED
    report = audited(moving(b'"to_site":"another",', content_type).write(tmp_path / "untrue"))
    assert report.verdict.status == FAULT
    assert Fault.MALFORMED in {one.fault for one in report.findings}


@pytest.mark.parametrize("day", [b"x", b"9999-99-99", b"2026-W10-1", b"20260305", b"\\u0662026-03-05"])
def test_a_movement_on_no_day_is_found(tmp_path, day):
    report = audited(moving(b'"on":"%s",' % day).write(tmp_path))
    assert report.verdict.status == FAULT
    assert Fault.MALFORMED in {one.fault for one in report.findings}


class Hostile(BaseHTTPRequestHandler):
    """Serves one answer, or the files of a folder and one answer to all questions."""

    protocol_version = "HTTP/1.1"
    folder: Path | None = None
    answer: bytes = b""
    encoding: str = ""
    pause_s: float = 0
    head_pause_s: float = 0

    def do_GET(self) -> None:
        path = self.path.lstrip("/").partition("?")[0]
        file = None if self.folder is None else self.folder / path
        if file is not None and not path.startswith("v1/"):
            data, status = (file.read_bytes(), 200) if file.is_file() else (b"", 404)
        else:
            data, status = self.answer, 200
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        if self.encoding:
            self.send_header("content-encoding", self.encoding)
        if self.head_pause_s:
            self.slowly(b"x-slow: " + b"x" * 1_000, self.head_pause_s)
        self.end_headers()
        if self.pause_s:
            self.slowly(data, self.pause_s)
        else:
            self.wfile.write(data)

    def slowly(self, data: bytes, pause_s: float) -> None:
        self.flush_headers()
        for byte in data:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                self.close_connection = True
                return
            time.sleep(pause_s)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@contextmanager
def serving(**how: object) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Hostile,), how)) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "encoding"), [(b"no gzip", "gzip"), (b"\x1f\x8b\x09\0\0\0", "gzip"), (b"no deflate" * 9, "deflate")]
)
def test_an_answer_that_is_not_packed_as_it_says_cannot_be_read(tmp_path, answer, encoding):
    with serving(answer=answer, encoding=encoding) as url:
        report = audited(tmp_path, place=Place(url))
    assert (report.verdict.status, report.verdict.code) == (UNREADABLE, Trouble.ANSWER)


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{}",
        b"nothing",
        b'{"items":5}',
        b'{"items":["x"]}',
        b'{"items":[{"site":[],"device_class":1,"day":5,"opening":1,"inflow":1,"outflow":1,"closing":1}]}',
        b'{"items":[],"next":7}',
        b'{"items":[],"next":"a"}',
        b"[" * 100_000,
    ],
    ids=lambda answer: answer[:30].decode(),
)
def test_a_platform_that_answers_in_another_shape_or_without_end_cannot_be_read(tmp_path, answer):
    every_kind().write(tmp_path)
    with serving(answer=answer, folder=tmp_path) as url:
        report = audited(tmp_path, place=Place(url), pauses_s=(0.01,), devices=3)
    assert (report.verdict.status, report.verdict.code, report.findings) == (UNREADABLE, Trouble.ANSWER, [])


@pytest.mark.parametrize("how", ["pause_s", "head_pause_s"])
def test_an_answer_that_comes_byte_by_byte_is_given_up(monkeypatch, how):
    for name, short_s in (("ANSWER_S", 0.2), ("PAUSE_S", 0.01)):
        monkeypatch.setattr(auditor.source, name, short_s)
    with serving(answer=b"x" * 1_000, **{how: 0.02}) as url:
        gateway = Gateway(url)
        begun_s = time.monotonic()
        with pytest.raises(Unreadable) as raised:
            gateway.get("log/checkpoint")
        gateway.close()
    assert raised.value.trouble is Trouble.UNREACHABLE
    assert time.monotonic() - begun_s < 5


def test_who_shows_a_token_and_is_given_the_public_set_is_told(tmp_path):
    shutil.rmtree(every_kind().write(tmp_path) / "supervisor")
    with serving(folder=tmp_path) as url:
        assert audited(tmp_path, place=Place(url)).verdict.status == VERIFIED
        report = audited(tmp_path, place=Place(url, "token"))
    assert (report.verdict.status, report.verdict.code) == (UNREADABLE, Trouble.NOT_WHOLE)
