"""`meterloop audit` as it is typed: what it says, in both languages, and the status with which it ends."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from auditor.trouble import Trouble
from auditor.verdict import SELF_CONSISTENT, Report, unreadable, verdict
from cli.__main__ import app
from cli.auditing import tell
from tests.auditor.auditing import POLICY
from tests.auditor.logs import ROOT, every_kind, packed
from tests.auditor.test_device import STREAM, evidence, zipped


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `meterloop audit` in an empty folder beside a true log, `log`, and a policy, `policy`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "var"))
    every_kind().write(tmp_path / "log")
    (tmp_path / "policy").write_bytes(POLICY)
    return lambda *words: CliRunner().invoke(app, ["audit", *words])


def test_a_log_is_verified_by_a_policy(run):
    outcome = run("log", "--policy", "policy")
    assert outcome.exit_code == 0
    assert "已验证，依据：the tests' policy" in outcome.stdout
    assert "verified under the tests' policy" in outcome.stdout


def test_without_a_policy_it_is_consistent_with_itself_only(run):
    outcome = run("log", "--jobs", "1")
    assert outcome.exit_code == 3
    assert "自身一致；未排除回退与两种版本并存" in outcome.stdout
    assert "consistent with itself; rollback and split view not ruled out" in outcome.stdout


def test_a_fault_is_shown_with_what_to_do(run, tmp_path):
    bundle = tmp_path / "log/log/tile/entries/000.p" / str(len(every_kind().events))
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"\0")
    outcome = run("log", "--policy", "policy")
    assert outcome.exit_code == 1
    assert "事件被改写" in outcome.stdout
    assert str(len(every_kind().events) - 1) in outcome.stdout
    assert "ask the operator to account for it" in " ".join(outcome.stderr.split())


def test_for_machines_it_is_one_line_of_json(run):
    outcome = run("log", "--policy", "policy", "--as-of", "2026-03-06", "--json")
    said = json.loads(outcome.stdout)
    assert said["verdict"]["status"] == outcome.exit_code == 0
    assert said["tree_size"] == said["events"] == len(every_kind().events)
    assert {one["site"] for one in said["balances"]} == {"store-1", "centre"}


def test_what_cannot_be_read_says_so(run):
    outcome = run("nothing-here")
    assert outcome.exit_code == 2
    assert "无法读取：此处没有存证日志（nothing-here）" in outcome.stdout
    assert "could not read: there is no proof log (nothing-here)" in outcome.stdout
    assert "audit.no_log" in outcome.stdout
    assert "log/checkpoint in it" in " ".join(outcome.stderr.split())
    assert json.loads(run("nothing-here", "--json").stdout)["verdict"]["code"] == "audit.no_log"
    assert run("log", "--policy", "no-such-policy").exit_code == 2


def test_state_remembers_what_was_seen(run, tmp_path):
    assert run("log", "--state", "state").exit_code == 3
    assert run("log", "--state", "state").exit_code == 0
    assert (tmp_path / "state/remembered.json").exists()
    taken = run("log", "--state", "state")
    assert "are not verified again (--fresh verifies everything)" in " ".join(taken.stdout.split())
    assert "not verified again" not in run("log", "--state", "state", "--fresh").stdout


def test_a_device_is_audited_from_its_file(run, tmp_path):
    file = tmp_path / f"器具存证 {STREAM.removeprefix('meter-')}.zip"
    file.write_bytes(zipped(evidence()))
    outcome = run("meter", str(file), "--policy", "policy")
    assert outcome.exit_code == 0
    assert "registry.Registered" in outcome.stdout
    assert json.loads(run("meter", str(file), "--json").stdout)["verdict"]["status"] == 3


def test_evidence_may_be_called_anything(run, tmp_path):
    (tmp_path / "mine.zip").write_bytes(zipped(evidence()))
    outcome = run("meter", "mine.zip", "--policy", "policy")
    assert outcome.exit_code == 0
    assert STREAM in outcome.stdout
    assert "cannot tell" in outcome.stdout


def test_a_second_argument_is_for_devices_alone(run):
    assert run("log", "9940101").exit_code == 2


def test_what_a_log_calls_itself_is_no_markup(capsys):
    """A rich console would take `[/b]` for the end of what was never begun, and fail."""
    said = unreadable(Trouble.FILE, "[/b]")
    tell(Report(source="[/b]", verdict=said, notes=["[/b]"]))
    assert "[/b]" in capsys.readouterr().out
    consistent = verdict(SELF_CONSISTENT)
    tell(Report(source="[/b]", verdict=consistent, origin="log.example/[/b]", notes=["[/b]"]))
    assert "log.example/[/b]" in capsys.readouterr().out


def test_a_failure_of_the_program_is_not_the_status_of_a_fault(run, monkeypatch):
    """The clock is not ours: it fails in the middle of the audit."""

    def broken() -> int:
        raise RuntimeError("no clock")

    monkeypatch.setattr("cli.auditing.system_clock_us", broken)
    outcome = run("log", "--policy", "policy", "--max-age", "9", "--json")
    assert outcome.exit_code == 2
    assert json.loads(outcome.stdout)["verdict"]["code"] == Trouble.PROGRAM
    assert "no clock" in outcome.stderr
    assert "audit.program_failed" in run("log", "--policy", "policy", "--max-age", "9").stdout


def test_evidence_that_cannot_be_fetched_is_not_the_status_of_a_fault(run):
    assert run("meter", "9940101", "--url", "http://127.0.0.1:9", "--token", "t").exit_code == 2


def test_a_damaged_archive_cannot_be_read(run, tmp_path):
    whole = bytearray(zipped(evidence()))
    at = whole.rindex(b"PK\x05\x06")
    whole[at + 16 : at + 20] = b"\xff\xff\xff\x7f"
    (tmp_path / "9940101000.zip").write_bytes(whole)
    assert run("meter", "9940101000.zip", "--policy", "policy").exit_code == 2


def test_the_public_set_alone_is_said_beside_the_sentence_and_is_not_the_whole(run, tmp_path):
    shutil.rmtree(tmp_path / "log/supervisor")
    outcome = run("log", "--policy", "policy")
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    said = next(number for number, line in enumerate(lines) if "verified under" in line)
    assert "只审计了公开集" in lines[said + 1]
    assert "The public set alone was audited" in lines[said + 2]
    asked = run("log", "--policy", "policy", "--whole", "--json")
    assert (asked.exit_code, json.loads(asked.stdout)["verdict"]["code"]) == (2, Trouble.NOT_WHOLE)


def test_what_is_verified_whole_says_nothing_of_the_public_set(run):
    outcome = run("log", "--policy", "policy", "--whole")
    assert outcome.exit_code == 0
    assert "公开集" not in outcome.stdout


def test_labels_say_what_is_public(run, tmp_path):
    (tmp_path / "log/log/disclosed/000.cbor.zst").write_bytes(packed([]))
    assert run("log", "--policy", "policy").exit_code == 1
    labels = tmp_path / "labels.yaml"
    labels.write_text((ROOT / "docs/disclosure.yaml").read_text().replace("audience: public", "audience: supervisor"))
    assert run("log", "--policy", "policy", "--labels", "labels.yaml").exit_code == 0
    assert run("log", "--policy", "policy", "--labels", "policy").exit_code == 2


class Listening(BaseHTTPRequestHandler):
    """Has no file, and hears which tokens are sent."""

    heard: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.heard.append(self.headers.get("authorization"))
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


def test_the_token_of_the_settings_is_sent_to_ones_own_platform_alone(run, monkeypatch):
    monkeypatch.setenv("METERLOOP_CLI__TOKEN", "own")
    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        for own, words, sent in (
            (None, (url,), None),
            ("http://127.0.0.1:9", (url,), None),
            ("http://127.0.0.1:9", (url, "--token", "given"), "Bearer given"),
            (url, (url,), "Bearer own"),
        ):
            if own:
                monkeypatch.setenv("METERLOOP_CLI__URL", own)
            Listening.heard.clear()
            assert run(*words).exit_code == 2
            assert set(Listening.heard) == {sent}
        Listening.heard.clear()
        monkeypatch.setenv("METERLOOP_CLI__URL", "http://127.0.0.1:9")
        assert run("meter", "9940101", "--url", url).exit_code == 2
        assert Listening.heard == []
        server.shutdown()
