"""Who may act, and where, is decided by the record. Views are behind: most of these tests have none that hear of it."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database
from kernel.device import AssetNo
from kernel.handling import Ask, Context, Outcome
from kernel.principal import Principal, Role
from kernel.projection import Projector
from ledger.memory import MemoryLedger
from services.registry.access import BOX_NOT_THEIRS, DRAWS_IN, INSIDE, NOT_THEIRS, SIGNED_BY_ANOTHER, Access
from services.registry.admission import COMES_TO
from services.registry.app import CODEC, DECIDERS, STREAMS, Registry
from services.registry.asset_number import compose
from services.registry.container import Pack, RegisterContainer, Unpack
from services.registry.meter.binding import BindIdentity
from services.registry.meter.custody import Store
from services.registry.meter.hold import PlaceHold
from services.registry.meter.identity import CorrectRecord
from services.registry.meter.missing import MarkMissing
from services.registry.meter.release import ReceiveFromMaker, Release
from services.registry.meter.unexpected import AcceptUnexpected
from services.registry.shipment import (
    CancelShipment,
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
    SignHandover,
)
from services.registry.site import CloseSite, CountLine, Difference, OpenSite, RecordStocktake
from services.registry.views import VIEWS
from tests.given import fresh_id
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    DISMANTLE,
    DISPATCH,
    NUMBER,
    OTHER,
    REGISTER,
    STORE,
    TEMPORARY,
    TURN_UP,
    UNIT,
    about,
    on,
)

THEIR, THEIR_STORE = "99402", "store-2"
ADMIN = Principal(subject="u-admin", roles=frozenset({Role.ADMIN}))
KEEPER = Principal(subject="u-keeper", roles=frozenset({Role.STOREKEEPER}))
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
ASSET_NO = msgspec.json.schema(AssetNo)


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
async def asked(folder, *opened, following=False):
    """A registry that has done these, its views following or not."""
    ledger, database = MemoryLedger(), Database(f"sqlite:///{folder / 'registry.sqlite'}")
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    registry = Asked(Registry(ledger, projector))
    assert await registry(ADMIN, *opened) == [None] * len(opened)
    views = asyncio.create_task(projector.run()) if following else None
    try:
        yield registry
    finally:
        if views is not None:
            views.cancel()
            await asyncio.gather(views, return_exceptions=True)
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
        assert await ask(KEEPER, theirs) == [None]
        assert await ask(OURS, about(DISMANTLE, OTHER)) == [DENIED]
        assert await ask(OURS, about(REGISTER, OTHER)) == [DENIED]
        hold = on(PlaceHold, asset_no=OTHER, hold="H", kind="safety", reference="R")
        assert await ask(OURS, hold) == [DENIED]
        assert await ask(THEIRS, hold) == [None]


async def test_within_one_call_what_was_said_before_counts(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, REGISTER, DISMANTLE, PREPARE, LEAVE) == [None] * 4


async def test_nobody_takes_the_numbers_of_another_unit(tmp_path):
    of_theirs = compose(THEIR, "01", "99999999000009")
    async with asked(tmp_path, *SITES) as ask:
        for taken in (
            about(REGISTER, of_theirs),
            about(ASSIGN, "T99402AB12"),
            about(msgspec.structs.replace(TURN_UP, site=STORE), of_theirs),
        ):
            assert await ask(OURS, taken) == [DENIED]
        assert await ask(THEIRS, about(msgspec.structs.replace(REGISTER, unit=THEIR), of_theirs)) == [None]
        # Between units the centre moves them, and whose it is on record counts from then on.
        moved = about(REGISTER, compose(THEIR, "01", "99999999000010"))
        assert await ask(KEEPER, moved) == [None]
        assert await ask(OURS, about(DISMANTLE, moved.asset_no)) == [None]


async def test_a_customers_own_device_names_no_unit_in_its_number_and_is_whose_the_command_says(tmp_path):
    customers = compose("99001", "01", "99999999000012")
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(THEIRS, about(REGISTER, customers)) == [DENIED]
        assert await ask(OURS, about(REGISTER, customers)) == [None]
        assert await ask(THEIRS, about(DISMANTLE, customers)) == [DENIED]


async def test_before_there_is_a_record_the_command_says_whose_it_is(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, DISMANTLE, msgspec.structs.replace(REGISTER, unit=THEIR)) == ["meter.unknown", DENIED]


def sign(who, party, shipment_id="SH-1"):
    return on(SignHandover, shipment_id=shipment_id, party=party, signer=who.subject)


def principal(role, *units):
    return Principal(subject=f"u-{role.value}-{'-'.join(units)}", roles=frozenset({role}), units=frozenset(units))


RECEIVE = on(ReceiveShipment, shipment_id="SH-1", found=(FoundLine(asset_no=NUMBER),))


async def test_each_party_is_signed_for_by_those_who_keep_its_site(tmp_path):
    roles = {role: principal(role) for role in Role}
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(KEEPER, PREPARE, LEAVE, RECEIVE) == [None] * 3
        for who in (THEIRS, *roles.values()):
            assert await ask(who, sign(who, "from")) == [DENIED], who
        for who in (OURS, THEIRS, *(one for role, one in roles.items() if role is not Role.STOREKEEPER)):
            assert await ask(who, sign(who, "to")) == [DENIED], who
        assert await ask(OURS, sign(OURS, "from")) == [None]
        assert await ask(OURS, sign(OURS, "from")) == ["shipment.already_signed"]
        assert await ask(KEEPER, sign(KEEPER, "to")) == [None]


async def test_a_units_store_has_a_storekeeper_of_its_own_and_other_places_their_roles(tmp_path):
    own, other = principal(Role.STOREKEEPER, UNIT), principal(Role.STOREKEEPER, THEIR)
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(KEEPER, PREPARE, LEAVE) == [None, None]
        assert await ask(other, sign(other, "from")) == [DENIED]
        assert await ask(own, sign(own, "from")) == [None]
    for kind, role in (("materials", Role.MATERIALS), ("laboratory", Role.LABORATORY)):
        (tmp_path / kind).mkdir()
        place = msgspec.structs.replace(SITES[2], kind=kind)
        async with asked(tmp_path / kind, *SITES[:2], place) as ask:
            assert await ask(KEEPER, PREPARE, LEAVE, RECEIVE) == [None] * 3
            assert await ask(KEEPER, sign(KEEPER, "to")) == [DENIED]
            who = principal(role)
            assert await ask(who, sign(who, "to")) == [None]


async def test_nobody_signs_in_anothers_name_nor_for_both(tmp_path):
    both = Principal(subject="u-3", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT, "99000"}))
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(KEEPER, PREPARE, LEAVE, RECEIVE) == [None] * 3
        assert await ask(OURS, sign(KEEPER, "from")) == [SIGNED_BY_ANOTHER.code]
        assert await ask(both, sign(both, "from")) == [None]
        assert await ask(both, sign(both, "to")) == ["shipment.same_signer"]
        assert await ask(KEEPER, sign(KEEPER, "to")) == [None]


async def test_one_may_sign_in_the_same_call_that_prepares(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, PREPARE, LEAVE, sign(OURS, "from")) == [None] * 3
        assert await ask(OURS, sign(OURS, "from", "SH-9")) == [DENIED]


TYPO = "Typo-Site"


async def test_one_unit_charges_no_other_and_uses_no_others_store(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, REGISTER) == [None]
        for more in ({"unit": THEIR}, {"site": THEIR_STORE}):
            assert await ask(OURS, msgspec.structs.replace(DISMANTLE, **more)) == [DENIED]
        assert await ask(OURS, msgspec.structs.replace(PREPARE, unit=THEIR)) == [DENIED]
        assert await ask(OURS, msgspec.structs.replace(PREPARE, from_site=THEIR_STORE)) == [DENIED]
        assert await ask(OURS, DISMANTLE, PREPARE) == [None, None]


async def test_nothing_comes_to_a_site_that_was_never_opened(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, REGISTER) == [None]
        assert await ask(OURS, msgspec.structs.replace(DISMANTLE, site=TYPO)) == ["site.not_opened"]
        for end in ("from_site", "to_site"):
            assert await ask(OURS, msgspec.structs.replace(PREPARE, **{end: TYPO})) == ["site.not_opened"]
        assert await ask(KEEPER, on(RegisterContainer, container_id="B", device_class="23", site=TYPO)) == [
            "site.not_opened"
        ]
        typo = on(OpenSite, site_id=TYPO, kind="unit_store", name="合成", unit=UNIT)
        assert await ask(ADMIN, typo) == [None]
        assert await ask(OURS, msgspec.structs.replace(DISMANTLE, site=TYPO)) == [None]


async def test_every_command_that_brings_something_to_a_site_asks_whether_it_is_open():
    named = {
        kind for decider in DECIDERS for kind in decider.commands if {"site", "to_site"} & {*kind.__struct_fields__}
    }
    # A shipment comes to where it was let go.
    stays_or_leaves = {Store, MarkMissing, Release, ReceiveShipment}
    assert {*COMES_TO} == named - stays_or_leaves - INSIDE


async def test_a_site_closes_only_when_nothing_is_there_or_on_its_way(tmp_path):
    close = [on(CloseSite, site_id=one, why="合成") for one in (STORE, CENTRE)]
    async with asked(tmp_path, *SITES, following=True) as ask:
        assert await ask(OURS, REGISTER, DISMANTLE) == [None, None]
        assert await ask(ADMIN, *close) == ["site.holds_devices", None]
        assert await ask(OURS, PREPARE) == ["site.closed"]
        assert await ask(ADMIN, SITES[2]) == [None]
        assert await ask(OURS, PREPARE) == [None]
        assert await ask(ADMIN, *close) == ["site.holds_devices", "site.awaits_shipment"]
        gone = msgspec.structs.replace(DISPATCH, shipment="SH-1")
        await ask.registry.follow([Ask(gone, Context(command_id=fresh_id(), actor="policy"))])
        assert await ask(ADMIN, close[0]) == [None]
        assert await ask(OURS, about(REGISTER, OTHER), about(DISMANTLE, OTHER)) == [None, "site.closed"]


async def test_what_was_done_before_the_site_closed_is_answered_as_then(tmp_path):
    prepared = Ask(PREPARE, Context(command_id=fresh_id(), actor="u-1"))
    cancel = on(CancelShipment, shipment_id="SH-1", why="合成")
    async with asked(tmp_path, *SITES, following=True) as ask:
        (first,) = await ask.registry.do_many([prepared])
        assert await ask(OURS, cancel) == [None]
        assert await ask(ADMIN, on(CloseSite, site_id=CENTRE, why="合成")) == [None]
        (again,) = await ask.registry.do_many([prepared])
        assert (again.repeated, again.position) == (True, first.position)


async def test_what_one_has_done_is_answered_as_then_when_the_device_is_anothers_by_now(tmp_path):
    said = Context(command_id=fresh_id(), actor=OURS.subject)
    wrong = on(CorrectRecord, corrects_version=0, unit=THEIR, why="合成")
    async with asked(tmp_path, *SITES) as ask:
        (first,) = await ask.registry.do_many([Ask(REGISTER, said, await ask.access.permit(OURS, [REGISTER]))])
        assert await ask(ADMIN, wrong) == [None]
        assert await ask(OURS, REGISTER) == [DENIED]
        (again,) = await ask.registry.do_many([Ask(REGISTER, said, await ask.access.permit(OURS, [REGISTER]))])
        assert again == msgspec.structs.replace(first, repeated=True)


FOREIGN, NEVER_SEEN = (compose(THEIR, "01", f"{serial:014d}") for serial in (99999999000021, 99999999000022))
THEIR_OWN = (
    about(msgspec.structs.replace(REGISTER, unit=THEIR), FOREIGN),
    about(msgspec.structs.replace(DISMANTLE, unit=THEIR, site=THEIR_STORE), FOREIGN),
)
BOX_SITES = (STORE, THEIR_STORE, CENTRE)
BOX = on(RegisterContainer, container_id="B", device_class="23", site=STORE)


def naming(*numbers):
    """Each command by which a unit's own people can draw in these devices."""
    over = tuple(Difference(asset_no=number, device_class="01") for number in numbers)
    counted = (CountLine(device_class="01", book=0, counted=len(over)),)
    manifest = tuple(Line(asset_no=number, device_class="01") for number in numbers)
    return [
        on(RecordStocktake, site_id=STORE, lines=counted, over=over),
        msgspec.structs.replace(PREPARE, manifest=manifest),
        on(Pack, container_id="B", asset_numbers=numbers),
        on(Unpack, container_id="B", asset_numbers=numbers),
        on(BindIdentity, asset_no=TEMPORARY, bound_to=numbers[-1], evidence="合成"),
    ]


