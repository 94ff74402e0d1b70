"""Imports through the gateway: announced, sent in pieces, resumed, run once; the same file again changes nothing."""

import asyncio

import httpx
import pytest

from gateway.uploads import SERVICE
from kernel.door import BadRequest
from kernel.http_files import disposition
from kernel.principal import Role
from kernel.refusal import Refusal
from kernel.wire.registry.v1 import registry_pb2
from services.registry.asset_number import compose
from tests.gateway.behind import behind

NUMBERS = [compose("99401", "01", f"{serial:014d}") for serial in range(40)]


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        yield started


def devices_csv(numbers=NUMBERS):
    rows = [f"{number},单相智能电能表,99401,2026-01-05" for number in numbers]
    return ("资产编号,设备类别,管理单位,登记日期\n" + "\n".join(rows) + "\n").encode("gb18030")


async def announced(platform, kind, content, *, key="k", **more):
    answer = await platform.client.post(
        "/v1/imports",
        json={"kind": kind, "name": "器具.csv", "bytes": len(content), **more},
        headers=platform.headers(Role.OPERATOR, units=("99401",), key=key),
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["import_id"]


async def sent(platform, import_id, content, offset=0):
    return await platform.client.patch(
        f"/v1/imports/{import_id}",
        content=content,
        headers=platform.headers(Role.OPERATOR, units=("99401",)) | {"Upload-Offset": str(offset)},
    )


async def over(platform, import_id):
    async with asyncio.timeout(30):
        while True:
            answer = await platform.client.get(
                f"/v1/imports/{import_id}", headers=platform.headers(Role.OPERATOR, units=("99401",))
            )
            if answer.json()["state"] in {"done", "failed", "cancelled"}:
                return answer.json()
            await asyncio.sleep(0.05)


async def imported(platform, kind, content, **more):
    import_id = await announced(platform, kind, content, **more)
    assert (await sent(platform, import_id, content)).status_code == 200
    return await over(platform, import_id)


async def test_rows_are_recorded_and_the_same_file_again_changes_nothing(platform):
    first = await imported(platform, "devices", devices_csv(), key="a")
    assert (first["state"], first["accepted"], first["refused"]) == ("done", 40, 0)
    head = await platform.ledger.head()
    again = await imported(platform, "devices", devices_csv(), key="b")
    assert (again["state"], again["accepted"], again["unchanged"]) == ("done", 0, 40)
    assert await platform.ledger.head() == head == first["position"]


async def test_an_upload_goes_on_where_it_was_cut_off(platform):
    content = devices_csv()
    import_id = await announced(platform, "devices", content)
    half = await sent(platform, import_id, content[:700])
    assert half.json()["bytes_received"] == 700
    wrong = await sent(platform, import_id, content[600:], offset=600)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "import.wrong_offset")
    assert (await sent(platform, import_id, content[700:], offset=700)).status_code == 200
    assert (await over(platform, import_id))["accepted"] == 40


async def test_a_piece_whose_answer_was_lost_is_sent_again(platform):
    content = devices_csv()
    import_id = await announced(platform, "devices", content)
    first = await sent(platform, import_id, content[:700])
    again = await sent(platform, import_id, content[:700])
    assert (again.status_code, again.json()) == (200, first.json())
    other = await sent(platform, import_id, bytes(700))
    assert (other.status_code, other.json()["code"]) == (409, "import.wrong_offset")
    assert (await sent(platform, import_id, content[700:], offset=700)).status_code == 200
    assert (await over(platform, import_id))["accepted"] == 40


async def test_an_id_that_can_be_none_is_refused_at_both_doors(platform):
    headers = platform.headers(Role.OPERATOR, units=("99401",), key="k")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(platform.rest), base_url="http://registry") as registry:
        for client in (platform.client, registry):
            for one in ("%00", "x", "0" * 31, "0" * 32 + "%0A"):
                for verb, path in (("GET", ""), ("PATCH", ""), ("POST", "/cancel"), ("GET", "/errors")):
                    answer = await client.request(
                        verb, f"/v1/imports/{one}{path}", headers=headers | {"Upload-Offset": "0"}
                    )
                    assert (answer.status_code, answer.json()["code"]) == (422, "input.wrong_format"), (verb, one)


@pytest.mark.parametrize(
    ("key", "announced", "code"),
    [
        ("k", "{", "input.not_json"),
        ("k", "[" * 100_000, "input.too_deep"),
        ("k", '{"kind":"devices","kind":"received","name":"x","bytes":5}', "input.repeated_field"),
        ("k", '{"kind":"devices","name":"x\\u0000y","bytes":5}', "input.nul_character"),
        ("", '{"kind":"devices","name":"x","bytes":5}', "request.no_idempotency_key"),
        ("a b", '{"kind":"devices","name":"x","bytes":5}', "request.bad_idempotency_key"),
    ],
)
async def test_grpc_reads_an_announcement_as_strictly_as_rest(platform, key, announced, code):
    asked = registry_pb2.CreateImport(key=key, announced=announced)
    token = platform.headers(Role.OPERATOR, units=("99401",))["Authorization"]
    with pytest.raises(Refusal) as refused:
        await platform.peer.call(f"{SERVICE}/CreateImport", asked, registry_pb2.Import, authorization=token)
    assert refused.value.code == code


@pytest.mark.parametrize("key", ["", "a b", "a\n", "k" * 256])
async def test_grpc_takes_many_commands_under_a_key_that_is_one(platform, key):
    asked = registry_pb2.GiveMany(command="Register", key=key, body=b"[]", each_line=False)
    token = platform.headers(Role.OPERATOR, units=("99401",))["Authorization"]
    with pytest.raises(BadRequest):
        await platform.peer.call(f"{SERVICE}/GiveMany", asked, registry_pb2.ManyAnswered, authorization=token)


