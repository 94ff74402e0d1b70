"""Any number of devices, sites and shipments, whatever is asked in whatever order, on whatever day it is said to have
been, and however far policies and views lag behind: what must hold, holds.

The stories say what each rule does; this says that no sequence of commands leads around them. Half of the steps ask
anything at all, half what suits where a device is, so that lives get far; others let policies and views get on by as
much as is drawn, die with work half done, start again, or make views anew.

More lives than `make test` has time for: TEST_LIVES=1000 python -m pytest tests/registry/machine. What fails is printed
with what runs it again; with TEST_LIVES it is made as short as it gets before, which may take minutes.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kernel.handling import ID_REUSED, Ask, Context, Outcome, event_id
from kernel.quantity import business_day
from kernel.refusal import Refusal
from ledger.port import Recorded
from services.registry.meter import METER, end, identity
from services.registry.meter.state import AtSite, Ended, Meter
from services.registry.plan import SetPlan
from services.registry.shipment import (
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
    RecordShipmentException,
)
from services.registry.site import CloseSite, CountLine, Difference, OpenSite, RecordStocktake
from tests.registry.machine.books import Books
from tests.registry.machine.checks import (
    books_agree,
    everything_has_followed,
    the_past_is_what_it_was,
    views_answer_what_the_log_says,
    views_are_folds_of,
)
from tests.registry.machine.choices import (
    BOXES,
    BY_POLICY,
    COMES_TO,
    CORRECTIONS,
    DEVICES,
    KINDS,
    LIVES,
    PLANS,
    REST,
    SHIPMENTS,
    SITES,
    START,
    UNITS,
    members_of,
    suitable,
)
from tests.registry.machine.house import ALL_POLICIES, House
from tests.registry.stories import CLEAR, DEFACE, HOLD, ground, on
from tests.registry.stories import release as release_for
from tests.registry.views.account import Account
from tests.registry.witness import GROUNDS, Witness

T = TypeVar("T")

LIVES_MORE = int(os.environ.get("TEST_LIVES", "0"))
LATE = st.sampled_from([0, 0, 0, 1, 3, 8])
"""By how many days what happened is told later than it happened."""

BOX = st.sampled_from([None, *BOXES])
HOW = st.fixed_dictionaries(
    {"batch_commands": st.sampled_from([1, 2, 500]), "page_events": st.sampled_from([1, 3, 1_000])}
)


class Registry(RuleBasedStateMachine):
    """The registry at work, a witness who reads its log, and books that are kept of the rest."""

    loop: asyncio.AbstractEventLoop
    embedded = False

    def __init__(self) -> None:
        super().__init__()
        self.house = self.run(House.open(embedded=self.embedded))
        self.now = START
        self.witness, self.books = Witness(), Books()
        self.log: list[tuple[Any, Recorded]] = []
        self.steps = 0
        self.done: list[tuple[Any, Context, Outcome]] = []
        for number, (site_id, kind) in enumerate(KINDS.items()):
            who = {"name": f"synthetic {site_id}", "unit": UNITS[number % 2]}
            self.do(OpenSite, site_id=site_id, kind=kind, **who)
        self.do(SetPlan, plan_id=PLANS[0], expected=10, target_ppm=999_900, cut_off=START.date() + timedelta(days=40))

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        try:
            self.run(self.in_the_end())
        finally:
            self.run(self.house.close())

    # What is done.

    def do(self, command_type: type[msgspec.Struct], late: int = 0, **fields: Any) -> Outcome | Refusal | None:
        """Ask for it, as of now or of some days ago, if a door would let it in."""
        try:
            command = self.told(command_type(**self.moment(late), **fields))
        except msgspec.ValidationError:
            return None
        return self.ask(command)

    def ask_now(self, command: Any, asset_no: str, late: int = 0) -> None:
        told = msgspec.structs.replace(command, asset_no=asset_no, **self.moment(late))
        self.ask(told)

    def moment(self, late: int) -> dict[str, Any]:
        """When it happened: a moment ago, or on a day that is past."""
        if late:
            return {"occurred_at": None, "occurred_on": business_day(self.now - timedelta(days=late))}
        return {"occurred_at": self.now, "occurred_on": None}

    def told(self, command: Any) -> Any:
        """As a door reads it. Raises ValidationError."""
        return msgspec.json.decode(msgspec.json.encode(command), type=type(command))

    def context(self, expected_version: int | None = None) -> Context:
        self.steps += 1
        self.now += timedelta(minutes=47)
        self.house.now_us[0] = int(self.now.timestamp()) * 1_000_000
        command_id = uuid5(UUID(int=1), str(self.steps))
        return Context(command_id=command_id, actor="subject-1", expected_version=expected_version)

    def ask(self, command: Any) -> Outcome | Refusal:
        context = self.context()
        answer = self.run(self.answered(command, context))
        added = self.read_on()
        self.holds_for(command, context, answer, added)
        return answer

    async def answered(self, command: Any, context: Context) -> Outcome | Refusal:
        try:
            if isinstance(command, CloseSite | RecordStocktake):
                # They ask the views as they are now, and wait for them.
                async with self.house.views_following():
                    return await self.house.registry.do(command, context)
            return await self.house.registry.do(command, context)
        except Refusal as refusal:
            return refusal

    def holds_for(self, command: Any, context: Context, answer: Outcome | Refusal, added: list[Recorded]) -> None:
        """What is accepted has left its own events and no other; what is refused, nothing."""
        if isinstance(answer, Refusal):
            assert added == [], (command, answer)
            return
        assert answer.events or isinstance(command, RecordShipmentException), command
        ids = [event_id(context.command_id, number) for number, _ in enumerate(answer.events)]
        assert [one.id for one in added] == ids, command
        assert {one.stream for one in added} <= {answer.stream}
        if added:
            assert (added[-1].position, added[-1].version) == (answer.position, answer.version)
        if (field := COMES_TO.get(type(command))) is not None:
            assert self.books.sites[getattr(command, field)].open, command
        self.done.append((command, context, answer))

    def read_on(self) -> list[Recorded]:
        """The witness and the books read what was recorded since."""
        return self.take(self.run(self.house.log(self.log[-1][1].position if self.log else 0)))

    def take(self, added: list[tuple[Any, Recorded]]) -> list[Recorded]:
        self.log += added
        for event, recorded in added:
            if recorded.stream.startswith("meter-"):
                self.witness.reads(event)
            else:
                self.books.reads(event, recorded.version)
        return [recorded for _, recorded in added]

    def state(self, asset_no: str) -> Meter:
        told = [event for event, recorded in self.log if recorded.stream == f"meter-{asset_no}"]
        return METER.fold(told)

    # What people ask.

    @rule(data=st.data(), command=st.sampled_from([one for one in METER.commands if one not in BY_POLICY]), late=LATE)
    def anything_is_asked_of_a_device(self, data: st.DataObject, command: type[msgspec.Struct], late: int) -> None:
        self.do(command, late, **data.draw(members_of(command)))

    @rule(data=st.data(), command=st.sampled_from(REST), late=LATE)
    def anything_is_asked_of_the_rest(self, data: st.DataObject, command: type[msgspec.Struct], late: int) -> None:
        self.do(command, late, **data.draw(members_of(command)))

    @rule(asset_no=st.sampled_from(DEVICES), life=st.sampled_from(LIVES), cut=st.integers(0, 3), late=LATE)
    def a_life_is_led_far(self, asset_no: str, life: tuple[Any, ...], cut: int, late: int) -> None:
        for command in life[: len(life) - cut]:
            self.ask_now(command, asset_no, late)

    @rule(data=st.data(), asset_no=st.sampled_from(DEVICES), steps=st.integers(1, 6), late=LATE)
    def a_life_goes_on(self, data: st.DataObject, asset_no: str, steps: int, late: int) -> None:
        for _ in range(steps):
            kinds, known = suitable(asset_no, self.state(asset_no))
            command = data.draw(st.sampled_from(kinds))
            members = data.draw(members_of(command)) | {"asset_no": asset_no}
            self.do(command, late, **members | {name: value for name, value in known.items() if name in members})

    @rule(
        asset_no=st.sampled_from(DEVICES),
        what=st.sampled_from(CORRECTIONS),
        of=st.sampled_from(["first", "dismantling", "reading", "last"]),
        late=LATE,
    )
    def a_record_is_corrected(self, asset_no: str, what: dict[str, Any], of: str, late: int) -> None:
        meter = self.state(asset_no)
        versions = {"dismantling": meter.dismantled_version, "reading": meter.reading_version, "last": meter.version}
        version = max(versions.get(of) or 0, 0)
        self.do(identity.CorrectRecord, late, asset_no=asset_no, corrects_version=version, why="misread", **what)

    @rule(
        asset_no=st.sampled_from(DEVICES),
        purpose=st.sampled_from(sorted(GROUNDS)),
        left_out=st.integers(0, 3),
        held=st.sampled_from([False, False, True]),
        work=st.lists(st.sampled_from([CLEAR, DEFACE, on(end.DestroyChip)]), max_size=2),
    )
    def a_device_is_worked_on_and_released(
        self, asset_no: str, purpose: str, left_out: int, work: list[Any], *, held: bool
    ) -> None:
        place = self.state(asset_no).place
        if isinstance(place, AtSite):
            # One ground may be missing, and a hold may stand: then the device must stay.
            grounds = sorted(GROUNDS[purpose], reverse=True)
            papers = [ground(kind) for number, kind in enumerate(grounds, 1) if number != left_out]
            leave = release_for(purpose, site=place.site)
            for command in [*papers, *([HOLD] if held else []), *work, leave]:
                self.ask_now(command, asset_no)

    @rule(data=st.data(), shipment_id=st.sampled_from(SHIPMENTS), late=LATE)
    def a_shipment_goes_on(self, data: st.DataObject, shipment_id: str, late: int) -> None:
        book = self.books.shipments.get(shipment_id)
        if book is None or book.phase in ("received", "cancelled"):
            shipment_id = shipment_id if book is None else f"SH-{self.steps}"
            from_site, to_site = data.draw(st.permutations(SITES))[:2]
            there = {number for number, one in self.witness.devices.items() if one.site == from_site}
            listed = sorted(there | data.draw(st.sets(st.sampled_from(DEVICES), max_size=1)))
            lines = tuple(Line(asset_no=number, device_class="01", container=data.draw(BOX)) for number in listed)
            ends = {"from_site": from_site, "to_site": to_site, "unit": data.draw(st.sampled_from(UNITS))}
            self.do(PrepareShipment, late, shipment_id=shipment_id, **ends, manifest=lines)
            book = self.books.shipments.get(shipment_id)
        if book is not None and book.phase == "prepared":
            self.do(DispatchShipment, late, shipment_id=shipment_id)
        elif book is not None and book.phase == "dispatched":
            found = sorted({*book.listed} ^ data.draw(st.sets(st.sampled_from(DEVICES), max_size=2)))
            damaged = data.draw(st.booleans())
            arrived = tuple(FoundLine(asset_no=number, device_class="01", damaged=damaged) for number in found)
            self.do(ReceiveShipment, late, shipment_id=shipment_id, found=arrived)

    @rule(
        site_id=st.sampled_from(SITES),
        wrong=st.sets(st.sampled_from(DEVICES), max_size=2),
        right=st.booleans(),
        late=LATE,
    )
    def a_site_is_counted(self, site_id: str, wrong: set[str], late: int, *, right: bool) -> None:
        lying = {number: one for number, one in self.witness.devices.items() if one.site == site_id}
        short = [Difference(asset_no=number, device_class=lying[number].device_class) for number in wrong & {*lying}]
        over = [Difference(asset_no=number, device_class="01") for number in sorted(wrong - {*lying})]
        book = Counter(str(one.device_class) for one in lying.values())
        counted = book + Counter(one.device_class for one in over)
        counted.subtract(one.device_class for one in short)
        lines = [
            CountLine(device_class=kind, book=book[kind], counted=counted[kind] + (0 if right else 1))
            for kind in sorted(counted)
        ]
        differences = {"short": tuple(sorted(short, key=lambda one: one.asset_no)), "over": tuple(over)}
        self.do(RecordStocktake, late, site_id=site_id, lines=tuple(lines), **differences)

    @rule(
        data=st.data(),
        asset_no=st.sampled_from(DEVICES),
        seen=st.booleans(),
        same=st.booleans(),
    )
    def two_ask_at_one_moment(self, data: st.DataObject, asset_no: str, *, seen: bool, same: bool) -> None:
        """Both are decided on what is recorded now. Where both say which version they saw, one of them is too late."""
        meter = self.state(asset_no)
        kinds, known = suitable(asset_no, meter)
        commands = []
        for _ in range(2):
            kind = data.draw(st.sampled_from(kinds))
            members = data.draw(members_of(kind)) | {"asset_no": asset_no}
            with suppress(msgspec.ValidationError):
                fitting = {name: value for name, value in known.items() if name in members}
                commands.append(self.told(kind(**self.moment(0), **members | fitting)))
        if len(commands) < 2:
            return
        version = meter.version if seen else None
        first, second = self.context(version), self.context(version)
        if same:
            commands[1], second = commands[0], first
        asked = [self.answered(*one) for one in zip(commands, (first, second), strict=True)]
        answers = self.run(_together(asked))
        added = self.read_on()
        accepted = [one for one in answers if isinstance(one, Outcome)]
        assert len(added) == sum(len(one.events) for one in accepted if not one.repeated)
        if same:
            assert len({isinstance(one, Outcome) for one in answers}) == 1
            assert [one.repeated for one in accepted].count(False) == (1 if accepted else 0)
        elif seen:
            assert len(accepted) < 2
        for command, context, answer in zip(commands, (first, second), answers, strict=True):
            if isinstance(answer, Outcome) and not answer.repeated:
                self.done.append((command, context, answer))

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def a_command_is_repeated(self, data: st.DataObject) -> None:
        self.run(self.again(*self.done[data.draw(st.integers(0, len(self.done) - 1))]))

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def an_id_is_used_for_something_else(self, data: st.DataObject) -> None:
        command, context, outcome = self.done[data.draw(st.integers(0, len(self.done) - 1))]
        later = msgspec.structs.replace(command, occurred_at=self.now + timedelta(seconds=1), occurred_on=None)
        if outcome.events:
            answer = self.run(self.answered(later, context))
            assert isinstance(answer, Refusal), later
            assert answer.code == ID_REUSED.code

    @rule(days=st.integers(1, 9))
    def days_pass(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.house.now_us[0] = int(self.now.timestamp()) * 1_000_000

    # What follows, sooner or later.

    @rule(name=st.sampled_from(sorted(ALL_POLICIES)), back=st.integers(0, 6), dies_after=st.sampled_from([None, 0, 1]))
    def a_policy_gets_on(self, name: str, back: int, dies_after: int | None) -> None:
        """It takes up what is new but for the last events, and may die with some of that done."""
        self.run(self.house.policy_follows(name, self.before(back), dies_after=dies_after))
        self.read_on()

    @rule(order=st.permutations(sorted(ALL_POLICIES)))
    def the_policies_come_to_rest(self, order: list[str]) -> None:
        self.run(self.house.settle(order))
        self.read_on()
        self.run(everything_has_followed(self.house, self.log, self.books))

    @rule(back=st.integers(0, 9), rebuilt=st.booleans())
    def the_views_get_on(self, back: int, *, rebuilt: bool) -> None:
        """To the end of the log or a little before it; perhaps all over again."""
        if rebuilt:
            self.run(self.house.views_are_rebuilt())
        position = self.run(self.house.views_follow(self.before(back)))
        self.run(views_are_folds_of(self.house, [one for one in self.log if one[1].position <= position]))

    @rule(how=HOW)
    def the_service_is_restarted(self, how: dict[str, int]) -> None:
        self.run(self.house.restart(**how))

    @rule()
    def holds_fall_due(self) -> None:
        """What is retained until a day that is over is lifted."""
        self.run(self.house.views_follow())
        today = business_day(self.now)
        self.run(self.house.ask_due())
        self.read_on()
        standing = Account(self.log).holds_due(today - timedelta(days=1))
        ended = {number for number in DEVICES if isinstance(self.state(number).place, Ended)}
        claimed = {number for number in DEVICES if self.state(number).claim is not None}
        late = {(number, name) for _, number, name in standing if name.startswith("retention-")}
        assert {number for number, _ in late} <= ended | claimed, late

    @rule(share=st.integers(0, 99))
    def the_past_is_asked(self, share: int) -> None:
        position = self.log[len(self.log) * share // 100][1].position
        self.run(the_past_is_what_it_was(self.house, self.log, position, DEVICES))

    def before(self, back: int) -> int:
        """Where the log was that many events ago."""
        return self.log[-1 - min(back, len(self.log) - 1)][1].position

    # What must hold.

    @invariant()
    def the_witness_has_nothing_to_object(self) -> None:
        self.witness.adds_up()
        for asset_no, witnessed in self.witness.devices.items():
            meter = self.state(asset_no)
            assert meter.site == witnessed.site
            assert bool(meter.held) == witnessed.held
            assert witnessed.site is None or meter.device_class == witnessed.device_class

    async def again(self, command: Any, context: Context, outcome: Outcome) -> None:
        """It is answered as the first time, and adds nothing."""
        head = await self.house.ledger.head()
        repeated = await self.answered(command, context)
        assert isinstance(repeated, Outcome), (command, repeated)
        assert (repeated.events, repeated.position) == (outcome.events, outcome.position)
        assert repeated.repeated or not outcome.events
        assert repeated.version == outcome.version or not outcome.events
        assert await self.house.ledger.head() == head

    async def in_the_end(self) -> None:
        """Everything follows, every question is answered, every command is asked once more, and the views are made from
        the log again: now, and as they were in the middle.
        """
        house = self.house
        await house.settle()
        self.take(await house.log(self.log[-1][1].position))
        await everything_has_followed(house, self.log, self.books)
        await house.views_follow()
        await views_are_folds_of(house, self.log)
        middle = self.log[len(self.log) // 2][1].position
        await views_answer_what_the_log_says(house, self.books, self.log, [middle, self.log[-1][1].position])
        await books_agree(house, self.books)
        await the_past_is_what_it_was(house, self.log, middle, DEVICES)
        head = await house.ledger.head()
        answers = await house.registry.do_many([Ask(command, context) for command, context, _ in self.done])
        for (command, _, outcome), answer in zip(self.done, answers, strict=True):
            assert isinstance(answer, Outcome), (command, answer)
            assert (answer.events, answer.position) == (outcome.events, outcome.position)
        assert await house.ledger.head() == head
        kept_up = await house.rows()
        await house.views_are_rebuilt()
        await house.views_follow()
        assert await house.rows() == kept_up


async def _together(asked: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    return await asyncio.gather(*asked)


class OnSqlite(Registry):
    """The same on the embedded ledger."""

    embedded = True


@pytest.mark.timeout(0 if LIVES_MORE else 300)
@pytest.mark.parametrize(("machine", "lives", "steps"), [(Registry, 20, 40), (OnSqlite, 3, 20)])
def test_no_sequence_of_commands_leads_around_the_rules(machine, lives, steps):
    chosen = settings(
        max_examples=LIVES_MORE or lives,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[phase for phase in settings().phases if LIVES_MORE or phase is not Phase.shrink],
    )
    with asyncio.Runner() as runner:
        machine.loop = runner.get_loop()
        run_state_machine_as_test(machine, settings=chosen)
