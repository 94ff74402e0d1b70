"""HTTP as the registry's own door and the gateway speak it alike: versions, pages, keys."""

from contextlib import asynccontextmanager

import msgspec
import pytest
import pytest_asyncio

from kernel.principal import Role
from services.registry.asset_number import compose
from services.registry.container import RegisterContainer
from services.registry.meter.identity import Register
from services.registry.plan import SetPlan
from services.registry.shipment import PrepareShipment
from services.registry.site import OpenSite
from tests.doors.entrances import bearer, said
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import Entrances
from tests.registry.doors.season import CUT_OFF, MANIFEST
from tests.registry.stories import DISMANTLE, UNIT, on

ROWS = 7
LATE = CUT_OFF.replace(year=2027)
NUMBERS = [compose(UNIT, "01", f"{serial:014d}") for serial in range(ROWS)]
LISTS = {
    "/v1/meters": ("asset_no", {}),
    "/v1/sites": ("site", {}),
    "/v1/shipments": ("shipment", {"unit": UNIT}),
    "/v1/containers": ("container", {}),
    "/v1/plans": ("cohort", {}),
    "/v1/recovery/owed": ("asset_no", {"unit": UNIT}),
}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def told_in_advance(folder):
    """A platform with several of everything that is listed."""
    async with behind(folder) as platform:
        told = [on(OpenSite, site_id=f"S-{nth}", kind="unit_store", name="合成", unit=UNIT) for nth in range(ROWS)]
        for nth, number in enumerate(NUMBERS):
            told += [
                on(Register, asset_no=number, device_class="01", unit=UNIT),
                msgspec.structs.replace(DISMANTLE, asset_no=number, site="S-0"),
                on(RegisterContainer, container_id=f"B-{nth}", device_class="23", site="S-0"),
                on(
                    SetPlan,
                    plan_id=f"{UNIT}-2026-0{nth + 1}",
                    expected=1,
                    target_ppm=1,
                    cut_off=LATE,
                ),
                on(
                    PrepareShipment,
                    shipment_id=f"SH-{nth}",
                    from_site="S-0",
                    to_site="S-1",
                    unit=UNIT,
                    manifest=MANIFEST,
                ),
            ]
        position = await tell(platform.registry, told)
        await platform.registry.ask(lambda _connection: None, seen=position)
        yield Entrances(platform)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrances(tmp_path_factory):
    """Of one platform for all that change nothing there."""
    async with told_in_advance(tmp_path_factory.mktemp("protocol")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def own_entrances(tmp_path):
    """Of a platform of the test's own."""
    async with told_in_advance(tmp_path) as opened:
        yield opened


@pytest.fixture(params=["rest", "gateway"])
def web(request, entrances):
    return getattr(entrances, request.param).client


@pytest.fixture
def headers(entrances):
    return keeper(entrances)


def keeper(entrances):
    return bearer(entrances.token(Role.STOREKEEPER, Role.OPERATOR, units=(UNIT,)))


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_is_walked_by_its_links_and_shows_every_row_once(web, headers, path):
    key, asked = LISTS[path]
    whole = await web.get(path, params=asked, headers=headers)
    every = [row[key] for row in whole.json()["items"]]
    assert (len(set(every)), "link" in whole.headers, whole.json()["next"]) == (ROWS, False, None)
    page = await web.get(path, params=asked | {"limit": 3}, headers=headers)
    found, pages = [row[key] for row in page.json()["items"]], 1
    while "next" in page.links:
        assert page.json()["next"]
        page = await web.get(page.links["next"]["url"], headers=headers)
        assert page.status_code == 200, page.text
        found, pages = found + [row[key] for row in page.json()["items"]], pages + 1
    assert (found, pages, page.json()["next"]) == (every, 3, None)


async def test_a_cursor_is_good_for_its_own_question_alone(web, headers):
    cursor = (await web.get("/v1/meters", params={"limit": 2}, headers=headers)).json()["next"]
    for path, params in (
        ("/v1/sites", {"cursor": cursor}),
        ("/v1/meters", {"cursor": cursor, "unit": UNIT}),
        ("/v1/meters", {"cursor": cursor[:-3]}),
        ("/v1/meters", {"cursor": ""}),
    ):
        assert said(await web.get(path, params=params, headers=headers)).code == "request.bad_cursor", (path, params)
    for limit in (0, 501, -1):
        answer = said(await web.get("/v1/meters", params={"limit": limit}, headers=headers))
        assert (answer.status, answer.code) == (422, "input.out_of_range")


@pytest.mark.parametrize("path", [f"/v1/meters/{NUMBERS[0]}/card", "/v1/shipments/SH-0"])
@pytest.mark.parametrize("name", ["rest", "gateway"])
async def test_what_is_shown_has_the_version_that_if_match_takes(own_entrances, name, path):
    web, headers = getattr(own_entrances, name).client, keeper(own_entrances)
    shown = await web.get(path, headers=headers)
    tag = shown.headers["etag"]
    assert tag == f'"{shown.json()["version"]}"'
    same = await web.get(path, headers=headers | {"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    asks = {
        "/v1/meters": (
            f"/v1/meters/{NUMBERS[0]}/store",
            {"occurred_on": "2026-03-06", "site": "S-0", "location": "A-1"},
        ),
        "/v1/shipments": ("/v1/shipments/SH-0/dispatch-shipment", {"occurred_on": "2026-03-06"}),
    }
    at, body = next(ask for start, ask in asks.items() if path.startswith(start))
    done = await web.post(at, json=body, headers=headers | {"Idempotency-Key": "k", "If-Match": tag})
    assert (done.status_code, done.headers["etag"]) == (200, f'"{done.json()["version"]}"'), done.text
    late = said(await web.post(at, json=body, headers=headers | {"Idempotency-Key": "k2", "If-Match": tag}))
    assert (late.status, late.code) == (412, "command.stale_version")


async def test_lists_have_a_tag_of_what_they_show(web, headers):
    first = await web.get("/v1/sites", headers=headers)
    again = await web.get("/v1/sites", headers=headers | {"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert "authorization" in first.headers["vary"].lower()
    other = await web.get("/v1/sites", params={"limit": 2}, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


async def test_no_post_is_taken_without_a_key_of_its_own(entrances, web, headers):
    await entrances.platform.gateway.describe()
    document = (await web.get("/openapi.json")).json()
    posts = [path for path, item in document["paths"].items() if "post" in item]
    assert len(posts) > 2 * len(entrances.offered.groups)
    head = await entrances.ledger.head()
    for path in posts:
        at = path.replace("{asset_no}", NUMBERS[0]).replace("{", "").replace("}", "")
        answer = said(await web.post(at, json={}, headers=headers | everything(entrances)))
        assert (answer.status, answer.code) == (400, "request.no_idempotency_key"), path
    assert await entrances.ledger.head() == head


def everything(entrances):
    return bearer(entrances.token(*Role))
