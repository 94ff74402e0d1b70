"""What happens to devices, told as commands and recorded as the registry records it: decided by its deciders, followed
by its policies. Then projected by the real projector, and asked through the real questions.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import Connection, create_engine

import services.registry
from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import Ask, Context, event_id
from kernel.principal import Principal, Role
from kernel.projection import Projector
from kernel.quantity import BUSINESS_ZONE
from kernel.questions import PageAsked
from kernel.refusal import Refusal
from kernel.view import View
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft, Recorded
from services.registry.access import Access
from services.registry.app import CODEC, DECIDERS, STREAMS, Registry
from services.registry.foreign import READERS
from services.registry.plan import SetPlan
from services.registry.policies import POLICIES, exception_of
from services.registry.questions import Questions
from services.registry.shipment import DispatchShipment, FoundLine, Line, PrepareShipment, ReceiveShipment
from services.registry.site import OpenSite
from services.registry.views import VIEWS
from services.registry.views.tables import Tables
from tests.given import recorded, rows
from tests.registry.stories import CENTRE, STORE, UNIT, YARD

DECIDER_OF = {command: decider for decider in DECIDERS for command in decider.commands}
READER = Reader(CODEC, READERS)
BEGAN = date(2026, 3, 1)
SOMEBODY = Principal(subject="s-1", roles=frozenset({Role.AUDITOR}))
POLICY_FILES = Policies.load(Path(services.registry.__file__).parent)
SITES = tuple(
    OpenSite(occurred_on=BEGAN, site_id=site, kind=kind, name=f"synthetic {site}", unit=UNIT)
    for site, kind in ((STORE, "unit_store"), ("store-2", "unit_store"), (CENTRE, "centre"), (YARD, "materials"))
)
PLAN = SetPlan(occurred_on=BEGAN, plan_id=f"{UNIT}-2026-03", expected=10, target_ppm=999_900, cut_off=date(2026, 4, 10))


def day(number: int, month: int = 3) -> date:
    return date(2026, month, number)


def shipped(numbers: Sequence[str], on: date, *, shipment: str = "SH-1", container: str | None = None, **sites: str):
    """A shipment leaves with these devices, from the store to the centre unless `sites` say otherwise."""
    manifest = tuple(Line(asset_no=number, device_class="01", container=container) for number in numbers)
    ends = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT, "manifest": manifest}
    return (
        PrepareShipment(occurred_on=on, shipment_id=shipment, **ends | sites),
        DispatchShipment(occurred_on=on, shipment_id=shipment),
    )


def arrived(numbers: Sequence[str], on: date, *, shipment: str = "SH-1", damaged: bool = False):
    """A shipment arrives, and these devices are found in it."""
    found = tuple(FoundLine(asset_no=number, device_class="01", damaged=damaged) for number in numbers)
    return ReceiveShipment(occurred_on=on, shipment_id=shipment, found=found)


class Told:
    """A log that grows by commands. What is told is recorded on its own day, or on a later one."""

    def __init__(self, *commands: Any) -> None:
        self.states: dict[str, Any] = {}
        self.events: list[tuple[Any, Recorded]] = []
        self.tell(*commands)

    def tell(self, *commands: Any, recorded_on: date | None = None) -> "Told":
        """Do these. Raises Refusal."""
        for command in commands:
            self._do(command, recorded_on or command.day)
        return self

    def refused(self, command: Any, recorded_on: date | None = None) -> Refusal | None:
        """The refusal, where there is one; else it is done."""
        try:
            self._do(command, recorded_on or command.day)
        except Refusal as refusal:
            return refusal
        return None

    def state(self, command_type: type, key: str) -> Any:
        decider = DECIDER_OF[command_type]
        return self.states.get(decider.stream_of(key), decider.initial)

    def rows(self, view: View[Any]) -> dict[tuple, Any]:
        """What the view holds, without a database."""
        known = set(view.events)
        return rows(view, [one for one in self.events if not known or type(one[0]) in known])

    def _do(self, command: Any, recorded_on: date) -> None:
        decider = DECIDER_OF[type(command)]
        stream = decider.stream_of(getattr(command, decider.key))
        state = self.states.get(stream, decider.initial)
        decided = list(decider.decide(command, state))
        self.states[stream] = decider.fold(decided, state)
        for event in decided:
            self._record(stream, event, recorded_on)
        for event in decided:
            self._follow(event, recorded_on)

    def _record(self, stream: str, event: Any, recorded_on: date) -> None:
        version = sum(one.stream == stream for _, one in self.events)
        moment = datetime.combine(recorded_on, time(17), BUSINESS_ZONE)
        latest_us = self.events[-1][1].recorded_at_us if self.events else 0
        recorded_at_us = max(int(moment.timestamp()) * 1_000_000, latest_us)
        place = {"stream": stream, "version": version, "recorded_at_us": recorded_at_us}
        self.events.append((event, recorded(event, len(self.events) + 1, codec=CODEC, **place)))

    def _follow(self, event: Any, recorded_on: date) -> None:
        _, of = self.events[-1]
        for policy in POLICIES:
            for number, command in enumerate(policy.when.get(type(event), lambda *_: ())(event, of)):
                if refusal := self.refused(command, recorded_on):
                    cause = UUID(bytes=of.id)
                    context = Context(command_id=uuid5(cause, str(number)), actor="policy", causation_id=cause)
                    if exception := exception_of(policy.name, Ask(command, context), refusal.code):
                        self._do(exception.command, recorded_on)


@contextmanager
def held(told: Told) -> Iterator[Connection]:
    """The views' tables with what was told, in memory, for queries: the projector has tests of its own."""
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            Tables.metadata.create_all(connection)
            for view in VIEWS:
                if found := [msgspec.structs.asdict(row) for row in told.rows(view).values()]:
                    connection.execute(view.columns.insert(), found)
            yield connection
    finally:
        engine.dispose()


