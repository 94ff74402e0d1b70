"""Where the proof log's files lie: a small port, and the directory behind it.

What was published is never changed: `put_once` refuses other content under a name that is taken. The rest is replaced
whole or grows at its end.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from ledger.transparency.faults import FILE_DIFFERS, FILE_SHORT

OPEN_FILES_MAX: Final = 128
"""Files written before they are made durable together."""

SYNCHRONISING_MAX: Final = 8
"""Files made durable at a time, by as many threads: the file system then commits several at once, and a round of
hundreds takes a fifth of the time.
"""

FOLDERS_KNOWN_MAX: Final = 4_096
STAGING: Final = "private/staging"
"""Where a file has its content before it has its name. Nothing in it matters after a crash."""

_MODE: Final = 0o644
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Storage(Protocol):
    """Files under relative names with slashes, for a single writer and any number of readers.

    What a method has done is durable when it returns. After a crash within `put` or `put_once` each of the files is
    there whole or is as it was before; after one within `extend` the file has its first `length` bytes, and any part of
    what was to follow. All methods raise OSError where the store cannot do it now; doing it again is safe.
    """

    def read(self, name: str) -> bytes | None:
        """The content, None where there is no such file."""
        ...

    def length(self, name: str) -> int:
        """The bytes of the file, 0 where it is not there."""
        ...

    def names(self, folder: str) -> list[str]:
        """The files and folders in a folder, sorted; none where it is not there."""
        ...

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write these files, in place of whatever has their names."""
        ...

    def put_once(self, files: Mapping[str, bytes]) -> None:
        """Write those of these files that are not there. Raises LogFault (log.file_differs), before anything is
        written, where one is there with other content.
        """
        ...

    def extend(self, name: str, length: int, data: bytes) -> None:
        """Make the file its first `length` bytes and these. Raises LogFault (log.file_short) where it has fewer."""
        ...

    def drop(self, folders: Iterable[str]) -> None:
        """Remove these folders and the files in them. Those that are not there are passed over."""
        ...


class Disk:
    """What `DirectoryStorage` asks of the system, a step a method: any of them may fail, done or not."""

    def create(self, path: Path, data: bytes) -> int:
        """Write a file that is not durable yet. Returns its open descriptor."""
        descriptor = os.open(path, _CREATE, _MODE)
        try:
            _write(descriptor, data)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def synchronise(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def make_folder(self, path: Path) -> None:
        path.mkdir(exist_ok=True)

    def synchronise_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def overwrite(self, path: Path, length: int, data: bytes) -> None:
        """The file's first `length` bytes and these, durable, its name not yet."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            os.ftruncate(descriptor, length)
            os.lseek(descriptor, length, os.SEEK_SET)
            _write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def remove_folder(self, path: Path) -> None:
        path.rmdir()


class DirectoryStorage:
    """See `Storage`. One directory of one file system."""

    def __init__(self, root: Path, disk: Disk | None = None, staging: str = STAGING) -> None:
        """`staging` is the writer's own: two that write beside each other have each theirs."""
        self._root: Final = root
        self._disk: Final = disk or Disk()
        self._staging: Final = root / staging
        self._folders: Final[set[Path]] = set()

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def length(self, name: str) -> int:
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return 0

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / folder).iterdir())
        except FileNotFoundError:
            return []

    def put(self, files: Mapping[str, bytes]) -> None:
        self._write(files)
        self._name(files)

    def put_once(self, files: Mapping[str, bytes]) -> None:
        missing = {}
        for name, data in files.items():
            found = self.read(name)
            if found is None:
                missing[name] = data
            elif found != data:
                raise FILE_DIFFERS(name=name)
        self._write(missing)
        self._name(missing)
        # What was there may be there since before a crash, its name not durable.
        self._synchronise_folders(files.keys() - missing.keys())

    def extend(self, name: str, length: int, data: bytes) -> None:
        path = self._root / name
        found = self.length(name)
        if found < length:
            raise FILE_SHORT(name=name, found=found, length=length)
        self._make_folder(path.parent)
        self._disk.overwrite(path, length, data)
        if not length:
            self._disk.synchronise_folder(path.parent)

    def drop(self, folders: Iterable[str]) -> None:
        changed = set()
        for name in folders:
            path = self._root / name
            with suppress(FileNotFoundError):
                for found in list(path.iterdir()):
                    self._disk.remove(found)
                self._disk.remove_folder(path)
                changed.add(path.parent)
                self._folders.discard(path)
        for path in sorted(changed):
            self._disk.synchronise_folder(path)

    def _write(self, files: Mapping[str, bytes]) -> None:
        """Every content durable, in the staging folder, under the number of its turn."""
        if files:
            self._make_folder(self._staging)
        left = iter(enumerate(files.values()))
        while group := list(islice(left, OPEN_FILES_MAX)):
            descriptors: list[int] = []
            try:
                for turn, data in group:
                    descriptors.append(self._disk.create(self._staging / str(turn), data))
                self._synchronise(descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _synchronise(self, descriptors: Sequence[int]) -> None:
        if len(descriptors) <= SYNCHRONISING_MAX:
            for descriptor in descriptors:
                self._disk.synchronise(descriptor)
            return
        # Leaving the block waits for all of them, also where one has failed.
        with ThreadPoolExecutor(SYNCHRONISING_MAX, thread_name_prefix="fsync") as threads:
            for _ in threads.map(self._disk.synchronise, descriptors):
                pass

    def _name(self, files: Mapping[str, bytes]) -> None:
        # At this point every content is durable, and nobody reads it.
        for turn, name in enumerate(files):
            path = self._root / name
            self._make_folder(path.parent)
            self._disk.rename(self._staging / str(turn), path)
        # At this point the files have their names. Any of them may be lost again with the power, never a part of one.
        self._synchronise_folders(files)

    def _synchronise_folders(self, names: Iterable[str]) -> None:
        for folder in sorted({PurePosixPath(name).parent for name in names}):
            self._disk.synchronise_folder(self._root / folder)

    def _make_folder(self, path: Path) -> None:
        """Make it, and the folders above it, and their names durable. That one is there says nothing of its name."""
        if path in self._folders or path == self._root.parent:
            return
        self._make_folder(path.parent)
        self._disk.make_folder(path)
        self._disk.synchronise_folder(path.parent)
        if len(self._folders) >= FOLDERS_KNOWN_MAX:
            self._folders.clear()
        self._folders.add(path)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
