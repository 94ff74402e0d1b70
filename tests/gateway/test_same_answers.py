"""The gateway answers as the registry does: the same status, headers and content to the same requests."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from kernel.http_limits import BULK_BYTES_MAX
from kernel.principal import Role
from services.registry.shipment import MANIFEST_LINES_MAX, FoundLine
from tests.gateway.behind import behind
from tests.gateway.season import (
    CENTRE,
    DAY,
    SHIPMENT,
    STORE,
    UNIT,
    dismantled,
    dispatched,
    number,
    prepared,
    received,
    signed,
    sites,
    tell,
)

DEVICES = [number(serial) for serial in range(1, 6)]
ONE = DEVICES[0]
DAYS = "first=2026-01-01&last=2026-12-31"
OF_A_CONNECTION = {"date", "server", "content-length"}

QUESTIONS = [
    f"/v1/meters/{ONE}/card",
    f"/v1/meters/{ONE}/card?as_of_position=13",
    f"/v1/meters/{ONE}/card?as_of_day=2026-03-05",
    f"/v1/meters/{ONE}/life",
    f"/v1/meters/{ONE}/life?limit=1",
    "/v1/meters",
    "/v1/meters?limit=1",
    "/v1/meters?limit=2&phase=at_site",
    f"/v1/balances?{DAYS}",
    f"/v1/balances?{DAYS}&limit=1",
    "/v1/recovery?first=2026-01&last=2026-12",
    "/v1/recovery?first=2026-01&last=2026-12&limit=1",
    f"/v1/recovery/owed?unit={UNIT}",
    "/v1/burnt",
    "/v1/holds/due?by=2026-12-31",
    "/v1/alarms",
    "/v1/custody-gaps?before=2026-12-31&limit=1",
    "/v1/duplicates",
    "/v1/sites?limit=1",
    "/v1/shipments",
    f"/v1/shipments/{SHIPMENT}",
    "/v1/containers",
    "/v1/plans",
]
FAULTY = [
    f"/v1/meters/{ONE}/card?as_of_day=2026-03-05&as_of_position=1",
    f"/v1/meters/{ONE}/card?colour=red",
    f"/v1/meters/{ONE}/card?seen=x",
    f"/v1/meters/{ONE}/card?seen=1&seen=2",
    f"/v1/meters/{number(99)}/card",
    f"/v1/meters/{'x' * 65}/card",
    *(f"/v1/meters?limit={limit}" for limit in ("0", "-5", "501", "100000", "x", "", "1.5", "9" * 30)),
    "/v1/meters?cursor=AAAA",
    "/v1/meters?cursor=",
    "/v1/alarms?limit=0",
    "/v1/balances?first=2026-01-01",
    "/v1/balances?first=2026-02-30&last=2026-12-31",
    "/v1/recovery?first=2026-13&last=2026-12",
    "/v1/recovery/owed",
    "/v1/shipments/none",
    "/v1/nowhere",
]


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        yield started


@pytest.fixture
async def doors(platform):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(platform.rest), base_url="http://registry") as registry:
        yield platform.client, registry


@pytest.fixture(autouse=True)
async def season(platform):
    found = [FoundLine(asset_no=one) for one in DEVICES[1:]]
    told = [
        *sites(),
        *dismantled(DEVICES[2:]),
        *dismantled(DEVICES[:2], DAY - timedelta(days=3)),
        prepared(DEVICES),
        dispatched(),
        received(found),
        signed("from"),
    ]
    position = await tell(platform.registry, told)
    await platform.registry.ask(lambda _connection: None, seen=position)


def said(answer: httpx.Response) -> dict[str, Any]:
    """What must be the same. A cursor belongs to the door that gave it, and so does a tag that is a hash: members
    may come in another order. What is wrong with a field is told in each door's own words.
    """
    headers = {name: value for name, value in answer.headers.items() if name not in OF_A_CONNECTION}
    content = answer.json() if answer.content else None
    if isinstance(content, dict) and content.get("next") is not None:
        content["next"] = True
        link, _, relation = headers["link"].partition(">")
        there = urlsplit(link.removeprefix("<"))
        headers["link"] = (there.path, sorted(parse_qs(there.query)), relation)
    if not headers.get("etag", "").strip('"').isdigit() and "etag" in headers:
        headers["etag"] = "of its bytes"
    if answer.is_error and content is not None:
        faults = [(fault["field"], fault["code"]) for fault in content["errors"]]
        content = {name: content[name] for name in ("type", "title", "status", "code")} | {"errors": faults}
    return {"status": answer.status_code, "headers": headers, "content": content}


@pytest.mark.parametrize("who", [Role.AUDITOR, Role.PUBLIC, None])
async def test_questions_are_answered_alike(platform, doors, who):
    headers = {} if who is None else platform.headers(who)
    statuses = set()
    # Whether the role or the question is looked at first is each door's own.
    for path in QUESTIONS if who is Role.PUBLIC else [*QUESTIONS, *FAULTY]:
        gateway, registry = [await door.get(path, headers=headers) for door in doors]
        if who is Role.PUBLIC and registry.status_code == 404:
            # The gateway turns a role away; the registry hides from it each thing by itself, whether there or not.
            assert (gateway.status_code, gateway.json()["code"]) == (403, "access.denied"), path
            continue
        assert said(gateway) == said(registry), path
        statuses.add(gateway.status_code)
        if gateway.status_code == 200:
            known = headers | {"If-None-Match": gateway.headers["etag"]}
            assert (await platform.client.get(path, headers=known)).status_code == 304
    if who is Role.AUDITOR:
        assert statuses == {200, 400, 404, 422}


async def test_pages_are_gone_through_alike(platform, doors):
    for path in (f"/v1/balances?{DAYS}", "/v1/meters", f"/v1/meters/{ONE}/life", "/v1/sites"):
        whole = (await platform.client.get(path, headers=platform.headers(Role.AUDITOR))).json()["items"]
        assert len(whole) > 1
        for door in doors:
            rows, following = [], f"{path}{'&' if '?' in path else '?'}limit=1"
            while following:
                answer = await door.get(following, headers=platform.headers(Role.AUDITOR))
                rows += answer.json()["items"]
                following = answer.links.get("next", {}).get("url")
            assert rows == whole, path


def hold(name):
    return {"hold": name, "kind": "court", "reference": "case 7", "occurred_on": "2026-03-20"}


async def test_commands_are_answered_alike(platform, doors):
    register = {"occurred_on": "2026-01-05", "device_class": "01", "unit": UNIT}
    headers = platform.headers(Role.STOREKEEPER, key="k")
    for at, (path, body, more) in enumerate(
        [
            ("/v1/meters/{new}/register", register, {}),
            ("/v1/meters/{new}/register", register, {}),
            ("/v1/meters/{new}/register", register | {"unit": "99402"}, {}),
            ("/v1/meters/{new}/register", register | {"colour": "red"}, {}),
            ("/v1/meters/{new}/register", register, {"Idempotency-Key": ""}),
            ("/v1/meters/{new}/register", register, {"Content-Type": "text/plain"}),
            ("/v1/meters/{new}/place-hold", hold("H"), {"If-Match": '"7"'}),
            ("/v1/meters/{new}/place-hold", hold("H"), {"If-Match": "7"}),
            ("/v1/meters/{new}/place-hold", hold("H"), {"If-Match": '"0"', "Idempotency-Key": "h"}),
            ("/v1/meters/bulk/register", [register], {}),
            ("/v1/meters/bulk/register", {}, {}),
        ]
    ):
        answers = []
        for door, new in zip(doors, (number(100), number(200)), strict=True):
            answer = await door.post(path.format(new=new), json=body, headers=headers | more)
            told = said(answer)
            told["content"].pop("position", None)
            answers.append(json.dumps(told, ensure_ascii=False).replace(new, "NEW"))
        assert answers[0] == answers[1], (at, path)


async def test_the_tag_of_what_is_shown_is_what_if_match_takes(platform, doors):
    for at, door in enumerate(doors):
        seen = await platform.ledger.head()
        card = await door.get(f"/v1/meters/{ONE}/card?seen={seen}", headers=platform.headers(Role.ADMIN))
        headers = platform.headers(Role.LEGAL, key=str(at)) | {"If-Match": card.headers["etag"]}
        done = await door.post(f"/v1/meters/{ONE}/place-hold", json=hold(f"H-{at}"), headers=headers)
        assert done.status_code == 200, done.text
    shipment = await platform.client.get(f"/v1/shipments/{SHIPMENT}", headers=platform.headers(Role.AUDITOR))
    assert shipment.headers["etag"] == f'"{shipment.json()["version"]}"'


async def test_a_full_manifest_goes_through_both_doors(platform, doors):
    lines = [{"asset_no": number(10_000 + one), "device_class": "01"} for one in range(MANIFEST_LINES_MAX)]
    body = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT, "manifest": lines, "occurred_on": "2026-03-20"}
    for at, door in enumerate(doors):
        done = await door.post(
            f"/v1/shipments/FULL-{at}/prepare-shipment", json=body, headers=platform.headers(Role.STOREKEEPER, key="k")
        )
        assert done.status_code == 201, done.text


async def test_as_many_bytes_at_once_go_through_both_doors(platform, doors):
    line = {"occurred_on": "2026-01-05", "device_class": "01", "unit": UNIT, "description": {"remark": "备" * 1_000}}
    lines = [line | {"asset_no": number(20_000 + one)} for one in range(900)]
    body = json.dumps(lines, ensure_ascii=False).encode()
    body += b" " * (BULK_BYTES_MAX - len(body))
    headers = platform.headers(Role.STOREKEEPER, key="k") | {"Content-Type": "application/json"}
    for door, outcome in zip(doors, ("accepted", "repeated"), strict=True):
        done = await door.post("/v1/meters/bulk/register", content=body, headers=headers)
        assert (done.status_code, done.json()[outcome]) == (200, 900), done.text[:500]
        over = await door.post("/v1/meters/bulk/register", content=body + b" ", headers=headers)
        assert (over.status_code, over.json()["code"]) == (413, "request.too_large")
