"""From what Cedar leaves undecided when the row is not known yet, to a WHERE clause.

Cedar knows three outcomes of a condition: true, false, and error, which makes the policy as if it were not there. SQL
knows true, false and NULL, and joins them by other rules. So each condition becomes a pair of clauses, when it is true
and when it is false, neither of them ever NULL; where both fail it is an error. An attribute that is not there is a
NULL column.

Whatever is not known here raises ValueError. Partial evaluation is experimental in Cedar: a property test holds the
clause to the decision row by row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

Clause: TypeAlias = bool | ColumnElement[bool]
"""True or False where it holds of every row or of none."""

_RESOURCE: Final = ({"unknown": [{"Value": "resource"}]}, {"Var": "resource"})
_PRINCIPAL: Final = {"Var": "principal"}


class Condition(msgspec.Struct, frozen=True):
    """A `when` or `unless` of a policy; `body` is Cedar's JSON syntax tree."""

    kind: Literal["when", "unless"]
    body: dict[str, Any]


class Residual(msgspec.Struct, frozen=True):
    """What is left of a policy."""

    effect: Literal["permit", "forbid"]
    conditions: list[Condition]


class _Pair(msgspec.Struct, frozen=True):
    """When a condition is true, and when it is false."""

    true: Clause
    false: Clause


_ERROR: Final = _Pair(true=False, false=False)


def where_clause(
    residuals: Sequence[Residual],
    resource_type: str,
    columns: Mapping[str, ColumnElement[Any]],
    principal: Mapping[str, object],
) -> ColumnElement[bool]:
    """The rows that some permit lets through and no forbid stops."""
    compiler = _Compiler(resource_type, columns, principal)
    permitted: Clause = False
    forbidden: Clause = False
    for residual in residuals:
        applies = compiler.policy(residual)
        if residual.effect == "permit":
            permitted = _or(permitted, applies)
        else:
            forbidden = _or(forbidden, applies)
    return _sql(_and(permitted, _not(forbidden)))


