"""One fault has one code and one text in both languages, whichever way it comes in."""

import asyncio
import csv
import io

import grpc
import jwt
import msgspec
import pytest
import pytest_asyncio

from kernel.grpc_refusal import refusal_of_error
from kernel.identity_issuer import PRIVATE_KEY_FILE, issue, write_keys
from kernel.principal import Principal, Role
from kernel.wire.registry.v1 import registry_pb2
from services.registry.asset_number import compose
from services.registry.site import OpenSite
from tests.doors.entrances import bearer, refused, said
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import SERVICE, Entrances
from tests.registry.stories import NUMBER, OTHER, UNIT, on

PATH = f"/v1/meters/{NUMBER}/dismantle"
GOOD = {"occurred_on": "2026-03-05", "work_order": "WO-1", "unit": UNIT, "site": "store-1", "reason": "fault"}
CLERK = Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))
MESSAGE = registry_pb2.Dismantle(asset_no=NUMBER, **GOOD)
UNHEARD_FIELD = b"\xfa\x06\x01x"
TEXT_FOR_READING = b"\x4a\x03\x0a\x01x"
"""Field 9, the reading, whose field 1, a number, comes as text."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrances(tmp_path_factory):
    """Of one platform, on which nothing is ever recorded."""
    async with behind(tmp_path_factory.mktemp("faults")) as platform:
        yield Entrances(platform)


@pytest_asyncio.fixture(loop_scope="module")
async def own_entrances(tmp_path):
    """Of a platform of the test's own."""
    async with behind(tmp_path) as platform:
        yield Entrances(platform)


async def by_http(client, token, body=None, path=PATH, **headers):
    content = msgspec.json.encode(GOOD) if body is None else body
    every = bearer(token) | {"Idempotency-Key": "k", "Content-Type": "application/json"} | headers
    every = {name: value for name, value in every.items() if value is not None}
    return said(await client.post(path, content=content, headers=every))


async def by_rpc(peer, token, body=None, method="Dismantle", **metadata):
    every = {"authorization": None if token is None else f"Bearer {token}", "idempotency-key": "k"} | metadata
    call = peer._channel.unary_unary(f"/{SERVICE.full_name}/{method}")
    content = MESSAGE.SerializeToString() if body is None else body
    try:
        await call(content, metadata=[(name, one) for name, one in every.items() if one is not None], timeout=20)
    except grpc.aio.AioRpcError as error:
        return refused(refusal_of_error(error))
    raise AssertionError("it was taken")


def plain(**more):
    return msgspec.json.encode(GOOD | more)


