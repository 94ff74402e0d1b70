"""The processes that are measured: the program that serves a log, and the one whose calls do nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from cli.platform import free_ports

STARTS_S_MAX: Final = 30.0
STOPS_S_MAX: Final = 20.0


@contextmanager
def log_served(folder: Path) -> Iterator[str]:
    """`meterloop ledger serve` on a new log in this folder, for the role of a service. The address, `host:port`."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    log = f"sqlite:///{(folder / 'ledger.db').absolute()}"
    command = [
        *(sys.executable, "-m", "cli", "ledger", "serve"),
        *("--listen", address, "--insecure-as", "service", "--ledger", log),
    ]
    with (folder / "serve.log").open("wb") as said:
        served = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            _wait_for(address, served, folder / "serve.log")
            yield address
        finally:
            served.terminate()
            served.wait(STOPS_S_MAX)


@contextmanager
def empty_calls() -> Iterator[str]:
    """Calls that do nothing. The address, `host:port`."""
    serving = subprocess.Popen([sys.executable, "-m", "bench.kurrent.empty_calls"], stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    try:
        yield serving.stdout.readline().strip()
    finally:
        serving.terminate()
        serving.wait(STOPS_S_MAX)
        serving.stdout.close()


def _wait_for(address: str, served: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_S_MAX
    while time.monotonic() < until and served.poll() is None:
        with grpc.insecure_channel(address) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=1)
            except grpc.FutureTimeoutError:
                continue
            return
    raise RuntimeError(f"the log is not served: {log.read_text('utf-8', 'replace')[-2_000:]}")
