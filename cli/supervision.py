"""One process a service, kept running by supervisord (PyPI `supervisor`): its configuration, its start and stop."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import httpx
import msgspec

from kernel.keys import OWNER_ONLY, write_file

STOP_S_MAX: Final = 25
"""Longer than a service takes to stop of its own accord (settings drain_s and stop_s_max)."""


STARTED_S: Final = 20
"""A service that lives so long has started; one that ends before, several times, is given up. Where a machine is busy,
what keeps a service from starting comes to light after some seconds only. `meterloop up` waits for none of this when it
begins: it ends with the first service that does.
"""
ANSWER_S_MAX: Final = 2.0
_ASKED: Final = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
_PYTHON: Final = (sys.executable, "-P")
"""Without the working directory on its path: whatever lies there is not ours to run."""
_TIED: Final = (*_PYTHON, "-m", "cli.tied")


class Program(msgspec.Struct, frozen=True):
    """A process: `python -m module` with these variables beside the caller's. Lower `priority` starts first and stops
    last. One with `niceness` stands back for the others where the processor is short.
    """

    name: str
    module: str
    priority: int
    environ: Mapping[str, str]
    niceness: int = 0


def configuration(programs: Sequence[Program], data_dir: Path) -> str:
    """Supervisord's configuration for these programs."""
    run, log = (_escaped(str(data_dir / name)) for name in ("run", "log"))
    head = f"""[supervisord]
nodaemon=true
silent=true
logfile={log}/supervisord.log
pidfile={run}/supervisord.pid
childlogdir={log}
identifier=meterloop

[unix_http_server]
file={run}/supervisor.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{run}/supervisor.sock
"""
    # The place of a program's log is expanded twice.
    return head + "".join(_section(program, _escaped(log)) for program in programs)


class Supervisor:
    """The supervisor while it runs."""

    def __init__(self, process: subprocess.Popen[bytes], address: Path) -> None:
        self._process: Final = process
        self._address: Final = address
        self._http: Final = httpx.Client(transport=httpx.HTTPTransport(uds=str(address)), timeout=ANSWER_S_MAX)

    @property
    def alive(self) -> bool:
        """Whether it still keeps the programs running."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ask it nothing more."""
        self._http.close()

    def given_up(self) -> list[str]:
        """The programs that ended each time they were started, so that it tries no more."""
        return [str(one["name"]) for one in self._programs() if one["statename"] == "FATAL"]

    def ended(self) -> dict[str, str]:
        """The programs that have ended by themselves since the supervisor began, or could not be started, whether it
        tries again or not; with what the supervisor knows of it.
        """
        return {str(one["name"]): str(one["spawnerr"]) for one in self._programs() if one["stop"] or one["spawnerr"]}

    def _programs(self) -> list[dict[str, object]]:
        # Where there is nothing to connect to, httpx would leave a socket open each time.
        if not self._address.exists():
            return []
        try:
            answer = self._http.post("http://supervisor/RPC2", content=_ASKED, headers={"Content-Type": "text/xml"})
        except httpx.TransportError:
            # It is starting, or has ended, which is for the caller to see.
            return []
        (programs,), _ = xmlrpc.client.loads(answer.text)
        return cast("list[dict[str, object]]", programs)


@contextmanager
def supervised(programs: Sequence[Program], data_dir: Path) -> Iterator[Supervisor]:
    """Keep these programs running until the block ends; then stop them in order and wait. Where we are killed, the
    supervisor is told to stop, and where that is killed, the programs are.
    """
    path = data_dir / "run" / "supervisord.conf"
    # As it will be read, in the encoding of this machine's file names.
    write_file(path, os.fsencode(configuration(programs, data_dir)), OWNER_ONLY)
    # A session of its own: Ctrl-C is for us alone, who then stop the programs in order.
    supervisor = subprocess.Popen(  # noqa: S603  our own interpreter and file
        [*_TIED, "0", *_PYTHON, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(path)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    told = Supervisor(supervisor, data_dir / "run" / "supervisor.sock")
    try:
        yield told
    finally:
        told.close()
        supervisor.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(STOP_S_MAX * len(programs))
        if supervisor.poll() is None:
            os.killpg(supervisor.pid, signal.SIGKILL)
            supervisor.wait()


def _section(program: Program, log: str) -> str:
    environ = ",".join(f"{name}={_quoted(value)}" for name, value in sorted(program.environ.items()))
    return f"""
[program:{program.name}]
command={_escaped(shlex.join((*_TIED, str(program.niceness), *_PYTHON, "-m", program.module)))}
environment={environ}
priority={program.priority}
autorestart=true
startsecs={STARTED_S}
startretries=3
stopsignal=TERM
stopwaitsecs={STOP_S_MAX}
redirect_stderr=true
stdout_logfile={log}/{program.name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=5
"""


def _quoted(value: str) -> str:
    return '"' + _escaped(value).replace('"', '\\"') + '"'


def _escaped(value: str) -> str:
    """Supervisord expands what follows a percent sign."""
    return value.replace("%", "%%")
