"""Finds the header among title rows, and says which column fills which field.

A header may span two rows: a merged 拆表底度 above 总 尖 峰 平 谷. Then a column goes by its lower
cell, or by both.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from kernel.spreadsheet.faults import COLUMNS_MISSING, NO_HEADER
from kernel.spreadsheet.findings import Column, letter_of, shown
from kernel.spreadsheet.wording import clean_text, key_of

HEADER_ROWS_MAX: Final = 30
COLUMNS_MAX: Final = 702
"""A to ZZ. What is further to the right is not looked at."""
_HEADERS_SHOWN: Final = 3
_BRACKETS: Final = re.compile(r"(.*?)[(（\[【]\s*([^)）\]】]*?)\s*[)）\]】]\s*[*＊]?", re.DOTALL)


class HeadedField(Protocol):
    """What finding its column needs to know of a field."""

    @property
    def headers(self) -> tuple[str, ...]:
        """What its column may be called, the most telling first."""
        ...

    @property
    def required(self) -> bool:
        """Whether a table without it is none."""
        ...

    def base_unit(self) -> str | None:
        """The unit of a column that is called by the field's own name."""
        ...

    def takes_unit(self, unit: str) -> bool | None:
        """Whether what a header says in brackets is a unit of the field; None where it is no unit at all."""
        ...


Named = TypeVar("Named", bound=HeadedField)


class Bound(msgspec.Struct, frozen=True):
    """A field and the columns that fill it, the most telling first: several where more than one header means it.
    Columns of one rank have the same header; `units` are those that the headers say.
    """

    field: str
    indices: tuple[int, ...]
    columns: tuple[Column, ...]
    units: tuple[str | None, ...]
    ranks: tuple[int, ...]


class Header(msgspec.Struct, frozen=True):
    """Where the header is: `first` and `last` count records from 0."""

    first: int
    last: int
    bound: tuple[Bound, ...]
    dropped: tuple[Column, ...]


class _Match(msgspec.Struct, frozen=True):
    field: str
    rank: int
    unit: str | None = None


