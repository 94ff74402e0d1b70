"""Cases that a decision table is tried with."""

import pytest

from services.sorting.cases import Case, combinations, misses
from services.sorting.decision import INPUTS
from tests.sorting.examples import TABLE


def case(expected, rule=None, **inputs):
    return Case(name="合成 synthetic", inputs=inputs, expected=expected, rule=rule)


def test_what_a_case_leaves_open_may_be_anything():
    every = 1
    for words in INPUTS.values():
        every *= len(words)
    assert len(list(combinations(case("hold")))) == every
    assert len(list(combinations(case("hold", condition="*", life="short | enough")))) == every * 2 // 3


def test_a_case_that_holds_is_no_miss_and_one_that_does_not_is_named_once():
    held, missed = case("hold", condition="unknown"), case("reuse", condition="unknown")
    (miss,) = misses(TABLE, [held, missed])
    assert (miss.case, miss.disposition, miss.rule) == (missed, "hold", "hold.unclear")
    assert miss.times == len(list(combinations(missed)))
    assert dict(zip(INPUTS, miss.inputs, strict=True))["condition"] == "unknown"


def test_the_right_disposition_by_another_rule_is_a_miss():
    assert list(misses(TABLE, [case("hold", "hold.unclear", condition="unknown")])) == []
    (miss,) = misses(TABLE, [case("hold", "hold.other", condition="unknown")])
    assert miss.rule == "hold.unclear"


@pytest.mark.parametrize(
    ("inputs", "wrong"), [({"colour": "red"}, "no column colour"), ({"life": "long"}, "no 'long'")]
)
def test_a_case_of_what_there_is_not_is_an_error(inputs, wrong):
    with pytest.raises(ValueError, match=wrong):
        list(misses(TABLE, [case("hold", **inputs)]))
