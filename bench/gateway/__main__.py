"""`python -m bench.gateway [--json] [--devices N]`: the platform as those outside meet it, on loopback.

An import by the command line against a running platform, what memory it takes, and how long views, proof log and
disclosures go on afterwards. When they are done: reads against an empty FastAPI route on the same uvicorn, and commands
at 100 a second, alone and while another import runs. Everything in one run, on one disk, with every part running.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import msgspec
import uvloop

from bench.gateway.catching_up import Work
from bench.gateway.http_load import Connection, paced, request, saturate
from bench.measure import Measure, fsync_p50_us, interleave, report, scratch_folder
from cli.demo.generate import plain_devices
from cli.platform import running
from cli.settings import CliSettings
from client.types import Import
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from services.registry.asset_number import compose

DEVICES: Final = 200_000
UNITS: Final = frozenset(f"994{number:02d}" for number in range(100))
READS: Final = 1_500
ROUNDS: Final = 7
COMMANDS_PER_S: Final = 100
COMMANDS_S: Final = 12.0
WATCH_S: Final = 0.25
"""The system keeps the peak itself; looking more often takes a part of a core from what is looked at."""


class Peaks:
    """The most memory that processes of the platform took, by a word in their command line."""

    def __init__(self, *words: str) -> None:
        self.bytes_max: dict[str, int] = dict.fromkeys(words, 0)
        self._over = threading.Event()
        self._thread: Final = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(WATCH_S):
            for pid in _descendants(os.getpid()):
                self._look(pid)

    def _look(self, pid: int) -> None:
        folder = Path("/proc", str(pid))
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            peak = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM:"))
        except (OSError, StopIteration):
            return
        for word in self.bytes_max:
            if word.encode() in command:
                self.bytes_max[word] = max(self.bytes_max[word], int(peak.split()[1]) * 1024)


def _descendants(pid: int) -> Iterator[int]:
    for children in Path("/proc", str(pid), "task").glob("*/children"):
        try:
            found = [int(one) for one in children.read_text().split()]
        except OSError:
            continue
        for child in found:
            yield child
            yield from _descendants(child)


class Platform:
    """A running platform, and a token for who operates it."""

    def __init__(self, gateway: str, token: str) -> None:
        self._url: Final = gateway
        self._token: Final = token
        self.address: Final = gateway.removeprefix("http://")
        self._serials: Final = itertools.count(90_000_000)

    def start_import(self, file: Path) -> subprocess.Popen[bytes]:
        """`meterloop import FILE --as devices`."""
        command = [sys.executable, "-m", "cli", "import", str(file), "--as", "devices", "--url", self._url]
        return subprocess.Popen([*command, "--token", self._token], stderr=subprocess.DEVNULL)

    def registrations(self) -> Iterator[bytes]:
        """Commands that register one new device each."""
        body = msgspec.json.encode({"device_class": "01", "unit": "99401", "occurred_on": "2025-03-05"})
        for serial in self._serials:
            number = compose("99401", "01", f"{serial:014d}")
            yield self._request("POST", f"/v1/meters/{number}/register", body, {"idempotency-key": str(serial)})

    def card(self, asset_no: str) -> bytes:
        """A question for the card of a device."""
        return self._request("GET", f"/v1/meters/{asset_no}/card")

    async def shows(self, asset_no: str) -> bool:
        """Whether the card of this device can be read."""
        connection = await Connection.open(self.address)
        try:
            await connection.ask(self.card(asset_no))
        except ValueError:
            return False
        else:
            return True
        finally:
            await connection.close()

    async def imports(self) -> list[Import]:
        """How the imports stand."""
        connection = await Connection.open(self.address)
        answer = await connection.ask(self._request("GET", "/v1/imports"))
        await connection.close()
        return msgspec.json.decode(answer, type=dict[str, list[Import] | None])["items"] or []

    def _request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        return request(method, path, {"authorization": f"Bearer {self._token}"} | (headers or {}), body)


def files_of(folder: Path, devices: int) -> tuple[Path, Path]:
    """Two plain CSV of so many devices each, none in both."""
    both, first, second = folder / "both.csv", folder / "first.csv", folder / "second.csv"
    plain_devices(both, 2 * devices)
    with both.open("rb") as source, first.open("wb") as one, second.open("wb") as two:
        head = source.readline()
        one.writelines([head, *itertools.islice(source, devices)])
        two.writelines([head, *source])
    return first, second


@contextmanager
def empty_route() -> Iterator[str]:
    """An empty FastAPI route on uvicorn as the services run it, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "bench.gateway.empty_route"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def reads(platform: Platform, peer: str, asset_no: str) -> dict[str, float]:
    """Answers a second of either."""
    card, empty = itertools.repeat(platform.card(asset_no)), itertools.repeat(request("GET", "/", {}))
    return await interleave(
        {
            "empty": lambda: saturate(peer, empty, READS),
            "card": lambda: saturate(platform.address, card, READS),
        },
        ROUNDS,
    )


