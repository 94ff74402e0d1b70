"""Whether chance explains the faults of a batch: against known values, and against every possible drawing."""

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sorting.assessment import Population, assess_indicators, least_explained
from services.sorting.assessment.indicators import (
    ONE_IN_MAX,
    SUSPECTED_ONE_IN,
    chance,
    is_suspected,
    tail,
)
from services.sorting.norms import Fault
from tests.sorting.inspection.stories import FAULTS

BY_CODE = {fault.code: fault for fault in FAULTS}
NEAR = Fraction(1, 2**40)
"""How much more than the chance is given out, at most, against it."""


def exactly(found, drawn, marked, whole):
    """The same by its definition."""
    ways = sum(comb(marked, k) * comb(whole - marked, drawn - k) for k in range(found, drawn + 1))
    return Fraction(ways, comb(whole, drawn))


def population(inspected, faulty, class_inspected, class_faulty, **more):
    return Population(
        inspected=inspected, faulty=faulty, class_inspected=class_inspected, class_faulty=class_faulty, **more
    )


@pytest.mark.parametrize(
    ("drawing", "known"),
    [
        # Fisher's tea: of 8 cups 4, all of them right, by guessing: 1 in 70; three or more: 17 in 70.
        ((4, 4, 4, 8), Fraction(1, 70)),
        ((3, 4, 4, 8), Fraction(17, 70)),
        # One ace at least in a hand of five: 1 - C(48,5) / C(52,5).
        ((1, 5, 4, 52), 1 - Fraction(1_712_304, 2_598_960)),
        # A lot of 1 200 with 96 nonconforming, a sample of 50, two or more: 1 less the P_a of the plan (50, 1).
        ((2, 50, 96, 1_200), exactly(2, 50, 96, 1_200)),
    ],
)
def test_known_chances(drawing, known):
    part, whole = tail(*drawing)
    assert known <= Fraction(part, whole) <= known * (1 + NEAR)


def test_every_drawing_of_a_small_class():
    marked, whole, drawn = 3, 8, 4
    for found in range(4):
        drawings = list(combinations(range(whole), drawn))
        hits = sum(sum(one < marked for one in drawing) >= found for drawing in drawings)
        assert Fraction(*tail(found, drawn, marked, whole)) == Fraction(hits, len(drawings))


@given(st.data())
def test_the_chance_is_never_given_out_too_small_and_hardly_too_large(data):
    whole = data.draw(st.integers(1, 400))
    drawn, marked = data.draw(st.integers(0, whole)), data.draw(st.integers(0, whole))
    found = data.draw(st.integers(0, min(drawn, marked)))
    exact, given_out = exactly(found, drawn, marked, whole), Fraction(*tail(found, drawn, marked, whole))
    assert exact <= given_out
    assert given_out <= exact * (1 + NEAR) or given_out == Fraction(1, ONE_IN_MAX)


@pytest.mark.parametrize(
    ("batch", "suspected"),
    [
        # 2 % of the rest: of 50, 8 are seen once in some 100 000 times or less, 7 more often.
        (population(50, 9, 5_050, 109), True),
        (population(50, 6, 5_050, 106), False),
        # As many as the rest, however many they are.
        (population(10_000, 200, 100_000, 2_000), False),
        # Certain, but less than three times the rest.
        (population(10_000, 400, 100_000, 2_200), False),
        (population(10_000, 600, 100_000, 2_400), True),
        # Too few of the batch, of the rest, of the faulty.
        (population(19, 19, 10_000, 19), False),
        (population(1_000, 900, 1_019, 900), False),
        (population(20, 2, 1_000_000, 2), False),
        (population(20, 3, 1_000_000, 3), True),
        # None of the rest.
        (population(20, 20, 100_000, 20), True),
        # Nothing is known, or it contradicts itself.
        (Population(), False),
        (population(100, 50, 10_000, 50, batch_known=False), False),
        (population(100, 50, 10_000, 40), False),
        (population(100, 150, 10_000, 200), False),
    ],
)
def test_a_batch_is_suspected_where_chance_does_not_explain_it(batch, suspected):
    assert is_suspected(batch) is suspected


def test_what_is_hardly_ever_seen_is_told_without_the_sum():
    assert tail(1_500, 20_000, 60_000, 3_000_000) == (1, ONE_IN_MAX)


