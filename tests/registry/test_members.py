"""What the members of the registry's commands and events may hold, whichever they are: bounds that no type can say."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import find

from kernel.quantity import DAY_MAX, DAY_MIN, CivilDate, Happened
from services.registry.app import DECIDERS
from tests.strategies import messages

MESSAGES = [message for decider in DECIDERS for message in (*decider.commands, *decider.events)]


def shapes(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The struct and those within its members."""
    yield struct
    for hint in get_type_hints(struct, include_extras=True).values():
        for part in parts(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from shapes(part)


def parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from parts(part)


SHAPES = sorted({shape for message in MESSAGES for shape in shapes(message)}, key=lambda one: one.__name__)
DAYS = [
    pytest.param(shape, name, id=f"{shape.__name__}.{name}")
    for shape in SHAPES
    for name, hint in get_type_hints(shape, include_extras=True).items()
    if CivilDate in [*parts(hint)] and not (issubclass(shape, Happened) and name == "occurred_on")
]


@pytest.mark.parametrize(("shape", "name"), DAYS)
def test_no_day_is_beyond_all_reason(shape, name):
    example = msgspec.to_builtins(find(messages(shape), lambda _: True))
    for day in (date.min, DAY_MIN - timedelta(days=1), DAY_MAX + timedelta(days=1), date.max):
        with pytest.raises(msgspec.ValidationError, match=f"{name} {day}"):
            msgspec.convert({**example, name: day.isoformat()}, shape)
    for day in (DAY_MIN, DAY_MAX):
        assert getattr(msgspec.convert({**example, name: day.isoformat()}, shape), name) == day


def test_there_are_days_to_look_at():
    assert len(DAYS) >= 11
