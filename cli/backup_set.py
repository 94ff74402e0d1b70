"""What a backup is: the files, and a manifest that says of which ledger, up to where, and what each file must be.

    manifest.json     format, version, ledger_id, position, taken_at; of every other file its length and SHA-256
    manifest.sha256   the manifest's own, as `sha256sum -c` reads it
    ledger.sqlite     the log
    registry.sqlite   views, records and policies, as of a moment before the log's
    proof/            what the proof log has signed, and its checkpoints
    settings/         what the platform was told by its environment, without secrets, and the files named there
    keys/             where they were asked for

As a folder, or the same in one .zip file. It gets its name when it is whole and durable, so what has the name is whole.
"""

import errno
import hashlib
import lzma
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeAlias

import msgspec

from kernel.refusal import not_found, unreadable

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SEAL: Final = "manifest.sha256"
LEDGER: Final = "ledger.sqlite"
ONE_FILE: Final = ".zip"
CHUNK_BYTES: Final = 1 << 20
MANIFEST_BYTES_MAX: Final = 1 << 20
OWNERS_FILE: Final = 0o600
OWNERS_FOLDER: Final = 0o700

Told: TypeAlias = Callable[[str, int, int], None]
"""Called with what is under way, how far it is, of how much."""

NOT_A_BACKUP = not_found(
    "backup.not_one",
    "{place} 不是完整的备份（没有 manifest.json）。请选择由 `meterloop backup` 完成的备份。",
    "{place} is no whole backup (it has no manifest.json); choose one that `meterloop backup` finished",
)
DAMAGED = unreadable(
    "backup.damaged",
    "备份已损坏：{file} {why}。数据目录未作任何改动，请换另一份备份。",
    "the backup is damaged: {file} {why}; nothing was changed in the data folder, choose another backup",
)
OF_ANOTHER_FORMAT = unreadable(
    "backup.other_format",
    "备份的格式为 {format}，本程序只认 {known}。请用版本 {version} 的程序恢复。",
    "the backup has format {format}, and this program knows {known}; restore it with version {version}",
)

_CUT: Final = ("被截断", "is cut short")
_CHANGED: Final = ("内容与清单不符", "is not what the manifest says")
_MISSING: Final = ("缺失", "is missing")
_STRANGE: Final = ("无法读取", "cannot be read")

_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)
"""What Python's reader of archives raises on one that is damaged, besides ends that come too early."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file must be."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a backup. Every event up to `position` of the ledger is."""

    format: int
    version: str
    ledger_id: str
    position: int
    taken_at: datetime
    files: dict[str, Entry]

    @property
    def has_proof(self) -> bool:
        """Whether the proof log is in it."""
        return any(name.startswith("proof/") for name in self.files)


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and make everything durable. The last step before the backup gets its name."""
    body = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    (folder / MANIFEST).write_bytes(body)
    (folder / SEAL).write_text(f"{hashlib.sha256(body).hexdigest()}  {MANIFEST}\n", "ascii")
    for path in [*folder.rglob("*"), folder]:
        path.chmod(OWNERS_FOLDER if path.is_dir() else OWNERS_FILE)
        synchronise(path)


def entries(folder: Path, told: Told) -> dict[str, Entry]:
    """What every file of a backup under way is."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    whole, here = sum(path.stat().st_size for path in paths), 0
    found: dict[str, Entry] = {}
    for path in paths:
        digest, length = hashlib.sha256(), 0
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                digest.update(piece)
                length += len(piece)
                told("digest", here + length, whole)
        here += length
        found[path.relative_to(folder).as_posix()] = Entry(length, digest.hexdigest())
    return found


