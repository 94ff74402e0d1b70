"""What is asked of an embedded ledger's file. Each function is one short read that holds nothing when it returns."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

import apsw

from ledger.embedded import SCAN_EVENTS_MAX
from ledger.port import Direction, Page, Recorded, StreamPage

PAGE_BYTES_MAX: Final = 32 << 20
"""Data plus metadata of one page, give or take one fetch: 4,096 events may be 4 GiB."""

FETCH_EVENTS: Final = 64

# In the order of Recorded's fields.
_SELECT: Final = (
    "SELECT id, stream, version, position, type, content_type, data, metadata, recorded_at_us, salt FROM event "
)
_SELECT_BESIDE: Final = (
    "SELECT id, stream, version, position, type, content_type, data, metadata, recorded_at_us, x'' FROM beside "
)
_FORWARDS: Final = "WHERE stream = ? AND version >= ? ORDER BY version LIMIT ?"
_BACKWARDS: Final = "WHERE stream = ? AND version <= ? ORDER BY version DESC LIMIT ?"
_BEFORE: Final = _SELECT + "WHERE position < ? ORDER BY position DESC LIMIT ?"
_STREAMS_BESIDE: Final = "SELECT DISTINCT stream FROM beside ORDER BY stream"
_INT64_MAX: Final = (1 << 63) - 1

_SURROGATES: Final = range(0xD800, 0xE000)


def head(reader: apsw.Connection) -> int:
    return reader.execute("SELECT max(position) FROM event").get or 0


def stream_page(
    reader: apsw.Connection,
    stream: str,
    direction: Direction,
    from_version: int | None,
    limit: int,
    *,
    beside: bool = False,
) -> StreamPage:
    select = _SELECT_BESIDE if beside else _SELECT
    if direction is Direction.FORWARDS:
        events, more = _take(reader.execute(select + _FORWARDS, (stream, from_version or 0, limit + 1)), limit)
        return StreamPage(events, events[-1].version + 1 if more else None)
    start = _INT64_MAX if from_version is None else from_version
    events, more = _take(reader.execute(select + _BACKWARDS, (stream, start, limit + 1)), limit)
    return StreamPage(events, events[-1].version - 1 if more else None)


def stream_page_of(
    reader: apsw.Connection,
    stream: str,
    direction: Direction,
    from_version: int | None,
    limit: int,
    types: Collection[str],
) -> StreamPage:
    """Of events of these types. What is recorded after the stream's end was looked for is left for the next page."""
    last: int | None = reader.execute("SELECT max(version) FROM event WHERE stream = ?", (stream,)).get
    forwards = direction is Direction.FORWARDS
    if last is None or (forwards and (from_version or 0) > last):
        return StreamPage([])
    if forwards:
        least, most = (from_version or 0), min(last, (from_version or 0) + SCAN_EVENTS_MAX - 1)
    else:
        most = last if from_version is None else min(from_version, last)
        least = max(most - SCAN_EVENTS_MAX + 1, 0)
    condition, values = filtering(types, ())
    order = "version" if forwards else "version DESC"
    sql = f"{_SELECT} WHERE stream = ? AND version BETWEEN ? AND ?{condition} ORDER BY {order} LIMIT ?"
    events, more = _take(reader.execute(sql, (stream, least, most, *values, limit + 1)), limit)
    if forwards:
        looked_at = events[-1].version if more else most
        return StreamPage(events, looked_at + 1 if looked_at < last else None)
    looked_at = events[-1].version if more else least
    return StreamPage(events, looked_at - 1 if looked_at else None)


def page(reader: apsw.Connection, after: int, limit: int, condition: str, values: Sequence[str]) -> Page:
    # The head first: what is recorded between the two statements lies beyond it, and is left for the next page.
    newest = head(reader)
    scan_to = max(after, min(newest, after + SCAN_EVENTS_MAX))
    sql = f"{_SELECT} WHERE position > ? AND position <= ?{condition} ORDER BY position LIMIT ?"
    events, more = _take(reader.execute(sql, (after, scan_to, *values, limit + 1)), limit)
    scanned_to = events[-1].position if more else scan_to
    return Page(events, scanned_to, at_head=scanned_to >= newest)


def page_back(reader: apsw.Connection, before: int | None, limit: int) -> Sequence[Recorded]:
    events, _ = _take(reader.execute(_BEFORE, (_INT64_MAX if before is None else before, limit + 1)), limit)
    return events


def streams_beside(reader: apsw.Connection) -> Sequence[str]:
    return [stream for (stream,) in reader.execute(_STREAMS_BESIDE)]


def filtering(types: Collection[str], stream_prefixes: Collection[str]) -> tuple[str, list[str]]:
    """A condition for `page`, and its values. Prefixes are ranges of the binary collation."""
    condition = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
    values = list(types)
    ranges: list[str] = []
    for prefix in stream_prefixes:
        beyond = _beyond(prefix)
        ranges.append("stream >= ?" if beyond is None else "stream >= ? AND stream < ?")
        values += [prefix] if beyond is None else [prefix, beyond]
    if ranges:
        condition += f" AND ({' OR '.join(ranges)})"
    return condition, values


def _take(cursor: apsw.Cursor, limit: int) -> tuple[list[Recorded], bool]:
    """Up to `limit` events and not many more bytes than a page may have; whether the cursor held more."""
    events: list[Recorded] = []
    page_bytes = 0
    while page_bytes < PAGE_BYTES_MAX and len(events) < limit:
        fetched = [Recorded(*row) for row in islice(cursor, min(FETCH_EVENTS, limit - len(events)))]
        if not fetched:
            return events, False
        events += fetched
        page_bytes += sum([len(event.data) + len(event.metadata) for event in fetched])
    more = next(cursor, None) is not None
    cursor.close(force=True)
    return events, more


def _beyond(prefix: str) -> str | None:
    """The least name greater than all that begin with `prefix`; None where there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
