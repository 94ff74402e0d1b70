"""拆后指标: the faults that the inspections found, and whether so many of its batch have them that chance is no
explanation.

The comparison is Fisher's exact test on one side: were the batch any devices of its class, how likely is it that so
many of the faulty ones, or more, are in it? The hypergeometric tail is summed in whole numbers.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from math import comb
from typing import Final, Literal, TypeAlias

from kernel.quantity import Code, Count
from services.sorting.assessment.sentences import Sentence, say
from services.sorting.norms import Fault, Part

SUSPECTED_INSPECTED_MIN: Final = 20
"""Of a batch of fewer, or against a rest of its class of fewer, nothing is said: two faults of five are no finding."""

SUSPECTED_FAULTY_MIN: Final = 3
"""One or two faulty devices are incidents."""

SUSPECTED_TIMES: Final = 3
"""How many times the share of the rest of its class a batch's share of faults is: a difference that matters, not only
one that is certain.
"""

SUSPECTED_ONE_IN: Final = 100_000
"""How rare it is by chance. A province has some ten thousand batches, each is looked at again and again as its devices
come in, and by several faults: at one in a thousand most suspicions would be chance.
"""

ONE_IN_MAX: Final = 10**12
"""What is rarer is not told apart."""

Shown: TypeAlias = Literal["tampering", "original"]
"""What an inspection may show of a device: traces of tampering, a defect of manufacture."""

_REST_BITS: Final = 40
_MOMENT_MAX: Final = 200


class Population(Part, frozen=True, kw_only=True):
    """How many of the same maker and batch, and of the same class, were inspected before it, and how many of them had
    this fault (any, where none is named). `compared` faults of the device were, and this is the one least explained by
    chance. Without `batch_known` it is of no batch.
    """

    inspected: Count = 0
    faulty: Count = 0
    class_inspected: Count = 0
    class_faulty: Count = 0
    fault: Code | None = None
    compared: Count = 1
    batch_known: bool = True


class IndicatorFindings(Part, frozen=True, kw_only=True):
    """拆后指标 The faults that were found, against the population. `tampering_sought` is False where nothing was
    inspected that could show traces of tampering.
    """

    faults: tuple[Code, ...] = ()
    condition: Literal["sound", "repairable", "beyond_repair", "unknown"]
    defect: Literal["none", "original", "other", "undetermined", "unknown"]
    tampering: bool = False
    tampering_sought: bool = True
    population: Population = Population()
    batch: Literal["clear", "suspected"] = "clear"
    said: tuple[Sentence, ...] = ()


def assess_indicators(
    faults: Sequence[Fault], left_out: int, population: Population, unseen: Collection[Shown] = ()
) -> IndicatorFindings:
    """What the inspections showed. `left_out` of them could not be performed, though they apply; `unseen` is what none
    of those that were performed could have shown.
    """
    said = [say("indicators.faults", faults=len(faults)) if faults else say("indicators.no_fault")]
    if left_out:
        said.append(say("indicators.steps_left_out", steps=left_out))
    said += [say(_NOT_SOUGHT[what]) for what in _NOT_SOUGHT if what in unseen]
    suspected = is_suspected(population)
    said += _compared(population, is_suspected=suspected)
    return IndicatorFindings(
        faults=tuple(fault.code for fault in faults),
        condition=_condition(faults, left_out),
        defect="unknown" if not faults and "original" in unseen else _defect(faults),
        tampering=any(fault.tampering for fault in faults),
        tampering_sought="tampering" not in unseen,
        population=population,
        batch="suspected" if suspected else "clear",
        said=tuple(said),
    )


_NOT_SOUGHT: Final[dict[Shown, str]] = {
    "tampering": "indicators.tampering_not_sought",
    "original": "indicators.defect_not_sought",
}


def is_suspected(population: Population) -> bool:
    """Whether a batch is suspected: enough were inspected, far more of it are faulty than of the rest of its class, and
    chance does not explain it. A suspicion is no finding; the laboratory makes one of it.
    """
    if not _stands_out(population):
        return False
    part, whole = chance(population)
    return part * SUSPECTED_ONE_IN * max(1, population.compared) <= whole


def least_explained(populations: Sequence[Population]) -> Population:
    """The one that chance explains least, the first of equals; where none stands out, that of which the largest share
    of the faulty are in the batch.
    """
    standing = [one for one in populations if _stands_out(one)]
    if not standing:
        return max(populations, key=lambda one: one.faulty * ONE_IN_MAX // max(1, one.class_faulty))
    least, (part, whole) = standing[0], chance(standing[0])
    for one in standing[1:]:
        other_part, other_whole = chance(one)
        if other_part * whole < part * other_whole:
            least, part, whole = one, other_part, other_whole
    return least


def chance(population: Population) -> tuple[int, int]:
    """How likely it is, as a fraction, that as many of the class's faulty devices as are in the batch, or more, are
    among as many devices of the class taken at random. Of what is seen less often than once in ONE_IN_MAX times only
    that is said; else it is never less than it is, and by less than 2^-40 of it more.
    """
    return tail(population.faulty, population.inspected, population.class_faulty, population.class_inspected)


@lru_cache(maxsize=4_096)
def tail(found: int, drawn: int, marked: int, whole: int) -> tuple[int, int]:
    """P(X >= found) where `drawn` of `whole` are taken at random and `marked` of the whole are marked, as `chance` says
    it. All devices of a batch in one call ask for the same.
    """
    # Which of the two is called drawn makes no difference to the chance; the smaller one makes the smaller numbers.
    few, many = sorted((drawn, marked))
    if found <= max(0, few + many - whole):
        return 1, 1
    if _is_hardly_ever(found, few, many, whole):
        return 1, ONE_IN_MAX
    term = comb(many, found) * comb(whole - many, few - found)
    total = 0
    for k in range(found, few + 1):
        total += term
        up, down = (many - k) * (few - k), (k + 1) * (whole - many - few + k + 1)
        following = term * up // down
        # The terms fall faster and faster: what is left is less than a geometric series of this ratio.
        if up < down and following * down << _REST_BITS < total * (down - up):
            return total - -following * down // (down - up), comb(whole, few)
        term = following
    return total, comb(whole, few)


def _is_hardly_ever(found: int, few: int, many: int, whole: int) -> bool:
    """Whether a bound by a moment already says that it is less often than once in ONE_IN_MAX times: in whole numbers
    of some thousand bits where the sum itself has a million. By Markov's inequality for the number of ways to choose
    r of what is found, whose mean is C(few, r) C(many, r) / C(whole, r).
    """
    r = min(found - few * many // whole, _MOMENT_MAX)
    if r < 1:
        return False
    return comb(few, r) * comb(many, r) * ONE_IN_MAX <= comb(whole, r) * comb(found, r)


def _rest(population: Population) -> tuple[int, int]:
    """Of its class without its batch: inspected, and faulty."""
    return population.class_inspected - population.inspected, population.class_faulty - population.faulty


def _stands_out(population: Population) -> bool:
    """Whether a batch would be suspected if chance did not explain it."""
    if _too_few(population) or population.faulty < SUSPECTED_FAULTY_MIN:
        return False
    rest, rest_faulty = _rest(population)
    return population.faulty * rest >= SUSPECTED_TIMES * rest_faulty * population.inspected


def _too_few(population: Population) -> bool:
    rest, rest_faulty = _rest(population)
    if not (population.batch_known and 0 <= rest_faulty <= rest and population.faulty <= population.inspected):
        return True
    return min(population.inspected, rest) < SUSPECTED_INSPECTED_MIN


def _compared(population: Population, *, is_suspected: bool) -> list[Sentence]:
    if not population.batch_known:
        return [say("indicators.batch_unknown")]
    inspected, faulty = population.inspected, population.faulty
    whole, share = population.class_inspected, population.class_faulty
    code = "indicators.population_any" if population.fault is None else "indicators.population"
    said = [say(code, inspected=inspected, faulty=faulty, class_inspected=whole, class_faulty=share)]
    if _too_few(population):
        said.append(say("indicators.too_few", inspected_min=SUSPECTED_INSPECTED_MIN))
    if is_suspected:
        rest, rest_faulty = _rest(population)
        part, of = chance(population)
        said.append(
            say(
                "indicators.batch_suspected",
                share_ppm=_ppm(faulty, inspected),
                expected_ppm=_ppm(rest_faulty, rest),
                one_in=min(ONE_IN_MAX, of // part),
            )
        )
    return said


def _condition(faults: Sequence[Fault], left_out: int) -> Literal["sound", "repairable", "beyond_repair", "unknown"]:
    remedies = {fault.remedy for fault in faults}
    if "none" in remedies:
        return "beyond_repair"
    if left_out:
        return "unknown"
    return "repairable" if remedies & {"adjust", "repair"} else "sound"


def _defect(faults: Sequence[Fault]) -> Literal["none", "original", "other", "undetermined"]:
    origins = {fault.origin for fault in faults}
    if "original" in origins:
        return "original"
    if "undetermined" in origins:
        return "undetermined"
    return "other" if origins else "none"


def _ppm(part: int, whole: int) -> int:
    return (2_000_000 * part + whole) // (2 * whole)
