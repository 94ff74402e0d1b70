"""An import from a file on this machine to its end, whatever happens to the connection or the platform on the way."""

import hashlib
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from cli.connection import REFUSED, CannotGoOn
from client import CannotNow, Client, Refused, Unreachable
from client.types import GetImport, Import, ListImports, NewImport

PIECE_BYTES: Final = 2 << 20
POLL_S: Final = 0.2
PATIENCE_S: Final = 60.0
"""How long a platform may be away in the middle: more than it takes to be started again."""

LOOKED_AT_MAX: Final = 200
"""Imports among which the last one of the same file is looked for."""

OVER: Final = frozenset({"done", "failed", "cancelled"})

T = TypeVar("T")
Watch: TypeAlias = Callable[[str, int, int], None]
"""Called with what is under way (upload, queue, reading or waiting), how far, of how much."""


def run_import(platform: Client, file: Path, announced: NewImport, watch: Watch) -> Import:
    """Upload and wait until it is over. An upload that was cut off goes on; a file whose import is over is imported
    again, which changes nothing that is recorded. Raises what the client raises, CannotGoOn.
    """
    stands = _announced(platform, file, announced)
    try:
        stands = _uploaded(platform, file, stands, watch)
    except CannotGoOn:
        # What is there belongs to a file that is no more.
        platform.cancel_import(stands.import_id)
        raise
    how_it_stands = GetImport(import_id=stands.import_id)
    while stands.state not in OVER:
        time.sleep(POLL_S)
        stands = _patiently(lambda: platform.ask(how_it_stands), watch)
        if stands.ahead:
            watch("queue", 0, stands.ahead)
        else:
            watch("reading", stands.done, stands.total)
    return stands


def _announced(platform: Client, file: Path, announced: NewImport) -> Import:
    """The import of this file that is not over, or a new one. The key of each is made from the file and from the import
    before it, so that whoever runs the command again finds the one that was cut off. Which one was before it the list
    of imports says: to ask for one after the other would take as many requests as there were imports.
    """
    digest = _digest(file, announced)
    stands = platform.create_import(announced, key=digest)
    if stands.state in OVER:
        stands = _last_over(platform, announced) or stands
    while stands.state in OVER:
        key = hashlib.sha256(f"{digest} {stands.import_id}".encode()).hexdigest()
        stands = platform.create_import(announced, key=key)
    return stands


def _last_over(platform: Client, announced: NewImport) -> Import | None:
    """The last import that is over of a file of this name and size, among the caller's latest."""
    alike = announced.kind, announced.name, announced.bytes, announced.dry_run
    for one in itertools.islice(platform.rows(ListImports()), LOOKED_AT_MAX):
        if one.state in OVER and (one.kind, one.name, one.bytes, one.dry_run) == alike:
            return one
    return None


def _uploaded(platform: Client, file: Path, stands: Import, watch: Watch) -> Import:
    with file.open("rb") as content:
        begun = os.fstat(content.fileno())
        content.seek(stands.bytes_received)
        while stands.state == "uploading":
            piece = content.read(PIECE_BYTES)
            now = os.fstat(content.fileno())
            if not piece or (now.st_size, now.st_mtime_ns) != (begun.st_size, begun.st_mtime_ns):
                raise CannotGoOn(
                    f"{file.name} 在上传时被改动，此次导入已取消。请待写完后再运行一次。",
                    f"{file.name} changed while it was sent, and this import has been cancelled; "
                    "run it again when the file is finished",
                    REFUSED,
                )
            stands = _append(platform, stands, piece, watch)
            content.seek(stands.bytes_received)
            watch("upload", stands.bytes_received, stands.bytes)
    return stands


def _append(platform: Client, stands: Import, piece: bytes, watch: Watch) -> Import:
    """Send a piece, and hear how the upload stands. A piece whose answer was lost has been kept: the platform knows."""
    import_id = stands.import_id
    try:
        return _patiently(lambda: platform.append_import(import_id, stands.bytes_received, piece), watch)
    except Refused as refused:
        if refused.code not in {"import.wrong_offset", "import.not_uploading"}:
            raise
        return _patiently(lambda: platform.ask(GetImport(import_id=import_id)), watch)


def _patiently(attempt: Callable[[], T], watch: Watch) -> T:
    """What comes of it, waiting for a platform that is away for a while."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except (Unreachable, CannotNow):
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise
            watch("waiting", round(PATIENCE_S - left_s), round(PATIENCE_S))
            time.sleep(POLL_S)


def _digest(file: Path, announced: NewImport) -> str:
    """A name for this file imported in this way."""
    digest = hashlib.sha256(repr(announced).encode())
    with file.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
