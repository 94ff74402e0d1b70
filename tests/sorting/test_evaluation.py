"""What measurements show, held against a norm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kernel.refusal import Refusal
from services.sorting.defaults import default_groups, default_scheme
from services.sorting.evaluation import (
    ITEM_MISSING,
    ITEM_TWICE,
    NO_LIMIT,
    NO_SUCH_CHOICE,
    NO_SUCH_ITEM,
    OUT_OF_RANGE,
    PHOTO_MISSING,
    TOO_FEW_PHOTOS,
    WRONG_KIND,
    Measured,
    shown_faults,
)
from services.sorting.norms import Choice, Item
from services.sorting.vocabulary import INSPECTED, Words
from tests.sorting.examples import ACCURACY, APPEARANCE, FUNCTION

PHOTO = "a" * 64
NAME = Words(zh="（合成）", en="synthetic")


@pytest.mark.parametrize(
    ("value", "accuracy_class", "faults"),
    [(10_000, "1", ()), (-10_000, "1", ()), (10_001, "1", ("error",)), (-10_001, "1", ("error",)),
     (20_000, "2", ()), (20_001, "2", ("error",)), (100_000, "2", ("error",))],
)  # fmt: skip
def test_a_value_on_its_limit_is_within_it(value, accuracy_class, faults):
    assert shown_faults(ACCURACY, [Measured(item="error_ib_pf100", value=value)], accuracy_class) == faults


@pytest.mark.parametrize(
    ("value", "faults"), [(2_999, ("battery_low",)), (3_000, ()), (6_000, ()), (0, ("battery_low",))]
)
def test_a_limit_with_one_bound_ends_with_the_range_on_the_other_side(value, faults):
    assert shown_faults(FUNCTION, [Measured(item="clock_battery", value=value)], None) == faults


@pytest.mark.parametrize(
    ("norm", "measured", "reason"),
    [
        (FUNCTION, [Measured(item="clock_battery", value=6_001)], OUT_OF_RANGE),
        (FUNCTION, [Measured(item="clock_battery", value=-1)], OUT_OF_RANGE),
        (FUNCTION, [], ITEM_MISSING),
        (FUNCTION, [Measured(item="colour", value=1)], NO_SUCH_ITEM),
        (FUNCTION, [Measured(item="clock_battery", value=3_600)] * 2, ITEM_TWICE),
        (FUNCTION, [Measured(item="clock_battery", choice="whole")], WRONG_KIND),
        (APPEARANCE, [Measured(item="case", value=1)], WRONG_KIND),
        (APPEARANCE, [Measured(item="case", choice="blue")], NO_SUCH_CHOICE),
        (APPEARANCE, [Measured(item="case", choice="burnt")], PHOTO_MISSING),
        (replace(APPEARANCE, photos_min=2), [Measured(item="case", choice="whole", photos=(PHOTO,))], TOO_FEW_PHOTOS),
        (ACCURACY, [Measured(item="error_ib_pf100", value=1)], NO_LIMIT),
    ],
)
def test_what_is_not_what_the_norm_asks_for_is_refused(norm, measured, reason):
    with pytest.raises(Refusal) as raised:
        shown_faults(norm, measured, "0.2S")
    assert raised.value.code == reason.code


def test_a_photo_of_the_item_or_of_the_step_will_do():
    burnt = Measured(item="case", choice="burnt")
    assert shown_faults(APPEARANCE, [replace(burnt, photos=(PHOTO,))], None) == ("burnt",)
    assert shown_faults(APPEARANCE, [burnt], None, photos=[PHOTO]) == ("burnt",)


def test_an_answer_after_which_nothing_can_be_done_ends_the_step():
    power = Item(
        code="power",
        name=NAME,
        choices=(Choice(code="on", name=NAME), Choice(code="dead", name=NAME, fault="dead", ends_step=True)),
    )
    norm = replace(FUNCTION, items=(power, *FUNCTION.items))
    assert shown_faults(norm, [Measured(item="power", choice="dead")], None) == ("dead",)
    with pytest.raises(ITEM_MISSING.kind):
        shown_faults(norm, [Measured(item="power", choice="on")], None)


def test_an_item_gives_a_value_or_a_choice():
    for given_ in ({}, {"value": 1, "choice": "a"}):
        with pytest.raises(ValueError, match="either"):
            Measured(item="x", **given_)


def plainly(norm, measured, accuracy_class):
    """The same worked out item by item, without what makes it fast."""
    faults = []
    for one in measured:
        item = norm.item(one.item)
        if item.unit is None:
            faults += [choice.fault for choice in item.choices if choice.code == one.choice]
        else:
            limit = item.limit(accuracy_class)
            low = limit.least is not None and one.value < limit.least
            high = limit.most is not None and one.value > limit.most
            faults += [item.fault] if low or high else []
    return tuple(dict.fromkeys(fault for fault in faults if fault is not None))


@given(st.data())
def test_whatever_is_measured_the_faults_are_those_of_the_norm(data):
    scheme = default_scheme(data.draw(st.sampled_from(default_groups())))
    norm = scheme.norm(data.draw(st.sampled_from(list(INSPECTED))))
    classes = sorted({name for item in norm.items for limit in item.limits for name in limit.accuracy_classes})
    accuracy_class = data.draw(st.sampled_from(classes)) if classes else None
    measured = [
        Measured(item=item.code, choice=data.draw(st.sampled_from([choice.code for choice in item.choices])))
        if item.unit is None
        else Measured(item=item.code, value=data.draw(st.integers(item.range_least, item.range_most)))
        for item in norm.items
        if item.unit is None or item.limit(accuracy_class)
    ]
    assert shown_faults(norm, measured, accuracy_class, [PHOTO]) == plainly(norm, measured, accuracy_class)
