"""Several columns that fill one field: 资产编号 beside 条形码, 底度总 beside 底度(kWh).

What one of them holds fills it; what two hold must be the same once each has been read in its own unit, or the row is
refused. Words are the exception, since 型号 and 规格, or 备注 and 说明, say different things of one device: they are
kept side by side. And a lesser column may hold something else altogether (表号 a maker's number, 厂家名称 a name beside
the code): it is told that it was not used.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kernel.refusal import Refusal
from kernel.spreadsheet import Record
from kernel.spreadsheet.findings import Column
from kernel.spreadsheet.heading import Bound
from kernel.spreadsheet.wording import clean_code, written
from services.registry import asset_number
from services.registry.imports import faults
from services.registry.imports.converting import Context, Convert, converter, or_default, remembering
from services.registry.imports.mapping import Field, TextField
from services.registry.imports.rows import Value

BETWEEN_WORDS: Final = "; "
BETWEEN_CELLS: Final = " / "

_SOMETHING_ELSE: Final = frozenset({asset_number.NOT_22_DIGITS.code, faults.NOT_IN_LIST.code})


class Cells(str):
    """The filled cells of several columns, each with the place of its column among them. As text it is the first of
    them. `at` are the places of those that a refusal was about.
    """

    __slots__ = ("at", "filled")

    filled: list[tuple[int, Any]]
    at: tuple[int, ...]

    def faulty(self) -> str:
        """The cells that a refusal was about, to be shown."""
        return BETWEEN_CELLS.join(written(cell) for place, cell in self.filled if place in self.at)


def gather(indices: Sequence[int], record: Record) -> None:
    """Put the filled cells of several columns where the first of them is."""
    filled = [(place, cell) for place, index in enumerate(indices) if clean_code(written(cell := record[index]))]
    if filled:
        cells = Cells(written(filled[0][1]))
        cells.filled, cells.at = filled, (filled[0][0],)
        record[indices[0]] = cells


def combined(bound: Bound, field: Field, context: Context, *, text_only: bool) -> Convert:
    """The function from gathered cells to the value that their columns agree on."""
    optional = msgspec.structs.replace(field, required=False)
    if getattr(optional, "default", None) is not None:
        optional = msgspec.structs.replace(optional, default=None)
    names = [name_of(bound, place) for place in range(len(bound.indices))]
    converts = [
        remembering(converter(name, optional, context, unit=unit), field, text_only=text_only)
        for name, unit in zip(names, bound.units, strict=True)
    ]
    keeps_all = isinstance(field, TextField)

    def convert(cell: Any) -> Value | None:
        if type(cell) is not Cells:
            return converts[0](cell)
        values: dict[int, Value] = {}
        for place, part in cell.filled:
            known, cell.at = len(context.warnings), (place,)
            try:
                value = converts[place](part)
            except Refusal as refusal:
                used = next(iter(values), None)
                if used is None or bound.ranks[place] == bound.ranks[used] or refusal.code not in _SOMETHING_ELSE:
                    raise
                not_used = faults.COLUMN_NOT_USED(used=bound.columns[used].header)
                context.warnings.append((names[place], not_used, part))
                continue
            if values:
                # What is doubtful about a cell whose value another has given already is of no consequence.
                del context.warnings[known:]
            if value is None or value in values.values():
                continue
            used = next(iter(values), None)
            if used is not None and (not keeps_all or bound.ranks[place] == bound.ranks[used]):
                cell.at = (used, place)
                raise faults.COLUMNS_DISAGREE()
            values[place] = value
        return _together(list(values.values()), field)

    return or_default(convert, field)


def name_of(bound: Bound, place: int) -> str:
    """What a warning calls a column by: the field's name is that of the first."""
    return f"{bound.field} {place}" if place else bound.field


def columns_of(bound: Bound, places: Sequence[int]) -> Column:
    """One column in words for those at these places."""
    some = [bound.columns[place] for place in places]
    return Column(bound.field, "+".join(one.letter for one in some), " + ".join(one.header for one in some))


def _together(values: Sequence[Value], field: Field) -> Value | None:
    if len(values) < 2 or not isinstance(field, TextField):  # noqa: PLR2004  two are needed to be joined
        return values[0] if values else None
    text = BETWEEN_WORDS.join(map(str, values))
    if len(text) > field.length_max:
        raise faults.TOO_LONG(found=len(text), limit=field.length_max)
    return text
