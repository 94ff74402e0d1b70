"""One fault has one code and one text in both languages, whichever way it comes in."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import jwt
import msgspec
import pytest
import pytest_asyncio
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from kernel.grpc_refusal import refusal_of_error
from kernel.identity_issuer import PRIVATE_KEY_FILE, issue, write_keys
from kernel.principal import Principal, Role
from kernel.wire.registry.v1 import registry_pb2
from kernel.wire.sorting.v1 import sorting_pb2
from services.registry.meter.identity import Register
from services.registry.site import OpenSite
from services.sorting.inspection.opening import CheckIdentity
from services.sorting.inspection.steps import InspectAppearance
from tests.doors.entrances import Entrances, bearer, refused, said
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import Entrances as RegistryEntrances
from tests.registry.stories import NUMBER, OTHER, UNIT, on
from tests.sorting.doors import season as sorting
from tests.sorting.doors.entrances import Entrances as SortingEntrances
from tests.sorting.examples import WHOLE

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNHEARD_FIELD = b"\xfa\x06\x01x"
TEXT_FOR_READING = b"\x4a\x03\x0a\x01x"
"""Field 9 of a dismantling, the reading, whose field 1, a number, comes as text."""

NOBODY = Principal(subject="u-2", roles=frozenset({Role.FINANCE}))
ENGLISH = re.compile(r"(?:\b[a-z]+ ){2}[a-z]+\b")
"""In a Chinese sentence only names are English, and those are single words."""


class Faulty(msgspec.Struct, frozen=True):
    """One command of a service: what is good of it, and what may be wrong, as JSON has it and, where a proto can say
    it, as a message. `clerk` may give it; `before` makes it one that is accepted; `other` is the same command of
    something else; `unknown` what is said of a thing that is not there.
    """

    entrances: Callable[[Any], Entrances]
    service: ServiceDescriptor
    noun: str
    action: str
    message: type[Message]
    good: Mapping[str, Any]
    clerk: Principal
    faults: Mapping[str, tuple[str, dict[str, Any], bytes | None]]
    before: Callable[[Entrances], Awaitable[None]]
    other: Mapping[str, Any]
    unknown: str

    @property
    def method(self) -> str:
        return self.message.DESCRIPTOR.name

    def path(self, number: str = NUMBER) -> str:
        return f"/v1/{self.noun}/{number}/{self.action}"

    def body(self, **more: Any) -> bytes:
        return msgspec.json.encode({**self.good, **more})

    def wire(self, number: str = NUMBER, **more: Any) -> bytes:
        return self.message(asset_no=number, **{**self.good, **more}).SerializeToString()


def of_both(message: type[Message], good: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any], bytes | None]]:
    """What may be wrong with any command."""
    long_ago = {"occurred_on": "1066-10-14"}
    return {
        "a misspelt field": (
            "input.unknown_field",
            {"colour": "red"},
            message(asset_no=NUMBER, **good).SerializeToString() + UNHEARD_FIELD,
        ),
        "a time without its zone": (
            "input.no_zone",
            {"occurred_on": None, "occurred_at": "2026-03-05T08:00:00"},
            None,
        ),
        "a year before there were meters": (
            "input.invalid",
            long_ago,
            message(asset_no=NUMBER, **good | long_ago).SerializeToString(),
        ),
        "an instant before the year one": (
            "input.invalid",
            {"occurred_on": None, "occurred_at": "0001-01-01T00:00:00+08:00"},
            None,
        ),
        "an instant after the year 9999": (
            "input.invalid",
            {"occurred_on": None, "occurred_at": "9999-12-31T23:59:59-08:00"},
            None,
        ),
    }


def dismantled(**more: Any) -> bytes:
    return registry_pb2.Dismantle(asset_no=NUMBER, **DISMANTLE | more).SerializeToString()


DISMANTLE = {"occurred_on": "2026-03-05", "work_order": "WO-1", "unit": UNIT, "site": "store-1", "reason": "fault"}
IN_REGISTRY = {
    "text for a number": ("input.wrong_type", {"reading": {"total_wh": "7"}}, dismantled() + TEXT_FOR_READING),
    "ten to the thirtieth": ("input.out_of_range", {"reading": {"total_wh": 10**30}}, None),
    "a number below zero": (
        "input.out_of_range",
        {"reading": {"total_wh": -1}},
        dismantled(reading={"total_wh": -1}),
    ),
    "a unit of four digits": ("input.wrong_format", {"unit": "9940"}, dismantled(unit="9940")),
    "a reason that is not on the list": ("input.not_in_list", {"reason": "boredom"}, dismantled(reason="boredom")),
    "the character U+0000": ("input.nul_character", {"work_order": "a\0"}, dismantled(work_order="a\0")),
}


async def registered(entrances: Entrances) -> None:
    """So that it can be dismantled."""
    opened = on(OpenSite, site_id="store-1", kind="unit_store", name="合成表库", unit=UNIT)
    registered = on(Register, asset_no=NUMBER, device_class="01", unit=UNIT)
    await tell(entrances.platform.registry, [opened, registered])


FUNCTION = {"occurred_on": "2026-03-05", "report": {"measured": [{"item": "clock_battery", "value": 3_600}]}}


def reported(**report: Any) -> tuple[dict[str, Any], bytes]:
    """The same command of this report, in both forms."""
    said = {**FUNCTION, "report": report}
    return {"report": report}, sorting_pb2.InspectFunction(asset_no=NUMBER, **said).SerializeToString()


def measuring(**measured: Any) -> dict[str, Any]:
    return {"report": {"measured": [{"item": "clock_battery", **measured}]}}


IN_SORTING = {
    "text for a number": ("input.wrong_type", measuring(value="7"), None),
    "ten to the thirtieth": ("input.out_of_range", measuring(value=10**30), None),
    "an end that is not on the list": ("input.not_in_list", *reported(ended="boredom")),
    "a photo that is no hash": ("input.wrong_format", *reported(photos=["x"])),
    "a value and a choice": (
        "input.invalid",
        *reported(measured=[{"item": "clock_battery", "value": 1, "choice": "bad"}]),
    ),
    "neither a value nor a choice": ("input.invalid", *reported(measured=[{"item": "clock_battery"}])),
    "the character U+0000": ("input.nul_character", *reported(ended="not_possible", why="a\0")),
}


async def seen_to(entrances: Entrances) -> None:
    """So that its functions can be inspected."""
    await sorting.arrived(entrances.ledger, [NUMBER], unit=UNIT)
    begun = (
        sorting.opened(NUMBER),
        sorting.on(CheckIdentity, asset_no=NUMBER, barcode=NUMBER),
        sorting.on(InspectAppearance, asset_no=NUMBER, report=WHOLE),
    )
    await sorting.tell(entrances.sorting, [(one,) for one in (*sorting.RULES, *begun)])


SERVICES = {
    "registry": Faulty(
        entrances=RegistryEntrances,
        service=registry_pb2.DESCRIPTOR.services_by_name["Registry"],
        noun="meters",
        action="dismantle",
        message=registry_pb2.Dismantle,
        good=DISMANTLE,
        clerk=Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT})),
        faults=of_both(registry_pb2.Dismantle, DISMANTLE) | IN_REGISTRY,
        before=registered,
        other={"work_order": "WO-2"},
        unknown="meter.unknown",
    ),
    "sorting": Faulty(
        entrances=SortingEntrances,
        service=sorting_pb2.DESCRIPTOR.services_by_name["Sorting"],
        noun="inspections",
        action="inspect-function",
        message=sorting_pb2.InspectFunction,
        good=FUNCTION,
        clerk=Principal(subject="u-1", roles=frozenset({Role.INSPECTOR})),
        faults=of_both(sorting_pb2.InspectFunction, FUNCTION) | IN_SORTING,
        before=seen_to,
        other={"report": {"measured": [{"item": "clock_battery", "value": 3_500}]}},
        unknown="inspection.unknown",
    ),
}
TOLD_BY_WHAT_CAME = {
    "a misspelt field",
    "text for a number",
    "ten to the thirtieth",
    "an instant before the year one",
    "an instant after the year 9999",
}
"""A proto has numbers for names and knows no text where a number stands; its numbers end where int64 does."""


class Asked:
    """A platform, and how the one command is given to it in whatever form."""

    def __init__(self, faulty: Faulty, entrances: Entrances) -> None:
        self.faulty, self.entrances, self.platform = faulty, entrances, entrances.platform
        self.web = [one.client for one in (entrances.rest, entrances.gateway)]

    @property
    def clerk(self) -> str:
        return issue(self.platform.keys, self.faulty.clerk)

    async def by_http(self, client, token, body=None, path=None, **headers):
        content = self.faulty.body() if body is None else body
        every = bearer(token) | {"Idempotency-Key": "k", "Content-Type": "application/json"} | headers
        every = {name: value for name, value in every.items() if value is not None}
        return said(await client.post(path or self.faulty.path(), content=content, headers=every))

    async def by_rpc(self, token, body=None, **metadata):
        every = {"authorization": None if token is None else f"Bearer {token}", "idempotency-key": "k"} | metadata
        call = self.entrances.peer._channel.unary_unary(f"/{self.faulty.service.full_name}/{self.faulty.method}")
        content = self.faulty.wire() if body is None else body
        try:
            await call(content, metadata=[(name, one) for name, one in every.items() if one is not None], timeout=20)
        except grpc.aio.AioRpcError as error:
            return refused(refusal_of_error(error))
        raise AssertionError("it was taken")

    async def everywhere(self, token, headers=None, metadata=None, **more):
        """Its own door, the gateway, gRPC."""
        answers = [await self.by_http(client, token, **more, **(headers or {})) for client in self.web]
        return [*answers, await self.by_rpc(token, **(metadata or {}))]


@pytest.fixture(scope="module", params=SERVICES)
def faulty(request):
    return SERVICES[request.param]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(faulty, tmp_path_factory):
    """One platform, on which nothing is ever recorded."""
    async with behind(tmp_path_factory.mktemp("faults")) as platform:
        yield Asked(faulty, faulty.entrances(platform))


@pytest_asyncio.fixture(loop_scope="module")
async def own(faulty, tmp_path):
    """A platform of the test's own, on which the command is accepted."""
    async with behind(tmp_path) as platform:
        entrances = faulty.entrances(platform)
        await faulty.before(entrances)
        yield Asked(faulty, entrances)