async def test_a_unit_draws_in_no_device_of_another_by_naming_it(tmp_path):
    at_home = msgspec.structs.replace(ASSIGN, site=STORE)
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(THEIRS, *THEIR_OWN) == [None, None]
        assert await ask(OURS, REGISTER, DISMANTLE, at_home, BOX) == [None] * 4
        for number in (FOREIGN, NEVER_SEEN):
            for command in naming(NUMBER, number):
                assert await ask(OURS, command) == [NOT_THEIRS.code], command
        assert await ask(OURS, naming(NEVER_SEEN)[1], naming(NUMBER)[1]) == [NOT_THEIRS.code, None]
        card = await ask.registry.card_as_of(FOREIGN)
        assert (card.site, card.unexpected) == (THEIR_STORE, False)


async def test_a_unit_names_its_own_devices_whether_on_record_or_not(tmp_path):
    at_home = msgspec.structs.replace(ASSIGN, site=STORE)
    for number, devices in ((1, (OTHER,)), (2, (NUMBER,))):
        (tmp_path / str(number)).mkdir()
        async with asked(tmp_path / str(number), *SITES) as ask:
            assert await ask(OURS, REGISTER, at_home, BOX) == [None] * 3
            stocktake, prepare, pack, unpack, bind = naming(*devices)
            assert await ask(OURS, stocktake, prepare, pack, unpack, bind) == [None] * 5


