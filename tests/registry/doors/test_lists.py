"""Every list shows the rows that the policies would allow one by one, and no others, in both databases."""

import asyncio
from contextlib import contextmanager
from datetime import date
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from kernel.authority import Policies, Resource
from kernel.codec import Reader
from kernel.database import Database
from kernel.principal import Principal, Role
from kernel.projection import Projector
from kernel.questions import PAGE_ROWS_MAX, PageAsked, Question
from kernel.refusal import NotAllowed
from kernel.view import View
from ledger.memory import MemoryLedger
from services.registry.access import Access, meter, owed_by, shipment
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.asset_number import compose
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
from tests.gateway.behind import ROOT
from tests.registry.stories import DAY

UNITS = ["99401", "99402", "99403", "9940", "0"]
NAMES = ["MK-1", "mk-1", "MK-2", "a'b", "%"]
FILLED: dict[type, Any] = {str: "x", int: 1, bool: True, date: DAY}

PRINCIPALS = st.builds(
    Principal,
    subject=st.sampled_from(["u-1", 'u"); permit(principal, action, resource);//']),
    # Half of them see some rows and not others.
    roles=st.frozensets(st.sampled_from(list(Role)), max_size=3)
    | st.frozensets(st.sampled_from([Role.OPERATOR, Role.MANUFACTURER, Role.PUBLIC]), min_size=1),
    units=st.frozensets(st.sampled_from(UNITS)),
    organisation=st.none() | st.sampled_from(NAMES),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "unit": st.sampled_from(UNITS),
            "maker": st.none() | st.sampled_from(NAMES),
            "owner": st.sampled_from(["company", "customer"]),
        }
    ),
    max_size=8,
)


class Listed(msgspec.Struct, frozen=True):
    """A list question, the action it is, the views it is asked of, and what one of its rows is to the policies."""

    ask: msgspec.Struct
    action: str
    key: str
    views: tuple[View[Any], ...]
    resource: Any


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
FOR_WHOM_ALONE = {"ListHoldsDue": "ReadHolds"}
"""What the caller must be let to do whatever the rows are."""

WHOLE = {
    "ListRecovery",
    "ListBurnt",
    "ListDuplicates",
    "ListStocktakes",
}
"""Lists that one may see whole or not at all."""


class Lists:
    """The registry's lists over a database whose rows a test puts there itself."""

    def __init__(self, run: asyncio.Runner, database: Database) -> None:
        self.run, self.database = run.run, database
        self.policies = Policies.load(ROOT / "services" / "registry")

    async def open(self) -> None:
        ledger = MemoryLedger()
        projector = Projector(self.database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
        await projector.open()
        self.following = asyncio.create_task(projector.run())
        async with asyncio.timeout(30):
            while not (await projector.progress()).ready:  # noqa: ASYNC110  the views tell nobody when they are complete
                await asyncio.sleep(0.01)
        registry = Registry(ledger, projector)
        table = Questions(registry, Access(self.policies, registry)).table()
        self.questions: dict[type, Question] = {one.ask: one for one in table}

    async def close(self) -> None:
        self.following.cancel()
        await asyncio.gather(self.following, return_exceptions=True)
        await self.database.close()

    async def fill(self, listed: Listed, rows: dict[str, dict[str, Any]]) -> None:
        def work(connection: Any) -> None:
            for view in listed.views:
                connection.execute(delete(view.columns))
                if rows:
                    connection.execute(insert(view.columns), [_row(view, listed.key, *one) for one in rows.items()])

        await self.database.write(work)

    async def shown(self, listed: Listed, principal: Principal) -> set[str]:
        try:
            page = await self.questions[type(listed.ask)].answer(
                principal, listed.ask, PageAsked(after=None, limit=PAGE_ROWS_MAX)
            )
        except NotAllowed:
            return set()
        return {getattr(one, listed.key) for one in page.items}


def _row(view: View[Any], key: str, value: str, given_row: dict[str, Any]) -> dict[str, Any]:
    filled = {field.name: _some(field.type) for field in msgspec.structs.fields(view.row)}
    return filled | {name: one for name, one in {**given_row, "site": value, key: value}.items() if name in filled}


def _some(hint: Any) -> Any:
    """A value where one is needed, none where it may be left out; a day wherever there may be one."""
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    return DAY if date in kinds else None if type(None) in kinds else FILLED[hint]


@contextmanager
def opened(url):
    with asyncio.Runner() as run:
        lists = Lists(run, Database(url))
        run.run(lists.open())
        try:
            yield lists
        finally:
            run.run(lists.close())


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: type(listed.ask).__name__)
def test_a_list_shows_the_rows_that_are_allowed_one_by_one(database_url, listed):
    met = {"some": 0, "all": 0, "none": 0}
    with opened(database_url) as lists:

        @settings(
            max_examples=60,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(principal=PRINCIPALS, rows=ROWS)
        def holds(principal, rows):
            by_key = {compose("99401", "01", f"{i:014d}"): row for i, row in enumerate(rows)}
            if isinstance(listed.ask, ListOwed):
                by_key = {key: row | {"unit": listed.ask.unit} for key, row in by_key.items()}
            lists.run(lists.fill(listed, by_key))
            alone = FOR_WHOM_ALONE.get(type(listed.ask).__name__)
            if alone and not lists.policies.decide(principal, alone, Resource(type="Report")).allowed:
                one_by_one = set()
            else:
                one_by_one = {
                    key
                    for key, row in by_key.items()
                    if lists.policies.decide(principal, listed.action, listed.resource(row)).allowed
                }
            assert lists.run(lists.shown(listed, principal)) == one_by_one
            met["none" if not one_by_one else "all" if len(one_by_one) == len(by_key) else "some"] += 1

        holds()
    assert met["none"]
    assert met["all"]
    assert met["some"] or isinstance(listed.ask, ListOwed)


def test_every_list_is_asked_here_or_known_to_be_shown_whole():
    lists = {
        one.__name__
        for one in vars(__import__("services.registry.questions", fromlist=["x"])).values()
        if _is_list(one)
    }
    assert {type(listed.ask).__name__ for listed in LISTS} | WHOLE == lists


def test_whatever_everybody_is_told_to_count_is_told_in_steps():
    """A number of any other type in a public answer would tell of single devices by its differences."""
    told = [question.answers for question in Questions(..., ...).table() if question.public]  # type: ignore[arg-type]  # asks nothing
    assert told
    for answer in told:
        hints = get_type_hints(answer, include_extras=True)
        counts = {name for name, hint in hints.items() if hint is not str and hint != DevicesTold}
        assert counts <= {"year"}


def _is_list(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__name__.startswith("List")
