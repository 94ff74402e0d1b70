"""`meterloop audit review` as it is typed."""

import asyncio
import json
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from auditor.span import expanded
from cli.__main__ import app
from tests.auditor.logs import packed
from tests.auditor.test_review import reviewed
from tests.sorting.reviewing import NONCE


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `meterloop audit` in a folder where a review of synthetic devices is concluded, `proof`."""
    asyncio.run(reviewed(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "var"))
    return lambda *words: CliRunner().invoke(app, ["audit", *words])


def test_a_review_is_derived_again(run, tmp_path):
    outcome = run("review", "R1", "--from", "proof")
    assert outcome.exit_code == 3, outcome.output
    assert "自身一致；未排除回退与两种版本并存" in outcome.stdout
    assert "成员 members" in outcome.stdout
    said = json.loads(run("review", "R1", "--from", "proof", "--policy", "proof/log/policy", "--json").stdout)
    assert (said["redrawn"]["members"], said["redrawn"]["differences"]) == (40, [])
    missing = run("review", "R7", "--from", "proof")
    assert missing.exit_code == 1
    assert "日志中没有此复核" in missing.stdout
    assert "the log has no such review" in missing.stdout
    (file,) = (tmp_path / "proof" / "supervisor" / "disclosed").glob("0*")
    file.write_bytes(packed([expanded(file.read_bytes()).replace(b'"reuse"', b'"scrap"', 1)]))
    changed = run("review", "R1", "--from", "proof")
    assert changed.exit_code == 1
    assert "事件被改写" in changed.stdout
    for folder in ("supervisor", "log"):
        (tmp_path / "proof" / folder).rename(tmp_path / folder)
        assert run("review", "R1", "--from", "proof").exit_code == 2


def test_it_says_what_it_needs(run):
    assert run("review", "R1").exit_code == 2
    assert "--from" in run("review", "R1").output
    assert run("review", "R1", "--from", "proof", "--html", "r.html").exit_code == 2


def test_what_the_supervisor_keeps_is_held_against_it(run):
    digest = sha256(NONCE).hexdigest()
    kept = "proof/log/checkpoint"
    outcome = run("review", "R1", "--from", "proof", "--nonce-sha256", digest, "--checkpoint", kept)
    assert outcome.exit_code == 3, outcome.output
    said = json.loads(run("review", "R1", "--from", "proof", "--json").stdout)["redrawn"]
    first = f"{said['checkpoint_size']}:{said['checkpoint_root']}"
    assert run("review", "R1", "--from", "proof", "--checkpoint", first).exit_code == 3
    other = run("review", "R1", "--from", "proof", "--nonce-sha256", "0" * 64)
    assert (other.exit_code, "随机数与所托付的摘要不符" in other.stdout) == (1, True)
    forked = run("review", "R1", "--from", "proof", "--checkpoint", f"{said['checkpoint_size']}:{'0' * 64}")
    assert forked.exit_code == 1
    ahead = run("review", "R1", "--from", "proof", "--checkpoint", f"1000000:{'0' * 64}")
    assert (ahead.exit_code, "日志被回退" in ahead.stdout) == (1, True)
    for wrong in (["--checkpoint", "no such file"], ["--nonce-sha256", "x"]):
        assert run("review", "R1", "--from", "proof", *wrong).exit_code == 2
