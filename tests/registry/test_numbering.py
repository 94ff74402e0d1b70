"""A wrong check digit where a number comes onto the record: said, refused, or let pass, as it is set."""

import httpx
import pytest

from kernel.handling import Ask, Context, Outcome
from kernel.identity_issuer import issue, write_keys
from kernel.keys import write_cursor_key
from kernel.principal import Principal, Role
from kernel.process import Process
from kernel.readiness import Readiness
from kernel.refusal import Refusal
from kernel.settings import BadSettings, read_settings
from services.registry.access import DRAWS_IN, INSIDE
from services.registry.assembly import RegistrySettings, assemble
from services.registry.asset_number import WRONG_CHECK_DIGIT, compose
from services.registry.asset_number import check_digit as right_digit
from services.registry.container import Pack, Unpack
from services.registry.meter import METER
from services.registry.meter.binding import AdoptIdentity, BindIdentity
from services.registry.meter.custody import Receive
from services.registry.meter.identity import ALREADY_REGISTERED, Register
from services.registry.meter.release import ReceiveFromMaker
from services.registry.meter.state import NOTHING
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.numbering import BRINGS, BRINGS_MANY, WARNINGS_MAX
from services.registry.shipment import DispatchShipment, FoundLine, Line, PrepareShipment, ReceiveShipment
from services.registry.site import CountLine, Difference, RecordStocktake
from tests.given import fresh_id
from tests.registry.doors.season import EXAMPLES
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    DISMANTLE,
    NUMBER,
    REGISTER,
    STORE,
    TEMPORARY,
    TURN_UP,
    UNIT,
    about,
    on,
)
from tests.registry.test_followers import running
from tests.registry.test_whose import SITES


def mistyped(number):
    """The number with the digit after its last one."""
    return number[:-1] + str((int(number[-1]) + 1) % 10)


WRONG = mistyped(compose(UNIT, "01", "99999999000021"))
CODE = WRONG_CHECK_DIGIT.code
ENDS = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT}


def lines(*numbers):
    return tuple(Line(asset_no=number, device_class="01") for number in numbers)


def found(*numbers):
    return tuple(FoundLine(asset_no=number, device_class="01") for number in numbers)


BEFORE = (
    *SITES,
    REGISTER,
    ASSIGN,
    on(PrepareShipment, shipment_id="SH-0", **ENDS, manifest=lines(NUMBER)),
    on(DispatchShipment, shipment_id="SH-0"),
)
NAMING = {
    type(command): command
    for command in (
        about(REGISTER, WRONG),
        about(TURN_UP, WRONG),
        on(BindIdentity, asset_no=TEMPORARY, bound_to=WRONG, evidence="合成"),
        on(PrepareShipment, shipment_id="SH-1", **ENDS, manifest=lines(NUMBER, WRONG)),
        on(ReceiveShipment, shipment_id="SH-0", found=found(NUMBER, WRONG)),
        on(
            RecordStocktake,
            site_id=STORE,
            lines=(CountLine(device_class="01", book=0, counted=1),),
            over=(Difference(asset_no=WRONG, device_class="01"),),
        ),
    )
}
"""Each kind of command that may bring a number onto the record, with one that has a wrong digit."""


@pytest.fixture(params=NAMING, ids=lambda kind: kind.__name__)
def naming(request):
    return NAMING[request.param]


async def asked(registry, *commands, **how):
    asks = [Ask(one, Context(command_id=fresh_id(), actor="u-1")) for one in commands]
    return await registry.do_many(asks, **how)


async def before(registry, *more):
    """What the commands need to be done, and more, whatever its numbers."""
    answers = await asked(registry, *BEFORE, *more, check_digit="ignore")
    assert all(isinstance(answer, Outcome) and answer.warnings == () for answer in answers), answers


def test_each_kind_of_command_that_may_bring_a_number_is_judged():
    """Whatever begins the record of a number that has none is in the table, or follows from what is there."""
    begins = set()
    for kind in METER.commands:
        try:
            if METER.decide(about(EXAMPLES[kind], NUMBER), NOTHING):
                begins.add(kind)
        except Refusal:
            continue
    assert begins - INSIDE == {Register, ReceiveUnexpected}
    assert begins & INSIDE == {Receive, AdoptIdentity}
    judged = {*BRINGS, *BRINGS_MANY}
    assert judged == NAMING.keys()
    # What these name is packed, unpacked or replaced only if it is on record.
    assert DRAWS_IN.keys() - judged == {Pack, Unpack, ReceiveFromMaker}


