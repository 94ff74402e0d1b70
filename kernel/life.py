"""What happened to one thing, event by event, as it is in the log."""

import msgspec

from kernel.refusal import unreadable
from ledger.port import Recorded

ONE_TIME_ONLY = unreadable(
    "query.one_time_only",
    "as_of_position 与 as_of_day 只能给一个。",
    "give as_of_position or as_of_day, not both",
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event in a device's life, as it is in the log. `id` is a UUID in hexadecimal."""

    version: int
    position: int
    id: str
    type: str
    recorded_at_us: int
    data: msgspec.Raw


def entry(recorded: Recorded) -> Entry:
    """An event as it is shown in a device's life."""
    return Entry(
        version=recorded.version,
        position=recorded.position,
        id=recorded.id.hex(),
        type=recorded.type,
        recorded_at_us=recorded.recorded_at_us,
        data=msgspec.Raw(recorded.data),
    )
