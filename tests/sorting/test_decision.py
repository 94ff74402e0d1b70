"""The decision table: total, unambiguous, and the same whichever way one asks."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.sorting.decision import INPUTS, REPORTED_MAX, UNDECIDED, Condition, Rule, VerdictTable, spoken
from services.sorting.defaults import default_verdict_table
from services.sorting.vocabulary import Words
from tests.sorting.examples import TABLE

SAID = Words(zh="（合成）", en="synthetic")
EVERY = list(product(*INPUTS.values()))
COMBINATIONS = st.tuples(*(st.sampled_from(list(words)) for words in INPUTS.values()))


def rule(name, disposition="hold", **when):
    return Rule(
        rule=name,
        disposition=disposition,
        when=tuple(Condition(column=column, any_of=words) for column, words in when.items()),
        because=SAID,
        not_reuse=SAID,
        not_claim=SAID,
    )


@given(COMBINATIONS)
def test_one_rule_holds_and_it_says_so_itself(inputs):
    found = default_verdict_table().rule(inputs)
    holding = [
        one.rule
        for one in default_verdict_table().rules
        if all(dict(zip(INPUTS, inputs, strict=True))[asked.column] in asked.any_of for asked in one.when)
    ]
    assert holding == [found.rule]


def test_a_rule_without_conditions_holds_for_everything():
    table = VerdictTable(rules=(rule("all"),))
    assert list(table.disagreements()) == []
    assert {table.rule(inputs).rule for inputs in EVERY} == {"all"}


def test_a_combination_without_a_rule_is_named_and_no_more_of_them_than_one_reads():
    table = VerdictTable(rules=(rule("some", identity=("confirmed",)),))
    wrong = list(table.disagreements())
    assert len(wrong) == REPORTED_MAX
    assert all("no rule for identity=unverified" in said for said in wrong)


def test_combinations_that_two_rules_hold_for_are_named():
    table = VerdictTable(rules=(rule("all"), rule("some", identity=("unverified",))))
    wrong = list(table.disagreements())
    assert len(wrong) == REPORTED_MAX
    assert all("rules all, some all hold for identity=unverified" in said for said in wrong)


@settings(max_examples=20, deadline=None)
@given(COMBINATIONS)
def test_a_single_gap_among_all_combinations_is_found(left_out):
    """Rules that between them hold for everything but one combination: the gap is found, whichever it is."""
    rules = []
    for number, (column, word) in enumerate(zip(INPUTS, left_out, strict=True)):
        before = dict(zip(list(INPUTS)[:number], ((word,) for word in left_out), strict=False))
        others = tuple(one for one in INPUTS[column] if one != word)
        rules.append(rule(f"r{number}", **before, **{column: others}))
    assert list(VerdictTable(rules=tuple(rules)).disagreements()) == [f"没有规则适用 no rule for {spoken(left_out)}"]


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        ((rule("a"), rule("a")), "rule a is there twice"),
        ((rule("a", colour=("red",)),), "there is no column colour"),
        ((rule("a", identity=("perhaps",)),), "column identity has no perhaps"),
        ((rule("a", identity=("confirmed", "confirmed")),), "a word of identity is there twice"),
        ((replace(rule("a"), when=(Condition(column="life", any_of=("short",)),) * 2),), "column life is there twice"),
    ],
)
def test_what_a_table_gets_wrong_is_said(rules, wrong):
    assert any(wrong in said for said in VerdictTable(rules=rules).disagreements())


@pytest.mark.parametrize(
    ("disposition", "left_out", "said"),
    [("claim", "not_reuse", "why not reuse"), ("scrap", "not_reuse", "why not reuse"),
     ("scrap", "not_claim", "why not claim")],
)  # fmt: skip
def test_a_rule_says_why_not_the_stairs_above_it(disposition, left_out, said):
    with pytest.raises(ValueError, match=said):
        replace(rule("a", disposition), **{left_out: None})


def test_the_table_of_the_examples_is_whole():
    assert list(TABLE.disagreements()) == []


def test_what_an_older_table_does_not_know_waits_for_a_person():
    known = {"evidence": ("none", "tampering"), "defect": ("none", "original", "other", "undetermined")}
    older = VerdictTable(rules=(rule("all", "reuse", **known),))
    for inputs in EVERY:
        said = dict(zip(INPUTS, inputs, strict=True))
        found = older.rule(inputs)
        assert (found is UNDECIDED) is ("unknown" in (said["evidence"], said["defect"]))
    assert UNDECIDED.disposition == "hold"
    with pytest.raises(KeyError):
        older.rule(("nobody", *EVERY[0][1:]))
