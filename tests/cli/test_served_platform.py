"""The platform on its log as it is served over KurrentDB's protocol: the demonstration, and a day with troubles."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import KurrentDBClientError

from cli.certificates import AUTHORITY_FILE
from cli.credentials import add_user
from cli.reference import ROOT
from kernel.principal import Role
from tests.cli.test_serving import serving
from tests.cli.test_up import OVER_S_MAX, eventually, started, told, up

NOW_US = 1_780_000_000_000_000
PASSWORD = "correct-horse-staple"


def meterloop(folder, *words, **environ):
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *words],
        cwd=folder, env={**os.environ, "METERLOOP_DATA_DIR": str(folder / "var"), "COLUMNS": "300", **environ},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_the_demonstration_is_the_same_there(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    done = subprocess.run(
        [sys.executable, "-m", "cli", "demo", "--port", "0", "--ledger", "kurrentdb"],
        cwd=ROOT, env={**os.environ, "DEMO_ONCE": "1", "METERLOOP_DATA_DIR": str(folder)},
        capture_output=True, text=True, timeout=580, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["balances_ok"] is True
    assert outcome["events"] > 3 * outcome["meters"]
    assert outcome["tree_size"] >= outcome["events"]
    assert outcome["audit"] == "verified under the demo policy: both witnesses are run by this demo"
    var = folder / "demo" / "1"
    log = (var / "log" / "ledger.log").read_text("utf-8")
    assert '"event": "serving"' in log
    passwords = set(_passwords(var))
    assert len(passwords) == 4
    for path in (var / "log").iterdir():
        assert not [one for one in passwords if one in path.read_text("utf-8")], path


def _passwords(var: Path):
    for line in (var / "run" / "supervisord.conf").read_text("utf-8").splitlines():
        if "LEDGER_URL=" in line and "kurrentdb://" in line:
            yield line.partition("kurrentdb://")[2].partition("@")[0].partition(":")[2]


@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")
def test_a_server_that_is_killed_and_outsiders_who_write_keep_nobody_from_work(tmp_path_factory, unused_tcp_port):
    folder = tmp_path_factory.mktemp("up")
    listen = f"127.0.0.1:{unused_tcp_port}"
    with up(folder, "--port", "0", "--ledger", "kurrentdb", METERLOOP_LEDGER__LISTEN=listen) as process:
        services, _ = started(folder, process)
        assert len(services) == 6
        assert (folder / "var" / "run" / "supervisord.conf").stat().st_mode & 0o777 == 0o600
        keys = folder / "var" / "keys"
        add_user(keys, "maker", Role.MANUFACTURER, None, PASSWORD, NOW_US)
        uri = f"kurrentdb://maker:{PASSWORD}@{listen}?tlsCaFile={keys / AUTHORITY_FILE}"
        opened = meterloop(folder, "site", "open", "store-1", "--unit", "99401")
        assert opened.returncode == 0, opened.stderr
        assert f"kurrentdb://{listen}?tlsCaFile=" in told(folder)
        with KurrentDBClient(uri=uri) as maker:
            _write_oddly(maker)
            [server] = [pid for pid in services if b"cli.serving" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(server, signal.SIGKILL)
            eventually(lambda: meterloop(folder, "site", "open", "store-2", "--unit", "99401").returncode == 0, 60)
        # One of the server as it is now: a read that has begun on a broken connection is not begun again.
        with KurrentDBClient(uri=uri) as maker:
            assert [event.type for event in maker.read_all()] == ["registry.SiteOpened", "registry.SiteOpened"]
        assert _disclosed(folder, 5) == {"ledger", "registry", "sorting", "sequencer", "discloser", "gateway"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(OVER_S_MAX) == 0, told(folder)
    checked = meterloop(folder, "ledger", "fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    refused = meterloop(folder, "up", "--port", "0", "--ledger", "kurrentdb", LEDGER_URL="kurrentdb://192.0.2.1:2113")
    assert refused.returncode == 1
    assert "ledger_serve.not_embedded" in refused.stderr


def _write_oddly(maker):
    """What an outsider may, and what not."""
    for number, data in enumerate((b'{"n":1}', b"not JSON", b'{"n":1,"n":2}')):
        maker.append_to_stream(
            f"ext-{number}", events=[NewEvent(type="acme.Seen", data=data)], current_version=StreamState.NO_STREAM
        )
    for stream, kind in (("meter-1", "acme.Seen"), ("ext-9", "registry.PlanSet")):
        with pytest.raises(KurrentDBClientError):
            maker.append_to_stream(stream, events=[NewEvent(type=kind, data=b"{}")], current_version=StreamState.ANY)


def _disclosed(folder, entries):
    """Return once so many entries are disclosed and every part is well; gives the names of the parts."""
    operations = json.loads((folder / "var" / "run" / "endpoints.json").read_bytes())["operations"]
    until = time.monotonic() + 60
    while True:
        reports = {name: httpx.get(f"{url}/readyz?verbose", trust_env=False).json() for name, url in operations.items()}
        troubled = {name: report for name, report in reports.items() if report["degraded"] or not report["ready"]}
        disclosed = reports["discloser"]["checks"]["disclosures"]["detail"]
        if not troubled and disclosed == f"{entries} entries":
            return set(operations)
        assert time.monotonic() < until, (troubled, disclosed)
        time.sleep(0.2)


@pytest.mark.timeout(400)
def test_the_log_of_an_operators_own_is_named_by_its_url(tmp_path_factory):
    """It stands for a cluster: no command knows of its file."""
    folder, there = tmp_path_factory.mktemp("up"), tmp_path_factory.mktemp("there")
    with serving(there, "--insecure-as", "service", "--listen", "127.0.0.1:0") as log:
        elsewhere = {"LEDGER_URL": log.url}
        with up(folder, "--port", "0", **elsewhere) as process:
            started(folder, process)
            opened = meterloop(folder, "site", "open", "store-1", "--unit", "99401")
            assert opened.returncode == 0, opened.stderr
            _disclosed(folder, 1)
        assert not (folder / "var" / "ledger.sqlite").exists()
        for words in (("ledger", "fsck"), ("rebuild",), ("policy", "list")):
            done = meterloop(folder, *words, **elsewhere)
            assert done.returncode == 0, done.stdout + done.stderr
        refusals = {
            ("backup", str(folder / "backup")): "backup.elsewhere",
            ("restore", str(folder / "backup")): "restore.not_empty",
            ("demo",): "demo.elsewhere",
            ("ledger", "serve"): "ledger_serve.not_embedded",
        }
        for words, code in refusals.items():
            done = meterloop(folder, *words, **elsewhere)
            assert (done.returncode, code in done.stderr) == (1, True), done.stderr
        other = meterloop(folder, "up", "--port", "0")
        assert other.returncode == 1
        assert "rebuild" in other.stderr
    away = meterloop(folder, "ledger", "fsck", **elsewhere)
    assert away.returncode == 1
    assert "台账无法使用" in away.stderr
    assert "the log cannot be used" in away.stderr
