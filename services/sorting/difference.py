"""What differs between two versions of a scheme or a table, place by place, as a person would say it.

What is in a list is found again by its name (a norm by its step, an item by its code, a limit by its accuracy classes),
so that what was put in between does not make everything after it differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

ORDER: Final = "order"
"""The last step of a place where the same things stand in another order."""

_NAMES: Final = ("step", "code", "rule", "column", "device_classes", "accuracy_classes")
_EVERY_CLASS: Final = "*"

Place: TypeAlias = tuple[str, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """At this place stood `before` and stands `after`; None where there was or is nothing."""

    place: Place
    before: str | None
    after: str | None


def changes(before: msgspec.Struct, after: msgspec.Struct) -> list[Change]:
    """Everything that differs between two documents of one kind, in the order of the second."""
    return list(_changes((), *(msgspec.json.decode(msgspec.json.encode(one)) for one in (before, after))))


def _changes(place: Place, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if _is_plain(before) and _is_plain(after):
        yield Change(place=place, before=_shown(before), after=_shown(after))
        return
    was, now = _members(before), _members(after)
    for name in [*now, *(name for name in was if name not in now)]:
        yield from _changes((*place, name), was.get(name), now.get(name))
    kept_before, kept_after = [name for name in was if name in now], [name for name in now if name in was]
    if isinstance(before, list) and kept_before != kept_after:
        yield Change(place=(*place, ORDER), before=", ".join(kept_before), after=", ".join(kept_after))


def _is_plain(value: Any) -> bool:
    """Whether it is shown as a whole: a value, words in both languages, a list of values."""
    if isinstance(value, dict):
        return value.keys() == {"zh", "en"}
    if isinstance(value, list):
        return not any(isinstance(one, dict) for one in value)
    return True


def _members(value: Any) -> Mapping[str, Any]:
    """What is within it, by name. Of what stands on one side alone, the other has nothing."""
    if isinstance(value, dict):
        return value
    return {_name(one, number): one for number, one in enumerate(value or (), 1)}


def _name(one: Any, number: int) -> str:
    if isinstance(one, dict):
        for name in _NAMES:
            if name in one:
                said = one[name]
                return " ".join(said) if isinstance(said, Sequence) and not isinstance(said, str) else str(said)
        if "source" in one:
            return _EVERY_CLASS
    return str(number)


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case dict():
            return f"{value['zh']} / {value['en']}"
        case list():
            return ", ".join(map(str, value))
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
