"""The reports of `meterloop audit`: where they go, what is said of them, and which statuses they leave to verdicts."""

import json
import os
import re
import resource

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from tests.auditor.auditing import POLICY
from tests.auditor.logs import every_kind


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `meterloop audit` in an empty folder beside a true log, `log`, and a policy, `policy`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "var"))
    every_kind().write(tmp_path / "log")
    (tmp_path / "policy").write_bytes(POLICY)
    return lambda *words: CliRunner().invoke(app, ["audit", *words, "--jobs", "1"])


def test_a_page_and_a_paper_are_written_beside_the_verdict(run, tmp_path):
    outcome = run("log", "--policy", "policy", "--html", "audit.html", "--paper", "audit.pdf", "--json")
    assert outcome.exit_code == 0
    said = json.loads(outcome.stdout)
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert said["root"] in page
    assert "已验证，依据：the tests' policy" in page
    assert (tmp_path / "audit.pdf").read_bytes().startswith(b"%PDF")
    assert "audit.html" in outcome.stderr
    assert "replaced" not in outcome.stderr
    assert {one.name for one in tmp_path.iterdir()} == {"log", "policy", "audit.html", "audit.pdf"}


@pytest.mark.parametrize(("words", "status"), [(["log"], 3), (["nothing-here"], 2)])
def test_whatever_the_verdict_there_is_a_report(run, tmp_path, words, status):
    outcome = run(*words, "--html", "audit.html")
    assert outcome.exit_code == status
    assert f'class="verdict status{status}"' in (tmp_path / "audit.html").read_text("utf-8")


def test_a_fault_is_reported_too(run, tmp_path):
    bundle = tmp_path / "log/log/tile/entries/000.p" / str(len(every_kind().events))
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"\0")
    assert run("log", "--policy", "policy", "--html", "audit.html").exit_code == 1
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert 'class="verdict status1"' in page
    assert "问题条目到根的路径" in page


def test_what_was_there_is_replaced_and_said_to_be(run, tmp_path):
    (tmp_path / "audit.html").write_text("of last year")
    outcome = run("log", "--html", "audit.html")
    assert "已替换原有的 audit.html" in outcome.stderr
    assert "audit.html was there and has been replaced" in outcome.stderr
    assert "of last year" not in (tmp_path / "audit.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--html", "no-such-folder/audit.html"], "audit.report_folder_missing"),
        (["--paper", "log"], "audit.report_is_no_file"),
        (["--paper", "/dev/null"], "audit.report_is_no_file"),
        (["--html", "a" * 300], "audit.report_not_writable"),
        (["--html", "one", "--paper", "./one"], "audit.reports_in_one_file"),
    ],
)
def test_where_a_report_cannot_go_nothing_is_audited(run, words, code):
    outcome = run("log", *words)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert code in outcome.stderr
    assert re.search(r"[\u4e00-\u9fff]", outcome.stderr)


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_said_before_the_audit(run, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    outcome = run("log", "--html", "closed/audit.html")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "audit.report_not_writable" in outcome.stderr


def test_a_report_that_cannot_be_written_after_all_has_a_status_of_its_own(run, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        outcome = run("log", "--html", "audit.html")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert outcome.exit_code == 4
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith((".", "audit"))] == []
    assert "自身一致" in outcome.stdout, "the verdict is said all the same"
    assert "audit.report_not_writable" in outcome.stderr


def test_a_link_stays_a_link(run, tmp_path):
    (tmp_path / "real.html").write_text("of last year")
    (tmp_path / "audit.html").symlink_to("real.html")
    run("log", "--html", "audit.html")
    assert (tmp_path / "audit.html").is_symlink()
    assert "status3" in (tmp_path / "real.html").read_text("utf-8")


def test_one_device_has_no_report(run):
    outcome = run("meter", "9940101", "--html", "audit.html")
    assert outcome.exit_code == 2
