"""What reuse, claim and scrap bring: worked examples, and what must hold of any prices."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sorting.assessment import HistoryFindings, IndicatorFindings, Known, assess_value
from tests.sorting.inspection.stories import FAULTS, VALUE

BY_CODE = {fault.code: fault for fault in FAULTS}
KNOWN = Known()


def history(left=60, warranty="inside", life=120):
    return HistoryFindings(
        known=KNOWN,
        age_months=None if left is None else life - left,
        life_months=life,
        left_months=left,
        warranty=warranty,
        life="unknown" if left is None else "enough",
    )


def indicators(condition="sound", defect="none"):
    return IndicatorFindings(condition=condition, defect=defect)


def valued(*codes, left=60, warranty="inside", condition="sound", defect="none", **prices):
    value = msgspec.structs.replace(VALUE, **prices)
    faults = [BY_CODE[code] for code in codes]
    return assess_value(faults, history(left, warranty), indicators(condition, defect), value)


def numbers(found, code):
    (one,) = [one for one in found.said if one.code == code]
    return {number.name: number.value for number in one.numbers}


def test_reuse_is_worth_what_is_left_of_its_life_less_making_it_good():
    found = valued("relay_stuck", condition="repairable")
    # Half of 18 000; 500 cleaning, 800 verifying, 900 for the relay.
    assert numbers(found, "value.reuse") == {"worth_fen": 9_000, "cost_fen": 2_200, "net_fen": 6_800}
    assert found.reuse_fen == 6_800


def test_worth_is_rounded_down_to_the_fen():
    assert valued(left=1, new_fen=119).reuse_fen == 0 - 1_300
    assert valued(left=1, new_fen=120).reuse_fen == 1 - 1_300
    # 0.683 kg at 4.01 yuan and 0.07 kg at 60 yuan are 693.883 fen.
    assert numbers(valued(), "value.scrap") == {"worth_fen": 693, "cost_fen": 100, "net_fen": 593}


def test_a_claim_is_worth_its_amount_times_its_odds_less_handling():
    found = valued("chip_dead", condition="beyond_repair", defect="original")
    assert numbers(found, "value.claim") == {
        "worth_fen": 14_400,
        "odds_ppm": 600_000,
        "cost_fen": 1_000,
        "net_fen": 7_640,
    }
    assert (found.claim_fen, found.reuse_fen, found.pays) == (7_640, None, "claim")
    # 7 x 0.5 x 0.5 is 1.75; of 3.5 rounded down first it would be 1.5, and 1 either way; of 10 it is 2, not 2.5.
    assert valued(defect="original", new_fen=10, claim_share_ppm=500_000, claim_odds_ppm=500_000).claim_fen == 2 - 1_000


@pytest.mark.parametrize(
    ("defect", "warranty", "code", "pays"),
    [
        ("original", "outside", "value.claim_outside", "scrap"),
        ("original", "unknown", "value.claim_unknown", "unknown"),
        ("other", "inside", "value.claim_none", "scrap"),
        ("undetermined", "inside", "value.claim_none", "scrap"),
    ],
)
def test_why_there_is_no_claim(defect, warranty, code, pays):
    found = valued(condition="beyond_repair", defect=defect, warranty=warranty)
    assert (found.claim_fen, found.pays, code in [one.code for one in found.said]) == (None, pays, True)
    assert found.claim_co2_g == (VALUE.claim_co2_g if pays == "unknown" else 0)


@pytest.mark.parametrize(
    ("known", "code"),
    [({"condition": "unknown"}, "value.reuse_untested"), ({"left": None}, "value.reuse_unknown")],
)
def test_what_is_not_known_of_reuse_leaves_what_pays_most_unknown(known, code):
    found = valued(**known)
    assert (found.reuse_fen, found.pays, found.reuse_co2_g) == (None, "unknown", 7_000)
    assert code in [one.code for one in found.said]


def test_what_is_beyond_repair_saves_nothing_by_reuse():
    found = valued("burnt", condition="beyond_repair")
    assert (found.reuse_fen, found.reuse_co2_g, found.pays) == (None, 0, "scrap")
    assert numbers(found, "value.carbon") == {"reuse_co2_g": 0, "claim_co2_g": 0, "scrap_co2_g": 500}


def test_carbon_of_which_no_parameter_is_known_is_not_said_to_be_nothing():
    found = valued(reuse_co2_g=0, claim_co2_g=0, scrap_co2_g=0)
    assert "value.carbon_unknown" in [one.code for one in found.said]
    assert "value.carbon" not in [one.code for one in found.said]


def test_without_parameters_nothing_is_valued():
    found = assess_value([], history(), indicators(), None)
    assert (found.reuse_fen, found.claim_fen, found.scrap_fen, found.pays) == (None, None, None, "unknown")
    assert [one.code for one in found.said] == ["value.no_prices"]


def test_prices_that_nobody_confirmed_say_so():
    assert [one.code for one in valued(confirmed=False).said][-1] == "value.unconfirmed"
    assert "value.unconfirmed" not in [one.code for one in valued().said]


def test_of_equal_worth_the_better_step_of_the_staircase_is_taken():
    # 18 000 x 60 / 120 - 1 300 = 7 700, and scrap made the same.
    assert valued(scrap_handling_fen=693 - 7_700).pays == "reuse"
    assert valued(scrap_handling_fen=693 - 7_701).pays == "scrap"
    same = valued(condition="beyond_repair", defect="original", scrap_handling_fen=693 - 7_640)
    assert (same.claim_fen, same.scrap_fen, same.pays) == (7_640, 7_640, "claim")


MONEY = st.integers(0, 10_000_000)
STATES = st.fixed_dictionaries(
    {
        "left": st.none() | st.integers(0, 120),
        "warranty": st.sampled_from(["inside", "outside", "unknown"]),
        "condition": st.sampled_from(["sound", "repairable", "beyond_repair", "unknown"]),
        "defect": st.sampled_from(["none", "original", "other", "undetermined"]),
    }
)
PRICES = st.fixed_dictionaries(
    dict.fromkeys(("new_fen", "clean_fen", "re_verify_fen", "claim_handling_fen", "scrap_handling_fen"), MONEY)
    | {name: st.integers(0, 1_000_000) for name in ("claim_share_ppm", "claim_odds_ppm")}
)
WAYS = ("reuse", "claim", "scrap")


@given(STATES, PRICES)
def test_what_pays_is_worth_most_and_every_amount_is_in_its_sentence(state, prices):
    found = valued(**state, **prices)
    worth = {way: getattr(found, f"{way}_fen") for way in WAYS}
    if found.pays != "unknown":
        assert worth[found.pays] == max(amount for amount in worth.values() if amount is not None)
    for way, amount in worth.items():
        if amount is not None:
            told = numbers(found, f"value.{way}")
            assert told["net_fen"] == amount
            if way != "claim":
                assert told["worth_fen"] - told["cost_fen"] == amount
    assert all(all(one.words()) for one in found.said)


@given(STATES, PRICES)
def test_nothing_is_claimed_outside_its_warranty_nor_without_a_defect_of_manufacture(state, prices):
    found = valued(**state, **prices)
    if state["warranty"] != "inside" or state["defect"] != "original":
        assert found.claim_fen is None
        assert found.pays != "claim"
    if state["condition"] in ("beyond_repair", "unknown") or state["left"] is None:
        assert found.reuse_fen is None
        assert found.pays != "reuse"


@given(STATES, PRICES, st.sampled_from(["new_fen", "claim_share_ppm", "claim_odds_ppm"]), st.integers(1, 1_000_000))
def test_worth_rises_with_what_a_new_one_costs_and_with_the_odds(state, prices, name, more):
    dearer = prices | {name: min(prices[name] + more, 1_000_000 if name.endswith("ppm") else 10**9)}
    before, after = valued(**state, **prices), valued(**state, **dearer)
    for way in WAYS:
        one, other = getattr(before, f"{way}_fen"), getattr(after, f"{way}_fen")
        assert (one is None) is (other is None)
        assert one is None or one <= other


@given(
    STATES,
    PRICES,
    st.sampled_from(["clean_fen", "re_verify_fen", "claim_handling_fen", "scrap_handling_fen"]),
    st.integers(1, 1_000_000),
)
def test_a_cost_lowers_what_it_is_a_cost_of_and_nothing_else(state, prices, name, more):
    before, after = valued(**state, **prices), valued(**state, **prices | {name: prices[name] + more})
    of = "claim" if name.startswith("claim") else "scrap" if name.startswith("scrap") else "reuse"
    for way in WAYS:
        one, other = getattr(before, f"{way}_fen"), getattr(after, f"{way}_fen")
        assert other == (one if one is None or way != of else one - more)