async def append(ledger: MemoryLedger, now_us: list[int], told: Sequence[tuple[Any, Recorded]]) -> None:
    """The events as they were told, at the times at which they were."""
    for event, of in told:
        now_us[0] = of.recorded_at_us
        draft = Draft(event_id(UUID(int=of.position), 0), of.type, CODEC.encode(event))
        await ledger.append([Append(of.stream, ANY, [draft])])


class Asked:
    """The registry over views that hold everything told so far."""

    def __init__(self, database: Database, ledger: MemoryLedger, now_us: list[int], projector: Projector) -> None:
        self.database, self.ledger, self.now_us, self.projector = database, ledger, now_us, projector
        self.registry = Registry(ledger, projector)
        self.decode = CODEC.decode
        questions = Questions(self.registry, Access(POLICY_FILES, self.registry))
        self._questions = {question.ask: question for question in questions.table()}
        self._asked: set[type] = set()

    async def ask(self, ask: Any, *, after: tuple | None = None, limit: int = 100) -> Any:
        """The answer, as both doors get it: a value, or a list of rows."""
        question = self._questions[type(ask)]
        self._asked.add(type(ask))
        answer = await question.answer(SOMEBODY, ask, PageAsked(after=after, limit=limit))
        return list(answer.items) if question.rows else answer.value

    def unasked(self) -> set[type]:
        """The questions that nobody has asked here."""
        return self._questions.keys() - self._asked

    async def pages(self, ask: Any, limit: int) -> list[list[Any]]:
        """Every page of a list."""
        question, after, found = self._questions[type(ask)], None, []
        while True:
            answer = await question.answer(SOMEBODY, ask, PageAsked(after=after, limit=limit))
            found.append(list(answer.items))
            if answer.after is None:
                return found
            after = tuple(answer.after)

    async def all(self, ask: Any, limit: int) -> list[Any]:
        """Every row of a list, fetched in pages of so many."""
        return [row for page in await self.pages(ask, limit) for row in page]


@asynccontextmanager
async def asking(
    database_url: str, told: Told, *, page_events: int = 1_000, stops: Sequence[int] = ()
) -> AsyncIterator[Asked]:
    """Project what was told, caught up at each of the stops and at the end."""
    now_us = [0]
    ledger = MemoryLedger(clock=lambda: now_us[0])
    database = Database(database_url)
    try:
        projector = Projector(database, ledger, READER, VIEWS, streams=STREAMS, page_events=page_events)
        await projector.open()
        running = asyncio.create_task(projector.run())
        try:
            begin = 0
            for end in (*sorted(stops), len(told.events)):
                await append(ledger, now_us, told.events[begin:end])
                await projector.wait_for(await ledger.head(), 10)
                begin = end
            yield Asked(database, ledger, now_us, projector)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        await database.close()
