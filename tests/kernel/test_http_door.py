"""The REST door around its commands: questions, pages, caches, limits, faults, and what the document promises."""

import asyncio
import re
from datetime import date
from typing import Annotated, Literal

import pytest
from fastapi import Query

from kernel.http_limits import HttpLimits
from kernel.http_openapi import JSON
from kernel.http_page import Cursors, not_modified
from kernel.http_problem import PROBLEM_JSON, prefers_english
from kernel.refusal import Refusal
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import client, parcel_door

SEND = {"place": "A", "weight_g": 5}


@pytest.fixture
def door(tmp_path):
    return parcel_door(MemoryLedger(), tmp_path)


@pytest.fixture
async def web(door, tmp_path):
    async with client(door, tmp_path) as opened:
        yield opened


async def test_a_list_goes_on_by_its_link(web):
    first = await web.get("/v1/numbers", params={"odd": "true", "limit": 5})
    assert [row["number"] for row in first.json()["items"]] == [1, 3, 5, 7, 9]
    second = await web.get(first.links["next"]["url"])
    assert [row["number"] for row in second.json()["items"]] == [11, 13, 15, 17, 19]
    third = await web.get("/v1/numbers", params={"odd": "true", "limit": 5, "cursor": second.json()["next"]})
    assert [row["number"] for row in third.json()["items"]] == [21, 23, 25]
    assert third.json()["next"] is None
    assert "link" not in third.headers


async def test_a_cursor_is_of_no_use_elsewhere_or_changed(web):
    cursor = (await web.get("/v1/numbers", params={"odd": "true"})).json()["next"]
    assert cursor is None
    cursor = (await web.get("/v1/numbers", params={"odd": "true", "limit": 2})).json()["next"]
    changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    for params in ({"cursor": cursor}, {"odd": "true", "cursor": changed}, {"cursor": ""}, {"cursor": "é" * 1_200}):
        answer = await web.get("/v1/numbers", params=params)
        assert (answer.status_code, answer.json()["code"]) == (400, "request.bad_cursor"), params


def test_cursors_of_another_key_do_not_count():
    sealed = Cursors(b"a" * 32).seal("q", ["x", 1, None, 2.5, True])
    assert Cursors(b"a" * 32).open("q", sealed) == ("x", 1, None, 2.5, True)
    for cursors, query in ((Cursors(b"b" * 32), "q"), (Cursors(b"a" * 32), "r")):
        with pytest.raises(Refusal):
            cursors.open(query, sealed)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "input.out_of_range"),
        ("limit=501", "input.out_of_range"),
        ("limit=x", "input.wrong_type"),
        ("limit=99999999999999999999999", "input.out_of_range"),
        ("lmit=3", "input.unknown_field"),
        ("limit=3&limit=4", "input.repeated_field"),
        ("odd=perhaps", "input.wrong_type"),
        ("odd=%00", "input.nul_character"),
    ],
)
async def test_parameters_are_read_as_strictly_as_bodies(web, query, code):
    answer = await web.get(f"/v1/numbers?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["field"] in query


async def test_what_has_not_changed_is_not_sent_again(web):
    await web.post("/v1/parcels/p1/send", json=SEND, headers={"Idempotency-Key": "k"})
    shown = await web.get("/v1/parcels/p1")
    assert (shown.headers["etag"], shown.headers["cache-control"]) == ('"0"', "private, no-cache")
    assert shown.headers["x-content-type-options"] == "nosniff"
    same = await web.get("/v1/parcels/p1", headers={"If-None-Match": '"7", W/"0"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"0"')
    public = await web.get("/v1/numbers")
    assert re.fullmatch(r'"[\w-]{24}"', public.headers["etag"])
    assert public.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("header", "same"),
    [(None, False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False)],
)
def test_if_none_match(header, same):
    assert not_modified(header, '"a"') is same


@pytest.mark.parametrize(
    ("header", "english"),
    [
        ("", False),
        ("en", True),
        ("en-GB,en;q=0.9", True),
        ("zh-CN,zh;q=0.9,en;q=0.8", False),
        ("zh;q=0.3,en;q=0.4", True),
        ("fr", False),
        ("en;q=x", False),
        ("en;q=0", False),
        (",,;;q=,", False),
    ],
)
def test_the_language_that_comes_first(header, english):
    assert prefers_english(header) is english


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "http.no_such_path"),
        ("GET", "/v1/parcels/a/b/c", 404, "http.no_such_path"),
        ("GET", "/v1/numbers/", 404, "http.no_such_path"),
        ("PUT", "/v1/numbers", 405, "http.method_not_allowed"),
        ("GET", "/v1/parcels/p1/send", 405, "http.method_not_allowed"),
        ("TRACE", "/v1/numbers", 405, "http.method_not_allowed"),
        ("GET", "/v1/numbers?" + "a" * 9_000, 413, "request.query_too_long"),
    ],
)
async def test_what_reaches_no_handler_is_a_problem_too(web, method, path, status, code):
    answer = await web.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert ("allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("", "input.missing_field", "size"),
        ("size=x", "input.wrong_type", "size"),
        ("size=0", "input.out_of_range", "size"),
        ("size=1&name=", "input.wrong_length", "name"),
        ("size=1&name=B", "input.wrong_format", "name"),
        ("size=1&day=2024-02-30", "input.wrong_format", "day"),
        ("size=1&colour=green", "input.not_in_list", "colour"),
    ],
)
async def test_routes_of_fastapi_s_own_kind_say_it_in_our_words(door, web, query, code, field):
    async def own(
        size: Annotated[int, Query(ge=1)],
        name: Annotated[str, Query(min_length=1, pattern="^[a-z]*$")] = "a",
        day: date | None = None,
        colour: Literal["red"] = "red",
    ):
        return [size, name, day, colour]

    door.app.add_api_route("/own", own)
    answer = await web.get(f"/own?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM_JSON)
    assert (answer.json()["code"], answer.json()["errors"][0]["field"]) == (code, field)


async def test_a_fault_of_ours_tells_nothing_of_itself(door, web):
    async def broken():
        raise RuntimeError("the password is hunter2")

    door.app.add_api_route("/broken", broken)
    answer = await web.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "server.fault")
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert "hunter2" not in answer.text