FAULTS = {
    "a misspelt field": ("input.unknown_field", plain(colour="red"), MESSAGE.SerializeToString() + UNHEARD_FIELD),
    "text for a number": (
        "input.wrong_type",
        plain(reading={"total_wh": "7"}),
        MESSAGE.SerializeToString() + TEXT_FOR_READING,
    ),
    "a time without its zone": ("input.no_zone", plain(occurred_on=None, occurred_at="2026-03-05T08:00:00"), None),
    "ten to the thirtieth": ("input.out_of_range", plain(reading={"total_wh": 10**30}), None),
    "a number below zero": (
        "input.out_of_range",
        plain(reading={"total_wh": -1}),
        registry_pb2.Dismantle(asset_no=NUMBER, reading={"total_wh": -1}, **GOOD).SerializeToString(),
    ),
    "a unit of four digits": (
        "input.wrong_format",
        plain(unit="9940"),
        registry_pb2.Dismantle(asset_no=NUMBER, **GOOD | {"unit": "9940"}).SerializeToString(),
    ),
    "a reason that is not on the list": (
        "input.not_in_list",
        plain(reason="boredom"),
        registry_pb2.Dismantle(asset_no=NUMBER, **GOOD | {"reason": "boredom"}).SerializeToString(),
    ),
    "a year before there were meters": (
        "input.invalid",
        plain(occurred_on="1066-10-14"),
        registry_pb2.Dismantle(asset_no=NUMBER, **GOOD | {"occurred_on": "1066-10-14"}).SerializeToString(),
    ),
    "an instant before the year one": (
        "input.invalid",
        plain(occurred_on=None, occurred_at="0001-01-01T00:00:00+08:00"),
        None,
    ),
    "an instant after the year 9999": (
        "input.invalid",
        plain(occurred_on=None, occurred_at="9999-12-31T23:59:59-08:00"),
        None,
    ),
    "the character U+0000": (
        "input.nul_character",
        plain(work_order="a\0"),
        registry_pb2.Dismantle(asset_no=NUMBER, **GOOD | {"work_order": "a\0"}).SerializeToString(),
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


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_sent_wrong(entrances, fault):
    code, text, message = FAULTS[fault]
    token = issue(entrances.platform.keys, CLERK)
    answers = [await by_http(one.client, token, text) for one in (entrances.rest, entrances.gateway)]
    if message is not None:
        answers.append(await by_rpc(entrances.platform.peer, token, message))
    assert_same(answers, code, in_the_same_words=fault not in TOLD_BY_WHAT_CAME)
    assert await entrances.ledger.head() == 0


@pytest.mark.parametrize("one_by_one", [True, False])
async def test_what_is_sent_wrong_among_many(entrances, one_by_one):
    token = issue(entrances.platform.keys, CLERK)
    media = {"Content-Type": "application/x-ndjson"} if one_by_one else {}
    for fault, (code, text, _) in FAULTS.items():
        line = text[:-1] + f',"asset_no":"{NUMBER}"}}'.encode()
        body = line if one_by_one else b"[" + line + b"]"
        for one in (entrances.rest, entrances.gateway):
            answer = await by_http(one.client, token, body, "/v1/meters/bulk/dismantle", **media)
            assert [each["code"] for each in answer.value["lines"]] == [code], fault


def token_of(keys, **claims):
    """A token signed with the right key whose claims or header are other than they should be."""
    signed = issue(keys, CLERK)
    header = {**jwt.get_unverified_header(signed), **claims.pop("header", {})}
    given = {**jwt.decode(signed, options={"verify_signature": False}), **claims}
    return jwt.encode(given, (keys / PRIVATE_KEY_FILE).read_bytes(), algorithm="EdDSA", headers=header)


def wrongly_signed(keys):
    other = keys.parent / "other"
    write_keys(other)
    good = issue(keys, CLERK)
    claims = jwt.decode(good, options={"verify_signature": False})
    key = (other / PRIVATE_KEY_FILE).read_bytes()
    return jwt.encode(claims, key, algorithm="EdDSA", headers=jwt.get_unverified_header(good))


TOKENS = {
    "identity.missing_token": lambda _: None,
    "identity.expired": lambda keys: issue(keys, CLERK, seconds=-3_600),
    "identity.bad_signature": wrongly_signed,
    "identity.wrong_audience": lambda keys: token_of(keys, aud="another"),
    "identity.wrong_issuer": lambda keys: token_of(keys, iss="https://sso.example"),
    "identity.not_access_token": lambda keys: token_of(keys, header={"typ": "JWT"}),
    "identity.missing_claim": lambda keys: token_of(keys, roles=[]),
    "identity.malformed": lambda _: "x.y",
    "access.denied": lambda keys: issue(keys, Principal(subject="u-2", roles=frozenset({Role.FINANCE}))),
}


@pytest.mark.parametrize("code", TOKENS)
async def test_who_asks_is_not_who_may(entrances, code):
    token = TOKENS[code](entrances.platform.keys)
    answers = [await by_http(one.client, token) for one in (entrances.rest, entrances.gateway)]
    answers.append(await by_rpc(entrances.platform.peer, token))
    assert_same(answers, code)
    for one in (entrances.rest, entrances.gateway):
        announced = await by_http(one.client, token, b'{"kind":"devices","name":"x","bytes":1}', "/v1/imports")
        assert announced.code == code
    assert await entrances.ledger.head() == 0


@pytest.mark.parametrize(
    ("code", "headers", "metadata"),
    [
        ("request.no_idempotency_key", {"Idempotency-Key": None}, {"idempotency-key": None}),
        ("request.bad_idempotency_key", {"Idempotency-Key": "a b"}, {"idempotency-key": "a b"}),
        ("request.bad_if_match", {"If-Match": "*"}, {"if-match": "*"}),
        ("request.bad_if_match", {"If-Match": 'W/"1"'}, {"if-match": 'W/"1"'}),
    ],
)
async def test_what_goes_along_is_wrong(entrances, code, headers, metadata):
    token = issue(entrances.platform.keys, CLERK)
    answers = [await by_http(one.client, token, **headers) for one in (entrances.rest, entrances.gateway)]
    answers.append(await by_rpc(entrances.platform.peer, token, **metadata))
    assert_same(answers, code)


async def test_what_came_too_late_or_twice(own_entrances):
    token = issue(own_entrances.platform.keys, CLERK)
    opened = on(OpenSite, site_id="store-1", kind="unit_store", name="合成表库", unit=UNIT)
    await tell(own_entrances.platform.registry, [opened])
    register = msgspec.json.encode({"occurred_on": "2026-03-01", "device_class": "01", "unit": UNIT})
    path = f"/v1/meters/{NUMBER}/register"
    assert (await by_http(own_entrances.rest.client, token, register, path)).status == 201
    stale = [
        await by_http(one.client, token, **{"If-Match": '"7"'}) for one in (own_entrances.rest, own_entrances.gateway)
    ]
    stale.append(await by_rpc(own_entrances.platform.peer, token, **{"if-match": "7"}))
    assert_same(stale, "command.stale_version")
    assert [answer.status for answer in stale] == [412, 412, None]
    assert (await by_http(own_entrances.rest.client, token)).code is None
    other = plain(work_order="WO-2")
    reused = [await by_http(one.client, token, other) for one in (own_entrances.rest, own_entrances.gateway)]
    message = registry_pb2.Dismantle(asset_no=NUMBER, **GOOD | {"work_order": "WO-2"})
    reused.append(await by_rpc(own_entrances.platform.peer, token, message.SerializeToString()))
    assert_same(reused, "command.id_reused")
    again = [await by_http(one.client, token) for one in (own_entrances.rest, own_entrances.gateway)]
    assert [answer.value["repeated"] for answer in again] == [True, True]
    unknown = [
        await by_http(one.client, token, path=f"/v1/meters/{OTHER}/dismantle")
        for one in (own_entrances.rest, own_entrances.gateway)
    ]
    message = registry_pb2.Dismantle(asset_no=OTHER, **GOOD)
    unknown.append(await by_rpc(own_entrances.platform.peer, token, message.SerializeToString()))
    assert_same(unknown, "meter.unknown")
    assert await own_entrances.ledger.head() == 3


async def test_rows_of_a_file_are_refused_under_the_same_codes_at_both_doors(entrances):
    numbers = [compose(UNIT, "01", f"{serial:014d}") for serial in range(4)]
    rows = [
        (numbers[0], UNIT, "2026-01-05"),
        ("4.13E+21", UNIT, "2026-01-05"),
        (numbers[1], UNIT, "2026-02-30"),
        (numbers[2], "994", "2026-01-05"),
        (numbers[3], "99402", "2026-01-05"),
    ]
    lines = "".join(f"{number},01,{unit},{day}\n" for number, unit, day in rows)
    content = f"资产编号,设备类别,管理单位,登记日期\n{lines}".encode()
    codes = [await imported(one.client, issue(entrances.platform.keys, CLERK), content) for one in both(entrances)]
    assert codes[0] == codes[1]
    assert [code for _, code in codes[0]] == [
        "import_cell.scientific_notation",
        "import_cell.date_impossible",
        "import_cell.unlisted",
        "access.denied",
    ]


def both(entrances):
    return entrances.rest, entrances.gateway


async def imported(client, token, content):
    """The row and the code of every refusal of a file."""
    announced = {"kind": "devices", "name": "合成.csv", "bytes": len(content), "dry_run": True}
    key = "rest" if "registry" in str(client.base_url) else "gateway"
    made = await by_http(client, token, msgspec.json.encode(announced), "/v1/imports", **{"Idempotency-Key": key})
    path = f"/v1/imports/{made.value['import_id']}"
    await client.patch(path, content=content, headers=bearer(token) | {"Upload-Offset": "0"})
    async with asyncio.timeout(60):
        while (await client.get(path, headers=bearer(token))).json()["state"] not in {"done", "failed"}:  # noqa: ASYNC110  an import is asked how it stands
            await asyncio.sleep(0.05)
    errors = (await client.get(f"{path}/errors", headers=bearer(token))).content.decode("utf-8-sig")
    return [(row["行 row"], row["代码 code"]) for row in csv.DictReader(io.StringIO(errors))]


def assert_same(answers, code, *, in_the_same_words=True):
    assert [answer.code for answer in answers] == [code] * len(answers), answers
    if in_the_same_words:
        assert len({(answer.zh, answer.en, answer.fields) for answer in answers}) == 1, answers
    for answer in answers:
        assert any("一" <= letter <= "鿿" for letter in answer.zh), answer
        assert any(letter.isascii() and letter.isalpha() for letter in answer.en), answer