async def test_what_is_sent_wrong(asked):
    for fault, (code, more, message) in asked.faulty.faults.items():
        answers = [await asked.by_http(client, asked.clerk, asked.faulty.body(**more)) for client in asked.web]
        if message is not None:
            answers.append(await asked.by_rpc(asked.clerk, message))
        assert_same(answers, code, fault, in_the_same_words=fault not in TOLD_BY_WHAT_CAME)
    assert await asked.entrances.ledger.head() == 0


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_what_is_sent_wrong_among_many(asked, one_by_one):
    media = {"Content-Type": "application/x-ndjson"} if one_by_one else {}
    path = f"/v1/{asked.faulty.noun}/bulk/{asked.faulty.action}"
    for fault, (code, more, _) in asked.faulty.faults.items():
        line = asked.faulty.body(**more, asset_no=NUMBER)
        for client in asked.web:
            answer = await asked.by_http(client, asked.clerk, line if one_by_one else b"[" + line + b"]", path, **media)
            assert [each["code"] for each in answer.value["lines"]] == [code], fault


def token_of(keys, clerk, **claims):
    """A token signed with the right key whose claims or header are other than they should be."""
    signed = issue(keys, clerk)
    header = {**jwt.get_unverified_header(signed), **claims.pop("header", {})}
    given = {**jwt.decode(signed, options={"verify_signature": False}), **claims}
    return jwt.encode(given, (keys / PRIVATE_KEY_FILE).read_bytes(), algorithm="EdDSA", headers=header)


