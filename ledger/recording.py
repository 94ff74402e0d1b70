"""How drafts become recorded events, the same for every ledger that keeps its own storage: limits, the place in the
stream, time and salt.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from ledger.embedded import Check
from ledger.port import (
    ANY,
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    BESIDE,
    EVENT_BYTES_MAX,
    FILTER_NAMES_MAX,
    ID_BYTES,
    NAME_BYTES_MAX,
    NO_STREAM,
    PAGE_EVENTS_MAX,
    SALT_BYTES,
    STREAM_EXISTS,
    Append,
    Carried,
    Conflict,
    Draft,
    Expected,
    Receipt,
    Rejected,
)

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970-01-01 UTC."""

Key: TypeAlias = tuple[str, bytes]
"""A stream and the id of an event in it."""

Place: TypeAlias = tuple[int, int]
"""An event's version and its position."""

Known: TypeAlias = Mapping[Key, Place]
"""Where events are that the log already holds."""

Run: TypeAlias = tuple[str, int, Sequence[Draft]]
"""Some drafts of a stream that come one after the other, and the version of the first."""

Heads: TypeAlias = Mapping[str, int]
"""Stream -> its last version; a stream that does not exist is not in it."""


_INT64_MAX: Final = (1 << 63) - 1


def system_time_us() -> int:
    """The one place where a ledger reads the system's clock."""
    return time.time_ns() // 1_000


def salts(count: int) -> list[bytes]:
    """One call to the kernel for a whole batch: on small events the calls would cost more than the bytes."""
    pool = os.urandom(count * SALT_BYTES)
    return [pool[at : at + SALT_BYTES] for at in range(0, len(pool), SALT_BYTES)]


def time_us(draft: Draft, now_us: int, before_us: int) -> int:
    """When a draft counts as recorded, `before_us` being the time of what precedes it."""
    given_us = draft.recorded_at_us if type(draft) is Carried else None
    return max(now_us if given_us is None else min(given_us, now_us), before_us)


class Size(NamedTuple):
    events: int
    total_bytes: int


def check_appends(appends: Sequence[Append], checks: Sequence[Check] = (), order: Sequence[int] = ()) -> Size:
    """Refuse what breaks a limit or a rule of the port."""
    if not appends:
        raise Rejected("nothing to append")
    if len({append.stream for append in appends}) != len(appends):
        raise Rejected("a stream is named twice in one append")
    for append in appends:
        check_stream(append.stream)
    if checks:
        _check_checks(appends, checks)
    if order and Counter(order) != {index: len(append.drafts) for index, append in enumerate(appends)}:
        raise Rejected("the order of an append has another number of events than the append")
    return _check_drafts_of(appends, beside=False)


def check_append_beside(append: Append) -> Size:
    """The same, of an append beside the log."""
    check_stream_beside(append.stream)
    return _check_drafts_of([append], beside=True)


def _check_checks(appends: Sequence[Append], checks: Sequence[Check]) -> None:
    if len(checks) > APPEND_EVENTS_MAX:
        raise Rejected(f"{len(checks)} streams to check in one append, at most {APPEND_EVENTS_MAX}")
    if len({append.stream for append in appends} | {check.stream for check in checks}) != len(appends) + len(checks):
        raise Rejected("a stream to check is named twice, or written by the same append")
    for check in checks:
        check_stream(check.stream)
        _check_expected(check.stream, check.expected)


def _check_drafts_of(appends: Sequence[Append], *, beside: bool) -> Size:
    events = sum([len(append.drafts) for append in appends])
    if events > APPEND_EVENTS_MAX:
        raise Rejected(f"{events} events in one append, at most {APPEND_EVENTS_MAX}")
    total_bytes = 0
    types: set[str] = set()
    content_types: set[str] = set()
    for append in appends:
        total_bytes += _check_drafts(append, types, content_types)
    for name in types:
        _check_name("an event type", name, beside=beside)
    for name in content_types:
        _check_name("a content type", name)
    if total_bytes > APPEND_BYTES_MAX:
        raise Rejected(f"{total_bytes} bytes in one append, at most {APPEND_BYTES_MAX}")
    return Size(events, total_bytes)


def _check_drafts(append: Append, types: set[str], content_types: set[str]) -> int:
    """The bytes of all drafts. The names that they use are added to those to be checked: a call has few."""
    stream, drafts = append.stream, append.drafts
    _check_expected(stream, append.expected)
    if not drafts:
        raise Rejected(f"{stream}: nothing to append")
    if len(drafts) > 1 and len({draft.id for draft in drafts}) != len(drafts):
        raise Rejected(f"{stream}: an event id is there twice")
    total_bytes = 0
    for draft in drafts:
        if len(draft.id) != ID_BYTES:
            raise Rejected(f"{stream}: an event id is {ID_BYTES} bytes, not {len(draft.id)}")
        if type(draft) is Carried and len(draft.salt) != SALT_BYTES:
            raise Rejected(f"{stream}: a salt is {SALT_BYTES} bytes, not {len(draft.salt)}")
        types.add(draft.type)
        content_types.add(draft.content_type)
        event_bytes = len(draft.data) + len(draft.metadata)
        if event_bytes > EVENT_BYTES_MAX:
            raise Rejected(f"{stream}: an event of {event_bytes} bytes, at most {EVENT_BYTES_MAX}")
        total_bytes += event_bytes
    return total_bytes


def _check_expected(stream: str, expected: Expected) -> None:
    if isinstance(expected, int) and expected < 0:
        raise Rejected(f"{stream}: a version is at least 0, not {expected}")


def check_stream(stream: str) -> None:
    _check_name("a stream", stream)


