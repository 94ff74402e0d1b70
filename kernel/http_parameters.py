"""What FastAPI finds wrong with path and query parameters, in the words and codes of kernel.intake."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from kernel.intake import (
    INVALID,
    MISSING_FIELD,
    NO_ZONE,
    NOT_IN_LIST,
    OUT_OF_RANGE,
    WRONG_LENGTH,
    FieldError,
    field_error,
    wrong_encoding,
    wrong_pattern,
    wrong_type,
)
from kernel.refusal import Refusal

_LIMITS: Final = {
    "greater_than": ("gt", "> {}"),
    "greater_than_equal": ("ge", ">= {}"),
    "less_than": ("lt", "< {}"),
    "less_than_equal": ("le", "<= {}"),
}
_LENGTHS: Final = {"string_too_short": ("min_length", ">= {}"), "string_too_long": ("max_length", "<= {}")}


def parameter_errors(errors: Iterable[Any]) -> Sequence[FieldError]:
    """Pydantic's errors as ours. Its messages name the rule, never the value."""
    return [_error(str(one["loc"][-1]), one["type"], one.get("ctx") or {}, one["msg"]) for one in errors]


def _error(field: str, kind: str, context: dict[str, Any], message: str) -> FieldError:
    return field_error(_refusal(field, kind, context, message), field)


def _refusal(field: str, kind: str, context: dict[str, Any], message: str) -> Refusal:
    if kind == "missing":
        return MISSING_FIELD(field=field)
    if kind in _LIMITS:
        name, said = _LIMITS[kind]
        return OUT_OF_RANGE(field=field, limit=said.format(context.get(name)))
    if kind in _LENGTHS:
        name, said = _LENGTHS[kind]
        return WRONG_LENGTH(field=field, limit=said.format(context.get(name)))
    if kind in {"enum", "literal_error"}:
        return NOT_IN_LIST(field=field, choices=context.get("expected", ""))
    if kind == "timezone_aware":
        return NO_ZONE(field=field)
    if kind == "string_pattern_mismatch":
        return wrong_pattern(field, context.get("pattern", ""))
    if kind.startswith(("date", "time", "uuid")):
        return wrong_encoding(field, kind.split("_", 1)[0])
    if kind.endswith(("_parsing", "_type")):
        return wrong_type(field, kind.split("_", 1)[0], "str")
    return INVALID(field=field, why=message)