def wrongly_signed(keys, clerk):
    other = keys.parent / "other"
    write_keys(other)
    good = issue(keys, clerk)
    claims = jwt.decode(good, options={"verify_signature": False})
    key = (other / PRIVATE_KEY_FILE).read_bytes()
    return jwt.encode(claims, key, algorithm="EdDSA", headers=jwt.get_unverified_header(good))


TOKENS = {
    "identity.missing_token": lambda *_: None,
    "identity.expired": lambda keys, clerk: issue(keys, clerk, seconds=-3_600),
    "identity.bad_signature": wrongly_signed,
    "identity.wrong_audience": lambda keys, clerk: token_of(keys, clerk, aud="another"),
    "identity.wrong_issuer": lambda keys, clerk: token_of(keys, clerk, iss="https://sso.example"),
    "identity.not_access_token": lambda keys, clerk: token_of(keys, clerk, header={"typ": "JWT"}),
    "identity.missing_claim": lambda keys, clerk: token_of(keys, clerk, roles=[]),
    "identity.malformed": lambda *_: "x.y",
    "access.denied": lambda keys, _: issue(keys, NOBODY),
}


async def test_who_asks_is_not_who_may(asked):
    for code, made in TOKENS.items():
        token = made(asked.platform.keys, asked.faulty.clerk)
        assert_same(await asked.everywhere(token), code, code)
        for client in asked.web:
            announced = await asked.by_http(client, token, b'{"kind":"devices","name":"x","bytes":1}', "/v1/imports")
            imports = code if asked.faulty.noun == "meters" or client is asked.web[1] else "http.no_such_path"
            assert announced.code == imports
    assert await asked.entrances.ledger.head() == 0


