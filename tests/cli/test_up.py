"""`meterloop up` as it is met: from any folder, with the port taken, with a service that cannot start, and killed."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.reference import ROOT

pytestmark = pytest.mark.timeout(300)
STARTED_S_MAX = 150
OVER_S_MAX = 60
CONNECTED = "03"
"""As the kernel writes it, in hexadecimal."""


@contextmanager
def up(folder, *words, python=sys.executable, **environ):
    """The command from a folder that is not the repository's, with a data folder of its own."""
    told = (folder / "told.txt").open("w+b")
    process = subprocess.Popen(
        [python, "-P", "-m", "cli", "up", *words],
        cwd=folder,
        env={**os.environ, "METERLOOP_DATA_DIR": str(folder / "var"), "COLUMNS": "400", **environ},
        stdin=subprocess.DEVNULL,
        stdout=told,
        stderr=told,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(OVER_S_MAX)
        told.close()


def told(folder):
    return (folder / "told.txt").read_text("utf-8")


def eventually(true, seconds):
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def started(folder, process):
    """Wait until it is up; the processes under the supervisor, and the supervisor."""
    eventually(
        lambda: (folder / "var" / "run" / "endpoints.json").exists() or process.poll() is not None, STARTED_S_MAX
    )
    assert process.poll() is None, told(folder)
    supervisor = int((folder / "var" / "run" / "supervisord.pid").read_text())
    children = subprocess.run(["pgrep", "-P", str(supervisor)], capture_output=True, text=True, check=True)
    return [int(pid) for pid in children.stdout.split()], supervisor


def gone(pids):
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: PTH110  a question, not a path


def states_at(path):
    """Of every socket of the machine that has this path: the one that listens, and its end of each connection."""
    sockets = Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()
    return {line.split()[5] for line in sockets if line.endswith(f" {path}")}


@pytest.fixture
def folder(tmp_path_factory):
    """Short, for the supervisor's socket has at most 108 characters; with a trap for whoever runs what lies there."""
    folder = tmp_path_factory.mktemp("up")
    (folder / "profile.py").write_text("raise SystemExit('what lies in the working directory was run')")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells a process of its parent's death")
def test_killed_it_leaves_nothing_running_and_what_it_keeps_is_its_owners(folder):
    with up(folder, "--port", "0") as process:
        services, supervisor = started(folder, process)
        assert len(services) == 5
        kept = [folder / "var", *(folder / "var").glob("*.sqlite*"), *(folder / "var" / "log").iterdir()]
        kept += [folder / "var" / "run", folder / "var" / "run" / "registry.sock"]
        open_to_others = [path.name for path in kept if path.stat().st_mode & 0o077 and path.suffix != ".sqlite-lock"]
        assert open_to_others == []
        process.kill()
        eventually(lambda: gone([*services, supervisor]), OVER_S_MAX)


def test_where_it_is_installed_may_have_any_name(tmp_path_factory):
    """Spaces, letters, a percent sign; a machine that says neither its language nor its home; and a socket that a
    killed registry has left, which the gateway is answered at nevertheless.
    """
    folder = tmp_path_factory.mktemp("up") / "换 表 5%"
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = subprocess.run(
        [venv / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    beside = [sysconfig.get_path("purelib"), str(ROOT)]
    Path(packages.stdout.strip(), "beside.pth").write_text("\n".join(beside) + "\n", "utf-8")
    at = folder / "var" / "run" / "registry.sock"
    at.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(at))
    bare = {"LANG": "C", "LC_ALL": "C", "HOME": str(folder / "nowhere")}
    with up(folder, "--port", "0", python=venv / "bin" / "python", **bare) as process:
        assert len(started(folder, process)[0]) == 5
        if sys.platform == "linux":
            assert CONNECTED in states_at(at), "the gateway asks the registry at its socket"


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_without_its_supervisor_it_ends_and_says_so(folder):
    with up(folder, "--port", "0") as process:
        services, supervisor = started(folder, process)
        os.kill(supervisor, signal.SIGKILL)
        assert process.wait(OVER_S_MAX) == 1
        assert "监管进程意外结束" in told(folder)
        assert "the supervisor has ended" in told(folder)
        assert "Traceback" not in told(folder)
        eventually(lambda: gone(services), OVER_S_MAX)


@pytest.mark.parametrize(
    "name", ["METERLOOP_REST_HOST", "METERLOOP_GATEWAY__REST_HOST", "METERLOOP_REGISTRY__RPC_HOST"]
)
def test_a_door_for_strangers_without_an_issuer_is_said_before_anything_is_started(folder, name):
    with up(folder, "--port", "0", **{name: "0.0.0.0"}) as process:
        assert process.wait(STARTED_S_MAX) == 1
    assert "内置令牌签发仅限本机使用，而服务监听 0.0.0.0" in told(folder)
    assert "a door listens on 0.0.0.0" in told(folder)
    assert "Traceback" not in told(folder)
    assert not (folder / "var").exists()


@pytest.mark.parametrize("name", ["data ;1", "data\n1"])
def test_a_data_folder_that_the_supervisor_cannot_read_is_refused(folder, name):
    with up(folder, "--port", "0", METERLOOP_DATA_DIR=str(folder / name)) as process:
        assert process.wait(STARTED_S_MAX) == 1
    assert "监管进程无法读取" in told(folder)
    assert "the supervisor cannot read" in told(folder)
    assert not (folder / name).exists()


@pytest.mark.parametrize("command", ["up", "init"])
@pytest.mark.parametrize("name", ["data?1", "data#1", "data,1"])
def test_a_data_folder_that_no_address_can_hold_is_refused_before_anything_is_made(folder, name, command):
    environ = {**os.environ, "METERLOOP_DATA_DIR": str(folder / name), "COLUMNS": "400"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", command], cwd=folder, env=environ, check=False, capture_output=True
    )
    assert done.returncode == 1
    said = done.stderr.decode()
    assert f"含“{name[4]}”，台账与服务的地址中不能有它" in said
    assert f"has a {name[4]}, which no address of a ledger or a service can hold" in said
    assert not (folder / name).exists()


def test_a_token_that_no_door_will_take_says_so(folder):
    environ = {**os.environ, "METERLOOP_DATA_DIR": str(folder / "var"), "COLUMNS": "400"}
    command = [sys.executable, "-P", "-m", "cli"]
    subprocess.run([*command, "init"], cwd=folder, env=environ, check=True, capture_output=True)
    mine = subprocess.run(
        [*command, "token", "--role", "admin"], cwd=folder, env=environ, check=True, capture_output=True
    )
    environ["METERLOOP_ISSUER_FILE"] = str(folder / "issuer.yaml")
    other = subprocess.run(
        [*command, "token", "--role", "admin"], cwd=folder, env=environ, check=True, capture_output=True
    )
    assert b"no door will take this token" in other.stderr
    assert (len(other.stdout.splitlines()), mine.stderr) == (1, b"")


def test_a_port_that_is_taken_is_said_before_anything_is_started(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with up(folder, "--port", str(port)) as process:
            assert process.wait(STARTED_S_MAX) == 1
    assert f"端口 {port} 无法使用" in told(folder)
    assert f"port {port} cannot be used" in told(folder)
    assert "Traceback" not in told(folder)
    assert not (folder / "var" / "run" / "supervisord.conf").exists()


@pytest.mark.parametrize(
    ("variable", "value", "service", "why"),
    [
        ("METERLOOP_DISCLOSER__DISCLOSURE", "nowhere.yaml", "discloser", "nowhere.yaml"),
        ("METERLOOP_REGISTRY__RETENTION", "nowhere.yaml", "registry", "nowhere.yaml"),
        ("METERLOOP_REGISTRY__NONSENSE", "1", "registry", "METERLOOP_REGISTRY__NONSENSE"),
    ],
)
def test_a_service_that_cannot_start_ends_it_at_once_with_the_reason(folder, variable, value, service, why):
    log = folder / "var" / "log" / f"{service}.log"
    log.parent.mkdir(parents=True)
    log.write_text('{"event": "not started", "exception": "ValueError: of an earlier run"}\n', "utf-8")
    with up(folder, "--port", "0", **{variable: value}) as process:
        assert process.wait(STARTED_S_MAX) == 1
    assert "of an earlier run" not in told(folder)
    assert f"{service} 未能启动" in told(folder)
    assert f"{service} could not start" in told(folder)
    assert why in told(folder)
    assert "Traceback" not in told(folder)
    starts = (folder / "var" / "log" / "supervisord.log").read_text("utf-8").count(f"spawned: '{service}'")
    assert starts <= 2
