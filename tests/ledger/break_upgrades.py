"""Upgrade a ledger's file of version 1, broken off at one write or synchronisation after the other: by kill -9, or
because the disk fails there.

`python -m tests.ledger.break_upgrades FOLDER`. A process of its own, single-threaded, that forks one for each; once
alone, and once while another process has the file open, so that the write-ahead log outlives the killed one. Prints how
many were broken off, and how many of them left version 2.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count, product
from pathlib import Path
from typing import Final

import apsw
import msgspec

from ledger.port import Unavailable
from ledger.sqlite_file import examine, open_file
from tests.ledger import version_1

EVENTS: Final = 5

WHOLE, LOST, AWAY, IN_SPITE = range(4)
"""Exit statuses of an upgrade: nothing was due to break it off; it ended before it was durable; it said that it could
not be done; it came to its end in spite of what failed.
"""

kills = True
left = 0
unsynchronised: set[str] = set()


def is_due() -> bool:
    global left  # noqa: PLW0603 - of a process that is forked for one upgrade
    left -= 1
    return left == 0


def break_off() -> None:
    if kills:
        os.kill(os.getpid(), signal.SIGKILL)
    raise apsw.IOError("broken off here on purpose")


class BreakingFile(apsw.VFSFile):
    """Half of a write is there when it is broken off."""

    def __init__(self, base: str, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(base, name, flags)
        self.name: Final = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's
        if is_due():
            super().xWrite(data[: len(data) // 2], offset)
            break_off()
        unsynchronised.add(self.name)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's
        if is_due():
            break_off()
        super().xSync(flags)
        unsynchronised.discard(self.name)

    def xTruncate(self, size: int) -> None:  # noqa: N802 - apsw's
        if is_due():
            break_off()
        super().xTruncate(size)


class BreakingFiles(apsw.VFS):
    """The machine's files, as BreakingFile has them."""

    def __init__(self) -> None:
        self.base: Final = apsw.vfs_names()[0]
        super().__init__("breaking", self.base, makedefault=True)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's
        return BreakingFile(self.base, name, flags)


def broken_off(at: int, path: Path, *, by_kill: bool) -> bool:
    """Upgrade in another process; whether there was a step so late."""
    global left, kills
    child = os.fork()
    if not child:
        left, kills = at, by_kill
        files = BreakingFiles()
        try:
            open_file(path)
        except Unavailable:
            os._exit(AWAY)
        except apsw.Error:
            # SQLite passes over what fails while it closes a file; apsw tells of what its own files have raised.
            os._exit(IN_SPITE)
        files.unregister()
        if left <= 0:
            os._exit(IN_SPITE)
        os._exit(LOST if str(path) + "-wal" in unsynchronised else WHOLE)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {WHOLE, *([-signal.SIGKILL] if by_kill else [AWAY, IN_SPITE])}, f"an upgrade ended with {status}"
    return status != WHOLE


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


def upgraded_at_last(folder: Path, *, by_kill: bool, alone: bool) -> tuple[int, int]:
    """How many were broken off before one was not, and how many of them had upgraded the file."""
    upgraded = 0
    for at in count(1):
        path = folder / f"{at}.db"
        version_1.make(path, EVENTS)
        before = found(path)
        with nullcontext() if alone else opened_elsewhere(path):
            broken = broken_off(at, path, by_kill=by_kill)
            version, events = found(path)
            assert events == before[1], f"other events than before when broken off at {at}"
            assert version in ({1, 2} if broken else {2})
            assert open_file(path) == version_1.LEDGER_ID
        assert found(path) == (2, before[1])
        assert examine(path) == (version_1.LEDGER_ID, EVENTS)
        if not broken:
            return at - 1, upgraded
        upgraded += version == 2
    raise AssertionError("unreachable")


def main(folder: Path) -> None:
    report = []
    for by_kill, alone in product((True, False), repeat=2):
        own = folder / f"{by_kill}-{alone}"
        own.mkdir()
        report.append(upgraded_at_last(own, by_kill=by_kill, alone=alone))
    sys.stdout.write(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
