"""Both clients against the real gateway, with a real registry behind it, over a real socket."""

import asyncio
import hashlib
import io
from datetime import date

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cli.inventory import deciders
from cli.reference import OPENAPI
from client import (
    AgainstRules,
    BadRequest,
    NotAllowed,
    NotFound,
    Refused,
    Stale,
    Unidentified,
    Unreachable,
    Unreadable,
    types,
)
from client.calls import Command
from kernel.principal import Role
from services.registry.asset_number import compose
from tests.client.callers import KINDS, calling, losing
from tests.gateway.behind import behind
from tests.gateway.season import SHIPMENT, UNIT, dismantled, number, prepared, sites, tell
from tests.gateway.serving import served
from tests.strategies import messages

NUMBER = compose(UNIT, "01", f"{7:014d}")
COMMANDS = {kind.__name__: kind for nouns in deciders().values() for noun in nouns for kind in noun.commands}
TYPED = {name: kind for name, kind in vars(types).items() if isinstance(kind, type) and issubclass(kind, Command)}
TYPED.pop("Command")


def register(asset_no=NUMBER, unit=UNIT, **more):
    return types.Register(asset_no=asset_no, device_class="01", unit=unit, occurred_on=date(2026, 1, 5), **more)


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        started.url = url
        yield started


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
async def operator(platform, kind):
    async with calling(kind, platform.url, platform.token(Role.OPERATOR, units=(UNIT,))) as caller:
        yield caller


def an_example_of(kind):
    """The simplest command of this kind that its own types allow, the same every time."""
    found = []

    @settings(max_examples=1, phases=[Phase.generate], derandomize=True, suppress_health_check=list(HealthCheck))
    @given(messages(kind))
    def take(example):
        found.append(example)

    take()
    return found[0]


async def raised(awaitable, error):
    with pytest.raises(error) as found:
        await awaitable
    assert type(found.value) is error
    return found.value


async def test_a_command_is_done_and_asked_about(operator):
    done = await operator.call("do", register(), key="k")
    again = await operator.call("do", register(), key="k")
    assert (done.version, done.repeated, again.repeated, again.position) == (0, False, True, done.position)
    card = await operator.call("ask", types.GetDevice(asset_no=NUMBER, seen=done.position))
    assert isinstance(card, types.Card)
    assert (card.asset_no, card.phase) == (NUMBER, "in_service")


async def test_every_command_is_typed_and_understood(operator):
    """What the doors take the client can say, and what it says is read there: whatever is then refused is refused for
    what it asks, not for how it is written.
    """
    document = msgspec.json.decode((OPENAPI / "gateway.json").read_bytes())
    paths = {path for path, item in document["paths"].items() if "post" in item and "/bulk/" not in path}
    assert {typed.PATH for typed in TYPED.values()} == {path for path in paths if not path.startswith("/v1/imports")}
    for name, typed in TYPED.items():
        command = msgspec.convert(msgspec.to_builtins(an_example_of(COMMANDS[name])), typed)
        outcome = await asyncio.gather(operator.call("do", command), return_exceptions=True)
        code = getattr(outcome[0], "code", "done")
        assert isinstance(outcome[0], types.Accepted | Refused), (name, outcome)
        assert not code.startswith(("input.", "http.")), (name, command, outcome)


async def test_a_warning_comes_with_what_was_done_all_the_same(operator):
    wrong = NUMBER[:-1] + str((int(NUMBER[-1]) + 1) % 10)
    done = await operator.call("do", register(wrong), key="k")
    (warning,) = done.warnings
    assert (type(warning), warning.code) == (types.CommandWarning, "asset_number.wrong_check_digit")
    assert (await operator.call("do", register(wrong), key="k")).warnings == done.warnings
    many = await operator.call("do_many", [register(), register(wrong)], key="k")
    assert [(line.outcome, line.warnings) for line in many.lines] == [("accepted", ()), ("repeated", done.warnings)]


async def test_many_commands_are_answered_line_by_line(operator):
    numbers = [compose(UNIT, "01", f"{serial:014d}") for serial in range(3)]
    commands = [register(numbers[0]), register(numbers[1], county="1"), register(numbers[2])]
    done = await operator.call("do_many", commands, key="k")
    assert [line.outcome for line in done.lines] == ["accepted", "refused", "accepted"]
    assert done.lines[1].code == "input.wrong_format"
    again = await operator.call("do_many", commands, key="k")
    assert (again.accepted, again.repeated, again.refused) == (0, 2, 1)
    with pytest.raises(ValueError, match="one kind"):
        await operator.call("do_many", [])