async def test_refused_rows_stand_in_the_error_file_and_the_others_are_accepted(platform):
    content = devices_csv([*NUMBERS[:3], "4.13E+21"])
    stands = await imported(platform, "devices", content)
    assert (stands["accepted"], stands["refused"]) == (3, 1)
    errors = await platform.client.get(
        f"/v1/imports/{stands['import_id']}/errors", headers=platform.headers(Role.OPERATOR, units=("99401",))
    )
    assert errors.status_code == 200
    text = errors.content.decode("utf-8-sig")
    assert "4.13E+21" in text
    assert len(text.strip().splitlines()) == 2


async def test_a_dry_run_records_nothing(platform):
    stands = await imported(platform, "devices", devices_csv(), dry_run=True)
    assert (stands["state"], stands["accepted"]) == ("done", 40)
    assert await platform.ledger.head() == 0


async def test_rows_of_another_unit_are_refused_one_by_one(platform):
    foreign = [compose("99402", "01", f"{serial:014d}") for serial in range(2)]
    content = devices_csv(NUMBERS[:2]) + "".join(f"{n},单相智能电能表,99402,2026-01-05\n" for n in foreign).encode(
        "gb18030"
    )
    stands = await imported(platform, "devices", content)
    assert (stands["accepted"], stands["refused"]) == (2, 2)


async def test_what_is_no_table_fails_with_a_code_and_says_what_to_do(platform):
    stands = await imported(platform, "devices", b"<html><body>login</body></html>")
    assert stands["state"] == "failed"
    assert stands["code"]
    assert stands["zh"]


async def test_imports_of_others_are_not_there(platform):
    import_id = await announced(platform, "devices", devices_csv())
    answer = await platform.client.get(
        f"/v1/imports/{import_id}", headers=platform.headers(Role.OPERATOR, units=("99401",), subject="u-2")
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "import.unknown")


async def test_who_may_not_import_is_refused_before_anything_is_kept(platform):
    answer = await platform.client.post(
        "/v1/imports",
        json={"kind": "devices", "name": "x", "bytes": 1},
        headers=platform.headers(Role.PUBLIC, key="k"),
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "access.denied")


@pytest.mark.parametrize("role", [Role.MANUFACTURER, Role.RECYCLER, Role.PUBLIC, Role.REGULATOR])
async def test_whoever_gives_no_commands_does_nothing_with_imports_here(platform, role):
    headers, one = platform.headers(role, key="k"), "/v1/imports/" + "0" * 32
    piece = headers | {"Upload-Offset": "0"}
    answers = [
        await platform.client.post("/v1/imports", json={"kind": "devices", "name": "x", "bytes": 1}, headers=headers),
        await platform.client.patch(one, content=b"x", headers=piece),
        await platform.client.get("/v1/imports", headers=headers),
        await platform.client.get(one, headers=headers),
        await platform.client.post(f"{one}/cancel", headers=headers),
        await platform.client.get(f"{one}/errors", headers=headers),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "access.denied")] * 6


async def test_the_list_goes_on_by_its_cursor_at_both_doors(platform):
    for key in "abc":
        await announced(platform, "devices", devices_csv(), key=key)
    headers = platform.headers(Role.OPERATOR, units=("99401",))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(platform.rest), base_url="http://registry") as registry:
        for client in (platform.client, registry):
            whole = (await client.get("/v1/imports", headers=headers)).json()
            assert (len(whole["items"]), whole["next"]) == (3, None)
            first = await client.get("/v1/imports?limit=2", headers=headers)
            link = first.headers["link"]
            assert link.endswith('; rel="next"')
            rest = await client.get(link[1 : link.index(">")], headers=headers)
            assert first.json()["items"] + rest.json()["items"] == whole["items"]
            assert rest.json()["next"] is None
            assert "link" not in rest.headers
            for wrong, status in (("limit=0", 422), ("limit=501", 422), ("limit=x", 422), ("sort=x", 422)):
                assert (await client.get(f"/v1/imports?{wrong}", headers=headers)).status_code == status, wrong
            bad = await client.get("/v1/imports?cursor=AAAA", headers=headers)
            assert (bad.status_code, bad.json()["code"]) == (400, "request.bad_cursor")


@pytest.mark.parametrize("day", ["1899-12-30", "9999-12-31"])
async def test_a_day_that_can_be_none_is_refused_when_it_is_announced(platform, day):
    asked = {"kind": "devices", "name": "x", "bytes": 1, "occurred_on": day}
    answer = await platform.client.post(
        "/v1/imports", json=asked, headers=platform.headers(Role.OPERATOR, units=("99401",), key="k")
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")
    assert "日期须在" in answer.json()["zh"]
    assert "a day is from" in answer.json()["en"]


async def test_the_error_file_is_saved_under_its_name_at_both_doors_and_never_kept_by_a_cache(platform):
    import_id = (await imported(platform, "devices", devices_csv([*NUMBERS[:1], "4.13E+21"])))["import_id"]
    headers, saved = platform.headers(Role.OPERATOR, units=("99401",)), []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(platform.rest), base_url="http://registry") as registry:
        for client in (platform.client, registry):
            answer = await client.get(f"/v1/imports/{import_id}/errors", headers=headers)
            name = f"{import_id}.errors.csv"
            assert answer.headers["content-disposition"] == disposition(name)
            assert answer.headers["content-type"].startswith("text/csv")
            assert answer.headers["cache-control"] == "no-store"
            saved.append(answer.content)
    assert saved[0] == saved[1]