async def test_what_takes_too_long_or_comes_too_thick_is_turned_away(tmp_path):
    waiting, arrived = asyncio.Event(), asyncio.Queue[None]()

    async def wait():
        arrived.put_nowait(None)
        await waiting.wait()

    async def quick():
        return {}

    door = parcel_door(MemoryLedger(), tmp_path, HttpLimits(request_s_max=1.0, in_flight_max=3))
    door.app.add_api_route("/wait", wait)
    door.app.add_api_route("/quick", quick)
    async with client(door, tmp_path) as web:
        held = [asyncio.create_task(web.get("/wait")) for _ in range(3)]
        for _ in held:
            await arrived.get()
        full = await web.get("/quick")
        assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (503, "request.overloaded", "1")
        for late in await asyncio.gather(*held):
            assert (late.status_code, late.json()["code"]) == (504, "request.deadline")
        assert (await web.get("/quick")).status_code == 200


async def test_a_ledger_that_is_away_is_said_and_the_same_request_is_safe(tmp_path):
    ledger = MemoryLedger()
    async with client(parcel_door(ledger, tmp_path), tmp_path) as web:
        await ledger.close()
        answer = await web.post("/v1/parcels/p1/send", json=SEND, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (503, "ledger.unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_sealed_ledger_is_said_and_still_read(tmp_path):
    ledger = MemoryLedger()
    async with client(parcel_door(ledger, tmp_path), tmp_path) as web:
        await web.post("/v1/parcels/p1/send", json=SEND, headers={"Idempotency-Key": "before"})
        await ledger.seal(b"{}")
        assert (await web.get("/v1/parcels/p1")).is_success
        answer = await web.post("/v1/parcels/p2/send", json=SEND, headers={"Idempotency-Key": "after"})
    assert (answer.status_code, answer.json()["code"]) == (503, "ledger.sealed")
    assert answer.headers["retry-after"] == "1"


async def test_the_document_has_a_component_for_every_type_and_every_error_once(web):
    document = (await web.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert {"Problem", "Accepted", "WeighBody", "Weigh", "BulkAnswer", "ParcelCard", "NumberPage"} <= schemas.keys()
    assert "HTTPValidationError" not in schemas
    body = schemas["WeighBody"]
    assert "crate" not in body["properties"]
    assert body["additionalProperties"] is False
    assert body["properties"]["mass_g"]["maximum"] == 10**12
    assert sorted(body["required"]) == ["at", "mass_g"]
    weigh = document["paths"]["/v1/crates/{crate}/weigh"]["post"]
    assert weigh["description"] == "称重 Put a crate on the scales."
    assert weigh["requestBody"]["content"][JSON]["schema"] == {"$ref": "#/components/schemas/WeighBody"}
    assert {"400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "500", "503", "504"} < set(
        weigh["responses"]
    )
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert response == {"$ref": f"#/components/responses/Problem{status}"}
    send = document["paths"]["/v1/parcels/{parcel}/send"]["post"]
    assert {"200", "201"} <= set(send["responses"])
    assert {one["name"]: one["in"] for one in send["parameters"]} == {
        "parcel": "path",
        "Idempotency-Key": "header",
        "If-Match": "header",
    }


async def test_swagger_ui_needs_nothing_from_elsewhere(web):
    page = (await web.get("/docs")).text
    assert not re.search(r"https?://|//cdn", page)
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        assert (await web.get(asset)).status_code == 200, asset
