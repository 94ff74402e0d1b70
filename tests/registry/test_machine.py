"""Any number of devices, sites and shipments, whatever is asked in whatever order: what must hold, holds.

The stories say what each rule does; this says that no sequence of commands leads around them. Half of the steps ask
anything at all, half what suits where the device is, so that lives get far.
"""

import asyncio
import functools
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kernel.codec import Codec
from kernel.decider import Decider
from kernel.handling import ID_REUSED, Ask, Context, Handling, Outcome
from kernel.quantity import BUSINESS_ZONE
from kernel.refusal import Refusal
from ledger.memory import MemoryLedger
from ledger.port import Ledger
from ledger.sqlite import SqliteLedger
from services.registry.container import CONTAINER
from services.registry.meter import (
    METER,
    binding,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    release,
    unexpected,
)
from services.registry.meter.state import (
    AtSite,
    InService,
    InTransit,
    LostFrom,
    Meter,
    MissingFrom,
    Out,
    WithMaker,
    WithRecycler,
)
from services.registry.plan import PLAN
from services.registry.shipment import (
    SHIPMENT,
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
    RecordShipmentException,
    ShipmentDispatched,
    ShipmentReceived,
)
from services.registry.site import SITE, Difference
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    CLEAR,
    CUSTOMERS,
    DEFACE,
    DISMANTLE,
    DISPATCH,
    HOLD,
    IN_STOCK,
    NUMBER,
    ON_THE_WAY,
    OTHER,
    PHOTO,
    RECEIVE,
    SELL,
    SOLD,
    STORE,
    TEMPORARY,
    TO_REUSE,
    UNIT,
    WITH_MATERIALS,
    YARD,
    ground,
    on,
)
from tests.registry.stories import release as release_for
from tests.registry.witness import GROUNDS, Witness

T = TypeVar("T")

DECIDERS: tuple[Decider[Any], ...] = (METER, SHIPMENT, CONTAINER, SITE, PLAN)
CODEC = Codec("registry", [event for decider in DECIDERS for event in decider.events])
DEVICES = (NUMBER, OTHER, CUSTOMERS, TEMPORARY)
SITES = (STORE, CENTRE, YARD)
SHIPMENTS = ("SH-1", "SH-2")
START = datetime(2026, 3, 1, tzinfo=BUSINESS_ZONE)

REST = [
    command
    for decider in (SHIPMENT, CONTAINER, SITE, PLAN)
    for command in decider.commands
    if not {"manifest", "found"} & {*command.__struct_fields__}
]
"""Everything but what has a list of devices: that is for `a_lorry_goes`."""

BY_POLICY = (binding.AdoptIdentity, binding.EndTemporaryIdentity, binding.KeepTemporaryIdentity)
LONGEST = "R" * 100
POOLS: dict[str, tuple[Any, ...]] = {
    "asset_no": DEVICES,
    "bound_to": DEVICES,
    "temporary_id": (TEMPORARY,),
    "replaces": (None, NUMBER, OTHER),
    "replaced_by": (NUMBER, OTHER),
    "site": SITES,
    "from_site": SITES,
    "to_site": SITES,
    "site_id": SITES,
    "shipment": SHIPMENTS,
    "shipment_id": SHIPMENTS,
    "reference": ("R-1", "R-2", LONGEST),
    "release": (None, "R-1", "R-2"),
    "case": ("D-1", "D-2"),
    "hold": ("H-1", "H-2"),
    "device_class": ("01", "02", "06"),
    "unit": (UNIT, "99402"),
    "corrects_version": tuple(range(8)),
    "dismantled_on": (None, *(START.date() + timedelta(days=days) for days in (0, 1, 3, 9))),
    "recycler": ("RC-1", "R" * 64),
    "lot": ("LOT-1", "L" * 64),
    "reading": (dismantling.Reading(total_wh=1), dismantling.Reading()),
    "holds": ((),),
    "asset_numbers": ((NUMBER,), (NUMBER, OTHER)),
    "lines": ((),),
    "short": ((), (Difference(asset_no=NUMBER, device_class="01"),)),
    "over": ((),),
    "plan_id": (f"{UNIT}-2026-03",),
    "cut_off": (START.date(), START.date() + timedelta(days=40)),
}
BY_TYPE: dict[Any, Any] = {str: "x-1", int: 7}


