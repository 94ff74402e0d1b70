"""One process a service, kept running by supervisord (PyPI `supervisor`): its configuration, its start and stop."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

STOP_S_MAX: Final = 25
"""Longer than a service takes to stop of its own accord (settings drain_s and stop_s_max)."""


class Program(msgspec.Struct, frozen=True):
    """A process: `python -m module` with these variables beside the caller's. Lower `priority` starts first and stops
    last.
    """

    name: str
    module: str
    priority: int
    environ: Mapping[str, str]


def configuration(programs: Sequence[Program], data_dir: Path) -> str:
    """Supervisord's configuration for these programs."""
    run, log = data_dir / "run", data_dir / "log"
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
    return head + "".join(_section(program, log) for program in programs)


@contextmanager
def supervised(programs: Sequence[Program], data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Keep these programs running until the block ends; then stop them in order and wait."""
    path = data_dir / "run" / "supervisord.conf"
    path.write_text(configuration(programs, data_dir), "utf-8")
    # A session of its own: Ctrl-C is for us alone, who then stop the programs in order.
    supervisor = subprocess.Popen(  # noqa: S603  our own interpreter and file
        [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(path)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield supervisor
    finally:
        supervisor.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(STOP_S_MAX * len(programs))
        if supervisor.poll() is None:
            os.killpg(supervisor.pid, signal.SIGKILL)
            supervisor.wait()


def _section(program: Program, log: Path) -> str:
    environ = ",".join(f"{name}={_quoted(value)}" for name, value in sorted(program.environ.items()))
    return f"""
[program:{program.name}]
command={_escaped(sys.executable)} -m {program.module}
environment={environ}
priority={program.priority}
autorestart=true
startsecs=2
startretries=10
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
