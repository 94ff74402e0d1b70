"""Age against life, and what was recorded of a device before it was dismantled."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sorting.assessment import Known, LoadFindings, assess_history, say
from services.sorting.assessment.history import months_between
from tests.sorting.inspection.stories import VALUE
from tests.strategies import messages

ON = date(2026, 3, 5)
MADE, INSTALLED = date(2020, 1, 10), date(2020, 3, 5)


def assessed(value=VALUE, **known):
    return assess_history(Known(**known), value, ON)


@pytest.mark.parametrize(
    ("first", "last", "months"),
    [
        (date(2020, 1, 15), date(2020, 1, 15), 0),
        (date(2020, 1, 15), date(2020, 2, 14), 0),
        (date(2020, 1, 15), date(2020, 2, 15), 1),
        (date(2020, 1, 31), date(2020, 2, 29), 1),
        (date(2020, 1, 31), date(2020, 2, 28), 0),
        (date(2020, 2, 29), date(2021, 2, 28), 12),
        (date(2020, 12, 31), date(2021, 1, 30), 0),
        (date(2021, 1, 1), date(2020, 1, 1), 0),
    ],
)
def test_months_are_whole(first, last, months):
    assert months_between(first, last) == months


def test_age_is_counted_from_installation_to_dismantling():
    found = assessed(made_on=MADE, installed_on=INSTALLED, dismantled_on=date(2025, 3, 4))
    assert (found.age_months, found.left_months, found.life, found.warranty) == (59, 61, "enough", "inside")
    assert found.said[0] == say("history.age", age_months=59, life_months=120, left_months=61)


def test_where_nobody_knows_when_it_was_installed_it_is_counted_from_when_it_was_made():
    found = assessed(made_on=MADE)
    assert (found.age_months, found.said[0].code) == (73, "history.age_since_made")


def test_where_no_day_is_known_its_age_is_not():
    found = assessed(dismantled_on=ON)
    assert (found.age_months, found.life, found.warranty) == (None, "unknown", "unknown")
    assert found.said[0].code == "history.age_unknown"


@pytest.mark.parametrize(
    "days",
    [
        {"made_on": INSTALLED, "installed_on": MADE},
        {"installed_on": ON, "dismantled_on": INSTALLED},
        {"made_on": date(2026, 3, 6)},
    ],
)
def test_days_that_contradict_each_other_give_no_age(days):
    found = assessed(**days)
    assert (found.age_months, found.warranty, found.said[0].code) == (None, "unknown", "history.days_disagree")


def test_without_parameters_of_its_class_nothing_is_said_of_its_life():
    found = assessed(None, made_on=MADE)
    assert (found.life_months, found.life, found.said[0].code) == (None, "unknown", "history.no_prices")


@pytest.mark.parametrize(
    ("made_on", "warranty"), [(date(2018, 3, 6), "inside"), (date(2018, 3, 5), "outside"), (None, "inside")]
)
def test_warranty_runs_from_the_day_it_was_made(made_on, warranty):
    assert assessed(made_on=made_on, installed_on=INSTALLED).warranty == warranty


@pytest.mark.parametrize(("installed_on", "life"), [(date(2018, 3, 5), "enough"), (date(2018, 3, 4), "enough")])
def test_life_is_enough_to_the_day(installed_on, life):
    assert assessed(installed_on=installed_on).life == life


def test_life_is_short_with_a_month_less_than_asked_for():
    assert assessed(installed_on=date(2018, 2, 5)).life == "short"
    assert assessed(installed_on=date(2000, 1, 1)).left_months == 0


@pytest.mark.parametrize(
    ("alerts", "code"), [(None, "history.no_alerts_known"), (0, "history.no_alerts"), (2, "history.alerts")]
)
def test_that_no_alerts_are_known_is_not_that_there_were_none(alerts, code):
    assert code in [one.code for one in assessed(alerts=alerts).said]


def test_what_was_recorded_before_is_said():
    first = [one.code for one in assessed().said]
    assert {"history.first_inspection", "history.no_curve"} <= set(first)
    said = assessed(rounds_judged=2, faults_before=("dirty",), repair_failed=True).said
    assert say("history.inspected_before", rounds=2, faults=1) in said
    assert say("history.repair_failed") in said


@given(messages(Known), st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_whatever_is_known_is_assessed_and_said(known, on):
    found = assess_history(known, VALUE, on)
    assert (found.age_months is None) is (found.life == "unknown") is (found.warranty == "unknown")
    if found.age_months is not None:
        assert found.left_months == max(0, VALUE.life_months - found.age_months)
    assert all(all(one.words()) for one in found.said)


@given(messages(LoadFindings))
def test_findings_of_others_are_held_against_themselves(load):
    wrong = list(load.contradictions())
    assert wrong == list(msgspec.json.decode(msgspec.json.encode(load), type=LoadFindings).contradictions())
