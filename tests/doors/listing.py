"""Every list of a service shows the rows that its policies would allow one by one, and no others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from kernel.authority import Policies, Resource
from kernel.database import Database
from kernel.principal import Principal, Role
from kernel.projection import Projector
from kernel.questions import PAGE_ROWS_MAX, PageAsked, Question
from kernel.refusal import NotAllowed
from kernel.view import View
from services.registry.asset_number import compose

DAY = date(2026, 3, 5)
UNITS = ["99401", "99402", "99403", "9940", "0"]
NAMES = ["MK-1", "mk-1", "MK-2", "a'b", "%"]
FILLED: dict[type, Any] = {str: "x", int: 1, bool: True, date: DAY}
READY_S = 30

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
    resource: Callable[[Mapping[str, Any]], Resource]
    alone: str | None = None
    """What the caller must be let to do whatever the rows are."""

    counted: str | None = None
    """Where the answer only counts the rows: the member that says how many."""


class Lists:
    """A service's lists over a database whose rows a test puts there itself."""

    def __init__(
        self,
        run: asyncio.Runner,
        database: Database,
        policies: Policies,
        offered: Callable[[Database], Awaitable[tuple[Projector, Sequence[Question]]]],
    ) -> None:
        """`offered` opens the service over the database: its views, and its questions."""
        self.run, self.database, self.policies, self._offered = run.run, database, policies, offered
        self.questions: dict[type, Question] = {}

    async def open(self) -> None:
        projector, table = await self._offered(self.database)
        self.following = asyncio.create_task(projector.run())
        async with asyncio.timeout(READY_S):
            while not (await projector.progress()).ready:  # noqa: ASYNC110  the views tell nobody when they are complete
                await asyncio.sleep(0.01)
        self.questions = {one.ask: one for one in table}

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

    async def shown(self, listed: Listed, principal: Principal) -> set[str] | int:
        """The keys of the rows shown, or how many there are."""
        try:
            page = await self.questions[type(listed.ask)].answer(
                principal, listed.ask, PageAsked(after=None, limit=PAGE_ROWS_MAX)
            )
        except NotAllowed:
            return 0 if listed.counted else set()
        if listed.counted:
            return sum(getattr(one, listed.counted) for one in page.items)
        return {getattr(one, listed.key) for one in page.items}


def _row(view: View[Any], key: str, value: str, given_row: dict[str, Any]) -> dict[str, Any]:
    filled = {field.name: _some(field.type) for field in msgspec.structs.fields(view.row)}
    return filled | {name: one for name, one in {**given_row, "site": value, key: value}.items() if name in filled}


def _some(hint: Any) -> Any:
    """A value where one is needed, none where it may be left out; a day wherever there may be one."""
    kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    return DAY if date in kinds else None if type(None) in kinds else FILLED[hint]


@contextmanager
def opened(
    url: str,
    policies: Policies,
    offered: Callable[[Database], Awaitable[tuple[Projector, Sequence[Question]]]],
) -> Iterator[Lists]:
    with asyncio.Runner() as run:
        lists = Lists(run, Database(url), policies, offered)
        run.run(lists.open())
        try:
            yield lists
        finally:
            run.run(lists.close())


def shows_the_rows_allowed_one_by_one(lists: Lists, listed: Listed, of_unit: str | None = None) -> None:
    """`of_unit` is the one unit whose rows are asked for, where it is one."""
    met = {"some": 0, "all": 0, "none": 0}

    @settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(principal=PRINCIPALS, rows=ROWS)
    def holds(principal: Principal, rows: list[dict[str, Any]]) -> None:
        by_key = {compose("99401", "01", f"{i:014d}"): row for i, row in enumerate(rows)}
        if of_unit is not None:
            by_key = {key: row | {"unit": of_unit} for key, row in by_key.items()}
        lists.run(lists.fill(listed, by_key))
        if listed.alone and not lists.policies.decide(principal, listed.alone, Resource(type="Report")).allowed:
            one_by_one = set()
        else:
            one_by_one = {key for key, row in by_key.items() if _is_allowed(lists.policies, principal, listed, row)}
        assert lists.run(lists.shown(listed, principal)) == (len(one_by_one) if listed.counted else one_by_one)
        met["none" if not one_by_one else "all" if len(one_by_one) == len(by_key) else "some"] += 1

    holds()
    assert met["none"]
    assert met["all"]
    assert met["some"] or of_unit is not None


def _is_allowed(policies: Policies, principal: Principal, listed: Listed, row: Mapping[str, Any]) -> bool:
    return policies.decide(principal, listed.action, listed.resource(row)).allowed


def lists_asked(questions: object) -> set[str]:
    """The names of the list questions that a module has."""
    return {
        name
        for name, one in vars(questions).items()
        if name.startswith("List") and isinstance(one, type) and issubclass(one, msgspec.Struct)
    }