class _Compiler:
    def __init__(
        self, resource_type: str, columns: Mapping[str, ColumnElement[Any]], principal: Mapping[str, object]
    ) -> None:
        self._resource_type: Final = resource_type
        self._columns: Final = columns
        self._principal: Final = principal

    def policy(self, residual: Residual) -> Clause:
        """When the policy applies: all of its conditions hold."""
        applies: Clause = True
        for condition in residual.conditions:
            pair = self._condition(condition.body)
            applies = _and(applies, pair.true if condition.kind == "when" else pair.false)
        return applies

    def _condition(self, node: dict[str, Any]) -> _Pair:
        ((operator, operand),) = node.items()
        match operator:
            case "Value" if isinstance(operand, bool):
                return _Pair(true=operand, false=not operand)
            case "!":
                pair = self._condition(operand["arg"])
                return _Pair(true=pair.false, false=pair.true)
            case "&&":
                return self._conjunction(operand["left"], operand["right"])
            case "||":
                # a || b is !(!a && !b) in Cedar's order of evaluation too.
                pair = self._conjunction({"!": {"arg": operand["left"]}}, {"!": {"arg": operand["right"]}})
                return _Pair(true=pair.false, false=pair.true)
            case "if-then-else":
                return self._choice(operand)
            case "is" if operand["left"] in _RESOURCE and "in" not in operand:
                same = operand["entity_type"] == self._resource_type
                return _Pair(true=same, false=not same)
            case "has" if operand["left"] in _RESOURCE:
                column = self._column(operand["attr"])
                return _Pair(true=column.is_not(None), false=column.is_(None))
            case "has" if operand["left"] == _PRINCIPAL:
                there = operand["attr"] in self._principal
                return _Pair(true=there, false=not there)
            case "." if operand["left"] in _RESOURCE:
                column = self._column(operand["attr"])
                return _Pair(true=column.is_(True), false=column.is_(False))
            case "==" | "!=" | "<" | "<=" | ">" | ">=":
                return self._comparison(operator, operand["left"], operand["right"])
            case "contains":
                return self._contains(operand["left"], operand["right"])
            case "like":
                return self._like(operand["left"], operand["pattern"])
            case _:
                raise _inexpressible(node)

    def _conjunction(self, left: dict[str, Any], right: dict[str, Any]) -> _Pair:
        first = self._condition(left)
        if first.true is False:
            # Never reached, so that what it says need not be understood: policies about other types of resource.
            return _Pair(true=False, false=first.false)
        second = self._condition(right)
        return _Pair(true=_and(first.true, second.true), false=_or(first.false, _and(first.true, second.false)))

    def _choice(self, operand: dict[str, Any]) -> _Pair:
        test, then, otherwise = (self._condition(operand[part]) for part in ("if", "then", "else"))
        return _Pair(
            true=_or(_and(test.true, then.true), _and(test.false, otherwise.true)),
            false=_or(_and(test.true, then.false), _and(test.false, otherwise.false)),
        )

    def _comparison(self, operator: str, left: dict[str, Any], right: dict[str, Any]) -> _Pair:
        first, second = self._operand(left), self._operand(right)
        if first is None or second is None:
            return _ERROR
        ordered = operator not in {"==", "!="}
        if ordered and any(isinstance(one, str | bool) for one in (first, second)):
            raise _inexpressible({operator: [left, right]})
        there: Clause = True
        for one in (first, second):
            if isinstance(one, ColumnElement):
                there = _and(there, one.is_not(None))
        holds = _compare(operator, first, second)
        return _Pair(true=_and(there, holds), false=_and(there, _not(holds)))

    def _contains(self, left: dict[str, Any], right: dict[str, Any]) -> _Pair:
        values, one = self._set(left), self._operand(right)
        if values is None or one is None:
            return _ERROR
        if not isinstance(one, ColumnElement):
            return _Pair(true=one in values, false=one not in values)
        there, holds = one.is_not(None), one.in_(values)
        return _Pair(true=_and(there, holds), false=_and(there, _not(holds)))

    def _like(self, left: dict[str, Any], pattern: list[Any]) -> _Pair:
        """Only `prefix*`: SQL's LIKE minds case in one database and not in the other."""
        column = self._operand(left)
        *letters, last = pattern
        if not isinstance(column, ColumnElement) or last != "Wildcard" or "Wildcard" in letters:
            raise _inexpressible({"like": pattern})
        prefix = "".join(letter["Literal"] for letter in letters)
        there, holds = column.is_not(None), func.substr(column, 1, len(prefix)) == prefix
        return _Pair(true=_and(there, holds), false=_and(there, _not(holds)))

    def _operand(self, node: dict[str, Any]) -> Any:
        """A column or a value (str, bool, int); None where evaluating it is an error."""
        value: Any
        match node:
            case {"Value": str() | bool() | int() as value}:
                return value
            case {".": {"left": left, "attr": str(name)}} if left in _RESOURCE:
                return self._column(name)
            case {".": {"left": left, "attr": str(name)}} if left == _PRINCIPAL:
                value = self._principal.get(name)
                if value is None or isinstance(value, str | bool | int):
                    return value
                raise _inexpressible(node)
            case _:
                raise _inexpressible(node)

    def _set(self, node: dict[str, Any]) -> list[Any] | None:
        match node:
            case {"Set": list(members)}:
                values = [self._operand(member) for member in members]
                if any(isinstance(one, ColumnElement) for one in values):
                    raise _inexpressible(node)
                return None if None in values else values
            case {".": {"left": left, "attr": str(name)}} if left == _PRINCIPAL:
                value = self._principal.get(name)
                return sorted(value) if isinstance(value, set) else None
            case _:
                raise _inexpressible(node)

    def _column(self, name: str) -> ColumnElement[Any]:
        if name not in self._columns:
            raise ValueError(f"policies speak of {name}, for which there is no column")
        return self._columns[name]


def _compare(operator: str, left: Any, right: Any) -> Clause:
    if type(left) is not type(right) and not any(isinstance(one, ColumnElement) for one in (left, right)):
        # Cedar: values of different types are never equal. Python would take True for 1.
        return operator == "!="
    holds: Clause
    match operator:
        case "==":
            holds = left == right
        case "!=":
            holds = left != right
        case "<":
            holds = left < right
        case "<=":
            holds = left <= right
        case ">":
            holds = left > right
        case _:
            holds = left >= right
    return holds


def _and(left: Clause, right: Clause) -> Clause:
    if isinstance(left, bool):
        return right if left else False
    if isinstance(right, bool):
        return left if right else False
    return and_(left, right)


def _or(left: Clause, right: Clause) -> Clause:
    if isinstance(left, bool):
        return True if left else right
    if isinstance(right, bool):
        return True if right else left
    return or_(left, right)


def _not(clause: Clause) -> Clause:
    return not clause if isinstance(clause, bool) else not_(clause)


def _sql(clause: Clause) -> ColumnElement[bool]:
    if isinstance(clause, bool):
        return true() if clause else false()
    return clause


def _inexpressible(node: object) -> ValueError:
    return ValueError(f"this part of a policy has no WHERE clause: {node}")
