"""How long it takes to derive a sample again from the verdicts of a population: root, strata, seed and draw.

The verdicts are synthetic and come in the order in which devices were judged, not in that of their numbers, as they do
to whoever reads them from a log.
"""

import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from ledger.proof.draw import MILLION, Member, Population, Stratum, allotted, seed_of

VERDICTS: Final = 3_000_000
MAKERS: Final = 60
SAMPLE: Final = 315
"""The sample of GB/T 2828.2 for a limiting quality of 8 in the largest lots."""

_STRIDE: Final = 2_654_435_761
"""Odd, and prime to any number of verdicts that is no multiple of it: each number comes once."""

_STRATA: Final[tuple[Stratum, ...]] = tuple(
    (disposition, f"M{maker:03d}", waived)
    for disposition in ("reuse", "claim", "scrap")
    for maker in range(MAKERS)
    for waived in (False, True)
)


def redraw_s(verdicts: int = VERDICTS) -> float:
    """Seconds from the verdicts to the sample. AssertionError where it is not as large as the plan asks."""
    begun = time.perf_counter()
    population = Population(_members(verdicts))
    seed = seed_of(population.root, sha256(b"nonce").digest(), sha256(b"checkpoint").digest())
    drawn = population.drawn(seed, allotted(population.counts, SAMPLE, MILLION // 10))
    passed_s = time.perf_counter() - begun
    assert population.size == verdicts
    assert sum(len(stratum.sample) for stratum in drawn) >= min(SAMPLE, verdicts)
    return passed_s


def _members(verdicts: int) -> Iterator[Member]:
    for judged in range(verdicts):
        serial = judged * _STRIDE % verdicts
        yield f"9910101{serial:014d}0", 1, _STRATA[serial * 7 % len(_STRATA)]
