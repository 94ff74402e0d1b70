"""`meterloop ledger serve` as those who use it know it: an address, and a process that can be killed."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import unquote

READY_S, ENDED_S = 60.0, 30.0
LISTENING = re.compile(rb"127\.0\.0\.1:(\d+)[?](?:tls=false|tlsCaFile=(\S+))\s")


class Door(NamedTuple):
    """Where one server listens, as the clients are told of it."""

    port: int
    credentials: str = ""
    certificate: Path | None = None

    def url(self, *options: str, scheme: str = "kurrentdb") -> str:
        if self.certificate is None:
            return f"{scheme}://127.0.0.1:{self.port}?{'&'.join(['tls=false', *options])}"
        told = [f"tlsCaFile={self.certificate}", *options]
        return f"{scheme}://{self.credentials}@127.0.0.1:{self.port}?{'&'.join(told)}"

    def of(self, credentials: str) -> Self:
        """The same, to who has these."""
        return self._replace(credentials=credentials)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class Serving:
    """A server's process, until the block ends or it is killed."""

    def __init__(self, *options: str, data: Path, port: int = 0, shell: str = "") -> None:
        """`data`: its data folder, which may be there already. What it says beside goes into a file there. `port`: any
        that is free, or one where an earlier one was met. `shell`: what a shell says before it becomes the server.
        """
        data.mkdir(parents=True, exist_ok=True)
        self._log = data / "told.txt"
        command = [sys.executable, "-m", "cli", "ledger", "serve", "--listen", f"127.0.0.1:{port}", *options]
        if shell:
            command = ["/bin/sh", "-c", f'{shell} && exec "$@"', "sh", *command]
        environ = {**os.environ, "METERLOOP_DATA_DIR": str(data)}
        with self._log.open("ab") as told:
            self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=told)
        port, authority = self._told()
        self.door = Door(port, certificate=authority)

    def _told(self) -> tuple[int, Path | None]:
        """The port and the authority's certificate from the URL that it says to connect to."""
        deadline, told = time.monotonic() + READY_S, b""
        out = self.process.stdout
        while select.select([out], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(out.fileno(), 1 << 12)
            told += chunk
            if found := LISTENING.search(told):
                return int(found[1]), Path(unquote(found[2].decode())) if found[2] else None
            if not chunk:
                break
        self.process.kill()
        self.process.wait()
        raise AssertionError(f"the server did not come to listen: {told.decode()} {self._log.read_text()}")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def rss_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        assert self.process.wait(ENDED_S) == 0, self._log.read_text()

    def __exit__(self, *_: object) -> None:
        try:
            if self.alive:
                self.stop()
        finally:
            if self.alive:
                self.kill()
            self.process.stdout.close()
