"""How much unfinished uploads may hold, so that nobody fills the disk that the log and the views are on.

A caller is held to what it announces, before it sends anything. All together are held to what is there, and to what the
disk has left, at every piece: an upload that is refused then keeps what it has, and goes on when there is room.
"""

import shutil
from pathlib import Path
from typing import Final

import msgspec

from kernel.database import DatabaseUnavailable
from kernel.door import TooLarge
from kernel.refusal import Reason

YOURS_FULL = Reason(
    TooLarge,
    "import.your_uploads_full",
    "您未结束的导入已申报 {held} 字节，上限为 {most} 字节，容不下再加的 {more} 字节。请待其结束，或取消不需要的导入。",
    "your imports that are not over announced {held} of at most {most} bytes, and {more} more are too many; wait until"
    " they are over, or cancel what is not needed",
)
ALL_FULL = Reason(
    TooLarge,
    "import.uploads_full",
    "平台上未结束的上传已占满所留的 {most} 字节。请待其他导入结束后再运行一次，已上传的部分保留，从断点继续。",
    "unfinished uploads hold all of the {most} bytes that the platform keeps for them; run it again when other imports"
    " are over: what was sent is kept, and goes on from there",
)
DISK_LOW = Reason(
    TooLarge,
    "import.disk_low",
    "平台磁盘剩余空间不足，上传须为其留出 {least} 字节。请联系运维人员腾出空间后再运行一次，"
    "已上传的部分保留，从断点继续。",
    "the platform's disk is nearly full, and uploads leave it {least} bytes; have those who run it make room, and run"
    " it again: what was sent is kept, and goes on from there",
)


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of uploads that are not over: of all callers, of each one; and what the disk keeps free."""

    bytes_max: int = 64 << 30
    bytes_max_each: int = 16 << 30
    free_bytes_min: int = 512 << 20


DEFAULT: Final = SpoolLimits()


def require_own_room(limits: SpoolLimits, announced: int, more: int) -> None:
    """Nothing where a caller who announced so many bytes may announce so many more. Raises TooLarge."""
    if announced + more > limits.bytes_max_each:
        raise YOURS_FULL(held=announced, most=limits.bytes_max_each, more=more)


def require_room(limits: SpoolLimits, spool: Path, held: int, more: int) -> None:
    """Nothing where so many more bytes find room beside those held, else a refusal. Blocks for a look at the disk.
    Raises TooLarge, DatabaseUnavailable.
    """
    if held + more > limits.bytes_max:
        raise ALL_FULL(most=limits.bytes_max)
    try:
        spool.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(spool).free
    except OSError as error:
        raise DatabaseUnavailable(f"{spool}: {error}") from error
    if free - more < limits.free_bytes_min:
        raise DISK_LOW(least=limits.free_bytes_min)
