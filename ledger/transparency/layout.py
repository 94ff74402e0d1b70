"""The names of the proof log's files, below the proof folder and below whatever URL it is served at.

log/checkpoint            the newest published checkpoint
log/checkpoints/days      the days that have a file, a line each, the oldest first
log/checkpoints/<day>     all that were published on a day (UTC), in order, a blank line between two
log/tile/...              tlog-tiles
log/keys                  the log's verifier keys, one a line, the newest last
log/policy                whom the operator recommends to trust (tlog-policy)
private/sequencer.sqlite  what the sequencer knows of itself (store.py)
private/marks             the ledger's position of every 256th entry, 8 bytes each, big endian
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

LOG: Final = "log/"
CHECKPOINT: Final = "log/checkpoint"
CHECKPOINTS: Final = "log/checkpoints"
DAYS: Final = "log/checkpoints/days"
KEYS: Final = "log/keys"
POLICY: Final = "log/policy"
STORE: Final = "private/sequencer.sqlite"
LOCK: Final = "private/sequencer.lock"
MARKS: Final = "private/marks"

MARK_ENTRIES: Final = 256
MARK_BYTES: Final = 8

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def day_of_us(instant_us: int) -> str:
    """The day in UTC as the files of checkpoints are named."""
    return (_EPOCH + timedelta(microseconds=instant_us)).date().isoformat()


def days_in(names: Iterable[str]) -> list[str]:
    """Of what lies in the folder of checkpoints, the days."""
    return [name for name in names if f"{CHECKPOINTS}/{name}" != DAYS]


def days_file(days: Iterable[str]) -> bytes:
    """The content of `log/checkpoints/days`."""
    return "".join(f"{day}\n" for day in days).encode("ascii")


def marks_bytes(size: int) -> int:
    """How long `private/marks` is for a tree of this size: one mark for each begun run of entries."""
    return -(-size // MARK_ENTRIES) * MARK_BYTES


def notes_in(day: bytes) -> list[bytes]:
    """The checkpoints in a day's file, in order. Neither their texts nor their signatures have a blank line, so that
    paragraphs take turns. A note that is not whole is given as it is.
    """
    paragraphs = day.split(b"\n\n")
    pairs = [b"\n\n".join(paragraphs[at : at + 2]) for at in range(0, len(paragraphs), 2)]
    return [pair if pair.endswith(b"\n") else pair + b"\n" for pair in pairs if pair]
