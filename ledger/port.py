"""The event log as everything above it sees it.

A ledger is an append-only sequence of events, grouped in streams. It holds bytes: what an event means is its
writer's business. There is no update and no delete. A name holds no NUL: neither C strings nor PostgreSQL could carry
it.

Beside the log stand the streams whose names begin with `$$`, which have doors of their own: `read_beside`,
`append_beside`, `streams_beside`. What is in them is no entry of the log: `append`, `read`, `read_all`, `follow` and
`head` never show it and refuse names of streams and types that begin with `$`. The stream `$$meterloop` is the log's
own: its first event, of type `$metadata`, is a JSON object that holds `ledger_id`, and an event of type `$sealed` in it
ends the log: `seal`. See `ledger.beside`.

What every implementation promises:

* `append` is atomic over all the streams it names, and durable when it returns. A crash before it returns leaves
  all of the call or nothing of it.
* Versions within a stream are 0, 1, 2, ... without a gap. Positions are at least 1 and only increase over the whole
  log; they need not be dense. `recorded_at_us` never decreases along positions.
* Once a reader has seen position p, no event ever appears at a position below p.
* Data and metadata come back byte for byte.
* Every method may be called concurrently from one event loop, and several processes may open the same ledger. A
  ledger is opened after fork, never before.

Errors:

    LedgerError
    |-- Conflict       a stream was not where the writer expected it; nothing was written
    |-- Rejected       the call breaks a limit or a rule of this page; nothing was written
    |-- Unavailable    the store cannot do it now (disk full, I/O error, lost server). An append may or may not have
    |                  been written: appending the same ids again is safe
    |-- Sealed         the log has ended and goes on elsewhere; nothing was written, and never will be
    '-- WrongLedger    the store holds another log than the one asked for
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Protocol, TypeAlias, final

import msgspec

JSON: Final = "application/json"

ID_BYTES: Final = 16
"""A UUID."""

SALT_BYTES: Final = 32
"""16 hide the data's commitment, 16 the metadata's."""

EVENT_BYTES_MAX: Final = 1 << 20
"""Data plus metadata of one event; well below the 16 MiB of a KurrentDB record."""

APPEND_EVENTS_MAX: Final = 10_000
"""Events in one call, so that one writer never holds the others up for long."""

APPEND_BYTES_MAX: Final = 64 << 20
"""Data plus metadata of all events in one call, for the same reason, and so that a call fits in memory."""

PAGE_EVENTS: Final = 1_024
"""Events in one page unless asked otherwise: about what a processor's cache holds. Longer pages are read slower."""

PAGE_EVENTS_MAX: Final = 4_096
"""Events in one page of any read."""

NAME_BYTES_MAX: Final = 200
"""Length in UTF-8 of a stream name, an event type or a content type; a stream beside the log has its `$$` besides."""

BESIDE: Final = "$$"
"""How the name of a stream beside the log begins; `$$s` is where KurrentDB keeps the metadata of stream `s`."""

OWN_STREAM: Final = "$$meterloop"
"""What the log says of itself."""

IDENTITY_TYPE: Final = "$metadata"
SEALED_TYPE: Final = "$sealed"

FILTER_NAMES_MAX: Final = 500
"""Types plus stream prefixes in one filter."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StreamState(Enum):
    """What a writer may expect of a stream other than an exact version."""

    NO_STREAM = "no_stream"
    STREAM_EXISTS = "stream_exists"
    ANY = "any"


NO_STREAM: Final = StreamState.NO_STREAM
STREAM_EXISTS: Final = StreamState.STREAM_EXISTS
ANY: Final = StreamState.ANY

Expected: TypeAlias = int | StreamState


class Direction(Enum):
    """The way a stream is read."""

    FORWARDS = "forwards"
    BACKWARDS = "backwards"


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event not yet recorded.

    `id` is a UUID as 16 bytes (RFC 9562 byte order), unique within its stream and chosen by the writer: the same id
    again is the same event.
    """

    id: bytes
    type: str
    data: bytes
    metadata: bytes = b""
    content_type: str = JSON


@final
class Carried(Draft, frozen=True, gc=False, kw_only=True):
    """A draft that was recorded elsewhere and brings what it got there, so that its proofs hold here too.

    `salt`, 32 bytes, is kept. Time orders the log it stands in: `recorded_at_us` is taken unless it lies before the
    preceding event's or after this log's own clock, whose times then stand instead; None is the own clock's.
    """

    salt: bytes
    recorded_at_us: int | None = None