async def test_what_lies_in_ones_own_store_one_may_send_whoevers_it_is(tmp_path):
    here = about(msgspec.structs.replace(TURN_UP, site=STORE), FOREIGN)
    accepted = on(AcceptUnexpected, asset_no=FOREIGN, reference="R")
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(THEIRS, *THEIR_OWN) == [None, None]
        assert await ask(KEEPER, here, accepted) == [None, None]
        assert await ask(OURS, naming(FOREIGN)[1]) == [None]
        # It is in that store no more, and those who had it have no say over it there.
        theirs = msgspec.structs.replace(PREPARE, shipment_id="SH-2", from_site=THEIR_STORE, unit=THEIR)
        taken = (Line(asset_no=NUMBER, device_class="01"),)
        assert await ask(THEIRS, msgspec.structs.replace(theirs, manifest=taken)) == [NOT_THEIRS.code]
        assert await ask(THEIRS, msgspec.structs.replace(theirs, manifest=naming(FOREIGN)[1].manifest)) == [None]


async def test_no_unit_takes_along_a_box_that_stands_in_anothers_store(tmp_path):
    def boxed(container):
        return msgspec.structs.replace(
            PREPARE, manifest=(Line(asset_no=NUMBER, device_class="01", container=container),)
        )

    kept = {site: on(RegisterContainer, container_id=f"at-{site}", device_class="23", site=site) for site in BOX_SITES}
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(KEEPER, *kept.values()) == [None] * 3
        assert await ask(OURS, boxed(f"at-{THEIR_STORE}")) == [BOX_NOT_THEIRS.code]
        whole = msgspec.structs.replace(PREPARE, containers=(f"at-{THEIR_STORE}",))
        assert await ask(OURS, whole) == [BOX_NOT_THEIRS.code]
    for container in (f"at-{STORE}", f"at-{CENTRE}", "nobody-registered-it"):
        (tmp_path / container).mkdir()
        async with asked(tmp_path / container, *SITES) as ask:
            assert await ask(KEEPER, *kept.values()) == [None] * 3
            assert await ask(OURS, boxed(container)) == [None]
    (tmp_path / "keeper").mkdir()
    async with asked(tmp_path / "keeper", *SITES) as ask:
        assert await ask(KEEPER, *kept.values(), boxed(f"at-{THEIR_STORE}")) == [None] * 4


