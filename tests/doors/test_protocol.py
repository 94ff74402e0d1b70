"""HTTP as a service's own door and the gateway speak it alike: versions, pages, keys."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

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
from services.sorting.scheme import PublishScheme
from tests.doors.entrances import Entrances, bearer, said
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import Entrances as RegistryEntrances
from tests.registry.doors.season import CUT_OFF, MANIFEST
from tests.registry.stories import DISMANTLE, UNIT, on
from tests.sorting.doors import season as sorting
from tests.sorting.doors.entrances import Entrances as SortingEntrances
from tests.sorting.examples import SCHEME, inspected

ROWS = 7
LATE = CUT_OFF.replace(year=2027)
NUMBERS = [compose(UNIT, "01", f"{serial:014d}") for serial in range(ROWS)]
CLASSES = ("01", "02", "03", "04", "05", "06", "07")

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Spoken(msgspec.Struct, frozen=True):
    """A service with several of everything that is listed. `lists` are paths with the key of their rows and what is
    asked besides; `shown` paths to the nth of some, each with a command about it; `keeper` whoever may do all of it.
    """

    told: Callable[[Path], AbstractAsyncContextManager[Entrances]]
    keeper: tuple[Role, ...]
    lists: Mapping[str, tuple[str, dict[str, Any]]]
    shown: Callable[[int], Mapping[str, tuple[str, dict[str, Any]]]]

    def headers(self, entrances: Entrances) -> dict[str, str]:
        return bearer(entrances.token(*self.keeper, units=(UNIT,)))


@asynccontextmanager
async def registry_told(folder: Path) -> AsyncIterator[Entrances]:
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
        await platform.registry.ask(lambda _session: None, seen=position)
        yield RegistryEntrances(platform)


@asynccontextmanager
async def sorting_told(folder: Path) -> AsyncIterator[Entrances]:
    async with behind(folder) as platform:
        entrances = SortingEntrances(platform)
        await sorting.arrived(platform.ledger, NUMBERS, unit=UNIT)
        groups = [msgspec.structs.replace(SCHEME, group=f"g_{one}", device_classes=(one,)) for one in CLASSES]
        rules = [sorting.on(PublishScheme, group=one.group, version=1, scheme=one, why="合成") for one in groups]
        told = [*rules, *sorting.RULES[1:]]
        told += [inspected(number) for number in NUMBERS]
        told += [sorting.begun(f"RP-{nth}", number) for nth, number in enumerate(NUMBERS)]
        told += [msgspec.structs.replace(sorting.REVIEWS[0], review=f"RV-{nth}") for nth in range(ROWS)]
        await sorting.tell(entrances.sorting, [(one,) for one in told])
        yield entrances


DAY = {"occurred_on": "2026-03-06"}
SERVICES = {
    "registry": Spoken(
        told=registry_told,
        keeper=(Role.STOREKEEPER, Role.OPERATOR),
        lists={
            "/v1/meters": ("asset_no", {}),
            "/v1/sites": ("site", {}),
            "/v1/shipments": ("shipment", {"unit": UNIT}),
            "/v1/containers": ("container", {}),
            "/v1/plans": ("cohort", {}),
            "/v1/recovery/owed": ("asset_no", {"unit": UNIT}),
        },
        shown=lambda nth: {
            f"/v1/meters/{NUMBERS[nth]}/card": (
                f"/v1/meters/{NUMBERS[nth]}/store",
                DAY | {"site": "S-0", "location": "A-1"},
            ),
            f"/v1/shipments/SH-{nth}": (f"/v1/shipments/SH-{nth}/dispatch-shipment", DAY),
        },
    ),
    "sorting": Spoken(
        told=sorting_told,
        keeper=(Role.METROLOGIST, Role.REGULATOR),
        lists={
            "/v1/inspections": ("asset_no", {}),
            "/v1/repairs": ("repair", {}),
            "/v1/reviews": ("review", {}),
            "/v1/schemes": ("scheme_group", {}),
            f"/v1/inspections/{NUMBERS[0]}/life": ("position", {"as_of_position": 2**53}),
        },
        shown=lambda nth: {
            f"/v1/inspections/{NUMBERS[nth]}": (
                f"/v1/inspections/{NUMBERS[nth]}/propose-override",
                DAY | {"disposition": "hold", "why": "合成", "by": "u-1"},
            ),
            f"/v1/repairs/RP-{nth}": (f"/v1/repairs/RP-{nth}/cancel-repair", DAY | {"why": "合成"}),
            f"/v1/reviews/RV-{nth}": (f"/v1/reviews/RV-{nth}/withdraw-review", DAY | {"why": "合成", "by": "u-1"}),
        },
    ),
}


@pytest.fixture(scope="module", params=SERVICES)
def service(request):
    return SERVICES[request.param]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def entrances(service, tmp_path_factory):
    """Of one platform for all: each changes what no other looks at closely."""
    async with service.told(tmp_path_factory.mktemp("protocol")) as opened:
        yield opened


@pytest.fixture(params=["rest", "gateway"])
def web(request, entrances):
    return getattr(entrances, request.param).client


@pytest.fixture
def headers(service, entrances):
    return service.headers(entrances)


async def test_every_list_is_walked_by_its_links_and_shows_every_row_once(service, web, headers):
    for path, (key, asked) in service.lists.items():
        whole = await web.get(path, params=asked, headers=headers)
        every = [row[key] for row in whole.json()["items"]]
        assert (len(set(every)) >= ROWS, "link" in whole.headers, whole.json()["next"]) == (True, False, None), path
        page = await web.get(path, params=asked | {"limit": 3}, headers=headers)
        found, pages = [row[key] for row in page.json()["items"]], 1
        while "next" in page.links:
            assert page.json()["next"]
            page = await web.get(page.links["next"]["url"], headers=headers)
            assert page.status_code == 200, page.text
            found, pages = found + [row[key] for row in page.json()["items"]], pages + 1
        assert (found, pages, page.json()["next"]) == (every, len(every) // 3 + 1, None), path


async def test_a_cursor_is_good_for_its_own_question_alone(service, web, headers):
    own, other = [path for path, (_, asked) in service.lists.items() if not asked][:2]
    cursor = (await web.get(own, params={"limit": 2}, headers=headers)).json()["next"]
    for path, params in (
        (other, {"cursor": cursor}),
        (own, {"cursor": cursor, "unit": UNIT}),
        (own, {"cursor": cursor[:-3]}),
        (own, {"cursor": ""}),
    ):
        assert said(await web.get(path, params=params, headers=headers)).code == "request.bad_cursor", (path, params)
    for limit in (0, 501, -1):
        answer = said(await web.get(own, params={"limit": limit}, headers=headers))
        assert (answer.status, answer.code) == (422, "input.out_of_range")


async def test_what_is_shown_has_the_version_that_if_match_takes(service, entrances, web, headers):
    for path, (at, body) in service.shown(int(web is entrances.gateway.client)).items():
        shown = await web.get(path, headers=headers)
        tag = shown.headers["etag"]
        assert tag == f'"{shown.json()["version"]}"'
        same = await web.get(path, headers=headers | {"If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        done = await web.post(at, json=body, headers=headers | {"Idempotency-Key": "k", "If-Match": tag})
        assert (done.status_code, done.headers["etag"]) == (200, f'"{done.json()["version"]}"'), done.text
        late = said(await web.post(at, json=body, headers=headers | {"Idempotency-Key": "k2", "If-Match": tag}))
        assert (late.status, late.code) == (412, "command.stale_version")


async def test_lists_have_a_tag_of_what_they_show(service, web, headers):
    path = next(iter(service.lists))
    first = await web.get(path, headers=headers)
    again = await web.get(path, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert "authorization" in first.headers["vary"].lower()
    other = await web.get(path, params={"limit": 2}, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


async def test_no_post_is_taken_without_a_key_of_its_own(entrances, web, headers):
    await entrances.platform.gateway.describe()
    document = (await web.get("/openapi.json")).json()
    posts = [path for path, item in document["paths"].items() if "post" in item]
    assert len(posts) >= 2 * len(entrances.offered.groups)
    head = await entrances.ledger.head()
    for path in posts:
        at = path.replace("{asset_no}", NUMBERS[0]).replace("{", "").replace("}", "")
        answer = said(await web.post(at, json={}, headers=headers | everything(entrances)))
        assert (answer.status, answer.code) == (400, "request.no_idempotency_key"), path
    assert await entrances.ledger.head() == head


def everything(entrances):
    return bearer(entrances.token(*Role))


async def test_what_http_itself_has_against_a_request_is_said_as_a_problem(service, entrances, web, headers):
    await entrances.platform.gateway.describe()
    path, (at, body) = next(iter(service.shown(2).items()))
    keyed = headers | {"Idempotency-Key": "k-http"}
    head = await entrances.ledger.head()
    answers = [
        await web.get(f"{path}/nothing/there", headers=headers),
        await web.put(path, json=body, headers=keyed),
        await web.get(at, headers=headers),
        await web.post(at, content=b"a=b", headers=keyed | {"Content-Type": "application/x-www-form-urlencoded"}),
        await web.post(at, content=b"{", headers=keyed | {"Content-Type": "application/json"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "http.no_such_path"),
        (405, "http.method_not_allowed"),
        (405, "http.method_not_allowed"),
        (415, "request.wrong_media_type"),
        (400, "input.not_json"),
    ]
    for answer in answers:
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["zh"]
        assert problem["en"]
    assert await entrances.ledger.head() == head
