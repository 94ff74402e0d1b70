"""Sampling plans, and what a stratified sample says of the whole. Populations are made up."""

import random
from fractions import Fraction
from math import ceil, comb, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sorting.drawing import load_plans
from services.sorting.sampling import (
    MILLION,
    SAMPLE_MAX,
    SamplingPlans,
    ShareBounds,
    StratumCount,
    clopper_pearson,
    effective_sample,
    share_of_whole,
)

BOUNDS = [
    # (found, tested, confidence), bounds in millionths: closed forms for none and all; the others are the shares at
    # which binomial tails summed in rational numbers pass 2.5 and 10 per cent.
    ((0, 50, 950_000), (0, 71_122)),
    ((50, 50, 950_000), (928_878, 1_000_000)),
    ((1, 50, 800_000), (2_104, 75_581)),
]


@pytest.mark.parametrize(("asked", "bounds"), BOUNDS)
def test_bounds_are_those_of_clopper_and_pearson(asked, bounds):
    assert clopper_pearson(*asked) == ShareBounds(lower_ppm=bounds[0], upper_ppm=bounds[1])


def test_bounds_of_agreement_mirror_those_of_disagreement():
    for found in range(31):
        one, other = clopper_pearson(found, 30, 900_000), clopper_pearson(30 - found, 30, 900_000)
        assert (one.lower_ppm, one.upper_ppm) == (1_000_000 - other.upper_ppm, 1_000_000 - other.lower_ppm)
        assert one.lower_ppm <= found * 1_000_000 // 30 <= one.upper_ppm


def test_a_bound_that_is_met_to_the_last_digit_holds():
    # Of two with a share of nine tenths, at most one is seen in 19 of 100 cases: half of what 62 per cent leave.
    assert clopper_pearson(1, 2, 620_000) == ShareBounds(lower_ppm=100_000, upper_ppm=900_000)
    assert clopper_pearson(0, 1, 950_000) == ShareBounds(lower_ppm=0, upper_ppm=975_000)


def test_bounds_of_the_largest_sample_are_those_of_a_normal_deviate():
    # 1.96 standard deviations of sqrt(p(1-p)/n), and half a test for the steps of the count.
    bounds = clopper_pearson(1_000, SAMPLE_MAX, 950_000)
    assert abs(bounds.upper_ppm - 522_150) < 50
    assert bounds.lower_ppm == MILLION - bounds.upper_ppm


ONE_MAKER_AND_MANY = (StratumCount(100_000, 315, 0), *[StratumCount(1, 1, 0)] * 300)


def test_what_was_drawn_densely_does_not_narrow_the_bounds_of_the_rest():
    found = share_of_whole(ONE_MAKER_AND_MANY, 950_000)
    assert effective_sample(ONE_MAKER_AND_MANY) == 315
    assert found == ShareBounds(lower_ppm=0, upper_ppm=11_643, estimate_ppm=0)
    pooled = clopper_pearson(0, 615, 950_000)
    assert pooled.upper_ppm < found.upper_ppm / 1.9


def test_what_was_found_in_small_strata_counts_as_what_it_is_of_the_whole():
    bad = (ONE_MAKER_AND_MANY[0], *[StratumCount(1, 1, 1)] * 18, *[StratumCount(1, 1, 0)] * 282)
    found = share_of_whole(bad, 950_000)
    assert found.estimate_ppm == round(18 / 100_300 * MILLION)
    assert found.lower_ppm == 0 < 18 / 100_300 * MILLION < found.upper_ppm < 20_000
    assert clopper_pearson(18, 615, 950_000).lower_ppm > 17_000


def test_of_a_whole_that_was_tested_the_share_is_known():
    strata = [StratumCount(3, 3, 1), StratumCount(4, 4, 0)]
    assert effective_sample(strata) is None
    assert share_of_whole(strata, 950_000) == ShareBounds(lower_ppm=142_857, upper_ppm=142_858, estimate_ppm=142_857)
    assert share_of_whole([StratumCount(4, 4, 1)], 999_999) == ShareBounds(
        lower_ppm=250_000, upper_ppm=250_000, estimate_ppm=250_000
    )


def test_one_stratum_is_a_simple_sample():
    simple = clopper_pearson(2, 50, 950_000)
    found = share_of_whole([StratumCount(10_000, 50, 2)], 950_000)
    assert (found.lower_ppm, found.upper_ppm, found.estimate_ppm) == (simple.lower_ppm, simple.upper_ppm, 40_000)


def slow_bounds(seen: Fraction, tests: int, confidence_ppm: int) -> tuple[int, int]:
    """By the sums of the definition, share after share from the outside."""
    rare = Fraction(MILLION - confidence_ppm, 2 * MILLION)

    def chance(ppm: int, of: range) -> Fraction:
        share = Fraction(ppm, MILLION)
        return sum((comb(tests, n) * share**n * (1 - share) ** (tests - n) for n in of), Fraction(0))

    def turns(low: int, high: int, of: range) -> int:
        """Between these shares the chance passes what is rare: the last that is still rare, coming from `low`."""
        while abs(high - low) > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if chance(middle, of) <= rare else (low, middle)
        return low

    lower = turns(0, MILLION, range(floor(seen), tests + 1)) if floor(seen) else 0
    upper = turns(MILLION, 0, range(ceil(seen) + 1)) if ceil(seen) < tests else MILLION
    return lower, upper


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4),
    st.sampled_from([800_000, 950_000]),
)
def test_share_and_bounds_are_those_of_a_slow_reckoning(drawn, confidence_ppm):
    strata = [StratumCount(members, min(members, tests), min(members, tests, found)) for members, tests, found in drawn]
    units = [(Fraction(one.members, one.tested), n < one.found) for one in strata for n in range(one.tested)]
    whole = sum(weight for weight, _ in units)
    share = sum((weight for weight, bad in units if bad), Fraction(0)) / whole
    found = share_of_whole(strata, confidence_ppm)
    assert found.estimate_ppm == floor(share * MILLION + Fraction(1, 2))
    heaviest = max(weight for weight, _ in units)
    if heaviest == 1:
        assert (found.lower_ppm, found.upper_ppm) == (floor(share * MILLION), ceil(share * MILLION))
        return
    tests = floor(whole / heaviest)
    assert effective_sample(strata) == tests
    # Kish's effective sample is never smaller.
    assert tests <= whole**2 / sum(weight**2 for weight, _ in units) <= len(units)
    assert (found.lower_ppm, found.upper_ppm) == slow_bounds(share * tests, tests, confidence_ppm)


