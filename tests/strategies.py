"""Hypothesis strategies for the house's messages, from their types alone: what a door lets in, and nothing else."""

from datetime import date, datetime, timedelta, timezone
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from kernel.quantity import INT64_MAX, YEAR_MAX, YEAR_MIN, Happened
from tests.sorting.whole import WHOLE

ITEMS_MAX = 3
"""Items in a generated list: more would only repeat."""

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(YEAR_MIN, 1, 1), datetime(YEAR_MAX, 12, 31, 23, 59, 59), timezones=ZONES)  # noqa: DTZ001  the zones come by name
DAYS = st.dates(date(YEAR_MIN, 1, 1), date(YEAR_MAX, 12, 31))
PLAIN = {
    bool: st.booleans(),
    int: st.integers(-INT64_MAX, INT64_MAX),
    str: st.text(CHARACTERS, max_size=20),
    datetime: INSTANTS,
    date: DAYS,
    NoneType: st.none(),
}
WHEN = st.fixed_dictionaries({"occurred_at": INSTANTS}) | st.fixed_dictionaries({"occurred_on": DAYS})


def messages(struct: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Any instance of the struct that its own types allow, its members made to agree where they have to."""
    hints = get_type_hints(struct, include_extras=True)
    happened = issubclass(struct, Happened)
    members = {name: values(hint) for name, hint in hints.items() if not (happened and name.startswith("occurred_"))}
    when = WHEN if happened else st.just({})
    whole = WHOLE.get(struct, lambda rest: rest)
    return st.builds(lambda rest, when: struct(**whole(rest), **when), st.fixed_dictionaries(members), when)


def values(hint: object) -> st.SearchStrategy:
    """Any value of a member's type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return bounded(*args)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of(*map(values, args))
    if origin is tuple:
        return st.lists(values(args[0]), max_size=ITEMS_MAX).map(tuple)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return messages(hint)
    return PLAIN[hint]


def bounded(kind: object, meta: msgspec.Meta) -> st.SearchStrategy:
    """Values within the bounds that msgspec checks."""
    if kind is int:
        return st.integers(meta.ge, meta.le)
    if kind is str and meta.pattern:
        return st.from_regex(meta.pattern, fullmatch=True)
    if kind is str:
        return st.text(CHARACTERS, min_size=meta.min_length or 0, max_size=min(meta.max_length, 40))
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), min_size=meta.min_length or 0, max_size=ITEMS_MAX).map(tuple)
    return values(kind)
