"""`meterloop witness` as it is met: it makes its key, says who it is, cosigns, and stops when told to."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from ledger.proof.checkpoint import opened
from ledger.proof.keys import KeyType, VerifierKey
from tests.ledger.transparency.witnesses import NAME, Tree, signer

pytestmark = pytest.mark.timeout(120)
LOG = str(signer().verifier)


@contextmanager
def witness(folder, *words):
    """The command; gives the process, its vkey and its address."""
    with (folder / "told.txt").open("w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", "witness", "--state", str(folder / "state"), *words],
            cwd=folder, env={**os.environ, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, text=True,
        )  # fmt: skip
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def told(folder):
    return (folder / "told.txt").read_text("utf-8")


def asked(port, body):
    for _ in range(300):
        try:
            return httpx.post(f"http://127.0.0.1:{port}/add-checkpoint", content=body, trust_env=False)
        except httpx.ConnectError:
            signal.sigtimedwait((), 0.1)
    raise AssertionError


def test_a_regulator_runs_it(tmp_path, unused_tcp_port):
    port = unused_tcp_port
    with witness(tmp_path, "--name", NAME, "--log", LOG, "--port", str(port)) as (process, vkey):
        key = VerifierKey.parse(vkey)
        assert (key.name, key.type) == (NAME, KeyType.COSIGNATURE)
        answer = asked(port, Tree().request(0, 5))
        assert answer.status_code == 200
        assert opened(Tree().note(5) + answer.content, [signer().verifier], [key])
        assert "见证人" in told(tmp_path)
        assert "somebody else than the log's operator runs it" in " ".join(told(tmp_path).split())
        with witness(tmp_path, "--port", str(port)) as (second, _):
            assert second.wait(30) == 1
        assert f"port {port} cannot be used" in told(tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert (tmp_path / "state" / "witness.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "logs").write_text(f"# the utility's\n{LOG}\n")
    with witness(tmp_path, "--logs", str(tmp_path / "logs"), "--port", str(port)) as (_, again):
        assert again == vkey
        assert asked(port, Tree().request(0, 9)).content == b"5\n"
    assert "PRIVATE" not in told(tmp_path)


def test_what_is_wrong_is_said_in_both_languages(tmp_path):
    with witness(tmp_path, "--log", LOG) as (process, vkey):
        assert (process.wait(30), vkey) == (1, "")
    assert "首次启动须给出" in told(tmp_path)
    assert "the first start needs the witness's name" in told(tmp_path)
    with witness(tmp_path, "--name", NAME, "--log", "nonsense") as (process, _):
        assert process.wait(30) == 1
    assert "witness.bad_log" in told(tmp_path)