# Strata as (members, of which bad), and the sample of the plan.
POPULATIONS = {
    "one maker, and three hundred with one device each": ([(100_000, 400), *[(1, 0)] * 300], 315),
    "bad ones among those with one device alone": ([(100_000, 0), *[(1, 1)] * 18, *[(1, 0)] * 282], 315),
    "all bad ones where one test stands for many": ([(1_000, 200), *[(1, 0)] * 2_000], 125),
    "pairs, of which one is tested": ([(2_000, 200), *[(2, 0)] * 1_000], 80),
    "strata that differ much": ([(1_200, 12), (300, 90), (40, 20)], 80),
}


@pytest.mark.parametrize("name", POPULATIONS)
def test_bounds_hold_the_share_as_often_as_their_confidence_says(name):
    strata, sample = POPULATIONS[name]
    whole, bad = sum(members for members, _ in strata), sum(wrong for _, wrong in strata)
    sizes = [-(-sample * members // whole) for members, _ in strata]
    rng, told, held = random.Random(20_260_508), {}, 0
    for _ in range(400):
        found = tuple(
            sum(one < wrong for one in rng.sample(range(members), size)) if 0 < wrong < members else wrong
            for (members, wrong), size in zip(strata, sizes, strict=True)
        )
        if found not in told:
            drawn = [StratumCount(one[0], *of) for one, *of in zip(strata, sizes, found, strict=True)]
            told[found] = share_of_whole(drawn, 950_000)
        held += told[found].lower_ppm <= Fraction(bad * MILLION, whole) <= told[found].upper_ppm
    assert held >= 0.95 * 400


def test_bounds_by_kish_would_miss_where_what_is_bad_is_drawn_from_thinly():
    """Why the effective sample is the smaller one: 1,000 devices of one maker, a fifth of them bad, and 2,000 alone."""
    kish = floor(3_000**2 / (Fraction(1_000**2, 42) + 2_000))
    assert (kish, effective_sample([StratumCount(1_000, 42, 0), *[StratumCount(1, 1, 0)] * 2_000])) == (348, 126)
    rng, holds, held = random.Random(20_260_508), {}, 0
    for _ in range(400):
        seen = sum(one < 200 for one in rng.sample(range(1_000), 42))
        if seen not in holds:
            of = Fraction(seen * kish, 42 * 3)
            bounds = [clopper_pearson(whole, kish, 950_000) for whole in (floor(of), ceil(of))]
            holds[seen] = bounds[0].lower_ppm <= 200 * MILLION // 3_000 <= bounds[1].upper_ppm
        held += holds[seen]
    assert held < 0.90 * 400


def test_no_bounds_are_of_more_tests_than_can_be_reckoned_at_once():
    strata = [StratumCount(2, 1, place % 2) for place in range(10_000)]
    assert effective_sample(strata) == SAMPLE_MAX
    found = share_of_whole(strata, 950_000)
    assert (found.estimate_ppm, found.lower_ppm) == (500_000, clopper_pearson(1_000, 2_000, 950_000).lower_ppm)


def test_the_plans_that_come_along_are_to_be_confirmed_and_never_ask_for_less_of_a_larger_lot_s_quality():
    plans = load_plans(None)
    assert not plans.confirmed
    assert "2828.2" in plans.standard
    assert list(plans.plans) == ["0.5", "0.8", "1.25", "2.0", "3.15", "5.0", "8.0", "12.5", "20.0", "32.0"]
    plan = plans.plan("8.0")
    # The example of the summary: the column of limiting quality 8.
    lots = {1_200: (50, 1), 3_200: (80, 3), 10_000: (125, 5), 35_000: (200, 10), 3_000_000: (315, 18)}
    assert {members: (plan.sample(members), plan.lot(members).accept) for members in lots} == lots
    assert [plan.sample(members) for members in (0, 1, 15, 16, 26)] == [0, 1, 15, 16, 22]


def test_a_file_of_plans_is_read_strictly(tmp_path):
    good = "version: 1\nstandard: s\nsource: s\nconfirmed: false\nspares_ppm: 0\nconfidence_ppm: 950000\nplans:\n"
    file = tmp_path / "sampling.yaml"
    file.write_text(good + '  "1.0": [{most: 5}, {sample: 5}]\n', "utf-8")
    assert isinstance(load_plans(file), SamplingPlans)
    for lots in (
        "[]",
        "[{most: 5}]",
        "[{most: 5}, {most: 5}, {sample: 5}]",
        "[{sample: 5}, {most: 5}]",
        "[{n: 5}]",
        "[{sample: 2001}]",
    ):
        file.write_text(f'{good}  "1.0": {lots}\n', "utf-8")
        with pytest.raises(ValueError, match=r"sampling\.yaml"):
            load_plans(file)
