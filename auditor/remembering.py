"""What an auditor remembers in a folder of its own: the checkpoint it saw, and what it verified, so that an audit which
was broken off goes on where it was, and the next one verifies what is new.

Nothing is remembered that this auditor did not verify itself, and nothing of it is taken that is not bound to what it
reads now: a stretch of the log to the hash of its subtree under the root of today's checkpoint, in a folder also to
what the file system says of each file that was read; a day of checkpoints to the SHA-256 of its file, the keys, and
what the days before it came to. What is bound otherwise, or damaged, or was verified under other terms, is verified
again.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from auditor.checkpoints import Day, Remembered
from auditor.source import Place, Unreadable
from auditor.span import FOLDERS, METADATA, RANGE, SPAN, Examined, Task, range_name
from auditor.trouble import Trouble
from ledger.proof.tiles import ENTRIES, FULL_WIDTH, Tile, tile_root

T = TypeVar("T")

FORM: Final = 2
"""Raised whenever what is remembered, or what verifying means, changes: then all is verified again."""

REMEMBERED: Final = "remembered.json"
DRAWN: Final = "drawn"
SPANS: Final = "spans"
DAYS: Final = "days"
KEPT: Final = "kept"
LOCK: Final = "lock"
_RECORD: Final = "record"
_SHA256_BYTES: Final = 32


class SpanKept(msgspec.Struct):
    """A span that was verified: under which terms, its subtree's hash, what the file system said of its files, and what
    came of it. `steps` are the files of its steps with their SHA-256.
    """

    terms: bytes
    subtree: bytes
    files: bytes
    examined: Examined
    steps: dict[str, bytes]


class Memory:
    """The folder, while an audit has it for itself."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def checkpoint(self) -> Remembered | None:
        """The checkpoint of the last complete audit. Raises Unreadable where the file holds something else."""
        file = self._folder / REMEMBERED
        try:
            return msgspec.json.decode(file.read_bytes(), type=Remembered)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise Unreadable(f"{file}: {error}", Trouble.STATE_DAMAGED) from error

    def keep_checkpoint(self, seen: Remembered) -> None:
        _put(self._folder / REMEMBERED, msgspec.json.encode(seen))

    def drawn(self, drawn: int) -> int:
        """The number by which devices are drawn: the one of the first audit, for what is remembered is of these."""
        file = self._folder / DRAWN
        try:
            return int(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            _put(file, str(drawn).encode())
            return drawn

    def forget(self) -> None:
        """Everything but the checkpoint: the next audit verifies all of the log."""
        for name in (SPANS, DAYS, KEPT):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / DRAWN).unlink(missing_ok=True)

    def day(self, day: str) -> Day | None:
        """What the checkpoints of a day came to, where that is remembered."""
        return _whole(self._folder / DAYS / day, Day)

    def days(self) -> list[str]:
        """The days of which something is remembered."""
        return sorted(file.name for file in (self._folder / DAYS).glob("????-??-??"))

    def keep_day(self, day: str, came: Day) -> None:
        _put_whole(self._folder / DAYS / day, came)

    @property
    def spans(self) -> Path:
        return self._folder / SPANS


@contextmanager
def opened_memory(folder: Path | None, *, fresh: bool) -> Iterator[Memory | None]:
    """The folder, for this audit alone. `fresh`: nothing in it counts but the checkpoint. Raises Unreadable where
    another audit has it, or nothing can be written there.
    """
    if folder is None:
        yield None
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("ab")
    except OSError as error:
        raise Unreadable(f"{folder}: {error.strerror}", Trouble.STATE) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unreadable(str(folder), Trouble.STATE_IN_USE) from None
        memory = Memory(folder)
        if fresh:
            memory.forget()
        yield memory


