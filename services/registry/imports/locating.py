"""From a command that was refused back to the cells that it came from."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kernel.intake import Malformed, errors_of
from kernel.refusal import NotAllowed, Refusal
from kernel.spreadsheet.findings import Column, Finding, shown
from services.registry.imports.mapping import KEY
from services.registry.imports.rows import Heading, Row

_LINE: Final = re.compile(r"^(?:manifest|found)\[(\d+)\]\.?")
_FIELDS: Final = {"shipment_id": "shipment"}
"""What a command calls otherwise than the columns."""


class Sourced(msgspec.Struct, frozen=True):
    """A row, and the heading of the table that it is in."""

    row: Row
    heading: Heading


def located(refusal: Refusal, sources: Sequence[Sourced], *, about: str = KEY) -> list[Finding]:
    """A refusal as findings: what is wrong at the rows that it names, else at the first, and the others by number.

    `about` is the field that a refusal is about where it does not say.
    """
    found = [_finding(sources, *placed) for placed in _placed(refusal, sources, about)]
    named = {finding.row for finding in found}
    first = found[0].row
    rest = [
        Finding(
            row=source.row.number,
            code=refusal.code,
            zh=f"同第 {first} 行",
            en=f"as row {first}",
            sheet=source.heading.sheet,
        )
        for source in sources
        if source.row.number not in named
    ]
    return found + rest


def _placed(refusal: Refusal, sources: Sequence[Sourced], about: str) -> list[tuple[int, str, str, str, str]]:
    """Index of the row, field, code and messages of each fault."""
    if isinstance(refusal, Malformed) and (faults := errors_of(refusal)):
        placed = []
        for fault in faults:
            line = _LINE.match(fault.field)
            at = min(int(line[1]), len(sources) - 1) if line else 0
            placed.append((at, _LINE.sub("", fault.field), fault.code, fault.zh, fault.en))
        return placed
    number = refusal.details.get(KEY)
    index: int | None = next((i for i, one in enumerate(sources) if one.row.values.get(KEY) == number), None)
    if index is not None:
        about = KEY
    elif isinstance(refusal, NotAllowed) and any(column.field == "unit" for column in sources[0].heading.columns):
        about = "unit"
    return [(index or 0, str(refusal.details.get("field", about)), refusal.code, refusal.zh, refusal.en)]


def _finding(sources: Sequence[Sourced], index: int, field: str, code: str, zh: str, en: str) -> Finding:
    source = sources[index]
    field = _FIELDS.get(field, field)
    column = next((one for one in source.heading.columns if one.field == field), Column(field, "", ""))
    return Finding(
        row=source.row.number,
        code=code,
        zh=zh,
        en=en,
        value=shown(_value(source.row.values, field)),
        field=field,
        column=column.letter,
        header=column.header,
        sheet=source.heading.sheet,
    )


def _value(values: dict[str, Any], field: str) -> object:
    """What the row says in a field; a dot leads into a group."""
    group, dot, name = field.partition(".")
    value = values.get(group, "")
    if dot:
        return value.get(name, "") if isinstance(value, dict) else ""
    return "" if isinstance(value, dict) else value
