"""Who may do what at this door. It knows neither roles nor passwords: whoever runs the server brings an `Admission`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

import msgspec

from ledger.server.naming import is_seen, looks_as_if_it_began


class NotAdmitted(Exception):
    """The caller has shown nothing by which it is known, or something wrong, or something that holds no longer."""


class Withdrawal:
    """Whether a grant has been withdrawn by whoever gave it, and what ends by that."""

    def __init__(self) -> None:
        self._withdrawn = False
        self._waiting: Final[set[asyncio.Task[object]]] = set()

    def withdraw(self) -> None:
        self._withdrawn = True
        for task in self._waiting:
            task.cancel()

    @contextmanager
    def ends(self) -> Iterator[None]:
        """What this task does in here ends as NotAdmitted, at once or when the grant is withdrawn."""
        if self._withdrawn:
            raise _withdrawn()
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        except asyncio.CancelledError:
            # Who cancelled it too, as a caller that is gone, is heard first.
            if not self._withdrawn or task.uncancel() > 0:
                raise
            raise _withdrawn() from None
        finally:
            self._waiting.discard(task)


def _withdrawn() -> NotAdmitted:
    return NotAdmitted("凭证已被撤销或变更。the credentials have been withdrawn, or changed")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may do.

    `reads`: the types of the events that one sees, None for all. A stream of which one sees nothing looks as if it did
    not exist. `metadata`: whether events come with their metadata, which is empty otherwise. `all_streams`: whether
    $all may be read; it shows what `reads` lets through. `appends`: how streams that one may append to begin, None for
    all; `reserved`: how the types begin that one may not append there, nor any that look like it. `seen_names`: whether
    streams and types that one appends have names of which everything can be seen. `carries`: whether the header
    `meterloop-ledger` may be used, and with it the streams `$$*` beside the log be read. `administers`: whether these
    may be read and written. `withdrawal`: what ends calls for which nothing else sets an end, None where the grant
    holds for ever.
    """

    reads: frozenset[str] | None = frozenset()
    metadata: bool = False
    all_streams: bool = False
    appends: tuple[str, ...] | None = ()
    reserved: tuple[str, ...] = ()
    seen_names: bool = False
    carries: bool = False
    administers: bool = False
    withdrawal: Withdrawal | None = None

    def sees(self, event_type: str) -> bool:
        return self.reads is None or event_type in self.reads

    def may_append_to(self, stream: str) -> bool:
        return self.appends is None or stream.startswith(self.appends)

    def may_append(self, event_type: str) -> bool:
        return not (self.reserved and looks_as_if_it_began(event_type, self.reserved))

    def may_name(self, name: str) -> bool:
        return not self.seen_names or is_seen(name)

    @property
    def reads_beside(self) -> bool:
        return self.carries or self.administers


OPEN: Final = Grant(reads=None, metadata=True, all_streams=True, appends=None, carries=True, administers=True)
"""Everything, as --scratch gives it to everybody."""


class Busy(Exception):
    """More callers ask to be let in than can be looked at: who this one is nobody knows yet, and it may try again."""


PEER: Final[ContextVar[str]] = ContextVar("peer", default="")
"""The address from which the call comes that is being admitted, without its port."""


Admission: TypeAlias = Callable[[str | None], Awaitable[Grant]]
"""From a call's `authorization` header to what its caller may do. Raises NotAdmitted, Busy."""


async def admit_everybody(_authorization: str | None) -> Grant:
    return OPEN
