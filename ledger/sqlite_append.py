"""What a group of appends does to an embedded ledger's file, inside a transaction that the caller begins and ends.

A statement gives up the interpreter's lock for every row that it steps through, and with a busy thread beside it has
to wait milliseconds each time to get it back. So a group is looked up and written in few statements of many rows.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import apsw
import msgspec

from ledger.port import Append, Conflict, Receipt
from ledger.recording import Clock, Heads, Key, Place, place, salts

Call: TypeAlias = Sequence[Append]
Value: TypeAlias = str | int | bytes

_LAST: Final = "SELECT position, recorded_at_us FROM event ORDER BY position DESC LIMIT 1"
_HEADS: Final = """
SELECT json_group_object(value, (SELECT max(version) FROM event WHERE stream = value)) FROM carray(?)
WHERE EXISTS (SELECT 1 FROM event WHERE stream = value)"""
_KNOWN: Final = """
SELECT stream, id, version, position FROM carray(?) AS key
CROSS JOIN event ON stream = key.value AND id = substr(?, 16 * (key.rowid - 1) + 1, 16)"""
_INSERT: Final = """
INSERT INTO event (position, stream, version, type, content_type, recorded_at_us, id, salt, metadata, data) VALUES """
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS: Final = _ROW.count("?")
_INSERTS: Final = [(rows, _INSERT + ", ".join([_ROW] * rows)) for rows in (256, 128, 64, 32, 16, 8, 4, 2, 1)]
"""Any number of rows is a few of these, so that each is prepared once and kept."""

_read_heads = msgspec.json.Decoder(dict[str, int]).decode


def record(cursor: apsw.Cursor, group: Sequence[Call], clock: Clock) -> list[Receipt | Conflict]:
    """Decide one call after the other, each on what the earlier ones leave, and insert what goes through."""
    outcomes: list[Receipt | Conflict] = []
    for run in _runs(group):
        outcomes += _record_run(cursor, run, clock)
    return outcomes


def _runs(group: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """Cut the group so that within a run no two calls touch the same stream: they can be looked up at once."""
    run: list[Call] = []
    touched: set[str] = set()
    for call in group:
        streams = {append.stream for append in call}
        if not touched.isdisjoint(streams):
            yield run
            run, touched = [], set()
        run.append(call)
        touched |= streams
    yield run


def _record_run(cursor: apsw.Cursor, run: Sequence[Call], clock: Clock) -> list[Receipt | Conflict]:
    appends = [append for call in run for append in call]
    heads = _heads(cursor, appends)
    known = _known(cursor, appends, heads) if heads else {}
    position, recorded_at_us = next(cursor.execute(_LAST), (0, 0))
    salt = iter(salts(sum([len(append.drafts) for append in appends])))
    values: list[Value] = []
    outcomes: list[Receipt | Conflict] = []
    for call in run:
        try:
            placed = place(call, heads, known)
        except Conflict as conflict:
            # Its traceback would keep this frame, and with it every value of the run, until somebody collects cycles.
            outcomes.append(conflict.with_traceback(None))
            continue
        if isinstance(placed, Receipt):
            outcomes.append(placed)
            continue
        recorded_at_us = max(clock(), recorded_at_us)
        before = position
        for append, first in zip(call, placed, strict=True):
            stream = append.stream
            for version, draft in enumerate(append.drafts, first):
                position += 1
                values += (
                    position,
                    stream,
                    version,
                    draft.type,
                    draft.content_type,
                    recorded_at_us,
                    draft.id,
                    next(salt),
                    draft.metadata,
                    draft.data,
                )
        versions = [first + len(append.drafts) - 1 for append, first in zip(call, placed, strict=True)]
        outcomes.append(Receipt(position, tuple(versions), tuple(range(before + 1, position + 1))))
    _insert(cursor, values)
    return outcomes


def _heads(cursor: apsw.Cursor, appends: Sequence[Append]) -> dict[str, int]:
    streams = tuple({append.stream for append in appends})
    return _read_heads(cursor.execute(_HEADS, (apsw.carray(streams),)).get)


def _known(cursor: apsw.Cursor, appends: Sequence[Append], heads: Heads) -> dict[Key, Place]:
    """Those of the drafts that their streams already hold."""
    keys = [(append.stream, draft.id) for append in appends if append.stream in heads for draft in append.drafts]
    streams = tuple([stream for stream, _ in keys])
    ids = b"".join([event_id for _, event_id in keys])
    found = cursor.execute(_KNOWN, (apsw.carray(streams), ids))
    return {(stream, event_id): (version, position) for stream, event_id, version, position in found}


def _insert(cursor: apsw.Cursor, values: Sequence[Value]) -> None:
    at = 0
    for rows, sql in _INSERTS:
        while len(values) - at >= rows * _COLUMNS:
            cursor.execute(sql, values[at : at + rows * _COLUMNS])
            at += rows * _COLUMNS