@given(st.integers(20, 300), st.integers(20, 3_000), st.data())
def test_no_batch_is_suspected_that_is_exactly_like_the_rest_by_chance_once_in_so_many(inspected, rest, data):
    faulty = data.draw(st.integers(0, inspected))
    rest_faulty = data.draw(st.integers(0, rest))
    batch = population(inspected, faulty, inspected + rest, faulty + rest_faulty)
    if is_suspected(batch):
        part, whole = chance(batch)
        assert part * SUSPECTED_ONE_IN <= whole
        assert faulty * rest >= 3 * rest_faulty * inspected
        more = population(inspected, min(inspected, faulty + 1), inspected + rest, faulty + 1 + rest_faulty)
        assert faulty == inspected or is_suspected(more), "one more faulty makes no batch better"


def test_of_many_faults_that_were_compared_one_must_be_the_rarer():
    # 5 of 20 where 10 of the other 2 000 are: by chance about once in a million times, in one comparison.
    once = population(20, 5, 2_020, 15)
    part, whole = chance(once)
    assert SUSPECTED_ONE_IN < whole // part < 100 * SUSPECTED_ONE_IN
    assert is_suspected(once)
    assert not is_suspected(population(20, 5, 2_020, 15, compared=100))


def test_the_fault_that_chance_explains_least_is_compared():
    common, rare, rarer = (
        population(100, *counts) for counts in ((40, 10_000, 3_900), (6, 10_000, 60), (9, 10_000, 60))
    )
    assert least_explained([common, rare, rarer]) is rarer
    assert least_explained([rarer, population(100, 9, 10_000, 60, fault="dirty")]) is rarer
    assert least_explained([common]) is common
    none, some = population(100, 0, 10_000, 60), population(100, 1, 10_000, 60)
    assert least_explained([none, some]) is some


def faults(*codes):
    return [BY_CODE[code] for code in codes]


@pytest.mark.parametrize(
    ("codes", "left_out", "condition", "defect"),
    [
        ((), 0, "sound", "none"),
        (("dirty",), 0, "sound", "other"),
        (("dirty", "error_high"), 0, "repairable", "undetermined"),
        (("relay_stuck", "error_high"), 0, "repairable", "original"),
        (("relay_stuck",), 1, "unknown", "original"),
        (("burnt", "relay_stuck"), 2, "beyond_repair", "original"),
        (("burnt",), 2, "beyond_repair", "other"),
        ((), 1, "unknown", "none"),
    ],
)
def test_condition_and_defect_follow_from_the_faults(codes, left_out, condition, defect):
    found = assess_indicators(faults(*codes), left_out, Population())
    assert (found.condition, found.defect, found.faults) == (condition, defect, codes)


def test_what_was_found_says_more_than_what_was_not_looked_for():
    found = assess_indicators([], 3, Population(), ("tampering", "original"))
    assert (found.defect, found.tampering, found.tampering_sought) == ("unknown", False, False)
    assert assess_indicators(faults("burnt"), 2, Population(), ("original",)).defect == "other"
    assert assess_indicators([], 1, Population(), ("original",)).tampering_sought


def test_tampering_is_evidence():
    assert assess_indicators(faults("opened"), 0, Population()).tampering
    assert not assess_indicators(faults("dirty"), 0, Population()).tampering


def said(batch, *codes):
    return {
        one.code: {number.name: number.value for number in one.numbers}
        for one in assess_indicators(faults(*codes), 0, batch).said
    }


def test_the_sentences_carry_every_number():
    suspected = said(population(50, 10, 5_050, 110, fault="relay_stuck"), "relay_stuck")
    assert suspected["indicators.population"] == {
        "inspected": 50,
        "faulty": 10,
        "class_inspected": 5_050,
        "class_faulty": 110,
    }
    numbers = suspected["indicators.batch_suspected"]
    assert (numbers["share_ppm"], numbers["expected_ppm"]) == (200_000, 20_000)
    assert numbers["one_in"] == int(1 / Fraction(*chance(population(50, 10, 5_050, 110))))
    assert "indicators.too_few" in said(population(19, 5, 5_050, 110))
    assert list(said(Population(batch_known=False))) == ["indicators.no_fault", "indicators.batch_unknown"]


def test_a_fault_of_its_own_is_a_fault():
    fault = Fault(code="x", name=FAULTS[0].name, origin="wear", remedy="none")
    assert assess_indicators([fault], 0, Population()).condition == "beyond_repair"
