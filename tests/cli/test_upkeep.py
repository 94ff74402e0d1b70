"""What an operator does from beside a service."""

import fcntl
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.importing import status_of, tell
from cli.reference import ROOT
from client.types import Import


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


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LEDGER_URL", "redis://localhost:6379", "sqlite:///path"),
        ("LEDGER_URL", "kurrentdb://localhost:2113?tls=perhaps", "'perhaps' not one of: true, false"),
        ("METERLOOP_LEDGER", "x", "METERLOOP_LEDGER"),
    ],
)
def test_a_setting_that_cannot_be_is_said_to_be_so(tmp_path, monkeypatch, variable, value, said):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path))
    environ = os.environ | {variable: value}
    told = subprocess.run(
        [sys.executable, "-m", "cli", "init"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert said in told.stderr.replace("\n", "")
    assert "Traceback" not in told.stderr


def stands(**counts):
    none = dict.fromkeys(("accepted", "unchanged", "refused", "warned", "skipped", "position", "done", "total"), 0)
    return Import(
        import_id="0" * 32,
        kind="devices",
        name="x.csv",
        dry_run=False,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        bytes=1,
        bytes_received=1,
        **{"state": "done", **none, **counts},
    )


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"accepted": 2}, 0),
        ({"unchanged": 2}, 0),
        ({"accepted": 1, "refused": 1}, 4),
        ({"unchanged": 1, "refused": 1}, 4),
        ({"refused": 2}, 1),
        ({"state": "failed", "accepted": 1}, 1),
    ],
)
def test_the_exit_status_of_an_import_says_what_came_of_it(counts, status):
    assert status_of(stands(**counts)) == status


def test_nothing_new_is_said_to_be_so_though_rows_were_refused(capsys):
    tell(stands(unchanged=2, refused=1), None, 1.0)
    assert "没有任何变化" in capsys.readouterr().err
    tell(stands(accepted=1, unchanged=2), None, 1.0)
    assert "没有任何变化" not in capsys.readouterr().err
