"""What one may ask a service: the same table for both doors.

A question is a struct of what it names, a path whose parameters are fields of it, and a function that answers it. Over
REST it is a GET, its other fields being query parameters; over gRPC it is the message of the same name.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from kernel.principal import Principal

PAGE_ROWS_MAX: Final = 500
PAGE_ROWS: Final = 100

CursorValue: TypeAlias = str | int | float | bool | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One representation. With `version`, the stream's, it is the ETag that If-Match takes; without, the ETag is a
    hash of the bytes, which tells a stranger nothing of how many events there were.
    """

    value: Any
    version: int | None = None


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list. `after`: the last row's sort values where there is more, else None."""

    items: Sequence[Any]
    after: Sequence[CursorValue] | None = None


class PageParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What names a page of a list, beside the question's own fields."""

    cursor: Annotated[str, msgspec.Meta(description="where the page before ended, as its `next` said")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX)] = PAGE_ROWS


class PageAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of a list: the rows after these sort values, from the first one where there are none."""

    after: tuple[CursorValue, ...] | None
    limit: int


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as an answer. `name` is what it is saved as, in any script, with its ending. `left_out`: how much of what
    belongs in it could not be put there yet, where that may be.
    """

    name: str
    media_type: str
    content: bytes
    left_out: int | None = None


Answer: TypeAlias = Callable[[Principal, Any, PageAsked], Awaitable[Shown | Rows | File]]


class Question(msgspec.Struct, frozen=True):
    """See the module. `answers` is what is shown or, with `rows`, one row of the list; `paged` lists take a cursor and
    a limit. A `public` question may be asked without a token. One with `media` is answered with a File of one of these
    types; over gRPC its method streams the parts of it.
    """

    ask: type[msgspec.Struct]
    path: str
    answers: Any
    answer: Answer
    rows: bool = False
    paged: bool = False
    public: bool = False
    media: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.ask.__name__


def paged(found: Sequence[Any], page: PageAsked, *key: str) -> Rows:
    """A page of rows, and the sort values at which it ended if there may be more."""
    full = len(found) == page.limit
    return Rows(items=found, after=[_sort_value(getattr(found[-1], name)) for name in key] if full else None)


def follows(page: PageAsked, *kinds: Callable[[Any], Any]) -> Any:
    """The sort values of the row that the page follows, each as what it was; None on the first page."""
    return None if page.after is None else tuple(kind(one) for kind, one in zip(kinds, page.after, strict=True))


def columns_named(ask: msgspec.Struct) -> dict[str, Any]:
    """The columns that a list's question names, and the value asked of each."""
    return {name: value for name, value in msgspec.structs.asdict(ask).items() if name != "seen"}


def _sort_value(value: Any) -> CursorValue:
    return value.isoformat() if isinstance(value, date) else value
