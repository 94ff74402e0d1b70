"""A disk that is full or fails: the ledger says so, recovers, and has everything that it acknowledged, once."""

import json
import shutil
import subprocess
import sys

import apsw
import pytest

from ledger.sqlite import SqliteLedger
from tests.ledger.making import everything, one

FAULTS = {
    "synchronising fails": "inject=fdatasync:error=EIO:when=8+7",
    "synchronising fails for a while": "inject=fdatasync:error=EIO:when=20..40",
    "writing fails": "inject=pwrite64:error=EIO:when=150+67",
    "the disk is full now and then": "inject=pwrite64:error=ENOSPC:when=150+41",
    "the disk is full for a while": "inject=pwrite64:error=ENOSPC:when=300..360",
}


def traced():
    """Why strace cannot be used here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "ptrace is not permitted here"


WITHOUT_STRACE = traced()


def run(command, path, how):
    writer = [sys.executable, "-m", "tests.ledger.troubled_writer", str(path), how]
    done = subprocess.run([*command, *writer], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


async def check(path, acknowledged):
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
    log = await SqliteLedger.open(path)
    events = await everything(log)
    assert [e.id.hex() for e in events] == acknowledged
    assert [e.position for e in events] == list(range(1, len(events) + 1))
    assert (await log.append(one("afterwards"))).position == len(events) + 1
    await log.close()


async def test_a_full_disk(tmp_path):
    report = run([], tmp_path / "ledger.db", "full")
    await check(tmp_path / "ledger.db", report["acknowledged"])


@pytest.mark.skipif(WITHOUT_STRACE is not None, reason=str(WITHOUT_STRACE))
@pytest.mark.parametrize("fault", FAULTS)
async def test_injected_faults(tmp_path, fault):
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fdatasync,pwrite64", "-e"]
    report = run([*strace, FAULTS[fault]], tmp_path / "ledger.db", "injected")
    assert report["troubles"] > 0
    await check(tmp_path / "ledger.db", report["acknowledged"])