@pytest.mark.parametrize(
    ("code", "headers", "metadata"),
    [
        ("request.no_idempotency_key", {"Idempotency-Key": None}, {"idempotency-key": None}),
        ("request.bad_idempotency_key", {"Idempotency-Key": "a b"}, {"idempotency-key": "a b"}),
        ("request.bad_if_match", {"If-Match": "*"}, {"if-match": "*"}),
        ("request.bad_if_match", {"If-Match": 'W/"1"'}, {"if-match": 'W/"1"'}),
    ],
)
async def test_what_goes_along_is_wrong(asked, code, headers, metadata):
    assert_same(await asked.everywhere(asked.clerk, headers, metadata), code, code)


async def test_what_came_too_late_or_twice(own):
    token, ledger = own.clerk, own.entrances.ledger
    head = await ledger.head()
    stale = await own.everywhere(token, {"If-Match": '"7000"'}, {"if-match": "7000"})
    assert_same(stale, "command.stale_version", "stale")
    assert [answer.status for answer in stale] == [412, 412, None]
    unknown = [await own.by_http(client, token, path=own.faulty.path(OTHER)) for client in own.web]
    assert_same([*unknown, await own.by_rpc(token, own.faulty.wire(OTHER))], own.faulty.unknown, "unknown")
    assert await ledger.head() == head
    assert (await own.by_http(own.web[0], token)).code is None
    head = await ledger.head()
    reused = [await own.by_http(client, token, own.faulty.body(**own.faulty.other)) for client in own.web]
    reused.append(await own.by_rpc(token, own.faulty.wire(**own.faulty.other)))
    assert_same(reused, "command.id_reused", "reused")
    again = [await own.by_http(client, token) for client in own.web]
    assert [answer.value["repeated"] for answer in again] == [True, True]
    assert await ledger.head() == head


def assert_same(answers, code, fault, *, in_the_same_words=True):
    assert [answer.code for answer in answers] == [code] * len(answers), (fault, answers)
    if in_the_same_words:
        assert len({(answer.zh, answer.en, answer.fields) for answer in answers}) == 1, (fault, answers)
    for answer in answers:
        assert any("一" <= letter <= "鿿" for letter in answer.zh), answer
        assert any(letter.isascii() and letter.isalpha() for letter in answer.en), answer
        assert not ENGLISH.search(answer.zh), answer