def check_stream_beside(stream: str) -> None:
    if not stream.startswith(BESIDE):
        raise Rejected(f"a stream beside the log has a name that begins with {BESIDE}: {stream}")
    _check_name("a stream beside the log, after $$,", stream.removeprefix(BESIDE), beside=True)


def _check_name(what: str, name: str, *, beside: bool = False) -> None:
    if name.isascii():
        size_bytes = len(name)
    else:
        try:
            size_bytes = len(name.encode())
        except UnicodeEncodeError as error:
            raise Rejected(f"{what}'s name is not valid Unicode: {name!r}") from error
    if not 0 < size_bytes <= NAME_BYTES_MAX:
        raise Rejected(f"{what}'s name has 1 to {NAME_BYTES_MAX} bytes, not {size_bytes}")
    if "\0" in name:
        raise Rejected(f"{what}'s name holds a NUL: {name!r}")
    if name[0] == "$" and not beside:
        raise Rejected(f"{what} whose name begins with $ lives beside the log: {name}")


def check_limit(limit: int) -> None:
    if not 0 < limit <= PAGE_EVENTS_MAX:
        raise Rejected(f"a page has 1 to {PAGE_EVENTS_MAX} events, not {limit}")


def check_from(from_version: int | None) -> None:
    if from_version is not None and not 0 <= from_version <= _INT64_MAX:
        raise Rejected(f"a version is at least 0 and an int64, not {from_version}")


def check_before(before: int | None) -> None:
    if before is not None and not 0 <= before <= _INT64_MAX:
        raise Rejected(f"a position is at least 0 and an int64, not {before}")


def check_scan(after: int, limit: int, types: Collection[str], stream_prefixes: Collection[str]) -> None:
    check_limit(limit)
    if not 0 <= after <= _INT64_MAX:
        raise Rejected(f"a position is at least 0 and an int64, not {after}")
    check_filter(types, stream_prefixes)


def check_filter(types: Collection[str], stream_prefixes: Collection[str] = ()) -> None:
    for names in (types, stream_prefixes):
        if isinstance(names, str):
            raise Rejected(f"a filter is a collection of names, not one name: {names}")
    if len(types) + len(stream_prefixes) > FILTER_NAMES_MAX:
        raise Rejected(f"{len(types) + len(stream_prefixes)} names in one filter, at most {FILTER_NAMES_MAX}")


def place(appends: Sequence[Append], heads: Heads, known: Known, checks: Sequence[Check] = ()) -> list[int] | Receipt:
    """The version at which each append begins; or, if all of it had been recorded before, the receipt that says so.

    `known` holds those of the drafts' ids that their own streams already have.
    """
    if known:
        repeats = [_repeated(append, known) for append in appends]
        if all(repeats):
            return _receipt_again([run for run in repeats if run])
        firsts = [_first(append, heads, known) for append, repeat in zip(appends, repeats, strict=True) if not repeat]
        for append, repeat in zip(appends, repeats, strict=True):
            if repeat:
                raise _conflict(append, heads)
    else:
        firsts = [_first(append, heads, known) for append in appends]
    for check in checks:
        if not _holds(check.expected, heads.get(check.stream)):
            raise _conflict(check, heads)
    return firsts


def runs(appends: Sequence[Append], firsts: Sequence[int], order: Sequence[int]) -> Sequence[Run]:
    """Drafts of one stream with the version of the first, in the order in which they come to stand in the log."""
    if not order:
        return [(append.stream, first, append.drafts) for append, first in zip(appends, firsts, strict=True)]
    taken = [0] * len(appends)
    singly: list[Run] = []
    for index in order:
        append, at = appends[index], taken[index]
        singly.append((append.stream, firsts[index] + at, append.drafts[at : at + 1]))
        taken[index] += 1
    return singly


def receipt(
    appends: Sequence[Append], firsts: Sequence[int], order: Sequence[int], positions: Sequence[int]
) -> Receipt:
    """What has been recorded at these positions, in that order."""
    versions = tuple([first + len(append.drafts) - 1 for append, first in zip(appends, firsts, strict=True)])
    of_each = positions
    if order:
        # Stable: events of one append keep their order.
        of_each = [position for _, position in sorted(zip(order, positions, strict=True), key=itemgetter(0))]
    return Receipt(positions[-1], versions, tuple(of_each))


def _first(append: Append, heads: Heads, known: Known) -> int:
    head = heads.get(append.stream)
    if not _holds(append.expected, head) or (known and any((append.stream, d.id) in known for d in append.drafts)):
        raise _conflict(append, heads)
    return 0 if head is None else head + 1


def _conflict(append: Append | Check, heads: Heads) -> Conflict:
    return Conflict(append.stream, append.expected, heads.get(append.stream, NO_STREAM))


def _holds(expected: Expected, head: int | None) -> bool:
    if expected is NO_STREAM:
        return head is None
    if expected is ANY:
        return True
    if expected is STREAM_EXISTS:
        return head is not None
    return head == expected


def _repeated(append: Append, known: Known) -> Sequence[Place] | None:
    """Where the drafts are, if the stream holds all of them in one run where they were expected."""
    places = [known.get((append.stream, draft.id)) for draft in append.drafts]
    first = places[0]
    if first is None:
        return None
    if isinstance(append.expected, int) and first[0] != append.expected + 1:
        return None
    if append.expected is NO_STREAM and first[0] != 0:
        return None
    run = [spot for step, spot in enumerate(places) if spot is not None and spot[0] == first[0] + step]
    return run if len(run) == len(places) else None


def _receipt_again(runs: Sequence[Sequence[Place]]) -> Receipt:
    versions = tuple(run[-1][0] for run in runs)
    positions = tuple(position for run in runs for _, position in run)
    return Receipt(position=max(positions), versions=versions, positions=positions, repeated=True)