class Append(msgspec.Struct, frozen=True, gc=False):
    """One stream's share of an append: where the writer believes the stream to be, and what comes next."""

    stream: str
    expected: int | StreamState
    drafts: Sequence[Draft]


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event in the log. `recorded_at_us` is microseconds since 1970-01-01 UTC, `salt` 32 random bytes.

    Beside the log `salt` is empty and `position` where the log's head was when the event was written: several may have
    the same.
    """

    id: bytes
    stream: str
    version: int
    position: int
    type: str
    content_type: str
    data: bytes
    metadata: bytes
    recorded_at_us: int
    salt: bytes

    @property
    def recorded_at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.recorded_at_us)


class Receipt(msgspec.Struct, frozen=True):
    """What `append` did. `position` is that of the call's last event, `versions` the last version of each append, in
    their order, `positions` that of each draft, append by append. `repeated`: all of it had been recorded before and
    nothing was added.
    """

    position: int
    versions: tuple[int, ...]
    positions: tuple[int, ...]
    repeated: bool = False


class StreamPage(msgspec.Struct, frozen=True):
    """Events of one stream in the direction asked for. `next_from` goes on from here; None at the end."""

    events: Sequence[Recorded]
    next_from: int | None = None


class Page(msgspec.Struct, frozen=True):
    """Events of the log in order. Everything up to position `scanned_to` has been looked at, let through or not;
    `at_head`: there was nothing beyond it.
    """

    events: Sequence[Recorded]
    scanned_to: int
    at_head: bool


class LedgerError(Exception):
    """Whatever a ledger refuses or cannot do."""


class Conflict(LedgerError):
    """A stream was not where the writer expected it. `actual` is its last version, NO_STREAM if it has none."""

    def __init__(self, stream: str, expected: Expected, actual: Expected) -> None:
        super().__init__(f"{stream}: expected {_spoken(expected)}, is at {_spoken(actual)}")
        self.stream, self.expected, self.actual = stream, expected, actual


class Rejected(LedgerError):
    """The call breaks a limit or a rule of the port."""


class Unavailable(LedgerError):
    """The store cannot do it now; trying again later is safe."""


class Sealed(LedgerError):
    """The log has ended. What it says of where it goes on is the data of its `$sealed` event."""


class WrongLedger(LedgerError):
    """The store holds another log than the one asked for."""


class Keeper(Enum):
    """Who keeps a log. A KURRENTDB has streams of its own beside it and goes by the metadata of streams."""

    EMBEDDED = "embedded"
    SERVED = "served"
    KURRENTDB = "kurrentdb"


class Ledger(Protocol):
    """The port. See the module for what holds of all methods."""

    @property
    def keeper(self) -> Keeper:
        """Where the log is kept; SERVED is an embedded ledger behind a server of ours."""
        ...

    @property
    def ledger_id(self) -> str:
        """The log's own name, a UUID given to it when it was created; a copy of the log keeps it only by being it."""
        ...

    async def append(self, appends: Sequence[Append]) -> Receipt:
        """Record all drafts of all appends, or nothing. Streams are distinct, drafts not empty.

        The same ids at the same place again is success: where the expectation is a version or NO_STREAM, the place
        right after it; where it is ANY or STREAM_EXISTS, wherever the stream holds them in one run. If some appends
        of a call are such repetitions and others are not, that is a Conflict.

        Raises Conflict, Rejected, Sealed, Unavailable.
        """
        ...

    async def read(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        """A page of one stream, `from_version` included; without it from the first event, or backwards from the last.
        A stream that does not exist is an empty page.
        """
        ...

    async def read_many(self, streams: Collection[str]) -> Mapping[str, StreamPage]:
        """The first page, forwards, of each of these streams; streams that do not exist are left out."""
        ...

    async def read_all(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> Page:
        """Up to `limit` events at positions greater than `after`, of any of these types (all, if none is named) and in
        streams that begin with any of these prefixes (all, if none is named).

        Bounded work: where a filter lets little through, a page may come back with few events or none, and
        `scanned_to` says from where to go on.
        """
        ...

    def follow(
        self,
        after: int = 0,
        *,
        limit: int = PAGE_EVENTS,
        types: Collection[str] = (),
        stream_prefixes: Collection[str] = (),
    ) -> AsyncGenerator[Page, None]:
        """The pages of `read_all`, one after the other, and at the head wait for more. No page is empty unless
        `scanned_to` has moved. Ends when the iterator is closed or its task cancelled.
        """
        ...

    async def head(self) -> int:
        """The position of the last event, 0 in an empty log."""
        ...

    async def read_beside(
        self,
        stream: str,
        *,
        direction: Direction = Direction.FORWARDS,
        from_version: int | None = None,
        limit: int = PAGE_EVENTS,
    ) -> StreamPage:
        """`read`, of a stream beside the log."""
        ...

    async def append_beside(self, append: Append) -> Receipt:
        """`append`, to one stream beside the log, with the same expectations and the same repetitions. Types may begin
        with `$`. Of a Carried its time is taken, as in the log, after what precedes it in its stream. The receipt's
        positions are those of Recorded.

        Raises Conflict, Rejected, Sealed, Unavailable.
        """
        ...

    async def streams_beside(self) -> Sequence[str]:
        """The names of all streams beside the log, sorted."""
        ...

    async def seal(self, note: bytes) -> int:
        """End the log: once this returns, no append by anyone, here or in another process, is acknowledged or recorded.
        `note` is JSON that says where it goes on; it is the data of an event of type `$sealed` in `$$meterloop`.
        Returns `head`, which stays. Sealing again changes nothing.

        Raises Rejected, Unavailable; then the log may or may not be sealed, and sealing again is safe.
        """
        ...

    async def close(self) -> None:
        """Wait for appends under way, then let go of the store. Closing twice is harmless."""
        ...


def _spoken(expected: Expected) -> str:
    return expected.value if isinstance(expected, StreamState) else str(expected)
