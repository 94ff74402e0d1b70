"""No, and why."""

from types import ModuleType

import pytest

from kernel.refusal import (
    AgainstRules,
    NotAllowed,
    NotFound,
    Refusal,
    Stale,
    Unreadable,
    against_rules,
    not_allowed,
    not_found,
    reasons_in,
    stale,
    unreadable,
)
from tests.kernel import parcel

HEAVY = against_rules(
    "parcel.heavy", "包裹 {parcel} 重 {weight_g} 克（{kind}）", "{parcel} weighs {weight_g} g ({kind})"
)


@pytest.mark.parametrize(
    ("declare", "kind"),
    [
        (not_found, NotFound),
        (against_rules, AgainstRules),
        (stale, Stale),
        (not_allowed, NotAllowed),
        (unreadable, Unreadable),
    ],
)
def test_each_kind_is_declared_in_its_own_words(declare, kind):
    refusal = declare("parcel.sample", "中文 {n}", "English {n}")(n=1)
    assert type(refusal) is kind
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.zh, refusal.en) == ("parcel.sample", "中文 1", "English 1")


def test_a_refusal_says_its_values_in_both_languages():
    refusal = HEAVY(parcel="p1", weight_g=9, kind=("易碎", "fragile"))
    assert refusal.zh == "包裹 p1 重 9 克（易碎）"
    assert refusal.en == "p1 weighs 9 g (fragile)"
    assert str(refusal) == "parcel.heavy: 包裹 p1 重 9 克（易碎） / p1 weighs 9 g (fragile)"
    assert refusal.details["weight_g"] == 9


def test_a_value_with_braces_is_a_value():
    assert HEAVY(parcel="{weight_g}", weight_g=9, kind="{0}").en == "{weight_g} weighs 9 g ({0})"


def test_a_refusal_without_a_value_its_words_need_is_a_mistake():
    with pytest.raises(KeyError):
        HEAVY(parcel="p1")


@pytest.mark.parametrize("code", ["", "parcel", "Parcel.heavy", "parcel.", "parcel.too heavy", "a.b.c", "1.a"])
def test_a_code_names_the_noun_and_the_reason(code):
    with pytest.raises(ValueError, match="refusal code"):
        against_rules(code, "中文", "English")


def test_the_reasons_of_a_module():
    assert {reason.code for reason in reasons_in(parcel)} == {"parcel.unknown", "parcel.sent_already", "parcel.gone"}
    assert list(reasons_in(ModuleType("empty"))) == []