async def test_each_refusal_is_an_error_of_its_own(platform, kind, operator):
    await operator.call("do", register())
    twice = await raised(operator.call("do", register(county="110101")), AgainstRules)
    assert (twice.status, twice.code) == (409, "meter.already_registered")
    assert twice.zh
    assert twice.en
    stale = types.PlaceHold(asset_no=NUMBER, hold="h", kind="court", reference="r", occurred_on=date(2026, 1, 6))
    assert (await raised(operator.call("do", stale, expected_version=7), Stale)).status == 412
    missing = await raised(operator.call("ask", types.GetDevice(asset_no=number(1))), NotFound)
    assert missing.code == "meter.unknown"
    wrong = await raised(operator.call("do", register(county="x")), Unreadable)
    assert [error.field for error in wrong.errors] == ["county"]
    assert wrong.errors[0].zh
    await raised(operator.call("do", register(), key="not a key"), BadRequest)
    foreign = register(compose("99402", "01", f"{1:014d}"), unit="99402")
    await raised(operator.call("do", foreign), NotAllowed)
    for token, code in ((None, "identity.missing_token"), ("a.b.c", "identity.malformed")):
        async with calling(kind, platform.url, token) as nobody:
            unknown = await raised(nobody.call("do", register()), Unidentified)
            assert unknown.code == code


async def test_a_command_whose_answer_is_lost_is_done_once(platform, kind):
    network = losing(kind, 2)
    token = platform.token(Role.OPERATOR, units=(UNIT,))
    async with calling(kind, platform.url, token, transport=network) as caller:
        done = await caller.call("do", register())
    assert done.repeated
    assert len({sent.headers["idempotency-key"] for sent in network.sent}) == 1
    assert len(network.sent) == 3
    assert await platform.ledger.head() == done.position == 1


async def test_after_the_last_attempt_nobody_pretends(platform, kind):
    network = losing(kind, 3)
    async with calling(kind, platform.url, platform.token(Role.ADMIN), transport=network) as caller:
        with pytest.raises(Unreachable):
            await caller.call("do", register())
    assert len(network.sent) == 3


async def test_rows_come_page_by_page_to_the_last(operator):
    numbers = sorted(compose(UNIT, "01", f"{serial:014d}") for serial in range(7))
    done = await operator.call("do_many", [register(one) for one in numbers])
    await operator.call("ask", types.GetDevice(asset_no=numbers[0], seen=max(line.position for line in done.lines)))
    rows = await operator.several("rows", types.ListDevices(limit=2))
    assert [row.asset_no for row in rows] == numbers
    some = await operator.several("rows", types.ListDevices(limit=2), most=3)
    assert [row.asset_no for row in some] == numbers[:3]
    await raised(operator.several("rows", types.ListRecovery(first="x", last="2026-01")), Unreadable)


async def test_a_file_comes_whole_and_is_told_of(platform, operator):
    await tell(platform.registry, [*sites(), *dismantled([NUMBER]), prepared([NUMBER])])
    file, told = io.BytesIO(), []
    wanted = types.GetTransferNote(shipment_id=SHIPMENT, format="xlsx")
    fetched = await operator.call("fetch", wanted, file, lambda here, whole: told.append((here, whole)))
    assert fetched.sha256 == hashlib.sha256(file.getvalue()).hexdigest()
    assert told[-1] == (fetched.size_bytes, fetched.size_bytes)
    assert fetched.name.endswith(".xlsx")
    nothing = io.BytesIO()
    gone = await raised(operator.call("fetch", types.GetTransferNote(shipment_id="x"), nothing), NotFound)
    assert (gone.code, nothing.getvalue()) == ("shipment.unknown", b"")


async def test_an_import_from_the_announcement_to_its_errors(operator):
    content = f"资产编号,设备类别\n{NUMBER},01\n4.13E+21,01\n".encode()
    announced = types.NewImport(kind="devices", name="x.csv", bytes=len(content))
    stands = await operator.call("create_import", announced, key="k")
    assert (await operator.call("create_import", announced, key="k")).import_id == stands.import_id
    stands = await operator.call("append_import", stands.import_id, 0, content[:9])
    wrong = await raised(operator.call("append_import", stands.import_id, 0, content), AgainstRules)
    assert wrong.code == "import.wrong_offset"
    stands = await operator.call("append_import", stands.import_id, stands.bytes_received, content[9:])
    while stands.state in {"waiting", "running"}:
        stands = await operator.call("ask", types.GetImport(import_id=stands.import_id))
    assert (stands.state, stands.accepted, stands.refused) == ("done", 1, 1)
    errors = b"".join(await operator.several("import_errors", stands.import_id))
    assert "4.13E+21" in errors.decode("utf-8-sig")
    assert [one.import_id for one in await operator.several("rows", types.ListImports())] == [stands.import_id]
    over = await raised(operator.call("cancel_import", stands.import_id), AgainstRules)
    assert over.code == "import.not_open"
    await raised(operator.several("import_errors", "0" * 32), NotFound)


async def test_public_events_are_followed_and_gone_on_with(platform, operator):
    await tell(platform.registry, sites())
    await platform.disclose()
    first, second = await operator.several("events", 0, most=2)
    assert (first.number, second.number, first.type) == (1, 2, "registry.SiteOpened")
    assert first.data["site_id"]
    assert (first.index, second.index) == (0, 1)
    assert await operator.several("events", 1, most=1) == [second]
    assert (await raised(operator.several("events", 99, most=1), BadRequest)).code == "events.bad_last_event_id"
