"""A sequencer whose system calls are counted, and fail or kill it at the one chosen: strace does that to one thread.

The process that works forks from a warm one, lets its threads be attached to while it stands still, and then does what
is due. All file calls of a sequencer are made by one thread here, and those of its ledger by another, so that a call is
known by its thread, its name and its number.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.cosignature import cosign
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.note import Note
from ledger.sqlite import SqliteLedger
from ledger.transparency.sequencer import PASSING
from tests.kernel.killable import Killable
from tests.ledger.transparency.logs import Clock, sequencer_of

CALLS = (
    "openat", "close", "read", "pread64", "write", "pwrite64", "lseek", "ftruncate", "fsync", "fdatasync", "fcntl",
    "flock", "fstat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "getdents64",
    "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "fchmod", "fchown",
    "ioctl",
)  # fmt: skip
"""Those of the file system. A machine has only some of them."""

TRIES_MAX = 4
STOPPED_S_MAX = 20
WITNESS = SignerKey("witness.example/w", KeyType.COSIGNATURE, bytes(32))


class Point(msgspec.Struct, frozen=True):
    """The call of this number, from 1, among those of its name that this thread makes."""

    thread: str
    call: str
    number: int


class Onlooker:
    """A witness that keeps what it was shown."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "shown"

    async def cosign(self, old_size, note, prove):
        await asyncio.to_thread(prove, old_size)
        with self._file.open("ab") as file:
            file.write(note + b"\n\n")
        return [cosign(Note.parse(note).text, WITNESS, time.monotonic_ns())]


async def work(folder: str, how: str) -> None:
    """Sequence what is in the ledger, then end. What may pass by itself is tried again. `how`: the hours that have gone
    by since the log began.
    """
    try:
        await _work(Path(folder), int(how))
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        raise
    os._exit(0)


async def _work(folder: Path, hours: int) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    clock, sequencer = Clock(), None
    clock.pass_s(hours * 3_600)
    threads = {
        "sequencer": await asyncio.to_thread(threading.get_native_id),
        "ledger": ledger._threads.submit(threading.get_native_id).result(),
    }
    (folder / "threads").write_bytes(msgspec.json.encode(threads))
    os.kill(os.getpid(), signal.SIGSTOP)
    for _ in range(TRIES_MAX):
        try:
            sequencer = sequencer or await sequencer_of(ledger, folder, clock=clock, cosigner=Onlooker(folder))
            outcome = await sequencer.round(refresh=True)
            if outcome.at_head and outcome.published_size == outcome.signed_size:
                break
        except PASSING:
            continue
    else:
        raise AssertionError("what failed once fails again")
    with suppress(*PASSING):
        await sequencer.close()


class Stepped:
    """A warm process. Use: `with Stepped() as stepped`."""

    def __enter__(self):
        self._killable = Killable("tests.ledger.transparency.stepped", "work").__enter__()
        return self

    def __exit__(self, *error):
        self._killable.__exit__(*error)

    def calls(self, folder: Path, hours: int) -> list[Point]:
        """All calls of a sequencer that goes on in this folder."""
        threads, status = self._run(folder, hours, [f"trace={','.join('?' + call for call in CALLS)}"], None)
        assert status == 0
        counted: Counter[tuple[str, str]] = Counter()
        roles = {tid: role for role, tid in threads.items()}
        points = []
        for pid, call in re.findall(r"^(\d+) +(\w+)\(", (folder / "trace").read_text(), re.MULTILINE):
            counted[roles[int(pid)], call] += 1
            points.append(Point(roles[int(pid)], call, counted[roles[int(pid)], call]))
        return points

    def fail(self, folder: Path, hours: int, point: Point) -> bool:
        """Let this call of it fail with EIO, not done. Whether it came to that."""
        inject = f"inject={point.call}:error=EIO:when={point.number}"
        _, status = self._run(folder, hours, [f"trace={point.call}", inject], point.thread)
        assert status == 0, f"{point}: it did not go on"
        return "(INJECTED)" in (folder / "trace").read_text()

    def kill(self, folder: Path, hours: int, point: Point) -> bool:
        """Kill it as it is about to do this call. Whether it came to that."""
        inject = f"inject={point.call}:signal=SIGKILL:when={point.number}"
        _, status = self._run(folder, hours, [f"trace={point.call}", inject], point.thread)
        return status == -signal.SIGKILL

    def _run(self, folder, hours, expressions, role):
        pid = self._killable.start(folder, hours)
        until = time.monotonic() + STOPPED_S_MAX
        while " T " not in Path(f"/proc/{pid}/stat").read_text():
            assert time.monotonic() < until
            time.sleep(0.001)
        threads = msgspec.json.decode((folder / "threads").read_bytes())
        traced = [tid for name, tid in threads.items() if role in (None, name)]
        command = ["strace"]
        command += [word for expression in expressions for word in ("-e", expression)]
        command += [word for tid in traced for word in ("-p", str(tid))]
        with subprocess.Popen([*command, "-o", str(folder / "trace")], stderr=subprocess.PIPE, text=True) as strace:
            for _ in traced:
                assert "attached" in strace.stderr.readline()
            os.kill(pid, signal.SIGCONT)
            status = self._killable.ended()
            strace.stderr.read()
        return threads, status


def shown(folder: Path) -> list[Checkpoint]:
    """What the witness was shown."""
    file = folder / "shown"
    notes = file.read_bytes().split(b"\n\n\n") if file.exists() else []
    return [Checkpoint.parse(Note.parse(note + b"\n").text) for note in notes if note]