def packed(folder: Path, into: BinaryIO, told: Told) -> None:
    """The sealed folder as one file."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    whole, here = sum(path.stat().st_size for path in paths), 0
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in paths:
            with (
                path.open("rb") as file,
                archive.open(path.relative_to(folder).as_posix(), "w", force_zip64=True) as member,
            ):
                while piece := file.read(CHUNK_BYTES):
                    member.write(piece)
                    here += len(piece)
                    told("pack", here, whole)


class Found:
    """A backup that is read, from a folder or from one file."""

    def __init__(self, place: Path, open_member: Callable[[str], BinaryIO]) -> None:
        self._place: Final = place
        self._open: Final = open_member
        self.manifest: Final = self._read_manifest()

    def copy(self, folder: Path, told: Told) -> None:
        """Write every file of the backup below this folder, and find that each is what it must be. Raises DAMAGED."""
        whole, here = sum(entry.bytes for entry in self.manifest.files.values()), 0
        for name, entry in self.manifest.files.items():
            target = folder / name
            target.parent.mkdir(OWNERS_FOLDER, parents=True, exist_ok=True)
            digest, length = hashlib.sha256(), 0
            with _read(name), self._open(name) as source, _created(target) as file:
                while piece := source.read(CHUNK_BYTES):
                    digest.update(piece)
                    length += len(piece)
                    if length > entry.bytes:
                        break
                    file.write(piece)
                    told("restore", here + length, whole)
                file.flush()
                os.fsync(file.fileno())
            if length < entry.bytes:
                raise DAMAGED(file=name, why=_CUT)
            if digest.hexdigest() != entry.sha256 or length > entry.bytes:
                raise DAMAGED(file=name, why=_CHANGED)
            here += length

    def _read_manifest(self) -> Manifest:
        with _read(MANIFEST):
            try:
                body = self._small(MANIFEST)
            except (FileNotFoundError, KeyError):
                raise NOT_A_BACKUP(place=self._place) from None
        with _read(SEAL):
            sealed = self._small(SEAL)
        if sealed != f"{hashlib.sha256(body).hexdigest()}  {MANIFEST}\n".encode():
            raise DAMAGED(file=MANIFEST, why=_CHANGED)
        try:
            manifest = msgspec.json.decode(body, type=Manifest)
        except msgspec.MsgspecError:
            raise DAMAGED(file=MANIFEST, why=_STRANGE) from None
        if manifest.format != FORMAT:
            raise OF_ANOTHER_FORMAT(format=manifest.format, known=FORMAT, version=manifest.version)
        if any(_leads_out(name) for name in manifest.files) or LEDGER not in manifest.files:
            raise DAMAGED(file=MANIFEST, why=_STRANGE)
        return manifest

    def _small(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read(MANIFEST_BYTES_MAX)


@contextmanager
def opened(place: Path) -> Iterator[Found]:
    """Read a backup. Raises NOT_A_BACKUP, DAMAGED, OF_ANOTHER_FORMAT."""
    if place.is_dir():
        yield Found(place, lambda name: (place / name).open("rb"))
        return
    if not place.exists():
        raise NOT_A_BACKUP(place=place)
    with _read(place.name):
        archive = zipfile.ZipFile(place)
    with archive:
        yield Found(place, archive.open)  # type: ignore[arg-type]  # IO[bytes] reads alike


def synchronise(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def unfinished(beside: Path) -> Iterator[Path]:
    """A folder next to a place, which goes when the block ends, and whose name says what was left by a kill."""
    folder = beside.with_name(f".{beside.name}.{os.urandom(4).hex()}.partial")
    folder.mkdir(OWNERS_FOLDER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _read(name: str) -> Iterator[None]:
    """Say what the ways of being unreadable come to."""
    try:
        yield
    except (FileNotFoundError, KeyError):
        raise DAMAGED(file=name, why=_MISSING) from None
    except EOFError:
        raise DAMAGED(file=name, why=_CUT) from None
    except _UNREADABLE:
        raise DAMAGED(file=name, why=_STRANGE) from None
    except OSError as error:
        # A decoder's, or a place before the file's beginning. A disk that fails says so by its number.
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise DAMAGED(file=name, why=_STRANGE) from None


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNERS_FILE), "wb")


def _leads_out(name: str) -> bool:
    """Whether a name is none of a file below the folder."""
    parts = PurePosixPath(name).parts
    return not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name or "\0" in name