class Headers(Generic[Named]):
    """The headers that fields go by, but for those `ignored`. A row of data has something in the field `key`."""

    def __init__(self, fields: Mapping[str, Named], key: str, ignored: Iterable[str] = ()) -> None:
        self.fields: Final = fields
        self.key: Final = key
        self._ignored: Final = frozenset(map(key_of, ignored))
        self._known: dict[str, _Match] = {}
        for name, field in fields.items():
            base = field.base_unit()
            self._known[key_of(name)] = _Match(name, 0, base)
            last_part = key_of(name.rpartition(".")[2])
            for rank, header in enumerate(field.headers, 1):
                self._known.setdefault(key_of(header), _Match(name, rank))
            self._known.setdefault(last_part, _Match(name, len(field.headers) + 1, base))

    def match(self, label: str) -> _Match | None:
        """The field that a header names, with the unit in its brackets if it has one."""
        if not (key := key_of(label)) or key in self._ignored:
            return None
        if found := self._known.get(key):
            return found
        if not (parts := _BRACKETS.fullmatch(label)):
            return None
        if not (found := self._known.get(key_of(parts[1]))):
            return None
        if (fits := self.fields[found.field].takes_unit(parts[2])) is None:
            return found
        return _Match(found.field, found.rank, parts[2]) if fits else None

    def takes(self, label: str) -> bool:
        """Whether a header fills a field, or is one that is not to be read."""
        return key_of(label) in self._ignored or self.match(label) is not None

    def required(self) -> frozenset[str]:
        """The fields that every table of this kind has."""
        return frozenset(self._required())

    def of(self, columns: Iterable[Column]) -> frozenset[str]:
        """The fields that columns with these headers would fill."""
        return frozenset(match.field for column in columns if (match := self.match(column.header)))

    def find(self, records: Sequence[Sequence[Any]]) -> Header:
        """The header among the first records. Refuses where there is none, or where it lacks required columns."""
        header = self.best(records)
        if header is None:
            raise NO_HEADER(rows=HEADER_ROWS_MAX, wanted=self._spoken(self._required()))
        bound = {one.field for one in header.bound}
        if missing := [name for name in self._required() if name not in bound]:
            raise COLUMNS_MISSING(row=header.last + 1, missing=self._spoken(missing))
        return header

    def best(self, records: Sequence[Sequence[Any]]) -> Header | None:
        """The header that fills most fields; a single row before two, and an earlier one before a later."""
        head = [list(record[:COLUMNS_MAX]) for record in records[:HEADER_ROWS_MAX]]
        best: tuple[tuple[int, int], Header | None] = ((0, 0), None)
        for header in self._candidates(head):
            required = sum(1 for one in header.bound if self.fields[one.field].required)
            if (worth := (len(header.bound), required)) > best[0]:
                best = (worth, header)
        return best[1]

    def bind(self, labels: Sequence[tuple[str, ...]], first: int, last: int) -> Header:
        """Columns for these labels, each in the wordings it may go by, the most telling first."""
        found: dict[str, list[tuple[int, int, _Match, str]]] = {}
        for index, wordings in enumerate(labels):
            for wording in wordings:
                if match := self.match(wording):
                    found.setdefault(match.field, []).append((match.rank, index, match, wording))
                    break
        bound: list[Bound] = []
        taken: set[int] = set()
        for name in self.fields:
            if name not in found:
                continue
            ranks, indices, matches, wordings = zip(*sorted(found[name], key=lambda one: one[:2]), strict=True)
            taken.update(indices)
            columns = tuple(
                Column(name, letter_of(index), shown(clean_text(wording)))
                for index, wording in zip(indices, wordings, strict=True)
            )
            bound.append(Bound(name, indices, columns, tuple(match.unit for match in matches), ranks))
        dropped = tuple(
            Column("", letter_of(index), shown(clean_text(wordings[0])))
            for index, wordings in enumerate(labels)
            if index not in taken and any(wordings)
        )
        return Header(first, last, tuple(bound), dropped)

    def _candidates(self, head: list[list[Any]]) -> Iterator[Header]:
        texts = [[cell if isinstance(cell, str) else "" for cell in record] for record in head]
        for row, labels in enumerate(texts):
            yield self.bind([(label,) for label in labels], row, row)
        for row, (upper, lower) in enumerate(pairwise(texts)):
            header = self.bind(list(_stacked(upper, lower)), row, row + 1)
            if self._may_span(header, head[row + 1]):
                yield header

    def _may_span(self, header: Header, lower: list[Any]) -> bool:
        """Whether the lower row can be part of the header: a row of data has something in the column of its key."""
        index = next((one.indices[0] for one in header.bound if one.field == self.key), None)
        if index is None:
            return False
        cell = lower[index] if index < len(lower) else ""
        return not str(cell).strip() or (isinstance(cell, str) and self.match(cell) is not None)

    def _required(self) -> list[str]:
        return [name for name, field in self.fields.items() if field.required]

    def _spoken(self, names: list[str]) -> str:
        return "; ".join(" / ".join(self.fields[name].headers[:_HEADERS_SHOWN]) or name for name in names)


def _stacked(upper: list[str], lower: list[str]) -> Iterator[tuple[str, ...]]:
    """The wordings to try for each column of a header in two rows. An empty upper cell continues its left neighbour."""
    above = ""
    for index in range(max(len(upper), len(lower))):
        top = upper[index] if index < len(upper) else ""
        below = lower[index] if index < len(lower) else ""
        above = top if top.strip() else above
        if below.strip():
            yield (_joined(above, below), below)
        else:
            yield (top,)


def _joined(above: str, below: str) -> str:
    """Both parts as one header, a unit in brackets of the upper one last: 拆表底度(kWh) and 总 are 拆表底度总(kWh)."""
    if parts := _BRACKETS.fullmatch(above):
        return f"{parts[1]}{below}({parts[2]})"
    return above + below