def free(hint: Any) -> st.SearchStrategy[Any]:
    """Some value of a member that no pool names: what it is does not matter to any rule."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of(*(free(one) for one in args))
    if hint is NoneType:
        return st.none()
    if hint is bool:
        return st.booleans()
    if origin is Annotated:
        meta = args[1]
        if meta.pattern and "0-9a-f" in meta.pattern:
            return st.just(PHOTO)
        if meta.pattern and "{6}" in meta.pattern:
            return st.just("990401")
        return free(args[0])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.just(hint())
    return st.just(BY_TYPE.get(hint, START.date()))


@functools.cache
def members_of(command: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    hints = get_type_hints(command, include_extras=True)
    pools = {
        name: st.sampled_from(POOLS[name]) if name in POOLS else free(hint)
        for name, hint in hints.items()
        if not name.startswith("occurred_")
    }
    return st.fixed_dictionaries(pools)


LOSE = on(missing.ConfirmLoss, cause="transit", liable_unit=UNIT)
KEEP = on(end.LeaveWithMaker, settlement="paid", reference="R-3")
CRUSH = on(end.RecordTestDestruction, holder="LAB-1", report="REP-1")
GIVE_BACK = on(release.ReturnToMaker, maker="M-1", reference="R-2")
BACK = [release.ReturnSample, release.ReceiveFromMaker, missing.MarkMissing]
AWAY: dict[str, list[type[msgspec.Struct]]] = {
    "reinstall": [release.Reinstall],
    "maker": [release.ReturnToMaker],
    "customer": [release.ReturnToCustomer],
    "materials": [end.ClearData, end.DestroyChip, end.Deface, end.HandToRecycler],
    "laboratory": [end.RecordTestDestruction],
    "maker_sample": [end.RecordTestDestruction],
}
DOUBTS = [unexpected.ReceiveUnexpected, hold.PlaceHold, hold.LiftHold, identity.CorrectRecord]
PAPERS = [dismantling.RecordFinalReading, dismantling.DisputeFinalReading, dismantling.ResolveFinalReading]
WORK = [end.ClearData, end.DestroyChip, end.RemoveBattery, end.Deface, hold.ApplySeal, hold.RemoveSeal, custody.Store]


def suitable(asset_no: str, meter: Meter) -> tuple[list[type[msgspec.Struct]], dict[str, Any]]:
    """What may well be asked of a device where it is, and the members that fit there."""
    fits = {"reading": dismantling.Reading(total_wh=1), "case": "D-1", "bound_to": NUMBER, "unexpected": False}
    match meter.place:
        case None:
            temporary = asset_no.startswith("T")
            return [identity.AssignTemporaryIdentity if temporary else identity.Register], fits
        case InService():
            return [dismantling.Dismantle, dismantling.Dismantle, *DOUBTS], fits
        case AtSite(site=site, unexpected=True):
            settle = [
                unexpected.AcceptUnexpected,
                unexpected.RecordConsent,
                dismantling.Dismantle,
                binding.BindIdentity,
            ]
            return [*settle, unexpected.AcceptUnexpected, *PAPERS], fits | {"site": site}
        case AtSite(site=site):
            here = {"site": site, "from_site": site, "shipment": "SH-1", "release": None}
            moves = [custody.Dispatch, missing.MarkMissing, binding.BindIdentity, release.Release]
            return [*moves, *PAPERS, *WORK, *DOUBTS], fits | here
        case InTransit(shipment=shipment):
            return [custody.Receive, missing.MarkMissing], fits | {"shipment": shipment, "release": None}
        case MissingFrom(shipment=shipment):
            return [missing.MarkFound, missing.ConfirmLoss, custody.Receive], fits | {"shipment": shipment}
        case LostFrom():
            return [missing.MarkFound, missing.WriteOff], fits
        case Out(purpose=purpose, reference=reference):
            there = {"release": reference, "shipment": None, "site": CENTRE}
            return [*BACK, *AWAY.get(purpose, []) * 3], fits | there
        case WithMaker():
            return [release.ReceiveFromMaker, end.LeaveWithMaker], fits
        case WithRecycler():
            return [end.Destroy, unexpected.ReceiveUnexpected, hold.PlaceHold, hold.LiftHold], fits
        case _:
            return DOUBTS, fits


REINSTALLED = (*TO_REUSE, CLEAR, release_for("reinstall"), on(release.Reinstall, work_order="WO-2", unit=UNIT))
SECOND_ARRIVAL = (DISMANTLE, *(msgspec.structs.replace(one, shipment="SH-2") for one in (DISPATCH, RECEIVE)))
LIVES = (
    (*REINSTALLED, *SECOND_ARRIVAL, *WITH_MATERIALS[len(IN_STOCK) :], DEFACE, SELL),
    (*SOLD, on(end.Destroy, certificate="C-9")),
    (*ON_THE_WAY, on(missing.MarkMissing, shipment="SH-1"), LOSE, on(missing.WriteOff, approval="A-1")),
    (*IN_STOCK, ground("verdict_claim"), ground("claim_agreement"), release_for("maker"), GIVE_BACK, KEEP),
    (*IN_STOCK, ground("laboratory_request"), release_for("laboratory"), CRUSH),
    (ASSIGN, HOLD, on(binding.BindIdentity, bound_to=NUMBER, evidence="read")),
)


class Registry(RuleBasedStateMachine):
    """The registry's deciders on a ledger, with the policies' consequences, and a witness."""

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.ledger: Ledger = self.run(self.opened())
        self.handlings = {
            command: handling
            for decider in DECIDERS
            for handling in [Handling(self.ledger, decider, CODEC)]
            for command in decider.commands
        }
        self.witness = Witness()
        self.read_to = 0
        self.steps = 0
        self.done: list[tuple[Any, Context, Outcome]] = []

    async def opened(self) -> Ledger:
        return MemoryLedger(position_stride=2)

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def teardown(self) -> None:
        try:
            self.run(self.everything_again())
        finally:
            self.run(self.ledger.close())

    # What is done.

    def do(self, command_type: type[msgspec.Struct], **fields: Any) -> Outcome | Refusal | None:
        """Ask for it now, if a door would let it in; what the policies make of its events follows at once."""
        now = START + timedelta(hours=5 * self.steps)
        command = command_type(occurred_at=now, **fields)
        try:
            return self.ask(msgspec.json.decode(msgspec.json.encode(command), type=command_type))
        except msgspec.ValidationError:
            return None

    def ask_now(self, command: Any, asset_no: str) -> None:
        now = START + timedelta(hours=5 * self.steps)
        self.ask(msgspec.structs.replace(command, asset_no=asset_no, occurred_at=now, occurred_on=None))

    def ask(self, command: Any) -> Outcome | Refusal:
        self.steps += 1
        context = Context(command_id=uuid5(UUID(int=1), str(self.steps)), actor="subject-1")
        try:
            outcome = self.run(self.handlings[type(command)].handle(command, context))
        except Refusal as refusal:
            return refusal
        self.done.append((command, context, outcome))
        for event in outcome.events:
            self.follow(event)
        return outcome

    def follow(self, event: Any) -> None:
        match event:
            case ShipmentDispatched():
                where = {"shipment": event.shipment_id, "from_site": event.from_site, "to_site": event.to_site}
                follow = [
                    custody.Dispatch(occurred_at=event.occurred_at, asset_no=line.asset_no, **where)
                    for line in event.manifest
                ]
            case ShipmentReceived():
                when = {"occurred_at": event.occurred_at, "shipment": event.shipment_id}
                follow = [
                    kind(**when, asset_no=line.asset_no, site=event.to_site, device_class=line.device_class)
                    for kind, lines in (
                        (custody.Receive, event.received),
                        (unexpected.ReceiveUnexpected, event.unexpected),
                    )
                    for line in lines
                ]
                follow += [missing.MarkMissing(**when, asset_no=number) for number in event.missing]
            case binding.IdentityClaimed():
                shared = ("occurred_at", "device_class", "unit", "owner", "site", "unexpected", "holds")
                said = {name: getattr(event, name) for name in shared}
                follow = [binding.AdoptIdentity(asset_no=event.bound_to, temporary_id=event.asset_no, **said)]
            case binding.IdentityAdopted() | binding.AdoptionRefused():
                both = {"asset_no": event.temporary_id, "bound_to": event.asset_no, "occurred_at": event.occurred_at}
                refused = isinstance(event, binding.AdoptionRefused)
                follow = [
                    binding.KeepTemporaryIdentity(**both, why=event.why)
                    if refused
                    else binding.EndTemporaryIdentity(**both)
                ]
            case release.ReceivedFromMaker(replaces=str() as replaced):
                when = {"occurred_at": event.occurred_at, "replaced_by": event.asset_no}
                follow = [release.RecordReplacement(asset_no=replaced, **when)]
            case _:
                return
        for command in follow:
            answer = self.ask(command)
            if isinstance(answer, Refusal) and isinstance(event, ShipmentDispatched | ShipmentReceived):
                exception = {"shipment_id": event.shipment_id, "asset_no": command.asset_no, "code": answer.code}
                self.ask(RecordShipmentException(occurred_at=event.occurred_at, **exception))

    def state(self, asset_no: str) -> Meter:
        return self.run(self.handlings[custody.Dispatch].state(f"meter-{asset_no}"))[0]

    # The steps.

    @rule(data=st.data(), command=st.sampled_from([one for one in METER.commands if one not in BY_POLICY]))
    def anything_is_asked_of_a_device(self, data: st.DataObject, command: type[msgspec.Struct]) -> None:
        self.do(command, **data.draw(members_of(command)))

    @rule(data=st.data(), command=st.sampled_from(REST))
    def anything_is_asked_of_the_rest(self, data: st.DataObject, command: type[msgspec.Struct]) -> None:
        self.do(command, **data.draw(members_of(command)))

    @rule(asset_no=st.sampled_from(DEVICES), life=st.sampled_from(LIVES), cut=st.integers(0, 3))
    def a_life_is_led_far(self, asset_no: str, life: tuple[Any, ...], cut: int) -> None:
        for command in life[: len(life) - cut]:
            self.ask_now(command, asset_no)

    @rule(data=st.data(), asset_no=st.sampled_from(DEVICES), steps=st.integers(1, 6))
    def a_life_goes_on(self, data: st.DataObject, asset_no: str, steps: int) -> None:
        for _ in range(steps):
            kinds, known = suitable(asset_no, self.state(asset_no))
            command = data.draw(st.sampled_from(kinds))
            members = data.draw(members_of(command)) | {"asset_no": asset_no}
            self.do(command, **members | {name: value for name, value in known.items() if name in members})

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

    @rule(
        sites=st.permutations(SITES),
        strangers=st.lists(st.sampled_from(DEVICES), max_size=1),
        found=st.sets(st.sampled_from(DEVICES), min_size=2),
    )
    def a_lorry_goes(self, sites: list[str], strangers: list[str], found: set[str]) -> None:
        from_site, to_site, _ = sites
        there = [number for number in DEVICES if self.state(number).site == from_site]
        manifest = tuple(Line(asset_no=number, device_class="01") for number in sorted({*there, *strangers}))
        if manifest:
            shipment_id = f"SH-{self.steps}"
            ends = {"from_site": from_site, "to_site": to_site, "unit": UNIT}
            self.do(PrepareShipment, shipment_id=shipment_id, **ends, manifest=manifest)
            self.do(DispatchShipment, shipment_id=shipment_id)
            arrived = tuple(FoundLine(asset_no=number, device_class="01") for number in sorted(found))
            self.do(ReceiveShipment, shipment_id=shipment_id, found=arrived)

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def a_command_is_repeated(self, data: st.DataObject) -> None:
        self.run(self.again(*self.done[data.draw(st.integers(0, len(self.done) - 1))]))

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def an_id_is_used_for_something_else(self, data: st.DataObject) -> None:
        command, context, outcome = self.done[data.draw(st.integers(0, len(self.done) - 1))]
        later = msgspec.structs.replace(command, occurred_at=command.occurred_at + timedelta(seconds=1))
        if outcome.events:
            with pytest.raises(Refusal) as refusal:
                self.run(self.handlings[type(command)].handle(later, context))
            assert refusal.value.code == ID_REUSED.code

    async def again(self, command: Any, context: Context, outcome: Outcome) -> None:
        head = await self.ledger.head()
        repeated = await self.handlings[type(command)].handle(command, context)
        assert (repeated.events, repeated.position) == (outcome.events, outcome.position)
        assert repeated.repeated or not outcome.events
        assert repeated.version == outcome.version or not outcome.events
        assert await self.ledger.head() == head

    async def everything_again(self) -> None:
        """At the end every command is asked once more, and every stream folded anew."""
        head = await self.ledger.head()
        for command, context, outcome in self.done:
            await self.again(command, context, outcome)
        for handling in dict.fromkeys(self.handlings.values()):
            asks = [
                (Ask(command, context), outcome)
                for command, context, outcome in self.done
                if type(command) in handling.decider.commands
            ]
            answers = await handling.handle_many([ask for ask, _ in asks])
            told = [(answer.events, answer.position) for answer in answers]
            assert told == [(outcome.events, outcome.position) for _, outcome in asks]
        assert await self.ledger.head() == head
        for asset_no in DEVICES:
            stream = await self.ledger.read(f"meter-{asset_no}")
            state, version = await self.handlings[custody.Dispatch].state(f"meter-{asset_no}")
            assert METER.fold(CODEC.decode(one) for one in stream.events) == state
            assert state.version == version == len(stream.events) - 1

    # What must hold.

    @invariant()
    def the_witness_has_nothing_to_object(self) -> None:
        page = self.run(self.ledger.read_all(self.read_to, stream_prefixes=["meter-"]))
        self.read_to = page.scanned_to
        for recorded in page.events:
            self.witness.reads(CODEC.decode(recorded))
        self.witness.adds_up()
        for asset_no, witnessed in self.witness.devices.items():
            meter = self.state(asset_no)
            assert meter.site == witnessed.site
            assert bool(meter.held) == witnessed.held
            assert witnessed.site is None or meter.device_class == witnessed.device_class


class OnSqlite(Registry):
    """The same on the embedded ledger."""

    async def opened(self) -> Ledger:
        self.folder = TemporaryDirectory()
        return await SqliteLedger.open(Path(self.folder.name) / "ledger.db")

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.folder.cleanup()


@pytest.mark.parametrize(("machine", "lives", "steps"), [(Registry, 25, 40), (OnSqlite, 3, 15)])
def test_no_sequence_of_commands_leads_around_the_rules(machine, lives, steps):
    chosen = settings(
        max_examples=lives,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    with asyncio.Runner() as runner:
        machine.loop = runner.get_loop()
        run_state_machine_as_test(machine, settings=chosen)
