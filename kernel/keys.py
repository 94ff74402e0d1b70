"""Key files: written once, whole or not at all, and readable by their owner alone."""

import os
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600
READABLE: Final = 0o644
CURSOR_KEY_FILE: Final = "cursor.key"
CURSOR_KEY_BYTES: Final = 32


def write_file(path: Path, content: bytes, mode: int) -> None:
    """All of the content or no file, at no moment open to more than `mode` says, and in the end to just that, whatever
    the process keeps from files that it makes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # At this point the name may not survive a power cut yet.
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path) -> bytes:
    """The content of a key file. PermissionError where others may read it."""
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} 可被他人读取 / may be read by others: chmod 600 {path}")
    return path.read_bytes()


def write_cursor_key(folder: Path) -> None:
    """The key that cursors are sealed with, unless it is there. Replicas of a service share it."""
    path = folder / CURSOR_KEY_FILE
    if not path.exists():
        write_file(path, os.urandom(CURSOR_KEY_BYTES), OWNER_ONLY)


def read_cursor_key(folder: Path) -> bytes:
    """The key that cursors are sealed with."""
    key = read_private(folder / CURSOR_KEY_FILE)
    if len(key) != CURSOR_KEY_BYTES:
        raise ValueError(f"{folder / CURSOR_KEY_FILE} is not {CURSOR_KEY_BYTES} bytes long")
    return key