def kept_span(folder: Path, place: Place, task: Task, subtree: bytes) -> Examined | None:
    """What came of a span that was verified before, None where it is to be verified. `folder` is that of all spans,
    `subtree` the hash that the span has under the root of the checkpoint.
    """
    own = folder / f"{task.span:08d}"
    kept = _whole(own / _RECORD, SpanKept)
    if kept is None or kept.subtree != subtree or kept.terms != _terms(place, task):
        return None
    sampled = kept.examined.sample
    if sampled.factor != task.sample.factor or sampled.below < task.sample.below or kept.files != files_of(place, task):
        return None
    try:
        if any(sha256((own / name).read_bytes()).digest() != expected for name, expected in kept.steps.items()):
            return None
    except OSError:
        return None
    kept.examined.taken = True
    return kept.examined


def keep_span(folder: Path, place: Place, task: Task, files: bytes, examined: Examined) -> None:
    """Remember a span in which nothing was found. Its steps are in its folder already; `files` is what `files_of` said
    before they were read.
    """
    own = folder / f"{task.span:08d}"
    steps = {file.name: sha256(file.read_bytes()).digest() for file in own.iterdir() if file.name != _RECORD}
    subtree = tile_root(b"".join(examined.tiles))
    _put_whole(own / _RECORD, SpanKept(_terms(place, task), subtree, files, examined, steps))


def steps_of(folder: str, task: Task) -> list[Path]:
    """The files of the steps of a span."""
    return [file for file in Path(folder, f"{task.span:08d}").iterdir() if file.name != _RECORD]


def emptied(folder: Path, span: int) -> Path:
    """The folder of a span, with nothing left of an audit that was broken off."""
    own = folder / f"{span:08d}"
    try:
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
    except OSError as error:
        raise Unreadable(f"{own}: {error.strerror}", Trouble.STATE) from error
    return own


def files_of(place: Place, task: Task) -> bytes:
    """What the file system says of the files of a span, so that it is seen when one of them was written since. Nothing
    of what comes from elsewhere: there only the tiles above are read again.
    """
    if place.is_url:
        return b""
    told = sha256()
    for path in _paths(task):
        try:
            found = Path(place.where, path).stat()
        except OSError:
            return b"\0"
        told.update(b"%d %d %d %d\n" % (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
    return told.digest()


def _paths(task: Task) -> Iterable[str]:
    first = task.span * FULL_WIDTH
    for number in range(first, first + FULL_WIDTH):
        yield f"log/{Tile(0, number).path}"
        yield f"log/{Tile(ENTRIES, number).path}"
    sets = {FOLDERS["public"], FOLDERS[task.part]}
    for folder in sorted(sets | {METADATA} if task.part == "supervisor" else sets):
        for begin in range(task.span * SPAN, (task.span + 1) * SPAN, RANGE):
            yield f"{folder}/{range_name(begin // RANGE)}"


def _terms(place: Place, task: Task) -> bytes:
    """Under which terms a span is verified. What the log's end changes of them is no part of it."""
    types = sorted(task.public_types)
    terms = FORM, place.where, task.part, task.partitions, task.bounds, task.tolerance_us, task.skew_us, types
    return sha256(msgspec.msgpack.encode(terms)).digest()


def _whole(file: Path, of: type[T]) -> T | None:
    """What is in a file, None where there is none or it is damaged."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    if sha256(data[_SHA256_BYTES:]).digest() != data[:_SHA256_BYTES]:
        return None
    try:
        return msgspec.msgpack.decode(data[_SHA256_BYTES:], type=of)
    except msgspec.MsgspecError:
        return None


def _put_whole(file: Path, said: object) -> None:
    data = msgspec.msgpack.encode(said)
    _put(file, sha256(data).digest() + data)


def _put(file: Path, data: bytes) -> None:
    """Write a file so that it is there whole, or as it was."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.new")
        with unfinished.open("wb") as writing:
            writing.write(data)
            writing.flush()
            os.fsync(writing.fileno())
        unfinished.replace(file)
    except OSError as error:
        raise Unreadable(f"{file}: {error.strerror}", Trouble.STATE) from error