async def test_a_wrong_digit_is_said_and_passes(tmp_path, naming):
    async with running(tmp_path, followed=False) as registry:
        await before(registry)
        ask = Ask(naming, Context(command_id=fresh_id(), actor="u-1"))
        (first,), (again,) = await registry.do_many([ask]), await registry.do_many([ask])
        (warning,) = first.warnings
        assert warning.code == CODE
        assert WRONG in warning.zh
        assert f"{WRONG} should be {right_digit(WRONG[:-1])}, not {WRONG[-1]}" in warning.en
        assert (again.repeated, again.position, again.warnings) == (True, first.position, first.warnings)


async def test_where_it_is_set_so_a_new_number_with_a_wrong_digit_is_refused(tmp_path, naming):
    async with running(tmp_path, followed=False, check_digit="refuse") as registry:
        await before(registry)
        head = await registry.head()
        (refused,) = await asked(registry, naming)
        assert (refused.code, refused.details["asset_no"]) == (CODE, WRONG)
        assert await registry.head() == head
        (passed,) = await asked(registry, naming, check_digit="warn")
        assert [warning.code for warning in passed.warnings] == [CODE]


async def test_a_device_that_is_on_record_is_never_refused_for_its_number(tmp_path, naming):
    async with running(tmp_path, followed=False, check_digit="refuse") as registry:
        await before(registry, about(REGISTER, WRONG))
        (answer,) = await asked(registry, naming)
        if isinstance(naming, Register):
            assert answer.code == ALREADY_REGISTERED.code
        else:
            assert [warning.code for warning in answer.warnings] == [CODE]
        (other,) = await asked(registry, about(DISMANTLE, WRONG))
        assert other.warnings == ()


async def test_what_was_done_before_it_was_refused_is_answered_as_it_was_done(tmp_path):
    async with running(tmp_path, followed=False) as registry:
        await before(registry)
        ask = Ask(about(REGISTER, WRONG), Context(command_id=fresh_id(), actor="u-1"))
        (first,) = await registry.do_many([ask])
        (again,) = await registry.do_many([ask], check_digit="refuse")
        assert (again.repeated, again.position, again.warnings) == (True, first.position, first.warnings)


@pytest.mark.parametrize(
    ("check_digit", "come_of"),
    [("warn", [[], [CODE], [], [CODE]]), ("refuse", [[], CODE, [], CODE]), ("ignore", [[], [], [], []])],
)
async def test_each_is_judged_by_itself(tmp_path, check_digit, come_of):
    others = [compose(UNIT, "01", f"{serial:014d}") for serial in range(99999999000022, 99999999000025)]
    numbers = [others[0], WRONG, others[1], mistyped(others[2])]
    async with running(tmp_path, followed=False, check_digit=check_digit) as registry:
        answers = await asked(registry, *(about(REGISTER, number) for number in numbers))
        codes = [one.code if isinstance(one, Refusal) else [said.code for said in one.warnings] for one in answers]
        assert codes == come_of


async def test_no_more_warnings_are_given_than_can_be_read(tmp_path):
    numbers = [mistyped(compose(UNIT, "01", f"{serial:014d}")) for serial in range(WARNINGS_MAX + 1)]
    async with running(tmp_path, followed=False) as registry:
        await before(registry)
        (prepared,) = await asked(registry, on(PrepareShipment, shipment_id="SH-1", **ENDS, manifest=lines(*numbers)))
        assert len(prepared.warnings) == WARNINGS_MAX
        assert numbers[0] in prepared.warnings[0].en


def test_it_is_set_by_its_variable():
    assert read_settings(RegistrySettings, "registry", {}).check_digit == "warn"
    set_so = read_settings(RegistrySettings, "registry", {"METERLOOP_REGISTRY__CHECK_DIGIT": "refuse"})
    assert set_so.check_digit == "refuse"
    with pytest.raises(BadSettings, match="METERLOOP_REGISTRY__CHECK_DIGIT"):
        read_settings(RegistrySettings, "registry", {"METERLOOP_REGISTRY__CHECK_DIGIT": "maybe"})


async def test_as_it_is_set_so_the_service_does(tmp_path):
    environ = {"METERLOOP_DATA_DIR": str(tmp_path), "METERLOOP_REGISTRY__CHECK_DIGIT": "refuse"}
    settings = read_settings(RegistrySettings, "registry", environ)
    write_keys(settings.keys_dir)
    write_cursor_key(settings.keys_dir)
    parts = await assemble(Process("registry", settings, Readiness(), None))
    try:
        operator = Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))
        headers = {"Authorization": f"Bearer {issue(settings.keys_dir, operator)}", "Idempotency-Key": "k"}
        register = {"device_class": "01", "unit": UNIT, "occurred_on": "2026-03-05"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(parts.rest), base_url="http://registry") as web:
            answers = [
                await web.post(f"/v1/meters/{number}/register", json=register, headers=headers)
                for number in (WRONG, NUMBER)
            ]
        assert [(answer.status_code, answer.json().get("code")) for answer in answers] == [(422, CODE), (201, None)]
    finally:
        for close in parts.closing:
            await close()
