"""The demonstration, as a newcomer runs it: real processes, real spreadsheets, and figures that must agree."""

import json
import os
import subprocess
import sys

import pytest
from rich.cells import cell_len

from cli.reference import ROOT
from ledger.proof.policy import Policy, satisfied
from tests.independent.verifiers import VERIFIERS, figures, verify

COLUMNS = 80
HEADINGS = (
    ["文件", "入账", "未变", "被拒", "提示", "略过"],
    ["file", "accepted", "unchanged", "refused", "warned", "skipped"],
    ["site", "in", "out", "closing", "expected"],
    ["month", "dismantled", "received", "missing", "unexpected", "owed", "rate"],
)


@pytest.mark.timeout(400)
def test_the_demonstration_ends_with_balances_that_agree(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "cli", "demo", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "DEMO_ONCE": "1", "METERLOOP_DATA_DIR": str(tmp_path), "COLUMNS": str(COLUMNS)},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    outcome = json.loads(told.stdout.splitlines()[-1])
    assert outcome["balances_ok"] is True
    assert outcome["meters"] >= 2_000
    assert outcome["events"] > 3 * outcome["meters"]
    assert isinstance(outcome["recovery_rate"], float)
    assert 90 <= outcome["recovery_rate"] < 100
    assert outcome["missing"] > 0
    assert outcome["unexpected_arrivals"] >= outcome["unexpected_dismantled"] > 0
    assert "账实相符" in told.stderr
    assert outcome["tree_size"] >= outcome["events"]
    assert outcome["verdicts"].keys() == {"reuse", "claim", "scrap", "hold"}
    assert sum(outcome["verdicts"].values()) > 1_500
    assert outcome["reverified"] >= 30
    assert 90 <= outcome["review_agreement"] < 100
    assert outcome["audit"] == "verified under the demo policy: both witnesses are run by this demo"
    assert "已验证，依据：" in told.stderr
    log = tmp_path / "demo" / "1" / "proof" / "log"
    policy = (log / "policy").read_bytes()
    assert policy.startswith(b"# the demo policy: both witnesses are run by this demo\n")
    standing = satisfied(Policy.parse(policy), (log / "checkpoint").read_bytes())
    assert set(standing.cosigned_at_s) == {"witness-one", "witness-two"}
    vkeys = [*(log / "keys").read_text().split(), *(str(one.key) for one in Policy.parse(policy).witnesses.values())]
    for verifier, missing in VERIFIERS.values():
        if missing() is None:
            verified = verify(verifier(tmp_path), log, vkeys)
            assert verified.returncode == 0, verified.stderr
            assert figures(verified.stdout)["entries"] == outcome["tree_size"]
    assert [line for line in told.stderr.splitlines() if cell_len(line) > COLUMNS and str(tmp_path) not in line] == []
    assert "…" not in told.stderr, "nothing is cut off"
    for heading in HEADINGS:
        assert heading in [line.split() for line in told.stderr.splitlines()]
    for said in ("! 错位", "displaced:", "→ 查明来路", "find out how they came"):
        assert said in told.stderr
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert left.stdout == "", "something of the platform is still running"
