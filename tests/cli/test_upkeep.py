"""What an operator does from beside a service."""

import fcntl
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.reference import ROOT


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path))
    runner = CliRunner()
    return lambda *words: runner.invoke(app, words)


def test_init_may_be_repeated_and_keeps_the_keys(run, tmp_path):
    assert run("init").exit_code == 0
    key = (tmp_path / "keys" / "issuer.key").read_bytes()
    assert run("init").exit_code == 0
    assert (tmp_path / "keys" / "issuer.key").read_bytes() == key
    assert (tmp_path / "keys" / "issuer.key").stat().st_mode & 0o777 == 0o600


def test_a_token_is_for_the_roles_asked_and_no_others(run):
    run("init")
    token = run("token", "--role", "auditor")
    assert token.exit_code == 0
    assert token.stdout.count(".") == 2
    assert run("token", "--role", "emperor").exit_code != 0


def test_a_policy_that_has_not_stopped_is_neither_retried_nor_skipped(run):
    run("init")
    assert run("policy", "list").exit_code == 0
    assert run("policy", "retry", "devices_follow_shipment").exit_code == 1
    assert run("policy", "skip", "devices_follow_shipment").exit_code == 1


def test_what_is_not_there_is_said_to_be_so(run):
    run("init")
    assert run("rebuild", "--view", "nothing").exit_code != 0
    assert run("policy", "list", "--service", "nothing").exit_code != 0


def test_without_a_platform_an_import_says_what_to_do(run, tmp_path):
    run("init")
    file = tmp_path / "x.csv"
    file.write_text("资产编号\n", "utf-8")
    refused = run("import", str(file), "--as", "devices")
    assert refused.exit_code != 0
    assert "meterloop up" in refused.output


def meterloop(folder, *words):
    """The command as a process of its own, its data in this folder."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("METERLOOP_")}
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=ROOT, env=environ | {"METERLOOP_DATA_DIR": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_stands_in_the_way_is_said_without_a_traceback(tmp_path):
    no_keys = meterloop(tmp_path / "new", "token", "--role", "admin")
    assert (no_keys.returncode, "meterloop init" in no_keys.stderr) == (1, True)
    (tmp_path / "file").write_bytes(b"")
    no_folder = meterloop(tmp_path / "file", "init")
    assert (no_folder.returncode, "不可用" in no_folder.stderr) == (1, True), no_folder.stderr
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        twice = meterloop(tmp_path, "up", "--port", "0")
    assert (twice.returncode, "已在运行" in twice.stderr) == (1, True), twice.stderr
    for told in (no_keys, no_folder, twice):
        assert "Traceback" not in told.stderr
        assert re.search(r"[\u4e00-\u9fff]", told.stderr)
