"""The sequencer and a witness, each a process as an operator starts it: no checkpoint without the quorum, and what the
probe and the metrics say of who is missing.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from cli.platform import make_ready
from kernel.settings import Settings
from ledger.open import open_ledger
from ledger.proof.policy import Policy, satisfied
from ledger.transparency.keys import KEY_FILE, signer_in
from ledger.transparency.layout import CHECKPOINT, POLICY
from ledger.transparency.witness import open_witness
from tests.ledger.transparency.logs import Clock

pytestmark = pytest.mark.timeout(180)
EVENTUALLY_S = 90


@contextmanager
def process(*words, **environ):
    with subprocess.Popen(
        [sys.executable, "-P", *words], env={**os.environ, **environ},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as made:  # fmt: skip
        try:
            yield made
        finally:
            if made.poll() is None:
                made.send_signal(signal.SIGTERM)
            made.stderr.read()


def eventually(true):
    until = time.monotonic() + EVENTUALLY_S
    while True:
        try:
            if found := true():
                return found
        except httpx.TransportError:
            pass
        assert time.monotonic() < until
        time.sleep(0.1)


async def ledger_id(settings):
    ledger = await open_ledger(settings.ledger)
    await ledger.close()
    return ledger.ledger_id


def test_no_checkpoint_without_the_quorum(tmp_path, unused_tcp_port_factory):
    settings = Settings(data_dir=tmp_path / "var")
    asyncio.run(make_ready(settings))
    log = signer_in(settings.keys_dir / KEY_FILE, settings.origin(asyncio.run(ledger_id(settings)))).verifier
    witness = open_witness(tmp_path / "witness", "witness.example/regulator", [log], Clock())
    witness.close()
    port, probed = unused_tcp_port_factory(), unused_tcp_port_factory()
    policy = tmp_path / "policy"
    policy.write_text(f"# for a test\nwitness regulator {witness.key} http://127.0.0.1:{port}\nquorum regulator\n")
    environ = {
        "METERLOOP_DATA_DIR": str(settings.data_dir),
        "METERLOOP_SEQUENCER__POLICY": str(policy),
        "METERLOOP_SEQUENCER__REST_PORT": str(probed),
    }
    address = f"http://127.0.0.1:{probed}"

    def witnesses():
        return httpx.get(f"{address}/readyz?verbose", trust_env=False).json()["checks"]["witnesses"]

    with process("-m", "cli.sequencing", **environ):
        alone = eventually(lambda: (found := witnesses())["degraded"] and found)
        assert alone["ok"]
        assert "regulator: it is away" in alone["detail"]
        assert "since 20" in alone["detail"]
        eventually(lambda: 'log_witness_up{witness="regulator"} 0.0' in metrics(address))
        assert "log_witness_missing 1.0" in metrics(address)
        assert not (settings.proof / CHECKPOINT).exists()
        words = ["-m", "cli", "witness", "--state", str(tmp_path / "witness"), "--log", str(log), "--port", str(port)]
        with process(*words):
            eventually((settings.proof / CHECKPOINT).exists)
            told = (settings.proof / POLICY).read_bytes()
            assert told.startswith(b"# for a test\nlog ")
            standing = satisfied(Policy.parse(told), (settings.proof / CHECKPOINT).read_bytes())
            assert (standing.log.key, list(standing.cosigned_at_s)) == (log, ["regulator"])
            assert eventually(lambda: not (found := witnesses())["degraded"] and found)["detail"] == "1 witnesses"
            eventually(lambda: 'log_witness_up{witness="regulator"} 1.0' in metrics(address))


def metrics(address):
    return httpx.get(f"{address}/metrics", trust_env=False).text


def test_a_policy_that_is_none_is_said_at_once(tmp_path):
    settings = Settings(data_dir=tmp_path / "var")
    asyncio.run(make_ready(settings))
    (tmp_path / "policy").write_text("quorum nobody-known\n")
    environ = {"METERLOOP_DATA_DIR": str(settings.data_dir), "METERLOOP_SEQUENCER__POLICY": str(tmp_path / "policy")}
    with process("-m", "cli.sequencing", **environ) as made:
        assert made.wait(60) == 1
        told = made.stderr.read()
    assert "log.bad_policy" in told
    assert "line 1 of the policy" in told
