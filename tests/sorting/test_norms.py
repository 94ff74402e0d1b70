"""What a scheme may say of its items and limits, and what is wrong with one as a whole."""

import msgspec
import pytest
from msgspec.structs import replace

from services.sorting.norms import Choice, Fault, Item, Limit, Scheme, digest
from services.sorting.vocabulary import Words
from tests.sorting.examples import ACCURACY, APPEARANCE, SCHEME

NAME = Words(zh="（合成）", en="synthetic")
LIMIT = Limit(most=1, source="synthetic")


def with_items(*items):
    return replace(SCHEME, norms=tuple(replace(one, items=items) if one.step == "function" else one
                                       for one in SCHEME.norms))  # fmt: skip


def measured(**changed):
    members = {"code": "x", "name": NAME, "unit": "s", "range_least": 0, "range_most": 9, "limits": (LIMIT,),
               "fault": "error"}  # fmt: skip
    return Item(**(members | changed))


@pytest.mark.parametrize("changed", [{"least": None, "most": None}, {"least": 2, "most": 1}])
def test_a_limit_allows_something_and_forbids_something(changed):
    with pytest.raises(ValueError, match="limit"):
        Limit(source="synthetic", **changed)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"unit": None}, "either measured"),
        ({"choices": (Choice(code="a", name=NAME),)}, "either measured"),
        ({"limits": ()}, "range and a limit"),
        ({"range_least": None}, "range and a limit"),
        ({"fault": None}, "which fault"),
    ],
)
def test_an_item_is_measured_or_looked_at(changed, wrong):
    with pytest.raises(ValueError, match=wrong):
        measured(**changed)


def test_a_limit_holds_for_its_classes_or_for_all():
    item = measured(limits=(Limit(accuracy_classes=("1", "B"), most=1, source="s"), Limit(most=2, source="s")))
    assert [item.limit(name).most for name in ("1", "B", "2", None)] == [1, 1, 2, 2]
    assert measured(limits=(Limit(accuracy_classes=("1",), most=1, source="s"),)).limit("2") is None


@pytest.mark.parametrize(
    ("scheme", "wrong"),
    [
        (replace(SCHEME, device_classes=()), "no class of devices"),
        (replace(SCHEME, norms=SCHEME.norms[:5]), "one norm a step"),
        (replace(SCHEME, norms=(*SCHEME.norms, APPEARANCE)), "one norm a step"),
        (replace(SCHEME, faults=(*SCHEME.faults, SCHEME.faults[0])), "fault burnt is there twice"),
        (replace(SCHEME, faults=()), "there is no fault error"),
        (with_items(), "function: 没有条目 it has no items"),
        (with_items(measured(), measured()), "function: 条目重复 item x is there twice"),
        (with_items(measured(range_least=9, range_most=0)), "a range from 9 to 0 is empty"),
        (with_items(measured(limits=(LIMIT, LIMIT))), "two limits for accuracy class *"),
        (with_items(measured(limits=(LIMIT, Limit(accuracy_classes=("1",), most=1, source="s")))), "comes last"),
        (
            with_items(Item(code="x", name=NAME, choices=(Choice(code="a", name=NAME), Choice(code="a", name=NAME)))),
            "choice a is there twice",
        ),
        (
            with_items(Item(code="x", name=NAME, choices=(Choice(code="a", name=NAME, fault="unheard_of"),))),
            "there is no fault unheard_of",
        ),
    ],
)
def test_what_is_wrong_with_a_scheme_is_said(scheme, wrong):
    assert any(wrong in said for said in scheme.disagreements()), list(scheme.disagreements())


def test_nothing_is_wrong_with_one_that_agrees():
    assert list(SCHEME.disagreements()) == []
    inapplicable = replace(ACCURACY, applicable=False, items=())
    norms = (*SCHEME.norms[:2], inapplicable, *SCHEME.norms[3:])
    assert list(replace(SCHEME, norms=norms).disagreements()) == []


def test_what_is_to_be_confirmed_is_named():
    open_limit = measured(limits=(Limit(accuracy_classes=("1",), most=1, source="s", confirmed=True), LIMIT))
    assert with_items(open_limit).unconfirmed() == [("function", "x")]
    assert SCHEME.unconfirmed() == []


def test_a_digest_is_of_what_a_scheme_says():
    again = msgspec.json.decode(msgspec.json.encode(SCHEME), type=Scheme)
    assert digest(again) == digest(SCHEME)
    assert digest(replace(SCHEME, faults=SCHEME.faults[::-1])) != digest(SCHEME)


def test_what_older_versions_said_is_read_still():
    """Members that came later have defaults, and a default is not written."""
    old = b'{"code":"f","name":{"zh":"z","en":"e"},"origin":"wear","remedy":"repair"}'
    fault = msgspec.json.decode(old, type=Fault)
    assert fault.cost_source is None
    assert msgspec.json.decode(msgspec.json.encode(fault)) == msgspec.json.decode(old)
