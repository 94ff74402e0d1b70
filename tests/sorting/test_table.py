"""The versions of the decision table and of the parameters of value."""

from datetime import date

from msgspec.structs import replace

from services.sorting.norms import digest
from services.sorting.prices import Prices
from services.sorting.table import DISAGREES, NOT_THAT_TABLE, NOT_THE_NEXT, TABLE, PublishTable, TablePublished
from tests.given import given
from tests.sorting import examples

ON = {"occurred_on": date(2026, 3, 2), "why": "合成 synthetic"}
VERDICT, PRICES = examples.TABLE, examples.PRICES
DEARER = Prices(classes=(replace(PRICES.classes[0], new_fen=20_000),))


def test_versions_follow_each_other():
    story = given(TABLE).when(PublishTable(**ON, name="prices", version=1, prices=PRICES))
    story.then([TablePublished(**ON, name="prices", version=1, prices=PRICES, sha256=digest(PRICES))])
    story.when(PublishTable(**ON, name="prices", version=2, prices=DEARER))
    story.then([TablePublished(**ON, name="prices", version=2, prices=DEARER, sha256=digest(DEARER))])
    assert (story.state.version, story.state.prices) == (2, DEARER)


def test_what_says_the_same_is_no_version():
    first = TablePublished(**ON, name="verdict", version=1, verdict=VERDICT, sha256=digest(VERDICT))
    given(TABLE, [first]).when(PublishTable(**ON, name="verdict", version=2, verdict=VERDICT)).then([])


def test_a_version_that_skips_a_number_is_refused():
    command = PublishTable(**ON, name="verdict", version=3, verdict=VERDICT)
    given(TABLE).when(command).refused(NOT_THE_NEXT, current=0, expected=1)


def test_a_table_holds_what_its_name_says_and_nothing_else():
    for contents in ({}, {"prices": PRICES}, {"verdict": VERDICT, "prices": PRICES}):
        given(TABLE).when(PublishTable(**ON, name="verdict", version=1, **contents)).refused(NOT_THAT_TABLE)


def test_a_table_with_a_gap_and_prices_of_a_class_twice_are_refused():
    gap = replace(VERDICT, rules=VERDICT.rules[1:])
    given(TABLE).when(PublishTable(**ON, name="verdict", version=1, verdict=gap)).refused(DISAGREES)
    twice = Prices(classes=PRICES.classes * 2)
    given(TABLE).when(PublishTable(**ON, name="prices", version=1, prices=twice)).refused(DISAGREES)
