"""One table of bad input, refused alike by REST, by a bulk line and by gRPC, and nothing recorded."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Literal

import httpx
import msgspec
import pytest

from kernel.grpc_client import Peer
from kernel.grpc_messages import plain_of_bytes
from kernel.http_limits import COMMAND_BYTES_MAX
from kernel.identity_issuer import issue
from kernel.intake import Malformed, errors_of, plain_of_json, struct_of
from kernel.principal import Role
from kernel.refusal import Refusal
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import CLERK, client, parcel_door, parcel_rpc
from tests.kernel.sample_wire import message

GOOD = {"mass_g": 5, "at": "2024-03-05T08:00:00+08:00"}


def weigh(**more):
    return message("Weigh")(crate="c1", mass_g=5, at=datetime(2024, 3, 5, tzinfo=UTC), **more)


def other(**more):
    return message("OtherWeigh")(crate="c1", **more)


# What is wrong, as JSON, as a message, the code of both and the field at fault.
ALIKE = [
    ({"colr": "red"}, other(colr="red"), "input.unknown_field", "colr"),
    ({"mass_g": "5"}, other(mass_g="5"), "input.wrong_type", "mass_g"),
    ({"mass_g": 10**30}, weigh(), "input.out_of_range", "mass_g"),
    ({"mass_g": -1}, weigh(), "input.out_of_range", "mass_g"),
    ({"colour": "green"}, weigh(colour="green"), "input.not_in_list", "colour"),
    ({"remark": ""}, weigh(remark=""), "input.wrong_length", "remark"),
    ({"remark": "a\0b"}, weigh(remark="a\0b"), "input.nul_character", "remark"),
    (
        {"items": [{"name": "a", "mass_g": 1}, {"name": "", "mass_g": 1}]},
        weigh(items=[{"name": "a", "mass_g": 1}, {"name": "", "mass_g": 1}]),
        "input.wrong_length",
        "items[1].name",
    ),
    (
        {"items": [{"name": "a", "mass_g": "1"}]},
        other(items=[{"name": "a", "mass_g": "1"}]),
        "input.wrong_type",
        "items[0].mass_g",
    ),
]
for _line, _value in ((2, 2**62), (3, -1)):
    ALIKE[_line][1].mass_g = _value

# What only JSON can get wrong.
JSON_ONLY = [
    ({"at": 5.5}, "input.wrong_type", "at"),
    ({"mass_g": 1.0}, "input.wrong_type", "mass_g"),
    ({"mass_g": 1e30}, "input.wrong_type", "mass_g"),
    ({"mass_g": True}, "input.wrong_type", "mass_g"),
    ({"mass_g": None}, "input.wrong_type", "mass_g"),
    ({"at": "2024-03-05T08:00:00"}, "input.no_zone", "at"),
    ({"at": "2024-03-05"}, "input.wrong_format", "at"),
    ({"at": "2024-02-30T08:00:00Z"}, "input.wrong_format", "at"),
    ({"items": {}}, "input.wrong_type", "items"),
    ({"tags": {"a": "x"}}, "input.wrong_type", "tags[...]"),
    ({"crate": "c1"}, "input.unknown_field", "crate"),
]

TORN = [
    (b"", 400, "input.not_json"),
    (b"{", 400, "input.not_json"),
    (b"[]", 422, "input.wrong_type"),
    (b'"text"', 422, "input.wrong_type"),
    (b'{"mass_g":NaN}', 400, "input.not_json"),
    (b'{"mass_g":1}{', 400, "input.not_json"),
    (b"\xef\xbb\xbf{}", 400, "input.not_json"),
    (b'{"remark":"\xff"}', 400, "input.not_utf8"),
    (b'{"remark":"\\ud800"}', 400, "input.not_json"),
    (b'{"mass_g":' + b"9" * 5000 + b"}", 400, "input.not_json"),
    (b"[" * 50_000, 400, "input.too_deep"),
    (b'{"a":' * 50_000, 400, "input.too_deep"),
    (b'{"mass_g":1,"mass_g":2,"at":"2024-03-05T08:00:00Z"}', 422, "input.repeated_field"),
    (b'{"mass_g":1,"at":"2024-03-05T08:00:00Z","items":[{"name":"a","name":"b"}]}', 422, "input.repeated_field"),
]


@pytest.fixture
async def ledger() -> AsyncIterator[MemoryLedger]:
    opened = MemoryLedger()
    yield opened
    await opened.close()


@pytest.fixture
async def web(ledger, tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(parcel_door(ledger, tmp_path), tmp_path) as opened:
        yield opened


@pytest.fixture
async def weigh_by_rpc(ledger, tmp_path):
    door, port = await parcel_rpc(ledger, tmp_path)
    peer = Peer(f"127.0.0.1:{port}")

    async def weigh_it(request):
        token = f"Bearer {issue(tmp_path, CLERK)}"
        return await peer.call(
            "sample.v1.Crates/Weigh", request, message("Outcome"), authorization=token, idempotency_key="k"
        )

    yield weigh_it
    await peer.close()
    await door.stop(1.0)


def said(problem):
    return problem["code"], problem["errors"][0]["code"], problem["errors"][0]["field"]


@pytest.mark.parametrize(("wrong", "request_message", "code", "field"), ALIKE)
async def test_both_doors_refuse_alike(web, weigh_by_rpc, ledger, wrong, request_message, code, field):
    body = json.dumps(GOOD | wrong)
    single = await web.post(
        "/v1/crates/c1/weigh", content=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
    )
    assert single.status_code == 422
    assert said(single.json()) == (code, code, field)
    bulk = await web.post(
        "/v1/crates/bulk/weigh", json=[{"crate": "c1"} | GOOD | wrong], headers={"Idempotency-Key": "k"}
    )
    assert said(bulk.json()["lines"][0]) == (code, code, field)
    with pytest.raises(Malformed) as refused:
        await weigh_by_rpc(request_message)
    # A message has numbers for names: what it does not know has no name to tell.
    field_there = "#9" if code == "input.unknown_field" else field
    assert (refused.value.code, errors_of(refused.value)[0].field) == (code, field_there)
    assert await ledger.head() == 0


@pytest.mark.parametrize(("wrong", "code", "field"), JSON_ONLY)
async def test_what_only_json_can_say_wrongly(web, ledger, wrong, code, field):
    answer = await web.post("/v1/crates/c1/weigh", json=GOOD | wrong, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert said(answer.json()) == (code, code, field)
    assert await ledger.head() == 0


@pytest.mark.parametrize(("body", "status", "code"), TORN)
async def test_torn_bodies(web, ledger, body, status, code):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await web.post("/v1/crates/c1/weigh", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await ledger.head() == 0


async def test_an_instant_beyond_the_calendar_is_refused_by_rpc(weigh_by_rpc):
    request = weigh()
    request.at.seconds = 10**15
    with pytest.raises(Malformed) as refused:
        await weigh_by_rpc(request)
    assert (refused.value.code, refused.value.errors[0].field) == ("input.out_of_range", "at")


def test_what_is_amiss_further_down_is_told_with_its_place():
    second = weigh(items=[{"name": "b"}]).items[0].SerializeToString() + b"\x4a\x01x"
    body = weigh(items=[{"name": "a"}]).SerializeToString() + b"\x32" + bytes([len(second)]) + second
    with pytest.raises(Malformed) as refused:
        plain_of_bytes(message("Weigh").DESCRIPTOR, body)
    assert (refused.value.code, refused.value.errors[0].field) == ("input.unknown_field", "items[1].#9")


@pytest.mark.parametrize(
    ("remark", "mass_g", "refused"),
    [("a\0b", 5, True), ("a\\u0000b", 2**40, False), ("\\u0000 \0", 2**40, True), ("ab", 2**40, False)],
)
def test_zeros_of_a_number_and_an_escape_that_was_written_out_are_no_nul(remark, mass_g, refused):
    body = weigh(remark=remark, items=[{"name": "a", "mass_g": mass_g}]).SerializeToString()
    if refused:
        with pytest.raises(Malformed) as why:
            plain_of_bytes(message("Weigh").DESCRIPTOR, body)
        assert why.value.code == "input.nul_character"
    else:
        assert plain_of_bytes(message("Weigh").DESCRIPTOR, body)["remark"] == remark


async def test_every_fault_at_the_top_is_named_at_once(web):
    body = {"mass_g": "5", "colr": 1, "colour": "green"}
    answer = (await web.post("/v1/crates/c1/weigh", json=body, headers={"Idempotency-Key": "k"})).json()
    assert {(one["field"], one["code"]) for one in answer["errors"]} == {
        ("mass_g", "input.wrong_type"),
        ("colr", "input.unknown_field"),
        ("colour", "input.not_in_list"),
        ("at", "input.missing_field"),
    }
    assert "green" not in json.dumps(answer)


@pytest.mark.parametrize(
    "key", ["a%20b", "-a", "a" * 65, "a%0A", "%00", "..", "a%2Fb", "%E4%B8%AD"], ids=lambda key: key[:8]
)
async def test_a_key_that_is_none_is_refused(web, ledger, key):
    answer = await web.post(f"/v1/crates/{key}/weigh", json=GOOD, headers={"Idempotency-Key": "k"})
    assert answer.status_code in {404, 422}
    assert answer.json()["code"] in {"input.wrong_format", "http.no_such_path"}
    assert await ledger.head() == 0


async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(web, ledger):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    announced = await web.post("/v1/crates/c1/weigh", content=b" " * (COMMAND_BYTES_MAX + 1), headers=headers)
    assert (announced.status_code, announced.json()["code"]) == (413, "request.too_large")

    async def drip():
        for _ in range(COMMAND_BYTES_MAX // 1_000 + 1):
            yield b" " * 1_000

    dripped = await web.post("/v1/crates/c1/weigh", content=drip(), headers=headers)
    assert (dripped.status_code, dripped.json()["code"]) == (413, "request.too_large")
    assert await ledger.head() == 0


async def test_a_caller_who_leaves_in_the_middle_leaves_nothing(ledger, tmp_path):
    door = parcel_door(ledger, tmp_path)
    headers = {
        "authorization": f"Bearer {issue(tmp_path, CLERK)}",
        "idempotency-key": "k",
        "content-type": "application/json",
    }
    coming = [{"type": "http.request", "body": b'{"mass_g":5,', "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return coming.pop(0)

    async def send(part):
        sent.append(part)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/crates/c1/weigh",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await door.app(scope, receive, send)
    assert (sent, coming) == ([], [])
    assert await ledger.head() == 0


def test_deep_json_that_is_shallow_enough_is_read():
    deep = b"[" * 200 + b"]" * 200
    assert plain_of_json(deep)
    with pytest.raises(Refusal):
        plain_of_json(b"[" * 100_000 + b"]" * 100_000)


class _Shade(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    colour: Annotated[Literal["red", "blue"], msgspec.Meta(description="of the paint")] | None = None
    sizes: tuple[Literal[1, 2], ...] = ()
    below: list["_Shade"] = []
    named: dict[str, Role] = {}


@pytest.mark.parametrize(
    ("plain", "field", "choices"),
    [
        ({"colour": "green"}, "colour", "blue, red"),
        ({"sizes": [1, 3]}, "sizes[1]", "1, 2"),
        ({"below": [{}, {"colour": "green"}]}, "below[1].colour", "blue, red"),
        ({"named": {"a": "king"}}, "named[...]", ", ".join(Role)),
    ],
)
def test_what_is_not_in_a_list_is_told_with_what_is_in_it(plain, field, choices):
    with pytest.raises(Malformed) as refused:
        struct_of(_Shade, plain)
    (error,) = errors_of(refused.value)
    assert (error.code, error.field) == ("input.not_in_list", field)
    assert error.en == f"{field} must be one of: {choices}"
    assert error.zh == f"{field} 的取值应为以下之一：{choices}"
    assert "green" not in error.en, "the value may be personal"


def test_the_whole_is_not_named_by_a_sign():
    with pytest.raises(Malformed) as refused:
        struct_of(_Shade, [1])
    (error,) = errors_of(refused.value)
    assert (error.field, "$" in error.zh + error.en) == ("", False)
    assert error.en.endswith("content must be an object, it is a list")
