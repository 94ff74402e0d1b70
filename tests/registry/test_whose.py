"""Who may act is decided by the record, not by views that may be behind: here they never hear of anything."""

from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from kernel.authority import Policies
from kernel.clock import fresh_id
from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import Ask, Context, Outcome
from kernel.identity import Principal, Role
from kernel.projection import Projector
from ledger.memory import MemoryLedger
from services.registry.access import Access
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.meter.hold import PlaceHold
from services.registry.shipment import DispatchShipment, Line, PrepareShipment
from services.registry.site import OpenSite
from services.registry.views import VIEWS
from tests.registry.stories import CENTRE, DISMANTLE, NUMBER, OTHER, REGISTER, STORE, UNIT, about, on

THEIR, THEIR_STORE = "99402", "store-2"
ADMIN = Principal(subject="u-admin", roles=frozenset({Role.ADMIN}))
OURS = Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))
THEIRS = Principal(subject="u-2", roles=frozenset({Role.OPERATOR}), units=frozenset({THEIR}))
SITES = (
    on(OpenSite, site_id=STORE, kind="unit_store", name="合成", unit=UNIT),
    on(OpenSite, site_id=THEIR_STORE, kind="unit_store", name="合成", unit=THEIR),
    on(OpenSite, site_id=CENTRE, kind="centre", name="合成", unit="99000"),
)
ENDS = {"from_site": STORE, "to_site": CENTRE, "manifest": (Line(asset_no=NUMBER, device_class="01"),)}
PREPARE = on(PrepareShipment, shipment_id="SH-1", unit=UNIT, **ENDS)
LEAVE = on(DispatchShipment, shipment_id="SH-1")
DENIED = "access.denied"


class Asked:
    """A registry and its access rules. Whoever asks gets the refusal's code, or None."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.access = Access(Policies.load(Path(__file__).parents[2] / "services" / "registry"), registry)

    async def __call__(self, who, *commands):
        permit = await self.access.permit(who, commands)
        asks = [Ask(one, Context(command_id=fresh_id(), actor=who.subject), permit) for one in commands]
        answers = await self.registry.do_many(asks)
        return [None if isinstance(answer, Outcome) else answer.code for answer in answers]


@asynccontextmanager
async def asked(folder, *opened):
    ledger, database = MemoryLedger(), Database(f"sqlite:///{folder / 'registry.sqlite'}")
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    registry = Asked(Registry(ledger, projector))
    assert await registry(ADMIN, *opened) == [None] * len(opened)
    try:
        yield registry
    finally:
        await database.close()
        await ledger.close()


async def test_what_one_has_just_prepared_one_may_dispatch(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, PREPARE) == [None]
        assert await ask(THEIRS, LEAVE) == [DENIED]
        assert await ask(OURS, LEAVE) == [None]


async def test_what_was_registered_a_moment_ago_is_its_units_whatever_a_command_says(tmp_path):
    theirs = about(msgspec.structs.replace(REGISTER, unit=THEIR), OTHER)
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(THEIRS, theirs) == [None]
        assert await ask(OURS, about(DISMANTLE, OTHER)) == [DENIED]
        assert await ask(OURS, about(REGISTER, OTHER)) == [DENIED]
        hold = on(PlaceHold, asset_no=OTHER, hold="H", kind="safety", reference="R")
        assert await ask(OURS, hold) == [DENIED]
        assert await ask(THEIRS, hold) == [None]


async def test_within_one_call_what_was_said_before_counts(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, REGISTER, DISMANTLE, PREPARE, LEAVE) == [None] * 4


async def test_before_there_is_a_record_the_command_says_whose_it_is(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, DISMANTLE, msgspec.structs.replace(REGISTER, unit=THEIR)) == ["meter.unknown", DENIED]
