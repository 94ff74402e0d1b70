"""What a group of appends does to an embedded ledger's file, inside a transaction that the caller begins and ends.

A statement gives up the interpreter's lock for every row that it steps through, and with a busy thread beside it has
to wait milliseconds each time to get it back. So a group is looked up and written in few statements of many rows.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, cast, final

import apsw
import msgspec

from ledger.embedded import Check
from ledger.port import OWN_STREAM, SEALED_TYPE, Append, Carried, Conflict, Receipt, Sealed
from ledger.recording import Clock, Heads, Key, Place, place, receipt, runs, salts, time_us
from ledger.sqlite_schema import INSERT_BESIDE, LAST, refuse_more

Value: TypeAlias = str | int | bytes
Outcome: TypeAlias = Receipt | Conflict | Sealed

_LAST_BESIDE: Final = "SELECT version, recorded_at_us FROM beside WHERE stream = ? ORDER BY version DESC LIMIT 1"
_KNOWN_BESIDE: Final = """
SELECT id, version, position FROM beside WHERE stream = ? AND id IN (SELECT value FROM carray(?))"""
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


@final
class Call(msgspec.Struct, frozen=True, gc=False):
    """One call of `append`."""

    appends: Sequence[Append]
    checks: Sequence[Check] = ()
    order: Sequence[int] = ()


@final
class BesideCall(msgspec.Struct, frozen=True, gc=False):
    """One call of `append_beside`, or of `seal`, which is content with a log that is sealed already."""

    append: Append
    seals: bool = False


_read_heads = msgspec.json.Decoder(dict[str, int]).decode


def record(cursor: apsw.Cursor, group: Sequence[Call | BesideCall], clock: Clock) -> list[Outcome]:
    """Decide one call after the other, each on what the earlier ones leave, and insert what goes through."""
    outcomes: list[Outcome] = []
    for run in _runs(group):
        if type(run) is BesideCall:
            outcomes.append(_record_beside(cursor, run, clock))
        else:
            outcomes += _record_run(cursor, run, clock)
    return outcomes


def _runs(group: Sequence[Call | BesideCall]) -> Iterator[Sequence[Call] | BesideCall]:
    """Cut the group so that within a run no two calls touch the same stream: they can be looked up at once."""
    run: list[Call] = []
    touched: set[str] = set()
    for call in group:
        if type(call) is BesideCall:
            yield run
            yield call
            run, touched = [], set()
            continue
        streams = {append.stream for append in call.appends}
        if call.checks:
            streams |= {check.stream for check in call.checks}
        if not touched.isdisjoint(streams):
            yield run
            run, touched = [], set()
        run.append(call)
        touched |= streams
    yield run


def _record_run(cursor: apsw.Cursor, run: Sequence[Call], clock: Clock) -> list[Outcome]:
    if not run:
        return []
    position, recorded_at_us, sealed = _last(cursor)
    if sealed:
        return [_sealed() for _ in run]
    appends = [append for call in run for append in call.appends]
    heads = _heads(cursor, appends, [check for call in run for check in call.checks])
    known = _known(cursor, appends, heads) if heads else {}
    salt = iter(salts(sum([len(append.drafts) for append in appends])))
    values: list[Value] = []
    outcomes: list[Outcome] = []
    for call in run:
        try:
            placed = place(call.appends, heads, known, call.checks)
        except Conflict as conflict:
            # Its traceback would keep this frame, and with it every value of the run, until somebody collects cycles.
            outcomes.append(conflict.with_traceback(None))
            continue
        if isinstance(placed, Receipt):
            outcomes.append(placed)
            continue
        now_us = max(clock(), recorded_at_us)
        before = position
        for stream, first, drafts in runs(call.appends, placed, call.order):
            for version, draft in enumerate(drafts, first):
                position += 1
                if type(draft) is Carried:
                    recorded_at_us, kept = time_us(draft, now_us, recorded_at_us), draft.salt
                else:
                    recorded_at_us, kept = now_us, next(salt)
                values += (
                    position,
                    stream,
                    version,
                    draft.type,
                    draft.content_type,
                    recorded_at_us,
                    draft.id,
                    kept,
                    draft.metadata,
                    draft.data,
                )
        outcomes.append(receipt(call.appends, placed, call.order, range(before + 1, position + 1)))
    _insert(cursor, values)
    return outcomes


def _record_beside(cursor: apsw.Cursor, call: BesideCall, clock: Clock) -> Outcome:
    append = call.append
    position, _, sealed = _last(cursor)
    if sealed:
        return Receipt(position, (), (), repeated=True) if call.seals else _sealed()
    last = next(cursor.execute(_LAST_BESIDE, (append.stream,)), None)
    ids = apsw.carray(tuple([draft.id for draft in append.drafts]))
    found = cursor.execute(_KNOWN_BESIDE, (append.stream, ids)) if last else ()
    known = {(append.stream, event_id): (version, there) for event_id, version, there in found}
    try:
        placed = place([append], {append.stream: last[0]} if last else {}, known)
    except Conflict as conflict:
        return conflict.with_traceback(None)
    if isinstance(placed, Receipt):
        return placed
    now_us = clock()
    recorded_at_us = last[1] if last else 0
    for version, draft in enumerate(append.drafts, placed[0]):
        recorded_at_us = time_us(draft, now_us, recorded_at_us)
        values = (append.stream, version, position, draft.type, draft.content_type, recorded_at_us)
        cursor.execute(INSERT_BESIDE, (*values, draft.id, draft.metadata, draft.data))
    if append.stream == OWN_STREAM and any(draft.type == SEALED_TYPE for draft in append.drafts):
        refuse_more(cursor)
    return Receipt(position, (placed[0] + len(append.drafts) - 1,), (position,) * len(append.drafts))


def _last(cursor: apsw.Cursor) -> tuple[int, int, int]:
    """The log's last position and time, and whether it is sealed."""
    return cast("tuple[int, int, int]", next(cursor.execute(LAST)))


def _sealed() -> Sealed:
    return Sealed("the log is sealed and goes on elsewhere")


def _heads(cursor: apsw.Cursor, appends: Sequence[Append], checks: Sequence[Check]) -> dict[str, int]:
    streams = {append.stream for append in appends}
    if checks:
        streams.update([check.stream for check in checks])
    return _read_heads(cursor.execute(_HEADS, (apsw.carray(tuple(streams)),)).get)


def _known(cursor: apsw.Cursor, appends: Sequence[Append], heads: Heads) -> dict[Key, Place]:
    """Those of the drafts that their streams already hold."""
    keys = [(append.stream, draft.id) for append in appends if append.stream in heads for draft in append.drafts]
    if not keys:
        return {}
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
