"""What differs between two versions, place by place."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.sorting.defaults import default_groups, default_scheme, default_verdict_table
from services.sorting.difference import Change, changes
from tests.sorting.examples import PRICES, SCHEME, TABLE


def with_norm(scheme, step, **changed):
    norms = tuple(replace(norm, **changed) if norm.step == step else norm for norm in scheme.norms)
    return replace(scheme, norms=norms)


@given(st.sampled_from(default_groups()))
def test_nothing_differs_from_itself(group):
    assert changes(default_scheme(group), default_scheme(group)) == []


def test_a_limit_is_found_by_its_classes():
    (item,) = SCHEME.norm("accuracy").items
    tighter = replace(item, limits=(replace(item.limits[0], most=6_000), item.limits[1]))
    assert changes(SCHEME, with_norm(SCHEME, "accuracy", items=(tighter,))) == [
        Change(
            place=("norms", "accuracy", "items", "error_ib_pf100", "limits", "1", "most"), before="10000", after="6000"
        )
    ]


def test_what_is_put_in_between_leaves_the_rest_alone():
    first, *rest = SCHEME.faults
    new = replace(first, code="bent")
    found = changes(SCHEME, replace(SCHEME, faults=(first, new, *rest)))
    assert {change.place[:2] for change in found} == {("faults", "bent")}
    assert all(change.before is None for change in found)
    gone = changes(replace(SCHEME, faults=(first, new, *rest)), SCHEME)
    assert {change.place[:2] for change in gone} == {("faults", "bent")}
    assert all(change.after is None for change in gone)


def test_another_order_is_said():
    found = changes(TABLE, replace(TABLE, rules=TABLE.rules[::-1]))
    assert [change.place for change in found] == [("rules", "order")]


def test_parameters_are_found_by_their_classes_and_words_shown_in_both_languages():
    dearer = replace(PRICES, classes=(replace(PRICES.classes[0], new_fen=1),))
    assert changes(PRICES, dearer) == [Change(place=("classes", "01", "new_fen"), before="18000", after="1")]
    renamed = replace(SCHEME, name=replace(SCHEME.name, en="meters"))
    assert changes(SCHEME, renamed) == [
        Change(place=("name",), before="（合成）single-phase meters / single-phase meters",
               after="（合成）single-phase meters / meters")
    ]  # fmt: skip


@given(st.data())
def test_any_rule_left_out_is_all_that_differs(data):
    table = default_verdict_table()
    gone = data.draw(st.sampled_from(table.rules))
    found = changes(table, replace(table, rules=tuple(rule for rule in table.rules if rule is not gone)))
    assert {change.place[:2] for change in found} == {("rules", gone.rule)}
    assert found
