"""The REST door with the sample parcels: commands, their ids, refusals as problems."""

from collections.abc import AsyncIterator

import httpx
import pytest

from kernel.commands import kebab
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import OTHER_CLERK, STRANGER, client, parcel_door

SEND = {"place": "A", "weight_g": 5}


@pytest.fixture
async def ledger() -> AsyncIterator[MemoryLedger]:
    opened = MemoryLedger()
    yield opened
    await opened.close()


@pytest.fixture
async def web(ledger, tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(parcel_door(ledger, tmp_path), tmp_path) as opened:
        yield opened


def key(name):
    return {"Idempotency-Key": name}


async def test_a_command_is_recorded_and_told(web):
    answer = await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    assert answer.status_code == 201, answer.text
    assert answer.json() == {
        "stream": "parcel-p1",
        "version": 0,
        "position": 1,
        "repeated": False,
        "events": [{"type": "sample.Sent", "data": {"parcel": "p1", "place": "A", "weight_g": 5}}],
        "warnings": [],
    }
    assert answer.headers["etag"] == '"0"'
    moved = await web.post("/v1/parcels/p1/hand-on", json={"place": "B"}, headers=key("k2") | {"If-Match": '"0"'})
    assert (moved.status_code, moved.json()["version"]) == (200, 1)
    assert (answer.headers.get("location"), moved.headers.get("location")) == ("/v1/parcels/p1", None)
    shown = await web.get("/v1/parcels/p1")
    assert shown.json() == {"parcel": "p1", "place": "B", "delivered": False}
    assert shown.headers["etag"] == '"1"'


async def test_the_same_again_answers_as_the_first_time_and_adds_nothing(web, ledger):
    first = await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    await web.post("/v1/parcels/p1/hand-on", json={"place": "B"}, headers=key("k2"))
    again = await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json() | {"repeated": True}
    assert await ledger.head() == 2


async def test_a_key_used_for_another_command_on_the_stream_is_refused(web):
    await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    other = await web.post("/v1/parcels/p1/send", json=SEND | {"place": "B"}, headers=key("k1"))
    assert (other.status_code, other.json()["code"]) == (409, "command.id_reused")


async def test_keys_of_other_callers_and_other_streams_never_meet(web, ledger, tmp_path):
    await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    other = await web.post("/v1/parcels/p2/send", json=SEND | {"place": "B"}, headers=key("k1"))
    assert other.status_code == 201
    async with client(parcel_door(ledger, tmp_path), tmp_path, OTHER_CLERK) as theirs:
        again = await theirs.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    assert again.json()["code"] == "parcel.sent_already"


async def test_what_was_so_already_is_200_without_events(web):
    await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k1"))
    same = await web.post("/v1/parcels/p1/hand-on", json={"place": "A"}, headers=key("k2"))
    assert (same.status_code, same.json()["events"], same.json()["position"]) == (200, [], 0)


async def test_refusals_are_problems_in_both_languages(web):
    answer = await web.post("/v1/parcels/p9/deliver", json={}, headers=key("k") | {"Accept-Language": "en"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:meterloop:problem:parcel.unknown",
        "title": "not found / 不存在",
        "status": 404,
        "detail": "there is no parcel p9 / 没有包裹 p9",
        "code": "parcel.unknown",
        "instance": "/v1/parcels/p9/deliver",
        "zh": "没有包裹 p9",
        "en": "there is no parcel p9",
        "errors": [],
    }
    chinese = await web.post("/v1/parcels/p9/deliver", json={}, headers=key("k"))
    assert chinese.json()["detail"] == "没有包裹 p9 / there is no parcel p9"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "request.no_idempotency_key"),
        (key(""), 400, "request.no_idempotency_key"),
        (key("a b"), 400, "request.bad_idempotency_key"),
        (key("x" * 256), 400, "request.bad_idempotency_key"),
        (key("k") | {"If-Match": "*"}, 400, "request.bad_if_match"),
        (key("k") | {"If-Match": 'W/"1"'}, 400, "request.bad_if_match"),
        (key("k") | {"If-Match": '"7"'}, 412, "command.stale_version"),
        (key("k") | {"Content-Type": "text/plain"}, 415, "request.wrong_media_type"),
        (key("k") | {"Content-Encoding": "gzip"}, 415, "request.compressed"),
        (key("k") | {"Content-Encoding": "identity, br"}, 415, "request.compressed"),
    ],
)
async def test_headers_of_a_command(web, headers, status, code):
    await web.post("/v1/parcels/p1/send", json=SEND, headers=key("k0"))
    answer = await web.post(
        "/v1/parcels/p1/deliver", content=b"{}", headers={"Content-Type": "application/json"} | headers
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_who_may_not_is_refused_before_anything_is_decided(ledger, tmp_path):
    door = parcel_door(ledger, tmp_path)
    async with client(door, tmp_path, STRANGER) as stranger:
        answer = await stranger.post("/v1/parcels/p1/send", json=SEND, headers=key("k"))
        assert (answer.status_code, answer.json()["code"]) == (403, "parcel.not_yours")
    async with client(door, tmp_path, None) as nobody:
        answer = await nobody.post("/v1/parcels/p1/send", json=SEND, headers=key("k"))
        assert (answer.status_code, answer.json()["code"]) == (401, "identity.missing_token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await ledger.head() == 0


async def test_many_at_once_are_answered_line_by_line(web, ledger):
    lines = [
        {"parcel": "p1", **SEND},
        {"parcel": "p2", **SEND, "weight_g": "5"},
        {"parcel": "p3", **SEND},
        {"parcel": "p1", **SEND, "place": "B"},
    ]
    answer = (await web.post("/v1/parcels/bulk/send", json=lines, headers=key("b1"))).json()
    assert (answer["accepted"], answer["repeated"], answer["refused"]) == (2, 0, 2)
    assert [line.get("code") for line in answer["lines"]] == [
        None,
        "input.wrong_type",
        None,
        "parcel.sent_already",
    ]
    assert answer["lines"][1]["errors"][0]["field"] == "weight_g"
    assert answer["lines"][2]["stream"] == "parcel-p3"
    lines[1]["weight_g"] = 5
    again = (await web.post("/v1/parcels/bulk/send", json=lines[::-1], headers=key("b1"))).json()
    outcomes = {line.get("stream", line.get("code")): line["outcome"] for line in again["lines"]}
    assert outcomes["parcel-p2"] == "accepted"
    assert outcomes["parcel-p3"] == "repeated"
    assert outcomes["command.id_reused"] == "refused"
    assert await ledger.head() == 3


async def test_many_as_lines_of_json(web):
    body = b'{"parcel":"p1","place":"A","weight_g":1}\n\n{"parcel":"p2",\n{"parcel":"p3","place":"A","weight_g":1}\r\n'
    headers = key("b") | {"Content-Type": "application/x-ndjson"}
    answer = (await web.post("/v1/parcels/bulk/send", content=body, headers=headers)).json()
    assert [line.get("code") for line in answer["lines"]] == [None, "input.not_json", None]


async def test_more_lines_than_the_limit_are_refused_whole(web, ledger):
    lines = [{"parcel": f"p{n}", **SEND} for n in range(1001)]
    answer = await web.post("/v1/parcels/bulk/send", json=lines, headers=key("b"))
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_many_lines")
    assert await ledger.head() == 0


def test_command_names_in_paths():
    assert kebab("RecordFinalReading") == "record-final-reading"
    assert kebab("SendPDFNow") == "send-pdf-now"
