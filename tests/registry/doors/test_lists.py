"""Every list shows the rows that the policies would allow one by one, and no others, in both databases."""

from datetime import date
from typing import get_type_hints

import pytest

from kernel.authority import Policies, Resource
from kernel.codec import Reader
from kernel.projection import Projector
from ledger.memory import MemoryLedger
from services.registry import questions
from services.registry.access import Access, meter, owed_by, shipment
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.questions import (
    ListAlarms,
    ListBalances,
    ListContainers,
    ListCustodyGaps,
    ListDevices,
    ListHoldsDue,
    ListOwed,
    ListPlans,
    ListShipments,
    ListSites,
    Questions,
)
from services.registry.views import VIEWS
from services.registry.views.alarm import ALARMS
from services.registry.views.balance import BALANCE
from services.registry.views.card import CARD
from services.registry.views.hold import HOLDS
from services.registry.views.places import CONTAINERS, PLANS, SHIPMENTS, SITES
from services.registry.views.recovery import RECOVERIES, DevicesTold
from tests.doors.listing import Listed, lists_asked, opened, shows_the_rows_allowed_one_by_one
from tests.gateway.behind import ROOT
from tests.registry.stories import DAY

POLICIES = Policies.load(ROOT / "services" / "registry")

LISTS = [
    Listed(
        ListDevices(),
        "ReadMeter",
        "asset_no",
        (CARD,),
        lambda row: meter(row["unit"], row["owner"], row["maker"]),
    ),
    Listed(
        ListHoldsDue(by=DAY),
        "ReadMeter",
        "asset_no",
        (CARD, HOLDS),
        lambda row: meter(row["unit"], row["owner"], row["maker"]),
        alone="ReadHolds",
    ),
    Listed(ListShipments(), "ReadShipment", "shipment", (SHIPMENTS,), lambda row: shipment(row["unit"])),
    Listed(
        ListSites(),
        "ReadSite",
        "site",
        (SITES,),
        lambda row: Resource(type="Site", attrs={"unit": row["unit"]}),
    ),
    Listed(
        ListPlans(),
        "ReadPlan",
        "cohort",
        (PLANS,),
        lambda row: Resource(type="Plan", attrs={"unit": row["unit"]}),
    ),
    Listed(ListOwed(unit="99401"), "ReadOwed", "asset_no", (RECOVERIES,), lambda row: owed_by(row["unit"])),
    Listed(
        ListBalances(first=DAY, last=DAY), "ReadBalances", "site", (SITES, BALANCE), lambda row: owed_by(row["unit"])
    ),
    Listed(ListAlarms(), "ReadAlarms", "asset_no", (CARD, ALARMS), lambda row: owed_by(row["unit"])),
    Listed(ListCustodyGaps(before=date.max), "ReadAlarms", "asset_no", (CARD,), lambda row: owed_by(row["unit"])),
    Listed(
        ListContainers(),
        "ReadContainer",
        "container",
        (SITES, CONTAINERS),
        lambda row: Resource(type="Container", attrs={"unit": row["unit"]}),
    ),
]
WHOLE = {
    "ListRecovery",
    "ListBurnt",
    "ListDuplicates",
    "ListStocktakes",
}
"""Lists that one may see whole or not at all."""


async def offered(database):
    """The registry over this database: its views and its questions."""
    ledger = MemoryLedger()
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    registry = Registry(ledger, projector)
    return projector, Questions(registry, Access(POLICIES, registry)).table()


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: type(listed.ask).__name__)
def test_a_list_shows_the_rows_that_are_allowed_one_by_one(database_url, listed):
    of_unit = listed.ask.unit if isinstance(listed.ask, ListOwed) else None
    with opened(database_url, POLICIES, offered) as lists:
        shows_the_rows_allowed_one_by_one(lists, listed, of_unit)


def test_every_list_is_asked_here_or_known_to_be_shown_whole():
    assert {type(listed.ask).__name__ for listed in LISTS} | WHOLE == lists_asked(questions)


def test_whatever_everybody_is_told_to_count_is_told_in_steps():
    """A number of any other type in a public answer would tell of single devices by its differences."""
    told = [question.answers for question in Questions(..., ...).table() if question.public]  # type: ignore[arg-type]  # asks nothing
    assert told
    for answer in told:
        hints = get_type_hints(answer, include_extras=True)
        counts = {name for name, hint in hints.items() if hint is not str and hint != DevicesTold}
        assert counts <= {"year"}
