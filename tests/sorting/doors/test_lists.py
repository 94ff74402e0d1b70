"""Every list of sorting shows the rows that the policies would allow one by one, and no others, in both databases."""

import pytest

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.principal import Principal, Role
from kernel.projection import Projector
from kernel.questions import PageAsked
from ledger.memory import MemoryLedger
from services.sorting import questions, stations
from services.sorting.access import Access, inspection
from services.sorting.app import CODEC, STREAMS, Sorting
from services.sorting.foreign import READERS
from services.sorting.questions import ListInspections, ListRepairs, Questions
from services.sorting.stations import (
    COUNTED,
    ListAgreement,
    ListBacklog,
    ListInspectorAgreement,
    ListQueues,
    ListThroughput,
    ListYield,
)
from services.sorting.views import VIEWS
from services.sorting.views.inspection import INSPECTIONS
from services.sorting.views.repair import REPAIRS
from services.sorting.views.station import ROUNDS
from tests.doors.listing import DAY, Listed, lists_asked, opened, shows_the_rows_allowed_one_by_one
from tests.gateway.behind import ROOT

POLICIES = Policies.load(ROOT / "services" / "sorting")


def of_device(row):
    return inspection(row["unit"], row["maker"])


DAYS = {"first_day": DAY, "last_day": DAY}
LISTS = [
    Listed(ListInspections(), "ReadInspection", "asset_no", (INSPECTIONS,), of_device),
    Listed(ListRepairs(), "ReadRepair", "repair", (REPAIRS,), of_device),
    Listed(ListYield(by="maker", **DAYS), COUNTED, "asset_no", (ROUNDS,), of_device, counted="judged"),
]
WHOLE = {
    "ListSchemes",
    "ListReviews",
    "ListSamples",
    "ListQueues",
    "ListThroughput",
    "ListAgreement",
    "ListInspectorAgreement",
    "ListBacklog",
}
"""Rules are for everybody, reviews for the centre and those who supervise it; the others count, over the rows that one
may see.
"""


async def offered(database):
    """Sorting over this database: its views and its questions."""
    ledger = MemoryLedger()
    projector = Projector(database, ledger, Reader(CODEC, READERS), VIEWS, streams=STREAMS)
    await projector.open()
    sorting = Sorting(ledger, projector)
    return projector, Questions(sorting, Access(POLICIES, sorting)).table()


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: type(listed.ask).__name__)
def test_a_list_shows_the_rows_that_are_allowed_one_by_one(database_url, listed):
    with opened(database_url, POLICIES, offered) as lists:
        shows_the_rows_allowed_one_by_one(lists, listed)


def test_both_databases_count_alike(database_url):
    """The counts that are shown whole: here that each is a query which both understand."""
    leads = Principal(subject="u-1", roles=frozenset({Role.METROLOGIST}))
    asks = (
        ListQueues(),
        ListThroughput(day=DAY),
        ListAgreement(**DAYS),
        ListInspectorAgreement(**DAYS),
        ListBacklog(on=DAY),
    )
    with opened(database_url, POLICIES, offered) as lists:
        for ask in asks:
            page = PageAsked(after=None, limit=10)
            assert lists.run(lists.questions[type(ask)].answer(leads, ask, page)).items == []


def test_every_list_is_asked_here_or_known_to_be_shown_whole():
    assert {type(listed.ask).__name__ for listed in LISTS} | WHOLE == lists_asked(questions) | lists_asked(stations)
