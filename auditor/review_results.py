"""The results of a review, replayed: whose place a spare took, what was found, and what all of it comes to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final, NamedTuple

from auditor.review_differences import Differs, Redrawn
from auditor.review_places import Places
from ledger.proof.draw import MILLION, Drawn

RESULTS: Final = frozenset({"SampleReplaced", "ResultRecorded", "ResultCorrected", "Concluded"})
NOWHERE: Final = frozenset({"missing", "destroyed"})
"""Reasons by which a device is at no site."""
TESTS_MAX: Final = 2_000
"""Bounds are reckoned as of no more tests than these."""


class Conditions(NamedTuple):
    """By what the results of a review are counted: how many members each of its strata has, the dispositions of its
    members, how many may disagree, and the confidence of the bounds.
    """

    members: Sequence[int] = ()
    verdicts: Mapping[str, str] = {}
    accept: int = 0
    confidence_ppm: int = 0


class Told(NamedTuple):
    """An event of a review: where it stands in the log, its name, and when it was recorded."""

    at: int
    name: str
    recorded_at_us: int


class _Entered(NamedTuple):
    """What was found of a sample, and by whom it was entered last."""

    disposition: str
    by: str


_NONE_LEFT_OUT: Final = frozenset({"replaced", "corrected"})
"""Counts that an event leaves out where they are none."""
NONE_DRAWN: Final = Conditions()


class Results:
    """What becomes of a sample, event by event."""

    def __init__(self, drawn: Sequence[Drawn] = (), by: Conditions = NONE_DRAWN) -> None:
        self._by: Final = by
        self._at: Final = {asset_no: place for place, one in enumerate(drawn) for asset_no in one.sample}
        self.drawn: Final = frozenset(asset_no for one in drawn for asset_no in (*one.sample, *one.spares))
        """Samples and spares, as they were drawn."""
        self._spares: Final = [list(one.spares) for one in drawn]
        self._came_in: Final[set[str]] = set()
        self._gone: Final[set[str]] = set()
        self._found: Final[dict[str, _Entered]] = {}
        self._corrected: Final[set[str]] = set()
        self._replacements = 0

    def take(self, told: Told, said: dict[str, Any], found: Redrawn, places: Places) -> None:
        """The next event. Raises KeyError, TypeError where it cannot be understood."""
        match told.name:
            case "SampleReplaced":
                self._replaced(told, said, found, places)
            case "ResultRecorded":
                self._result(told.at, said, found)
            case "ResultCorrected":
                self._correction(told.at, said, found)
            case _:
                self._concluded(told.at, said, found)

    def _awaited(self, asset_no: str) -> bool:
        return asset_no in self._at and asset_no not in self._found and asset_no not in self._gone

    def _replaced(self, told: Told, said: dict[str, Any], found: Redrawn, places: Places) -> None:
        asset_no, spare = said["asset_no"], said.get("spare")
        about = {"asset_no": asset_no, "index": told.at}
        if not self._awaited(asset_no):
            found.differs(Differs.RESULT, found="SampleReplaced", **about)
            return
        place = self._at[asset_no]
        expected = self._spares[place].pop(0) if self._spares[place] else None
        if spare != expected:
            found.differs(Differs.RESULT, expected=expected, found=spare, **about)
        on_record = places.at(asset_no, told.recorded_at_us) if said.get("reason") in NOWHERE else {None}
        if said.get("on_record_at") not in on_record:
            at = ", ".join(sorted(str(site) for site in on_record))
            found.differs(Differs.RECORD, expected=at, found=said.get("on_record_at"), **about)
        if expected is None:
            self._gone.add(asset_no)
        else:
            del self._at[asset_no]
            self._at[expected] = place
            self._came_in.add(expected)
            self._replacements += 1

    def _result(self, index: int, said: dict[str, Any], found: Redrawn) -> None:
        asset_no = said["asset_no"]
        if not self._awaited(asset_no):
            before = self._found.get(asset_no, "not a sample")
            found.differs(Differs.RESULT, before, said["disposition"], asset_no=asset_no, index=index)
            return
        self._found[asset_no] = _Entered(said["disposition"], said["by"])
        found.recorded += 1

    def _correction(self, index: int, said: dict[str, Any], found: Redrawn) -> None:
        asset_no, before = said["asset_no"], self._found.get(said["asset_no"])
        if before is None or before.disposition != said["overruled"] or before.by == said["by"]:
            told = (said["overruled"], said["by"])
            found.differs(Differs.RESULT, before or "no result", told, asset_no=asset_no, index=index)
        if before is not None:
            self._found[asset_no] = _Entered(said["disposition"], said["by"])
            self._corrected.add(asset_no)

    def _concluded(self, index: int, said: dict[str, Any], found: Redrawn) -> None:
        samples = len(self._at)
        for asset_no in sorted(self._at.keys() - self._found.keys() - self._gone):
            found.differs(Differs.RESULT, expected="a result", asset_no=asset_no, index=index)
        differing = {
            one for one in self._at if one not in self._found or self._found[one].disposition != self._by.verdicts[one]
        }
        worst = differing | (self._came_in & self._at.keys())
        found.agreed, found.replaced, found.missing = samples - len(differing), self._replacements, len(self._gone)
        found.consequence = "accepted" if len(differing) <= self._by.accept else "resort"
        expected = {
            "samples": samples,
            "agreed": found.agreed,
            "disagreed": len(differing),
            "missing": len(self._gone),
            "replaced": self._replacements,
            "corrected": len(self._corrected),
            "accept": self._by.accept,
            "confidence_ppm": self._by.confidence_ppm,
            "consequence": found.consequence,
            "worst agreed": samples - len(worst),
            "worst disagreed": len(worst),
        }
        flat = said | {f"worst {name}": value for name, value in said["worst"].items()}
        told = {name: flat.get(name, 0) if name in _NONE_LEFT_OUT else flat[name] for name in expected}
        if told != expected:
            found.differs(Differs.CONCLUSION, expected=expected, found=told, index=index)
        self._estimated(index, differing, said["disagreeing"], found)
        self._estimated(index, worst, said["worst"]["disagreeing"], found)

    def _estimated(self, index: int, differing: set[str], told: Mapping[str, int], found: Redrawn) -> None:
        """The share of the whole that follows where these samples disagree, and its bounds."""
        tested = Counter(self._at.values())
        seen = Counter(self._at[one] for one in differing)
        strata = [(self._by.members[place], tested[place], seen[place]) for place in tested]
        share = share_of(strata)
        expected = floor(share * MILLION + Fraction(1, 2))
        if told.get("estimate_ppm") != expected:
            found.differs(Differs.CONCLUSION, expected=expected, found=told.get("estimate_ppm"), index=index)
        tests = tests_of(strata)
        if tests is None:
            exact = {"lower_ppm": floor(share * MILLION), "upper_ppm": ceil(share * MILLION)}
            holds = all(told[name] == ppm for name, ppm in exact.items())
        else:
            lower = lower_holds(floor(share * tests), tests, self._by.confidence_ppm, told["lower_ppm"])
            holds = lower and upper_holds(ceil(share * tests), tests, self._by.confidence_ppm, told["upper_ppm"])
        if not holds:
            why = "all were tested" if tests is None else f"Clopper-Pearson: {float(share * tests):.3f} of {tests}"
            found.differs(Differs.CONCLUSION, expected=why, found=told, index=index)


def share_of(strata: Sequence[tuple[int, int, int]]) -> Fraction:
    """The share of the whole, of strata as (members, tested, disagreeing)."""
    whole = sum(members for members, _, _ in strata)
    return sum((Fraction(members, whole) * Fraction(seen, tested) for members, tested, seen in strata), Fraction(0))


def tests_of(strata: Sequence[tuple[int, int, int]]) -> int | None:
    """As how many tests of a simple sample they count, None where all members were tested."""
    whole, weight = sum(members for members, _, _ in strata), max(Fraction(one[0], one[1]) for one in strata)
    return None if weight == 1 else min(TESTS_MAX, floor(whole / weight))


def lower_holds(seen: int, tests: int, confidence_ppm: int, ppm: int) -> bool:
    """Whether this is the largest share in whole millionths that shows so many or more so rarely, 0 for none."""
    return upper_holds(tests - seen, tests, confidence_ppm, MILLION - ppm)


def upper_holds(seen: int, tests: int, confidence_ppm: int, ppm: int) -> bool:
    """Whether this is the smallest share in whole millionths that shows so few or fewer so rarely, all for all."""
    if seen == tests or not 0 < ppm <= MILLION:
        return seen == tests and ppm == MILLION
    rare: int = (MILLION - confidence_ppm) * MILLION**tests
    return 2 * MILLION * _at_most(seen, tests, ppm) <= rare < 2 * MILLION * _at_most(seen, tests, ppm - 1)


def _at_most(most: int, tests: int, ppm: int) -> int:
    """The chance of so many at most, in parts of a million to the power of the tests, by Horner's rule."""
    other = MILLION - ppm
    chance = way = 1
    for seen in range(1, most + 1):
        way = way * (tests - seen + 1) * ppm // seen
        chance = chance * other + way
    rest: int = other ** (tests - most)
    return chance * rest
