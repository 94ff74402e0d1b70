"""What cannot be read is said with a code, why, and what to do next, in both languages, and is no fault of the log."""

import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from auditor.finding import Fault
from auditor.source import Place
from auditor.trouble import TROUBLES, Trouble
from auditor.verdict import FAULT, UNREADABLE, VERIFIED
from tests.auditor.auditing import audited
from tests.auditor.logs import LOG_KEY, every_kind, put

Made = dict[str, Any]


def nothing_there(folder: Path) -> Made:
    return {"place": Place(str(folder / "nowhere"))}


def not_a_log(folder: Path) -> Made:
    put(folder, "readme.txt", b"photographs")
    return {}


def pages_for_every_path(folder: Path) -> Made:
    for name in ("checkpoint", "checkpoints/days", "keys", "policy"):
        put(folder, f"log/{name}", b"<!doctype html>\n<title>portal</title>\n")
    return {}


def nothing_published(folder: Path) -> Made:
    put(folder, "log/keys", f"{LOG_KEY.verifier}\n".encode())
    return {}


def no_policy(folder: Path) -> Made:
    (every_kind().write(folder) / "log/policy").unlink()
    return {"policy": None}


def bad_policy(folder: Path) -> Made:
    every_kind().write(folder)
    return {"policy": b"nonsense\n"}


def bad_url(_: Path) -> Made:
    return {"place": Place("http://metering.example:port")}


def token_that_is_none(_: Path) -> Made:
    return {"place": Place("http://127.0.0.1:9", "\u4ee4\u724c")}


def state_that_is_a_file(folder: Path) -> Made:
    put(every_kind().write(folder), "state", b"")
    return {"state": folder / "state"}


def state_that_is_damaged(folder: Path) -> Made:
    put(every_kind().write(folder), "state/remembered.json", b"{")
    return {"state": folder / "state"}


@pytest.mark.parametrize(
    ("make", "trouble"),
    [
        (nothing_there, Trouble.NO_LOG),
        (not_a_log, Trouble.NO_LOG),
        (pages_for_every_path, Trouble.NO_LOG),
        (nothing_published, Trouble.NOTHING_PUBLISHED),
        (no_policy, Trouble.NO_POLICY),
        (bad_policy, Trouble.BAD_POLICY),
        (bad_url, Trouble.BAD_URL),
        (token_that_is_none, Trouble.TOKEN_REFUSED),
        (state_that_is_a_file, Trouble.STATE),
        (state_that_is_damaged, Trouble.STATE_DAMAGED),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], Made], trouble: Trouble):
    report = audited(tmp_path, **make(tmp_path))
    assert (report.verdict.status, report.verdict.code, report.findings) == (UNREADABLE, trouble, [])
    assert report.verdict.zh.startswith(f"\u65e0\u6cd5\u8bfb\u53d6\uff1a{TROUBLES[trouble].zh}")
    assert report.verdict.en.startswith(f"could not read: {TROUBLES[trouble].en} (")


def test_a_log_without_its_checkpoint_is_at_fault(tmp_path):
    (every_kind().write(tmp_path) / "log/checkpoint").unlink()
    report = audited(tmp_path)
    assert (report.verdict.status, [one.fault for one in report.findings]) == (FAULT, [Fault.MISSING])


def test_what_answers_badly_is_asked_again_and_told(tmp_path):
    """A gateway that fails each path the first time, and one path always."""
    every_kind().write(tmp_path)
    failed: set[str] = set()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Failing, failed, directory=str(tmp_path))) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        report = audited(tmp_path, place=Place(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        serving.join()
    assert (report.verdict.status, report.findings) == (VERIFIED, [])
    assert "/log/checkpoint" in failed


class Failing(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, failed: set[str], *given: Any, **more: Any) -> None:
        self._failed = failed
        super().__init__(*given, **more)

    def do_GET(self) -> None:
        if self.path == "/log/checkpoint" and self.path not in self._failed:
            self._failed.add(self.path)
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


def test_every_trouble_says_what_to_do():
    assert TROUBLES.keys() == set(Trouble)
    assert all(all((one.zh, one.en, one.next_zh, one.next_en)) for one in TROUBLES.values())
