"""Who may do what at this door. It knows neither roles nor passwords: whoever runs the server brings an `Admission`."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

import msgspec


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may do.

    `reads`: the types of the events that one sees, None for all. A stream of which one sees nothing looks as if it did
    not exist. `metadata`: whether events come with their metadata, which is empty otherwise. `all_streams`: whether
    $all may be read; it shows what `reads` lets through. `appends`: how streams that one may append to begin, None for
    all; `reserved`: how the types begin that one may not append there. `carries`: whether the header `meterloop-ledger`
    may be used, and with it the streams `$$*` beside the log be read. `administers`: whether these may be read and
    written.
    """

    reads: frozenset[str] | None = frozenset()
    metadata: bool = False
    all_streams: bool = False
    appends: tuple[str, ...] | None = ()
    reserved: tuple[str, ...] = ()
    carries: bool = False
    administers: bool = False

    def sees(self, event_type: str) -> bool:
        return self.reads is None or event_type in self.reads

    def may_append_to(self, stream: str) -> bool:
        return self.appends is None or stream.startswith(self.appends)

    def may_append(self, event_type: str) -> bool:
        return not event_type.startswith(self.reserved)

    @property
    def reads_beside(self) -> bool:
        return self.carries or self.administers


OPEN: Final = Grant(reads=None, metadata=True, all_streams=True, appends=None, carries=True, administers=True)
"""Everything, as --scratch gives it to everybody."""


class NotAdmitted(Exception):
    """The caller has shown nothing by which it is known, or something wrong."""


class Busy(Exception):
    """More callers ask to be let in than can be looked at: who this one is nobody knows yet, and it may try again."""


PEER: Final[ContextVar[str]] = ContextVar("peer", default="")
"""The address from which the call comes that is being admitted, without its port."""


Admission: TypeAlias = Callable[[str | None], Awaitable[Grant]]
"""From a call's `authorization` header to what its caller may do. Raises NotAdmitted, Busy."""


async def admit_everybody(_authorization: str | None) -> Grant:
    return OPEN