async def test_storekeepers_of_the_centre_take_in_the_devices_of_every_unit(tmp_path):
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(THEIRS, *THEIR_OWN) == [None, None]
        assert await ask(KEEPER, msgspec.structs.replace(ASSIGN, site=STORE), BOX) == [None, None]
        for command in naming(NUMBER, FOREIGN, NEVER_SEEN)[:3]:
            assert await ask(KEEPER, command) == [None]
        assert await ask(KEEPER, naming(FOREIGN)[4]) == [None]


async def test_what_one_has_prepared_is_answered_as_then_when_a_device_is_anothers_by_now(tmp_path):
    said = Context(command_id=fresh_id(), actor=OURS.subject)
    async with asked(tmp_path, *SITES) as ask:
        assert await ask(OURS, REGISTER) == [None]
        (first,) = await ask.registry.do_many([Ask(PREPARE, said, await ask.access.permit(OURS, [PREPARE]))])
        assert await ask(ADMIN, on(CorrectRecord, corrects_version=0, unit=THEIR, why="合成")) == [None]
        (again,) = await ask.registry.do_many([Ask(PREPARE, said, await ask.access.permit(OURS, [PREPARE]))])
        assert again == msgspec.structs.replace(first, repeated=True)


def devices_in(plain, schema):
    """The members of a command, as `a.b`, that hold a device's number."""
    if "$ref" in plain:
        plain = schema["$defs"][plain["$ref"].rpartition("/")[2]]
    if "anyOf" in plain:
        return {found for one in plain["anyOf"] for found in devices_in(one, schema)}
    if plain.get("type") == "array":
        return devices_in(plain.get("items") or {}, schema)
    if plain.get("type") == "object":
        members = plain["properties"].items()
        return {f"{name}.{rest}".rstrip(".") for name, one in members for rest in devices_in(one, schema)}
    return {""} if plain.get("pattern") == ASSET_NO["pattern"] else set()


def test_every_command_that_names_devices_beside_its_own_is_judged_by_them():
    named = set()
    for decider in DECIDERS:
        for kind in (kind for kind in decider.commands if kind not in INSIDE):
            schema = msgspec.json.schema(kind)
            named |= {(kind, member) for member in devices_in(schema, schema) if member != decider.key}
    # What a site says is not there it says of itself.
    named.remove((RecordStocktake, "short.asset_no"))
    assert named == {
        (BindIdentity, "bound_to"),
        (ReceiveFromMaker, "replaces"),
        (PrepareShipment, "manifest.asset_no"),
        (ReceiveShipment, "found.asset_no"),
        (Pack, "asset_numbers"),
        (Unpack, "asset_numbers"),
        (RecordStocktake, "over.asset_no"),
    }
    assert {kind for kind, _ in named} == {*DRAWS_IN}
