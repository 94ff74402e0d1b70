"""The other reviews of a log: which of them were about some of the same verdicts before, and how each ended.

Who proposes again until a review pleases is not hindered by anything; it is seen here.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from auditor.review_differences import EarlierReview

_ENDS: Final = {
    "ReviewWithdrawn": "withdrawn",
    "PopulationCommitted": "committed",
    "SampleDrawn": "drawn",
    "DrawFailed": "failed",
    "Concluded": "concluded",
}


class Others:
    """What reviews were proposed, in the log's order, and how far each went."""

    def __init__(self) -> None:
        self._told: Final[dict[str, EarlierReview]] = {}
        self._criteria: Final[dict[str, Mapping[str, Any]]] = {}
        self._concluded: Final[set[str]] = set()

    def take(self, index: int, review: str, name: str, data: bytes) -> None:
        """The next event of a review. Raises msgspec.DecodeError, KeyError, TypeError."""
        if name == "Concluded":
            self._concluded.add(review)
        if name == "ReviewProposed":
            criteria = msgspec.json.decode(data)["criteria"]
            self._criteria[review] = criteria
            self._told[review] = EarlierReview(
                review=review,
                index=index,
                judged_from=criteria["judged_from"],
                judged_to=criteria["judged_to"],
                phase="joining",
            )
        elif name in _ENDS and review in self._told:
            consequence = msgspec.json.decode(data)["consequence"] if name == "Concluded" else ""
            changed = {"phase": _ENDS[name], "consequence": consequence}
            self._told[review] = msgspec.structs.replace(self._told[review], **changed)

    def has_concluded(self, review: str) -> bool:
        """Whether this review has had its conclusion."""
        return review in self._concluded

    def before(self, review: str) -> list[EarlierReview]:
        """Those proposed before this one whose criteria and its own have something in common."""
        if review not in self._told:
            return []
        own = self._criteria[review]
        found = [one for one in self._told.values() if one.index < self._told[review].index]
        return [one for one in found if overlap(own, self._criteria[one.review])]


def overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a verdict may fit both. What a review does not name, it is about all of."""
    if one["judged_to"] < other["judged_from"] or other["judged_to"] < one["judged_from"]:
        return False
    named = [(one.get(name), other.get(name)) for name in ("scheme_group", "site")]
    lists = [({*one.get(name, ())}, {*other.get(name, ())}) for name in ("dispositions", "makers")]
    return all(a is None or b is None or a == b for a, b in named) and all(not a or not b or a & b for a, b in lists)
