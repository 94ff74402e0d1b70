"""A page of events into the tables of some views that are at the same position, in one transaction.

The rows that the page touches are loaded, evolved and stored, and the checkpoint moved with them. What a view cannot
take names the event and the view.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection

from kernel.codec import Undecodable
from kernel.database import Database
from kernel.view import Key, View
from kernel.view_rows import Misplaced, rows_of
from kernel.view_store import Slot, advance
from ledger.port import Recorded

UNTOUCHED_POSITIONS_MAX: Final = 10_000
"""Events of others that pass before a checkpoint is written for them alone: that many are looked at again after a
restart, which takes milliseconds.
"""

_Decoded: TypeAlias = tuple[Any, Recorded]


class Undigested(Exception):
    """An event that views could not take."""

    def __init__(self, recorded: Recorded, culprits: "Sequence[Member]", why: str) -> None:
        super().__init__(why)
        self.recorded, self.culprits, self.why = recorded, culprits, why


class Member:
    """A view being projected into one of its tables."""

    def __init__(self, view: View[Any], slot: Slot, database: Database) -> None:
        self.view: Final = view
        self.slot = slot
        self.rows = rows_of(view, slot.table_name, database.dialect)
        self._classes: Final = frozenset(view.events)

    def touches(self, decoded: Sequence[_Decoded]) -> dict[Key, list[_Decoded]]:
        """The rows that these events touch, each with its events in order."""
        classes, keys = self._classes, self.view.keys
        touched: defaultdict[Key, list[_Decoded]] = defaultdict(list)
        recorded = None
        try:
            for one in decoded:
                event, recorded = one
                if not classes or type(event) in classes:
                    for key in keys(event, recorded):
                        touched[key].append(one)
        except Exception as error:
            assert recorded is not None
            raise self._undigested(recorded, error) from error
        return touched

    def take(self, connection: Connection, touched: Mapping[Key, Sequence[_Decoded]]) -> None:
        """Evolve the rows touched, and store what became of them."""
        row_of, evolve = self.rows.load(connection, touched).get, self.view.evolve
        changed: dict[Key, Any] = {}
        gone: list[Key] = []
        recorded = None
        try:
            for key, events in touched.items():
                row = before = row_of(key)
                for event, recorded in events:
                    row = evolve(row, event, recorded, key)
                if row is not None and row is not before:
                    changed[key] = row
                elif row is None and before is not None:
                    gone.append(key)
        except Exception as error:
            assert recorded is not None
            raise self._undigested(recorded, error) from error
        try:
            self.rows.store(connection, changed)
        except Misplaced as error:
            raise self._undigested(touched[error.key][-1][1], error) from error
        self.rows.delete(connection, gone)

    def _undigested(self, recorded: Recorded, error: Exception) -> Undigested:
        return Undigested(recorded, [self], f"{recorded.type}: {type(error).__name__}: {error}")


class Cursor:
    """Views that are at the same position. Their checkpoints may be before it where nothing since touched them."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.members: list[Member] = []


def take_page(
    database: Database, cursor: Cursor, events: Sequence[Recorded], position: int, decode: Callable[[Recorded], Any]
) -> None:
    """In the database's thread: one page up to a position, one transaction. Raises Undigested, view_store.Moved."""
    members = cursor.members
    decoded = _decoded(events, members, decode)
    touched = [(member, touches) for member in members if (touches := member.touches(decoded))]
    written = min(member.slot.position for member in members)
    if not touched and position - written < UNTOUCHED_POSITIONS_MAX:
        return

    def write(connection: Connection) -> None:
        advance(connection, [member.slot for member in members], position)
        for member, touches in touched:
            member.take(connection, touches)
        # At this point a crash leaves the rows and the checkpoint as they were before the page.

    database.transaction(write)
    for member in members:
        member.slot = msgspec.structs.replace(member.slot, position=position)


def _decoded(
    events: Sequence[Recorded], members: Sequence[Member], decode: Callable[[Recorded], Any]
) -> list[_Decoded]:
    decoded: list[_Decoded] = []
    for recorded in events:
        try:
            if (event := decode(recorded)) is not None:
                decoded.append((event, recorded))
        except Exception as error:
            why = str(error) if isinstance(error, Undecodable) else f"{type(error).__name__}: {error}"
            raise Undigested(recorded, list(members), why) from error
    return decoded
