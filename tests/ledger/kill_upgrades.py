"""Upgrade a ledger's file of version 1, killed with -9 at one write or synchronisation after the other.

`python -m tests.ledger.kill_upgrades FOLDER`. A process of its own, single-threaded, that forks one for each; once
alone, and once while another process has the file open, so that the write-ahead log outlives the killed one. Prints how
many were killed, and how many of them left version 2.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Final

import apsw
import msgspec

from ledger.sqlite_file import examine, open_file
from tests.ledger import version_1

EVENTS: Final = 40

LOST: Final = 3
"""Exit status of an upgrade that ended before it was durable."""

left = 0
unsynchronised: set[str] = set()


def step(*, at_half: bool = False) -> bool:
    """Count a step. The one that is due kills the process, unless it has `at_half` something to do first."""
    global left  # noqa: PLW0603 - of a process that is forked for one upgrade
    left -= 1
    if left == 0 and not at_half:
        os.kill(os.getpid(), signal.SIGKILL)
    return left == 0


class KilledFile(apsw.VFSFile):
    """Half of a write is there when the process is killed in it."""

    def __init__(self, base: str, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(base, name, flags)
        self.name: Final = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's
        if step(at_half=True):
            super().xWrite(data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        unsynchronised.add(self.name)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's
        step()
        super().xSync(flags)
        unsynchronised.discard(self.name)

    def xTruncate(self, size: int) -> None:  # noqa: N802 - apsw's
        step()
        super().xTruncate(size)


class KilledFiles(apsw.VFS):
    """The machine's files, and a process that dies at them."""

    def __init__(self) -> None:
        self.base: Final = apsw.vfs_names()[0]
        super().__init__("killed", self.base, makedefault=True)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's
        return KilledFile(self.base, name, flags)


def killed_at(at: int, path: Path) -> bool:
    global left  # noqa: PLW0603 - see there
    child = os.fork()
    if not child:
        left = at
        files = KilledFiles()
        open_file(path)
        files.unregister()
        os._exit(LOST if str(path) + "-wal" in unsynchronised else 0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}, f"an upgrade ended with {status}"
    return status != 0


@contextmanager
def opened_elsewhere(path: Path) -> Iterator[None]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        connection = apsw.Connection(str(path))
        connection.execute("SELECT 1 FROM event").fetchall()
        os.write(writing, b"!")
        signal.pause()
    os.read(reading, 1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def found(path: Path) -> tuple[int, list[tuple[int, bytes]]]:
    """The version, and the log, of a file that must be whole."""
    connection = apsw.Connection(str(path))
    assert connection.pragma("integrity_check") == "ok"
    version = connection.pragma("user_version")
    beside = connection.execute("SELECT count(*) FROM sqlite_schema WHERE tbl_name = 'beside'").get
    assert bool(beside) == (version == 2), f"version {version} with {beside} things beside the log"
    if version == 2:
        assert connection.execute("SELECT count(*), max(position) FROM beside").fetchall() == [(1, EVENTS)]
    events = connection.execute("SELECT position, id FROM event ORDER BY position").fetchall()
    connection.close()
    return version, events


def upgraded_at_last(folder: Path, *, alone: bool) -> tuple[int, int]:
    """How many were killed before one came to its end, and how many of them had upgraded the file."""
    upgraded = 0
    for at in count(1):
        path = folder / f"{at}.db"
        version_1.make(path, EVENTS)
        before = found(path)
        with nullcontext() if alone else opened_elsewhere(path):
            killed = killed_at(at, path)
            version, events = found(path)
            assert events == before[1], f"other events than before after a kill at {at}"
            assert version in ({1, 2} if killed else {2})
            assert open_file(path) == version_1.LEDGER_ID
        assert found(path) == (2, before[1])
        assert examine(path) == (version_1.LEDGER_ID, EVENTS)
        if not killed:
            return at - 1, upgraded
        upgraded += version == 2
    raise AssertionError("unreachable")


def main(folder: Path) -> None:
    report = {}
    for name, alone in (("alone", True), ("with another", False)):
        (folder / name).mkdir()
        report[name] = upgraded_at_last(folder / name, alone=alone)
    sys.stdout.write(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
