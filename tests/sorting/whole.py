"""How the members of sorting's structs are made to agree where their types alone do not see to it."""

from collections.abc import Callable
from typing import Any

from services.sorting.decision import Rule
from services.sorting.evaluation import Measured
from services.sorting.norms import Item, Limit
from services.sorting.vocabulary import Words

SAID = Words(zh="理由", en="reason")


def measured(members: dict[str, Any]) -> dict[str, Any]:
    """Either a value or a choice."""
    value, choice = members["value"], members["choice"]
    if value is None and choice is None:
        return members | {"value": 0}
    return members | {"choice": None} if value is not None else members


def limit(members: dict[str, Any]) -> dict[str, Any]:
    """From a least to a most."""
    least, most = members["least"], members["most"]
    if least is None and most is None:
        return members | {"most": 0}
    if least is not None and most is not None and least > most:
        return members | {"least": most, "most": least}
    return members


def item(members: dict[str, Any]) -> dict[str, Any]:
    """Measured in a unit, or looked at."""
    return members | (
        {"unit": None} if members["choices"] else {"unit": members["unit"] or "s", **_measurable(members)}
    )


def _measurable(members: dict[str, Any]) -> dict[str, Any]:
    limits = members["limits"] or (Limit(most=1, source="synthetic"),)
    return {"range_least": 0, "range_most": 1, "limits": limits, "fault": members["fault"] or "f", "choices": ()}


def rule(members: dict[str, Any]) -> dict[str, Any]:
    """With the reasons that its disposition asks for."""
    return members | {"not_reuse": members["not_reuse"] or SAID, "not_claim": members["not_claim"] or SAID}


WHOLE: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    Measured: measured,
    Limit: limit,
    Item: item,
    Rule: rule,
}
