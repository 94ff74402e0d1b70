"""Cases that a decision table is tried with: what is known, and the disposition that it has to come to.

A column that a case does not name may have any word: the case then holds of every combination, and each is tried.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Annotated, Final

from msgspec import Meta

from kernel.quantity import Code
from services.sorting.decision import INPUTS, Inputs, VerdictTable
from services.sorting.norms import Part
from services.sorting.vocabulary import Disposition, RuleId

ANY: Final = "*"
"""How a case says that a column may have any word, beside leaving it out."""


class Case(Part, frozen=True, kw_only=True):
    """`inputs` by column: a word, or several parted by a bar. `rule`, where it matters by which."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    inputs: dict[Code, Annotated[str, Meta(min_length=1, max_length=200)]]
    expected: Disposition
    rule: RuleId | None = None


class Miss(Part, frozen=True, kw_only=True):
    """A combination of a case that the table answers otherwise. `times`: how many of the case's it does."""

    case: Case
    inputs: Inputs
    disposition: Disposition
    rule: RuleId
    times: int = 1


def combinations(case: Case) -> Iterator[Inputs]:
    """All that the case speaks of. Raises ValueError for a column or a word that there is not."""
    for column in case.inputs:
        if column not in INPUTS:
            raise ValueError(f"{case.name}: 没有此列 there is no column {column}; {', '.join(INPUTS)}")
    return product(*(_words(case, column) for column in INPUTS))


def misses(table: VerdictTable, cases: Iterable[Case]) -> Iterator[Miss]:
    """The cases that the table answers otherwise, each by the first of its combinations. Raises ValueError as
    `combinations` does; the table must be one without disagreements.
    """
    for case in cases:
        found = []
        for inputs in combinations(case):
            rule = table.rule(inputs)
            if rule.disposition != case.expected or (case.rule is not None and rule.rule != case.rule):
                found.append((inputs, rule))
        if found:
            inputs, rule = found[0]
            yield Miss(case=case, inputs=inputs, disposition=rule.disposition, rule=rule.rule, times=len(found))


def _words(case: Case, column: str) -> tuple[str, ...]:
    said = case.inputs.get(column, ANY)
    if said == ANY:
        return tuple(INPUTS[column])
    words = tuple(word.strip() for word in said.split("|"))
    for word in words:
        if word not in INPUTS[column]:
            raise ValueError(
                f"{case.name}: 列 {column} 没有此值 column {column} has no {word!r}; {', '.join(INPUTS[column])}"
            )
    return words