async def measure(folder: Path, platform: Platform, work: Work, peer: str, devices: int) -> list[Measure]:
    first, second = files_of(folder, devices)
    last = first.read_bytes().rsplit(b"\n", 2)[1].split(b",")[0].decode()
    fsync_us = fsync_p50_us(folder)
    with Peaks("services.registry", "services.registry.imports.child") as peaks:
        started = time.perf_counter()
        importing = platform.start_import(first)
        await asyncio.to_thread(importing.wait)
        import_s = time.perf_counter() - started
    done_s = await work.done_s(lambda: platform.shows(last))
    (done,) = await platform.imports()
    assert (done.state, done.accepted) == ("done", devices), done
    answers = await reads(platform, peer, last)
    alone_s = await paced(
        platform.address, platform.registrations(), COMMANDS_PER_S, lambda passed_s: passed_s < COMMANDS_S
    )
    importing = platform.start_import(second)
    meanwhile_s = await paced(
        platform.address, platform.registrations(), COMMANDS_PER_S, lambda _: importing.poll() is None
    )
    assert sum(one.accepted for one in await platform.imports()) == 2 * devices
    return [
        Measure("fsync_p50_us", fsync_us, "one page made durable on this disk, median"),
        Measure(
            "import_meters_per_s",
            devices / import_s,
            f"`meterloop import` of {devices:,} devices from CSV, from its start to its end",
            at_least=20_000,
        ),
        Measure("import_views_s", done_s["views"], "seconds after that until the views had all of it"),
        Measure("import_provable_s", done_s["provable"], "the same until a published checkpoint covered it"),
        Measure("import_disclosed_s", done_s["disclosed"], "the same until all of it was disclosed"),
        Measure(
            "import_rss_mb",
            max(peaks.bytes_max.values()) / 1e6,
            "peak memory of the process that parses and of the service, the larger",
            at_most=400,
        ),
        *(Measure(f"import_rss_mb_{word}", size / 1e6, word) for word, size in peaks.bytes_max.items()),
        Measure(
            "read_ratio_empty",
            answers["card"] / answers["empty"],
            "a device's card through the gateway, against an empty FastAPI route on the same uvicorn",
            at_least=0.15,
        ),
        Measure("reads_per_s", answers["card"], "cards through the gateway"),
        Measure("empty_per_s", answers["empty"], "answers of the empty route"),
        _p99("command_p99_ms", alone_s, "through the gateway at 100 a second", 60),
        Measure("command_p50_ms", statistics.median(alone_s) * 1e3, "the same, median"),
        _p99("command_p99_importing_ms", meanwhile_s, "the same while an import runs", 150),
        Measure("command_p50_importing_ms", statistics.median(meanwhile_s) * 1e3, "the same, median"),
    ]


def _p99(key: str, taken_s: list[float], meaning: str, at_most: float) -> Measure:
    return Measure(key, statistics.quantiles(taken_s, n=100)[98] * 1e3, meaning, at_most=at_most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--devices", type=int, default=DEVICES, help="in each of the two imports")
    given = parser.parse_args()
    with scratch_folder() as folder:
        settings = CliSettings(data_dir=folder / "var")
        with running(settings, 0) as running_here, empty_route() as peer:
            operator = Principal(subject="bench", roles=frozenset({Role.OPERATOR}), units=UNITS)
            platform = Platform(running_here.endpoints.gateway, issue(settings.keys_dir, operator))
            work = Work(settings.ledger, settings.proof, running_here.endpoints.operations["registry"])
            measures = uvloop.run(measure(folder, platform, work, peer, given.devices))
    report("gateway", measures, as_json=given.json)


if __name__ == "__main__":
    main()
